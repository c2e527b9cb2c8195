"""The loop of a source task: poll → transform → convert → produce → store offsets.

Kafka: `WorkerSourceTask`. Offsets are stored only up to the last acknowledged record in a row of
each source partition, so that a crash repeats records but loses none.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from aliran.connectors.api.tasks import SourceTask, TransactionContext
from aliran.connectors.errors import ConnectError
from aliran.connectors.records import SourceRecord
from aliran.connectors.runtime.errors import Failure, Raw, Stage, name_of
from aliran.connectors.runtime.pipeline import ProducerRow
from aliran.connectors.runtime.status import State
from aliran.connectors.runtime.submitted import Batch, Offsets, SubmittedRecords
from aliran.connectors.runtime.task import TaskSetup, ThreadTask
from aliran.connectors.runtime.topic_creation import TopicCreator

logger: logging.Logger = logging.getLogger("aliran.connectors")


class OffsetReader:
    """Finds offsets of one connector.

    Args:
        connector: The connector.
        get: Finds them by connector and source partition.
    """

    def __init__(
        self, connector: str, get: Callable[[str, Mapping[str, Any]], dict[str, Any] | None]
    ) -> None:
        self._connector = connector
        self._get = get

    def offset(self, partition: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the offset of a source partition."""
        return self._get(self._connector, partition)


class _Context:
    def __init__(
        self, setup: TaskSetup, reader: OffsetReader, transactions: TransactionContext | None
    ) -> None:
        self._setup = setup
        self.offset_storage_reader = reader
        self.transaction_context = transactions

    def configs(self) -> dict[str, str]:
        """Return the configuration of the task."""
        return dict(self._setup.props)


