"""Session stores as users see them: keys and values of their own types."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from aliran.serdes.windowed import MAX_TIMESTAMP, Windowed
from aliran.storage.state.typed import LogChange, decoder, key_bytes, log_nothing

if TYPE_CHECKING:
    from aliran.serdes import Serde
    from aliran.storage.state.session import SessionBytes, SessionEntry

K = TypeVar("K")
V = TypeVar("V")


class ReadOnlySessionStore(Generic[K, V]):
    """Reads of a session store. Kafka: `ReadOnlySessionStore`.

    Sessions are `Windowed(key, start_ms, end_ms)` whose end is part of them. Times are in
    milliseconds, inclusive; ranges of keys go by the order of their bytes, both ends inclusive,
    and None is no bound. What is older than the retention does not show.

    Args:
        store: Where the bytes are.
        key_serde: Serde of the keys.
        value_serde: Serde of the values.
    """

    def __init__(self, store: SessionBytes, key_serde: Serde[K], value_serde: Serde[V]) -> None:
        self._store = store
        self._key_serde = key_serde
        self._value_serde = value_serde

    @property
    def name(self) -> str:
        """Return the name of the store."""
        return self._store.name

    def fetch_session(self, key: K, start_ms: int, end_ms: int) -> V | None:
        """Return the value of the session with just these times, or None."""
        data = self._store.fetch_session(self._key_bytes(key), start_ms, end_ms)
        return self._value_serde.deserialize(data)

    @overload
    def fetch(self, key: K, /) -> Iterator[tuple[Windowed[K], V]]: ...
    @overload
    def fetch(
        self, first_key: K | None, last_key: K | None, /
    ) -> Iterator[tuple[Windowed[K], V]]: ...

    def fetch(self, *keys: Any) -> Iterator[tuple[Windowed[K], V]]:
        """Return all sessions of a key, or of the keys between two."""
        return self._find((*keys, 0, MAX_TIMESTAMP), reverse=False)

    @overload
    def backward_fetch(self, key: K, /) -> Iterator[tuple[Windowed[K], V]]: ...
    @overload
    def backward_fetch(
        self, first_key: K | None, last_key: K | None, /
    ) -> Iterator[tuple[Windowed[K], V]]: ...

    def backward_fetch(self, *keys: Any) -> Iterator[tuple[Windowed[K], V]]:
        """Return what `fetch` returns, the last first."""
        return self._find((*keys, 0, MAX_TIMESTAMP), reverse=True)

    @overload
    def find_sessions(
        self, earliest_end_ms: int, latest_end_ms: int, /
    ) -> Iterator[tuple[Windowed[K], V]]: ...
    @overload
    def find_sessions(
        self, key: K, earliest_end_ms: int, latest_start_ms: int, /
    ) -> Iterator[tuple[Windowed[K], V]]: ...
    @overload
    def find_sessions(
        self, first_key: K | None, last_key: K | None, earliest_end_ms: int, latest_start_ms: int, /
    ) -> Iterator[tuple[Windowed[K], V]]: ...

    def find_sessions(self, *bounds: Any) -> Iterator[tuple[Windowed[K], V]]:
        """Return sessions, in one of three ways.

        `find_sessions(key, earliest_end, latest_start)` are the sessions of a key that end and
        start so: those that a session from `latest_start` to `earliest_end` would overlap.
        `find_sessions(first_key, last_key, earliest_end, latest_start)` are those of several keys.
        `find_sessions(earliest_end, latest_end)` are those of all keys that end within the times.
        """
        if len(bounds) == 2:
            return self._sessions(self._store.find_sessions_by_end(*bounds))
        return self._find(bounds, reverse=False)

    @overload
    def backward_find_sessions(
        self, key: K, earliest_end_ms: int, latest_start_ms: int, /
    ) -> Iterator[tuple[Windowed[K], V]]: ...
    @overload
    def backward_find_sessions(
        self, first_key: K | None, last_key: K | None, earliest_end_ms: int, latest_start_ms: int, /
    ) -> Iterator[tuple[Windowed[K], V]]: ...

    def backward_find_sessions(self, *bounds: Any) -> Iterator[tuple[Windowed[K], V]]:
        """Return what `find_sessions` returns for three or four arguments, the last first."""
        return self._find(bounds, reverse=True)

    def all(self) -> Iterator[tuple[Windowed[K], V]]:
        """Return all sessions that have not expired."""
        return self._sessions(self._store.all())

    def __iter__(self) -> Iterator[Windowed[K]]:
        return (windowed for windowed, _ in self.all())

    def _find(self, bounds: tuple[Any, ...], *, reverse: bool) -> Iterator[tuple[Windowed[K], V]]:
        if len(bounds) == 3:
            key, *times = bounds
            found = self._store.find_sessions(self._key_bytes(key), *times, reverse=reverse)
        elif len(bounds) == 4:
            first, last = (self._key_serde.serialize(key) for key in bounds[:2])
            found = self._store.find_sessions_of_keys(first, last, *bounds[2:], reverse=reverse)
        else:
            raise TypeError(
                f"store {self.name}: sessions are found by a key or by two, and by two times; "
                f"got {len(bounds)} arguments"
            )
        return self._sessions(found)

    def _sessions(self, entries: Iterator[SessionEntry]) -> Iterator[tuple[Windowed[K], V]]:
        key_of, value_of = decoder(self._key_serde), decoder(self._value_serde)
        return (
            (Windowed(key_of(key), start, end), value_of(value))
            for key, start, end, value in entries
        )

    def _key_bytes(self, key: K) -> bytes:
        return key_bytes(self.name, self._key_serde, key)


class SessionStore(ReadOnlySessionStore[K, V]):
    """A session store that logs its changes. Kafka: `SessionStore`.

    >>> from aliran.serdes import Windowed, serde_for
    >>> from aliran.storage.state import MemorySessionStore
    >>> visits = SessionStore(MemorySessionStore("visits", 60_000), serde_for(str), serde_for(int))
    >>> visits.put(Windowed("ann", 100, 900), 7)
    >>> list(visits.find_sessions("ann", 500, 2000))
    [(Windowed(key='ann', start_ms=100, end_ms=900), 7)]

    Args:
        store: Where the bytes go.
        key_serde: Serde of the keys.
        value_serde: Serde of the values.
        log_change: Takes each change for the changelog, keyed as Kafka's `SessionKeySchema`.
        current_time: Returns the timestamp of the record being processed, in milliseconds.
    """

    def __init__(
        self,
        store: SessionBytes,
        key_serde: Serde[K],
        value_serde: Serde[V],
        log_change: LogChange = log_nothing,
        current_time: Callable[[], int] = lambda: 0,
    ) -> None:
        super().__init__(store, key_serde, value_serde)
        self._log_change = log_change
        self._current_time = current_time

    def put(self, session: Windowed[K], value: V | None) -> None:
        """Set the value of a session; None deletes it."""
        key, start, end = session
        data = self._value_serde.serialize(value)
        changelog_key = self._store.put(self._key_bytes(key), start, end, data)
        self._log_change(changelog_key, data, self._current_time())

    def remove(self, session: Windowed[K]) -> None:
        """Delete a session."""
        key, start, end = session
        changelog_key = self._store.remove(self._key_bytes(key), start, end)
        self._log_change(changelog_key, None, self._current_time())
