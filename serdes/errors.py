"""Errors of the serdes, and the one place that words them."""

from __future__ import annotations

from aliran.core.errors import AliranError

_SHOWN_BYTES = 32


class SerializationError(AliranError):
    """A value could not be turned into bytes, or bytes not into a value.

    Kafka: `SerializationException`.

    Attributes:
        serde_name: The serde that refused, for example `IntegerSerde`.
        value_type: Name of the type of what it was given (`bytes` when deserializing).
    """

    def __init__(self, message: str, *, serde_name: str = "", value_type: str = "") -> None:
        super().__init__(message)
        self.serde_name = serde_name
        self.value_type = value_type


class UnknownSerdeError(SerializationError):
    """No serde is known for what was passed to `serde_for`."""


def type_name(value: object) -> str:
    """Return how the type of `value` is written in code: `int`, `Tweet`, `list`."""
    return type(value).__name__


def refused_value(serde_name: str, value: object, cause: object = None) -> SerializationError:
    """Return the error for a value that a serde cannot serialize.

    Args:
        serde_name: The serde that refused.
        value: What it was given.
        cause: The exception or text that says why, where the type alone does not.
    """
    found = type_name(value)
    why = f": {cause}" if cause is not None and str(cause) else ""
    return SerializationError(
        f"{serde_name} cannot serialize a value of type {found}{why}. "
        f"If {found} is what you mean, pass value={found} (key={found} for a key) where the "
        "topic, store or grouping is declared, or annotate the function's return type; "
        f"otherwise convert it before it gets here",
        serde_name=serde_name,
        value_type=found,
    )


def refused_data(serde_name: str, data: object, cause: object = None) -> SerializationError:
    """Return the error for bytes that a serde cannot deserialize.

    Args:
        serde_name: The serde that refused.
        data: What it was given.
        cause: The exception or text that says why.
    """
    found = type_name(data)
    if isinstance(data, (bytes, bytearray, memoryview)):
        start = bytes(data[:_SHOWN_BYTES])
        more = "..." if len(data) > _SHOWN_BYTES else ""
        what = f"{len(data)} bytes starting {start!r}{more}"
    else:
        what = f"a value of type {found} (it reads bytes)"
    why = f": {cause}" if cause is not None and str(cause) else ""
    return SerializationError(
        f"{serde_name} cannot deserialize {what}{why}. "
        "Pass the type or serde that the data was written with (value=..., key=...); "
        "value=bytes takes everything as it is",
        serde_name=serde_name,
        value_type=found,
    )
