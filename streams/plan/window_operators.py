"""What sliding, session, unlimited and users' own windows are made of, as frozen data.

The specs of tumbling and hopping windows are in `operators.py`, like the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from aliran.serdes import Serde
    from aliran.streams.plan.operators import TimeWindows

MAX_TIME = (1 << 63) - 1
"""Java's `Long.MAX_VALUE`: the end of windows that never end."""


@dataclass(frozen=True, slots=True)
class SlidingWindows:
    """Windows `[start, start + time_difference_ms]` wherever records differ. KIP-450."""

    time_difference_ms: int
    grace_ms: int


@dataclass(frozen=True, slots=True)
class SessionWindows:
    """Windows from a first record to a last one, with gaps of at most `gap_ms` in between."""

    gap_ms: int
    grace_ms: int


@dataclass(frozen=True, slots=True)
class UnlimitedWindows:
    """One window from `start_ms` on, without an end."""

    start_ms: int = 0


@dataclass(frozen=True, slots=True)
class CustomWindows:
    """Windows of the user's.

    Attributes:
        windows_for: `windows_for(timestamp_ms)` gives pairs of start and end (exclusive).
        size_ms: The size of a window.
        grace_ms: How long to wait for late records after a window's end.
    """

    windows_for: Callable[[int], Any]
    size_ms: int
    grace_ms: int


@dataclass(frozen=True, slots=True)
class CountWindows:
    """Windows of `size` records of a key, one beginning every `advance` of them. Not Kafka's.

    Attributes:
        size: How many records make a window full.
        advance: After how many records the next window begins.
        keep: How many full windows of a key the store keeps.
    """

    size: int
    advance: int
    keep: int = 1


@dataclass(frozen=True, slots=True)
class CountWindowAggregate:
    """Aggregate each key's records in windows of so many records. Not Kafka's.

    Attributes:
        store: Name of the store that holds the aggregates.
        positions: Name of the store that holds how many records each key had.
        kind: As of `Aggregate`.
        windows: The windows.
        aggregator: As of `Aggregate`.
        initializer: As of `Aggregate`.
        emit_full: Forward a window when it is full, not at each update.
    """

    store: str
    positions: str
    kind: Literal["count", "reduce", "aggregate"]
    windows: CountWindows
    aggregator: Callable[..., Any] | None = None
    initializer: Callable[..., Any] | None = None
    emit_full: bool = False


@dataclass(frozen=True, slots=True)
class ExpiringTable:
    """A table, or an aggregation without windows, whose rows vanish in time. Not Kafka's.

    Attributes:
        store: Name of the store that holds the rows.
        index: Name of the store that has their keys by time.
        ttl_ms: How long after its last update a row vanishes.
        kind: `table` takes values as they come; the others as of `Aggregate`.
        aggregator: As of `Aggregate`.
        initializer: As of `Aggregate`.
    """

    store: str
    index: str
    ttl_ms: int
    kind: Literal["table", "count", "reduce", "aggregate"]
    aggregator: Callable[..., Any] | None = None
    initializer: Callable[..., Any] | None = None


WindowSpec: TypeAlias = (
    "TimeWindows | SlidingWindows | SessionWindows | UnlimitedWindows | CustomWindows"
)
"""Every kind of window that an aggregation can have."""


@dataclass(frozen=True, slots=True)
class WindowedAggregate:
    """An aggregation by key and window that is not tumbling or hopping, or emits final results.

    Kafka: `KStreamSlidingWindowAggregate`, `KStreamSessionWindowAggregate`,
    `KStreamWindowAggregate`.

    Attributes:
        store: Name of the store that holds the aggregates.
        kind: As of `Aggregate`.
        windows: The windows.
        aggregator: As of `Aggregate`.
        initializer: As of `Aggregate`.
        merger: `merger(key, one, other)` puts the aggregates of two sessions together.
        emit_final: Forward results when their window closes, not at each update (KIP-825).
        late: As of `Aggregate`.
        idle_ms: Close all windows when no record has come for so long by wall clock, if at all.
    """

    store: str
    kind: Literal["count", "reduce", "aggregate"]
    windows: WindowSpec
    aggregator: Callable[..., Any] | None = None
    initializer: Callable[..., Any] | None = None
    merger: Callable[..., Any] | None = None
    emit_final: bool = False
    late: str | None = None
    idle_ms: int | None = None


@dataclass(frozen=True, slots=True)
class CogroupMerge:
    """Forward the results of all streams of a cogroup. Kafka: `KTablePassThrough`."""


@dataclass(frozen=True, slots=True)
class Suppress:
    """Hold back updates of a table. Kafka: `KTableSuppressProcessorSupplier`.

    Attributes:
        store: Name of the buffer.
        wait_ms: How long to hold back an update: after its window's end, or its record's time.
        window_close: Whether windows' ends count, and tombstones are left out.
        max_records: The most keys to hold; None for any number.
        max_bytes: The most bytes to hold; None for any number.
        shut_down_when_full: Whether to fail when the buffer is full, or to emit early.
        key_serde: Of the table's keys.
        value_serde: Of its values.
        idle_ms: Let all go when no update has come for so long by wall clock; None for never.
    """

    store: str
    wait_ms: int
    window_close: bool
    max_records: int | None
    max_bytes: int | None
    shut_down_when_full: bool
    key_serde: Serde[Any] | None = None
    value_serde: Serde[Any] | None = None
    idle_ms: int | None = None


WindowOperator: TypeAlias = (
    WindowedAggregate | CountWindowAggregate | ExpiringTable | CogroupMerge | Suppress
)
"""The operators of this module."""


def grace_of(windows: WindowSpec) -> int:
    """Return how long after a window's end results may change: what suppress waits for."""
    if isinstance(windows, SessionWindows):
        return windows.gap_ms + windows.grace_ms
    return 0 if isinstance(windows, UnlimitedWindows) else windows.grace_ms


def size_of(windows: WindowSpec) -> int:
    """Return the size of windows that have one; sessions have none."""
    if isinstance(windows, SlidingWindows):
        return windows.time_difference_ms
    if isinstance(windows, UnlimitedWindows):
        return MAX_TIME
    return 0 if isinstance(windows, SessionWindows) else windows.size_ms
