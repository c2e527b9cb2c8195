"""A topology as frozen data, and the builder that makes one node by node.

`Topology` is what the engine runs, `describe` prints and tests look at. `TopologyBuilder` is
Kafka's `Topology` class, method by method; the DSL writes into it as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from aliran.streams.errors import TopologyError
from aliran.streams.plan.operators import (
    Node,
    ProcessorNode,
    RepartitionTopic,
    SinkNode,
    SourceNode,
    StoreSpec,
    Subtopology,
)

if TYPE_CHECKING:
    from aliran.streams.plan.describe import TopologyDescription


@dataclass(frozen=True)
class Topology:
    """Nodes, stores and internal topics of one application.

    Attributes:
        nodes: In order of definition; parents stand before their children.
        stores: Those that some processor uses.
        repartition_topics: Their names are without the application's prefix.
        copartition_groups: Topic names that must have equal numbers of partitions.
        copartitioned_sources: The same by names of sources.
    """

    nodes: tuple[Node, ...]
    stores: tuple[StoreSpec, ...] = ()
    repartition_topics: tuple[RepartitionTopic, ...] = ()
    copartition_groups: tuple[frozenset[str], ...] = ()
    copartitioned_sources: tuple[frozenset[str], ...] = ()

    def node(self, name: str) -> Node:
        """Return the node of that name.

        Raises:
            TopologyError: There is none.
        """
        try:
            return self._nodes_by_name[name]
        except KeyError:
            raise TopologyError(f"there is no node named {name!r} in the topology") from None

    def store(self, name: str) -> StoreSpec:
        """Return the store of that name.

        Raises:
            TopologyError: There is none; the message lists those that exist.
        """
        for each in self.stores:
            if each.name == name:
                return each
        known = ", ".join(each.name for each in self.stores) or "none"
        raise TopologyError(f"there is no store named {name!r}; the topology's stores: {known}")

    def children(self, name: str) -> list[Node]:
        """Return the nodes that `name` forwards to, in order of definition."""
        return list(self._children_by_name.get(name, ()))

    def users_of(self, store: str) -> list[ProcessorNode]:
        """Return the processors connected to `store`, in order of definition."""
        return [
            node for node in self.nodes if isinstance(node, ProcessorNode) and store in node.stores
        ]

    @property
    def source_topics(self) -> tuple[str, ...]:
        """The topics that are read, in order; repartition topics without their prefix."""
        topics = [t for node in self.nodes if isinstance(node, SourceNode) for t in node.topics]
        return tuple(dict.fromkeys(topics))

    @property
    def sink_topics(self) -> tuple[str, ...]:
        """The topics with a fixed name that are written, in order."""
        topics = [
            node.topic
            for node in self.nodes
            if isinstance(node, SinkNode) and isinstance(node.topic, str)
        ]
        return tuple(dict.fromkeys(topics))

    def subtopologies(self) -> tuple[Subtopology, ...]:
        """Return the parts that share no node and no store, numbered as by Kafka.

        Kafka numbers them in the order in which their first nodes were defined. Those that feed
        global stores have a number too, but no tasks; they are not among these.
        """
        return tuple(part for part in self._parts if not _is_global(part))

    def global_parts(self) -> tuple[Subtopology, ...]:
        """Return the parts that feed global stores: a source and a processor each."""
        return tuple(part for part in self._parts if _is_global(part))

    @cached_property
    def task_nodes(self) -> tuple[Node, ...]:
        """All nodes but those that feed global stores."""
        apart = {node.name for part in self.global_parts() for node in part.nodes}
        return tuple(node for node in self.nodes if node.name not in apart)

    @cached_property
    def global_nodes(self) -> tuple[Node, ...]:
        """The nodes that feed global stores."""
        return tuple(node for part in self.global_parts() for node in part.nodes)

    @cached_property
    def global_stores(self) -> tuple[StoreSpec, ...]:
        """The stores that all tasks read and none writes."""
        return tuple(self.store(name) for name in _stores_of(self.global_nodes))

    @cached_property
    def task_stores(self) -> tuple[StoreSpec, ...]:
        """All stores but the global ones."""
        return tuple(store for store in self.stores if store not in self.global_stores)

    def describe(self) -> TopologyDescription:
        """Return a description whose `str()` is Kafka's text, to the byte."""
        from aliran.streams.plan.describe import describe  # describe.py reads this module

        return describe(self)

    def to_mermaid(self) -> str:
        """Return a picture as a Mermaid flowchart, for Markdown pages."""
        from aliran.streams.plan.diagrams import to_mermaid  # diagrams.py reads this module

        return to_mermaid(self)

    def to_dot(self) -> str:
        """Return a picture in the language of Graphviz: `dot -Tsvg`."""
        from aliran.streams.plan.diagrams import to_dot

        return to_dot(self)

    def is_repartition_topic(self, topic: str) -> bool:
        """Return whether `topic` (without prefix) is internal to the topology."""
        return any(each.name == topic for each in self.repartition_topics)

    def decorate(self, topic: str, application_id: str) -> str:
        """Return the full name of a topic: the prefix goes before repartition topics only."""
        return f"{application_id}-{topic}" if self.is_repartition_topic(topic) else topic

    def changelog_topic(self, store: str, application_id: str) -> str:
        """Return the full name of the topic that `store` is restored from."""
        return self.store(store).changelog_topic or f"{application_id}-{store}-changelog"

    @cached_property
    def _nodes_by_name(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    @cached_property
    def _children_by_name(self) -> dict[str, list[Node]]:
        children: dict[str, list[Node]] = {}
        for node in self.nodes:
            for parent in dict.fromkeys(parents_of(node)):
                children.setdefault(parent, []).append(node)
        return children

    @cached_property
    def _parts(self) -> tuple[Subtopology, ...]:
        root = _grouped(self.nodes)
        groups = dict.fromkeys(root[node.name] for node in self.nodes)
        return tuple(
            Subtopology(number, tuple(node for node in self.nodes if root[node.name] == group))
            for number, group in enumerate(groups)
        )


def copartition_groups(
    nodes: Iterable[Node], sources: Iterable[frozenset[str]]
) -> tuple[frozenset[str], ...]:
    """Return the topics that groups of sources read, where there are several."""
    topics = {node.name: node.topics for node in nodes if isinstance(node, SourceNode)}
    groups = (frozenset(t for name in group for t in topics.get(name, ())) for group in sources)
    return tuple(dict.fromkeys(group for group in groups if len(group) > 1))


def _is_global(part: Subtopology) -> bool:
    return any(isinstance(node, SourceNode) and node.is_global for node in part.nodes)


def _stores_of(nodes: Iterable[Node]) -> Iterable[str]:
    return dict.fromkeys(
        store for node in nodes if isinstance(node, ProcessorNode) for store in node.stores
    )


def parents_of(node: Node) -> tuple[str, ...]:
    """Return the names of the nodes that forward to `node`."""
    return () if isinstance(node, SourceNode) else node.parents


def _grouped(nodes: Iterable[Node]) -> dict[str, str]:
    """Map each node to the representative of its group (Kafka: `QuickUnion`)."""
    up: dict[str, str] = {node.name: node.name for node in nodes}

    def root(name: str) -> str:
        while up[name] != name:
            up[name] = up[up[name]]
            name = up[name]
        return name

    first_user: dict[str, str] = {}
    for node in nodes:
        for parent in parents_of(node):
            up[root(parent)] = root(node.name)
        for store in node.stores if isinstance(node, ProcessorNode) else ():
            up[root(first_user.setdefault(store, node.name))] = root(node.name)
    return {name: root(name) for name in up}
