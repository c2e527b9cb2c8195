"""A foreign server (PostgreSQL, Redis, …) as a process of its own, for tests.

Tests that need one that is not installed skip: `binary("redis-server")`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from broker_process import safe_port

_PLACES = (
    "/usr/sbin",
    "/usr/local/sbin",
    "/usr/lib/postgresql/15/bin",
    "/usr/lib/postgresql/17/bin",
)


def binary(*names: str) -> str:
    """Return the path of the first of these programs that is installed; else skip the test."""
    path = os.pathsep.join([*_PLACES, os.environ.get("PATH", "")])
    for name in names:
        if found := shutil.which(name, path=path):
            return found
    pytest.skip(f"needs {names[0]}: .ci/run installs it where CI runs")


def account(name: str) -> tuple[int, int] | None:
    """Return user and group to run a server as that does not run as root; None if we are not."""
    if os.getuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        pytest.skip(f"needs the user {name}, who comes with the server's package")
    return entry.pw_uid, entry.pw_gid


def run(command: Sequence[str], user: tuple[int, int] | None = None) -> str:
    """Run a program to its end as some user; return what it printed."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        user=None if user is None else user[0],
        group=None if user is None else user[1],
        extra_groups=None if user is None else [],
        cwd="/",
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


class ServerProcess:
    """A server on 127.0.0.1 that can be stopped, killed and started again on the same port.

    Args:
        command: The program and its arguments; `{port}` stands for the port.
        log: Where its output goes.
        user: Who it runs as, as `account` gives it.
        environment: Variables beside those of this process.
        ready: Whether it can be used; else it is asked whether the port takes connections.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        user: tuple[int, int] | None = None,
        environment: Mapping[str, str] | None = None,
        ready: Callable[[], bool] | None = None,
    ) -> None:
        self.port = safe_port()
        self.log = log
        self._command = [one.replace("{port}", str(self.port)) for one in command]
        self._user = user
        self._environment = {**os.environ, **(environment or {})}
        self._ready = ready or self._listens
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start; returns once it can be used."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                env=self._environment,
                user=None if self._user is None else self._user[0],
                group=None if self._user is None else self._user[1],
                extra_groups=None if self._user is None else [],
                cwd="/",
            )
        deadline = time.monotonic() + 60
        while not self._ready():
            ended = self._process.poll()
            late = time.monotonic() > deadline
            assert ended is None, self.log.read_text(errors="replace")[-4000:]
            assert not late, self.log.read_text(errors="replace")[-4000:]
            time.sleep(0.05)
        return self

    def _listens(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def set(self, name: str, value: str) -> None:
        """Set a variable of its environment, before it starts."""
        self._environment[name] = value

    def stop(self) -> None:
        """End it with SIGTERM, after half a minute with SIGKILL."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Stop it where it is: connections stay, nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Undo `pause`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
