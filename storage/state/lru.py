"""A key-value store in memory that keeps what was used last. Kafka: `Stores.lruMap`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aliran.core.errors import ConfigError
from aliran.storage.state.key_schemas import prefix_end
from aliran.storage.state.key_value import with_timestamps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from aliran.storage.state.database import KeyRange


class LruBytesStore:
    """Does what `KeyValueBytesStore` does, with at most so many entries.

    Reading or writing an entry makes it the last used; iterating does not. Nothing of it is ever
    staged: it lives as long as its task, and comes back from its changelog.

    Args:
        name: Name of the store.
        max_entries: How many entries it keeps.
        timestamped: As for `KeyValueBytesStore`.

    Attributes:
        staged: Always empty.
        on_evict: Called with the key of each entry that had to go, but not while restoring.

    Raises:
        ConfigError: The number of entries is negative.
    """

    def __init__(self, name: str, max_entries: int, *, timestamped: bool = False) -> None:
        if max_entries < 0:
            raise ConfigError(f"store {name}: it cannot keep {max_entries} entries; 0 is the least")
        self.name = name
        self.max_entries = max_entries
        self.timestamped = timestamped
        self.staged: dict[bytes, bytes | None] = {}
        self.on_evict: Callable[[bytes], None] | None = None
        # The last used comes last.
        self._entries: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        """Return the value of `key`, or None."""
        value = self._entries.pop(key, None)
        if value is not None:
            self._entries[key] = value
        return value

    def put(self, key: bytes, value: bytes | None) -> None:
        """Set the value of `key`, None to delete it; what was used longest ago may go."""
        entries = self._entries
        entries.pop(key, None)
        if value is None:
            return
        entries[key] = value
        if len(entries) > self.max_entries:
            oldest = next(iter(entries))
            del entries[oldest]
            if self.on_evict is not None:
                self.on_evict(oldest)

    def put_all(self, items: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Set many values."""
        for key, value in items:
            self.put(key, value)

    def put_if_absent(self, key: bytes, value: bytes | None) -> bytes | None:
        """Set the value of `key` unless it has one; return the one it had."""
        before = self.get(key)
        if before is None:
            self.put(key, value)
        return before

    def delete(self, key: bytes) -> bytes | None:
        """Remove `key`; return the value it had."""
        return self._entries.pop(key, None)

    def range(self, first: bytes | None, last: bytes | None) -> Iterator[tuple[bytes, bytes]]:
        """Return the entries from key `first` to `last`, both inclusive, in byte order."""
        return iter(self._between(first, last))

    def reverse_range(
        self, first: bytes | None, last: bytes | None
    ) -> Iterator[tuple[bytes, bytes]]:
        """Return the same entries as `range`, the last first."""
        return reversed(self._between(first, last))

    def prefix_scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Return the entries whose key begins with `prefix`, in byte order."""
        end = prefix_end(prefix)
        return (entry for entry in self._between(prefix, None) if end is None or entry[0] < end)

    def all(self) -> Iterator[tuple[bytes, bytes]]:
        """Return all entries in byte order of their keys."""
        return self.range(None, None)

    def reverse_all(self) -> Iterator[tuple[bytes, bytes]]:
        """Return all entries, the last first."""
        return self.reverse_range(None, None)

    def approximate_num_entries(self) -> int:
        """Return how many entries there are."""
        return len(self._entries)

    def restore(
        self, keys: Sequence[bytes], values: Sequence[bytes | None], timestamps: Sequence[int]
    ) -> None:
        """Take in records of the changelog; see `KeyValueBytesStore.restore`."""
        if self.timestamped:
            values = with_timestamps(values, timestamps)
        on_evict, self.on_evict = self.on_evict, None
        self.put_all(zip(keys, values, strict=True))
        self.on_evict = on_evict

    def expired_ranges(self) -> list[KeyRange]:
        """Return nothing: no database holds anything of it."""
        return []

    def committed(self) -> None:
        """Do nothing: nothing was staged."""

    def _between(self, first: bytes | None, last: bytes | None) -> list[tuple[bytes, bytes]]:
        return sorted(
            entry
            for entry in self._entries.items()
            if (first is None or first <= entry[0]) and (last is None or entry[0] <= last)
        )
