"""Tables of windows and sessions that are read by spans of time, with Kafka's record cache on top.

`tables.WindowTable` serves tumbling and hopping windows, where a record's windows follow from its
time alone. Sliding windows and sessions follow from what is there: here a look-up merges what is
cached with what the store shows. As in Kafka, entries that were flushed stay in the cache, where
they are seen whatever their age; the store itself hides what is out of retention.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator
from struct import Struct
from typing import Any, TypeAlias

from aliran.core.types import Headers
from aliran.serdes import Serde, Windowed
from aliran.storage.state import WindowBytesStore
from aliran.storage.state.session import SessionBytes
from aliran.streams.engine.buffers import ChangelogBuffer
from aliran.streams.engine.cache_budget import CacheBudget
from aliran.streams.engine.tables import Table
from aliran.streams.plan.window_operators import (
    MAX_TIME,
    SessionWindows,
    WindowedAggregate,
    size_of,
)

Position: TypeAlias = tuple[int, int]
"""What orders the entries of a key: `(window start, 0)`, or `(session end, session start)`."""

CacheEntry: TypeAlias = tuple[Any, int, Headers | None]
"""Value as it is kept, time, headers."""

Forward: TypeAlias = Callable[[Any, Any, int, Headers | None, Any], None]
"""`forward(key, value, time, headers, old value)` runs an update through what is downstream."""

_TIMESTAMP = Struct(">q")

_FEW = 8
"""So many entries of a key are faster looked through than searched."""


def forward_nothing(
    _key: Any, _value: Any, _time: int, _headers: Headers | None, _old: Any
) -> None:
    """Stand in until the engine connects what is downstream."""


class TimedCache:
    """Cached entries by key and position; what changed comes in the order of the last change."""

    def __init__(self) -> None:
        self._positions: dict[bytes, list[Position]] = {}
        self._entries: dict[tuple[bytes, Position], CacheEntry] = {}
        self._dirty: dict[tuple[bytes, Position], None] = {}
        # Entries of which nothing has been flushed yet.
        self._fresh: set[tuple[bytes, Position]] = set()

    def get(self, cell: bytes, position: Position) -> CacheEntry | None:
        """Return an entry; its value may be None, for something deleted."""
        return self._entries.get((cell, position))

    def put(self, cell: bytes, position: Position, entry: CacheEntry) -> None:
        """Set an entry that is still to be flushed."""
        where, dirty = (cell, position), self._dirty
        if where not in self._entries:
            positions = self._positions.get(cell)
            if positions is None:
                self._positions[cell] = [position]
            else:
                insort(positions, position)
            self._fresh.add(where)
        elif where in dirty:
            del dirty[where]
        self._entries[where] = entry
        dirty[where] = None

    def is_fresh(self, cell: bytes, position: Position) -> bool:
        """Tell whether an entry is here of which nothing has been flushed yet."""
        return (cell, position) in self._fresh

    def is_clean(self, cell: bytes, position: Position) -> bool:
        """Tell whether an entry is here as it was flushed."""
        where = (cell, position)
        return where in self._entries and where not in self._dirty

    def between(
        self, cell: bytes, first: Position, last: Position
    ) -> list[tuple[Position, CacheEntry]]:
        """Return the entries of a key with positions from `first` to `last`, both inclusive."""
        positions = self._positions.get(cell)
        if positions is None:
            return []
        if len(positions) > _FEW:
            positions = positions[bisect_left(positions, first) : bisect_right(positions, last)]
        entries = self._entries
        return [(each, entries[cell, each]) for each in positions if first <= each <= last]

    def all(self) -> Iterator[tuple[bytes, Position, CacheEntry]]:
        """Yield all entries, by key."""
        for (cell, position), entry in self._entries.items():
            yield cell, position, entry

    def take_dirty(self) -> list[tuple[bytes, Position, CacheEntry]]:
        """Return what changed; it counts as flushed. Deleted entries leave the cache."""
        taken = [(*where, self._entries[where]) for where in self._dirty]
        self._dirty.clear()
        self._fresh.clear()
        for cell, position, entry in taken:
            if entry[0] is None:
                self.forget(cell, position)
        return taken

    def forget(self, cell: bytes, position: Position) -> None:
        """Remove an entry, changed or not."""
        where = (cell, position)
        del self._entries[where]
        self._dirty.pop(where, None)
        self._fresh.discard(where)
        positions = self._positions[cell]
        del positions[bisect_left(positions, position)]
        if not positions:
            del self._positions[cell]

    def keep_newer_half(self) -> int:
        """Forget the older half of the entries, none of them changed.

        Returns:
            The time from which on everything was kept.
        """
        times = sorted(position[0] for _, position in self._entries)
        limit = times[len(times) // 2]
        if limit == times[0]:  # there is hardly an older half
            limit = times[-1] + 1
        for cell, position in [each for each in self._entries if each[1][0] < limit]:
            self.forget(cell, position)
        return limit

    def __len__(self) -> int:
        return len(self._entries)


class _TimedTable(Table):
    """What tables of windows and of sessions have in common.

    Attributes:
        forward: Runs an update through what is downstream; set by the engine.
    """

    def __init__(
        self,
        store: Any,
        serdes: tuple[Serde[Any], Serde[Any]],
        changelog: ChangelogBuffer | None,
        budget: CacheBudget | None,
    ) -> None:
        super().__init__(store.name, serdes, changelog, budget, None)
        self.keys_are_typed = False
        self._store = store
        self.forward: Forward = forward_nothing
        self._cache = TimedCache()
        # From this time on the store has nothing that is not in the cache.
        self._complete_from = MAX_TIME

    def cell_of(self, key: Any) -> bytes:
        """Return the bytes of a key."""
        return self.key_serde.serializer(key)

    def _kept(self, value: Any) -> Any:
        """Return a value in the form in which it is cached: nobody else can change it."""
        if value is None or self._keeps_values:
            return value
        return self.value_serde.serialize(value)

    def _opened(self, kept: Any) -> Any:
        """Return a cached value as users see it."""
        return kept if kept is None or self._keeps_values else self.value_serde.deserialize(kept)

    def _kept_bytes(self, kept: Any) -> bytes | None:
        """Return the bytes of a cached value."""
        return self.value_serde.serialize(kept) if self._keeps_values else kept

    def _cache_put(self, cell: bytes, position: Position, entry: CacheEntry) -> None:
        if self._cache.get(cell, position) is None:
            self._charge(cell)
        self._cache.put(cell, position, entry)

    def restored(self) -> None:
        """Say that all there is lies in the store, which knows the newest entry of all."""
        self._complete_from = self._store.observed_stream_time + 1

    def _evict(self) -> float:
        self.flush()
        before = len(self._cache)
        if before:
            self._complete_from = max(self._complete_from, self._cache.keep_newer_half())
        return len(self._cache) / max(1, before)


class RangeWindowTable(_TimedTable):
    """Windowed aggregates that are read by ranges of window starts.

    Args:
        store: The bytes.
        serdes: Of keys and values.
        changelog: Where updates are logged.
        budget: Of the cache; None for no cache.
        size_ms: The size of the windows.
        forwards_updates: Whether flushed updates go downstream; not if only final results do.
    """

    _store: WindowBytesStore

    def __init__(
        self,
        store: WindowBytesStore,
        serdes: tuple[Serde[Any], Serde[Any]],
        changelog: ChangelogBuffer | None,
        budget: CacheBudget | None,
        size_ms: int,
        *,
        forwards_updates: bool = True,
    ) -> None:
        super().__init__(store, serdes, changelog, budget)
        self._size_ms = size_ms
        self._forwards_updates = forwards_updates

    def end_of(self, start: int) -> int:
        """Return the end of the window that begins at `start`."""
        return min(start + self._size_ms, MAX_TIME)

    def fetch(self, cell: bytes, start: int) -> tuple[Any, int] | None:
        """Return value and time of a window, None where there is no value."""
        if self.caching:
            entry = self._cache.get(cell, (start, 0))
            if entry is not None:
                return None if entry[0] is None else (self._opened(entry[0]), entry[1])
            if start >= self._complete_from:
                return None
        return self._timed(self._store.fetch(cell, start))

    def between(
        self, cell: bytes, first: int, last: int, *, reverse: bool = False
    ) -> list[tuple[int, Any, int]]:
        """Return start, value and time of a key's windows that start between two times."""
        cached = self._cache.between(cell, (first, 0), (last, 0))
        if self.caching and first >= self._complete_from:
            if reverse:
                cached.reverse()
            return [
                (start, self._opened(kept), time)
                for (start, _), (kept, time, _) in cached
                if kept is not None
            ]
        found: dict[int, tuple[int, Any, int]] = {}
        for entry in self._store.fetch_range(cell, first, last):
            value, time = self._read(entry.value)
            found[entry.start_ms] = (entry.start_ms, value, time)
        for (start, _), (kept, time, _) in cached:
            if kept is None:
                found.pop(start, None)
            else:
                found[start] = (start, self._opened(kept), time)
        return [found[start] for start in sorted(found, reverse=reverse)]

    def started_between(self, first: int, last: int) -> list[tuple[int, bytes, Any, int]]:
        """Return start, key, value and time of all keys' windows, by start, then key."""
        found: dict[tuple[int, bytes], tuple[int, bytes, Any, int]] = {}
        for entry in self._store.fetch_all(first, last):
            value, time = self._read(entry.value)
            found[entry.start_ms, entry.key] = (entry.start_ms, entry.key, value, time)
        if self.caching:
            for cell, (start, _), (kept, time, _) in self._cache.all():
                if first <= start <= last:
                    if kept is None:
                        found.pop((start, cell), None)
                    else:
                        found[start, cell] = (start, cell, self._opened(kept), time)
        return [found[where] for where in sorted(found)]

    def put(self, cell: bytes, start: int, value: Any, time: int, headers: Headers | None) -> None:
        """Set the aggregate of a window; None deletes it."""
        if self.caching:
            self._cache_put(cell, (start, 0), (self._kept(value), time, headers))
        else:
            self._write(cell, start, self.value_serde.serialize(value), time)

    def get(self, window: Windowed[Any]) -> Any:
        """Return the value of a key and window, None where there is none."""
        found = self.get_timed(window)
        return None if found is None else found[0]

    def get_timed(self, window: Windowed[Any]) -> tuple[Any, int] | None:
        """Return value and time of a key and window, None where there is no value."""
        return self.fetch(self.cell_of(window.key), window.start_ms)

    def flush(self) -> None:
        """Write the changed entries to store and changelog, and forward them."""
        for cell, (start, _), (kept, time, headers) in self._cache.take_dirty():
            old = None
            if self._forwards_updates and (kept is None or self._sends_old_values):
                old = self._timed(self._store.fetch(cell, start))
                if kept is None and old is None:
                    continue  # it came and went since the last flush: no news
            self._write(cell, start, self._kept_bytes(kept), time)
            if self._forwards_updates:
                key = Windowed(self.key_serde.deserialize(cell), start, self.end_of(start))
                before = old[0] if old and self._sends_old_values else None
                self.forward(key, self._opened(kept), time, headers, before)

    def _read(self, data: bytes) -> tuple[Any, int]:
        return self.value_serde.deserialize(data[8:]), _TIMESTAMP.unpack_from(data)[0]

    def _write(self, cell: bytes, start: int, value: bytes | None, time: int) -> None:
        stored = None if value is None else _TIMESTAMP.pack(time) + value
        changelog_key = self._store.put(cell, stored, start)
        if self._changelog is not None:
            self._changelog.append(changelog_key, value, time)


