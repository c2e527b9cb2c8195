"""Where fetches wait for data: woken by appends from any thread, answered on the event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable

from aliran.core.types import TopicPartition
from aliran.storage.log import PartitionLog


class Waiter:
    """One fetch that waits for one of its partitions to grow."""

    __slots__ = ("_future", "_loop", "partitions", "woken")

    def __init__(self, loop: asyncio.AbstractEventLoop, partitions: list[TopicPartition]) -> None:
        self._loop = loop
        self._future: asyncio.Future[None] | None = None
        self.partitions: list[TopicPartition] = partitions
        self.woken: bool = False

    def wake(self) -> None:
        """End the wait now, or the next one at once."""
        self.woken = True
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    async def wait(self, timeout: float) -> bool:
        """Wait until woken, at most `timeout` seconds; return whether woken."""
        if not self.woken and timeout > 0:
            self._future = self._loop.create_future()
            timer = self._loop.call_later(timeout, self._time_out)
            try:
                await self._future
            finally:
                timer.cancel()
                self._future = None
        woken, self.woken = self.woken, False
        return woken

    def _time_out(self) -> None:
        if self._future is not None and not self._future.done():
            self._future.set_result(None)


class Purgatory:
    """Fetches waiting for appends. Kafka: `DelayedOperationPurgatory` of `DelayedFetch`.

    `appended` may be called from any thread: however many appends happen before the loop comes
    round, it is woken once.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: dict[TopicPartition, set[Waiter]] = {}
        self._grown: deque[TopicPartition] = deque()
        self._wake_scheduled = False
        self.closed: bool = False

    def attach_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Name the loop on which fetches wait; called on it."""
        self._loop = loop
        self.closed = False

    def watch(self, log: PartitionLog) -> None:
        """Hear of every append to `log`."""
        log.on_append.append(self.appended)

    def appended(self, log: PartitionLog) -> None:
        """Wake the fetches that wait for `log`; from any thread."""
        if log.topic_partition in self._waiting:
            self.wake(log.topic_partition)

    def wake(self, topic_partition: TopicPartition) -> None:
        """Wake the fetches that wait for a partition, to look again; from any thread."""
        self._grown.append(topic_partition)
        if self._wake_scheduled or self._loop is None:
            return
        self._wake_scheduled = True
        with contextlib.suppress(RuntimeError):  # the loop was closed a moment ago
            self._loop.call_soon_threadsafe(self._wake_waiters)

    def register(self, partitions: Iterable[TopicPartition]) -> Waiter:
        """Return a waiter that appends to `partitions` wake; look at the logs again after this."""
        if self._loop is None:
            raise RuntimeError("a fetch can only wait while an event loop serves the broker")
        waiter = Waiter(self._loop, list(partitions))
        for topic_partition in waiter.partitions:
            self._waiting.setdefault(topic_partition, set()).add(waiter)
        return waiter

    def unregister(self, waiter: Waiter) -> None:
        """Forget a waiter."""
        for topic_partition in waiter.partitions:
            waiters = self._waiting.get(topic_partition)
            if waiters is not None:
                waiters.discard(waiter)
                if not waiters:
                    del self._waiting[topic_partition]

    def close(self) -> None:
        """Wake everything, so that it answers with what it has."""
        self.closed = True
        for waiters in list(self._waiting.values()):
            for waiter in list(waiters):
                waiter.wake()

    def _wake_waiters(self) -> None:
        self._wake_scheduled = False
        grown: set[TopicPartition] = set()
        while self._grown:
            grown.add(self._grown.popleft())
        for topic_partition in grown:
            for waiter in list(self._waiting.get(topic_partition, ())):
                waiter.wake()
