"""Schemas of Connect ↔ how `JsonConverter` writes them beside the payload."""

from __future__ import annotations

from typing import Any

from aliran.connectors.converters.json_reader import JsonReader
from aliran.connectors.converters.json_writer import JsonWriter
from aliran.connectors.data.builder import SchemaBuilder
from aliran.connectors.data.schema import Schema, Type
from aliran.connectors.errors import DataError
from aliran.schema_registry.formats.jackson import dumps, quoted

_NAMES = {Type.FLOAT32: "float", Type.FLOAT64: "double"}
_TYPES = {_NAMES.get(kind, kind.value): kind for kind in Type}


def schema_text(schema: Schema | None, writer: JsonWriter, field: str | None = None) -> str:
    """Return a schema as JSON text, with the name of the field that it is of."""
    if schema is None:
        return "null"
    parts = [f'"type":"{_NAMES.get(schema.type, schema.type.value)}"']
    if schema.type is Type.ARRAY:
        parts.append(f'"items":{schema_text(schema.value_schema, writer)}')
    elif schema.type is Type.MAP:
        parts.append(f'"keys":{schema_text(schema.key_schema, writer)}')
        parts.append(f'"values":{schema_text(schema.value_schema, writer)}')
    elif schema.type is Type.STRUCT:
        fields = ",".join(schema_text(each.schema, writer, each.name) for each in schema.fields)
        parts.append(f'"fields":[{fields}]')
    parts.append(f'"optional":{"true" if schema.is_optional else "false"}')
    if schema.name is not None:
        parts.append(f'"name":{quoted(schema.name)}')
    if schema.version is not None:
        parts.append(f'"version":{schema.version}')
    if schema.doc is not None:
        parts.append(f'"doc":{quoted(schema.doc)}')
    if schema.parameters is not None:
        parts.append(f'"parameters":{dumps(dict(schema.parameters))}')
    if schema.default_value is not None:
        parts.append(f'"default":{writer.of(schema)(schema.default_value)}')
    if field is not None:
        parts.append(f'"field":{quoted(field)}')
    return "{" + ",".join(parts) + "}"


def schema_of(node: Any, reader: JsonReader) -> Schema | None:
    """Return the schema of JSON that was read; None for null.

    Raises:
        DataError: It is none.
    """
    if node is None:
        return None
    kind = _get(node, "type")
    if not isinstance(kind, str):
        raise DataError("Schema must contain 'type' field")
    if kind not in _TYPES:
        raise DataError(f"Unknown schema type: {kind}")
    builder = _builder(_TYPES[kind], node, reader)
    if _get(node, "optional") is True:
        builder.optional()
    else:
        builder.required()
    name, version, doc = (_get(node, part) for part in ("name", "version", "doc"))
    if isinstance(name, str):
        builder.name(name)
    if type(version) is int:
        builder.version(version)
    if isinstance(doc, str):
        builder.doc(doc)
    parameters = _get(node, "parameters")
    if isinstance(parameters, dict):
        if not all(isinstance(each, str) for each in parameters.values()):
            raise DataError("Schema parameters must have string values.")
        builder.parameters(parameters)
    if isinstance(node, dict) and "default" in node:
        builder.default_value(reader.of(builder.build())(node["default"]))
    return builder.build()


def _get(node: Any, name: str) -> Any:
    return node.get(name) if isinstance(node, dict) else None


def _builder(kind: Type, node: dict[str, Any], reader: JsonReader) -> SchemaBuilder:
    if kind is Type.ARRAY:
        items = schema_of(node.get("items"), reader)
        if items is None:
            raise DataError("Array schema did not specify the element type")
        return SchemaBuilder.array(items)
    if kind is Type.MAP:
        for part, word in (("keys", "key"), ("values", "value")):
            if part not in node:
                raise DataError(f"Map schema did not specify the {word} type")
        keys, values = (schema_of(node[part], reader) for part in ("keys", "values"))
        return SchemaBuilder.map(keys, values)  # type: ignore[arg-type]  # which refuses None
    builder = SchemaBuilder(kind)
    if kind is Type.STRUCT:
        fields = node.get("fields")
        if not isinstance(fields, list):
            raise DataError('Struct schema\'s "fields" argument is not an array.')
        for field in fields:
            name = _get(field, "field")
            if not isinstance(name, str):
                raise DataError("Struct schema's field name not specified properly")
            builder.field(name, schema_of(field, reader))  # type: ignore[arg-type]  # as above
    return builder
