"""Types of columns in records, by Debezium's handling modes; each with what converts a value.

Debezium: `JdbcValueConverters`, `TemporalPrecisionMode`, `SpecialValueDecimal`. Values come in as
Decimal, bytes, days since 1970, microseconds since midnight or since 1970.
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any, Literal, TypeAlias

from aliran.connectors.builtin.cdc.envelope import Column
from aliran.connectors.data.builder import BYTES_SCHEMA, INT32_SCHEMA, SchemaBuilder
from aliran.connectors.data.logical import EPOCH
from aliran.connectors.data.schema import (
    DATE_NAME,
    DECIMAL_NAME,
    TIME_NAME,
    TIMESTAMP_NAME,
    Schema,
)
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import DataError

DecimalMode: TypeAlias = Literal["precise", "double", "string"]
BinaryMode: TypeAlias = Literal["bytes", "base64", "base64-url-safe", "hex"]
TimeMode: TypeAlias = Literal[
    "adaptive",
    "adaptive_time_microseconds",
    "connect",
    "isostring",
    "microseconds",
    "nanoseconds",
]

MICROS_A_DAY = 86_400_000_000
_EXACT = Context(prec=200_000)
_EPOCH_DAY = EPOCH.date().toordinal()


@dataclass(frozen=True, slots=True)
class Kind:
    """How the values of a column are shown.

    Attributes:
        builder: Gives a builder of the schema.
        convert: Turns a value (not None) into one of the schema; None where it is one already.
        zero: Stands for an unknown value of a required column.
        is_struct: Whether `convert` and `zero` give the values of a struct.
    """

    builder: Callable[[], SchemaBuilder]
    convert: Callable[[Any], Any] | None
    zero: Any
    is_struct: bool = False

    def converter(self, schema: Schema) -> Callable[[Any], Any] | None:
        """Return what turns values into ones of a schema that `schema` gave; None for nothing."""
        convert = self.convert
        if not self.is_struct or convert is None:
            return convert
        return lambda value: Struct.unchecked(schema, convert(value))

    def schema(self, *, optional: bool) -> Schema:
        """Return the schema."""
        builder = self.builder()
        return (builder.optional() if optional else builder).build()

    def column(self, name: str, *, optional: bool) -> Column:
        """Return a column of this kind."""
        schema = self.schema(optional=optional)
        zero = Struct.unchecked(schema, list(self.zero)) if self.is_struct else self.zero
        return Column(name, schema, zero)


def logical(
    kind: Callable[[], SchemaBuilder], name: str, **parameters: str
) -> Callable[[], SchemaBuilder]:
    """Return what builds schemas of a type that has a name, version 1."""
    return lambda: kind().name(name).version(1).parameters(parameters)


STRING = Kind(SchemaBuilder.string, None, "")
BOOLEAN = Kind(SchemaBuilder.bool, None, zero=False)
INT16 = Kind(SchemaBuilder.int16, None, 0)
INT32 = Kind(SchemaBuilder.int32, None, 0)
INT64 = Kind(SchemaBuilder.int64, None, 0)
FLOAT32 = Kind(SchemaBuilder.float32, None, 0.0)
FLOAT64 = Kind(SchemaBuilder.float64, None, 0.0)
JSON = Kind(logical(SchemaBuilder.string, "io.debezium.data.Json"), None, "{}")
XML = Kind(logical(SchemaBuilder.string, "io.debezium.data.Xml"), None, "")
UUID = Kind(logical(SchemaBuilder.string, "io.debezium.data.Uuid"), None, "")


def enum(allowed: list[str]) -> Kind:
    """Return the kind of an enumeration."""
    builder = logical(SchemaBuilder.string, "io.debezium.data.Enum", allowed=",".join(allowed))
    return Kind(builder, None, allowed[0] if allowed else "")


def array(of: Kind) -> Kind:
    """Return the kind of lists of another; their elements may be null."""
    element = of.schema(optional=True)
    convert = of.converter(element)

    def converted(values: list[Any]) -> list[Any]:
        assert convert is not None
        return [None if one is None else convert(one) for one in values]

    builder = lambda: SchemaBuilder.array(element)  # noqa: E731
    return Kind(builder, None if convert is None else converted, [])


def bits(length: int) -> Kind:
    """Return the kind of texts of 0 and 1: a boolean for one, else little-endian bytes."""
    if length == 1:
        return Kind(SchemaBuilder.bool, lambda text: text == "1", zero=False)

    def converted(text: str) -> bytes:
        number = int(text or "0", 2)
        return number.to_bytes((number.bit_length() + 7) // 8, "little")

    return Kind(
        logical(SchemaBuilder.bytes, "io.debezium.data.Bits", length=str(length)), converted, b""
    )


# ---------------------------------------------------------------------- numbers


def decimal(mode: DecimalMode, precision: int, scale: int) -> Kind:
    """Return the kind of decimals with so many digits behind the point."""
    if mode == "string":
        return Kind(SchemaBuilder.string, lambda value: format(value, "f"), "0")
    if mode == "double":
        return Kind(SchemaBuilder.float64, float, 0.0)
    unit = Decimal((0, (1,), -scale))
    parameters = {"scale": str(scale), "connect.decimal.precision": str(precision)}

    def converted(value: Decimal) -> Decimal:
        exponent = value.as_tuple().exponent
        if exponent == -scale:
            return value
        if not isinstance(exponent, int):
            raise _no_decimal(value)
        return value.quantize(unit, context=_EXACT)

    builder = lambda: logical(SchemaBuilder.bytes, DECIMAL_NAME)().parameters(parameters)  # noqa: E731
    return Kind(builder, converted, Decimal(0).quantize(unit, context=_EXACT))


def _no_decimal(value: Decimal) -> DataError:
    return DataError(
        f"{value} is a numeric of the database that Connect's Decimal cannot be; set "
        "decimal.handling.mode=string or double"
    )


def variable_decimal(mode: DecimalMode) -> Kind:
    """Return the kind of decimals whose scale is not declared."""
    if mode != "precise":
        return decimal(mode, 0, 0)

    def builder() -> SchemaBuilder:
        made = SchemaBuilder.struct().name("io.debezium.data.VariableScaleDecimal").version(1)
        made.doc("Variable scaled decimal")
        return made.field("scale", INT32_SCHEMA).field("value", BYTES_SCHEMA)

    def converted(value: Decimal) -> list[Any]:
        if not value.is_finite():
            raise _no_decimal(value)
        sign, digits, exponent = value.normalize(_EXACT).as_tuple()
        assert isinstance(exponent, int)
        number = int("".join(map(str, digits))) * 10 ** max(exponent, 0) * (-1 if sign else 1)
        size = (number if number >= 0 else ~number).bit_length() // 8 + 1
        return [max(-exponent, 0), number.to_bytes(size, "big", signed=True)]

    return Kind(builder, converted, [0, b"\0"], is_struct=True)


def binary(mode: BinaryMode) -> Kind:
    """Return the kind of bytes."""
    if mode == "bytes":
        return Kind(SchemaBuilder.bytes, None, b"")
    ways: dict[str, Callable[[bytes], str]] = {
        "base64": lambda value: base64.b64encode(value).decode(),
        "base64-url-safe": lambda value: base64.urlsafe_b64encode(value).decode(),
        "hex": bytes.hex,
    }
    return Kind(SchemaBuilder.string, ways[mode], "")


# ---------------------------------------------------------------------- times


def _divided(by: int) -> Callable[[int], int]:
    return lambda micros: micros // by


def _python_time(micros: int) -> dt.time | dt.datetime:
    moment = EPOCH + dt.timedelta(microseconds=micros)
    return moment if micros >= MICROS_A_DAY else moment.time()


def _python_datetime(micros: int) -> dt.datetime:
    try:
        return EPOCH + dt.timedelta(microseconds=micros)
    except OverflowError as error:
        raise _too_far(micros, "µs") from error


def _python_date(days: int) -> dt.date:
    try:
        return dt.date.fromordinal(days + _EPOCH_DAY)
    except (OverflowError, ValueError) as error:
        raise _too_far(days, "days") from error


def _too_far(number: int, unit: str) -> DataError:
    return DataError(
        f"{number} {unit} since 1970 is not in the years 1 to 9999; time.precision.mode=adaptive "
        "shows it as a number"
    )


def _iso_time(micros: int) -> str:
    moment = EPOCH + dt.timedelta(microseconds=micros % MICROS_A_DAY)
    return iso_fraction(moment.strftime("%H:%M:%S"), moment.microsecond) + "Z"


def _iso_datetime(micros: int) -> str:
    moment = _python_datetime(micros)
    return iso_fraction(moment.strftime("%Y-%m-%dT%H:%M:%S"), moment.microsecond) + "Z"


def iso_fraction(text: str, micros: int) -> str:
    """Return a time with as many digits behind the second as it needs."""
    return f"{text}.{micros:06}".rstrip("0") if micros else text


def _time(name: str) -> str:
    return f"io.debezium.time.{name}"


_MILLIS = _divided(1000)
_NANOS: Callable[[int], int] = lambda micros: micros * 1000  # noqa: E731
_INT32, _INT64, _TEXT = SchemaBuilder.int32, SchemaBuilder.int64, SchemaBuilder.string
_TIMES: dict[str, Kind] = {
    "milli": Kind(logical(_INT32, _time("Time")), _MILLIS, 0),
    "micro": Kind(logical(_INT64, _time("MicroTime")), None, 0),
    "nano": Kind(logical(_INT64, _time("NanoTime")), _NANOS, 0),
    "connect": Kind(logical(_INT32, TIME_NAME), _python_time, dt.time()),
    "iso": Kind(logical(_TEXT, _time("IsoTime")), _iso_time, "00:00:00Z"),
}
_TIMESTAMPS: dict[str, Kind] = {
    "milli": Kind(logical(_INT64, _time("Timestamp")), _MILLIS, 0),
    "micro": Kind(logical(_INT64, _time("MicroTimestamp")), None, 0),
    "nano": Kind(logical(_INT64, _time("NanoTimestamp")), _NANOS, 0),
    "connect": Kind(logical(_INT64, TIMESTAMP_NAME), _python_datetime, EPOCH),
    "iso": Kind(logical(_TEXT, _time("IsoTimestamp")), _iso_datetime, "1970-01-01T00:00:00Z"),
}
_DATES: dict[str, Kind] = {
    "days": Kind(logical(_INT32, _time("Date")), None, 0),
    "connect": Kind(logical(_INT32, DATE_NAME), _python_date, EPOCH.date()),
    "iso": Kind(
        logical(_TEXT, _time("IsoDate")),
        lambda days: f"{_python_date(days).isoformat()}Z",
        "1970-01-01Z",
    ),
}
ZONED_TIMESTAMP = Kind(logical(_TEXT, _time("ZonedTimestamp")), None, "1970-01-01T00:00:00Z")
ZONED_TIME = Kind(logical(_TEXT, _time("ZonedTime")), None, "00:00:00Z")


def date(mode: TimeMode) -> Kind:
    """Return the kind of days since 1970."""
    return _DATES[{"connect": "connect", "isostring": "iso"}.get(mode, "days")]


def _unit(mode: TimeMode, precision: int) -> str:
    units = {"connect": "connect", "isostring": "iso", "microseconds": "micro"}
    units["nanoseconds"] = "nano"
    return units.get(mode) or ("milli" if precision <= 3 else "micro")


def time(mode: TimeMode, precision: int) -> Kind:
    """Return the kind of microseconds since midnight, with so many digits behind the second."""
    unit = "micro" if mode == "adaptive_time_microseconds" else _unit(mode, precision)
    return _TIMES[unit]


def timestamp(mode: TimeMode, precision: int) -> Kind:
    """Return the kind of microseconds since 1970, with so many digits behind the second."""
    return _TIMESTAMPS[_unit(mode, precision)]
