"""What the columns of a query are: the driver's word, else the first values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from aliran.connectors.builtin.sql.types import Column, ColumnType, Kind, of_name

_MYSQL = {
    0: Kind.DECIMAL, 246: Kind.DECIMAL, 1: Kind.INT8, 2: Kind.INT16, 3: Kind.INT64, 8: Kind.INT64,
    9: Kind.INT32, 4: Kind.FLOAT32, 5: Kind.FLOAT64, 7: Kind.INSTANT, 12: Kind.TIMESTAMP,
    10: Kind.DATE, 11: Kind.TIME, 13: Kind.INT16, 16: Kind.BYTES, 245: Kind.JSON,
}  # fmt: skip
_VALUES: tuple[tuple[type, Kind], ...] = (
    (bool, Kind.BOOLEAN), (int, Kind.INT64), (float, Kind.FLOAT64), (str, Kind.TEXT),
    (dt.datetime, Kind.TIMESTAMP), (dt.date, Kind.DATE), (dt.time, Kind.TIME),
    (dt.timedelta, Kind.TIME), (bytes, Kind.BYTES),
)  # fmt: skip


def columns_of(
    backend: str, raw: Any, description: Sequence[Any], rows: Sequence[Sequence[Any]]
) -> list[Column]:
    """Return the columns of a query's result.

    Args:
        backend: The database, as SQLAlchemy calls it.
        raw: The driver's connection.
        description: The cursor's.
        rows: The first rows.
    """
    found = []
    for number, one in enumerate(description):
        values = (row[number] for row in rows)
        value = next((each for each in values if each is not None), None)
        found.append(Column(one[0], _type(backend, raw, one, value)))
    return found


def _type(backend: str, raw: Any, one: Any, value: Any) -> ColumnType:
    code = one[1]
    if backend == "postgresql" and hasattr(raw, "adapters"):
        info = raw.adapters.types.get(code)
        if info is None:
            return ColumnType(Kind.OTHER, f"OID {code}")
        name = f"{info.name}[]" if code == info.array_oid else info.name
        if info.name == "numeric" and code == info.oid and one[4] is not None:
            return ColumnType(Kind.DECIMAL, name, one[4], one[5])
        return of_name(name)
    if backend == "duckdb":
        return of_name(str(code))
    if backend == "mysql" and code in _MYSQL:
        kind = _MYSQL[code]
        digits = (one[4], one[5]) if kind is Kind.DECIMAL else (None, None)
        return ColumnType(kind, f"type {code} of MySQL", *digits)
    return _by_value(value)


def _by_value(value: Any) -> ColumnType:
    name = f"of values such as {value!r:.50}"
    if isinstance(value, Decimal):
        return ColumnType(Kind.DECIMAL, name)
    for kind, found in _VALUES:
        if isinstance(value, kind):
            return ColumnType(found, name)
    return ColumnType(Kind.OTHER, name)
