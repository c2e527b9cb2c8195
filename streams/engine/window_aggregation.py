"""Windowed aggregations as objects that generated code calls, a record at a time.

Tumbling and hopping windows that forward each update have code of their own (`aggregate_code.py`);
here are those that emit when a window closes, windows of the user's, and what sliding windows
(`sliding.py`) and sessions (`sessions.py`) share with them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, Protocol, TypeAlias

from aliran.core.types import Headers
from aliran.serdes import Windowed
from aliran.streams.engine.timed_tables import Forward, RangeWindowTable, forward_nothing
from aliran.streams.plan import operators as op
from aliran.streams.plan.window_operators import (
    MAX_TIME,
    CountWindowAggregate,
    CustomWindows,
    ExpiringTable,
    UnlimitedWindows,
    WindowedAggregate,
)


class DropCounter(Protocol):
    """Counts what the semantics drop."""

    dropped_records: int


SendLate: TypeAlias = Callable[[Any, Any, int, "Headers | None"], None]
"""Takes key, value, time and headers of a late record."""


def _send_nothing(_key: Any, _value: Any, _time: int, _headers: Headers | None) -> None:
    """Do nothing: late records are dropped."""


class FinalEmitter:
    """When windows that closed are emitted: as stream time moves on, throttled by the wall clock.

    Kafka: `TimeTracker`, and the half of `AbstractKStreamTimeWindowAggregateProcessor` around it.

    Args:
        store: Name of the aggregation's store, under which `marks` remember how far it got.
        marks: What is committed with the positions of the task, and comes back after a restart.
        now_ms: Gives the wall-clock time.
        interval_ms: Time between two looks; 0 for no throttling.

    Attributes:
        last_close: Up to which close time windows were emitted, -1 before the first time.
    """

    def __init__(
        self,
        store: str,
        marks: MutableMapping[str, int],
        now_ms: Callable[[], int],
        interval_ms: int,
    ) -> None:
        self._store = store
        self._marks = marks
        self._now_ms = now_ms
        self._interval_ms = interval_ms
        self._next_ms = 0
        self.last_close: int = marks.get(store, -1)

    def is_due(self, close_time: int) -> bool:
        """Tell whether to look for closed windows now; counts as a look if so."""
        now = self._now_ms()
        if now < self._next_ms:
            return False
        self._next_ms = now + self._interval_ms
        return self.last_close == -1 or self.last_close < close_time

    def emitted(self, close_time: int) -> None:
        """Remember that all windows up to a close time were emitted."""
        self.last_close = self._marks[self._store] = close_time


class WindowAggregation(ABC):
    """One aggregating node in one task.

    Args:
        spec: What it computes.
        drops: Where dropped records are counted.
        emitter: Says when results are final; None where each update is forwarded.
        sends_old_values: Whether the aggregate before each update goes along.

    Attributes:
        stream_time: The largest record time this operator has seen, -1 before the first.
        forward: Runs an update through what is downstream; set by the engine.
        send_late: Takes a record that no window takes any more; set by the engine.
    """

    def __init__(
        self,
        spec: WindowedAggregate,
        drops: DropCounter,
        emitter: FinalEmitter | None,
        *,
        sends_old_values: bool,
    ) -> None:
        self.stream_time: int = -1
        self.forward: Forward = forward_nothing
        self.send_late: SendLate = _send_nothing
        self._drops = drops
        self._emitter = emitter
        self._sends_old_values = sends_old_values
        self._initialize, self._add = functions_of(spec)

    @abstractmethod
    def process(
        self, key: Any, cell: bytes, value: Any, time: int, headers: Headers | None
    ) -> None:
        """Aggregate a record.

        Args:
            key: Its key, not None.
            cell: The key's bytes.
            value: Its value.
            time: Its time.
            headers: Its headers.
        """

    def close_all(self) -> None:
        """Move stream time on to where every window that has records is closed, and emit them."""
        emitter = self._emitter
        if emitter is None or self.stream_time < 0:
            return
        self.stream_time = max(self.stream_time, self._time_that_closes(self.stream_time))
        close_time = self.stream_time - self._wait_ms
        if emitter.last_close < close_time:
            self._emit_closed(emitter, close_time, None)

    @property
    @abstractmethod
    def _wait_ms(self) -> int:
        """How far the time up to which windows are closed lies behind stream time."""

    @abstractmethod
    def _time_that_closes(self, time: int) -> int:
        """Return the stream time at which all windows are closed that records up to `time` have."""

    @abstractmethod
    def _emit_closed(self, emitter: FinalEmitter, close_time: int, headers: Headers | None) -> None:
        """Forward the windows that have closed since the last time."""


class TableAggregation(WindowAggregation):
    """One whose aggregates lie in a table of windows: all but sessions."""

    def __init__(
        self,
        spec: WindowedAggregate,
        table: RangeWindowTable,
        drops: DropCounter,
        emitter: FinalEmitter | None,
        *,
        sends_old_values: bool,
    ) -> None:
        super().__init__(spec, drops, emitter, sends_old_values=sends_old_values)
        self._table = table
        self._forwards = emitter is None and not table.caching

    def _forward_update(
        self, window: Windowed[Any], old: Any, new: Any, time: int, headers: Headers | None
    ) -> None:
        """Forward an update, if nothing holds it back: a cache, or the end of the window."""
        if self._forwards:
            self.forward(window, new, time, headers, old if self._sends_old_values else None)

    def _emit(self, first: int, last: int, headers: Headers | None, close_time: int) -> None:
        """Forward the windows that start between two times, as they are in the table now."""
        table, emitter = self._table, self._emitter
        if emitter is None:
            return
        for start, cell, value, time in table.started_between(first, last):
            window = Windowed(table.key_serde.deserialize(cell), start, table.end_of(start))
            self.forward(window, value, time, headers, None)
        emitter.emitted(close_time)


class AlignedAggregation(TableAggregation):
    """Windows that follow from a record's time. Kafka: `KStreamWindowAggregate`."""

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
        self._windows_for, self._grace_ms = aligned_windows(spec)
        self._size_ms = spec.windows.size_ms if isinstance(spec.windows, op.TimeWindows) else 0

    def process(
        self, key: Any, cell: bytes, value: Any, time: int, headers: Headers | None
    ) -> None:
        """Aggregate a record in each of its windows that is still open."""
        if time > self.stream_time:
            self.stream_time = time
        close_time, table = self.stream_time - self._grace_ms, self._table
        closed, taken = False, False
        for start, end in self._windows_for(time):
            if end <= close_time:
                self._drops.dropped_records += 1
                closed = True
                continue
            taken = True
            found = table.fetch(cell, start)
            old, newest = (self._initialize(), time) if found is None else found
            before = table.copy_of(old) if self._sends_old_values else None
            new, newest = self._add(key, value, old), max(newest, time)
            table.put(cell, start, new, time if new is None else newest, headers)
            self._forward_update(Windowed(key, start, end), before, new, newest, headers)
        if closed and not taken:
            self.send_late(key, value, time, headers)
        if self._emitter is not None and self._emitter.is_due(close_time):
            self._emit_closed(self._emitter, close_time, headers)

    @property
    def _wait_ms(self) -> int:
        return self._grace_ms

    def _time_that_closes(self, time: int) -> int:
        ends = [end for _, end in self._windows_for(time)]
        return max(ends, default=time) + self._grace_ms

    def _emit_closed(self, emitter: FinalEmitter, close_time: int, headers: Headers | None) -> None:
        last = close_time - self._size_ms  # the start of the newest window that is closed
        if last < 0:
            return
        first = 0
        if emitter.last_close != -1:
            first = max(0, emitter.last_close - self._size_ms) + 1
            if list(self._windows_for(last)) == list(self._windows_for(first - 1)):
                return  # no window has closed since
        self._emit(first, last, headers, close_time)


