"""How Java writes and narrows values: the texts of `String.valueOf`, the arithmetic of casts."""

from __future__ import annotations

import datetime as dt
import math
import struct
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from aliran.schema_registry.formats.jackson import double

_SINGLE = struct.Struct("<f")
_LONG = 64


def class_text(value: object) -> str:
    """Return how a value's class reads in a message: `class str`."""
    return "null" if value is None else f"class {type(value).__name__}"


def to_single(value: float) -> float:
    """Return the float of single precision next to `value`; too large ones become infinite."""
    try:
        return float(_SINGLE.unpack(_SINGLE.pack(value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def single_text(value: float) -> str:
    """Return a float of single precision as `Float.toString` does."""
    if value != value or math.isinf(value) or value == 0:
        return double(value)
    value = to_single(value)
    for digits in range(1, 10):
        short = float(f"{value:.{digits}g}")
        if to_single(short) == value:
            return double(short)
    return double(value)


def wrap(value: int, bits: int) -> int:
    """Return the low bits as a signed integer, which is what a Java cast keeps."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def float_to_integer(value: float, bits: int) -> int:
    """Return a float as Java casts it: not-a-number is 0, what is too large is the limit.

    To fewer than 32 bits Java goes by way of an int, and keeps its low bits.
    """
    if value != value:
        return 0
    wide = max(bits, 32)
    limit = 1 << (wide - 1)
    if math.isinf(value) or not -limit <= value < limit:
        whole = limit - 1 if value > 0 else -limit
    else:
        whole = int(value)
    return wrap(whole, bits)


def integer_of(value: float | Decimal, bits: int = _LONG) -> int:
    """Return a number as `Number.longValue`, `intValue` ... do. Not for booleans."""
    if isinstance(value, float):
        return float_to_integer(value, bits)
    return wrap(int(value), bits)


def text_of(value: Any) -> str:
    """Return `String.valueOf` of a value without regard to a schema."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return double(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{text_of(k)}={text_of(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(text_of, value)) + "]"
    if isinstance(value, dt.date | dt.time):
        from aliran.connectors.data.date_format import java_date_text  # built on this module

        return java_date_text(value)
    return str(value)
