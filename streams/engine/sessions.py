"""Session windows: records of a key that follow each other within a gap.

A record takes in every session of its key that is at most a gap away, before and after, and makes
one of them. Kafka: `KStreamSessionWindowAggregate`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aliran.core.types import Headers
from aliran.serdes import Windowed
from aliran.streams.engine.timed_tables import SessionTable
from aliran.streams.engine.window_aggregation import (
    DropCounter,
    FinalEmitter,
    WindowAggregation,
)
from aliran.streams.plan.window_operators import SessionWindows, WindowedAggregate


class SessionAggregation(WindowAggregation):
    """See the module."""

    def __init__(
        self,
        spec: WindowedAggregate,
        table: SessionTable,
        drops: DropCounter,
        emitter: FinalEmitter | None,
        *,
        sends_old_values: bool,
    ) -> None:
        super().__init__(spec, drops, emitter, sends_old_values=sends_old_values)
        if not isinstance(spec.windows, SessionWindows):
            raise TypeError(f"windows of another kind: {spec.windows!r}")
        self._table = table
        self._gap_ms, self._grace_ms = spec.windows.gap_ms, spec.windows.grace_ms
        self._merge = _merger_of(spec, self._add)
        self._forwards = emitter is None and not table.caching

    def process(
        self, key: Any, cell: bytes, value: Any, time: int, headers: Headers | None
    ) -> None:
        """Merge the sessions in reach of a record, and add it to what comes out."""
        if time > self.stream_time:
            self.stream_time = time
        gap, table = self._gap_ms, self._table
        close_time = self.stream_time - self._grace_ms - gap
        start = end = time
        aggregate = self._initialize()
        sessions = table.find(cell, time - gap, time + gap)
        for session_start, session_end, merged in sessions:
            aggregate = self._merge(key, aggregate, merged)
            start, end = min(start, session_start), max(end, session_end)
        if end < close_time:
            self._drops.dropped_records += 1
            self.send_late(key, value, time, headers)
        else:
            if start != time or end != time:
                self._remove(key, cell, sessions, time, headers)
            aggregate = self._add(key, value, aggregate)
            table.put(cell, start, end, aggregate, time, headers)
            if self._forwards:
                self.forward(Windowed(key, start, end), aggregate, end, None, None)
        if self._emitter is not None and self._emitter.is_due(close_time):
            self._emit_closed(self._emitter, close_time, headers)

    def _remove(
        self,
        key: Any,
        cell: bytes,
        sessions: list[tuple[int, int, Any]],
        time: int,
        headers: Headers | None,
    ) -> None:
        """Delete sessions that were merged; each is a tombstone downstream."""
        for start, end, aggregate in sessions:
            self._table.remove(cell, start, end, time, headers)
            if self._forwards:
                old = aggregate if self._sends_old_values else None
                self.forward(Windowed(key, start, end), None, end, None, old)

    @property
    def _wait_ms(self) -> int:
        return self._grace_ms + self._gap_ms

    def _time_that_closes(self, time: int) -> int:
        return time + self._wait_ms + 1

    def _emit_closed(self, emitter: FinalEmitter, close_time: int, headers: Headers | None) -> None:
        first, last = max(0, emitter.last_close), close_time - 1
        if last < 0 or last < first:
            return
        for start, end, cell, value in self._table.ended_between(first, last):
            window = Windowed(self._table.key_serde.deserialize(cell), start, end)
            self.forward(window, value, end, headers, None)
        emitter.emitted(close_time)


def _merger_of(
    spec: WindowedAggregate, add: Callable[[Any, Any, Any], Any]
) -> Callable[[Any, Any, Any], Any]:
    """Return `merge(key, one, other)` of an aggregation."""
    if spec.kind == "count":
        return _sum
    if spec.kind == "reduce":
        return lambda key, one, other: add(key, other, one)
    merger: Any = spec.merger
    return merger  # type: ignore[no-any-return]


def _sum(_key: Any, one: Any, other: Any) -> Any:
    return one + other
