"""What a column holds, in one vocabulary for all databases; how each of them calls it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from sqlalchemy import types as sql

from aliran.connectors.data.schema import (
    DATE_NAME,
    DECIMAL_NAME,
    TIME_NAME,
    TIMESTAMP_NAME,
    Schema,
    Type,
)


class Kind(Enum):
    """What a column holds."""

    INT8 = auto()
    INT16 = auto()
    INT32 = auto()
    INT64 = auto()
    FLOAT32 = auto()
    FLOAT64 = auto()
    DECIMAL = auto()
    BOOLEAN = auto()
    TEXT = auto()
    BYTES = auto()
    DATE = auto()
    TIME = auto()
    TIMESTAMP = auto()  # as a clock on the wall shows it
    INSTANT = auto()  # a moment, whatever the zone
    JSON = auto()
    ARRAY = auto()
    OTHER = auto()  # what is read and written as text: uuid, inet, enum, interval, …


INTEGERS = {Kind.INT8: 8, Kind.INT16: 16, Kind.INT32: 32, Kind.INT64: 64}
"""The whole numbers and their widths."""


@dataclass(frozen=True, slots=True)
class ColumnType:
    """The type of a column.

    Attributes:
        kind: What it holds.
        name: How the database calls it, for messages.
        precision: Digits of a decimal; None where there is no limit.
        scale: Digits behind the point; None where each value has its own.
        item: What an array holds.
    """

    kind: Kind
    name: str
    precision: int | None = None
    scale: int | None = None
    item: ColumnType | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: Its name.
        type: What it holds.
        nullable: Whether it may be null.
        counts: Whether the database numbers it.
    """

    name: str
    type: ColumnType
    nullable: bool = True
    counts: bool = False


_NAMES: dict[str, Kind] = {
    "tinyint": Kind.INT8, "int1": Kind.INT8,
    "smallint": Kind.INT16, "int2": Kind.INT16, "utinyint": Kind.INT16, "year": Kind.INT16,
    "integer": Kind.INT32, "int": Kind.INT32, "int4": Kind.INT32, "usmallint": Kind.INT32,
    "mediumint": Kind.INT32,
    "bigint": Kind.INT64, "int8": Kind.INT64, "uinteger": Kind.INT64, "oid": Kind.INT64,
    "float": Kind.FLOAT32, "float4": Kind.FLOAT32, "real": Kind.FLOAT32,
    "double": Kind.FLOAT64, "float8": Kind.FLOAT64, "double precision": Kind.FLOAT64,
    "boolean": Kind.BOOLEAN, "bool": Kind.BOOLEAN,
    "varchar": Kind.TEXT, "text": Kind.TEXT, "bpchar": Kind.TEXT, "char": Kind.TEXT,
    "name": Kind.TEXT,
    "blob": Kind.BYTES, "bytea": Kind.BYTES,
    "date": Kind.DATE, "time": Kind.TIME,
    "timestamp": Kind.TIMESTAMP, "timestamp_s": Kind.TIMESTAMP, "timestamp_ms": Kind.TIMESTAMP,
    "timestamp_ns": Kind.TIMESTAMP, "datetime": Kind.TIMESTAMP,
    "timestamptz": Kind.INSTANT, "timestamp with time zone": Kind.INSTANT,
    "json": Kind.JSON, "jsonb": Kind.JSON,
}  # fmt: skip
_DECIMAL = re.compile(r"(?:decimal|numeric)(?:\((\d+),\s*(-?\d+)\))?", re.IGNORECASE)


def of_name(name: str) -> ColumnType:
    """Return the type of this name, as DuckDB and PostgreSQL have it: `INTEGER`, `int4[]`."""
    if name.endswith("[]"):
        return ColumnType(Kind.ARRAY, name, item=of_name(name[:-2]))
    if found := _DECIMAL.fullmatch(name):
        precision, scale = found.groups()
        return ColumnType(
            Kind.DECIMAL, name,
            None if precision is None else int(precision), None if scale is None else int(scale),
        )  # fmt: skip
    if name.lower() in {"hugeint", "uhugeint", "ubigint"}:
        return ColumnType(Kind.DECIMAL, name, 39, 0)
    return ColumnType(_NAMES.get(name.lower(), Kind.OTHER), name)


