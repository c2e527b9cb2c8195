"""Streams grouped by key, and their aggregations without windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from aliran.serdes import SerdeLike
from aliran.streams.dsl.aggregations import Aggregations, Group
from aliran.streams.dsl.cogrouped import CogroupedKStream
from aliran.streams.dsl.config_objects import (
    KeyedStoreOptions,
    Materialized,
    NameLike,
    with_keywords,
)
from aliran.streams.dsl.count_windowed import CountWindowedKStream
from aliran.streams.dsl.ktable import KTable
from aliran.streams.dsl.places import Place
from aliran.streams.dsl.windowed import SessionWindowedKStream, TimeWindowedKStream
from aliran.streams.dsl.windows import Windows, chosen_windows
from aliran.streams.plan import operators, window_operators

if TYPE_CHECKING:
    from typing import Unpack

    from aliran.core.durations import Duration

K = TypeVar("K")
V = TypeVar("V")
A = TypeVar("A")


class KGroupedStream(Aggregations[K, V]):
    """A stream's records, grouped by key. Kafka: `KGroupedStream`.

    Aggregations ignore records whose key or value is None. They all take `store=`, the name of
    the store to query, `name=`, the name of the processor, and the options of `Materialized`.
    """

    def __init__(self, place: Place, name: str | None) -> None:
        super().__init__(Group(place, name), None)
        self.group: Group = self._group

    def cogroup(self, aggregator: Callable[[K, V, A], A | None]) -> CogroupedKStream[K, A]:
        """Aggregate this stream together with others, into one table.

        Args:
            aggregator: `aggregator(key, value, aggregate)` for the records of this stream;
                `CogroupedKStream.cogroup` adds other streams with theirs.
        """
        return CogroupedKStream[K, A]().cogroup(self, aggregator)

    @overload
    def windowed_by(self, windows: window_operators.CountWindows) -> CountWindowedKStream[K, V]: ...
    @overload
    def windowed_by(
        self, windows: window_operators.SessionWindows
    ) -> SessionWindowedKStream[K, V]: ...
    @overload
    def windowed_by(
        self, *, session: Duration, grace: Duration | None = None
    ) -> SessionWindowedKStream[K, V]: ...
    @overload
    def windowed_by(
        self,
        windows: operators.TimeWindows | Duration,
        *,
        grace: Duration | None = None,
        advance: Duration | None = None,
    ) -> TimeWindowedKStream[K, V]: ...
    @overload
    def windowed_by(
        self, *, sliding: Duration, grace: Duration | None = None
    ) -> TimeWindowedKStream[K, V]: ...
    @overload
    def windowed_by(
        self, windows: window_operators.SlidingWindows | window_operators.UnlimitedWindows | Windows
    ) -> TimeWindowedKStream[K, V]: ...
    def windowed_by(
        self,
        windows: Any = None,
        *,
        grace: Duration | None = None,
        advance: Duration | None = None,
        session: Duration | None = None,
        sliding: Duration | None = None,
    ) -> TimeWindowedKStream[K, V] | SessionWindowedKStream[K, V] | CountWindowedKStream[K, V]:
        """Aggregate by windows.

        Args:
            windows: The size of tumbling windows (`"1m"`, a timedelta, milliseconds), or windows
                of any kind: `TimeWindows`, `SlidingWindows`, `SessionWindows`, `UnlimitedWindows`,
                or a subclass of `Windows`; or `CountWindows`, by themselves.
            grace: How long to wait for late records after a window's end; not at all by default.
            advance: How far windows are apart; by default their size, so that they do not overlap.
            session: Make it session windows, with gaps of at most this.
            sliding: Make it sliding windows, of records at most this apart.

        Raises:
            TopologyError: The durations do not fit together.
        """
        others = (grace, advance, session, sliding)
        if isinstance(windows, window_operators.CountWindows) and others == (None,) * 4:
            return CountWindowedKStream(self._group, windows)
        chosen = chosen_windows(windows, grace, advance, session, sliding)
        if isinstance(chosen, window_operators.SessionWindows):
            return SessionWindowedKStream(self._group, chosen)
        return TimeWindowedKStream(self._group, chosen)

    def count(
        self,
        materialized: Materialized[K, int] | None = None,
        *,
        store: str | None = None,
        name: NameLike = None,
        **options: Unpack[KeyedStoreOptions],
    ) -> KTable[K, int]:
        """Count the records of each key."""
        config = with_keywords("count", materialized, Materialized(), store=store, **options)
        return self._count(config, name)

    def reduce(
        self,
        reducer: Callable[[V, V], V | None],
        materialized: Materialized[K, V] | None = None,
        *,
        value: SerdeLike[V] | None = None,
        store: str | None = None,
        name: NameLike = None,
        **options: Unpack[KeyedStoreOptions],
    ) -> KTable[K, V]:
        """Combine the values of each key by `reducer(aggregate, value)`.

        The first value is the first aggregate. Where the reducer returns None the row is deleted.
        """
        config = with_keywords(
            "reduce", materialized, Materialized(), store=store, value=value, **options
        )
        return self._reduce(reducer, config, name)

    def aggregate(
        self,
        initializer: Callable[[], A],
        aggregator: Callable[[K, V, A], A | None],
        materialized: Materialized[K, A] | None = None,
        *,
        value: SerdeLike[A] | None = None,
        store: str | None = None,
        name: NameLike = None,
        **options: Unpack[KeyedStoreOptions],
    ) -> KTable[K, A]:
        """Fold the values of each key by `aggregator(key, value, aggregate)`.

        Args:
            initializer: `initializer()` gives the aggregate to begin with; `int` or `list` will do.
            aggregator: Returns the new aggregate; None deletes the row.
            materialized: Store, value and options as an object.
            value: Type or serde of the aggregates; otherwise that of an initializer which is a
                class, or what either function is annotated to return.
            store: Name of the store, to query it.
            name: Name of the processor.
            options: See `Materialized`.
        """
        config = with_keywords(
            "aggregate", materialized, Materialized(), store=store, value=value, **options
        )
        return self._aggregate((initializer, aggregator, None), config, name)
