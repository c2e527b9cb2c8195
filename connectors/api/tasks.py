"""`SourceTask` and `SinkTask`: the part of a connector that moves records, and their contexts.

Kafka: `org.apache.kafka.connect.source.SourceTask` and `org.apache.kafka.connect.sink.SinkTask`.
All methods of a task are called from one thread, except that `SourceTask.stop`, `commit` and
`commit_record` may be called from another one while `poll` waits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

from aliran.connectors.records import SinkRecord, SourceRecord
from aliran.core.types import TopicPartition


class OffsetStorageReader(Protocol):
    """Finds how far earlier runs have come. Kafka: `OffsetStorageReader`."""

    def offset(self, partition: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the last offset that was committed for a source partition, None for none."""
        ...


class TransactionContext(Protocol):
    """Where transactions end, for a source that says so itself. Kafka: `TransactionContext`.

    What is asked for before `poll` returns holds for the records that it returns.
    """

    def commit_transaction(self, record: SourceRecord | None = None) -> None:
        """Commit behind a record, or behind the next batch."""
        ...

    def abort_transaction(self, record: SourceRecord | None = None) -> None:
        """Drop all of the transaction up to a record, or to the end of the next batch.

        The offsets of what is dropped are stored nevertheless, so that it does not come again.
        """
        ...


class SourceTaskContext(Protocol):
    """What a source task may ask the worker for. Kafka: `SourceTaskContext`."""

    @property
    def transaction_context(self) -> TransactionContext | None:
        """Ends transactions; None unless `transaction.boundary` is connector."""
        ...

    @property
    def offset_storage_reader(self) -> OffsetStorageReader:
        """How far earlier runs have come."""
        ...

    def configs(self) -> dict[str, str]:
        """Return the newest configuration of the task."""
        ...


class SourceTask(ABC):
    """Reads records from somewhere. Kafka: `SourceTask`.

    Attributes:
        context: Set before `start`.
    """

    context: SourceTaskContext

    def initialize(self, context: SourceTaskContext) -> None:
        """Take the context; called once, before `start`."""
        self.context = context

    @abstractmethod
    def start(self, props: Mapping[str, str]) -> None:
        """Start with this configuration."""

    @abstractmethod
    def poll(self) -> Sequence[SourceRecord] | None:
        """Return records, waiting for some (a second, say); None or nothing if there are none.

        Raises:
            RetriableError: Nothing could be read now; the worker asks again.
        """

    @abstractmethod
    def stop(self) -> None:
        """Stop: let `poll` return soon."""

    def close(self) -> None:
        """Let go of everything; called after the last `poll` has returned. Not in Kafka."""

    def commit(self) -> None:
        """Take note that offsets were stored. Kafka: `commit`."""

    def commit_record(self, record: SourceRecord, offset: int | None) -> None:
        """Take note that a record was acknowledged; `offset` is None if it was dropped."""

    def details(self) -> Mapping[str, Any]:
        """Return what `/status` shows of the task beside its state, such as how far it lags.

        Called from another thread at any time after `start`. Not in Kafka.
        """
        return {}


class ErrantRecordReporter(Protocol):
    """Sends single records to the dead-letter topic. Kafka: `ErrantRecordReporter`."""

    def report(self, record: SinkRecord, error: Exception) -> Future[None]:
        """Report a record that the target does not take.

        Returns:
            Done when the report is acknowledged; offsets wait for it anyway.

        Raises:
            ConnectError: `errors.tolerance` is none, so the task must fail.
        """
        ...


class SinkTaskContext(Protocol):
    """What a sink task may ask the worker for. Kafka: `SinkTaskContext`."""

    def configs(self) -> dict[str, str]:
        """Return the newest configuration of the task."""
        ...

    def assignment(self) -> set[TopicPartition]:
        """Return the partitions that the task has now."""
        ...

    def offset(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Go back (or on) to these offsets, before the next `put`."""
        ...

    def pause(self, *partitions: TopicPartition) -> None:
        """Put nothing of these partitions until `resume`."""
        ...

    def resume(self, *partitions: TopicPartition) -> None:
        """Undo `pause`."""
        ...

    def timeout(self, timeout_ms: int) -> None:
        """Say how long to wait before a batch comes again that ended in RetriableError."""
        ...

    def request_commit(self) -> None:
        """Have offsets committed as soon as may be."""
        ...

    @property
    def errant_record_reporter(self) -> ErrantRecordReporter | None:
        """Takes single bad records; None where neither tolerance nor a dead-letter topic is set."""
        ...


class SinkTask(ABC):
    """Writes records somewhere. Kafka: `SinkTask`.

    Attributes:
        context: Set before `start`.
    """

    context: SinkTaskContext

    def initialize(self, context: SinkTaskContext) -> None:
        """Take the context; called once, before `start`."""
        self.context = context

    @abstractmethod
    def start(self, props: Mapping[str, str]) -> None:
        """Start with this configuration."""

    def open(self, partitions: Collection[TopicPartition]) -> None:
        """Prepare for partitions that were assigned."""

    @abstractmethod
    def put(self, records: Sequence[SinkRecord]) -> None:
        """Take records; it may write them later, until `flush`. Empty now and then.

        Raises:
            RetriableError: The same batch is put again later.
        """

    def flush(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Write all that was put; `offsets` come behind it."""

    def pre_commit(self, offsets: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, int]:
        """Return the offsets that may be committed; those of `flush` unless overridden."""
        self.flush(offsets)
        return offsets

    def close(self, partitions: Collection[TopicPartition]) -> None:
        """Let go of partitions that were taken away."""

    @abstractmethod
    def stop(self) -> None:
        """Stop, and let go of everything."""
