"""What one worker of several has: connectors and tasks, and how they are stopped and changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aliran.connectors.distributed.protocol import CONNECTOR, Unit
from aliran.connectors.distributed.status_log import SharedStatusBoard
from aliran.connectors.errors import ConfigError
from aliran.connectors.runtime.lifecycle import Entry, Lifecycle
from aliran.connectors.runtime.plugins import Plugin
from aliran.connectors.runtime.status import State, Status
from aliran.connectors.runtime.worker import Worker


class LocalWork:
    """The work that this worker has; changed by the herder's thread only.

    Args:
        life: Starts and stops.
        worker: Knows plugins.
        board: Where states are told.
    """

    def __init__(self, life: Lifecycle, worker: Worker, board: SharedStatusBoard) -> None:
        self._life = life
        self._worker = worker
        self._board = board
        self._units: frozenset[Unit] = frozenset()

    def units(self) -> frozenset[Unit]:
        """Return all of it."""
        return self._units

    def has(self, unit: Unit) -> bool:
        """Return whether this worker has it."""
        return unit in self._units

    def add(self, unit: Unit) -> None:
        """Take it."""
        self._units |= {unit}

    def entry(self, known: Entry | None, config: Mapping[str, str | None], target: State) -> Entry:
        """Return the entry of a connector with its newest configuration and wanted state."""
        name = config.get("connector.class") or ""
        try:
            plugin = self._worker.plugins.connector(name)
        except ConfigError as error:
            plugin = _missing(name, error)
        if known is None:
            return Entry(dict(config), plugin, target)
        known.config, known.plugin, known.target = dict(config), plugin, target
        return known

    def stop(self, units: Iterable[Unit], entries: Mapping[str, Entry]) -> None:
        """Stop work and give it away; what ends, ends at the same time."""
        going = [unit for unit in units if unit in self._units]
        ending = []
        for unit in going:
            entry = entries.get(unit.connector)
            if entry is not None and unit.task != CONNECTOR:
                entry.restarts.pop(unit.task, None)
                ending.append(entry.tasks.pop(unit.task, None))
        self._life.end(*ending)
        for unit in going:
            entry = entries.get(unit.connector)
            if entry is None:
                continue
            if unit.task == CONNECTOR:
                self._life.stop_connector(entry)
            if entry.target is not State.STOPPED:
                status = Status(State.UNASSIGNED, version=entry.plugin.version)
                self._board.put_safely(unit.connector, unit.task, status)
        self._units -= frozenset(going)

    def drop(self, name: str, entry: Entry) -> None:
        """Stop and forget what this worker has of a connector that exists no more."""
        mine = [unit for unit in self._units if unit.connector == name]
        self._life.end(*entry.tasks.values())
        entry.tasks.clear()
        self._life.stop_connector(entry)
        for unit in mine:
            self._board.forget(name, unit.task)
        self._units -= frozenset(mine)

    def restart_tasks(self, name: str, entry: Entry) -> None:
        """Start the tasks of a connector that this worker has anew; those gone are forgotten."""
        mine = sorted(unit for unit in self._units if unit.connector == name and unit.task >= 0)
        self._life.end(*(entry.tasks.pop(unit.task, None) for unit in mine))
        for unit in mine:
            entry.restarts.pop(unit.task, None)
            if unit.task < len(entry.task_props):
                self._life.start_task(name, entry, unit.task)
            else:
                self._board.forget(name, unit.task)
                self._units -= {unit}

    def retarget(self, name: str, entry: Entry) -> None:
        """Pause or resume the tasks that this worker has, or stop them."""
        if entry.target is State.STOPPED:
            self._life.end(*entry.tasks.values())
            for number in list(entry.tasks):
                self._board.forget(name, number)
            entry.tasks.clear()
            return
        for unit in self._units:
            if unit.connector != name or unit.task == CONNECTOR:
                continue
            task = entry.tasks.get(unit.task)
            if task is None and unit.task < len(entry.task_props):
                self._life.start_task(name, entry, unit.task)
            elif task is not None:
                (task.pause if entry.target is State.PAUSED else task.resume)()


def _missing(name: str, error: ConfigError) -> Plugin:
    """Return what stands for a connector class that this worker does not have."""

    def load() -> type[object]:
        raise error

    return Plugin(name, "unknown", "0", load)
