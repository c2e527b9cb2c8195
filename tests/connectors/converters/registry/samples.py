"""Random schemas of Connect with values, for the converters with a registry."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from aliran.connectors.data import logical
from aliran.connectors.data.builder import SchemaBuilder
from aliran.connectors.data.java import to_single
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

FEW = settings(
    max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,5}", fullmatch=True)
_MOMENTS = st.integers(-(10**12), 10**13).map(logical.datetime_of)
_FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=32)


def _plain() -> st.SearchStrategy[SchemaBuilder]:
    builder = SchemaBuilder
    return st.sampled_from(
        [
            *(builder(kind) for kind in BITS),
            builder.float32(),
            builder.float64(),
            builder.bool(),
            builder.string(),
            builder.bytes(),
            builder.int32().name(DATE_NAME).version(1),
            builder.int32().name(TIME_NAME).version(1),
            builder.int64().name(TIMESTAMP_NAME).version(1),
            builder.bytes().name(DECIMAL_NAME).version(1).parameter("scale", "3"),
        ]
    ).map(_copy)


def _copy(builder: SchemaBuilder) -> SchemaBuilder:
    made = SchemaBuilder(builder.parts.type).name(builder.parts.name)
    return made.version(builder.parts.version).parameters(builder.parts.parameters or {})


@st.composite
def schemas(draw: st.DrawFn, /, depth: int = 2, path: str = "Row", **limits: Any) -> Schema:
    """Return a schema, whose structs have names that nobody else has."""
    kind = draw(st.integers(0, 9))
    if depth == 0 or kind < 6:
        builder = draw(_plain())
        if draw(st.booleans()) and limits.get("defaults", True):
            builder.default_value(draw(values(builder.build())))
    elif kind == 6:
        builder = SchemaBuilder.array(draw(schemas(depth - 1, f"{path}E", **limits)))
    elif kind == 7:
        key = draw(st.sampled_from([SchemaBuilder.string(), SchemaBuilder.int32()])).build()
        builder = SchemaBuilder.map(key, draw(schemas(depth - 1, f"{path}E", **limits)))
    else:
        found: Schema = draw(structs(depth - 1, path, **limits))
        return found
    if draw(st.booleans()):
        builder.optional()
    return builder.build()


@st.composite
def structs(draw: st.DrawFn, /, depth: int = 2, path: str = "Row", **limits: Any) -> Schema:
    """Return the schema of a struct."""
    builder = SchemaBuilder.struct().name(f"com.example.{path}")
    if limits.get("optional", True) and draw(st.booleans()):
        builder.optional()
    if draw(st.booleans()) and limits.get("notes", True):
        builder.version(draw(st.integers(1, 9))).doc(draw(TEXT)).parameter("p", draw(TEXT))
    names = draw(st.lists(NAMES, unique_by=str.lower, min_size=1, max_size=5))
    for number, name in enumerate(names):
        builder.field(name, draw(schemas(depth, f"{path}{number}", **limits)))
    return builder.build()


def values(schema: Schema) -> st.SearchStrategy[Any]:
    """Return values of a schema."""
    inner = _values(schema)
    return st.none() | inner if schema.is_optional else inner


def _values(schema: Schema) -> st.SearchStrategy[Any]:
    special: dict[str, st.SearchStrategy[Any]] = {
        DATE_NAME: st.dates(dt.date(1900, 1, 1), dt.date(2200, 1, 1)),
        TIME_NAME: st.integers(0, logical.MILLIS_A_DAY - 1).map(
            lambda millis: logical.time_to(logical.TIME_SCHEMA, millis)
        ),
        TIMESTAMP_NAME: _MOMENTS,
        DECIMAL_NAME: st.integers(-(10**20), 10**20).map(lambda n: Decimal(n).scaleb(-3)),
    }
    if schema.name in special:
        return special[schema.name]
    if schema.type in BITS:
        bits = BITS[schema.type]
        return st.integers(-(1 << bits - 1), (1 << bits - 1) - 1)
    plain: dict[Type, st.SearchStrategy[Any]] = {
        Type.FLOAT32: _FLOATS.map(to_single),
        Type.FLOAT64: st.floats(allow_nan=False, allow_infinity=False),
        Type.BOOLEAN: st.booleans(),
        Type.STRING: TEXT,
        Type.BYTES: st.binary(max_size=8),
    }
    if schema.type in plain:
        return plain[schema.type]
    if schema.type is Type.ARRAY:
        assert schema.value_schema is not None
        return st.lists(values(schema.value_schema), max_size=3)
    if schema.type is Type.MAP:
        assert schema.key_schema is not None
        assert schema.value_schema is not None
        return st.dictionaries(values(schema.key_schema), values(schema.value_schema), max_size=3)
    fields = {field.name: values(field.schema) for field in schema.fields}
    return st.fixed_dictionaries(fields).map(lambda found: Struct(schema, found))


def with_version_of(schema: Schema, found: Schema | None) -> Schema:
    """Return a schema with the version that the registry has given it, if it has none itself."""
    assert found is not None
    if schema.version is not None:
        return schema
    parts = SchemaBuilder(schema.type).parts
    for name in ("default_value", "name", "doc", "parameters"):
        setattr(parts, name, getattr(schema, name))
    parts.optional, parts.version = schema.is_optional, found.version
    if schema.type is Type.STRUCT:
        parts.fields = {field.name: field for field in schema.fields}
    if schema.type in {Type.ARRAY, Type.MAP}:
        parts.value_schema = schema.value_schema
    if schema.type is Type.MAP:
        parts.key_schema = schema.key_schema
    return Schema(parts)


def with_defaults(schema: Schema | None, value: Any) -> Any:
    """Return a value with defaults in place of None, as converters write it."""
    if schema is None:
        return value
    if value is None:
        return schema.default_value
    if schema.type is Type.ARRAY:
        return [with_defaults(schema.value_schema, each) for each in value]
    if schema.type is Type.MAP:
        return {key: with_defaults(schema.value_schema, each) for key, each in value.items()}
    if schema.type is Type.STRUCT:
        pairs = zip(schema.fields, value.values, strict=True)
        return Struct.unchecked(schema, [with_defaults(f.schema, each) for f, each in pairs])
    return value


def same(found: Any, expected: Any) -> bool:
    """Whether two values are the same, whatever the versions of the structs' schemas."""
    if isinstance(found, Struct) and isinstance(expected, Struct):
        return len(found.values) == len(expected.values) and all(
            map(same, found.values, expected.values)
        )
    if isinstance(found, list) and isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(found, dict) and isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[k], expected[k]) for k in found)
    return bool(found == expected and type(found) is type(expected))
