"""What aggregations of grouped streams share: where they stand, their stores and their names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from aliran.core.durations import to_ms
from aliran.serdes import (
    IntegerSerde,
    NumberedWindowSerde,
    Serde,
    SessionWindowedSerde,
    WindowedSerde,
)
from aliran.streams.dsl import inference
from aliran.streams.dsl.config_objects import Materialized, NameLike, text_of
from aliran.streams.dsl.expiry import (
    expiring_store,
    expiring_table,
    index_of,
    index_store,
    refuse_ttl,
)
from aliran.streams.dsl.functions import check_function
from aliran.streams.dsl.hints import unknown_operator
from aliran.streams.dsl.ktable import KTable
from aliran.streams.dsl.places import (
    Place,
    behind_repartition,
    key_value_store,
    new_repartition,
    refuse_history,
    serde_or,
    window_store,
)
from aliran.streams.errors import TopologyError
from aliran.streams.plan import operators
from aliran.streams.plan.graph import ProcessorPlan, RepartitionPlan, SinkPlan
from aliran.streams.plan.operators import Aggregate, SinkNode, StoreSpec, TableGetter
from aliran.streams.plan.window_operators import (
    CountWindowAggregate,
    CountWindows,
    SessionWindows,
    SlidingWindows,
    UnlimitedWindows,
    WindowedAggregate,
    grace_of,
    size_of,
)

if TYPE_CHECKING:
    from aliran.streams.plan.window_operators import CustomWindows, WindowSpec

K = TypeVar("K")
V = TypeVar("V")
A = TypeVar("A")

Kind = Literal["count", "reduce", "aggregate"]


@dataclass(frozen=True)
class Aggregation:
    """What is to be computed.

    Attributes:
        kind: Which of the three it is.
        initializer: Gives the first aggregate.
        aggregator: Adds a value to an aggregate.
        merger: Puts the aggregates of two sessions together.
        windows: None for a single aggregate a key.
        emit_final: Forward results when their window closes, not at each update.
        idle_ms: Close windows when no record has come for so long by wall clock.
        late: The topic that records go to which come too late.
    """

    kind: Kind
    initializer: Callable[..., Any] | None = None
    aggregator: Callable[..., Any] | None = None
    merger: Callable[..., Any] | None = None
    windows: WindowSpec | CountWindows | None = None
    emit_final: bool = False
    idle_ms: int | None = None
    late: str | None = None

    def operator(
        self, store: str, late: str | None = None
    ) -> Aggregate | WindowedAggregate | CountWindowAggregate:
        """Return the operator that computes it in `store` and sends late records to a node."""
        windows = self.windows
        if isinstance(windows, CountWindows):
            return CountWindowAggregate(
                store,
                _positions(store),
                self.kind,
                windows,
                self.aggregator,
                self.initializer,
                self.emit_final,
            )
        if windows is None or (isinstance(windows, operators.TimeWindows) and not self.emit_final):
            return Aggregate(store, self.kind, self.aggregator, self.initializer, windows, late)
        return WindowedAggregate(
            store,
            self.kind,
            windows,
            self.aggregator,
            self.initializer,
            self.merger,
            self.emit_final,
            late,
            self.idle_ms,
        )


class Group:
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
        aggregation: Aggregation,
        config: Materialized[Any, Any],
        name: NameLike,
        value: Serde[Any],
    ) -> KTable[Any, Any]:
        """Add the aggregation and return its table.

        Args:
            aggregation: What is computed.
            config: Store and options.
            name: Name of the processor.
            value: Serde of the aggregates.
        """
        names, prefix = self.place.dsl.names, _PREFIXES[aggregation.kind]
        if _draws_twice(aggregation, config):
            names.store(prefix)
        store = config.store or names.store(prefix)
        processor = names.processor(prefix, text_of(name))
        key = serde_or(config.key, self.place.key_or_default)
        spec = aggregate_store(config, store, (key, value), aggregation)
        place = self.place_of_aggregation(store)
        versioned = spec.kind == "versioned"
        late = None if aggregation.late is None else names.processor("KSTREAM-SINK-")
        operator = aggregation.operator(store, late)
        step = ProcessorPlan(processor, operator, (store,), versioned=versioned)
        place.dsl.plan.add_table_store(spec)
        if isinstance(operator, CountWindowAggregate):
            place.dsl.plan.add_own_store(_positions_store(spec, key))
            step.stores = (store, operator.positions)
        if spec.ttl_ms is not None:
            place.dsl.plan.add_own_store(index_store(spec))
            functions = aggregation.aggregator, aggregation.initializer
            step.operator = expiring_table(spec, aggregation.kind, *functions)
            step.stores = (store, index_of(store))
        place.dsl.plan.add(step, place.step)
        if aggregation.late is not None and late is not None:
            serdes = key, place.value_or_default()
            sink = SinkNode(late, aggregation.late, (processor,), *serdes)
            place.dsl.plan.add(SinkPlan(late, sink), step)
        out = windowed_key_serde(key, aggregation.windows)
        here = place.at(step, key_serde=out, value_serde=value, needs_repartition=False)
        return KTable(here, lambda: TableGetter(store), config.store)


def _draws_twice(aggregation: Aggregation, config: Materialized[Any, Any]) -> bool:
    """Tell whether Kafka draws a number for a store name twice: for a count with options."""
    return (
        aggregation.kind == "count"
        and config.store is None
        and config != Materialized()
        and not isinstance(aggregation.windows, SlidingWindows)
    )


def _positions(store: str) -> str:
    return f"{store}-positions"


def _positions_store(aggregates: StoreSpec, key: Serde[Any]) -> StoreSpec:
    """Return the store of how many records each key had, beside one of count windows."""
    return replace(
        aggregates,
        name=_positions(aggregates.name),
        key_serde=key,
        value_serde=IntegerSerde(),
        caching=None,
    )


_PREFIXES: dict[Kind, str] = {
    "count": "KSTREAM-AGGREGATE-",
    "reduce": "KSTREAM-REDUCE-",
    "aggregate": "KSTREAM-AGGREGATE-",
}


def windowed_key_serde(key: Serde[Any], windows: WindowSpec | CountWindows | None) -> Serde[Any]:
    """Return the serde of the keys of an aggregation's table."""
    if windows is None:
        return key
    if isinstance(windows, CountWindows):
        return NumberedWindowSerde(key)
    if isinstance(windows, SessionWindows):
        return SessionWindowedSerde(key)
    return WindowedSerde(key, size_of(windows))


