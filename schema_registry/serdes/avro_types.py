r"""From a class to its Avro schema.

| Python | Avro |
|---|---|
| bool, int, float, str, bytes | boolean, long, double, string, bytes |
| `X \| None` | a union with null; null first where the default is None |
| `list[X]`, `set[X]`, `tuple[X, ...]`; `dict[str, X]` | array; map |
| Struct, dataclass, TypedDict, pydantic model | record |
| Enum of texts | enum |
| `Annotated[X, Meta(description="...", extra={"aliases": [...]})]` | `doc`, `aliases` of a field |
| datetime, date, time, UUID | timestamp-micros, date, time-micros, uuid |
| Decimal | decimal of 38 digits, 9 of them behind the point |
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import re
import uuid
from collections.abc import Iterator
from enum import Enum
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import msgspec

from aliran.core.errors import ConfigError
from aliran.schema_registry.serdes.values import is_pydantic

_PLAIN: dict[Any, Any] = {
    bool: "boolean",
    int: "long",
    float: "double",
    str: "string",
    bytes: "bytes",
    NoneType: "null",
    dt.datetime: {"type": "long", "logicalType": "timestamp-micros"},
    dt.date: {"type": "int", "logicalType": "date"},
    dt.time: {"type": "long", "logicalType": "time-micros"},
    uuid.UUID: {"type": "string", "logicalType": "uuid"},
    decimal.Decimal: {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 9},
}
_LISTS = (list, set, frozenset, tuple)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NONE = object()


class _Field(NamedTuple):
    name: str
    type: Any
    default: Any = _NONE


def avro_schema(target: Any, namespace: str | None = None) -> Any:
    """Return the Avro schema of a class or type, as JSON values.

    Args:
        target: A class with annotated fields, or another type of the table above.
        namespace: Namespace of its record.

    Raises:
        ConfigError: Something in it has no counterpart in Avro; says what and where.
    """
    schema = _Writer().schema(target, getattr(target, "__name__", str(target)))
    if namespace and isinstance(schema, dict):
        schema = {**schema, "namespace": namespace}
    return schema


class _Writer:
    """Writes one schema; a class that comes up again is named only."""

    def __init__(self) -> None:
        self._named: set[str] = set()

    def schema(self, target: Any, where: str) -> Any:
        if hasattr(target, "__supertype__"):
            return self.schema(target.__supertype__, where)
        if isinstance(target, type) and target in _PLAIN:
            return _PLAIN[target]
        origin, arguments = get_origin(target), get_args(target)
        if origin is Annotated:
            return self.schema(arguments[0], where)
        if origin in (Union, UnionType):
            return self._union(arguments, where)
        if origin is Literal and all(isinstance(each, str) for each in arguments):
            return "string"
        if (origin or target) in _LISTS:
            items = [each for each in arguments if each is not Ellipsis]
            if len(items) != 1:
                raise _no_schema(where, target, "say what it holds: list[str], tuple[int, ...]")
            return {"type": "array", "items": self.schema(items[0], where)}
        if (origin or target) is dict:
            if len(arguments) != 2 or arguments[0] is not str:
                raise _no_schema(where, target, "Avro's maps have keys of text: dict[str, X]")
            return {"type": "map", "values": self.schema(arguments[1], where)}
        if isinstance(target, type) and issubclass(target, Enum):
            return self._enum(target, where)
        fields = _fields(target)
        if fields is None:
            raise _no_schema(where, target, "use a Struct or dataclass, or pass schema=")
        return self._record(target, list(fields))

    def _union(self, members: tuple[Any, ...], where: str) -> Any:
        ordered = sorted(members, key=lambda each: each is not NoneType)
        return [self.schema(each, where) for each in ordered]

    def _enum(self, target: type[Enum], where: str) -> Any:
        symbols = [member.value for member in target]
        if not all(isinstance(each, str) and _NAME.fullmatch(each) for each in symbols):
            raise _no_schema(where, target, "Avro's enums hold names: A = 'A'")
        if target.__name__ in self._named:
            return target.__name__
        self._named.add(target.__name__)
        return {"type": "enum", "name": target.__name__, "symbols": symbols}

    def _record(self, target: Any, fields: list[_Field]) -> Any:
        name = target.__name__
        if name in self._named:
            return name
        self._named.add(name)
        return {
            "type": "record",
            "name": name,
            "fields": [self._field(name, field) for field in fields],
        }

    def _field(self, record: str, field: _Field) -> Any:
        schema = self.schema(field.type, f"{record}.{field.name}")
        named = {"name": field.name, **_notes(field.type)}
        if field.default is _NONE:
            return {**named, "type": schema}
        default = msgspec.to_builtins(field.default)
        if isinstance(schema, list) and default is not None:
            # A union's default belongs to its first member.
            schema = [each for each in schema if each != "null"] + ["null"]
        return {**named, "type": schema, "default": default}


def _notes(target: Any) -> dict[str, Any]:
    """Return what `Annotated` says of a field: its description, and names it had before."""
    found: dict[str, Any] = {}
    for note in get_args(target)[1:] if get_origin(target) is Annotated else ():
        if isinstance(note, msgspec.Meta):
            if note.description is not None:
                found["doc"] = note.description
            if note.extra is not None and "aliases" in note.extra:
                found["aliases"] = list(note.extra["aliases"])
    return found


def _fields(target: Any) -> Iterator[_Field] | None:
    """Return the fields of a class, None for no such class."""
    if is_pydantic(target):
        return _pydantic_fields(target)
    if isinstance(target, type) and issubclass(target, msgspec.Struct):
        return _struct_fields(target)
    if dataclasses.is_dataclass(target):
        return _dataclass_fields(target)
    if is_typeddict(target):
        return _annotated_fields(target)
    return None


def _struct_fields(target: Any) -> Iterator[_Field]:
    for field in msgspec.structs.fields(target):
        if field.default is not msgspec.NODEFAULT:
            yield _Field(field.encode_name, field.type, field.default)
        elif field.default_factory is not msgspec.NODEFAULT:
            yield _Field(field.encode_name, field.type, field.default_factory())
        else:
            yield _Field(field.encode_name, field.type)


def _dataclass_fields(target: Any) -> Iterator[_Field]:
    hints = get_type_hints(target, include_extras=True)
    for field in dataclasses.fields(target):
        default = _NONE if field.default is dataclasses.MISSING else field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        yield _Field(field.name, hints[field.name], default)


def _pydantic_fields(target: Any) -> Iterator[_Field]:
    hints = get_type_hints(target, include_extras=True)
    for name, field in target.model_fields.items():
        default = _NONE if field.is_required() else field.get_default(call_default_factory=True)
        yield _Field(name, hints[name], default)


def _annotated_fields(target: Any) -> Iterator[_Field]:
    for name, hint in get_type_hints(target, include_extras=True).items():
        yield _Field(name, hint)


def _no_schema(where: str, target: Any, hint: str) -> ConfigError:
    shown = getattr(target, "__qualname__", target)
    return ConfigError(f"{where}: no Avro schema for {shown}: {hint}")
