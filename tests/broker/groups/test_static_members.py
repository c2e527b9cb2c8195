"""Static membership (KIP-345, KIP-814): a restart under the same instance id costs no rebalance."""

from __future__ import annotations

from group_bench import Bench

from aliran.broker.groups.values import JoinResult, LeavingMember
from aliran.broker.offset_records import decode_group_value
from aliran.core.error_codes import ErrorCode
from aliran.core.files import FileSystemError


def stable_statics(bench: Bench) -> tuple[JoinResult, JoinResult]:
    """Bring a group of the static members "a" (leads) and "b" to Stable."""
    joins = [bench.join(instance_id=name) for name in ("a", "b")]
    bench.settle()
    first, second = (each.joined for each in joins)
    assert first.leader_id == second.leader_id == first.member_id
    waiting = bench.sync(second, instance_id="b")
    bench.sync(first, {first.member_id: b"A", second.member_id: b"B"}, instance_id="a")
    assert waiting.synced.assignment == b"B"
    return first, second


def test_static_members_need_no_second_join(bench: Bench) -> None:
    first, _ = stable_statics(bench)
    assert first.member_id.startswith("a-")
    assert [each.instance_id for each in first.members] == ["a", "b"]


def test_a_restarted_follower_gets_its_old_place(bench: Bench) -> None:
    first, second = stable_statics(bench)
    back = bench.join(instance_id="b", can_skip_assignment=True).joined
    assert (back.error, back.generation) == (ErrorCode.NONE, second.generation)
    assert back.member_id != second.member_id
    assert (back.leader_id, back.members, back.skip_assignment) == (first.member_id, (), False)
    assert bench.sync(back, instance_id="b").synced.assignment == b"B"
    assert bench.state() == "Stable"
    assert bench.heartbeat(first, "a") is ErrorCode.NONE


def test_a_restarted_leader_is_told_to_skip_the_assignment(bench: Bench) -> None:
    first, _ = stable_statics(bench)
    back = bench.join(instance_id="a", can_skip_assignment=True).joined
    assert back.skip_assignment
    assert back.leader_id == back.member_id != first.member_id
    assert len(back.members) == 2
    assert bench.sync(back, instance_id="a").synced.assignment == b"A"


def test_a_restarted_leader_of_old_thinks_that_it_follows(bench: Bench) -> None:
    first, _ = stable_statics(bench)
    back = bench.join(instance_id="a", can_skip_assignment=False).joined
    assert (back.leader_id, back.members, back.skip_assignment) == (first.member_id, (), False)
    assert bench.sync(back, instance_id="a").synced.assignment == b"A"


def test_the_replacement_is_saved(bench: Bench) -> None:
    _, second = stable_statics(bench)
    back = bench.join(instance_id="b").joined
    kept = decode_group_value(bench.store.saved["g"])
    assert {each.instance_id: each.member_id for each in kept.members}["b"] == back.member_id
    assert second.member_id not in {each.member_id for each in kept.members}


def test_the_former_self_is_fenced(bench: Bench) -> None:
    _, second = stable_statics(bench)
    bench.join(instance_id="b")
    assert bench.heartbeat(second, "b") is ErrorCode.FENCED_INSTANCE_ID
    assert bench.heartbeat(second) is ErrorCode.UNKNOWN_MEMBER_ID
    refused = bench.join(second.member_id, instance_id="b").joined
    assert refused.error is ErrorCode.FENCED_INSTANCE_ID
    assert bench.sync(second, instance_id="b").synced.error is ErrorCode.FENCED_INSTANCE_ID
    check = bench.coordinator.check_commit("g", second.member_id, "b", second.generation)
    assert check is ErrorCode.FENCED_INSTANCE_ID


def test_two_processes_with_one_name_fence_the_one_that_waits(bench: Bench) -> None:
    first = bench.join(instance_id="a")
    second = bench.join(instance_id="a")
    assert first.joined.error is ErrorCode.FENCED_INSTANCE_ID
    bench.settle()
    assert second.joined.error is ErrorCode.NONE
    assert len(second.joined.members) == 1


def test_a_restart_while_the_leader_assigns_rebalances(bench: Bench) -> None:
    joins = [bench.join(instance_id=name) for name in ("a", "b")]
    bench.settle()
    first, second = (each.joined for each in joins)
    waiting = bench.sync(second, instance_id="b")
    back = bench.join(instance_id="b")
    assert waiting.synced.error is ErrorCode.FENCED_INSTANCE_ID
    assert back.waits
    assert bench.state() == "PreparingRebalance"
    again = bench.join(first.member_id, instance_id="a")
    assert again.joined.generation == back.joined.generation == first.generation + 1


def test_a_restart_that_changes_the_winning_protocol_rebalances(bench: Bench) -> None:
    both = (("range", b""), ("sticky", b""))
    joins = [bench.join(instance_id=name, protocols=both) for name in ("a", "b")]
    bench.settle()
    first, second = (each.joined for each in joins)
    bench.sync(second, instance_id="b")
    bench.sync(first, instance_id="a")
    assert bench.state() == "Stable"
    assert bench.join(instance_id="b", protocols=(("sticky", b""),)).waits
    assert bench.state() == "PreparingRebalance"


def test_absent_static_members_keep_their_place_in_a_rebalance(bench: Bench) -> None:
    first, second = stable_statics(bench)
    third = bench.join(bench.new_id(), session_timeout_ms=100_000)
    again = bench.join(first.member_id, instance_id="a", session_timeout_ms=100_000)
    bench.coordinator.heartbeat("g", second.member_id, "b", second.generation)
    bench.group().members[second.member_id].session_timeout_ms = 100_000
    bench.coordinator.heartbeat("g", second.member_id, "b", second.generation)
    bench.advance(60_000)
    assert third.joined.generation == again.joined.generation == 2
    assert {each.instance_id for each in again.joined.members} == {"a", "b", None}


def test_a_silent_static_member_expires_like_any_other(bench: Bench) -> None:
    first, _second = stable_statics(bench)
    for _ in range(3):
        bench.advance(4_000)
        bench.heartbeat(first, "a")
    assert bench.heartbeat(first, "a") is ErrorCode.REBALANCE_IN_PROGRESS
    assert [each.instance_id for each in bench.group().members.values()] == ["a"]


def test_when_only_absent_static_members_are_left_their_sessions_decide(bench: Bench) -> None:
    first, second = stable_statics(bench)
    bench.coordinator.leave("g", [LeavingMember(first.member_id, "a")])
    assert bench.state() == "PreparingRebalance"
    bench.group().members[second.member_id].stop_timer()
    bench.advance(200_000)
    assert bench.state() == "PreparingRebalance"
    back = bench.join(instance_id="b")
    assert back.joined.generation == first.generation + 1
    assert back.joined.leader_id == back.joined.member_id


def test_a_static_member_can_be_removed_by_name(bench: Bench) -> None:
    _, second = stable_statics(bench)
    error, results = bench.coordinator.leave(
        "g", [LeavingMember("", "b"), LeavingMember("", "nobody")]
    )
    assert error is ErrorCode.NONE
    assert [each.error for each in results] == [ErrorCode.NONE, ErrorCode.UNKNOWN_MEMBER_ID]
    assert second.member_id not in bench.group().members


def test_an_unsaved_replacement_is_an_error_to_retry(bench: Bench) -> None:
    stable_statics(bench)
    bench.store.failure = FileSystemError("the disk is full", path="x")
    assert bench.join(instance_id="b").joined.error is ErrorCode.NOT_COORDINATOR
    bench.store.failure = None
    assert bench.join(instance_id="b").joined.error is ErrorCode.NONE
