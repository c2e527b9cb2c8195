"""What may be asked of the connectors of a worker, whether it is alone or one of several.

Kafka: `AbstractHerder`.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from aliran.connectors.errors import ConfigError, ConnectError, NotFoundError
from aliran.connectors.runtime.lifecycle import Entry, Lifecycle
from aliran.connectors.runtime.loggers import set_level
from aliran.connectors.runtime.offset_changes import OffsetChanges
from aliran.connectors.runtime.plugins import Plugin
from aliran.connectors.runtime.status import State, Status
from aliran.connectors.runtime.task import TaskId, WorkerTask
from aliran.connectors.runtime.validation import Findings, validate
from aliran.connectors.runtime.worker import Worker

logger: logging.Logger = logging.getLogger("aliran.connectors")


class ConflictError(ConnectError):
    """Something else is going on; the message says what.

    Attributes:
        reason: What, in a word for programs.
    """

    retriable = True
    reason: str = "busy"


class _Context:
    def __init__(self, herder: Herder, name: str) -> None:
        self._herder = herder
        self._name = name

    def request_task_reconfiguration(self) -> None:
        """Ask for the tasks' configurations again, soon and on another thread."""
        threading.Thread(
            target=self._herder.reconfigure_tasks, args=(self._name,), daemon=True
        ).start()

    def raise_error(self, error: Exception) -> None:
        """Say that the connector has failed."""
        self._herder.connector_failed(self._name, error)