class SessionTable(_TimedTable):
    """Aggregates by key and session."""

    _store: SessionBytes

    def __init__(
        self,
        store: SessionBytes,
        serdes: tuple[Serde[Any], Serde[Any]],
        changelog: ChangelogBuffer | None,
        budget: CacheBudget | None,
    ) -> None:
        super().__init__(store, serdes, changelog, budget)

    def find(self, cell: bytes, earliest_end: int, latest_start: int) -> list[tuple[int, int, Any]]:
        """Return start, end and value of a key's sessions within reach, by their end."""
        if not self.caching:
            deserialize = self.value_serde.deserialize
            return [
                (entry.start_ms, entry.end_ms, deserialize(entry.value))
                for entry in self._store.find_sessions(cell, earliest_end, latest_start)
            ]
        bounds = ((earliest_end, -1), (MAX_TIME, MAX_TIME))
        cached = self._cache.between(cell, *bounds)
        if earliest_end >= self._complete_from:
            return [
                (start, end, self._opened(kept))
                for (end, start), (kept, _, _) in cached
                if start <= latest_start and kept is not None
            ]
        found: dict[Position, tuple[int, int, Any]] = {}
        for entry in self._store.find_sessions(cell, earliest_end, latest_start):
            value = self.value_serde.deserialize(entry.value)
            found[entry.end_ms, entry.start_ms] = (entry.start_ms, entry.end_ms, value)
        for position, (kept, _, _) in cached:
            end, start = position
            if start > latest_start:
                continue
            if kept is None:
                found.pop(position, None)
            else:
                found[position] = (start, end, self._opened(kept))
        return [found[position] for position in sorted(found)]

    def ended_between(self, first: int, last: int) -> list[tuple[int, int, bytes, Any]]:
        """Return start, end, key and value of all keys' sessions that end between two times.

        They come in the order of the store; final results are never cached.
        """
        deserialize = self.value_serde.deserialize
        return [
            (entry.start_ms, entry.end_ms, entry.key, deserialize(entry.value))
            for entry in self._store.find_sessions_by_end(first, last)
        ]

    def put(
        self, cell: bytes, start: int, end: int, value: Any, time: int, headers: Headers | None
    ) -> None:
        """Set the aggregate of a session; None deletes it.

        Args:
            cell: The key's bytes.
            start: Where the session begins.
            end: Where it ends.
            value: The aggregate.
            time: Time of the record that changed it, for the changelog.
            headers: The record's headers, for a later flush.
        """
        if not self.caching:
            self._write(cell, start, end, self.value_serde.serialize(value), time)
        elif value is None and not self._is_stored(cell, start, end):
            # It came and went since the last flush: nobody will hear of it.
            if self._cache.get(cell, (end, start)) is not None:
                self._cache.forget(cell, (end, start))
        else:
            self._cache_put(cell, (end, start), (self._kept(value), time, headers))

    def remove(self, cell: bytes, start: int, end: int, time: int, headers: Headers | None) -> None:
        """Delete a session; `time` and `headers` are those of the record that did it."""
        if self.caching:
            self.put(cell, start, end, None, time, headers)
            return
        changelog_key = self._store.remove(cell, start, end)
        if self._changelog is not None:
            self._changelog.append(changelog_key, None, time)

    def get(self, window: Windowed[Any]) -> Any:
        """Return the value of a key and session, None where there is none."""
        cell, start, end = self.cell_of(window.key), window.start_ms, window.end_ms
        entry = self._cache.get(cell, (end, start))
        return self._stored(cell, start, end) if entry is None else self._opened(entry[0])

    def get_timed(self, window: Windowed[Any]) -> tuple[Any, int] | None:
        """Return value and end of a key and session, None where there is no value."""
        value = self.get(window)
        return None if value is None else (value, window.end_ms)

    def flush(self) -> None:
        """Write the changed sessions to store and changelog, and forward them."""
        news: list[tuple[bytes, int, int, Any, Headers | None, Any]] = []
        keys, values, times = [], [], []
        put, sends_old_values = self._store.put, self._sends_old_values
        for cell, (end, start), (kept, time, headers) in self._cache.take_dirty():
            old = None
            if kept is None or sends_old_values:
                old = self._stored(cell, start, end)
                if kept is None and old is None:
                    continue  # it came and went since the last flush: no news
            data = self._kept_bytes(kept)
            keys.append(put(cell, start, end, data))
            values.append(data)
            times.append(time)
            news.append((cell, start, end, kept, headers, old if sends_old_values else None))
        if self._changelog is not None:
            self._changelog.extend(keys, values, times)
        forward, read_key, opened = self.forward, self.key_serde.deserializer, self._opened
        for cell, start, end, kept, headers, old in news:
            forward(Windowed(read_key(cell), start, end), opened(kept), end, headers, old)

    def _is_stored(self, cell: bytes, start: int, end: int) -> bool:
        """Tell whether the store has a session, or had it until it expired."""
        if end >= self._complete_from and self._cache.is_fresh(cell, (end, start)):
            return False
        if self._cache.is_clean(cell, (end, start)):
            return True
        return self._stored(cell, start, end) is not None

    def _stored(self, cell: bytes, start: int, end: int) -> Any:
        return self.value_serde.deserialize(self._store.fetch_session(cell, start, end))

    def _write(self, cell: bytes, start: int, end: int, value: bytes | None, time: int) -> None:
        changelog_key = self._store.put(cell, start, end, value)
        if self._changelog is not None:
            self._changelog.append(changelog_key, value, time)


def open_timed_table(
    spec: WindowedAggregate,
    store: Any,
    serdes: tuple[Serde[Any], Serde[Any]],
    changelog: ChangelogBuffer | None,
    budget: CacheBudget | None,
) -> RangeWindowTable | SessionTable:
    """Return the table of an aggregation, over the store that holds its bytes."""
    if isinstance(spec.windows, SessionWindows):
        return SessionTable(store, serdes, changelog, budget)
    size_ms, forwards_updates = size_of(spec.windows), not spec.emit_final
    return RangeWindowTable(
        store, serdes, changelog, budget, size_ms, forwards_updates=forwards_updates
    )