def _given_windows(given: StoreSpec, made: StoreSpec) -> StoreSpec:
    """Return a store of windows or sessions that the user gave, as the aggregation needs it.

    Raises:
        TopologyError: It does not suit the aggregation.
    """
    kinds = ("session",) if made.kind == "session" else ("window", "timestamped-window")
    if given.kind not in kinds or given.retain_duplicates:
        what = "keeps duplicates" if given.retain_duplicates else f"is of kind {given.kind}"
        raise TopologyError(
            f"store {given.name!r} {what}, which does not suit the aggregation: store_supplier= "
            f"takes a store of kind {kinds[0]} that keeps none"
        )
    if given.retention_ms < made.retention_ms:
        raise TopologyError(
            f"store {given.name!r} keeps windows for {given.retention_ms} ms, but the aggregation "
            f"needs {made.retention_ms} ms: their size and their grace"
        )
    return replace(
        made,
        name=given.name,
        persistent=given.persistent,
        retention_ms=given.retention_ms,
        segment_interval_ms=given.segment_interval_ms,
        logging=given.logging and made.logging,
        changelog_config=made.changelog_config or given.changelog_config,
        rocksdb_options=given.rocksdb_options,
        opener=given.opener,
        replaceable=False,
    )


def aggregate_store(
    config: Materialized[Any, Any],
    store: str,
    serdes: tuple[Serde[Any], Serde[Any]],
    aggregation: Aggregation,
) -> StoreSpec:
    """Return the store of an aggregation.

    Raises:
        TopologyError: The retention is too short, there are no windows to retain, or windows are
            to be versioned.
    """
    windows = aggregation.windows
    if windows is None:
        return expiring_store(config, key_value_store(config, store, *serdes))
    refuse_ttl(config, store)
    refuse_history(config, store, "it holds windows")
    if isinstance(windows, CountWindows):
        if config.caching or config.store_supplier is not None:
            raise TopologyError(
                f"store {store!r} of count windows is ours and never cached: leave caching= and "
                "store_supplier= out"
            )
        made = key_value_store(config, store, *serdes)
        return replace(made, key_serde=NumberedWindowSerde(serdes[0]), caching=False)
    if config.store_supplier is not None:
        own = replace(config, store_supplier=None, persistent=True)
        made = aggregate_store(own, store, serdes, aggregation)
        return _given_windows(config.store_supplier, made)
    if isinstance(windows, operators.TimeWindows):
        spec = window_store(config, store, *serdes, windows)
    else:
        # The same options and checks; only kind and times differ.
        spec = key_value_store(replace(config, retention=None), store, *serdes)
        kept = _retention(config, store, windows)
        kind: Literal["session", "window"] = "window"
        if isinstance(windows, SessionWindows):
            kind = "session"
        spec = replace(spec, kind=kind, retention_ms=kept, window_size_ms=size_of(windows))
    if not aggregation.emit_final:
        return spec
    # Kafka caches final results of tumbling and hopping windows, and of no others.
    caching = spec.caching if isinstance(windows, operators.TimeWindows) else False
    return replace(spec, time_ordered=True, caching=caching)


