"""The memory that caches share, and which of them gives way when it is used up."""

from __future__ import annotations

from typing import Protocol
from weakref import WeakSet


class Cache(Protocol):
    """What shares a budget: a table."""

    def forget_clean(self) -> None:
        """Forget what can be read again, where that is kept by itself."""


class CacheBudget:
    """Bytes that the caches of all tasks of an application may use together.

    Kafka: `statestore.cache.max.bytes`, default 10 MiB; entries are counted by an estimate.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.used_bytes = 0
        self._tables: WeakSet[Cache] = WeakSet()

    def join(self, table: Cache) -> None:
        """Say that a table uses the budget."""
        self._tables.add(table)

    def is_full_but_for(self, table: Cache) -> bool:
        """Let the other tables forget what they only keep to be read; tell if that did not help."""
        for other in list(self._tables):
            if other is not table:
                other.forget_clean()
        return self.used_bytes >= self.max_bytes

    @property
    def has_room_for_reads(self) -> bool:
        """Whether what was only read may be kept: updates need room more."""
        return self.used_bytes * 2 < self.max_bytes
