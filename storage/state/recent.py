"""The newest entries of a store on RocksDB, kept in memory too."""

from __future__ import annotations

from aliran.storage.state.time_index import TimedValue, TimeIndex

MAX_ENTRIES = 50_000
"""Entries of one store that are kept; at some 150 bytes beside the value."""

BUCKET_MS = 500
"""The longest span of time that is forgotten at once: of busy streams, many entries."""

MAX_BYTES = 8 << 20
"""Bytes of keys and values of one store that are kept."""


class RecentEntries:
    """All entries of a store from some time on; that time moves on when they get too many.

    What has a time before `complete_from` has to be read from the database.

    Args:
        bucket_ms: They are forgotten in spans of so many milliseconds.
        complete_from: From which time on the store has nothing that is not put here.
        max_entries: How many are kept.
        max_bytes: How many bytes of keys and values are kept.

    Attributes:
        complete_from: As above, as it is now.
    """

    __slots__ = ("_bytes", "_max_bytes", "_max_entries", "complete_from", "index")

    def __init__(
        self,
        bucket_ms: int,
        complete_from: int,
        *,
        max_entries: int = MAX_ENTRIES,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.index: TimeIndex = TimeIndex(bucket_ms)
        self.complete_from: int = complete_from
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._bytes = 0

    def put(self, key: bytes, time: int, order: int, value: bytes | None) -> None:
        """Take note of a put; None deletes."""
        if time < self.complete_from:
            return
        index = self.index
        if value is None:
            index.remove(key, time, order)
            return
        index.put(key, time, order, value)
        self._bytes += len(key) + len(value)
        if index.count > self._max_entries or self._bytes > self._max_bytes:
            self._shrink()

    def between(self, key: bytes, first: int, last: int) -> list[TimedValue]:
        """Return what is here of a key, with times from `first` to `last`, both inclusive."""
        return self.index.between(key, first, last)

    def forget_before(self, time: int) -> None:
        """Forget what has expired."""
        self.index.drop_before(time)

    def _shrink(self) -> None:
        """Forget the older half, by whole spans."""
        index = self.index
        before = index.count
        while index.count > before // 2:
            end = index.middle_bucket_end()
            index.drop_before(end)
            self.complete_from = max(self.complete_from, end)
        # Replaced values and deleted ones are still counted; the share that stays is an estimate.
        self._bytes = self._bytes * index.count // max(before, 1)
