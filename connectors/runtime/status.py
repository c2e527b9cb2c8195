"""States of connectors and tasks, and a way to wait for them. Kafka: `MemoryStatusBackingStore`."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Kafka: `AbstractStatus.State`."""

    UNASSIGNED = "UNASSIGNED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    FAILED = "FAILED"
    RESTARTING = "RESTARTING"
    STOPPED = "STOPPED"
    DESTROYED = "DESTROYED"


@dataclass(frozen=True, slots=True)
class Status:
    """How a connector or a task is.

    Attributes:
        state: Its state.
        trace: Why it failed.
        version: The version of its plugin.
        worker_id: Which worker says so; None for this one.
    """

    state: State
    trace: str | None = None
    version: str = "0"
    worker_id: str | None = None


class StatusBoard:
    """The newest status of everything; task -1 is the connector itself."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], Status] = {}
        self._changed = threading.Condition()

    def put(self, connector: str, task: int, status: Status) -> None:
        """Note a status."""
        with self._changed:
            self._known[connector, task] = status
            self._changed.notify_all()

    def get(self, connector: str, task: int = -1) -> Status | None:
        """Return a status, None where nothing is known."""
        return self._known.get((connector, task))

    def tasks(self, connector: str) -> dict[int, Status]:
        """Return the statuses of a connector's tasks by number."""
        with self._changed:
            found = [(t, s) for (c, t), s in self._known.items() if c == connector and t >= 0]
        return dict(sorted(found))

    def forget(self, connector: str, task: int | None = None) -> None:
        """Forget a task, or the connector with all its tasks."""
        with self._changed:
            for key in [key for key in self._known if key[0] == connector]:
                if task is None or key[1] == task:
                    del self._known[key]
            self._changed.notify_all()

    def wait(self, ready: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until something is true of the statuses; return whether it is."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not ready():
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
            return True


def trace_of(error: BaseException) -> str:
    """Return a traceback as `/status` and dead letters show it."""
    return "".join(traceback.format_exception(error))
