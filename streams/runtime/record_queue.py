"""The records of one input partition that wait for their task. Kafka: `RecordQueue`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from aliran.core.types import Columns, TopicPartition
from aliran.streams.engine.compiler import SourceFunctions
from aliran.streams.runtime.record_run import Part, Retimed

Timestamps = Callable[[Columns, int], tuple[Sequence[int | None], int]]
"""`(records, partition time) -> (times, partition time behind them)`; see `timestamps.py`.

The time is None for a record to drop, and negative for one that is known not to be readable.
"""


class RecordQueue:
    """Batches of one partition, processed from the front.

    Attributes:
        topic_partition: Where they come from.
        functions: What processes them.
        partition_time_ms: The largest timestamp handed to the task, -1 before the first. Records
            that cannot be read do not count.
    """

    def __init__(
        self,
        topic_partition: TopicPartition,
        functions: SourceFunctions,
        extract: Timestamps,
    ) -> None:
        self.topic_partition = topic_partition
        self.functions: SourceFunctions = functions
        self.partition_time_ms: int = -1
        self._extract = extract
        self._batches: deque[Columns] = deque()
        self._position = 0  # within the first batch
        self._size = 0
        self._next_offset: int | None = None
        self._extracted_time_ms = -1

    def __len__(self) -> int:
        return self._size

    @property
    def next_offset(self) -> int | None:
        """The offset to commit: of the first record not processed. None before the first batch."""
        if self._batches:
            return self._batches[0].offsets[self._position]
        return self._next_offset

    @property
    def head_timestamp(self) -> int:
        """Time of the record at the front; call only when there is one."""
        return self._batches[0].timestamps[self._position]

    @property
    def head_size(self) -> int:
        """How many records of the first batch are left."""
        return len(self._batches[0]) - self._position

    def count_before(self, time_ms: int, most: int) -> int:
        """Return how many records at the front, `most` or fewer, are before that time."""
        times, start = self._batches[0].timestamps, self._position
        count = 0
        while count < most and times[start + count] < time_ms:
            count += 1
        return count

    def resume_at(self, partition_time_ms: int) -> None:
        """Take up the partition time of an earlier run; extractors are told it."""
        self.partition_time_ms = self._extracted_time_ms = partition_time_ms

    def add(self, columns: Columns) -> int:
        """Queue a batch; returns how many of its records were dropped for an invalid time."""
        size = len(columns)
        if size == 0:
            return 0
        self._next_offset = columns.offsets[-1] + 1
        times, self._extracted_time_ms = self._extract(columns, self._extracted_time_ms)
        if times is not columns.timestamps:
            columns = _with_times(columns, times)
        if columns.timestamps:
            self._batches.append(columns)
            self._size += len(columns)
        return size - len(columns)

    def next_times(self, count: int) -> list[int]:
        """Return the times of the next `count` records, all of the first batch."""
        return self._batches[0].timestamps[self._position : self._position + count]

    def take(self, count: int) -> Part:
        """Take out the next `count` records, all of the first batch."""
        columns, start = self._batches[0], self._position
        end = start + count
        self._position = end
        self._size -= count
        if end == len(columns):
            self._batches.popleft()
            self._position = 0
        return Part(self, columns, start, end)

    def give_back(self, part: Part) -> None:
        """Queue again what was taken last."""
        if not self._batches or self._batches[0] is not part.columns:
            self._batches.appendleft(part.columns)
        self._position = part.start
        self._size += part.end - part.start

    def clear(self) -> None:
        """Forget what is queued."""
        self._batches.clear()
        self._position = self._size = 0


def _with_times(columns: Columns, times: Sequence[int | None]) -> Columns:
    """Return the records under new times, without those whose time is None."""
    kept = [index for index, time in enumerate(times) if time is not None]
    headers = columns.headers
    return Retimed(
        columns.topic,
        columns.partition,
        [columns.offsets[index] for index in kept],
        [columns.keys[index] for index in kept],
        [columns.values[index] for index in kept],
        [time for time in times if time is not None],
        None if headers is None else [headers[index] for index in kept],
        [columns.timestamps[index] for index in kept],
    )
