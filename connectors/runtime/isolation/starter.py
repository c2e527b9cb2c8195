"""The worker's side of the launcher: has processes forked, and learns how they end."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import msgspec

from aliran.connectors.errors import ConnectError
from aliran.connectors.runtime.isolation.launcher import Order, send

START_TIMEOUT_S = 60.0
_MODULE = "aliran.connectors.runtime.isolation.launcher"


class Starter:
    """Starts processes. The launcher is started with the first of them, and again if it dies."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._end: socket.socket | None = None
        self._launcher: subprocess.Popen[bytes] | None = None
        self._forked: Future[int] | None = None
        self._codes: dict[int, Future[int | None]] = {}

    def fork(self, log: Path) -> tuple[int, socket.socket, Future[int | None]]:
        """Start a process.

        Args:
            log: Takes its standard output and error.

        Returns:
            Its number, the socket to it, and what gives its exit code: negative for a signal, None
            where nobody knows.

        Raises:
            ConnectError: It cannot be started.
        """
        with self._lock:
            if self._end is None:
                self._open()
            assert self._end is not None
            here, there = socket.socketpair()
            waiting: Future[int] = Future()
            self._forked = waiting
            try:
                send(self._end, Order("fork", log=str(log.absolute())), there.fileno())
                pid = waiting.result(START_TIMEOUT_S)
            except (OSError, TimeoutError) as error:
                here.close()
                raise ConnectError(
                    f"a process for a connector cannot be started: {error}; the worker's standard "
                    "error may say why"
                ) from error
            finally:
                there.close()
            return pid, here, self._codes[pid]

    def signal(self, pid: int, number: int) -> None:
        """Send a signal to a process, unless it has ended."""
        end = self._end
        try:
            if end is not None:
                send(end, Order(str(int(number)), pid))
        except OSError:
            return  # the launcher has gone, and its children with it

    def _open(self) -> None:
        here, there = socket.socketpair()
        path = os.pathsep.join(one for one in sys.path if one)
        with there:
            self._launcher = subprocess.Popen(
                [sys.executable, "-m", _MODULE, str(there.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[there.fileno()],
                env={**os.environ, "PYTHONPATH": path},
            )
        self._end = here
        threading.Thread(
            target=self._read, args=(here, self._launcher), name="aliran-launcher", daemon=True
        ).start()

    def _read(self, end: socket.socket, launcher: subprocess.Popen[bytes]) -> None:
        rest = b""
        while data := _receive(end):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._take(msgspec.json.decode(line))
        launcher.wait()
        end.close()
        if self._end is end:
            self._end = None
        forked, self._forked = self._forked, None
        if forked is not None and not forked.done():
            forked.set_exception(OSError(f"the launcher ended with {launcher.returncode}"))
        for code in list(self._codes.values()):
            if not code.done():
                code.set_result(None)

    def _take(self, message: dict[str, Any]) -> None:
        if "forked" in message:
            forked, self._forked = self._forked, None
            self._codes[message["forked"]] = Future()
            if forked is not None:
                forked.set_result(message["forked"])
        else:
            self._codes.pop(message["ended"]).set_result(message["code"])

    def close(self) -> None:
        """End the launcher, and with it all that it has started."""
        with self._lock:
            end, launcher = self._end, self._launcher
        if end is not None and launcher is not None:
            with contextlib.suppress(OSError):  # it has gone already
                end.shutdown(socket.SHUT_RDWR)
            launcher.wait()


def _receive(end: socket.socket) -> bytes:
    try:
        return end.recv(65536)
    except OSError:
        return b""
