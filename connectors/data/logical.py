"""Logical types: types of Connect that a name gives a meaning.

Kafka: `Decimal`, `Date`, `Time`, `Timestamp`.

`..._from` give what is stored (an integer, bytes) for a Python value, `..._to` the Python value.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from aliran.connectors.data.builder import SchemaBuilder
from aliran.connectors.data.java import class_text, wrap
from aliran.connectors.data.schema import (
    DATE_NAME,
    DECIMAL_NAME,
    TIME_NAME,
    TIMESTAMP_NAME,
    Schema,
)
from aliran.connectors.errors import DataError

MILLIS_A_DAY = 86_400_000
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_EPOCH_DAY = EPOCH.date()
_EPOCH_ORDINAL = _EPOCH_DAY.toordinal()
_MILLISECOND = dt.timedelta(milliseconds=1)


def decimal_schema(scale: int, *, optional: bool = False) -> Schema:
    """Return a schema of decimals with so many digits behind the point."""
    builder = SchemaBuilder.bytes().name(DECIMAL_NAME).parameter("scale", str(scale)).version(1)
    return (builder.optional() if optional else builder).build()


DATE_SCHEMA = SchemaBuilder.int32().name(DATE_NAME).version(1).build()
TIME_SCHEMA = SchemaBuilder.int32().name(TIME_NAME).version(1).build()
TIMESTAMP_SCHEMA = SchemaBuilder.int64().name(TIMESTAMP_NAME).version(1).build()
OPTIONAL_DATE_SCHEMA = SchemaBuilder.int32().name(DATE_NAME).version(1).optional().build()
OPTIONAL_TIME_SCHEMA = SchemaBuilder.int32().name(TIME_NAME).version(1).optional().build()
OPTIONAL_TIMESTAMP_SCHEMA = SchemaBuilder.int64().name(TIMESTAMP_NAME).version(1).optional().build()


def millis_of(value: dt.date | dt.time) -> int:
    """Return milliseconds since 1970 in UTC; a time's since midnight. Java: `Date.getTime`."""
    if isinstance(value, dt.datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=dt.UTC)
        return (aware - EPOCH) // _MILLISECOND
    if isinstance(value, dt.date):
        return (value.toordinal() - _EPOCH_ORDINAL) * MILLIS_A_DAY
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return seconds * 1000 + value.microsecond // 1000


def datetime_of(millis: int) -> dt.datetime:
    """Return the moment, in UTC.

    Raises:
        DataError: It is not in the years 1 to 9999, which Python knows.
    """
    try:
        return EPOCH + dt.timedelta(milliseconds=millis)
    except OverflowError as error:
        raise DataError(
            f"{millis} ms since 1970 is not in the years 1 to 9999, which Python's datetime knows; "
            "read the field as an integer instead"
        ) from error


def _named(schema: Schema, name: str, word: str) -> None:
    if schema.name != name:
        raise DataError(f"Requested conversion of {word} object but the schema does not match.")


def scale_of(schema: Schema) -> int:
    """Return the scale of a schema of decimals.

    Raises:
        DataError: It has none.
    """
    text = (schema.parameters or {}).get("scale")
    if text is None:
        raise DataError("Invalid Decimal schema: scale parameter not found.")
    try:
        return int(text)
    except ValueError as error:
        raise DataError(f"Invalid scale parameter found in Decimal schema: {text!r}") from error


def decimal_of(unscaled: int, scale: int) -> Decimal:
    """Return unscaled · 10^-scale with all digits, whatever the context's precision."""
    digits = tuple(map(int, str(abs(unscaled))))
    return Decimal((int(unscaled < 0), digits, -scale))


