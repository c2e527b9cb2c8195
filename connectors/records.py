"""Records as connectors and transformations see them. Kafka: `SourceRecord`, `SinkRecord`.

Every record is made anew in each step, so they are msgspec Structs: a sixth of a dataclass's price.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Self

import msgspec
from msgspec.structs import force_setattr, replace

from aliran.connectors.data.headers import ConnectHeaders
from aliran.connectors.data.schema import Schema


class TimestampType(IntEnum):
    """What a record's time means. Kafka: `TimestampType`."""

    NO_TIMESTAMP_TYPE = -1
    CREATE_TIME = 0
    LOG_APPEND_TIME = 1


class ConnectRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What source and sink records have in common. They do not change; `with_...` make new ones.

    Attributes:
        topic: The topic; None only in a transformation of one that has none yet.
        kafka_partition: Its partition; None lets the producer choose.
        key_schema: Schema of the key, None where nobody knows.
        key: The key.
        value_schema: Schema of the value.
        value: The value.
        timestamp: Milliseconds since the epoch, or None.
        headers: The headers.
    """

    topic: str | None
    kafka_partition: int | None = None
    key_schema: Schema | None = None
    key: Any = None
    value_schema: Schema | None = None
    value: Any = None
    timestamp: int | None = None
    headers: ConnectHeaders = msgspec.field(default_factory=ConnectHeaders)

    def with_topic(self, topic: str, kafka_partition: int | None = None) -> Self:
        """Return the record for another topic, in its old partition unless one is given."""
        partition = self.kafka_partition if kafka_partition is None else kafka_partition
        return replace(self, headers=self._own, topic=topic, kafka_partition=partition)

    def with_key(self, schema: Schema | None, key: Any) -> Self:
        """Return the record with another key."""
        return replace(self, headers=self._own, key_schema=schema, key=key)

    def with_value(self, schema: Schema | None, value: Any) -> Self:
        """Return the record with another value."""
        return replace(self, headers=self._own, value_schema=schema, value=value)

    def with_headers(self, headers: ConnectHeaders) -> Self:
        """Return the record with other headers."""
        return replace(self, headers=headers)

    def with_timestamp(self, timestamp: int | None) -> Self:
        """Return the record with another time."""
        return replace(self, headers=self._own, timestamp=timestamp)

    @property
    def _own(self) -> ConnectHeaders:
        return self.headers.duplicate()  # they can be changed, so two records never share them


class SourceRecord(ConnectRecord, frozen=True, kw_only=True):
    """A record that a source connector read. Kafka: `SourceRecord`.

    Attributes:
        source_partition: Where it comes from, such as a table or a file.
        source_offset: Where to go on behind it.
    """

    source_partition: Mapping[str, Any] | None = None
    source_offset: Mapping[str, Any] | None = None


class SinkRecord(ConnectRecord, frozen=True, kw_only=True):
    """A record for a sink connector. Kafka: `SinkRecord`.

    Attributes:
        kafka_offset: Its offset.
        timestamp_type: What its time means.
        original_topic: The topic before transformations; the same as `topic` unless given.
        original_kafka_partition: The partition before transformations.
        original_kafka_offset: The offset before transformations.
    """

    kafka_offset: int
    timestamp_type: TimestampType = TimestampType.NO_TIMESTAMP_TYPE
    original_topic: str | None = None
    original_kafka_partition: int | None = None
    original_kafka_offset: int | None = None

    def __post_init__(self) -> None:
        if self.original_topic is None:
            force_setattr(self, "original_topic", self.topic)
        if self.original_kafka_partition is None:
            force_setattr(self, "original_kafka_partition", self.kafka_partition)
        if self.original_kafka_offset is None:
            force_setattr(self, "original_kafka_offset", self.kafka_offset)

    @property
    def place(self) -> str:
        """Where the record stands in Kafka, for errors."""
        return (
            f"{self.original_topic}-{self.original_kafka_partition} at offset "
            f"{self.original_kafka_offset}"
        )
