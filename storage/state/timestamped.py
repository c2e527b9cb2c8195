"""Values with the time of the record they come from."""

from __future__ import annotations

from struct import Struct
from typing import Generic, NamedTuple, TypeVar

from aliran.serdes import Serde

V = TypeVar("V")

_TIME = Struct(">q")


class ValueAndTimestamp(NamedTuple, Generic[V]):
    """A value and the time of the record that set it. Kafka: `ValueAndTimestamp`.

    Attributes:
        value: The value.
        timestamp: Milliseconds since the epoch.
    """

    value: V
    timestamp: int


class ValueAndTimestampSerde(Serde[ValueAndTimestamp[V]]):
    """8 bytes of timestamp, big-endian, then the value: what timestamped stores keep.

    Args:
        inner: The serde of the value.
    """

    def __init__(self, inner: Serde[V]) -> None:
        serialize_value, deserialize_value = inner.serializer, inner.deserializer
        pack, unpack = _TIME.pack, _TIME.unpack_from

        def serialize_timestamped(stamped: ValueAndTimestamp[V]) -> bytes:
            value, timestamp = stamped
            return pack(timestamp) + serialize_value(value)

        def deserialize_timestamped(data: bytes) -> ValueAndTimestamp[V]:
            return ValueAndTimestamp(deserialize_value(data[8:]), unpack(data)[0])

        super().__init__(
            serialize_timestamped,
            deserialize_timestamped,
            name=f"ValueAndTimestampSerde({inner.name})",
        )
        self.inner = inner


class WithoutTimestampSerde(Serde[V]):
    """Reads the plain value out of what a timestamped store keeps; writing is refused.

    Args:
        inner: The serde of the value.
    """

    def __init__(self, inner: Serde[V]) -> None:
        deserialize_value = inner.deserializer

        def refuse(_value: V) -> bytes:
            raise TypeError("a timestamped store needs a timestamp to write; this view only reads")

        super().__init__(
            refuse,
            lambda data: deserialize_value(data[8:]),
            name=f"WithoutTimestampSerde({inner.name})",
        )
