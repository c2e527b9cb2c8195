"""Stores as the getters of `TopologyTestDriver` hand them out.

Kafka: `getKeyValueStore` and `getWindowStore` show timestamped stores without their times, by
facades; the other getters show stores as they are, and each knows its own kind only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias, TypeVar

from aliran.storage.state import (
    KeyValueStore,
    SessionStore,
    TimestampedKeyValueStore,
    TimestampedWindowStore,
    ValueAndTimestamp,
    VersionedKeyValueStore,
    WindowStore,
)
from aliran.streams.errors import TopologyError

T = TypeVar("T")
Entries: TypeAlias = Iterator[tuple[Any, Any]]

NO_TIMESTAMP = -1
"""The time of what is put through a facade, as with Kafka's."""

_GETTERS: dict[type[Any], tuple[str, str]] = {
    TimestampedKeyValueStore: ("timestamped", "get_timestamped_key_value_store"),
    KeyValueStore: ("key-value", "get_key_value_store"),
    TimestampedWindowStore: ("timestamped window", "get_timestamped_window_store"),
    WindowStore: ("window", "get_window_store"),
    SessionStore: ("session", "get_session_store"),
    VersionedKeyValueStore: ("versioned", "get_versioned_key_value_store"),
}


def require_kind(name: str, store: Any, kind: type[T]) -> T:
    """Return `store` if it is of that kind.

    Raises:
        TopologyError: It is of another one; the message names the method to use.
    """
    if isinstance(store, kind):
        return store
    for known, (what, getter) in _GETTERS.items():
        if isinstance(store, known):
            raise TopologyError(f"store {name!r} is a {what} store: use {getter}({name!r})")
    raise TopologyError(f"store {name!r} has no such view: use get_state_store({name!r})")


class PlainKeyValueStore:
    """A timestamped key-value store without its times. Kafka: `KeyValueStoreFacade`."""

    def __init__(self, store: TimestampedKeyValueStore[Any, Any]) -> None:
        self._store = store
        self.name: str = store.name

    def get(self, key: Any) -> Any:
        """Return the value of `key`, or None."""
        return _plain(self._store.get(key))

    def range(self, first: Any, last: Any) -> Entries:
        """Return the entries from `first` to `last`."""
        return _entries(self._store.range(first, last))

    def reverse_range(self, first: Any, last: Any) -> Entries:
        """Return the entries from `last` down to `first`."""
        return _entries(self._store.reverse_range(first, last))

    def prefix_scan(self, prefix: Any, prefix_serde: Any = None) -> Entries:
        """Return the entries whose key's bytes begin with those of `prefix`."""
        return _entries(self._store.prefix_scan(prefix, prefix_serde))

    def all(self) -> Entries:
        """Return all entries."""
        return _entries(self._store.all())

    def reverse_all(self) -> Entries:
        """Return all entries, the last first."""
        return _entries(self._store.reverse_all())

    def approximate_num_entries(self) -> int:
        """Return about how many entries there are."""
        return self._store.approximate_num_entries()

    def put(self, key: Any, value: Any) -> None:
        """Set the value of `key`; None deletes it."""
        self._store.put(key, _stamped(value))

    def put_all(self, items: Iterable[tuple[Any, Any]]) -> None:
        """Set many values."""
        self._store.put_all((key, _stamped(value)) for key, value in items)

    def put_if_absent(self, key: Any, value: Any) -> Any:
        """Set the value of `key` unless it has one; return the one it had."""
        return _plain(self._store.put_if_absent(key, _stamped(value)))

    def delete(self, key: Any) -> Any:
        """Remove `key`; return the value it had."""
        return _plain(self._store.delete(key))

    def __getitem__(self, key: Any) -> Any:
        return self._store[key].value

    def __setitem__(self, key: Any, value: Any) -> None:
        self.put(key, value)

    def __delitem__(self, key: Any) -> None:
        del self._store[key]

    def __contains__(self, key: Any) -> bool:
        return key in self._store

    def __iter__(self) -> Iterator[Any]:
        return iter(self._store)


class PlainWindowStore:
    """A timestamped window store without its times. Kafka: `WindowStoreFacade`."""

    def __init__(self, store: TimestampedWindowStore[Any, Any]) -> None:
        self._store: Any = store
        self.name: str = store.name

    def put(self, key: Any, value: Any, window_start_ms: int) -> None:
        """Set the value of a key's window; None deletes it."""
        self._store.put(key, _stamped(value), window_start_ms)

    def fetch(self, key: Any, *bounds: Any) -> Any:
        """Return what is kept for windows, in one of the ways of `WindowStore.fetch`."""
        found = self._store.fetch(key, *bounds)
        return _plain(found) if len(bounds) == 1 else _entries(found)

    def backward_fetch(self, key: Any, *bounds: Any) -> Entries:
        """Return the same as `fetch` with ranges, the last first."""
        return _entries(self._store.backward_fetch(key, *bounds))

    def fetch_all(self, from_ms: int, to_ms: int) -> Entries:
        """Return the windows of all keys that start within these times."""
        return _entries(self._store.fetch_all(from_ms, to_ms))

    def backward_fetch_all(self, from_ms: int, to_ms: int) -> Entries:
        """Return the same, the last first."""
        return _entries(self._store.backward_fetch_all(from_ms, to_ms))

    def all(self) -> Entries:
        """Return all windows."""
        return _entries(self._store.all())

    def backward_all(self) -> Entries:
        """Return all windows, the last first."""
        return _entries(self._store.backward_all())


def _plain(stamped: ValueAndTimestamp[Any] | None) -> Any:
    return None if stamped is None else stamped.value


def _stamped(value: Any) -> ValueAndTimestamp[Any] | None:
    return None if value is None else ValueAndTimestamp(value, NO_TIMESTAMP)


def _entries(entries: Iterable[tuple[Any, Any]]) -> Entries:
    return ((key, _plain(stamped)) for key, stamped in entries)
