"""Rows of one transaction, put together by table so that few statements write them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from aliran.connectors.builtin.sql.rows import Row
from aliran.connectors.builtin.sql.tables import Target

Step: TypeAlias = tuple[str, Target, list[list[Any]]]
"""What is done (insert, upsert, update, delete), where, and with which values."""


class _Group:
    """Changes of one table, each key once; deletions come before the rest."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.target: Target | None = None
        self.rows: dict[Any, list[Any]] = {}
        self.deleting: Target | None = None
        self.deletions: dict[Any, list[Any]] = {}


class Batch:
    """Collects rows in order.

    Rows of one key follow one another only where the later one does not stand for both: the last
    upsert of a key does, so that a statement meets each key once.

    Args:
        mode: insert, upsert or update.
    """

    def __init__(self, mode: str) -> None:
        self._mode = mode
        self._steps: list[Step] = []
        self._groups: dict[str, _Group] = {}

    def add(self, row: Row, target: Target) -> None:
        """Add a row."""
        group = self._groups.get(target.table)
        if group is None:
            group = self._groups[target.table] = _Group(self._mode)
        if row.shape.deletes:
            self._delete(group, row, target)
            return
        if group.target is None:
            group.target = target
        elif group.target is not target and group.target.columns != target.columns:
            group = self._turn(group, target)
            group.target = target
        inserts = self._mode == "insert" or not target.keys
        key = len(group.rows) if inserts else _hashable(row.values[: len(target.keys)])
        group.rows[key] = row.values

    def _delete(self, group: _Group, row: Row, target: Target) -> None:
        key = _hashable(row.values)
        if self._mode == "insert" and group.rows:
            # What was inserted before has to be there when it is deleted.
            group = self._turn(group, target)
        group.rows.pop(key, None)
        group.deleting = target
        group.deletions[key] = row.values

    def _turn(self, group: _Group, target: Target) -> _Group:
        """End a group, and begin the next one of its table."""
        self._end(group)
        fresh = self._groups[target.table] = _Group(self._mode)
        return fresh

    def _end(self, group: _Group) -> None:
        if group.deletions and group.deleting is not None:
            self._steps.append(("delete", group.deleting, list(group.deletions.values())))
        if group.rows and group.target is not None:
            self._steps.append((group.mode, group.target, list(group.rows.values())))

    def steps(self) -> Iterator[Step]:
        """Yield what is to be done, in order."""
        for group in self._groups.values():
            self._end(group)
        self._groups.clear()
        yield from self._steps


def _hashable(values: list[Any]) -> Any:
    return tuple(values) if len(values) != 1 else values[0]
