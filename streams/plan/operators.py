"""What a topology is made of, as frozen data.

The DSL writes these values, and everything else reads them: `Topology.describe` prints them, the
engine compiles them, the TopologyTestDriver runs them. Nothing here runs, keeps state or knows a
broker.

A topology is a set of nodes that name their parents: sources read topics, processors carry one
operator, sinks write a topic. The names are those that Kafka Streams would give.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from aliran.serdes import Serde
from aliran.streams.plan.foreign_key_operators import ForeignKeyOperator
from aliran.streams.plan.window_operators import WindowOperator

if TYPE_CHECKING:
    from aliran.storage.state import RocksDBOptions
    from aliran.streams.store_suppliers import DslStoreSuppliers

AnyFunction: TypeAlias = Callable[..., Any]


# ---------------------------------------------------------------------------- operators: streams


@dataclass(frozen=True, slots=True)
class Filter:
    """Keep records for which `predicate(key, value)` is true (false where `negate`).

    Kafka: `KStreamFilter`.
    """

    predicate: AnyFunction
    negate: bool = False


@dataclass(frozen=True, slots=True)
class DropNullKeys:
    """Drop records without a key, in front of a repartition topic.

    Kafka: the `…-repartition-filter` processor. What it drops is not counted in `dropped-records`.
    """


@dataclass(frozen=True, slots=True)
class Map:
    """Replace the record by `mapper(key, value) -> (key, value)`. Kafka: `KStreamMap`."""

    mapper: AnyFunction


@dataclass(frozen=True, slots=True)
class MapValues:
    """Replace the value by `mapper(value)`, or `mapper(key, value)` where `with_key`.

    Kafka: `KStreamMapValues`.
    """

    mapper: AnyFunction
    with_key: bool = False


@dataclass(frozen=True, slots=True)
class FlatMap:
    """Replace the record by each pair of `mapper(key, value) -> iterable of (key, value)`."""

    mapper: AnyFunction


@dataclass(frozen=True, slots=True)
class FlatMapValues:
    """Replace the record by one for each value of `mapper(value)` or `mapper(key, value)`."""

    mapper: AnyFunction
    with_key: bool = False


@dataclass(frozen=True, slots=True)
class SelectKey:
    """Replace the key by `mapper(key, value)`. Kafka: the `KSTREAM-KEY-SELECT` processor."""

    mapper: AnyFunction


@dataclass(frozen=True, slots=True)
class Peek:
    """Call `action(key, value)` and forward the record unchanged."""

    action: AnyFunction


@dataclass(frozen=True, slots=True)
class ForEach:
    """Call `action(key, value)`; nothing is forwarded."""

    action: AnyFunction


@dataclass(frozen=True, slots=True)
class PassThrough:
    """Forward every record: what a merge or one arm of a branch is. Kafka: `PassThrough`."""


@dataclass(frozen=True, slots=True)
class Branch:
    """Forward each record to the first child whose predicate holds. Kafka: `KStreamBranch`.

    Attributes:
        predicates: `predicate(key, value)` of each arm, in order.
        children: The node name of each arm; one more than predicates where there is a default.
    """

    predicates: tuple[AnyFunction, ...]
    children: tuple[str, ...]


# ---------------------------------------------------------------------------- operators: tables


@dataclass(frozen=True, slots=True)
class TableSource:
    """Turn a topic into a table: drop null keys, put into `store` if there is one, forward.

    Kafka: `KTableSource`.
    """

    store: str | None


@dataclass(frozen=True, slots=True)
class StreamToTable:
    """The same for a stream (`to_table`). Kafka: `KSTREAM-TOTABLE`, a `KTableSource` inside."""

    store: str | None


@dataclass(frozen=True, slots=True)
class TableToStream:
    """Forward the table's updates as records, under `mapper(key, value)` where given."""

    mapper: AnyFunction | None = None


@dataclass(frozen=True, slots=True)
class TableFilter:
    """Forward updates that match, tombstones for those that do not. Kafka: `KTableFilter`."""

    predicate: AnyFunction
    negate: bool = False
    store: str | None = None


@dataclass(frozen=True, slots=True)
class TableMapValues:
    """Replace the value of each update, tombstones stay. Kafka: `KTableMapValues`."""

    mapper: AnyFunction
    with_key: bool = False
    store: str | None = None


@dataclass(frozen=True, slots=True)
class TableTransformValues:
    """Replace the value of each update by what a transformer of the user's makes of it.

    Deletions are transformed too. Kafka: `KTableTransformValues`.

    Attributes:
        name: Name of the processor.
        supplier: Makes a transformer for each task, and one for each operator that looks into
            the table where it is not stored.
        store: Name of the table's own store.
    """

    name: str
    supplier: Callable[[], Any]
    store: str | None = None


