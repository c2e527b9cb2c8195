"""Cuts the bytes of a connection into requests; knows nothing of sockets."""

from __future__ import annotations

import struct

from aliran.broker.errors import BrokerError

_LENGTH = struct.Struct(">i")

_FOREIGN_PROTOCOLS = (
    (b"\x16\x03", "this looks like TLS: the client's security.protocol must be PLAINTEXT here"),
    (b"GET ", "this looks like HTTP: a browser or a health check, not a Kafka client"),
    (b"HEAD", "this looks like HTTP: a health check, not a Kafka client"),
    (b"POST", "this looks like HTTP, not a Kafka client"),
    (b"PUT ", "this looks like HTTP, not a Kafka client"),
    (b"PRI ", "this looks like HTTP/2, not a Kafka client"),
    (b"SSH-", "this looks like SSH, not a Kafka client"),
)


class FrameError(BrokerError):
    """The bytes are not Kafka requests, or a request is too large; the connection must end."""


class FrameBuffer:
    """Collects bytes and hands out whole requests, each without its 4 bytes of length.

    Holds at most one request that is not complete, and never more than what was received: an
    announced length alone costs no memory. A request that arrives in one piece is not copied.
    """

    __slots__ = ("_max_bytes", "_needed", "_partial")

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._partial = bytearray()
        self._needed = 4

    @property
    def partial_bytes(self) -> int:
        """Bytes held of a request that is not complete yet."""
        return len(self._partial)

    def feed(self, data: bytes) -> list[memoryview]:
        """Take the next bytes from the wire; return the requests they complete.

        Raises:
            FrameError: A length is negative or above the limit; the message guesses what the
                other side speaks.
        """
        if self._partial:
            self._partial += data
            if len(self._partial) < self._needed:
                return []
            view = memoryview(self._partial)
            self._partial = bytearray()
        else:
            view = memoryview(data)
        frames: list[memoryview] = []
        position, end = 0, len(view)
        self._needed = 4
        while end - position >= 4:
            size = 4 + self._length_at(view, position)
            if end - position < size:
                self._needed = size
                break
            frames.append(view[position + 4 : position + size])
            position += size
        if position < end:
            self._partial += view[position:]
        return frames

    def _length_at(self, view: memoryview, position: int) -> int:
        length: int = _LENGTH.unpack_from(view, position)[0]
        if 0 <= length <= self._max_bytes:
            return length
        start = bytes(view[position : position + 16])
        for prefix, guess in _FOREIGN_PROTOCOLS:
            if start.startswith(prefix):
                raise FrameError(f"not a Kafka request: {guess}")
        if length < 0:
            raise FrameError(f"not a Kafka request: its length is {length} (bytes {start!r})")
        raise FrameError(
            f"a request of {length} bytes is above socket.request.max.bytes={self._max_bytes}"
        )
