"""Timers for the state machines: the event loop's in a broker, hand-driven ones in tests."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import Protocol

from aliran.core.clock import ManualClock


class Timer(Protocol):
    """A call that will happen unless it is cancelled."""

    def cancel(self) -> None:
        """Prevent the call; harmless when it has happened."""
        ...


class Scheduler(Protocol):
    """Runs functions later, all on one thread."""

    def call_later(self, delay_ms: int, function: Callable[[], None]) -> Timer:
        """Call `function` once, `delay_ms` milliseconds from now."""
        ...


class LoopScheduler:
    """The timers of an asyncio event loop; to be used on that loop's thread only."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def call_later(self, delay_ms: int, function: Callable[[], None]) -> Timer:
        """Call `function` on the loop, `delay_ms` milliseconds from now."""
        return self._loop.call_later(delay_ms / 1000, function)


class ManualTimer:
    """A timer of a `ManualScheduler`."""

    __slots__ = ("cancelled", "due_ms", "function")

    def __init__(self, due_ms: int, function: Callable[[], None]) -> None:
        self.due_ms: int = due_ms
        self.function: Callable[[], None] = function
        self.cancelled: bool = False

    def cancel(self) -> None:
        """Prevent the call."""
        self.cancelled = True


class ManualScheduler:
    """Timers that fire when a test moves the clock.

    >>> clock, fired = ManualClock(), []
    >>> scheduler = ManualScheduler(clock)
    >>> _ = scheduler.call_later(100, lambda: fired.append(clock.time_ms()))
    >>> scheduler.advance(250)
    >>> fired, clock.time_ms()
    ([100], 250)
    """

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self._order = itertools.count()
        self._timers: list[tuple[int, int, ManualTimer]] = []

    def call_later(self, delay_ms: int, function: Callable[[], None]) -> Timer:
        """Call `function` when the clock reaches `delay_ms` milliseconds from now."""
        timer = ManualTimer(self.clock.time_ms() + delay_ms, function)
        heapq.heappush(self._timers, (timer.due_ms, next(self._order), timer))
        return timer

    def advance(self, duration_ms: int) -> None:
        """Move the clock on, running what falls due at its own time and in its order."""
        end_ms = self.clock.time_ms() + duration_ms
        while self._timers and self._timers[0][0] <= end_ms:
            due_ms, _, timer = heapq.heappop(self._timers)
            if not timer.cancelled:
                self.clock.advance(max(0, due_ms - self.clock.time_ms()))
                timer.function()
        self.clock.advance(end_ms - self.clock.time_ms())

    def pending(self) -> int:
        """Return how many timers wait."""
        return sum(not timer.cancelled for _, _, timer in self._timers)
