"""A task on a thread of its own: its life, its states, and what its loop may be told from outside.

Kafka: `WorkerTask`. A process for each task comes later; a thread keeps failures apart, not memory.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aliran.connectors.runtime.cluster import Cluster
from aliran.connectors.runtime.errors import Operator
from aliran.connectors.runtime.offsets import OffsetStore
from aliran.connectors.runtime.pipeline import Pipeline
from aliran.connectors.runtime.status import State, Status, StatusBoard, trace_of

logger: logging.Logger = logging.getLogger("aliran.connectors")


@dataclass(frozen=True, slots=True)
class TaskId:
    """Kafka: `ConnectorTaskId`."""

    connector: str
    task: int

    def __str__(self) -> str:
        return f"{self.connector}-{self.task}"


@dataclass(frozen=True, slots=True)
class TaskSetup:
    """What a task runs with.

    Attributes:
        id: Which it is.
        props: Its configuration, placeholders resolved.
        config: The worker's part of it, parsed.
        cluster: Where topics are.
        offsets: Where source offsets are kept.
        board: Where it says how it is.
        pipeline: Transformations and converters.
        operator: Judges failures of records.
        stopping: Set when it is to end.
        version: The version of its plugin.
        on_failed: Told that it has failed, on its thread, as the last thing it does.
        on_topic: Told of topics it uses.
        hide: Takes secrets out of texts.
    """

    id: TaskId
    props: Mapping[str, str]
    config: Mapping[str, Any]
    cluster: Cluster
    offsets: OffsetStore
    board: StatusBoard
    pipeline: Pipeline
    operator: Operator
    stopping: threading.Event
    version: str
    on_failed: Callable[[TaskId, BaseException], None]
    on_topic: Callable[[str, TaskId, str], None]
    hide: Callable[[str], str]

    def overrides(self, kind: str) -> dict[str, str]:
        """Return the settings of one kind of client, such as `producer.override.linger.ms`."""
        prefix = f"{kind}.override."
        return {
            name.removeprefix(prefix): value
            for name, value in self.props.items()
            if name.startswith(prefix)
        }


class WorkerTask(ABC):
    """Runs a task until it fails or is told to stop.

    Args:
        setup: What it runs with.
        paused: Whether it begins paused.
    """

    def __init__(self, setup: TaskSetup, *, paused: bool) -> None:
        self.setup = setup
        self._stopping = setup.stopping
        self._paused = paused
        self._wake = threading.Event()
        self._thread = threading.Thread(
            target=self._main, name=f"aliran-task-{setup.id}", daemon=True
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def pause(self) -> None:
        """Move no records until `resume`."""
        self._paused = True
        self._wake.set()

    def resume(self) -> None:
        """Undo `pause`."""
        self._paused = False
        self._wake.set()

    def stop(self) -> None:
        """Begin to end."""
        self._stopping.set()
        self._wake.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; return whether it came."""
        if self._thread is not threading.current_thread():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def details(self) -> Mapping[str, Any]:
        """Return what `/status` shows beside the state."""
        return {}

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    def commit_offsets(self) -> None:
        """Store how far it has come; called from outside now and then."""
        return  # a sink's loop does so itself: it owns the consumer

    # ------------------------------------------------------------------ on the task's thread

    @abstractmethod
    def _run(self) -> None:
        """Start the task and move records until `_stopping` is set."""

    @abstractmethod
    def _close(self, *, failed: bool) -> None:
        """Commit if it went well, and let go of everything."""

    def _say(self, state: State, trace: str | None = None) -> None:
        setup = self.setup
        setup.board.put(setup.id.connector, setup.id.task, Status(state, trace, setup.version))

    def _main(self) -> None:
        error: BaseException | None = None
        try:
            self._run()
        except BaseException as raised:
            error = raised
        try:
            self._close(failed=error is not None)
        except BaseException as raised:
            error = error or raised
        if error is None or self._stopping.is_set():
            if error is not None:
                logger.warning("task %s: %s while it was being stopped", self.setup.id, error)
            return
        trace = self.setup.hide(trace_of(error))
        logger.error("task %s failed:\n%s", self.setup.id, trace)
        self._say(State.FAILED, trace)
        self.setup.on_failed(self.setup.id, error)

    def _await_resume(self) -> None:
        """Say that the task is paused, and wait until it is not, or is to stop."""
        self._say(State.PAUSED)
        while self._paused and not self._stopping.is_set():
            self._wake.wait(1.0)
            self._wake.clear()
        if not self._stopping.is_set():
            self._say(State.RUNNING)
