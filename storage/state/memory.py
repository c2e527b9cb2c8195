"""A state database that lives as long as the process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aliran.storage.state.errors import StateError, UnknownStoreError, closed_error
from aliran.storage.state.sorted_keys import SortedKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from aliran.storage.state.database import Changes, KeyRange


class MemoryStateDatabase:
    """Sorted maps in memory, for tests, the test driver and stores that need not survive.

    Args:
        store_names: The stores it holds.
    """

    path = ""

    def __init__(self, store_names: Iterable[str]) -> None:
        self._stores: dict[str, dict[bytes, bytes]] = {name: {} for name in store_names}
        self._order = {name: SortedKeys(entries) for name, entries in self._stores.items()}
        self._offsets: dict[str, int] = {}
        self._closed = False

    def get(self, store: str, key: bytes) -> bytes | None:
        """Return the value of `key`, or None."""
        return self._entries(store).get(key)

    def getter(self, store: str) -> Callable[[bytes], bytes | None]:
        """Return a function that does what `get` does for one store, with less to do per call."""
        entries = self._entries(store)

        def get(key: bytes) -> bytes | None:
            if self._closed:
                raise closed_error(self.path)
            return entries.get(key)

        return get

    def range(
        self, store: str, lower: bytes | None, upper: bytes | None, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Return the entries with `lower` <= key < `upper`, as they are at the call."""
        entries = self._entries(store)
        keys = self._order[store].between(lower, upper)
        if reverse:
            keys.reverse()
        return iter([(key, entries[key]) for key in keys])

    def write(
        self,
        changes: Mapping[str, Changes],
        offsets: Mapping[str, int],
        range_deletes: Mapping[str, Sequence[KeyRange]] | None = None,
    ) -> None:
        """Apply range deletes, then changes and offsets."""
        if self._closed:
            raise closed_error(self.path)
        ranges = range_deletes or {}
        for store in (*changes, *ranges):
            self._entries(store)
        check_ranges(self.path, ranges)
        for store, bounds in ranges.items():
            self._delete_ranges(store, bounds)
        for store, new in changes.items():
            self._apply(store, new)
        self._offsets.update(offsets)

    def offsets(self) -> dict[str, int]:
        """Return the offsets written with the state that is there."""
        if self._closed:
            raise closed_error(self.path)
        return dict(self._offsets)

    def is_empty(self, store: str) -> bool:
        """Return whether the store has no entry."""
        return not self._entries(store)

    def last_key(self, store: str) -> bytes | None:
        """Return the greatest key of the store, or None."""
        self._entries(store)
        return self._order[store].last()

    def approximate_num_entries(self, store: str) -> int:
        """Return how many entries the store has."""
        return len(self._entries(store))

    def flush(self) -> None:
        """Do nothing: memory does not survive the process."""
        if self._closed:
            raise closed_error(self.path)

    def close(self) -> None:
        """Forget everything."""
        self._closed = True
        self._stores = {name: {} for name in self._stores}

    def _entries(self, store: str) -> dict[bytes, bytes]:
        if self._closed:
            raise closed_error(self.path)
        try:
            return self._stores[store]
        except KeyError:
            raise unknown_store(self.path, store, self._stores) from None

    def _apply(self, store: str, changes: Changes) -> None:
        entries = self._stores[store]
        removed = False
        for key, value in pairs_of(changes):
            if value is not None:
                entries[key] = value
            elif entries.pop(key, None) is not None:
                removed = True
        if removed:
            self._order[store].reset()

    def _delete_ranges(self, store: str, ranges: Sequence[KeyRange]) -> None:
        entries, order = self._stores[store], self._order[store]
        for lower, upper in ranges:
            for key in order.between(lower, upper):
                del entries[key]
            order.reset()


def pairs_of(changes: Changes) -> Iterable[tuple[bytes, bytes | None]]:
    """Return the key-value pairs of changes in either form."""
    return changes.items() if isinstance(changes, Mapping) else changes


def check_ranges(path: str, range_deletes: Mapping[str, Sequence[KeyRange]]) -> None:
    """Refuse ranges that end before they begin.

    RocksDB notices them only after the batch is half in, and takes no writes from then on.
    """
    for store, ranges in range_deletes.items():
        for lower, upper in ranges:
            if lower > upper:
                raise StateError(
                    f"store {store}: cannot delete the range from {lower!r} to {upper!r}, "
                    "it ends before it begins",
                    path=path,
                )


def unknown_store(path: str, store: str, known: Iterable[str]) -> UnknownStoreError:
    """Return the error for a store that is not in the database."""
    names = ", ".join(sorted(known)) or "none"
    return UnknownStoreError(
        f"there is no store {store!r} in the state database {path or 'in memory'}; "
        f"its stores are: {names}",
        path=path,
    )
