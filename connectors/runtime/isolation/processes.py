"""Connectors in processes of their own, as the worker sees them.

All of a connector runs in one process: it, and its tasks on threads there. `RemoteConnector` and
`RemoteTask` stand for them here. A process that ends by itself fails its tasks, which start again
by the usual rules; the first to do so starts a new process.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aliran.connectors.api.connector import Connector, ConnectorContext
from aliran.connectors.api.tasks import SinkTask, SourceTask
from aliran.connectors.config.definition import ConfigDef
from aliran.connectors.errors import ConnectError
from aliran.connectors.runtime.definitions import SINK, SOURCE
from aliran.connectors.runtime.isolation.process import CONNECTOR, Limits, Process
from aliran.connectors.runtime.isolation.starter import Starter
from aliran.connectors.runtime.status import Status
from aliran.connectors.runtime.task import TaskId, WorkerTask
from aliran.connectors.runtime.worker import Worker

_LOOK_S = 0.25
_STOP_S = 10.0
_DETAILS_S = 1.0


class RemoteTask(WorkerTask):
    """A task in the process of its connector.

    Args:
        task_id: Which it is.
        process: Where it runs.
    """

    def __init__(self, task_id: TaskId, process: Process) -> None:
        super().__init__(task_id)
        self._process = process
        self._ended = threading.Event()
        self._started = False

    def start(self) -> None:
        """Begin to run."""
        self._started = True
        self._process.channel.tell("tell", self.id.task, "start")

    def pause(self) -> None:
        """Move no records until `resume`."""
        self._process.channel.tell("tell", self.id.task, "pause")

    def resume(self) -> None:
        """Undo `pause`."""
        self._process.channel.tell("tell", self.id.task, "resume")

    def stop(self) -> None:
        """Begin to end."""
        self._process.channel.tell("stop_task", self.id.task)

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; return whether it came."""
        return self._ended.wait(timeout_s)

    def abandon(self) -> None:
        """End the process: what hangs there must not go on behind what starts anew."""
        self._process.kill(f"task {self.id} did not end when it was asked to")
        self._ended.wait(5)

    @property
    def alive(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._started and not self._ended.is_set()

    def commit_offsets(self) -> None:
        """Have stored how far it has come."""
        if self.alive:
            self._process.channel.tell("commit", self.id.task)

    def details(self) -> Mapping[str, Any]:
        """Return what `/status` shows beside the state; nothing if it does not say so soon."""
        try:
            found: dict[str, Any] = json.loads(
                self._process.channel.call("details", self.id.task, timeout_s=_DETAILS_S)
                if self.alive
                else "{}"
            )
        except ConnectError:
            return {}
        return found

    def note_end(self) -> None:
        """Take note that it has ended."""
        self._ended.set()


class RemoteConnector(Connector):
    """A connector in its process.

    Args:
        processes: Gives the process.
        worker: The worker.
        name: Its name.
        config: Its configuration, with placeholders.
    """

    def __init__(
        self, processes: Processes, worker: Worker, name: str, config: Mapping[str, Any]
    ) -> None:
        self._processes = processes
        self._worker = worker
        self._name = name
        self._config = config
        self._props: Mapping[str, str] = {}
        self.was: Status | None = None
        self.version = self._plugin.version  # type: ignore[misc]
        self.context: ConnectorContext

    @property
    def _plugin(self) -> Any:
        return self._worker.plugins.connector(self._config["connector.class"])

    def start(self, props: Mapping[str, str]) -> None:
        """Start it in its process."""
        self._props = props
        process = self._processes.enter(self._worker, self._name, self._config, CONNECTOR)
        try:
            self.start_in(process)
        except BaseException:
            process.connector = None
            process.leave(CONNECTOR)
            raise
        self._processes.connectors[self._name] = self

    def start_in(self, process: Process) -> None:
        """Start it in a process: the first one, or the next when that has ended."""
        process.connector = self
        process.call("start_connector", self._config["connector.class"], dict(self._props))
        was, self.was = self.was, None
        if was is not None:
            self._worker.board.put(self._name, CONNECTOR, was)

    def task_class(self) -> type[SourceTask | SinkTask]:
        """Return the class of its tasks."""
        found: type[SourceTask | SinkTask] = self._plugin.make().task_class()
        return found

    def task_configs(self, max_tasks: int) -> Sequence[Mapping[str, str]]:
        """Return a configuration for each task."""
        process = self._processes.enter(self._worker, self._name, self._config, CONNECTOR)
        found: list[dict[str, str]] = process.call("task_configs", max_tasks)
        return found

    def stop(self) -> None:
        """Stop it; its process ends with the last of its tasks."""
        self._processes.connectors.pop(self._name, None)
        process = self._processes.running(self._name)
        if process is None or process.connector is not self:
            return
        process.connector = None
        try:
            process.call("stop_connector", timeout_s=_STOP_S)
        finally:
            process.leave(CONNECTOR)

    def config(self) -> ConfigDef:
        """Return the definition of its options."""
        found: ConfigDef = self._plugin.make().config()
        return found


class Processes:
    """The processes of connectors, by connector."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._starting: dict[str, threading.Lock] = {}
        self._running: dict[str, Process] = {}
        self._starter = Starter()
        self._offsets = ThreadPoolExecutor(1, thread_name_prefix="aliran-offsets")
        self._closing = threading.Event()
        self._watcher: threading.Thread | None = None
        self.connectors: dict[str, RemoteConnector] = {}

    def make_connector(self, worker: Worker, name: str, config: Mapping[str, Any]) -> Connector:
        """Return what stands for a connector."""
        return RemoteConnector(self, worker, name, config)

    def make_task(
        self,
        worker: Worker,
        task_id: TaskId,
        config: Mapping[str, Any],
        task_props: Mapping[str, str],
        *,
        paused: bool,
    ) -> WorkerTask:
        """Put a task together in its process, and return what stands for it."""
        number = task_id.task
        process = self.enter(worker, task_id.connector, config, number)
        task = RemoteTask(task_id, process)
        try:
            process.call(
                "make_task", task_id.connector, number, dict(config), dict(task_props), paused
            )
        except BaseException:
            process.leave(number)
            raise
        process.tasks[number] = task
        return task

    def running(self, name: str) -> Process | None:
        """Return the process of a connector, None for none."""
        with self._lock:
            process = self._running.get(name)
            return process if process is not None and not process.ending else None

    def enter(self, worker: Worker, name: str, config: Mapping[str, Any], number: int) -> Process:
        """Return the process of a connector for a task (or `CONNECTOR`), started if need be.

        Raises:
            ConnectError: It cannot be started.
        """
        with self._lock:
            starting = self._starting.setdefault(name, threading.Lock())
        with starting:
            process = self.running(name)
            if process is None or not process.enter(number):
                process = self._start(worker, name, config, number)
            return process

    def _start(self, worker: Worker, name: str, config: Mapping[str, Any], number: int) -> Process:
        props = worker.resolved(config)
        kind = worker.plugins.connector(props["connector.class"]).kind
        parsed = (SOURCE if kind == "source" else SINK).parse(props)
        log = log_of(worker, name, config)
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            log.open("a").close()
        except OSError as error:
            raise ConnectError(f"the log of connector {name} cannot be written: {error}") from error
        limits = Limits(
            parsed["aliran.memory.limit.mb"] << 20,
            parsed["aliran.task.stall.timeout.ms"] / 1000,
            parsed["aliran.task.stall.action"] == "restart",
        )
        process = Process(name, worker, log, limits, self._starter, self._offsets)
        process.enter(number)
        with self._lock:
            self._running[name] = process
            if self._watcher is None:
                self._watcher = threading.Thread(
                    target=self._watch, name="aliran-processes", daemon=True
                )
                self._watcher.start()
        connector = self.connectors.get(name)
        if connector is not None:
            process.enter(CONNECTOR)
            try:
                connector.start_in(process)
            except BaseException:
                process.end()
                raise
        return process

    def set_level(self, name: str | None, level: int) -> None:
        """Set the level of a logger in all processes."""
        with self._lock:
            running = list(self._running.values())
        for process in running:
            process.channel.tell("level", name, level)

    def _watch(self) -> None:
        """Look at memory and signs of life now and then."""
        while not self._closing.wait(_LOOK_S):
            with self._lock:
                for name, process in list(self._running.items()):
                    if process.ended:
                        del self._running[name]
                running = list(self._running.values())
            for process in running:
                process.look(time.monotonic())

    def close(self) -> None:
        """End all processes. Idempotent."""
        self._closing.set()
        with self._lock:
            running = list(self._running.values())
        for process in running:
            process.end()
        for process in running:
            process.join(5)
        self._starter.close()
        self._offsets.shutdown()


def log_of(worker: Worker, name: str, config: Mapping[str, Any]) -> Path:
    """Return the log of a connector's process."""
    given = config.get("aliran.log.file")
    if given:
        return Path(worker.resolved({"file": given})["file"])
    return Path(worker.settings["aliran.data.dir"], "logs", f"{quote(name, safe=' ')}.log")
