"""Configurations, states that are wanted, and requests to all workers, in one topic.

Kafka: `KafkaConfigBackingStore`. The topic has one partition, so that all workers read everything
in the same order. A connector's task configurations count once `commit-<connector>` says how many
there are; where compaction or a crash has left a part of them, the connector is inconsistent until
they are written anew.
"""

from __future__ import annotations

import base64
import json
import logging
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from aliran.connectors.distributed.protocol import CONNECTOR, Unit
from aliran.connectors.distributed.topic_log import TopicLog
from aliran.connectors.errors import ConnectError
from aliran.connectors.runtime.cluster import Cluster
from aliran.connectors.runtime.status import State

logger: logging.Logger = logging.getLogger("aliran.connectors")

ALGORITHM = "HmacSHA256"

_WRITTEN = {State.RUNNING: "STARTED", State.PAUSED: "PAUSED", State.STOPPED: "STOPPED"}
_READ = {text: state for state, text in _WRITTEN.items()}


@dataclass(frozen=True, slots=True)
class SessionKey:
    """What requests between workers are signed with.

    Attributes:
        key: The secret.
        created_ms: When it was made, in milliseconds since the epoch.
    """

    key: bytes
    created_ms: int


@dataclass(slots=True)
class Connectors:
    """What the topic says. Kafka: `ClusterConfigState`.

    Attributes:
        offset: How far it was read: the offset behind the last record; -1 for nothing.
        configs: Configurations by connector, with placeholders.
        targets: States that are wanted.
        tasks: Configurations of tasks that count, by connector.
        inconsistent: Connectors whose task configurations are incomplete.
        fenced: How many tasks a connector had when its producers were fenced last.
        session_key: What requests between workers are signed with.
        waiting: Task configurations that do not count yet.
    """

    offset: int = -1
    configs: dict[str, dict[str, str | None]] = field(default_factory=dict)
    targets: dict[str, State] = field(default_factory=dict)
    tasks: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    inconsistent: set[str] = field(default_factory=set)
    fenced: dict[str, int] = field(default_factory=dict)
    session_key: SessionKey | None = None
    waiting: dict[str, dict[int, dict[str, str]]] = field(default_factory=dict)

    def units(self) -> set[Unit]:
        """Return all work: connectors, and the tasks of those that are not stopped."""
        found = {Unit(name, CONNECTOR) for name in self.configs}
        for name, tasks in self.tasks.items():
            if name in self.configs and name not in self.inconsistent:
                found |= {Unit(name, number) for number in range(len(tasks))}
        return found

    def target(self, name: str) -> State:
        """Return the state that is wanted of a connector."""
        return self.targets.get(name, State.RUNNING)


class ConfigListener(Protocol):
    """Is told of what changes, on the reader's thread, once the first reading is done."""

    def connector_changed(self, name: str) -> None:
        """A connector was made, changed or taken away."""
        ...

    def target_changed(self, name: str) -> None:
        """Another state is wanted of a connector."""
        ...

    def tasks_changed(self, name: str) -> None:
        """A connector has other tasks."""
        ...

    def restart_wanted(self, name: str, *, include_tasks: bool, only_failed: bool) -> None:
        """A connector is to be restarted."""
        ...

    def logger_level_wanted(self, name: str, level: str) -> None:
        """A logger's level is to be set on all workers."""
        ...