def _retention(
    config: Materialized[Any, Any],
    store: str,
    windows: SlidingWindows | SessionWindows | UnlimitedWindows | CustomWindows,
) -> int:
    needed, reason = size_of(windows) + grace_of(windows), "their size and grace"
    if isinstance(windows, SlidingWindows):
        # A new record may need the window that began two differences before it.
        needed = 2 * windows.time_difference_ms + windows.grace_ms
        reason = "twice their time difference, and their grace"
    elif isinstance(windows, SessionWindows):
        needed, reason = grace_of(windows), "their gap and grace"
    kept = needed if config.retention is None else to_ms(config.retention)
    if kept < needed:
        raise TopologyError(
            f"store {store!r} would keep windows for {kept} ms: retention must be at least "
            f"{needed} ms, {reason}"
        )
    return kept


class Aggregations(Generic[K, V]):
    """What groups with and without windows have in common."""

    def __init__(
        self,
        group: Group,
        windows: WindowSpec | CountWindows | None,
        *,
        emit_final: bool = False,
        idle_ms: int | None = None,
    ) -> None:
        self._group = group
        self._windows = windows
        self._emit_final = emit_final
        self._idle_ms = idle_ms

    if not TYPE_CHECKING:  # type checkers are to see what is not there

        def __getattr__(self, name: str) -> None:
            raise unknown_operator(self, name)

    def _count(
        self, config: Materialized[Any, Any], name: NameLike, late: str | None = None
    ) -> KTable[Any, int]:
        value = serde_or(config.value, IntegerSerde)
        return self._group.aggregate(self._aggregation("count", late=late), config, name, value)

    def _reduce(
        self,
        reducer: Callable[[V, V], V | None],
        config: Materialized[Any, Any],
        name: NameLike,
        late: str | None = None,
    ) -> KTable[Any, V]:
        check_function("reduce", "reducer(aggregate, value)", reducer)
        value = serde_or(config.value, self._group.place.value_or_default)
        aggregation = self._aggregation("reduce", (None, reducer, None), late)
        return self._group.aggregate(aggregation, config, name, value)

    def _aggregate(
        self,
        functions: tuple[
            Callable[[], A], Callable[[K, V, A], A | None], Callable[[K, A, A], A | None] | None
        ],
        config: Materialized[Any, Any],
        name: NameLike,
        late: str | None = None,
    ) -> KTable[Any, A]:
        """Aggregate by an initializer, an aggregator and, for sessions, a merger."""
        initializer, aggregator, _ = functions
        check_function("aggregate", "initializer()", initializer)
        check_function("aggregate", "aggregator(key, value, aggregate)", aggregator)

        def inferred() -> Serde[Any]:
            known = inference.value_serde(initializer) or inference.value_serde(aggregator)
            return known or self._group.place.dsl.default_value

        aggregation = self._aggregation("aggregate", functions, late)
        value = serde_or(config.value, inferred)
        return self._group.aggregate(aggregation, config, name, value)

    def _aggregation(
        self,
        kind: Kind,
        functions: tuple[Callable[..., Any] | None, ...] = (None, None, None),
        late: str | None = None,
    ) -> Aggregation:
        initializer, aggregator, merger = functions
        return Aggregation(
            kind,
            initializer,
            aggregator,
            merger,
            self._windows,
            self._emit_final,
            self._idle_ms,
            late,
        )
