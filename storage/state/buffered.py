"""What a buffered record is in bytes: its context and its values. Kafka: `BufferValue`."""

from __future__ import annotations

import struct
from struct import Struct
from typing import NamedTuple

from aliran.core.errors import AliranError
from aliran.core.types import Headers

_LONG = Struct(">q")
_INT = Struct(">i")
_NULL = -1
_SAME_AS_PRIOR = -2


class RecordContext(NamedTuple):
    """Where a record comes from. Kafka: `ProcessorRecordContext`.

    Attributes:
        timestamp: Its time in ms.
        offset: Its offset in the topic, -1 where it has none.
        topic: The topic it was read from.
        partition: The partition, -1 where it has none.
        headers: Its headers.
        raw: Its key and value as read, for dead letters. As on the JVM they are kept in memory
            only: not in the changelog, nor after a restart.
    """

    timestamp: int
    offset: int
    topic: str
    partition: int
    headers: Headers = ()
    raw: tuple[bytes | None, bytes | None] = (None, None)

    def size(self) -> int:
        """Return the bytes that Kafka counts for it, by its limits of buffers."""
        headers = sum(len(name) + len(value or b"") for name, value in self.headers)
        return 20 + len(self.topic) + headers

    def to_bytes(self) -> bytes:
        """Return Kafka's bytes of it."""
        topic = self.topic.encode()
        parts = [_LONG.pack(self.timestamp), _LONG.pack(self.offset), _sized(topic)]
        parts += [_INT.pack(self.partition), _INT.pack(len(self.headers))]
        for name, value in self.headers:
            parts += [_sized(name.encode()), _sized(value)]
        return b"".join(parts)


class BufferedValue(NamedTuple):
    """What a buffer holds for a key.

    Attributes:
        prior: The value before the first update that was buffered; None for none.
        old: The value before the last update.
        new: The value of the last update.
        context: Where the last update comes from.
    """

    prior: bytes | None
    old: bytes | None
    new: bytes | None
    context: RecordContext

    def size(self) -> int:
        """Return the bytes that Kafka counts for it."""
        old = b"" if self.old is None or self.old == self.prior else self.old
        return len(self.prior or b"") + len(old) + len(self.new or b"") + self.context.size()

    def to_bytes(self) -> bytes:
        """Return Kafka's bytes of it; in a changelog 8 bytes of buffer time follow."""
        if self.old is not None and self.old == self.prior:
            old = _INT.pack(_SAME_AS_PRIOR)
        else:
            old = _sized(self.old)
        return b"".join((self.context.to_bytes(), _sized(self.prior), old, _sized(self.new)))


def read_buffered(data: bytes) -> tuple[BufferedValue, int]:
    """Return what `BufferedValue.to_bytes` wrote, and where it ends.

    Raises:
        AliranError: These are other bytes.
    """
    try:
        return _Reader(data).buffered()
    except (ValueError, struct.error) as error:
        raise AliranError(
            f"{data[:60]!r} is no value of a buffer's changelog (suppress, or a join with grace): "
            f"{error}. Was the topic written by a store of another kind, or by Kafka Streams "
            "before 2.4? Give the operator another name, or delete the topic"
        ) from error


class _Reader:
    """Takes one part after the other from bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def buffered(self) -> tuple[BufferedValue, int]:
        timestamp, offset = self._long(), self._long()
        topic = self._required()
        partition, count = self._int(), self._int()
        headers = [(self._required().decode(), self._sized()) for _ in range(max(count, 0))]
        context = RecordContext(timestamp, offset, topic.decode(), partition, tuple(headers))
        prior = self._sized()
        size = self._int()
        old = prior if size == _SAME_AS_PRIOR else self._bytes(size)
        return BufferedValue(prior, old, self._sized(), context), self._position

    def _required(self) -> bytes:
        data = self._sized()
        if data is None:
            raise ValueError("a name is missing")
        return data

    def _sized(self) -> bytes | None:
        return self._bytes(self._int())

    def _bytes(self, size: int) -> bytes | None:
        if size == _NULL:
            return None
        end = self._position + size
        if size < 0 or end > len(self._data):
            raise ValueError(f"a value of {size} bytes does not fit")
        data = self._data[self._position : end]
        self._position = end
        return data

    def _int(self) -> int:
        value: int = _INT.unpack_from(self._data, self._position)[0]
        self._position += 4
        return value

    def _long(self) -> int:
        value: int = _LONG.unpack_from(self._data, self._position)[0]
        self._position += 8
        return value


def _sized(data: bytes | None) -> bytes:
    return _INT.pack(_NULL) if data is None else _INT.pack(len(data)) + data
