"""Global stores: all partitions of their topics, in each instance. Kafka: `GlobalStateManager`.

They are filled before any task starts and then updated between turns of the loop, in the order of
the log and without regard to time. Their topics are their changelogs, and the positions up to which
they were read are kept with them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aliran.core.types import Columns, TopicPartition
from aliran.storage.state import MemoryStateDatabase, RocksDBStateDatabase, StateDatabase
from aliran.streams.errors import StreamsError
from aliran.streams.plan import operators as op
from aliran.streams.runtime.store_kinds import rocksdb_options
from aliran.streams.runtime.task import StreamTask, TaskEnvironment, TaskId, TaskStatistics
from aliran.streams.runtime.task_stores import TaskDatabases, TaskStores

if TYPE_CHECKING:
    from aliran.clients.transport import Transport
    from aliran.core.clock import Clock

logger: logging.Logger = logging.getLogger("aliran.streams")

_POLL_INTERVAL_S = 0.1
"""How often the ends of global topics are asked for. Kafka: `poll.ms`."""


class GlobalTask(StreamTask):
    """Runs the processors that write global stores, on all partitions.

    Args:
        environment: What all tasks share; this task adds its stores to it.
        databases: Where the stores live.
    """

    def __init__(self, environment: TaskEnvironment, databases: TaskDatabases) -> None:
        topology = environment.topology
        stores = TaskStores(topology.global_stores, topology.global_nodes, databases, {}, None)
        super().__init__(TaskId(-1, -1), topology.global_nodes, environment, stores)
        environment.global_stores.task = self

    @property
    def inputs(self) -> list[TopicPartition]:
        """All partitions of the topics, by full name."""
        return [
            TopicPartition(topic, partition)
            for source in self._nodes
            if isinstance(source, op.SourceNode)
            for topic in source.topics
            for partition in range(self._environment.partition_count(topic))
        ]

    def update(self, columns: Columns) -> None:
        """Process records at once: global stores do not wait for other inputs."""
        self.add(columns)
        self.process()
        self.flush_caches()


def open_databases(specs: Sequence[op.StoreSpec], path: str | None) -> TaskDatabases:
    """Return the databases of stores: on RocksDB at `path`, in memory where it is None."""
    persistent = [spec.name for spec in specs if spec.persistent]
    memory = [spec.name for spec in specs if not spec.persistent]
    database: StateDatabase
    if path is None or not persistent:
        database = MemoryStateDatabase(persistent)
    else:
        options = rocksdb_options(specs)
        database = RocksDBStateDatabase(path, persistent, store_options=options)
    return TaskDatabases(database, MemoryStateDatabase(memory))


class GlobalState:
    """Fills global stores from a broker and keeps them up to date.

    Args:
        environment: What all tasks share.
        transport: Where the topics are read.
        state_dir: Where persistent stores live.
        clock: Says when to look for news.
    """

    def __init__(
        self, environment: TaskEnvironment, transport: Transport, state_dir: str, clock: Clock
    ) -> None:
        self._environment = environment
        self._transport = transport
        self._state_dir = state_dir
        self._clock = clock
        self._task: GlobalTask | None = None
        self._positions: dict[TopicPartition, int] = {}
        self._looked = 0.0
        self._statistics = TaskStatistics()

    def statistics(self) -> TaskStatistics:
        """Return the counters of the task that writes the stores."""
        return self._statistics

    def start(self) -> None:
        """Open the stores and read their topics to the end, if there are any.

        Raises:
            StateError: The directory is locked, damaged or cannot be written.
            ProcessingError: A record could not be processed.
        """
        specs = self._environment.topology.global_stores
        if not specs:
            return
        path = self._directory() if any(spec.persistent for spec in specs) else None
        databases = open_databases(specs, path)
        self._task = GlobalTask(self._environment, databases)
        self._task.initialize({})
        self._statistics = self._task.statistics
        # What is in memory has to be read anew, and all stores of a topic go together.
        known = databases.persistent.offsets() if all(s.persistent for s in specs) else {}
        for partition, (begin, end) in self._transport.bounds(self._task.inputs).items():
            offset = known.get(str(partition), begin)
            self._positions[partition] = offset if begin <= offset <= end else begin
        self.update(force=True)

    def update(self, *, force: bool = False) -> bool:
        """Take in what has come since, not too often; returns whether there was anything."""
        now = self._clock.monotonic()
        task = self._task
        if task is None or (not force and now - self._looked < _POLL_INTERVAL_S):
            return False
        self._looked, found = now, False
        for partition, (_, end) in self._transport.bounds(list(self._positions)).items():
            if end <= self._positions[partition]:
                continue
            found = True
            for columns in self._transport.read(partition, self._positions[partition], end):
                task.update(columns)
            if any(len(letters) for letters in task.errors.drain()):  # as on the JVM
                logger.warning("dead letters of global stores are not written; they are dropped")
            self._positions[partition] = end
        if found:
            task.stores.commit_positions(self._positions)
        return found

    def close(self) -> None:
        """Close the stores."""
        task, self._task = self._task, None
        if task is not None:
            task.close()

    def _directory(self) -> str:
        path = os.path.join(self._state_dir, self._environment.application_id, "global")
        try:
            os.makedirs(path, exist_ok=True)
        except OSError as error:
            raise StreamsError(
                f"cannot make the state directory {path}: {error.strerror}; set state_dir= to a "
                "directory that you may write to"
            ) from error
        return path
