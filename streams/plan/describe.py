"""Kafka's description of a topology: the text that tools and tests around Kafka Streams read.

Kafka: `TopologyDescription`, `InternalTopologyBuilder.describe`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aliran.streams.plan.java_sets import TreeSet, copy_capacity, hash_set_order
from aliran.streams.plan.operators import Node, ProcessorNode, SourceNode, Subtopology
from aliran.streams.plan.topology import parents_of

if TYPE_CHECKING:
    from aliran.streams.plan.topology import Topology


@dataclass(frozen=True)
class NodeDescription:
    """One node and its neighbours, as Kafka would list them.

    Attributes:
        node: The node itself.
        successors: Names of the nodes it forwards to.
        predecessors: Names of the nodes that forward to it.
    """

    node: Node
    successors: tuple[str, ...]
    predecessors: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the node."""
        return self.node.name

    def __str__(self) -> str:
        forward = f"\n      --> {_listed(self.successors)}"
        backward = f"\n      <-- {_listed(self.predecessors)}"
        node = self.node
        if isinstance(node, SourceNode):
            # A copy of a set: the second pass is the copy's.
            if node.pattern is not None:
                return f"Source: {node.name} (topics: {node.pattern.pattern}){forward}"
            topics = hash_set_order(node.topics, capacity=copy_capacity(len(node.topics)))
            return f"Source: {node.name} (topics: [{', '.join(topics)}]){forward}"
        if isinstance(node, ProcessorNode):
            stores = ", ".join(
                hash_set_order(node.stores, capacity=copy_capacity(len(node.stores)))
            )
            return f"Processor: {node.name} (stores: [{stores}]){forward}{backward}"
        if isinstance(node.topic, str):
            return f"Sink: {node.name} (topic: {node.topic}){backward}"
        return f"Sink: {node.name} (extractor class: {_extractor(node.topic)}){backward}"


@dataclass(frozen=True)
class SubtopologyDescription:
    """A sub-topology; its nodes come the larger first that feed more nodes.

    Attributes:
        id: Its number.
        nodes: In Kafka's order.
    """

    id: int
    nodes: tuple[NodeDescription, ...]

    def __str__(self) -> str:
        lines = "".join(f"    {node}\n" for node in self.nodes)
        return f"Sub-topology: {self.id}\n{lines}\n"


@dataclass(frozen=True)
class GlobalStoreDescription:
    """What feeds a global store.

    Attributes:
        id: Its number among the sub-topologies.
        source: What is read.
        processor: What writes the store.
    """

    id: int
    source: NodeDescription
    processor: NodeDescription

    def __str__(self) -> str:
        return (
            f"Sub-topology: {self.id} for global store (will not generate tasks)\n"
            f"    {self.source}\n    {self.processor}\n"
        )


@dataclass(frozen=True)
class TopologyDescription:
    """A topology in words; `str()` gives Kafka's text.

    Attributes:
        subtopologies: By their number.
        global_stores: By their number.
    """

    subtopologies: tuple[SubtopologyDescription, ...]
    global_stores: tuple[GlobalStoreDescription, ...] = ()

    def __str__(self) -> str:
        parts = {each.id: str(each) for each in self.subtopologies}
        parts |= {each.id: str(each) for each in self.global_stores}
        return "Topologies:\n " + "".join(f"  {parts[number]}" for number in sorted(parts))


def describe(topology: Topology) -> TopologyDescription:
    """Return the description of a topology."""
    return TopologyDescription(
        tuple(_described(each) for each in topology.subtopologies()),
        tuple(_described_global(each) for each in topology.global_parts()),
    )


class _Linked:
    """A node while its neighbours are found."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.size = 1
        self.successors: TreeSet[_Linked] = TreeSet(_compare)
        self.predecessors: TreeSet[_Linked] = TreeSet(_compare)

    def grow(self, amount: int) -> None:
        """Add to the size of this node and all in front of it, once for each path."""
        pending = [self]
        while pending:
            at = pending.pop()
            at.size += amount
            pending.extend(at.predecessors)


def _compare(one: _Linked, other: _Linked) -> int:
    """Order by size, greatest first, then by name."""
    if one is other:
        return 0
    if one.size != other.size:
        return other.size - one.size
    return -1 if one.node.name < other.node.name else 1


def _described(subtopology: Subtopology) -> SubtopologyDescription:
    by_name = {node.name: _Linked(node) for node in subtopology.nodes}
    # Kafka keeps the names in a HashSet first and the nodes in a HashMap then.
    for name in hash_set_order(hash_set_order(by_name)):
        linked = by_name[name]
        for parent in parents_of(linked.node):
            predecessor = by_name[parent]
            linked.predecessors.add(predecessor)
            predecessor.successors.add(linked)
            predecessor.grow(linked.size)
    ordered: TreeSet[_Linked] = TreeSet(_compare)
    for linked in by_name.values():
        ordered.add(linked)
    return SubtopologyDescription(
        subtopology.id,
        tuple(
            NodeDescription(each.node, _names(each.successors), _names(each.predecessors))
            for each in ordered
        ),
    )


def _described_global(part: Subtopology) -> GlobalStoreDescription:
    source, processor = part.nodes
    return GlobalStoreDescription(
        part.id,
        NodeDescription(source, (processor.name,), ()),
        NodeDescription(processor, (), (source.name,)),
    )


def _names(nodes: Iterable[_Linked]) -> tuple[str, ...]:
    return tuple(each.node.name for each in nodes)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none"


def _extractor(function: object) -> str:
    # Java prints the object; our nearest is the function's name, or what an object says of itself.
    return getattr(function, "__qualname__", None) or str(function)
