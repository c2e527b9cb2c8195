"""Windows that close by wall clock when no record comes any more: `idle_after=`, not Kafka's.

The operator's stream time is moved on to where all its windows are closed. How far it was moved is
committed with the positions of the task, so that windows stay closed over a restart.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from aliran.core.types import Headers
from aliran.streams.engine.suppress import Suppressor, SuppressTable

if TYPE_CHECKING:
    from aliran.streams.engine.compiler import Bindings
    from aliran.streams.engine.window_aggregation import DropCounter, WindowAggregation
    from aliran.streams.plan.window_operators import Suppress

_LOOKS = 10
"""How often to look within the time that counts as idle."""


class IdleWatch:
    """Finds out that a node has not been called for some time.

    Args:
        node: Name of the node.
        idle_ms: The time.
        bindings: The task.
        close: What to do then, once; again only when a record has come in between.
    """

    def __init__(
        self, node: str, idle_ms: int, bindings: Bindings, close: Callable[[], None]
    ) -> None:
        self._idle_ms = idle_ms
        self._now_ms: Callable[[], int] = bindings.environment.clock.time_ms
        self._flush_caches = bindings.flush_caches
        self._close = close
        self._closed = False
        self._last_ms = self._now_ms()
        interval_ms = max(1, idle_ms // _LOOKS)
        bindings.call_at_intervals(node, interval_ms, self.look, stream_time=False)

    def note(self) -> None:
        """Take notice of a record."""
        self._last_ms = self._now_ms()
        self._closed = False

    def look(self, now_ms: int) -> None:
        """Close the windows if it is time."""
        if self._closed or now_ms - self._last_ms < self._idle_ms:
            return
        self._flush_caches()  # what they hold back is news, and may be for windows still open
        if now_ms - self._last_ms >= self._idle_ms:
            self._closed = True
            self._close()


class IdleAggregation:
    """What the code calls in place of an aggregation that emits results when windows close."""

    def __init__(
        self, node: str, aggregation: WindowAggregation, idle_ms: int, bindings: Bindings
    ) -> None:
        self._aggregation = aggregation
        self._marks: MutableMapping[str, int] = bindings.processor_metadata
        self._mark = f"{node}-stream-time"
        self._watch = IdleWatch(node, idle_ms, bindings, self._close)
        aggregation.stream_time = self._marks.get(self._mark, -1)

    def process(
        self, key: Any, cell: bytes, value: Any, time: int, headers: Headers | None
    ) -> None:
        """Aggregate a record."""
        self._watch.note()
        self._aggregation.process(key, cell, value, time, headers)
        self._marks[self._mark] = self._aggregation.stream_time

    def _close(self) -> None:
        self._aggregation.close_all()
        self._marks[self._mark] = self._aggregation.stream_time


class IdleSuppressor(Suppressor):
    """Holds results back until their window closes, or until nothing has come for a time."""

    def __init__(
        self, name: str, spec: Suppress, table: SuppressTable, bindings: Bindings, idle_ms: int
    ) -> None:
        super().__init__(name, spec, table, bindings.origins)
        self._drops: DropCounter = bindings.statistics
        self._marks: MutableMapping[str, int] = bindings.processor_metadata
        self._mark = f"{name}-closed"
        self._closed_to = self._marks.get(self._mark, -1)
        self._watch = IdleWatch(name, idle_ms, bindings, self._close)

    def process(self, key: Any, value: Any, time: int, headers: Headers | None, old: Any) -> None:
        """Hold an update back, unless it is of a window that was closed since nothing came."""
        self._watch.note()
        if key.end_ms <= self._closed_to:
            self._drops.dropped_records += 1
            return
        super().process(key, value, time, headers, old)

    def _close(self) -> None:
        buffer = self._table.buffer
        while len(buffer):
            self._closed_to = self._marks[self._mark] = max(self._closed_to, buffer.min_time)
            self._let_go()
