"""Joins of two streams: how the DSL plans them. Kafka: `KStreamImplJoin`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypedDict, TypeVar

from aliran.serdes import Serde, SerdeLike, serde_for
from aliran.streams.dsl.config_objects import NameLike
from aliran.streams.dsl.join_serdes import UnmatchedKeySerde, UnmatchedValuesSerde
from aliran.streams.errors import TopologyError
from aliran.streams.plan.graph import PlanNode, ProcessorPlan
from aliran.streams.plan.naming import check_name
from aliran.streams.plan.operators import (
    AnyFunction,
    JoinWindow,
    JoinWindows,
    PassThrough,
    ProcessorNode,
    StoreSpec,
    StreamJoin,
)

if TYPE_CHECKING:
    from aliran.core.durations import Duration
    from aliran.streams.dsl.places import Place
    from aliran.streams.plan.topology_builder import TopologyBuilder

K = TypeVar("K")
V = TypeVar("V")
VO = TypeVar("VO")

StreamJoinKind: TypeAlias = Literal["inner", "left", "outer"]


@dataclass(frozen=True, kw_only=True)
class StreamJoined(Generic[K, V, VO]):
    """How two streams are joined. Kafka: `StreamJoined`.

    Attributes:
        key: Type or serde of the keys.
        value: Type or serde of this stream's values.
        other_value: Type or serde of the other stream's values.
        name: Names the processors and, with `-left-repartition` and `-right-repartition` behind
            it, the repartition topics.
        store: Names the stores, with `-this-join-store`, `-other-join-store` and the like behind.
        persistent: Stores on RocksDB (default), else in memory.
        logging: Whether the stores have changelogs (default).
        changelog_config: Topic settings of the changelogs, by Kafka's dotted names.
        this_store: A window store of your own for this stream; it must keep duplicates, and its
            window size and retention must be those of the join.
        other_store: The same for the other stream.
    """

    key: SerdeLike[K] | None = None
    value: SerdeLike[V] | None = None
    other_value: SerdeLike[VO] | None = None
    name: str | None = None
    store: str | None = None
    persistent: bool | None = None
    logging: bool | None = None
    changelog_config: Mapping[str, str] | None = None
    this_store: StoreSpec | None = None
    other_store: StoreSpec | None = None


class StreamJoinOptions(TypedDict, total=False):
    """The keywords of a join of two streams, beside those that say which it is.

    `before` and `after` set one side of the window, `grace` says how long to wait for late records;
    the others are explained at `StreamJoined`.
    """

    before: Duration
    after: Duration
    grace: Duration
    key: Any
    value: Any
    other_value: Any
    name: NameLike
    store: str
    persistent: bool
    logging: bool
    changelog_config: Mapping[str, str]
    this_store: StoreSpec
    other_store: StoreSpec


@dataclass(eq=False)
class StreamJoinPlan(PlanNode):
    """Both sides of a join and what merges them; it is named by the latter.

    Its parents are the streams, not the processors that remember them: two that are one and the
    same make it a self-join.

    Attributes:
        left: The side of this stream, complete but for what the builder checks.
        right: The side of the other stream.
    """

    left: ProcessorNode
    right: ProcessorNode

    def names(self) -> Iterable[str]:
        """Return the names of both sides and the merge."""
        return (self.left.name, self.right.name, self.name)

    def write(self, builder: TopologyBuilder) -> None:
        """Write both sides and the merge."""
        builder.add_node(self.left)
        builder.add_node(self.right)
        builder.add_node(ProcessorNode(self.name, PassThrough(), (self.left.name, self.right.name)))


def plan_stream_join(
    places: tuple[Place, Place],
    kind: StreamJoinKind,
    joiner: AnyFunction,
    with_key: bool,
    windows: JoinWindows,
    config: StreamJoined[Any, Any, Any],
) -> StreamJoinPlan:
    """Add a join behind two places, which are behind their repartition topics, if any.

    Raises:
        TopologyError: A name is taken, or a store of the user's does not fit.
    """
    left, right = places
    names, plan = left.dsl.names, left.dsl.plan

    def named(prefix: str, suffix: str) -> str:
        return names.processor(prefix, None if config.name is None else config.name + suffix)

    this_end = "-outer-this-join" if kind == "outer" else "-this-join"
    other_end = "-other-join" if kind == "inner" else "-outer-other-join"
    windowed = (
        named("KSTREAM-WINDOWED-", "-this-windowed"),
        named("KSTREAM-WINDOWED-", "-other-windowed"),
    )
    # Stores have generated names even where the processors have others.
    drawn = (
        names.processor("KSTREAM-OUTERTHIS-" if kind == "outer" else "KSTREAM-JOINTHIS-"),
        names.processor("KSTREAM-JOINOTHER-" if kind == "inner" else "KSTREAM-OUTEROTHER-"),
    )
    sides = tuple(
        each if config.name is None else check_name(config.name + end)
        for each, end in zip(drawn, (this_end, other_end), strict=True)
    )
    merge = named("KSTREAM-MERGE-", "-merge")
    serdes = _serdes(places, config)
    bases = drawn if config.store is None else (config.store + this_end, config.store + other_end)
    stores = (
        _side_store(config, config.this_store, bases[0], windows, (serdes[0], serdes[1])),
        _side_store(config, config.other_store, bases[1], windows, (serdes[0], serdes[2])),
    )
    if stores[0].name == stores[1].name:
        raise TopologyError(
            f"both stores of a join are named {stores[0].name!r}: give one another name"
        )
    unmatched = None
    if kind != "inner":
        unmatched = _unmatched_store(config, drawn[0], kind, serdes)
        plan.add_own_store(unmatched)
    for name, place, store in zip(windowed, places, stores, strict=True):
        plan.add_own_store(store)
        plan.add(ProcessorPlan(name, JoinWindow(store.name), (store.name,)), place.step)

    def side(is_left: bool) -> ProcessorNode:
        own, other = stores if is_left else stores[::-1]
        outer = kind == "outer" or (kind == "left" and is_left)
        shared = None if unmatched is None else unmatched.name
        operator = StreamJoin(
            joiner, with_key, windows, is_left, outer, own.name, other.name, shared
        )
        index = 0 if is_left else 1
        used = (other.name,) if shared is None else (other.name, shared)
        return ProcessorNode(sides[index], operator, (windowed[index],), used)

    step = StreamJoinPlan(merge, left=side(True), right=side(False), relaxed_join=kind != "inner")
    plan.add(step, left.step, right.step)
    return step


def _serdes(
    places: tuple[Place, Place], config: StreamJoined[Any, Any, Any]
) -> tuple[Serde[Any], Serde[Any], Serde[Any]]:
    """Return the serdes of keys, of this stream's values and of the other's."""
    left, right = places
    if config.key is not None:
        key = serde_for(config.key)
    else:
        key = left.key_serde or right.key_serde or left.key_or_default()
    return key, left.value_or_default(config.value), right.value_or_default(config.other_value)


def _side_store(
    config: StreamJoined[Any, Any, Any],
    given: StoreSpec | None,
    base: str,
    windows: JoinWindows,
    serdes: tuple[Serde[Any], Serde[Any]],
) -> StoreSpec:
    """Return the window store of one side."""
    retention = windows.size_ms + windows.grace_ms
    if given is not None:
        _check_given(given, windows.size_ms, retention)
        return replace(given, key_serde=serdes[0], value_serde=serdes[1], caching=False)
    return replace(
        _store(config, StoreSpec(f"{base}-store", "window", *serdes)),
        # Whatever the user says: compaction would drop what must not be lost.
        changelog_config={**(config.changelog_config or {}), "cleanup.policy": "delete"},
        retention_ms=retention,
        window_size_ms=windows.size_ms,
        retain_duplicates=True,
    )


def _unmatched_store(
    config: StreamJoined[Any, Any, Any],
    drawn: str,
    kind: StreamJoinKind,
    serdes: tuple[Serde[Any], Serde[Any], Serde[Any]],
) -> StoreSpec:
    """Return the store where records of both sides wait for a match."""
    end = "-outer-shared-join" if kind == "outer" else "-left-shared-join"
    persistent = config.persistent
    if config.this_store is not None:
        base = config.this_store.name + end
        persistent = config.this_store.persistent if persistent is None else persistent
    elif config.store is not None:
        base = config.store + end
    else:
        base = "KSTREAM-OUTERSHARED-" + drawn.rsplit("-", 1)[1]
    key, left, right = serdes
    spec = StoreSpec(
        f"{base}-store", "key-value", UnmatchedKeySerde(key), UnmatchedValuesSerde(left, right)
    )
    made = _store(config, spec)
    return replace(made, persistent=persistent is not False, replaceable=persistent is None)


def _store(config: StreamJoined[Any, Any, Any], spec: StoreSpec) -> StoreSpec:
    changelog_config = dict(config.changelog_config or {})
    if changelog_config and config.logging is False:
        raise TopologyError(
            f"store {spec.name!r} has logging=False, so changelog_config has nothing to configure"
        )
    return replace(
        spec,
        name=check_name(spec.name, "store name"),
        persistent=config.persistent is not False,
        replaceable=config.persistent is None,
        logging=config.logging is not False,
        caching=False,
        changelog_config=changelog_config,
    )


def _check_given(given: StoreSpec, size_ms: int, retention_ms: int) -> None:
    if given.kind != "window" or not given.retain_duplicates:
        raise TopologyError(
            f"store {given.name!r} cannot serve a join of two streams: it must be a window store "
            "that keeps duplicates (retain_duplicates=True)"
        )
    if (given.window_size_ms, given.retention_ms) != (size_ms, retention_ms):
        raise TopologyError(
            f"store {given.name!r} has windows of {given.window_size_ms} ms kept for "
            f"{given.retention_ms} ms; this join needs window_size={size_ms} (before and after) "
            f"and retention={retention_ms} (and grace)"
        )