class ConfigLog:
    """Reads and writes the topic.

    Args:
        cluster: Where it is.
        topic: Its name.
        replication: How many replicas a new one has.
        listener: Is told of changes.

    Raises:
        ConnectError: The topic cannot be used; it must have one partition.
    """

    def __init__(
        self, cluster: Cluster, topic: str, replication: int, listener: ConfigListener
    ) -> None:
        self._listener = listener
        self._lock = threading.Lock()
        self._state = Connectors()
        self._read = False
        self._log = TopicLog(cluster, topic, 1, replication, self._apply)
        if self._log.partitions != 1:
            raise ConnectError(
                f"config.storage.topic={topic} has {self._log.partitions} partitions; it must have "
                "one, so that all workers read the same order"
            )

    def start(self) -> None:
        """Read to the end, then follow."""
        self._log.start()
        self._read = True

    def close(self) -> None:
        """Stop following."""
        self._log.close()

    def refresh(self, timeout_s: float) -> None:
        """Wait until everything that is in the topic now was read.

        Raises:
            ConnectError: It takes too long.
        """
        self._log.read_to_end(timeout_s)

    def state(self) -> Connectors:
        """Return what the topic says now; it does not change any more."""
        with self._lock:
            state = self._state
            return Connectors(
                state.offset, dict(state.configs), dict(state.targets), dict(state.tasks),
                set(state.inconsistent), dict(state.fenced), state.session_key,
            )  # fmt: skip

    # ------------------------------------------------------------------ writing

    def put_connector(
        self, name: str, config: Mapping[str, str | None], target: State | None
    ) -> None:
        """Write a configuration, behind the state that is wanted where there is a new one.

        Raises:
            ConnectError: It could not be written, here and below.
        """
        rows = [] if target is None else [_target_row(name, target)]
        self._write([*rows, (f"connector-{name}", {"properties": dict(config)})])

    def remove_connector(self, name: str) -> None:
        """Forget a connector."""
        self._write([(f"connector-{name}", None), (f"target-state-{name}", None)])

    def put_tasks(self, name: str, tasks: Sequence[Mapping[str, str]]) -> None:
        """Write the configurations of all tasks of a connector."""
        rows: list[tuple[str, Any]] = [
            (f"task-{name}-{number}", {"properties": dict(one)}) for number, one in enumerate(tasks)
        ]
        self._write([*rows, (f"commit-{name}", {"tasks": len(tasks)})])

    def put_target(self, name: str, target: State) -> None:
        """Write the state that is wanted."""
        self._write([_target_row(name, target)])

    def put_fence(self, name: str, tasks: int) -> None:
        """Write that the producers of a connector's tasks, so many, are to be fenced from now."""
        self._write([(f"tasks-fencing-{name}", {"task-count": tasks})])

    def put_restart(self, name: str, *, include_tasks: bool, only_failed: bool) -> None:
        """Ask all workers to restart what they have of a connector."""
        request = {"include-tasks": include_tasks, "only-failed": only_failed}
        self._write([(f"restart-connector-{name}", request)])

    def put_logger_level(self, name: str, level: str) -> None:
        """Ask all workers to set the level of a logger."""
        self._write([(f"logger-cluster-{name}", {"level": level})])

    def put_new_session_key(self) -> None:
        """Make a new secret for requests between workers."""
        self._write(
            [
                (
                    "session-key",
                    {
                        "key": base64.b64encode(secrets.token_bytes(32)).decode(),
                        "algorithm": ALGORITHM,
                        "creation-timestamp": int(time.time() * 1000),
                    },
                )
            ]
        )

    def _write(self, rows: Sequence[tuple[str, Any]]) -> None:
        self._log.write(
            (key.encode(), None if value is None else _json(value)) for key, value in rows
        )

    # ------------------------------------------------------------------ reading

    def _apply(self, key: bytes | None, value: bytes | None, offset: int) -> None:
        """Take over a record; what is not understood is passed over with a warning."""
        try:
            text = (key or b"").decode()
            found = None if value is None else json.loads(value)
        except ValueError:
            logger.warning("a record of the configurations is not understood: offset %s", offset)
            text, found = "", None
        with self._lock:
            told = self._take(text, found)
            self._state.offset = offset + 1
        if told is not None and self._read:
            told()

    def _take(self, key: str, found: Any) -> Any:
        """Take over a record; return what the listener is to be told."""
        state, tell = self._state, self._listener
        if name := _behind("connector-", key):
            if found is None:
                for table in (state.configs, state.targets, state.tasks, state.waiting):
                    table.pop(name, None)
                state.inconsistent.discard(name)
            else:
                state.configs[name] = found["properties"]
            return lambda: tell.connector_changed(name)
        if name := _behind("target-state-", key):
            if found is None:
                state.targets.pop(name, None)
            else:
                text = found.get("state.v2") or found.get("state")
                state.targets[name] = _READ.get(text, State.RUNNING)
            return lambda: tell.target_changed(name)
        if name := _behind("task-", key):
            connector, _, number = name.rpartition("-")
            if found is not None:
                state.waiting.setdefault(connector, {})[int(number)] = found["properties"]
            return None
        if name := _behind("commit-", key):
            return self._commit(name, found)
        return self._take_other(key, found)

    def _commit(self, name: str, found: Any) -> Any:
        state = self._state
        if found is None:
            return None
        waiting = state.waiting.get(name, {})
        count = int(found["tasks"])
        if set(range(count)) <= set(waiting):
            state.tasks[name] = [waiting[number] for number in range(count)]
            state.inconsistent.discard(name)
        else:
            state.inconsistent.add(name)
        state.waiting[name] = {}
        return lambda: self._listener.tasks_changed(name)

    def _take_other(self, key: str, found: Any) -> Any:
        state, tell = self._state, self._listener
        if found is None:
            return None
        if name := _behind("tasks-fencing-", key):
            state.fenced[name] = int(found["task-count"])
        elif key == "session-key":
            state.session_key = SessionKey(
                base64.b64decode(found["key"]), int(found["creation-timestamp"])
            )
        elif name := _behind("restart-connector-", key):
            tasks, failed = bool(found["include-tasks"]), bool(found["only-failed"])
            return lambda: tell.restart_wanted(name, include_tasks=tasks, only_failed=failed)
        elif name := _behind("logger-cluster-", key):
            level = str(found["level"])
            return lambda: tell.logger_level_wanted(name, level)
        return None


def _behind(prefix: str, key: str) -> str:
    """Return what stands behind a prefix; empty if it is not there."""
    return key[len(prefix) :] if key.startswith(prefix) else ""


def _target_row(name: str, target: State) -> tuple[str, Any]:
    # Workers older than 3.5 know no STOPPED: to them it is PAUSED.
    old = "PAUSED" if target is State.STOPPED else _WRITTEN[target]
    return f"target-state-{name}", {"state": old, "state.v2": _WRITTEN[target]}


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
