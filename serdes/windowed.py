"""Keys that carry their window, in the bytes of Kafka's windowed serdes."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from aliran.core.errors import ConfigError
from aliran.serdes.base import Serde, SerdeLike
from aliran.serdes.errors import refused_data, refused_value
from aliran.serdes.inference import serde_for

if TYPE_CHECKING:
    from collections.abc import Callable

K = TypeVar("K")

MAX_TIMESTAMP = (1 << 63) - 1
"""Java's `Long.MAX_VALUE`: the end of a window that would lie beyond it."""

_TIME = Struct(">q")
_SESSION = Struct(">qq")


class Windowed(NamedTuple, Generic[K]):
    """A key within a window. Kafka: `Windowed`.

    Attributes:
        key: The key itself.
        start_ms: First millisecond of the window.
        end_ms: The end: exclusive for time windows, inclusive for session and sliding windows.
    """

    key: K
    start_ms: int
    end_ms: int


class NumberedWindow(NamedTuple, Generic[K]):
    """A key within one of its count windows, which are numbered from 0. Not Kafka's.

    Attributes:
        key: The key itself.
        number: Which of the key's windows it is. With a size and an advance of 100, window 2 holds
            the key's records 200 to 299, counted from 0.
    """

    key: K
    number: int


class NumberedWindowSerde(Serde[NumberedWindow[K]]):
    """Keys of count windows: the key's bytes, then the number in 8 bytes. Not Kafka's.

    Args:
        inner: Type or serde of the key.

    Raises:
        UnknownSerdeError: `inner` is no type or serde.
    """

    def __init__(self, inner: SerdeLike[K]) -> None:
        inner = serde_for(inner)
        name = f"NumberedWindowSerde({inner.name})"
        super().__init__(
            _number_serializer(name, inner), _number_deserializer(name, inner), name=name
        )
        self.inner = inner

    def for_topic(self, topic: str, *, is_key: bool) -> NumberedWindowSerde[K]:
        """Return it around the topic's serde of keys."""
        inner = self.inner.for_topic(topic, is_key=is_key)
        return self if inner is self.inner else NumberedWindowSerde(inner)


class WindowedSerde(Serde[Windowed[K]]):
    """Keys of time windows: the key's bytes, then the start in 8 bytes.

    The end is not written; reading adds the window's size to the start, capped at the largest
    time (Kafka: `TimeWindowedSerializer`, `TimeWindowedDeserializer`).

    Args:
        inner: Type or serde of the key.
        window_size_ms: Size of the windows in milliseconds.

    Raises:
        ConfigError: The size is not a whole number above 0, or `inner` is no type or serde.
    """

    def __init__(self, inner: SerdeLike[K], window_size_ms: int) -> None:
        if not isinstance(window_size_ms, int) or window_size_ms <= 0:
            raise ConfigError(
                f"window_size_ms must be above 0, it is {window_size_ms!r}: "
                "pass the size of the windows in milliseconds, a whole number"
            )
        inner = serde_for(inner)
        name = f"WindowedSerde({inner.name})"
        super().__init__(
            _time_serializer(name, inner),
            _time_deserializer(name, inner, window_size_ms),
            name=name,
        )
        self.inner = inner
        self.window_size_ms = window_size_ms

    def for_topic(self, topic: str, *, is_key: bool) -> WindowedSerde[K]:
        """Return it around the topic's serde of keys."""
        inner = self.inner.for_topic(topic, is_key=is_key)
        return self if inner is self.inner else WindowedSerde(inner, self.window_size_ms)


class SessionWindowedSerde(Serde[Windowed[K]]):
    """Keys of session windows: the key's bytes, then end and start, 8 bytes each.

    Kafka: `SessionWindowedSerializer`, `SessionWindowedDeserializer`.

    Args:
        inner: Type or serde of the key.

    Raises:
        ConfigError: `inner` is no type or serde.
    """

    def __init__(self, inner: SerdeLike[K]) -> None:
        inner = serde_for(inner)
        name = f"SessionWindowedSerde({inner.name})"
        super().__init__(
            _session_serializer(name, inner), _session_deserializer(name, inner), name=name
        )
        self.inner = inner

    def for_topic(self, topic: str, *, is_key: bool) -> SessionWindowedSerde[K]:
        """Return it around the topic's serde of keys."""
        inner = self.inner.for_topic(topic, is_key=is_key)
        return self if inner is self.inner else SessionWindowedSerde(inner)


def _time_serializer(name: str, inner: Serde[K]) -> Callable[[Windowed[K]], bytes]:
    serialize_key = inner.serializer
    pack = _TIME.pack

    def serialize_windowed(windowed: Windowed[K]) -> bytes:
        if not isinstance(windowed, Windowed):
            raise refused_value(name, windowed, "it writes Windowed(key, start_ms, end_ms)")
        return serialize_key(windowed.key) + pack(windowed.start_ms)

    return serialize_windowed


def _time_deserializer(
    name: str, inner: Serde[K], window_size_ms: int
) -> Callable[[bytes], Windowed[K]]:
    deserialize_key = inner.deserializer
    unpack = _TIME.unpack_from

    def deserialize_windowed(data: bytes) -> Windowed[K]:
        size = len(data) - 8
        if size < 0:
            raise refused_data(name, data, "a windowed key ends with 8 bytes of window start")
        start = unpack(data, size)[0]
        end = start + window_size_ms
        if end > MAX_TIMESTAMP:
            end = MAX_TIMESTAMP
        return Windowed(deserialize_key(data[:size]), start, end)

    return deserialize_windowed


def _session_serializer(name: str, inner: Serde[K]) -> Callable[[Windowed[K]], bytes]:
    serialize_key = inner.serializer
    pack = _SESSION.pack

    def serialize_session(windowed: Windowed[K]) -> bytes:
        if not isinstance(windowed, Windowed):
            raise refused_value(name, windowed, "it writes Windowed(key, start_ms, end_ms)")
        return serialize_key(windowed.key) + pack(windowed.end_ms, windowed.start_ms)

    return serialize_session


def _session_deserializer(name: str, inner: Serde[K]) -> Callable[[bytes], Windowed[K]]:
    deserialize_key = inner.deserializer
    unpack = _SESSION.unpack

    def deserialize_session(data: bytes) -> Windowed[K]:
        if len(data) < 16:
            raise refused_data(name, data, "a session key ends with 16 bytes of end and start")
        end, start = unpack(data[-16:])
        return Windowed(deserialize_key(data[:-16]), start, end)

    return deserialize_session


def _number_serializer(name: str, inner: Serde[K]) -> Callable[[NumberedWindow[K]], bytes]:
    def serialize_numbered(window: NumberedWindow[K]) -> bytes:
        if not isinstance(window, NumberedWindow):
            raise refused_value(name, window, "it writes NumberedWindow(key, number)")
        return inner.serializer(window.key) + _TIME.pack(window.number)

    return serialize_numbered


def _number_deserializer(name: str, inner: Serde[K]) -> Callable[[bytes], NumberedWindow[K]]:
    def deserialize_numbered(data: bytes) -> NumberedWindow[K]:
        if len(data) < 8:
            raise refused_data(name, data, "a key ends with 8 bytes of its window's number")
        return NumberedWindow(inner.deserializer(data[:-8]), _TIME.unpack(data[-8:])[0])

    return deserialize_numbered
