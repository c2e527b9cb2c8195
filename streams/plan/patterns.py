"""Sources by pattern: which topics they read. Kafka: subscriptions by `Pattern`.

A topology says the pattern; the topics are filled in when it runs, and anew whenever topics come
or go. A pattern has to match the whole name. What an application writes for itself, its changelogs
and repartition topics, is never matched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from aliran.streams.errors import TopologyError
from aliran.streams.plan.operators import SourceNode
from aliran.streams.plan.topology import Topology, copartition_groups

_INTERNAL = re.compile(
    r".*-(changelog|repartition|subscription-(registration|response)-topic)|KTABLE-FK-JOIN-.*-topic"
)


def check_pattern(source: str, pattern: Any) -> re.Pattern[str]:
    """Return `pattern` if it can be matched with names.

    Raises:
        TopologyError: It is no compiled pattern of texts.
    """
    if not isinstance(pattern, re.Pattern) or not isinstance(pattern.pattern, str):
        raise TopologyError(
            f"{source} takes a compiled pattern, as in re.compile('orders-.*'); got {pattern!r}"
        )
    return pattern


def pattern_sources(topology: Topology) -> list[SourceNode]:
    """Return the sources that read by pattern."""
    return [node for node in topology.nodes if isinstance(node, SourceNode) and node.pattern]


def source_of(topology: Topology, topic: str, application_id: str) -> SourceNode | None:
    """Return the source whose pattern matches `topic`; None where there is none.

    Raises:
        TopologyError: The patterns of two sources match it.
    """
    found: SourceNode | None = None
    for source in pattern_sources(topology):
        if source.pattern is None or not source.pattern.fullmatch(topic):
            continue
        if _is_own(topology, topic, application_id):
            return None
        if found is not None and found.pattern is not None:
            raise TopologyError(
                f"topic {topic!r} matches the patterns of two sources: {found.name!r} "
                f"({found.pattern.pattern}) and {source.name!r} ({source.pattern.pattern}); make "
                "them exclude each other"
            )
        found = source
    return found


def with_matching_topics(
    topology: Topology, topics: Iterable[str], application_id: str
) -> Topology:
    """Return the topology with the topics filled in that its patterns match.

    Raises:
        TopologyError: The patterns of two sources match one of them.
    """
    matched: dict[str, list[str]] = {source.name: [] for source in pattern_sources(topology)}
    if not matched:
        return topology
    for topic in sorted(topics):
        source = source_of(topology, topic, application_id)
        if source is not None:
            matched[source.name].append(topic)
    nodes = tuple(
        replace(node, topics=tuple(matched[node.name]))
        if isinstance(node, SourceNode) and node.name in matched
        else node
        for node in topology.nodes
    )
    groups = copartition_groups(nodes, topology.copartitioned_sources)
    return replace(topology, nodes=nodes, copartition_groups=groups)


def overlap(source: str, pattern: re.Pattern[str], readers: Mapping[str, str]) -> None:
    """Refuse a pattern that matches a topic which another source names.

    Args:
        source: Name of the source that has the pattern.
        pattern: The pattern.
        readers: Sources by the topics they name.

    Raises:
        TopologyError: It matches one.
    """
    for topic, reader in readers.items():
        if pattern.fullmatch(topic):
            raise TopologyError(
                f"the pattern {pattern.pattern} of source {source!r} matches topic {topic!r}, "
                f"which {reader!r} reads: a topic has one source; make the pattern exclude it"
            )


def _is_own(topology: Topology, topic: str, application_id: str) -> bool:
    """Tell whether the application, in its present or an earlier form, wrote it for itself."""
    prefix = f"{application_id}-"
    if not topic.startswith(prefix):
        return False
    name = topic.removeprefix(prefix)
    return topology.is_repartition_topic(name) or bool(_INTERNAL.fullmatch(name))
