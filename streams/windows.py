"""Windows over time, as users write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aliran.core.durations import to_ms
from aliran.streams import operators
from aliran.streams.errors import TopologyError

if TYPE_CHECKING:
    from aliran.core.durations import Duration


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
        if grace_ms < 0:
            raise TopologyError(f"the grace of windows must not be below 0 ms, it is {grace_ms} ms")
        return cls(size_ms, size_ms, grace_ms)

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


def time_windows(
    windows: operators.TimeWindows | Duration, grace: Duration | None, advance: Duration | None
) -> operators.TimeWindows:
    """Return the windows that `windowed_by(windows, grace=…, advance=…)` asks for.

    Raises:
        TopologyError: The values do not fit, or a finished definition comes with keywords.
    """
    if isinstance(windows, operators.TimeWindows):
        if grace is not None or advance is not None:
            raise TopologyError(
                "windowed_by takes TimeWindows, or a size with grace= and advance=; not both"
            )
        return windows
    made = TimeWindows.of_size_and_grace(windows, 0 if grace is None else grace)
    return made if advance is None else made.advance_by(advance)
