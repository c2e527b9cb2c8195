"""Connect's values ↔ what pyarrow takes and gives: dicts, pairs for maps, numbers for times."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

from aliran.connectors.converters import json_text
from aliran.connectors.converters.json_reader import JsonReader
from aliran.connectors.converters.json_schema import schema_of, schema_text
from aliran.connectors.converters.json_writer import JsonWriter
from aliran.connectors.data import logical
from aliran.connectors.data.java import class_text
from aliran.connectors.data.schema import DECIMAL_NAME, TIMESTAMP_NAME, Schema, Type
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import DataError
from aliran.connectors.formats.arrow_schema import PRECISION

Convert: TypeAlias = Callable[[Any], Any]

LOGICAL = frozenset(logical.FROM_LOGICAL)
"""Names of the logical types."""


def outward(schema: Schema) -> Convert:
    """Return what turns values of a schema into plain ones; None becomes the default."""
    convert, default = _present(schema), schema.default_value
    optional, kind = schema.is_optional, schema.type

    def with_null(value: Any) -> Any:
        if value is not None:
            return convert(value)
        if default is not None:
            return convert(default)
        if optional:
            return None
        raise DataError(f"null value for a required field of type {kind}")

    return with_null


def _present(schema: Schema) -> Convert:
    if schema.name in LOGICAL:
        name = schema.name or ""
        stored = logical.FROM_LOGICAL[name]
        convert = _bind(stored, schema)
        return _of_class(name, _checked(convert) if name == DECIMAL_NAME else convert)
    if schema.type is Type.STRUCT:
        return _struct(schema)
    if schema.type is Type.ARRAY:
        each = outward(_part(schema.value_schema))
        return lambda value: [each(one) for one in value]
    if schema.type is Type.MAP:
        keys, values = outward(_part(schema.key_schema)), outward(_part(schema.value_schema))
        return lambda value: [(keys(k), values(v)) for k, v in value.items()]
    if schema.type is Type.STRING:
        return _text
    if schema.type is Type.BYTES:
        return bytes
    return _same_class(schema)


def _struct(schema: Schema) -> Convert:
    fields = [(field.name, outward(field.schema)) for field in schema.fields]

    def convert(value: Any) -> dict[str, Any]:
        if not isinstance(value, Struct):
            raise DataError(f"a struct is needed, not {class_text(value)}")
        try:
            return {name: each(one) for (name, each), one in zip(fields, value.values, strict=True)}
        except DataError:
            for (name, each), one in zip(fields, value.values, strict=True):
                _at(name, each, one)
            raise

    return convert


def _at(name: str, convert: Convert, value: Any) -> None:
    """Convert once more, for an error that names the field."""
    try:
        convert(value)
    except DataError as error:
        raise DataError(f"field {name}: {error}") from error


def _checked(stored: Convert) -> Convert:
    """Return what lets decimals through that have the right scale and not too many digits."""

    def check(value: Decimal) -> Decimal:
        stored(value)
        if len(value.as_tuple().digits) > PRECISION:
            raise DataError(f"a decimal of more than {PRECISION} digits: {value}")
        return value

    return check


def _bind(stored: Callable[[Schema, Any], Any], schema: Schema) -> Convert:
    return lambda value: stored(schema, value)


def _of_class(name: str, convert: Convert) -> Convert:
    def checked(value: Any) -> Any:
        logical.expect_class(value, name)
        return convert(value)

    return checked


def _part(schema: Schema | None) -> Schema:
    if schema is None:
        raise DataError("a map or an array without the schemas of its parts")
    return schema


def _text(value: Any) -> Any:
    if not isinstance(value, str):
        raise DataError(f"a text is needed, not {class_text(value)}")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise DataError(f"the text cannot be written as UTF-8: {error}") from error
    return value


def _same_class(schema: Schema) -> Convert:
    def checked(value: Any) -> Any:
        if not schema.accepts_class_of(value):
            schema.validate(value)
        return value

    return checked


# ---------------------------------------------------------------------- back


def inward(schema: Schema) -> Convert:
    """Return what turns plain values, as libraries read them, into Connect's of a schema."""
    convert = _inward(schema)
    return lambda value: None if value is None else convert(value)


def _inward(schema: Schema) -> Convert:
    if schema.name in LOGICAL:
        return _moment if schema.name == TIMESTAMP_NAME else lambda value: value
    if schema.type is Type.STRUCT:
        fields = [(field.name, inward(field.schema)) for field in schema.fields]

        def struct(value: Any) -> Struct:
            return Struct.unchecked(schema, [each(value.get(name)) for name, each in fields])

        return struct
    if schema.type is Type.ARRAY:
        each = inward(_part(schema.value_schema))
        return lambda value: [each(one) for one in value]
    if schema.type is Type.MAP:
        keys, values = inward(_part(schema.key_schema)), inward(_part(schema.value_schema))
        return lambda value: {keys(k): values(v) for k, v in value}
    return bytes if schema.type is Type.BYTES else lambda value: value


def _moment(value: Any) -> Any:
    aware = value if value.tzinfo is not None else value.replace(tzinfo=dt.UTC)
    return logical.datetime_of(logical.millis_of(aware))


# ---------------------------------------------------------------------- the schema as text


def schema_json(schema: Schema) -> str:
    """Return a schema as JSON, to be kept in a file beside the format's own."""
    return schema_text(schema, JsonWriter(numeric=False, replace=True))


def schema_from_json(text: str | bytes) -> Schema:
    """Return the schema of `schema_json`."""
    data = text.encode() if isinstance(text, str) else text
    found = schema_of(json_text.read(data), JsonReader(replace=True))
    return _part(found)


SCHEMA_KEY = "aliran.connect.schema"
"""Where a file keeps the schema of Connect."""
