"""Records that go through a task's loop at one go: of one partition, or of several by time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from aliran.core.types import Columns, Headers

if TYPE_CHECKING:
    from aliran.streams.runtime.record_queue import RecordQueue


@dataclass(slots=True)
class Retimed(Columns):
    """Records under the times that an extractor gave them.

    Attributes:
        written_timestamps: The times they came with.
    """

    written_timestamps: list[int] = field(default_factory=list)


class Part(NamedTuple):
    """What a run takes of one queue: the records `start` to `end` of a batch."""

    queue: RecordQueue
    columns: Columns
    start: int
    end: int


class CurrentRecord:
    """Which record of a run is being processed; costs nothing until somebody asks.

    The iterator over the run's values knows how many are left.

    Attributes:
        times: The times of the run's records.
    """

    __slots__ = ("_last_index", "_run", "_values", "times")

    def __init__(self, run: Run, values: Any) -> None:
        self.times: list[int] = run.times
        self._run = run
        self._values = values
        self._last_index: int | None = None

    def make_last(self) -> None:
        """Let the run end behind this record; those after it are left for another run."""
        self._last_index = self.index
        # An iterator beyond its end has nothing more.
        self._values.__setstate__(len(self.times))

    def skip(self) -> None:
        """Let this record be none: it could not be read, and its time does not count."""
        self._run.skipped.add(self.index)

    def times_from(self, index: int) -> list[int]:
        """Return the times of the run's records from there up to this one, that could be read."""
        times = self.times[index : self.index + 1]
        return self._run.without_skipped(times, index) if self._run.skipped else times

    def kept(self) -> CurrentRecord:
        """Return the same record, to come back to when the run has moved on."""
        kept = CurrentRecord(self._run, iter(()))
        kept._last_index = self.index
        return kept

    @property
    def index(self) -> int:
        """Position of the record within the run."""
        if self._last_index is not None:
            return self._last_index
        left: int = self._values.__length_hint__()
        return len(self.times) - left - 1

    @property
    def processed(self) -> int:
        """How many records the run had in the end, once it is over."""
        return len(self.times) if self._last_index is None else self._last_index + 1

    @property
    def place(self) -> tuple[Columns, int]:
        """The batch that the record came with, and its position there."""
        return self._run.place(self.index)

    @property
    def offset(self) -> int:
        """Offset of the record."""
        columns, index = self.place
        return columns.offsets[index]

    @property
    def timestamp(self) -> int:
        """Timestamp of the record."""
        return self.times[self.index]

    @property
    def written_timestamp(self) -> int:
        """Timestamp that the record came with, whatever an extractor made of it."""
        columns, index = self.place
        if isinstance(columns, Retimed):
            return columns.written_timestamps[index]
        return columns.timestamps[index]

    @property
    def headers(self) -> Headers:
        """Headers of the record."""
        columns, index = self.place
        return () if columns.headers is None else columns.headers[index]


ErrorHandler = Callable[[Exception, CurrentRecord], None]
"""Called with what a record raised; returns to go on with the next record, or raises."""


class Run:
    """Records in the order in which they are to be processed.

    Args:
        parts: Where they are from.
        order: Of several parts: which records, counted through the parts one after the other.

    Attributes:
        current: The record being processed; None before and after.
        skipped: Positions of those that could not be read.
    """

    __slots__ = ("_order", "current", "parts", "skipped", "times")

    def __init__(self, parts: Sequence[Part], order: Sequence[int] | None = None) -> None:
        self.parts: Sequence[Part] = parts
        self.current: CurrentRecord | None = None
        self.skipped: set[int] = set()
        self._order = order
        self.times: list[int] = self._in_order([part.columns.timestamps for part in parts])

    def __len__(self) -> int:
        return len(self.times)

    @property
    def last_queue(self) -> RecordQueue:
        """The queue of the last record."""
        return self._part(len(self.times) - 1)[0].queue

    def place(self, index: int) -> tuple[Columns, int]:
        """Return the batch that a record came with, and its position there."""
        part, position = self._part(index)
        return part.columns, position

    @property
    def last_read(self) -> tuple[Columns, int] | None:
        """The place of the last record that could be read; None where none could."""
        for index in range(len(self) - 1, -1, -1):
            if index not in self.skipped:
                return self.place(index)
        return None

    def without_skipped(self, times: list[int], start: int) -> list[int]:
        """Return the times, which begin at that position, without those of skipped records."""
        return [time for index, time in enumerate(times, start) if index not in self.skipped]

    def newest_times(self) -> Iterator[tuple[RecordQueue, int]]:
        """Yield the queues of the run with the largest time of their records that were read."""
        unread: dict[int, list[int]] = {}
        for index in self.skipped:
            part, position = self._part(index)
            unread.setdefault(id(part), []).append(position)
        for part in self.parts:
            times = part.columns.timestamps[part.start : part.end]
            for position in unread.get(id(part), ()):
                times[position - part.start] = -1
            yield part.queue, max(times, default=-1)

    def execute(self, on_error: ErrorHandler) -> int:
        """Process the records; returns how many it were.

        They are fewer where `CurrentRecord.make_last` is called meanwhile.
        """
        records, values = self._records()
        current = self.current = CurrentRecord(self, values)
        functions = self.parts[0].queue.functions
        run = functions.plain if self._headers() is None else functions.with_headers
        while True:
            try:
                run(records)
                break
            except Exception as error:
                on_error(error, current)
        self.current = None
        return current.processed

    def _records(self) -> tuple[Iterator[Any], Iterator[Any]]:
        """Return an iterator of records, and the one over their values that it pulls from.

        Not strict, since the values may be made to end early.
        """
        keys = self._in_order([part.columns.keys for part in self.parts])
        left = iter(self._in_order([part.columns.values for part in self.parts]))
        columns: list[Any] = [keys, left, self.times]
        headers = self._headers()
        if headers is not None:
            columns.append(self._in_order(headers))
        numbers = [part.queue.functions.number for part in self.parts]
        if numbers[0] is not None:  # the loop serves several sources
            columns.insert(0, self._numbers(numbers))
        return zip(*columns, strict=False), left

    def _headers(self) -> list[list[Headers]] | None:
        headers = [part.columns.headers for part in self.parts]
        if not any(each is not None for each in headers):
            return None
        return [
            [()] * len(part.columns) if each is None else each
            for part, each in zip(self.parts, headers, strict=True)
        ]

    def _numbers(self, numbers: list[Any]) -> Any:
        if self._order is None:
            return repeat(numbers[0])
        of_all: list[Any] = []
        for part, number in zip(self.parts, numbers, strict=True):
            of_all += [number] * (part.end - part.start)
        return [of_all[index] for index in self._order]

    def _in_order(self, columns: Sequence[list[Any]]) -> list[Any]:
        """Return the run's records of a column, given that column of each part's batch."""
        if self._order is None:
            ((_, batch, start, end),) = self.parts
            column = columns[0]
            return column if start == 0 and end == len(batch) else column[start:end]
        of_all: list[Any] = []
        for part, column in zip(self.parts, columns, strict=True):
            of_all += column[part.start : part.end]
        return [of_all[index] for index in self._order]

    def _part(self, index: int) -> tuple[Part, int]:
        number = index if self._order is None else self._order[index]
        for part in self.parts:
            size = part.end - part.start
            if number < size:
                return part, part.start + number
            number -= size
        raise IndexError(index)
