"""Window stores of bytes: values by key and window start, which expire by time.

The clock of a store is the greatest window start put into it, whatever its key. Reads show starts
from clock - retention + 1 on. Entries are deleted a segment at a time, later than that; a put
into a deleted segment is dropped and counted. So it is in Kafka's
`AbstractRocksDBSegmentedBytesStore`.
"""

from __future__ import annotations

from itertools import repeat
from struct import Struct
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
    window_start,
)
from aliran.storage.state.key_value import with_timestamps
from aliran.storage.state.staging import StagedReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from aliran.storage.state.database import KeyRange, StateDatabase

NO_TIME = -1
MIN_SEGMENT_INTERVAL_MS = 60_000

# The clock and the sequence lie in the store itself, under a key no entry can have (entries have
# 20 bytes and more), so that they are of the same moment as the entries after any crash.
_STATE_KEY = b""
_STATE = Struct(">qI")
_FIRST_ENTRY = b"\x00" * SEGMENT_BYTES


class WindowEntry(NamedTuple):
    """One entry of a window store."""

    key: bytes
    start_ms: int
    value: bytes


class WindowBytesStore:
    """Values by key and window start; writes are staged until `commit_changes`.

    Reads see what is staged. Iterators show the store as it is when they are made, ordered by
    segment, then key, then start.

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

    Attributes:
        staged: Database entries since the last commit, handed to the database as they are.
        observed_stream_time: The clock: greatest start put, or -1.
        dropped: How many puts came after their segment had expired.

    Raises:
        StateError: A put names a window that starts before 0.
        ConfigError: A duration is not above 0, or retention is shorter than a window.
        UnknownStoreError: The database has no store of that name.
    """

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
    ) -> None:
        interval = segment_interval_ms
        if interval is None:
            interval = max(retention_ms // 2, MIN_SEGMENT_INTERVAL_MS)
        _check_durations(name, retention_ms, window_size_ms, interval)
        self.name = name
        self.database = database
        self.retention_ms = retention_ms
        self.window_size_ms = window_size_ms
        self.retain_duplicates = retain_duplicates
        self.segment_interval_ms = interval
        self.timestamped = timestamped
        self.staged: dict[bytes, bytes | None] = {}
        self.dropped = 0
        self._read = database.getter(name)
        self._reader = StagedReader(name, database, self.staged)
        state = self._read(_STATE_KEY)
        observed, sequence = (NO_TIME, 0) if state is None else _STATE.unpack(state)
        self.observed_stream_time: int = observed
        self._sequence: int = sequence
        self._expired_to = 0

    def put(self, key: bytes, value: bytes | None, start_ms: int) -> bytes:
        """Set the value of a key's window; None deletes it.

        Returns:
            The changelog key of the entry. Kafka logs an entry even if it came too late.
        """
        return self.put_all(((key, start_ms, value),))[0]

    def put_all(self, entries: Iterable[tuple[bytes, int, bytes | None]]) -> list[bytes]:
        """Set many entries: key, window start in ms, value.

        Returns:
            The changelog key of each, in order.
        """
        changelog_keys: list[bytes] = []
        log_key = changelog_keys.append
        staged, interval, observed = (
            self.staged,
            self.segment_interval_ms,
            self.observed_stream_time,
        )
        live = self._live_segment(observed)
        segment: int | None = None
        prefix = b""
        sequence = 0
        for key, start, value in entries:
            if start > observed:
                observed = start
                live = self._live_segment(observed)
            if self.retain_duplicates:
                sequence = self._next_sequence()
            changelog_key = key + pack_suffix(start, sequence)
            log_key(changelog_key)
            entry_segment = start // interval
            if entry_segment != segment:
                if start < 0:
                    raise _negative_start(self.name, key, start)
                segment, prefix = entry_segment, pack_segment(entry_segment)
            if entry_segment < live:
                self.dropped += 1
            elif value is not None or not self.retain_duplicates:
                staged[prefix + changelog_key] = value
        self._stage_state(observed)
        return changelog_keys

    def put_window(
        self, start_ms: int, keys: Sequence[bytes], values: Sequence[bytes | None]
    ) -> list[bytes]:
        """Set entries of one window at once; what `put_all` does, in a third of the time.

        Returns:
            The changelog key of each, in order.
        """
        if self.retain_duplicates:
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
        """Return the value of a key's window, or None. Of duplicates, the last put."""
        if start_ms < self._oldest_readable() or start_ms > self.observed_stream_time:
            return None
        if self.retain_duplicates:
            last = next(self.fetch_range(key, start_ms, start_ms, reverse=True), None)
            return None if last is None else last.value
        database_key = b"".join(
            (pack_segment(start_ms // self.segment_interval_ms), key, pack_suffix(start_ms, 0))
        )
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
        return self.fetch_keys(None, None, from_ms, to_ms, reverse=reverse)

    def all(self, *, reverse: bool = False) -> Iterator[WindowEntry]:
        """Return all entries that have not expired."""
        return self.fetch_all(0, self.observed_stream_time, reverse=reverse)

    def approximate_num_entries(self) -> int:
        """Return about how many entries there are, expired ones not yet deleted included."""
        return self.database.approximate_num_entries(self.name) + len(self.staged)

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
        self._stage_state(observed)

    def expired_ranges(self) -> list[KeyRange]:
        """Return the segments that have expired since the last commit, as one range."""
        live = self._live_segment(self.observed_stream_time)
        if live <= self._expired_to:
            return []
        bounds = (pack_segment(self._expired_to), pack_segment(live))
        # They would otherwise be written after the range delete, and never be deleted again.
        expired = [key for key in self.staged if _FIRST_ENTRY <= key < bounds[1]]
        for key in expired:
            del self.staged[key]
        self._reader.forget_order()
        return [bounds]

    def committed(self) -> None:
        """Forget what was staged; it is in the database now."""
        self.staged.clear()
        self._reader.forget_order()
        self._expired_to = self._live_segment(self.observed_stream_time)

    def _live_segment(self, observed: int) -> int:
        """Return the oldest segment that is kept when the clock stands at `observed`."""
        return max(0, (observed - self.retention_ms) // self.segment_interval_ms)

    def _oldest_readable(self) -> int:
        return self.observed_stream_time - self.retention_ms + 1

    def _readable(self, from_ms: int, to_ms: int) -> tuple[int, int]:
        first = max(from_ms, self._oldest_readable(), 0)
        return first, min(to_ms, self.observed_stream_time)

    def _next_sequence(self) -> int:
        self._sequence = (self._sequence + 1) & MAX_SEQUENCE
        return self._sequence

    def _stage_state(self, observed: int) -> None:
        if observed > self.observed_stream_time or self.retain_duplicates:
            self.observed_stream_time = observed
            self.staged[_STATE_KEY] = _STATE.pack(observed, self._sequence)


def _entry(found: tuple[bytes, bytes]) -> WindowEntry:
    key, value = found
    return WindowEntry(key[SEGMENT_BYTES:-SUFFIX_BYTES], window_start(key), value)


def _negative_start(name: str, key: bytes, start_ms: int) -> StateError:
    return StateError(
        f"window store {name}: the window of key {key!r} starts at {start_ms} ms; windows start "
        "at 0 or later. Check where its time comes from"
    )


def _check_durations(name: str, retention_ms: int, window_size_ms: int, interval_ms: int) -> None:
    if window_size_ms <= 0 or interval_ms <= 0 or retention_ms <= 0:
        raise ConfigError(
            f"window store {name}: retention ({retention_ms} ms), window size "
            f"({window_size_ms} ms) and segment interval ({interval_ms} ms) must be above 0"
        )
    if retention_ms < window_size_ms:
        raise ConfigError(
            f"window store {name}: retention ({retention_ms} ms) is shorter than a window "
            f"({window_size_ms} ms): windows would expire before they end; make it longer"
        )
