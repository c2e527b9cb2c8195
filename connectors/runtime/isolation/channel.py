"""Calls between a worker and the process of a connector, both ways over one socket."""

from __future__ import annotations

import itertools
import logging
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

import msgspec

from aliran.connectors.errors import ConfigError, ConnectError, RetriableError
from aliran.connectors.runtime.status import trace_of

logger: logging.Logger = logging.getLogger("aliran.connectors")

CALL_TIMEOUT_S = 90.0
_LENGTH = struct.Struct(">I")
_KINDS: dict[str, type[ConnectError]] = {
    "config": ConfigError, "retriable": RetriableError, "": ConnectError,
}  # fmt: skip


class GoneError(ConnectError):
    """The other side has ended."""


class SilentError(ConnectError):
    """The other side does not answer in time."""


class Problem(msgspec.Struct, array_like=True):
    """An error as it crosses to the other side.

    Attributes:
        kind: What it is: config, retriable or neither.
        message: Its text.
        trace: Where it was raised.
    """

    kind: str
    message: str
    trace: str

    @classmethod
    def of(cls, error: BaseException) -> Problem:
        """Return an error, described."""
        kind = "config" if isinstance(error, ConfigError) else ""
        if getattr(error, "retriable", False) is True:
            kind = "retriable"
        text = str(error) if isinstance(error, ConnectError) else f"{type(error).__name__}: {error}"
        return cls(kind, text, trace_of(error))

    def error(self) -> ConnectError:
        """Return an error like it."""
        error = _KINDS[self.kind](self.message)
        error.add_note(f"In the process of the connector:\n{self.trace}")
        return error


class _Frame(msgspec.Struct, array_like=True):
    """A call (with a method), or the answer to one; number 0 wants no answer."""

    number: int
    method: str = ""
    values: list[Any] = []
    problem: Problem | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Frame).decode

Handler = Callable[..., Any]


class Channel:
    """One end of the socket.

    Args:
        end: The socket; closed at the end of `serve`.
        quick: What is done at once, in the order in which it comes, by method.
        slow: What may take its time, by method: `run` is given it.
        run: Has something done on another thread.
    """

    def __init__(
        self,
        end: socket.socket,
        quick: Mapping[str, Handler],
        slow: Mapping[str, Handler],
        run: Callable[[Callable[[], None]], Any],
    ) -> None:
        self._socket = end
        self._quick = quick
        self._slow = slow
        self._run = run
        self._sending = threading.Lock()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[Any]] = {}
        self._closed = False

    def tell(self, method: str, *values: Any) -> None:
        """Call without an answer; nothing happens where the other side has gone."""
        self._send(_Frame(0, method, list(values)))

    def call(self, method: str, *values: Any, timeout_s: float = CALL_TIMEOUT_S) -> Any:
        """Call and return the answer.

        Raises:
            GoneError: The other side has ended.
            SilentError: It does not answer.
            ConnectError: It says so.
        """
        number = next(self._numbers)
        waiting = self._waiting[number] = Future()
        try:
            if self._closed or not self._send(_Frame(number, method, list(values))):
                raise GoneError("the process of the connector has ended")
            return waiting.result(timeout_s)
        except FutureTimeoutError:
            raise SilentError(
                f"the process of the connector did not answer ({method}) within {timeout_s:.0f} s"
            ) from None
        finally:
            self._waiting.pop(number, None)

    def _send(self, frame: _Frame) -> bool:
        data = _encode(frame)
        try:
            with self._sending:
                self._socket.sendall(_LENGTH.pack(len(data)) + data)
        except OSError:
            return False
        return True

    def serve(self) -> None:
        """Do what the other side calls for, until it goes or `close`."""
        try:
            while (data := self._read(_LENGTH.size)) and (
                body := self._read(_LENGTH.unpack(data)[0])
            ):
                self._take(_decode(body))
        finally:
            self._closed = True
            for waiting in list(self._waiting.values()):
                if not waiting.done():
                    waiting.set_exception(GoneError("the process of the connector has ended"))
            self._socket.close()

    def close(self) -> None:
        """Have both sides end."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it has gone already

    def _read(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            try:
                part = self._socket.recv(size - len(parts))
            except OSError:
                part = b""
            if not part:
                return b""
            parts += part
        return bytes(parts)

    def _take(self, frame: _Frame) -> None:
        if not frame.method:
            waiting = self._waiting.get(frame.number)
            if waiting is not None and not waiting.done():
                if frame.problem is None:
                    waiting.set_result(frame.values[0])
                else:
                    waiting.set_exception(frame.problem.error())
            return
        quick = self._quick.get(frame.method)
        if quick is not None:
            self._do(quick, frame)
        else:
            self._run(lambda: self._do(self._slow[frame.method], frame))

    def _do(self, handler: Handler, frame: _Frame) -> None:
        try:
            answer = _Frame(frame.number, values=[handler(*frame.values)])
        except BaseException as error:
            answer = _Frame(frame.number, problem=Problem.of(error))
            if not frame.number:
                logger.exception("%s failed", frame.method)
        if frame.number:
            self._send(answer)
