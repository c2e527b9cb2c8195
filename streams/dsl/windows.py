"""Windows over time, as users write them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aliran.core.durations import to_ms
from aliran.streams.errors import TopologyError
from aliran.streams.plan import operators, window_operators

if TYPE_CHECKING:
    from aliran.core.durations import Duration
    from aliran.streams.plan.window_operators import WindowSpec


class TimeWindows(operators.TimeWindows):
    """Tumbling or hopping windows, `[start, start + size)`. Kafka: `TimeWindows`.

    >>> TimeWindows.of_size_and_grace("5m", "10s").advance_by("1m")
    TimeWindows(size_ms=300000, advance_ms=60000, grace_ms=10000)
    """

    __slots__ = ()

    @classmethod
    def of_size_with_no_grace(cls, size: Duration) -> TimeWindows:
        """Return tumbling windows that take no record after their end.

        Raises:
            TopologyError: The size is not above 0.
        """
        return cls.of_size_and_grace(size, 0)

    @classmethod
    def of_size_and_grace(cls, size: Duration, grace: Duration) -> TimeWindows:
        """Return tumbling windows that wait `grace` for late records.

        Raises:
            TopologyError: The size is not above 0, or the grace is below 0.
        """
        size_ms, grace_ms = to_ms(size), to_ms(grace)
        if size_ms <= 0:
            raise TopologyError(f"the size of windows must be above 0 ms, it is {size_ms} ms")
        return cls(size_ms, size_ms, _checked_grace(grace_ms))

    def advance_by(self, advance: Duration) -> TimeWindows:
        """Return hopping windows: one begins every `advance`, so that they overlap.

        Raises:
            TopologyError: The advance is not above 0, or greater than the size.
        """
        advance_ms = to_ms(advance)
        if not 0 < advance_ms <= self.size_ms:
            raise TopologyError(
                f"windows of {self.size_ms} ms cannot advance by {advance_ms} ms: "
                "the advance must be above 0 and at most the size"
            )
        return TimeWindows(self.size_ms, advance_ms, self.grace_ms)


class SlidingWindows(window_operators.SlidingWindows):
    """Windows that hold records at most a time difference apart. Kafka: `SlidingWindows`.

    Both ends belong to a window. There is one for each set of records that fit together, so that
    a new record always finds the window that ends with it.

    >>> SlidingWindows.of_time_difference_and_grace("10s", "1m")
    SlidingWindows(time_difference_ms=10000, grace_ms=60000)
    """

    __slots__ = ()

    @classmethod
    def of_time_difference_with_no_grace(cls, time_difference: Duration) -> SlidingWindows:
        """Return windows that take no record after their end.

        Raises:
            TopologyError: The difference is not above 0.
        """
        return cls.of_time_difference_and_grace(time_difference, 0)

    @classmethod
    def of_time_difference_and_grace(
        cls, time_difference: Duration, grace: Duration
    ) -> SlidingWindows:
        """Return windows that wait `grace` for late records.

        Raises:
            TopologyError: The difference is not above 0 (Kafka takes 0, and fails at the first
                record), or the grace is below 0.
        """
        difference_ms, grace_ms = to_ms(time_difference), to_ms(grace)
        if difference_ms <= 0:
            raise TopologyError(
                f"the time difference of sliding windows must be above 0 ms, it is {difference_ms}"
            )
        return cls(difference_ms, _checked_grace(grace_ms))


class SessionWindows(window_operators.SessionWindows):
    """Windows that last while records keep coming. Kafka: `SessionWindows`.

    A record joins the sessions of its key that end or begin at most a gap from it, and makes one of
    them. Both ends belong to a session.

    >>> SessionWindows.of_inactivity_gap_with_no_grace("5m")
    SessionWindows(gap_ms=300000, grace_ms=0)
    """

    __slots__ = ()

    @classmethod
    def of_inactivity_gap_with_no_grace(cls, gap: Duration) -> SessionWindows:
        """Return sessions that take no record once they are over.

        Raises:
            TopologyError: The gap is below 0.
        """
        return cls.of_inactivity_gap_and_grace(gap, 0)

    @classmethod
    def of_inactivity_gap_and_grace(cls, gap: Duration, grace: Duration) -> SessionWindows:
        """Return sessions that wait `grace` for late records.

        Raises:
            TopologyError: The gap or the grace is below 0.
        """
        gap_ms, grace_ms = to_ms(gap), to_ms(grace)
        if gap_ms < 0:
            raise TopologyError(f"the gap of sessions must not be below 0 ms, it is {gap_ms} ms")
        return cls(gap_ms, _checked_grace(grace_ms))


class UnlimitedWindows(window_operators.UnlimitedWindows):
    """One window for all time from a start on. Kafka: `UnlimitedWindows`.

    >>> UnlimitedWindows.of().start_on(1_000)
    UnlimitedWindows(start_ms=1000)
    """

    __slots__ = ()

    @classmethod
    def of(cls) -> UnlimitedWindows:
        """Return the window of all time."""
        return cls(0)

    def start_on(self, start_ms: int) -> UnlimitedWindows:
        """Return the window that begins at `start_ms`; earlier records belong to none.

        Raises:
            TopologyError: The start is below 0.
        """
        if not isinstance(start_ms, int):
            raise TopologyError(
                f"a window starts at whole milliseconds since 1970, got {start_ms!r}"
            )
        if start_ms < 0:
            raise TopologyError(f"a window must not start before 0 ms, it starts at {start_ms} ms")
        return UnlimitedWindows(start_ms)


class CountWindows(window_operators.CountWindows):
    """Windows of a number of records of each key. Not Kafka's: see docs/extensions.md.

    >>> CountWindows.of(100).advance_by(10)
    CountWindows(size=100, advance=10, keep=1)
    """

    __slots__ = ()

    @classmethod
    def of(cls, size: int, *, keep: int = 1) -> CountWindows:
        """Return windows that follow each other, each of `size` records of a key.

        Args:
            size: The number of records.
            keep: How many full windows of a key its table keeps, beside those that still grow.

        Raises:
            TopologyError: A number is not above 0.
        """
        return cls(_number("size", size), size, _number("keep", keep))

    def advance_by(self, advance: int) -> CountWindows:
        """Return windows that overlap: one begins every `advance` records of a key.

        Raises:
            TopologyError: The advance is not above 0, or greater than the size.
        """
        if _number("advance", advance) > self.size:
            raise TopologyError(
                f"windows of {self.size} records cannot advance by {advance}: at most by their size"
            )
        return CountWindows(self.size, advance, self.keep)


def _number(what: str, number: int) -> int:
    if type(number) is not int or number <= 0:
        raise TopologyError(
            f"the {what} of count windows must be a whole number above 0, it is {number!r}"
        )
    return number


class Windows(ABC):
    """Windows of your own: say which of them a time belongs to. Kafka: `Windows`.

    Attributes:
        size_ms: The length of a window in milliseconds; a window's end follows from its start.
        grace_ms: How long to wait for late records after a window's end.
    """

    size_ms: int
    grace_ms: int = 0

    @abstractmethod
    def windows_for(self, timestamp_ms: int) -> Iterable[tuple[int, int]]:
        """Return start and end (exclusive) of each window that holds `timestamp_ms`."""


@dataclass(frozen=True, slots=True)
class EmitStrategy:
    """When windowed aggregations forward their results (KIP-825). Kafka: `EmitStrategy`.

    Attributes:
        on_close: Once, when stream time passes the end and the grace of a window; else each update.
        idle_ms: Close all windows when no record has come for so long by wall clock, if at all.
    """

    on_close: bool
    idle_ms: int | None = None

    @classmethod
    def on_window_update(cls) -> EmitStrategy:
        """Forward each update: the default."""
        return cls(False)

    @classmethod
    def on_window_close(cls, *, idle_after: Duration | None = None) -> EmitStrategy:
        """Forward results when their window closes, at most once a second of wall-clock time.

        As in Kafka, results are lost that the store does not keep until then: the store's clock is
        the newest window, so a jump in time can push a window out before it is emitted. A longer
        `retention=` of the aggregation cures that; `suppress` does not have the problem.

        Args:
            idle_after: Close all open windows when no record has come to the aggregation for so
                long by wall clock. What comes for them then is late. Not Kafka's, see
                docs/extensions.md.

        Raises:
            TopologyError: The time is not above 0.
        """
        return cls(True, idle_ms_of("on_window_close", idle_after))


def idle_ms_of(method: str, idle_after: Duration | None) -> int | None:
    """Return `idle_after=` in milliseconds.

    Raises:
        TopologyError: It is not above 0.
    """
    idle_ms = None if idle_after is None else to_ms(idle_after)
    if idle_ms is not None and idle_ms <= 0:
        raise TopologyError(f"{method}(idle_after=) must be above 0 ms, it is {idle_ms} ms")
    return idle_ms


def _checked_grace(grace_ms: int) -> int:
    if grace_ms < 0:
        raise TopologyError(f"the grace of windows must not be below 0 ms, it is {grace_ms} ms")
    return grace_ms


AnyWindows = (
    operators.TimeWindows
    | window_operators.SlidingWindows
    | window_operators.SessionWindows
    | window_operators.UnlimitedWindows
)


def chosen_windows(
    windows: WindowSpec | Windows | Duration | None,
    grace: Duration | None,
    advance: Duration | None,
    session: Duration | None,
    sliding: Duration | None,
) -> WindowSpec:
    """Return the windows that `windowed_by(…)` asks for.

    Raises:
        TopologyError: The values do not fit, or a finished definition comes with keywords.
    """
    kinds = sum(each is not None for each in (windows, session, sliding))
    if kinds != 1:
        raise TopologyError(
            "windowed_by takes one kind of windows: a size or a definition, session= or sliding=; "
            f"got {kinds} of them"
        )
    if isinstance(windows, window_operators.CountWindows):
        raise TopologyError(
            "count windows are for group_by(...).windowed_by(CountWindows.of(...)) by themselves: "
            "they have no grace= and no advance= (but .advance_by), and cogroups cannot have them"
        )
    if advance is not None and windows is None:
        raise TopologyError("advance= belongs to windows of a size: only they begin at fixed times")
    if session is not None:
        return SessionWindows.of_inactivity_gap_and_grace(session, grace or 0)
    if sliding is not None:
        return SlidingWindows.of_time_difference_and_grace(sliding, grace or 0)
    if isinstance(windows, Windows):
        windows = _custom(windows)
    if isinstance(windows, AnyWindows | window_operators.CustomWindows):
        if grace is not None or advance is not None:
            raise TopologyError(
                f"windowed_by takes {type(windows).__name__}, or a size with grace= and advance=; "
                "not both"
            )
        return windows
    made = TimeWindows.of_size_and_grace(windows or 0, 0 if grace is None else grace)
    return made if advance is None else made.advance_by(advance)


def _custom(windows: Windows) -> window_operators.CustomWindows:
    size_ms = getattr(windows, "size_ms", 0)
    if size_ms <= 0:
        raise TopologyError(
            f"{type(windows).__name__} must say how long its windows are: set size_ms above 0"
        )
    return window_operators.CustomWindows(
        windows.windows_for, size_ms, _checked_grace(windows.grace_ms)
    )
