"""Records as connectors and transformations see them. Kafka: `SourceRecord`, `SinkRecord`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Self

from aliran.connectors.data.headers import ConnectHeaders
from aliran.connectors.data.schema import Schema


class TimestampType(IntEnum):
    """What a record's time means. Kafka: `TimestampType`."""

    NO_TIMESTAMP_TYPE = -1
    CREATE_TIME = 0
    LOG_APPEND_TIME = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectRecord:
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
    headers: ConnectHeaders = field(default_factory=ConnectHeaders)

    def with_topic(self, topic: str, kafka_partition: int | None = None) -> Self:
        """Return the record for another topic, in its old partition unless one is given."""
        partition = self.kafka_partition if kafka_partition is None else kafka_partition
        return self._new(topic=topic, kafka_partition=partition)

    def with_key(self, schema: Schema | None, key: Any) -> Self:
        """Return the record with another key."""
        return self._new(key_schema=schema, key=key)

    def with_value(self, schema: Schema | None, value: Any) -> Self:
        """Return the record with another value."""
        return self._new(value_schema=schema, value=value)

    def with_headers(self, headers: ConnectHeaders) -> Self:
        """Return the record with other headers."""
        return replace(self, headers=headers)

    def with_timestamp(self, timestamp: int | None) -> Self:
        """Return the record with another time."""
        return self._new(timestamp=timestamp)

    def _new(self, **parts: Any) -> Self:
        # Headers can be changed, so two records never share them.
        return replace(self, headers=self.headers.duplicate(), **parts)


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceRecord(ConnectRecord):
    """A record that a source connector read. Kafka: `SourceRecord`.

    Attributes:
        source_partition: Where it comes from, such as a table or a file.
        source_offset: Where to go on behind it.
    """

    source_partition: Mapping[str, Any] | None = None
    source_offset: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SinkRecord(ConnectRecord):
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
        for name, now in (
            ("original_topic", self.topic),
            ("original_kafka_partition", self.kafka_partition),
            ("original_kafka_offset", self.kafka_offset),
        ):
            if getattr(self, name) is None:
                object.__setattr__(self, name, now)
