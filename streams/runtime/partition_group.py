"""Which records of a task come next: those with the smallest time at the front of a partition.

Kafka: `PartitionGroup`. Ties are broken as by `java.util.PriorityQueue`, the queue in use there, so
that outputs agree record by record.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, count, takewhile
from operator import attrgetter

from aliran.streams.runtime.java_heap import JavaHeap
from aliran.streams.runtime.record_queue import RecordQueue
from aliran.streams.runtime.record_run import Run

_LONG_RUN = 64
"""From so many records of one partition on, putting them in order with others does not pay."""


class PartitionGroup:
    """The input partitions of one task."""

    def __init__(self, queues: Sequence[RecordQueue]) -> None:
        self.queues: list[RecordQueue] = list(queues)
        self._heap: JavaHeap[RecordQueue] = JavaHeap(attrgetter("head_timestamp"))
        self._queued: set[int] = set()
        self._before_run: list[RecordQueue] = []  # the heap

    def filled(self, queue: RecordQueue) -> None:
        """Say that `queue` may have turned from empty to non-empty."""
        if id(queue) not in self._queued and len(queue):
            self._queued.add(id(queue))
            self._heap.offer(queue)

    def next_run(self, most: int, due_ms: int | None = None) -> Run | None:
        """Take out the records that come next; None when nothing is queued.

        They must be processed, and `ran` be called, before the next call.

        Args:
            most: How many records at the most.
            due_ms: The run ends behind the first record of this time or later.
        """
        heap = self._heap.items
        if not heap:
            return None
        self._before_run = list(heap)
        queue = heap[0]
        size = min(queue.head_size, most)
        if len(heap) > 1:
            before = 1
            if len(heap) == 2:  # one that is strictly smaller stays in front as long as it is
                before = max(1, queue.count_before(heap[1].head_timestamp, size))
            if before < min(size, _LONG_RUN):
                return self._interleaved(most, due_ms)
            size = before
        if due_ms is not None:
            size = min(size, queue.count_before(due_ms, size) + 1)
        return Run([queue.take(size)])

    def ran(self, run: Run, count: int) -> Run:
        """Take notice that the first `count` records of a run were processed.

        Returns:
            The run of these records alone; the others are queued again.
        """
        if count < len(run):
            run = self._shortened(run, count)
        for queue, newest_ms in run.newest_times():
            queue.partition_time_ms = max(queue.partition_time_ms, newest_ms)
        last = run.last_queue
        self._heap.poll()
        if len(last):
            self._heap.offer(last)
        else:
            self._queued.discard(id(last))
        return run

    def clear(self) -> None:
        """Forget what is queued."""
        for queue in self.queues:
            queue.clear()
        self._heap.items.clear()
        self._queued.clear()

    def _shortened(self, run: Run, count: int) -> Run:
        for part in run.parts:
            part.queue.give_back(part)
        self._heap.items[:] = self._before_run
        if len(run.parts) == 1:
            shortened = Run([run.last_queue.take(count)])
        else:
            shortened = self._interleaved(count, None)
        shortened.skipped = run.skipped
        return shortened

    def _interleaved(self, most: int, due_ms: int | None) -> Run:
        """Take records of several queues, up to the end of a batch of one of them.

        Leaves the heap as it is before the queue of the last record is put back.
        """
        queues = list(self._heap.items)
        sizes = [queue.head_size for queue in queues]
        # Not more of a long batch than may come before a short one is through.
        enough = 4 * min(sizes) + _LONG_RUN
        times = [
            queue.next_times(min(size, enough)) for queue, size in zip(queues, sizes, strict=True)
        ]
        taken, heap = _by_time(times, most, due_ms)
        self._heap.items[:] = [queues[number] for number in heap]
        starts = accumulate(map(taken.count, range(len(queues))), initial=0)
        numbers = [count(start) for start in starts]
        order = [next(numbers[number]) for number in taken]
        parts = [queue.take(taken.count(number)) for number, queue in enumerate(queues)]
        return Run(parts, order)


def _by_time(
    times: Sequence[list[int]], most: int, due_ms: int | None
) -> tuple[list[int], list[int]]:
    """Merge queues by the time of the record in front, until one of them has no more.

    Returns:
        The number of the queue of each record, and the heap of queues before the last is put back.
    """
    if len(times) == 2:
        taken = _two_by_time(*times)
        if due_ms is not None:
            fronts = [iter(each) for each in times]
            before_due = takewhile(lambda number: next(fronts[number]) < due_ms, taken)
            most = min(most, sum(1 for _ in before_due) + 1)
        del taken[most:]
        return taken, [taken[-1], 1 - taken[-1]]
    taken, positions = [], [0] * len(times)
    heap: JavaHeap[int] = JavaHeap(lambda number: times[number][positions[number]])
    heap.items = list(range(len(times)))
    while True:
        number = heap.items[0]
        time = times[number][positions[number]]
        taken.append(number)
        positions[number] += 1
        if (
            positions[number] == len(times[number])
            or len(taken) == most
            or (due_ms is not None and time >= due_ms)
        ):
            return taken, heap.items
        heap.poll()
        heap.offer(number)


def _two_by_time(first: list[int], second: list[int]) -> list[int]:
    """Merge two queues, of which the first is in front."""
    taken: list[int] = []
    take, here, there = taken.append, 0, 0
    while True:
        limit = second[there]
        while True:
            take(0)
            here += 1
            if here == len(first):
                return taken
            if first[here] >= limit:  # of two with the same time, the one that waited
                break
        limit = first[here]
        while True:
            take(1)
            there += 1
            if there == len(second):
                return taken
            if second[there] >= limit:
                break
