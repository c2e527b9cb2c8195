"""Key-value stores of bytes."""

from __future__ import annotations

import logging
from struct import Struct
from typing import TYPE_CHECKING

from aliran.storage.state.key_schemas import prefix_end
from aliran.storage.state.staging import StagedReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from aliran.storage.state.database import KeyRange, StateDatabase

log: logging.Logger = logging.getLogger(__name__)

pack_timestamp: Callable[[int], bytes] = Struct(">q").pack
"""Milliseconds to the 8 bytes before the value in a timestamped store."""


class KeyValueBytesStore:
    """A sorted map of bytes whose writes are staged until `commit_changes`.

    Reads see what is staged. Iterators show the store as it is when they are made.

    Args:
        name: Name of the store in `database`.
        database: Where it lives.
        timestamped: Values begin with 8 bytes of timestamp, which the changelog does not have;
            `restore` puts them there. Kafka: `TimestampedKeyValueStore`.

    Attributes:
        staged: Values by key since the last commit; None deletes. Add to it freely, but leave
            removing to `commit_changes`.

    Raises:
        UnknownStoreError: The database has no store of that name.
    """

    def __init__(self, name: str, database: StateDatabase, *, timestamped: bool = False) -> None:
        self.name = name
        self.database = database
        self.timestamped = timestamped
        self.staged: dict[bytes, bytes | None] = {}
        self._read = database.getter(name)
        self._reader = StagedReader(name, database, self.staged)

    def get(self, key: bytes) -> bytes | None:
        """Return the value of `key`, or None."""
        if key in self.staged:
            return self.staged[key]
        return self._read(key)

    def put(self, key: bytes, value: bytes | None) -> None:
        """Set the value of `key`; None deletes it."""
        self.staged[key] = value

    def put_all(self, items: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Set many values at once."""
        self.staged.update(items)

    def put_if_absent(self, key: bytes, value: bytes | None) -> bytes | None:
        """Set the value of `key` unless it has one; return the one it had."""
        before = self.get(key)
        if before is None:
            self.staged[key] = value
        return before

    def delete(self, key: bytes) -> bytes | None:
        """Remove `key`; return the value it had."""
        before = self.get(key)
        self.staged[key] = None
        return before

    def range(self, first: bytes | None, last: bytes | None) -> Iterator[tuple[bytes, bytes]]:
        """Return the entries from key `first` to `last`, both inclusive, in byte order.

        None is no bound. Kafka: `ReadOnlyKeyValueStore.range`.
        """
        return self._between(first, last, reverse=False)

    def reverse_range(
        self, first: bytes | None, last: bytes | None
    ) -> Iterator[tuple[bytes, bytes]]:
        """Return the same entries as `range`, the last first."""
        return self._between(first, last, reverse=True)

    def prefix_scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Return the entries whose key begins with `prefix`, in byte order."""
        return self._reader.range(prefix, prefix_end(prefix))

    def all(self) -> Iterator[tuple[bytes, bytes]]:
        """Return all entries in byte order of their keys."""
        return self._reader.range(None, None)

    def reverse_all(self) -> Iterator[tuple[bytes, bytes]]:
        """Return all entries, the last first."""
        return self._reader.range(None, None, reverse=True)

    def approximate_num_entries(self) -> int:
        """Return about how many entries there are: the database's estimate and the staged."""
        return self.database.approximate_num_entries(self.name) + len(self.staged)

    def restore(
        self,
        keys: Sequence[bytes],
        values: Sequence[bytes | None],
        timestamps: Sequence[int],
    ) -> None:
        """Stage records of the changelog as they come back.

        Args:
            keys: Keys of the changelog.
            values: Values of the changelog; None deletes.
            timestamps: Their times in milliseconds, of use to timestamped stores.
        """
        if self.timestamped:
            values = with_timestamps(values, timestamps)
        self.staged.update(zip(keys, values, strict=True))

    def expired_ranges(self) -> list[KeyRange]:
        """Return nothing: key-value entries do not expire."""
        return []

    def committed(self) -> None:
        """Forget what was staged; it is in the database now."""
        self.staged.clear()
        self._reader.forget_order()

    def _between(
        self, first: bytes | None, last: bytes | None, *, reverse: bool
    ) -> Iterator[tuple[bytes, bytes]]:
        if first is not None and last is not None and first > last:
            log.warning(
                "store %s: the range from %r to %r is empty, its ends are in the wrong order "
                "(keys are compared as bytes; negative numbers come after positive ones)",
                self.name,
                first,
                last,
            )
            return iter(())
        upper = None if last is None else last + b"\x00"
        return self._reader.range(first, upper, reverse)


def with_timestamps(
    values: Sequence[bytes | None], timestamps: Sequence[int]
) -> list[bytes | None]:
    """Return the values as timestamped stores keep them: 8 bytes of timestamp, then the value."""
    return [
        None if value is None else pack_timestamp(timestamp) + value
        for value, timestamp in zip(values, timestamps, strict=True)
    ]
