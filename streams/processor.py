"""The Processor API: what a processor of your own is given, and what it gives.

Kafka: `org.apache.kafka.streams.processor.api`. The engine implements the contexts; user code and
tests see these protocols only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from aliran.core.types import Headers
from aliran.streams.errors import StreamsError

if TYPE_CHECKING:
    from aliran.core.durations import Duration

K = TypeVar("K")
V = TypeVar("V")
K2 = TypeVar("K2")
V2 = TypeVar("V2")
K_co = TypeVar("K_co", covariant=True)
V_co = TypeVar("V_co", covariant=True)
K_contra = TypeVar("K_contra", contravariant=True)
V_contra = TypeVar("V_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Record(Generic[K_co, V_co]):
    """What flows between processors. Kafka: `Record`.

    Attributes:
        key: The key, or None.
        value: The value, or None.
        timestamp: Milliseconds since the epoch.
        headers: Pairs of name and bytes; names may repeat.
    """

    key: K_co
    value: V_co
    timestamp: int
    headers: Headers = ()

    def with_key(self, key: K2) -> Record[K2, V_co]:
        """Return the record under another key."""
        return Record(key, self.value, self.timestamp, self.headers)

    def with_value(self, value: V2) -> Record[K_co, V2]:
        """Return the record with another value."""
        return Record(self.key, value, self.timestamp, self.headers)

    def with_timestamp(self, timestamp: int) -> Record[K_co, V_co]:
        """Return the record at another time."""
        return Record(self.key, self.value, timestamp, self.headers)

    def with_headers(self, headers: Headers) -> Record[K_co, V_co]:
        """Return the record with other headers."""
        return Record(self.key, self.value, self.timestamp, headers)


class KeyValue(NamedTuple, Generic[K, V]):
    """A key and its value. Kafka: `KeyValue`."""

    key: K
    value: V


@dataclass(frozen=True, slots=True)
class FixedKeyRecord(Generic[K_co, V_co]):
    """What a `FixedKeyProcessor` reads and forwards: a record whose key stays. Kafka: the same.

    Made by the engine only; keep one as long as you like, and forward it when you like.

    Attributes:
        key: The key, or None.
        value: The value, or None.
        timestamp: Milliseconds since the epoch.
        headers: Pairs of name and bytes; names may repeat.
    """

    key: K_co
    value: V_co
    timestamp: int
    headers: Headers = ()

    def with_value(self, value: V2) -> FixedKeyRecord[K_co, V2]:
        """Return the record with another value."""
        return FixedKeyRecord(self.key, value, self.timestamp, self.headers)

    def with_timestamp(self, timestamp: int) -> FixedKeyRecord[K_co, V_co]:
        """Return the record at another time."""
        return FixedKeyRecord(self.key, self.value, timestamp, self.headers)

    def with_headers(self, headers: Headers) -> FixedKeyRecord[K_co, V_co]:
        """Return the record with other headers."""
        return FixedKeyRecord(self.key, self.value, self.timestamp, headers)


class RecordMetadata(NamedTuple):
    """Where the record that is being processed was read. Kafka: `RecordMetadata`.

    Attributes:
        topic: The topic; None within a punctuator.
        partition: The partition; -1 within a punctuator.
        offset: The offset; -1 within a punctuator.
        timestamp: The record's time in milliseconds; -1 within a punctuator.
        headers: The record's headers.
    """

    topic: str | None
    partition: int
    offset: int
    timestamp: int = -1
    headers: Headers = ()


class PunctuationType(Enum):
    """The clock that a schedule follows. Kafka: `PunctuationType`."""

    STREAM_TIME = "stream-time"
    """The greatest timestamp seen by the task; stands still while no records come."""
    WALL_CLOCK_TIME = "wall-clock-time"
    """The time of the machine."""


Punctuator: TypeAlias = Callable[[int], None]
"""Called with the time in milliseconds. Kafka: `Punctuator`."""


class Cancellable(Protocol):
    """A schedule that can be ended. Kafka: `Cancellable`."""

    def cancel(self) -> None:
        """End it; the punctuator may call this itself."""
        ...


class ProcessingContext(Protocol):
    """What both kinds of contexts offer. Kafka: `ProcessingContext`."""

    @property
    def application_id(self) -> str:
        """The application's id."""
        ...

    @property
    def task_id(self) -> str:
        """The task, as `<subtopology>_<partition>`."""
        ...

    @property
    def state_dir(self) -> str:
        """The directory of the task's state; empty where state is in memory."""
        ...

    def get_state_store(self, name: str) -> Any:
        """Return a store that the processor is connected to.

        Raises:
            StreamsError: There is none of that name, or it is not connected.
        """
        ...

    def record_metadata(self) -> RecordMetadata | None:
        """Return where the record at hand was read."""
        ...

    def schedule(
        self,
        interval: Duration,
        punctuation_type: PunctuationType,
        punctuator: Punctuator,
        *,
        start_ms: int | None = None,
    ) -> Cancellable:
        """Call `punctuator(time_ms)` every `interval`.

        By stream time the first call comes with the first record, by wall clock after one
        interval. Intervals that passed unseen give one call, not many.

        Args:
            interval: Time between calls.
            punctuation_type: The clock.
            punctuator: What to call; it may forward records.
            start_ms: When to call first (KIP-1146).
        """
        ...

    def commit(self) -> None:
        """Ask for a commit as soon as possible."""
        ...

    def current_stream_time_ms(self) -> int:
        """Return the greatest timestamp the task has seen, -1 before the first record."""
        ...

    def current_system_time_ms(self) -> int:
        """Return the wall clock in milliseconds."""
        ...


