"""Window stores as users see them: keys and values of their own types."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from aliran.serdes.windowed import MAX_TIMESTAMP, Windowed
from aliran.storage.state.timestamped import ValueAndTimestamp, ValueAndTimestampSerde
from aliran.storage.state.typed import LogChange, check_timestamped, decoder, key_bytes, log_nothing

if TYPE_CHECKING:
    from aliran.serdes import Serde
    from aliran.storage.state.memory_window import MemoryWindowStore
    from aliran.storage.state.window import WindowBytesStore, WindowEntry

K = TypeVar("K")
V = TypeVar("V")


class ReadOnlyWindowStore(Generic[K, V]):
    """Reads of a window store. Kafka: `ReadOnlyWindowStore`.

    Times are window starts in milliseconds, both ends inclusive; ranges of keys go by the order
    of their bytes. What is older than the retention does not show.

    Args:
        store: Where the bytes are.
        key_serde: Serde of the keys.
        value_serde: Serde of the values as the store keeps them.
    """

    def __init__(
        self,
        store: WindowBytesStore | MemoryWindowStore,
        key_serde: Serde[K],
        value_serde: Serde[V],
    ) -> None:
        self._store = store
        self._key_serde = key_serde
        self._value_serde = value_serde

    @property
    def name(self) -> str:
        """Return the name of the store."""
        return self._store.name

    @overload
    def fetch(self, key: K, start_ms: int, /) -> V | None: ...
    @overload
    def fetch(self, key: K, from_ms: int, to_ms: int, /) -> Iterator[tuple[int, V]]: ...
    @overload
    def fetch(
        self, first_key: K | None, last_key: K | None, from_ms: int, to_ms: int, /
    ) -> Iterator[tuple[Windowed[K], V]]: ...

    def fetch(self, key: Any, *bounds: Any) -> Any:
        """Return what is kept for windows, in one of three ways.

        `fetch(key, start)` is the value of one window, or None. `fetch(key, from, to)` are a key's
        windows as (start, value). `fetch(first_key, last_key, from, to)` are the windows of keys,
        as (Windowed, value), where None is no bound.
        """
        return self._fetch(key, bounds, reverse=False)

    @overload
    def backward_fetch(self, key: K, from_ms: int, to_ms: int, /) -> Iterator[tuple[int, V]]: ...
    @overload
    def backward_fetch(
        self, first_key: K | None, last_key: K | None, from_ms: int, to_ms: int, /
    ) -> Iterator[tuple[Windowed[K], V]]: ...

    def backward_fetch(self, key: Any, *bounds: Any) -> Any:
        """Return what `fetch` returns for three or four arguments, the last first."""
        if len(bounds) == 1:
            raise TypeError("backward_fetch needs two times: key, from_ms, to_ms")
        return self._fetch(key, bounds, reverse=True)

    def fetch_all(self, from_ms: int, to_ms: int) -> Iterator[tuple[Windowed[K], V]]:
        """Return the windows of all keys that start within the times."""
        return self._windows(self._store.fetch_all(from_ms, to_ms))

    def backward_fetch_all(self, from_ms: int, to_ms: int) -> Iterator[tuple[Windowed[K], V]]:
        """Return the windows of all keys that start within the times, the last first."""
        return self._windows(self._store.fetch_all(from_ms, to_ms, reverse=True))

    def all(self) -> Iterator[tuple[Windowed[K], V]]:
        """Return all windows that have not expired."""
        return self._windows(self._store.all())

    def backward_all(self) -> Iterator[tuple[Windowed[K], V]]:
        """Return all windows that have not expired, the last first."""
        return self._windows(self._store.all(reverse=True))

    def __iter__(self) -> Iterator[Windowed[K]]:
        return (windowed for windowed, _ in self.all())

    def _fetch(self, key: Any, bounds: tuple[Any, ...], *, reverse: bool) -> Any:
        value_of = self._value_serde.deserialize
        if len(bounds) == 1:
            return value_of(self._store.fetch(self._key_bytes(key), bounds[0]))
        if len(bounds) == 2:
            entries = self._store.fetch_range(self._key_bytes(key), *bounds, reverse=reverse)
            return ((entry.start_ms, value_of(entry.value)) for entry in entries)
        if len(bounds) == 3:
            last_key, from_ms, to_ms = bounds
            first, last = self._key_serde.serialize(key), self._key_serde.serialize(last_key)
            return self._windows(
                self._store.fetch_keys(first, last, from_ms, to_ms, reverse=reverse)
            )
        raise TypeError(f"fetch takes two, three or four arguments, not {len(bounds) + 1}")

    def _windows(self, entries: Iterator[WindowEntry]) -> Iterator[tuple[Windowed[K], V]]:
        key_of, value_of = decoder(self._key_serde), decoder(self._value_serde)
        size = self._store.window_size_ms
        return (
            (Windowed(key_of(key), start, min(start + size, MAX_TIMESTAMP)), value_of(value))
            for key, start, value in entries
        )

    def _key_bytes(self, key: K) -> bytes:
        return key_bytes(self.name, self._key_serde, key)


class WindowStore(ReadOnlyWindowStore[K, V]):
    """A window store that logs its changes. Kafka: `WindowStore`.

    Args:
        store: Where the bytes go.
        key_serde: Serde of the keys.
        value_serde: Serde of the values.
        log_change: Takes each change for the changelog, keyed as Kafka's `WindowKeySchema`.
        current_time: Returns the timestamp of the record being processed, in milliseconds.
    """

    def __init__(
        self,
        store: WindowBytesStore | MemoryWindowStore,
        key_serde: Serde[K],
        value_serde: Serde[V],
        log_change: LogChange = log_nothing,
        current_time: Callable[[], int] = lambda: 0,
    ) -> None:
        super().__init__(store, key_serde, value_serde)
        self._log_change = log_change
        self._current_time = current_time

    def put(self, key: K, value: V | None, start_ms: int) -> None:
        """Set the value of the key's window that starts at `start_ms`; None deletes it."""
        data = self._value_serde.serialize(value)
        changelog_key = self._store.put(self._key_bytes(key), data, start_ms)
        self._log(changelog_key, data)

    def _log(self, changelog_key: bytes, data: bytes | None) -> None:
        self._log_change(changelog_key, data, self._current_time())


class TimestampedWindowStore(WindowStore[K, ValueAndTimestamp[V]]):
    """Windows whose values carry the time of their record. Kafka: `TimestampedWindowStore`.

    Args:
        store: Where the bytes go; made with `timestamped=True`.
        key_serde: Serde of the keys.
        value_serde: Serde of the plain values.
        log_change: Takes each change for the changelog: the plain value under its own time.
        current_time: Returns the time to log deletions with, in milliseconds.
    """

    def __init__(
        self,
        store: WindowBytesStore | MemoryWindowStore,
        key_serde: Serde[K],
        value_serde: Serde[V],
        log_change: LogChange = log_nothing,
        current_time: Callable[[], int] = lambda: 0,
    ) -> None:
        check_timestamped(store.name, store.timestamped)
        stamped = ValueAndTimestampSerde(value_serde)
        super().__init__(store, key_serde, stamped, log_change, current_time)

    def _log(self, changelog_key: bytes, data: bytes | None) -> None:
        if data is None:
            self._log_change(changelog_key, None, self._current_time())
        else:
            timestamp = int.from_bytes(data[:8], "big", signed=True)
            self._log_change(changelog_key, data[8:], timestamp)
