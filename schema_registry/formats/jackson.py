"""JSON as Java's Jackson writes it: what Confluent stores, hashes and compares is its text."""

from __future__ import annotations

import re
from json.encoder import encode_basestring
from typing import Any

_HEX = re.compile(r"\\u00[01][0-9a-f]")


def dumps(value: Any) -> str:
    """Return `value` without white space, keys in their order, doubles as Java prints them."""
    parts: list[str] = []
    _write(value, parts)
    return "".join(parts)


def quoted(text: str) -> str:
    """Return a JSON string; control characters are escaped with upper-case digits."""
    written = encode_basestring(text)
    if "\\u00" in written:
        written = _HEX.sub(lambda match: "\\u" + match[0][2:].upper(), written)
    return written


def double(value: float) -> str:
    """Return a double as `Double.toString` does: `1.0`, `1.0E10`, `NaN`."""
    if value != value or value in {float("inf"), float("-inf")}:
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        text = repr(value)
        if "e" not in text:
            return text
    digits, _, exponent = f"{value!r}".partition("e")
    sign = "-" if digits.startswith("-") else ""
    whole, _, fraction = digits.lstrip("-").partition(".")
    fraction = "" if fraction == "0" else fraction
    power = int(exponent or 0) + len(whole) - 1
    significant = (whole + fraction).lstrip("0")
    if whole == "0":
        power -= len(fraction) - len(fraction.lstrip("0")) + 1
    significant = significant.rstrip("0") or "0"
    return f"{sign}{significant[0]}.{significant[1:] or '0'}E{power + (whole == '0')}"


def _write(value: Any, parts: list[str]) -> None:
    if isinstance(value, str):
        parts.append(quoted(value))
    elif value is None or isinstance(value, bool):
        parts.append("null" if value is None else "true" if value else "false")
    elif isinstance(value, float):
        parts.append(double(value))
    elif isinstance(value, dict):
        separator = "{"
        for key, item in value.items():
            parts.append(f"{separator}{quoted(key)}:")
            _write(item, parts)
            separator = ","
        parts.append("}" if value else "{}")
    elif isinstance(value, list | tuple):
        separator = "["
        for item in value:
            parts.append(separator)
            _write(item, parts)
            separator = ","
        parts.append("]" if value else "[]")
    else:
        parts.append(str(value))
