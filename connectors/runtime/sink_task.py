"""The loop of a sink task: consume → convert → transform → put; offsets behind `pre_commit`.

Kafka: `WorkerSinkTask`. Offsets are those of the consumer group `connect-<name>`. A batch whose
`put` ends in a retriable error is put again as it is, its partitions paused meanwhile.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as KafkaPartition

from aliran.clients.kafka_errors import PARTITION_EOF
from aliran.connectors.api.tasks import SinkTask
from aliran.connectors.errors import ConfigError, ConnectError
from aliran.connectors.records import SinkRecord
from aliran.connectors.runtime.errors import Failure, Raw, Stage, name_of
from aliran.connectors.runtime.pipeline import ConsumedRecord
from aliran.connectors.runtime.status import State
from aliran.connectors.runtime.task import TaskSetup, ThreadTask
from aliran.core.types import TopicPartition

logger: logging.Logger = logging.getLogger("aliran.connectors")

_WAIT_S = 0.25
_RETRY_S = 1.0
_WAITED_FOR = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC}  # noqa: SLF001


class _Reported(Future[None]):
    """Done when a report is safe; who waits for the result sees to it that it gets there."""

    def __init__(self, flush: Callable[[], None]) -> None:
        super().__init__()
        self._flush = flush

    def result(self, timeout: float | None = None) -> None:
        """Wait until the report is safe."""
        self._flush()
        super().result(timeout)


class _Reporter:
    """Sends single records where failures are reported. Kafka: `WorkerErrantRecordReporter`."""

    def __init__(self, setup: TaskSetup, task: SinkTask) -> None:
        self._setup = setup
        self._executor = name_of(task)

    def report(self, record: SinkRecord, error: Exception) -> Future[None]:
        """Report a record."""
        if isinstance(record, ConsumedRecord):
            raw = record.raw
        else:  # made anew by the task: its place is known, its bytes are not
            raw = Raw(
                record.original_topic or "",
                record.original_kafka_partition or 0,
                record.original_kafka_offset or 0,
            )
        self._setup.operator.failed(Failure(Stage.TASK_PUT, self._executor, error, 1, raw))
        done = _Reported(self._setup.operator.flush)
        self._setup.operator.when_reported(done)
        return done


class _Context:
    """What the task may ask for; the loop looks at it between two batches."""

    def __init__(self, worker: WorkerSinkTask, reporter: _Reporter | None) -> None:
        self._worker = worker
        self.errant_record_reporter = reporter
        self.wanted_offsets: dict[TopicPartition, int] = {}
        self.paused: set[TopicPartition] = set()
        self.timeout_ms = -1
        self.commit_requested = False

    def configs(self) -> dict[str, str]:
        """Return the configuration of the task."""
        return dict(self._worker.setup.props)

    def assignment(self) -> set[TopicPartition]:
        """Return the partitions that the task has."""
        return set(self._worker.assigned)

    def offset(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Have the consumer read from these offsets on."""
        self.wanted_offsets.update(offsets)

    def pause(self, *partitions: TopicPartition) -> None:
        """Put nothing of these partitions."""
        self.paused.update(partitions)
        self._worker.apply_pauses()

    def resume(self, *partitions: TopicPartition) -> None:
        """Undo `pause`."""
        self.paused.difference_update(partitions)
        self._worker.apply_pauses()

    def timeout(self, timeout_ms: int) -> None:
        """Say when a failed batch comes again."""
        self.timeout_ms = timeout_ms

    def request_commit(self) -> None:
        """Have offsets committed soon."""
        self.commit_requested = True


