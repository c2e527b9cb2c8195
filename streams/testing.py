"""Test a topology without a broker: the engine itself, one record at a time.

Kafka: `TopologyTestDriver` of kafka-streams-test-utils. As there, each record is processed to the
end and committed before the next, there is one partition of everything, and wall-clock time moves
only by `advance_wall_clock_time`.

    driver = TopologyTestDriver(builder.build())
    words = driver.create_input_topic("words", value=str)
    counts = driver.create_output_topic("counts", value=int)
    words.pipe_input("a", "hello")
    assert counts.read_key_value() == ("hello", 1)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast, overload

from aliran.core.clock import ManualClock
from aliran.core.durations import Duration, to_ms
from aliran.core.types import Columns, Headers, TopicPartition
from aliran.serdes import Serde, SerdeLike, serde_for
from aliran.serdes.providers import bound_serde, provider_of
from aliran.streams.engine.tables import CacheBudget
from aliran.streams.errors import IllegalStateError, StreamsError
from aliran.streams.naming import check_all_named
from aliran.streams.patterns import source_of
from aliran.streams.processor import KeyValue, Record
from aliran.streams.runtime.config import StreamsConfig
from aliran.streams.runtime.defaults import with_serdes
from aliran.streams.runtime.global_state import GlobalTask, open_databases
from aliran.streams.runtime.task import (
    StreamTask,
    TaskEnvironment,
    TaskId,
    TaskStatistics,
    combined,
)
from aliran.streams.runtime.task_stores import TaskStores
from aliran.streams.topology import Topology

K = TypeVar("K")
V = TypeVar("V")


class TopologyTestDriver:
    """Runs a topology on records that a test pipes in.

    Args:
        topology: What `StreamsBuilder.build()` or `TopologyBuilder.build()` returned.
        config: Settings as of `App`, by Python's or Kafka's names. By default nothing that waits
            for windows to close is throttled.
        initial_wall_clock_time_ms: Where wall-clock time begins.
        state_dir: A directory for RocksDB stores; None keeps all state in memory.

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
        self._topology = topology
        self._application_id = settings.application_id
        self._clock = ManualClock(initial_wall_clock_time_ms)
        self._outputs: dict[str, deque[Record[Any, Any]]] = {}
        self._offsets: dict[str, int] = {}
        self._closed = False
        environment = TaskEnvironment(
            application_id=settings.application_id,
            topology=topology,
            partition_count=lambda _topic: 1,
            clock=self._clock,
            cache=CacheBudget(settings.cache_max_bytes) if settings.cache_max_bytes else None,
            handlers=settings.handlers,
            processor_wrapper=settings.processor_wrapper,
            default_extractor=settings.default_timestamp_extractor,
            outer_join_emit_interval_ms=settings.outer_join_emit_interval_ms,
            window_emit_interval_ms=settings.window_emit_interval_ms,
            keeps_send_order=True,
        )
        self._global: GlobalTask | None = None
        if topology.global_stores:
            path = None if state_dir is None else f"{state_dir}-global"
            databases = open_databases(topology.global_stores, path)
            self._global = GlobalTask(environment, databases)
            self._global.initialize({})
        stores = TaskStores(
            topology.task_stores,
            topology.task_nodes,
            open_databases(topology.task_stores, state_dir),
            {
                spec.name: TopicPartition(
                    topology.changelog_topic(spec.name, settings.application_id), 0
                )
                for spec in topology.task_stores
                if spec.logging
            },
            environment.cache,
        )
        self._task = StreamTask(TaskId(0, 0), topology.task_nodes, environment, stores)
        self._inputs = {topic for topic, _ in self._task.inputs}
        self._global_inputs = {topic for topic, _ in self._global.inputs} if self._global else set()
        self._task.initialize({})

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
    ) -> None:
        """Pipe one serialised record and process everything that follows from it.

        Raises:
            StreamsError: The topology does not read `topic`.
            ProcessingError: The record could not be processed.
        """
        self._check_open()
        if not self._reads(topic) and topic not in self._global_inputs:
            raise StreamsError(
                f"the topology does not read topic {topic!r}; it reads "
                f"{', '.join(sorted(self._inputs | self._global_inputs)) or 'nothing'}"
            )
        self._enqueue(topic, key, value, timestamp_ms, headers)
        self._complete()

    def advance_wall_clock_time(self, duration: Duration) -> None:
        """Move wall-clock time on, calling the punctuators that become due."""
        self._check_open()
        self._clock.advance(to_ms(duration))
        self._task.punctuate_wall_clock(self._clock.time_ms())
        self._commit()
        self._complete()

    def read_raw(self, topic: str) -> Record[bytes | None, bytes | None] | None:
        """Return and remove the oldest record of an output topic, None where there is none."""
        queue = self._outputs.get(topic)
        return queue.popleft() if queue else None

    def queue_size(self, topic: str) -> int:
        """Return how many records of an output topic are left to read."""
        return len(self._outputs.get(topic, ()))

    def produced_topic_names(self) -> set[str]:
        """Return the topics written so far, changelogs and repartition topics among them."""
        return set(self._outputs)

    # ------------------------------------------------------------------ state

    def get_state_store(self, name: str) -> Any:
        """Return a store of any kind.

        Raises:
            TopologyError: There is none of that name.
        """
        if any(spec.name == name for spec in self._topology.global_stores):
            return self._task.environment.global_stores.view(name, self._clock.time_ms)
        return self._task.stores.open_view(name, self._clock.time_ms)

    get_key_value_store = get_state_store
    get_timestamped_key_value_store = get_state_store
    get_window_store = get_state_store

    def get_all_state_stores(self) -> dict[str, Any]:
        """Return all stores by name."""
        return {spec.name: self.get_state_store(spec.name) for spec in self._topology.stores}

    def statistics(self) -> TaskStatistics:
        """Return the counters: records processed, dropped, and skipped after an error."""
        return combined(
            self._task.statistics, *([] if self._global is None else [self._global.statistics])
        )

    def close(self) -> None:
        """Close processors and stores; a second call does nothing."""
        if not self._closed:
            self._closed = True
            self._task.close()
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

    def _reads(self, topic: str) -> bool:
        """Tell whether a task reads a topic, which it begins to do where a pattern matches."""
        if topic in self._inputs:
            return True
        source = source_of(self._topology, topic, self._application_id)
        if source is None:
            return False
        self._task.read_also(source, topic)
        self._inputs.add(topic)
        return True

    def _check_open(self) -> None:
        if self._closed:
            raise IllegalStateError("the driver is closed: make a new one")

    def _enqueue(
        self, topic: str, key: bytes | None, value: bytes | None, time_ms: int, headers: Headers
    ) -> None:
        offset = self._offsets.get(topic, 0)
        self._offsets[topic] = offset + 1
        columns = Columns(
            topic,
            0,
            range(offset, offset + 1),
            [key],
            [value],
            [time_ms],
            [headers] if headers else None,
        )
        if topic in self._inputs:
            self._task.add(columns)
        if topic in self._global_inputs and self._global is not None:
            self._complete()
            self._global.update(columns)
            self._global.stores.commit({})

    def _complete(self) -> None:
        """Process until nothing is queued, committing after each record as Kafka's driver does."""
        while self._task.process_one():
            self._commit()

    def _commit(self) -> None:
        self._task.flush_caches()
        for columns in self._task.drain():
            self._capture(columns)
        self._task.stores.commit({})

    def _capture(self, columns: Columns) -> None:
        queue = self._outputs.setdefault(columns.topic, deque())
        for index in range(len(columns)):
            headers = () if columns.headers is None else columns.headers[index]
            key, value = columns.keys[index], columns.values[index]
            queue.append(Record(key, value, columns.timestamps[index], headers))
            if self._reads(columns.topic) or columns.topic in self._global_inputs:
                self._enqueue(columns.topic, key, value, columns.timestamps[index], headers)


