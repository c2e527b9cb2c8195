"""Groups of a table's rows, and their aggregations."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from aliran.serdes import IntegerSerde, Serde
from aliran.streams.dsl import inference
from aliran.streams.dsl.changes import ChangedSerde
from aliran.streams.dsl.config_objects import (
    KeyedStoreOptions,
    Materialized,
    NameLike,
    text_of,
    with_keywords,
)
from aliran.streams.dsl.expiry import refuse_ttl
from aliran.streams.dsl.functions import check_function
from aliran.streams.dsl.hints import unknown_operator
from aliran.streams.dsl.ktable import KTable
from aliran.streams.dsl.places import Place, key_value_store, serde_or
from aliran.streams.plan.graph import PlanNode, ProcessorPlan
from aliran.streams.plan.naming import check_name
from aliran.streams.plan.operators import (
    RepartitionTopic,
    SinkNode,
    SourceNode,
    TableAggregate,
    TableGetter,
)
from aliran.streams.processor import fail_on_invalid_timestamp

if TYPE_CHECKING:
    from typing import Unpack

    from aliran.serdes import SerdeLike
    from aliran.streams.plan.topology_builder import TopologyBuilder

K = TypeVar("K")
V = TypeVar("V")
A = TypeVar("A")

Kind = Literal["count", "reduce", "aggregate"]
Functions = tuple[Callable[..., Any] | None, Callable[..., Any] | None, Callable[..., Any] | None]
"""Adder, subtractor, initializer."""


@dataclass(eq=False)
class ChangesPlan(PlanNode):
    """The repartition topic of a grouped table: sink and source. It is named by its source."""

    topic: RepartitionTopic
    sink_name: str
    key_serde: Serde[Any]
    value_serde: Serde[Any]

    def names(self) -> Iterable[str]:
        """Return the names of sink and source."""
        return (self.sink_name, self.name)

    def write(self, builder: TopologyBuilder) -> None:
        """Write both nodes and declare the topic."""
        builder.add_repartition_topic(self.topic)
        serdes, topic = (self.key_serde, ChangedSerde(self.value_serde)), self.topic.name
        builder.add_node(SinkNode(self.sink_name, topic, self.parent_names(), *serdes))
        builder.add_node(SourceNode(self.name, (topic,), *serdes, fail_on_invalid_timestamp))


class KGroupedTable(Generic[K, V]):
    """A table's rows, grouped by a key of your choice. Kafka: `KGroupedTable`.

    A row that changes is taken out of its old group and put into its new one, so aggregations
    take an adder and a subtractor. They all take `store=`, the name of the store to query,
    `name=`, the name of the processor, and the options of `Materialized`.
    """

    def __init__(self, place: Place, name: str | None) -> None:
        self._place = place
        self._name = name
        self._repartition: ChangesPlan | None = None

    if not TYPE_CHECKING:  # type checkers are to see what is not there

        def __getattr__(self, name: str) -> None:
            raise unknown_operator(self, name)

    def count(
        self,
        materialized: Materialized[K, int] | None = None,
        *,
        store: str | None = None,
        name: NameLike = None,
        **options: Unpack[KeyedStoreOptions],
    ) -> KTable[K, int]:
        """Count the rows of each group."""
        config = with_keywords("count", materialized, Materialized(), store=store, **options)
        value = serde_or(config.value, IntegerSerde)
        return self._aggregation("count", (None, None, None), config, value, name)

    def reduce(
        self,
        adder: Callable[[V, V], V | None],
        subtractor: Callable[[V, V], V | None],
        materialized: Materialized[K, V] | None = None,
        *,
        value: SerdeLike[V] | None = None,
        store: str | None = None,
        name: NameLike = None,
        **options: Unpack[KeyedStoreOptions],
    ) -> KTable[K, V]:
        """Combine the values of each group.

        Args:
            adder: `adder(aggregate, value)` takes a row in; the first is the first aggregate.
            subtractor: `subtractor(aggregate, value)` takes a row out; None deletes the group.
            materialized: Store, value and options as an object.
            value: Type or serde of the values, where it is not known.
            store: Name of the store, to query it.
            name: Name of the processor.
            options: See `Materialized`.
        """
        check_function("reduce", "adder(aggregate, value)", adder)
        check_function("reduce", "subtractor(aggregate, value)", subtractor)
        config = with_keywords(
            "reduce", materialized, Materialized(), store=store, value=value, **options
        )
        serde = serde_or(config.value, self._place.value_or_default)
        return self._aggregation("reduce", (adder, subtractor, None), config, serde, name)

    def aggregate(
        self,
        initializer: Callable[[], A],
        adder: Callable[[K, V, A], A | None],
        subtractor: Callable[[K, V, A], A | None],
        materialized: Materialized[K, A] | None = None,
        *,
        value: SerdeLike[A] | None = None,
        store: str | None = None,
        name: NameLike = None,
        **options: Unpack[KeyedStoreOptions],
    ) -> KTable[K, A]:
        """Fold the values of each group.

        Args:
            initializer: `initializer()` gives the aggregate to begin with; `int` or `list` will do.
            adder: `adder(key, value, aggregate)` takes a row in.
            subtractor: `subtractor(key, value, aggregate)` takes a row out.
            materialized: Store, value and options as an object.
            value: Type or serde of the aggregates; otherwise that of an initializer which is a
                class, or what a function is annotated to return.
            store: Name of the store, to query it.
            name: Name of the processor.
            options: See `Materialized`.
        """
        check_function("aggregate", "initializer()", initializer)
        check_function("aggregate", "adder(key, value, aggregate)", adder)
        check_function("aggregate", "subtractor(key, value, aggregate)", subtractor)
        config = with_keywords(
            "aggregate", materialized, Materialized(), store=store, value=value, **options
        )

        def inferred() -> Serde[Any]:
            known = inference.value_serde(initializer) or inference.value_serde(adder)
            return known or self._place.dsl.default_value

        serde = serde_or(config.value, inferred)
        functions = (adder, subtractor, initializer)
        return self._aggregation("aggregate", functions, config, serde, name)

    def _aggregation(
        self,
        kind: Kind,
        functions: Functions,
        config: Materialized[Any, Any],
        value: Serde[Any],
        name: NameLike,
    ) -> KTable[Any, Any]:
        place, names, given = self._place, self._place.dsl.names, text_of(name)
        store = config.store or names.store("KTABLE-AGGREGATE-")
        sink = names.processor("KSTREAM-SINK-", None if given is None else f"{given}-sink")
        source = names.processor("KSTREAM-SOURCE-", None if given is None else f"{given}-source")
        prefix = "KTABLE-REDUCE-" if kind == "reduce" else "KTABLE-AGGREGATE-"
        processor = names.processor(prefix, given)
        behind = self._repartitioned(sink, source, store)
        key = serde_or(config.key, place.key_or_default)
        refuse_ttl(config, store)
        spec = key_value_store(config, store, key, value)
        place.dsl.plan.add_table_store(spec)
        operator = TableAggregate(store, kind, *functions)
        step = ProcessorPlan(processor, operator, (store,), versioned=spec.kind == "versioned")
        place.dsl.plan.add(step, behind)
        here = place.at(
            step,
            key_serde=key,
            value_serde=value,
            sources=frozenset({source}),
            needs_repartition=False,
        )
        return KTable(here, lambda: TableGetter(store), config.store)

    def _repartitioned(self, sink: str, source: str, store: str) -> ChangesPlan:
        """Return the repartition topic: shared where the user named it, else a new one."""
        plan = self._place.dsl.plan
        if self._repartition is not None and self._name is not None:
            plan.postpone(self._repartition)
            return self._repartition
        topic = check_name(f"{self._name or store}-repartition", "repartition topic")
        self._repartition = ChangesPlan(
            source,
            topic=RepartitionTopic(topic),
            sink_name=sink,
            key_serde=self._place.key_or_default(),
            value_serde=self._place.value_or_default(),
        )
        plan.add(self._repartition, self._place.step)
        return self._repartition
