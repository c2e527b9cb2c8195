"""What goes into the group coordinator and what comes out: requests and results of any version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from aliran.core.error_codes import ErrorCode

NO_GENERATION = -1
"""Generation of somebody outside of any generation. Kafka: `UNKNOWN_GENERATION_ID`."""

UNKNOWN_MEMBER = ""
"""Member id of somebody the coordinator has not named yet. Kafka: `UNKNOWN_MEMBER_ID`."""

Protocols: TypeAlias = tuple[tuple[str, bytes], ...]
"""What a member supports: assignor name and its opaque metadata, in order of preference."""


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """A member asks for a place in the next generation.

    Attributes:
        group_id: The group.
        member_id: The id it was given before, or "".
        instance_id: Its name that survives restarts (static membership, KIP-345), or None.
        client_id: The client's name for itself.
        client_host: Address the client connects from.
        session_timeout_ms: Silence after which it counts as dead.
        rebalance_timeout_ms: How long the group waits for it to join again.
        protocol_type: "consumer", "connect" or another family; one a group.
        protocols: What it supports, best first.
        requires_known_member_id: A member without id is given one and must join again with it
            (KIP-394, JoinGroup v4 and up).
        can_skip_assignment: It understands `JoinResult.skip_assignment` (KIP-814, v9).
    """

    group_id: str
    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    session_timeout_ms: int
    rebalance_timeout_ms: int
    protocol_type: str
    protocols: Protocols
    requires_known_member_id: bool = True
    can_skip_assignment: bool = False


class JoinedMember(NamedTuple):
    """A member as the leader hears of it."""

    member_id: str
    instance_id: str | None
    metadata: bytes


@dataclass(frozen=True, slots=True)
class JoinResult:
    """The answer to a join: a place in a generation, or an error.

    Attributes:
        error: NONE, or why there is no place.
        member_id: The member's id from now on.
        generation: Number of the generation.
        protocol_type: The group's protocol type.
        protocol_name: The assignor the members' votes chose.
        leader_id: Member that computes the assignment.
        members: Everybody, for the leader; empty for the others.
        skip_assignment: The leader need not assign: the group goes on with what it has.
    """

    error: ErrorCode
    member_id: str
    generation: int = NO_GENERATION
    protocol_type: str | None = None
    protocol_name: str | None = None
    leader_id: str = ""
    members: tuple[JoinedMember, ...] = ()
    skip_assignment: bool = False


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """A member asks for its assignment; the leader's request brings everybody's.

    Attributes:
        group_id: The group.
        member_id: The member.
        instance_id: Its static name, or None.
        generation: The generation it joined.
        protocol_type: What it believes the group's type is; None (below v5): not checked.
        protocol_name: What it believes the assignor is; None (below v5): not checked.
        assignments: From the leader: member id to opaque assignment.
    """

    group_id: str
    member_id: str
    generation: int
    instance_id: str | None = None
    protocol_type: str | None = None
    protocol_name: str | None = None
    assignments: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SyncResult:
    """The answer to a sync: the member's assignment, or an error."""

    error: ErrorCode
    assignment: bytes = b""
    protocol_type: str | None = None
    protocol_name: str | None = None


class LeavingMember(NamedTuple):
    """Who leaves: by member id, or by static name with an empty member id."""

    member_id: str
    instance_id: str | None = None


class LeaveResult(NamedTuple):
    """The answer to one `LeavingMember`."""

    member_id: str
    instance_id: str | None
    error: ErrorCode


class MemberDescription(NamedTuple):
    """A member as administrators see it; metadata and assignment only while the group is stable."""

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    metadata: bytes
    assignment: bytes


class GroupDescription(NamedTuple):
    """A group as administrators see it."""

    group_id: str
    state: str
    protocol_type: str
    protocol_name: str
    members: tuple[MemberDescription, ...]


JoinReply: TypeAlias = Callable[[JoinResult], None]
SyncReply: TypeAlias = Callable[[SyncResult], None]
