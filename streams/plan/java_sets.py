"""The orders in which Java's sets hand out what they hold.

Kafka's `describe()` prints sets as they come, so equality to the byte needs their orders. They
are fixed by specification: `String.hashCode`, and the published behaviour of `HashSet` (buckets by
hash, then order of arrival) and `TreeSet` (a red-black tree).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


def string_hash(text: str) -> int:
    """Return Java's `String.hashCode`, as an unsigned number of 32 bits.

    >>> string_hash("topic")
    110546223
    """
    result = 0
    units = text.encode("utf-16-be")
    for high, low in zip(units[::2], units[1::2], strict=True):
        result = (31 * result + (high << 8 | low)) & 0xFFFFFFFF
    return result


def hash_set_order(items: Iterable[str], *, capacity: int = 16) -> list[str]:
    """Return texts in the order of a `HashSet` that they were added to one by one.

    Args:
        items: In the order of their arrival.
        capacity: Number of buckets to begin with, a power of two; `copy_capacity` for a set made
            from another.
    """
    distinct = list(dict.fromkeys(items))
    buckets = capacity
    while len(distinct) > buckets * 3 // 4:
        buckets *= 2

    def bucket(item: str) -> int:
        code = string_hash(item)
        return (code ^ code >> 16) & (buckets - 1)

    return sorted(distinct, key=bucket)  # stable: neighbours in a bucket keep their order


def copy_capacity(size: int) -> int:
    """Return how many buckets `new HashSet<>(collection)` begins with."""
    wanted = max(int(size / 0.75) + 1, 16)
    return 1 << (wanted - 1).bit_length()


class _Leaf(Generic[T]):
    """A place in the tree."""

    __slots__ = ("item", "left", "parent", "red", "right")

    def __init__(self, item: T, parent: _Leaf[T] | None) -> None:
        self.item = item
        self.parent = parent
        self.left: _Leaf[T] | None = None
        self.right: _Leaf[T] | None = None
        self.red = parent is not None


class TreeSet(Generic[T]):
    """Java's `TreeSet`, also where the comparison changes its mind between two insertions.

    That is the point: Kafka compares nodes by sizes that still grow, so the resulting order
    depends on the tree's shape and no sorting can give it.
    """

    def __init__(self, compare: Callable[[T, T], int]) -> None:
        self._compare = compare
        self._root: _Leaf[T] | None = None

    def add(self, item: T) -> None:
        """Insert `item` unless one that compares equal is met on the way down."""
        parent, order, at = None, 0, self._root
        while at is not None:
            parent, order = at, self._compare(item, at.item)
            if order == 0:
                return
            at = at.left if order < 0 else at.right
        leaf = _Leaf(item, parent)
        if parent is None:
            self._root = leaf
        elif order < 0:
            parent.left = leaf
        else:
            parent.right = leaf
        self._balance(leaf)

    def __iter__(self) -> Iterator[T]:
        path: list[_Leaf[T]] = []
        at = self._root
        while path or at is not None:
            while at is not None:
                path.append(at)
                at = at.left
            at = path.pop()
            yield at.item
            at = at.right

    def _balance(self, leaf: _Leaf[T]) -> None:
        """Restore the rules of a red-black tree behind the insertion of `leaf`."""
        while leaf.parent is not None and leaf.parent.red:
            parent = leaf.parent
            grandparent = parent.parent
            if grandparent is None:  # a red root: blackened below
                break
            is_left = parent is grandparent.left
            uncle = grandparent.right if is_left else grandparent.left
            if uncle is not None and uncle.red:
                parent.red = uncle.red = False
                grandparent.red = True
                leaf = grandparent
                continue
            if leaf is (parent.right if is_left else parent.left):
                self._rotate(parent, left=is_left)
                leaf, parent = parent, leaf
            parent.red = False
            grandparent.red = True
            self._rotate(grandparent, left=not is_left)
        if self._root is not None:
            self._root.red = False

    def _rotate(self, top: _Leaf[T], *, left: bool) -> None:
        """Put a child of `top` in its place: the right one to turn left, else the left one."""
        child = top.right if left else top.left
        if child is None:
            return
        inner = child.left if left else child.right
        if left:
            top.right, child.left = inner, top
        else:
            top.left, child.right = inner, top
        if inner is not None:
            inner.parent = top
        child.parent = top.parent
        if top.parent is None:
            self._root = child
        elif top.parent.left is top:
            top.parent.left = child
        else:
            top.parent.right = child
        top.parent = child
