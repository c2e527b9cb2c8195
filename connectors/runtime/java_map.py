"""A Java `HashMap<byte[], byte[]>` as `ObjectOutputStream` writes it, and back.

It is the format of Kafka's `FileOffsetBackingStore`, so that a standalone worker of the JVM and
ours can take over each other's offsets.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from aliran.core.errors import AliranError

_HEADER = b"\xac\xed\x00\x05"  # the stream's magic number and version
_HASH_MAP = (
    b"sr\x00\x11java.util.HashMap\x05\x07\xda\xc1\xc3\x16\x60\xd1\x03"
    b"\x00\x02F\x00\x0aloadFactorI\x00\x09thresholdxp"
)
_BYTES = b"r\x00\x02[B\xac\xf3\x17\xf8\x06\x08\x54\xe0\x02\x00\x00xp"
_SAME = b"q\x00\x7e"  # a reference to a class that came before
_NULL, _ARRAY, _BLOCK_OF_8, _END = b"p", b"u", b"w\x08", b"x"
_BYTES_HANDLE = b"\x00\x02"  # the class HashMap is 0, the map itself 1, the class byte[] 2


class FormatError(AliranError):
    """Bytes are no map of bytes."""


def dump(rows: Mapping[bytes, bytes]) -> bytes:
    """Return the bytes of a map."""
    capacity = 16
    while capacity * 3 // 4 < len(rows):
        capacity *= 2
    parts = [_HEADER, _HASH_MAP, struct.pack(">fi", 0.75, capacity * 3 // 4)]
    parts += [_BLOCK_OF_8, struct.pack(">ii", capacity, len(rows))]
    described = False
    for row in rows.items():
        for piece in row:
            name = _SAME + _BYTES_HANDLE if described else _BYTES
            parts += [_ARRAY, name, struct.pack(">i", len(piece)), piece]
            described = True
    parts.append(_END)
    return b"".join(parts)


def load(data: bytes) -> dict[bytes, bytes | None]:
    """Return a map.

    Raises:
        FormatError: It is something else, or cut off.
    """
    reader = _Reader(data)
    reader.expect(_HEADER, _HASH_MAP)
    reader.take(8)  # load factor and threshold: Java looks at the first one only
    reader.expect(_BLOCK_OF_8)
    _, size = struct.unpack(">ii", reader.take(8))
    rows: dict[bytes, bytes | None] = {}
    for _ in range(size):
        key = reader.array()
        value = reader.array()
        if key is not None:
            rows[key] = value
    reader.expect(_END)
    return rows


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._described = False

    def take(self, count: int) -> bytes:
        piece = self._data[self._at : self._at + count]
        if count < 0 or len(piece) < count:
            raise FormatError("it ends too early to be a serialised java.util.HashMap")
        self._at += count
        return piece

    def expect(self, *wanted: bytes) -> None:
        for piece in wanted:
            if self.take(len(piece)) != piece:
                raise FormatError("it is not a java.util.HashMap of byte arrays")

    def array(self) -> bytes | None:
        kind = self.take(1)
        if kind == _NULL:
            return None
        if kind != _ARRAY:
            raise FormatError("it is not a java.util.HashMap of byte arrays")
        if self._described:
            self.expect(_SAME)
            self.take(2)
        else:
            self.expect(_BYTES)
            self._described = True
        (length,) = struct.unpack(">i", self.take(4))
        return self.take(length)
