"""Values of SELECT, which come as texts, read into what `decoding` gives for the same values."""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from aliran.connectors.builtin.mysql_cdc.decoding import days_of
from aliran.connectors.builtin.mysql_cdc.table_map import ColumnInfo

_DAY = 86_400_000_000


def _date(data: bytes) -> int | None:
    return days_of(int(data[:4]), int(data[5:7]), int(data[8:10]))


def _time(data: bytes) -> int:
    sign = -1 if data.startswith(b"-") else 1
    clock, _, fraction = data.lstrip(b"-").partition(b".")
    hours, minutes, seconds = map(int, clock.split(b":"))
    whole = (hours * 60 + minutes) * 60 + seconds
    return sign * (whole * 1_000_000 + int(fraction.ljust(6, b"0") or b"0"))


def _datetime(data: bytes) -> int | None:
    days = _date(data)
    return None if days is None else days * _DAY + _time(data[11:])


_READERS: dict[str, Callable[[bytes], Any]] = {
    "tinyint": int, "smallint": int, "mediumint": int, "int": int, "bigint": int, "year": int,
    "float": float, "double": float, "decimal": lambda data: Decimal(data.decode()),
    "date": _date, "time": _time, "datetime": _datetime, "timestamp": _datetime,
    "text": bytes.decode, "json": bytes.decode, "enum": bytes.decode, "set": bytes.decode,
    "uuid": lambda data: uuid.UUID(data.decode()).bytes,
    "inet4": lambda data: ipaddress.IPv4Address(data.decode()).packed,
    "inet6": lambda data: ipaddress.IPv6Address(data.decode()).packed,
}  # fmt: skip


def text_reader(column: ColumnInfo) -> Callable[[bytes], Any] | None:
    """Return what reads values of a column, None where the bytes are the value."""
    if column.kind == "bit":
        bits = column.precision
        return lambda data: format(int.from_bytes(data, "big"), f"0{bits}b")
    return _READERS.get(column.kind)


_NUMBERS = {"tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year"}
_QUOTED = {"text", "date", "time", "datetime", "timestamp", "uuid", "inet4", "inet6"}


def can_be_sought(column: ColumnInfo) -> bool:
    """Whether rows can be asked for that come behind a value of a column."""
    return column.kind in _NUMBERS or column.kind in _QUOTED or column.kind == "binary"


def kept(column: ColumnInfo, value: bytes) -> str:
    """Return a value of a key as it is kept in offsets."""
    return value.hex() if column.kind == "binary" else value.decode()


def literal(column: ColumnInfo, value: str) -> str:
    """Return what stands for a kept value in a statement."""
    if column.kind == "binary":
        return f"X'{value}'"
    if column.kind in _NUMBERS:
        return str(Decimal(value))
    return f"CONVERT(X'{value.encode().hex()}' USING utf8mb4)"
