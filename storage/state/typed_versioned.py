"""Versioned stores as users see them: keys and values of their own types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from aliran.serdes.windowed import MAX_TIMESTAMP
from aliran.storage.state.typed import LogChange, key_bytes, log_nothing

if TYPE_CHECKING:
    from aliran.serdes import Serde
    from aliran.storage.state.versioned import VersionedBytesStore, VersionedEntry

K = TypeVar("K")
V = TypeVar("V")


class VersionedRecord(NamedTuple, Generic[V]):
    """One version of a value. Kafka: `VersionedRecord`.

    Attributes:
        value: The value.
        timestamp: When it began to be valid, in ms.
        valid_to: When it ended to be valid, exclusive, in ms; None if it is the newest.
    """

    value: V
    timestamp: int
    valid_to: int | None = None


class ReadOnlyVersionedKeyValueStore(Generic[K, V]):
    """Reads of a versioned store.

    Args:
        store: Where the bytes are.
        key_serde: Serde of the keys.
        value_serde: Serde of the values.
    """

    def __init__(
        self, store: VersionedBytesStore, key_serde: Serde[K], value_serde: Serde[V]
    ) -> None:
        self._store = store
        self._key_serde = key_serde
        self._value_serde = value_serde

    @property
    def name(self) -> str:
        """Return the name of the store."""
        return self._store.name

    def get(self, key: K, as_of_ms: int | None = None) -> VersionedRecord[V] | None:
        """Return the newest value of `key`, or the one that was valid at a time; None for none.

        Of times before the history only the newest value is known, if it was valid then already.
        Kafka's does not say until when the value was valid; this does.
        """
        data = self._key_bytes(key)
        if as_of_ms is None:
            return self._record(self._store.get(data))
        return self._record(self._store.get_as_of(data, as_of_ms))

    def get_between(
        self, key: K, from_ms: int = 0, to_ms: int = MAX_TIMESTAMP, *, reverse: bool = False
    ) -> Iterator[VersionedRecord[V]]:
        """Return the versions of `key` that were valid between two times, both inclusive, by time.

        Kafka: `MultiVersionedKeyQuery`. As there, a version whose end lies in a segment after that
        of `to_ms` does not show, unless it is the newest.

        Args:
            key: The key.
            from_ms: From when on.
            to_ms: Until when.
            reverse: Whether the newest comes first.
        """
        found = self._store.get_between(self._key_bytes(key), from_ms, to_ms, reverse=reverse)
        return (record for record in map(self._record, found) if record is not None)

    def _record(self, entry: VersionedEntry | None) -> VersionedRecord[V] | None:
        if entry is None:
            return None
        value: Any = self._value_serde.deserialize(entry.value)
        return VersionedRecord(value, entry.timestamp, entry.valid_to)

    def _key_bytes(self, key: K) -> bytes:
        return key_bytes(self.name, self._key_serde, key)


class VersionedKeyValueStore(ReadOnlyVersionedKeyValueStore[K, V]):
    """A versioned store that logs its changes. Kafka: `VersionedKeyValueStore`.

    >>> from aliran.serdes import serde_for
    >>> from aliran.storage.state import MemoryStateDatabase, VersionedBytesStore
    >>> store = VersionedBytesStore("prices", MemoryStateDatabase(["prices"]), 60_000)
    >>> prices = VersionedKeyValueStore(store, serde_for(str), serde_for(int))
    >>> prices.put("tea", 3, 1_000), prices.put("tea", 4, 2_000)
    (-1, -1)
    >>> prices.get("tea", 1_500)
    VersionedRecord(value=3, timestamp=1000, valid_to=2000)

    Args:
        store: Where the bytes go.
        key_serde: Serde of the keys.
        value_serde: Serde of the values.
        log_change: Takes each change for the changelog, with the time of the version.
        current_time: Not used: versions have times of their own.
    """

    def __init__(
        self,
        store: VersionedBytesStore,
        key_serde: Serde[K],
        value_serde: Serde[V],
        log_change: LogChange = log_nothing,
        current_time: Any = None,
    ) -> None:
        super().__init__(store, key_serde, value_serde)
        del current_time
        self._log_change = log_change

    def put(self, key: K, value: V | None, timestamp_ms: int) -> int:
        """Set the value of `key` from a time on; None deletes it.

        Returns:
            Until when it is valid: the time of the next version, `VALID_TO_UNDEFINED` (-1) if it is
            the newest, or `NOT_PUT` if the time is before the history.
        """
        data, value_data = self._key_bytes(key), self._value_serde.serialize(value)
        valid_to = self._store.put(data, value_data, timestamp_ms)
        self._log_change(data, value_data, timestamp_ms)
        return valid_to

    def delete(self, key: K, timestamp_ms: int) -> VersionedRecord[V] | None:
        """Delete the value of `key` from a time on; return the version that was valid then."""
        data = self._key_bytes(key)
        before = self._store.delete(data, timestamp_ms)
        self._log_change(data, None, timestamp_ms)
        return self._record(before)
