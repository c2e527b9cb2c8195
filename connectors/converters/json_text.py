"""JSON as Jackson reads it for Connect: decimals keep their digits, some faults are forgiven."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, Final

import msgspec

from aliran.connectors.errors import DataError

_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_LENIENT = json.JSONDecoder(parse_float=Decimal)
_STRING_OR_NUMBER = re.compile(r'"(?:[^"\\]|\\.)*"|(-?)0+(\d[\d.eE+-]*)|\d[\d.eE+-]*')


class _Missing:
    pass


MISSING: Final = _Missing()
"""What an empty text holds."""


def read(data: bytes | memoryview | msgspec.Raw) -> Any:
    """Return dicts, lists, strings, booleans, ints, decimals, None; `MISSING` for no text.

    What stands behind the first value is ignored, and numbers may begin with zeros: Jackson's.

    Raises:
        DataError: It is no JSON.
    """
    try:
        return _DECODER.decode(data)
    except msgspec.DecodeError as error:
        return _read_leniently(bytes(data), error)


def _read_leniently(data: bytes, error: msgspec.DecodeError) -> Any:
    try:
        text = data.decode().lstrip()
        if not text:
            return MISSING
        text = _STRING_OR_NUMBER.sub(lambda m: m[0] if m[2] is None else m[1] + m[2], text)
        value, _ = _LENIENT.raw_decode(text)
    except (ValueError, RecursionError):
        raise DataError(
            "Converting byte[] to Kafka Connect data failed due to serialization error: "
            f"{error} in {data[:64]!r}"
        ) from error
    else:
        return value


def node_type(node: Any) -> str:
    """Return Jackson's name of what a node is."""
    if isinstance(node, bool):
        return "BOOLEAN"
    for kind, name in (
        (str, "STRING"),
        (dict, "OBJECT"),
        (list, "ARRAY"),
        (int | Decimal, "NUMBER"),
    ):
        if isinstance(node, kind):
            return name
    return "NULL" if node is None else "MISSING"
