"""Tables whose rows vanish when they are not updated for some stream time. Not Kafka's.

The index has one entry a row, by time, then key; at its time one looks whether the row was updated
since, and if so moves the entry to where it would vanish now. An update of a row that is there so
costs the index nothing. Time is the task's: that of the operator's own records, and about as often
as ten times in a row's life that of all records of the task.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from heapq import heappop, heappush
from struct import Struct
from typing import TYPE_CHECKING, Any

from aliran.core.types import Headers
from aliran.streams.engine.tables import KeyValueTable
from aliran.streams.engine.timed_tables import Forward, forward_nothing
from aliran.streams.engine.window_aggregation import DropCounter, functions_of
from aliran.streams.plan.window_operators import MAX_TIME, ExpiringTable

if TYPE_CHECKING:
    from aliran.streams.engine.compiler import Bindings

_TIME = Struct(">q")
_LOOKS = 10
"""How often to look by the task's time within the life of a row."""


class Expiry:
    """One expiring table in one task.

    Args:
        node: Name of the node.
        spec: What it computes.
        bindings: The task.
        sends_old_values: Whether the value before each update goes along.

    Attributes:
        forward: Runs an update through what is downstream; set by the engine.
    """

    def __init__(
        self, node: str, spec: ExpiringTable, bindings: Bindings, *, sends_old_values: bool
    ) -> None:
        self.forward: Forward = forward_nothing
        self._table: KeyValueTable = bindings.table(spec.store)
        self._index = bindings.stores.bytes_of(spec.index)
        self._changelog = bindings.stores.changelog_of(spec.index)
        self._drops: DropCounter = bindings.statistics
        self._ttl_ms = spec.ttl_ms
        self._sends_old_values = sends_old_values
        self._initialize, self._add = functions_of(spec)
        # Committed with the positions of the task, so that a restart changes nothing.
        self._marks: MutableMapping[str, int] = bindings.processor_metadata
        self._mark = spec.index
        self._now = self._marks.get(self._mark, -1)
        self._next_due = self._first_due(b"")
        bindings.call_at_intervals(
            node, max(1, spec.ttl_ms // _LOOKS), self.move_on, stream_time=True
        )

    def put(self, key: Any, value: Any, time: int, headers: Headers | None) -> None:
        """Set a row, None to delete it."""
        if self._is_too_old(time):
            return
        found = self._table.get_timed(key)
        old = found[0] if found and self._sends_old_values else None
        self._update(key, found, (old, value, time), headers)

    def aggregate(self, key: Any, value: Any, time: int, headers: Headers | None) -> None:
        """Add a record to the row of its key."""
        if self._is_too_old(time):
            return
        found = self._table.get_timed(key)
        before, newest = (self._initialize(), time) if found is None else found
        old = self._table.copy_of(before) if self._sends_old_values else None
        new = self._add(key, value, before)
        newest = time if new is None else max(newest, time)
        self._update(key, found, (old, new, newest), headers)

    def move_on(self, time: int) -> None:
        """Move time on, and let go of the rows whose time has come."""
        if time <= self._now:
            return
        self._now = self._marks[self._mark] = time
        if time >= self._next_due:
            self._expire(time - self._ttl_ms)

    def _is_too_old(self, time: int) -> bool:
        self.move_on(time)
        too_old = time <= self._now - self._ttl_ms
        if too_old:
            self._drops.dropped_records += 1
        return too_old

    def _update(
        self,
        key: Any,
        found: tuple[Any, int] | None,
        change: tuple[Any, Any, int],
        headers: Headers | None,
    ) -> None:
        old, new, time = change
        self._table.put(key, new, time, headers)
        if new is not None and (found is None or time < found[1]):
            self._log(_TIME.pack(time) + (self._table.key_serde.serialize(key) or b""), b"")
            self._next_due = min(self._next_due, time + self._ttl_ms)
        self.forward(key, new, time, headers, old)

    def _expire(self, last: int) -> None:
        """Delete the rows that were updated at `last` or before, in the order of time."""
        end = _TIME.pack(last + 1)
        # Sorted, and so a heap; entries of rows that were updated since come in where they belong.
        due = [entry for entry, _ in self._index.range(None, end) if entry < end]
        table = self._table
        while due:
            entry = heappop(due)
            self._log(entry, None)
            time, key = _TIME.unpack_from(entry)[0], table.key_serde.deserialize(entry[8:])
            found = table.get_timed(key)
            if found is None:
                continue
            value, newest = found
            if newest > time:
                moved = _TIME.pack(newest) + entry[8:]
                if newest > last:
                    self._log(moved, b"")
                else:
                    heappush(due, moved)
                continue
            table.put(key, None, time + self._ttl_ms, None)
            old = value if self._sends_old_values else None
            self.forward(key, None, time + self._ttl_ms, None, old)
        self._next_due = self._first_due(end)

    def _first_due(self, start: bytes) -> int:
        entry, _ = next(self._index.range(start, None), (None, None))
        return MAX_TIME if entry is None else int(_TIME.unpack_from(entry)[0]) + self._ttl_ms

    def _log(self, entry: bytes, value: bytes | None) -> None:
        self._index.put(entry, value)
        if self._changelog is not None:
            self._changelog.append(entry, value, _TIME.unpack_from(entry)[0])
