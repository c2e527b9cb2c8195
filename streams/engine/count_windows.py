"""Windows of so many records of a key, which are not Kafka's.

The position of a key is how many records it had; windows are numbered, and those that hold a
position follow from it. Positions and aggregates lie in stores of their own.
"""

from __future__ import annotations

from typing import Any

from aliran.core.types import Headers
from aliran.serdes import NumberedWindow
from aliran.streams.engine.tables import KeyValueTable
from aliran.streams.engine.timed_tables import Forward, forward_nothing
from aliran.streams.engine.window_aggregation import functions_of
from aliran.streams.plan.window_operators import CountWindowAggregate


class CountWindowAggregation:
    """One aggregating node in one task.

    Args:
        spec: What it computes.
        table: Aggregates by `NumberedWindow`; never cached, so that each update is forwarded.
        positions: How many records each key had.
        sends_old_values: Whether the aggregate before each update goes along.

    Attributes:
        forward: Runs an update through what is downstream; set by the engine.
    """

    def __init__(
        self,
        spec: CountWindowAggregate,
        table: KeyValueTable,
        positions: KeyValueTable,
        *,
        sends_old_values: bool,
    ) -> None:
        self.forward: Forward = forward_nothing
        self._table = table
        self._positions = positions
        self._windows = spec.windows
        self._emit_full = spec.emit_full
        self._sends_old_values = sends_old_values
        self._initialize, self._add = functions_of(spec)

    def process(self, key: Any, value: Any, time: int, headers: Headers | None) -> None:
        """Add a record to the windows of its key that hold its position."""
        size, advance = self._windows.size, self._windows.advance
        position = self._positions.get(key) or 0
        numbers = range(max(0, (position - size) // advance + 1), position // advance + 1)
        # All functions first: a record that one of them refuses counts in no window.
        updates = [self._updated(NumberedWindow(key, each), value, time) for each in numbers]
        self._positions.put(key, position + 1, time, None)
        for window, old, new, newest in updates:
            self._table.put(window, new, newest, headers)
            is_full = window.number * advance + size == position + 1
            if is_full:
                self._forget(window, time)
            if not self._emit_full:
                self.forward(window, new, newest, headers, old)
            elif is_full and new is not None:
                self.forward(window, new, newest, headers, None)

    def _updated(
        self, window: NumberedWindow[Any], value: Any, time: int
    ) -> tuple[NumberedWindow[Any], Any, Any, int]:
        """Return a window, its aggregate before and with a value, and the new one's time."""
        found = self._table.get_timed(window)
        old, newest = (self._initialize(), time) if found is None else found
        before = self._table.copy_of(old) if self._sends_old_values else None
        new = self._add(window.key, value, old)
        return window, before, new, time if new is None else max(newest, time)

    def _forget(self, full: NumberedWindow[Any], time: int) -> None:
        """Drop the full window that is one too many; nobody downstream is told."""
        number = full.number - self._windows.keep
        if number >= 0:
            self._table.put(NumberedWindow(full.key, number), None, time, None)
