"""Joining a group, member by member, on a clock that the test moves."""

from __future__ import annotations

from typing import Any

import pytest
from group_bench import Bench

from aliran.core.error_codes import ErrorCode


def test_a_first_member_is_given_an_id_and_leads(bench: Bench) -> None:
    member_id = bench.new_id(client_id="app")
    assert member_id.startswith("app-")
    assert bench.state() == "Empty"
    pending = bench.join(member_id)
    assert pending.waits
    assert bench.state() == "PreparingRebalance"
    bench.settle()
    place = pending.joined
    assert (place.error, place.generation, place.leader_id) == (ErrorCode.NONE, 1, member_id)
    assert place.protocol_name == "range"
    assert [each.member_id for each in place.members] == [member_id]
    assert place.members[0].metadata == bench.subscription("t")
    assert bench.state() == "CompletingRebalance"
    synced = bench.sync(place, {member_id: b"everything"}).synced
    assert synced.assignment == b"everything"
    assert (synced.protocol_type, synced.protocol_name) == ("consumer", "range")
    assert bench.state() == "Stable"


def test_old_clients_join_without_an_id(bench: Bench) -> None:
    pending = bench.join(requires_known_member_id=False)
    bench.settle()
    assert pending.joined.error is ErrorCode.NONE
    assert pending.joined.member_id.startswith("client-")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"group_id": ""}, ErrorCode.INVALID_GROUP_ID),
        ({"session_timeout_ms": 5_999}, ErrorCode.INVALID_SESSION_TIMEOUT),
        ({"session_timeout_ms": 1_800_001}, ErrorCode.INVALID_SESSION_TIMEOUT),
        ({"member_id": "stranger"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"protocols": ()}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
        ({"protocol_type": ""}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
    ],
)
def test_a_join_that_cannot_be(bench: Bench, changes: dict[str, Any], error: ErrorCode) -> None:
    assert bench.join(**changes).joined.error is error


def test_small_sessions_are_allowed_when_the_configuration_says_so(
    make_bench: type[Bench],
) -> None:
    bench = make_bench(group_min_session_timeout_ms=100)
    assert bench.join(session_timeout_ms=100).joined.error is ErrorCode.MEMBER_ID_REQUIRED


def test_a_stranger_in_a_living_group_is_unknown(bench: Bench) -> None:
    bench.stable(1)
    assert bench.join("stranger").joined.error is ErrorCode.UNKNOWN_MEMBER_ID


def test_the_second_member_makes_the_first_rejoin(bench: Bench) -> None:
    (first,) = bench.stable(1)
    second = bench.join(bench.new_id())
    assert bench.state() == "PreparingRebalance"
    assert second.waits
    assert bench.heartbeat(first) is ErrorCode.REBALANCE_IN_PROGRESS
    again = bench.join(first.member_id)
    assert again.joined.generation == second.joined.generation == 2
    assert again.joined.leader_id == second.joined.leader_id == first.member_id
    assert len(again.joined.members) == 2
    assert second.joined.members == ()


def test_the_group_waits_for_an_id_that_was_given_out(bench: Bench) -> None:
    (first,) = bench.stable(1)
    second_id = bench.new_id()
    third_id = bench.new_id()
    second = bench.join(second_id)
    again = bench.join(first.member_id)
    assert second.waits
    assert again.waits
    third = bench.join(third_id)
    assert {each.joined.generation for each in (second, again, third)} == {2}


def test_an_id_that_is_not_used_expires(bench: Bench) -> None:
    (first,) = bench.stable(1)
    bench.new_id()
    second = bench.join(bench.new_id())
    again = bench.join(first.member_id)
    bench.advance(9_999)
    assert second.waits
    bench.advance(1)
    assert again.joined.generation == second.joined.generation == 2


def test_who_does_not_rejoin_in_time_is_out(bench: Bench) -> None:
    places = bench.stable(2, session_timeout_ms=300_000)
    leader, follower = places
    third = bench.join(bench.new_id(session_timeout_ms=300_000), session_timeout_ms=300_000)
    again = bench.join(follower.member_id, session_timeout_ms=300_000)
    bench.advance(60_000)
    assert third.joined.generation == again.joined.generation
    assert again.joined.leader_id == follower.member_id
    assert {each.member_id for each in again.joined.members} == {
        follower.member_id,
        third.joined.member_id,
    }
    assert bench.heartbeat(leader) is ErrorCode.UNKNOWN_MEMBER_ID


def test_a_follower_that_joins_a_stable_group_again_gets_its_place(bench: Bench) -> None:
    leader, follower = bench.stable(2)
    again = bench.join(follower.member_id).joined
    assert (again.generation, again.members) == (follower.generation, ())
    assert bench.state() == "Stable"
    assert bench.heartbeat(leader) is ErrorCode.NONE


