"""Connect's schemas ↔ Avro's, for files. Follows Confluent's `AvroData`."""

from __future__ import annotations

import re
from typing import Any

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

_TYPES = {
    Type.INT8: "int",
    Type.INT16: "int",
    Type.INT32: "int",
    Type.INT64: "long",
    Type.FLOAT32: "float",
    Type.FLOAT64: "double",
    Type.BOOLEAN: "boolean",
    Type.STRING: "string",
    Type.BYTES: "bytes",
}
_BACK = {
    "int": Type.INT32,
    "long": Type.INT64,
    "float": Type.FLOAT32,
    "double": Type.FLOAT64,
    "boolean": Type.BOOLEAN,
    "string": Type.STRING,
    "bytes": Type.BYTES,
    "fixed": Type.BYTES,
    "enum": Type.STRING,
}
_PRECISION = 64
_TIMES = {
    DATE_NAME: "date",
    TIME_NAME: "time-millis",
    TIMESTAMP_NAME: "timestamp-millis",
}
_TIMES_BACK = {
    "date": (Type.INT32, DATE_NAME),
    "time-millis": (Type.INT32, TIME_NAME),
    "time-micros": (Type.INT32, TIME_NAME),
    "timestamp-millis": (Type.INT64, TIMESTAMP_NAME),
    "timestamp-micros": (Type.INT64, TIMESTAMP_NAME),
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class ToAvro:
    """Makes Avro's schema of one of Connect's; each record has a name of its own."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def of(self, schema: Schema) -> Any:
        """Return the schema.

        Raises:
            DataError: Avro cannot hold it; the message names the field.
        """
        made = self._present(schema)
        return ["null", made] if schema.is_optional else made

    def _present(self, schema: Schema) -> Any:
        if schema.name == DECIMAL_NAME:
            scale = logical.scale_of(schema)
            precision = max(_PRECISION, scale)
            return {"type": "bytes", "logicalType": "decimal", "precision": precision,
                    "scale": scale}  # fmt: skip
        if schema.name in _TIMES:
            return {"type": _TYPES[schema.type], "logicalType": _TIMES[schema.name or ""]}
        if schema.type is Type.STRUCT:
            return self._record(schema)
        if schema.type is Type.ARRAY:
            return {"type": "array", "items": self.of(_part(schema.value_schema))}
        if schema.type is Type.MAP:
            values = self.of(_part(schema.value_schema))
            if string_keys(schema):
                return {"type": "map", "values": values}
            entry = self._fresh("MapEntry")
            keys = self.of(_part(schema.key_schema))
            fields = [{"name": "key", "type": keys}, {"name": "value", "type": values}]
            return {"type": "array", "items": {"type": "record", "name": entry, "fields": fields}}
        return _TYPES[schema.type]

    def _record(self, schema: Schema) -> dict[str, Any]:
        name = schema.name if schema.name and _NAME.fullmatch(schema.name) else "ConnectDefault"
        fields: list[Any] = []
        record: dict[str, Any] = {"type": "record", "name": self._fresh(name), "fields": fields}
        for field in schema.fields:
            if not _FIELD.fullmatch(field.name):
                raise DataError(
                    f"field {field.name}: Avro's names have only letters, digits and _; rename it "
                    "(ReplaceField)"
                )
            fields.append({"name": field.name, "type": self.of(field.schema)})
        if schema.doc:
            record["doc"] = schema.doc
        return record

    def _fresh(self, name: str) -> str:
        number, fresh = 1, name
        while fresh in self._names:
            number, fresh = number + 1, f"{name}{number + 1}"
        self._names.add(fresh)
        return fresh


def string_keys(schema: Schema) -> bool:
    """Return whether a map is one of Avro's, whose keys are texts."""
    keys = schema.key_schema
    return keys is not None and keys.type is Type.STRING and not keys.is_optional


def _part(schema: Schema | None) -> Schema:
    if schema is None:
        raise DataError("a map or an array without the schemas of its parts")
    return schema


def from_avro(
    node: Any, named: dict[str, Any] | None = None, *, optional: bool = False, place: str = "value"
) -> Schema:
    """Return Connect's schema of an Avro schema, as fastavro gives it.

    Raises:
        DataError: Connect has none: a union of several types, or a record within itself.
    """
    named = {} if named is None else named
    if isinstance(node, list):
        others = [one for one in node if one != "null"]
        if len(others) != 1:
            raise DataError(f"{place}: a union of several types cannot be read")
        optional = optional or len(others) < len(node)
        return from_avro(others[0], named, optional=optional, place=place)
    if isinstance(node, str):
        node = named.get(node, {"type": node})
    if isinstance(node["type"], dict | list):
        return from_avro(node["type"], named, optional=optional, place=place)
    builder = _builder(node, named, place)
    return (builder.optional() if optional else builder).build()


def _builder(node: dict[str, Any], named: dict[str, Any], place: str) -> SchemaBuilder:
    kind, meaning = node["type"], node.get("logicalType")
    if meaning == "decimal":
        scale = str(node.get("scale", 0))
        return SchemaBuilder.bytes().name(DECIMAL_NAME).parameter("scale", scale).version(1)
    if meaning in _TIMES_BACK:
        of, name = _TIMES_BACK[meaning]
        return SchemaBuilder(of).name(name).version(1)
    if meaning == "uuid":
        return SchemaBuilder.string()
    if "name" in node:
        named[node["name"]] = node
    if kind == "record":
        builder = SchemaBuilder.struct().name(node["name"])
        for field in node["fields"]:
            at = f"{place}.{field['name']}"
            if at.count(".") > 50:
                raise DataError(f"{place[:200]}: a record within itself cannot be read")
            builder.field(field["name"], from_avro(field["type"], named, place=at))
        return builder
    if kind == "array":
        return SchemaBuilder.array(from_avro(node["items"], named, place=place))
    if kind == "map":
        values = from_avro(node["values"], named, place=place)
        return SchemaBuilder.map(SchemaBuilder.string().build(), values)
    if kind not in _BACK:
        raise DataError(f"{place}: Connect has no type for Avro's {kind}")
    return SchemaBuilder(_BACK[kind])
