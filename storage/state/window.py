"""Window stores of bytes: values by key and window start, which expire by time.

The clock of a store is the greatest window start put into it; see `SegmentedBytesStore`.
"""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

from aliran.core.errors import ConfigError
from aliran.storage.state.errors import StateError
from aliran.storage.state.key_schemas import (
    MAX_SEQUENCE,
    SEGMENT_BYTES,
    SUFFIX_BYTES,
    greatest_entry,
    pack_segment,
    pack_suffix,
    split_changelog_key,
    unpack_suffix,
    window_start,
)
from aliran.storage.state.key_value import with_timestamps
from aliran.storage.state.recent import RecentEntries
from aliran.storage.state.segmented import SegmentedBytesStore, check_retention

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from aliran.storage.state.database import StateDatabase


_FEW = 8
"""So many entries are faster looked through than searched."""


class WindowEntry(NamedTuple):
    """One entry of a window store."""

    key: bytes
    start_ms: int
    value: bytes


class WindowBytesStore(SegmentedBytesStore):
    """Values by key and window start; writes are staged until `commit_changes`.

    Reads see what is staged. Iterators show the store as it is when they are made, ordered by
    segment, then key, then start. The newest entries are kept in memory too where keys are looked
    up over spans of time, as joins do.

    Args:
        name: Name of the store in `database`.
        database: Where it lives.
        retention_ms: How long after the clock passed its start an entry can be read.
        window_size_ms: Size of the windows, for those who read keys with their window.
        retain_duplicates: Keep every value put for a key and start (for joins) instead of the
            last one; deleting then has no effect.
        segment_interval_ms: Time span of a segment; by default half the retention, at least a
            minute, as in Kafka.
        timestamped: As for `KeyValueBytesStore`.
        time_ordered: For results that are emitted when windows close: entries can be read one
            millisecond longer, and those of all keys come by start, then key. Kafka:
            `RocksDBTimeOrderedWindowStore`.

    Raises:
        StateError: A put names a window that starts before 0.
        ConfigError: A duration is not above 0, or retention is shorter than a window.
        UnknownStoreError: The database has no store of that name.
    """

    dropped: int
    observed_stream_time: int

    def __init__(
        self,
        name: str,
        database: StateDatabase,
        retention_ms: int,
        window_size_ms: int,
        *,
        retain_duplicates: bool = False,
        segment_interval_ms: int | None = None,
        timestamped: bool = False,
        time_ordered: bool = False,
    ) -> None:
        check_window(name, retention_ms, window_size_ms, retain_duplicates=retain_duplicates)
        super().__init__(name, database, retention_ms, segment_interval_ms)
        self.window_size_ms = window_size_ms
        self.retain_duplicates = retain_duplicates
        self.timestamped = timestamped
        self.time_ordered = time_ordered
        # Aggregations read single windows only, and would pay for this for nothing.
        self._remembers = retain_duplicates
        self._last_put = 0  # its number, of duplicates

    def put(self, key: bytes, value: bytes | None, start_ms: int) -> bytes:
        """Set the value of a key's window; None deletes it.

        Returns:
            The changelog key of the entry. Kafka logs an entry even if it came too late.
        """
        sequence = 0
        if self.retain_duplicates:
            sequence = self._sequence = (self._sequence + 1) & MAX_SEQUENCE
            self._state_changed = True
            if value is None:  # it neither deletes nor moves the clock, but Kafka logs it
                return key + pack_suffix(start_ms, sequence)
            self._last_put = sequence
        observed = self.observed_stream_time
        if start_ms > observed:
            self.observed_stream_time = observed = start_ms
            self._state_changed = True
        segment = start_ms // self.segment_interval_ms
        changelog_key = key + pack_suffix(start_ms, sequence)
        # What is within the retention is in a live segment; only the rest needs a closer look.
        if start_ms < 0 or (
            start_ms < observed - self.retention_ms and segment < self._live_segment(observed)
        ):
            self._refuse(key, start_ms)
            return changelog_key
        self.staged[pack_segment(segment) + changelog_key] = value
        if self._remembers:
            self._recent.put(key, start_ms, sequence, value)
        return changelog_key

    def put_all(self, entries: Iterable[tuple[bytes, int, bytes | None]]) -> list[bytes]:
        """Set many entries: key, window start in ms, value.

        Returns:
            The changelog key of each, in order.
        """
        return [self.put(key, value, start) for key, start, value in entries]

    def put_window(
        self, start_ms: int, keys: Sequence[bytes], values: Sequence[bytes | None]
    ) -> list[bytes]:
        """Set entries of one window at once; what `put_all` does, in a third of the time.

        Returns:
            The changelog key of each, in order.
        """
        if self._remembers:
            return self.put_all(zip(keys, repeat(start_ms), values))
        observed = max(self.observed_stream_time, start_ms)
        segment, suffix = start_ms // self.segment_interval_ms, pack_suffix(start_ms, 0)
        changelog_keys = [key + suffix for key in keys]
        if segment < self._live_segment(observed):
            self.dropped += len(changelog_keys)
        else:
            prefix = pack_segment(segment)
            self.staged.update(zip([prefix + key for key in changelog_keys], values, strict=True))
        self._stage_state(observed)
        return changelog_keys

    def fetch(self, key: bytes, start_ms: int) -> bytes | None:
        """Return the value of a key's window, or None.

        Of duplicates it is found only if it was the store's last put, as in Kafka, which looks
        under the last number it gave.
        """
        if start_ms < max(0, self._oldest_readable()) or start_ms > self.observed_stream_time:
            return None
        suffix = pack_suffix(start_ms, self._last_put)
        database_key = b"".join((pack_segment(start_ms // self.segment_interval_ms), key, suffix))
        if database_key in self.staged:
            return self.staged[database_key]
        return self._read(database_key)

    def fetch_range(
        self, key: bytes, from_ms: int, to_ms: int, *, reverse: bool = False
    ) -> Iterator[WindowEntry]:
        """Return a key's entries with starts from `from_ms` to `to_ms`, both inclusive, by time."""
        first, last = self._readable(from_ms, to_ms)
        if first > last:
            return iter(())
        if not self._remembers:
            self._remember()
        if first >= self._recent.complete_from:
            recent = [
                WindowEntry(key, start, value)
                for start, _, value in self._recent.between(key, first, last)
            ]
            return reversed(recent) if reverse else iter(recent)
        interval = self.segment_interval_ms
        low, high = key + pack_suffix(first, 0), key + pack_suffix(last, 0xFFFF_FFFF) + b"\x00"
        segments = range(first // interval, last // interval + 1)
        bounds = [(pack_segment(each) + low, pack_segment(each) + high) for each in segments]
        if reverse:
            bounds.reverse()
        # Other keys may sort in between, but none of this length.
        size = SEGMENT_BYTES + len(key) + SUFFIX_BYTES
        return (
            WindowEntry(key, window_start(found), value)
            for found, value in self._reader.ranges(bounds, reverse)
            if len(found) == size
        )

    def fetch_values(self, key: bytes, from_ms: int, to_ms: int) -> Iterable[tuple[int, bytes]]:
        """Return start and value of what `fetch_range` returns, with less to do per call."""
        first = self.observed_stream_time - self.retention_ms + 1
        if from_ms > first:
            first = from_ms
        recent = self._recent
        if not self._remembers or self.time_ordered or first < recent.complete_from:
            return [(each.start_ms, each.value) for each in self.fetch_range(key, from_ms, to_ms)]
        entries = recent.index.entries(key)
        if len(entries) > _FEW:
            entries = recent.between(key, first, to_ms)
        return [(start, value) for start, _, value in entries if first <= start <= to_ms]

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
        first, last = self._readable(from_ms, to_ms)
        if first > last:
            return iter(())
        interval = self.segment_interval_ms
        low = first_key or b""
        bounds = []
        for segment in range(first // interval, last // interval + 1):
            upper = pack_segment(segment + 1)
            if last_key is not None:
                upper = pack_segment(segment) + greatest_entry(last_key, last)
            bounds.append((pack_segment(segment) + low, upper))
        if reverse:
            bounds.reverse()
        return (
            entry
            for entry in map(_entry, self._reader.ranges(bounds, reverse))
            if first <= entry.start_ms <= last
            and low <= entry.key
            and (last_key is None or entry.key <= last_key)
        )

    def fetch_all(
        self, from_ms: int, to_ms: int, *, reverse: bool = False
    ) -> Iterator[WindowEntry]:
        """Return the entries of all keys with starts from `from_ms` to `to_ms`, inclusive."""
        if self.time_ordered:
            return self._by_time(from_ms, to_ms, reverse)
        return self.fetch_keys(None, None, from_ms, to_ms, reverse=reverse)

    def all(self, *, reverse: bool = False) -> Iterator[WindowEntry]:
        """Return all entries that have not expired."""
        return self.fetch_all(0, self.observed_stream_time, reverse=reverse)

    def restore(
        self,
        keys: Sequence[bytes],
        values: Sequence[bytes | None],
        timestamps: Sequence[int],
    ) -> None:
        """Stage records of the changelog as they come back; expired ones are left out.

        Args:
            keys: Keys of the changelog.
            values: Values of the changelog; None deletes.
            timestamps: Their times in milliseconds, of use to timestamped stores.
        """
        if not keys:
            return
        if self.timestamped:
            values = with_timestamps(values, timestamps)
        parts = [split_changelog_key(key) for key in keys]
        observed = max(self.observed_stream_time, *(part.start_ms for part in parts))
        live, interval = self._live_segment(observed), self.segment_interval_ms
        for part, key, value in zip(parts, keys, values, strict=True):
            segment = part.start_ms // interval
            if segment >= live:
                self.staged[pack_segment(segment) + key] = value
            self._sequence = max(self._sequence, part.sequence)
        self.observed_stream_time = observed
        self._state_changed = True
        self._restart_recent()

    def _oldest_readable(self) -> int:
        oldest = self.observed_stream_time - self.retention_ms
        return oldest if self.time_ordered else oldest + 1

    def _readable(self, from_ms: int, to_ms: int) -> tuple[int, int]:
        first = max(from_ms, self._oldest_readable(), 0)
        return first, min(to_ms, self.observed_stream_time)

    def _remember(self) -> None:
        """From now on keep what is put in memory too."""
        self._remembers = True
        self._restart_recent()

    def _by_time(self, from_ms: int, to_ms: int, reverse: bool) -> Iterator[WindowEntry]:
        first, last = self._readable(from_ms, to_ms)
        if first > last:
            return iter(())
        if not self._remembers:
            self._remember()
        recent: RecentEntries = self._recent
        if first >= recent.complete_from:
            found = [
                (start, key + pack_suffix(0, order)[8:], value)
                for key, (start, order, value) in recent.index.between_keys(None, None, first, last)
            ]
        else:
            low, high = (time // self.segment_interval_ms for time in (first, last))
            stored = self._reader.range(pack_segment(low), pack_segment(high + 1))
            found = [
                (unpack_suffix(key[-SUFFIX_BYTES:])[0], key[8:-SUFFIX_BYTES] + key[-4:], value)
                for key, value in stored
                if first <= window_start(key) <= last
            ]
        found.sort(reverse=reverse)
        return iter([WindowEntry(key[:-4], start, value) for start, key, value in found])

    def _refuse(self, key: bytes, start_ms: int) -> None:
        """Drop a put whose segment is gone, or raise if there can be no such segment."""
        if start_ms < 0:
            raise negative_start(self.name, key, start_ms)
        self.dropped += 1


def _entry(found: tuple[bytes, bytes]) -> WindowEntry:
    key, value = found
    return WindowEntry(key[SEGMENT_BYTES:-SUFFIX_BYTES], window_start(key), value)


def negative_start(name: str, key: bytes, start_ms: int) -> StateError:
    """Return the error for a window that starts before 0."""
    return StateError(
        f"window store {name}: the window of key {key!r} starts at {start_ms} ms; windows start "
        "at 0 or later. Check where its time comes from"
    )


def check_window(
    name: str, retention_ms: int, window_size_ms: int, *, retain_duplicates: bool
) -> None:
    """Refuse windows that are empty, or kept for less than their size.

    Those of a join may be empty, where records of the very same time are joined.
    """
    if not (retain_duplicates and retention_ms == 0):
        check_retention(name, retention_ms)
    if window_size_ms < (0 if retain_duplicates else 1):
        raise ConfigError(f"window store {name}: window size ({window_size_ms} ms) must be above 0")
    if retention_ms < window_size_ms:
        raise ConfigError(
            f"window store {name}: retention ({retention_ms} ms) is shorter than a window "
            f"({window_size_ms} ms): windows would expire before they end; make it longer"
        )