def functions_of(
    spec: WindowedAggregate | CountWindowAggregate | ExpiringTable,
) -> tuple[Callable[[], Any], Callable[[Any, Any, Any], Any]]:
    """Return `initialize()` and `add(key, value, aggregate)` of an aggregation."""
    if spec.kind == "count":
        return int, _add_one
    aggregator: Any = spec.aggregator
    if spec.kind == "aggregate":
        initializer: Any = spec.initializer
        return initializer, aggregator

    def reduce(_key: Any, value: Any, aggregate: Any) -> Any:
        return value if aggregate is None else aggregator(aggregate, value)

    return _nothing, reduce


def _add_one(_key: Any, _value: Any, count: Any) -> Any:
    return count + 1


def _nothing() -> None:
    return None


def aligned_windows(
    spec: WindowedAggregate,
) -> tuple[Callable[[int], Iterable[tuple[int, int]]], int]:
    """Return the function that gives start and end of a time's windows, and their grace."""
    windows = spec.windows
    if isinstance(windows, CustomWindows):
        return windows.windows_for, windows.grace_ms
    if isinstance(windows, UnlimitedWindows):
        begin = windows.start_ms
        return (lambda time: [(begin, MAX_TIME)] if time >= begin else []), 0
    if not isinstance(windows, op.TimeWindows):
        raise TypeError(f"windows of another kind: {windows!r}")
    size, advance = windows.size_ms, windows.advance_ms

    def hopping(time: int) -> list[tuple[int, int]]:
        first = max(0, time - size + advance) // advance * advance
        return [(start, start + size) for start in range(first, time + 1, advance)]

    return hopping, windows.grace_ms
