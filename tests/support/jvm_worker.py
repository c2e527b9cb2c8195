"""Kafka's own Connect worker as a process: what ours is compared with.

Needs Java and Maven. Any Kafka broker will do for it, ours too.
"""

from __future__ import annotations

import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from broker_process import safe_port
from jvm_programs import QUICK, class_path_of

_POM = Path(__file__).parents[1] / "compat" / "jvm" / "worker" / "pom.xml"
CLASS_PATH_PROBLEMS = (RuntimeError, subprocess.TimeoutExpired)
"""What `start` raises where Maven cannot bring the jars."""

_CLI = "org.apache.kafka.connect.cli."


class JvmWorker:
    """A worker of Kafka Connect on the JVM.

    Args:
        folder: For its files and log.
        bootstrap_servers: The broker.
        options: Its configuration beside converters (JSON) and places of files.
        distributed: Whether it is a distributed worker; else a standalone one.
    """

    def __init__(
        self,
        folder: Path,
        bootstrap_servers: str,
        options: Mapping[str, str] | None = None,
        *,
        distributed: bool = False,
    ) -> None:
        self.url = f"http://127.0.0.1:{safe_port()}"
        self.log = folder / "jvm-worker.log"
        settings = {
            "bootstrap.servers": bootstrap_servers,
            "listeners": self.url,
            "key.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "plugin.discovery": "service_load",
            "offset.flush.interval.ms": "200",
        }
        if distributed:
            settings |= {
                "group.id": "jvm-connect",
                "config.storage.topic": "connect-configs",
                "offset.storage.topic": "connect-offsets",
                "status.storage.topic": "connect-status",
                "config.storage.replication.factor": "1",
                "offset.storage.replication.factor": "1",
                "status.storage.replication.factor": "1",
                "rest.advertised.host.name": "127.0.0.1",
            }
        else:
            settings["offset.storage.file.filename"] = str(folder / "jvm-offsets")
        settings |= options or {}
        self._properties = folder / "jvm-worker.properties"
        self._properties.write_text("".join(f"{k}={v}\n" for k, v in settings.items()))
        self._program = _CLI + ("ConnectDistributed" if distributed else "ConnectStandalone")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it; returns once REST answers."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [
                    "java", *QUICK, "-cp", class_path_of(_POM), self._program,
                    str(self._properties),
                ],
                stdout=output, stderr=output, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        deadline = time.monotonic() + 90
        while not self._healthy():
            assert self._process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.2)
        return self

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def stop(self) -> None:
        """End it with SIGTERM."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
