"""Which record of a task comes next: the one with the smallest time at the front of a partition.

Kafka: `PartitionGroup`. Ties are broken as by `java.util.PriorityQueue`, the queue in use there, so
that outputs agree record by record.
"""

from __future__ import annotations

from collections.abc import Sequence

from aliran.streams.runtime.record_queue import RecordQueue


class PartitionGroup:
    """The input partitions of one task."""

    def __init__(self, queues: Sequence[RecordQueue]) -> None:
        self.queues = list(queues)
        self._heap: list[RecordQueue] = []
        self._queued: set[int] = set()

    def filled(self, queue: RecordQueue) -> None:
        """Say that `queue` may have turned from empty to non-empty."""
        if id(queue) not in self._queued and len(queue):
            self._queued.add(id(queue))
            self._offer(queue)

    def next_run(self) -> tuple[RecordQueue, int] | None:
        """Take the queue to read from now, and how many records of it come before any other.

        The records must be processed before the next call. None when nothing is queued.
        """
        if not self._heap:
            return None
        if len(self._heap) == 1:
            queue = self._heap[0]
            return queue, len(queue.head_timestamps())
        queue = self._heap[0]
        times = queue.head_timestamps()
        limit = min(other.head_timestamp for other in self._heap[1:])
        count = 1
        if len(self._heap) == 2:
            # With two queues, one strictly smaller stays in front as long as it is.
            while count < len(times) and times[count] < limit:
                count += 1
        return queue, count

    def ran(self, queue: RecordQueue) -> None:
        """Put `queue` back behind its next record, after the run from it."""
        self._poll()
        if len(queue):
            self._offer(queue)
        else:
            self._queued.discard(id(queue))

    def clear(self) -> None:
        """Forget what is queued."""
        for queue in self.queues:
            queue.clear()
        self._heap.clear()
        self._queued.clear()

    # The heap of java.util.PriorityQueue: siftUp and siftDown compare strictly.

    def _offer(self, queue: RecordQueue) -> None:
        heap, index, time = self._heap, len(self._heap), queue.head_timestamp
        heap.append(queue)
        while index > 0:
            parent = (index - 1) >> 1
            if time >= heap[parent].head_timestamp:
                break
            heap[index] = heap[parent]
            index = parent
        heap[index] = queue

    def _poll(self) -> None:
        heap = self._heap
        last = heap.pop()
        if not heap:
            return
        time, index, half = last.head_timestamp, 0, len(heap) >> 1
        while index < half:
            child = 2 * index + 1
            if (
                child + 1 < len(heap)
                and heap[child].head_timestamp > heap[child + 1].head_timestamp
            ):
                child += 1
            if time <= heap[child].head_timestamp:
                break
            heap[index] = heap[child]
            index = child
        heap[index] = last
