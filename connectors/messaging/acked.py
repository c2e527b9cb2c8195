"""Sources whose server sends a message again until it is acknowledged.

Nothing is stored about them: a message is acknowledged where it came from once Kafka has
acknowledged all its records.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from aliran.connectors.api.tasks import SourceTask
from aliran.connectors.records import SourceRecord

T = TypeVar("T")

_IDLE_S = 0.2
_BUSY_S = 0.005  # while records are under way, the worker has to look after its producer


class MessageRecord(SourceRecord, frozen=True, kw_only=True):
    """A record that knows which message it is of.

    Attributes:
        token: What acknowledges the message.
    """

    token: Any = None


class Inbox(Generic[T]):
    """What other threads receive, until `poll` takes it."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._error: BaseException | None = None
        self._there = threading.Condition()

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> None:
        """Append an item."""
        with self._there:
            self._items.append(item)
            self._there.notify()

    def extend(self, items: Sequence[T]) -> None:
        """Append several."""
        with self._there:
            self._items.extend(items)
            self._there.notify()

    def fail(self, error: BaseException) -> None:
        """Have `take` raise this, once, when it has given what came before."""
        with self._there:
            self._error = error
            self._there.notify()

    def wake(self) -> None:
        """Have `take` return."""
        with self._there:
            self._there.notify()

    def clear(self) -> None:
        """Forget all items."""
        with self._there:
            self._items.clear()

    def take(self, most: int, wait_s: float) -> list[T]:
        """Return what is there, waiting for something."""
        with self._there:
            if not self._items and self._error is None:
                self._there.wait(wait_s)
            if not self._items and self._error is not None:
                error, self._error = self._error, None
                raise error
            items = self._items
            if len(items) <= most:
                self._items = deque()
                return list(items)
            return [items.popleft() for _ in range(most)]


class AckedSourceTask(SourceTask):
    """Counts what is under way, and tells children what may be acknowledged."""

    def __init__(self) -> None:
        self._under_way = 0
        self._counting = threading.Lock()

    @property
    def under_way(self) -> bool:
        """Whether records are on their way to Kafka."""
        return self._under_way > 0

    @property
    def wait_s(self) -> float:
        """How long `poll` may wait."""
        return _BUSY_S if self._under_way else _IDLE_S

    def sent(self, count: int) -> None:
        """Note that records are on their way to Kafka."""
        with self._counting:
            self._under_way += count

    def commit_record(self, record: SourceRecord, offset: int | None) -> None:
        """Acknowledge the record's message; on any thread."""
        with self._counting:
            self._under_way -= 1
        if isinstance(record, MessageRecord):
            self.acknowledge(record.token)

    @abstractmethod
    def acknowledge(self, token: Any) -> None:
        """Take note that a record of a message has been acknowledged; on any thread."""
