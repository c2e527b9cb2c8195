"""Schemas of Connect: what type a value is of, and whether a value fits.

Kafka: `Schema`, `ConnectSchema`, `SchemaBuilder`, `Field`. Python's types stand for Java's:

| type | Python | logical type (by the schema's name) | Python |
|---|---|---|---|
| INT8 ... INT64 | int, in range | Date | `datetime.date` |
| FLOAT32, FLOAT64 | float | Time | `datetime.time` |
| BOOLEAN, STRING, BYTES | bool, str, bytes | Timestamp | `datetime.datetime`, in UTC |
| ARRAY, MAP, STRUCT | list, dict, `Struct` | Decimal | `decimal.Decimal` of the schema's scale |

Java has one class for the three times, so each of the three takes each of them where it means the
same: a datetime at midnight is a Date. A datetime without a time zone is in UTC.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from aliran.connectors.data.java import class_text
from aliran.connectors.errors import DataError

DECIMAL_NAME = "org.apache.kafka.connect.data.Decimal"
DATE_NAME = "org.apache.kafka.connect.data.Date"
TIME_NAME = "org.apache.kafka.connect.data.Time"
TIMESTAMP_NAME = "org.apache.kafka.connect.data.Timestamp"

TIMES = (dt.date, dt.time)
"""The classes that stand for `java.util.Date`; datetime is a date."""


class Type(Enum):
    """The types of Connect. Kafka: `Schema.Type`."""

    INT8 = "int8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    BOOLEAN = "boolean"
    STRING = "string"
    BYTES = "bytes"
    ARRAY = "array"
    MAP = "map"
    STRUCT = "struct"

    # Members are looked up for each value; Enum's own hash is slow.
    if not TYPE_CHECKING:
        __hash__ = object.__hash__

    def __init__(self, text: str) -> None:
        self.is_primitive: bool = text not in {"array", "map", "struct"}
        """Whether values have no parts."""

    def __str__(self) -> str:
        return self.name


BITS = {Type.INT8: 8, Type.INT16: 16, Type.INT32: 32, Type.INT64: 64}
"""How wide the integer types are."""

_RANGES = {kind: (-(1 << bits - 1), (1 << bits - 1) - 1) for kind, bits in BITS.items()}
_LOGICAL: dict[str, tuple[type, ...]]
_LOGICAL = dict.fromkeys((DATE_NAME, TIME_NAME, TIMESTAMP_NAME), TIMES)
_LOGICAL[DECIMAL_NAME] = (Decimal,)
_CLASSES: dict[Type, tuple[type, ...]] = {
    Type.FLOAT32: (float,),
    Type.FLOAT64: (float,),
    Type.BOOLEAN: (bool,),
    Type.STRING: (str,),
    Type.BYTES: (bytes, bytearray, memoryview),
    Type.ARRAY: (list, tuple),
    Type.MAP: (Mapping,),
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a struct's schema.

    Attributes:
        name: Its name.
        index: Its place, from 0.
        schema: What it holds.
    """

    name: str
    index: int
    schema: Schema


@dataclass(slots=True)
class Parts:
    """What a builder was told so far."""

    type: Type
    optional: bool | None = None
    default_value: Any = None
    name: str | None = None
    version: int | None = None
    doc: str | None = None
    parameters: dict[str, str] | None = None
    fields: dict[str, Field] = None  # type: ignore[assignment]
    key_schema: Schema | None = None
    value_schema: Schema | None = None