class Herder(ABC):
    """Knows the connectors, and has them started, changed and stopped.

    Args:
        worker: Puts tasks together. Its `on_failed` and `on_topic` should be this herder's.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._life = Lifecycle(worker, lambda name: _Context(self, name))
        self._lock = threading.RLock()
        self._entries: dict[str, Entry] = {}
        self._closing = threading.Event()
        self.offsets: OffsetChanges = OffsetChanges(worker)

    # ------------------------------------------------------------------ questions

    @property
    def worker(self) -> Worker:
        """What puts tasks together."""
        return self._worker

    def names(self) -> list[str]:
        """Return the connectors."""
        with self._lock:
            return list(self._entries)

    def _entry(self, name: str, message: str = "Connector {} not found") -> Entry:
        entry = self._entries.get(name)
        if entry is None:
            raise NotFoundError(message.format(name))
        return entry

    def config(self, name: str) -> dict[str, str | None]:
        """Return a configuration, with placeholders."""
        return dict(self._entry(name).config)

    def info(self, name: str) -> dict[str, Any]:
        """Return name, configuration, tasks and type (`ConnectorInfo`)."""
        entry = self._entry(name)
        return {
            "name": name,
            "config": dict(entry.config),
            "tasks": [{"connector": name, "task": one} for one in range(len(entry.task_props))],
            "type": entry.plugin.kind,
        }

    def tasks(self, name: str) -> list[dict[str, Any]]:
        """Return the tasks with their configurations (`TaskInfo`)."""
        entry = self._entry(name)
        return [
            {"id": {"connector": name, "task": number}, "config": self._shown(entry, props)}
            for number, props in enumerate(entry.task_props)
        ]

    def _shown(self, entry: Entry, props: Mapping[str, str]) -> dict[str, str]:
        """Return a task's configuration with placeholders in place of their values."""
        resolved = self._worker.resolved(entry.config)
        shown = dict(props)
        for name, value in entry.config.items():
            if value is not None and "${" in value and shown.get(name) == resolved.get(name):
                shown[name] = value
        hide = self._worker.hiding(entry.config)
        shown = {k: v if v == entry.config.get(k) else hide(v) for k, v in shown.items()}
        task_class = entry.plugin.make().task_class()
        shown["task.class"] = f"{task_class.__module__}.{task_class.__qualname__}"
        return shown

    def status(self, name: str) -> dict[str, Any]:
        """Return how a connector and its tasks are (`ConnectorStateInfo`)."""
        known = self._worker.board.get(name)
        entry = self._entries.get(name)
        if known is None or entry is None:
            raise NotFoundError(f"No status found for connector {name}")
        tasks = self._worker.board.tasks(name)
        return {
            "name": name,
            "connector": self._state(known),
            "tasks": [self._task_state(entry, *one) for one in tasks.items()],
            "type": entry.plugin.kind,
        }

    def _state(self, status: Status) -> dict[str, Any]:
        shown = {
            "state": status.state.value,
            "worker_id": status.worker_id or self._worker.id,
            "version": status.version,
        }
        return shown if status.trace is None else {**shown, "trace": status.trace}

    def _task_state(self, entry: Entry | None, number: int, status: Status) -> dict[str, Any]:
        """Return the state of a task; `details`, which Kafka has not, where it tells any."""
        shown = {"id": number, **self._state(status)}
        task = None if entry is None else entry.tasks.get(number)
        details = {} if task is None else dict(task.details())
        return {**shown, "details": details} if details else shown

    def task_status(self, name: str, task: int) -> dict[str, Any]:
        """Return how a task is."""
        status = self._worker.board.get(name, task)
        if status is None:
            raise NotFoundError(f"No status found for task {name}-{task}")
        return self._task_state(self._entries.get(name), task, status)

    def wait_until(self, name: str, state: State, timeout_s: float) -> bool:
        """Wait until a connector and all its tasks are in a state; return whether they are."""

        def there() -> bool:
            own = self._worker.board.get(name)
            tasks = self._worker.board.tasks(name).values()
            return own is not None and all(one.state is state for one in (own, *tasks))

        self._entry(name)
        return self._worker.board.wait(there, timeout_s)

    def validate(self, config: Mapping[str, str | None], *, check: bool = True) -> Findings:
        """Look at a configuration.

        Args:
            config: The configuration.
            check: Whether the connector may try it (`Connector.check`), where all is right.

        Raises:
            ConfigError: It names no connector class, or an unknown one.
        """
        class_name = config.get("connector.class")
        if not class_name:
            raise ConfigError(f"Connector config {sorted(config)} contains no connector type")
        plugin = self._worker.plugins.connector(class_name)
        return validate(self._worker, plugin, config, check=check)

    @abstractmethod
    def topics(self, name: str) -> list[str]:
        """Return the topics that a connector has used."""

    @abstractmethod
    def reset_topics(self, name: str) -> None:
        """Forget them."""

    @abstractmethod
    def note_topic(self, name: str, task: TaskId, topic: str) -> None:
        """Remember a topic; called for each record, so it must be quick."""

    # ------------------------------------------------------------------ changes

    @abstractmethod
    def put(
        self,
        name: str,
        config: Mapping[str, str | None],
        *,
        target: State | None = None,
        replace: bool,
        check: bool = True,
    ) -> tuple[bool, dict[str, Any]]:
        """Make a connector, or give it another configuration.

        Args:
            name: Its name.
            config: Its configuration.
            target: The state it begins in; None for RUNNING, or the one it is in.
            replace: Whether it may exist.
            check: Whether the connector may try it before.

        Returns:
            Whether it is new, and its info.

        Raises:
            ConnectError: It exists and must not, or its configuration is wrong.
        """

    def patch(self, name: str, changes: Mapping[str, str | None]) -> dict[str, Any]:
        """Change some options; None takes one away."""
        merged = {**self.config(name), **changes}
        config = {option: value for option, value in merged.items() if value is not None}
        return self.put(name, config, replace=True)[1]

    @abstractmethod
    def delete(self, name: str) -> None:
        """Stop a connector and forget it; its offsets stay, as with Kafka."""

    @abstractmethod
    def set_target(self, name: str, target: State) -> None:
        """Pause, resume or stop a connector."""

    @abstractmethod
    def restart(self, name: str, *, include_tasks: bool, only_failed: bool) -> dict[str, Any]:
        """Restart a connector, and its tasks if wanted; return its status as it was picked."""

    @abstractmethod
    def restart_task(self, name: str, task: int) -> None:
        """Restart one task."""

    @abstractmethod
    def reconfigure_tasks(self, name: str) -> None:
        """Ask a connector for its tasks again, and start them anew if they differ."""

    def set_cluster_level(self, name: str, level: str) -> None:
        """Set the level of a logger on all workers: this one is alone."""
        set_level(name, level)

    @abstractmethod
    def close(self) -> None:
        """Stop everything. Idempotent."""

    def connector_failed(self, name: str, error: BaseException) -> None:
        """Note that a connector (not a task) has failed."""
        entry = self._entries.get(name)
        if entry is not None:
            self._life.failed(name, entry, error)

    def note_failure(self, task_id: TaskId, error: BaseException) -> None:
        """Plan to start a task again that has failed; called on its thread."""
        entry = self._entries.get(task_id.connector)
        if entry is not None and not isinstance(error, ConfigError):
            self._life.plan_restart(entry, task_id.task)  # a wrong configuration stays wrong

    def require_stopped(self, name: str) -> Plugin:
        """Return the plugin of a connector that is stopped.

        Raises:
            ConfigError: It is not.
        """
        entry = self._entry(name)
        if entry.target is not State.STOPPED or any(one.alive for one in entry.tasks.values()):
            raise ConfigError(
                "Connectors must be in the STOPPED state before their offsets can be modified. "
                "This can be done for the specified connector by issuing a 'PUT' request to the "
                f"'/connectors/{name}/stop' endpoint"
            )
        return entry.plugin

    @staticmethod
    def _flush(task: WorkerTask) -> None:
        try:
            task.commit_offsets()
        except Exception:
            logger.exception("offsets of task %s could not be stored", task.id)
