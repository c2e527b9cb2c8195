"""`aliran connect run` as a process of its own, which tests kill and start again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PROGRAM = "import sys; from aliran.cli.main import main; sys.exit(main())"


class ConnectProcess:
    """A standalone worker with connectors from files; offsets and port survive its end.

    Args:
        folder: For its files.
        bootstrap_servers: The broker, which runs elsewhere and goes on.
        connectors: Configurations by name.
        options: Settings of the worker.
    """

    def __init__(
        self,
        folder: Path,
        bootstrap_servers: str,
        connectors: Mapping[str, Mapping[str, Any]],
        options: Mapping[str, str] | None = None,
    ) -> None:
        settings = {
            "bootstrap.servers": bootstrap_servers,
            "listeners": "http://127.0.0.1:0",
            "offset.storage.file.filename": str(folder / "offsets"),
            "offset.flush.interval.ms": "100",
            "aliran.data.dir": str(folder),
            **(options or {}),
        }
        worker = folder / "worker.properties"
        worker.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        self._command = [sys.executable, "-c", PROGRAM, "connect", "run", str(worker)]
        for name, config in connectors.items():
            path = folder / f"{name}.json"
            texts = {option: str(value) for option, value in config.items()}
            path.write_text(json.dumps({"name": name, "config": texts}))
            self._command.append(str(path))
        self._log = folder / "worker.log"
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> Self:
        """Start; returns once REST answers and the connectors are started."""
        with self._log.open("a") as errors:
            self._process = subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("aliran connect ready: "), self.log_text()
        self.url = line.split()[3]
        return self

    @property
    def pid(self) -> int | None:
        """Its number, None while it does not run."""
        return None if self._process is None else self._process.pid

    def log_text(self) -> str:
        """Return what it has logged."""
        return self._log.read_text(errors="replace")

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it with SIGTERM; it must end well."""
        assert self._end(signal.SIGTERM) == 0, self.log_text()

    def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        assert process is not None
        process.send_signal(number)
        process.communicate(timeout=60)
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
