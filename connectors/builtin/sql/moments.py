"""Times in statements: the database's clock, and bounds for columns with times."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Connection

from aliran.connectors.builtin.sql.types import Kind

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_CLOCKS = {
    "postgresql": "SELECT CURRENT_TIMESTAMP",
    "mysql": "SELECT UTC_TIMESTAMP(6)",
    "sqlite": "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')",
    "duckdb": "SELECT epoch_us(now())",
    "oracle": "SELECT SYS_EXTRACT_UTC(SYSTIMESTAMP) FROM dual",
    "mssql": "SELECT SYSUTCDATETIME()",
    "hana": "SELECT CURRENT_UTCTIMESTAMP FROM DUMMY",
}


def now_of(connection: Connection, backend: str) -> dt.datetime:
    """Return the time on the database's clock, in UTC; on ours where its is not known."""
    if backend not in _CLOCKS:
        return dt.datetime.now(dt.UTC)
    cursor = connection.connection.cursor()
    cursor.execute(_CLOCKS[backend])
    row = cursor.fetchone()
    cursor.close()
    assert row is not None
    value: Any = row[0]
    if isinstance(value, int):
        return _EPOCH + dt.timedelta(microseconds=value)
    found: dt.datetime = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
    return found.replace(tzinfo=dt.UTC) if found.tzinfo is None else found.astimezone(dt.UTC)


def expression(backend: str, quoted: Sequence[str]) -> str:
    """Return the time of a row: the first of its columns that is not null."""
    if backend == "sqlite":
        # It keeps texts of several forms, or (its driver for JDBC does) milliseconds.
        quoted = [
            f"CASE typeof({one}) WHEN 'integer' THEN "
            f"strftime('%Y-%m-%d %H:%M:%f', {one} / 1000.0, 'unixepoch') "
            f"ELSE strftime('%Y-%m-%d %H:%M:%f', {one}) END"
            for one in quoted
        ]
    return quoted[0] if len(quoted) == 1 else f"COALESCE({', '.join(quoted)})"


class Frame:
    """Between moments and the values of a column with times.

    Args:
        backend: The database, as SQLAlchemy calls it.
        kind: What the column holds.
        zone: The zone of times that the database keeps without one.
        read: Reads a value of the column.
    """

    def __init__(
        self, backend: str, kind: Kind, zone: ZoneInfo, read: Callable[[Any], dt.datetime]
    ) -> None:
        self._backend = backend
        self._instant = kind is Kind.INSTANT
        self._zone = zone
        self.moment = read

    def bound(self, moment: dt.datetime) -> Any:
        """Return a moment as the column is compared with."""
        if self._backend == "postgresql":
            return moment  # the session is in the zone
        if self._instant:
            naive = self._backend in {"mysql", "duckdb"}
            return moment.replace(tzinfo=None) if naive else moment
        seen = moment.astimezone(self._zone).replace(tzinfo=None)
        if self._backend == "sqlite":
            return seen.isoformat(" ", "milliseconds")
        return seen


def to_offset(moment: dt.datetime) -> dict[str, int]:
    """Return a moment as offsets have it: java.sql.Timestamp's `getTime` and `getNanos`."""
    micros = (moment - _EPOCH) // dt.timedelta(microseconds=1)
    return {"timestamp": micros // 1000, "timestamp_nanos": micros % 1_000_000 * 1000}


def from_offset(offset: Any) -> dt.datetime | None:
    """Return the moment of an offset; None if it has none."""
    millis = offset.get("timestamp")
    if millis is None:
        return None
    nanos = offset.get("timestamp_nanos")
    if nanos is None:
        return _EPOCH + dt.timedelta(milliseconds=int(millis))
    seconds = int(millis) // 1000
    return _EPOCH + dt.timedelta(seconds=seconds, microseconds=int(nanos) // 1000)
