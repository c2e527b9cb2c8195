"""Errors of the streams package."""

from __future__ import annotations

from aliran.core.errors import AliranError


class StreamsError(AliranError):
    """Root of the errors of `aliran.streams`."""


class TopologyError(StreamsError, ValueError):
    """A topology cannot be built as it was described. Kafka: `TopologyException`."""


class ProcessingError(StreamsError):
    """A record could not be processed: a user function raised, or a value did not fit its serde.

    Attributes:
        processor: Name of the node at fault, empty where it is not known.
        topic: Topic of the record that was being processed, None outside of one (punctuators).
        partition: Its partition.
        offset: Its offset.
    """

    def __init__(
        self,
        message: str,
        *,
        processor: str = "",
        topic: str | None = None,
        partition: int = -1,
        offset: int = -1,
    ) -> None:
        super().__init__(message)
        self.processor = processor
        self.topic = topic
        self.partition = partition
        self.offset = offset


class DeserializationError(ProcessingError):
    """The bytes of a key or value are not what the source's serde reads."""


class UnstoredChangeError(StreamsError):
    """A function changed a value that it read from a store, and did not write it back."""


class TaskMigratedError(StreamsError):
    """The group has given this member's tasks to another; they are closed and joined anew."""

    retriable = True


class IllegalStateError(StreamsError, RuntimeError):
    """A method was called in a state that does not allow it. Kafka: `IllegalStateException`."""


class UnknownOperatorError(TopologyError, AttributeError):
    """A stream, table or group has no method of that name; the message says what comes close."""
