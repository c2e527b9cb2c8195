"""Sources that write each record once: records and their offsets in one transaction (KIP-618).

Kafka: `ExactlyOnceWorkerSourceTask`. Each task has a transactional id of its own; a task that
starts ends the transactions of whoever used that id before, and reads its offsets only then.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from aliran.connectors.api.tasks import SourceTask
from aliran.connectors.errors import ConfigError, ConnectError
from aliran.connectors.records import SourceRecord
from aliran.connectors.runtime.cluster import TIMEOUT_S, Cluster
from aliran.connectors.runtime.offsets import (
    OffsetStore,
    OffsetTable,
    encode_value,
    make_offset_topic,
    read_offsets,
)
from aliran.connectors.runtime.source_task import OffsetReader, WorkerSourceTask
from aliran.connectors.runtime.submitted import Batch, Offsets
from aliran.connectors.runtime.task import TaskSetup

logger: logging.Logger = logging.getLogger("aliran.connectors")

_SHORTEST_MS, _LONGEST_MS = 60_000, 900_000  # librdkafka's default, and what brokers allow
_REFUSED = KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
_NO_TOPIC = (
    "records are written exactly once only together with their offsets, in a topic: the worker "
    "needs offset.storage.topic, or the connector offsets.storage.topic"
)


def transactional_id(group_id: str, connector: str, task: int) -> str:
    """Return the transactional id of a task, Kafka's."""
    return f"{group_id}-{connector}-{task}"


def fence(
    cluster: Cluster,
    group_id: str,
    connector: str,
    tasks: int,
    overrides: Mapping[str, str] | None = None,
) -> None:
    """End the transactions of an earlier generation of tasks, and keep it from writing any more.

    Kafka: `Worker.fenceZombies`. It has a request for that; taking over each id does the same.

    Args:
        cluster: Where they write.
        group_id: The workers' `group.id`.
        connector: Their connector.
        tasks: How many there were.
        overrides: Settings of their producers.

    Raises:
        ConnectError: The cluster does not do so.
    """
    for number in range(tasks):
        _take_over(cluster, transactional_id(group_id, connector, number), overrides or {})


def problems_of(
    cluster: Cluster, offsets: OffsetStore, settings: Mapping[str, Any], props: Mapping[str, str]
) -> list[str]:
    """Return what keeps a worker from writing a connector's records exactly once."""
    if not (props.get("offsets.storage.topic") or offsets.topic):
        return [_NO_TOPIC]
    try:
        _take_over(cluster, f"{settings['group.id']}-validation", {})
    except ConnectError as error:
        return [str(error)]
    return []


def _take_over(cluster: Cluster, name: str, overrides: Mapping[str, str]) -> Producer:
    """Return a producer for transactions; whoever had its id is fenced."""
    limit = overrides.get("transaction.timeout.ms", str(_SHORTEST_MS))
    settings = {"delivery.timeout.ms": limit, "transaction.timeout.ms": limit}
    producer = cluster.producer({**settings, **overrides, "transactional.id": name})
    try:
        producer.init_transactions(TIMEOUT_S)
    except KafkaException as error:
        reason: KafkaError = error.args[0]
        message = (
            f"the Kafka cluster at {cluster.bootstrap_servers} refuses transactions to "
            f"transactional.id {name!r}: {reason.str()}"
        )
        if reason.code() == _REFUSED:
            raise ConfigError(
                f"{message}; exactly.once.source.support=enabled needs a Kafka cluster with "
                "transactions (Aliran's broker has none) and the right to use that id"
            ) from error
        raise ConnectError(message) from error
    return producer


class Boundaries:
    """Where the connector wants transactions to end. Kafka: `WorkerTransactionContext`."""

    def __init__(self) -> None:
        self._commit: set[int] = set()
        self._abort: set[int] = set()
        self._kept: list[SourceRecord] = []  # so that their ids stay theirs
        self.commit_batch: bool = False
        self.abort_batch: bool = False

    def commit_transaction(self, record: SourceRecord | None = None) -> None:
        """Commit behind a record, or behind the next batch."""
        if record is None:
            self.commit_batch = True
        else:
            self._kept.append(record)
            self._commit.add(id(record))

    def abort_transaction(self, record: SourceRecord | None = None) -> None:
        """Drop what came up to a record, or to the end of the next batch."""
        if record is None:
            self.abort_batch = True
        else:
            self._kept.append(record)
            self._abort.add(id(record))

    def parts(self, records: Sequence[SourceRecord]) -> list[tuple[Sequence[SourceRecord], str]]:
        """Return a batch cut where transactions end in it, each part with what ends it."""
        found: list[tuple[Sequence[SourceRecord], str]] = []
        start = 0
        if self._kept:
            for number, record in enumerate(records, 1):
                end = "abort" if id(record) in self._abort else "commit"
                if end == "abort" or id(record) in self._commit:
                    found.append((records[start:number], end))
                    start = number
            self._kept, self._commit, self._abort = [], set(), set()
        if start < len(records):
            found.append((records[start:], ""))
        return found

    def end_of_batch(self) -> str:
        """Return what is wanted behind the batch: abort, commit or nothing."""
        wanted = "abort" if self.abort_batch else "commit" if self.commit_batch else ""
        self.abort_batch = self.commit_batch = False
        return wanted


