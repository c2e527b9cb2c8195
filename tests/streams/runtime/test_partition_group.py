"""Records of several partitions are processed in the same order, at one go or one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aliran.core.types import Columns, TopicPartition
from aliran.streams.engine.compiler import SourceFunctions
from aliran.streams.runtime.partition_group import PartitionGroup
from aliran.streams.runtime.record_queue import RecordQueue

BATCHES = st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=8), min_size=1, max_size=3)


def ignore(records: object) -> None:
    """Stand for a loop; nothing is executed here."""


def group_of(queues: list[list[list[int]]]) -> PartitionGroup:
    made = []
    for number, batches in enumerate(queues):
        queue = RecordQueue(
            TopicPartition("in", number),
            SourceFunctions(ignore, ignore),
            lambda columns, time: (list(columns.timestamps), time),
        )
        start = 0
        for times in batches:
            rows = [b"%d-%d" % (number, start + index) for index in range(len(times))]
            offsets = range(start, start + len(times))
            queue.add(Columns("in", number, offsets, list(rows), list(rows), list(times)))
            start += len(times)
        made.append(queue)
    group = PartitionGroup(made)
    for queue in made:
        group.filled(queue)
    return group


def order_of(group: PartitionGroup, most: int, processed: int | None = None) -> list[bytes]:
    """Take all records; of each run only so many at first as are `processed`."""
    order = []
    while (run := group.next_run(most)) is not None:
        run = group.ran(run, min(len(run), processed or len(run)))
        for index in range(len(run)):
            columns, position = run.place(index)
            order.append(columns.values[position] or b"")
            assert run.times[index] == columns.timestamps[position]
            assert columns.offsets[position] == int(order[-1].split(b"-")[1])
    return order


@given(st.lists(BATCHES, min_size=1, max_size=4), st.integers(2, 9), st.integers(1, 5))
def test_the_order_does_not_depend_on_the_size_of_runs(
    queues: list[list[list[int]]], most: int, processed: int
) -> None:
    one_by_one = order_of(group_of(queues), 1)
    assert order_of(group_of(queues), 1 << 60) == one_by_one
    assert order_of(group_of(queues), most) == one_by_one
    assert order_of(group_of(queues), most, processed) == one_by_one


@given(st.lists(BATCHES, min_size=1, max_size=3), st.integers(0, 7))
def test_a_run_ends_behind_the_first_record_that_is_due(
    queues: list[list[list[int]]], due_ms: int
) -> None:
    group, order = group_of(queues), []
    while (run := group.next_run(1 << 60, due_ms)) is not None:
        assert all(time < due_ms for time in run.times[:-1])
        group.ran(run, len(run))
        order += run.times
    assert len(order) == sum(len(times) for batches in queues for times in batches)


@given(BATCHES, BATCHES)
def test_a_run_of_two_inputs_ends_with_a_batch(
    first: list[list[int]], second: list[list[int]]
) -> None:
    group, runs = group_of([first, second]), 0
    while (run := group.next_run(1 << 60)) is not None:
        group.ran(run, len(run))
        runs += 1
    assert runs <= len(first) + len(second)