class WorkerSourceTask(ThreadTask):
    """Runs a `SourceTask`.

    Args:
        setup: What it runs with.
        task: The task.
        paused: Whether it begins paused.
    """

    def __init__(self, setup: TaskSetup, task: SourceTask, *, paused: bool) -> None:
        super().__init__(setup, paused=paused)
        self._task = task
        self._producer: Producer | None = None
        self._submitted = SubmittedRecords()
        self._pending: Offsets = {}
        self._wants_to_know = type(task).commit_record is not SourceTask.commit_record
        self._committing = threading.Lock()
        self._failure: Exception | None = None
        self._started = self._running = False
        self._transactions: TransactionContext | None = None

    def stop(self) -> None:
        """Begin to end: `poll` is told, too."""
        super().stop()
        if self._started:
            self._task.stop()

    def details(self) -> Mapping[str, Any]:
        """Return what the task tells of itself."""
        return self._task.details() if self._running else {}

    def commit_offsets(self) -> None:
        """Store the offsets of what is acknowledged; what cannot be stored is tried next time."""
        producer = self._producer
        if producer is None:
            return
        producer.poll(0)
        try:
            self._store()
        except ConnectError as error:
            logger.warning("task %s: %s; it is tried again", self.setup.id, error)

    def _store(self) -> None:
        with self._committing:
            self.setup.operator.flush()
            self._pending.update(self._submitted.committable())
            if self._pending:
                self.setup.offsets.put(self.setup.id.connector, self._pending.values())
                self._pending.clear()
            if self._running:  # not before it has started
                self._task.commit()

    # ------------------------------------------------------------------ the loop

    def _run(self) -> None:
        setup = self.setup
        self._producer = self._open_producer()
        self._topics = TopicCreator(setup.cluster, setup.props)
        self._task.initialize(_Context(setup, self._offset_reader(), self._transactions))
        self._started = True
        self._task.start(setup.props)
        self._running = True
        self._say(State.RUNNING)
        while not self._stopping.is_set():
            self.turn()
            if self._paused:
                self._await_resume()
                continue
            records = self._poll()
            if records:
                self._send(records)
            self._producer.poll(0)
            self._submitted.let_go()
            if self._failure is not None:
                raise self._failure
            self._after_turn()

    def _open_producer(self) -> Producer:
        return self.setup.cluster.producer(self.setup.overrides("producer"))

    def _offset_reader(self) -> OffsetReader:
        return OffsetReader(self.setup.id.connector, self.setup.offsets.get)

    def _after_turn(self) -> None:
        """Do what is to be done behind a batch, or where there was none."""

    def _poll(self) -> Sequence[SourceRecord] | None:
        try:
            return self._task.poll()
        except Exception as error:
            if getattr(error, "retriable", False) is not True:
                raise
            logger.warning("task %s: poll failed, is tried again: %s", self.setup.id, error)
            self._stopping.wait(getattr(error, "after", 0.5))
            return None

    def _send(self, records: Sequence[SourceRecord]) -> None:
        batch = self._submitted.submit(records)
        topics: set[str] = set()
        for number, row in enumerate(self.setup.pipeline.to_kafka(records)):
            if row is None:
                self._settle(batch, number, None)
                continue
            if row.topic not in topics:
                topics.add(row.topic)
                self._topics.need(row.topic)
                self.setup.on_topic(self.setup.id.connector, self.setup.id, row.topic)
            try:
                self._produce(row, partial(self._delivered, batch, number, row))
            except KafkaException as error:
                self._refused(batch, number, row, error)

    def _produce(self, row: ProducerRow, delivered: Callable[..., None]) -> None:
        assert self._producer is not None
        produce = self._producer.produce
        partition = -1 if row.partition is None else row.partition
        while True:
            try:
                if row.headers or row.timestamp is not None:
                    timestamp = 0 if row.timestamp is None else row.timestamp or 1
                    produce(
                        row.topic, row.value, row.key, partition, delivered, None, timestamp,
                        row.headers,
                    )  # fmt: skip
                else:  # named arguments and empty headers cost more than all the rest
                    produce(row.topic, row.value, row.key, partition, delivered)
            except BufferError:
                self._producer.poll(0.1)  # the queue is full: wait for room
                self.turn()  # it waits for Kafka, and that is right
                if self._stopping.is_set():
                    raise ConnectError("stopped while the producer's queue was full") from None
                continue
            return

    def _settle(self, batch: Batch, number: int, offset: int | None) -> None:
        batch.settle(number)
        if self._wants_to_know:
            self._task.commit_record(batch.records[number], offset)

    def _delivered(
        self,
        batch: Batch,
        number: int,
        row: ProducerRow,
        error: KafkaError | None,
        message: Message[bytes, bytes],
    ) -> None:
        """Take note of what became of a record; called by the producer."""
        if error is not None:
            self._refused(batch, number, row, KafkaException(error))
        elif self._wants_to_know:
            self._settle(batch, number, message.offset())
        else:
            batch.settle(number)

    def _refused(self, batch: Batch, number: int, row: ProducerRow, error: KafkaException) -> None:
        """Judge a record that the broker does not take; runs inside of the producer's callbacks."""
        reason = ConnectError(
            f"a record could not be written to {row.topic}: {error.args[0].str()}"
        )
        raw = Raw(row.topic, key=row.key, value=row.value, headers=row.headers or ())
        try:
            self.setup.operator.failed(
                Failure(Stage.KAFKA_PRODUCE, name_of(self._task), reason, 1, raw)
            )
        except ConnectError as fatal:
            self._failure = self._failure or fatal
            return
        self._settle(batch, number, None)

    def _close(self, *, failed: bool) -> None:
        try:
            if failed and self._started and not self._stopping.is_set():
                self._task.stop()
            self._task.close()
        finally:
            producer = self._producer
            if producer is not None:
                try:
                    self._finish(producer, failed=failed)
                finally:
                    self._producer = None
                    producer.purge()
                    producer.flush(1)

    def _finish(self, producer: Producer, *, failed: bool) -> None:  # noqa: ARG002
        """Store how far it has come, for the last time."""
        producer.flush(self._graceful_s)
        self._store()

    @property
    def _graceful_s(self) -> float:
        return float(self.setup.config["task.shutdown.graceful.timeout.ms"]) / 1000