class ProcessorContext(ProcessingContext, Protocol[K_contra, V_contra]):
    """What a `Processor` is given in `init`. Kafka: `ProcessorContext`."""

    def forward(self, record: Record[K_contra, V_contra], child: str | None = None) -> None:
        """Send a record to all children, or to the one named `child`."""
        ...


class FixedKeyProcessorContext(ProcessingContext, Protocol[K_contra, V_contra]):
    """What a `FixedKeyProcessor` is given in `init`. Kafka: `FixedKeyProcessorContext`."""

    def forward(self, record: FixedKeyRecord[K_contra, V_contra], child: str | None = None) -> None:
        """Send a record, read now or earlier, to all children, or to the one named `child`."""
        ...


class Processor(Generic[K, V, K2, V2]):
    """A processor of your own: reads records of K and V, forwards records of K2 and V2.

    One object is made for each task. Subclass it and override `process`; `init` keeps the context
    in `self.context`. A static method `stores()` may return the `StoreSpec` of stores to add and
    connect. Kafka: `ContextualProcessor`.

    >>> class Double(Processor[str, int, str, int]):
    ...     def process(self, record: Record[str, int]) -> None:
    ...         self.context.forward(record.with_value(record.value * 2))
    """

    context: ProcessorContext[K2, V2]

    def init(self, context: ProcessorContext[K2, V2]) -> None:
        """Prepare: fetch stores, schedule calls. Whoever overrides it calls `super().init`."""
        self.context = context

    def process(self, record: Record[K, V]) -> None:
        """Handle one record."""
        raise NotImplementedError(f"{type(self).__name__} must override process(record)")

    def close(self) -> None:
        """Clean up; stores are closed by others."""


class FixedKeyProcessor(Generic[K, V, V2]):
    """A processor of your own that keeps each record's key. Kafka: `FixedKeyProcessor`."""

    context: FixedKeyProcessorContext[K, V2]

    def init(self, context: FixedKeyProcessorContext[K, V2]) -> None:
        """Prepare: fetch stores, schedule calls. Whoever overrides it calls `super().init`."""
        self.context = context

    def process(self, record: FixedKeyRecord[K, V]) -> None:
        """Handle one record; forward it with `record.with_value`."""
        raise NotImplementedError(f"{type(self).__name__} must override process(record)")

    def close(self) -> None:
        """Clean up; stores are closed by others."""


ProcessorWrapper: TypeAlias = Callable[[str, Callable[[], Any]], Callable[[], Any]]
"""`wrapper(node name, supplier)` returns the supplier to use. Kafka: `ProcessorWrapper`."""


@dataclass(frozen=True, slots=True)
class ConsumerRecord:
    """A record as it was read, for timestamp extractors. Kafka: `ConsumerRecord`.

    Attributes:
        topic: Where it was read.
        partition: Its partition.
        offset: Its offset.
        timestamp: What producer or broker wrote, in milliseconds; -1 for nothing.
        key: The deserialised key.
        value: The deserialised value.
        headers: Pairs of name and bytes.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: Any
    value: Any
    headers: Headers = field(default=())


TimestampExtractor: TypeAlias = Callable[[ConsumerRecord, int], int]
"""`extract(record, partition_time)` returns the record's time in milliseconds.

`partition_time` is the greatest time seen in the partition, -1 before the first. A negative answer
drops the record. Kafka: `TimestampExtractor`.
"""


class InvalidTimestampError(StreamsError):
    """A record carries no time, and the extractor was told to insist on one."""


def fail_on_invalid_timestamp(record: ConsumerRecord, partition_time: int) -> int:  # noqa: ARG001
    """Return the record's own time. The default. Kafka: `FailOnInvalidTimestamp`.

    Raises:
        InvalidTimestampError: It has none.
    """
    if record.timestamp >= 0:
        return record.timestamp
    raise InvalidTimestampError(
        f"record at offset {record.offset} of {record.topic}-{record.partition} has the timestamp "
        f"{record.timestamp}: let the producer set one, or read the topic with another "
        "timestamp_extractor, such as log_and_skip_on_invalid_timestamp"
    )


def log_and_skip_on_invalid_timestamp(record: ConsumerRecord, partition_time: int) -> int:  # noqa: ARG001
    """Return the record's own time; a negative one drops it. Kafka: `LogAndSkipOnInvalidTimestamp`.

    The engine logs and counts what it drops.
    """
    return record.timestamp


def use_partition_time_on_invalid_timestamp(record: ConsumerRecord, partition_time: int) -> int:
    """Return the record's own time, else the latest of its partition.

    Kafka: `UsePartitionTimeOnInvalidTimestamp`.

    Raises:
        InvalidTimestampError: The record has none, and no record before it had one.
    """
    if record.timestamp >= 0:
        return record.timestamp
    if partition_time >= 0:
        return partition_time
    raise InvalidTimestampError(
        f"record at offset {record.offset} of {record.topic}-{record.partition} has the timestamp "
        f"{record.timestamp}, and no record before it in the partition had a valid one"
    )


def wallclock_timestamp(record: ConsumerRecord, partition_time: int) -> int:  # noqa: ARG001
    """Return the time of the machine. Kafka: `WallclockTimestampExtractor`."""
    return time.time_ns() // 1_000_000


EXTRACTORS: Sequence[TimestampExtractor] = (
    fail_on_invalid_timestamp,
    log_and_skip_on_invalid_timestamp,
    use_partition_time_on_invalid_timestamp,
    wallclock_timestamp,
)
"""Kafka's four."""
