"""Functions that a processor wants called at intervals. Kafka: `PunctuationSchedule`."""

from __future__ import annotations

from collections.abc import Callable


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
        self.due_ms = start_ms
        self.cancelled = False
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
        self._schedules: list[Punctuation] = []

    def add(self, schedule: Punctuation) -> None:
        """Add a schedule."""
        self._schedules.append(schedule)

    @property
    def next_due_ms(self) -> int | None:
        """When the first schedule is due, None without any."""
        self._schedules = [each for each in self._schedules if not each.cancelled]
        return min((each.due_ms for each in self._schedules), default=None)

    def due(self, now_ms: int) -> list[Punctuation]:
        """Return the schedules that are due at `now_ms`, soonest first."""
        found = [each for each in self._schedules if not each.cancelled and each.due_ms <= now_ms]
        return sorted(found, key=lambda each: each.due_ms)
