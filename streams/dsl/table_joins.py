"""Joins of a table with another one: by key, and by a foreign key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, overload

from aliran.streams.dsl import inference
from aliran.streams.dsl.config_objects import (
    KeyedStoreOptions,
    Materialized,
    NameLike,
    text_of,
    with_keywords,
)
from aliran.streams.dsl.expiry import refuse_ttl
from aliran.streams.dsl.foreign_key_join import ForeignKeyJoin, TableJoined
from aliran.streams.dsl.functions import check_function, takes_key
from aliran.streams.dsl.places import key_value_store
from aliran.streams.dsl.table_base import TableBase, table_config
from aliran.streams.errors import TopologyError
from aliran.streams.plan.graph import PlanNode
from aliran.streams.plan.operators import (
    AnyFunction,
    JoinedGetter,
    ProcessorNode,
    TableGetter,
    TableJoin,
    TableJoinKind,
    TableMerge,
)

if TYPE_CHECKING:
    from typing import Unpack

    from aliran.serdes import SerdeLike
    from aliran.streams.dsl.ktable import KTable
    from aliran.streams.plan.topology_builder import TopologyBuilder

K = TypeVar("K")
V = TypeVar("V")
VO = TypeVar("VO")
VR = TypeVar("VR")
KO = TypeVar("KO")


@dataclass(eq=False)
class TableJoinPlan(PlanNode):
    """Both sides of a join of tables, and what merges them; it is named by the merger.

    Attributes:
        sides: The steps that give the two tables.
        side_names: Names of the processors that join the updates of each.
        getters: How to look into each.
    """

    sides: tuple[PlanNode, PlanNode]
    side_names: tuple[str, str]
    getters: tuple[TableGetter, TableGetter]
    joiner: AnyFunction
    kind: TableJoinKind
    store: str | None = None

    def names(self) -> tuple[str, ...]:
        """Return the names of both sides and of the merger."""
        return (*self.side_names, self.name)

    def write(self, builder: TopologyBuilder) -> None:
        """Write three processors."""
        for index, name in enumerate(self.side_names):
            other = self.getters[1 - index]
            operator = TableJoin(other, self.joiner, self.kind, is_left=index == 0)
            parents = (self.sides[index].name,)
            builder.add_node(
                ProcessorNode(name, operator, parents, other.stores, self.sends_old_values)
            )
        stores = () if self.store is None else (self.store,)
        merge, old_values = TableMerge(self.store), self.sends_old_values
        versioned = self.gives_versions()
        builder.add_node(
            ProcessorNode(self.name, merge, self.side_names, stores, old_values, versioned)
        )


class TableJoins(TableBase[K, V]):
    """The joins of `KTable`."""

    @overload
    def join(
        self,
        other: KTable[K, VO],
        joiner: Callable[[V, VO], VR],
        materialized: Materialized[K, VR] | None = None,
        *,
        value: SerdeLike[VR] | None = None,
        store: str | None = None,
        name: NameLike = None,
        **options: Unpack[KeyedStoreOptions],
    ) -> KTable[K, VR]: ...
    @overload
    def join(
        self,
        other: KTable[KO, VO],
        joiner: Callable[[V, VO], VR],
        materialized: Materialized[K, VR] | None = None,
        *,
        foreign_key: Callable[[V], KO | None],
        joined: TableJoined[K, KO] | None = None,
        value: SerdeLike[VR] | None = None,
        store: str | None = None,
        name: NameLike = None,
        **options: Unpack[KeyedStoreOptions],
    ) -> KTable[K, VR]: ...
    @overload
    def join(
        self,
        other: KTable[KO, VO],
        joiner: Callable[[V, VO], VR],
        materialized: Materialized[K, VR] | None = None,
        *,
        foreign_key: Callable[[K, V], KO | None],
        joined: TableJoined[K, KO] | None = None,
        value: SerdeLike[VR] | None = None,
        store: str | None = None,
        name: NameLike = None,
        **options: Unpack[KeyedStoreOptions],
    ) -> KTable[K, VR]: ...
    def join(
        self,
        other: KTable[Any, VO],
        joiner: Callable[[V, VO], VR],
        materialized: Materialized[K, VR] | None = None,
        *,
        foreign_key: AnyFunction | None = None,
        joined: TableJoined[K, Any] | None = None,
        value: SerdeLike[VR] | None = None,
        store: str | None = None,
        name: NameLike = None,
        **options: Unpack[KeyedStoreOptions],
    ) -> KTable[K, VR]:
        """Join the rows of two tables that have the same key; both must have one.

        An update of either table gives a result, and so does a deletion.

        With `foreign_key`, the key of the other row comes out of this table's row: many rows may
        refer to one. Updates go through two internal topics then, and the tables may have
        different numbers of partitions.

        Args:
            other: Must have as many partitions as this table, where the keys are joined.
            joiner: `joiner(value, other_value)` returns the row's value; None deletes it.
            materialized: Store, value and options as an object.
            foreign_key: `foreign_key(value)` or `foreign_key(key, value)` gives the key of the
                other row; None for none.
            joined: Name and partitioners of a join on a foreign key, as an object.
            value: Type or serde of the results, where it is not known.
            store: Name of a store of its own; None computes results when they are looked up.
            name: Names the processors.
            options: See `Materialized`.

        Raises:
            TopologyError: `other` is no table, or `joiner` takes other arguments.
        """
        config = table_config("join", materialized, store, {**options, "value": value})
        if foreign_key is not None or joined is not None:
            naming = with_keywords("join", joined, TableJoined(), name=name)
            return self._join_foreign("join", other, joiner, foreign_key, naming, config)
        return self._join("inner", other, joiner, config, name)

    @overload
    def left_join(
        self,
        other: KTable[K, VO],
        joiner: Callable[[V, VO | None], VR],
        materialized: Materialized[K, VR] | None = None,
        *,
        value: SerdeLike[VR] | None = None,
        store: str | None = None,
        name: NameLike = None,
        **options: Unpack[KeyedStoreOptions],
    ) -> KTable[K, VR]: ...
    @overload
    def left_join(
        self,
        other: KTable[KO, VO],
        joiner: Callable[[V, VO | None], VR],
        materialized: Materialized[K, VR] | None = None,
        *,
        foreign_key: Callable[[V], KO | None],
        joined: TableJoined[K, KO] | None = None,
        value: SerdeLike[VR] | None = None,
        store: str | None = None,
        name: NameLike = None,
        **options: Unpack[KeyedStoreOptions],
    ) -> KTable[K, VR]: ...
    @overload
    def left_join(
        self,
        other: KTable[KO, VO],
        joiner: Callable[[V, VO | None], VR],
        materialized: Materialized[K, VR] | None = None,
        *,
        foreign_key: Callable[[K, V], KO | None],
        joined: TableJoined[K, KO] | None = None,
        value: SerdeLike[VR] | None = None,
        store: str | None = None,
        name: NameLike = None,
        **options: Unpack[KeyedStoreOptions],
    ) -> KTable[K, VR]: ...
    def left_join(
        self,
        other: KTable[Any, VO],
        joiner: Callable[[V, VO | None], VR],
        materialized: Materialized[K, VR] | None = None,
        *,
        foreign_key: AnyFunction | None = None,
        joined: TableJoined[K, Any] | None = None,
        value: SerdeLike[VR] | None = None,
        store: str | None = None,
        name: NameLike = None,
        **options: Unpack[KeyedStoreOptions],
    ) -> KTable[K, VR]:
        """Join as `join` does, but with None where the other table has no row."""
        config = table_config("left_join", materialized, store, {**options, "value": value})
        if foreign_key is not None or joined is not None:
            naming = with_keywords("left_join", joined, TableJoined(), name=name)
            return self._join_foreign("left_join", other, joiner, foreign_key, naming, config)
        return self._join("left", other, joiner, config, name)

    def outer_join(
        self,
        other: KTable[K, VO],
        joiner: Callable[[V | None, VO | None], VR],
        materialized: Materialized[K, VR] | None = None,
        *,
        value: SerdeLike[VR] | None = None,
        store: str | None = None,
        name: NameLike = None,
        **options: Unpack[KeyedStoreOptions],
    ) -> KTable[K, VR]:
        """Join as `join` does, but with None where either table has no row."""
        config = table_config("outer_join", materialized, store, {**options, "value": value})
        return self._join("outer", other, joiner, config, name)

    def _join(
        self,
        kind: TableJoinKind,
        other: KTable[K, Any],
        joiner: Callable[..., Any],
        config: Materialized[Any, Any] | None,
        name: NameLike,
    ) -> KTable[K, Any]:
        from aliran.streams.dsl.ktable import KTable  # builds on this module

        method = "join" if kind == "inner" else f"{kind}_join"
        if not isinstance(other, KTable):
            raise TopologyError(f"{method} takes a KTable, got {type(other).__name__}")
        self._place.check_same_builder(method, other.place)
        check_function(method, "joiner(value, other_value)", joiner)
        dsl, place, given = self._place.dsl, self._place, text_of(name)
        store = None
        if config is not None:  # unlike elsewhere it is stored even without a name
            store = config.store or dsl.names.store("KTABLE-MERGE-")
        merge = dsl.names.processor("KTABLE-MERGE-", given)
        sources = self.sources | other.sources
        dsl.plan.copartition(sources)
        if kind != "inner":
            self.send_old_values(force=True)
        if kind == "outer":
            other.send_old_values(force=True)
        getters = (self.getter(), other.getter())
        sides = (
            dsl.names.processor("KTABLE-JOINTHIS-", _suffixed(given, "-join-this")),
            dsl.names.processor("KTABLE-JOINOTHER-", _suffixed(given, "-join-other")),
        )
        steps = (place.step, other.place.step)
        step = TableJoinPlan(
            merge,
            sides=steps,
            side_names=sides,
            getters=getters,
            joiner=joiner,
            kind=kind,
            versioned=False,  # even where both tables are: KIP-914
        )
        key, value = place.key_serde, inference.value_serde(joiner)
        if config is not None and store is not None:
            here = place.at(step, value_serde=value)
            key = here.key_or_default(config.key)
            value = here.value_or_default(config.value)
            refuse_ttl(config, store)
            spec = key_value_store(config, store, key, value)
            dsl.plan.add_table_store(spec)
            step.store, step.versioned = store, spec.kind == "versioned"
        dsl.plan.add(step, *steps)
        result = place.at(step, key_serde=key, value_serde=value, sources=sources)

        def getter() -> TableGetter:
            if store is not None:
                return TableGetter(store)
            return TableGetter("", joined=JoinedGetter(*getters, joiner, kind))

        def ask(_force: bool) -> bool:
            self.send_old_values(force=True)
            other.send_old_values(force=True)
            return True

        return KTable(result, getter, store, ask)

    def _join_foreign(
        self,
        method: str,
        other: KTable[Any, Any],
        joiner: Callable[..., Any],
        foreign_key: AnyFunction | None,
        joined: TableJoined[Any, Any],
        config: Materialized[Any, Any] | None,
    ) -> KTable[K, Any]:
        from aliran.streams.dsl.ktable import KTable  # builds on this module

        if not isinstance(other, KTable) or not isinstance(self, KTable):
            raise TopologyError(f"{method} takes a KTable, got {type(other).__name__}")
        self._place.check_same_builder(method, other.place)
        check_function(method, "joiner(value, other_value)", joiner)
        with_key = takes_key(method, foreign_key, "foreign_key(value)", None)
        extractor = _extractor(foreign_key, with_key=with_key)
        join = ForeignKeyJoin(self, other, extractor, joined, is_left=method == "left_join")
        return join.plan(joiner, config or Materialized())


def _extractor(function: Any, *, with_key: bool) -> AnyFunction:
    def extract(_key: Any, value: Any) -> Any:
        return function(value)

    extractor: AnyFunction = function if with_key else extract
    return extractor


def _suffixed(name: str | None, suffix: str) -> str | None:
    return None if name is None else name + suffix
