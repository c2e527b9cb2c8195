"""Window stores in memory, which expire to the millisecond. Kafka: `InMemoryWindowStore`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aliran.storage.state.key_schemas import MAX_SEQUENCE, pack_suffix, split_changelog_key
from aliran.storage.state.key_value import with_timestamps
from aliran.storage.state.memory_segments import ExactExpiry
from aliran.storage.state.window import WindowEntry, check_window, negative_start

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


class MemoryWindowStore(ExactExpiry):
    """Values by key and window start; does what `WindowBytesStore` does, with Kafka's differences.

    A window that starts at clock - retention or earlier is gone, and a put into it is dropped and
    counted. Entries of several keys come by start, then key. With duplicates, a put without value
    moves the clock.

    Args:
        name: Name of the store.
        retention_ms: How long after the clock passed its start an entry is kept.
        window_size_ms: Size of the windows, for those who read keys with their window.
        retain_duplicates: Keep every value put for a key and start.
        timestamped: As for `KeyValueBytesStore`.

    Raises:
        StateError: A put names a window that starts before 0.
        ConfigError: A duration is not above 0, or retention is shorter than a window.
    """

    dropped: int

    def __init__(
        self,
        name: str,
        retention_ms: int,
        window_size_ms: int,
        *,
        retain_duplicates: bool = False,
        timestamped: bool = False,
    ) -> None:
        check_window(name, retention_ms, window_size_ms, retain_duplicates=retain_duplicates)
        super().__init__(name, retention_ms)
        self.window_size_ms = window_size_ms
        self.retain_duplicates = retain_duplicates
        self.timestamped = timestamped
        self.time_ordered = True
        self._sequence = 0

    def put(self, key: bytes, value: bytes | None, start_ms: int) -> bytes:
        """Set the value of a key's window, None to delete it; return its changelog key."""
        if start_ms < 0:
            raise negative_start(self.name, key, start_ms)
        sequence = 0
        if self.retain_duplicates:
            sequence = self._sequence = (self._sequence + 1) & MAX_SEQUENCE
        if self._is_late(start_ms):
            self.dropped += 1
        elif value is not None:
            self._index.put(key, start_ms, sequence, value)
        elif not self.retain_duplicates:
            self._index.remove(key, start_ms, 0)
        return key + pack_suffix(start_ms, sequence)

    def put_all(self, entries: Iterable[tuple[bytes, int, bytes | None]]) -> list[bytes]:
        """Set many entries: key, window start in ms, value; return the changelog key of each."""
        return [self.put(key, value, start) for key, start, value in entries]

    def put_window(
        self, start_ms: int, keys: Sequence[bytes], values: Sequence[bytes | None]
    ) -> list[bytes]:
        """Set entries of one window at once; return the changelog key of each."""
        return [self.put(key, value, start_ms) for key, value in zip(keys, values, strict=True)]

    def fetch(self, key: bytes, start_ms: int) -> bytes | None:
        """Return the value of a key's window, or None; of duplicates always None, as in Kafka."""
        if self.retain_duplicates or start_ms < self._oldest_readable():
            return None
        found = self._index.between(key, start_ms, start_ms)
        return found[-1][2] if found else None

    def fetch_range(
        self, key: bytes, from_ms: int, to_ms: int, *, reverse: bool = False
    ) -> Iterator[WindowEntry]:
        """Return a key's entries with starts from `from_ms` to `to_ms`, both inclusive, by time."""
        first = max(from_ms, self._oldest_readable())
        found = [
            WindowEntry(key, start, value)
            for start, _, value in self._index.between(key, first, to_ms)
        ]
        return reversed(found) if reverse else iter(found)

    def fetch_values(self, key: bytes, from_ms: int, to_ms: int) -> Iterable[tuple[int, bytes]]:
        """Return start and value of what `fetch_range` returns, with less to do per call."""
        first = max(from_ms, self._oldest_readable())
        return [(start, value) for start, _, value in self._index.between(key, first, to_ms)]

    def fetch_keys(
        self,
        first_key: bytes | None,
        last_key: bytes | None,
        from_ms: int,
        to_ms: int,
        *,
        reverse: bool = False,
    ) -> Iterator[WindowEntry]:
        """Return entries of the keys and starts between the bounds, all inclusive.

        None is no bound of keys.
        """
        first = max(from_ms, self._oldest_readable())
        # By the bytes of key and sequence, as Kafka's map within a start is.
        found = [
            (start, key + pack_suffix(0, order)[8:], value)
            for key, (start, order, value) in self._index.between_keys(
                first_key, last_key, first, to_ms
            )
        ]
        found.sort(reverse=reverse)
        return iter([WindowEntry(key[:-4], start, value) for start, key, value in found])

    def fetch_all(
        self, from_ms: int, to_ms: int, *, reverse: bool = False
    ) -> Iterator[WindowEntry]:
        """Return the entries of all keys with starts from `from_ms` to `to_ms`, inclusive."""
        return self.fetch_keys(None, None, from_ms, to_ms, reverse=reverse)

    def all(self, *, reverse: bool = False) -> Iterator[WindowEntry]:
        """Return all entries that have not expired."""
        return self.fetch_all(0, self.observed_stream_time, reverse=reverse)

    def restore(
        self, keys: Sequence[bytes], values: Sequence[bytes | None], timestamps: Sequence[int]
    ) -> None:
        """Take in records of the changelog; those that have expired are not counted.

        Args:
            keys: Keys of the changelog.
            values: Values of the changelog; None deletes.
            timestamps: Their times in milliseconds, of use to timestamped stores.
        """
        if self.timestamped:
            values = with_timestamps(values, timestamps)
        dropped = self.dropped
        for data, value in zip(keys, values, strict=True):
            key, start, sequence = split_changelog_key(data)
            if self.retain_duplicates:  # put() goes on from here, so that each keeps its number
                self._sequence = (sequence - 1) & MAX_SEQUENCE
            self.put(key, value, start)
        self.dropped = dropped
