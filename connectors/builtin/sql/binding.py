"""Whether a field fits a column, and what turns its values into what the driver takes."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from aliran.connectors.builtin.sql.rows import UNKNOWN
from aliran.connectors.builtin.sql.types import INTEGERS, Column, ColumnType, Kind, kind_of
from aliran.connectors.data.logical import scale_of
from aliran.connectors.data.schema import Schema
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import ConnectError

Binder: TypeAlias = Callable[[Any], Any]

_LOOSE = {Kind.TEXT, Kind.OTHER}
_NUMBERS = {Kind.FLOAT32, Kind.FLOAT64, Kind.DECIMAL, *_LOOSE}
_FITS: dict[Kind, set[Kind]] = {
    **{one: {*INTEGERS, *_NUMBERS, Kind.BOOLEAN} for one in INTEGERS},
    Kind.FLOAT32: _NUMBERS,
    Kind.FLOAT64: _NUMBERS,
    Kind.DECIMAL: _NUMBERS,
    Kind.BOOLEAN: {Kind.BOOLEAN, *INTEGERS, Kind.DECIMAL, *_LOOSE},
    Kind.TEXT: {
        *_LOOSE, Kind.JSON, Kind.DECIMAL, Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.INSTANT,
    },
    Kind.BYTES: {Kind.BYTES, Kind.OTHER},
    Kind.DATE: {Kind.DATE, Kind.TIMESTAMP, Kind.INSTANT, *_LOOSE},
    Kind.TIME: {Kind.TIME, *_LOOSE},
    Kind.TIMESTAMP: {Kind.TIMESTAMP, Kind.INSTANT, *_LOOSE},
    Kind.ARRAY: {Kind.ARRAY, Kind.JSON, Kind.TEXT},
    Kind.JSON: {Kind.JSON, Kind.TEXT},
}  # fmt: skip


class Binding:
    """Fits fields to columns.

    Args:
        backend: The database, as SQLAlchemy calls it.
        zone: The zone of times that it keeps without one.
        shifts_dates: Whether the midnight of a date is looked at in that zone.
    """

    def __init__(self, backend: str, zone: ZoneInfo, *, shifts_dates: bool) -> None:
        self._backend = backend
        self._zone = zone
        self._shifts_dates = shifts_dates and str(zone) != "UTC"

    def binder(self, schema: Schema, column: Column, table: str) -> Binder | None:
        """Return what turns a field's values into the column's; None for nothing to do.

        Raises:
            ConnectError: The column cannot hold such values.
        """
        if schema is UNKNOWN:
            return None
        kind, target = kind_of(schema), column.type
        fits = target.kind in _FITS[kind]
        if kind is Kind.DECIMAL and target.kind in INTEGERS:
            fits = scale_of(schema) <= 0
        if kind is Kind.ARRAY and target.kind is Kind.ARRAY and target.item is not None:
            item = schema.value_schema
            inner = Column(column.name, target.item)
            each = None if item is None else self.binder(item, inner, table)
            return _listed(each)
        if not fits:
            named = f" ({schema.name})" if schema.name else ""
            raise ConnectError(
                f"the field {column.name} of type {schema.type}{named} does not fit the column "
                f"{table}.{column.name} of type {target.name}; cast the field (the transformation "
                "Cast), or change the column"
            )
        return self._of(kind, target)

    def _of(self, kind: Kind, target: ColumnType) -> Binder | None:
        if kind in {Kind.JSON, Kind.ARRAY}:
            return _json
        if kind is Kind.BYTES:
            return _bytes
        if kind is Kind.BOOLEAN and target.kind is not Kind.BOOLEAN:
            return int if target.kind not in _LOOSE else _boolean_text
        if kind is Kind.TEXT and target.kind is Kind.JSON and self._backend == "duckdb":
            return None
        if kind is Kind.DATE:
            return self._date if target.kind is not Kind.TEXT else _text
        if kind is Kind.TIME:
            return self._time
        if kind is Kind.TIMESTAMP:
            return self._instant if target.kind is Kind.INSTANT else self._wall_clock
        if target.kind in _LOOSE and kind is not Kind.TEXT and self._backend != "sqlite":
            return _text
        if kind is Kind.DECIMAL and self._backend in {"sqlite", "duckdb"}:
            return _digits  # their drivers know no decimals, or make floats of long ones
        if target.kind is Kind.BOOLEAN and kind in INTEGERS and self._backend == "duckdb":
            return bool
        return None

    def _date(self, value: dt.date) -> Any:
        if isinstance(value, dt.datetime):
            value = value.date()
        if self._shifts_dates:
            midnight = dt.datetime.combine(value, dt.time(), dt.UTC)
            value = midnight.astimezone(self._zone).date()
        return value.isoformat() if self._backend == "sqlite" else value

    def _time(self, value: Any) -> Any:
        if isinstance(value, dt.datetime):
            value = value.time()
        return value.isoformat("microseconds") if self._backend == "sqlite" else value

    def _instant(self, value: Any) -> Any:
        moment = _moment(value)
        return moment.replace(tzinfo=None) if self._backend in {"mysql", "duckdb"} else moment

    def _wall_clock(self, value: Any) -> Any:
        moment = _moment(value)
        seen = (moment if str(self._zone) == "UTC" else moment.astimezone(self._zone)).replace(
            tzinfo=None
        )
        return seen.isoformat(" ", "microseconds") if self._backend == "sqlite" else seen


def _moment(value: Any) -> dt.datetime:
    if isinstance(value, dt.datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=dt.UTC)
    if isinstance(value, dt.date):
        return dt.datetime.combine(value, dt.time(), dt.UTC)
    raise ConnectError(f"a time of day ({value}) is no moment")


def _listed(each: Binder | None) -> Binder:
    def bind(value: Any) -> Any:
        if each is None:
            return list(value)
        return [None if one is None else each(one) for one in value]

    return bind


def _bytes(value: Any) -> bytes:
    return value if type(value) is bytes else bytes(value)


def _text(value: Any) -> str:
    return str(value)


def _digits(value: Any) -> str:
    return format(value, "f")


def _boolean_text(value: Any) -> str:
    return "true" if value else "false"


def _json(value: Any) -> str:
    return json.dumps(_plain(value), separators=(",", ":"), ensure_ascii=False, default=str)


def _plain(value: Any) -> Any:
    if isinstance(value, Struct):
        return _plain(value.to_dict())
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, bytes):
        return value.hex()
    return str(value) if isinstance(value, Decimal | dt.date | dt.time) else value
