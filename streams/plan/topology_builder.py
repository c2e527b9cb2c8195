"""Builds a `Topology` node by node, and refuses what cannot work."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from aliran.serdes import serde_for
from aliran.streams.dsl.functions import check_function, check_partitioner, check_reading
from aliran.streams.errors import TopologyError
from aliran.streams.plan.java_sets import hash_set_order
from aliran.streams.plan.naming import check_name
from aliran.streams.plan.operators import (
    AnyFunction,
    Custom,
    Node,
    ProcessorNode,
    RepartitionTopic,
    SinkNode,
    SourceNode,
    StoreSpec,
)
from aliran.streams.plan.patterns import check_pattern, overlap
from aliran.streams.plan.topology import Topology, copartition_groups, parents_of

if TYPE_CHECKING:
    from typing import Unpack

    from aliran.serdes import SerdeLike
    from aliran.streams.plan.describe import TopologyDescription


class SourceOptions(TypedDict, total=False):
    """How a source reads; see `TopologyBuilder.add_source`."""

    key: SerdeLike[Any] | None
    value: SerdeLike[Any] | None
    timestamp_extractor: AnyFunction | None
    offset_reset: Literal["earliest", "latest"] | None


class TopologyBuilder:
    """Makes a topology by hand. Kafka: `Topology`.

    >>> builder = TopologyBuilder()
    >>> _ = builder.add_source("in", "words", value=str).add_sink("out", "copy", "in", value=str)
    >>> builder.build().source_topics
    ('words',)
    """

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._stores: dict[str, StoreSpec] = {}
        self._topic_readers: dict[str, str] = {}
        self._patterns: dict[str, re.Pattern[str]] = {}
        self._repartition_topics: dict[str, RepartitionTopic] = {}
        self._copartitioned_sources: list[frozenset[str]] = []

    def add_source(
        self,
        name: str,
        *topics: str,
        pattern: re.Pattern[str] | None = None,
        **reading: Unpack[SourceOptions],
    ) -> TopologyBuilder:
        """Add a node that reads `topics`, or all topics whose names match `pattern`.

        Args:
            name: Name of the node.
            topics: One topic or several.
            pattern: What the whole name of a topic has to match; see `streams/plan/patterns.py`.
            reading: `key` and `value`: type or serde of keys and values; None leaves it to the
                application's default. `timestamp_extractor`: `extract(record, partition_time)`, see
                `TimestampExtractor`. `offset_reset`: where to begin without a committed offset;
                None for the default.

        Raises:
            TopologyError: The name is taken, a topic is illegal or already read, or the pattern
                matches one that is.
        """
        check_reading(reading.get("timestamp_extractor"), reading.get("offset_reset"))
        key, value = reading.get("key"), reading.get("value")
        return self.add_node(
            SourceNode(
                name,
                topics,
                None if key is None else serde_for(key),
                None if value is None else serde_for(value),
                reading.get("timestamp_extractor"),
                reading.get("offset_reset"),
                pattern=pattern,
            )
        )

    def add_processor(
        self, name: str, supplier: Callable[[], Any], *parents: str, fixed_key: bool = False
    ) -> TopologyBuilder:
        """Add a processor that `supplier()` makes for each task.

        Args:
            name: Name of the node.
            supplier: Called without arguments; a `Processor` class will do. Stores that its
                `stores()` returns are added and connected.
            parents: The nodes that forward to it.
            fixed_key: Whether it makes `FixedKeyProcessor` objects.

        Raises:
            TopologyError: The name is taken, a parent is missing, or `supplier` needs arguments.
        """
        check_function("add_processor", "supplier()", supplier)
        self.add_node(ProcessorNode(name, Custom(supplier, fixed_key), parents))
        for store in supplied_stores(supplier):
            self.add_state_store(store, name)
        return self

    def add_sink(
        self,
        name: str,
        topic: str | AnyFunction,
        *parents: str,
        key: SerdeLike[Any] | None = None,
        value: SerdeLike[Any] | None = None,
        partitioner: AnyFunction | None = None,
    ) -> TopologyBuilder:
        """Add a node that writes a topic.

        Args:
            name: Name of the node.
            topic: The topic, or `topic(key, value, context)` to choose it for each record.
            parents: The nodes that forward to it.
            key: Type or serde of the keys; None leaves it to the application's default.
            value: Type or serde of the values; as above.
            partitioner: `partitioner(topic, key, value, partition_count)`; None for Kafka's.

        Raises:
            TopologyError: The name is taken, a parent is missing, or the topic is illegal.
        """
        if not isinstance(topic, str):
            check_function("add_sink", "topic(key, value, context)", topic)
        check_partitioner("add_sink", partitioner)
        return self.add_node(
            SinkNode(
                name,
                topic,
                parents,
                None if key is None else serde_for(key),
                None if value is None else serde_for(value),
                partitioner,
            )
        )

    def add_state_store(self, store: StoreSpec, *processors: str) -> TopologyBuilder:
        """Add a store and connect `processors` to it; the same store may be added again.

        Raises:
            TopologyError: Another store has its name, or a processor does not exist.
        """
        require_store("add_state_store", store)
        known = self._stores.setdefault(check_name(store.name, "store name"), store)
        if known != store:
            raise TopologyError(
                f"a different store named {store.name!r} was added before: give one another name"
            )
        for processor in processors:
            self.connect_processor_and_state_stores(processor, store.name)
        return self

    def add_global_store(
        self,
        store: StoreSpec,
        source: str,
        topic: str,
        processor: str,
        supplier: Callable[[], Any],
        *,
        key: SerdeLike[Any] | None = None,
        value: SerdeLike[Any] | None = None,
    ) -> TopologyBuilder:
        """Add a store that a processor fills from all partitions of a topic, in each instance.

        Args:
            store: The store; it has no changelog but the topic.
            source: Name of the node that reads.
            topic: The topic; nothing else may read it.
            processor: Name of the processor.
            supplier: Makes the processor; a `Processor` class will do.
            key: Type or serde of the keys; None leaves it to the application's default.
            value: Type or serde of the values; as above.

        Raises:
            TopologyError: A name is taken, or the topic is read already.
        """
        require_store("add_global_store", store)
        check_function("add_global_store", "supplier()", supplier)
        if store.name in self._stores:
            raise TopologyError(f"there is already a store named {store.name!r}")
        self.add_source(source, topic, key=key, value=value)
        node = self._nodes[source]
        if isinstance(node, SourceNode):
            self._nodes[source] = replace(node, is_global=True)
        self.add_state_store(replace(store, logging=False, caching=False, changelog_config={}))
        return self.add_node(ProcessorNode(processor, Custom(supplier), (source,), (store.name,)))

    def add_read_only_state_store(
        self,
        store: StoreSpec,
        source: str,
        topic: str,
        processor: str,
        supplier: Callable[[], Any],
        **reading: Unpack[SourceOptions],
    ) -> TopologyBuilder:
        """Add a store that restores from a topic which somebody else writes. Kafka: KIP-813.

        The processor puts what it gets into the store as it is, so that the store is the same
        after it was restored. Other processors may be connected to it, to read.

        Args:
            store: What `Stores` makes; its changelog is the topic.
            source: Name of the node that reads the topic.
            topic: The topic; best a compacted one.
            processor: Name of the node that keeps the store up to date.
            supplier: Makes its `Processor` for each task.
            reading: See `add_source`.

        Raises:
            TopologyError: A name is taken, the topic is illegal or already read, or `supplier`
                needs arguments.
        """
        require_store("add_read_only_state_store", store)
        self.add_source(source, topic, **reading)
        self.add_processor(processor, supplier, source)
        spec = replace(store, logging=True, changelog_topic=topic, changelog_config={})
        return self.add_state_store(spec, processor)

    def connect_processor_and_state_stores(self, processor: str, *stores: str) -> TopologyBuilder:
        """Let `processor` use `stores`, which were added before.

        Raises:
            TopologyError: The processor or a store does not exist, or it is no processor.
        """
        node = self._nodes.get(check_name(processor))
        if not isinstance(node, ProcessorNode):
            found = "there is no such node" if node is None else f"it is a {type(node).__name__}"
            raise TopologyError(f"cannot connect stores to {processor!r}: {found}")
        self._require_stores(processor, stores)
        self._nodes[processor] = replace(node, stores=_union(node.stores, stores))
        return self

    def add_node(self, node: Node) -> TopologyBuilder:
        """Add a node made by hand or by the DSL.

        Raises:
            TopologyError: The name is taken, or what the node refers to is missing or illegal.
        """
        check_name(node.name)
        if node.name in self._nodes:
            raise TopologyError(f"there is already a node named {node.name!r}: names are unique")
        if isinstance(node, SourceNode):
            self._register_topics(node)
        else:
            self._require_parents(node)
        if isinstance(node, SinkNode) and isinstance(node.topic, str):
            check_name(node.topic, "topic name")
        if isinstance(node, ProcessorNode):
            self._require_stores(node.name, node.stores)
            if isinstance(node.operator, Custom):
                require_new_objects(node.name, node.operator.supplier)
        self._nodes[node.name] = node
        return self

    def add_repartition_topic(self, topic: RepartitionTopic) -> TopologyBuilder:
        """Declare a topic internal: the application creates it under its own prefix."""
        self._repartition_topics[topic.name] = topic
        return self

    def copartition(self, sources: Iterable[str]) -> TopologyBuilder:
        """Demand equal numbers of partitions of all topics that these source nodes read."""
        group = frozenset(sources)
        if group not in self._copartitioned_sources:
            self._copartitioned_sources.append(group)
        return self

    def build(self) -> Topology:
        """Return the topology as it stands; the builder may go on.

        Raises:
            TopologyError: There is no source, so nothing would ever run.
        """
        nodes = tuple(self._nodes.values())
        if not any(isinstance(node, SourceNode) for node in nodes):
            raise TopologyError(
                "the topology has no source: begin with stream(), table() or source"
            )
        # In the order in which Kafka's tasks find them, which is the order of cache flushes.
        used = dict.fromkeys(
            store
            for node in nodes
            if isinstance(node, ProcessorNode)
            for store in hash_set_order(node.stores)
        )
        return Topology(
            nodes=nodes,
            stores=tuple(self._stores[name] for name in used),
            repartition_topics=tuple(self._repartition_topics.values()),
            copartition_groups=copartition_groups(nodes, self._copartitioned_sources),
            copartitioned_sources=tuple(self._copartitioned_sources),
        )

    def describe(self) -> TopologyDescription:
        """Return the description of the topology as it stands."""
        return self.build().describe()

    def _register_topics(self, node: SourceNode) -> None:
        if node.pattern is not None:
            self._register_pattern(node, node.pattern)
            return
        if not node.topics:
            raise TopologyError(f"source {node.name!r} has no topic: name one or several")
        for topic in node.topics:
            check_name(topic, "topic name")
            for other, pattern in self._patterns.items():
                if topic not in self._repartition_topics:  # which patterns never match
                    overlap(other, pattern, {topic: node.name})
            reader = self._topic_readers.get(topic)
            if reader is not None:
                raise TopologyError(
                    f"topic {topic!r} is already read by {reader!r}, {node.name!r} cannot read it "
                    "too: use the stream or table made first, or stream(...).to_table()"
                )
        self._topic_readers.update(dict.fromkeys(node.topics, node.name))

    def _register_pattern(self, node: SourceNode, pattern: re.Pattern[str]) -> None:
        check_pattern(f"source {node.name!r}", pattern)
        if node.topics:
            raise TopologyError(f"source {node.name!r} takes topics or a pattern, not both")
        readers = {
            topic: name
            for topic, name in self._topic_readers.items()
            if topic not in self._repartition_topics and not _is_global(self._nodes.get(name))
        }
        overlap(node.name, pattern, readers)
        self._patterns[node.name] = pattern

    def _require_parents(self, node: Node) -> None:
        parents = parents_of(node)
        if not parents:
            raise TopologyError(f"{node.name!r} has no parent: name the nodes that forward to it")
        for parent in parents:
            found = self._nodes.get(check_name(parent, "name of a parent"))
            if found is None:
                raise TopologyError(f"{node.name!r} has an unknown parent {parent!r}: add it first")
            if isinstance(found, SinkNode):
                raise TopologyError(f"{parent!r} is a sink, {node.name!r} cannot follow it")

    def _require_stores(self, processor: str, stores: Iterable[str]) -> None:
        for store in stores:
            if check_name(store, "store name") not in self._stores:
                known = ", ".join(self._stores) or "none"
                raise TopologyError(
                    f"{processor!r} uses the store {store!r}, which was not added; "
                    f"call add_state_store() first. Stores: {known}"
                )


def require_new_objects(node: str, supplier: Callable[[], Any]) -> None:
    """Refuse a supplier that gives one object again and again: each task needs its own.

    It is asked twice, as by Kafka; what it raises, or that what it gives is no processor, is told
    when a task is made.

    Raises:
        TopologyError: Both answers are the same object.
    """
    if isinstance(supplier, type):
        return
    try:
        one, two = supplier(), supplier()
    except Exception:
        return
    if one is two and callable(getattr(one, "process", None)) and not isinstance(one, type):
        raise TopologyError(
            f"processor {node!r}: its supplier gives the same object each time, which tasks would "
            "share: pass the class, or a function that makes a new one"
        )


def supplied_stores(supplier: Any) -> tuple[StoreSpec, ...]:
    """Return the stores that a supplier brings along. Kafka: `ConnectedStoreProvider`.

    A supplier is asked by a `stores()` that needs no instance: of an object, or a static or class
    method of a processor class.
    """
    stores = getattr(supplier, "stores", None)
    if stores is None or not callable(stores):
        return ()
    check_function("stores", "stores()", stores)
    return tuple(stores())


def _is_global(node: Node | None) -> bool:
    return isinstance(node, SourceNode) and node.is_global


def _union(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))


def require_store(method: str, store: object) -> None:
    """Refuse what is no store.

    Raises:
        TopologyError: It is something else, such as the name of a store.
    """
    if not isinstance(store, StoreSpec):
        raise TopologyError(f"{method} takes what Stores makes, got {store!r}")
