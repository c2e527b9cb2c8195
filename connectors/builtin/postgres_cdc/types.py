"""Types of PostgreSQL: how each is shown, and what reads its text.

Debezium: `PostgresValueConverter`, `TypeRegistry`. Snapshot and stream both give texts, in ISO
style and in UTC, so that one reader does for both.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from aliran.connectors.builtin.cdc import types as kinds
from aliran.connectors.builtin.cdc.types import MICROS_A_DAY, Kind
from aliran.connectors.builtin.postgres_cdc.config import PostgresCdcConfig
from aliran.connectors.data.builder import (
    FLOAT64_SCHEMA,
    OPTIONAL_BYTES_SCHEMA,
    OPTIONAL_INT32_SCHEMA,
    OPTIONAL_STRING_SCHEMA,
    STRING_SCHEMA,
    SchemaBuilder,
)
from aliran.connectors.errors import DataError

Reader: TypeAlias = Callable[[bytes], Any]
"""Turns the text of a value into the value."""

_MIDNIGHT = dt.datetime(1970, 1, 1)  # noqa: DTZ001  (both sides of the difference have no zone)
_EPOCH_DAY = _MIDNIGHT.toordinal()
_MICRO = dt.timedelta(microseconds=1)
_INFINITE = {
    "infinity": 9_223_372_036_825_200_000,
    "-infinity": -9_223_372_036_832_400_000,
}
"""What Debezium shows."""


@dataclass(frozen=True, slots=True)
class PgType:
    """A type as the catalog has it.

    Attributes:
        oid: Its number.
        name: Its name.
        element: The type of an array's elements; None for what is no array.
        labels: The labels of an enumeration; None for what is none.
    """

    oid: int
    name: str
    element: PgType | None = None
    labels: tuple[str, ...] | None = None


_utf8: Reader = bytes.decode


def _is_true(data: bytes) -> bool:
    return data == b"t"


def _bytea(data: bytes) -> bytes:
    return bytes.fromhex(data[2:].decode())


def _numeric(data: bytes) -> Decimal:
    return Decimal(data.decode())


def _money(digits: int) -> Reader:
    unit = Decimal((0, (1,), -digits))

    def read(data: bytes) -> Decimal:
        text = re.sub(r"[^\d.-]", "", data.decode().replace("(", "-"))
        return Decimal(text).quantize(unit)

    return read


# ---------------------------------------------------------------------- dates and times


def _day(text: str) -> int:
    """Return days since 1970; PostgreSQL knows years before 1 and behind 9999."""
    try:
        return dt.date.fromisoformat(text).toordinal() - _EPOCH_DAY
    except ValueError:
        pass
    if text in {"infinity", "-infinity"}:
        return 2**31 - 1 if text == "infinity" else -(2**31)
    before = text.endswith(" BC")
    year, month, day = map(int, text.removesuffix(" BC").split("-"))
    year = 1 - year if before else year
    cycles, year_in = divmod(year, 400)  # a cycle of 400 years has 146,097 days
    found = dt.date(2000 + year_in, month, day).toordinal() + (cycles - 5) * 146_097
    return found - _EPOCH_DAY


def _date(data: bytes) -> int:
    return _day(data.decode())


def _micros_of_day(text: str) -> int:
    hour, minute, second = text.split(":")
    whole, _, fraction = second.partition(".")
    seconds = (int(hour) * 60 + int(minute)) * 60 + int(whole)
    return seconds * 1_000_000 + int(f"{fraction:0<6}" if fraction else 0)


def _time(data: bytes) -> int:
    return _micros_of_day(data.decode())


def _timestamp(data: bytes) -> int:
    text = data.decode()
    try:
        return (dt.datetime.fromisoformat(text) - _MIDNIGHT) // _MICRO
    except ValueError:
        pass
    if text in _INFINITE:
        return _INFINITE[text]
    day, _, rest = text.partition(" ")
    clock, _, era = rest.partition(" ")
    return _day(f"{day} {era}".rstrip()) * MICROS_A_DAY + _micros_of_day(clock)


def _zoned_timestamp(precision: int) -> Reader:
    """Return what shows texts such as "2024-02-03 04:05:06.7+00" with all their digits."""

    def read(data: bytes) -> str:
        text = data.decode()
        if text.endswith("infinity"):
            return text
        moment, _, era = text.partition(" BC")
        moment = moment.removesuffix("+00")
        whole, _, fraction = moment.partition(".")
        sign = "-" if text.endswith(" BC") and not era else ""
        shown = sign + whole.replace(" ", "T", 1)
        return f"{shown}.{fraction:0<{precision}}Z" if precision else f"{shown}Z"

    return read


_ZONED_TIME = re.compile(r"(\d+:\d+:\d+(?:\.\d+)?)([+-])(\d+)(?::(\d+))?(?::(\d+))?")


def _zoned_time(data: bytes) -> str:
    found = _ZONED_TIME.fullmatch(data.decode())
    if found is None:
        raise DataError(f"{data!r} is no time with a time zone")
    shift = (int(found[3]) * 60 + int(found[4] or 0)) * 60 + int(found[5] or 0)
    micros = _micros_of_day(found[1]) - (shift if found[2] == "+" else -shift) * 1_000_000
    moment = _MIDNIGHT + dt.timedelta(microseconds=micros % MICROS_A_DAY)
    return kinds.iso_fraction(moment.strftime("%H:%M:%S"), moment.microsecond) + "Z"


_INTERVAL = re.compile(
    r"(?:(-?\d+) years?)? ?(?:(-?\d+) mons?)? ?(?:(-?\d+) days?)? ?"
    r"(?:(-?)(\d+):(\d+):(\d+)(?:\.(\d+))?)?"
)
_DAYS_A_MONTH = 365.25 / 12


def _interval(mode: str) -> Reader:
    def read(data: bytes) -> Any:
        found = _INTERVAL.fullmatch(data.decode().replace("+", ""))
        if found is None:
            raise DataError(f"{data!r} is no interval in the style of PostgreSQL")
        years, months, days = (int(found[n] or 0) for n in (1, 2, 3))
        sign = -1 if found[4] else 1
        hours, minutes, seconds = (sign * int(found[n] or 0) for n in (5, 6, 7))
        micros = sign * int(f"{found[8] or '':0<6}")
        if mode == "string":
            shown = format(Decimal(seconds) + Decimal(micros).scaleb(-6), "f")
            shown = shown.rstrip("0").rstrip(".") if "." in shown else shown
            return f"P{years}Y{months}M{days}DT{hours}H{minutes}M{shown}S"
        whole = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
        by_months = (years * 12 + months) * _DAYS_A_MONTH * MICROS_A_DAY
        return int(by_months) + whole * 1_000_000 + micros

    return read


# ---------------------------------------------------------------------- what has parts

_ELEMENT = re.compile(rb'"((?:[^"\\]|\\.)*)"|([^{},"]+)', re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


def _array(element: Reader) -> Reader:
    """Return what reads `{1,NULL,"a b"}`; arrays within arrays become one."""

    def read(data: bytes) -> list[Any]:
        body = data[data.index(b"{") :]  # bounds may stand before it
        found: list[Any] = []
        for quoted, plain in _ELEMENT.findall(body):
            if plain:
                found.append(None if plain == b"NULL" else element(plain))
            else:
                found.append(element(_ESCAPED.sub(rb"\1", quoted)))
        return found

    return read


_PAIR = re.compile(r'"((?:[^"\\]|\\.)*)"\s*=>\s*(?:NULL|"((?:[^"\\]|\\.)*)")', re.DOTALL)


def _hstore(data: bytes) -> dict[str, str | None]:
    def plain(text: str) -> str:
        return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)

    return {
        plain(found[1]): None if found[2] is None else plain(found[2])
        for found in _PAIR.finditer(data.decode())
    }


def _hstore_json(data: bytes) -> str:
    return json.dumps(_hstore(data), separators=(",", ":"), ensure_ascii=False)


def _point_schema() -> SchemaBuilder:
    builder = SchemaBuilder.struct().name("io.debezium.data.geometry.Point").version(1)
    builder.doc("Geometry (POINT)").field("x", FLOAT64_SCHEMA).field("y", FLOAT64_SCHEMA)
    return builder.field("wkb", OPTIONAL_BYTES_SCHEMA).field("srid", OPTIONAL_INT32_SCHEMA)


def _point(data: bytes) -> list[Any]:
    x, y = map(float, data.decode().strip("()").split(","))
    return [x, y, struct.pack("<BIdd", 1, 1, x, y), None]


def _as_is(value: Any) -> Any:
    return value


POINT = Kind(_point_schema, _as_is, [0.0, 0.0, None, None], is_struct=True)
MAP = Kind(lambda: SchemaBuilder.map(STRING_SCHEMA, OPTIONAL_STRING_SCHEMA), None, {})
_TEXTS = (
    "text", "varchar", "bpchar", "name", "char", "citext", "inet", "cidr", "macaddr", "macaddr8",
    "int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange", "isbn",
)  # fmt: skip
_PLAIN: dict[str, tuple[Kind, Reader]] = {
    "bool": (kinds.BOOLEAN, _is_true),
    "int2": (kinds.INT16, int),
    "int4": (kinds.INT32, int),
    "int8": (kinds.INT64, int),
    "oid": (kinds.INT64, int),
    "float4": (kinds.FLOAT32, float),
    "float8": (kinds.FLOAT64, float),
    "json": (kinds.JSON, _utf8),
    "jsonb": (kinds.JSON, _utf8),
    "uuid": (kinds.UUID, _utf8),
    "xml": (kinds.XML, _utf8),
    "timetz": (kinds.ZONED_TIME, _zoned_time),
    "point": (POINT, _point),
    "ltree": (Kind(kinds.logical(SchemaBuilder.string, "io.debezium.data.Ltree"), None, ""), _utf8),
    "tsvector": (
        Kind(kinds.logical(SchemaBuilder.string, "io.debezium.data.TsVector"), None, ""),
        _utf8,
    ),
    **dict.fromkeys(_TEXTS, (kinds.STRING, _utf8)),
}


NEVER_FAILS: tuple[Reader, ...] = (int, float, _utf8, _is_true)
"""Readers that take whatever PostgreSQL writes for their types."""


class Types:
    """Finds how values of a type are shown.

    Args:
        config: Says how.
    """

    def __init__(self, config: PostgresCdcConfig) -> None:
        self._config = config

    def find(self, of: PgType, modifier: int) -> tuple[Kind, Reader] | None:
        """Return the kind of a type and what reads its text; None for a type nobody knows.

        Args:
            of: The type, a domain's base in place of the domain.
            modifier: The column's `atttypmod`.
        """
        if of.element is not None:
            inner = self.find(of.element, modifier)
            if inner is None:
                return None
            return kinds.array(inner[0]), _array(inner[1])
        if of.labels is not None:
            return kinds.enum(list(of.labels)), _utf8
        found = _PLAIN.get(of.name) or self._configured(of.name, modifier)
        if found is None and self._config.include_unknown_datatypes:
            return kinds.binary(self._config.binary_handling_mode), _as_is
        return found

    def _configured(self, name: str, modifier: int) -> tuple[Kind, Reader] | None:
        config = self._config
        mode = config.time_precision_mode
        precision = 6 if modifier < 0 else modifier
        match name:
            case "numeric":
                if config.decimal_handling_mode == "string":
                    return kinds.STRING, _utf8  # it is written as a plain number anyway
                return self._numeric(modifier), _numeric
            case "money":
                digits = config.money_fraction_digits
                return kinds.decimal(config.decimal_handling_mode, 19, digits), _money(digits)
            case "bytea":
                return kinds.binary(config.binary_handling_mode), _bytea
            case "date":
                return kinds.date(mode), _date
            case "time":
                return kinds.time(mode, precision), _time
            case "timestamp":
                return kinds.timestamp(mode, precision), _timestamp
            case "timestamptz":
                return kinds.ZONED_TIMESTAMP, _zoned_timestamp(precision)
            case "interval":
                return self._interval(), _interval(config.interval_handling_mode)
            case "bit" | "varbit":
                length = modifier if modifier > 0 else (1 if name == "bit" else 2**31 - 1)
                return kinds.bits(length), _utf8
            case "hstore":
                if config.hstore_handling_mode == "json":
                    return kinds.JSON, _hstore_json
                return MAP, _hstore
        return None

    def _numeric(self, modifier: int) -> Kind:
        mode = self._config.decimal_handling_mode
        if modifier < 4:
            return kinds.variable_decimal(mode)
        precision, scale = (modifier - 4) >> 16, (modifier - 4) & 0x7FF
        scale = scale - 0x800 if scale & 0x400 else scale
        return kinds.decimal(mode, precision, scale)

    def _interval(self) -> Kind:
        if self._config.interval_handling_mode == "string":
            builder = kinds.logical(SchemaBuilder.string, "io.debezium.time.Interval")
            return Kind(builder, None, "P0Y0M0DT0H0M0S")
        return Kind(kinds.logical(SchemaBuilder.int64, "io.debezium.time.MicroDuration"), None, 0)