def of_sqlalchemy(kind: Any, backend: str) -> ColumnType:
    """Return the type that SQLAlchemy found.

    Args:
        kind: Its type.
        backend: The database, as SQLAlchemy calls it.
    """
    try:
        name = str(kind)
    except Exception:  # a type that its dialect cannot write
        name = type(kind).__name__
    word = type(kind).__name__.upper()
    if isinstance(kind, sql.ARRAY):
        many = (getattr(kind, "dimensions", None) or 1) > 1
        item = of_sqlalchemy(kind.item_type, backend)
        return ColumnType(Kind.OTHER if many else Kind.ARRAY, name, item=item)
    if isinstance(kind, sql.Boolean):
        return ColumnType(Kind.BOOLEAN, name)
    if isinstance(kind, sql.Integer):
        return ColumnType(_integer(kind, word, backend), name)
    if isinstance(kind, (sql.Numeric, sql.Float)):
        return _numeric(kind, word, name, backend)
    if isinstance(kind, sql.JSON):
        return ColumnType(Kind.JSON, name)
    if isinstance(kind, sql.DateTime):
        moment = getattr(kind, "timezone", False) or (backend == "mysql" and word == "TIMESTAMP")
        return ColumnType(Kind.INSTANT if moment else Kind.TIMESTAMP, name)
    if word in {"TIMESTAMP", "DATETIMEOFFSET"}:
        return ColumnType(Kind.INSTANT if "OFFSET" in word else Kind.TIMESTAMP, name)
    if isinstance(kind, sql.Time):
        plain = not getattr(kind, "timezone", False)
        return ColumnType(Kind.TIME if plain else Kind.OTHER, name)
    return ColumnType(_other(kind, word, backend), name)


def _other(kind: Any, word: str, backend: str) -> Kind:
    if isinstance(kind, sql.Date):
        return Kind.DATE
    if isinstance(kind, (sql.LargeBinary, sql._Binary)) or word in {"BYTEA", "ROWVERSION"}:  # noqa: SLF001
        return Kind.BYTES
    if word == "BIT" and backend == "mysql":
        return Kind.BYTES
    if word == "BIT" and backend == "mssql":
        return Kind.BOOLEAN
    if word == "YEAR":
        return Kind.INT16
    if word == "OID":
        return Kind.INT64
    if isinstance(kind, sql.Enum) or word == "SET":
        return Kind.OTHER
    return Kind.TEXT if isinstance(kind, sql.String) else Kind.OTHER


def _integer(kind: Any, word: str, backend: str) -> Kind:
    if backend == "sqlite" or word in {"BIGINT", "OID"}:
        return Kind.INT64
    unsigned = bool(getattr(kind, "unsigned", False)) or (backend == "mssql" and word == "TINYINT")
    small = {"TINYINT": Kind.INT8, "SMALLINT": Kind.INT16, "MEDIUMINT": Kind.INT32}
    wider = {Kind.INT8: Kind.INT16, Kind.INT16: Kind.INT32, Kind.INT32: Kind.INT64}
    found = small.get(word, Kind.INT32)
    if unsigned:
        return found if word == "MEDIUMINT" else wider[found]
    return found


def _numeric(kind: Any, word: str, name: str, backend: str) -> ColumnType:
    if word in {"REAL", "BINARY_FLOAT"} or (word == "FLOAT" and _is_single(kind, backend)):
        return ColumnType(Kind.FLOAT64 if backend == "sqlite" else Kind.FLOAT32, name)
    if word.startswith("DOUBLE") or isinstance(kind, sql.Float):
        return ColumnType(Kind.FLOAT64, name)
    scale = kind.scale
    if scale is None and kind.precision is not None and backend != "oracle":
        scale = 0
    if backend == "sqlite" and kind.precision is None:
        return ColumnType(Kind.OTHER, name)  # any word that SQLite does not know is numeric
    return ColumnType(Kind.DECIMAL, name, kind.precision, scale)


def _is_single(kind: Any, backend: str) -> bool:
    return backend == "mysql" and (kind.precision is None or kind.precision <= 24)


# ---------------------------------------------------------------------- Connect's types


def kind_of(schema: Schema) -> Kind:
    """Return what values of a schema are; maps and structs count as JSON."""
    if schema.name in _LOGICAL:
        return _LOGICAL[schema.name]
    return _PLAIN[schema.type]


_LOGICAL: Mapping[str | None, Kind] = {
    DATE_NAME: Kind.DATE,
    TIME_NAME: Kind.TIME,
    TIMESTAMP_NAME: Kind.TIMESTAMP,
    DECIMAL_NAME: Kind.DECIMAL,
}
_PLAIN = {
    Type.INT8: Kind.INT8, Type.INT16: Kind.INT16, Type.INT32: Kind.INT32, Type.INT64: Kind.INT64,
    Type.FLOAT32: Kind.FLOAT32, Type.FLOAT64: Kind.FLOAT64, Type.BOOLEAN: Kind.BOOLEAN,
    Type.STRING: Kind.TEXT, Type.BYTES: Kind.BYTES, Type.ARRAY: Kind.ARRAY, Type.MAP: Kind.JSON,
    Type.STRUCT: Kind.JSON,
}  # fmt: skip
