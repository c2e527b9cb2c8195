"""JSON Schema → schemas of Connect. Confluent: `JsonSchemaData.toConnectSchema`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from aliran.connectors.converters.registry.json_from_connect import (
    INDEX,
    KEY,
    PARAMETERS,
    TYPE,
    VALUE,
    VERSION,
    Choices,
)
from aliran.connectors.converters.registry.json_values import ValueReader
from aliran.connectors.converters.registry.names import GENERALIZED_UNION
from aliran.connectors.data.builder import STRING_SCHEMA, SchemaBuilder
from aliran.connectors.data.schema import Schema, Type
from aliran.connectors.errors import DataError

_INTEGERS = {kind.value: kind for kind in (Type.INT8, Type.INT16, Type.INT32, Type.INT64)}
_NUMBERS = {**_INTEGERS, **{kind.value: kind for kind in (Type.FLOAT32, Type.FLOAT64, Type.BYTES)}}


class JsonSchemaReader:
    """Reads JSON schemas.

    Args:
        root: The schema, as `json_text` reads it, for references within it.
        others: Schemas that it refers to, by the names that it uses.
        choices: How.
        values: Reads defaults.
    """

    def __init__(
        self, root: Any, others: Mapping[str, Any], choices: Choices, values: ValueReader
    ) -> None:
        self._root = root
        self._others = others
        self._choices = choices
        self._values = values
        self._open: list[str] = []
        self._unions = 0

    def schema(self, node: Any, *, optional: bool = False, version: int | None = None) -> Schema:
        """Return the schema of Connect.

        Raises:
            DataError: Connect has no such schema.
        """
        if isinstance(node, dict) and isinstance(node.get("type"), list):
            node = {"anyOf": [{**node, "type": one} for one in node["type"]]}
        if not isinstance(node, dict):
            raise DataError(f"Unsupported schema type {node}")
        if "$ref" in node:
            return self._referred(str(node["$ref"]), optional=optional, version=version)
        if "allOf" in node:
            return self.schema(_merged(node), optional=optional, version=version)
        members = node.get("oneOf") or node.get("anyOf")
        if members is not None:
            others = [one for one in members if not _is_null(one)]
            if len(members) == 2 and len(others) == 1:
                return self.schema(others[0], optional=True, version=version)
            builder = self._union(members)
        else:
            builder = self._builder(node)
        self._finish(builder, node, version)
        if optional:
            builder.optional()
        return builder.build()

    def _referred(self, reference: str, *, optional: bool, version: int | None) -> Schema:
        if reference in self._open:
            raise DataError(
                f"the JSON schema {reference} holds itself ({' > '.join(self._open)}), which a "
                "schema of Connect cannot: read the topic with another converter"
            )
        name, _, pointer = reference.partition("#")
        root = self._others.get(name) if name else self._root
        if root is None:
            raise DataError(f"the JSON schema refers to {reference}, which is not known")
        node = root
        for step in filter(None, pointer.split("/")):
            name = step.replace("~1", "/").replace("~0", "~")
            node = node.get(name) if isinstance(node, dict) else None
        if node is None:
            raise DataError(f"the JSON schema refers to {reference}, which is not there")
        before, self._root = self._root, root
        self._open.append(reference)
        try:
            return self.schema(node, optional=optional, version=version)
        finally:
            self._open.pop()
            self._root = before

    def _union(self, members: list[Any]) -> SchemaBuilder:
        builder = SchemaBuilder.struct().name(self._choices.union_name)
        if self._choices.generalized:
            builder.parameter(GENERALIZED_UNION, f"connect_union_{self._unions}")
            self._unions += 1
        number = 0
        for member in members:
            if _is_null(member):
                builder.optional()
                continue
            builder.field(self._choices.union_field(number), self.schema(member, optional=True))
            number += 1
        return builder

    def _builder(self, node: Mapping[str, Any]) -> SchemaBuilder:
        kind = node.get("type")
        if "enum" in node and kind in {None, "string"}:
            return self._enum(node["enum"])
        if kind is None:
            kind = _guessed(node)
        stated = node.get(TYPE)
        if kind == "boolean":
            return SchemaBuilder.bool()
        if kind in {"integer", "number"}:
            default = Type.INT64 if kind == "integer" else Type.FLOAT64
            if stated is not None and stated not in _NUMBERS:
                raise DataError(f"Unsupported type {stated}")
            return SchemaBuilder(_NUMBERS.get(str(stated), default))
        if kind == "string":
            return SchemaBuilder.bytes() if stated == "bytes" else SchemaBuilder.string()
        if kind == "array":
            return self._array(node, stated)
        if kind == "object":
            return self._object(node, stated)
        raise DataError(f"Unsupported schema type {kind or str(node)[:80]}")

    def _enum(self, symbols: list[Any]) -> SchemaBuilder:
        name = self._choices.enum_name
        builder = SchemaBuilder.string().parameter(name, "")
        for number, symbol in enumerate(map(str, symbols)):
            told = str(number) if self._choices.generalized else symbol
            builder.parameter(f"{name}.{symbol}", told)
        return builder

    def _array(self, node: Mapping[str, Any], stated: Any) -> SchemaBuilder:
        items = node.get("items")
        if not isinstance(items, dict):
            raise DataError("Array schema did not specify the items type")
        if stated == "map" and isinstance(items.get("properties"), dict):
            keys, values = (self.schema(items["properties"][one]) for one in (KEY, VALUE))
            return SchemaBuilder.map(keys, values)
        return SchemaBuilder.array(self.schema(items))

    def _object(self, node: Mapping[str, Any], stated: Any) -> SchemaBuilder:
        properties: dict[str, Any] = node.get("properties") or {}
        additional = node.get("additionalProperties")
        if stated == "map":
            return SchemaBuilder.map(STRING_SCHEMA, self.schema(additional))
        required = node.get("required") or ()
        builder = SchemaBuilder.struct()
        places = {name: number for number, name in enumerate(properties)}
        places |= {
            name: one[INDEX]
            for name, one in properties.items()
            if isinstance(one, dict) and isinstance(one.get(INDEX), int)
        }
        for name in sorted(properties, key=places.__getitem__):
            optional = self._choices.nonrequired and name not in required
            builder.field(name, self.schema(properties[name], optional=optional))
        return builder

    def _finish(self, builder: SchemaBuilder, node: Mapping[str, Any], version: int | None) -> None:
        if node.get("title") is not None and builder.parts.name is None:
            builder.name(str(node["title"]))
        stated = node.get(VERSION, version)
        if stated is not None:
            builder.version(int(stated))
        if node.get("description") is not None:
            builder.doc(str(node["description"]))
        if isinstance(node.get(PARAMETERS), dict):
            builder.parameters(node[PARAMETERS])
        if node.get("default") is not None:
            builder.default_value(self._values.of(builder.build())(node["default"]))


def _is_null(node: Any) -> bool:
    return isinstance(node, dict) and node.get("type") == "null"


def _guessed(node: Mapping[str, Any]) -> str | None:
    if "properties" in node or "additionalProperties" in node:
        return "object"
    if "items" in node:
        return "array"
    if "const" in node:
        value = node["const"]
        kinds = ((bool, "boolean"), (int, "integer"), (Decimal, "number"), (str, "string"))
        return next((name for kind, name in kinds if isinstance(value, kind)), None)
    return None


def _merged(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return one schema of all that a value must fit, as far as one can say more than another."""
    found: dict[str, Any] = {}
    for part in (*node["allOf"], {key: one for key, one in node.items() if key != "allOf"}):
        if not isinstance(part, dict) or ("$ref" in part and len(node["allOf"]) > 1):
            raise DataError("Unsupported criterion allOf, of more than types, enums and formats")
        for word, value in part.items():
            if word == "properties":
                found[word] = {**found.get(word, {}), **value}
            else:
                found[word] = value
    return found
