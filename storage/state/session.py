"""Session stores of bytes: values by key, session start and session end, which expire by time.

The clock of a store is the greatest session end put into it. Kafka: `RocksDBSessionStore`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from aliran.storage.state.errors import StateError
from aliran.storage.state.key_schemas import (
    MAX_TIME,
    SEGMENT_BYTES,
    SESSION_SUFFIX_BYTES,
    greatest_session,
    pack_segment,
    pack_session,
    session_changelog_key,
    split_session_key,
    unpack_session,
)
from aliran.storage.state.segmented import SegmentedBytesStore, check_retention

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from aliran.storage.state.database import KeyRange, StateDatabase


class SessionEntry(NamedTuple):
    """One entry of a session store; both times are part of the session."""

    key: bytes
    start_ms: int
    end_ms: int
    value: bytes


class SessionBytes(Protocol):
    """What both session stores of bytes can do: the one on a database, and the one in memory.

    Iterators show the store as it is when they are made.
    """

    name: str
    staged: dict[bytes, bytes | None]
    retention_ms: int
    observed_stream_time: int
    dropped: int

    def put(self, key: bytes, start_ms: int, end_ms: int, value: bytes | None) -> bytes:
        """Set the value of a session, None to delete it; return its changelog key."""
        ...

    def remove(self, key: bytes, start_ms: int, end_ms: int) -> bytes:
        """Delete a session; return its changelog key."""
        ...

    def fetch_session(self, key: bytes, start_ms: int, end_ms: int) -> bytes | None:
        """Return the value of the session with just these times, or None."""
        ...

    def find_sessions(
        self, key: bytes, earliest_end: int, latest_start: int, *, reverse: bool = False
    ) -> Iterator[SessionEntry]:
        """Return a key's sessions that end at `earliest_end` or later and start by `latest_start`.

        They come by their end. Those that have the same end come by their start; from the store in
        memory the latest start comes first, as from Kafka's.
        """
        ...

    def find_sessions_of_keys(
        self,
        first_key: bytes | None,
        last_key: bytes | None,
        earliest_end: int,
        latest_start: int,
        *,
        reverse: bool = False,
    ) -> Iterator[SessionEntry]:
        """Return the same of keys between two, both inclusive; None is no bound."""
        ...

    def find_sessions_by_end(self, earliest_end: int, latest_end: int) -> Iterator[SessionEntry]:
        """Return the sessions of all keys that end between the times, both inclusive, by end."""
        ...

    def all(self, *, reverse: bool = False) -> Iterator[SessionEntry]:
        """Return all sessions that have not expired."""
        ...

    def approximate_num_entries(self) -> int:
        """Return about how many entries there are."""
        ...

    def restore(
        self, keys: Sequence[bytes], values: Sequence[bytes | None], timestamps: Sequence[int]
    ) -> None:
        """Take in records of the changelog as they come back."""
        ...

    def expired_ranges(self) -> list[KeyRange]:
        """Return what is to be deleted from the database."""
        ...

    def committed(self) -> None:
        """Take notice that everything staged is in the database."""
        ...


class SessionBytesStore(SegmentedBytesStore):
    """Sessions in segments by their end; writes are staged until `commit_changes`.

    Ranges of keys come by segment, then by the bytes of key, end and start.

    Args:
        name: Name of the store in `database`.
        database: Where it lives.
        retention_ms: How long after the clock passed its end a session can be read.
        segment_interval_ms: See `SegmentedBytesStore`.

    Raises:
        StateError: A session ends before 0 or before it starts.
        ConfigError: A duration is not above 0.
        UnknownStoreError: The database has no store of that name.
    """

    dropped: int

    def __init__(
        self,
        name: str,
        database: StateDatabase,
        retention_ms: int,
        *,
        segment_interval_ms: int | None = None,
    ) -> None:
        check_retention(name, retention_ms)
        super().__init__(name, database, retention_ms, segment_interval_ms)

    def put(self, key: bytes, start_ms: int, end_ms: int, value: bytes | None) -> bytes:
        """Set the value of a session; None deletes it.

        Returns:
            The changelog key of the session. Kafka logs it even if it came too late.
        """
        if not 0 <= start_ms <= end_ms:
            check_session(self.name, key, start_ms, end_ms)
        observed = self.observed_stream_time
        if end_ms > observed:
            self.observed_stream_time = observed = end_ms
            self._state_changed = True
        changelog_key = key + pack_session(end_ms, start_ms)
        segment = end_ms // self.segment_interval_ms
        # What is within the retention is in a live segment; only the rest needs a closer look.
        if end_ms < observed - self.retention_ms and segment < self._live_segment(observed):
            self.dropped += 1
        else:
            self.staged[pack_segment(segment) + changelog_key] = value
            self._recent.put(key, end_ms, start_ms, value)
        return changelog_key

    def put_all(self, entries: Iterable[tuple[bytes, int, int, bytes | None]]) -> list[bytes]:
        """Set many sessions: key, start, end, value; return the changelog key of each."""
        return [self.put(*entry) for entry in entries]

    def remove(self, key: bytes, start_ms: int, end_ms: int) -> bytes:
        """Delete a session; return its changelog key. What has expired is not counted."""
        dropped = self.dropped
        changelog_key = self.put(key, start_ms, end_ms, None)
        self.dropped = dropped
        return changelog_key

    def fetch_session(self, key: bytes, start_ms: int, end_ms: int) -> bytes | None:
        """Return the value of the session with just these times, or None."""
        if end_ms < max(0, self._oldest_readable()) or end_ms > self.observed_stream_time:
            return None
        if end_ms >= self._recent.complete_from:
            return self._recent.index.get(key, end_ms, start_ms)
        changelog_key = session_changelog_key(key, start_ms, end_ms)
        database_key = pack_segment(end_ms // self.segment_interval_ms) + changelog_key
        if database_key in self.staged:
            return self.staged[database_key]
        return self._read(database_key)

    def find_sessions(
        self, key: bytes, earliest_end: int, latest_start: int, *, reverse: bool = False
    ) -> Iterator[SessionEntry]:
        """Return a key's sessions by end, then start; see `SessionBytes`."""
        first = self._first_end(earliest_end)
        if first >= self._recent.complete_from:
            recent = [
                SessionEntry(key, start, end, value)
                for end, start, value in self._recent.between(key, first, MAX_TIME)
                if start <= latest_start
            ]
            return reversed(recent) if reverse else iter(recent)
        low, high = key + pack_session(first, 0), key + pack_session(MAX_TIME, MAX_TIME) + b"\x00"
        bounds = [(pack_segment(s) + low, pack_segment(s) + high) for s in self._segments(first)]
        if reverse:
            bounds.reverse()
        # Other keys may sort in between, but none of this length.
        size = SEGMENT_BYTES + len(key) + SESSION_SUFFIX_BYTES
        found = self._reader.ranges(bounds, reverse)
        return (
            entry
            for entry in (_entry(each) for each in found if len(each[0]) == size)
            if entry.start_ms <= latest_start
        )

    def find_sessions_of_keys(
        self,
        first_key: bytes | None,
        last_key: bytes | None,
        earliest_end: int,
        latest_start: int,
        *,
        reverse: bool = False,
    ) -> Iterator[SessionEntry]:
        """Return the sessions of keys between two; see `SessionBytes`."""
        first, low = self._first_end(earliest_end), first_key or b""
        high = None if last_key is None else greatest_session(last_key)
        bounds = [
            (
                pack_segment(segment) + low,
                pack_segment(segment + 1) if high is None else pack_segment(segment) + high,
            )
            for segment in self._segments(first)
        ]
        if reverse:
            bounds.reverse()
        return (
            entry
            for entry in map(_entry, self._reader.ranges(bounds, reverse))
            if entry.end_ms >= first
            and entry.start_ms <= latest_start
            and low <= entry.key
            and (last_key is None or entry.key <= last_key)
        )

    def find_sessions_by_end(self, earliest_end: int, latest_end: int) -> Iterator[SessionEntry]:
        """Return the sessions of all keys that end between the times, by end, start and key.

        What has expired shows as long as its segment is there, as in Kafka's
        `RocksDBTimeOrderedSessionStore`, which is the store that can be asked so.
        """
        live = self._live_segment(self.observed_stream_time) * self.segment_interval_ms
        first, last = max(earliest_end, live), min(latest_end, self.observed_stream_time)
        if first > last:
            return iter(())
        if first >= self._recent.complete_from:
            entries = [
                SessionEntry(key, start, end, value)
                for key, (end, start, value) in self._recent.index.between_keys(
                    None, None, first, last
                )
            ]
        else:
            low, high = (time // self.segment_interval_ms for time in (first, last))
            found = self._reader.range(pack_segment(low), pack_segment(high + 1))
            entries = [each for each in map(_entry, found) if first <= each.end_ms <= last]
        entries.sort(key=lambda each: (each.end_ms, each.start_ms, each.key))
        return iter(entries)

    def all(self, *, reverse: bool = False) -> Iterator[SessionEntry]:
        """Return all sessions that have not expired."""
        return self.find_sessions_of_keys(None, None, 0, MAX_TIME, reverse=reverse)

    def restore(
        self, keys: Sequence[bytes], values: Sequence[bytes | None], timestamps: Sequence[int]
    ) -> None:
        """Stage records of the changelog as they come back; expired ones are left out."""
        del timestamps  # sessions carry their own
        if not keys:
            return
        parts = [split_session_key(key) for key in keys]
        self._stage_state(max(part.end_ms for part in parts))
        live, interval = self._live_segment(self.observed_stream_time), self.segment_interval_ms
        for part, key, value in zip(parts, keys, values, strict=True):
            segment = part.end_ms // interval
            if segment >= live:
                self.staged[pack_segment(segment) + key] = value
        self._restart_recent()

    def _first_end(self, earliest_end: int) -> int:
        return max(earliest_end, self._oldest_readable(), 0)

    def _segments(self, first: int) -> range:
        """Return the segments that can hold sessions that end at `first` or later."""
        interval = self.segment_interval_ms
        return range(first // interval, self.observed_stream_time // interval + 1)


def _entry(found: tuple[bytes, bytes]) -> SessionEntry:
    key, value = found
    end, start = unpack_session(key, len(key) - SESSION_SUFFIX_BYTES)
    return SessionEntry(key[SEGMENT_BYTES:-SESSION_SUFFIX_BYTES], start, end, value)


def check_session(name: str, key: bytes, start_ms: int, end_ms: int) -> None:
    """Refuse a session that ends before 0 or before it starts."""
    if not 0 <= start_ms <= end_ms:
        raise StateError(
            f"session store {name}: the session of key {key!r} is from {start_ms} to {end_ms} ms; "
            "sessions start at 0 or later and do not end before they start"
        )
