"""One classic group and its members: the data, the votes and the moves between states.

It knows no timers' meaning, no requests and no storage; `Rebalancer` moves it.
Kafka: `ClassicGroup`, `ClassicGroupMember`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from aliran.broker.groups.scheduler import Timer
from aliran.broker.groups.states import TRANSITIONS, GroupState
from aliran.broker.groups.subscription import subscribed_topics
from aliran.broker.groups.values import (
    JoinedMember,
    JoinReply,
    JoinResult,
    Protocols,
    SyncReply,
    SyncResult,
)
from aliran.core.error_codes import ErrorCode

CONSUMER_PROTOCOL = "consumer"
"""Protocol type of consumers; only for these the broker looks into the metadata."""


@dataclass(slots=True, eq=False)
class Member:
    """One member of a group.

    Attributes:
        member_id: Its id in this life.
        instance_id: Its name over restarts, or None for a dynamic member.
        client_id: The client's name for itself.
        client_host: Address it connects from.
        rebalance_timeout_ms: How long the group waits for it to join again.
        session_timeout_ms: Silence after which it counts as dead.
        protocols: What it supports, best first.
        assignment: What the leader gave it.
        is_new: It has not completed a join yet, so it cannot send heartbeats.
        awaiting_join: Where to answer its join, while one waits.
        awaiting_sync: Where to answer its sync, while one waits.
        session_timer: Fires when it has been silent for too long.
    """

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    rebalance_timeout_ms: int
    session_timeout_ms: int
    protocols: Protocols
    assignment: bytes = b""
    is_new: bool = False
    awaiting_join: JoinReply | None = None
    awaiting_sync: SyncReply | None = None
    session_timer: Timer | None = None

    def metadata(self, protocol_name: str | None) -> bytes:
        """Return what the member said about `protocol_name`; empty if it does not support it."""
        return next((data for name, data in self.protocols if name == protocol_name), b"")

    def vote(self, candidates: set[str]) -> str:
        """Return the candidate this member likes best."""
        return next(name for name, _ in self.protocols if name in candidates)

    def answer_join(self, result: JoinResult) -> bool:
        """Answer the waiting join, if there is one, and say whether there was."""
        reply, self.awaiting_join = self.awaiting_join, None
        if reply is not None:
            reply(result)
        return reply is not None

    def answer_sync(self, result: SyncResult) -> bool:
        """Answer the waiting sync, if there is one, and say whether there was."""
        reply, self.awaiting_sync = self.awaiting_sync, None
        if reply is not None:
            reply(result)
        return reply is not None

    def refuse(self, error: ErrorCode) -> None:
        """Answer whatever waits with `error`."""
        self.answer_join(JoinResult(error, self.member_id))
        self.answer_sync(SyncResult(error))

    def stop_timer(self) -> None:
        """Forget the session timer."""
        if self.session_timer is not None:
            self.session_timer.cancel()
            self.session_timer = None


@dataclass(slots=True, eq=False)
class Group:
    """One group.

    Attributes:
        group_id: Its name.
        state: Where it is; changed by `move_to` alone.
        state_since_ms: When it got there, milliseconds since the epoch.
        generation: Number of the current generation; 0 before the first.
        protocol_type: What its members have in common; None before the first member.
        protocol_name: The assignor of this generation.
        leader_id: The member that assigns.
        members: By member id, in order of arrival.
        static_ids: Member id of each static name.
        pending_joins: Ids given out whose owners have not joined with them yet (KIP-394).
        pending_syncs: Members of this generation that have not asked for their assignment yet.
        new_member_added: Somebody came during the initial delay, which is therefore prolonged.
        subscribed_topics: Topics its consumers read; None when that is not known.
        join_timer: Ends the wait for members to join.
        sync_timer: Ends the wait for members to sync.
    """

    group_id: str
    state: GroupState = GroupState.EMPTY
    state_since_ms: int = -1
    generation: int = 0
    protocol_type: str | None = None
    protocol_name: str | None = None
    leader_id: str | None = None
    members: dict[str, Member] = field(default_factory=dict)
    static_ids: dict[str, str] = field(default_factory=dict)
    pending_joins: dict[str, Timer] = field(default_factory=dict)
    pending_syncs: set[str] = field(default_factory=set)
    new_member_added: bool = False
    subscribed_topics: frozenset[str] | None = None
    join_timer: Timer | None = None
    sync_timer: Timer | None = None

    def move_to(self, state: GroupState, now_ms: int) -> None:
        """Go to `state`.

        Raises:
            AssertionError: The table of states has no such move.
        """
        if state not in TRANSITIONS[self.state]:
            raise AssertionError(
                f"group {self.group_id} cannot go from {self.state.value} to {state.value}"
            )
        self.state = state
        self.state_since_ms = now_ms

    @property
    def rebalance_timeout_ms(self) -> int:
        """How long to wait for members: as long as the most patient of them asks."""
        return max((member.rebalance_timeout_ms for member in self.members.values()), default=0)

    @property
    def can_rebalance(self) -> bool:
        """Whether a rebalance may begin in this state."""
        return GroupState.PREPARING_REBALANCE in TRANSITIONS[self.state]

    @property
    def awaiting_joins(self) -> int:
        """How many members wait for the join phase to end."""
        return sum(member.awaiting_join is not None for member in self.members.values())

    @property
    def all_joined(self) -> bool:
        """Whether nobody is missing in the join phase."""
        return not self.pending_joins and self.awaiting_joins == len(self.members)

    def supports(self, protocol_type: str, protocols: Protocols) -> bool:
        """Say whether a member of this type with these protocols fits in."""
        if self.state is GroupState.EMPTY:
            return bool(protocol_type) and bool(protocols)
        if self.protocol_type != protocol_type:
            return False
        if not self.members:
            return bool(protocols)
        return not self.common_protocols().isdisjoint(name for name, _ in protocols)

    def common_protocols(self) -> set[str]:
        """Return the protocols that every member supports."""
        sets = [{name for name, _ in member.protocols} for member in self.members.values()]
        return set.intersection(*sets) if sets else set()

    def choose_protocol(self) -> str:
        """Return the protocol with the most votes among those that all support."""
        candidates = self.common_protocols()
        votes: dict[str, int] = {}
        for member in self.members.values():
            choice = member.vote(candidates)
            votes[choice] = votes.get(choice, 0) + 1
        return max(votes, key=votes.__getitem__)

    def add(self, member: Member, protocol_type: str) -> None:
        """Take a member in; the first one gives the group its protocol type and leads it."""
        if not self.members:
            self.protocol_type = protocol_type
        if self.leader_id is None:
            self.leader_id = member.member_id
        self.members[member.member_id] = member
        if member.instance_id is not None:
            self.static_ids[member.instance_id] = member.member_id
        self.forget_pending(member.member_id)

    def remove(self, member: Member) -> None:
        """Let a member go; the next in line leads if it led."""
        member.stop_timer()
        self.members.pop(member.member_id, None)
        self.pending_syncs.discard(member.member_id)
        if member.instance_id is not None:
            self.static_ids.pop(member.instance_id, None)
        if self.leader_id == member.member_id:
            self.leader_id = next(iter(self.members), None)

    def rename_static(self, member: Member, new_id: str) -> None:
        """Give a static member that was started again its new id; its old self is fenced."""
        member.refuse(ErrorCode.FENCED_INSTANCE_ID)
        member.stop_timer()
        old_id = member.member_id
        # The order of arrival is kept: it decides who leads next.
        self.members = {
            (new_id if each == old_id else each): other for each, other in self.members.items()
        }
        member.member_id = new_id
        if member.instance_id is not None:
            self.static_ids[member.instance_id] = new_id
        if self.leader_id == old_id:
            self.leader_id = new_id
        if old_id in self.pending_syncs:
            self.pending_syncs.remove(old_id)
            self.pending_syncs.add(new_id)

    def forget_pending(self, member_id: str) -> None:
        """Forget that an id was given out."""
        timer = self.pending_joins.pop(member_id, None)
        if timer is not None:
            timer.cancel()

    def elect_joined_leader(self) -> bool:
        """Make sure that the leader has joined; False when nobody has."""
        leader = self.members.get(self.leader_id or "")
        if leader is not None and leader.awaiting_join is not None:
            return True
        for member in self.members.values():
            if member.awaiting_join is not None:
                self.leader_id = member.member_id
                return True
        return False

    def begin_generation(self, now_ms: int) -> None:
        """Count up and settle protocol, topics and state for whoever is a member now."""
        self.generation += 1
        self.pending_syncs.clear()
        self.protocol_name = self.choose_protocol() if self.members else None
        self.update_subscribed_topics()
        self.move_to(GroupState.COMPLETING_REBALANCE if self.members else GroupState.EMPTY, now_ms)

    def update_subscribed_topics(self) -> None:
        """Read from the members' metadata which topics they consume (consumers only)."""
        self.subscribed_topics = None
        if self.protocol_type == CONSUMER_PROTOCOL:
            self.subscribed_topics = subscribed_topics(
                member.metadata(self.protocol_name) for member in self.members.values()
            )

    def is_subscribed(self, topic: str) -> bool:
        """Say whether a consumer of the group reads `topic`; when in doubt, yes."""
        if self.subscribed_topics is None:
            return self.protocol_type == CONSUMER_PROTOCOL
        return topic in self.subscribed_topics

    def joined_members(self) -> tuple[JoinedMember, ...]:
        """Return the members as the leader hears of them."""
        return tuple(
            JoinedMember(each.member_id, each.instance_id, each.metadata(self.protocol_name))
            for each in self.members.values()
        )

    def stop_timers(self, timers: Iterable[str] = ("join_timer", "sync_timer")) -> None:
        """Cancel the timers of the phases."""
        for name in timers:
            timer: Timer | None = getattr(self, name)
            if timer is not None:
                timer.cancel()
                setattr(self, name, None)
