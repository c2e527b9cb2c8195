"""A Connect worker as a process of its own, which tests kill and start again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from aliran.core.errors import AliranError

_PROGRAM = """
import sys
from pathlib import Path
from aliran.connectors.server_main import run_worker
sys.exit(run_worker(*map(Path, sys.argv[1:2]), list(map(Path, sys.argv[2:]))))
"""


class WorkerProcess:
    """`aliran connect run` in a process of its own; offsets survive its end.

    It imports what this process can: `sys.path` is handed on.

    Args:
        folder: For its files; `worker.log` is its log.
        options: The worker's configuration, by Kafka's names.
        connectors: Files of connectors that it starts with.
    """

    def __init__(
        self, folder: Path, options: Mapping[str, str], connectors: tuple[Path, ...] = ()
    ) -> None:
        worker = folder / "worker.properties"
        worker.write_text("".join(f"{name}={value}\n" for name, value in options.items()))
        self._command = [sys.executable, "-c", _PROGRAM, str(worker), *map(str, connectors)]
        self._log = folder / "worker.log"
        self._process: subprocess.Popen[str] | None = None
        self.url: str = ""

    @property
    def running(self) -> bool:
        """Whether it was started and not stopped; it may have died meanwhile."""
        return self._process is not None

    def start(self) -> Self:
        """Start it; returns once REST answers and the connectors are started.

        Raises:
            AliranError: It ended instead; the message has its log.
        """
        path = os.pathsep.join(one for one in sys.path if one)
        with self._log.open("a") as errors:
            self._process = subprocess.Popen(
                self._command,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, "PYTHONPATH": path},
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("aliran connect ready: "):
            self._end(signal.SIGKILL)
            raise AliranError(f"the worker did not start; its log:\n{self.log_text()}")
        self.url = line.split()[3]
        return self

    def log_text(self) -> str:
        """Return what it has logged so far, over all its lives."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def kill(self) -> None:
        """End it with SIGKILL: nothing is committed, nothing said."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it with SIGTERM.

        Raises:
            AliranError: It did not end well; the message has its log.
        """
        status = self._end(signal.SIGTERM)
        if status != 0:
            raise AliranError(f"the worker ended with {status}; its log:\n{self.log_text()}")

    def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            raise AliranError("the worker is not running: call start()")
        process.send_signal(number)
        try:
            process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        return process.returncode

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self.stop() if kind is None else self.kill()
