"""A task on a thread of its own: its life, its states, and what its loop may be told from outside.

Kafka: `WorkerTask`. `isolation/` has the same for tasks in another process.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aliran.connectors.runtime.cluster import Cluster
from aliran.connectors.runtime.errors import Operator
from aliran.connectors.runtime.offsets import OffsetStore
from aliran.connectors.runtime.pipeline import Pipeline
from aliran.connectors.runtime.stalls import StallWatch
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
        stalls: Looks whether its loop comes round.
        on_ended: Told that its thread has ended, as the very last thing.
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
    stalls: StallWatch
    on_ended: Callable[[TaskId], None]

    def overrides(self, kind: str) -> dict[str, str]:
        """Return the settings of one kind of client, such as `producer.override.linger.ms`."""
        prefix = f"{kind}.override."
        return {
            name.removeprefix(prefix): value
            for name, value in self.props.items()
            if name.startswith(prefix)
        }


class WorkerTask(ABC):
    """A task as the runtime sees it, wherever it runs.

    Args:
        task_id: Which it is.
    """

    def __init__(self, task_id: TaskId) -> None:
        self.id: TaskId = task_id

    @abstractmethod
    def start(self) -> None:
        """Begin to run."""

    @abstractmethod
    def pause(self) -> None:
        """Move no records until `resume`."""

    @abstractmethod
    def resume(self) -> None:
        """Undo `pause`."""

    @abstractmethod
    def stop(self) -> None:
        """Begin to end."""

    @abstractmethod
    def join(self, timeout_s: float) -> bool:
        """Wait for the end; return whether it came."""

    @abstractmethod
    def abandon(self) -> None:
        """Give up waiting for the end: it was asked for, and did not come in time."""

    @property
    @abstractmethod
    def alive(self) -> bool:
        """Whether it has been started and has not ended."""

    @abstractmethod
    def commit_offsets(self) -> None:
        """Store how far it has come; called from outside now and then."""

    @abstractmethod
    def details(self) -> Mapping[str, Any]:
        """Return what `/status` shows beside the state."""


class ThreadTask(WorkerTask):
    """Runs a task until it fails or is told to stop.

    Args:
        setup: What it runs with.
        paused: Whether it begins paused.
    """

    def __init__(self, setup: TaskSetup, *, paused: bool) -> None:
        super().__init__(setup.id)
        self.setup = setup
        self._stopping = setup.stopping
        self._paused = paused
        self._wake = threading.Event()
        self._turned: float | None = None
        setup.operator.on_wait = self.turn
        self._thread = threading.Thread(
            target=self._main, name=f"aliran-task-{setup.id}", daemon=True
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()
        timeout_ms = self.setup.config["aliran.task.stall.timeout.ms"]
        if timeout_ms:
            self.setup.stalls.watch(self, timeout_ms / 1000)

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

    def abandon(self) -> None:
        """Leave the thread to itself: nothing can end it from outside."""
        logger.warning("task %s did not end in time and is left to itself", self.id)

    def details(self) -> Mapping[str, Any]:
        """Return what `/status` shows beside the state."""
        return {}

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    @property
    def thread_id(self) -> int | None:
        """The thread, for a dump of its stack."""
        return self._thread.ident

    @property
    def idle_s(self) -> float | None:
        """How long ago its loop came round; None while it need not."""
        turned = self._turned
        return None if turned is None else time.monotonic() - turned

    def turn(self) -> None:
        """Note that the loop has come round, or waits for something that it should wait for."""
        if self._turned is not None:
            self._turned = time.monotonic()

    def note_stall(self, reason: str | None) -> None:
        """Show why the task does not come round, or that it does again."""
        self._show(State.RUNNING, reason)

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
        self._turned = time.monotonic() if state is State.RUNNING else None
        self._show(state, trace)

    def _show(self, state: State, trace: str | None) -> None:
        setup = self.setup
        setup.board.put(setup.id.connector, setup.id.task, Status(state, trace, setup.version))

    def _main(self) -> None:
        try:
            self._live()
        finally:
            self.setup.on_ended(self.id)

    def _live(self) -> None:
        error: BaseException | None = None
        try:
            self._run()
        except BaseException as raised:
            error = raised
        self._turned = None
        try:
            self._close(failed=error is not None)
        except BaseException as raised:
            error = error or raised
        finally:
            self.setup.pipeline.close()
        if error is None or self._stopping.is_set():
            if error is not None:
                logger.warning("task %s: %s while it was being stopped", self.id, error)
            return
        trace = self.setup.hide(trace_of(error))
        logger.error("task %s failed:\n%s", self.id, trace)
        self._say(State.FAILED, trace)
        self.setup.on_failed(self.id, error)

    def _await_resume(self) -> None:
        """Say that the task is paused, and wait until it is not, or is to stop."""
        self._say(State.PAUSED)
        while self._paused and not self._stopping.is_set():
            self._wake.wait(1.0)
            self._wake.clear()
        if not self._stopping.is_set():
            self._say(State.RUNNING)
