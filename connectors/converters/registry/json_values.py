"""Values of Connect ↔ JSON as `JsonSchemaConverter` has it.

As `JsonConverter`, but entries of maps are objects, and structs that stand for alternatives are the
alternative.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aliran.connectors.converters.json_reader import JsonReader, Reader
from aliran.connectors.converters.json_text import node_type
from aliran.connectors.converters.json_writer import JsonWriter, Writer
from aliran.connectors.data.java import class_text
from aliran.connectors.data.schema import BITS, Schema, Type
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import DataError


def has_text_keys(schema: Schema) -> bool:
    """Whether a map is a JSON object."""
    keys = schema.key_schema
    return keys is not None and keys.type is Type.STRING and not keys.is_optional


class ValueWriter(JsonWriter):
    """Makes writers.

    Args:
        numeric: Whether decimals are numbers.
        replace: Whether None becomes the default where there is one.
        is_union: Tells structs that stand for alternatives.
        field_name: Gives the name of a property.
    """

    def __init__(
        self,
        *,
        numeric: bool,
        replace: bool,
        is_union: Callable[[Schema], bool],
        field_name: Callable[[str], str],
    ) -> None:
        super().__init__(numeric=numeric, replace=replace)
        self._is_union = is_union
        self._field_name = field_name

    def name_of(self, name: str) -> str:
        """Return the name of a property."""
        return self._field_name(name)

    def _structs(self, schema: Schema) -> Writer:
        if not self._is_union(schema):
            return super()._structs(schema)
        writers = [self.of(field.schema) for field in schema.fields]

        def write(value: Any) -> str:
            if not isinstance(value, Struct):
                raise DataError(f"Invalid type for {schema.type}: {class_text(value)}")
            for writer, one in zip(writers, value.values, strict=True):
                if one is not None:
                    return writer(one)
            if schema.is_optional:
                return "null"
            raise DataError(f"none of the alternatives of {schema} is set")

        return write

    def _maps(self, schema: Schema) -> Writer:
        if has_text_keys(schema):
            return super()._maps(schema)
        keys, values = self.of(schema.key_schema), self.of(schema.value_schema)

        def write(value: Any) -> str:
            if not isinstance(value, Mapping):
                raise DataError(f"Invalid type for {schema.type}: {class_text(value)}")
            entries = (
                f'{{"key":{keys(key)},"value":{values(each)}}}' for key, each in value.items()
            )
            return "[" + ",".join(entries) + "]"

        return write


class ValueReader(JsonReader):
    """Makes readers.

    Args:
        is_union: Tells structs that stand for alternatives.
    """

    def __init__(self, is_union: Callable[[Schema], bool]) -> None:
        super().__init__(replace=True)
        self._is_union = is_union

    def of(self, schema: Schema | None) -> Reader:
        """Return what reads values of a schema, or of nobody knows what."""
        if schema is not None and schema.type is Type.STRUCT and self._is_union(schema):
            return self._with_null(schema, self._alternatives(schema))
        if schema is not None and schema.type is Type.MAP and not has_text_keys(schema):
            return self._with_null(schema, self._entries(schema))
        return super().of(schema)

    def _entries(self, schema: Schema) -> Reader:
        keys, values = self.of(schema.key_schema), self.of(schema.value_schema)

        def read(node: Any) -> dict[Any, Any]:
            if not isinstance(node, list):
                raise DataError(
                    "Maps with non-string fields should be encoded as JSON array of objects, but "
                    f"found {node_type(node)}"
                )
            found = {}
            for entry in node:
                if not isinstance(entry, dict) or entry.keys() != {"key", "value"}:
                    raise DataError(f"Found invalid map entry instead of object: {entry!r}")
                key = keys(entry["key"])
                try:
                    found[key] = values(entry["value"])
                except TypeError as error:
                    raise DataError(f"A map cannot have {key!r} as a key") from error
            return found

        return read

    def _alternatives(self, schema: Schema) -> Reader:
        readers = [(field.schema, self.of(field.schema)) for field in schema.fields]

        def read(node: Any) -> Struct:
            for number, (one, reader) in enumerate(readers):
                if _may_be(one, node):
                    values: list[Any] = [None] * len(readers)
                    values[number] = reader(node)
                    return Struct.unchecked(schema, values)
            raise DataError(f"Did not find matching oneof field for data: {node!r}")

        return read


def _may_be(schema: Schema, node: Any) -> bool:
    kind = schema.type
    if kind is Type.BOOLEAN:
        return isinstance(node, bool)
    if kind in BITS:
        return type(node) is int
    if kind in {Type.FLOAT32, Type.FLOAT64}:
        return node_type(node) == "NUMBER"
    if kind is Type.STRING:
        return isinstance(node, str)
    if kind is Type.BYTES:
        return isinstance(node, str) or node_type(node) == "NUMBER"
    if kind is Type.ARRAY:
        return isinstance(node, list)
    if kind is Type.MAP:
        return isinstance(node, dict | list)
    return isinstance(node, dict) and node.keys() <= schema.by_name.keys()
