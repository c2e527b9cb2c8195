"""The process of a connector: the connector and its tasks on threads, and nobody else's.

What it cannot do alone (offsets, statuses) it asks the worker for. It ends when the worker goes.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import logging.handlers
import os
import signal
import socket
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from aliran.connectors.api.connector import Connector
from aliran.connectors.config.providers import providers_of
from aliran.connectors.errors import ConnectError
from aliran.connectors.runtime.cluster import Cluster
from aliran.connectors.runtime.definitions import WORKER
from aliran.connectors.runtime.isolation.channel import Channel, Handler, Problem
from aliran.connectors.runtime.offsets import Offset, Partition
from aliran.connectors.runtime.plugins import Plugins
from aliran.connectors.runtime.stalls import StallWatch, Watched
from aliran.connectors.runtime.status import Status, StatusBoard
from aliran.connectors.runtime.task import TaskId, WorkerTask
from aliran.connectors.runtime.worker import Worker

logger: logging.Logger = logging.getLogger("aliran.connectors")

LOG_BYTES = 10 << 20
LOG_FILES = 3
BEAT_S = 1.0


def main(end: socket.socket, log: str) -> None:
    """Do what the worker calls for, until it goes; never returns."""
    _open_log(log)
    program = _Program(end)
    threading.Thread(target=program.beat, name="aliran-beat", daemon=True).start()
    try:
        program.channel.serve()
    finally:
        logging.shutdown()
        os._exit(0)  # threads that hang, and clients that wait for brokers, hold nobody up


class _Log(logging.handlers.RotatingFileHandler):
    """A file that standard output and error go to as well, whatever writes there."""

    def _open(self) -> Any:
        stream = super()._open()
        for fd in (1, 2):
            os.dup2(stream.fileno(), fd)
        return stream


def _open_log(path: str) -> None:
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    handler = _Log(path, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8")
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(levelname)s [%(threadName)s] %(name)s: %(message)s")
    )
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=True)


class _Context:
    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def request_task_reconfiguration(self) -> None:
        """Hand it on."""
        self._channel.tell("reconfigure")

    def raise_error(self, error: Exception) -> None:
        """Hand it on."""
        self._channel.tell("connector_failed", Problem.of(error))


class _Offsets:
    """The worker's offsets. They cross as JSON: numbers of any size."""

    def __init__(self, channel: Channel, topic: str | None) -> None:
        self._channel = channel
        self.topic = topic

    def get(self, connector: str, partition: Partition) -> dict[str, Any] | None:
        """Return an offset, None for none."""
        found: dict[str, Any] | None = json.loads(
            self._channel.call("get_offset", connector, json.dumps(partition))
        )
        return found

    def all(self, connector: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Return all partitions and offsets of a connector."""
        rows = json.loads(self._channel.call("all_offsets", connector))
        return [(partition, offset) for partition, offset in rows]

    def put(self, connector: str, offsets: Iterable[tuple[Partition, Offset | None]]) -> None:
        """Have offsets kept."""
        self._channel.call("put_offsets", connector, json.dumps(list(offsets)))

    def note(self, connector: str, offsets: Iterable[tuple[Partition, Offset]]) -> None:
        """Have the worker take note of offsets that a task has written itself."""
        self._channel.tell("note_offsets", connector, json.dumps(list(offsets)))

    def close(self) -> None:
        """Do nothing: they are the worker's."""


class _Board(StatusBoard):
    """Tells the worker."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._channel = channel

    def put(self, connector: str, task: int, status: Status) -> None:  # noqa: ARG002
        """Note a status, there."""
        self._channel.tell("status", task, status.state.value, status.trace, status.version)


class _Program:
    def __init__(self, end: socket.socket) -> None:
        pool = ThreadPoolExecutor(4, thread_name_prefix="aliran-connector")
        quick: dict[str, Handler] = {
            "setup": self._setup,
            "tell": self._tell,
            "level": self._set_level,
        }
        slow: dict[str, Handler] = {
            "start_connector": self._start_connector,
            "task_configs": self._task_configs,
            "stop_connector": self._stop_connector,
            "make_task": self._make_task,
            "stop_task": lambda task: self._tasks[task].stop(),
            "details": lambda task: msgspec.json.encode(dict(self._tasks[task].details())).decode(),
            "commit": lambda task: self._tasks[task].commit_offsets(),
        }
        self.channel = Channel(end, quick, slow, pool.submit)
        self._tasks: dict[int, WorkerTask] = {}
        self._connector: Connector | None = None
        self._topics: set[tuple[int, str]] = set()
        self._worker: Worker

    def beat(self) -> None:
        """Show now and then that this process can still do something."""
        pause = threading.Event()
        while not pause.wait(BEAT_S):
            self.channel.tell("beat")
            self._topics.clear()  # they are told again: the worker may have been asked to forget

    # ------------------------------------------------------------------ what the worker calls for

    def _setup(self, given: dict[str, Any]) -> None:
        props: dict[str, str] = given["props"]
        settings = WORKER.parse(props)
        self._worker = Worker(
            given["id"],
            Cluster(given["bootstrap_servers"], given["clients"]),
            Plugins(settings["plugin.path"], given["version"]),
            _Offsets(self.channel, given["offset_topic"]),
            _Board(self.channel),
            {**settings, "aliran.isolation": "thread"},
            props,
            providers_of(props),
            lambda task, error: self.channel.tell("task_failed", task.task, Problem.of(error)),
            self._used,
            StallWatch(self._stalled),
            lambda task: self.channel.tell("task_ended", task.task),
        )

    def _used(self, _connector: str, task: TaskId, topic: str) -> None:
        if (task.task, topic) not in self._topics:
            self._topics.add((task.task, topic))
            self.channel.tell("used", task.task, topic)

    def _stalled(self, task: Watched, reason: str) -> None:
        self.channel.tell("stalled", task.id.task, reason)

    def _start_connector(self, class_name: str, props: Mapping[str, str]) -> None:
        connector: Connector = self._worker.plugins.connector(class_name).make()
        connector.initialize(_Context(self.channel))
        connector.start(props)
        self._connector = connector

    def _task_configs(self, max_tasks: int) -> list[dict[str, str]]:
        if self._connector is None:
            raise ConnectError("the connector does not run")
        return [dict(one) for one in self._connector.task_configs(max_tasks)]

    def _stop_connector(self) -> None:
        connector, self._connector = self._connector, None
        if connector is not None:
            connector.stop()

    def _make_task(
        self,
        name: str,
        number: int,
        config: Mapping[str, str],
        props: Mapping[str, str],
        paused: bool,
    ) -> None:
        plugin = self._worker.plugins.connector(config["connector.class"])
        here = {**config, "aliran.isolation": "thread"}
        self._tasks[number] = self._worker.make_task(
            TaskId(name, number), plugin, here, props, paused=paused
        )

    def _tell(self, number: int, what: str) -> None:
        task = self._tasks[number]
        {"start": task.start, "pause": task.pause, "resume": task.resume}[what]()

    @staticmethod
    def _set_level(name: str | None, level: int) -> None:
        logging.getLogger(name).setLevel(level)
