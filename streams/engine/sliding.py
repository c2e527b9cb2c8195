"""Sliding windows: one for each set of records at most a time difference apart (KIP-450).

A window `[start, start + difference]` exists where its set of records differs from that of its
neighbours. A new record belongs to every window around it, and may call for three new ones:

- its left window, which ends with it, unless another record of the same time made it;
- the right window of the record before it, which begins one millisecond after that record;
- its own right window, if there are later records to be in it.

Records before `difference` share the window `[0, difference]`, as windows cannot begin before 0.

Kafka: `KStreamSlidingWindowAggregate`; windows are looked at from the newest to the oldest.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from aliran.core.types import Headers
from aliran.serdes import Windowed
from aliran.streams.engine.timed_tables import RangeWindowTable
from aliran.streams.engine.window_aggregation import (
    DropCounter,
    FinalEmitter,
    TableAggregation,
)
from aliran.streams.plan.window_operators import SlidingWindows, WindowedAggregate


class _Record(NamedTuple):
    """The record being aggregated, and when windows are closed to it."""

    key: Any
    cell: bytes
    value: Any
    time: int
    headers: Headers | None
    close_time: int


class _Aggregate(NamedTuple):
    """An aggregate that was found, and the time of the newest record in it."""

    value: Any
    time: int


class SlidingAggregation(TableAggregation):
    """See the module."""

    def __init__(
        self,
        spec: WindowedAggregate,
        table: RangeWindowTable,
        drops: DropCounter,
        emitter: FinalEmitter | None,
        *,
        sends_old_values: bool,
    ) -> None:
        super().__init__(spec, table, drops, emitter, sends_old_values=sends_old_values)
        if not isinstance(spec.windows, SlidingWindows):
            raise TypeError(f"windows of another kind: {spec.windows!r}")
        self._difference = spec.windows.time_difference_ms
        self._grace_ms = spec.windows.grace_ms
        self._taken = False  # whether a window took the record

    def process(
        self, key: Any, cell: bytes, value: Any, time: int, headers: Headers | None
    ) -> None:
        """Update the windows around a record, and make those that it calls for."""
        if time > self.stream_time:
            self.stream_time = time
        close_time = self.stream_time - self._grace_ms
        if time + self._difference < close_time:
            self._drops.dropped_records += 1
            self.send_late(key, value, time, headers)
            return
        self._taken = False
        record = _Record(key, cell, value, time, headers, close_time)
        if time < self._difference:
            self._process_early(record)
        else:
            self._process(record)
        if not self._taken:
            self.send_late(key, value, time, headers)
        emitter = self._emitter
        if time < self._difference or emitter is None:
            return  # as in Kafka, early records emit nothing
        if emitter.is_due(close_time):
            self._emit_closed(emitter, close_time, headers)

    @property
    def _wait_ms(self) -> int:
        return self._grace_ms

    def _time_that_closes(self, time: int) -> int:
        return time + self._difference + self._grace_ms + 1

    def _emit_closed(self, emitter: FinalEmitter, close_time: int, headers: Headers | None) -> None:
        last = close_time - self._difference - 1
        if last >= 0:
            first = max(0, emitter.last_close - self._difference)
            self._emit(first, last, headers, close_time)

    def _process(self, record: _Record) -> None:
        time, difference = record.time, self._difference
        starts: set[int] = set()
        left: _Aggregate | None = None
        right: _Aggregate | None = None
        has_left = has_right = False
        previous: int | None = None  # time of the record before this one
        first = max(0, time - 2 * difference)
        for start, value, newest in self._table.between(record.cell, first, time + 1, reverse=True):
            starts.add(start)
            end = start + difference
            if start == time + 1:
                has_right = True
            elif end > time:
                if right is None:  # a copy: the aggregator may change what it is given
                    right = _Aggregate(self._table.copy_of(value), newest)
                self._update(record, start, value, newest)
            elif end == time:
                has_left = True
                self._update(record, start, value, newest)
                if newest >= time:
                    return  # a record of this time made all the windows
                previous = newest
            else:
                left, previous = _Aggregate(value, newest), newest
                break
        if (
            previous is not None
            and previous + 1 not in starts
            and previous + 1 + difference >= time
        ):
            self._update(record, previous + 1, self._initialize(), time)
        if not has_left:
            within = previous is not None and left is not None and time - difference <= previous
            value = left.value if within and left is not None else self._initialize()
            self._update(record, time - difference, value, time)
        if not has_right:
            self._make_right_window(record, right)

    def _process_early(self, record: _Record) -> None:
        time = record.time
        starts: set[int] = set()
        combined: _Aggregate | None = None
        right: _Aggregate | None = None
        has_right = False
        previous: int | None = None
        for start, value, newest in self._table.between(record.cell, 0, time + 1):
            starts.add(start)
            if start == 0:
                combined = _Aggregate(value, newest)
                if newest < time:
                    previous = newest
            elif start <= time:
                right = _Aggregate(self._table.copy_of(value), newest)
                self._update(record, start, value, newest)
            else:
                has_right = True
        if right is None and combined is not None and combined.time > time:
            right = combined
        if not has_right:
            self._make_right_window(record, right)
        if previous is not None and previous + 1 not in starts:
            self._update(record, previous + 1, self._initialize(), time)
        if combined is None:
            combined = _Aggregate(self._initialize(), time)
        self._update(record, 0, *combined)

    def _make_right_window(self, record: _Record, later: _Aggregate | None) -> None:
        """Make the record's right window of the records that are later, if there are any."""
        if later is None or later.time <= record.time:
            return
        start = record.time + 1
        self._table.put(record.cell, start, later.value, later.time, record.headers)
        window = Windowed(record.key, start, start + self._difference)
        self._forward_update(window, None, later.value, later.time, record.headers)

    def _update(self, record: _Record, start: int, old: Any, newest: int) -> None:
        """Add the record to a window that has the aggregate `old`, unless it is closed."""
        end = start + self._difference
        if end < record.close_time:
            self._drops.dropped_records += 1
            return
        self._taken = True
        table = self._table
        before = table.copy_of(old) if self._sends_old_values else None
        time = record.time if old is None else max(record.time, newest)
        new = self._add(record.key, record.value, old)
        table.put(record.cell, start, new, record.time if new is None else time, record.headers)
        self._forward_update(Windowed(record.key, start, end), before, new, time, record.headers)
