"""Runs a topology's tasks on given inputs, in batches of a given size, without a broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aliran.core.clock import ManualClock
from aliran.core.types import Columns, Headers, TopicPartition
from aliran.serdes import serde_for
from aliran.storage.state import MemoryStateDatabase
from aliran.streams.engine.cache_budget import CacheBudget
from aliran.streams.handlers import ErrorHandlers
from aliran.streams.plan.operators import SinkNode
from aliran.streams.plan.topology import Topology
from aliran.streams.runtime.defaults import with_default_serdes
from aliran.streams.runtime.task import StreamTask, TaskEnvironment, TaskId
from aliran.streams.runtime.task_stores import TaskDatabases, TaskStores

NO_HANDLERS = ErrorHandlers()

RawRecord = tuple[bytes | None, bytes | None, int, Headers]
"""Key, value, timestamp, headers."""


class TaskHarness:
    """One task a sub-topology, all on partition 0, run one after the other in their order.

    Attributes:
        outputs: What was written, by full topic name, changelogs included.
    """

    def __init__(
        self,
        topology: Topology,
        *,
        batch_size: int,
        max_run: int | None = None,
        cache_max_bytes: int = 0,
        app: str = "app",
        handlers: ErrorHandlers = NO_HANDLERS,
    ) -> None:
        self.topology = with_default_serdes(topology, serde_for(str), serde_for(str))
        self.batch_size = batch_size
        self.outputs: dict[str, list[RawRecord]] = {}
        self.tasks: list[StreamTask] = []
        self._app = app
        environment = TaskEnvironment(
            application_id=app,
            topology=self.topology,
            partition_count=lambda _topic: 1,
            clock=ManualClock(),
            cache=CacheBudget(cache_max_bytes) if cache_max_bytes else None,
            handlers=handlers,
            max_run=max_run or batch_size,
            outer_join_emit_interval_ms=0,
            window_emit_interval_ms=0,
        )
        for part in self.topology.subtopologies():
            names = {store for node in part.nodes for store in getattr(node, "stores", ())}
            specs = [spec for spec in self.topology.stores if spec.name in names]
            changelogs = {
                spec.name: TopicPartition(self.topology.changelog_topic(spec.name, app), 0)
                for spec in specs
            }
            databases = TaskDatabases(
                MemoryStateDatabase([spec.name for spec in specs]), MemoryStateDatabase([])
            )
            stores = TaskStores(specs, part.nodes, databases, changelogs, environment.cache)
            task = StreamTask(TaskId(part.id, 0), part.nodes, environment, stores)
            task.initialize({})
            self.tasks.append(task)

    def run(self, inputs: Mapping[str, Sequence[RawRecord]]) -> None:
        """Feed all inputs, process everything, and commit once at the end."""
        pending = {topic: list(records) for topic, records in inputs.items()}
        for task in self._upstream_first():
            for topic, _ in task.inputs:
                records = pending.get(topic, []) + self.outputs.get(topic, [])
                for start in range(0, len(records), self.batch_size):
                    task.add(_columns(topic, start, records[start : start + self.batch_size]))
            task.process()
            task.flush_caches()
            for columns in task.drain():
                self._capture(columns)
            task.stores.commit({})

    def store(self, name: str) -> list[Any]:
        """Return the entries of a store, of whichever task has it."""
        for task in self.tasks:
            if name in {spec for node in task._nodes for spec in getattr(node, "stores", ())}:
                return list(task.stores.open_view(name, lambda: 0).all())
        raise KeyError(name)

    def close(self) -> None:
        for task in self.tasks:
            task.close()

    def _upstream_first(self) -> list[StreamTask]:
        """Tasks in such an order that repartition topics are written before they are read."""
        written: set[str] = set()
        internal = {
            self.topology.decorate(topic.name, self._app)
            for topic in self.topology.repartition_topics
        }
        left, ordered = list(self.tasks), []
        while left:
            for task in left:
                needed = {topic for topic, _ in task.inputs} & internal
                if needed <= written:
                    ordered.append(task)
                    left.remove(task)
                    written |= {
                        self.topology.decorate(node.topic, self._app)
                        for node in task._nodes
                        if isinstance(node, SinkNode) and isinstance(node.topic, str)
                    }
                    break
            else:
                raise AssertionError("the sub-topologies feed each other in a circle")
        return ordered

    def _capture(self, columns: Columns) -> None:
        headers = columns.headers or [()] * len(columns)
        rows = zip(columns.keys, columns.values, columns.timestamps, headers, strict=True)
        self.outputs.setdefault(columns.topic, []).extend(
            (key, value, time, tuple(head)) for key, value, time, head in rows
        )


def _columns(topic: str, offset: int, records: Sequence[RawRecord]) -> Columns:
    headers = [record[3] for record in records]
    return Columns(
        topic,
        0,
        range(offset, offset + len(records)),
        [record[0] for record in records],
        [record[1] for record in records],
        [record[2] for record in records],
        headers if any(headers) else None,
    )
