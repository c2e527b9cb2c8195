"""The leader's decisions, over random lives of groups."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from aliran.connectors.distributed.assignor import Assignor
from aliran.connectors.distributed.protocol import CONNECTOR, Unit


class Group:
    """Members that do what the leader says, without delay."""

    def __init__(self, delay_ms: int = 0) -> None:
        self.assignor = Assignor(delay_ms)
        self.running: dict[str, set[Unit]] = {}
        self.now = 0.0
        self.moves = 0

    def rounds(self, wanted: set[Unit]) -> int:
        """Deal out until nobody gives anything away; return how many rounds it took."""
        for number in range(1, 6):
            plan = self.assignor.plan(self.running, wanted, self.now)
            for member, units in self.running.items():
                assert not plan.revoked[member] - units
                units.difference_update(plan.revoked[member])
                self.moves += len(plan.revoked[member] & wanted)
            for member, units in plan.assigned.items():
                for other, has in self.running.items():
                    assert other == member or not has & units
                self.running[member] |= units
            if not plan.revokes:
                return number
        raise AssertionError("it does not come to an end")

    def check(self, wanted: set[Unit]) -> None:
        """All is done by somebody, nothing by two, and nobody has more than one above others."""
        everything = [unit for units in self.running.values() for unit in units]
        assert sorted(everything) == sorted(wanted)
        for is_connector in (True, False):
            loads = [
                sum((one.task == CONNECTOR) is is_connector for one in units)
                for units in self.running.values()
            ]
            assert max(loads) - min(loads) <= 1


def units_of(connectors: dict[str, int]) -> set[Unit]:
    return {Unit(name, n) for name, tasks in connectors.items() for n in range(-1, tasks)}


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("join"), st.sampled_from("abcde")),
        st.tuples(st.just("leave"), st.sampled_from("abcde")),
        st.tuples(st.just("set"), st.sampled_from(["x", "y", "z", "w"]), st.integers(0, 7)),
        st.tuples(st.just("drop"), st.sampled_from(["x", "y", "z", "w"])),
    ),
    max_size=25,
)


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_all_work_is_done_by_one_each_and_evenly(steps: list[tuple[object, ...]]) -> None:
    group = Group()
    group.running["first"] = set()
    connectors: dict[str, int] = {}
    for step in steps:
        kind, name = step[0], str(step[1])
        if kind == "join":
            group.running.setdefault(name, set())
        elif kind == "leave":
            group.running.pop(name, None)
        elif kind == "set":
            connectors[name] = int(str(step[2]))
        else:
            connectors.pop(name, None)
        group.rounds(units_of(connectors))
        group.check(units_of(connectors))


def test_what_runs_stays_where_it_is() -> None:
    group = Group()
    group.running = {"a": set(), "b": set()}
    wanted = units_of({f"c{n}": 1 for n in range(6)})
    group.rounds(wanted)
    before = {member: set(units) for member, units in group.running.items()}

    group.running["c"] = set()
    group.rounds(wanted)

    assert group.moves == 4
    for member, units in before.items():
        assert group.running[member] <= units


def test_lost_work_waits_for_its_worker() -> None:
    group = Group(delay_ms=10_000)
    group.running = {"a": set(), "b": set()}
    wanted = units_of({"c": 3})
    group.rounds(wanted)
    mine = set(group.running.pop("b"))

    assert group.assignor.plan(group.running, wanted, 100.0).delay_ms == 10_000
    plan = group.assignor.plan(group.running, wanted, 104.0)
    assert (plan.delay_ms, plan.assigned) == (6_000, {"a": set()})

    group.running["b2"] = set()  # it comes back under another name, and gets its work back
    assert group.assignor.plan(group.running, wanted, 105.0).delay_ms == 5_000
    plan = group.assignor.plan(group.running, wanted, 110.0)
    assert plan.assigned == {"a": set(), "b2": mine}


def test_lost_work_goes_to_others_when_the_time_is_up() -> None:
    group = Group(delay_ms=10_000)
    group.running = {"a": set(), "b": set(), "c": set()}
    wanted = units_of({"c": 5})
    group.rounds(wanted)
    group.running.pop("b")

    assert group.assignor.plan(group.running, wanted, 1.0).delay_ms == 10_000
    group.now = 11.0
    group.rounds(wanted)
    group.check(wanted)


def test_what_two_have_is_taken_from_one() -> None:
    unit = Unit("c")
    plan = Assignor(0).plan({"a": {unit}, "b": {unit}}, {unit}, 0.0)

    assert [len(plan.revoked[one]) for one in "ab"] == [0, 1]
    assert plan.assigned == {"a": set(), "b": set()}
