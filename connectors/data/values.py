"""Values from one type to another, and as texts. Kafka: `Values`."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from aliran.connectors.data import logical
from aliran.connectors.data.builder import SchemaBuilder
from aliran.connectors.data.java import (
    class_text,
    integer_of,
    single_text,
    text_of,
    to_single,
    wrap,
)
from aliran.connectors.data.logical import MILLIS_A_DAY, millis_of
from aliran.connectors.data.parsing import (
    DATE_FORMAT,
    DECIMAL_TEXT,
    TIME_FORMAT,
    TIMESTAMP_FORMAT,
    parse_string,
)
from aliran.connectors.data.schema import (
    BITS,
    DATE_NAME,
    DECIMAL_NAME,
    TIME_NAME,
    TIMES,
    TIMESTAMP_NAME,
    Schema,
    Type,
    type_of,
)
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import DataError

_BYTES = (bytes, bytearray, memoryview)


def _refused(value: Any, target: object) -> DataError:
    return DataError(f"Unable to convert {text_of(value)} ({class_text(value)}) to {target}")


def _decimal(value: str) -> Decimal | None:
    return Decimal(value) if DECIMAL_TEXT.fullmatch(value) else None


def as_long(value: Any, schema: Schema | None) -> int:
    """Return a value as a 64-bit integer.

    Raises:
        DataError: It is no number, text of one, or time.
    """
    number = _decimal(value) if isinstance(value, str) else value
    if isinstance(number, int | float | Decimal) and not isinstance(number, bool):
        return integer_of(number)
    if schema is not None:
        if isinstance(value, TIMES) and schema.name in logical.FROM_LOGICAL:
            return int(logical.FROM_LOGICAL[schema.name](schema, value))
        raise _refused(value, schema)
    raise _refused(value, "a number")


def as_double(value: Any, schema: Schema | None) -> float:
    """Return a value as a float.

    Raises:
        DataError: It is no number, text of one, or time.
    """
    number = _decimal(value) if isinstance(value, str) else value
    if isinstance(number, int | float | Decimal) and not isinstance(number, bool):
        return float(number)
    return float(as_long(value, schema))


def convert_to_boolean(schema: Schema | None, value: Any) -> bool | None:
    """Return a value as a boolean: numbers but 0 are true."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        parsed = parse_string(value).value
        if isinstance(parsed, bool):
            return parsed
    return as_long(value, schema) != 0


def convert_to_integer(schema: Schema | None, value: Any, bits: int) -> int | None:
    """Return a value as an integer of so many bits, its low bits where it is wider."""
    return None if value is None else wrap(as_long(value, schema), bits)


def convert_to_float(schema: Schema | None, value: Any) -> float | None:
    """Return a value as a float of single precision."""
    return None if value is None else to_single(as_double(value, schema))


def convert_to_double(schema: Schema | None, value: Any) -> float | None:
    """Return a value as a float."""
    return None if value is None else as_double(value, schema)


def convert_to_decimal(schema: Schema, value: Any) -> Decimal:
    """Return a value as a decimal; floats by their shortest text."""
    if isinstance(value, _BYTES):
        return logical.decimal_to(schema, bytes(value))
    if isinstance(value, Decimal):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Decimal(text_of(float(value)))
    number = _decimal(value) if isinstance(value, str) else None
    if number is None:
        raise _refused(value, schema)
    return number


def convert_to_bytes(schema: Schema, value: Any) -> bytes:
    """Return bytes, or a decimal's."""
    if isinstance(value, _BYTES):
        return bytes(value)
    if isinstance(value, Decimal):
        return logical.decimal_from(schema, value)
    raise _refused(value, schema)


def _convert_to_time(target: Schema, schema: Schema | None, value: Any) -> Any:
    """Return a value as a Date, Time or Timestamp."""
    if isinstance(value, str):
        value = parse_string(value).value
    name = target.name or ""
    if isinstance(value, TIMES):
        if schema is None or schema.name == name:
            return value
        if schema.name == TIMESTAMP_NAME and name == DATE_NAME:
            millis = millis_of(value)
            days = millis // MILLIS_A_DAY if millis >= 0 else -(-millis // MILLIS_A_DAY)
            return logical.date_to(target, days)
        if schema.name == TIMESTAMP_NAME and name == TIME_NAME:
            return logical.time_to(target, millis_of(value) % MILLIS_A_DAY)
        if name == TIMESTAMP_NAME and schema.name in {DATE_NAME, TIME_NAME}:
            days_or_millis = logical.FROM_LOGICAL[schema.name](schema, value)
            unit = MILLIS_A_DAY if schema.name == DATE_NAME else 1
            return logical.datetime_of(days_or_millis * unit)
    number = as_long(value, schema)
    return logical.TO_LOGICAL[name](target, number if name == TIMESTAMP_NAME else wrap(number, 32))


