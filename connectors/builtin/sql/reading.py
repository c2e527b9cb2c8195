"""From a column's type to the schema of its field, and what turns the driver's values into it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Context, Decimal, InvalidOperation
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from aliran.connectors.builtin.sql.source_config import SqlSourceConfig
from aliran.connectors.builtin.sql.types import INTEGERS, Column, ColumnType, Kind
from aliran.connectors.data.builder import SchemaBuilder
from aliran.connectors.data.logical import DATE_SCHEMA, TIME_SCHEMA, TIMESTAMP_SCHEMA
from aliran.connectors.data.schema import DECIMAL_NAME, Parts, Schema, Type
from aliran.connectors.errors import DataError

Reader: TypeAlias = Callable[[Any], Any]

_WIDE = Context(prec=1000)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_PLAIN = {
    Kind.INT8: Type.INT8, Kind.INT16: Type.INT16, Kind.INT32: Type.INT32, Kind.INT64: Type.INT64,
    Kind.FLOAT32: Type.FLOAT32, Kind.FLOAT64: Type.FLOAT64, Kind.BOOLEAN: Type.BOOLEAN,
    Kind.TEXT: Type.STRING, Kind.OTHER: Type.STRING, Kind.JSON: Type.STRING,
    Kind.BYTES: Type.BYTES,
}  # fmt: skip
_EXACT = {*INTEGERS, Kind.FLOAT32, Kind.FLOAT64, Kind.BOOLEAN, Kind.TEXT, Kind.BYTES}
"""What comes from good drivers as it should be."""
_MOST_DIGITS = 18
"""Decimals of so many digits fit a long."""


class Reading:
    """Reads values of columns.

    Args:
        config: The options.
        zone: The zone of times that the database keeps without one.
        backend: The database, as SQLAlchemy calls it.
    """

    def __init__(self, config: SqlSourceConfig, zone: ZoneInfo, backend: str) -> None:
        self._exact = _EXACT if backend in {"postgresql", "duckdb"} else set()
        self._mapping = config.numeric_mapping
        self._granularity = config.timestamp_granularity
        self._zone = zone

    def field(self, column: Column) -> tuple[Schema, Reader | None]:
        """Return the schema of a column's field, and what its values go through."""
        schema, reader = self._of(column.type)
        if column.nullable:
            schema = _optional(schema)
        if column.type.kind in self._exact:
            reader = None
        return schema, None if reader is None else _told(reader, column)

    def _of(self, of: ColumnType) -> tuple[Schema, Reader | None]:
        kind = of.kind
        if kind is Kind.DECIMAL:
            return self._decimal(of)
        if kind in {Kind.TIMESTAMP, Kind.INSTANT}:
            zone = self._zone if kind is Kind.TIMESTAMP else dt.UTC
            return self._timestamp(zone)
        if kind is Kind.DATE:
            return DATE_SCHEMA, _date
        if kind is Kind.TIME:
            return TIME_SCHEMA, _time
        if kind is Kind.ARRAY and of.item is not None:
            item, reader = self._of(of.item)
            return SchemaBuilder.array(_optional(item)).build(), _list_reader(reader)
        schema = SchemaBuilder(_PLAIN.get(kind, Type.STRING)).build()
        if kind in INTEGERS:
            return schema, _whole(INTEGERS[kind])
        readers: dict[Kind, Reader] = {
            Kind.FLOAT32: float, Kind.FLOAT64: float, Kind.BOOLEAN: bool, Kind.BYTES: _bytes,
        }  # fmt: skip
        return schema, readers.get(kind, _text)

    def _decimal(self, of: ColumnType) -> tuple[Schema, Reader]:
        scale, precision, mapping = of.scale, of.precision, self._mapping
        if scale is None:
            if mapping == "best_fit_eager_double":
                return SchemaBuilder.float64().build(), float
            return SchemaBuilder.string().build(), _decimal_text
        small = precision is not None and precision <= _MOST_DIGITS
        if mapping != "none" and small and scale < 1 and precision is not None:
            digits = precision - min(scale, 0)
            if digits <= _MOST_DIGITS:
                bits = next(b for most, b in ((2, 8), (4, 16), (9, 32), (18, 64)) if digits <= most)
                kind = {8: Type.INT8, 16: Type.INT16, 32: Type.INT32, 64: Type.INT64}[bits]
                return SchemaBuilder(kind).build(), int
        if scale > 0 and (mapping == "best_fit_eager_double" or (mapping == "best_fit" and small)):
            return SchemaBuilder.float64().build(), float
        builder = SchemaBuilder.bytes().name(DECIMAL_NAME).version(1)
        builder.parameter("scale", str(scale))
        if precision is not None:
            builder.parameter("connect.decimal.precision", str(precision))
        return builder.build(), _decimal_reader(scale)

    def _timestamp(self, zone: dt.tzinfo) -> tuple[Schema, Reader]:
        moment = moment_reader(zone)
        kind = self._granularity
        if kind == "connect_logical":
            return TIMESTAMP_SCHEMA, moment
        nanos = 1000 if kind.startswith("nanos") else 1

        def number(value: Any) -> int:
            return ((moment(value) - _EPOCH) // _MICROSECOND) * nanos

        def iso(value: Any) -> str:
            text = moment(value).replace(tzinfo=None).isoformat("T", "microseconds")
            return text + ("000" if nanos > 1 else "")

        if kind.endswith("_long"):
            return SchemaBuilder.int64().build(), number
        if kind.endswith("iso_datetime_string"):
            return SchemaBuilder.string().build(), iso
        return SchemaBuilder.string().build(), lambda value: str(number(value))


def _optional(schema: Schema) -> Schema:
    """Return the schema that takes None as well."""
    inner = schema.value_schema if schema.type in {Type.ARRAY, Type.MAP} else None
    parameters = dict(schema.parameters) if schema.parameters else None
    return Schema(
        Parts(
            schema.type, True, schema.default_value, schema.name, schema.version, schema.doc,
            parameters, {}, None, inner,
        )
    )  # fmt: skip


def _told(reader: Reader, column: Column) -> Reader:
    """Return the reader whose errors name the column."""

    def read(value: Any) -> Any:
        try:
            return reader(value)
        except (ValueError, TypeError, OverflowError, InvalidOperation) as error:
            raise DataError(
                f"the column {column.name} of type {column.type.name} has the value {value!r}, "
                f"which its field cannot hold: {error}"
            ) from None

    return read


def _whole(bits: int) -> Reader | None:
    limit = 1 << (bits - 1)

    def read(value: Any) -> int:
        number = int(value)
        if not -limit <= number < limit:
            raise ValueError(f"it needs more than {bits} bits")
        return number

    return read


def _list_reader(reader: Reader | None) -> Reader:
    def read(value: Any) -> list[Any]:
        if any(isinstance(one, list) for one in value):
            raise ValueError("it has several dimensions")
        return [None if one is None or reader is None else reader(one) for one in value]

    return read


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)
    return str(value)


