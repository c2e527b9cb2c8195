"""Sync, heartbeat, leave, expiry and commits through the states of a group."""

from __future__ import annotations

from typing import Any

import pytest
from group_bench import Bench

from aliran.broker.groups.group import Group
from aliran.broker.groups.states import TRANSITIONS, GroupState
from aliran.broker.groups.values import LeavingMember
from aliran.core.error_codes import ErrorCode
from aliran.core.files import FileSystemError


@pytest.mark.parametrize("before", GroupState)
@pytest.mark.parametrize("after", GroupState)
def test_only_the_moves_of_the_table_are_possible(before: GroupState, after: GroupState) -> None:
    group = Group("g", state=before)
    if after in TRANSITIONS[before]:
        group.move_to(after, 7)
        assert (group.state, group.state_since_ms) == (after, 7)
    else:
        with pytest.raises(AssertionError, match="cannot go from"):
            group.move_to(after, 7)
        assert group.state is before


# -- sync ----------------------------------------------------------------------------------------


def test_followers_wait_for_the_leader(bench: Bench) -> None:
    ids = [bench.new_id(), bench.new_id()]
    joins = [bench.join(each) for each in ids]
    bench.settle()
    leader, follower = (each.joined for each in joins)
    waiting = bench.sync(follower)
    assert waiting.waits
    own = bench.sync(leader, {leader.member_id: b"L", follower.member_id: b"F"})
    assert (own.synced.assignment, waiting.synced.assignment) == (b"L", b"F")


def test_members_the_leader_forgot_get_nothing_and_strangers_are_ignored(bench: Bench) -> None:
    ids = [bench.new_id(), bench.new_id()]
    joins = [bench.join(each) for each in ids]
    bench.settle()
    leader, follower = (each.joined for each in joins)
    waiting = bench.sync(follower)
    bench.sync(leader, {leader.member_id: b"L", "stranger": b"S"})
    assert (waiting.synced.error, waiting.synced.assignment) == (ErrorCode.NONE, b"")


def test_a_sync_in_a_stable_group_repeats_the_assignment(bench: Bench) -> None:
    leader, follower = bench.stable(2)
    again = bench.sync(follower).synced
    assert again.assignment == follower.member_id.encode()
    # The leader cannot change what is settled.
    again = bench.sync(leader, {leader.member_id: b"other"}).synced
    assert again.assignment == leader.member_id.encode()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"group_id": ""}, ErrorCode.INVALID_GROUP_ID),
        ({"group_id": "nowhere"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"member_id": "stranger"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"instance_id": "stranger"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"generation": 0}, ErrorCode.ILLEGAL_GENERATION),
        ({"generation": 2}, ErrorCode.ILLEGAL_GENERATION),
        ({"protocol_type": "connect"}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
        ({"protocol_name": "sticky"}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
        ({"protocol_type": None, "protocol_name": None}, ErrorCode.NONE),
    ],
)
def test_a_sync_is_checked(bench: Bench, changes: dict[str, Any], error: ErrorCode) -> None:
    (place,) = bench.stable(1)
    assert bench.sync(place, **changes).synced.error is error


def test_a_rebalance_ends_waiting_syncs(bench: Bench) -> None:
    ids = [bench.new_id(), bench.new_id()]
    joins = [bench.join(each) for each in ids]
    bench.settle()
    _, follower = (each.joined for each in joins)
    waiting = bench.sync(follower)
    bench.join(bench.new_id())
    assert waiting.synced.error is ErrorCode.REBALANCE_IN_PROGRESS
    assert bench.sync(follower).synced.error is ErrorCode.REBALANCE_IN_PROGRESS


def test_another_sync_of_the_same_member_ends_the_first(bench: Bench) -> None:
    ids = [bench.new_id(), bench.new_id()]
    joins = [bench.join(each) for each in ids]
    bench.settle()
    leader, follower = (each.joined for each in joins)
    first, second = bench.sync(follower), bench.sync(follower)
    assert first.synced.error is ErrorCode.REBALANCE_IN_PROGRESS
    bench.sync(leader)
    assert second.synced.error is ErrorCode.NONE


