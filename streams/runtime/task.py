"""A task: one sub-topology on one partition of its inputs, with its state. Kafka: `StreamTask`.

A task does no I/O but to its state database. Records come in by `add`, outputs leave by `drain`,
and the owner (the runtime's loop, or the TopologyTestDriver) says when to process and to commit.

| life | by |
|---|---|
| made | the constructor opens nothing but the stores it was given |
| restored | the owner feeds `stores.restorers` from the changelogs |
| running | `initialize` compiles the nodes and starts the user's processors |
| closed | `close` |
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

from aliran.clients.transport import Position
from aliran.core.clock import Clock
from aliran.core.types import Columns, TopicPartition
from aliran.serdes import NumberedWindowSerde, SessionWindowedSerde, WindowedSerde
from aliran.streams.engine.buffers import PartitionBuffer, RoutedSink, SinkBuffer
from aliran.streams.engine.cache_budget import CacheBudget
from aliran.streams.engine.compiler import Compiled, compile_nodes
from aliran.streams.engine.source_code import Step
from aliran.streams.errors import ProcessingError
from aliran.streams.handlers import ErrorHandlers
from aliran.streams.plan import operators as op
from aliran.streams.plan.topology import Topology
from aliran.streams.processor import ProcessorWrapper, Record
from aliran.streams.runtime import failures, wrapping
from aliran.streams.runtime.context import (
    ForwardingDisabledContext,
    TaskProcessorContext,
    supplied_processor,
)
from aliran.streams.runtime.error_handling import Guard, TaskErrors
from aliran.streams.runtime.origins import RecordOrigins
from aliran.streams.runtime.partition_group import PartitionGroup
from aliran.streams.runtime.punctuation import Punctuation, PunctuationQueue
from aliran.streams.runtime.record_queue import RecordQueue
from aliran.streams.runtime.record_run import CurrentRecord, Run
from aliran.streams.runtime.task_stores import TaskStores
from aliran.streams.runtime.timestamps import timestamps_with

logger: logging.Logger = logging.getLogger("aliran.streams")


class TaskId(NamedTuple):
    """Which task: `0_3` is partition 3 of sub-topology 0."""

    subtopology: int
    partition: int

    def __str__(self) -> str:
        return f"{self.subtopology}_{self.partition}"


@dataclass(slots=True)
class TaskStatistics:
    """Counters of one task. Kafka: the task metrics of the same names.

    Attributes:
        processed_records: Input records handed to the sub-topology.
        dropped_records: Records that the semantics drop: late, without a key, of invalid time.
        failed_records: Errors that a handler let pass, dropping what failed; Kafka counts them
            among the dropped.
    """

    processed_records: int = 0
    dropped_records: int = 0
    failed_records: int = 0


class GlobalStores:
    """What tasks see of the global stores: nothing until there is a task that writes them."""

    def __init__(self) -> None:
        self.task: StreamTask | None = None

    def table(self, name: str) -> Any:
        """Return the table of a global store."""
        return self._running(name).stores.table(name)

    def view(self, name: str, current_time: Callable[[], int]) -> Any:
        """Return a global store as processors see it."""
        return self._running(name).stores.open_view(name, current_time)

    def _running(self, name: str) -> StreamTask:
        if self.task is None:
            raise ProcessingError(f"the global store {name!r} is not open yet")
        return self.task


def combined(*statistics: TaskStatistics) -> TaskStatistics:
    """Return the sums of counters."""
    return TaskStatistics(
        sum(each.processed_records for each in statistics),
        sum(each.dropped_records for each in statistics),
        sum(each.failed_records for each in statistics),
    )


@dataclass(frozen=True, slots=True)
class TaskEnvironment:
    """What all tasks of an application share.

    Attributes:
        partition_count: Gives the number of partitions of a topic, by its full name.
        cache: The budget of the record caches; None makes every update visible.
        handlers: What is asked about errors.
        processor_wrapper: Wraps every processor; see `StreamsConfig`.
        default_extractor: Of sources that name none; None for the records' own times.
        max_run: The most records processed at one go; tests set 1.
        global_stores: The stores that all tasks read.
        outer_join_emit_interval_ms: See `StreamsConfig`.
        window_emit_interval_ms: See `StreamsConfig`.
        keeps_put_order: Whether a cache is flushed in the order of the last puts, as Kafka's, not
            of the first ones; for the test driver, where all that one record puts has one key.
        keeps_send_order: Whether topics are drained in the order of their first record; for the
            test driver, which feeds what it drains to the topics' readers in that order.
    """

    application_id: str
    topology: Topology
    partition_count: Callable[[str], int]
    clock: Clock
    state_dir: str = ""
    cache: CacheBudget | None = None
    handlers: ErrorHandlers = field(default_factory=ErrorHandlers)
    processor_wrapper: ProcessorWrapper | None = None
    default_extractor: Callable[..., int] | None = None
    max_run: int = 1 << 60
    global_stores: GlobalStores = field(default_factory=GlobalStores)
    outer_join_emit_interval_ms: int = 1000
    window_emit_interval_ms: int = 1000
    keeps_send_order: bool = False
    keeps_put_order: bool = False


class StreamTask:
    """See the module.

    Args:
        task_id: Which task this is.
        nodes: The nodes of its sub-topology.
        environment: What it shares with others.
        stores: Its stores, on an open state database.
    """

    def __init__(
        self,
        task_id: TaskId,
        nodes: Sequence[op.Node],
        environment: TaskEnvironment,
        stores: TaskStores,
    ) -> None:
        self.id = task_id
        self.statistics: TaskStatistics = TaskStatistics()
        self.stores = stores
        self.stream_time_punctuations: PunctuationQueue = PunctuationQueue()
        self.wall_clock_punctuations: PunctuationQueue = PunctuationQueue()
        self.commit_requested = False
        self.processor_metadata: dict[str, int] = {}
        # Where the inputs stood; what a timer changes is committed with it before a record comes.
        self._resumed_at: dict[TopicPartition, Position] = {}
        self._resumed_numbers: dict[str, int] = {}
        self.origins: RecordOrigins = RecordOrigins(self)
        self._nodes = nodes
        self._environment = environment
        self.errors: TaskErrors = TaskErrors(
            environment.handlers, self, environment.partition_count
        )
        self._stream_time_ms = -1
        self._sinks: dict[tuple[str, int | None, int], SinkBuffer] = {}
        self._send_order: list[SinkBuffer] = []
        self._processors: dict[str, tuple[Any, TaskProcessorContext]] = {}
        self._queues: dict[TopicPartition, RecordQueue] = {}
        self._group = PartitionGroup(())
        self._code: Compiled | None = None
        self._running: Run | None = None
        self._resumed: CurrentRecord | None = None
        self.finishers: list[Callable[[], None]] = []
        # How far `stream_time_ms` has looked into what is running.
        self._seen: CurrentRecord | None = None
        self._seen_index, self._seen_time_ms = -1, -1

    # ------------------------------------------------------------------ life

    def initialize(self, positions: dict[TopicPartition, Position]) -> None:
        """Compile the nodes, start the processors, and take up the committed partition times."""
        self.stores.open_tables()
        self._take_up_metadata(positions)
        for node in self._nodes:
            if isinstance(node, op.ProcessorNode) and isinstance(node.operator, op.Custom):
                context = TaskProcessorContext(self, node)
                supplier = wrapping.supplier(self._environment.processor_wrapper, node)
                self._processors[node.name] = (supplied_processor(node.name, supplier), context)
        self._code = compile_nodes(self._nodes, self, f"<aliran task {self.id}>")
        for node in self._nodes:
            if isinstance(node, op.ProcessorNode) and node.name in self._code.flushes:
                self.stores.table_of(node).forward = self._code.flushes[node.name]
        self._queues = {queue.topic_partition: queue for queue in self._make_queues(self._code)}
        self._group = PartitionGroup(list(self._queues.values()))
        for partition, position in positions.items():
            if partition in self._queues:
                self._queues[partition].resume_at(position.partition_time_ms)
        self._stream_time_ms = max(
            (queue.partition_time_ms for queue in self._queues.values()), default=-1
        )
        for name, (processor, context) in self._processors.items():
            self._guarded(name, partial(processor.init, context))

    def _take_up_metadata(self, positions: dict[TopicPartition, Position]) -> None:
        """Take the newest of each number that was committed with the inputs' positions."""
        known = self.processor_metadata
        for position in positions.values():
            for name, number in position.processor_metadata.items():
                known[name] = max(number, known.get(name, number))
        self._resumed_at, self._resumed_numbers = positions, dict(known)

    def close(self) -> None:
        """Close the user's processors and the stores; what is not committed is dropped."""
        for name, (processor, _) in self._processors.items():
            try:
                processor.close()
            except Exception:
                logger.exception("task %s: close() of processor %r raised", self.id, name)
        self._processors.clear()
        self._group.clear()
        self.stores.close()

    # ------------------------------------------------------------------ records in

    @property
    def inputs(self) -> list[TopicPartition]:
        """The partitions this task reads, by full topic name."""
        return [
            TopicPartition(topic, self.id.partition)
            for source in self._nodes
            if isinstance(source, op.SourceNode)
            for topic in map(self._full_name, source.topics)
            if self.id.partition < self._environment.partition_count(topic)
        ]

    def read_also(self, source: op.SourceNode, topic: str) -> None:
        """Begin to read a topic that a source's pattern matches; for the test driver."""
        if self._code is None:
            raise ProcessingError(f"task {self.id} is not running yet")
        queue = self._queue(source, topic, TopicPartition(topic, self.id.partition), self._code)
        self._queues[queue.topic_partition] = queue
        self._group.queues.append(queue)

    def add(self, columns: Columns) -> None:
        """Queue records of one of `inputs`."""
        queue = self._queues[TopicPartition(columns.topic, columns.partition)]
        self.statistics.dropped_records += queue.add(columns)
        self._group.filled(queue)

    def queued(self, partition: TopicPartition) -> int:
        """Return how many records of an input wait."""
        return len(self._queues[partition])

    @property
    def empty_inputs(self) -> list[TopicPartition]:
        """Inputs of which nothing is queued; empty where nothing at all is."""
        empty = [partition for partition, queue in self._queues.items() if not len(queue)]
        return [] if len(empty) == len(self._queues) else empty

    @property
    def has_records(self) -> bool:
        """Whether anything is queued."""
        return any(len(queue) for queue in self._queues.values())

    # ------------------------------------------------------------------ processing

    def process(self, *, ready: Callable[[], bool] = lambda: True) -> int:
        """Process what is queued, in the order of time, while `ready()`; returns how many records.

        Raises:
            ProcessingError: A record could not be processed, and errors are not skipped.
        """
        total = 0
        while ready():
            due_ms = self.stream_time_punctuations.next_due_ms
            run = self._group.next_run(self._environment.max_run, due_ms)
            if run is None:
                break
            total += self._execute(run)
        self.statistics.processed_records += total
        return total

    def process_one(self) -> bool:
        """Process the next record alone; False when nothing is queued. For the test driver."""
        run = self._group.next_run(1)
        if run is None:
            return False
        self.statistics.processed_records += self._execute(run)
        return True

    def punctuate_wall_clock(self, now_ms: int) -> None:
        """Call the wall-clock punctuators that are due."""
        self._punctuate(self.wall_clock_punctuations, now_ms)

    def _execute(self, run: Run) -> int:
        self._running = run
        count = run.execute(self.errors.failed)
        self._running = None
        for finish in self.finishers:  # in the order of the nodes: one may fill the next
            finish()
        run = self._group.ran(run, count)
        self.origins.ran(run)
        newest_ms = max(part.queue.partition_time_ms for part in run.parts)
        self._stream_time_ms = max(self._stream_time_ms, newest_ms)
        self._punctuate(self.stream_time_punctuations, self._stream_time_ms)
        return count

    def _punctuate(self, schedules: PunctuationQueue, now_ms: int) -> None:
        while (schedule := schedules.take_due(now_ms)) is not None:
            self._call_punctuator(schedule, now_ms)
            if not schedule.cancelled:  # it may have cancelled itself
                schedule.advance(now_ms)
                schedules.add(schedule)

    def _call_punctuator(self, schedule: Punctuation, now_ms: int) -> None:
        try:
            schedule.punctuator(now_ms)
        except Exception as error:
            if not self.errors.punctuator_failed(schedule.node, now_ms, error):
                raise self._blamed(
                    error, schedule.node, "a punctuator", failures.OR_SKIP
                ) from error

    def call_at_intervals(
        self, node: str, interval_ms: int, function: Callable[[int], None], *, stream_time: bool
    ) -> None:
        """Call `function(now)` at intervals of stream time or the wall clock, for a node."""
        # By stream time at its multiples, whenever the task was started.
        start_ms = 0 if stream_time else self._environment.clock.time_ms() + interval_ms
        schedule = Punctuation(start_ms, interval_ms, function, node)
        self.schedule(schedule, stream_time=stream_time)

    def schedule(self, schedule: Punctuation, *, stream_time: bool) -> None:
        """Add a punctuation of one of the task's processors."""
        queue = self.stream_time_punctuations if stream_time else self.wall_clock_punctuations
        queue.add(schedule)
        current = self.current
        if stream_time and current is not None:
            current.make_last()  # the schedule may be due behind this record already

    # ------------------------------------------------------------------ commit

    def flush_caches(self) -> None:
        """Write what the caches hold back and forward it (may fill sinks and other caches)."""
        self.origins.flushing = True
        try:
            for table in self.stores.tables_in_order:
                try:
                    table.flush()
                except Exception as error:
                    raise self.explained(error, store=table.name) from error
        finally:
            self.origins.flushing = False
        self.statistics.dropped_records += self.stores.take_dropped()

    def drain(self) -> Iterator[Columns]:
        """Hand over the records for sinks and changelogs, and dead letters."""
        yield from self.errors.drain()
        sinks = list(self._sinks.values())
        if self._environment.keeps_send_order:
            sinks, self._send_order = self._send_order, []
        for sink in sinks:
            yield from sink.drain()
        for changelog in self.stores.changelogs:
            yield from changelog.drain()

    def positions(self) -> dict[TopicPartition, Position]:
        """Return what to commit: for each input read so far, the first record not processed."""
        numbers = dict(self.processor_metadata)
        found = {
            partition: Position(queue.next_offset, queue.partition_time_ms, numbers)
            for partition, queue in self._queues.items()
            if queue.next_offset is not None
        }
        if found or numbers == self._resumed_numbers:
            return found
        return {
            partition: replace(position, processor_metadata=numbers)
            for partition, position in self._resumed_at.items()
            if partition in self._queues
        }

    # ------------------------------------------------------------------ for processor contexts

    @property
    def environment(self) -> TaskEnvironment:
        """What the task shares with others."""
        return self._environment

    @property
    def current(self) -> CurrentRecord | None:
        """The input record being processed; None outside of one."""
        if self._resumed is not None:
            return self._resumed
        return None if self._running is None else self._running.current

    @contextmanager
    def resumed(self, origin: CurrentRecord, node: str, record: Record[Any, Any]) -> Iterator[None]:
        """Go on with a record of a node that the batch has left behind, its errors included."""
        before, self._resumed = self._resumed, origin
        try:
            yield
        except Exception as error:
            guard = self.errors.node_guard(node)
            guard(error, record.key, record.value, record.timestamp, record.headers or None)
        finally:
            self._resumed = before

    def stream_time_ms(self) -> int:
        """The largest record time up to the record being processed."""
        current = self.current
        if current is None:
            return self._stream_time_ms
        index = current.index
        if current is not self._seen or index < self._seen_index:
            self._seen, self._seen_index, self._seen_time_ms = current, -1, self._stream_time_ms
        # From where the last call looked, so that a call a record adds up to one pass.
        newest = current.times_from(self._seen_index + 1)
        self._seen_index, self._seen_time_ms = index, max(self._seen_time_ms, *newest, -1)
        return self._seen_time_ms

    def forward_to(self, node: str) -> Callable[..., None]:
        """Return the function that runs a record through a node and on."""
        if self._code is None:
            raise ProcessingError(f"task {self.id} is not running yet: forward() came too early")
        return self._code.nodes[node]

    def children(self, node: str) -> list[op.Node]:
        """Return the nodes behind `node`."""
        return self._environment.topology.children(node)

    # ------------------------------------------------------------------ bindings of the compiler

    def table(self, store: str) -> Any:
        """Return the table of a store."""
        if any(spec.name == store for spec in self._environment.topology.global_stores):
            return self._environment.global_stores.table(store)
        return self.stores.table(store)

    def processor(self, node: op.ProcessorNode) -> Callable[[Any], None]:
        """Return the bound `process` of a custom processor."""
        processor, context = self._processors[node.name]
        process: Callable[[Any], None] = processor.process
        if not node.stores:
            return process

        def process_timed(record: Any) -> None:
            context.record_time_ms = record.timestamp  # what its stores log with
            process(record)

        return process_timed

    @property
    def wraps(self) -> bool:
        """Whether every node is wrapped."""
        return self._environment.processor_wrapper is not None

    def wrap(self, node: op.ProcessorNode, function: Callable[..., None]) -> Callable[..., None]:
        """Return what to call instead of the function of an operator of the DSL."""
        wrapper = self._environment.processor_wrapper
        if wrapper is None or isinstance(node.operator, op.Custom):
            return function
        processor, wrapped = wrapping.wrap_operator(wrapper, node, function)
        self._processors[node.name] = (processor, TaskProcessorContext(self, node))
        return wrapped

    def transformer(self, spec: op.TableTransformValues) -> Callable[[Any, Any, int], Any]:
        """Return `transform(key, value, time)` of a new transformer, begun and ended here."""
        node = self._environment.topology.node(spec.name)
        if not isinstance(node, op.ProcessorNode):
            raise ProcessingError(f"{spec.name!r} is no processor")
        transformer = supplied_processor(spec.name, spec.supplier, "transform")
        context = ForwardingDisabledContext(self, node)
        self._processors[f"{spec.name} #{len(self._processors)}"] = (transformer, context)

        def transform(key: Any, value: Any, time: int) -> Any:
            context.record_time_ms = time
            try:
                return transformer.transform(key, value)
            finally:
                context.record_time_ms = None

        return transform

    @property
    def partition(self) -> int:
        """The partition of its inputs that the task reads."""
        return self.id.partition

    def node_guard(self, node: str) -> Guard | None:
        """Return what to call with an error of a node; None where nobody handles them."""
        return self.errors.node_guard(node) if self.errors.guards_nodes else None

    def sink_guard(self, node: op.SinkNode) -> Callable[..., None] | None:
        """Return what to call with an error of a sink's serialisers; None as above."""
        if not self.errors.guards_sinks:
            return None
        topic = self._full_name(node.topic) if isinstance(node.topic, str) else ""
        return self.errors.sink_guard(node, topic)

    def is_trusted(self, source: op.SourceNode) -> bool:
        """Tell whether a source reads nothing but repartition topics, which we write ourselves."""
        own = self._environment.topology.is_repartition_topic
        return source.pattern is None and all(map(own, source.topics))

    def sink(self, node: op.SinkNode) -> SinkBuffer | RoutedSink:
        """Return where a sink node writes."""
        suffix = 0
        if isinstance(node.key_serde, WindowedSerde | NumberedWindowSerde):
            suffix = 8
        elif isinstance(node.key_serde, SessionWindowedSerde):
            suffix = 16
        if isinstance(node.topic, str) and node.partitioner is None:
            return self._buffer(self._full_name(node.topic), None, suffix)
        topic = self._full_name(node.topic) if isinstance(node.topic, str) else node.topic
        sink = RoutedSink(
            topic,
            node.partitioner,
            (node.key_serde, node.value_serde),
            partial(self._buffer, suffix=suffix),
            self._environment.partition_count,
            TaskProcessorContext(self, node),
        )
        sink.on_drop = self._count_dropped
        return sink

    def _count_dropped(self) -> None:
        self.statistics.dropped_records += 1

    def _buffer(self, topic: str, partition: int | None, suffix: int = 0) -> SinkBuffer:
        count = self._environment.partition_count(topic)
        if count == 1:  # one buffer for all, so that records of several sinks keep their order
            partition, suffix = None, 0
        key = (topic, partition, suffix)
        if key not in self._sinks:
            buffer = self._sinks[key] = (
                SinkBuffer(topic, count, suffix)
                if partition is None
                else PartitionBuffer(topic, partition)
            )
            if self._environment.keeps_send_order:
                buffer.note_first(self._send_order_note)
        return self._sinks[key]

    def _send_order_note(self, sink: SinkBuffer) -> None:
        self._send_order.append(sink)

    def _full_name(self, topic: str) -> str:
        return self._environment.topology.decorate(topic, self._environment.application_id)

    def _make_queues(self, code: Compiled) -> Iterator[RecordQueue]:
        inputs = self.inputs
        for source in self._nodes:
            if not isinstance(source, op.SourceNode):
                continue
            for topic in source.topics:
                name = self._full_name(topic)
                for partition in (each for each in inputs if each.topic == name):
                    yield self._queue(source, topic, partition, code)

    def _queue(
        self, source: op.SourceNode, topic: str, partition: TopicPartition, code: Compiled
    ) -> RecordQueue:
        return RecordQueue(partition, code.sources[source.name], self._timestamps(source, topic))

    def _timestamps(self, source: op.SourceNode, topic: str) -> Callable[[Columns, int], Any]:
        extractor = source.timestamp_extractor or self._environment.default_extractor
        if self._environment.topology.is_repartition_topic(topic):
            extractor = None  # written by us, with times already extracted
        return timestamps_with(extractor, source.key_serde, source.value_serde)

    # ------------------------------------------------------------------ failures

    def explained(
        self,
        error: Exception,
        current: CurrentRecord | None = None,
        store: str = "",
        node: str = "",
    ) -> ProcessingError:
        """Return the error to raise for `error`; itself where it is one already.

        Args:
            error: What was raised.
            current: The record being processed.
            store: The store that was flushed.
            node: The node at fault, for errors that did not pass through generated code.
        """
        if isinstance(error, ProcessingError):
            return error
        if self._code is None:
            return ProcessingError(f"task {self.id}: {type(error).__name__}: {error}")
        place = f"task {self.id}, store {store!r}" if store else f"task {self.id}"
        step = self._code.code.step_of(error.__traceback__)
        if step is None:
            writer = self._writer_of(store)
            step = Step(writer, "write its store") if writer else Step(node, "process a record")
        return failures.explain(error, step, self._nodes, current, place)

    def _writer_of(self, store: str) -> str:
        """Return the name of the node that writes a store; empty for none."""
        for node in self._nodes:
            if store and getattr(getattr(node, "operator", None), "store", None) == store:
                return node.name
        return ""

    def _guarded(self, node: str, action: Callable[[], None]) -> None:
        """Run code of the user's that no record stands behind."""
        try:
            action()
        except Exception as error:
            raise self._blamed(error, node, "init()") from error

    def _blamed(self, error: Exception, node: str, where: str, skip: str = "") -> ProcessingError:
        """Return the error to raise for what a node raised outside of the generated code."""
        explained = self.explained(error)
        if explained.processor or explained is error:
            return explained
        message = f"processor {node!r} raised {type(error).__name__}: {error} (task {self.id})"
        if place := failures.user_frame(error.__traceback__):
            message += f"\n  raised at: {place}"
        advice = "mend it; nothing since the last commit is lost, it is processed again"
        return ProcessingError(f"{message}\n  in: {where}\n  try: {advice}{skip}", processor=node)
