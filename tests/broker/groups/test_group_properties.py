"""Whatever members, clocks and administrators do, a group keeps its promises."""

from __future__ import annotations

from group_bench import Bench, Pending
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from aliran.broker.groups.group import Group
from aliran.broker.groups.states import GroupState
from aliran.broker.groups.values import JoinResult, LeavingMember
from aliran.core.error_codes import ErrorCode
from aliran.core.files import FileSystemError

ACTIVE = (GroupState.COMPLETING_REBALANCE, GroupState.STABLE)
PROTOCOLS = st.sampled_from(
    [(("range", b"1"),), (("range", b"2"), ("sticky", b"2")), (("sticky", b"3"), ("range", b"3"))]
)


class Groups(RuleBasedStateMachine):
    """A handful of processes that do as they please with one group."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(group_max_size=5)
        self.pending: list[Pending] = []
        self.ids: list[tuple[str, str | None]] = [("stranger", None)]
        self.places: list[tuple[JoinResult, str | None]] = []
        self.leaders: dict[int, str] = {}
        self.seen_generation = 0

    def _check_place(self, place: JoinResult) -> None:
        group = self._group()
        assert group is not None
        # A static leader that is started again leads under another id.
        leader = group.members[place.leader_id].instance_id or place.leader_id
        assert self.leaders.setdefault(place.generation, leader) == leader
        assert place.protocol_name is not None
        if place.members:
            assert place.member_id == place.leader_id
            assert place.member_id in {each.member_id for each in place.members}

    def _join(self, member_id: str, instance_id: str | None, **changes: object) -> None:
        pending = Pending()
        self.pending.append(pending)

        def heard(result: JoinResult) -> None:
            pending.reply(result)
            self._heard(result, instance_id)

        request = self.bench.request(
            member_id, instance_id=instance_id, can_skip_assignment=True, **changes
        )
        self.bench.coordinator.join(request, heard)

    def _somebodies(self) -> list[tuple[str, str | None]]:
        """Everybody who is in, and some who are not."""
        group = self._group()
        members = group.members.values() if group is not None else ()
        return [*((each.member_id, each.instance_id) for each in members), *self.ids[-3:]]

    def _heard(self, result: JoinResult, instance_id: str | None) -> None:
        if result.member_id:
            self.ids.append((result.member_id, instance_id))
        if result.error is ErrorCode.NONE:
            self._check_place(result)
            self.places.append((result, instance_id))

    @rule(protocols=PROTOCOLS, known=st.booleans())
    def a_dynamic_member_comes(self, protocols: object, known: bool) -> None:
        self._join("", None, protocols=protocols, requires_known_member_id=known)

    @rule(name=st.sampled_from("ab"), protocols=PROTOCOLS)
    def a_static_member_comes(self, name: str, protocols: object) -> None:
        self._join("", name, protocols=protocols)

    @rule(data=st.data(), protocols=PROTOCOLS)
    def somebody_joins_again(self, data: st.DataObject, protocols: object) -> None:
        member_id, instance_id = data.draw(st.sampled_from(self._somebodies()))
        self._join(member_id, instance_id, protocols=protocols)

    @precondition(lambda self: self.places)
    @rule(data=st.data())
    def somebody_syncs(self, data: st.DataObject) -> None:
        place, instance_id = data.draw(st.sampled_from(self.places[-6:]))
        parts = {each.member_id: each.member_id.encode() for each in place.members}
        self.pending.append(self.bench.sync(place, parts, instance_id=instance_id))

    @precondition(lambda self: self.places)
    @rule(data=st.data())
    def somebody_lives(self, data: st.DataObject) -> None:
        place, instance_id = data.draw(st.sampled_from(self.places[-6:]))
        error = self.bench.heartbeat(place, instance_id)
        group = self._group()
        if error in (ErrorCode.NONE, ErrorCode.REBALANCE_IN_PROGRESS):
            assert group is not None
            assert place.member_id in group.members
            assert place.generation == group.generation

    @rule(data=st.data())
    def somebody_leaves(self, data: st.DataObject) -> None:
        member_id, instance_id = data.draw(st.sampled_from(self._somebodies()))
        self.bench.coordinator.leave("g", [LeavingMember(member_id, instance_id)])

    @rule(duration_ms=st.sampled_from([0, 1, 4_000, 9_999, 10_001, 61_000]))
    def time_passes(self, duration_ms: int) -> None:
        self.bench.advance(duration_ms)

    @rule(failing=st.booleans())
    def the_disk_fills_up_or_is_cleared(self, failing: bool) -> None:
        error = FileSystemError("the disk is full", path="x") if failing else None
        self.bench.store.failure = error

    @rule()
    def offsets_expire(self) -> None:
        self.bench.coordinator.expire_offsets()
        self._forget_if_gone()

    @rule()
    def an_administrator_deletes_the_group(self) -> None:
        group = self._group()
        error = self.bench.coordinator.delete("g")
        if group is not None and group.members:
            assert error is ErrorCode.NON_EMPTY_GROUP
        self._forget_if_gone()

    def _forget_if_gone(self) -> None:
        if self._group() is None:
            self.leaders.clear()
            self.places.clear()
            self.seen_generation = 0

    def _group(self) -> Group | None:
        return self.bench.coordinator._groups.get("g")

    @invariant()
    def nobody_is_answered_twice(self) -> None:
        assert all(len(each.answers) <= 1 for each in self.pending)

    @invariant()
    def who_waits_is_waited_for(self) -> None:
        group = self._group()
        members = group.members.values() if group is not None else ()
        parked = sum(each.awaiting_join is not None for each in members)
        parked += sum(each.awaiting_sync is not None for each in members)
        assert parked == sum(each.waits for each in self.pending)

    @invariant()
    def the_group_is_consistent(self) -> None:
        group = self._group()
        if group is None:
            return
        assert group.generation >= self.seen_generation
        self.seen_generation = group.generation
        members = group.members
        assert all(key == each.member_id for key, each in members.items())
        assert group.leader_id is None if not members else group.leader_id in members
        statics = {each.instance_id: key for key, each in members.items() if each.instance_id}
        assert group.static_ids == statics
        assert group.pending_syncs <= set(members)
        assert not group.pending_joins.keys() & members.keys()
        if group.state is GroupState.EMPTY:
            assert not members
        if group.state in ACTIVE:
            assert members
            assert group.protocol_name in group.common_protocols()
            assert all(each.awaiting_join is None for each in members.values())
        if group.state is not GroupState.COMPLETING_REBALANCE:
            assert all(each.awaiting_sync is None for each in members.values())
        if group.state is GroupState.PREPARING_REBALANCE:
            assert group.join_timer is not None
        if group.pending_syncs and group.state in ACTIVE:
            assert group.sync_timer is not None

    @invariant()
    def nobody_is_kept_for_ever(self) -> None:
        """Everybody who is neither parked nor expired has a session that ends."""
        group = self._group()
        for member in group.members.values() if group is not None else ():
            waits = member.awaiting_join is not None or member.awaiting_sync is not None
            assert waits or member.session_timer is not None

    def teardown(self) -> None:
        self.bench.coordinator.close()
        assert all(len(each.answers) == 1 for each in self.pending)
        assert self.bench.scheduler.pending() == 0


TestGroups = Groups.TestCase
TestGroups.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
