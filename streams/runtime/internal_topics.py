"""Topics of an application: which must be there, with how many partitions, and how set up.

Kafka: `InternalTopicManager`, `CopartitionedTopicsEnforcer`, and the `…TopicConfig` classes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Protocol

from aliran.clients.transport import TopicSpec, UnknownTopicError
from aliran.streams.errors import TopologyError
from aliran.streams.plan import operators as op
from aliran.streams.plan.patterns import pattern_sources
from aliran.streams.plan.topology import Topology
from aliran.streams.plan.window_operators import MAX_TIME

logger: logging.Logger = logging.getLogger("aliran.streams")

_DAY_MS = 86_400_000

REPARTITION_CONFIG = {
    "cleanup.policy": "delete",
    "segment.bytes": "52428800",
    "retention.ms": "-1",
    "message.timestamp.type": "CreateTime",
}
"""Records wait here until they are processed, however long that takes, and are deleted after it."""


class TopicAdmin(Protocol):
    """What a plan asks of a broker; a part of `Transport`."""

    def describe(self) -> str: ...  # noqa: D102

    def partition_counts(self, topics: Iterable[str]) -> dict[str, int]: ...  # noqa: D102

    def create_topics(self, specs: Iterable[TopicSpec]) -> None: ...  # noqa: D102

    def auto_creates_topics(self) -> bool: ...  # noqa: D102


class TopicPlan:
    """The topics of one application on one broker.

    Attributes:
        counts: Number of partitions of every topic that is read, by full name.
    """

    def __init__(self, topology: Topology, application_id: str, transport: TopicAdmin) -> None:
        self._topology = topology
        self._application_id = application_id
        self._transport = transport
        self.counts: dict[str, int] = {}

    def prepare(self) -> None:
        """Find the source topics, then make the internal ones that are missing.

        Raises:
            UnknownTopicError: A source topic does not exist, and the broker does not make topics.
            TopologyError: Topics that are joined have different numbers of partitions.
        """
        self._find_sources()
        self._check_copartitioned()
        self._plan_repartition_topics()
        self._check_copartitioned()  # now with those: several joins may share one
        wanted = {
            self._full(topic.name): TopicSpec(
                self._full(topic.name), self.counts[self._full(topic.name)], REPARTITION_CONFIG
            )
            for topic in self._topology.repartition_topics
        }
        for subtopology in self._topology.subtopologies():
            partitions = self.task_count(subtopology)
            for spec in self.logged_stores(subtopology) if partitions else ():
                name = self._topology.changelog_topic(spec.name, self._application_id)
                wanted[name] = TopicSpec(name, partitions, changelog_config(spec))
        self._create(wanted)

    def task_count(self, subtopology: op.Subtopology) -> int:
        """Return the number of tasks of a sub-topology: the most partitions of its topics.

        There are none while it reads by pattern and no topic matches.
        """
        return max((self.counts[topic] for topic in self.topics_of(subtopology)), default=0)

    def topics_of(self, subtopology: op.Subtopology) -> list[str]:
        """Return the full names of the topics a sub-topology reads."""
        topics = [self._full(topic) for source in subtopology.sources for topic in source.topics]
        return list(dict.fromkeys(topics))

    def logged_stores(self, subtopology: op.Subtopology) -> list[op.StoreSpec]:
        """Return the stores of a sub-topology that have a changelog of their own."""
        return [
            spec
            for spec in self.stores_of(subtopology)
            if spec.logging and spec.changelog_topic is None
        ]

    def stores_of(self, subtopology: op.Subtopology) -> list[op.StoreSpec]:
        """Return the stores that the nodes of a sub-topology use."""
        names = {
            store
            for node in subtopology.nodes
            if isinstance(node, op.ProcessorNode)
            for store in node.stores
        }
        return [spec for spec in self._topology.stores if spec.name in names]

    def own_topics(self) -> list[str]:
        """Return the topics that only this application writes."""
        changelogs = [
            self._topology.changelog_topic(spec.name, self._application_id)
            for subtopology in self._topology.subtopologies()
            for spec in self.logged_stores(subtopology)
            if self.task_count(subtopology)
        ]
        return changelogs + [self._full(topic.name) for topic in self._topology.repartition_topics]

    # ------------------------------------------------------------------ inside

    def _full(self, topic: str) -> str:
        return self._topology.decorate(topic, self._application_id)

    def _find_sources(self) -> None:
        internal = {topic.name for topic in self._topology.repartition_topics}
        topics = [topic for topic in self._topology.source_topics if topic not in internal]
        self.counts = self._transport.partition_counts(topics)
        missing = [topic for topic in topics if topic not in self.counts]
        if not missing:
            return
        if not self._transport.auto_creates_topics():
            raise UnknownTopicError(
                f"source topics do not exist: {', '.join(missing)}; the "
                f"{self._transport.describe()} does not create topics on first use "
                "(auto.create.topics.enable=false): create them first, for example with "
                f"`aliran topics create {missing[0]}`"
            )
        logger.info("creating source topics: %s", ", ".join(missing))
        self._transport.create_topics(TopicSpec(topic, -1) for topic in missing)
        self.counts.update(self._transport.partition_counts(missing))

    def _check_copartitioned(self) -> None:
        for group in self._topology.copartition_groups:
            topics = [self._full(topic) for topic in sorted(group)]
            counts = {topic: self.counts[topic] for topic in topics if topic in self.counts}
            demanded = {
                self._full(topic.name): topic.partitions
                for topic in self._topology.repartition_topics
                if topic.name in group and topic.partitions is not None
            }
            if len({*counts.values(), *demanded.values()}) > 1:
                listed = ", ".join(f"{t} has {n}" for t, n in {**counts, **demanded}.items())
                raise TopologyError(
                    "topics that are joined must have the same number of partitions, so that "
                    f"equal keys meet: {listed}; re-create one of them, or put "
                    "repartition(partitions=…) before the join"
                )

    def _plan_repartition_topics(self) -> None:
        """Give each repartition topic its number of partitions, upstream ones first."""
        pending = list(self._topology.repartition_topics)
        while pending:
            planned = [topic for topic in pending if self._plan_one(topic)]
            if not planned:
                names = ", ".join(topic.name for topic in pending)
                raise TopologyError(
                    f"the repartition topics {names} feed each other in a circle: give one of "
                    "them a number of partitions, repartition(partitions=…)"
                )
            pending = [topic for topic in pending if topic not in planned]

    def _plan_one(self, topic: op.RepartitionTopic) -> bool:
        count = topic.partitions or self._copartitioned_count(topic.name)
        if count is None:
            upstream = [
                self._full(name)
                for subtopology in self._topology.subtopologies()
                if self._writes(subtopology, topic.name)
                for source in subtopology.sources
                for name in source.topics
            ]
            if any(name not in self.counts for name in upstream):
                return False
            self._require_topics(topic, upstream)
            count = max((self.counts[name] for name in upstream), default=1)
        self.counts[self._full(topic.name)] = count
        return True

    def _require_topics(self, topic: op.RepartitionTopic, upstream: list[str]) -> None:
        patterns = [
            source.pattern.pattern
            for source in pattern_sources(self._topology)
            if source.pattern and not source.topics
        ]
        if patterns and not upstream:
            raise TopologyError(
                f"the repartition topic {topic.name} gets as many partitions as the topics it is "
                f"fed from, but no topic matches the pattern {' or '.join(patterns)} yet: create "
                "one first, or say repartition(partitions=…)"
            )

    def _copartitioned_count(self, topic: str) -> int | None:
        for group in self._topology.copartition_groups:
            if topic in group:
                known = [self.counts[other] for other in group if other in self.counts]
                demanded = [
                    other.partitions
                    for other in self._topology.repartition_topics
                    if other.name in group and other.partitions
                ]
                if known or demanded:
                    return max([*known, *demanded])
        return None

    def _writes(self, subtopology: op.Subtopology, topic: str) -> bool:
        return any(
            isinstance(node, op.SinkNode) and node.topic == topic for node in subtopology.nodes
        )

    def _create(self, wanted: Mapping[str, TopicSpec]) -> None:
        found = self._transport.partition_counts(wanted)
        for name, spec in wanted.items():
            if name in found and found[name] != spec.partitions:
                raise TopologyError(
                    f"the internal topic {name} has {found[name]} partitions, but the topology "
                    f"needs {spec.partitions}: the number of partitions of a source topic has "
                    "changed, or another application uses this application id. Choose another "
                    "application id, or delete the application's internal topics and start afresh"
                )
        missing = [spec for name, spec in wanted.items() if name not in found]
        if missing:
            logger.info("creating internal topics: %s", ", ".join(spec.name for spec in missing))
            self._transport.create_topics(missing)


def changelog_config(spec: op.StoreSpec) -> dict[str, str]:
    """Return the settings of a store's changelog topic. Kafka: `ChangelogTopicConfig`."""
    config = {"cleanup.policy": "compact", "message.timestamp.type": "CreateTime"}
    # A day on top, as by windowstore.changelog.additional.retention.ms.
    if spec.kind in ("window", "timestamped-window", "session"):
        # Kept duplicates have a key each, and some would be taken for one another after a restart.
        config["cleanup.policy"] = "delete" if spec.retain_duplicates else "compact,delete"
        config["retention.ms"] = str(min(spec.retention_ms + _DAY_MS, MAX_TIME))
    elif spec.kind == "versioned":  # every version that can be asked for must be restored
        config["min.compaction.lag.ms"] = str(spec.retention_ms + _DAY_MS)
    return {**config, **spec.changelog_config}
