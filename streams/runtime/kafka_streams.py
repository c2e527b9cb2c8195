"""`KafkaStreams`: runs a topology against a broker, and says how it fares."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aliran.clients.connection import Connection, EmbeddedConnection, KafkaConnection
from aliran.clients.transport import Transport, UnknownTopicError
from aliran.core.clock import Clock, SystemClock
from aliran.core.errors import AliranError, ConfigError
from aliran.core.garbage import TunedCollector
from aliran.core.types import Columns, TopicPartition
from aliran.serdes import Serde, SerdeLike, serde_for
from aliran.serdes.providers import bound_serde, provider_of
from aliran.streams.engine.cache_budget import CacheBudget
from aliran.streams.errors import IllegalStateError, StreamsError, TopologyError
from aliran.streams.plan import operators as op
from aliran.streams.plan.naming import check_all_named
from aliran.streams.plan.topology import Topology
from aliran.streams.runtime.config import StreamsConfig
from aliran.streams.runtime.defaults import with_serdes
from aliran.streams.runtime.global_state import GlobalState
from aliran.streams.runtime.partition_counts import PartitionCounts
from aliran.streams.runtime.state import NEXT, State, StateListener
from aliran.streams.runtime.stream_loop import LoopSettings, StreamLoop
from aliran.streams.runtime.task import TaskEnvironment
from aliran.streams.runtime.task_factory import RestoreListener, TaskFactory

logger: logging.Logger = logging.getLogger("aliran.streams")

_LOOK_S = 0.005
"""How often whoever waits for the application looks whether it has ended."""


@dataclass(frozen=True, slots=True)
class StreamsStatistics:
    """What an application has done since it started.

    Attributes:
        processed_records: Records handed to sub-topologies, repartitioned ones included.
        dropped_records: Records that the semantics drop: late, without a key, of invalid time.
        failed_records: Errors that a handler let pass, dropping what failed.
        commits: How many commits there were.
    """

    processed_records: int
    dropped_records: int
    failed_records: int
    commits: int


class KafkaStreams:
    """Runs a topology. Kafka: `KafkaStreams`; `App` wraps it together with a builder.

    Args:
        topology: What to run.
        config: Settings, see `StreamsConfig`.
        clock: Where time comes from.

    Raises:
        ConfigError: A setting is wrong.
    """

    def __init__(
        self,
        topology: Topology,
        config: Mapping[str, Any] | StreamsConfig,
        *,
        clock: Clock | None = None,
    ) -> None:
        self.config: StreamsConfig = StreamsConfig.from_mapping(config)
        self.state: State = State.CREATED
        self.error: Exception | None = None
        self._topology = with_serdes(topology, self.config)
        if self.config.strict_naming:
            check_all_named(topology)
        self._clock = clock or SystemClock()
        self._listener: StateListener = lambda _new, _old: None
        self._on_restore: RestoreListener = lambda *_: None
        self._connection: Connection | None = None
        self._temporary: str | None = None
        self._transport: Transport | None = None
        self._loop: StreamLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._stopping = False
        self._runner: threading.Thread | None = None

    # ------------------------------------------------------------------ life

    def open(self) -> Self:
        """Connect: start the embedded broker if it is that. Called by `start` and `run`.

        Raises:
            AliranError: The broker cannot be started or reached; says why.
        """
        with self._lock:
            if self.state is not State.CREATED:
                raise IllegalStateError(
                    f"the application is {self.state.value} and cannot be started again: make a "
                    "new one"
                )
            if self._connection is None:
                self._connection = self._connect()
        return self

    def start(self) -> Self:
        """Run on a thread of its own until `close`.

        Raises:
            AliranError: It cannot start; says why.
        """
        self.open()
        loop = self._prepare()
        self._thread = threading.Thread(
            target=self._run_quietly, args=(loop,), name=f"aliran-{self.config.application_id}"
        )
        self._thread.start()
        return self

    def run(self) -> None:
        """Run on this thread until `stop` is called from another one or a signal handler.

        Raises:
            AliranError: It cannot start, or stopped on an error; says why.
        """
        self.open()
        self._run(self._prepare())

    def stop(self) -> None:
        """Ask for the end: commit, then close. Returns at once, from signal handlers too."""
        self._stopping = True  # for a loop that is not made yet
        if self._loop is not None:
            self._loop.stop()

    def close(self, timeout_s: float | None = None) -> bool:
        """Stop, commit, and let go of everything. A second call does nothing.

        Args:
            timeout_s: How long to wait for the stream thread; None without limit.

        Returns:
            Whether everything was closed in that time.
        """
        self.stop()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)
            if thread.is_alive():
                return False
        elif self._runner not in (None, threading.current_thread()) and not self._ended.wait(
            timeout_s  # run() is under way on a thread of the user's
        ):
            return False
        if self.state is State.CREATED:
            self._move(State.PENDING_SHUTDOWN)
            self._move(State.NOT_RUNNING)
        self._disconnect()
        return True

    def clean_up(self) -> None:
        """Delete the local state; it is restored from the changelogs. Kafka: `cleanUp`.

        Raises:
            IllegalStateError: The application is running.
        """
        if self.state not in (State.CREATED, State.NOT_RUNNING, State.ERROR):
            raise IllegalStateError("stop the application before clean_up()")
        config = self.config
        if config.is_embedded and config.data_dir is None and config.state_dir is None:
            return  # nothing is kept from run to run
        shutil.rmtree(os.path.join(self._state_dir(), config.application_id), ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # ------------------------------------------------------------------ watching

    def set_state_listener(self, listener: StateListener) -> None:
        """Have `listener(new, old)` called at each change of state."""
        self._listener = listener

    def set_restore_listener(self, listener: RestoreListener) -> None:
        """Have `listener(store, changelog, restored, total)` called while stores are restored."""
        self._on_restore = listener

    def wait_until_running(self, timeout_s: float = 30) -> None:
        """Wait until the tasks are restored and running.

        Raises:
            AliranError: What stopped the application.
            TimeoutError: It took longer.
        """
        deadline = self._clock.monotonic() + timeout_s
        while self.state is not State.RUNNING:
            self._ended.wait(_LOOK_S)
            self._raise_if_ended()
            if self._clock.monotonic() > deadline:
                raise TimeoutError(
                    f"{self.config.application_id} is still {self.state.value} after {timeout_s} s"
                )

    def wait_until_idle(self, timeout_s: float = 30) -> None:
        """Wait until all records that are in the input topics by now are processed and committed.

        Of a group of several instances each one waits for the partitions that it has itself.

        Raises:
            AliranError: What stopped the application; IllegalStateError if it was told to stop.
            TimeoutError: It took longer.
        """
        deadline = self._clock.monotonic() + timeout_s
        self.wait_until_running(timeout_s)
        if self._loop is None:
            return
        idle = self._loop.when_idle()
        while not idle.wait(_LOOK_S):
            self._raise_if_ended()
            if self._clock.monotonic() > deadline:
                raise TimeoutError(
                    f"{self.config.application_id} is still busy after {timeout_s} s "
                    f"({self.state.value}): records arrive faster than they are processed, a "
                    "partition waits for another one, or the group is not done rebalancing"
                )

    def statistics(self) -> StreamsStatistics:
        """Return counters of what was done since the start."""
        if self._loop is None:
            return StreamsStatistics(0, 0, 0, 0)
        tasks = self._loop.statistics()
        return StreamsStatistics(
            tasks.processed_records,
            tasks.dropped_records,
            tasks.failed_records,
            self._loop.commits,
        )

    @property
    def connection(self) -> Connection:
        """The broker it is connected to.

        Raises:
            IllegalStateError: Nothing is open: it is there between `open` and `close`.
        """
        if self._connection is None:
            raise IllegalStateError(
                f"the application {self.config.application_id!r} is {self.state.value} and not "
                "connected to a broker: records are sent and read between its start and close()"
            )
        return self._connection

    @property
    def topology(self) -> Topology:
        """What runs here."""
        return self._topology

    # ------------------------------------------------------------------ records in and out

    def partitions_of(self, transport: Transport, topic: str) -> int:
        """Return the number of partitions of a topic, made where the broker makes topics."""
        return PartitionCounts(transport, {})(topic)

    def read_all(self, transport: Transport, topic: str) -> Iterator[Columns]:
        """Yield the records that are in a topic now, partition by partition."""
        count = transport.partition_counts([topic]).get(topic)
        if count is None:
            raise UnknownTopicError(f"there is no topic {topic!r} at the {transport.describe()}")
        partitions = [TopicPartition(topic, number) for number in range(count)]
        for partition, (begin, end) in transport.bounds(partitions).items():
            yield from transport.read(partition, begin, end)

    def reading_serde(self, topic: str, like: SerdeLike[Any], *, is_key: bool) -> Serde[Any]:
        """Return a serde, or that of a type, for the keys or values of a topic."""
        provider = provider_of(self.config.schema_registry)
        return bound_serde(serde_for(like), provider, topic, is_key=is_key)

    def writing_serde(self, topic: str, value: Any, *, is_key: bool) -> Serde[Any]:
        """Return the serde for a key or value that is to be written to a topic.

        Raises:
            ConfigError: Nothing says how to write it.
        """
        for node in self._topology.nodes:
            if isinstance(node, op.SourceNode) and topic in node.topics:
                serde = node.key_serde if is_key else node.value_serde
                if serde is not None and serde.differs_by_topic and not isinstance(value, bytes):
                    return serde
        try:
            return self.reading_serde(topic, bytes if value is None else type(value), is_key=is_key)
        except ConfigError as error:
            raise ConfigError(f"send() cannot tell how to write {value!r}: {error}") from error

    def time_ms(self) -> int:
        """Return wall-clock time in milliseconds."""
        return self._clock.time_ms()

    # ------------------------------------------------------------------ inside: connecting

    def _connect(self) -> Connection:
        config = self.config
        if config.is_embedded:
            return EmbeddedConnection(config.data_dir, config.listen, config.broker_config)
        refresh = {"topic.metadata.refresh.interval.ms": config.metadata_max_age_ms}
        return KafkaConnection(config.brokers, {**refresh, **config.client})

    def _state_dir(self) -> str:
        if self.config.state_dir is not None:
            return self.config.state_dir
        if self.config.data_dir is not None:
            return os.path.join(self.config.data_dir, "state")
        if not self.config.is_embedded:
            return os.path.join(tempfile.gettempdir(), "aliran-state")
        if self._temporary is None:
            self._temporary = tempfile.mkdtemp(prefix="aliran-state-")
        return self._temporary

    def _prepare(self) -> StreamLoop:
        """Plan the topics and join the group."""
        config = self.config
        if not any(isinstance(node, op.SourceNode) for node in self._topology.nodes):
            raise TopologyError("the topology reads no topic: begin with stream() or table()")
        try:
            transport = self._transport = self.connection.open_transport()
            environment = TaskEnvironment(
                application_id=config.application_id,
                topology=self._topology,
                partition_count=PartitionCounts(transport, {}),
                clock=self._clock,
                state_dir=self._state_dir(),
                cache=CacheBudget(config.cache_max_bytes) if config.cache_max_bytes else None,
                handlers=config.handlers,
                processor_wrapper=config.processor_wrapper,
                default_extractor=config.default_timestamp_extractor,
                outer_join_emit_interval_ms=config.outer_join_emit_interval_ms,
                window_emit_interval_ms=config.window_emit_interval_ms,
            )
            factory = TaskFactory(
                environment, transport, self._state_dir(), config.auto_offset_reset
            )
            factory.on_restore = self._on_restore
            settings = LoopSettings(
                config.commit_interval_ms,
                config.poll_ms,
                config.buffered_records_per_partition,
                config.max_task_idle_ms,
                config.topic_interval_ms,
            )
            state = GlobalState(environment, transport, self._state_dir(), self._clock)
            loop = self._loop = StreamLoop(transport, factory, settings, self._clock, state)
            if self._stopping:
                loop.stop()
            transport.join(config.application_id, factory.topics, loop)
            transport.claim(factory.own_topics())
        except BaseException:
            self._disconnect()
            raise
        self._move(State.REBALANCING)
        return loop

    def _disconnect(self) -> None:
        with self._lock:
            transport, self._transport = self._transport, None
            connection, self._connection = self._connection, None
            temporary, self._temporary = self._temporary, None
        if transport is not None:
            transport.close()
        if connection is not None:
            connection.close()
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)

    # ------------------------------------------------------------------ inside: running

    def _run_quietly(self, loop: StreamLoop) -> None:
        try:
            self._run(loop)
        except AliranError as error:  # kept in self.error too, and raised to whoever waits
            logger.error("%s stopped: %s", self.config.application_id, error)
        except Exception:
            logger.exception("%s stopped", self.config.application_id)
        except (SystemExit, KeyboardInterrupt):  # raised on this thread: by the user's code
            logger.exception("%s", self.error)

    def _run(self, loop: StreamLoop) -> None:
        self._runner = threading.current_thread()
        with TunedCollector():
            try:
                loop.run(self._restored, self._rebalancing)
            except BaseException as error:
                self._failed(error)
                raise
        self._move(State.PENDING_SHUTDOWN)
        if self._transport is not None:
            self._transport.leave()
        self._move(State.NOT_RUNNING)
        self._ended.set()

    def _rebalancing(self) -> None:
        self._move(State.REBALANCING)

    def _restored(self) -> None:
        if self.state is State.REBALANCING:
            self._move(State.RUNNING)

    def _failed(self, error: BaseException) -> None:
        self.error = (
            error
            if isinstance(error, Exception)
            else StreamsError(
                f"{self.config.application_id} was ended by {type(error).__name__}({error}): "
                "a function of the topology must not end the process; call close() or stop()"
            )
        )
        self._move(State.PENDING_ERROR)
        self._move(State.ERROR)
        self._ended.set()

    def _raise_if_ended(self) -> None:
        if self.error is not None:
            raise self.error
        if self._ended.is_set():
            raise IllegalStateError(f"the application is {self.state.value}")

    def _move(self, new: State) -> None:
        with self._lock:
            old = self.state
            if new not in NEXT[old]:
                return
            self.state = new
        logger.info("%s: %s -> %s", self.config.application_id, old.value, new.value)
        self._listener(new, old)