TableView: TypeAlias = TableFilter | TableMapValues | TableTransformValues
"""Tables that can be computed from the one in front when somebody looks into them."""


# ---------------------------------------------------------------------------- operators: state


@dataclass(frozen=True, slots=True)
class TimeWindows:
    """Tumbling (`advance_ms == size_ms`) or hopping windows; `[start, start + size_ms)`."""

    size_ms: int
    advance_ms: int
    grace_ms: int


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Aggregate per key, or per key and window where `windows` is given.

    Kafka: `KStreamAggregate`, `KStreamReduce`, `KStreamWindowAggregate`.

    Attributes:
        store: Name of the store that holds the aggregates.
        kind: `count` adds one a record; `reduce` calls `aggregator(aggregate, value)`, the first
            value being the first aggregate; `aggregate` calls `aggregator(key, value, aggregate)`
            on top of `initializer()`.
        late: Name of the node that records go to when all their windows are closed.
    """

    store: str
    kind: Literal["count", "reduce", "aggregate"]
    aggregator: AnyFunction | None = None
    initializer: AnyFunction | None = None
    windows: TimeWindows | None = None
    late: str | None = None


@dataclass(frozen=True, slots=True)
class TableGetter:
    """How others look into a table: a store, and the transforms of the views on top of it.

    `table.filter(f).map_values(g)` without a store of its own is computed at each look-up, as by
    Kafka's chained `KTableValueGetter`s. Transforms come in the order in which they apply.

    Attributes:
        store: Name of the store; empty where `joined` stands in its place.
        transforms: What views do to what is found.
        joined: A join of two tables that is not stored, computed from both.
        suppressed: A table whose updates are held back.
    """

    store: str
    transforms: tuple[TableView, ...] = ()
    joined: JoinedGetter | None = None
    suppressed: SuppressedGetter | None = None

    @property
    def stores(self) -> tuple[str, ...]:
        """Names of all stores that a look-up reads, in the order of the tables."""
        if self.suppressed is not None:
            return (self.suppressed.buffer, *self.suppressed.table.stores)
        if self.joined is None:
            return (self.store,)
        return tuple(dict.fromkeys((*self.joined.left.stores, *self.joined.right.stores)))


@dataclass(frozen=True, slots=True)
class SuppressedGetter:
    """A suppressed table: keys that are held back have the value that they had before.

    Kafka: the view of `KTableSuppressProcessorSupplier`.
    """

    buffer: str
    table: TableGetter


TableJoinKind: TypeAlias = Literal["inner", "left", "outer"]


@dataclass(frozen=True, slots=True)
class JoinedGetter:
    """A join of two tables, looked up in both. Kafka: `KTableKTable…ValueGetter`."""

    left: TableGetter
    right: TableGetter
    joiner: AnyFunction
    kind: TableJoinKind


@dataclass(frozen=True, slots=True)
class TableJoin:
    """One side of a join of two tables by key: joins each update with the other side's value.

    Kafka: `KTableKTableInnerJoin`, `…LeftJoin`, `…RightJoin`, `…OuterJoin`.

    Attributes:
        other: How to look into the other table.
        joiner: `joiner(left value, right value)`.
        kind: Which join.
        is_left: Whether the updates are those of the left table.
    """

    other: TableGetter
    joiner: AnyFunction
    kind: TableJoinKind
    is_left: bool


@dataclass(frozen=True, slots=True)
class TableMerge:
    """Forward the results of both sides of a join, through a store if there is one.

    Kafka: `KTableKTableJoinMerger`.
    """

    store: str | None = None


@dataclass(frozen=True, slots=True)
class TableSelect:
    """Give each update of a table another key and value, in front of a repartition topic.

    `mapper(key, value) -> (key, value)` is asked for the old and for the new value; what comes out
    are `Change` objects. Kafka: `KTableRepartitionMap`.
    """

    mapper: AnyFunction


@dataclass(frozen=True, slots=True)
class TableAggregate:
    """Aggregate the rows of a grouped table: take the old value out, put the new one in.

    Kafka: `KTableAggregate`, `KTableReduce`.

    Attributes:
        store: Name of the store that holds the aggregates.
        kind: `count`; `reduce` calls `adder(aggregate, value)` and `subtractor(aggregate, value)`;
            `aggregate` calls both as `f(key, value, aggregate)` on top of `initializer()`.
    """

    store: str
    kind: Literal["count", "reduce", "aggregate"]
    adder: AnyFunction | None = None
    subtractor: AnyFunction | None = None
    initializer: AnyFunction | None = None


@dataclass(frozen=True, slots=True)
class StreamTableJoin:
    """Join each record with the table's value of its key. Kafka: `KStreamKTableJoin`.

    That is the current value, or of a versioned table the one at the record's time.

    `joiner(value, table_value)`, or `joiner(key, value, table_value)` where `with_key`; a left
    join calls it with None where the table has nothing.

    Attributes:
        key_selector: `key_selector(key, value)` gives the table's key (global tables only); None
            for the record's own.
        buffer: Name of the store where records wait for a grace; None where they do not.
    """

    table: TableGetter
    joiner: AnyFunction
    left: bool = False
    with_key: bool = False
    key_selector: AnyFunction | None = None
    buffer: str | None = None


@dataclass(frozen=True, slots=True)
class JoinWindows:
    """How far apart in time two records may be: from `before_ms` before to `after_ms` after.

    Seen from a record of the left stream at time t, those of the right stream between
    t - before_ms and t + after_ms match, both inclusive. One of the two may be negative.

    Attributes:
        grace_ms: How long after its window has ended a record without a match is waited for.
    """

    before_ms: int
    after_ms: int
    grace_ms: int

    @property
    def size_ms(self) -> int:
        """The length of the window."""
        return self.before_ms + self.after_ms


@dataclass(frozen=True, slots=True)
class JoinWindow:
    """Forward each record to the join, then remember it for the other side.

    Kafka: `KStreamJoinWindow`.

    Attributes:
        store: Name of the window store; it keeps duplicates.
    """

    store: str


@dataclass(frozen=True, slots=True)
class StreamJoin:
    """One side of a join of two streams. Kafka: `KStreamKStreamJoin`.

    `joiner(left value, right value)`, or `joiner(key, left value, right value)` where `with_key`.

    Attributes:
        windows: As the user gave them, seen from the left stream.
        is_left: Whether the records are those of the left stream.
        outer: Whether a record without a match gives a result, with None for the other value.
        own_store: The window store that remembers this side.
        other_store: The window store to look into.
        unmatched_store: Where records wait whose match may still come; None for inner joins.
    """

    joiner: AnyFunction
    with_key: bool
    windows: JoinWindows
    is_left: bool
    outer: bool
    own_store: str
    other_store: str
    unmatched_store: str | None = None


@dataclass(frozen=True, slots=True)
class SelfJoin:
    """A join of a stream with itself that needs one store. Kafka: `KStreamKStreamSelfJoin`.

    Attributes:
        store: The window store that remembers the stream.
        joiner: As of `StreamJoin`.
        with_key: As of `StreamJoin`.
        windows: As of `StreamJoin`.
    """

    store: str
    joiner: AnyFunction
    with_key: bool
    windows: JoinWindows


@dataclass(frozen=True, slots=True)
class Custom:
    """A processor of the user's, made anew for each task by `supplier()`.

    Kafka: `KStream.process` / `processValues` (`fixed_key`), `Topology.addProcessor`.
    """

    supplier: Callable[[], Any]
    fixed_key: bool = False


Operator: TypeAlias = (
    Filter
    | DropNullKeys
    | Map
    | MapValues
    | FlatMap
    | FlatMapValues
    | SelectKey
    | Peek
    | ForEach
    | PassThrough
    | Branch
    | TableSource
    | StreamToTable
    | TableToStream
    | TableFilter
    | TableMapValues
    | TableTransformValues
    | TableJoin
    | TableMerge
    | TableSelect
    | TableAggregate
    | ForeignKeyOperator
    | Aggregate
    | StreamTableJoin
    | JoinWindow
    | StreamJoin
    | SelfJoin
    | Custom
    | WindowOperator
)


# ---------------------------------------------------------------------------- nodes


@dataclass(frozen=True, slots=True)
class SourceNode:
    """Reads topics. A topic of `Topology.repartition_topics` is written without its prefix.

    Attributes:
        timestamp_extractor: `extract(record: ConsumerRecord, partition_time: int) -> int`, None
            for the application's default.
        offset_reset: Where to begin without a committed offset; None for the application's
            default (`earliest`).
        is_global: Whether every instance reads all partitions, into a store that all its tasks
            read.
        pattern: What it reads instead of topics with fixed names; `topics` are then those that
            match by now, none before the topology runs. See `streams/plan/patterns.py`.
    """

    name: str
    topics: tuple[str, ...]
    key_serde: Serde[Any] | None = None
    value_serde: Serde[Any] | None = None
    timestamp_extractor: AnyFunction | None = None
    offset_reset: Literal["earliest", "latest"] | None = None
    is_global: bool = False
    pattern: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class ProcessorNode:
    """Carries one operator.

    Attributes:
        stores: The names of the stores it is connected to.
        sends_old_values: Whether a table's node forwards the value before each update as well;
            see `KTable.send_old_values`.
        versioned: Whether it gives a versioned table: its updates say whether they are the latest
            of their key, and joins and groups leave out those that are not (KIP-914).
    """

    name: str
    operator: Operator
    parents: tuple[str, ...]
    stores: tuple[str, ...] = ()
    sends_old_values: bool = False
    versioned: bool = False


@dataclass(frozen=True, slots=True)
class SinkNode:
    """Writes a topic, or the topic that `topic(key, value, context)` names for each record.

    Attributes:
        partitioner: `partitioner(topic, key, value, partition_count) -> int | None`; None for
            Kafka's (murmur2 of the serialised key, of the inner key where it is windowed).
    """

    name: str
    topic: str | AnyFunction
    parents: tuple[str, ...]
    key_serde: Serde[Any] | None = None
    value_serde: Serde[Any] | None = None
    partitioner: AnyFunction | None = None


Node: TypeAlias = SourceNode | ProcessorNode | SinkNode


StoreKind: TypeAlias = Literal[
    "key-value",
    "timestamped",
    "lru",
    "timestamped-lru",
    "versioned",
    "window",
    "timestamped-window",
    "session",
    "unmatched",
    "change-buffer",
    "record-buffer",
]
"""What a store holds.

