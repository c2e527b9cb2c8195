"""Several grouped streams, aggregated into one table. Kafka: `CogroupedKStream` (KIP-150)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from aliran.serdes import Serde, SerdeLike, Windowed
from aliran.streams.dsl import inference
from aliran.streams.dsl.aggregations import (
    Aggregation,
    Group,
    aggregate_store,
    windowed_key_serde,
)
from aliran.streams.dsl.config_objects import (
    KeyedStoreOptions,
    Materialized,
    NameLike,
    text_of,
    with_keywords,
)
from aliran.streams.dsl.expiry import refuse_ttl
from aliran.streams.dsl.functions import check_function
from aliran.streams.dsl.ktable import KTable
from aliran.streams.dsl.places import Place, behind_repartition, new_repartition, serde_or
from aliran.streams.dsl.windows import Windows, chosen_windows
from aliran.streams.errors import TopologyError
from aliran.streams.plan import operators, window_operators
from aliran.streams.plan.graph import ProcessorPlan
from aliran.streams.plan.operators import TableGetter
from aliran.streams.plan.window_operators import CogroupMerge, SessionWindows

if TYPE_CHECKING:
    from typing import Unpack

    from aliran.core.durations import Duration
    from aliran.streams.dsl.grouped import KGroupedStream
    from aliran.streams.plan.window_operators import WindowSpec

K = TypeVar("K")
V = TypeVar("V")
A = TypeVar("A")

_AGGREGATE = "COGROUPKSTREAM-AGGREGATE-"
_MERGE = "COGROUPKSTREAM-MERGE-"


class _Inputs:
    """The streams of a cogroup with their aggregators, and where each of them stands."""

    def __init__(self, aggregators: dict[Group, Any], places: dict[Group, Place]) -> None:
        self.aggregators = aggregators
        # Shared by all that grow out of one cogroup: a stream is repartitioned once.
        self._places = places

    def plus(self, group: Group, aggregator: Any) -> _Inputs:
        """Return these and one more; a stream that is there already gets the new aggregator."""
        return _Inputs({**self.aggregators, group: aggregator}, self._places)

    def aggregate(
        self, aggregation: Aggregation, config: Materialized[Any, Any], name: NameLike
    ) -> KTable[Any, Any]:
        """Add an aggregation a stream and the merge behind them; return the table.

        Raises:
            TopologyError: A name is taken, or the store's options do not fit.
        """
        first = next(iter(self.aggregators)).place
        dsl, prefix = first.dsl, text_of(name)
        store = config.store or dsl.names.store(_AGGREGATE)
        key = serde_or(config.key, first.key_or_default)
        value = serde_or(config.value, lambda: self._value_serde(aggregation.initializer))
        refuse_ttl(config, store)
        spec = aggregate_store(config, store, (key, value), aggregation)
        places = [self._place_of(group, store) for group in self.aggregators]
        dsl.plan.add_store(spec)
        steps = []
        for number, (place, aggregator) in enumerate(
            zip(places, self.aggregators.values(), strict=True)
        ):
            one = Aggregation(
                "aggregate",
                aggregation.initializer,
                aggregator,
                aggregation.merger,
                aggregation.windows,
            )
            processor = dsl.names.processor(_AGGREGATE, prefix and f"{prefix}-cogroup-agg-{number}")
            versioned = spec.kind == "versioned"
            step = ProcessorPlan(processor, one.operator(store), (store,), versioned=versioned)
            dsl.plan.add(step, place.step)
            steps.append(step)
        merge = ProcessorPlan(
            dsl.names.processor(_MERGE, prefix and f"{prefix}-cogroup-merge"), CogroupMerge()
        )
        dsl.plan.add(merge, *steps)
        sources = reduce(frozenset.union, (place.sources for place in places))
        if len(sources) > 1:
            dsl.plan.copartition(sources)

        def ask(_force: bool) -> bool:
            for step in steps:
                step.sends_old_values = True
            return True

        here = Place(dsl, merge, windowed_key_serde(key, aggregation.windows), value, sources)
        return KTable(here, lambda: TableGetter(store), config.store, ask)

    def _place_of(self, group: Group, store: str) -> Place:
        place = group.place
        if not place.needs_repartition:
            return place
        made = new_repartition(place, group.name or store)  # draws numbers even if not used
        if group not in self._places:
            place.dsl.plan.add(made, place.step)
            self._places[group] = behind_repartition(place, made)
        return self._places[group]

    def _value_serde(self, initializer: Any) -> Serde[Any]:
        known = inference.value_serde(initializer)
        for aggregator in self.aggregators.values():
            known = known or inference.value_serde(aggregator)
        return known or next(iter(self.aggregators)).place.dsl.default_value


class CogroupedKStream(Generic[K, A]):
    """Grouped streams that are aggregated together. Kafka: `CogroupedKStream`.

    All of them must have the same type of keys. Each has an aggregator of its own; all update the
    same aggregate of a key.
    """

    def __init__(self, inputs: _Inputs | None = None) -> None:
        self._inputs = inputs or _Inputs({}, {})

    def cogroup(
        self, group: KGroupedStream[K, V], aggregator: Callable[[K, V, A], A | None]
    ) -> CogroupedKStream[K, A]:
        """Add a stream.

        Args:
            group: The grouped stream.
            aggregator: `aggregator(key, value, aggregate)` for its records.

        Raises:
            TopologyError: `group` is no grouped stream, or belongs to another builder.
        """
        check_function("cogroup", "aggregator(key, value, aggregate)", aggregator)
        added = getattr(group, "group", None)
        if not isinstance(added, Group):
            raise TopologyError(
                f"cogroup takes a grouped stream, got {group!r}: call group_by or group_by_key"
            )
        for other in self._inputs.aggregators:
            other.place.check_same_builder("cogroup", added.place)
        return CogroupedKStream(self._inputs.plus(added, aggregator))

    def aggregate(
        self,
        initializer: Callable[[], A],
        materialized: Materialized[K, A] | None = None,
        *,
        value: SerdeLike[A] | None = None,
        store: str | None = None,
        name: NameLike = None,
        **options: Unpack[KeyedStoreOptions],
    ) -> KTable[K, A]:
        """Fold the values of all streams by key; see `KGroupedStream.aggregate`."""
        check_function("aggregate", "initializer()", initializer)
        config = with_keywords(
            "aggregate", materialized, Materialized(), store=store, value=value, **options
        )
        return self._inputs.aggregate(Aggregation("aggregate", initializer), config, name)

    @overload
    def windowed_by(
        self, windows: window_operators.SessionWindows
    ) -> SessionWindowedCogroupedKStream[K, A]: ...
    @overload
    def windowed_by(
        self, *, session: Duration, grace: Duration | None = None
    ) -> SessionWindowedCogroupedKStream[K, A]: ...
    @overload
    def windowed_by(
        self,
        windows: operators.TimeWindows | Duration,
        *,
        grace: Duration | None = None,
        advance: Duration | None = None,
    ) -> TimeWindowedCogroupedKStream[K, A]: ...
    @overload
    def windowed_by(
        self, *, sliding: Duration, grace: Duration | None = None
    ) -> TimeWindowedCogroupedKStream[K, A]: ...
    @overload
    def windowed_by(
        self, windows: window_operators.SlidingWindows | window_operators.UnlimitedWindows | Windows
    ) -> TimeWindowedCogroupedKStream[K, A]: ...
    def windowed_by(
        self,
        windows: Any = None,
        *,
        grace: Duration | None = None,
        advance: Duration | None = None,
        session: Duration | None = None,
        sliding: Duration | None = None,
    ) -> TimeWindowedCogroupedKStream[K, A] | SessionWindowedCogroupedKStream[K, A]:
        """Aggregate by windows; see `KGroupedStream.windowed_by`.

        Raises:
            TopologyError: The durations do not fit together.
        """
        chosen = chosen_windows(windows, grace, advance, session, sliding)
        if isinstance(chosen, SessionWindows):
            return SessionWindowedCogroupedKStream(self._inputs, chosen)
        return TimeWindowedCogroupedKStream(self._inputs, chosen)


@dataclass(frozen=True, eq=False)
class TimeWindowedCogroupedKStream(Generic[K, A]):
    """Cogrouped streams by time window. Kafka: `TimeWindowedCogroupedKStream`."""

    _inputs: _Inputs
    _windows: WindowSpec

    def aggregate(
        self,
        initializer: Callable[[], A],
        materialized: Materialized[K, A] | None = None,
        *,
        value: SerdeLike[A] | None = None,
        store: str | None = None,
        name: NameLike = None,
        **options: Unpack[KeyedStoreOptions],
    ) -> KTable[Windowed[K], A]:
        """Fold the values of all streams by key and window; see `KGroupedStream.aggregate`."""
        check_function("aggregate", "initializer()", initializer)
        config = with_keywords(
            "aggregate", materialized, Materialized(), store=store, value=value, **options
        )
        aggregation = Aggregation("aggregate", initializer, windows=self._windows)
        return self._inputs.aggregate(aggregation, config, name)


@dataclass(frozen=True, eq=False)
class SessionWindowedCogroupedKStream(Generic[K, A]):
    """Cogrouped streams by session. Kafka: `SessionWindowedCogroupedKStream`."""

    _inputs: _Inputs
    _windows: SessionWindows

    def aggregate(
        self,
        initializer: Callable[[], A],
        merger: Callable[[K, A, A], A | None],
        materialized: Materialized[K, A] | None = None,
        *,
        value: SerdeLike[A] | None = None,
        store: str | None = None,
        name: NameLike = None,
        **options: Unpack[KeyedStoreOptions],
    ) -> KTable[Windowed[K], A]:
        """Fold the values of all streams by key and session.

        `merger(key, one, other)` puts the aggregates of two sessions together; the rest is as for
        `KGroupedStream.aggregate`.
        """
        check_function("aggregate", "initializer()", initializer)
        check_function("aggregate", "merger(key, one, other)", merger)
        config = with_keywords(
            "aggregate", materialized, Materialized(), store=store, value=value, **options
        )
        aggregation = Aggregation("aggregate", initializer, None, merger, self._windows)
        return self._inputs.aggregate(aggregation, config, name)
