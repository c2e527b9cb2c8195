"""Connect's values ↔ DynamoDB's attributes, such as `{"N": "1.5"}`.

| Connect | DynamoDB | back |
|---|---|---|
| integers, floats, decimals | N, 38 digits | an integer, a float, or (too many digits) a text |
| texts; dates, times, timestamps in ISO 8601 | S | a text |
| bytes, booleans, null | B, BOOL, NULL | the same |
| arrays; maps and structs | L; M | a list; a dict |
| | SS, NS, BS | a sorted list |
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from aliran.connectors.data.java import class_text
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import DataError

_DIGITS = 38
_EXPONENT = 125


def attribute_of(value: Any, place: str = "value") -> dict[str, Any]:
    """Return a value as an attribute.

    Raises:
        DataError: DynamoDB has none for it; the message names the field.
    """
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int | float | Decimal):
        return {"N": _number(value, place)}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, bytes | bytearray | memoryview):
        return {"B": bytes(value)}
    if isinstance(value, dt.date | dt.time):
        return {"S": value.isoformat()}
    if isinstance(value, list | tuple):
        return {"L": [attribute_of(one, f"{place}[{n}]") for n, one in enumerate(value)]}
    return {"M": item_of(value, place)}


def item_of(value: Any, place: str = "value") -> dict[str, Any]:
    """Return the fields of a struct or dict as attributes.

    Raises:
        DataError: It is neither, or a field does not fit.
    """
    if isinstance(value, Struct):
        pairs = [(field.name, value.get(field)) for field in value.schema.fields]
    elif isinstance(value, Mapping):
        pairs = list(value.items())
    else:
        raise DataError(f"{place} must have fields, but is {class_text(value)}")
    for name, _ in pairs:
        if not isinstance(name, str):
            raise DataError(f"{place}: DynamoDB's names are texts, not {name!r}")
    return {name: attribute_of(each, f"{place}.{name}") for name, each in pairs}


def _number(value: float | Decimal, place: str) -> str:
    number = value if isinstance(value, Decimal) else Decimal(repr(value))
    digits = "".join(map(str, number.as_tuple().digits)).strip("0")
    if not number.is_finite() or len(digits) > _DIGITS:
        raise DataError(f"{place}: DynamoDB's numbers have {_DIGITS} digits, not {value}")
    if number and not -130 <= number.adjusted() <= _EXPONENT:
        raise DataError(f"{place}: {value} is out of the range of DynamoDB's numbers")
    return str(number)


def value_of(attribute: Mapping[str, Any]) -> Any:
    """Return an attribute as a value without a schema."""
    ((kind, value),) = attribute.items()
    if kind == "N":
        return _read_number(value)
    if kind == "M":
        return values_of(value)
    if kind == "L":
        return [value_of(one) for one in value]
    if kind == "NS":
        return sorted((_read_number(one) for one in value), key=lambda one: (str(type(one)), one))
    if kind in {"SS", "BS"}:
        return sorted(value)
    return None if kind == "NULL" else value


def values_of(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item's attributes as values."""
    return {name: value_of(one) for name, one in item.items()}


def _read_number(text: str) -> int | float | str:
    number = Decimal(text)
    if number == number.to_integral_value() and abs(number) < 1 << 63:
        return int(number)
    close = float(number)
    return close if Decimal(repr(close)) == number else text
