"""From records of tasks to bytes and back: transformations and converters, each step judged.

Kafka: `TransformationChain`, and the conversions of `WorkerSourceTask` and `WorkerSinkTask`.

A record's way is a few calls in a row as long as nothing fails. Where one does, the step that
failed and those behind it are run by the `Operator`, which may try again; none is repeated before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import msgspec
from confluent_kafka import Message

from aliran.connectors.converters.base import Converter
from aliran.connectors.data.headers import ConnectHeaders
from aliran.connectors.records import SinkRecord, SourceRecord, TimestampType
from aliran.connectors.runtime.errors import Operator, Raw, Stage
from aliran.connectors.transforms.base import Transformation
from aliran.connectors.transforms.chain import Stage as TransformationStage

_TIMESTAMP_TYPES = (
    TimestampType.NO_TIMESTAMP_TYPE,
    TimestampType.CREATE_TIME,
    TimestampType.LOG_APPEND_TIME,
)


class ProducerRow(msgspec.Struct, frozen=True):
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
        message: The record as it was consumed.
    """

    message: Any

    @property
    def raw(self) -> Raw:
        """The record as bytes."""
        return _raw_of(self.message)


class _Way(msgspec.Struct):
    """A record on its way: what was given, and what the steps so far have made of it."""

    given: Any
    record: Any = None
    headers: Any = None
    key: Any = None
    value: Any = None


_Step = tuple[Stage, object, Callable[[_Way], Any], str]
"""Where an error is placed, what is at work, what it does, and the attribute for the result."""


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
        self._operator = operator
        self._parts: tuple[Converter | Transformation, ...] = (
            key,
            value,
            header,
            *(one.transformation for one in transformations),
        )
        self._transforms = [
            one.transformation.apply if one.predicate is None else one.apply
            for one in transformations
        ]
        steps: list[_Step] = [
            (Stage.TRANSFORMATION, one.transformation, partial(_apply, one.apply), "record")
            for one in transformations
        ]
        self._source_steps: list[_Step] = [
            *steps,
            (Stage.HEADER_CONVERTER, header, lambda way: self._written(way.record), "headers"),
            (Stage.KEY_CONVERTER, key, lambda way: self._key_bytes(way.record), "key"),
            (Stage.VALUE_CONVERTER, value, lambda way: self._value_bytes(way.record), "value"),
        ]
        self._sink_steps: list[_Step] = [
            (Stage.KEY_CONVERTER, key, lambda way: self._key_of(way.given), "key"),
            (Stage.VALUE_CONVERTER, value, lambda way: self._value_of(way.given), "value"),
            (Stage.HEADER_CONVERTER, header, lambda way: self._read(way.given), "headers"),
            *steps,
        ]

    def close(self) -> None:
        """Let converters and transformations let go of what they hold."""
        for part in self._parts:
            part.close()

    # ------------------------------------------------------------------ sources

    def to_kafka(self, records: Iterable[SourceRecord]) -> Iterator[ProducerRow | None]:
        """Yield what is to be produced; None for a record that is dropped, or fails tolerably.

        Raises:
            ToleranceExceededError: A record failed, and nothing is tolerated.
        """
        transforms = self._transforms
        key_bytes, value_bytes = self._key.from_connect_data, self._value.from_connect_data
        for given in records:
            record: Any = given
            headers = key = None
            done = 0
            try:
                for transform in transforms:
                    record = transform(record)
                    if record is None:
                        break
                    done += 1
                if record is None:
                    yield None
                    continue
                topic = record.topic
                if record.headers:
                    headers = self._written(record)
                done += 1
                key = key_bytes(topic, record.key_schema, record.key)
                done += 1
                value = value_bytes(topic, record.value_schema, record.value)
            except Exception as error:
                way = _Way(given, record, headers, key)
                row = None
                if self._go_on(way, self._source_steps, done, error, _raw_of_source):
                    row = _row(way)
                yield row
            else:
                yield ProducerRow(
                    topic, record.kafka_partition, key, value, headers, record.timestamp
                )

    def _written(self, record: Any) -> list[tuple[str, bytes | None]]:
        convert, topic = self._header.from_connect_header, record.topic
        return [(one.key, convert(topic, one.key, one.schema, one.value)) for one in record.headers]

    def _key_bytes(self, record: Any) -> bytes | None:
        return self._key.from_connect_data(record.topic, record.key_schema, record.key)

    def _value_bytes(self, record: Any) -> bytes | None:
        return self._value.from_connect_data(record.topic, record.value_schema, record.value)

    # ------------------------------------------------------------------ sinks

    def to_sink(self, messages: Iterable[Message[bytes, bytes]]) -> Iterator[SinkRecord | None]:
        """Yield the records of messages; None for one that is dropped, or fails tolerably.

        Raises:
            ToleranceExceededError: A message failed, and nothing is tolerated.
        """
        transforms = self._transforms
        for message in messages:
            key = value = headers = record = None
            done = 0
            try:
                key = self._key_of(message)
                done = 1
                value = self._value_of(message)
                done = 2
                headers = self._read(message)
                done = 3
                record = _consumed(message, key, value, headers)
                for transform in transforms:
                    record = transform(record)
                    if record is None:
                        break
                    done += 1
            except Exception as error:
                way = _Way(message, record, headers, key, value)
                good = self._go_on(way, self._sink_steps, done, error, _raw_of)
                record = way.record if good else None
            yield record

    def _key_of(self, message: Any) -> Any:
        return self._key.to_connect_data(message.topic(), message.key())

    def _value_of(self, message: Any) -> Any:
        return self._value.to_connect_data(message.topic(), message.value())

    def _read(self, message: Any) -> ConnectHeaders:
        headers, topic = ConnectHeaders(), message.topic()
        for name, data in _headers_of(message):
            schema, value = self._header.to_connect_header(topic, name, data)
            headers.add(name, value, schema)
        return headers

    # ------------------------------------------------------------------ where something failed

    def _go_on(
        self,
        way: _Way,
        steps: Sequence[_Step],
        done: int,
        error: Exception,
        raw: Callable[[Any], Raw],
    ) -> bool:
        """Run the step that failed again if that may help, and the rest; False to drop the record.

        Raises:
            ToleranceExceededError: It failed for good, and nothing is tolerated.
        """
        failed: Exception | None = error
        for stage, executor, step, result in steps[done:]:
            if result == "record" and way.record is None:
                way.record = _consumed(way.given, way.key, way.value, way.headers)
            good, found = self._operator.run(
                stage, executor, partial(step, way), partial(raw, way.given), failed
            )
            failed = None
            if not good or (result == "record" and found is None):
                return False
            setattr(way, result, found)
        if way.record is None:
            way.record = _consumed(way.given, way.key, way.value, way.headers)
        return True


