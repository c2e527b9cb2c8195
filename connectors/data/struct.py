"""Records with named fields. Kafka: `Struct`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar, Self, TypeVar

from aliran.connectors.data.java import class_text, single_text, text_of
from aliran.connectors.data.schema import Field, Schema, Type
from aliran.connectors.errors import DataError

_T = TypeVar("_T")


class Struct:
    """Values of the fields of a schema, each checked when it is put.

    Attributes:
        schema: The schema.
        values: The values as they were put, in the order of the fields.

    `Struct(schema, {"id": 1}).put("name", "x")`; `struct["id"]`. A field that was not put is
    None, or its default where it has one.

    Raises:
        DataError: The schema is no struct's, a field is unknown, or a value does not fit.
    """

    __slots__ = ("schema", "values")

    schema: Schema
    values: list[Any]

    def __init__(self, schema: Schema, values: Mapping[str, Any] | None = None) -> None:
        if schema.type is not Type.STRUCT:
            raise DataError(f"Not a struct schema: {schema}")
        self.schema = schema
        self.values = [None] * len(schema.by_name)
        if values:
            for name, value in values.items():
                self.put(name, value)

    @classmethod
    def unchecked(cls, schema: Schema, values: list[Any]) -> Self:
        """Return a struct that has these values in the order of the fields, without a look at them.

        For who makes many and knows that they fit; the list is the struct's from then on.
        """
        made = cls.__new__(cls)
        made.schema, made.values = schema, values
        return made

    @classmethod
    def of_parts(cls, schema: Schema, values: list[Any]) -> Self:
        """Return a struct of values that fields of the same schemas held; only nulls are checked.

        Raises:
            DataError: A required field is None.
        """
        if None not in values:
            return cls.unchecked(schema, values)
        made = cls(schema)
        for field, value in zip(schema.fields, values, strict=True):
            made.put(field, value)
        return made

    def _lookup(self, name: str) -> Field:
        field = self.schema.by_name.get(name)
        if field is None:
            known = ", ".join(each.name for each in self.schema.fields)
            raise DataError(f"{name} is not a valid field name (there are: {known})")
        return field

    def get(self, field: str | Field) -> Any:
        """Return the value of a field, its default where it is None."""
        found = self._lookup(field) if isinstance(field, str) else field
        value = self.values[found.index]
        return found.schema.default_value if value is None else value

    __getitem__ = get

    def get_without_default(self, field: str | Field) -> Any:
        """Return the value of a field as it was put."""
        return self.values[(self._lookup(field) if isinstance(field, str) else field).index]

    def put(self, field: str | Field, value: Any) -> Self:
        """Set a field and return this struct.

        Raises:
            DataError: The field is unknown, or the value does not fit its schema.
        """
        found = self._lookup(field) if isinstance(field, str) else field
        schema = found.schema
        if type(value) not in schema.quick and (
            value is None or not schema.type.is_primitive or not schema.accepts_class_of(value)
        ):
            schema.validate(value, found.name)
        self.values[found.index] = value
        return self

    def validate(self) -> None:
        """Check all fields; None stands where the field has a default.

        Raises:
            DataError: A required field without a default is None, or a value does not fit.
        """
        for field, value in zip(self.schema.fields, self.values, strict=True):
            if value is None and (
                field.schema.is_optional or field.schema.default_value is not None
            ):
                continue
            field.schema.validate(value, field.name)

    def _typed(self, name: str, of: Type, cls: type[_T]) -> _T | None:
        field = self._lookup(name)
        if field.schema.type is not of:
            raise DataError(f"Field '{name}' is not of type {of}")
        value = self.values[field.index]
        if value is not None and not isinstance(value, cls):
            raise DataError(f"Field '{name}' holds {class_text(value)}, a logical type")
        return value

    def get_int8(self, field: str) -> int | None:
        """Return an INT8 field as it was put."""
        return self._typed(field, Type.INT8, int)

    def get_int16(self, field: str) -> int | None:
        """Return an INT16 field as it was put."""
        return self._typed(field, Type.INT16, int)

    def get_int32(self, field: str) -> int | None:
        """Return an INT32 field as it was put."""
        return self._typed(field, Type.INT32, int)

    def get_int64(self, field: str) -> int | None:
        """Return an INT64 field as it was put."""
        return self._typed(field, Type.INT64, int)

    def get_float32(self, field: str) -> float | None:
        """Return a FLOAT32 field as it was put."""
        return self._typed(field, Type.FLOAT32, float)

    def get_float64(self, field: str) -> float | None:
        """Return a FLOAT64 field as it was put."""
        return self._typed(field, Type.FLOAT64, float)

    def get_boolean(self, field: str) -> bool | None:
        """Return a BOOLEAN field as it was put."""
        return self._typed(field, Type.BOOLEAN, bool)

    def get_string(self, field: str) -> str | None:
        """Return a STRING field as it was put."""
        return self._typed(field, Type.STRING, str)

    def get_bytes(self, field: str) -> bytes | None:
        """Return a BYTES field as it was put."""
        value = self._typed(field, Type.BYTES, object)
        if isinstance(value, Decimal | dt.date):
            raise DataError(f"Field '{field}' holds {class_text(value)}, a logical type")
        return None if value is None else bytes(value)  # type: ignore[call-overload]

    def get_array(self, field: str) -> list[Any] | None:
        """Return an ARRAY field as it was put."""
        value = self._typed(field, Type.ARRAY, object)
        return None if value is None else list(value)  # type: ignore[call-overload]

    def get_map(self, field: str) -> Mapping[Any, Any] | None:
        """Return a MAP field as it was put."""
        return self._typed(field, Type.MAP, Mapping)  # type: ignore[type-abstract]

    def get_struct(self, field: str) -> Struct | None:
        """Return a STRUCT field as it was put."""
        return self._typed(field, Type.STRUCT, Struct)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields with their defaults, structs within as dicts as well."""
        return {field.name: _plain(self.get(field)) for field in self.schema.fields}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Struct):
            return False
        return self.schema == other.schema and self.values == other.values

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # fields change

    def __repr__(self) -> str:
        pairs = zip(self.schema.fields, self.values, strict=True)
        shown = (f"{f.name}={value_text(f.schema, v)}" for f, v in pairs if v is not None)
        return "Struct{" + ",".join(shown) + "}"


def value_text(schema: Schema | None, value: Any) -> str:
    """Return `String.valueOf` of a value whose schema says how precise its floats are."""
    if schema is None or value is None:
        return text_of(value)
    if schema.type is Type.FLOAT32 and isinstance(value, float):
        return single_text(value)
    if schema.type is Type.ARRAY and isinstance(value, list | tuple):
        return "[" + ", ".join(value_text(schema.value_schema, each) for each in value) + "]"
    if schema.type is Type.MAP and isinstance(value, Mapping):
        keys, values = schema.key_schema, schema.value_schema
        entries = (f"{value_text(keys, k)}={value_text(values, v)}" for k, v in value.items())
        return "{" + ", ".join(entries) + "}"
    return text_of(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Struct):
        return value.to_dict()
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return value
