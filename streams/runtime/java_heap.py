"""A heap that breaks ties as `java.util.PriorityQueue` does, so that orders agree with Kafka's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class JavaHeap(Generic[T]):
    """Items by key, the smallest first; an item's key must not change while it is in here.

    `siftUp` and `siftDown` compare strictly, which decides between equal keys.
    """

    def __init__(self, key: Callable[[T], int]) -> None:
        self.items: list[T] = []
        self._key = key

    def __len__(self) -> int:
        return len(self.items)

    def offer(self, item: T) -> None:
        """Add an item."""
        items, key = self.items, self._key
        index, rank = len(items), key(item)
        items.append(item)
        while index > 0:
            parent = (index - 1) >> 1
            if rank >= key(items[parent]):
                break
            items[index] = items[parent]
            index = parent
        items[index] = item

    def poll(self) -> T:
        """Take the first item out."""
        items = self.items
        first, last = items[0], items.pop()
        if items:
            self._sink(last)
        return first

    def _sink(self, item: T) -> None:
        items, key = self.items, self._key
        rank, index, half = key(item), 0, len(items) >> 1
        while index < half:
            child = 2 * index + 1
            if child + 1 < len(items) and key(items[child]) > key(items[child + 1]):
                child += 1
            if rank <= key(items[child]):
                break
            items[index] = items[child]
            index = child
        items[index] = item
