"""Key-value stores as users see them: keys and values of their own types.

Every read decodes afresh, so changing what was read changes nothing in the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, cast

from aliran.storage.state.errors import StateError
from aliran.storage.state.timestamped import ValueAndTimestamp, ValueAndTimestampSerde

if TYPE_CHECKING:
    from aliran.serdes import Serde
    from aliran.storage.state.key_value import KeyValueBytesStore
    from aliran.storage.state.lru import LruBytesStore

K = TypeVar("K")
V = TypeVar("V")

LogChange: TypeAlias = Callable[[bytes, bytes | None, int], None]
"""Called with changelog key, changelog value and timestamp (ms) of each change."""


def log_nothing(_key: bytes, _value: bytes | None, _timestamp: int) -> None:
    """Be the `LogChange` of a store without changelog."""


class ReadOnlyKeyValueStore(Generic[K, V]):
    """Reads of a key-value store. Kafka: `ReadOnlyKeyValueStore`.

    Ranges go by the order of the keys' bytes, both ends inclusive; None is no bound. Integers
    below 0 therefore come after the others.

    Args:
        store: Where the bytes are.
        key_serde: Serde of the keys.
        value_serde: Serde of the values as the store keeps them.
    """

    def __init__(
        self,
        store: KeyValueBytesStore | LruBytesStore,
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

    def get(self, key: K) -> V | None:
        """Return the value of `key`, or None."""
        return self._value_serde.deserialize(self._store.get(self._key_bytes(key)))

    def range(self, first: K | None, last: K | None) -> Iterator[tuple[K, V]]:
        """Return the entries from `first` to `last`."""
        return self._decoded(self._store.range(self._bound(first), self._bound(last)))

    def reverse_range(self, first: K | None, last: K | None) -> Iterator[tuple[K, V]]:
        """Return the entries from `last` down to `first`."""
        return self._decoded(self._store.reverse_range(self._bound(first), self._bound(last)))

    def prefix_scan(
        self, prefix: Any, prefix_serde: Serde[Any] | None = None
    ) -> Iterator[tuple[K, V]]:
        """Return the entries whose key's bytes begin with those of `prefix`.

        Args:
            prefix: What the keys begin with.
            prefix_serde: Its serde; that of the keys unless given.
        """
        data = (prefix_serde or self._key_serde).serialize(prefix)
        return self._decoded(self._store.prefix_scan(data or b""))

    def all(self) -> Iterator[tuple[K, V]]:
        """Return all entries."""
        return self._decoded(self._store.all())

    def reverse_all(self) -> Iterator[tuple[K, V]]:
        """Return all entries, the last first."""
        return self._decoded(self._store.reverse_all())

    def approximate_num_entries(self) -> int:
        """Return about how many entries there are."""
        return self._store.approximate_num_entries()

    def __getitem__(self, key: K) -> V:
        value = self.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __contains__(self, key: K) -> bool:
        return self._store.get(self._key_bytes(key)) is not None

    def __iter__(self) -> Iterator[K]:
        return (key for key, _ in self.all())

    def _key_bytes(self, key: K) -> bytes:
        return key_bytes(self.name, self._key_serde, key)

    def _bound(self, key: K | None) -> bytes | None:
        return self._key_serde.serialize(key)

    def _decoded(self, entries: Iterator[tuple[bytes, bytes]]) -> Iterator[tuple[K, V]]:
        key_of, value_of = decoder(self._key_serde), decoder(self._value_serde)
        return ((key_of(key), value_of(value)) for key, value in entries)


class KeyValueStore(ReadOnlyKeyValueStore[K, V]):
    """A key-value store that logs its changes. Kafka: `KeyValueStore`.

    >>> from aliran.serdes import serde_for
    >>> from aliran.storage.state import KeyValueBytesStore, MemoryStateDatabase
    >>> store = KeyValueBytesStore("stock", MemoryStateDatabase(["stock"]))
    >>> stock = KeyValueStore(store, serde_for(str), serde_for(int))
    >>> stock["apples"] = 3
    >>> stock["apples"], "pears" in stock, stock.get("pears")
    (3, False, None)

    Args:
        store: Where the bytes go.
        key_serde: Serde of the keys.
        value_serde: Serde of the values.
        log_change: Takes each change for the changelog.
        current_time: Returns the timestamp of the record being processed, in milliseconds.
    """

    def __init__(
        self,
        store: KeyValueBytesStore | LruBytesStore,
        key_serde: Serde[K],
        value_serde: Serde[V],
        log_change: LogChange = log_nothing,
        current_time: Callable[[], int] = lambda: 0,
    ) -> None:
        super().__init__(store, key_serde, value_serde)
        self._log_change = log_change
        self._current_time = current_time

    def put(self, key: K, value: V | None) -> None:
        """Set the value of `key`; None deletes it."""
        self._write(self._key_bytes(key), value)

    def put_all(self, items: Iterable[tuple[K, V | None]]) -> None:
        """Set many values; all are written before the first is logged, as by Kafka."""
        serialize = self._value_serde.serialize
        changes = [(self._key_bytes(key), value, serialize(value)) for key, value in items]
        for data, _, stored in changes:
            self._store.put(data, stored)
        for data, value, stored in changes:
            self._log(data, value, stored)

    def put_if_absent(self, key: K, value: V | None) -> V | None:
        """Set the value of `key` unless it has one; return the one it had."""
        data = self._key_bytes(key)
        before = self._store.get(data)
        if before is None:
            self._write(data, value)
        return self._value_serde.deserialize(before)

    def delete(self, key: K) -> V | None:
        """Remove `key`; return the value it had."""
        data = self._key_bytes(key)
        before = self._store.get(data)
        self._write(data, None)
        return self._value_serde.deserialize(before)

    def __setitem__(self, key: K, value: V) -> None:
        self.put(key, value)

    def __delitem__(self, key: K) -> None:
        if self.delete(key) is None:
            raise KeyError(key)

    def _write(self, key: bytes, value: V | None) -> None:
        data = self._value_serde.serialize(value)
        self._store.put(key, data)
        self._log(key, value, data)

    def _log(self, key: bytes, _value: V | None, data: bytes | None) -> None:
        self._log_change(key, data, self._current_time())


class LruKeyValueStore(KeyValueStore[K, V]):
    """The same over a store that lets go of what was used longest ago, and logs that too."""

    _store: LruBytesStore

    def put_all(self, items: Iterable[tuple[K, V | None]]) -> None:
        """Set many values; all are written before the first is logged, as by Kafka."""
        self._log_evictions()
        super().put_all(items)

    def _write(self, key: bytes, value: V | None) -> None:
        self._log_evictions()
        super()._write(key, value)

    def _log_evictions(self) -> None:
        # Anew each time: other processors that use the store have times of their own.
        self._store.on_evict = lambda key: self._log_change(key, None, self._current_time())


class TimestampedKeyValueStore(KeyValueStore[K, ValueAndTimestamp[V]]):
    """Values with the time of their record. Kafka: `TimestampedKeyValueStore`.

    The changelog gets the plain value under that time, as Kafka's has it.

    Args:
        store: Where the bytes go; made with `timestamped=True`.
        key_serde: Serde of the keys.
        value_serde: Serde of the plain values.
        log_change: Takes each change for the changelog.
        current_time: Returns the time to log deletions with, in milliseconds.
    """

    def __init__(
        self,
        store: KeyValueBytesStore | LruBytesStore,
        key_serde: Serde[K],
        value_serde: Serde[V],
        log_change: LogChange = log_nothing,
        current_time: Callable[[], int] = lambda: 0,
    ) -> None:
        check_timestamped(store.name, store.timestamped)
        stamped = ValueAndTimestampSerde(value_serde)
        super().__init__(store, key_serde, stamped, log_change, current_time)

    def _log(self, key: bytes, value: ValueAndTimestamp[V] | None, data: bytes | None) -> None:
        if value is None or data is None:
            self._log_change(key, None, self._current_time())
        else:
            self._log_change(key, data[8:], value[1])


def decoder(serde: Serde[V]) -> Callable[[bytes], V]:
    """Return the serde's `deserialize` for data that is there, so that the answer is too."""
    return cast(Callable[[bytes], V], serde.deserialize)


def key_bytes(store_name: str, serde: Serde[K], key: K) -> bytes:
    """Return the bytes of a key, which must not be None."""
    data = serde.serialize(key)
    if data is None:
        raise StateError(
            f"store {store_name}: None cannot be a key; skip records without key, "
            "or give them one before they reach the store"
        )
    return data


def check_timestamped(store_name: str, timestamped: bool) -> None:
    """Refuse a store that would restore its values without their timestamps."""
    if not timestamped:
        raise StateError(
            f"store {store_name} keeps plain values: make its bytes store with timestamped=True"
        )