class Schema:
    """What a value looks like; never changes. Equal where all parts are. Kafka: `ConnectSchema`.

    Attributes:
        type: The type of the values.
        is_optional: Whether None is a value.
        default_value: What stands in for None, or None.
        name: Name of a struct, or of a logical type.
        version: Version of what the name means.
        doc: A text for people.
        parameters: More about the type, such as a decimal's scale; None where there are none.
        by_name: The fields of a struct by their names; empty for other types.
        defaults: The default of each field of a struct; None where no field has one.
        quick: Classes whose values fit without a further look.
    """

    __slots__ = (
        "_classes",
        "_fields",
        "_hash",
        "_key_schema",
        "_limits",
        "_value_schema",
        "by_name",
        "default_value",
        "defaults",
        "doc",
        "is_optional",
        "name",
        "parameters",
        "quick",
        "type",
        "version",
    )

    type: Type
    is_optional: bool
    default_value: Any
    name: str | None
    version: int | None
    doc: str | None
    parameters: Mapping[str, str] | None
    by_name: Mapping[str, Field]
    defaults: tuple[Any, ...] | None
    quick: frozenset[Any]

    def __init__(self, parts: Parts) -> None:
        self.type = parts.type
        self.is_optional = bool(parts.optional)
        self.default_value = parts.default_value
        self.name = parts.name
        self.version = parts.version
        self.doc = parts.doc
        self.parameters = dict(parts.parameters) if parts.parameters else None
        self._fields = tuple(parts.fields.values())
        self.by_name = dict(parts.fields)
        defaults = tuple(field.schema.default_value for field in self._fields)
        self.defaults = defaults if any(one is not None for one in defaults) else None
        self._key_schema = parts.key_schema
        self._value_schema = parts.value_schema
        self._classes = _LOGICAL.get(self.name or "") or _CLASSES.get(self.type, ())
        self._limits = None if self._classes else _RANGES.get(self.type)
        quick = self._classes if self.type.is_primitive else ()
        self.quick = frozenset((*quick, type(None)) if self.is_optional else quick)
        self._hash: int | None = None

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields of a struct.

        Raises:
            DataError: The type is another.
        """
        if self.type is not Type.STRUCT:
            raise DataError("Cannot list fields on non-struct type")
        return self._fields

    def field(self, name: str) -> Field | None:
        """Return the field of that name, or None.

        Raises:
            DataError: The type is not STRUCT.
        """
        if self.type is not Type.STRUCT:
            raise DataError("Cannot look up fields on non-struct type")
        return self.by_name.get(name)

    @property
    def key_schema(self) -> Schema | None:
        """What the keys of a map are; None only for the map of nulls that `Values` finds.

        Raises:
            DataError: The type is not MAP.
        """
        if self.type is not Type.MAP:
            raise DataError("Cannot look up key schema on non-map type")
        return self._key_schema

    @property
    def value_schema(self) -> Schema | None:
        """What the values of a map, or the elements of an array, are.

        Raises:
            DataError: The type is neither MAP nor ARRAY.
        """
        if self.type not in {Type.MAP, Type.ARRAY}:
            raise DataError("Cannot look up value schema on non-array and non-map type")
        return self._value_schema

    def accepts_class_of(self, value: object) -> bool:
        """Whether a value, not None, is of a class (and an integer in the range) of this schema."""
        if self._limits is not None:
            return type(value) is int and self._limits[0] <= value <= self._limits[1]
        if self._classes:
            return isinstance(value, self._classes)
        from aliran.connectors.data.struct import Struct  # structs are built on schemas

        return isinstance(value, Struct)

    def validate(self, value: object, field: str | None = None) -> None:
        """Check that a value fits. Kafka: `ConnectSchema.validateValue`.

        Args:
            value: The value.
            field: The field it is for, which errors name.

        Raises:
            DataError: It does not; the message says where and why.
        """
        self.validate_at(value, "value" if field is None else f'field: "{field}"')

    def validate_at(self, value: Any, place: str) -> None:
        """Check that a value fits; errors end with `place`, such as `element of array value`."""
        if value is None:
            if not self.is_optional:
                raise DataError(
                    f"Invalid value: null used for required {place}, schema type: {self.type}"
                )
            return
        if not self.accepts_class_of(value):
            self._refuse(value, place)
        if self.type is Type.ARRAY:
            entry = f"element of array {place}"
            inner = _present(self._value_schema, entry)
            for each in value:
                inner.validate_at(each, entry)
        elif self.type is Type.MAP:
            key_place, value_place = f"key of map {place}", f"value of map {place}"
            keys = _present(self._key_schema, key_place)
            values = _present(self._value_schema, value_place)
            for key, each in value.items():
                keys.validate_at(key, key_place)
                values.validate_at(each, value_place)
        elif self.type is Type.STRUCT:
            if value.schema != self:
                raise DataError(f"Struct schemas do not match. ({place}: {value.schema}, {self})")
            value.validate()

    def _refuse(self, value: object, place: str) -> NoReturn:
        named = "" if self.name is None else f' "{self.name}"'
        what = class_text(value)
        if self._limits is not None and type(value) is int:
            what = f"{value}, out of range"
        raise DataError(
            f"Invalid Python object for schema{named} with type {self.type}: {what} for {place}"
        )

    def _key(self) -> tuple[Any, ...]:
        return (
            self.is_optional,
            self.version,
            self.name,
            self.doc,
            self.type,
            _comparable(self.default_value),
            self._fields,
            self._key_schema,
            self._value_schema,
            self.parameters,
        )

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Schema) or hash(self) != hash(other):
            return False
        return self._key() == other._key()

    def __hash__(self) -> int:
        if self._hash is None:
            # Defaults and parameters may be lists and dicts; the rest tells schemas apart.
            parts = (self.type, self.is_optional, self.name, self.version, self.doc, self._fields)
            self._hash = hash((parts, self._key_schema, self._value_schema))
        return self._hash

    def __repr__(self) -> str:
        return (
            f"Schema{{{self.type}}}" if self.name is None else f"Schema{{{self.name}:{self.type}}}"
        )


def _comparable(value: Any) -> Any:
    """Return a default that equals where Java's does: nan itself, decimals of one scale."""
    return str(value) if isinstance(value, float | Decimal) else value


def _present(schema: Schema | None, place: str) -> Schema:
    if schema is None:
        raise DataError(f"No schema defined for {place}")
    return schema


class SchemaAndValue(NamedTuple):
    """A value and its schema; both None for what is nothing. Kafka: `SchemaAndValue`."""

    schema: Schema | None
    value: Any


NULL = SchemaAndValue(None, None)


def type_of(value: object) -> Type | None:
    """Return the type of a value that comes without a schema, None where Connect knows none.

    Integers are INT64 and floats FLOAT64. Kafka: `ConnectSchema.schemaType`.
    """
    if type(value) is bool:
        return Type.BOOLEAN
    if isinstance(value, int):
        return Type.INT64
    for kind in (Type.FLOAT64, Type.STRING, Type.BYTES, Type.ARRAY, Type.MAP):
        if isinstance(value, _CLASSES[kind]):
            return kind
    from aliran.connectors.data.struct import Struct

    return Type.STRUCT if isinstance(value, Struct) else None
