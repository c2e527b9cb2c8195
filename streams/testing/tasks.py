"""The tasks that a `TopologyTestDriver` runs: one for all, or one a sub-topology and partition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from aliran.clients.transport import TopicSpec
from aliran.core.types import Columns, TopicPartition
from aliran.protocol.partitioner import partition_for_key
from aliran.protocol.record_checks import check_records
from aliran.streams.errors import StreamsError, TopologyError
from aliran.streams.plan import operators as op
from aliran.streams.plan.patterns import source_of, with_matching_topics
from aliran.streams.plan.topology import Topology
from aliran.streams.runtime.global_state import open_databases
from aliran.streams.runtime.internal_topics import TopicPlan
from aliran.streams.runtime.sending import send
from aliran.streams.runtime.task import StreamTask, TaskEnvironment, TaskId
from aliran.streams.runtime.task_stores import TaskStores

Partitions = int | Mapping[str, int]
"""The number of partitions of all topics, or by topic; those not named have one."""


class _Written:
    """Stands in for the broker, and refuses what any broker would."""

    def __init__(self) -> None:
        self.columns: list[Columns] = []

    def send(self, columns: Columns) -> None:
        check_records(columns)
        self.columns.append(columns)


class PartitionsOf:
    """How many partitions topics have; what plans ask instead of a broker.

    Args:
        partitions: What the test says.

    Raises:
        StreamsError: A number is not positive.
    """

    def __init__(self, partitions: Partitions | None) -> None:
        self._default = partitions if isinstance(partitions, int) else 1
        self._named = dict(partitions) if isinstance(partitions, Mapping) else {}
        self._read: set[str] = set()
        for count in (self._default, *self._named.values()):
            if not isinstance(count, int) or isinstance(count, bool) or count < 1:
                raise StreamsError(f"a topic has at least 1 partition, got partitions={count!r}")

    def __call__(self, topic: str) -> int:
        """Return the number of partitions of a topic."""
        return self._named.get(topic, self._default)

    def plan(self, topology: Topology, application_id: str) -> tuple[Topology, TopicPlan]:
        """Return the topology with the topics that its patterns match, and a plan of its topics.

        Raises:
            TopologyError: Topics that are joined have different numbers of partitions.
        """
        topology = with_matching_topics(topology, self._named, application_id)
        self._read = set(topology.source_topics)
        plan = TopicPlan(topology, application_id, self)
        plan.prepare()
        self._named.update(plan.counts)
        return topology, plan

    def partition_counts(self, topics: Iterable[str]) -> dict[str, int]:
        """Return the counts of source topics; internal ones do not exist yet."""
        return {topic: self(topic) for topic in topics if topic in self._read}

    def create_topics(self, specs: Iterable[TopicSpec]) -> None:
        """Take notice of internal topics."""
        self._named.update({spec.name: spec.partitions for spec in specs})

    def auto_creates_topics(self) -> bool:
        """Return that every topic is there."""
        return True

    def describe(self) -> str:
        """Name it in a few words."""
        return "test driver"


class DriverTasks:
    """Runs tasks record by record.

    Args:
        environment: What the tasks share.
        plan: The topics, where there are several partitions; None for one task of all nodes.
        state_dir: A directory for RocksDB stores; None keeps all state in memory.
    """

    def __init__(
        self, environment: TaskEnvironment, plan: TopicPlan | None, state_dir: str | None
    ) -> None:
        self._environment = environment
        self._topology = environment.topology
        self._has_many = plan is not None
        self._offsets: dict[TopicPartition, int] = {}
        self.tasks: list[StreamTask] = (
            [self._make(TaskId(0, 0), self._topology.task_nodes, state_dir)]
            if plan is None
            else [
                self._make(TaskId(part.id, number), part.nodes, state_dir)
                for part in self._topology.subtopologies()
                for number in range(plan.task_count(part))
            ]
        )
        self._task_of = {partition: task for task in self.tasks for partition in task.inputs}
        for task in self.tasks:
            task.initialize({})

    def reads(self, topic: str) -> bool:
        """Tell whether a task reads a topic; with one task, where a pattern matches, from now on.

        Raises:
            TopologyError: The patterns of two sources match it.
        """
        partition = TopicPartition(topic, 0)
        if partition in self._task_of:
            return True
        source = source_of(self._topology, topic, self._environment.application_id)
        if source is None or self._has_many:
            return False
        self.tasks[0].read_also(source, topic)
        self._task_of[partition] = self.tasks[0]
        return True

    @property
    def topics(self) -> set[str]:
        """The topics that are read by now."""
        return {topic for topic, _ in self._task_of}

    def partition_for(self, topic: str, key: bytes | None, partition: int | None) -> int:
        """Return the partition of a record, which it was given or which its key's hash gives.

        Raises:
            StreamsError: The topic has no such partition.
        """
        count = self._environment.partition_count(topic)
        if partition is None:
            return 0 if key is None else partition_for_key(key, count)
        if not 0 <= partition < count:
            raise StreamsError(f"topic {topic!r} has partitions 0 to {count - 1}, got {partition}")
        return partition

    def next_offset(self, partition: TopicPartition) -> int:
        """Return the offset of the next record of a partition."""
        offset = self._offsets.get(partition, 0)
        self._offsets[partition] = offset + 1
        return offset

    def add(self, columns: Columns) -> None:
        """Queue a record of a topic that is read."""
        self._task_of[TopicPartition(columns.topic, columns.partition)].add(columns)

    def process_one(self) -> StreamTask | None:
        """Process one record; returns the task that did, None when nothing is queued."""
        return next((task for task in self.tasks if task.process_one()), None)

    def commit(self, tasks: Iterable[StreamTask]) -> Iterator[Columns]:
        """Commit tasks, yielding what they write."""
        for task in tasks:
            task.flush_caches()
            for columns in task.drain():
                written = _Written()
                send(written, task, columns)
                yield from written.columns
            task.stores.commit({})

    def task_with(self, store: str, partition: int) -> StreamTask:
        """Return the task that has a partition of a store.

        Raises:
            TopologyError: There is no such store, or not so many partitions of it.
        """
        self._topology.store(store)
        tasks = [task for task in self.tasks if store in task.stores.names]
        if not 0 <= partition < len(tasks):
            raise TopologyError(
                f"store {store!r} has {len(tasks)} partitions, and no number {partition}; "
                "say TopologyTestDriver(..., partitions=...) to have more"
            )
        return tasks[partition]

    def _make(self, task_id: TaskId, nodes: Sequence[op.Node], state_dir: str | None) -> StreamTask:
        used = {s for node in nodes if isinstance(node, op.ProcessorNode) for s in node.stores}
        specs = [spec for spec in self._topology.task_stores if spec.name in used]
        changelogs = {
            spec.name: TopicPartition(
                self._topology.changelog_topic(spec.name, self._environment.application_id),
                task_id.partition,
            )
            for spec in specs
            if spec.logging
        }
        path = f"{state_dir}/{task_id}" if state_dir and self._has_many else state_dir
        stores = TaskStores(
            specs, nodes, open_databases(specs, path), changelogs, self._environment.cache
        )
        return StreamTask(task_id, nodes, self._environment, stores)
