"""The records of one input partition that wait for their task. Kafka: `RecordQueue`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from aliran.core.types import Columns, Headers, TopicPartition
from aliran.streams.engine.compiler import SourceFunctions

ErrorHandler = Callable[[Exception, "CurrentRecord"], None]
"""Called with what a record raised; returns to go on with the next record, or raises."""

Timestamps = Callable[[Columns, int], list[int | None]]
"""`(records, partition time) -> times`; None for a record to drop. See `timestamps.py`."""


@dataclass(slots=True)
class CurrentRecord:
    """Which record of a batch is being processed; costs nothing until somebody asks.

    The iterator over the batch's values knows how many are left.
    """

    columns: Columns
    end: int
    values: Any
    last_index: int | None = None

    def make_last(self) -> None:
        """Let the run end behind this record; those after it are left for another run."""
        self.last_index = self.index
        self.values.__setstate__(len(self.columns))  # an iterator beyond its end has nothing more

    def kept(self) -> CurrentRecord:
        """Return the same record, to come back to when the batch has moved on."""
        return CurrentRecord(self.columns, self.end, iter([]), self.index)

    @property
    def index(self) -> int:
        """Position of the record within the batch."""
        if self.last_index is not None:
            return self.last_index
        left: int = self.values.__length_hint__()
        return self.end - left - 1

    @property
    def offset(self) -> int:
        """Offset of the record."""
        return self.columns.offsets[self.index]

    @property
    def timestamp(self) -> int:
        """Timestamp of the record."""
        return self.columns.timestamps[self.index]

    @property
    def headers(self) -> Headers:
        """Headers of the record."""
        return () if self.columns.headers is None else self.columns.headers[self.index]


class RecordQueue:
    """Batches of one partition, processed from the front.

    Attributes:
        topic_partition: Where they come from.
        partition_time_ms: The largest timestamp handed to the task, -1 before the first.
    """

    def __init__(
        self,
        topic_partition: TopicPartition,
        functions: SourceFunctions,
        extract: Timestamps,
        on_error: ErrorHandler,
    ) -> None:
        self.topic_partition = topic_partition
        self.partition_time_ms = -1
        self.current: CurrentRecord | None = None
        self._functions = functions
        self._extract = extract
        self._on_error = on_error
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
        times = self._extract(columns, self._extracted_time_ms)
        if times is not columns.timestamps:
            columns = _with_times(columns, times)
        if columns.timestamps:
            newest = max(columns.timestamps)
            self._extracted_time_ms = max(self._extracted_time_ms, newest)
            self._batches.append(columns)
            self._size += len(columns)
        return size - len(columns)

    def run(self, count: int) -> int:
        """Process the next `count` records, all of the first batch; returns how many it were.

        They are fewer where `CurrentRecord.make_last` is called meanwhile.
        """
        columns, start = self._batches[0], self._position
        end = start + count
        self._position = end
        self._size -= count
        if end == len(columns):
            self._batches.popleft()
            self._position = 0
        before = self.partition_time_ms
        self.partition_time_ms = max(before, *columns.timestamps[start:end])
        records, values = _iterate(columns, start, end)
        current = self.current = CurrentRecord(columns, end, values)
        run = self._functions.plain if columns.headers is None else self._functions.with_headers
        while True:
            try:
                run(records)
                break
            except Exception as error:
                self._on_error(error, current)
        self.current = None
        if current.last_index is not None and current.last_index + 1 < end:
            self._take_back(columns, current.last_index + 1, end)
            end = current.last_index + 1
            self.partition_time_ms = max(before, *columns.timestamps[start:end])
        return end - start

    def _take_back(self, columns: Columns, start: int, end: int) -> None:
        """Queue records again that a run has left."""
        if not self._batches or self._batches[0] is not columns:
            self._batches.appendleft(columns)
        self._position = start
        self._size += end - start

    def clear(self) -> None:
        """Forget what is queued."""
        self._batches.clear()
        self._position = self._size = 0


def _iterate(columns: Columns, start: int, end: int) -> tuple[Iterator[Any], Iterator[Any]]:
    """Return an iterator of records, and the one over their values that it pulls from.

    Not strict, since the values may be made to end early.
    """
    keys, values, times = columns.keys, columns.values, columns.timestamps
    headers = columns.headers
    if start or end < len(columns):
        keys, values, times = keys[start:end], values[start:end], times[start:end]
        headers = None if headers is None else headers[start:end]
    left = iter(values)
    if headers is None:
        return zip(keys, left, times, strict=False), left
    return zip(keys, left, times, headers, strict=False), left


def _with_times(columns: Columns, times: Sequence[int | None]) -> Columns:
    """Return the records under new times, without those whose time is None."""
    kept = [index for index, time in enumerate(times) if time is not None]
    headers = columns.headers
    return Columns(
        columns.topic,
        columns.partition,
        [columns.offsets[index] for index in kept],
        [columns.keys[index] for index in kept],
        [columns.values[index] for index in kept],
        [time for time in times if time is not None],
        None if headers is None else [headers[index] for index in kept],
    )
