"""Updates of a grouped table on their way through a repartition topic.

The bytes are Kafka's (KIP-904), so that applications of both kinds read each other's topics:

| last byte | what stands before it |
|---|---|
| 0 | the old value |
| 1 | the new value |
| 2 | length of the new value as a varint, the new value, the old value |
| 3, 4, 5 | as 0, 1, 2, and a byte: whether this is the latest version (read, never written) |

Kafka: `Change`, `ChangedSerializer`, `ChangedDeserializer`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from aliran.protocol.primitives import read_uvarint, uvarint
from aliran.serdes import Serde, SerializationError

_OLD, _NEW, _BOTH = b"\x00", b"\x01", b"\x02"
_LATEST_FLAGS = (3, 4, 5)


class Change(NamedTuple):
    """What an update takes out of a group and what it puts in; None for nothing."""

    new: Any
    old: Any


class ChangedSerde(Serde[Change]):
    """Reads and writes changes of values that `inner` reads and writes."""

    def __init__(self, inner: Serde[Any]) -> None:
        super().__init__(self._write, self._read, name=f"ChangedSerde({inner.name})")
        self.inner = inner

    def _write(self, change: Change) -> bytes:
        new = self.inner.serialize(change.new)
        old = self.inner.serialize(change.old)
        if new is None:
            if old is None:
                raise SerializationError(f"{self.name}: a change has an old or a new value")
            return old + _OLD
        if old is None:
            return new + _NEW
        return uvarint(2 * len(new)) + new + old + _BOTH  # zigzag: a length is never negative

    def _read(self, data: bytes) -> Change:
        flag, end = data[-1], len(data) - 1
        if flag in _LATEST_FLAGS:
            flag, end = flag - 3, end - 1
        if flag == 0:
            return Change(None, self.inner.deserialize(data[:end]))
        if flag == 1:
            return Change(self.inner.deserialize(data[:end]), None)
        if flag != 2:
            raise SerializationError(f"{self.name}: unknown flag {data[-1]} at the end of a change")
        doubled, start = read_uvarint(data, 0)
        middle = start + doubled // 2
        return Change(
            self.inner.deserialize(data[start:middle]), self.inner.deserialize(data[middle:end])
        )
