"""Texts of a configuration ↔ typed values, with Kafka's rules and texts (`ConfigDef.parseType`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Final, TypeAlias

from aliran.connectors.errors import ConfigError


class Type(StrEnum):
    """What a value is. Kafka: `ConfigDef.Type`."""

    BOOLEAN = "BOOLEAN"
    STRING = "STRING"
    INT = "INT"
    SHORT = "SHORT"
    LONG = "LONG"
    DOUBLE = "DOUBLE"
    LIST = "LIST"
    CLASS = "CLASS"
    PASSWORD = "PASSWORD"


BLANKS: Final = "".join(map(chr, range(33)))
"""What Java's `trim` takes away."""

HIDDEN = "[hidden]"
"""What is shown in place of a secret."""


class Password:
    """A secret that shows itself to nobody who does not ask for `value`. Kafka: `Password`.

    Attributes:
        value: The secret.
    """

    __slots__ = ("value",)

    def __init__(self, value: str) -> None:
        self.value: str = value

    def __repr__(self) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Password) and other.value == self.value

    def __hash__(self) -> int:
        return hash(self.value)


Validator: TypeAlias = Callable[[str, Any], None]
"""Takes the name of an option and its value; raises ConfigError (made by `invalid`)."""

_WHOLE = {
    Type.SHORT: (-(1 << 15), (1 << 15) - 1),
    Type.INT: (-(1 << 31), (1 << 31) - 1),
    Type.LONG: (-(1 << 63), (1 << 63) - 1),
}


def invalid(name: str, value: object, reason: str = "") -> ConfigError:
    """Return Kafka's error about a value (`ConfigException`)."""
    shown = "null" if value is None else format_value(value)
    if isinstance(value, (list, tuple)):
        shown = f"[{', '.join(str(one) for one in value)}]"
    return ConfigError(
        f"Invalid value {shown} for configuration {name}" + (f": {reason}" if reason else "")
    )


def parse(name: str, value: Any, kind: Type) -> Any:
    """Return a value as its type.

    Raises:
        ConfigError: It cannot be that.
    """
    if value is None:
        return None
    if isinstance(value, str):
        value = value.strip(BLANKS)
    if kind is Type.PASSWORD:
        return value if isinstance(value, Password) else Password(str(value))
    if kind is Type.LIST:
        return _parse_list(name, value)
    if kind is Type.BOOLEAN:
        return _parse_boolean(name, value)
    if kind is Type.DOUBLE:
        try:
            return float(value)
        except (TypeError, ValueError):
            raise invalid(name, value, "Not a number of type DOUBLE") from None
    if kind in _WHOLE:
        return _parse_whole(name, value, kind)
    if kind is Type.STRING and not isinstance(value, str):
        raise invalid(
            name, value, f"Expected value to be a string, but it was a {type(value).__name__}"
        )
    return value


def _parse_boolean(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    lowered = value.lower() if isinstance(value, str) else ""
    if lowered in {"true", "false"}:
        return lowered == "true"
    raise invalid(name, value, "Expected value to be either true or false")


def _parse_list(name: str, value: Any) -> list[str]:
    if isinstance(value, (list, tuple)):
        return [str(one) for one in value]
    if not isinstance(value, str):
        raise invalid(name, value, "Expected a comma separated list.")
    return [part.strip() for part in value.split(",")] if value else []


def _parse_whole(name: str, value: Any, kind: Type) -> int:
    low, high = _WHOLE[kind]
    number: int | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str) and value.isascii() and "_" not in value:
        try:
            number = int(value)
        except ValueError:
            number = None
    if number is None or not low <= number <= high:
        raise invalid(name, value, f"Not a number of type {kind}")
    return number


def format_value(value: object) -> str:
    """Return the text of a value, as answers show it (`ConfigDef.convertToString`)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(str(one) for one in value)
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    return str(value)


# ---------------------------------------------------------------------- validators


def at_least(low: float) -> Validator:
    """Return a check for a smallest number (`Range.atLeast`)."""

    def check(name: str, value: Any) -> None:
        if value is None:
            raise invalid(name, value, "Value must be non-null")
        if value < low:
            raise invalid(name, value, f"Value must be at least {low}")

    return check


def between(low: float, high: float) -> Validator:
    """Return a check for a range, both ends included (`Range.between`)."""
    lowest = at_least(low)

    def check(name: str, value: Any) -> None:
        lowest(name, value)
        if value > high:
            raise invalid(name, value, f"Value must be no more than {high}")

    return check


def one_of(*allowed: str, ignore_case: bool = False) -> Validator:
    """Return a check for one of some texts (`ValidString`, `CaseInsensitiveValidString`)."""
    known = {text.upper() if ignore_case else text for text in allowed}
    label = (
        "String must be one of (case insensitive): " if ignore_case else "String must be one of: "
    )

    def check(name: str, value: Any) -> None:
        if value is None or (value.upper() if ignore_case else value) not in known:
            shown = sorted(known) if ignore_case else allowed
            raise invalid(name, value, label + ", ".join(shown))

    return check


def not_empty(name: str, value: Any) -> None:
    """Check that a text is not empty where there is one (`NonEmptyString`)."""
    if value is not None and not value:
        raise invalid(name, value, "String must be non-empty")


def no_control_characters(name: str, value: Any) -> None:
    """Check a name: not empty, nothing unprintable (`NonEmptyStringWithoutControlChars`)."""
    if value is None:
        raise invalid(name, value, "entry must be non null")
    if not value:
        raise invalid(name, value, "String may not be empty")
    if any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in value):
        raise invalid(
            name,
            value,
            "String may not contain control sequences but had the following ASCII chars: "
            + ", ".join(str(ord(one)) for one in value if ord(one) < 32 or 127 <= ord(one) < 160),
        )


def no_duplicates(name: str, value: Sequence[str]) -> None:
    """Check that a list names nothing twice."""
    if value is not None and len(set(value)) != len(value):
        raise invalid(name, value, "Duplicate alias provided.")
