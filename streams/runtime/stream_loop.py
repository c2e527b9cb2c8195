"""The loop that drives an application's tasks on one thread. Kafka: `StreamThread`.

Each turn: poll, hand records to tasks, process them, send what came out, commit when it is time.

**Commit** has one order, for all tasks together:

1. Flush the caches: held-back updates go to stores, changelogs and downstream.
2. Flush the outputs and changelogs: the broker has acknowledged everything.
3. Commit the input positions.
4. Write the stores, and the changelog offsets they stand at, in one batch a task.

So a store is never ahead of its changelog, nor of the committed positions. A crash after 2 repeats
work; one after 3 leaves the store behind its changelog, and restoring brings it up.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from functools import partial

from aliran.clients.transport import GroupFencedError, Position, Transport, UnknownTopicError
from aliran.core.clock import Clock
from aliran.core.errors import AliranError
from aliran.core.types import TopicPartition
from aliran.streams.runtime.global_state import GlobalState
from aliran.streams.runtime.sending import send, send_dead_letters
from aliran.streams.runtime.task import StreamTask, TaskId, TaskStatistics, combined
from aliran.streams.runtime.task_factory import TaskFactory

logger: logging.Logger = logging.getLogger("aliran.streams")

_MAX_WAIT_MS = 60_000
_WAITED_FOR_MS = 1
_PURGE_INTERVAL_S = 30
"""Kafka: `repartition.purge.interval.ms`."""


class LoopSettings:
    """What the loop needs of the configuration.

    Attributes:
        commit_interval_ms: Time between commits.
        poll_ms: Longest wait for records.
        max_queued: A partition is paused while more records than this wait.
        max_task_idle_ms: See `StreamsConfig`.
        topic_interval_ms: Time between looks for other topics.
    """

    def __init__(
        self,
        commit_interval_ms: int,
        poll_ms: int,
        max_queued: int,
        max_task_idle_ms: int,
        topic_interval_ms: int,
    ) -> None:
        self.topic_interval_ms = topic_interval_ms
        self.commit_interval_ms = commit_interval_ms
        self.poll_ms = poll_ms
        self.max_queued = max_queued
        self.max_task_idle_ms = max_task_idle_ms


class StreamLoop:
    """See the module; implements the transport's `RebalanceListener`.

    Attributes:
        tasks: The tasks that run here. Only the loop's thread changes them.
    """

    def __init__(
        self,
        transport: Transport,
        factory: TaskFactory,
        settings: LoopSettings,
        clock: Clock,
        global_state: GlobalState,
    ) -> None:
        self.tasks: dict[TaskId, StreamTask] = {}
        self.commits: int = 0
        self._transport = transport
        self._factory = factory
        self._settings = settings
        self._clock = clock
        self._global_state = global_state
        self._task_of: dict[TopicPartition, StreamTask] = {}
        self._paused: set[TopicPartition] = set()
        self._idle_since: dict[TaskId, float] = {}
        self._uncommitted = False
        self._last_commit = clock.monotonic()
        self._last_purge = clock.monotonic()
        self._last_look = clock.monotonic()
        self._subscribed = self._reads = frozenset(factory.topics)
        self._claimed = factory.own_topics()
        self._stopping = threading.Event()
        self._waiters: list[threading.Event] = []
        self._on_running: Callable[[], None] = _do_nothing
        self._on_rebalancing: Callable[[], None] = _do_nothing
        self._is_assigned = False
        self._closed = TaskStatistics()

    # ------------------------------------------------------------------ from outside

    def stop(self) -> None:
        """Ask the loop to commit and return; from any thread or a signal handler."""
        self._stopping.set()

    def when_idle(self) -> threading.Event:
        """Return an event that is set once everything there is by then is processed and committed.

        May be called from any thread. Never set where the loop ends before that.
        """
        event = threading.Event()
        self._waiters.append(event)
        return event

    def statistics(self) -> TaskStatistics:
        """Return the counters of all tasks together, those that are closed by now included."""
        running = [task.statistics for task in list(self.tasks.values())]
        return combined(self._closed, self._global_state.statistics(), *running)

    def run(
        self, on_running: Callable[[], None], on_rebalancing: Callable[[], None] | None = None
    ) -> None:
        """Run until `stop`, then commit and close the tasks.

        Args:
            on_running: Called, without arguments, when the tasks of an assignment are restored.
            on_rebalancing: Called when an assignment is given up for the next one.

        Raises:
            AliranError: A record could not be processed, or the broker is not to be reached; what
                was not committed is dropped, and is processed again by the next run.
        """
        self._on_running = on_running
        self._on_rebalancing = on_rebalancing or _do_nothing
        try:
            self._global_state.start()
            while not self._stopping.is_set():
                self._turn()
            self._commit_if_still_mine()
        except AliranError:
            send_dead_letters(self._transport, self.tasks.values())
            raise
        finally:
            self._close_tasks()
            self._global_state.close()

    # ------------------------------------------------------------------ one turn

    def _turn(self) -> None:
        waiters = list(self._waiters)
        found = self._global_state.update(force=bool(waiters))
        self._look_for_topics(force=bool(waiters) and self._factory.reads_patterns)
        found = self._poll() or found
        processed = self._process()
        self._send()
        self._punctuate()
        if self._commit_is_due():
            self._commit_if_still_mine()
        if waiters and not found and not processed and self._is_idle():
            self._commit_if_still_mine()
            # Else the caches held updates for tasks further down, or the lags are old news.
            if self._is_idle() and self._is_at_end():
                for event in waiters:
                    self._waiters.remove(event)
                    event.set()

    def _poll(self) -> bool:
        try:
            batches = self._transport.poll(self._wait_ms())
        except UnknownTopicError:
            if not self._look_for_topics(force=True):
                raise
            return True  # it was one that a pattern matched
        for columns in batches:
            task = self._task_of.get(TopicPartition(columns.topic, columns.partition))
            if task is not None:  # else of a task that was given up meanwhile
                task.add(columns)
        if batches:
            self._pause_full()
        return bool(batches)

    def _look_for_topics(self, *, force: bool = False) -> bool:
        """Subscribe anew where topics have come, gone or grown; returns whether they have."""
        now = self._clock.monotonic()
        due = force or (now - self._last_look) * 1000 >= self._settings.topic_interval_ms
        known = self._reads != self._subscribed  # found out by the last assignment
        if not self._is_assigned or not (due or known):
            return False
        self._last_look = now
        if not (known or self._factory.has_other_topics()):
            return False
        self._factory.plan_topics()
        self._subscribed = self._reads = frozenset(self._factory.topics)
        topics = self._factory.topics
        logger.info("the topics have changed, reading: %s", ", ".join(topics) or "none")
        self._transport.subscribe(topics)
        return True

    def _process(self) -> int:
        total = 0
        for task in self.tasks.values():
            total += task.process(ready=partial(self._is_ready, task))
        if total:
            self._uncommitted = True
            self._resume_drained()
        return total

    def _send(self) -> None:
        for task in self.tasks.values():
            for columns in task.drain():
                send(self._transport, task, columns)
                self._uncommitted = True

    def _punctuate(self) -> None:
        now_ms = self._clock.time_ms()
        for task in self.tasks.values():
            due = task.wall_clock_punctuations.next_due_ms
            if due is not None and due <= now_ms:
                task.punctuate_wall_clock(now_ms)
                self._uncommitted = True

    def _wait_ms(self) -> int:
        """How long a poll may wait: not at all while something is to be done."""
        if any(task.has_records and self._is_ready(task) for task in self.tasks.values()):
            return 0
        # What is waited for is done by the transport's threads or by a broker: leave them the CPU.
        wait = min(self._settings.poll_ms, _WAITED_FOR_MS if self._waiters else _MAX_WAIT_MS)
        if self._uncommitted:
            elapsed = self._clock.monotonic() - self._last_commit
            wait = min(wait, max(0, self._settings.commit_interval_ms - int(elapsed * 1000)))
        now_ms = self._clock.time_ms()
        for task in self.tasks.values():
            due = task.wall_clock_punctuations.next_due_ms
            if due is not None:
                wait = min(wait, max(0, due - now_ms))
        return wait

    # ------------------------------------------------------------------ which task may run

    def _is_ready(self, task: StreamTask) -> bool:
        """Whether the next record by time is known: no input is empty that has more to come.

        Kafka: `PartitionGroup.readyToProcess` and `max.task.idle.ms`.
        """
        idle_ms = self._settings.max_task_idle_ms
        empty = task.empty_inputs
        if idle_ms < 0 or not empty:
            self._idle_since.pop(task.id, None)
            return True
        if any(self._transport.lag(partition) != 0 for partition in empty):
            self._idle_since.pop(task.id, None)
            return False
        if idle_ms == 0:
            return True
        now = self._clock.monotonic()
        return (now - self._idle_since.setdefault(task.id, now)) * 1000 >= idle_ms

    def _pause_full(self) -> None:
        full = {
            partition
            for partition, task in self._task_of.items()
            if task.queued(partition) > self._settings.max_queued
        }
        if full - self._paused:
            self._transport.pause(full - self._paused)
            self._paused |= full

    def _resume_drained(self) -> None:
        drained = {
            partition
            for partition in self._paused
            if self._task_of[partition].queued(partition) <= self._settings.max_queued
        }
        if drained:
            self._transport.resume(drained)
            self._paused -= drained

    def _is_idle(self) -> bool:
        return (
            self._is_assigned
            and not any(task.has_records for task in self.tasks.values())
            and all(self._transport.lag(partition) == 0 for partition in self._task_of)
        )

    def _is_at_end(self) -> bool:
        try:
            return self._transport.is_at_end(list(self._task_of))
        except UnknownTopicError:  # the next poll says which, or finds that nobody wants it
            return False

    # ------------------------------------------------------------------ commit

    def _commit_is_due(self) -> bool:
        if any(task.commit_requested for task in self.tasks.values()):
            return True
        if not self._uncommitted:
            return False
        elapsed_ms = (self._clock.monotonic() - self._last_commit) * 1000
        return elapsed_ms >= self._settings.commit_interval_ms

    def commit(self) -> None:
        """Commit all tasks, in the order that the module describes."""
        if not self.tasks:
            return
        # 1. Flush the caches.
        for task in self.tasks.values():
            task.flush_caches()
            task.commit_requested = False
        # 2. Flush the outputs and changelogs.
        self._send()
        ends = self._transport.flush()
        # 3. Commit the input positions.
        positions: dict[TopicPartition, Position] = {}
        for task in self.tasks.values():
            positions.update(task.positions())
        positions = {p: each for p, each in positions.items() if p.topic in self._reads}
        self._commit_positions(positions)
        # 4. Write the stores.
        for task in self.tasks.values():
            task.stores.commit(task.stores.offsets_at_commit(ends, positions))
        self._maybe_purge(positions)
        self._uncommitted = False
        self._last_commit = self._clock.monotonic()
        self.commits += 1

    def _commit_positions(self, positions: dict[TopicPartition, Position]) -> None:
        """Commit, without topics that a pattern matched and that were deleted meanwhile."""
        try:
            self._transport.commit(positions)
        except UnknownTopicError:
            there = self._transport.topics()
            left = {p: position for p, position in positions.items() if p.topic in there}
            if len(left) == len(positions) or not self._factory.reads_patterns:
                raise
            self._transport.commit(left)

    def _commit_if_still_mine(self) -> None:
        """Commit, or drop the tasks if the group has given them to others meanwhile.

        A new assignment follows. What was not committed is done again by whoever has them now.
        """
        try:
            self.commit()
        except GroupFencedError as error:
            logger.warning("could not commit, the tasks belong to others now: %s", error)
            self._is_assigned = False
            self._close_tasks()

    def _maybe_purge(self, positions: dict[TopicPartition, Position]) -> None:
        if self._clock.monotonic() - self._last_purge >= _PURGE_INTERVAL_S:
            self._last_purge = self._clock.monotonic()
            self._factory.purge(self._transport, positions)

    # ------------------------------------------------------------------ rebalancing

    def on_assigned(self, partitions: Collection[TopicPartition]) -> None:
        """Open, restore and start the tasks of an assignment, and read on from their positions.

        Whoever was away for longer than a session hears that from the first commit at the latest;
        another assignment follows.
        """
        try:
            self._start_tasks(partitions)
        except GroupFencedError as error:
            logger.warning("could not start, the tasks belong to others now: %s", error)
            self._close_tasks()
        else:
            self._is_assigned = True
            self._on_running()

    def _start_tasks(self, partitions: Collection[TopicPartition]) -> None:
        self._factory.plan_topics()  # all members decide by what there is now
        if (own := self._factory.own_topics()) != self._claimed:
            self._transport.claim(own)
            self._claimed = own
        self._reads = frozenset(self._factory.topics)
        self.tasks = self._factory.create(partitions)
        started: dict[TopicPartition, Position] = {}
        for task in self.tasks.values():
            committed = self._factory.positions(self._transport, task)
            task.initialize(committed)
            started.update(committed)
            self._task_of.update(dict.fromkeys(task.inputs, task))
        positions = {partition: position.offset for partition, position in started.items()}
        self._paused.clear()
        self._transport.assign(positions)
        if started:
            self._transport.commit(started)  # the group's first commit marks where it began
        self._last_commit = self._clock.monotonic()

    def on_revoked(self, partitions: Collection[TopicPartition], *, lost: bool) -> None:  # noqa: ARG002
        """Commit and close all tasks; a new assignment follows with all that this member gets."""
        try:
            if not lost:
                self._commit_if_still_mine()
        finally:
            self._is_assigned = False
            self._close_tasks()
            self._on_rebalancing()

    def _close_tasks(self) -> None:
        closed = self.statistics()
        for task in self.tasks.values():
            task.close()
        self.tasks = {}
        self._closed = closed
        self._task_of.clear()
        self._idle_since.clear()
        self._uncommitted = False


def _do_nothing() -> None:
    """Stand in for a callback until there is one."""
