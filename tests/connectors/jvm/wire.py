"""Schemas and values as JSON, as tests/compat/jvm/connect reads and writes them."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from aliran.connectors.data import ConnectHeaders, Schema, SchemaBuilder, Struct, Type, logical

Json = Any


def schema_of(told: Json) -> Schema | None:
    """Return the schema that was told."""
    if told is None:
        return None
    kind = Type[told["type"]]
    keys, values = schema_of(told.get("keys")), schema_of(told.get("values"))
    builder = SchemaBuilder.of_parts(kind, keys, values)
    if told["optional"]:
        builder.optional()
    builder.name(told.get("name")).doc(told.get("doc")).version(told.get("version"))
    builder.parameters(told.get("parameters") or {})
    for name, field in told.get("fields", ()):
        inner = schema_of(field)
        assert inner is not None
        builder.field(name, inner)
    if told.get("default") is not None:
        builder.default_value(value_of(told["default"]))
    return builder.build()


def value_of(told: Json) -> Any:
    """Return the value that was told."""
    if told is None:
        return None
    tag, what = told[0], told[1]
    if tag == "list":
        return [value_of(each) for each in what]
    if tag == "map":
        return {value_of(key): value_of(each) for key, each in what}
    if tag == "struct":
        schema = schema_of(what)
        assert schema is not None
        struct = Struct(schema)
        for field, each in zip(schema.fields, told[2], strict=True):
            if each is not None:
                struct.put(field, value_of(each))
        return struct
    simple: dict[str, Callable[[Any], Any]] = {
        "boolean": bool,
        "string": str,
        "bytes": base64.b64decode,
        "decimal": Decimal,
        "Date": lambda ms: logical.datetime_of(ms).date(),
        "Time": lambda ms: logical.datetime_of(ms).time(),
        "Timestamp": logical.datetime_of,
        "float32": float,
        "float64": float,
    }
    return simple.get(tag, int)(what)


def tell_schema(schema: Schema | None) -> Json:
    """Return a schema as the JVM tells it."""
    if schema is None:
        return None
    told: dict[str, Any] = {
        "type": schema.type.name,
        "optional": schema.is_optional,
        "name": schema.name,
        "version": schema.version,
        "doc": schema.doc,
        "default": tell(schema.default_value),
    }
    if schema.parameters is not None:
        told["parameters"] = dict(schema.parameters)
    if schema.type is Type.STRUCT:
        told["fields"] = [[each.name, tell_schema(each.schema)] for each in schema.fields]
    if schema.type is Type.MAP:
        told["keys"] = tell_schema(schema.key_schema)
    if schema.type in {Type.MAP, Type.ARRAY}:
        told["values"] = tell_schema(schema.value_schema)
    return told


def tell(value: Any) -> Json:
    """Return a value as the JVM tells it, maps in one order."""
    if value is None:
        return None
    if isinstance(value, list | tuple):
        return ["list", [tell(each) for each in value]]
    if isinstance(value, dict):
        return ["map", _ordered([[tell(key), tell(each)] for key, each in value.items()])]
    if isinstance(value, Struct):
        values = [tell(value.get_without_default(each)) for each in value.schema.fields]
        return ["struct", tell_schema(value.schema), values]
    if isinstance(value, dt.date | dt.time):
        return ["date", logical.millis_of(value)]
    if isinstance(value, bytes):
        return ["bytes", base64.b64encode(value).decode()]
    if isinstance(value, float):
        return ["float", value.hex()]
    if isinstance(value, bool | str | int):
        return [{bool: "boolean", str: "string", int: "int"}[type(value)], value]
    return ["decimal", str(value)]


def tell_headers(headers: ConnectHeaders) -> Json:
    """Return headers as the JVM tells them."""
    return [[each.key, tell_schema(each.schema), tell(each.value)] for each in headers]


def _ordered(entries: list[Any]) -> list[Any]:
    return sorted(entries, key=lambda entry: json.dumps(entry, sort_keys=True))


def canonical(told: Json) -> Json:
    """Return what the JVM told with maps in the order of `tell`, and floats as `float.hex`."""
    if isinstance(told, dict):
        return {key: canonical(each) for key, each in told.items()}
    if isinstance(told, list):
        if len(told) == 2 and told[0] == "float" and isinstance(told[1], str):
            return ["float", float(told[1]).hex()]
        inner = [canonical(each) for each in told]
        if len(inner) == 2 and inner[0] == "map" and isinstance(inner[1], list):
            return ["map", _ordered(inner[1])]
        return inner
    return told