def _convert_to_parts(target: Schema, value: Any) -> Any:
    wanted: type = {Type.ARRAY: list, Type.MAP: Mapping, Type.STRUCT: Struct}[target.type]
    if isinstance(value, str) and target.type is not Type.STRUCT:
        value = parse_string(value).value
    if not isinstance(value, wanted):
        raise _refused(value, target)
    return value


def convert_to(target: Schema, schema: Schema | None, value: Any) -> Any:
    """Return a value of `schema`, or of nobody knows what, as one of `target`.

    Raises:
        DataError: It cannot be seen so.
    """
    if value is None:
        if target.is_optional:
            return None
        raise DataError("Unable to convert a null value to a schema that requires a value")
    if target.name in {DATE_NAME, TIME_NAME, TIMESTAMP_NAME}:
        return _convert_to_time(target, schema, value)
    if target.type in BITS:
        return convert_to_integer(schema, value, BITS[target.type])
    if target.type is Type.BYTES:
        decimal = target.name == DECIMAL_NAME
        return convert_to_decimal(target, value) if decimal else convert_to_bytes(target, value)
    simple: dict[Type, Callable[[Schema | None, Any], Any]] = {
        Type.STRING: convert_to_string,
        Type.BOOLEAN: convert_to_boolean,
        Type.FLOAT32: convert_to_float,
        Type.FLOAT64: convert_to_double,
    }
    if target.type in simple:
        return simple[target.type](schema, value)
    return _convert_to_parts(target, value)


def infer_schema(value: Any) -> Schema | None:
    """Return the schema of a value that came without one; None where parts differ."""
    if isinstance(value, Struct):
        return value.schema
    kind = type_of(value)
    if kind is None or kind.is_primitive:
        return None if kind is None else SchemaBuilder(kind).build()
    if not value:
        return None
    if kind is Type.ARRAY:
        element = _common_type(list(value))
        return None if element is None else SchemaBuilder.array(element).build()
    key, each = _common_type(list(value)), _common_type(list(value.values()))
    return None if key is None or each is None else SchemaBuilder.map(key, each).build()


def _common_type(values: list[Any]) -> Schema | None:
    found = {(infer_schema(each) or _Unknown).type for each in values if each is not None}
    if len(found) != 1 or None in found:
        return None
    builder = SchemaBuilder(next(kind for kind in found if kind is not None))
    return (builder.optional() if None in values else builder).build()


class _Unknown:
    type = None


def date_text(value: dt.date | dt.time) -> str:
    """Return a time as Java's `Values` writes it: as little as tells it apart."""
    millis = millis_of(value)
    if millis < MILLIS_A_DAY:
        return TIME_FORMAT.format(millis)
    return (TIMESTAMP_FORMAT if millis % MILLIS_A_DAY else DATE_FORMAT).format(millis)


def convert_to_string(schema: Schema | None, value: Any) -> str | None:
    """Return a value as text: bytes in base64, lists and maps in JSON."""
    return None if value is None else _text(schema, value, embedded=False)


def _text(schema: Schema | None, value: Any, *, embedded: bool) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        if not embedded:
            return value
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, float) and schema is not None and schema.type is Type.FLOAT32:
        return single_text(value)
    if isinstance(value, bool | int | float | Decimal):
        return text_of(value)
    if isinstance(value, _BYTES):
        encoded = base64.b64encode(value).decode()
        return f'"{encoded}"' if embedded else encoded
    if isinstance(value, list | tuple):
        inner = schema.value_schema if schema is not None and schema.type is Type.ARRAY else None
        return "[" + ",".join(_text(inner, each, embedded=True) for each in value) + "]"
    if isinstance(value, Struct):
        parts = ((f.schema, f.name, value.get(f)) for f in value.schema.fields)
        entries = (
            f"{_text(None, k, embedded=True)}:{_text(s, v, embedded=True)}" for s, k, v in parts
        )
        return "{" + ",".join(entries) + "}"
    if isinstance(value, Mapping):
        return _map_text(schema, value)
    if isinstance(value, TIMES):
        return date_text(value)
    raise DataError(f"Failed to serialize unexpected value type {class_text(value)}: {value}")


def _map_text(schema: Schema | None, value: Mapping[Any, Any]) -> str:
    known = schema is not None and schema.type is Type.MAP
    keys = schema.key_schema if schema is not None and known else None
    values = schema.value_schema if schema is not None and known else None
    entries = (
        f"{_text(keys, key, embedded=True)}:{_text(values, each, embedded=True)}"
        for key, each in value.items()
    )
    return "{" + ",".join(entries) + "}"
