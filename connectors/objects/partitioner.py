"""Which folder a record goes to, and which time it has. Follows Confluent's partitioners.

`path.format` has the letters of Joda's patterns, where `YYYY` is the year (in Java's own patterns
it is the year that a week belongs to).
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from aliran.connectors.config.values import invalid
from aliran.connectors.data.date_format import DateFormat
from aliran.connectors.data.logical import millis_of
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import DataError
from aliran.connectors.records import SinkRecord

Partitioner: TypeAlias = Callable[[SinkRecord, int], str]
"""Takes a record and its time in milliseconds since 1970; returns a folder."""
Extractor: TypeAlias = Callable[[SinkRecord], int]
"""Returns a record's time in milliseconds since 1970."""

PARTITIONERS = ("default", "field", "timebased", "hourly", "daily")
EXTRACTORS = ("wallclock", "record", "recordfield")
HOUR_MS = 3_600_000
DAILY_PATH = "'year'=YYYY/'month'=MM/'day'=dd"
HOURLY_PATH = DAILY_PATH + "/'hour'=HH"


def short_name(name: str, suffix: str) -> str:
    """Return "hourly" for `io.confluent.…HourlyPartitioner`, `HourlyPartitioner` or `Hourly`."""
    return name.rpartition(".")[2].lower().removesuffix(suffix)


def known(suffix: str, names: Sequence[str]) -> Callable[[str, Any], None]:
    """Return a check for one of some names, a class's or short."""

    def check(option: str, value: Any) -> None:
        if short_name(value or "", suffix) not in names:
            raise invalid(option, value, f"there are {', '.join(names)}")

    return check


def valid_zone(option: str, value: Any) -> None:
    """Check the name of a time zone; empty for none."""
    if value:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise invalid(option, value, "there is no such time zone") from None


def valid_path(option: str, value: Any) -> None:
    """Check a pattern of folders; empty for none."""
    if value:
        try:
            _date_format(value)
        except ValueError as error:
            raise invalid(option, value, str(error)) from None


def _date_format(pattern: str) -> DateFormat:
    parts = pattern.split("'")
    parts[::2] = [part.replace("Y", "y") for part in parts[::2]]  # outside of quotes
    return DateFormat("'".join(parts))


# ---------------------------------------------------------------------- times


def extractor(name: str, field: str) -> Extractor:
    """Return what finds a record's time."""
    short = short_name(name, "timestampextractor") or "record"
    if short == "wallclock":
        return lambda _: time.time_ns() // 1_000_000
    if short == "recordfield":
        return lambda record: _field_time(record, field)
    return _record_time


def _record_time(record: SinkRecord) -> int:
    if record.timestamp is None:
        raise DataError("the record has no time; use timestamp.extractor=RecordField")
    return record.timestamp


def _field_time(record: SinkRecord, field: str) -> int:
    value = field_of(record, field)
    if isinstance(value, bool) or value is None:
        raise DataError(f"the field {field} holds no time but {value!r}")
    if isinstance(value, int):
        return value
    if isinstance(value, dt.date | dt.time):
        return millis_of(value)
    if isinstance(value, str):
        try:
            if value.isascii() and value.isdigit():
                return int(value)
            return millis_of(dt.datetime.fromisoformat(value))
        except ValueError as error:
            raise DataError(f"the field {field} holds no time of ISO 8601: {error}") from error
    raise DataError(f"the field {field} holds no time but {value!r}")


def field_of(record: SinkRecord, path: str) -> Any:
    """Return the value of a field, `a.b` for one within another.

    Raises:
        DataError: There is none.
    """
    value: Any = record.value
    for name in (path,) if _has(value, path) else path.split("."):
        if not _has(value, name):
            raise DataError(f"the value has no field {path}")
        value = value[name]
    return value


def _has(value: Any, name: str) -> bool:
    if isinstance(value, Struct):
        return value.schema.field(name) is not None
    return isinstance(value, Mapping) and name in value


# ---------------------------------------------------------------------- folders


def default_partitioner(record: SinkRecord, _millis: int) -> str:
    """Return the folder of the record's Kafka partition (`DefaultPartitioner`)."""
    return f"partition={record.original_kafka_partition}"


def field_partitioner(fields: Sequence[str], delimiter: str) -> Partitioner:
    """Return what names folders by fields: `country=de/kind=a` (`FieldPartitioner`)."""

    def partition(record: SinkRecord, _millis: int) -> str:
        return delimiter.join(f"{one}={_segment(one, field_of(record, one))}" for one in fields)

    return partition


def _segment(field: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        return str(millis_of(value))
    if not isinstance(value, str | int | dt.date):
        raise DataError(
            f"the field {field} names a folder, so it must be a text, an integer, a boolean or a "
            f"time, not {value!r}"
        )
    text = str(value)
    # a folder's name is one: no way up or down in it
    text = text.replace("%", "%25").replace("/", "%2F").replace("\0", "%00")
    return text.replace(".", "%2E") if text in {".", ".."} else text


def time_partitioner(path_format: str, duration_ms: int, zone: str, delimiter: str) -> Partitioner:
    """Return what names folders by time (`TimeBasedPartitioner`)."""
    shown = _date_format(path_format.replace("/", delimiter) if delimiter != "/" else path_format)
    place = ZoneInfo(zone)
    fixed = zone.upper() in {"UTC", "GMT", "ETC/UTC"}

    @lru_cache(maxsize=1024)
    def folder(local_ms: int) -> str:
        return shown.format(local_ms)

    @lru_cache(maxsize=4096)
    def offset_of(quarter: int) -> int:  # zones change at quarters of an hour
        moment = dt.datetime.fromtimestamp(quarter * 900, place)
        offset = moment.utcoffset() or dt.timedelta(0)
        return round(offset.total_seconds() * 1000)

    def partition(_record: SinkRecord, millis: int) -> str:
        try:
            local = millis if fixed else millis + offset_of(millis // 900_000)
        except (OverflowError, ValueError, OSError) as error:
            raise DataError(f"the time {millis} is not in the years 1 to 9999") from error
        return folder(local - local % duration_ms)

    return partition
