"""Connect's schemas ↔ Arrow's types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
from pyarrow import types as kinds

from aliran.connectors.data import logical
from aliran.connectors.data.builder import SchemaBuilder
from aliran.connectors.data.schema import (
    DATE_NAME,
    DECIMAL_NAME,
    TIME_NAME,
    TIMESTAMP_NAME,
    Schema,
    Type,
)
from aliran.connectors.errors import DataError

PRECISION = 38
"""How many digits a decimal of 128 bits has."""

_TYPES: dict[Type, Any] = {
    Type.INT8: pa.int8(),
    Type.INT16: pa.int16(),
    Type.INT32: pa.int32(),
    Type.INT64: pa.int64(),
    Type.FLOAT32: pa.float32(),
    Type.FLOAT64: pa.float64(),
    Type.BOOLEAN: pa.bool_(),
    Type.STRING: pa.string(),
    Type.BYTES: pa.binary(),
}
_LOGICAL: dict[str, Callable[[Schema], Any]] = {
    DECIMAL_NAME: lambda schema: pa.decimal128(PRECISION, logical.scale_of(schema)),
    DATE_NAME: lambda _: pa.date32(),
    TIME_NAME: lambda _: pa.time32("ms"),
    TIMESTAMP_NAME: lambda _: pa.timestamp("ms", "UTC"),
}


def arrow_type(schema: Schema, place: str = "value") -> Any:
    """Return the type of a schema's values.

    Raises:
        DataError: Arrow has none; the message names the field.
    """
    if schema.name in _LOGICAL:
        return _LOGICAL[schema.name or ""](schema)
    if schema.type is Type.STRUCT:
        if not schema.fields:
            raise DataError(f"{place}: Parquet cannot hold a struct without fields")
        return pa.struct(arrow_fields(schema, place))
    if schema.type is Type.ARRAY:
        return pa.list_(_field("item", schema.value_schema, place))
    if schema.type is Type.MAP:
        key = _field("key", schema.key_schema, place)
        if key.nullable:  # Arrow knows no null keys
            key = key.with_nullable(False)
        return pa.map_(key, _field("value", schema.value_schema, place))
    return _TYPES[schema.type]


def arrow_fields(schema: Schema, place: str = "value") -> list[Any]:
    """Return the fields of a struct."""
    return [_field(one.name, one.schema, f"{place}.{one.name}") for one in schema.fields]


def _field(name: str, schema: Schema | None, place: str) -> Any:
    if schema is None:
        raise DataError(f"{place}: a map or an array without the schemas of its parts")
    return pa.field(name, arrow_type(schema, place), schema.is_optional)


_SIMPLE: list[tuple[Callable[[Any], bool], Type]] = [
    (kinds.is_int8, Type.INT8),
    (kinds.is_int16, Type.INT16),
    (kinds.is_uint8, Type.INT16),
    (kinds.is_int32, Type.INT32),
    (kinds.is_uint16, Type.INT32),
    (kinds.is_int64, Type.INT64),
    (kinds.is_uint32, Type.INT64),
    (kinds.is_uint64, Type.INT64),
    (kinds.is_float16, Type.FLOAT32),
    (kinds.is_float32, Type.FLOAT32),
    (kinds.is_float64, Type.FLOAT64),
    (kinds.is_boolean, Type.BOOLEAN),
    (kinds.is_string, Type.STRING),
    (kinds.is_large_string, Type.STRING),
    (kinds.is_null, Type.STRING),
    (kinds.is_binary, Type.BYTES),
    (kinds.is_large_binary, Type.BYTES),
    (kinds.is_fixed_size_binary, Type.BYTES),
]
_TIMES: list[tuple[Callable[[Any], bool], Type, str]] = [
    (kinds.is_date, Type.INT32, DATE_NAME),
    (kinds.is_time, Type.INT32, TIME_NAME),
    (kinds.is_timestamp, Type.INT64, TIMESTAMP_NAME),
]


def connect_schema(kind: Any, *, optional: bool, place: str = "value") -> Schema:
    """Return the schema of an Arrow type.

    Raises:
        DataError: Connect has none; the message names the field.
    """
    builder = _builder(kind, place)
    return (builder.optional() if optional else builder).build()


def _builder(kind: Any, place: str) -> SchemaBuilder:
    for fits, of in _SIMPLE:
        if fits(kind):
            return SchemaBuilder(of)
    for fits, of, name in _TIMES:
        if fits(kind):
            return SchemaBuilder(of).name(name).version(1)
    if kinds.is_decimal(kind):
        scale = str(kind.scale)
        return SchemaBuilder.bytes().name(DECIMAL_NAME).parameter("scale", scale).version(1)
    if kinds.is_dictionary(kind):
        return _builder(kind.value_type, place)
    if kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind):
        return SchemaBuilder.array(_part(kind.value_field, place))
    if kinds.is_map(kind):
        key = connect_schema(kind.key_type, optional=False, place=place)
        return SchemaBuilder.map(key, _part(kind.item_field, place))
    if kinds.is_struct(kind):
        return struct_builder([kind.field(i) for i in range(kind.num_fields)], place)
    raise DataError(f"{place}: Connect has no type for Arrow's {kind}")


def _part(field: Any, place: str) -> Schema:
    return connect_schema(field.type, optional=field.nullable, place=f"{place}.{field.name}")


def struct_builder(fields: list[Any], place: str = "value") -> SchemaBuilder:
    """Return the beginning of a struct's schema of Arrow fields."""
    builder = SchemaBuilder.struct()
    for field in fields:
        builder.field(field.name, _part(field, place))
    return builder


def without_nanoseconds(kind: Any) -> Any:
    """Return a type as Python can hold it: times to the microsecond."""
    if kinds.is_timestamp(kind) and kind.unit == "ns":
        return pa.timestamp("us", kind.tz)
    return pa.time64("us") if kinds.is_time64(kind) and kind.unit == "ns" else kind
