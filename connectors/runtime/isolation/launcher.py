"""A small process that forks the processes of connectors, and says how they end.

It has imported what they need and runs no threads, so a fork takes milliseconds, is safe, and
shares memory. The worker itself must not fork: it has threads. Run as
`python -m aliran.connectors.runtime.isolation.launcher FD`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

import msgspec

from aliran.core.garbage import TunedCollector

PR_SET_PDEATHSIG = 1


class Order(msgspec.Struct, array_like=True):
    """What the worker asks for.

    Attributes:
        what: "fork" (a socket comes with it), or the number of a signal.
        pid: For a signal: to whom.
        log: For a fork: the file that takes standard output and error.
    """

    what: str
    pid: int = 0
    log: str = ""


def send(end: socket.socket, message: Any, *fds: int) -> None:
    """Send one message, on a line of its own."""
    socket.send_fds(end, [msgspec.json.encode(message) + b"\n"], fds)


def die_with_parent(parent: int) -> None:
    """Have this process killed when the thread that forked it ends (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def main(end: socket.socket) -> None:
    """Fork until the worker goes."""
    from aliran.connectors.runtime.isolation import child
    from aliran.connectors.runtime.plugins import import_built_in

    import_built_in()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the worker is asked, and ends what it started
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    with TunedCollector():  # what is there stays there, and stays shared
        _serve(end, woken, child.main)


def _serve(end: socket.socket, woken: int, run: Callable[[socket.socket, str], None]) -> None:
    running: set[int] = set()
    while True:
        ready, _, _ = select.select([end.fileno(), woken], [], [])
        if woken in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 4096)
        _reap(end, running)
        if end.fileno() not in ready:
            continue
        data, fds, _, _ = socket.recv_fds(end, 65536, 1)
        if not data:
            return  # the worker has gone, and with this process those that it forked
        for line in data.splitlines():
            order = msgspec.json.decode(line, type=Order)
            if order.what != "fork":
                if order.pid in running:
                    os.kill(order.pid, int(order.what))
                continue
            mine = os.getpid()
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                end.close()
                die_with_parent(mine)
                run(socket.socket(fileno=fds[0]), order.log)
            os.close(fds[0])
            running.add(pid)
            send(end, {"forked": pid})


def _reap(end: socket.socket, running: set[int]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        running.discard(pid)
        send(end, {"ended": pid, "code": os.waitstatus_to_exitcode(status)})


if __name__ == "__main__":
    # No PR_SET_PDEATHSIG here: it would act when the worker's thread ends that started this.
    main(socket.socket(fileno=int(sys.argv[1])))
    os._exit(0)