def _apply(apply: Callable[[Any], Any], way: _Way) -> Any:
    return apply(way.record)


def _row(way: _Way) -> ProducerRow:
    record = way.record
    return ProducerRow(
        record.topic, record.kafka_partition, way.key, way.value, way.headers, record.timestamp
    )


def _consumed(message: Any, key: Any, value: Any, headers: ConnectHeaders) -> ConsumedRecord:
    """Return the record of a message that is converted."""
    kind, timestamp = message.timestamp()
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    return ConsumedRecord(
        topic=topic,
        kafka_partition=partition,
        kafka_offset=offset,
        key_schema=key[0],
        key=key[1],
        value_schema=value[0],
        value=value[1],
        timestamp=timestamp if kind and timestamp >= 0 else None,
        timestamp_type=_TIMESTAMP_TYPES[kind],
        headers=headers,
        original_topic=topic,
        original_kafka_partition=partition,
        original_kafka_offset=offset,
        message=message,
    )


def _raw_of_source(record: SourceRecord) -> Raw:
    key, value = (
        part if part is None or isinstance(part, bytes) else repr(part).encode()
        for part in (record.key, record.value)
    )
    return Raw(record.topic or "", key=key, value=value)


def _raw_of(message: Any) -> Raw:
    kind, timestamp = message.timestamp()
    return Raw(
        message.topic() or "",
        message.partition() or 0,
        message.offset() or 0,
        message.key(),
        message.value(),
        _headers_of(message),
        timestamp if kind else -1,
    )


def _headers_of(message: Any) -> list[tuple[str, bytes | None]]:
    return [
        (name, value.encode() if isinstance(value, str) else value)
        for name, value in message.headers() or ()
    ]
