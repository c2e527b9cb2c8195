"""KTable: a stream of updates, that is, the latest value of each key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from aliran.serdes import Serde, SerdeLike
from aliran.streams import inference
from aliran.streams.config_objects import (
    KeyedStoreOptions,
    Materialized,
    NameLike,
    text_of,
    with_keywords,
)
from aliran.streams.dsl import Place, key_value_store
from aliran.streams.functions import check_function, takes_key
from aliran.streams.graph import PlanNode, TablePlan
from aliran.streams.hints import unknown_operator
from aliran.streams.operators import (
    ProcessorNode,
    StoreSpec,
    StreamToTable,
    TableFilter,
    TableGetter,
    TableMapValues,
    TableToStream,
)

if TYPE_CHECKING:
    from typing import Unpack

    from aliran.streams.kstream import KStream
    from aliran.streams.topology_builder import TopologyBuilder

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
        stores = () if self.store is None else (self.store,)
        operator = StreamToTable(self.store)
        builder.add_node(ProcessorNode(self.name, operator, self.parent_names(), stores))


class KTable(Generic[K, V]):
    """A table of keys of type K and their latest values of type V. Kafka: `KTable`.

    Tables are not made by hand: `StreamsBuilder.table`, `KStream.to_table` and aggregations give
    them.

    Attributes:
        queryable_store_name: Name of the store that can be queried, None where it has no name.
    """

    def __init__(
        self, place: Place, getter: Callable[[], TableGetter], queryable: str | None
    ) -> None:
        self._place = place
        self._getter = getter
        self.queryable_store_name = queryable

    if not TYPE_CHECKING:  # type checkers are to see what is not there

        def __getattr__(self, name: str) -> None:
            raise unknown_operator(self, name)

    @classmethod
    def of_step(
        cls, place: Place, step: TablePlan | StreamToTablePlan, *, queryable: str | None
    ) -> KTable[Any, Any]:
        """Return the table of a source, which is stored only if it is named or looked into."""

        def materialize() -> TableGetter:
            place.dsl.plan.add_table_store(step.spec)
            step.store = step.spec.name
            return TableGetter(step.spec.name)

        if queryable is not None:
            materialize()
        return KTable(place, materialize, queryable)

    @property
    def name(self) -> str:
        """Name of the topology's node that gives this table."""
        return self._place.name

    @property
    def place(self) -> Place:
        """Where in the plan the table stands; for operators, not for users."""
        return self._place

    @property
    def sources(self) -> frozenset[str]:
        """Names of the sources its records come from."""
        return self._place.sources

    def getter(self) -> TableGetter:
        """Return how others look into the table; stores it if it was not stored yet."""
        return self._getter()

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
        config = _config("filter", materialized, store, options)
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
        config = _config("filter_not", materialized, store, options)
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
        config = _config("map_values", materialized, store, {**options, "value": value})
        serde = inference.value_serde(mapper)
        operator = TableMapValues(mapper, keyed)
        return self._view(operator, "KTABLE-MAPVALUES-", name, config, (serde,))

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
        from aliran.streams.kstream import KStream  # kstream.py builds on this module

        step = self._place.append("KTABLE-TOSTREAM-", TableToStream(), text_of(name))
        stream: KStream[K, V] = KStream(self._place.at(step))
        return stream if mapper is None else stream.select_key(mapper)

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
        if config is not None:
            if config.store is None:
                place.dsl.names.store(prefix)  # Kafka draws a number for a store it does not make
            key, value = place.key_or_default(config.key), place.value_or_default(config.value)
            place = replace(place, key_serde=key, value_serde=value)
        step = place.append(prefix, operator, text_of(name))
        here = place.at(step)
        if config is None or config.store is None:
            return KTable(here, lambda: self._getter_through(operator), None)
        store = config.store
        spec = key_value_store(config, store, here.key_or_default(), here.value_or_default())
        place.dsl.plan.add_table_store(spec)
        step.operator = replace(operator, store=store)
        step.stores = (store,)
        return KTable(here, lambda: TableGetter(store), store)

    def _getter_through(self, operator: TableFilter | TableMapValues) -> TableGetter:
        below = self._getter()
        return TableGetter(below.store, (*below.transforms, operator))


def _config(
    method: str, materialized: Materialized[Any, Any] | None, store: str | None, options: Any
) -> Materialized[Any, Any] | None:
    """Return None where nothing was said: Kafka counts names otherwise then."""
    given = {name: value for name, value in options.items() if value is not None}
    if materialized is None and store is None and not given:
        return None
    return with_keywords(method, materialized, Materialized(), store=store, **given)
