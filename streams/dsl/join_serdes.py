"""Bytes of the store where left and outer joins keep the records that found no match yet.

Its keys sort by time, so that those whose window closes first come first. Kafka:
`TimestampedKeyAndJoinSideSerde`, `LeftOrRightValueSerde` within a `ListSerde`.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from aliran.serdes import Serde

K = TypeVar("K")

KEY_PREFIX_BYTES = 9
"""Time and side in front of the key."""

pack_prefix: Callable[[int, bool], bytes] = Struct(">q?").pack
"""Time in ms, and whether the record is of the left stream, to the bytes in front of the key."""

unpack_prefix: Callable[[bytes], tuple[int, bool]] = Struct(">q?").unpack_from

_LIST_HEAD = Struct(">BI")
_LENGTH = Struct(">I")
_VARIABLE_SIZE = 1
"""Kafka's flag for lists whose entries have a length each."""


class UnmatchedKey(NamedTuple, Generic[K]):
    """A record that waits for a match. Kafka: `TimestampedKeyAndJoinSide`."""

    timestamp: int
    is_left: bool
    key: K


SidedValue: TypeAlias = tuple[bool, Any]
"""Whether a value is of the left stream, and the value. Kafka: `LeftOrRightValue`."""


class UnmatchedKeySerde(Serde[UnmatchedKey[K]]):
    """Time, 8 bytes ++ 1 for the left side or 0 ++ the key.

    Args:
        inner: The serde of the key.
    """

    def __init__(self, inner: Serde[K]) -> None:
        def serializer(value: UnmatchedKey[K]) -> bytes:
            return pack_prefix(value.timestamp, value.is_left) + inner.serializer(value.key)

        def deserializer(data: bytes) -> UnmatchedKey[K]:
            time, is_left = unpack_prefix(data)
            return UnmatchedKey(time, is_left, inner.deserializer(data[KEY_PREFIX_BYTES:]))

        super().__init__(serializer, deserializer, name=f"UnmatchedKeySerde({inner.name})")


class UnmatchedValuesSerde(Serde[list[SidedValue]]):
    """The values of one key, time and side: a list of 1 for left or 0 ++ the value.

    Args:
        left: The serde of the left stream's values.
        right: The serde of the right stream's values.
    """

    def __init__(self, left: Serde[Any], right: Serde[Any]) -> None:
        def serializer(values: list[SidedValue]) -> bytes:
            return pack_list(
                bytes((is_left,)) + (left if is_left else right).serializer(value)
                for is_left, value in values
            )

        def deserializer(data: bytes) -> list[SidedValue]:
            return [
                (each[0] == 1, (left if each[0] == 1 else right).deserializer(each[1:]))
                for each in unpack_list(data)
            ]

        name = f"UnmatchedValuesSerde({left.name}, {right.name})"
        super().__init__(serializer, deserializer, name=name)


def pack_list(entries: Any) -> bytes:
    """Return entries of bytes as one: Kafka's `ListSerializer` of entries of any size."""
    parts: list[bytes] = []
    for entry in entries:
        parts += (_LENGTH.pack(len(entry)), entry)
    return b"".join((_LIST_HEAD.pack(_VARIABLE_SIZE, len(parts) // 2), *parts))


def append_to_list(data: bytes | None, entry: bytes) -> bytes:
    """Return what `pack_list` makes of the entries of `data` and one more."""
    if data is None:
        return pack_list((entry,))
    _, count = _LIST_HEAD.unpack_from(data)
    head = _LIST_HEAD.pack(_VARIABLE_SIZE, count + 1)
    return b"".join((head, data[_LIST_HEAD.size :], _LENGTH.pack(len(entry)), entry))


def list_length(data: bytes) -> int:
    """Return how many entries `pack_list` made `data` of."""
    count: int = _LIST_HEAD.unpack_from(data)[1]
    return count


def unpack_list(data: bytes) -> list[bytes]:
    """Return the entries that `pack_list` made `data` of."""
    _, count = _LIST_HEAD.unpack_from(data)
    entries, position = [], _LIST_HEAD.size
    for _ in range(count):
        begin = position + _LENGTH.size
        position = begin + _LENGTH.unpack_from(data, position)[0]
        entries.append(data[begin:position])
    return entries
