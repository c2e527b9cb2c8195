"""One process of a connector, from its start to its end, as the worker sees it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Executor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from aliran.connectors.api.connector import ConnectorContext
from aliran.connectors.errors import ConnectError
from aliran.connectors.runtime.isolation.channel import (
    CALL_TIMEOUT_S,
    Channel,
    GoneError,
    Problem,
    SilentError,
)
from aliran.connectors.runtime.isolation.starter import Starter
from aliran.connectors.runtime.status import State, Status
from aliran.connectors.runtime.task import TaskId
from aliran.connectors.runtime.worker import Worker

logger: logging.Logger = logging.getLogger("aliran.connectors")

_SHOWN_LINES = 30
_DUMP = "Fatal Python error"
_DUMP_LINES = 100
_SHOWN_BYTES = 65536
_DEAF_S = 30.0
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


CONNECTOR = -1
"""The number of the connector among its tasks."""


class ConnectorStandin(Protocol):
    """What stands for a connector here.

    Attributes:
        context: Takes what it asks for.
        was: How it was when its last process died; None while it runs.
    """

    context: ConnectorContext
    was: Status | None


class TaskStandin(Protocol):
    """What stands for a task here."""

    id: TaskId

    def note_end(self) -> None:
        """Take note that it has ended."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """What a process may do.

    Attributes:
        memory: Bytes it may use; 0 for any.
        stall_s: How long it may seem dead; 0 for ever.
        restart: Whether it is ended then.
    """

    memory: int
    stall_s: float
    restart: bool


class Process:
    """Starts the process of a connector, does what it calls for, and says how it ends.

    Args:
        name: The connector.
        worker: The worker.
        log: The log of the process.
        limits: What it may do.
        starter: Starts it.
        offsets: Works on offsets, one request after another.

    Attributes:
        channel: Calls it.
        tasks: What stands for its tasks, by number.
        connector: What stands for the connector, while that runs there.
        ending: Whether it was asked to end, or has ended.
        ended: Whether all has been done that its end asks for.
    """

    def __init__(
        self,
        name: str,
        worker: Worker,
        log: Path,
        limits: Limits,
        starter: Starter,
        offsets: Executor,
    ) -> None:
        self._name = name
        self._worker = worker
        self._log = log
        self._limits = limits
        self._starter = starter
        self._reason: str | None = None
        self._beat = time.monotonic()
        self._lock = threading.Lock()
        self._residents: set[int] = set()
        self._epitaph = ""
        self.tasks: dict[int, TaskStandin] = {}
        self.connector: ConnectorStandin | None = None
        self.ending: bool = False
        self.ended: bool = False
        self.pid: int
        self.pid, end, self._code = starter.fork(log)
        self.channel: Channel = Channel(end, self._quick(), self._slow(), offsets.submit)
        self._thread = threading.Thread(target=self._main, name=f"aliran-{name}", daemon=True)
        self._thread.start()
        self.channel.tell("setup", self._setup())

    def _setup(self) -> dict[str, Any]:
        worker = self._worker
        return {
            "id": worker.id,
            "props": dict(worker.props),
            "bootstrap_servers": worker.cluster.bootstrap_servers,
            "clients": dict(worker.cluster.settings),
            "version": worker.plugins.version,
            "offset_topic": worker.offsets.topic,
        }

    # ------------------------------------------------------------------ what the process calls for

    def _quick(self) -> dict[str, Any]:
        return {
            "beat": self._note_beat,
            "status": self._note_status,
            "task_failed": self._note_failure,
            "task_ended": self.leave,
            "used": lambda task, topic: self._worker.on_topic(
                self._name, TaskId(self._name, task), topic
            ),
            "stalled": self._stalled,
            "reconfigure": self._reconfigure,
            "connector_failed": self._connector_failed,
        }

    def _slow(self) -> dict[str, Any]:
        offsets = self._worker.offsets
        return {
            "get_offset": lambda name, partition: json.dumps(
                offsets.get(name, json.loads(partition))
            ),
            "all_offsets": lambda name: json.dumps(offsets.all(name)),
            "put_offsets": lambda name, rows: offsets.put(name, json.loads(rows)),
            "note_offsets": lambda name, rows: offsets.note(name, json.loads(rows)),
        }

    def _note_beat(self) -> None:
        self._beat = time.monotonic()

    def _note_status(self, task: int, state: str, trace: str | None, version: str) -> None:
        if task in self.tasks:
            self._worker.board.put(self._name, task, Status(State(state), trace, version))

    def _note_failure(self, task: int, problem: Mapping[str, Any]) -> None:
        if task in self.tasks:
            self._worker.on_failed(TaskId(self._name, task), _problem(problem).error())

    def _stalled(self, task: int, reason: str) -> None:
        if not self._limits.restart:
            logger.error("task %s-%s: %s", self._name, task, reason)
        else:
            self.kill(reason)

    def _reconfigure(self) -> None:
        if self.connector is not None:
            self.connector.context.request_task_reconfiguration()

    def _connector_failed(self, problem: Mapping[str, Any]) -> None:
        if self.connector is not None:
            self.connector.context.raise_error(_problem(problem).error())

    # ------------------------------------------------------------------ its life

    def enter(self, number: int) -> bool:
        """Let a task (or `CONNECTOR`) run there; return False if it is too late for that."""
        with self._lock:
            if not self.ending:
                self._residents.add(number)
            return not self.ending

    def leave(self, number: int) -> None:
        """Take note that a task (or `CONNECTOR`) has ended there; the last one ends all."""
        with self._lock:
            self._residents.discard(number)
            last = self.ending = self.ending or not self._residents
        task = self.tasks.pop(number, None)
        if task is not None:
            task.note_end()
        if last:
            self.end()

    def call(self, method: str, *values: Any, timeout_s: float = CALL_TIMEOUT_S) -> Any:
        """Call it and return the answer.

        Raises:
            ConnectError: It says so, has ended, or does not answer and is therefore ended.
        """
        try:
            return self.channel.call(method, *values, timeout_s=timeout_s)
        except GoneError as error:
            self.join(10)
            raise GoneError(self._epitaph or str(error)) from None
        except SilentError as error:
            self.kill(str(error))
            raise

    def end(self) -> None:
        """Have it end."""
        self.ending = True
        self.channel.close()

    def kill(self, reason: str) -> None:
        """End it at once, for a reason that its tasks will show."""
        self._reason = self._reason or reason
        self._starter.signal(self.pid, signal.SIGKILL)

    def join(self, timeout_s: float) -> None:
        """Wait for its end."""
        self._thread.join(timeout_s)

    def look(self, now: float) -> None:
        """See whether it uses too much memory, or is dead though it runs."""
        if self.ending:
            return
        limit = self._limits.memory
        if limit and (used := memory_of(self.pid)) > limit:
            self.kill(
                f"it used {used >> 20} MiB of memory, more than "
                f"aliran.memory.limit.mb={limit >> 20}"
            )
        quiet = now - self._beat
        if self._limits.stall_s and quiet > max(self._limits.stall_s, _DEAF_S) and not self._reason:
            reason = f"it has given no sign of life for {quiet:.0f} s; its log has its stacks"
            self._starter.signal(self.pid, signal.SIGUSR1)  # faulthandler writes them, GIL or not
            logger.error("the process of connector %s: %s", self._name, reason)
            if self._limits.restart:
                self.kill(reason)
            self._beat = now

    def _main(self) -> None:
        self.channel.serve()
        expected, self.ending = self.ending, True
        try:
            code = self._code.result(5)
        except FutureTimeoutError:  # it has let go of the socket, and does not end
            self._starter.signal(self.pid, signal.SIGKILL)
            code = None
        tasks, self.tasks = dict(self.tasks), {}
        self._epitaph = self._message(code)
        try:
            if not expected:
                self._fail(tasks, self._epitaph)
        finally:
            for task in tasks.values():
                task.note_end()
            self.ended = True

    def _message(self, code: int | None) -> str:
        how = "was ended" if self._reason else f"ended {_how(code)}"
        why = f": {self._reason}" if self._reason else ""
        if "\n" in why:  # it says where it was
            return f"The process of connector {self._name} (pid {self.pid}) {how}{why}"
        lines = tail(self._log, _DUMP_LINES).splitlines()
        dumps = [number for number, line in enumerate(lines) if line.startswith(_DUMP)]
        shown = lines[dumps[-1] :] if dumps and code and code < 0 else lines[-_SHOWN_LINES:]
        return (
            f"The process of connector {self._name} (pid {self.pid}) {how}{why}\n"
            f"The last lines of its log, {self._log}:\n" + "\n".join(shown)
        )

    def _fail(self, tasks: Mapping[int, TaskStandin], message: str) -> None:
        logger.error("%s", message)
        board = self._worker.board
        known = board.get(self._name)
        if self.connector is not None and known is not None:
            self.connector.was = known
            board.put(self._name, CONNECTOR, Status(State.FAILED, message, known.version))
        error = ConnectError(message)
        for number, task in tasks.items():
            status = board.get(self._name, number)
            version = "0" if status is None else status.version
            board.put(self._name, number, Status(State.FAILED, message, version))
            self._worker.on_failed(task.id, error)


def _problem(fields: Any) -> Problem:
    return Problem(*fields)


def _how(code: int | None) -> str:
    if code is None:
        return "for a reason that nobody knows"
    if code >= 0:
        return f"with exit code {code}"
    try:
        return f"with signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"with signal {-code}"


def tail(path: Path, lines: int) -> str:
    """Return the last lines of a file, at most 64 KiB of them; nothing where it is not there."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(file.tell() - _SHOWN_BYTES, 0))
        text = file.read().decode("utf-8", "replace")
        return "\n".join(text.splitlines()[-lines:])
    return ""


def memory_of(pid: int) -> int:
    """Return the bytes of memory that a process uses (its resident set); 0 where it has gone."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        if sys.platform == "linux":
            return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
        found = subprocess.run(
            ["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        return int(found.stdout) * 1024
    return 0
