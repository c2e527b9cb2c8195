"""Test a topology without a broker: the engine itself, one record at a time.

Kafka: `TopologyTestDriver` of kafka-streams-test-utils. As there, each record is processed to the
end and committed before the next, there is one partition of everything (unless `partitions` says
otherwise), and wall-clock time moves only by `advance_wall_clock_time`.

    driver = TopologyTestDriver(builder.build())
    words = driver.create_input_topic("words", value=str)
    counts = driver.create_output_topic("counts", value=int)
    words.pipe_input("a", "hello")
    assert counts.read_key_value() == ("hello", 1)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from aliran.core.clock import ManualClock
from aliran.core.durations import Duration, to_ms
from aliran.core.types import Columns, Headers, TopicPartition
from aliran.serdes import Serde, SerdeLike, serde_for
from aliran.serdes.providers import bound_serde, provider_of
from aliran.storage.state import (
    KeyValueStore,
    SessionStore,
    TimestampedKeyValueStore,
    TimestampedWindowStore,
    VersionedKeyValueStore,
    WindowStore,
)
from aliran.streams.engine.cache_budget import CacheBudget
from aliran.streams.errors import IllegalStateError, StreamsError
from aliran.streams.plan.naming import check_all_named
from aliran.streams.plan.patterns import pattern_sources
from aliran.streams.plan.topology import Topology
from aliran.streams.processor import Record
from aliran.streams.runtime.config import StreamsConfig
from aliran.streams.runtime.defaults import with_serdes
from aliran.streams.runtime.global_state import GlobalTask, open_databases
from aliran.streams.runtime.task import StreamTask, TaskEnvironment, TaskStatistics, combined
from aliran.streams.testing.stores import PlainKeyValueStore, PlainWindowStore, require_kind
from aliran.streams.testing.tasks import DriverTasks, Partitions, PartitionsOf
from aliran.streams.testing.topics import TestInputTopic, TestOutputTopic

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")


class TopologyTestDriver:
    """Runs a topology on records that a test pipes in.

    Args:
        topology: What `StreamsBuilder.build()` or `TopologyBuilder.build()` returned.
        config: Settings as of `App`, by Python's or Kafka's names. By default nothing that waits
            for windows to close is throttled.
        initial_wall_clock_time_ms: Where wall-clock time begins.
        state_dir: A directory for RocksDB stores; None keeps all state in memory.
        partitions: An extension: how many partitions topics have, all of them or by topic
            (`{"orders": 3}`; the others have 1). There is a task for each sub-topology and
            partition then, and records go to the partition that their key's hash gives. Patterns
            match topics that are named here.

    Raises:
        TopologyError: The topology cannot run.
        ConfigError: A setting is wrong.
    """

    def __init__(
        self,
        topology: Topology,
        config: Mapping[str, Any] | StreamsConfig | None = None,
        *,
        initial_wall_clock_time_ms: int = 0,
        state_dir: str | None = None,
        partitions: Partitions | None = None,
    ) -> None:
        settings = StreamsConfig.from_mapping(
            config,
            application_id="test-application",
            outer_join_emit_interval_ms=0,
            window_emit_interval_ms=0,
        )
        if settings.strict_naming:
            check_all_named(topology)
        self._provider = provider_of(settings.schema_registry)
        topology = with_serdes(topology, settings)
        plan, counts = None, PartitionsOf(partitions)
        if partitions is not None:
            topology, plan = counts.plan(topology, settings.application_id)
        self._topology = topology
        self._is_planned = plan is not None
        self._clock = ManualClock(initial_wall_clock_time_ms)
        self._outputs: dict[str, deque[tuple[Record[Any, Any], int]]] = {}
        self._closed = False
        environment = TaskEnvironment(
            application_id=settings.application_id,
            topology=topology,
            partition_count=counts,
            clock=self._clock,
            cache=CacheBudget(settings.cache_max_bytes) if settings.cache_max_bytes else None,
            handlers=settings.handlers,
            processor_wrapper=settings.processor_wrapper,
            default_extractor=settings.default_timestamp_extractor,
            outer_join_emit_interval_ms=settings.outer_join_emit_interval_ms,
            window_emit_interval_ms=settings.window_emit_interval_ms,
            keeps_send_order=True,
            keeps_put_order=True,
        )
        self._global: GlobalTask | None = None
        if topology.global_stores:
            path = None if state_dir is None else f"{state_dir}-global"
            databases = open_databases(topology.global_stores, path)
            self._global = GlobalTask(environment, databases)
            self._global.initialize({})
        self._global_inputs = {topic for topic, _ in self._global.inputs} if self._global else set()
        self._tasks = DriverTasks(environment, plan, state_dir)

    # ------------------------------------------------------------------ topics

    @overload
    def create_input_topic(
        self,
        topic: str,
        *,
        key: SerdeLike[K],
        value: SerdeLike[V],
        start_ms: int | None = None,
        auto_advance: Duration = 0,
    ) -> TestInputTopic[K, V]: ...
    @overload
    def create_input_topic(
        self,
        topic: str,
        *,
        value: SerdeLike[V],
        start_ms: int | None = None,
        auto_advance: Duration = 0,
    ) -> TestInputTopic[str, V]: ...
    @overload
    def create_input_topic(
        self,
        topic: str,
        *,
        key: SerdeLike[K],
        start_ms: int | None = None,
        auto_advance: Duration = 0,
    ) -> TestInputTopic[K, str]: ...
    @overload
    def create_input_topic(
        self, topic: str, *, start_ms: int | None = None, auto_advance: Duration = 0
    ) -> TestInputTopic[str, str]: ...
    def create_input_topic(
        self,
        topic: str,
        *,
        key: SerdeLike[Any] = str,
        value: SerdeLike[Any] = str,
        start_ms: int | None = None,
        auto_advance: Duration = 0,
    ) -> TestInputTopic[Any, Any]:
        """Return a way to pipe records into `topic`.

        Args:
            topic: The topic.
            key: Type or serde of the keys.
            value: Type or serde of the values.
            start_ms: Time of the first record piped without one; the driver's wall clock if None.
            auto_advance: How far each such record moves that time on.
        """
        start = self._clock.time_ms() if start_ms is None else start_ms
        return TestInputTopic(
            self, topic, self._serdes_of(topic, key, value), start, to_ms(auto_advance)
        )

    @overload
    def create_output_topic(
        self, topic: str, *, key: SerdeLike[K], value: SerdeLike[V]
    ) -> TestOutputTopic[K, V]: ...
    @overload
    def create_output_topic(
        self, topic: str, *, value: SerdeLike[V]
    ) -> TestOutputTopic[str, V]: ...
    @overload
    def create_output_topic(self, topic: str, *, key: SerdeLike[K]) -> TestOutputTopic[K, str]: ...
    @overload
    def create_output_topic(self, topic: str) -> TestOutputTopic[str, str]: ...
    def create_output_topic(
        self, topic: str, *, key: SerdeLike[Any] = str, value: SerdeLike[Any] = str
    ) -> TestOutputTopic[Any, Any]:
        """Return a way to read what was written to `topic`."""
        return TestOutputTopic(self, topic, self._serdes_of(topic, key, value))

    def _serdes_of(
        self, topic: str, key: SerdeLike[Any], value: SerdeLike[Any]
    ) -> tuple[Serde[Any], Serde[Any]]:
        return (
            bound_serde(serde_for(key), self._provider, topic, is_key=True),
            bound_serde(serde_for(value), self._provider, topic, is_key=False),
        )

    def pipe_raw(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        timestamp_ms: int,
        headers: Headers = (),
        *,
        partition: int | None = None,
    ) -> None:
        """Pipe one serialised record and process everything that follows from it.

        Raises:
            StreamsError: The topology does not read `topic`, or it has no such partition.
            ProcessingError: The record could not be processed.
        """
        self._check_open()
        if not self._reads(topic):
            known = sorted(self._tasks.topics | self._global_inputs)
            known += [f"what matches {source.pattern.pattern}" for source in self._patterns()]
            raise StreamsError(
                f"the topology does not read topic {topic!r}; it reads "
                f"{', '.join(known) or 'nothing'}"
            )
        number = self._tasks.partition_for(topic, key, partition)
        self._enqueue(_columns(topic, number, key, value, timestamp_ms, headers))
        self._complete()

    def advance_wall_clock_time(self, duration: Duration) -> None:
        """Move wall-clock time on, calling the punctuators that become due.

        Raises:
            StreamsError: The duration is negative.
        """
        self._check_open()
        if to_ms(duration) < 0:
            raise StreamsError(f"wall-clock time does not go back, got {duration!r}")
        self._clock.advance(to_ms(duration))
        for task in self._tasks.tasks:
            task.punctuate_wall_clock(self._clock.time_ms())
        self._commit()
        self._complete()

    def read_raw(self, topic: str) -> Record[bytes | None, bytes | None] | None:
        """Return and remove the oldest record of an output topic, None where there is none."""
        found = self.read_raw_and_partition(topic)
        return None if found is None else found[0]

    def read_raw_and_partition(
        self, topic: str
    ) -> tuple[Record[bytes | None, bytes | None], int] | None:
        """Return and remove the oldest record of an output topic, and its partition."""
        queue = self._outputs.get(topic)
        return queue.popleft() if queue else None

    def queue_size(self, topic: str) -> int:
        """Return how many records of an output topic are left to read."""
        return len(self._outputs.get(topic, ()))

    def produced_topic_names(self) -> set[str]:
        """Return the topics written so far, changelogs and repartition topics among them."""
        return set(self._outputs)

    # ------------------------------------------------------------------ state

    def get_state_store(self, name: str, *, partition: int = 0) -> Any:
        """Return a store of any kind, as processors see it.

        Args:
            name: Name of the store.
            partition: Whose store, with a driver of several partitions.

        Raises:
            TopologyError: There is none of that name (Kafka's driver returns null).
        """
        time_ms = self._clock.time_ms
        if any(spec.name == name for spec in self._topology.global_stores):
            return self._task.environment.global_stores.view(name, time_ms)
        return self._tasks.task_with(name, partition).stores.open_view(name, time_ms)

    def get_key_value_store(self, name: str, *, partition: int = 0) -> Any:
        """Return a key-value store; one of a table shows its values without their times.

        Raises:
            TopologyError: There is none of that name, or it is of another kind; names the method.
        """
        store = self.get_state_store(name, partition=partition)
        if isinstance(store, TimestampedKeyValueStore):
            return PlainKeyValueStore(store)
        return require_kind(name, store, KeyValueStore)

    def get_timestamped_key_value_store(
        self, name: str, *, partition: int = 0
    ) -> TimestampedKeyValueStore[Any, Any]:
        """Return a key-value store with the times of its values; see `get_key_value_store`."""
        return self._get(name, partition, TimestampedKeyValueStore)

    def get_versioned_key_value_store(
        self, name: str, *, partition: int = 0
    ) -> VersionedKeyValueStore[Any, Any]:
        """Return a versioned store; see `get_key_value_store`."""
        return self._get(name, partition, VersionedKeyValueStore)

    def get_window_store(self, name: str, *, partition: int = 0) -> Any:
        """Return a window store; one of an aggregation shows its values without their times.

        Raises:
            TopologyError: There is none of that name, or it is of another kind; names the method.
        """
        store = self.get_state_store(name, partition=partition)
        if isinstance(store, TimestampedWindowStore):
            return PlainWindowStore(store)
        return require_kind(name, store, WindowStore)

    def get_timestamped_window_store(
        self, name: str, *, partition: int = 0
    ) -> TimestampedWindowStore[Any, Any]:
        """Return a window store with the times of its values; see `get_window_store`."""
        return self._get(name, partition, TimestampedWindowStore)

    def get_session_store(self, name: str, *, partition: int = 0) -> SessionStore[Any, Any]:
        """Return a session store; see `get_key_value_store`."""
        return self._get(name, partition, SessionStore)

    def get_all_state_stores(self, *, partition: int = 0) -> dict[str, Any]:
        """Return all stores by name."""
        return {
            spec.name: self.get_state_store(spec.name, partition=partition)
            for spec in self._topology.stores
        }

    def _get(self, name: str, partition: int, kind: type[T]) -> T:
        return require_kind(name, self.get_state_store(name, partition=partition), kind)

    def statistics(self) -> TaskStatistics:
        """Return the counters: records processed, dropped, and skipped after an error."""
        tasks = [*self._tasks.tasks, *([] if self._global is None else [self._global])]
        return combined(*(task.statistics for task in tasks))

    def metrics(self) -> dict[str, int]:
        """Return the counters of `statistics` by the names of Kafka's metrics.

        `failed-records-total` is ours: Kafka counts those among the dropped.
        """
        counters = self.statistics()
        return {
            "process-total": counters.processed_records,
            "dropped-records-total": counters.dropped_records,
            "failed-records-total": counters.failed_records,
        }

    def close(self) -> None:
        """Close processors and stores; a second call does nothing."""
        if not self._closed:
            self._closed = True
            for task in self._tasks.tasks:
                task.close()
            if self._global is not None:
                self._global.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # ------------------------------------------------------------------ inside

    @property
    def _task(self) -> StreamTask:
        return self._tasks.tasks[0]

    def _patterns(self) -> list[Any]:
        return [] if self._is_planned else pattern_sources(self._topology)

    def _reads(self, topic: str) -> bool:
        return self._tasks.reads(topic) or topic in self._global_inputs

    def _check_open(self) -> None:
        if self._closed:
            raise IllegalStateError("the driver is closed: make a new one")

    def _enqueue(self, columns: Columns) -> None:
        offset = self._tasks.next_offset(TopicPartition(columns.topic, columns.partition))
        columns.offsets = range(offset, offset + 1)
        if self._tasks.reads(columns.topic):
            self._tasks.add(columns)
        if self._global is not None and columns.topic in self._global_inputs:
            self._complete()
            self._global.update(columns)
            self._global.stores.commit({})

    def _complete(self) -> None:
        """Process until nothing is queued, committing after each record as Kafka's driver does."""
        while (task := self._tasks.process_one()) is not None:
            self._commit(task)

    def _commit(self, *tasks: StreamTask) -> None:
        for columns in self._tasks.commit(tasks or self._tasks.tasks):
            self._capture(columns)

    def _capture(self, columns: Columns) -> None:
        topic, partition = columns.topic, columns.partition
        queue = self._outputs.setdefault(topic, deque())
        for index in range(len(columns)):
            headers = () if columns.headers is None else columns.headers[index]
            key, value = columns.keys[index], columns.values[index]
            timestamp = columns.timestamps[index]
            queue.append((Record(key, value, timestamp, headers), partition))
            if self._reads(topic):
                self._enqueue(_columns(topic, partition, key, value, timestamp, headers))


def _columns(
    topic: str,
    partition: int,
    key: bytes | None,
    value: bytes | None,
    timestamp: int,
    headers: Headers,
) -> Columns:
    """Return one record, without its offset."""
    return Columns(
        topic, partition, (), [key], [value], [timestamp], [headers] if headers else None
    )
