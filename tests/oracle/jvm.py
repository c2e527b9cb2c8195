"""Kafka's side: one JVM that answers scenario after scenario."""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.oracle.language import Scenario
from tests.oracle.run import Answer

PROJECT = Path(__file__).parents[1] / "compat" / "jvm" / "oracle"

PATIENCE_S = 60


def build_project() -> None:
    """Compile the Java side where its classes are older than its sources.

    Raises:
        RuntimeError: Maven failed.
    """
    sources = [PROJECT / "pom.xml", *(PROJECT / "src").rglob("*.java")]
    stamp = PROJECT / "target" / "built"
    newest = max(path.stat().st_mtime for path in sources)
    if stamp.exists() and stamp.stat().st_mtime >= newest:
        return
    made = subprocess.run(
        ["mvn", "-q", "package"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    if made.returncode:
        raise RuntimeError(f"mvn package failed in {PROJECT}:\n{made.stdout}{made.stderr}")
    stamp.touch()


class Jvm:
    """A process that reads scenarios and writes answers, each a line of JSON."""

    def __init__(self) -> None:
        build_project()
        memory = Path("/dev/shm")
        self._scratch = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        command = ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        command += ["-cp", "target/classes:target/lib/*", "oracle.Main", self._scratch.name]
        self._process = subprocess.Popen(
            command,
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def send(self, scenario: Scenario) -> None:
        """Hand a scenario over."""
        assert self._process.stdin is not None
        self._process.stdin.write(scenario.line() + "\n")
        self._process.stdin.flush()

    def receive(self, scenario: Scenario) -> Answer:
        """Return the answer to `scenario`, the first that was sent and not answered.

        Raises:
            RuntimeError: The JVM ended, or answers come in another order.
            TimeoutError: It does not answer, as with windows over a jump of decades.
        """
        assert self._process.stdout is not None
        stuck = threading.Timer(PATIENCE_S, self._process.kill)
        stuck.start()
        try:
            line = self._process.stdout.readline()
        finally:
            stuck.cancel()
        if not line and stuck.finished.is_set() and self._process.wait() < 0:
            raise TimeoutError(f"the JVM took more than {PATIENCE_S} s for scenario {scenario.id}")
        if not line:
            raise RuntimeError("the JVM ended; run one scenario by hand to see its message")
        answer: Answer = json.loads(line)
        if answer["id"] != scenario.id:
            raise RuntimeError(f"the JVM answered {answer['id']} where {scenario.id} was due")
        return answer

    def answer(self, scenario: Scenario) -> Answer:
        """Return the answer to one scenario; nothing else may be under way."""
        self.send(scenario)
        return self.receive(scenario)

    def close(self) -> None:
        """End the process, whatever it is doing."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._scratch.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
