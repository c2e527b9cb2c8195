"""Makes tasks from an assignment: opens their stores, restores them, finds where to go on."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from aliran.clients.transport import Position, Transport
from aliran.core.types import TopicPartition
from aliran.storage.state import MemoryStateDatabase, RocksDBStateDatabase, StateDatabase
from aliran.streams.errors import StreamsError
from aliran.streams.plan import operators as op
from aliran.streams.plan.patterns import pattern_sources, with_matching_topics
from aliran.streams.runtime.internal_topics import TopicPlan
from aliran.streams.runtime.partition_counts import PartitionCounts
from aliran.streams.runtime.store_kinds import rocksdb_options
from aliran.streams.runtime.task import StreamTask, TaskEnvironment, TaskId
from aliran.streams.runtime.task_stores import Restorer, TaskDatabases, TaskStores

logger: logging.Logger = logging.getLogger("aliran.streams")

RestoreListener = Callable[[str, TopicPartition, int, int], None]
"""Called with (store, changelog, records restored so far, records in all)."""


class TaskFactory:
    """See the module.

    Args:
        environment: What all tasks share.
        transport: Where changelogs are read.
        state_dir: Where persistent stores live, a directory a task.
        offset_reset: Where to begin without a committed offset.

    Attributes:
        topics: What to subscribe to, by full name; what patterns match is among it.
    """

    def __init__(
        self,
        environment: TaskEnvironment,
        transport: Transport,
        state_dir: str,
        offset_reset: str,
    ) -> None:
        self.topics: list[str] = []
        self._declared = environment.topology
        self._environment = environment
        self._transport = transport
        self._state_dir = state_dir
        self._offset_reset = offset_reset
        self._repartition_topics = {
            environment.topology.decorate(topic.name, environment.application_id)
            for topic in environment.topology.repartition_topics
        }
        self.on_restore: RestoreListener = lambda *_: None
        self.plan_topics()

    # ------------------------------------------------------------------ topics

    def plan_topics(self) -> None:
        """Find the topics to read as they are now, and make the internal ones that are missing.

        Raises:
            UnknownTopicError: A source topic does not exist, and the broker does not make topics.
            TopologyError: What is there does not suit the topology.
        """
        environment, transport = self._environment, self._transport
        topology = self._declared
        if self.reads_patterns:
            found = transport.topics()
            topology = with_matching_topics(topology, found, environment.application_id)
        plan = self._plan = TopicPlan(topology, environment.application_id, transport)
        plan.prepare()
        self._subtopologies = {part.id: part for part in topology.subtopologies()}
        self._environment = replace(
            environment, topology=topology, partition_count=PartitionCounts(transport, plan.counts)
        )
        read = [topic for part in self._subtopologies.values() for topic in plan.topics_of(part)]
        self.topics = list(dict.fromkeys(read))

    def own_topics(self) -> list[str]:
        """Return the topics that only this application writes."""
        return self._plan.own_topics()

    @property
    def reads_patterns(self) -> bool:
        """Whether what is read depends on which topics there are."""
        return bool(pattern_sources(self._declared))

    def has_other_topics(self) -> bool:
        """Return whether topics have come, gone or grown since `plan_topics`.

        Those with fixed names do not go: reading them fails, and says so.
        """
        found, planned = self._transport.topics(), self._plan.counts
        fixed = {
            self._declared.decorate(topic, self._environment.application_id)
            for topic in self._declared.source_topics
        }
        matching = {
            topic
            for source in pattern_sources(
                with_matching_topics(self._declared, found, self._environment.application_id)
            )
            for topic in source.topics
        }
        wanted = matching | (fixed & set(self.topics))
        return wanted != set(self.topics) or any(
            found.get(topic, planned[topic]) != planned[topic] for topic in wanted
        )

    # ------------------------------------------------------------------ tasks

    def create(self, partitions: Collection[TopicPartition]) -> dict[TaskId, StreamTask]:
        """Return the tasks that an assignment brings, with their stores restored.

        Raises:
            StateError: A state directory is locked, damaged or cannot be written.
        """
        tasks: dict[TaskId, StreamTask] = {}
        try:
            for task_id in self.tasks_of(partitions):
                tasks[task_id] = self._create_one(task_id)
        except BaseException:
            for task in tasks.values():
                task.close()
            raise
        return tasks

    def tasks_of(self, partitions: Collection[TopicPartition]) -> list[TaskId]:
        """Return the tasks that belong to an assignment.

        A task belongs to whoever is assigned its partition of the sub-topology's leading topic:
        the first of those with the most partitions. Every member decides so, and the assignor
        treats topics of equal size alike, so each task has exactly one owner.
        """
        assigned = set(partitions)
        return [
            TaskId(part.id, partition)
            for part in self._subtopologies.values()
            for partition in range(self._plan.task_count(part))
            if TopicPartition(self._leading_topic(part), partition) in assigned
        ]

    def _leading_topic(self, part: op.Subtopology) -> str:
        topics = self._plan.topics_of(part)
        return max(topics, key=lambda topic: self._plan.counts[topic])

    def _create_one(self, task_id: TaskId) -> StreamTask:
        part = self._subtopologies[task_id.subtopology]
        stores = self._open_stores(task_id, part)
        try:
            if self._cannot_restore(stores):
                # Offsets that the changelog does not have: of another topic, or of a broker that
                # lost its last writes. What the changelog has is the truth; begin afresh.
                stores.close()
                self._wipe(task_id)
                stores = self._open_stores(task_id, part)
            self._restore(task_id, stores)
        except BaseException:
            stores.close()
            raise
        return StreamTask(task_id, part.nodes, self._environment, stores)

    # ------------------------------------------------------------------ stores

    def _open_stores(self, task_id: TaskId, part: op.Subtopology) -> TaskStores:
        specs = self._plan.stores_of(part)
        topology, application_id = self._environment.topology, self._environment.application_id
        changelogs = {
            spec.name: TopicPartition(
                topology.changelog_topic(spec.name, application_id), task_id.partition
            )
            for spec in specs
            if spec.logging and self._has_changelog(spec, task_id)
        }
        persistent = [spec.name for spec in specs if spec.persistent]
        memory = [spec.name for spec in specs if not spec.persistent]
        database: StateDatabase
        if persistent:
            options = rocksdb_options(specs)
            database = RocksDBStateDatabase(
                self._directory(task_id), persistent, store_options=options
            )
        else:
            database = MemoryStateDatabase([])
        return TaskStores(
            specs,
            part.nodes,
            TaskDatabases(database, MemoryStateDatabase(memory)),
            changelogs,
            self._environment.cache,
        )

    def _has_changelog(self, spec: op.StoreSpec, task_id: TaskId) -> bool:
        """Tell whether a task has its part of a changelog: a source topic may be smaller."""
        topic = spec.changelog_topic
        return topic is None or task_id.partition < self._environment.partition_count(topic)

    def _directory(self, task_id: TaskId) -> str:
        path = os.path.join(self._state_dir, self._environment.application_id, str(task_id))
        try:
            os.makedirs(path, exist_ok=True)
        except OSError as error:
            raise StreamsError(
                f"cannot make the state directory {path}: {error.strerror}; set state_dir= to a "
                "directory that you may write to"
            ) from error
        return path

    def _wipe(self, task_id: TaskId) -> None:
        path = self._directory(task_id)
        logger.warning(
            "task %s: the local state in %s does not fit its changelog; it is restored afresh",
            task_id,
            path,
        )
        shutil.rmtree(path)

    def _cannot_restore(self, stores: TaskStores) -> bool:
        restorers = [each for each in stores.restorers() if each.offset > 0]
        bounds = self._transport.bounds([each.changelog for each in restorers])
        return any(
            not bounds[each.changelog][0] <= each.offset <= bounds[each.changelog][1]
            for each in restorers
        )

    def _restore(self, task_id: TaskId, stores: TaskStores) -> None:
        restorers = stores.restorers()
        bounds = self._transport.bounds([each.changelog for each in restorers])
        sources = stores.source_changelogs
        read = self._transport.committed(sources) if sources else {}
        for restorer in restorers:
            begin, end = bounds[restorer.changelog]
            if restorer.changelog in sources:
                # What comes behind the committed position will be processed yet.
                position = read.get(restorer.changelog)
                end = min(end, 0 if position is None else position.offset)
            self._restore_one(task_id, stores, restorer, max(begin, restorer.offset), end)

    def _restore_one(
        self, task_id: TaskId, stores: TaskStores, restorer: Restorer, start: int, end: int
    ) -> None:
        if start >= end:
            return
        began, restored = time.monotonic(), 0
        for columns in self._transport.read(restorer.changelog, start, end):
            stores.restore(restorer, columns)
            restored += len(columns)
            self.on_restore(restorer.store.name, restorer.changelog, restored, end - start)
        stores.commit({restorer.changelog: end})
        logger.info(
            "task %s: restored store %s from %s: %d records in %.2f s",
            task_id,
            restorer.store.name,
            restorer.changelog,
            restored,
            time.monotonic() - began,
        )

    # ------------------------------------------------------------------ positions

    def positions(self, transport: Transport, task: StreamTask) -> dict[TopicPartition, Position]:
        """Return where each input of a task goes on: the committed position, or the beginning."""
        committed = transport.committed(task.inputs)
        missing = [partition for partition in task.inputs if partition not in committed]
        bounds = transport.bounds(task.inputs)
        found = {
            partition: self._within(partition, committed[partition], bounds[partition])
            for partition in committed
        }
        for partition in missing:
            begin, end = bounds[partition]
            latest = self._reset_policy(partition.topic) == "latest"
            found[partition] = Position(end if latest else begin)
        return found

    def _within(
        self, partition: TopicPartition, position: Position, bounds: tuple[int, int]
    ) -> Position:
        """Move a committed position that the log does not have (any more) to one that it has."""
        begin, end = bounds
        if begin <= position.offset <= end:
            return position
        latest = self._reset_policy(partition.topic) == "latest"
        offset = end if latest or position.offset > end else begin
        logger.warning(
            "%s: the committed offset %d is outside of the log (%d to %d); going on at %d",
            partition,
            position.offset,
            begin,
            end,
            offset,
        )
        return Position(offset, position.partition_time_ms, position.processor_metadata)

    def _reset_policy(self, topic: str) -> str:
        if topic in self._repartition_topics:
            return "earliest"
        for node in self._environment.topology.nodes:
            if isinstance(node, op.SourceNode) and topic in node.topics and node.offset_reset:
                return node.offset_reset
        return self._offset_reset

    def purge(self, transport: Transport, positions: Mapping[TopicPartition, Position]) -> None:
        """Let the broker drop repartitioned records that are processed and committed."""
        before = {
            partition: position.offset
            for partition, position in positions.items()
            if partition.topic in self._repartition_topics
        }
        if before:
            transport.delete_records(before)
