"""From records of tasks to bytes and back: transformations and converters, each step judged.

Kafka: `TransformationChain`, and the conversions of `WorkerSourceTask` and `WorkerSinkTask`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from confluent_kafka import Message

from aliran.connectors.converters.base import Converter
from aliran.connectors.data.headers import ConnectHeaders
from aliran.connectors.records import SinkRecord, SourceRecord, TimestampType
from aliran.connectors.runtime.errors import Operator, Raw, Stage
from aliran.connectors.transforms.chain import Stage as TransformationStage


@dataclass(frozen=True, slots=True)
class ProducerRow:
    """A record as it goes to the producer."""

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes | None
    headers: Any
    timestamp: int | None


class ConsumedRecord(SinkRecord, frozen=True, kw_only=True):
    """A sink record that remembers its bytes, for the dead-letter topic.

    Attributes:
        raw: The record as it was consumed.
    """

    raw: Raw


class Pipeline:
    """Transformations and converters of one task.

    Args:
        key: Converts keys.
        value: Converts values.
        header: Converts headers.
        transformations: In their order.
        operator: Judges what they raise.
    """

    def __init__(
        self,
        key: Converter,
        value: Converter,
        header: Converter,
        transformations: Sequence[TransformationStage],
        operator: Operator,
    ) -> None:
        self._key = key
        self._value = value
        self._header = header
        self._transformations = transformations
        self._run = operator.run

    def _transformed(self, record: Any, raw: Callable[[], Raw | None]) -> Any:
        """Return the record behind all transformations; None if it is dropped or fails."""
        for one in self._transformations:
            step = partial(one.apply, record)
            _, record = self._run(Stage.TRANSFORMATION, one.transformation, step, raw)
            if record is None:
                return None
        return record

    # ------------------------------------------------------------------ sources

    def to_kafka(self, record: SourceRecord) -> ProducerRow | None:
        """Return what is to be produced; None if the record is dropped, or fails tolerably."""

        def raw() -> Raw:
            key, value = (
                part if part is None or isinstance(part, bytes) else repr(part).encode()
                for part in (record.key, record.value)
            )
            return Raw(record.topic or "", key=key, value=value)

        changed = self._transformed(record, raw)
        if changed is None:
            return None
        topic = changed.topic
        good, headers = self._run(
            Stage.HEADER_CONVERTER,
            self._header,
            lambda: [
                (h.key, self._header.from_connect_header(topic, h.key, h.schema, h.value))
                for h in changed.headers
            ],
            raw,
        )
        if not good:
            return None
        good, key = self._run(
            Stage.KEY_CONVERTER,
            self._key,
            lambda: self._key.from_connect_data(topic, changed.key_schema, changed.key),
            raw,
        )
        if not good:
            return None
        good, value = self._run(
            Stage.VALUE_CONVERTER,
            self._value,
            lambda: self._value.from_connect_data(topic, changed.value_schema, changed.value),
            raw,
        )
        if not good:
            return None
        return ProducerRow(
            topic, changed.kafka_partition, key, value, headers or [], changed.timestamp
        )

    # ------------------------------------------------------------------ sinks

    def to_sink(self, message: Message[bytes, bytes]) -> SinkRecord | None:
        """Return the record of a message; None if it is dropped, or fails and is tolerated."""
        read = _raw_of(message)
        topic = read.topic

        def raw() -> Raw:
            return read

        good, key = self._run(
            Stage.KEY_CONVERTER, self._key, lambda: self._key.to_connect_data(topic, read.key), raw
        )
        if not good or key is None:
            return None
        good, value = self._run(
            Stage.VALUE_CONVERTER,
            self._value,
            lambda: self._value.to_connect_data(topic, read.value),
            raw,
        )
        if not good or value is None:
            return None
        good, headers = self._run(
            Stage.HEADER_CONVERTER, self._header, lambda: self._headers(read), raw
        )
        if not good or headers is None:
            return None
        kind, _ = message.timestamp()
        record = ConsumedRecord(
            topic=topic,
            kafka_partition=read.partition,
            kafka_offset=read.offset,
            key_schema=key.schema,
            key=key.value,
            value_schema=value.schema,
            value=value.value,
            timestamp=None if read.timestamp < 0 else read.timestamp,
            timestamp_type=TimestampType(kind - 1),
            headers=headers,
            raw=read,
        )
        changed: SinkRecord | None = self._transformed(record, raw)
        return changed

    def _headers(self, read: Raw) -> ConnectHeaders:
        headers = ConnectHeaders()
        for name, data in read.headers:
            schema, value = self._header.to_connect_header(read.topic, name, data)
            headers.add(name, value, schema)
        return headers


def _raw_of(message: Message[bytes, bytes]) -> Raw:
    kind, timestamp = message.timestamp()
    found: Any = message.headers() or ()
    headers = [(name, value.encode() if isinstance(value, str) else value) for name, value in found]
    return Raw(
        message.topic() or "",
        message.partition() or 0,
        message.offset() or 0,
        message.key(),
        message.value(),
        headers,
        timestamp if kind else -1,
    )
