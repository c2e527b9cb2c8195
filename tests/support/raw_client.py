"""A Kafka client with nothing hidden: one socket, one request at a time, any version."""

from __future__ import annotations

import itertools
import socket
import struct
from types import TracebackType
from typing import Any, Self

from aliran.protocol.codec import decode_response, encode_request
from aliran.protocol.message import Message


class RawClient:
    """Sends request bodies and returns response bodies; also sends bytes that are neither."""

    def __init__(self, address: str, *, timeout: float = 10.0) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ids = itertools.count(1)
        self._pending: dict[int, tuple[int, int]] = {}

    def send(self, body: Message, version: int, *, client_id: str = "raw") -> int:
        """Send a request; return its correlation id."""
        correlation_id = next(self._ids)
        frame = b"".join(encode_request(version, correlation_id, client_id, body))
        self.socket.sendall(struct.pack(">i", len(frame)) + frame)
        self._pending[correlation_id] = (body.API_KEY, version)
        return correlation_id

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def receive(self) -> tuple[int, Any]:
        """Return correlation id and body of the next response."""
        frame = self.receive_frame()
        correlation_id = struct.unpack_from(">i", frame)[0]
        api_key, version = self._pending.pop(correlation_id)
        return decode_response(api_key, version, frame)

    def receive_frame(self) -> bytes:
        """Return the next frame; raises EOFError when the broker closed the connection."""
        (length,) = struct.unpack(">i", self._read(4))
        return self._read(length)

    def call(self, body: Message, version: int) -> Any:
        """Send a request and return the body of its response."""
        correlation_id = self.send(body, version)
        received, response = self.receive()
        assert received == correlation_id
        return response

    def is_closed_by_broker(self) -> bool:
        """Wait for the broker to close the connection; False if it sends something instead."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def _read(self, size: int) -> bytes:
        chunks = bytearray()
        while len(chunks) < size:
            chunk = self.socket.recv(size - len(chunks))
            if not chunk:
                raise EOFError("the broker closed the connection")
            chunks += chunk
        return bytes(chunks)

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
