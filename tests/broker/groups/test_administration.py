"""What administrators see and do; what survives a restart; what expires."""

from __future__ import annotations

from group_bench import Bench, MemoryGroupStore

from aliran.broker.groups.values import LeavingMember
from aliran.core.error_codes import ErrorCode


def test_a_stable_group_is_described_with_its_members(bench: Bench) -> None:
    places = bench.stable(2)
    description = bench.coordinator.describe("g")
    assert description is not None
    assert description[:4] == ("g", "Stable", "consumer", "range")
    assert {each.member_id for each in description.members} == {each.member_id for each in places}
    for member in description.members:
        assert member.metadata == bench.subscription("t")
        assert member.assignment == member.member_id.encode()
        assert (member.client_id, member.client_host) == ("client", "/127.0.0.1")


def test_a_group_in_a_rebalance_is_described_without_assignments(bench: Bench) -> None:
    bench.stable(1)
    bench.join(bench.new_id())
    description = bench.coordinator.describe("g")
    assert description is not None
    assert (description.state, description.protocol_name) == ("PreparingRebalance", "")
    assert {(each.metadata, each.assignment) for each in description.members} == {(b"", b"")}


def test_groups_with_offsets_alone_are_listed(bench: Bench) -> None:
    bench.stable(1)
    bench.store.offsets.add("simple")
    listed = {each.group_id: each.state for each in bench.coordinator.list_groups()}
    assert listed == {"g": "Stable", "simple": "Empty"}
    assert bench.coordinator.describe("nowhere") is None


def test_only_empty_groups_are_deleted(bench: Bench) -> None:
    (place,) = bench.stable(1)
    bench.store.offsets |= {"g", "simple"}
    delete = bench.coordinator.delete
    assert delete("g") is ErrorCode.NON_EMPTY_GROUP
    assert delete("nowhere") is ErrorCode.GROUP_ID_NOT_FOUND
    assert delete("simple") is ErrorCode.NONE
    bench.coordinator.leave("g", [LeavingMember(place.member_id)])
    assert delete("g") is ErrorCode.NONE
    assert bench.store.groups() == []
    assert bench.coordinator.describe("g") is None
    assert bench.heartbeat(place) is ErrorCode.UNKNOWN_MEMBER_ID


def test_offsets_of_consumed_topics_are_protected(bench: Bench) -> None:
    check = bench.coordinator.check_offset_delete
    assert check("g") is ErrorCode.GROUP_ID_NOT_FOUND
    (place,) = bench.stable(1)
    assert check("g") is ErrorCode.NONE
    assert bench.coordinator.is_subscribed("g", "t")
    assert not bench.coordinator.is_subscribed("g", "u")
    bench.coordinator.leave("g", [LeavingMember(place.member_id)])
    assert not bench.coordinator.is_subscribed("g", "t")


def test_metadata_that_cannot_be_read_protects_every_topic(bench: Bench) -> None:
    bench.stable(1, protocols=(("range", b"\x00"),))
    assert bench.coordinator.is_subscribed("g", "anything")


def test_active_groups_of_other_kinds_keep_their_offsets(bench: Bench) -> None:
    bench.stable(1, protocol_type="connect")
    assert bench.coordinator.check_offset_delete("g") is ErrorCode.NON_EMPTY_GROUP


def test_members_find_themselves_in_after_a_restart(make_bench: type[Bench]) -> None:
    before = make_bench()
    leader, follower = before.stable(2)
    before.coordinator.close()
    after = make_bench(before.store)
    assert after.state() == "Stable"
    assert after.heartbeat(leader) is ErrorCode.NONE
    assert after.heartbeat(follower) is ErrorCode.NONE
    assert after.sync(follower).synced.assignment == follower.member_id.encode()
    assert after.coordinator.is_subscribed("g", "t")
    assert after.join(follower.member_id).joined.generation == leader.generation
    assert after.join(leader.member_id).waits


def test_members_that_do_not_come_back_after_a_restart_expire(make_bench: type[Bench]) -> None:
    before = make_bench()
    leader, _ = before.stable(2)
    after = make_bench(before.store)
    after.advance(9_000)
    after.heartbeat(leader)
    after.advance(1_000)
    assert after.heartbeat(leader) is ErrorCode.REBALANCE_IN_PROGRESS
    assert list(after.group().members) == [leader.member_id]


def test_an_empty_group_keeps_its_generation_over_a_restart(make_bench: type[Bench]) -> None:
    before = make_bench()
    (place,) = before.stable(1)
    before.coordinator.leave("g", [LeavingMember(place.member_id)])
    after = make_bench(before.store)
    assert after.state() == "Empty"
    again = after.join(after.new_id())
    after.settle()
    assert again.joined.generation == 3


def test_a_group_too_large_for_the_new_limit_rebalances(make_bench: type[Bench]) -> None:
    before = make_bench()
    places = before.stable(3)
    after = make_bench(before.store, group_max_size=2)
    assert after.state() == "PreparingRebalance"
    joins = [after.join(each.member_id) for each in places]
    assert joins[2].joined.error is ErrorCode.GROUP_MAX_SIZE_REACHED
    assert [each.joined.error for each in joins[:2]] == [ErrorCode.NONE, ErrorCode.NONE]


def test_closing_answers_everybody_and_leaves_no_timer(bench: Bench) -> None:
    ids = [bench.new_id(), bench.new_id()]
    joins = [bench.join(each) for each in ids]
    bench.settle()
    waiting = bench.sync(joins[1].joined)
    bench.new_id()
    bench.coordinator.close()
    assert waiting.synced.error is ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert bench.scheduler.pending() == 0
    assert bench.join().joined.error is ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert bench.heartbeat(joins[0].joined) is ErrorCode.COORDINATOR_NOT_AVAILABLE
    bench.coordinator.close()


def test_retention_counts_from_when_the_group_became_empty(make_bench: type[Bench]) -> None:
    bench = make_bench(offsets_retention_check_interval_ms=600_000)
    (place,) = bench.stable(1)
    bench.store.offsets |= {"g", "simple"}
    bench.coordinator.leave("g", [LeavingMember(place.member_id)])
    empty_since_ms = bench.clock.time_ms()
    bench.advance(600_000)
    assert sorted(bench.store.expired) == [
        ("g", empty_since_ms, frozenset()),
        ("simple", None, frozenset()),
    ]


def test_topics_a_stable_group_reads_do_not_expire(bench: Bench) -> None:
    bench.stable(1)
    bench.coordinator.expire_offsets()
    assert bench.store.expired == [("g", None, frozenset({"t"}))]


def test_an_empty_group_without_offsets_goes(make_bench: type[Bench]) -> None:
    store = MemoryGroupStore()
    bench = make_bench(store)
    (place,) = bench.stable(1)
    store.offsets.add("g")
    bench.coordinator.leave("g", [LeavingMember(place.member_id)])
    bench.coordinator.expire_offsets()
    assert bench.state() == "Empty"
    store.offsets.clear()
    bench.coordinator.expire_offsets()
    assert bench.state() == "none"
    assert store.saved == {}


def test_statistics_count_groups_by_state(bench: Bench) -> None:
    bench.stable(2)
    statistics = bench.coordinator.statistics()
    assert (statistics["Stable"], statistics["Empty"], statistics["members"]) == (1, 0, 2)