class WorkerSinkTask(ThreadTask):
    """Runs a `SinkTask`.

    Args:
        setup: What it runs with.
        task: The task.
        paused: Whether it begins paused.
    """

    def __init__(self, setup: TaskSetup, task: SinkTask, *, paused: bool) -> None:
        super().__init__(setup, paused=paused)
        self._task = task
        reporter = _Reporter(setup, task) if setup.operator.reporting else None
        self._context = _Context(self, reporter)
        self._consumer: Consumer | None = None
        self._most = 500
        self._batch: list[SinkRecord] = []
        self._batch_ends: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}  # behind what was put
        self._committed: dict[TopicPartition, int] = {}
        self._retry_at = 0.0
        self._next_commit = 0.0
        self._is_paused: set[TopicPartition] = set()
        self._callback_error: BaseException | None = None
        self._started = False
        self.assigned: set[TopicPartition] = set()

    # ------------------------------------------------------------------ the loop

    def _run(self) -> None:
        setup = self.setup
        overrides = setup.overrides("consumer")
        self._most = _most_records(overrides.pop("max.poll.records", "500"))
        consumer = self._consumer = setup.cluster.consumer(
            f"connect-{setup.id.connector}", overrides
        )
        self._task.initialize(self._context)
        self._started = True
        self._task.start(setup.props)
        consumer.subscribe(
            self._topics(),
            on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost,
        )  # fmt: skip
        self._say(State.RUNNING)
        self._next_commit = time.monotonic() + self._commit_every_s
        was_paused = False
        while not self._stopping.is_set():
            self.turn()
            if self._paused != was_paused:
                was_paused = self._paused
                self._say(State.PAUSED if was_paused else State.RUNNING)
                self.apply_pauses()
            self._turn(consumer)

    def _topics(self) -> list[str]:
        props = self.setup.props
        if props.get("topics.regex"):
            # librdkafka takes a topic for a pattern if it begins with ^.
            return [f"^({props['topics.regex']})$"]
        return [one.strip() for one in props.get("topics", "").split(",") if one.strip()]

    @property
    def _commit_every_s(self) -> float:
        return float(self.setup.config["offset.flush.interval.ms"]) / 1000

    def _turn(self, consumer: Consumer) -> None:
        """Read, put, commit if due: once."""
        self._rewind(consumer)
        now = time.monotonic()
        if self._context.commit_requested or now >= self._next_commit:
            self._context.commit_requested = False
            self._next_commit = now + self._commit_every_s
            self._commit(consumer)
        wait = _WAIT_S
        if self._batch:
            wait = min(max(self._retry_at - now, 0.0), 1.0)
        messages = consumer.consume(self._most, timeout=wait) if wait else []
        if self._callback_error is not None:
            raise self._callback_error
        self._take(messages)
        if self._batch and time.monotonic() < self._retry_at:
            return
        if not self._paused:
            self._put()

    def _take(self, messages: Iterable[Message[bytes, bytes]]) -> None:
        """Convert messages into the batch."""
        taken: list[Message[bytes, bytes]] = []
        partition = TopicPartition("", -1)
        for message in messages:
            error = message.error()
            if error is not None:
                self._judge(error)
                continue
            topic, number = message.topic() or "", message.partition() or 0
            if topic != partition.topic or number != partition.partition:
                partition = TopicPartition(topic, number)
                self.setup.on_topic(self.setup.id.connector, self.setup.id, topic)
            if partition in self.assigned:
                self._batch_ends[partition] = (message.offset() or 0) + 1
                taken.append(message)
        converted = self.setup.pipeline.to_sink(taken)
        self._batch += [record for record in converted if record is not None]

    def _judge(self, error: KafkaError) -> None:
        """Raise what keeps a consumer from reading on, and log what does not."""
        if error.code() == PARTITION_EOF:
            return
        if error.code() not in _WAITED_FOR and (error.fatal() or not error.retriable()):
            raise ConnectError(f"consuming failed: {error.str()}") from KafkaException(error)
        logger.warning("task %s: %s", self.setup.id, error.str())

    def _put(self) -> None:
        try:
            self._task.put(self._batch)
        except Exception as error:
            if getattr(error, "retriable", False) is not True:
                raise
            asked, self._context.timeout_ms = self._context.timeout_ms, -1
            delay = asked / 1000 if asked >= 0 else _RETRY_S
            self._retry_at = time.monotonic() + delay
            logger.warning(
                "task %s: put of %s records failed, comes again in %s s: %s",
                self.setup.id, len(self._batch), delay, error,
            )  # fmt: skip
            self.apply_pauses(all_of_them=True)
            return
        self._batch = []
        self._ends.update(self._batch_ends)
        self._batch_ends = {}
        if self._retry_at:
            self._retry_at = 0.0
            self.apply_pauses()

    def _rewind(self, consumer: Consumer) -> None:
        wanted, self._context.wanted_offsets = self._context.wanted_offsets, {}
        for partition, offset in wanted.items():
            if partition not in self.assigned:
                raise ConnectError(
                    f"task {self.setup.id} does not have {partition}: {offset} is refused"
                )
            consumer.seek(KafkaPartition(*partition, offset))
            self._ends[partition] = offset
            self._batch_ends.pop(partition, None)
            self._batch = [
                one
                for one in self._batch
                if (one.original_topic, one.original_kafka_partition) != tuple(partition)
            ]

    def apply_pauses(self, *, all_of_them: bool = False) -> None:
        """Pause and resume partitions in the consumer as they should be."""
        consumer = self._consumer
        if consumer is None:
            return
        everything = all_of_them or self._paused or bool(self._retry_at)
        wanted = set(self.assigned) if everything else self._context.paused & self.assigned
        if pause := wanted - self._is_paused:
            consumer.pause([KafkaPartition(*one) for one in pause])
        if resume := (self._is_paused & self.assigned) - wanted:
            consumer.resume([KafkaPartition(*one) for one in resume])
        self._is_paused = wanted

    # ------------------------------------------------------------------ offsets

    def _commit(self, consumer: Consumer) -> None:
        current = {one: end for one, end in self._ends.items() if one in self.assigned}
        if not current:
            return
        try:
            safe = self._task.pre_commit(dict(current))
            self.setup.operator.flush()
        except Exception as error:
            # As Kafka does: what was put since the last commit is read again.
            logger.error("task %s: flush failed, records come again: %s", self.setup.id, error)
            for partition in current:
                start = self._committed.get(partition)
                if start is not None:
                    self._context.wanted_offsets.setdefault(partition, start)
            if not isinstance(error, ConnectError) or any(
                one not in self._committed for one in current
            ):
                raise
            return
        offsets = {
            one: min(offset, current[one])
            for one, offset in safe.items()
            if one in current and offset != self._committed.get(one)
        }
        if not offsets:
            return
        try:
            consumer.commit(
                offsets=[KafkaPartition(*one, offset) for one, offset in offsets.items()],
                asynchronous=False,
            )
        except KafkaException as error:
            logger.warning("task %s: commit failed: %s", self.setup.id, error.args[0].str())
            return
        self._committed.update(offsets)

    # ------------------------------------------------------------------ rebalances (in `consume`)

    def _on_assign(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        new = [TopicPartition(one.topic, one.partition) for one in partitions]
        try:
            self.assigned.update(new)
            for one in consumer.committed(partitions, timeout=30) if partitions else ():
                if one.offset >= 0:
                    self._committed[TopicPartition(one.topic, one.partition)] = one.offset
            self._task.open(new)
            wanted = self._context.wanted_offsets
            for one in partitions:
                offset = wanted.pop(TopicPartition(one.topic, one.partition), None)
                if offset is not None:
                    one.offset = offset
            consumer.assign(partitions)
            self._is_paused -= set(new)
            self.apply_pauses()
        except BaseException as error:
            self._callback_error = error

    def _on_revoke(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        try:
            if self._started and not self._callback_error:
                self._commit(consumer)
            self._give_up(partitions)
        except BaseException as error:
            self._callback_error = error

    def _on_lost(self, _consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        try:
            self._give_up(partitions)
        except BaseException as error:
            self._callback_error = error

    def _give_up(self, partitions: list[KafkaPartition]) -> None:
        gone = {TopicPartition(one.topic, one.partition) for one in partitions}
        if mine := gone & self.assigned:
            self._task.close(mine)
        self.assigned -= gone
        self._is_paused -= gone
        for table in (self._ends, self._batch_ends, self._committed):
            for one in gone:
                table.pop(one, None)
        self._batch = [
            one
            for one in self._batch
            if TopicPartition(one.original_topic or "", one.original_kafka_partition or 0)
            not in gone
        ]
        if not self._batch:
            self._retry_at = 0.0

    def _close(self, *, failed: bool) -> None:
        consumer = self._consumer
        try:
            if consumer is not None and not failed:
                self._commit(consumer)
            if self.assigned:
                self._task.close(set(self.assigned))
                self._started, self.assigned = False, set()
        finally:
            try:
                self._task.stop()
            finally:
                self._started, self.assigned, self._consumer = False, set(), None
                if consumer is not None:
                    consumer.close()


def _most_records(text: str) -> int:
    """Return the most records of a batch (`max.poll.records`), which librdkafka has no word for."""
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError.of("max.poll.records", text, "Value must be at least 1")
    return min(int(text), 100_000)
