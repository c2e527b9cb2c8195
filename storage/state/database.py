"""What a state database is: the sorted maps of one task, written together with their offsets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeAlias

Changes: TypeAlias = Mapping[bytes, bytes | None] | Sequence[tuple[bytes, bytes | None]]
"""New values by key; None deletes. Of several pairs with one key the last counts."""

KeyRange: TypeAlias = tuple[bytes, bytes]
"""Keys from the first, inclusive, to the second, exclusive."""


class StateDatabase(Protocol):
    """All stores of one task, and the changelog offsets they stand at.

    Keys of a store are in the order of their bytes, unsigned. One thread writes; any thread may
    read. Every method raises `StateClosedError` after `close`, and `UnknownStoreError` for a
    store it was not opened with.
    """

    path: str

    def get(self, store: str, key: bytes) -> bytes | None:
        """Return the value of `key`, or None."""
        ...

    def getter(self, store: str) -> Callable[[bytes], bytes | None]:
        """Return a function that does what `get` does for one store, with less to do per call."""
        ...

    def range(
        self, store: str, lower: bytes | None, upper: bytes | None, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Return the entries with `lower` <= key < `upper`, as they are at the call.

        Later writes do not show. None means no bound.
        """
        ...

    def write(
        self,
        changes: Mapping[str, Changes],
        offsets: Mapping[str, int],
        range_deletes: Mapping[str, Sequence[KeyRange]] | None = None,
    ) -> None:
        """Apply everything at once or, if it raises, nothing.

        Args:
            changes: New values by store.
            offsets: New offsets by name, for example the changelog's topic-partition.
            range_deletes: Ranges to delete by store, before the changes are applied.
        """
        ...

    def offsets(self) -> dict[str, int]:
        """Return the offsets written with the state that is there."""
        ...

    def is_empty(self, store: str) -> bool:
        """Return whether the store has no entry."""
        ...

    def last_key(self, store: str) -> bytes | None:
        """Return the greatest key of the store, or None."""
        ...

    def approximate_num_entries(self, store: str) -> int:
        """Return about how many entries the store has."""
        ...

    def flush(self) -> None:
        """Make all that was written survive the death of the process."""
        ...

    def close(self) -> None:
        """Flush, end open iterators and let go of the files. Closing twice is harmless."""
        ...
