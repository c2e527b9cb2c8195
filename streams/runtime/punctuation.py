"""Functions that a processor wants called at intervals. Kafka: `PunctuationSchedule`."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter

from aliran.streams.runtime.java_heap import JavaHeap


class Punctuation:
    """One schedule.

    A schedule keeps its alignment: missed intervals are made up for by one call, and the next is
    due at the next multiple of the interval from the start.

    Attributes:
        due_ms: When it is to be called next.
        cancelled: Whether it is over.
    """

    def __init__(
        self, start_ms: int, interval_ms: int, punctuator: Callable[[int], None], node: str
    ) -> None:
        self.due_ms: int = start_ms
        self.cancelled: bool = False
        self.node = node
        self.punctuator = punctuator
        self._interval_ms = interval_ms

    def cancel(self) -> None:
        """Never call it again; may be called from within the punctuator."""
        self.cancelled = True

    def advance(self, now_ms: int) -> None:
        """Move on to the first due time after `now_ms`."""
        self.due_ms += self._interval_ms
        if now_ms >= self.due_ms:
            missed = (now_ms - self.due_ms) // self._interval_ms + 1
            self.due_ms += missed * self._interval_ms


class PunctuationQueue:
    """The schedules of a task on one clock (stream time or wall-clock time)."""

    def __init__(self) -> None:
        self._heap: JavaHeap[Punctuation] = JavaHeap(attrgetter("due_ms"))

    def add(self, schedule: Punctuation) -> None:
        """Add a schedule."""
        self._heap.offer(schedule)

    @property
    def next_due_ms(self) -> int | None:
        """When the first schedule is due, None without any."""
        while self._heap.items and self._heap.items[0].cancelled:
            self._heap.poll()
        return self._heap.items[0].due_ms if self._heap.items else None

    def take_due(self, now_ms: int) -> Punctuation | None:
        """Take out the schedule to call next, if one is due; `add` it again after the call."""
        due_ms = self.next_due_ms
        return self._heap.poll() if due_ms is not None and due_ms <= now_ms else None
