"""The loop of a source task: poll → transform → convert → produce → store offsets.

Kafka: `WorkerSourceTask`, `SubmittedRecords`. Offsets are stored only up to the last acknowledged
record in a row of each source partition, so that a crash repeats records but loses none.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from aliran.connectors.api.tasks import SourceTask
from aliran.connectors.errors import ConnectError
from aliran.connectors.records import SourceRecord
from aliran.connectors.runtime.errors import Failure, Raw, Stage, name_of
from aliran.connectors.runtime.pipeline import ProducerRow
from aliran.connectors.runtime.status import State
from aliran.connectors.runtime.task import TaskSetup, WorkerTask
from aliran.connectors.runtime.topic_creation import TopicCreator

logger: logging.Logger = logging.getLogger("aliran.connectors")


class _Submitted:
    """One record under way."""

    __slots__ = ("acked", "offset")

    def __init__(self, offset: Mapping[str, Any] | None) -> None:
        self.offset = offset
        self.acked = False


class SubmittedRecords:
    """Records under way by source partition, in order. Kafka: `SubmittedRecords`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queues: dict[str, tuple[Mapping[str, Any], deque[_Submitted]]] = {}

    def submit(self, record: SourceRecord) -> _Submitted:
        """Note a record before it is sent."""
        partition = record.source_partition or {}
        submitted = _Submitted(record.source_offset)
        key = json.dumps(partition, sort_keys=True)
        with self._lock:
            row = self._queues.get(key)
            if row is None:
                row = self._queues[key] = (partition, deque())
            row[1].append(submitted)
        return submitted

    def committable(self) -> dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]]:
        """Take away what is acknowledged in a row; return the last offset of each partition."""
        found: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {}
        with self._lock:
            for key, (partition, queue) in list(self._queues.items()):
                while queue and queue[0].acked:
                    offset = queue.popleft().offset
                    if offset is not None:
                        found[key] = (partition, offset)
                if not queue:
                    del self._queues[key]
        return found


class _OffsetReader:
    def __init__(self, setup: TaskSetup) -> None:
        self._setup = setup

    def offset(self, partition: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the offset of a source partition."""
        return self._setup.offsets.get(self._setup.id.connector, partition)


class _Context:
    def __init__(self, setup: TaskSetup) -> None:
        self._setup = setup
        self.offset_storage_reader = _OffsetReader(setup)

    def configs(self) -> dict[str, str]:
        """Return the configuration of the task."""
        return dict(self._setup.props)


class WorkerSourceTask(WorkerTask):
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
        self._pending: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {}
        self._committing = threading.Lock()
        self._failure: Exception | None = None
        self._started = False

    def stop(self) -> None:
        """Begin to end: `poll` is told, too."""
        super().stop()
        if self._started:
            self._task.stop()

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
            self._task.commit()

    # ------------------------------------------------------------------ the loop

    def _run(self) -> None:
        setup = self.setup
        self._producer = setup.cluster.producer(setup.overrides("producer"))
        self._topics = TopicCreator(setup.cluster, setup.props)
        self._task.initialize(_Context(setup))
        self._started = True
        self._task.start(setup.props)
        self._say(State.RUNNING)
        while not self._stopping.is_set():
            if self._paused:
                self._await_resume()
                continue
            records = self._poll()
            for record in records or ():
                self._send(record)
            self._producer.poll(0)
            if self._failure is not None:
                raise self._failure

    def _poll(self) -> Sequence[SourceRecord] | None:
        try:
            return self._task.poll()
        except Exception as error:
            if getattr(error, "retriable", False) is not True:
                raise
            logger.warning("task %s: poll failed, is tried again: %s", self.setup.id, error)
            self._stopping.wait(getattr(error, "after", 0.5))
            return None

    def _send(self, record: SourceRecord) -> None:
        submitted = self._submitted.submit(record)
        row = self.setup.pipeline.to_kafka(record)
        if row is None:
            submitted.acked = True
            self._task.commit_record(record, None)
            return
        self._topics.need(row.topic)
        self.setup.on_topic(self.setup.id.connector, self.setup.id, row.topic)

        def delivered(error: KafkaError | None, message: Message[bytes, bytes]) -> None:
            if error is None:
                submitted.acked = True
                self._task.commit_record(record, message.offset())
            else:
                self._refused(record, row, submitted, KafkaException(error))

        self._produce(row, delivered, record, submitted)

    def _produce(
        self, row: ProducerRow, delivered: Any, record: SourceRecord, submitted: _Submitted
    ) -> None:
        assert self._producer is not None
        while True:
            try:
                self._producer.produce(
                    row.topic, row.value, row.key,
                    partition=-1 if row.partition is None else row.partition,
                    on_delivery=delivered,
                    timestamp=0 if row.timestamp is None else row.timestamp or 1,
                    headers=row.headers,
                )  # fmt: skip
            except BufferError:
                self._producer.poll(0.1)  # the queue is full: wait for room
                if self._stopping.is_set():
                    raise ConnectError("stopped while the producer's queue was full") from None
                continue
            except KafkaException as error:
                self._refused(record, row, submitted, error)
            return

    def _refused(
        self, record: SourceRecord, row: ProducerRow, submitted: _Submitted, error: KafkaException
    ) -> None:
        """Judge a record that the broker does not take; runs inside of the producer's callbacks."""
        reason = ConnectError(
            f"a record could not be written to {row.topic}: {error.args[0].str()}"
        )
        raw = Raw(row.topic, key=row.key, value=row.value, headers=row.headers)
        try:
            self.setup.operator.failed(
                Failure(Stage.KAFKA_PRODUCE, name_of(self._task), reason, 1, raw)
            )
        except ConnectError as fatal:
            self._failure = self._failure or fatal
            return
        submitted.acked = True
        self._task.commit_record(record, None)

    def _close(self, *, failed: bool) -> None:
        try:
            if failed and self._started and not self._stopping.is_set():
                self._task.stop()
            self._task.close()
        finally:
            if self._producer is not None:
                timeout_s = self.setup.config["task.shutdown.graceful.timeout.ms"] / 1000
                self._producer.flush(timeout_s)
                self._store()
                producer, self._producer = self._producer, None
                producer.purge()
                producer.flush(1)
