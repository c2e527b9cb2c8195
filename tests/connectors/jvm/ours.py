"""Answers one question with our classes, in the form in which the JVM answers it."""

from __future__ import annotations

import base64
from typing import Any

from tests.connectors.jvm.wire import (
    schema_of,
    tell,
    tell_headers,
    tell_schema,
    value_of,
)

from aliran.connectors.converters.table import find_converter
from aliran.connectors.data import ConnectHeaders, project
from aliran.connectors.errors import ConnectError
from aliran.connectors.records import ConnectRecord, SinkRecord, SourceRecord, TimestampType
from aliran.connectors.transforms.table import find_predicate, find_transformation

Question = dict[str, Any]


def _record(told: dict[str, Any]) -> ConnectRecord:
    headers = ConnectHeaders()
    for name, schema, value in told["headers"]:
        headers.add(name, value_of(value), schema_of(schema))
    parts: dict[str, Any] = {
        "topic": told["topic"],
        "kafka_partition": told["partition"],
        "timestamp": told["timestamp"],
        "headers": headers,
    }
    for part in ("key", "value"):
        parts[part] = value_of(told[part])
        parts[f"{part}_schema"] = schema_of(told[f"{part}_schema"])
    if told["sink"]:
        return SinkRecord(
            kafka_offset=told["offset"], timestamp_type=TimestampType.CREATE_TIME, **parts
        )
    return SourceRecord(**parts)


def _transform(question: Question) -> Any:
    make = find_transformation(question["class"])
    assert make is not None
    transformation = make()
    transformation.configure(question["config"])
    record = transformation.apply(_record(question["record"]))
    if record is None:
        return None
    return {
        "topic": record.topic,
        "partition": record.kafka_partition,
        "key_schema": tell_schema(record.key_schema),
        "key": tell(record.key),
        "value_schema": tell_schema(record.value_schema),
        "value": tell(record.value),
        "timestamp": record.timestamp,
        "headers": tell_headers(record.headers),
    }


def _predicate(question: Question) -> Any:
    make = find_predicate(question["class"])
    assert make is not None
    predicate = make()
    predicate.configure(question["config"])
    return predicate.test(_record(question["record"]))


def _write(question: Question) -> Any:
    make = find_converter(question["class"])
    assert make is not None
    converter = make()
    converter.configure(question["config"])
    schema, value = schema_of(question["schema"]), value_of(question["value"])
    data = converter.from_connect_header("t", "h", schema, value)
    return None if data is None else base64.b64encode(data).decode()


def _read(question: Question) -> Any:
    make = find_converter(question["class"])
    assert make is not None
    converter = make()
    converter.configure(question["config"])
    data = question["data"]
    read = converter.to_connect_header("t", "h", None if data is None else base64.b64decode(data))
    return {"schema": tell_schema(read.schema), "value": tell(read.value)}


def _project(question: Question) -> Any:
    schema, target = schema_of(question["schema"]), schema_of(question["target"])
    assert schema is not None
    assert target is not None
    return tell(project(schema, value_of(question["value"]), target))


_DO = {
    "transform": _transform,
    "predicate": _predicate,
    "write": _write,
    "read": _read,
    "project": _project,
}


def answer(question: Question) -> dict[str, Any]:
    """Return `{"result": …}`, or `{"error": {"type", "message"}}` for an error of ours."""
    try:
        return {"result": _DO[question["do"]](question)}
    except ConnectError as error:
        return {"error": {"type": error.java_class, "message": str(error)}}
