"""Errors of the storage floor. Each carries the error code a Kafka client is answered with.

Attributes rather than prose tell where: `topic_partition`, `offset`, `path`, `position`.
"""

from __future__ import annotations

from typing import ClassVar

from aliran.core.error_codes import ErrorCode
from aliran.core.errors import AliranError
from aliran.core.types import TopicPartition


class StorageError(AliranError):
    """Root of the storage floor's errors."""

    error_code: ClassVar[ErrorCode] = ErrorCode.KAFKA_STORAGE_ERROR


class LogError(StorageError):
    """An operation on a partition's log failed.

    Attributes:
        error_code: What a Kafka client is answered.
        topic_partition: The log it happened on, or None when it is about the whole directory.
    """

    def __init__(self, message: str, topic_partition: TopicPartition | None = None) -> None:
        super().__init__(message)
        self.topic_partition = topic_partition

    @property
    def retriable(self) -> bool:  # type: ignore[override]
        """Whether the same call may succeed later, as Kafka defines it for the error code."""
        return self.error_code.retriable


class CorruptRecordError(LogError):
    """A batch handed in has a wrong CRC, size or format."""

    error_code = ErrorCode.CORRUPT_MESSAGE


class CorruptSegmentError(LogError):
    """A segment on disk holds bytes that are not what was written.

    Attributes:
        offset: The first offset that cannot be read.
        path: The segment's file.
        position: Where in the file the bad batch starts.
    """

    error_code = ErrorCode.CORRUPT_MESSAGE

    def __init__(
        self, topic_partition: TopicPartition, offset: int, path: str, position: int, reason: str
    ) -> None:
        super().__init__(
            f"{topic_partition}: the records from offset {offset} on cannot be read: {path} is "
            f"damaged at byte {position} ({reason}). Check the disk and restore the file from a "
            "copy; or go on after the damage by reading from a later offset; or stop the broker, "
            "remove .kafka_cleanshutdown and lower this partition's line in "
            "recovery-point-offset-checkpoint to have the log cut here at the next start",
            topic_partition,
        )
        self.offset = offset
        self.path = path
        self.position = position


class UnsupportedFormatError(LogError):
    """A batch handed in is of magic 0 or 1."""

    error_code = ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT


class MessageTooLargeError(LogError):
    """A batch is larger than max.message.bytes."""

    error_code = ErrorCode.MESSAGE_TOO_LARGE


class RecordListTooLargeError(LogError):
    """The batches of one append do not fit into one segment."""

    error_code = ErrorCode.RECORD_LIST_TOO_LARGE


class InvalidRecordError(LogError):
    """A record breaks a rule of the topic (no key on a compacted one, wrong offsets, ...).

    Attributes:
        record_errors: (index of the record in the batch, message) of each bad record.
    """

    error_code = ErrorCode.INVALID_RECORD

    def __init__(
        self,
        message: str,
        topic_partition: TopicPartition | None = None,
        record_errors: list[tuple[int, str]] | None = None,
    ) -> None:
        super().__init__(message, topic_partition)
        self.record_errors: list[tuple[int, str]] = record_errors or []


class InvalidTimestampError(LogError):
    """A record's timestamp is outside of the window the topic allows."""

    error_code = ErrorCode.INVALID_TIMESTAMP


class OutOfOrderSequenceError(LogError):
    """An idempotent producer's batch does not follow its last one."""

    error_code = ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


class InvalidProducerEpochError(LogError):
    """The batch comes from a producer that a newer one with its id has replaced."""

    error_code = ErrorCode.INVALID_PRODUCER_EPOCH


class OffsetOutOfRangeError(LogError):
    """The offset lies outside of what the log holds.

    Attributes:
        offset: What was asked for.
        log_start_offset: The first offset there is.
        log_end_offset: The offset the next record will get.
    """

    error_code = ErrorCode.OFFSET_OUT_OF_RANGE

    def __init__(
        self, topic_partition: TopicPartition, offset: int, log_start_offset: int, log_end: int
    ) -> None:
        super().__init__(
            f"{topic_partition}: offset {offset} is out of range: the log holds {log_start_offset} "
            f"to {log_end} (exclusive); read from the log start offset or from the end",
            topic_partition,
        )
        self.offset = offset
        self.log_start_offset = log_start_offset
        self.log_end_offset = log_end


class LogStorageError(LogError):
    """The disk refused: full, read-only, broken. The log is as it was before the call."""

    error_code = ErrorCode.KAFKA_STORAGE_ERROR


class LogClosedError(LogError):
    """The log was closed or its topic deleted."""

    error_code = ErrorCode.NOT_LEADER_OR_FOLLOWER


class DataDirectoryError(LogError):
    """The data directory cannot be used: foreign content, no permission, damaged metadata."""


class DataDirectoryLockedError(DataDirectoryError):
    """Another process has the data directory open.

    Attributes:
        holder_pid: That process, or None when it did not say.
    """

    def __init__(self, message: str, holder_pid: int | None) -> None:
        super().__init__(message)
        self.holder_pid = holder_pid


class InconsistentTopicIdError(LogError):
    """The partition's directory belongs to another topic of the same name."""

    error_code = ErrorCode.INCONSISTENT_TOPIC_ID
