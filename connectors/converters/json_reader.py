"""JSON → Connect's data, by schema or by what it looks like."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

from aliran.connectors.converters.json_text import node_type
from aliran.connectors.data import logical
from aliran.connectors.data.java import integer_of, to_single, wrap
from aliran.connectors.data.schema import (
    BITS,
    DATE_NAME,
    DECIMAL_NAME,
    TIME_NAME,
    TIMESTAMP_NAME,
    Schema,
    Type,
)
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import DataError

Reader: TypeAlias = Callable[[Any], Any]
"""Turns a node of JSON into a value."""


def _is_number(node: Any) -> bool:
    return isinstance(node, int | Decimal) and not isinstance(node, bool)


def _is_whole(node: Any, bits: int) -> bool:
    return type(node) is int and -(1 << bits - 1) <= node < 1 << bits - 1


def _integers(bits: int) -> Reader:
    # To fewer than 32 bits Java goes by way of an int, which keeps the same low bits.
    return lambda node: integer_of(node, bits) if _is_number(node) else 0


def _binary(node: Any) -> bytes | None:
    if not isinstance(node, str):
        return None
    return base64.b64decode(node, validate=True)


def _bytes(node: Any) -> bytes | None:
    try:
        return _binary(node)
    except (binascii.Error, ValueError) as error:
        raise DataError(f"Invalid bytes field: {error}") from error


_PRIMITIVE: dict[Type, Reader] = {
    Type.BOOLEAN: lambda node: node is True,
    Type.FLOAT32: lambda node: to_single(float(node)) if _is_number(node) else 0.0,
    Type.FLOAT64: lambda node: float(node) if _is_number(node) else 0.0,
    Type.STRING: lambda node: node if isinstance(node, str) else None,
    Type.BYTES: _bytes,
    **{kind: _integers(bits) for kind, bits in BITS.items()},
}


def _decimal(schema: Schema, node: Any) -> Any:
    if _is_number(node):
        return Decimal(node)
    if not isinstance(node, str):
        raise DataError(
            "Invalid type for Decimal, underlying representation should be numeric or bytes but "
            f"was {node_type(node)}"
        )
    try:
        data = _binary(node)
        if not data:
            raise ValueError("Zero length BigInteger")
        return logical.decimal_to(schema, data)
    except (ValueError, DataError) as error:
        raise DataError(f"Invalid bytes for Decimal field: {error}") from error


def _time(word: str, wanted: str) -> Callable[[Schema, Any], Any]:
    def read(schema: Schema, node: Any) -> Any:
        if not (_is_whole(node, 32) if wanted == "integer" else type(node) is int):
            raise DataError(
                f"Invalid type for {word}, underlying representation should be {wanted} but was "
                f"{node_type(node)}"
            )
        return logical.TO_LOGICAL[schema.name or ""](schema, wrap(node, 64))

    return read


_LOGICAL: dict[str, Callable[[Schema, Any], Any]] = {
    DECIMAL_NAME: _decimal,
    DATE_NAME: _time("Date", "integer"),
    TIME_NAME: _time("Time", "integer"),
    TIMESTAMP_NAME: _time("Timestamp", "integral"),
}


class JsonReader:
    """Makes readers.

    Attributes:
        replace: Whether None becomes the default where there is one.
    """

    def __init__(self, replace: bool) -> None:
        self.replace = replace

    def of(self, schema: Schema | None) -> Reader:
        """Return what reads values of a schema, or of nobody knows what."""
        if schema is None:
            return self._plain
        if schema.name in _LOGICAL:
            logical_reader, named = _LOGICAL[schema.name], schema
            return self._with_null(schema, lambda node: logical_reader(named, node))
        if schema.type.is_primitive:
            return self._with_null(schema, _PRIMITIVE[schema.type])
        if schema.type is Type.STRUCT:
            return self._with_null(schema, self._structs(schema))
        if schema.type is Type.ARRAY:
            each = self.of(schema.value_schema)
            return self._with_null(schema, lambda node: [each(part) for part in _parts(node)])
        keys, values = self.of(schema.key_schema), self.of(schema.value_schema)
        if schema.key_schema is not None and schema.key_schema.type is Type.STRING:
            return self._with_null(schema, lambda node: _object(node, values))
        return self._with_null(schema, lambda node: _pairs(node, keys, values))

    def _with_null(self, schema: Schema, reader: Reader) -> Reader:
        default = schema.default_value if self.replace else None

        def read(node: Any) -> Any:
            if node is not None:
                return reader(node)
            if default is None and not schema.is_optional:
                raise DataError(f"Invalid null value for required {schema.type} field")
            return default

        return read

    def _structs(self, schema: Schema) -> Reader:
        fields = [(field, self.of(field.schema)) for field in schema.fields]
        readers = [(field.name, reader) for field, reader in fields]
        plain = all(field.schema.type.is_primitive for field in schema.fields)

        def read(node: Any) -> Struct:
            if not isinstance(node, dict):
                raise DataError(
                    f"Structs should be encoded as JSON objects, but found {node_type(node)}"
                )
            if plain:  # readers give what fits
                return Struct.of_parts(schema, [read(node.get(name)) for name, read in readers])
            struct = Struct(schema)
            for field, reader in fields:
                struct.put(field, reader(node.get(field.name)))
            return struct

        return read

    def _plain(self, node: Any) -> Any:
        if isinstance(node, bool | str):
            return node
        if isinstance(node, int):
            return wrap(node, 64)
        if isinstance(node, Decimal):
            return float(node)
        if isinstance(node, list):
            return [self._plain(each) for each in node]
        if isinstance(node, dict):
            return {key: self._plain(each) for key, each in node.items()}
        return None


def _parts(node: Any) -> list[Any]:
    """Return what Jackson walks over in a node: nothing in one that has no parts."""
    if isinstance(node, list):
        return node
    return list(node.values()) if isinstance(node, dict) else []


def _object(node: Any, values: Reader) -> dict[Any, Any]:
    if not isinstance(node, dict):
        raise DataError(
            "Maps with string fields should be encoded as JSON objects, but found "
            f"{node_type(node)}"
        )
    return {key: values(each) for key, each in node.items()}


def _pairs(node: Any, keys: Reader, values: Reader) -> dict[Any, Any]:
    if not isinstance(node, list):
        raise DataError(
            "Maps with non-string fields should be encoded as JSON array of tuples, but found "
            f"{node_type(node)}"
        )
    result = {}
    for entry in node:
        if not isinstance(entry, list):
            raise DataError(f"Found invalid map entry instead of array tuple: {node_type(entry)}")
        if len(entry) != 2:
            raise DataError(f"Found invalid map entry, expected length 2 but found :{len(entry)}")
        key = keys(entry[0])
        try:
            result[key] = values(entry[1])
        except TypeError as error:
            raise DataError(f"A map cannot have {key!r} as a key") from error
    return result
