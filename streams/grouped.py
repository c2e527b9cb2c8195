"""Groups of a stream's records by key, with and without windows, and their aggregations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from aliran.serdes import IntegerSerde, Serde, SerdeLike, Windowed, WindowedSerde
from aliran.streams import inference, operators
from aliran.streams.config_objects import (
    KeyedStoreOptions,
    Materialized,
    NameLike,
    text_of,
    with_keywords,
)
from aliran.streams.dsl import (
    Place,
    behind_repartition,
    key_value_store,
    new_repartition,
    serde_or,
    window_store,
)
from aliran.streams.functions import check_function
from aliran.streams.graph import ProcessorPlan, RepartitionPlan
from aliran.streams.hints import unknown_operator
from aliran.streams.ktable import KTable
from aliran.streams.operators import Aggregate, TableGetter
from aliran.streams.windows import time_windows

if TYPE_CHECKING:
    from typing import Unpack

    from aliran.core.durations import Duration

K = TypeVar("K")
V = TypeVar("V")
A = TypeVar("A")

Kind = Literal["count", "reduce", "aggregate"]


class _Group:
    """A group's place, and the repartition topic that its aggregations may share."""

    def __init__(self, place: Place, name: str | None) -> None:
        self.place = place
        self.name = name
        self.repartition: RepartitionPlan | None = None

    def place_of_aggregation(self, store: str) -> Place:
        """Return the place behind the repartition topic, if there has to be one.

        Aggregations share the topic where the user gave it a name, and get one each otherwise.
        """
        place = self.place
        if not place.needs_repartition:
            return place
        made = new_repartition(place, self.name or store)
        if self.repartition is None or self.name is None:
            place.dsl.plan.add(made, place.step)
            self.repartition = made
        else:
            place.dsl.plan.postpone(self.repartition)
        return behind_repartition(place, self.repartition)

    def aggregate(
        self,
        kind: Kind,
        config: Materialized[Any, Any],
        name: NameLike,
        functions: tuple[Callable[..., Any] | None, Callable[..., Any] | None],
        windows: operators.TimeWindows | None,
        value: Serde[Any],
    ) -> KTable[Any, Any]:
        """Add the aggregation and return its table.

        Args:
            kind: Which of the three it is.
            config: Store and options.
            name: Name of the processor.
            functions: Initializer and aggregator.
            windows: None for a single aggregate a key.
            value: Serde of the aggregates.
        """
        names, prefix = self.place.dsl.names, _PREFIXES[kind]
        if kind == "count" and config.store is None and config != Materialized():
            names.store(prefix)  # Kafka draws a number twice for a count with options
        store = config.store or names.store(prefix)
        processor = names.processor(prefix, text_of(name))
        key = serde_or(config.key, self.place.key_or_default)
        spec = (
            key_value_store(config, store, key, value)
            if windows is None
            else window_store(config, store, key, value, windows)
        )
        place = self.place_of_aggregation(store)
        initializer, aggregator = functions
        step = ProcessorPlan(
            processor, Aggregate(store, kind, aggregator, initializer, windows), (store,)
        )
        place.dsl.plan.add_table_store(spec)
        place.dsl.plan.add(step, place.step)
        out = key if windows is None else WindowedSerde(key, windows.size_ms)
        here = place.at(step, key_serde=out, value_serde=value, needs_repartition=False)
        return KTable(here, lambda: TableGetter(store), config.store)


_PREFIXES: dict[Kind, str] = {
    "count": "KSTREAM-AGGREGATE-",
    "reduce": "KSTREAM-REDUCE-",
    "aggregate": "KSTREAM-AGGREGATE-",
}


class _Aggregations(Generic[K, V]):
    """What groups with and without windows have in common."""

    def __init__(self, group: _Group, windows: operators.TimeWindows | None) -> None:
        self._group = group
        self._windows = windows

    if not TYPE_CHECKING:  # type checkers are to see what is not there

        def __getattr__(self, name: str) -> None:
            raise unknown_operator(self, name)

    def _count(self, config: Materialized[Any, Any], name: NameLike) -> KTable[Any, int]:
        value = serde_or(config.value, IntegerSerde)
        return self._group.aggregate("count", config, name, (None, None), self._windows, value)

    def _reduce(
        self, reducer: Callable[[V, V], V | None], config: Materialized[Any, Any], name: NameLike
    ) -> KTable[Any, V]:
        check_function("reduce", "reducer(aggregate, value)", reducer)
        value = serde_or(config.value, self._group.place.value_or_default)
        return self._group.aggregate("reduce", config, name, (None, reducer), self._windows, value)

    def _aggregate(
        self,
        initializer: Callable[[], A],
        aggregator: Callable[[K, V, A], A | None],
        config: Materialized[Any, Any],
        name: NameLike,
    ) -> KTable[Any, A]:
        check_function("aggregate", "initializer()", initializer)
        check_function("aggregate", "aggregator(key, value, aggregate)", aggregator)

        def inferred() -> Serde[Any]:
            known = inference.value_serde(initializer) or inference.value_serde(aggregator)
            return known or self._group.place.dsl.default_value

        functions = (initializer, aggregator)
        value = serde_or(config.value, inferred)
        return self._group.aggregate("aggregate", config, name, functions, self._windows, value)


class KGroupedStream(_Aggregations[K, V]):
    """A stream's records, grouped by key. Kafka: `KGroupedStream`.

    Aggregations ignore records whose key or value is None. They all take `store=`, the name of
    the store to query, `name=`, the name of the processor, and the options of `Materialized`.
    """

    def __init__(self, place: Place, name: str | None) -> None:
        super().__init__(_Group(place, name), None)

    def windowed_by(
        self,
        windows: operators.TimeWindows | Duration,
        *,
        grace: Duration | None = None,
        advance: Duration | None = None,
    ) -> TimeWindowedKStream[K, V]:
        """Aggregate by time windows.

        Args:
            windows: Their size (`"1m"`, a timedelta, milliseconds), or `TimeWindows`.
            grace: How long to wait for late records after a window's end; not at all by default.
            advance: How far windows are apart; by default their size, so that they do not overlap.

        Raises:
            TopologyError: The durations do not fit together.
        """
        return TimeWindowedKStream(self._group, time_windows(windows, grace, advance))

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
        return self._aggregate(initializer, aggregator, config, name)


class TimeWindowedKStream(_Aggregations[K, V]):
    """A stream's records, grouped by key and time window. Kafka: `TimeWindowedKStream`.

    Aggregations give tables whose keys are `Windowed(key, start_ms, end_ms)`. They ignore records
    without a key, not those without a value.
    """

    def __init__(self, group: _Group, windows: operators.TimeWindows) -> None:
        super().__init__(group, windows)

    def count(
        self,
        materialized: Materialized[K, int] | None = None,
        *,
        store: str | None = None,
        name: NameLike = None,
        **options: Unpack[KeyedStoreOptions],
    ) -> KTable[Windowed[K], int]:
        """Count the records of each key and window."""
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
    ) -> KTable[Windowed[K], V]:
        """Combine the values of each key and window by `reducer(aggregate, value)`."""
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
    ) -> KTable[Windowed[K], A]:
        """Fold the values of each key and window; see `KGroupedStream.aggregate`."""
        config = with_keywords(
            "aggregate", materialized, Materialized(), store=store, value=value, **options
        )
        return self._aggregate(initializer, aggregator, config, name)
