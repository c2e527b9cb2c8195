"""KTable: a stream of updates, that is, the latest value of each key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, overload

from aliran.serdes import Serde, SerdeLike
from aliran.streams.dsl import inference
from aliran.streams.dsl.config_objects import (
    Grouped,
    KeyedStoreOptions,
    Materialized,
    NameLike,
    text_of,
    with_keywords,
)
from aliran.streams.dsl.expiry import index_store, refuse_ttl, stored_table
from aliran.streams.dsl.functions import check_function, takes_key
from aliran.streams.dsl.places import Place, key_value_store
from aliran.streams.dsl.suppressed import SUPPRESS, Suppressed, suppressed_getter
from aliran.streams.dsl.table_base import table_config
from aliran.streams.dsl.table_joins import TableJoins
from aliran.streams.errors import TopologyError
from aliran.streams.plan.graph import PlanNode, ProcessorPlan, TablePlan
from aliran.streams.plan.naming import check_name
from aliran.streams.plan.operators import (
    ProcessorNode,
    StoreSpec,
    StreamToTable,
    TableFilter,
    TableGetter,
    TableMapValues,
    TableSelect,
    TableToStream,
    TableTransformValues,
    TableView,
)
from aliran.streams.plan.topology_builder import supplied_stores

if TYPE_CHECKING:
    from typing import Unpack

    from aliran.streams.dsl.grouped_table import KGroupedTable
    from aliran.streams.dsl.kstream import KStream
    from aliran.streams.plan.topology_builder import TopologyBuilder
    from aliran.streams.value_transformer import ValueTransformer

K = TypeVar("K")
V = TypeVar("V")
K2 = TypeVar("K2")
V2 = TypeVar("V2")


@dataclass(eq=False)
class StreamToTablePlan(PlanNode):
    """A stream taken as a table; the store is there once somebody needs it."""

    spec: StoreSpec
    store: str | None = None

    def write(self, builder: TopologyBuilder) -> None:
        """Write the processor."""
        operator, stores = stored_table(StreamToTable(self.store), self.spec)
        parents = self.parent_names()
        builder.add_node(
            ProcessorNode(
                self.name, operator, parents, stores, self.sends_old_values, self.gives_versions()
            )
        )

    def gives_versions(self) -> bool:
        """Return whether its store is a versioned one."""
        return self.spec.kind == "versioned"


class KTable(TableJoins[K, V]):
    """A table of keys of type K and their latest values of type V. Kafka: `KTable`.

    Tables are not made by hand: `StreamsBuilder.table`, `KStream.to_table` and aggregations give
    them.

    Attributes:
        queryable_store_name: Name of the store that can be queried, None where it has no name.
    """

    @classmethod
    def of_step(
        cls, place: Place, step: TablePlan | StreamToTablePlan, *, queryable: str | None
    ) -> KTable[Any, Any]:
        """Return the table of a source, which is stored only if it is named or looked into."""

        def materialize() -> TableGetter:
            place.dsl.plan.add_table_store(step.spec)
            if step.spec.ttl_ms is not None and step.store is None:
                place.dsl.plan.add_own_store(index_store(step.spec))
            step.store = step.spec.name
            return TableGetter(step.spec.name)

        def ask(force: bool) -> bool:
            if step.store is None and not force:
                return False
            materialize()
            return True

        if queryable is not None or step.spec.ttl_ms is not None:
            materialize()
        return KTable(place, materialize, queryable, ask)

    def filter(
        self,
        predicate: Callable[[K, V], object],
        materialized: Materialized[K, V] | None = None,
        *,
        store: str | None = None,
        name: NameLike = None,
        **options: Unpack[KeyedStoreOptions],
    ) -> KTable[K, V]:
        """Keep the rows for which `predicate(key, value)` is true; the others are deleted.

        Args:
            predicate: Decides; it is not asked about deletions.
            materialized: Store and options as an object.
            store: Name of a store of its own; None computes the rows when they are looked up.
            name: Name of the processor.
            options: See `Materialized`.
        """
        check_function("filter", "predicate(key, value)", predicate)
        config = table_config("filter", materialized, store, options)
        return self._view(TableFilter(predicate), "KTABLE-FILTER-", name, config)

    def filter_not(
        self,
        predicate: Callable[[K, V], object],
        materialized: Materialized[K, V] | None = None,
        *,
        store: str | None = None,
        name: NameLike = None,
        **options: Unpack[KeyedStoreOptions],
    ) -> KTable[K, V]:
        """Delete the rows for which `predicate(key, value)` is true; see `filter`."""
        check_function("filter_not", "predicate(key, value)", predicate)
        config = table_config("filter_not", materialized, store, options)
        return self._view(TableFilter(predicate, negate=True), "KTABLE-FILTER-", name, config)

    @overload
    def map_values(
        self,
        mapper: Callable[[V], V2 | None],
        materialized: Materialized[K, V2] | None = None,
        *,
        with_key: bool | None = None,
        value: SerdeLike[V2] | None = None,
        store: str | None = None,
        name: NameLike = None,
        **options: Unpack[KeyedStoreOptions],
    ) -> KTable[K, V2]: ...
    @overload
    def map_values(
        self,
        mapper: Callable[[K, V], V2 | None],
        materialized: Materialized[K, V2] | None = None,
        *,
        with_key: bool | None = None,
        value: SerdeLike[V2] | None = None,
        store: str | None = None,
        name: NameLike = None,
        **options: Unpack[KeyedStoreOptions],
    ) -> KTable[K, V2]: ...
    def map_values(
        self,
        mapper: Callable[..., Any],
        materialized: Materialized[K, Any] | None = None,
        *,
        with_key: bool | None = None,
        value: SerdeLike[Any] | None = None,
        store: str | None = None,
        name: NameLike = None,
        **options: Unpack[KeyedStoreOptions],
    ) -> KTable[K, Any]:
        """Replace each value by `mapper(value)` or `mapper(key, value)`; deletions pass.

        Args:
            mapper: What it is called with follows from its parameters.
            materialized: Store, value and options as an object.
            with_key: Says whether it gets the key, where that cannot be seen.
            value: Type or serde of the new values, where it is not known.
            store: Name of a store of its own; None computes the values when they are looked up.
            name: Name of the processor.
            options: See `Materialized`.
        """
        keyed = takes_key("map_values", mapper, "mapper(value)", with_key)
        config = table_config("map_values", materialized, store, {**options, "value": value})
        serde = inference.value_serde(mapper)
        operator = TableMapValues(mapper, keyed)
        return self._view(operator, "KTABLE-MAPVALUES-", name, config, (serde,))

    def transform_values(
        self,
        supplier: Callable[[], ValueTransformer[K, V, V2]],
        *stores: str | StoreSpec,
        materialized: Materialized[K, V2] | None = None,
        value: SerdeLike[V2] | None = None,
        store: str | None = None,
        name: NameLike = None,
        **options: Unpack[KeyedStoreOptions],
    ) -> KTable[K, V2]:
        """Replace each value by what a transformer of your own makes of it, which may use stores.

        Args:
            supplier: Makes a transformer for each task; a `ValueTransformer` class will do. Where
                the table has no store, each operator that looks into it gets one of its own.
            stores: Names of stores that were added, or the stores themselves.
            materialized: Store, value and options as an object.
            value: Type or serde of the new values.
            store: Name of a store of the table's own; None computes values when looked up.
            name: Name of the processor.
            options: See `Materialized`.
        """
        check_function("transform_values", "supplier()", supplier)
        config = table_config("transform_values", materialized, store, {**options, "value": value})
        plan, processor = self._place.dsl.plan, text_of(name)
        processor = self._place.dsl.names.processor("KTABLE-TRANSFORMVALUES-", processor)
        names = plan.add_stores((*stores, *supplied_stores(supplier)))
        plan.require_stores(processor, names)
        operator = TableTransformValues(processor, supplier)
        step = ProcessorPlan(processor, operator, names)
        plan.add(step, self._place.step)
        return self._viewed(step, operator, self._place.at(step, value_serde=None), config)

    @overload
    def to_stream(self, *, name: NameLike = None) -> KStream[K, V]: ...
    @overload
    def to_stream(
        self, mapper: Callable[[K, V], K2], *, name: NameLike = None
    ) -> KStream[K2, V]: ...
    def to_stream(
        self, mapper: Callable[[K, V], Any] | None = None, *, name: NameLike = None
    ) -> KStream[Any, V]:
        """Return the table's updates as records; deletions are records whose value is None.

        Args:
            mapper: `mapper(key, value)` gives the records another key, as `select_key` does.
            name: Name of the processor.
        """
        from aliran.streams.dsl.kstream import KStream  # kstream.py builds on this module

        step = self._place.append("KTABLE-TOSTREAM-", TableToStream(), text_of(name))
        stream: KStream[K, V] = KStream(self._place.at(step))
        return stream if mapper is None else stream.select_key(mapper)

    def group_by(
        self,
        mapper: Callable[[K, V], tuple[K2, V2]],
        grouped: Grouped[K2, V2] | None = None,
        *,
        key: SerdeLike[K2] | None = None,
        value: SerdeLike[V2] | None = None,
        name: NameLike = None,
    ) -> KGroupedTable[K2, V2]:
        """Group the rows by a new key, through a repartition topic.

        Each update takes the old row out of its group and puts the new one into its own.

        Args:
            mapper: `mapper(key, value)` returns the new key and value; a row for which either is
                None, or for which it returns None, is in no group.
            grouped: The keywords as an object.
            key: Type or serde of the new keys, where it is not known.
            value: Type or serde of the new values, where it is not known.
            name: Names the processor and, with `-repartition` behind it, the topic.
        """
        from aliran.streams.dsl.grouped_table import KGroupedTable  # builds on this module

        check_function("group_by", "mapper(key, value)", mapper)
        config = with_keywords("group_by", grouped, Grouped(), key=key, value=value, name=name)
        step = self._place.append("KTABLE-SELECT-", TableSelect(mapper), config.name)
        self.send_old_values(force=True)
        keys, values = inference.pair_serdes(mapper)
        place = self._place.at(step, key_serde=keys, value_serde=values)
        return KGroupedTable(
            place.at(
                step,
                key_serde=place.key_or_default(config.key),
                value_serde=place.value_or_default(config.value),
            ),
            config.name,
        )

    def suppress(self, suppressed: Suppressed, *, name: NameLike = None) -> KTable[K, V]:
        """Hold updates back, and forward only the last of each key; see `Suppressed`.

        Args:
            suppressed: `Suppressed.until_window_closes()` for one final result a window, or
                `Suppressed.until_time_limit("1m")` for fewer updates.
            name: Name of the processor; the store is `<name>-store`.

        Raises:
            TopologyError: Windows are to close where there are none, or the table is versioned.
        """
        if not isinstance(suppressed, Suppressed):
            raise TopologyError(
                f"suppress takes a Suppressed, got {suppressed!r}: "
                "Suppressed.until_window_closes(), or Suppressed.until_time_limit(...)"
            )
        place, names = self._place, self._place.dsl.names
        given = text_of(name) or suppressed.name
        processor = names.processor(SUPPRESS) if given is None else check_name(given)
        if place.step.gives_versions():
            raise TopologyError(
                f"suppress ({processor}) cannot hold back updates of a versioned table, which come "
                f"out of order: {place.name} is one, or a view of one. Suppress a table without "
                "history_retention="
            )
        store = names.store(SUPPRESS) if given is None else f"{given}-store"
        operator = suppressed.operator(store, place)
        step = ProcessorPlan(processor, operator, (store,), versioned=False)
        spec = suppressed.store(store, place)
        self.send_old_values(force=True)  # for those who look into the table
        place.dsl.plan.add_store(spec)
        place.dsl.plan.add(step, place.step)
        here = place.at(step, key_serde=spec.key_serde, value_serde=spec.value_serde)
        return KTable(
            here,
            lambda: suppressed_getter(store, self._getter()),
            None,
            lambda force: self.send_old_values(force=force),
        )

    def _view(
        self,
        operator: TableFilter | TableMapValues,
        prefix: str,
        name: NameLike,
        config: Materialized[Any, Any] | None,
        new_value: tuple[Serde[Any] | None] | None = None,
    ) -> KTable[K, Any]:
        place = self._place
        if new_value is not None:
            place = replace(place, value_serde=new_value[0])
        if config is not None and config.store is None:
            place.dsl.names.store(prefix)  # Kafka draws a number for a store it does not make
        known = isinstance(operator, TableFilter) and self.send_old_values(force=False)
        step = place.append(prefix, operator, text_of(name))
        # Where it can be had, a filter uses the old value to leave out tombstones that are no news.
        step.sends_old_values = known
        return self._viewed(step, operator, place.at(step), config)

    def _viewed(
        self,
        step: ProcessorPlan,
        operator: TableView,
        here: Place,
        config: Materialized[Any, Any] | None,
    ) -> KTable[K, Any]:
        """Return the table that `operator` gives, with a store of its own if it has a name."""
        if config is not None:
            key, value = here.key_or_default(config.key), here.value_or_default(config.value)
            here = replace(here, key_serde=key, value_serde=value)
            step.versioned = False
        if config is None or config.store is None:
            return KTable(
                here,
                lambda: self._getter_through(operator),
                None,
                lambda force: self.send_old_values(force=force),
            )
        store = config.store
        refuse_ttl(config, store)
        spec = key_value_store(config, store, here.key_or_default(), here.value_or_default())
        here.dsl.plan.add_table_store(spec)
        step.versioned = spec.kind == "versioned"
        step.operator = replace(operator, store=store)
        step.stores = (*step.stores, store)
        return KTable(here, lambda: TableGetter(store), store)

    def _getter_through(self, operator: TableView) -> TableGetter:
        below = self._getter()
        return replace(below, transforms=(*below.transforms, operator))
