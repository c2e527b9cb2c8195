"""Streams grouped by key and count window, and their aggregations. Not Kafka's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from aliran.serdes import NumberedWindow, SerdeLike
from aliran.streams.dsl.aggregations import Aggregations
from aliran.streams.dsl.config_objects import (
    KeyedStoreOptions,
    Materialized,
    NameLike,
    with_keywords,
)
from aliran.streams.dsl.ktable import KTable
from aliran.streams.dsl.windows import EmitStrategy
from aliran.streams.errors import TopologyError

if TYPE_CHECKING:
    from typing import Unpack

K = TypeVar("K")
V = TypeVar("V")
A = TypeVar("A")


class CountWindowedKStream(Aggregations[K, V]):
    """A stream's records, grouped by key and windows of so many of them. Not Kafka's.

    Aggregations give tables whose keys are `NumberedWindow(key, number)`. They ignore records whose
    key or value is None.
    """

    def emit_strategy(self, strategy: EmitStrategy) -> CountWindowedKStream[K, V]:
        """Say when results are forwarded: at each update (default), or when a window is full.

        Raises:
            TopologyError: It is no strategy, or one of time.
        """
        if not isinstance(strategy, EmitStrategy) or strategy.idle_ms is not None:
            raise TopologyError(
                f"count windows close when they are full, got {strategy!r}: "
                "EmitStrategy.on_window_close(), without idle_after="
            )
        return CountWindowedKStream(self._group, self._windows, emit_final=strategy.on_close)

    def count(
        self,
        materialized: Materialized[K, int] | None = None,
        *,
        store: str | None = None,
        name: NameLike = None,
        **options: Unpack[KeyedStoreOptions],
    ) -> KTable[NumberedWindow[K], int]:
        """Count the records of each key and window, up to the window's size."""
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
    ) -> KTable[NumberedWindow[K], V]:
        """Combine the values of each key and window by `reducer(aggregate, value)`."""
        keywords = {"store": store, "value": value, **options}
        config = with_keywords("reduce", materialized, Materialized(), **keywords)
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
    ) -> KTable[NumberedWindow[K], A]:
        """Fold the values of each key and window; see `KGroupedStream.aggregate`."""
        keywords = {"store": store, "value": value, **options}
        config = with_keywords("aggregate", materialized, Materialized(), **keywords)
        return self._aggregate((initializer, aggregator, None), config, name)
