"""Finds the field that made an encoder fail; slow, and used only after the fact."""

from __future__ import annotations

from uuid import UUID

from aliran.protocol.schema.model import Field, Struct

_INTEGER_BITS = {"int8": 8, "int16": 16, "uint16": 16, "int32": 32, "int64": 64}
_MAX_STRING_BYTES = 32767


def find_fault(struct: Struct, value: object, version: int, path: str = "") -> str | None:
    """Return a sentence on the first field whose value cannot be written, or None.

    Args:
        struct: What the value should be.
        value: The value found.
        version: The message's version.
        path: Where the value stands, for the sentence.
    """
    if type(value).__name__ != struct.name:
        return f"{path or 'the message'} is {value!r:.80}, expected {struct.name}"
    for field in struct.fields:
        if version in field.versions:
            inner = f"{path}.{field.name}" if path else field.name
            fault = _field_fault(field, getattr(value, field.name, None), version, inner)
            if fault:
                return fault
    return None


def _field_fault(field: Field, value: object, version: int, path: str) -> str | None:
    if value is None:
        may_be_null = field.nullable is not None and version in field.nullable
        if may_be_null or (field.tag is not None and field.default is None):
            return None
        return f"{path} is None, which version {version} has no way to say: give it a value"
    if not field.is_array:
        return _element_fault(field, value, version, path)
    if not isinstance(value, (list, tuple)):
        return f"{path} is {value!r:.80}, expected a list"
    for number, element in enumerate(value):
        fault = _element_fault(field, element, version, f"{path}[{number}]")
        if fault:
            return fault
    return None


def _element_fault(field: Field, value: object, version: int, path: str) -> str | None:
    if field.struct is not None:
        return find_fault(field.struct, value, version, path)
    match field.type:
        case "string":
            good = (
                isinstance(value, str) and len(value.encode(errors="replace")) <= _MAX_STRING_BYTES
            )
            good = good and not any("\ud800" <= char <= "\udfff" for char in str(value))
        case "bytes" | "records":
            good = isinstance(value, (bytes, bytearray, memoryview))
        case "bool":
            good = isinstance(value, (bool, int))
        case "float64":
            good = isinstance(value, (float, int))
        case "uuid":
            good = isinstance(value, UUID)
        case kind:
            bits = _INTEGER_BITS[kind]
            lowest = 0 if kind.startswith("u") else -(1 << (bits - 1))
            good = isinstance(value, int) and lowest <= value < lowest + (1 << bits)
    return None if good else f"{path} is {value!r:.80}, which does not fit {field.type}"
