"""Windows of joins between two streams, as users write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aliran.core.durations import to_ms
from aliran.streams.errors import TopologyError
from aliran.streams.plan import operators

if TYPE_CHECKING:
    from aliran.core.durations import Duration


class JoinWindows(operators.JoinWindows):
    """How far apart two records may be that are joined. Kafka: `JoinWindows`.

    Both ends are inclusive. A side may be negative, `"-5s"`, as long as the other makes up for it:
    `before(0).after("1h")` takes what comes up to an hour after, `before("-1s").after("1h")` only
    what comes at least a second after.

    >>> JoinWindows.of_time_difference_and_grace("10s", "1s").before(0)
    JoinWindows(before_ms=0, after_ms=10000, grace_ms=1000)
    """

    __slots__ = ()

    @classmethod
    def of_time_difference_with_no_grace(cls, difference: Duration) -> JoinWindows:
        """Return windows of `difference` to either side.

        Raises:
            TopologyError: The difference is negative.
        """
        return cls.of_time_difference_and_grace(difference, 0)

    @classmethod
    def of_time_difference_and_grace(cls, difference: Duration, grace: Duration) -> JoinWindows:
        """Return windows of `difference` to either side that wait `grace` for late records.

        The grace says how long a left or outer join waits before it gives a record up that found
        no match, and how long records are remembered.

        Raises:
            TopologyError: The difference or the grace is negative.
        """
        ms = _ms(difference)
        return _checked(cls(ms, ms, _ms(grace)))

    def before(self, difference: Duration) -> JoinWindows:
        """Return windows that take records of the other stream up to `difference` earlier.

        Raises:
            TopologyError: The window would end before it begins.
        """
        return _checked(JoinWindows(_ms(difference), self.after_ms, self.grace_ms))

    def after(self, difference: Duration) -> JoinWindows:
        """Return windows that take records of the other stream up to `difference` later.

        Raises:
            TopologyError: The window would end before it begins.
        """
        return _checked(JoinWindows(self.before_ms, _ms(difference), self.grace_ms))


def join_windows(
    window: operators.JoinWindows | Duration | None,
    before: Duration | None,
    after: Duration | None,
    grace: Duration | None,
) -> operators.JoinWindows:
    """Return the windows that `join(other, joiner, window, before=…, after=…, grace=…)` asks for.

    Raises:
        TopologyError: The values do not fit, are missing, or a finished definition comes with
            keywords.
    """
    if isinstance(window, operators.JoinWindows):
        if before is not None or after is not None or grace is not None:
            raise TopologyError(
                "a join takes JoinWindows, or a time difference with before=, after= and grace=; "
                "not both"
            )
        return window
    if window is None and (before is None or after is None):
        raise TopologyError(
            "a join of two streams needs a window: how far apart in time may records be that "
            'belong together? join(other, joiner, "10s"), or before= and after='
        )
    ms = 0 if window is None else _ms(window)
    return _checked(
        JoinWindows(
            ms if before is None else _ms(before),
            ms if after is None else _ms(after),
            0 if grace is None else _ms(grace),
        )
    )


def _ms(duration: Duration) -> int:
    """Return milliseconds, which may be negative: `"-5s"`."""
    if isinstance(duration, str) and duration.lstrip().startswith("-"):
        return -to_ms(duration.lstrip()[1:])
    return to_ms(duration)


def _checked(windows: JoinWindows) -> JoinWindows:
    if windows.size_ms < 0:
        raise TopologyError(
            f"a join window from {-windows.before_ms} ms to {windows.after_ms} ms around a record "
            "ends before it begins: before and after together must not be negative"
        )
    if windows.grace_ms < 0:
        raise TopologyError(
            f"the grace of join windows must not be below 0 ms, it is {windows.grace_ms} ms"
        )
    return windows