- `key-value`: plain values by key; `timestamped` adds the record's time (what the DSL uses); `lru`
  and `timestamped-lru` keep only the `max_entries` that were used last, in memory.
- `versioned`: values by key with the times from and to which they hold.
- `window`: values by key and window start, timestamped where an aggregation writes them;
  `timestamped-window`: timestamped always. `session`: values by key, session start and end.
- `unmatched`: records of a stream-stream join whose match may still come, by time, side and key.
- `change-buffer`: what `suppress` holds back; `record-buffer`: what a stream-table join with grace
  holds back.
"""


@dataclass(frozen=True, slots=True)
class StoreSpec:
    """A state store of each task that holds one of `users`. Kafka: `StoreBuilder`.

    Attributes:
        kind: See `StoreKind`.
        persistent: On RocksDB, else in memory.
        logging: Whether updates go to a changelog topic.
        caching: Whether updates are held back until commit; None for the application's default.
        changelog_config: Topic settings on top of the defaults, by Kafka's dotted names.
        changelog_topic: Name of a topic that serves as changelog instead of one of our own (the
            source topic of a table with topology optimisation); None normally.
        retention_ms: How long windows and sessions are kept; for `versioned` stores, how long
            ago one may ask for.
        window_size_ms: Size of the windows (window stores only).
        retain_duplicates: Keep all values of a key and window start (window stores only).
        segment_interval_ms: Time span of what expires together; None for Kafka's choice.
        time_ordered: For results that are emitted when windows close: such a store on RocksDB
            shows windows one millisecond longer than others do.
        max_entries: How many entries the `lru` kinds keep.
        rocksdb_options: Settings of RocksDB for this store; None for the application's.
        opener: `opener(spec, database)` makes a store of the user's own, which does what the bytes
            store of this kind does; None for ours.
        replaceable: Whether the DSL chose where it lives, so that `suppliers` may choose otherwise.
        suppliers: What the operator was told to choose by; None for the application's.
        ttl_ms: How long after its last update a row vanishes; None for never.
    """

    name: str
    kind: StoreKind
    key_serde: Serde[Any] | None = None
    value_serde: Serde[Any] | None = None
    persistent: bool = True
    logging: bool = True
    caching: bool | None = None
    changelog_config: Mapping[str, str] = field(default_factory=dict)
    changelog_topic: str | None = None
    retention_ms: int = 0
    window_size_ms: int = 0
    retain_duplicates: bool = False
    segment_interval_ms: int | None = None
    time_ordered: bool = False
    max_entries: int = 0
    rocksdb_options: RocksDBOptions | None = None
    opener: AnyFunction | None = None
    replaceable: bool = False
    suppliers: DslStoreSuppliers | None = None
    ttl_ms: int | None = None


@dataclass(frozen=True, slots=True)
class RepartitionTopic:
    """An internal topic between two sub-topologies; its full name is `<application id>-<name>`.

    Attributes:
        name: Ends in `-repartition`.
        partitions: What the user demanded, or None: as many as the sub-topology's other topics.
    """

    name: str
    partitions: int | None = None


@dataclass(frozen=True, slots=True)
class Subtopology:
    """Nodes connected by parents or stores; a task is one of these times one partition."""

    id: int
    nodes: tuple[Node, ...]

    @property
    def sources(self) -> Sequence[SourceNode]:
        """The source nodes, in order of their definition."""
        return [node for node in self.nodes if isinstance(node, SourceNode)]
