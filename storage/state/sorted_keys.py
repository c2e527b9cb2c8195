"""The keys of a dict in order, kept up lazily."""

from __future__ import annotations

from bisect import bisect_left, insort
from itertools import islice
from typing import Any

_FEW = 16


class SortedKeys:
    """Sorted view of a dict's keys that costs nothing while the dict is only written.

    It relies on dicts keeping the order of insertion: what is new since the last look are the
    last entries. After a removal `reset` must be called.
    """

    __slots__ = ("_entries", "_keys")

    def __init__(self, entries: dict[bytes, Any]) -> None:
        self._entries = entries
        self._keys: list[bytes] = []

    def reset(self) -> None:
        """Forget the order; entries were removed."""
        self._keys = []

    def between(self, lower: bytes | None, upper: bytes | None) -> list[bytes]:
        """Return the keys from `lower`, inclusive, to `upper`, exclusive; None is no bound."""
        keys = self._ordered()
        start = 0 if lower is None else bisect_left(keys, lower)
        end = len(keys) if upper is None else bisect_left(keys, upper, start)
        return keys[start:end]

    def last(self) -> bytes | None:
        """Return the greatest key."""
        keys = self._ordered()
        return keys[-1] if keys else None

    def _ordered(self) -> list[bytes]:
        keys = self._keys
        new = len(self._entries) - len(keys)
        if new:
            fresh = islice(reversed(self._entries), new)
            if new <= _FEW:
                for key in fresh:
                    insort(keys, key)
            else:
                keys.extend(fresh)
                keys.sort()
        return keys