def test_who_does_not_sync_in_time_is_out(bench: Bench) -> None:
    ids = [bench.new_id(), bench.new_id()]
    joins = [bench.join(each, rebalance_timeout_ms=5_000) for each in ids]
    bench.settle()
    leader, follower = (each.joined for each in joins)
    waiting = bench.sync(follower)
    bench.advance(4_999)
    assert waiting.waits
    bench.advance(1)
    assert waiting.synced.error is ErrorCode.REBALANCE_IN_PROGRESS
    assert bench.heartbeat(leader) is ErrorCode.UNKNOWN_MEMBER_ID
    again = bench.join(follower.member_id).joined
    assert (again.generation, again.leader_id) == (2, follower.member_id)


def test_a_follower_that_never_syncs_leaves_a_stable_group(bench: Bench) -> None:
    ids = [bench.new_id(), bench.new_id()]
    joins = [bench.join(each, rebalance_timeout_ms=5_000) for each in ids]
    bench.settle()
    leader, follower = (each.joined for each in joins)
    bench.sync(leader)
    assert bench.state() == "Stable"
    bench.advance(5_000)
    assert bench.state() == "PreparingRebalance"
    assert bench.heartbeat(follower) is ErrorCode.UNKNOWN_MEMBER_ID


def test_an_assignment_that_cannot_be_saved_is_nobodys(bench: Bench) -> None:
    ids = [bench.new_id(), bench.new_id()]
    joins = [bench.join(each) for each in ids]
    bench.settle()
    leader, follower = (each.joined for each in joins)
    waiting = bench.sync(follower)
    bench.store.failure = FileSystemError("the disk is full", path="x")
    own = bench.sync(leader, {leader.member_id: b"L", follower.member_id: b"F"})
    assert own.synced.error is waiting.synced.error is ErrorCode.NOT_COORDINATOR
    assert own.synced.assignment == waiting.synced.assignment == b""
    assert bench.state() == "PreparingRebalance"
    bench.store.failure = None
    again = [bench.join(each) for each in ids]
    assert {each.joined.generation for each in again} == {2}


# -- heartbeat and expiry ------------------------------------------------------------------------


def test_heartbeats_keep_a_member(bench: Bench) -> None:
    (place,) = bench.stable(1)
    for _ in range(10):
        bench.advance(9_999)
        assert bench.heartbeat(place) is ErrorCode.NONE
    bench.advance(10_000)
    assert bench.heartbeat(place) is ErrorCode.UNKNOWN_MEMBER_ID
    assert bench.state() == "Empty"
    assert bench.group().generation == 2


def test_heartbeats_are_checked(bench: Bench) -> None:
    (place,) = bench.stable(1)
    beat = bench.coordinator.heartbeat
    assert beat("", place.member_id, None, 1) is ErrorCode.INVALID_GROUP_ID
    assert beat("nowhere", place.member_id, None, 1) is ErrorCode.UNKNOWN_MEMBER_ID
    assert beat("g", "stranger", None, 1) is ErrorCode.UNKNOWN_MEMBER_ID
    assert beat("g", place.member_id, None, 0) is ErrorCode.ILLEGAL_GENERATION


def test_heartbeats_count_while_the_leader_assigns(bench: Bench) -> None:
    pending = bench.join(bench.new_id())
    bench.settle()
    for _ in range(5):
        bench.advance(8_000)
        assert bench.heartbeat(pending.joined) is ErrorCode.NONE


def test_others_take_over_from_the_dead(bench: Bench) -> None:
    leader, follower = bench.stable(2)
    bench.advance(9_000)
    bench.heartbeat(follower)
    bench.advance(1_000)
    assert bench.heartbeat(leader) is ErrorCode.UNKNOWN_MEMBER_ID
    assert bench.heartbeat(follower) is ErrorCode.REBALANCE_IN_PROGRESS
    place = bench.join(follower.member_id).joined
    assert (place.leader_id, len(place.members)) == (follower.member_id, 1)


def test_a_parked_join_needs_no_heartbeats(bench: Bench) -> None:
    leader, follower = bench.stable(2)
    waiting = bench.join(leader.member_id)
    for _ in range(5):
        bench.advance(9_000)
        assert bench.heartbeat(follower) is ErrorCode.REBALANCE_IN_PROGRESS
    assert waiting.waits
    bench.join(follower.member_id)
    assert waiting.joined.error is ErrorCode.NONE


# -- leave ---------------------------------------------------------------------------------------