def _decimal_text(value: Any) -> str:
    return format(value if isinstance(value, Decimal) else Decimal(str(value)), "f")


def _decimal_reader(scale: int) -> Reader:
    unit = Decimal((0, (1,), -scale))

    def read(value: Any) -> Decimal:
        number = value if isinstance(value, Decimal) else Decimal(str(value))
        if not number.is_finite():
            raise ValueError("it is no number; use a query that leaves it out")
        return number.quantize(unit, context=_WIDE)

    return read


def _date(value: Any) -> dt.date:
    if isinstance(value, str):
        return dt.date.fromisoformat(value[:10])
    if isinstance(value, int):  # as SQLite's driver for JDBC keeps it
        return (_EPOCH + dt.timedelta(milliseconds=value)).date()
    return value.date() if isinstance(value, dt.datetime) else _same(value, dt.date)


def _same(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"it is a {type(value).__name__}")
    return value


def _time(value: Any) -> dt.time:
    if isinstance(value, dt.timedelta):
        if not dt.timedelta() <= value < dt.timedelta(days=1):
            raise ValueError("it is not within a day")
        return (_EPOCH + value).time()
    if isinstance(value, str):
        return dt.time.fromisoformat(value)
    if isinstance(value, int):
        return (_EPOCH + dt.timedelta(milliseconds=value)).time()
    return value.time() if isinstance(value, dt.datetime) else _same(value, dt.time)


def moment_reader(zone: dt.tzinfo) -> Callable[[Any], dt.datetime]:
    """Return what reads times of a zone as moments, in UTC."""
    utc = str(zone) == "UTC"

    def read(value: Any) -> dt.datetime:
        if isinstance(value, str):
            value = dt.datetime.fromisoformat(value)
        elif isinstance(value, int | float):  # as SQLite's driver for JDBC keeps it
            return _EPOCH + dt.timedelta(milliseconds=value)
        elif not isinstance(value, dt.datetime):
            value = dt.datetime.combine(_same(value, dt.date), dt.time())
        found: dt.datetime = value
        if found.tzinfo is not None:
            return found.astimezone(dt.UTC)
        return (
            found.replace(tzinfo=dt.UTC) if utc else found.replace(tzinfo=zone).astimezone(dt.UTC)
        )

    return read