class TestInputTopic(Generic[K, V]):
    """Pipes records into one topic. Kafka: `TestInputTopic`."""

    __test__ = False  # pytest: not a test case

    def __init__(
        self,
        driver: TopologyTestDriver,
        topic: str,
        serdes: tuple[Serde[K], Serde[V]],
        start_ms: int,
        auto_advance_ms: int,
    ) -> None:
        self._driver = driver
        self._topic = topic
        self._key_serde, self._value_serde = serdes
        self._time_ms = start_ms
        self._auto_advance_ms = auto_advance_ms

    def advance_time(self, duration: Duration) -> None:
        """Move the time of the next record piped without one."""
        self._time_ms += to_ms(duration)

    def pipe_input(
        self,
        key: K | None,
        value: V | None,
        timestamp_ms: int | None = None,
        headers: Headers = (),
    ) -> None:
        """Pipe one record.

        Args:
            key: Its key.
            value: Its value; None for a tombstone.
            timestamp_ms: Its time; None takes the topic's clock and moves it on.
            headers: Its headers.
        """
        if timestamp_ms is None:
            timestamp_ms = self._time_ms
            self._time_ms += self._auto_advance_ms
        self._driver.pipe_raw(
            self._topic,
            self._key_serde.serialize(key),
            self._value_serde.serialize(value),
            timestamp_ms,
            headers,
        )

    def pipe_record(self, record: Record[K, V]) -> None:
        """Pipe one record with its own time and headers."""
        self.pipe_input(record.key, record.value, record.timestamp, record.headers)

    def pipe_key_value_list(
        self,
        pairs: Iterable[tuple[K | None, V | None]],
        start_ms: int | None = None,
        advance: Duration = 0,
    ) -> None:
        """Pipe pairs of key and value, `advance` apart from `start_ms` on."""
        for index, (key, value) in enumerate(pairs):
            time_ms = None if start_ms is None else start_ms + index * to_ms(advance)
            self.pipe_input(key, value, time_ms)

    def pipe_value_list(
        self, values: Iterable[V | None], start_ms: int | None = None, advance: Duration = 0
    ) -> None:
        """Pipe values without keys."""
        self.pipe_key_value_list(((None, value) for value in values), start_ms, advance)

    def pipe_record_list(self, records: Iterable[Record[K, V]]) -> None:
        """Pipe records with their own times and headers."""
        for record in records:
            self.pipe_record(record)