def test_the_last_one_to_leave_empties_the_group(bench: Bench) -> None:
    (place,) = bench.stable(1)
    error, results = bench.coordinator.leave("g", [LeavingMember(place.member_id)])
    assert error is ErrorCode.NONE
    assert results[0].error is ErrorCode.NONE
    assert bench.state() == "Empty"
    assert bench.store.saved_groups()["g"].members == ()
    again = bench.join(bench.new_id())
    bench.settle()
    assert again.joined.generation == 3


def test_many_leave_in_one_rebalance(bench: Bench) -> None:
    places = bench.stable(3)
    leaving = [LeavingMember(each.member_id) for each in places[:2]]
    leaving.append(LeavingMember("stranger"))
    error, results = bench.coordinator.leave("g", leaving)
    assert error is ErrorCode.NONE
    expected = [ErrorCode.NONE, ErrorCode.NONE, ErrorCode.UNKNOWN_MEMBER_ID]
    assert [each.error for each in results] == expected
    place = bench.join(places[2].member_id).joined
    assert (place.generation, len(place.members)) == (2, 1)


def test_leaving_is_checked(bench: Bench) -> None:
    assert bench.coordinator.leave("", [])[0] is ErrorCode.INVALID_GROUP_ID
    error, results = bench.coordinator.leave("nowhere", [LeavingMember("x")])
    assert (error, results[0].error) == (ErrorCode.NONE, ErrorCode.UNKNOWN_MEMBER_ID)


def test_a_given_out_id_can_leave(bench: Bench) -> None:
    (first,) = bench.stable(1)
    unused = bench.new_id()
    again = bench.join(first.member_id)
    assert again.waits
    _, results = bench.coordinator.leave("g", [LeavingMember(unused)])
    assert results[0].error is ErrorCode.NONE
    assert again.joined.generation == 2


def test_who_is_made_to_leave_while_it_waits_is_told(bench: Bench) -> None:
    ids = [bench.new_id(), bench.new_id()]
    joins = [bench.join(each) for each in ids]
    bench.settle()
    leader, follower = (each.joined for each in joins)
    waiting = bench.sync(follower)
    bench.coordinator.leave("g", [LeavingMember(follower.member_id)])
    assert waiting.synced.error is ErrorCode.UNKNOWN_MEMBER_ID
    parked = bench.join(leader.member_id)
    assert parked.joined.generation == 2
    newcomer = bench.join(bench.new_id())
    (member_id,) = (each for each in bench.group().members if each != leader.member_id)
    bench.coordinator.leave("g", [LeavingMember(member_id)])
    assert newcomer.joined.error is ErrorCode.UNKNOWN_MEMBER_ID


# -- commits -------------------------------------------------------------------------------------


def test_a_simple_consumer_commits_only_where_nobody_is(bench: Bench) -> None:
    check = bench.coordinator.check_commit
    assert check("g", "", None, -1) is ErrorCode.NONE
    assert check("g", "x", None, 3) is ErrorCode.ILLEGAL_GENERATION
    (place,) = bench.stable(1)
    assert check("g", "", None, -1) is ErrorCode.UNKNOWN_MEMBER_ID
    bench.coordinator.leave("g", [LeavingMember(place.member_id)])
    assert check("g", "", None, -1) is ErrorCode.NONE


def test_members_commit_in_their_generation(bench: Bench) -> None:
    leader, follower = bench.stable(2)
    check = bench.coordinator.check_commit
    assert check("g", leader.member_id, None, 1) is ErrorCode.NONE
    assert check("g", leader.member_id, None, 2) is ErrorCode.ILLEGAL_GENERATION
    assert check("g", "stranger", None, 1) is ErrorCode.UNKNOWN_MEMBER_ID
    bench.join(leader.member_id)
    assert bench.state() == "PreparingRebalance"
    # Cooperative members go on working until they have joined.
    assert check("g", follower.member_id, None, 1) is ErrorCode.NONE
    bench.join(follower.member_id)
    assert bench.state() == "CompletingRebalance"
    assert check("g", follower.member_id, None, 2) is ErrorCode.REBALANCE_IN_PROGRESS
    assert check("g", follower.member_id, None, 1) is ErrorCode.ILLEGAL_GENERATION


def test_a_commit_is_as_good_as_a_heartbeat(bench: Bench) -> None:
    (place,) = bench.stable(1)
    for _ in range(5):
        bench.advance(9_000)
        check = bench.coordinator.check_commit("g", place.member_id, None, place.generation)
        assert check is ErrorCode.NONE
    assert bench.heartbeat(place) is ErrorCode.NONE