def decimal_from(schema: Schema, value: Decimal) -> bytes:
    """Return a decimal's unscaled value, big-endian, in as few bytes as hold it.

    Raises:
        DataError: It has another scale than the schema, or is no number.
    """
    scale = scale_of(schema)
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise DataError(f"A Decimal field cannot hold {value}")
    if -exponent != scale:
        raise DataError(
            "Decimal value has mismatching scale for given Decimal schema. "
            f"Schema has scale {scale}, value has scale {-exponent}."
        )
    unscaled = int("".join(map(str, digits)) or "0") * (-1 if sign else 1)
    bits = (unscaled if unscaled >= 0 else ~unscaled).bit_length()
    return unscaled.to_bytes(bits // 8 + 1, "big", signed=True)


def decimal_to(schema: Schema, value: bytes) -> Decimal:
    """Return the decimal of an unscaled value."""
    return decimal_of(int.from_bytes(value, "big", signed=True), scale_of(schema))


def date_from(schema: Schema, value: dt.date | dt.time) -> int:
    """Return the days since 1970.

    Raises:
        DataError: The value has a time of day.
    """
    _named(schema, DATE_NAME, "Date")
    days, rest = divmod(millis_of(value), MILLIS_A_DAY)
    if rest:
        raise DataError(
            "Kafka Connect Date type should not have any time fields set to non-zero values."
        )
    return wrap(days, 32)


def date_to(schema: Schema, value: int) -> dt.date:
    """Return the day."""
    _named(schema, DATE_NAME, "Date")
    return datetime_of(value * MILLIS_A_DAY).date()


def time_from(schema: Schema, value: dt.date | dt.time) -> int:
    """Return the milliseconds since midnight.

    Raises:
        DataError: The value has a date.
    """
    _named(schema, TIME_NAME, "Time")
    millis = millis_of(value)
    if not 0 <= millis <= MILLIS_A_DAY:
        raise DataError(
            "Kafka Connect Time type should not have any date fields set to non-zero values."
        )
    return millis


def time_to(schema: Schema, value: int) -> dt.time | dt.datetime:
    """Return the time of day; a datetime for 24:00, which Java takes and `time` cannot be."""
    _named(schema, TIME_NAME, "Date")
    if not 0 <= value <= MILLIS_A_DAY:
        raise DataError(
            "Time values must use number of milliseconds greater than 0 and less than 86400000"
        )
    moment = datetime_of(value)
    return moment if value == MILLIS_A_DAY else moment.time()


def timestamp_from(schema: Schema, value: dt.date | dt.time) -> int:
    """Return the milliseconds since 1970."""
    _named(schema, TIMESTAMP_NAME, "Timestamp")
    return millis_of(value)


def timestamp_to(schema: Schema, value: int) -> dt.datetime:
    """Return the moment, in UTC."""
    _named(schema, TIMESTAMP_NAME, "Timestamp")
    return datetime_of(value)


FROM_LOGICAL: dict[str, Callable[[Schema, Any], Any]] = {
    DECIMAL_NAME: decimal_from,
    DATE_NAME: date_from,
    TIME_NAME: time_from,
    TIMESTAMP_NAME: timestamp_from,
}
"""What turns a Python value of a logical type into what is stored, by the schema's name."""

TO_LOGICAL: dict[str, Callable[[Schema, Any], Any]] = {
    DECIMAL_NAME: decimal_to,
    DATE_NAME: date_to,
    TIME_NAME: time_to,
    TIMESTAMP_NAME: timestamp_to,
}
"""What turns what is stored into a Python value, by the schema's name."""


def expect_class(value: object, name: str) -> None:
    """Refuse a value that is none of a logical type.

    Raises:
        DataError: It is of another class.
    """
    word = name.rpartition(".")[2]
    wanted: tuple[type, ...] = (dt.date, dt.time)
    wanted = (Decimal,) if name == DECIMAL_NAME else wanted
    if not isinstance(value, wanted):
        told = "Decimal" if name == DECIMAL_NAME else "Date"
        raise DataError(f"Invalid type for {word}, expected {told} but was {class_text(value)}")
