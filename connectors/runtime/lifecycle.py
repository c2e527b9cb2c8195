"""Starting and stopping connectors and their tasks, and when a failed task starts again.

Kafka: the parts of `Worker` and `WorkerConnector` that do so. Kafka has no automatic restart.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from aliran.connectors.api.connector import Connector, ConnectorContext
from aliran.connectors.errors import ConfigError, ConnectError
from aliran.connectors.runtime.plugins import Plugin
from aliran.connectors.runtime.status import State, Status, trace_of
from aliran.connectors.runtime.task import TaskId, WorkerTask
from aliran.connectors.runtime.worker import Worker

logger: logging.Logger = logging.getLogger("aliran.connectors")


@dataclass(slots=True)
class Restarts:
    """How often a task was started again by itself."""

    attempts: int = 0
    due: float | None = None
    started: float = 0.0


@dataclass(slots=True)
class Entry:
    """One connector.

    Attributes:
        config: Its configuration, with placeholders.
        plugin: Its plugin.
        target: The state it is to be in.
        connector: The connector, while it runs.
        tasks: The tasks that were started, by number.
        task_props: The configurations of its tasks, resolved.
        restarts: When failed tasks start again, by number.
        busy: What is being done with it.
    """

    config: dict[str, str | None]
    plugin: Plugin
    target: State
    connector: Connector | None = None
    tasks: dict[int, WorkerTask] = field(default_factory=dict)
    task_props: list[dict[str, str]] = field(default_factory=list)
    restarts: dict[int, Restarts] = field(default_factory=dict)
    busy: str | None = None


class Lifecycle:
    """Does to an entry what is asked for; who asks sees to it that nobody else does so meanwhile.

    Args:
        worker: Puts tasks together.
        context: Gives a connector's context, by name.
    """

    def __init__(self, worker: Worker, context: Callable[[str], ConnectorContext]) -> None:
        self._worker = worker
        self._context = context

    def say(self, name: str, entry: Entry, state: State, trace: str | None = None) -> None:
        """Note the state of a connector."""
        self._worker.board.put(name, -1, Status(state, trace, entry.plugin.version))

    def start(self, name: str, entry: Entry) -> None:
        """Start a connector and its tasks, if it is to run."""
        if entry.target is not State.RUNNING:  # a paused one starts when it is resumed
            self.say(name, entry, entry.target)
            return
        if self.start_connector(name, entry):
            self.start_tasks(name, entry)

    def start_connector(self, name: str, entry: Entry) -> bool:
        """Start a connector without tasks; return whether it went well."""
        try:
            connector = self._worker.make_connector(name, entry.plugin, entry.config)
            connector.initialize(self._context(name))
            connector.start(self._worker.resolved(entry.config))
        except Exception as error:
            self.failed(name, entry, error)
            return False
        entry.connector = connector
        self.say(name, entry, entry.target)
        return True

    def start_tasks(self, name: str, entry: Entry, *, only_if_changed: bool = False) -> None:
        """Ask a connector for its tasks, and start them in place of those that run."""
        wanted = self.wanted_tasks(name, entry)
        if wanted is None or (only_if_changed and wanted == entry.task_props):
            return
        self.stop_tasks(name, entry)
        entry.task_props = wanted
        entry.restarts = {}
        for number in range(len(wanted)):
            self.start_task(name, entry, number)

    def wanted_tasks(self, name: str, entry: Entry) -> list[dict[str, str]] | None:
        """Ask a connector that runs for its tasks; None if it fails at that."""
        assert entry.connector is not None
        most = int(entry.config.get("tasks.max") or 1)
        try:
            wanted = [dict(one) for one in entry.connector.task_configs(most)]
            enforced = (entry.config.get("tasks.max.enforce") or "true").lower() == "true"
            if len(wanted) > most and enforced:
                raise ConnectError(
                    f"The connector {name} has generated {len(wanted)} tasks, which is greater "
                    f"than {most}, the maximum number of tasks it is configured to create."
                )
        except Exception as error:
            self.failed(name, entry, error)
            return None
        return wanted

    def start_task(self, name: str, entry: Entry, number: int) -> None:
        """Put a task together and start it."""
        task_id = TaskId(name, number)
        restarts = entry.restarts.setdefault(number, Restarts())
        restarts.started, restarts.due = time.monotonic(), None
        board, version = self._worker.board, entry.plugin.version
        board.put(name, number, Status(State.UNASSIGNED, version=version))
        paused = entry.target is State.PAUSED
        try:
            task = self._worker.make_task(
                task_id, entry.plugin, entry.config, entry.task_props[number], paused=paused
            )
        except Exception as error:
            trace = self._worker.hiding(entry.config)(trace_of(error))
            board.put(name, number, Status(State.FAILED, trace, version))
            if not isinstance(error, ConfigError):
                self.plan_restart(entry, number)
            return
        entry.tasks[number] = task
        task.start()

    def restart_task_of(self, name: str, entry: Entry, number: int) -> None:
        """Stop a task and start it anew."""
        self.end(entry.tasks.pop(number, None))
        if entry.target is not State.STOPPED:
            self.start_task(name, entry, number)

    def end(self, *tasks: WorkerTask | None) -> None:
        """Stop tasks, all at once; those that do not end in time are left behind."""
        timeout_s = self._worker.settings["task.shutdown.graceful.timeout.ms"] / 1000
        deadline = time.monotonic() + timeout_s
        running = [task for task in tasks if task is not None]
        for task in running:
            task.stop()
        for task in running:
            if not task.join(max(deadline - time.monotonic(), 0.0) + 0.1):
                task.abandon()

    def stop_tasks(self, name: str, entry: Entry) -> None:
        """Stop all tasks of a connector and forget how they were."""
        tasks, entry.tasks = list(entry.tasks.values()), {}
        entry.restarts = {}
        self.end(*tasks)
        for number in self._worker.board.tasks(name):
            self._worker.board.forget(name, number)

    def stop_connector(self, entry: Entry) -> None:
        """Stop a connector without its tasks."""
        connector, entry.connector = entry.connector, None
        if connector is not None:
            try:
                connector.stop()
            except Exception:
                logger.exception("a connector failed while it was being stopped")

    def stop_all(self, name: str, entry: Entry) -> None:
        """Stop a connector and its tasks."""
        self.stop_tasks(name, entry)
        self.stop_connector(entry)

    def failed(self, name: str, entry: Entry, error: BaseException) -> None:
        """Note that a connector (not a task) has failed."""
        trace = self._worker.hiding(entry.config)(trace_of(error))
        logger.error("connector %s failed:\n%s", name, trace)
        self.say(name, entry, State.FAILED, trace)

    def plan_restart(self, entry: Entry, task: int) -> None:
        """Plan to start a failed task again, each time later, at most so many times."""
        config = self._worker.resolved(entry.config)
        attempts = int(config.get("aliran.restart.attempts", "10"))
        first = int(config.get("aliran.restart.backoff.ms", "1000")) / 1000
        longest = int(config.get("aliran.restart.backoff.max.ms", "300000")) / 1000
        restarts = entry.restarts.setdefault(task, Restarts())
        now = time.monotonic()
        if now - restarts.started > longest:
            restarts.attempts = 0
        if restarts.attempts < attempts:
            restarts.due = now + min(first * 2**restarts.attempts, longest)
            restarts.attempts += 1
