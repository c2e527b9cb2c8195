"""`DistributedHerder`: this worker's share of the connectors of a cluster.

Kafka: `DistributedHerder`. One thread starts and stops what this worker has, in the order in which
it hears of it: from the topic of configurations, from the group, and from requests. Only the leader
writes configurations; requests that change something are forwarded to it.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aliran.connectors.distributed.assignor import Assignor
from aliran.connectors.distributed.config_log import ConfigLog, Connectors
from aliran.connectors.distributed.errors import NotLeaderError, RebalanceError
from aliran.connectors.distributed.forwarding import send_signed
from aliran.connectors.distributed.local_work import LocalWork
from aliran.connectors.distributed.membership import GroupSettings, Membership
from aliran.connectors.distributed.offset_log import SharedOffsetStore
from aliran.connectors.distributed.protocol import (
    CONFIG_MISMATCH,
    CONNECTOR,
    Assignment,
    Unit,
    WorkerState,
)
from aliran.connectors.distributed.status_log import SharedStatusBoard
from aliran.connectors.distributed.task_configs import TaskPublisher
from aliran.connectors.errors import AlreadyExistsError, ConfigError, ConnectError, NotFoundError
from aliran.connectors.runtime.herder import Herder
from aliran.connectors.runtime.loggers import LEVELS, set_level
from aliran.connectors.runtime.status import State, Status
from aliran.connectors.runtime.task import TaskId
from aliran.connectors.runtime.worker import Worker
from aliran.core.errors import AliranError

logger: logging.Logger = logging.getLogger("aliran.connectors")

_TICK_S = 0.1
_KEY_TTL_MS = 3_600_000
_WAIT_S = 90.0


@dataclass(frozen=True, slots=True)
class Shared:
    """What a worker shares with the others.

    Attributes:
        offsets: Source offsets.
        board: States.
        group: How it takes part in the group.
        url: Where other workers reach its REST.
        max_delay_ms: How long the work of a lost worker waits for it.
        sync_timeout_ms: How long a worker may take to read the configurations to their end.
        unsync_backoff_ms: How long it then stays out of the way if it could not.
    """

    offsets: SharedOffsetStore
    board: SharedStatusBoard
    group: GroupSettings
    url: str
    max_delay_ms: int
    sync_timeout_ms: int
    unsync_backoff_ms: int


class DistributedHerder(Herder):
    """Starts what the group gives to this worker; as the leader, decides who gets what.

    Args:
        worker: Puts tasks together.
        shared: What it shares with the others.
        config_topic: The topic of configurations.
        replication: Replicas of that topic if it is made.
    """

    def __init__(self, worker: Worker, shared: Shared, config_topic: str, replication: int) -> None:
        super().__init__(worker)
        self._shared = shared
        self.configs: ConfigLog = ConfigLog(worker.cluster, config_topic, replication, self)
        self._member = Membership(shared.group, self)
        self._assignor = Assignor(shared.max_delay_ms)
        self._work = LocalWork(self._life, worker, shared.board)
        self._publisher = TaskPublisher(worker, self.configs, self._send_tasks)
        self._todo: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._later: list[tuple[float, Callable[[], None]]] = []
        self._leads = False
        self._leader_url = ""
        self._owners: dict[Unit, str] = {}
        self._joined = threading.Event()
        self._senders = ThreadPoolExecutor(1, thread_name_prefix="aliran-tasks")
        self._thread = threading.Thread(target=self._run, name="aliran-herder", daemon=True)

    @property
    def generation(self) -> int:
        """The generation of the group that this worker knows."""
        return self._member.generation

    def start(self) -> None:
        """Read what there is, and join the group; returns when work was dealt out once.

        Raises:
            ConnectError: A topic cannot be read, or the group does not take this worker in.
        """
        self.configs.start()
        for name in self.configs.state().configs:
            self._sync(name)
        self._thread.start()
        self._member.start()
        if not self._joined.wait(_WAIT_S):
            raise ConnectError(
                f"the group {self._shared.group.group_id!r} did not give this worker a place "
                f"within {_WAIT_S:.0f} s; the log says why"
            )

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        every = self._worker.settings["offset.flush.interval.ms"] / 1000
        next_flush = time.monotonic() + every
        while not self._closing.is_set():
            try:
                self._todo.get(timeout=_TICK_S)()
            except queue.Empty:
                pass
            except Exception:
                logger.exception("the worker could not do what it was to do")
            now = time.monotonic()
            due = [do for at, do in self._later if at <= now]
            self._later = [(at, do) for at, do in self._later if at > now]
            for do in due:
                self._todo.put(do)
            self._restart_due(now)
            if now >= next_flush:
                next_flush = now + every
                self._keep_session_key()
                for entry in list(self._entries.values()):
                    for task in list(entry.tasks.values()):
                        self._flush(task)

    def _soon(self, do: Callable[[], None]) -> threading.Event:
        """Have something done on the thread; the event says that it has been."""
        done = threading.Event()

        def both() -> None:
            try:
                do()
            finally:
                done.set()

        self._todo.put(both)
        return done

    def _settle(self) -> None:
        """Wait until everything that is known has been done."""
        if threading.current_thread() is not self._thread:
            self._soon(lambda: None).wait(_WAIT_S)

    def _after(self, seconds: float, do: Callable[[], None]) -> None:
        self._later.append((time.monotonic() + seconds, do))

    def _restart_due(self, now: float) -> None:
        for name, entry in list(self._entries.items()):
            for number, one in list(entry.restarts.items()):
                if one.due is not None and one.due <= now and self._work.has(Unit(name, number)):
                    logger.warning("task %s-%s is started again", name, number)
                    self._life.restart_task_of(name, entry, number)

    # ------------------------------------------------------------------ news of configurations

    def _sync(self, name: str) -> bool:
        """Bring what is known of a connector up to the topic; return whether it exists."""
        state = self.configs.state()
        config = state.configs.get(name)
        with self._lock:
            if config is None:
                self._entries.pop(name, None)
                return False
            entry = self._work.entry(self._entries.get(name), config, state.target(name))
            entry.task_props = self._publisher.resolved(state.tasks.get(name, []), config)
            self._entries[name] = entry
        return True

    def connector_changed(self, name: str) -> None:
        """A connector was made, changed or taken away."""
        self._soon(lambda: self._on_connector(name))

    def _on_connector(self, name: str) -> None:
        old = self._entries.get(name)
        if not self._sync(name):
            if old is not None:
                self._work.drop(name, old)
        elif self._work.has(Unit(name)):
            entry = self._entries[name]
            self._life.stop_connector(entry)
            self._start_connector(name, again=True)
        self._reconsider()

    def target_changed(self, name: str) -> None:
        """Another state is wanted of a connector."""
        self._soon(lambda: self._on_target(name))

    def _on_target(self, name: str) -> None:
        if not self._sync(name):
            return
        entry = self._entries[name]
        if self._work.has(Unit(name)):
            if entry.target is State.RUNNING and entry.connector is None:
                self._start_connector(name)
            elif entry.target is State.STOPPED:
                self._life.stop_connector(entry)
                self._life.say(name, entry, State.STOPPED)
            else:
                self._life.say(name, entry, entry.target)
        self._work.retarget(name, entry)

    def tasks_changed(self, name: str) -> None:
        """A connector has other tasks."""
        self._soon(lambda: self._on_tasks(name))

    def _on_tasks(self, name: str) -> None:
        if self._sync(name):
            self._work.restart_tasks(name, self._entries[name])
        self._reconsider()

    def restart_wanted(self, name: str, *, include_tasks: bool, only_failed: bool) -> None:
        """Restart what this worker has of a connector, as far as it was picked."""
        self._soon(lambda: self._on_restart(name, include_tasks, only_failed))

    def _on_restart(self, name: str, include_tasks: bool, only_failed: bool) -> None:
        entry = self._entries.get(name)
        if entry is None:
            return
        connector_too, tasks = self._picked(name, include_tasks, only_failed)
        for number in tasks:
            if self._work.has(Unit(name, number)):
                self._life.restart_task_of(name, entry, number)
        if connector_too and self._work.has(Unit(name)):
            self._life.stop_connector(entry)
            self._start_connector(name)

    def logger_level_wanted(self, name: str, level: str) -> None:
        """Set the level of a logger."""
        if level in LEVELS:
            set_level(name, level)

    def _reconsider(self) -> None:
        """As the leader, have the work dealt out anew if there is other work now."""
        if self._leads and self.configs.state().units() != set(self._owners):
            self._member.request_rejoin()

    def _start_connector(self, name: str, *, again: bool = False) -> None:
        entry = self._entries[name]
        if entry.target is not State.RUNNING:
            self._life.say(name, entry, entry.target)
        elif self._life.start_connector(name, entry):
            self._publish(name, always=again)

    def _publish(self, name: str, *, always: bool = False) -> None:
        """Have the tasks of a connector of ours known to all."""
        entry = self._entries.get(name)
        if entry is None or entry.connector is None or not self._work.has(Unit(name)):
            return
        wanted = self._life.wanted_tasks(name, entry)
        if wanted is None:
            return
        tasks = self._publisher.tasks_of(entry, wanted)
        # Not on this thread: a leader that waits for us to join again would wait for ever.
        self._senders.submit(self._tell_tasks, name, tasks, always)

    def _tell_tasks(self, name: str, tasks: Sequence[Mapping[str, str]], always: bool) -> None:
        try:
            self._publisher.publish(name, tasks, always=always)
        except AliranError as error:
            if self._closing.is_set():
                return
            logger.warning("the tasks of %s are not known yet: %s; trying again", name, error)
            self._soon(lambda: self._after(1.0, lambda: self._publish(name, always=always)))
        except Exception:
            logger.exception("the tasks of %s could not be made known", name)

    def _send_tasks(self, name: str, tasks: Sequence[Mapping[str, str]]) -> None:
        """Write the tasks of a connector, or have the leader write them."""
        if self._leads:
            self.configs.put_tasks(name, tasks)
        else:
            self._ask_leader("POST", f"connectors/{quote(name, safe='')}/tasks", list(tasks))

    def _ask_leader(self, method: str, path: str, body: Any) -> None:
        key = self.configs.state().session_key
        if key is None or not self._leader_url:
            raise RebalanceError("no leader is known")
        send_signed(method, self._leader_url + path, body, key)

    # ------------------------------------------------------------------ the group

    def state(self) -> WorkerState:
        """Return what this worker says when it joins."""
        offset = self.configs.state().offset
        return WorkerState(self._shared.url, offset, frozenset(self._work.units()))

    def decide(self, member_id: str, members: Mapping[str, WorkerState]) -> dict[str, Assignment]:
        """Decide who gets what."""
        newest = max(one.config_offset for one in members.values())
        url, error = members[member_id].url, 0
        if self.configs.state().offset < newest:
            try:
                self.configs.refresh(self._shared.sync_timeout_ms / 1000)
            except ConnectError as problem:
                logger.warning("leading without the newest configurations: %s", problem)
        state = self.configs.state()
        if state.offset < newest:
            error = CONFIG_MISMATCH
            return {
                name: Assignment(member_id, url, newest, error=error) for name in members
            }  # fmt: skip
        if not self._leads:
            self._assignor.forget()
        running = {name: one.running for name, one in members.items()}
        plan = self._assignor.plan(running, state.units(), time.monotonic())
        self._owners = {
            unit: members[name].url
            for name in members
            for unit in (set(running[name]) | plan.assigned[name]) - plan.revoked[name]
        }
        return {
            name: Assignment(
                member_id, url, state.offset, frozenset(plan.assigned[name]),
                frozenset(plan.revoked[name]), plan.delay_ms,
            )
            for name in members
        }  # fmt: skip

    def assigned(self, assignment: Assignment, *, leads: bool) -> threading.Event:
        """Take over what was decided."""
        self._leads, self._leader_url = leads, assignment.leader_url
        return self._soon(lambda: self._on_assignment(assignment))

    def _on_assignment(self, assignment: Assignment) -> None:
        shared = self._shared
        behind = self.configs.state().offset < assignment.config_offset
        try:
            if assignment.error == CONFIG_MISMATCH or behind:
                self.configs.refresh(shared.sync_timeout_ms / 1000)
            if assignment.assigned:
                shared.offsets.refresh()
        except ConnectError as error:
            logger.warning(
                "this worker could not read what the others wrote: %s; it gives up its work and "
                "tries again in %s ms", error, shared.unsync_backoff_ms,
            )  # fmt: skip
            self._work.stop(self._work.units(), self._entries)
            self._after(shared.unsync_backoff_ms / 1000, self._member.request_rejoin)
            return
        for name in {*self.configs.state().configs, *self._entries}:
            self._sync(name)
        self._work.stop(assignment.revoked, self._entries)
        for unit in sorted(assignment.assigned):
            if unit.connector in self._entries:
                self._work.add(unit)
                self._begin(unit)
        if assignment.revoked or assignment.error:
            self._member.request_rejoin()
        self._keep_session_key()
        self._joined.set()

    def _begin(self, unit: Unit) -> None:
        entry = self._entries[unit.connector]
        if unit.task == CONNECTOR:
            self._start_connector(unit.connector)
        elif entry.target is not State.STOPPED and unit.task < len(entry.task_props):
            self._life.start_task(unit.connector, entry, unit.task)

    def _keep_session_key(self) -> None:
        """As the leader, see to it that there is a secret, and that it is not old."""
        if not self._leads:
            return
        key = self.configs.state().session_key
        if key is not None and time.time() * 1000 - key.created_ms <= _KEY_TTL_MS:
            return
        try:
            self.configs.put_new_session_key()
        except ConnectError as error:
            logger.warning("no new session key yet: %s; trying again", error)

    def lost(self) -> None:
        """Stop everything, and return when it has ended (or was given up)."""
        self._leads = False
        logger.warning("this worker is no member of its group any more: its work is stopped")
        self._soon(lambda: self._work.stop(self._work.units(), self._entries)).wait(_WAIT_S)

    # ------------------------------------------------------------------ requests

    def require_leader(self) -> None:
        """Return if this worker leads.

        Raises:
            RebalanceError: Nobody leads now.
            NotLeaderError: Another one does.
        """
        if not self._joined.is_set() or not self._leader_url or not self._member.member_id:
            raise RebalanceError("the workers are dealing out their work; try again in a moment")
        if not self._leads:
            raise NotLeaderError(self._leader_url)

    def put(
        self,
        name: str,
        config: Mapping[str, str | None],
        *,
        target: State | None = None,
        replace: bool,
        check: bool = True,
    ) -> tuple[bool, dict[str, Any]]:
        """Make a connector, or give it another configuration."""
        self.require_leader()
        config = {**config, "name": name}
        known = self._entries.get(name)
        if known is not None and not replace:
            raise AlreadyExistsError(f"Connector {name} already exists")
        self.validate(config, check=check).raise_if_wrong()
        kind = self._worker.plugins.connector(config["connector.class"] or "").kind
        if known is not None and known.plugin.kind != kind:
            raise ConfigError(
                f"Connector {name} is a {known.plugin.kind}: it cannot become a {kind}. Delete it "
                "first"
            )
        self.configs.put_connector(name, config, target)
        self._settle()
        return known is None, self.info(name)

    def delete(self, name: str) -> None:
        """Stop a connector and forget it; its offsets stay, as with Kafka."""
        self.require_leader()
        self._entry(name)
        self.configs.remove_connector(name)
        self._settle()
        self._shared.board.forget(name)
        self._shared.board.forget_topics(name)

    def set_target(self, name: str, target: State) -> None:
        """Pause, resume or stop a connector."""
        self._entry(name, "Unknown connector {}")
        self.require_leader()
        if target is State.STOPPED:
            self.configs.put_tasks(name, [])
        self.configs.put_target(name, target)
        self._settle()

    def _picked(self, name: str, include_tasks: bool, only_failed: bool) -> tuple[bool, list[int]]:
        """Return whether the connector is to be restarted, and which of its tasks."""
        board = self._shared.board

        def picked(status: Status | None) -> bool:
            return status is not None and (
                not only_failed or status.state in {State.FAILED, State.RESTARTING}
            )

        tasks = board.tasks(name).items()
        return picked(board.get(name)), [n for n, one in tasks if include_tasks and picked(one)]

    def restart(self, name: str, *, include_tasks: bool, only_failed: bool) -> dict[str, Any]:
        """Restart a connector, and its tasks if wanted, wherever they are."""
        several = include_tasks or only_failed
        self._entry(name, "Unknown connector: {}" if several else "Connector {} not found")
        self.require_leader()
        connector_too, tasks = self._picked(name, include_tasks, only_failed)
        plan = self.status(name)
        if connector_too:
            plan["connector"]["state"] = State.RESTARTING.value
        for row in plan["tasks"]:
            if row["id"] in tasks:
                row["state"] = State.RESTARTING.value
        self.configs.put_restart(name, include_tasks=include_tasks, only_failed=only_failed)
        self._settle()
        return plan

    def restart_task(self, name: str, task: int) -> None:
        """Restart one task, where it runs."""
        entry = self._entry(name)
        if not 0 <= task < len(entry.task_props):
            raise NotFoundError(f"Task {name}-{task} not found")
        if self._work.has(Unit(name, task)):
            self._soon(lambda: self._life.restart_task_of(name, entry, task)).wait(_WAIT_S)
            return
        self.require_leader()
        owner = self._owners.get(Unit(name, task))
        if owner is None or owner == self._shared.url:
            raise RebalanceError(f"task {name}-{task} is not given to any worker just now")
        raise NotLeaderError(owner)

    def take_tasks(self, name: str, tasks: Sequence[Mapping[str, str]]) -> None:
        """Write the tasks that another worker, which has the connector, asked for."""
        self.require_leader()
        self._entry(name)
        self.configs.put_tasks(name, tasks)

    def fence(self, name: str) -> None:
        """Have the leader write that earlier generations of a connector's tasks are fenced.

        Any worker may ask before it starts such a task (KIP-618).

        Raises:
            RebalanceError: No leader is known, or it did not take the request; it may later.
        """
        if self._leads:
            self.take_fence(name)
        else:
            self._ask_leader("PUT", f"connectors/{quote(name, safe='')}/fence", None)

    def take_fence(self, name: str) -> None:
        """Write, as the leader, how many tasks of a connector are to be fenced next time."""
        self.require_leader()
        self._entry(name)
        self.configs.put_fence(name, len(self.configs.state().tasks.get(name, [])))

    def set_cluster_level(self, name: str, level: str) -> None:
        """Have all workers set the level of a logger."""
        self.configs.put_logger_level(name, level)

    def reconfigure_tasks(self, name: str) -> None:
        """Ask a connector for its tasks again, and tell all if they differ."""
        self._soon(lambda: self._publish(name))

    def require_stopped(self, name: str) -> Any:
        """Return the plugin of a connector that is stopped, on the leader."""
        plugin = super().require_stopped(name)
        self.require_leader()
        if self._shared.board.tasks(name):
            raise ConfigError(f"the tasks of connector {name} are still ending; try again")
        return plugin

    def tasks(self, name: str) -> list[dict[str, Any]]:
        """Return the tasks with their configurations, placeholders as they were given."""
        entry = self._entry(name)
        known: Connectors = self.configs.state()
        return [
            {"id": {"connector": name, "task": number}, "config": self._shown(entry, props)}
            for number, props in enumerate(known.tasks.get(name, []))
        ]

    def topics(self, name: str) -> list[str]:
        """Return the topics that a connector has used."""
        self._entry(name)
        return self._shared.board.topics(name)

    def reset_topics(self, name: str) -> None:
        """Forget them."""
        self._entry(name)
        self._shared.board.forget_topics(name)

    def note_topic(self, name: str, task: TaskId, topic: str) -> None:
        """Remember a topic."""
        self._shared.board.note_topic(name, task.task, topic)

    def close(self) -> None:
        """Stop what this worker has, leave the group. Idempotent."""
        if self._closing.is_set():
            return
        if self._thread.is_alive():
            self._soon(lambda: self._work.stop(self._work.units(), self._entries)).wait(_WAIT_S)
        self._member.close()
        self._closing.set()
        self._senders.shutdown(wait=False, cancel_futures=True)
        if self._thread.is_alive():
            self._thread.join()
        self.configs.close()
