"""`StandaloneHerder`: the connectors of one process, and what may be asked of them.

Kafka: `StandaloneHerder`. Configurations and states live in memory: they come from the command line
or by REST. What begins work waits for its end, so that answers tell the truth.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from aliran.connectors.errors import AlreadyExistsError, ConfigError, NotFoundError
from aliran.connectors.runtime.herder import ConflictError, Herder
from aliran.connectors.runtime.lifecycle import Entry
from aliran.connectors.runtime.status import State, Status
from aliran.connectors.runtime.task import TaskId
from aliran.connectors.runtime.worker import Worker

logger: logging.Logger = logging.getLogger("aliran.connectors")

_TARGETS = {State.RUNNING, State.PAUSED, State.STOPPED}


class StandaloneHerder(Herder):
    """Starts, changes and stops connectors.

    Args:
        worker: Puts tasks together. Its `on_failed` and `on_topic` should be this herder's.
    """

    def __init__(self, worker: Worker) -> None:
        super().__init__(worker)
        self._topics: dict[str, dict[str, None]] = {}
        self._upkeep = threading.Thread(target=self._keep_up, name="aliran-upkeep", daemon=True)
        self._upkeep.start()

    def topics(self, name: str) -> list[str]:
        """Return the topics that a connector has used."""
        self._entry(name)
        return list(self._topics.get(name, ()))

    def reset_topics(self, name: str) -> None:
        """Forget them."""
        self._entry(name)
        self._topics.pop(name, None)

    def note_topic(self, name: str, _task: TaskId, topic: str) -> None:
        """Remember a topic; called for each record, so it must be quick."""
        known = self._topics.get(name)
        if known is None or topic not in known:
            self._topics.setdefault(name, {})[topic] = None

    # ------------------------------------------------------------------ changes

    @contextmanager
    def _change(self, name: str, what: str) -> Iterator[None]:
        """Let one change of a connector happen at a time.

        Raises:
            ConflictError: Another one is under way.
        """
        with self._lock:
            entry = self._entries.get(name)
            if entry is not None and entry.busy is not None:
                raise ConflictError(
                    f"Connector {name} is being changed: {entry.busy}; {what} has to wait. "
                    "Reason: operation in progress"
                )
            if entry is not None:
                entry.busy = what
        try:
            yield
        finally:
            if entry is not None:
                entry.busy = None

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
        config = {**config, "name": name}
        with self._change(name, "a new configuration"):
            known = self._entries.get(name)
            if known is not None and not replace:
                raise AlreadyExistsError(f"Connector {name} already exists")
            self.validate(config, check=check).raise_if_wrong()
            plugin = self._worker.plugins.connector(config["connector.class"] or "")
            if known is not None:
                if known.plugin.kind != plugin.kind:
                    raise ConfigError(
                        f"Connector {name} is a {known.plugin.kind}: it cannot become a "
                        f"{plugin.kind}. Delete it first"
                    )
                self._life.stop_all(name, known)
            entry = Entry(config, plugin, target or (known.target if known else State.RUNNING))
            entry.busy = "a new configuration"
            with self._lock:
                if known is None and name in self._entries:
                    raise AlreadyExistsError(f"Connector {name} already exists")
                self._entries[name] = entry
            try:
                self._life.start(name, entry)
            finally:
                entry.busy = None
        return known is None, self.info(name)

    def delete(self, name: str) -> None:
        """Stop a connector and forget it; its offsets stay, as with Kafka."""
        with self._change(name, "deletion"):
            entry = self._entry(name)
            self._life.stop_all(name, entry)
            with self._lock:
                self._entries.pop(name, None)
            self._topics.pop(name, None)
            self._worker.board.forget(name)

    def set_target(self, name: str, target: State) -> None:
        """Pause, resume or stop a connector."""
        assert target in _TARGETS
        with self._change(name, target.value.lower()):
            entry = self._entry(name, "Unknown connector {}")
            entry.target = target
            if target is State.STOPPED:
                self._life.stop_all(name, entry)
                entry.task_props = []
                self._life.say(name, entry, State.STOPPED)
            elif target is State.RUNNING and entry.connector is None:
                self._life.start(name, entry)
            else:
                for task in entry.tasks.values():
                    (task.pause if target is State.PAUSED else task.resume)()
                status = self._worker.board.get(name)
                if status is None or status.state is not State.FAILED:
                    self._life.say(name, entry, target)

    def restart(self, name: str, *, include_tasks: bool, only_failed: bool) -> dict[str, Any]:
        """Restart a connector, and its tasks if wanted; return its status as it was picked."""
        with self._change(name, "restart"):
            several = include_tasks or only_failed
            entry = self._entry(
                name, "Unknown connector: {}" if several else "Connector {} not found"
            )
            board = self._worker.board

            def picked(status: Status | None) -> bool:
                return not only_failed or (status is not None and status.state is State.FAILED)

            again = [
                number
                for number, status in board.tasks(name).items()
                if include_tasks and picked(status)
            ]
            connector_too = picked(board.get(name))
            if connector_too:
                self._life.say(name, entry, State.RESTARTING)
            for number in again:
                board.put(name, number, Status(State.RESTARTING, version=entry.plugin.version))
            plan = self.status(name)
            if connector_too:
                self._life.stop_connector(entry)
                self._life.start_connector(name, entry)
            for number in again:
                self._life.restart_task_of(name, entry, number)
            if connector_too and not entry.tasks and entry.target is not State.STOPPED:
                self._life.start_tasks(name, entry)
        return plan

    def restart_task(self, name: str, task: int) -> None:
        """Restart one task."""
        with self._change(name, "restart"):
            entry = self._entry(name)
            if not 0 <= task < len(entry.task_props):
                raise NotFoundError(f"Task {name}-{task} not found")
            self._life.restart_task_of(name, entry, task)

    def reconfigure_tasks(self, name: str) -> None:
        """Ask a connector for its tasks again, and start them anew if they differ."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not self._closing.is_set():
            try:
                with self._change(name, "new tasks"):
                    entry = self._entries.get(name)
                    if entry is not None and entry.connector and entry.target is not State.STOPPED:
                        self._life.start_tasks(name, entry, only_if_changed=True)
                return
            except ConflictError:
                self._closing.wait(0.1)

    def close(self) -> None:
        """Stop everything. Idempotent."""
        self._closing.set()
        if self._upkeep is not threading.current_thread():
            self._upkeep.join()
        with self._lock:
            entries = list(self._entries.items())
        for _, entry in entries:
            for task in entry.tasks.values():
                task.stop()
        for name, entry in entries:
            self._life.stop_all(name, entry)

    # ------------------------------------------------------------------ upkeep

    def _keep_up(self) -> None:
        """Start failed tasks again, and have offsets stored, when it is time."""
        every = self._worker.settings["offset.flush.interval.ms"] / 1000
        next_flush = time.monotonic() + every
        while not self._closing.wait(0.1):
            now = time.monotonic()
            with self._lock:
                entries = list(self._entries.items())
            for name, entry in entries:
                if entry.busy is None:
                    self._restart_due(name, entry, now)
            if now >= next_flush:
                next_flush = now + every
                for _, entry in entries:
                    for task in list(entry.tasks.values()):
                        self._flush(task)

    def _restart_due(self, name: str, entry: Entry, now: float) -> None:
        due = [n for n, one in entry.restarts.items() if one.due is not None and one.due <= now]
        if not due:
            return
        try:
            with self._change(name, "automatic restart"):
                for number in due:
                    if self._entries.get(name) is entry and number < len(entry.task_props):
                        logger.warning("task %s-%s is started again", name, number)
                        self._life.restart_task_of(name, entry, number)
        except ConflictError:
            return  # next time
