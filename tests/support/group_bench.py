"""A coordinator on a manual clock, and members that talk to it; shared by the tests beside it."""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from aliran.broker.config import BrokerConfig
from aliran.broker.groups.coordinator import GroupCoordinator
from aliran.broker.groups.group import Group
from aliran.broker.groups.scheduler import ManualScheduler
from aliran.broker.groups.values import JoinRequest, JoinResult, SyncRequest, SyncResult
from aliran.broker.offset_records import (
    GroupMetadata,
    decode_group_value,
    encode_group_value,
)
from aliran.core.clock import ManualClock
from aliran.core.error_codes import ErrorCode

SESSION_MS = 10_000
REBALANCE_MS = 60_000


def subscription(*topics: str, version: int = 1) -> bytes:
    """Return consumers' metadata with these topics."""
    names = b"".join(struct.pack(">h", len(each)) + each.encode() for each in topics)
    return struct.pack(">hi", version, len(topics)) + names + b"\xff\xff\xff\xff"


class MemoryGroupStore:
    """Keeps groups as the bytes a broker would write; fails when told to."""

    def __init__(self) -> None:
        self.saved: dict[str, bytes] = {}
        self.offsets: set[str] = set()
        self.saves = 0
        self.expired: list[tuple[str, int | None, frozenset[str]]] = []
        self.failure: Exception | None = None

    def save_group(self, group: str, metadata: GroupMetadata) -> None:
        if self.failure is not None:
            raise self.failure
        self.saves += 1
        self.saved[group] = encode_group_value(metadata)

    def saved_groups(self) -> Mapping[str, GroupMetadata]:
        return {group: decode_group_value(value) for group, value in self.saved.items()}

    def delete_group(self, group: str) -> None:
        self.saved.pop(group, None)
        self.offsets.discard(group)

    def groups(self) -> list[str]:
        return sorted({*self.saved, *self.offsets})

    def has_offsets(self, group: str) -> bool:
        return group in self.offsets

    def expire(
        self, group: str, *, empty_since_ms: int | None, subscribed: Collection[str]
    ) -> None:
        self.expired.append((group, empty_since_ms, frozenset(subscribed)))


@dataclass
class Pending:
    """Collects the answers to one join or sync."""

    answers: list[JoinResult | SyncResult] = field(default_factory=list)

    def reply(self, result: JoinResult | SyncResult) -> None:
        self.answers.append(result)

    @property
    def waits(self) -> bool:
        return not self.answers

    @property
    def joined(self) -> JoinResult:
        (answer,) = self.answers
        assert isinstance(answer, JoinResult)
        return answer

    @property
    def synced(self) -> SyncResult:
        (answer,) = self.answers
        assert isinstance(answer, SyncResult)
        return answer


class Bench:
    """One coordinator with a clock that the test moves."""

    subscription = staticmethod(subscription)

    def __init__(self, store: MemoryGroupStore | None = None, **settings: int) -> None:
        self.clock = ManualClock(1_000_000)
        self.scheduler = ManualScheduler(self.clock)
        self.store = store or MemoryGroupStore()
        self.config = BrokerConfig.from_mapping(settings)
        self.coordinator = GroupCoordinator(self.store, self.config, self.clock)
        self.coordinator.start_with(self.scheduler)

    def advance(self, duration_ms: int) -> None:
        self.scheduler.advance(duration_ms)

    def settle(self) -> None:
        """Let what is due now happen."""
        self.scheduler.advance(0)

    def group(self, name: str = "g") -> Group:
        return self.coordinator._groups[name]

    def state(self, name: str = "g") -> str:
        description = self.coordinator.describe(name)
        return "none" if description is None else description.state

    def request(self, member_id: str = "", **changes: Any) -> JoinRequest:
        base = JoinRequest(
            group_id="g",
            member_id=member_id,
            instance_id=None,
            client_id="client",
            client_host="/127.0.0.1",
            session_timeout_ms=SESSION_MS,
            rebalance_timeout_ms=REBALANCE_MS,
            protocol_type="consumer",
            protocols=(("range", subscription("t")),),
        )
        return replace(base, **changes)

    def join(self, member_id: str = "", **changes: Any) -> Pending:
        pending = Pending()
        self.coordinator.join(self.request(member_id, **changes), pending.reply)
        return pending

    def new_id(self, **changes: Any) -> str:
        answer = self.join(**changes).joined
        assert answer.error is ErrorCode.MEMBER_ID_REQUIRED
        return answer.member_id

    def sync(
        self,
        place: JoinResult,
        assignments: Mapping[str, bytes] | None = None,
        **changes: Any,
    ) -> Pending:
        pending = Pending()
        request = SyncRequest(
            group_id="g",
            member_id=place.member_id,
            generation=place.generation,
            protocol_type=place.protocol_type,
            protocol_name=place.protocol_name,
            assignments=assignments or {},
        )
        self.coordinator.sync(replace(request, **changes), pending.reply)
        return pending

    def heartbeat(self, place: JoinResult, instance_id: str | None = None) -> ErrorCode:
        return self.coordinator.heartbeat("g", place.member_id, instance_id, place.generation)

    def stable(self, count: int, **changes: Any) -> list[JoinResult]:
        """Bring a group of `count` members to Stable; the leader comes first in the result."""
        ids = [self.new_id(**changes) for _ in range(count)]
        pending = [self.join(each, **changes) for each in ids]
        self.settle()
        if count > 1 and pending[0].joined.generation and any(each.waits for each in pending):
            pending[0] = self.join(ids[0], **changes)
        places = [each.joined for each in pending]
        assert {each.error for each in places} == {ErrorCode.NONE}
        places.sort(key=lambda place: place.member_id != place.leader_id)
        assignments = {each.member_id: each.member_id.encode() for each in places}
        waiting = [self.sync(place) for place in places[1:]]
        waiting.append(self.sync(places[0], assignments))
        assert {each.synced.error for each in waiting} == {ErrorCode.NONE}
        assert self.state() == "Stable"
        return places