class ExactlyOnceSourceTask(WorkerSourceTask):
    """Runs a `SourceTask` in transactions.

    Args:
        setup: What it runs with.
        task: The task.
        paused: Whether it begins paused.
    """

    def __init__(self, setup: TaskSetup, task: SourceTask, *, paused: bool) -> None:
        super().__init__(setup, task, paused=paused)
        self._boundary: str = setup.config["transaction.boundary"].lower()
        every_ms = setup.config["transaction.boundary.interval.ms"]
        self._every_ms: int = every_ms or setup.config["offset.flush.interval.ms"]
        self._marks = Boundaries()
        if self._boundary == "connector":
            self._transactions = self._marks
        self._is_open = False
        self._opened = 0.0
        self._told: list[tuple[SourceRecord, int | None]] = []
        self._table = OffsetTable()
        own = setup.props.get("offsets.storage.topic")
        self._topic: str | None = own or setup.offsets.topic

    def commit_offsets(self) -> None:
        """Do nothing: offsets go with their records."""

    # ------------------------------------------------------------------ on the task's thread

    def _open_producer(self) -> Producer:
        setup = self.setup
        if self._topic is None:
            raise ConfigError(_NO_TOPIC)
        group_id: str = setup.config["group.id"]
        name = transactional_id(group_id, setup.id.connector, setup.id.task)
        limit = _SHORTEST_MS
        if self._boundary == "interval":
            limit = min(_SHORTEST_MS + self._every_ms, _LONGEST_MS)
        overrides = {"transaction.timeout.ms": str(limit), **setup.overrides("producer")}
        producer = _take_over(setup.cluster, name, overrides)
        if self._topic != setup.offsets.topic:
            make_offset_topic(setup.cluster, self._topic)
        self._table = read_offsets(setup.cluster, self._topic)
        return producer

    def _offset_reader(self) -> OffsetReader:
        def get(connector: str, partition: Mapping[str, Any]) -> dict[str, Any] | None:
            found = self._table.get(connector, partition)
            if found is None and self._topic != self.setup.offsets.topic:
                return self.setup.offsets.get(connector, partition)  # from before it had a topic
            return found

        return OffsetReader(self.setup.id.connector, get)

    def _send(self, records: Sequence[SourceRecord]) -> None:
        for part, end in self._marks.parts(records):
            self._begin()
            super()._send(part)
            if end:
                self._end(abort=end == "abort")

    def _after_turn(self) -> None:
        if not self._is_open:
            return
        wanted = self._marks.end_of_batch()
        late = time.monotonic() - self._opened >= self._every_ms / 1000
        if self._boundary == "poll" or wanted or (self._boundary == "interval" and late):
            self._end(abort=wanted == "abort")

    def _await_resume(self) -> None:
        if self._is_open and self._boundary != "connector":
            self._end(abort=False)  # it would time out
        super()._await_resume()

    def _settle(self, batch: Batch, number: int, offset: int | None) -> None:
        batch.settle(number)
        if self._wants_to_know:  # once it is true: behind the commit
            self._told.append((batch.records[number], offset))

    def _finish(self, producer: Producer, *, failed: bool) -> None:
        if not self._is_open:
            return
        if failed or self._boundary == "connector":
            with contextlib.suppress(KafkaException):  # the cluster does so when it times out
                producer.abort_transaction(self._graceful_s)
        else:
            self._end(abort=False)

    # ------------------------------------------------------------------ transactions

    def _begin(self) -> None:
        if not self._is_open:
            assert self._producer is not None
            self._producer.begin_transaction()
            self._is_open, self._opened = True, time.monotonic()

    def _end(self, *, abort: bool) -> None:
        """Commit what was sent with its offsets; or drop it, and commit the offsets alone."""
        producer = self._producer
        assert producer is not None
        try:
            self._flush(producer)
            self.setup.operator.flush()
            found = self._submitted.committable()
            if abort:
                logger.info("task %s: the connector drops a transaction", self.id)
                producer.abort_transaction(TIMEOUT_S)
                self._is_open = False
                self._begin()
            self._write_offsets(producer, found)
            self._commit(producer)
        except KafkaException as error:
            raise self._lost(error) from error
        self._is_open = False
        self.setup.offsets.note(self.id.connector, list(found.values()))
        told, self._told = self._told, []
        for record, offset in told:
            self._task.commit_record(record, offset)
        self._task.commit()

    def _flush(self, producer: Producer) -> None:
        """Wait until the cluster has all that was sent."""
        deadline: float | None = None
        while producer.flush(0.5):
            self.turn()
            if self._stopping.is_set():
                deadline = deadline or time.monotonic() + self._graceful_s
                if time.monotonic() > deadline:
                    raise ConnectError("stopped while Kafka did not take the records")
        if self._failure is not None:
            raise self._failure

    def _write_offsets(self, producer: Producer, found: Offsets) -> None:
        failures: list[KafkaError] = []

        def delivered(error: KafkaError | None, _message: Message[bytes, bytes]) -> None:
            if error is not None:
                failures.append(error)

        assert self._topic is not None
        name = self.id.connector
        for partition, offset in found.values():
            key = self._table.key_of(name, partition)
            producer.produce(self._topic, encode_value(offset), key, on_delivery=delivered)
        self._flush(producer)
        if failures:
            raise KafkaException(failures[0])
        self._table.take(name, found.values())

    def _commit(self, producer: Producer) -> None:
        while True:
            try:
                producer.commit_transaction(TIMEOUT_S)
                return
            except KafkaException as error:
                if not error.args[0].retriable() or self._stopping.is_set():
                    raise
                logger.warning("task %s: commit is tried again: %s", self.id, error.args[0].str())
                self.turn()

    def _lost(self, error: KafkaException) -> ConnectError:
        """Return what to say of a transaction that failed; what was in it comes again."""
        reason: KafkaError = error.args[0]
        why = "; another task has taken over its transactional id" if reason.fatal() else ""
        return ConnectError(f"a transaction of task {self.id} failed: {reason.str()}{why}")
