"""Time, as a value one can stop: everything that waits or stamps takes a `Clock`."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where the present comes from."""

    def time_ms(self) -> int:
        """Return wall-clock time in milliseconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""
        ...


class SystemClock:
    """The clock of the machine."""

    def time_ms(self) -> int:
        """Return wall-clock time in milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""
        return time.monotonic()


class ManualClock:
    """A clock that moves only when told to, for tests and the TopologyTestDriver."""

    def __init__(self, start_ms: int = 0) -> None:
        self._now_ms = start_ms

    def time_ms(self) -> int:
        """Return the time it was set to, in milliseconds."""
        return self._now_ms

    def monotonic(self) -> float:
        """Return the same time in seconds."""
        return self._now_ms / 1000

    def advance(self, duration_ms: int) -> None:
        """Move the clock forward by `duration_ms` milliseconds."""
        if duration_ms < 0:
            raise ValueError(f"a clock cannot go back ({duration_ms} ms)")
        self._now_ms += duration_ms
