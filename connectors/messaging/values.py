"""Bytes of messages ↔ values and headers of records."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from aliran.connectors.converters.json_writer import JsonWriter
from aliran.connectors.data.builder import BYTES_SCHEMA, STRING_SCHEMA
from aliran.connectors.data.headers import ConnectHeaders
from aliran.connectors.data.schema import Schema, SchemaAndValue
from aliran.connectors.errors import DataError

Kind: TypeAlias = Literal["bytes", "string", "json"]

_JSON = JsonWriter(numeric=True, replace=True)
_WRITERS: dict[int, tuple[Schema, Callable[[Any], str]]] = {}
_MOST_WRITERS = 1_000


def payload(schema: Schema | None, value: Any) -> bytes:
    """Return a value as the bytes of a message: bytes as they are, texts in UTF-8, else JSON.

    Raises:
        DataError: It cannot become JSON.
    """
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    if value is None:
        return b""
    return json_payload(schema, value)


def json_payload(schema: Schema | None, value: Any) -> bytes:
    """Return a value as JSON: without its schema, decimals as numbers.

    Raises:
        DataError: It cannot become JSON.
    """
    try:
        if schema is None:
            return msgspec.json.encode(value)
        known = _WRITERS.get(id(schema))
        if known is None:
            if len(_WRITERS) >= _MOST_WRITERS:
                _WRITERS.clear()
            known = _WRITERS[id(schema)] = schema, _JSON.of(schema)
        return known[1](value).encode()
    except (TypeError, ValueError, OverflowError, msgspec.EncodeError) as error:
        raise DataError(f"the value cannot become JSON: {error}") from error


def text(schema: Schema | None, value: Any) -> str:
    """Return a key, a header or a field as text.

    Raises:
        DataError: It is bytes that are no UTF-8.
    """
    if isinstance(value, str):
        return value
    try:
        return payload(schema, value).decode()
    except UnicodeDecodeError as error:
        raise DataError(f"the bytes {value[:32]!r} are no text") from error


def value_of(data: bytes, kind: Kind) -> SchemaAndValue:
    """Return the bytes of a message as a value.

    Raises:
        DataError: They are not what `kind` says.
    """
    if kind == "bytes":
        return SchemaAndValue(BYTES_SCHEMA, data)
    if kind == "string":
        return SchemaAndValue(STRING_SCHEMA, data.decode("utf-8", "replace"))
    try:
        return SchemaAndValue(None, json.loads(data))
    except ValueError as error:
        raise DataError(f"it is no JSON: {error} in {data[:64]!r}") from error


def headers_of(record_headers: ConnectHeaders) -> dict[str, str]:
    """Return headers as texts; of several of one name the last one."""
    return {one.key: text(one.schema, one.value) for one in record_headers}


def at_pointer(value: Any, pointer: str, default: Any = None) -> Any:
    """Return the part of a JSON value that a pointer (RFC 6901) names, "" for all of it."""
    if pointer in {"", "/"}:
        return value
    for step in pointer.removeprefix("/").split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, Mapping) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return default
    return value


def milliseconds(value: Any) -> int | None:
    """Return a time in milliseconds since the epoch: numbers as they are, or ISO 8601.

    Raises:
        DataError: It is no time.
    """
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return int(value)
    try:
        moment = dt.datetime.fromisoformat(str(value))
    except ValueError as error:
        raise DataError(f"{value!r} is no time: milliseconds or ISO 8601 are needed") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return int(moment.timestamp() * 1000)


def plain_key(value: Any) -> SchemaAndValue:
    """Return part of a JSON value as a record's key: a text, or nothing."""
    if value is None:
        return SchemaAndValue(None, None)
    return SchemaAndValue(STRING_SCHEMA, value if isinstance(value, str) else json.dumps(value))