class TestOutputTopic(Generic[K, V]):
    """Reads what a topology wrote to one topic. Kafka: `TestOutputTopic`."""

    __test__ = False  # pytest: not a test case

    def __init__(
        self, driver: TopologyTestDriver, topic: str, serdes: tuple[Serde[K], Serde[V]]
    ) -> None:
        self._driver = driver
        self._topic = topic
        self._key_serde, self._value_serde = serdes

    def is_empty(self) -> bool:
        """Return whether nothing is left to read."""
        return self.queue_size() == 0

    def queue_size(self) -> int:
        """Return how many records are left to read."""
        return self._driver.queue_size(self._topic)

    def read_record(self) -> Record[K, V]:
        """Return the oldest record not read yet.

        Raises:
            StreamsError: There is none.
        """
        raw = self._driver.read_raw(self._topic)
        if raw is None:
            raise StreamsError(f"there is nothing (more) to read from topic {self._topic!r}")
        # A null is whatever the test expects there: it knows which rows are tombstones.
        key = cast("K", self._key_serde.deserialize(raw.key))
        value = cast("V", self._value_serde.deserialize(raw.value))
        return Record(key, value, raw.timestamp, raw.headers)

    def read_key_value(self) -> KeyValue[K, V]:
        """Return key and value of the oldest record not read yet."""
        record = self.read_record()
        return KeyValue(record.key, record.value)

    def read_value(self) -> V:
        """Return the value of the oldest record not read yet."""
        return self.read_record().value

    def read_records_to_list(self) -> list[Record[K, V]]:
        """Return all records left."""
        return [self.read_record() for _ in range(self.queue_size())]

    def read_key_values_to_list(self) -> list[KeyValue[K, V]]:
        """Return keys and values of all records left."""
        return [self.read_key_value() for _ in range(self.queue_size())]

    def read_key_values_to_map(self) -> dict[K, V]:
        """Return the last value of each key among the records left."""
        return dict(self.read_key_values_to_list())

    def read_values_to_list(self) -> list[V]:
        """Return the values of all records left."""
        return [self.read_value() for _ in range(self.queue_size())]
