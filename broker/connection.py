"""One client's connection: requests in, answers out, strictly in order.

A connection works on one request at a time, as Kafka does: the next one starts when the answer to
the one before has been handed to the socket. What arrives meanwhile waits in a bounded queue; when
that is full, or the client does not read its answers, we stop reading from the socket.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections import deque
from collections.abc import Awaitable, Coroutine
from typing import TYPE_CHECKING, Any, cast

from aliran.broker.dispatch import RequestContext, handlers
from aliran.broker.errors import DisconnectError
from aliran.broker.frames import FrameBuffer, FrameError
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.codec import (
    RequestHeader,
    decode_request,
    encode_response,
)
from aliran.protocol.errors import ProtocolError, UnsupportedVersionError

if TYPE_CHECKING:
    from aliran.broker.server import BrokerServer

logger: logging.Logger = logging.getLogger("aliran.broker")

WRITE_HIGH_BYTES = 4 * 1024 * 1024
QUEUED_HIGH_BYTES = 16 * 1024 * 1024
MAX_BYTES_WITHOUT_RECORDS = 8 * 1024 * 1024
"""Largest request that is not a Produce request. What such a request asks for takes a hundred times
its own size in memory, and time on the loop; one about 100,000 partitions has 3 MB."""

_LENGTH = struct.Struct(">i")
_PRODUCE = ApiKey.PRODUCE.to_bytes(2, "big")


class Connection(asyncio.Protocol):
    """The protocol object of one socket; lives on the event loop."""

    def __init__(self, server: BrokerServer) -> None:
        self._server = server
        self._broker = server.broker
        self._frames = FrameBuffer(server.broker.config.socket_request_max_bytes)
        self._queue: deque[memoryview] = deque()
        self._queued_bytes = 0
        self._queue_limit = server.broker.config.queued_max_requests
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._reading_paused = False
        self._writing_paused = False
        self._closing = False
        self.last_active: float = 0.0
        self.peer: str = "?"
        self._peer_host = ""
        self._listener = ("127.0.0.1", 0)

    # -- what the event loop calls -------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over a new socket, or turn it away when there are too many."""
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername") or ("?", 0)
        self.peer, self._peer_host = f"{peer[0]}:{peer[1]}", str(peer[0])
        local = transport.get_extra_info("sockname") or ("127.0.0.1", 0)
        self._listener = self._server.advertised or (str(local[0]), int(local[1]))
        self.last_active = self._server.loop.time()
        self._transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
        if not self._server.admit(self):
            self.abort("")

    def data_received(self, data: bytes) -> None:
        """Cut the bytes into requests and work on them."""
        self.last_active = self._server.loop.time()
        if self._closing:
            return
        try:
            frames = self._frames.feed(data)
        except FrameError as error:
            self.abort(str(error))
            return
        for frame in frames:
            self._queue.append(frame)
            self._queued_bytes += len(frame)
        self._work()

    def pause_writing(self) -> None:
        """The client reads slowly: start no more requests until it has caught up."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._writing_paused = False
        self._work()

    def connection_lost(self, error: Exception | None) -> None:
        """Forget everything that waited for this client."""
        del error
        self._closing = True
        self._queue.clear()
        if self._task is not None:
            self._task.cancel()
        self._server.forget(self)

    # -- what the server calls -----------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether a request is being worked on."""
        return self._task is not None

    @property
    def unwritten_bytes(self) -> int:
        """Bytes of answers the socket has not taken yet."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def stop_working(self) -> None:
        """Start no more requests; the one in work is still answered."""
        self._closing = True
        self._queue.clear()

    def close(self) -> None:
        """Close once everything written has left."""
        self._closing = True
        if self._transport is not None:
            self._transport.close()

    def abort(self, reason: str) -> None:
        """Close at once; a reason is logged."""
        if reason:
            logger.warning("closing connection from %s: %s", self.peer, reason)
        self._closing = True
        self._queue.clear()
        if self._transport is not None:
            self._transport.abort()

    # -- requests ------------------------------------------------------------------------------

    def _work(self) -> None:
        while self._queue and self._task is None and not (self._writing_paused or self._closing):
            frame = self._queue.popleft()
            self._queued_bytes -= len(frame)
            self._handle(frame)
        self._pace_reading()

    def _pace_reading(self) -> None:
        if self._transport is None or self._closing:
            return
        full = (
            self._writing_paused
            or len(self._queue) >= self._queue_limit
            or self._queued_bytes >= QUEUED_HIGH_BYTES
        )
        if full and not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()
        elif not full and self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()

    def _handle(self, frame: memoryview) -> None:
        if len(frame) > MAX_BYTES_WITHOUT_RECORDS and frame[:2] != _PRODUCE:
            self.abort(
                f"a request of {len(frame)} bytes that brings no records; at most "
                f"{MAX_BYTES_WITHOUT_RECORDS} are taken"
            )
            return
        try:
            header, body = decode_request(frame)
        except UnsupportedVersionError as error:
            self._refuse_version(error.api_key, error.version, error.correlation_id)
            return
        except ProtocolError as error:
            self.abort(str(error))
            return
        entry = handlers().get(header.api_key)
        if entry is None or not entry.accept_min_version <= header.api_version <= entry.max_version:
            self._refuse_version(header.api_key, header.api_version, header.correlation_id)
            return
        context = RequestContext(
            self._broker,
            entry.api_key,
            header.api_version,
            header.correlation_id,
            header.client_id,
            self._peer_host,
            self._listener[0],
            self._listener[1],
        )
        try:
            answer = entry.function(context, body)
        except DisconnectError as error:
            logger.info("closing connection from %s: %s", self.peer, error)
            self.close()
            return
        except Exception as error:
            self._fail(header, error)
            return
        if isinstance(answer, Awaitable):
            self._task = self._server.loop.create_task(self._answer_later(header, answer))
            if isinstance(answer, Coroutine):  # the client may be gone before it has begun
                self._task.add_done_callback(lambda _: answer.close())
        elif answer is not None:
            self._respond(header.api_key, header.api_version, header.correlation_id, answer)

    async def _answer_later(self, header: RequestHeader, answer: Awaitable[Any]) -> None:
        try:
            body = await answer
            if body is not None:
                self._respond(header.api_key, header.api_version, header.correlation_id, body)
        except Exception as error:
            self._fail(header, error)
        finally:
            self._task = None
        self._work()

    def _respond(self, api_key: int, api_version: int, correlation_id: int, body: Any) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        chunks = encode_response((api_key, api_version, correlation_id), body)
        length = sum(map(len, chunks))
        if length < 16_384:
            self._transport.write(b"".join((_LENGTH.pack(length), *chunks)))
        else:
            self._transport.writelines([_LENGTH.pack(length), *chunks])

    def _refuse_version(self, api_key: int, api_version: int, correlation_id: int) -> None:
        if api_key == ApiKey.API_VERSIONS:
            # the one request whose unknown versions are answered: clients try again from it
            from aliran.broker.handlers.api_versions import unsupported_version_response

            self._respond(api_key, 0, correlation_id, unsupported_version_response())
            return
        name = ApiKey(api_key).name if api_key in list(ApiKey) else f"number {api_key}"
        self.abort(f"request {name} version {api_version} is not supported; see ApiVersions")

    def _fail(self, header: RequestHeader, error: Exception) -> None:
        logger.error(
            "bug: %s version %d from %s (%s) failed; closing its connection",
            ApiKey(header.api_key).name,
            header.api_version,
            self.peer,
            header.client_id,
            exc_info=error,
        )
        self.abort("")
