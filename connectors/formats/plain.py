"""Connect's values ↔ what libraries of file formats take: dicts, and logical types as numbers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from aliran.connectors.data import logical
from aliran.connectors.data.java import class_text
from aliran.connectors.data.schema import (
    DATE_NAME,
    DECIMAL_NAME,
    TIME_NAME,
    TIMESTAMP_NAME,
    Schema,
    Type,
)
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import DataError

Convert: TypeAlias = Callable[[Any], Any]

LOGICAL = frozenset(logical.FROM_LOGICAL)
"""Names of the logical types."""


class Outward:
    """Makes functions that turn Connect's values into plain ones.

    Args:
        decimals: Makes what turns a decimal of a schema into what the library takes.
        entries: Turns the pairs of a dict of a schema into what the library takes.
    """

    def __init__(
        self,
        decimals: Callable[[Schema], Convert],
        entries: Callable[[Schema, list[tuple[Any, Any]]], Any],
    ) -> None:
        self._decimals = decimals
        self._entries = entries

    def of(self, schema: Schema) -> Convert:
        """Return what converts values of a schema; None becomes the default."""
        convert, default = self._present(schema), schema.default_value
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

    def _present(self, schema: Schema) -> Convert:
        if schema.name in LOGICAL:
            name = schema.name or ""
            stored = logical.FROM_LOGICAL[name]
            convert = self._decimals(schema) if name == DECIMAL_NAME else _bind(stored, schema)
            return _of_class(name, convert)
        if schema.type is Type.STRUCT:
            return self._struct(schema)
        if schema.type is Type.ARRAY:
            each = self.of(_part(schema.value_schema))
            return lambda value: [each(one) for one in value]
        if schema.type is Type.MAP:
            keys, values = self.of(_part(schema.key_schema)), self.of(_part(schema.value_schema))
            entries = self._entries
            return lambda value: entries(schema, [(keys(k), values(v)) for k, v in value.items()])
        if schema.type is Type.STRING:
            return _text
        if schema.type is Type.BYTES:
            return bytes
        return _same_class(schema)

    def _struct(self, schema: Schema) -> Convert:
        fields = [(field, field.name, self.of(field.schema)) for field in schema.fields]

        def convert(value: Any) -> dict[str, Any]:
            if not isinstance(value, Struct):
                raise DataError(f"a struct is needed, not {class_text(value)}")
            get = value.get_without_default
            try:
                return {name: each(get(field)) for field, name, each in fields}
            except DataError:
                for field, name, each in fields:
                    _at(name, each, get(field))
                raise

        return convert


def _at(name: str, convert: Convert, value: Any) -> None:
    """Convert once more, for an error that names the field."""
    try:
        convert(value)
    except DataError as error:
        raise DataError(f"field {name}: {error}") from error


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
        return _LOGICAL[schema.name or ""](schema)
    if schema.type is Type.STRUCT:
        fields = [(field, field.name, inward(field.schema)) for field in schema.fields]

        def struct(value: Any) -> Struct:
            made = Struct(schema)
            for field, name, each in fields:
                made.put(field, each(value.get(name)))
            return made

        return struct
    if schema.type is Type.ARRAY:
        each = inward(_part(schema.value_schema))
        return lambda value: [each(one) for one in value]
    if schema.type is Type.MAP:
        keys, values = inward(_part(schema.key_schema)), inward(_part(schema.value_schema))
        return lambda value: {keys(k): values(v) for k, v in _pairs(value)}
    return bytes if schema.type is Type.BYTES else lambda value: value


def _pairs(value: Any) -> Any:
    if isinstance(value, Mapping):
        return value.items()
    return [(one["key"], one["value"]) if isinstance(one, Mapping) else one for one in value]


def _decimal(schema: Schema) -> Convert:
    return lambda value: logical.decimal_to(schema, value) if isinstance(value, bytes) else value


def _moment(_schema: Schema) -> Convert:
    def convert(value: Any) -> Any:
        if isinstance(value, int):
            return logical.datetime_of(value)
        aware = value if value.tzinfo is not None else value.replace(tzinfo=dt.UTC)
        return logical.datetime_of(logical.millis_of(aware))

    return convert


def _stored(schema: Schema) -> Convert:
    read = logical.TO_LOGICAL[schema.name or ""]
    return lambda value: read(schema, value) if isinstance(value, int) else value


_LOGICAL: dict[str, Callable[[Schema], Convert]] = {
    DECIMAL_NAME: _decimal,
    DATE_NAME: _stored,
    TIME_NAME: _stored,
    TIMESTAMP_NAME: _moment,
}


# ---------------------------------------------------------------------- the schema as text


def schema_json(schema: Schema) -> str:
    """Return a schema as JSON, to be kept in a file beside the format's own."""
    from aliran.connectors.converters.json_schema import schema_text
    from aliran.connectors.converters.json_writer import JsonWriter

    return schema_text(schema, JsonWriter(numeric=False, replace=True))


def schema_from_json(text: str | bytes) -> Schema:
    """Return the schema of `schema_json`."""
    from aliran.connectors.converters import json_text
    from aliran.connectors.converters.json_reader import JsonReader
    from aliran.connectors.converters.json_schema import schema_of

    data = text.encode() if isinstance(text, str) else text
    found = schema_of(json_text.read(data), JsonReader(replace=True))
    return _part(found)


SCHEMA_KEY = "aliran.connect.schema"
"""Where a file keeps the schema of Connect."""
