"""Schemas of Connect → JSON Schema. Confluent: `JsonSchemaData.fromConnectSchema`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from aliran.connectors.converters.registry.json_values import ValueWriter, has_text_keys
from aliran.connectors.converters.registry.names import (
    GENERALIZED_ENUM,
    GENERALIZED_UNION,
    scrubbed,
)
from aliran.connectors.data.schema import DECIMAL_NAME, Schema, Type

NAMESPACE = "io.confluent.connect.json"
ONE_OF = f"{NAMESPACE}.OneOf"
ENUM = f"{NAMESPACE}.Enum"
TYPE, VERSION, INDEX = "connect.type", "connect.version", "connect.index"
PARAMETERS = "connect.parameters"
KEY, VALUE = "key", "value"

_NUMBERS = {
    **dict.fromkeys((Type.INT8, Type.INT16, Type.INT32, Type.INT64), "integer"),
    **dict.fromkeys((Type.FLOAT32, Type.FLOAT64), "number"),
}


@dataclass(frozen=True, slots=True)
class Choices:
    """How schemas are written and read; see the converter's options.

    Attributes:
        metadata: `connect.meta.data`.
        generalized: `generalized.sum.type.support`.
        scrub: `scrub.invalid.names`.
        additional: `object.additional.properties`.
        nonrequired: `use.optional.for.nonrequired`.
        numeric: Whether decimals are numbers (`decimal.format`).
        ignore_default: `ignore.default.for.nullables`.
    """

    metadata: bool = True
    generalized: bool = False
    scrub: bool = False
    additional: bool = True
    nonrequired: bool = False
    numeric: bool = False
    ignore_default: bool = False

    @property
    def enum_name(self) -> str:
        """Parameter of texts that are of an enum."""
        return GENERALIZED_ENUM if self.generalized else ENUM

    @property
    def union_name(self) -> str:
        """Name of structs that stand for alternatives."""
        return GENERALIZED_UNION if self.generalized else ONE_OF

    def union_field(self, number: int) -> str:
        """Return the name of the field of an alternative."""
        if self.generalized:
            return f"connect_union_field_{number}"
        return f"{ONE_OF}.field.{number}"

    def field_name(self, name: str) -> str:
        """Return the name of a property."""
        return scrubbed(name) if self.scrub else name


def is_union(schema: Schema) -> bool:
    """Whether a struct stands for alternatives."""
    return schema.type is Type.STRUCT and schema.name in {ONE_OF, GENERALIZED_UNION}


class JsonSchemaWriter:
    """Writes JSON schemas.

    Args:
        choices: How.
        values: Writes defaults.
    """

    def __init__(self, choices: Choices, values: ValueWriter) -> None:
        self._choices = choices
        self._values = values

    def schema(self, schema: Schema | None, index: int | None = None) -> dict[str, Any]:
        """Return the schema of one of Connect; `index` is its place in a struct."""
        if schema is None:
            return {}
        place = {} if index is None or not self._choices.metadata else {INDEX: index}
        if is_union(schema):
            members = [self._base(field.schema) | {INDEX: field.index} for field in schema.fields]
            null = [{"type": "null"}] if schema.is_optional else []
            return {"oneOf": null + members, **place}
        base = self._base(schema)
        if schema.is_optional:
            return {"oneOf": [{"type": "null"}, base], **place}
        return base | place

    def _base(self, schema: Schema) -> dict[str, Any]:
        if is_union(schema):
            return self.schema(schema)
        return self._shape(schema) | self._annotations(schema)

    def _shape(self, schema: Schema) -> dict[str, Any]:
        kind = schema.type
        if kind in _NUMBERS:
            return {"type": _NUMBERS[kind], TYPE: kind.value}
        if kind is Type.BOOLEAN:
            return {"type": "boolean"}
        if kind is Type.STRING:
            return self._text(schema)
        if kind is Type.BYTES:
            number = schema.name == DECIMAL_NAME and self._choices.numeric
            return {"type": "number" if number else "string", TYPE: "bytes"}
        if kind is Type.ARRAY:
            return {"type": "array", "items": self.schema(schema.value_schema)}
        if kind is Type.MAP:
            return self._map(schema)
        found: dict[str, Any] = {
            "type": "object",
            "properties": {
                self._choices.field_name(field.name): self.schema(field.schema, field.index)
                for field in schema.fields
            },
        }
        if self._choices.nonrequired:
            found["required"] = [
                self._choices.field_name(field.name)
                for field in schema.fields
                if not field.schema.is_optional
            ]
        if not self._choices.additional:
            found["additionalProperties"] = False
        return found

    def _text(self, schema: Schema) -> dict[str, Any]:
        parameters: Mapping[str, str] = schema.parameters or {}
        if self._choices.enum_name not in parameters:
            return {"type": "string"}
        prefix = f"{self._choices.enum_name}."
        return {"enum": [one.removeprefix(prefix) for one in parameters if one.startswith(prefix)]}

    def _map(self, schema: Schema) -> dict[str, Any]:
        if has_text_keys(schema):
            values = self.schema(schema.value_schema)
            return {"type": "object", TYPE: "map", "additionalProperties": values}
        entry = {
            "type": "object",
            "properties": {
                KEY: self.schema(schema.key_schema, 0),
                VALUE: self.schema(schema.value_schema, 1),
            },
        }
        return {"type": "array", TYPE: "map", "items": entry}

    def _annotations(self, schema: Schema) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if schema.name is not None:
            found["title"] = schema.name
        if schema.doc is not None:
            found["description"] = schema.doc
        if self._choices.metadata:
            if schema.version is not None:
                found[VERSION] = schema.version
            own = (NAMESPACE, GENERALIZED_ENUM, GENERALIZED_UNION)
            parameters = schema.parameters or {}
            kept = {name: one for name, one in parameters.items() if not name.startswith(own)}
            if kept:
                found[PARAMETERS] = kept
        if schema.default_value is not None:
            text = self._values.of(schema)(schema.default_value)
            found["default"] = msgspec.Raw(text.encode())  # all digits of a decimal
        return found
