"""Updates of a table that are held back, ordered by time: the state of `suppress`.

Kafka: `InMemoryTimeOrderedKeyValueChangeBuffer`.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from aliran.storage.state.buffered import BufferedValue, RecordContext, read_buffered
from aliran.storage.state.key_schemas import MAX_TIME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aliran.core.types import Headers
    from aliran.storage.state.database import KeyRange

CHANGELOG_HEADERS: Headers = (("v", b"\x03"),)
"""Headers of the values in the changelog: they name the format. Tombstones have none."""

_TIME = Struct(">q")


class BufferedChange(NamedTuple):
    """One update that is held back."""

    key: bytes
    time: int
    value: BufferedValue


class ChangeBuffer:
    """The last update of each key that is held back; a key keeps the time of its first.

    It lives in memory and comes back from its changelog.

    Args:
        name: Name of the store.

    Attributes:
        staged: Always empty.
        size_bytes: What Kafka counts for the updates, by the limits of buffers.
        min_time: The smallest time of all, `MAX_TIME` if there are none.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.staged: dict[bytes, bytes | None] = {}
        self.size_bytes: int = 0
        self._by_key: dict[bytes, tuple[int, BufferedValue]] = {}
        # By time, then key; may hold entries that are gone, which are skipped.
        self._order: list[tuple[int, bytes]] = []
        self._changed: dict[bytes, None] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    @property
    def min_time(self) -> int:
        """The smallest time of all updates, `MAX_TIME` if there are none."""
        first = self.first()
        return MAX_TIME if first is None else first.time

    def put(
        self, key: bytes, time: int, old: bytes | None, new: bytes | None, context: RecordContext
    ) -> None:
        """Hold an update back, in place of one of the same key.

        Args:
            key: Its key.
            time: When it is due; not used if the key is here already.
            old: The value before it, None for none.
            new: The value, None for a tombstone.
            context: Where it comes from.
        """
        buffered = self._by_key.get(key)
        prior = old if buffered is None else buffered[1].prior
        self._set(key, time, BufferedValue(prior, old, new, context))
        self._changed[key] = None

    def first(self) -> BufferedChange | None:
        """Return the update that is due first, of the smallest key if there are several."""
        order, by_key = self._order, self._by_key
        while order:
            time, key = order[0]
            buffered = by_key.get(key)
            if buffered is not None and buffered[0] == time:
                return BufferedChange(key, time, buffered[1])
            heappop(order)
        return None

    def remove_first(self) -> BufferedChange | None:
        """Remove and return the update that is due first; forward it before, as Kafka does.

        Until then, what is downstream can look the key up here.
        """
        first = self.first()
        if first is not None:
            heappop(self._order)
            self._drop(first.key)
            self._changed[first.key] = None
        return first

    def prior_value(self, key: bytes) -> tuple[bool, bytes | None]:
        """Return whether a key is held back, and the value it had before."""
        buffered = self._by_key.get(key)
        return (False, None) if buffered is None else (True, buffered[1].prior)

    def take_changes(self) -> list[tuple[bytes, bytes | None]]:
        """Return what the changelog has to learn since the last call: keys and values.

        Values go with `CHANGELOG_HEADERS`; None says that a key is held back no more.
        """
        changes: list[tuple[bytes, bytes | None]] = []
        for key in self._changed:
            buffered = self._by_key.get(key)
            if buffered is None:
                changes.append((key, None))
            else:
                changes.append((key, buffered[1].to_bytes() + _TIME.pack(buffered[0])))
        self._changed.clear()
        return changes

    def restore(
        self, keys: Sequence[bytes], values: Sequence[bytes | None], timestamps: Sequence[int]
    ) -> None:
        """Take in records of the changelog, in the format of Kafka 2.4 and later.

        Raises:
            AliranError: A value is of another format.
        """
        del timestamps  # values have the time of their record inside
        for key, data in zip(keys, values, strict=True):
            # A key that left and came back between two commits has no tombstone in between: Kafka's
            # buffer then keeps the time it had, this one takes the time it has.
            self._drop(key)
            if data is not None:
                value, end = read_buffered(data)
                self._set(key, _TIME.unpack_from(data, end)[0], value)
        self._order = [(time, key) for key, (time, _) in self._by_key.items()]
        heapify(self._order)

    def expired_ranges(self) -> list[KeyRange]:
        """Return nothing: no database holds anything of it."""
        return []

    def committed(self) -> None:
        """Do nothing: nothing was staged."""

    def approximate_num_entries(self) -> int:
        """Return how many updates are held back."""
        return len(self._by_key)

    def _set(self, key: bytes, time: int, value: BufferedValue) -> None:
        buffered = self._by_key.get(key)
        if buffered is None:
            heappush(self._order, (time, key))
            self.size_bytes += 8 + len(key) + value.size()
        else:
            time = buffered[0]
            self.size_bytes += value.size() - buffered[1].size()
        self._by_key[key] = (time, value)

    def _drop(self, key: bytes) -> None:
        buffered = self._by_key.pop(key, None)
        if buffered is not None:
            self.size_bytes -= 8 + len(key) + buffered[1].size()
