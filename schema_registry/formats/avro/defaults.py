"""Whether the default of a field fits its type. Avro: `Schema.isValidDefault`."""

from __future__ import annotations

from typing import Any

from aliran.schema_registry.formats.avro.types import (
    MISSING,
    Array,
    AvroType,
    Map,
    Primitive,
    Record,
    Union,
)


def is_valid_default(node: AvroType, value: Any) -> bool:
    """Return whether `value`, as JSON, is a value of the type; of a union, of any branch."""
    if isinstance(node, Union):
        return any(is_valid_default(branch, value) for branch in node.branches)
    if isinstance(node, Array):
        return isinstance(value, list) and all(is_valid_default(node.items, one) for one in value)
    if isinstance(node, Map):
        return isinstance(value, dict) and all(
            is_valid_default(node.values, one) for one in value.values()
        )
    if isinstance(node, Record):
        return isinstance(value, dict) and all(
            (part := value.get(field.name, field.default)) is not MISSING
            and is_valid_default(field.type, part)
            for field in node.fields
        )
    return _is_valid_primitive(node.type if isinstance(node, Primitive) else "string", value)


def _is_valid_primitive(name: str, value: Any) -> bool:
    if name == "null":
        return value is None
    if name == "boolean":
        return isinstance(value, bool)
    if name in {"int", "long"}:
        limit = 1 << (31 if name == "int" else 63)
        return type(value) is int and -limit <= value < limit
    if name in {"float", "double"}:
        return type(value) in {int, float}
    return isinstance(value, str)
