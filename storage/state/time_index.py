"""Entries in memory, found by key and time: what in-memory stores are, and what caches RocksDB's.

A look-up of one key over a span of time is a dict access and two bisections, where RocksDB needs an
iterator a segment.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TimedValue: TypeAlias = tuple[int, int, bytes]
"""Time in ms, what orders entries of one time, value."""


class TimeIndex:
    """Values by key, time and order within that time; each key's in that order.

    Args:
        bucket_ms: Entries are dropped by age in spans of so many milliseconds.

    Attributes:
        count: How many entries there are.
    """

    __slots__ = ("_bucket_ms", "_buckets", "_by_key", "count")

    def __init__(self, bucket_ms: int) -> None:
        self.count: int = 0
        self._bucket_ms = max(1, bucket_ms)
        self._by_key: dict[bytes, list[TimedValue]] = {}
        # The keys that may have entries in a span of time.
        self._buckets: dict[int, dict[bytes, None]] = {}

    def put(self, key: bytes, time: int, order: int, value: bytes) -> None:
        """Set the value at a key, time and order."""
        entry = (time, order, value)
        entries = self._by_key.get(key)
        if entries is None:
            entries = self._by_key[key] = []
        if not entries or entries[-1] < (time, order):  # an entry is more than its beginning
            entries.append(entry)
        else:
            place = bisect_left(entries, (time, order))
            if place < len(entries) and entries[place][:2] == (time, order):
                entries[place] = entry
                return
            entries.insert(place, entry)
        self.count += 1
        number = time // self._bucket_ms
        bucket = self._buckets.get(number)
        if bucket is None:
            bucket = self._buckets[number] = {}
        bucket[key] = None

    def remove(self, key: bytes, time: int, order: int) -> None:
        """Remove an entry; do nothing where there is none."""
        entries = self._by_key.get(key, [])
        place = bisect_left(entries, (time, order))
        if place < len(entries) and entries[place][:2] == (time, order):
            del entries[place]
            self.count -= 1
            if not entries:
                del self._by_key[key]

    def get(self, key: bytes, time: int, order: int) -> bytes | None:
        """Return the value at a key, time and order, or None."""
        entries = self._by_key.get(key)
        if entries is None:
            return None
        place = bisect_left(entries, (time, order))
        if place < len(entries) and entries[place][:2] == (time, order):
            return entries[place][2]
        return None

    def entries(self, key: bytes) -> Sequence[TimedValue]:
        """Return all entries of a key, in their order; they are not to be changed."""
        return self._by_key.get(key, ())

    def between(self, key: bytes, first: int, last: int) -> list[TimedValue]:
        """Return a key's entries with times from `first` to `last`, both inclusive."""
        entries = self._by_key.get(key)
        if entries is None:
            return []
        start = bisect_left(entries, (first,))
        return entries[start : bisect_left(entries, (last + 1,), start)]

    def between_keys(
        self, first_key: bytes | None, last_key: bytes | None, first: int, last: int
    ) -> Iterator[tuple[bytes, TimedValue]]:
        """Return entries of the keys and times between the bounds, inclusive, in no order.

        None is no bound of keys.
        """
        for key in self._keys(first, last):
            if (first_key is None or first_key <= key) and (last_key is None or key <= last_key):
                for entry in self.between(key, first, last):
                    yield key, entry

    def middle_bucket_end(self) -> int:
        """Return a time between two spans with about as many entries before as after it."""
        left = sum(map(len, self._buckets.values())) // 2
        for number in sorted(self._buckets):
            left -= len(self._buckets[number])
            if left <= 0:
                return (number + 1) * self._bucket_ms
        return 0

    def drop_before(self, time: int) -> None:
        """Drop the entries of whole spans that end at `time` or earlier."""
        limit = time // self._bucket_ms
        for bucket in [each for each in self._buckets if each < limit]:
            end = (bucket + 1) * self._bucket_ms
            for key in self._buckets.pop(bucket):
                entries = self._by_key.get(key)
                if entries is None:
                    continue
                old = bisect_left(entries, (end,))
                del entries[:old]
                self.count -= old
                if not entries:
                    del self._by_key[key]

    def _keys(self, first: int, last: int) -> list[bytes]:
        low, high = first // self._bucket_ms, last // self._bucket_ms
        keys: dict[bytes, None] = {}
        for bucket in [each for each in self._buckets if low <= each <= high]:
            keys.update(self._buckets[bucket])
        return list(keys)
