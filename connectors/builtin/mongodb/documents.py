"""Keys and values of records ↔ documents. MongoDB: `com.mongodb.kafka.connect.sink.converter`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import bson
from bson import json_util
from bson.decimal128 import Decimal128
from bson.int64 import Int64

from aliran.connectors.data.schema import Schema, Type
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import DataError

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def document_of(schema: Schema | None, value: Any, what: str) -> dict[str, Any] | None:
    """Return a key or a value as a document, None for null.

    Structs and dicts are documents, texts are JSON of one, bytes are BSON of one.

    Raises:
        DataError: It is no document.
    """
    if value is None:
        return None
    if isinstance(value, str):
        try:
            found = json_util.loads(value, json_options=json_util.RELAXED_JSON_OPTIONS)
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"the {what} is no JSON: {error}") from error
    elif isinstance(value, bytes):
        try:
            found = bson.decode(value, codec_options=bson.CodecOptions(tz_aware=True))
        except bson.errors.BSONError as error:
            raise DataError(f"the {what} is no BSON: {error}") from error
    else:
        found = bson_value(schema, value)
    if not isinstance(found, dict):
        raise DataError(f"the {what} is no document, but {value!r:.100}")
    return found


def bson_value(schema: Schema | None, value: Any) -> Any:
    """Return a value as pymongo takes it."""
    if value is None:
        return None
    if isinstance(value, Struct):
        return {one.name: bson_value(one.schema, value.get(one)) for one in value.schema.fields}
    if isinstance(value, Mapping):
        of = None if schema is None else schema.value_schema
        return {str(name): bson_value(of, one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        of = None if schema is None else schema.value_schema
        return [bson_value(of, one) for one in value]
    if isinstance(value, Decimal):
        try:
            return Decimal128(value)
        except (ArithmeticError, ValueError) as error:
            raise DataError(f"{value} has more than the 34 digits of a decimal") from error
    if isinstance(value, dt.time):
        return dt.datetime.combine(_EPOCH.date(), value, dt.UTC)
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
    if isinstance(value, int) and not isinstance(value, bool):
        if not -(1 << 63) <= value < 1 << 63:
            raise DataError(f"{value} has more than 64 bits")
        return Int64(value) if schema is not None and schema.type is Type.INT64 else value
    return value


def projected(document: Mapping[str, Any], kind: str, names: list[str]) -> dict[str, Any]:
    """Return the fields of a document that a list allows, or all but those that it blocks."""
    wanted = set(names)
    allow = kind.lower() in {"allowlist", "whitelist"}
    return {name: one for name, one in document.items() if (name in wanted) is allow}