def test_a_leader_that_joins_again_asks_for_a_new_assignment(bench: Bench) -> None:
    leader, follower = bench.stable(2)
    pending = bench.join(leader.member_id)
    assert pending.waits
    assert bench.state() == "PreparingRebalance"
    assert bench.join(follower.member_id).joined.generation == leader.generation + 1


def test_a_follower_with_another_subscription_rebalances(bench: Bench) -> None:
    _, follower = bench.stable(2)
    changed = (("range", bench.subscription("t", "u")),)
    assert bench.join(follower.member_id, protocols=changed).waits
    assert bench.state() == "PreparingRebalance"


def test_a_lost_join_answer_is_given_again(bench: Bench) -> None:
    ids = [bench.new_id(), bench.new_id()]
    joins = [bench.join(each) for each in ids]
    bench.settle()
    assert bench.state() == "CompletingRebalance"
    for member_id, first in zip(ids, joins, strict=True):
        assert bench.join(member_id).joined == first.joined


def test_another_join_of_the_same_member_ends_the_first(bench: Bench) -> None:
    leader, _ = bench.stable(2)
    first = bench.join(leader.member_id)
    second = bench.join(leader.member_id)
    assert first.joined.error is ErrorCode.REBALANCE_IN_PROGRESS
    assert second.waits


def test_the_protocol_with_most_votes_among_the_common_ones_wins(bench: Bench) -> None:
    preferences = (("sticky", "range"), ("range", "sticky", "own"), ("sticky", "range"))
    ids = [bench.new_id() for _ in preferences]
    joins = [
        bench.join(each, protocols=tuple((name, b"m-" + name.encode()) for name in names))
        for each, names in zip(ids, preferences, strict=True)
    ]
    bench.settle()
    (leader,) = (each.joined for each in joins if each.joined.members)
    assert leader.protocol_name == "sticky"
    assert {each.metadata for each in leader.members} == {b"m-sticky"}


def test_a_member_without_a_common_protocol_is_refused(bench: Bench) -> None:
    bench.stable(1)
    other = bench.join(protocols=(("own", b""),)).joined
    assert other.error is ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    other = bench.join(protocol_type="connect").joined
    assert other.error is ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert bench.state() == "Stable"


def test_a_full_group_refuses(make_bench: type[Bench]) -> None:
    bench = make_bench(group_max_size=2)
    places = bench.stable(2)
    assert bench.join().joined.error is ErrorCode.GROUP_MAX_SIZE_REACHED
    assert bench.heartbeat(places[0]) is ErrorCode.NONE


def test_a_full_group_refuses_while_it_gathers(make_bench: type[Bench]) -> None:
    bench = make_bench(group_max_size=1)
    ids = [bench.new_id(), bench.new_id()]
    first, second = bench.join(ids[0]), bench.join(ids[1])
    assert second.joined.error is ErrorCode.GROUP_MAX_SIZE_REACHED
    bench.settle()
    assert first.joined.error is ErrorCode.NONE


def test_the_initial_delay_gathers_members_and_is_prolonged_by_new_ones(
    make_bench: type[Bench],
) -> None:
    bench = make_bench(group_initial_rebalance_delay_ms=3_000)
    first = bench.join(requires_known_member_id=False)
    bench.advance(2_000)
    second = bench.join(requires_known_member_id=False)
    bench.advance(1_000)
    assert first.waits
    bench.advance(3_000)
    assert first.joined.generation == second.joined.generation == 1


def test_a_new_member_that_hangs_is_given_up(bench: Bench) -> None:
    """Its client may be gone: only the parked join is left of it."""
    member_ids = [place.member_id for place in bench.stable(2, rebalance_timeout_ms=900_000)]
    newcomer = bench.join(bench.new_id(), rebalance_timeout_ms=900_000)
    for _ in range(60):
        for member_id in member_ids:
            error = bench.coordinator.heartbeat("g", member_id, None, bench.group().generation)
            assert error is ErrorCode.REBALANCE_IN_PROGRESS
        bench.advance(5_000)
    assert newcomer.joined.error is ErrorCode.UNKNOWN_MEMBER_ID


def test_a_group_of_another_kind_is_opaque(bench: Bench) -> None:
    (place,) = bench.stable(1, protocol_type="connect", protocols=(("default", b"\xff\x00"),))
    description = bench.coordinator.describe("g")
    assert description is not None
    assert description.protocol_type == "connect"
    assert description.members[0].metadata == b"\xff\x00"
    assert description.members[0].assignment == place.member_id.encode()
