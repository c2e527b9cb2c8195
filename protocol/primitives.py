"""The few pieces that every compiled encoder and decoder shares: varints, UUIDs, integer arrays.

Positions and sizes are in bytes. The readers raise `IndexError` or `struct.error` where the buffer
ends too early and `ProtocolError` where its content is impossible; compiled code turns all of them
into one `ProtocolError`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TypeAlias
from uuid import UUID, SafeUUID

from aliran.protocol.errors import ProtocolError

Buffer: TypeAlias = bytes | bytearray | memoryview
"""Bytes that are read or sent without being changed."""

ZERO_UUID = UUID(int=0)
"""What Kafka sends where there is no id (`Uuid.ZERO_UUID`)."""

UVARINTS = tuple(bytes((n,)) for n in range(128))
"""The unsigned varints that take one byte."""

_UUID_CACHE_SIZE = 4096
_ARRAY_CACHE_SIZE = 256
_uuids: dict[bytes, UUID] = {bytes(16): ZERO_UUID}
_new = object.__new__
_set = object.__setattr__


def uvarint(value: int) -> bytes:
    """Return `value` as an unsigned varint (seven bits a byte, lowest first).

    >>> uvarint(300).hex()
    'ac02'
    """
    if value < 128:
        return UVARINTS[value]
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_uvarint(buffer: Buffer, position: int) -> tuple[int, int]:
    """Return the unsigned varint at `position` and the position behind it.

    Raises:
        ProtocolError: It does not end within the five bytes that 32 bits need.
    """
    value = shift = 0
    while True:
        byte = buffer[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
        if shift > 28:
            raise ProtocolError(f"the varint before byte {position} is longer than five bytes")


def skip_tags(buffer: Buffer, position: int, end: int) -> int:
    """Return the position behind the tagged section at `position`, reading none of its fields."""
    count, position = read_uvarint(buffer, position)
    for _ in range(count):
        _, position = read_uvarint(buffer, position)
        size, position = read_uvarint(buffer, position)
        position += size
        if position > end:
            raise IndexError("a tagged field reaches beyond the end")
    return position


def uuid_of(data: bytes) -> UUID:
    """Return the UUID of 16 bytes; the same few topic ids come again and again, so they are kept.

    A UUID made the usual way costs 1.2 µs, which is more than the rest of a small struct.
    """
    found = _uuids.get(data)
    if found is None:
        found = _new(UUID)
        _set(found, "int", int.from_bytes(data, "big"))
        _set(found, "is_safe", SafeUUID.unknown)
        if len(_uuids) >= _UUID_CACHE_SIZE:
            _uuids.clear()
            _uuids[bytes(16)] = ZERO_UUID
        _uuids[data] = found
    return found


class IntReaders(dict[int, Callable[[Buffer, int], tuple[int, ...]]]):
    """Readers of integer arrays by length, made on first use: `readers[3](buffer, position)`."""

    def __init__(self, code: str) -> None:
        super().__init__()
        self._code = code

    def __missing__(self, count: int) -> Callable[[Buffer, int], tuple[int, ...]]:
        reader = struct.Struct(f">{count}{self._code}").unpack_from
        if count < _ARRAY_CACHE_SIZE:
            self[count] = reader
        return reader


class IntPackers(dict[int, Callable[..., bytes]]):
    """Packers of integer arrays with their int32 length, by length: `packers[2](2, 7, 8)`."""

    def __init__(self, code: str) -> None:
        super().__init__()
        self._code = code

    def __missing__(self, count: int) -> Callable[..., bytes]:
        packer = self._make(count)
        if count < _ARRAY_CACHE_SIZE:
            self[count] = packer
        return packer

    def _make(self, count: int) -> Callable[..., bytes]:
        return struct.Struct(f">i{count}{self._code}").pack


class CompactIntPackers(IntPackers):
    """The same with a compact length (KIP-482: one more, as varint): `packers[2](3, 7, 8)`."""

    def _make(self, count: int) -> Callable[..., bytes]:
        if count < 127:
            return struct.Struct(f">B{count}{self._code}").pack
        prefix, pack = uvarint(count + 1), struct.Struct(f">{count}{self._code}").pack
        return lambda _length, *values: prefix + pack(*values)


def malformed(message: str, version: int, position: int, error: Exception) -> ProtocolError:
    """Return the error for bytes that could not be read as `message`.

    Args:
        message: Kafka's name of the message.
        version: The version it was read as.
        position: About where reading stopped, counted from the start of the frame.
        error: What went wrong there.
    """
    if isinstance(error, (struct.error, IndexError)):
        reason = "the data ends too early"
    elif isinstance(error, UnicodeDecodeError):
        reason = "a string is not UTF-8"
    else:
        reason = str(error)
    return ProtocolError(
        f"cannot read {message} version {version} near byte {position}: {reason}; "
        "the sender is not speaking Kafka's protocol, or speaks another version of it"
    )
