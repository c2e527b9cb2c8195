"""`aliran broker` as a process of its own, which tests start, kill and start again."""

from __future__ import annotations

import random
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from broker_requests import create_topic
from raw_client import RawClient

PROGRAM = "import sys; from aliran.cli.main import main; sys.exit(main())"
SAFE_PORTS = range(20_000, 32_000)
"""Below those that systems hand out to outgoing connections."""
FAST_GROUPS = {"group.min.session.timeout.ms": "500"}


def safe_port() -> int:
    """Return a free port that nobody gets by chance while its server is down.

    Even a client that tries to connect may be given a port of the usual range as its own, and if
    that is the one it looks for, it is connected to itself and the server cannot come back.
    """
    while True:
        port = random.choice(SAFE_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class BrokerProcess:
    """A server on 127.0.0.1; keeps its port over restarts.

    Args:
        data: Its data directory, kept when the process ends.
        config: Settings by Kafka's names, beside short sessions for group members.
        port: Where to listen; 0 takes a free port. Give one of `safe_port` to a server that is to
            start again.
    """

    def __init__(self, data: Path, config: dict[str, str] | None = None, port: int = 0) -> None:
        self.data = data
        self.address = f"127.0.0.1:{port}"
        self._config = {**FAST_GROUPS, **(config or {})}
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> Self:
        """Start; returns once clients can connect."""
        words = ["broker", "--listen", self.address, "--data", str(self.data)]
        for name, value in self._config.items():
            words += ["--config", f"{name}={value}"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("aliran broker ready: "), self._process.communicate()
        self.address = line.split()[3]
        return self

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._end(signal.SIGKILL)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal: SIGSTOP makes it silent, SIGCONT lets it go on."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> None:
        """End it with SIGTERM; it must end well and have had no bug to report."""
        _, errors, status = self._end(signal.SIGTERM)
        assert status == 0, errors
        assert "Traceback" not in errors, errors

    def _end(self, number: signal.Signals) -> tuple[str, str, int]:
        process, self._process = self._process, None
        assert process is not None
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
        return output, errors, process.returncode

    def create_topic(self, name: str, partitions: int = 1, **configs: Any) -> str:
        """Create a topic (`segment_bytes="1000"` sets segment.bytes); return its name."""
        with RawClient(self.address) as client:
            result: Any = create_topic(client, name, partitions, **configs)
        assert result.error_code == 0, result.error_message
        return name

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None and kind is None:
            self.stop()
        elif self._process is not None:
            self.kill()
