"""Pictures of a topology, as text for Mermaid and for Graphviz."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from aliran.streams.plan.operators import ProcessorNode, SinkNode, SourceNode
from aliran.streams.plan.topology import parents_of

if TYPE_CHECKING:
    from aliran.streams.plan.operators import Node, Subtopology
    from aliran.streams.plan.topology import Topology


class _Ids(dict[tuple[str, str], str]):
    """Short ids, given by kind and name: `n0`, `t0`, `s0`."""

    def __missing__(self, key: tuple[str, str]) -> str:
        kind = key[0]
        self[key] = f"{kind}{sum(other[0] == kind for other in self)}"
        return self[key]


class _Edge(NamedTuple):
    start: tuple[str, str]
    end: tuple[str, str]
    directed: bool = True


def to_mermaid(topology: Topology) -> str:
    """Return a Mermaid flowchart: topics round, nodes square, stores as drums."""
    ids = _Ids()

    def box(kind: str, name: str, left: str, right: str) -> str:
        text = name.replace("#", "#35;").replace('"', "#quot;")
        return f'{ids[kind, name]}{left}"{text}"{right}'

    lines = ["flowchart TD"]
    for part in _parts(topology):
        lines.append(f'  subgraph p{part.id}["Sub-topology {part.id}"]')
        lines += ["    " + box("n", node.name, "[", "]") for node in part.nodes]
        lines += ["    " + box("s", store, "[(", ")]") for store in _stores(part)]
        lines.append("  end")
    lines += ["  " + box("t", topic, "([", "])") for topic in _topics(topology)]
    for edge in _edges(topology):
        arrow = "-->" if edge.directed else "-.-"
        lines.append(f"  {ids[edge.start]} {arrow} {ids[edge.end]}")
    return "\n".join(lines) + "\n"


def to_dot(topology: Topology) -> str:
    """Return a digraph in Graphviz's language: topics round, nodes square, stores as drums."""
    ids = _Ids()

    def box(kind: str, name: str, shape: str) -> str:
        text = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'{ids[kind, name]} [label="{text}", shape={shape}];'

    lines = ["digraph topology {"]
    for part in _parts(topology):
        lines.append(f"  subgraph cluster_{part.id} {{")
        lines.append(f'    label="Sub-topology {part.id}";')
        lines += ["    " + box("n", node.name, "box") for node in part.nodes]
        lines += ["    " + box("s", store, "cylinder") for store in _stores(part)]
        lines.append("  }")
    lines += ["  " + box("t", topic, "oval") for topic in _topics(topology)]
    for edge in _edges(topology):
        look = "" if edge.directed else " [dir=none, style=dashed]"
        lines.append(f"  {ids[edge.start]} -> {ids[edge.end]}{look};")
    lines.append("}")
    return "\n".join(lines) + "\n"


def _parts(topology: Topology) -> list[Subtopology]:
    both = [*topology.subtopologies(), *topology.global_parts()]
    return sorted(both, key=lambda part: part.id)


def _stores(part: Subtopology) -> list[str]:
    used = [store for node in part.nodes for store in getattr(node, "stores", ())]
    return list(dict.fromkeys(used))


def _topics(topology: Topology) -> list[str]:
    topics = [topic for node in topology.nodes for topic in _topics_of(node)]
    return list(dict.fromkeys(topics))


def _topics_of(node: Node) -> tuple[str, ...]:
    if isinstance(node, SourceNode):
        return node.topics if node.pattern is None else (node.pattern.pattern,)
    if isinstance(node, SinkNode):
        return (node.topic if isinstance(node.topic, str) else f"chosen by {node.name}",)
    return ()


def _edges(topology: Topology) -> Iterator[_Edge]:
    for node in topology.nodes:
        here = ("n", node.name)
        for topic in _topics_of(node):
            there = ("t", topic)
            yield _Edge(there, here) if isinstance(node, SourceNode) else _Edge(here, there)
        for parent in dict.fromkeys(parents_of(node)):
            yield _Edge(("n", parent), here)
        if isinstance(node, ProcessorNode):
            for store in node.stores:
                yield _Edge(here, ("s", store), directed=False)
