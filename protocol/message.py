"""What all generated message classes have in common."""

from __future__ import annotations

from typing import Any, ClassVar

UNSET: Any = object()
"""Marks an argument that was not given, so that every object gets a list of its own."""


class Struct:
    """A part of a message: named fields, comparable and printable."""

    __slots__: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # fields may change, as in any mutable class

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={_short(getattr(self, name))}" for name in self.__slots__)
        return f"{type(self).__name__}({fields})"


class Message(Struct):
    """A whole request or response body.

    Attributes:
        API_KEY: Kafka's number of the request kind.
    """

    __slots__ = ()
    API_KEY: ClassVar[int]


def _short(value: object) -> str:
    """Show a value; long binary data by its size, since record sets may be megabytes."""
    if isinstance(value, (bytes, bytearray, memoryview)) and len(value) > 64:
        return f"<{len(value)} bytes>"
    return repr(bytes(value) if isinstance(value, memoryview) else value)
