"""Kafka's side: one JVM that answers scenario after scenario."""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.oracle.language import Scenario
from tests.oracle.run import Answer

PROJECT = Path(__file__).parents[1] / "compat" / "jvm" / "oracle"

PATIENCE_S = 20
"""One scenario takes some hundredths of a second; a busy machine may make it a few seconds."""

HUNG = "hung"
"""Type of the error in the answer that stands for one that never came."""


def build_project(project: Path = PROJECT) -> None:
    """Compile the Java side where its classes are older than its sources.

    Raises:
        RuntimeError: Maven failed.
    """
    sources = [project / "pom.xml", *(project / "src").rglob("*.java")]
    stamp = project / "target" / "built"
    newest = max(path.stat().st_mtime for path in sources)
    if stamp.exists() and stamp.stat().st_mtime >= newest:
        return
    made = subprocess.run(
        ["mvn", "-q", "package"], cwd=project, capture_output=True, text=True, check=False
    )
    if made.returncode:
        raise RuntimeError(f"mvn package failed in {project}:\n{made.stdout}{made.stderr}")
    stamp.touch()


class Jvm:
    """A process that reads scenarios and writes answers, each a line of JSON.

    Where it does not answer it is ended and started anew, and goes on with the next scenario.
    """

    def __init__(self) -> None:
        build_project()
        memory = Path("/dev/shm")
        self._scratch = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        self._under_way: deque[Scenario] = deque()
        self._process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        command = ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        command += ["-cp", "target/classes:target/lib/*", "oracle.Main", self._scratch.name]
        with self._messages.open("w") as messages:
            return subprocess.Popen(
                command,
                cwd=PROJECT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=messages,
                text=True,
            )

    @property
    def _messages(self) -> Path:
        return Path(self._scratch.name, "stderr")

    def send(self, scenario: Scenario) -> None:
        """Hand a scenario over."""
        self._under_way.append(scenario)
        self._write(scenario)

    def _write(self, scenario: Scenario) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(scenario.line() + "\n")
        self._process.stdin.flush()

    @property
    def under_way(self) -> int:
        """How many scenarios were sent and not answered."""
        return len(self._under_way)

    def receive(self) -> tuple[Scenario, Answer]:
        """Return the first scenario that was sent and not answered, with its answer.

        One that takes longer than `PATIENCE_S` gets an error of type `HUNG`, and the others that
        are under way are sent again to a new process.

        Raises:
            RuntimeError: The JVM ended, or answers come in another order.
        """
        scenario = self._under_way.popleft()
        line, hung = self._line()
        if hung:
            self._stop()
            self._process = self._start()
            for each in self._under_way:
                self._write(each)
            told = {"stage": "run", "step": -1, "type": HUNG, "message": f"{PATIENCE_S} s"}
            return scenario, {"id": scenario.id, "error": told}
        if not line:
            said = self._messages.read_text()[-2000:]
            raise RuntimeError(f"the JVM ended in scenario {scenario.id}:\n{said}")
        answer: Answer = json.loads(line)
        if answer["id"] != scenario.id:
            raise RuntimeError(f"the JVM answered {answer['id']} where {scenario.id} was due")
        return scenario, answer

    def _line(self) -> tuple[str, bool]:
        """Return the next line, and whether it never came and the process was ended."""
        assert self._process.stdout is not None
        hung = threading.Event()

        def end() -> None:
            hung.set()
            self._process.kill()

        stuck = threading.Timer(PATIENCE_S, end)
        stuck.start()
        try:
            line = self._process.stdout.readline()
        finally:
            stuck.cancel()
            stuck.join()
        return line, hung.is_set()

    def answer(self, scenario: Scenario) -> Answer:
        """Return the answer to one scenario; nothing else may be under way."""
        self.send(scenario)
        return self.receive()[1]

    def _stop(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        with suppress(BrokenPipeError):
            self._process.stdin.close()

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._stop()
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
