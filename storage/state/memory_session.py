"""Session stores in memory, which expire to the millisecond. Kafka: `InMemorySessionStore`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aliran.storage.state.key_schemas import MAX_TIME, session_changelog_key, split_session_key
from aliran.storage.state.memory_segments import ExactExpiry
from aliran.storage.state.segmented import check_retention
from aliran.storage.state.session import SessionEntry, check_session

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aliran.storage.state.time_index import TimedValue


class MemorySessionStore(ExactExpiry):
    """Sessions by key and end; see `SessionBytes` for what it does.

    A session that ends at clock - retention or earlier is gone, and a put of one is dropped and
    counted. Ranges of keys come by end, then key, then start, the latest start first.

    Args:
        name: Name of the store.
        retention_ms: How long after the clock passed its end a session is kept.

    Raises:
        StateError: A session ends before 0 or before it starts.
        ConfigError: The retention is not above 0.
    """

    dropped: int

    def __init__(self, name: str, retention_ms: int) -> None:
        check_retention(name, retention_ms)
        super().__init__(name, retention_ms)

    def put(self, key: bytes, start_ms: int, end_ms: int, value: bytes | None) -> bytes:
        """Set the value of a session, None to delete it; return its changelog key."""
        check_session(self.name, key, start_ms, end_ms)
        if self._is_late(end_ms):
            self.dropped += 1
        elif value is None:
            self._index.remove(key, end_ms, -start_ms)
        else:
            self._index.put(key, end_ms, -start_ms, value)
        return session_changelog_key(key, start_ms, end_ms)

    def remove(self, key: bytes, start_ms: int, end_ms: int) -> bytes:
        """Delete a session; return its changelog key."""
        check_session(self.name, key, start_ms, end_ms)
        self._index.remove(key, end_ms, -start_ms)
        return session_changelog_key(key, start_ms, end_ms)

    def fetch_session(self, key: bytes, start_ms: int, end_ms: int) -> bytes | None:
        """Return the value of the session with just these times, or None."""
        if end_ms < self._oldest_readable():
            return None
        return self._index.get(key, end_ms, -start_ms)

    def find_sessions(
        self, key: bytes, earliest_end: int, latest_start: int, *, reverse: bool = False
    ) -> Iterator[SessionEntry]:
        """Return a key's sessions by end; see `SessionBytes`."""
        first = max(earliest_end, self._oldest_readable())
        found = [
            SessionEntry(key, -order, end, value)
            for end, order, value in self._index.between(key, first, MAX_TIME)
            if -order <= latest_start
        ]
        return reversed(found) if reverse else iter(found)

    def find_sessions_of_keys(
        self,
        first_key: bytes | None,
        last_key: bytes | None,
        earliest_end: int,
        latest_start: int,
        *,
        reverse: bool = False,
    ) -> Iterator[SessionEntry]:
        """Return the sessions of keys between two, by end, key and start."""
        first = max(earliest_end, self._oldest_readable())
        found = sorted(
            self._index.between_keys(first_key, last_key, first, MAX_TIME),
            key=_order,
            reverse=reverse,
        )
        return iter(
            [SessionEntry(k, -o, end, value) for k, (end, o, value) in found if -o <= latest_start]
        )

    def find_sessions_by_end(self, earliest_end: int, latest_end: int) -> Iterator[SessionEntry]:
        """Return the sessions of all keys that end between the times, by end, key and start."""
        first = max(earliest_end, self._oldest_readable())
        found = sorted(self._index.between_keys(None, None, first, latest_end), key=_order)
        return iter([SessionEntry(key, -order, end, value) for key, (end, order, value) in found])

    def all(self, *, reverse: bool = False) -> Iterator[SessionEntry]:
        """Return all sessions that have not expired."""
        return self.find_sessions_of_keys(None, None, 0, MAX_TIME, reverse=reverse)

    def restore(
        self, keys: Sequence[bytes], values: Sequence[bytes | None], timestamps: Sequence[int]
    ) -> None:
        """Take in records of the changelog; those that have expired are not counted."""
        del timestamps  # sessions carry their own
        dropped = self.dropped
        for data, value in zip(keys, values, strict=True):
            self.put(*split_session_key(data), value)
        self.dropped = dropped


def _order(found: tuple[bytes, TimedValue]) -> tuple[int, bytes, int]:
    key, (end, order, _) = found
    return end, key, order
