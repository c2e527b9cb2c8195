"""What all stores share: writes staged until commit, and reads over staged and committed.

A store never writes its database by itself. `commit_changes` takes what the stores of a task have
staged and writes it together with the changelog offsets, at once or not at all.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Protocol

from aliran.storage.state.sorted_keys import SortedKeys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from aliran.storage.state.database import KeyRange, StateDatabase


class StagingStore(Protocol):
    """What `commit_changes` needs of a store."""

    name: str
    staged: dict[bytes, bytes | None]

    def expired_ranges(self) -> list[KeyRange]:
        """Return the ranges of the database that have expired since the last commit."""
        ...

    def committed(self) -> None:
        """Take notice that everything staged is in the database."""
        ...


def commit_changes(
    stores: Iterable[StagingStore], database: StateDatabase, offsets: Mapping[str, int]
) -> None:
    """Write all that the stores have staged, and the offsets, in one atomic write.

    If it raises, everything stays staged and the database is as before.

    Args:
        stores: Stores of `database`.
        database: Where they live.
        offsets: The changelog offsets that the state stands at after this write.

    Raises:
        StateError: The write failed.
    """
    changed = list(stores)
    # First the expired ranges: asking for them drops what is staged within them.
    ranges = {store.name: store.expired_ranges() for store in changed}
    database.write(
        {store.name: store.staged for store in changed if store.staged},
        offsets,
        {name: expired for name, expired in ranges.items() if expired},
    )
    for store in changed:
        store.committed()


class StagedReader:
    """Reads a store's entries in order: the staged ones over those of the database."""

    __slots__ = ("_database", "_name", "_order", "_staged")

    def __init__(
        self, name: str, database: StateDatabase, staged: dict[bytes, bytes | None]
    ) -> None:
        self._name = name
        self._database = database
        self._staged = staged
        self._order = SortedKeys(staged)

    def forget_order(self) -> None:
        """Must follow every removal from the staged entries."""
        self._order.reset()

    def range(
        self, lower: bytes | None, upper: bytes | None, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Return entries with `lower` <= key < `upper`, as they are at the call."""
        stored = self._database.range(self._name, lower, upper, reverse)
        staged = self._staged
        if not staged:
            return stored
        keys = self._order.between(lower, upper)
        if not keys:
            return stored
        if reverse:
            keys.reverse()
        return _merged(stored, [(key, staged[key]) for key in keys], reverse)

    def ranges(
        self, bounds: Sequence[KeyRange], reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Return the entries of several ranges one after the other, as they are at the call."""
        return chain.from_iterable([self.range(lower, upper, reverse) for lower, upper in bounds])


def _merged(
    stored: Iterator[tuple[bytes, bytes]],
    staged: list[tuple[bytes, bytes | None]],
    reverse: bool,
) -> Iterator[tuple[bytes, bytes]]:
    below = next(stored, None)
    for key, value in staged:
        while below is not None and (below[0] > key if reverse else below[0] < key):
            yield below
            below = next(stored, None)
        if below is not None and below[0] == key:
            below = next(stored, None)
        if value is not None:
            yield key, value
    if below is not None:
        yield below
        yield from stored
