"""Joins of streams, with streams and with tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, overload

from aliran.streams.dsl import inference
from aliran.streams.dsl.config_objects import Joined, NameLike, text_of, with_keywords
from aliran.streams.dsl.functions import check_function, takes_key
from aliran.streams.dsl.global_table import GlobalKTable, KeySelector
from aliran.streams.dsl.grace import record_buffer
from aliran.streams.dsl.join_windows import join_windows
from aliran.streams.dsl.ktable import KTable
from aliran.streams.dsl.places import Place, behind_repartition, new_repartition
from aliran.streams.dsl.stream_joins import StreamJoined, StreamJoinKind, plan_stream_join
from aliran.streams.dsl.stream_transforms import StreamTransforms
from aliran.streams.errors import TopologyError
from aliran.streams.plan.graph import ProcessorPlan, RepartitionPlan
from aliran.streams.plan.operators import JoinWindows, StreamTableJoin

if TYPE_CHECKING:
    from typing import Unpack

    from aliran.core.durations import Duration
    from aliran.serdes import SerdeLike
    from aliran.streams.dsl.kstream import KStream
    from aliran.streams.dsl.stream_joins import StreamJoinOptions

K = TypeVar("K")
V = TypeVar("V")
V2 = TypeVar("V2")
VT = TypeVar("VT")

_KINDS: dict[str, StreamJoinKind] = {"join": "inner", "left_join": "left", "outer_join": "outer"}


class KStreamJoins(StreamTransforms[K, V]):
    """The joins of `KStream`."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._join_repartition: RepartitionPlan | None = None

    @overload
    def join(
        self,
        table: GlobalKTable[Any, VT],
        joiner: Callable[[K, V, VT], V2],
        *,
        key_selector: KeySelector | None = None,
        with_key: bool | None = None,
        name: NameLike = None,
    ) -> KStream[K, V2]: ...
    @overload
    def join(
        self,
        table: GlobalKTable[Any, VT],
        joiner: Callable[[V, VT], V2],
        *,
        key_selector: KeySelector | None = None,
        with_key: bool | None = None,
        name: NameLike = None,
    ) -> KStream[K, V2]: ...
    @overload
    def join(
        self,
        table: KTable[K, VT],
        joiner: Callable[[V, VT], V2],
        joined: Joined[K, V, VT] | None = None,
        *,
        with_key: bool | None = None,
        key: SerdeLike[K] | None = None,
        value: SerdeLike[V] | None = None,
        grace: Duration | None = None,
        name: NameLike = None,
    ) -> KStream[K, V2]: ...
    @overload
    def join(
        self,
        table: KTable[K, VT],
        joiner: Callable[[K, V, VT], V2],
        joined: Joined[K, V, VT] | None = None,
        *,
        with_key: bool | None = None,
        key: SerdeLike[K] | None = None,
        value: SerdeLike[V] | None = None,
        grace: Duration | None = None,
        name: NameLike = None,
    ) -> KStream[K, V2]: ...
    @overload
    def join(
        self,
        other: KStream[K, VT],
        joiner: Callable[[V, VT], V2],
        window: JoinWindows | Duration | None = None,
        joined: StreamJoined[K, V, VT] | None = None,
        *,
        with_key: bool | None = None,
        **keywords: Unpack[StreamJoinOptions],
    ) -> KStream[K, V2]: ...
    @overload
    def join(
        self,
        other: KStream[K, VT],
        joiner: Callable[[K, V, VT], V2],
        window: JoinWindows | Duration | None = None,
        joined: StreamJoined[K, V, VT] | None = None,
        *,
        with_key: bool | None = None,
        **keywords: Unpack[StreamJoinOptions],
    ) -> KStream[K, V2]: ...
    def join(self, *arguments: Any, **keywords: Any) -> KStream[K, Any]:
        """Join with a table, or with another stream within a window of time.

        With a table, each record is joined with the table's current value of its key; without one
        it is dropped. Only records of the stream give results, updates of the table do not. A
        versioned table is asked for the value at the record's time; with a `grace` records wait so
        long in stream time for it to catch up.

        With a stream, each record is joined with every record of the other that has the same key
        and a time within the window, whichever comes first. The result has the later time.

        Keys that may have changed go through a repartition topic first.

        Args:
            arguments: The other side, which must have as many partitions; `joiner(value, other)`
                or `joiner(key, value, other)`; for streams the `window`: how far apart two records
                may be, or `JoinWindows`; then the keywords as an object, `Joined` or
                `StreamJoined`.
            keywords: `with_key` says which of the two `joiner` is, where its parameters do not.
                `key`, `value`: type or serde where it is not known; `name`: names processors and
                repartition topics. `grace` is of versioned tables (KIP-923), or of streams, which
                also take `before`, `after` and the others of `StreamJoined`.
        """
        return self._join("join", *arguments, **keywords)

    @overload
    def left_join(
        self,
        table: GlobalKTable[Any, VT],
        joiner: Callable[[K, V, VT | None], V2],
        *,
        key_selector: KeySelector | None = None,
        with_key: bool | None = None,
        name: NameLike = None,
    ) -> KStream[K, V2]: ...
    @overload
    def left_join(
        self,
        table: GlobalKTable[Any, VT],
        joiner: Callable[[V, VT | None], V2],
        *,
        key_selector: KeySelector | None = None,
        with_key: bool | None = None,
        name: NameLike = None,
    ) -> KStream[K, V2]: ...
    @overload
    def left_join(
        self,
        table: KTable[K, VT],
        joiner: Callable[[V, VT | None], V2],
        joined: Joined[K, V, VT] | None = None,
        *,
        with_key: bool | None = None,
        key: SerdeLike[K] | None = None,
        value: SerdeLike[V] | None = None,
        grace: Duration | None = None,
        name: NameLike = None,
    ) -> KStream[K, V2]: ...
    @overload
    def left_join(
        self,
        table: KTable[K, VT],
        joiner: Callable[[K, V, VT | None], V2],
        joined: Joined[K, V, VT] | None = None,
        *,
        with_key: bool | None = None,
        key: SerdeLike[K] | None = None,
        value: SerdeLike[V] | None = None,
        grace: Duration | None = None,
        name: NameLike = None,
    ) -> KStream[K, V2]: ...
    @overload
    def left_join(
        self,
        other: KStream[K, VT],
        joiner: Callable[[V, VT | None], V2],
        window: JoinWindows | Duration | None = None,
        joined: StreamJoined[K, V, VT] | None = None,
        *,
        with_key: bool | None = None,
        **keywords: Unpack[StreamJoinOptions],
    ) -> KStream[K, V2]: ...
    @overload
    def left_join(
        self,
        other: KStream[K, VT],
        joiner: Callable[[K, V, VT | None], V2],
        window: JoinWindows | Duration | None = None,
        joined: StreamJoined[K, V, VT] | None = None,
        *,
        with_key: bool | None = None,
        **keywords: Unpack[StreamJoinOptions],
    ) -> KStream[K, V2]: ...
    def left_join(self, *arguments: Any, **keywords: Any) -> KStream[K, Any]:
        """Join as `join` does, but with None for the other value where there is none.

        With a stream, a record that found no match gives its result, at its own time, once stream
        time has passed the end of its window and the grace. Nothing is emitted while no records
        come.
        """
        return self._join("left_join", *arguments, **keywords)

    @overload
    def outer_join(
        self,
        other: KStream[K, VT],
        joiner: Callable[[V | None, VT | None], V2],
        window: JoinWindows | Duration | None = None,
        joined: StreamJoined[K, V, VT] | None = None,
        *,
        with_key: bool | None = None,
        **keywords: Unpack[StreamJoinOptions],
    ) -> KStream[K, V2]: ...
    @overload
    def outer_join(
        self,
        other: KStream[K, VT],
        joiner: Callable[[K, V | None, VT | None], V2],
        window: JoinWindows | Duration | None = None,
        joined: StreamJoined[K, V, VT] | None = None,
        *,
        with_key: bool | None = None,
        **keywords: Unpack[StreamJoinOptions],
    ) -> KStream[K, V2]: ...
    def outer_join(self, *arguments: Any, **keywords: Any) -> KStream[K, Any]:
        """Join two streams as `left_join` does, with None for either value where it has no match.

        Kafka has no outer join of a stream and a table, as updates of a table give no results.
        """
        return self._join("outer_join", *arguments, **keywords)

    def place_for_join(self, name: str | None, key: Any, value: Any) -> Place:
        """Return the place of a join's side, behind a repartition topic if it needs one.

        For operators, not for users.
        """
        place = self._place
        if not place.needs_repartition:
            return place
        made = new_repartition(place, name or place.name, key=key, value=value)
        # A second join without a name shares the topic of the first; Kafka does the same.
        if self._join_repartition is None or name is not None:
            place.dsl.plan.add(made, place.step)
            self._join_repartition = made
        return behind_repartition(place, self._join_repartition)

    def _join(
        self,
        method: str,
        other: Any,
        joiner: Callable[..., Any],
        *configs: Any,
        with_key: bool | None = None,
        **keywords: Any,
    ) -> KStream[K, Any]:
        """Find out what `other` is; `configs` and `keywords` depend on it."""
        if isinstance(other, KStreamJoins):
            window = configs[0] if configs else keywords.pop("window", None)
            given = configs[1] if len(configs) > 1 else keywords.pop("joined", None)
            windows = join_windows(
                window, *(keywords.pop(each, None) for each in ("before", "after", "grace"))
            )
            config = with_keywords(method, given, StreamJoined(), **keywords)
            return self._join_stream(method, other, joiner, windows, config, with_key)
        if isinstance(other, GlobalKTable) and method != "outer_join":
            return self._join_global(method, other, joiner, with_key, **keywords)
        if not isinstance(other, KTable) or method == "outer_join":
            takes = "KStream" if method == "outer_join" else "KStream, KTable or GlobalKTable"
            raise TopologyError(f"{method} takes a {takes}, got {type(other).__name__}")
        given = configs[0] if configs else keywords.pop("joined", None)
        joined = with_keywords(method, given, Joined(), **keywords)
        return self._join_table(method, other, joiner, joined, with_key)

    def _join_stream(
        self,
        method: str,
        other: KStreamJoins[K, Any],
        joiner: Callable[..., Any],
        windows: JoinWindows,
        config: StreamJoined[K, V, Any],
        with_key: bool | None,
    ) -> KStream[K, Any]:
        self._place.check_same_builder(method, other.place)
        keyed = takes_key(method, joiner, "joiner(value, other_value)", with_key)
        name = config.name
        left = self.place_for_join(name and f"{name}-left", config.key, config.value)
        right = other.place_for_join(name and f"{name}-right", config.key, config.other_value)
        left.dsl.plan.copartition(left.sources | right.sources)
        step = plan_stream_join((left, right), _KINDS[method], joiner, keyed, windows, config)
        return self._stream(
            left.at(
                step,
                key_serde=left.key_or_default(config.key) if config.key else left.key_serde,
                value_serde=inference.value_serde(joiner),
                sources=left.sources | right.sources,
                needs_repartition=False,
            )
        )

    def _join_table(
        self,
        method: str,
        table: KTable[K, Any],
        joiner: Callable[..., Any],
        config: Joined[K, V, Any],
        with_key: bool | None,
    ) -> KStream[K, Any]:
        self._place.check_same_builder(method, table.place)
        keyed = takes_key(method, joiner, "joiner(value, table_value)", with_key)
        left = method == "left_join"
        place = self._copartitioned_with(table, config)
        prefix = "KSTREAM-LEFTJOIN-" if left else "KSTREAM-JOIN-"
        processor = place.dsl.names.processor(prefix, config.name)
        getter = table.getter()
        stores = getter.stores
        operator = StreamTableJoin(getter, joiner, left=left, with_key=keyed)
        if config.grace is not None:
            buffer = record_buffer(processor, place, table.place.step, getter, config)
            operator, stores = replace(operator, buffer=buffer), (buffer, *stores)
        step = ProcessorPlan(processor, operator, stores, relaxed_join=left)
        place.dsl.plan.add(step, place.step)
        return self._stream(
            place.at(
                step,
                key_serde=place.key_or_default(config.key) if config.key else place.key_serde,
                value_serde=inference.value_serde(joiner),
                sources=place.sources | table.sources,
                needs_repartition=False,
            )
        )

    def _join_global(
        self,
        method: str,
        table: GlobalKTable[Any, Any],
        joiner: Callable[..., Any],
        with_key: bool | None,
        *,
        key_selector: KeySelector | None = None,
        name: NameLike = None,
    ) -> KStream[K, Any]:
        keyed = takes_key(method, joiner, "joiner(value, table_value)", with_key)
        if key_selector is not None:
            check_function(method, "key_selector(key, value)", key_selector)
        left, place = method == "left_join", self._place
        # Kafka calls the inner join so as well.
        processor = place.dsl.names.processor("KSTREAM-LEFTJOIN-", text_of(name))
        operator = StreamTableJoin(table.getter(), joiner, left, keyed, key_selector)
        step = ProcessorPlan(processor, operator, taken=place.value_serde, relaxed_join=left)
        place.dsl.plan.add(step, place.step)
        return self._stream(place.at(step, value_serde=inference.value_serde(joiner)))

    def _copartitioned_with(self, table: KTable[K, Any], config: Joined[K, V, Any]) -> Place:
        place = self.place_for_join(config.name, config.key, config.value)
        place.dsl.plan.copartition(place.sources | table.sources)
        return place
