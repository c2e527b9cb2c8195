"""Streams grouped by key and window, and their aggregations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Self, TypeVar

from aliran.serdes import SerdeLike, Windowed
from aliran.streams.dsl.aggregations import Aggregations
from aliran.streams.dsl.config_objects import (
    KeyedStoreOptions,
    Materialized,
    NameLike,
    with_keywords,
)
from aliran.streams.dsl.functions import check_function
from aliran.streams.dsl.ktable import KTable
from aliran.streams.dsl.windows import EmitStrategy
from aliran.streams.errors import TopologyError
from aliran.streams.plan.naming import check_name
from aliran.streams.plan.operators import TimeWindows
from aliran.streams.plan.window_operators import SessionWindows, SlidingWindows, UnlimitedWindows

if TYPE_CHECKING:
    from typing import Unpack


K = TypeVar("K")
V = TypeVar("V")
A = TypeVar("A")


class _WindowedKStream(Aggregations[K, V]):
    """What windows with a fixed size and sessions have in common."""

    def emit_strategy(self, strategy: EmitStrategy) -> Self:
        """Say when results are forwarded: at each update (default), or when their window closes.

        Raises:
            TopologyError: The windows do not close, or nobody knows when.
        """
        windows = self._windows
        if windows is None or not isinstance(strategy, EmitStrategy):
            raise TopologyError(
                f"emit_strategy takes an EmitStrategy, got {strategy!r}: "
                "EmitStrategy.on_window_close()"
            )
        if strategy.on_close and not isinstance(
            windows, TimeWindows | SlidingWindows | SessionWindows
        ):
            raise TopologyError(
                "results on window close are there for tumbling, hopping, sliding and session "
                f"windows, not for {type(windows).__name__}"
            )
        return type(self)(
            self._group, windows, emit_final=strategy.on_close, idle_ms=strategy.idle_ms
        )

    def _late_topic(self, method: str, topic: str | None) -> str | None:
        """Return the topic for late records, checked."""
        if topic is None:
            return None
        if isinstance(self._windows, UnlimitedWindows):
            raise TopologyError(
                f"{method}(late={topic!r}): unlimited windows never close, so no record is late"
            )
        return check_name(topic, f"the topic of {method}(late=)")

    def count(
        self,
        materialized: Materialized[K, int] | None = None,
        *,
        store: str | None = None,
        name: NameLike = None,
        late: str | None = None,
        **options: Unpack[KeyedStoreOptions],
    ) -> KTable[Windowed[K], int]:
        """Count the records of each key and window.

        `late=` names a topic for records that come when all their windows are closed, as they are;
        that is not Kafka's, see docs/extensions.md.
        """
        config = with_keywords("count", materialized, Materialized(), store=store, **options)
        return self._count(config, name, self._late_topic("count", late))

    def reduce(
        self,
        reducer: Callable[[V, V], V | None],
        materialized: Materialized[K, V] | None = None,
        *,
        value: SerdeLike[V] | None = None,
        store: str | None = None,
        name: NameLike = None,
        late: str | None = None,
        **options: Unpack[KeyedStoreOptions],
    ) -> KTable[Windowed[K], V]:
        """Combine the values of each key and window by `reducer(aggregate, value)`.

        `late=` is explained at `count`.
        """
        config = with_keywords(
            "reduce", materialized, Materialized(), store=store, value=value, **options
        )
        return self._reduce(reducer, config, name, self._late_topic("reduce", late))


class TimeWindowedKStream(_WindowedKStream[K, V]):
    """A stream's records, grouped by key and time window. Kafka: `TimeWindowedKStream`.

    Aggregations give tables whose keys are `Windowed(key, start_ms, end_ms)`. They ignore records
    without a key; those without a value only where windows slide.
    """

    def aggregate(
        self,
        initializer: Callable[[], A],
        aggregator: Callable[[K, V, A], A | None],
        materialized: Materialized[K, A] | None = None,
        *,
        value: SerdeLike[A] | None = None,
        store: str | None = None,
        name: NameLike = None,
        late: str | None = None,
        **options: Unpack[KeyedStoreOptions],
    ) -> KTable[Windowed[K], A]:
        """Fold the values of each key and window; see `KGroupedStream.aggregate`.

        `late=` is explained at `count`.
        """
        config = with_keywords(
            "aggregate", materialized, Materialized(), store=store, value=value, **options
        )
        topic = self._late_topic("aggregate", late)
        return self._aggregate((initializer, aggregator, None), config, name, topic)


class SessionWindowedKStream(_WindowedKStream[K, V]):
    """A stream's records, grouped by key and session. Kafka: `SessionWindowedKStream`.

    Aggregations give tables whose keys are `Windowed(key, start_ms, end_ms)`, both times being
    those of records. When sessions grow together, the rows of the old ones are deleted.
    """

    def aggregate(
        self,
        initializer: Callable[[], A],
        aggregator: Callable[[K, V, A], A | None],
        merger: Callable[[K, A, A], A | None],
        materialized: Materialized[K, A] | None = None,
        *,
        value: SerdeLike[A] | None = None,
        store: str | None = None,
        name: NameLike = None,
        late: str | None = None,
        **options: Unpack[KeyedStoreOptions],
    ) -> KTable[Windowed[K], A]:
        """Fold the values of each key and session.

        Args:
            initializer: `initializer()` gives the aggregate to begin with.
            aggregator: `aggregator(key, value, aggregate)` returns the new aggregate.
            merger: `merger(key, one, other)` puts the aggregates of two sessions together.
            materialized: Store, value and options as an object.
            value: Type or serde of the aggregates, as in `KGroupedStream.aggregate`.
            store: Name of the store, to query it.
            name: Name of the processor.
            late: A topic for records that come too late; see `count`.
            options: See `Materialized`.
        """
        check_function("aggregate", "merger(key, one, other)", merger)
        config = with_keywords(
            "aggregate", materialized, Materialized(), store=store, value=value, **options
        )
        topic = self._late_topic("aggregate", late)
        return self._aggregate((initializer, aggregator, merger), config, name, topic)
