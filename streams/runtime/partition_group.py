"""Which record of a task comes next: the one with the smallest time at the front of a partition.

Kafka: `PartitionGroup`. Ties are broken as by `java.util.PriorityQueue`, the queue in use there, so
that outputs agree record by record.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from aliran.streams.runtime.java_heap import JavaHeap
from aliran.streams.runtime.record_queue import RecordQueue


class PartitionGroup:
    """The input partitions of one task."""

    def __init__(self, queues: Sequence[RecordQueue]) -> None:
        self.queues = list(queues)
        self._heap: JavaHeap[RecordQueue] = JavaHeap(attrgetter("head_timestamp"))
        self._queued: set[int] = set()

    def filled(self, queue: RecordQueue) -> None:
        """Say that `queue` may have turned from empty to non-empty."""
        if id(queue) not in self._queued and len(queue):
            self._queued.add(id(queue))
            self._heap.offer(queue)

    def next_run(self) -> tuple[RecordQueue, int] | None:
        """Take the queue to read from now, and how many records of it come before any other.

        The records must be processed before the next call. None when nothing is queued.
        """
        heap = self._heap.items
        if not heap:
            return None
        queue = heap[0]
        if len(heap) == 1:
            return queue, queue.head_size
        if len(heap) > 2:
            return queue, 1
        # With two queues, one that is strictly smaller stays in front as long as it is.
        return queue, max(1, queue.count_before(heap[1].head_timestamp, queue.head_size))

    def ran(self, queue: RecordQueue) -> None:
        """Put `queue` back behind its next record, after the run from it."""
        self._heap.poll()
        if len(queue):
            self._heap.offer(queue)
        else:
            self._queued.discard(id(queue))

    def clear(self) -> None:
        """Forget what is queued."""
        for queue in self.queues:
            queue.clear()
        self._heap.items.clear()
        self._queued.clear()
