"""Offsets in the target, written in the transaction of the data (`aliran.offsets.table`).

A task writes a partition's offset only where it finds the one that it knows, so of two tasks that
both believe to have the partition only one gets its records in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from aliran.connectors.builtin.sql.connection import Database
from aliran.connectors.builtin.sql.rows import TableName, table_of
from aliran.connectors.builtin.sql.statements import Statements
from aliran.connectors.errors import RetriableError
from aliran.core.types import TopicPartition

_KEYS = ("connector", "topic", "kafka_partition")
_TYPES = {
    "oracle": ("VARCHAR2(255)", "NUMBER(10,0)", "NUMBER(19,0)"),
    "mssql": ("NVARCHAR(150)", "INT", "BIGINT"),
}


class OffsetsTable:
    """The next offset of each partition, as the target knows it.

    Args:
        database: The target.
        statements: Its words.
        name: The table's name.
        connector: Whose offsets.
    """

    def __init__(
        self, database: Database, statements: Statements, name: str, connector: str
    ) -> None:
        self._database = database
        self._connector = connector
        self._name: TableName = table_of(name)
        self._table = database.quoted_table(self._name.schema, self._name.name)
        self._known: dict[TopicPartition, int | None] = {}
        self._insert = statements.insert(self._table, (*_KEYS, "next_offset"))
        self._update = statements.update(
            self._table, (*_KEYS, "expected"), ("next_offset", *_KEYS, "expected")
        ).replace(database.quote("expected") + " =", "next_offset =")
        self._returns = database.backend == "duckdb"  # whose driver does not count
        self._update += " RETURNING next_offset" if self._returns else ""
        self._delete = statements.delete(self._table, _KEYS)
        self._ready = False

    def _make(self) -> None:
        """Make the table if it is not there."""
        if self._ready:
            return
        if not self._database.columns(self._name.schema, self._name.name):
            text, small, big = _TYPES.get(
                self._database.backend, ("VARCHAR(255)", "INTEGER", "BIGINT")
            )
            statement = (
                f"CREATE TABLE {self._table} (connector {text} NOT NULL, topic {text} NOT NULL, "
                f"kafka_partition {small} NOT NULL, next_offset {big} NOT NULL, "
                f"PRIMARY KEY ({', '.join(_KEYS)}))"
            )
            connection = self._database.connection()
            try:
                with connection.begin():
                    connection.exec_driver_sql(statement)
            except Exception:
                if not self._database.columns(self._name.schema, self._name.name):
                    raise
        self._ready = True

    def read(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the next offsets of partitions, and remember them; ends the transaction."""
        self._make()
        connection = self._database.connection()
        found: dict[TopicPartition, int] = {}
        rows = connection.exec_driver_sql(
            f"SELECT connector, topic, kafka_partition, next_offset FROM {self._table}"
        ).fetchall()
        connection.rollback()
        for connector, topic, partition, offset in rows:
            one = TopicPartition(topic, int(partition))
            if connector == self._connector and one in partitions:
                found[one] = int(offset)
        self._known.update({one: found.get(one) for one in partitions})
        return found

    def forget(self, partitions: Iterable[TopicPartition] | None = None) -> None:
        """Forget what is known of some partitions, or of all: they are read before they count."""
        for one in list(self._known) if partitions is None else partitions:
            self._known.pop(one, None)

    def next_of(self, partition: TopicPartition) -> int | None:
        """Return the first offset of a partition that is not in the target; None for none."""
        if partition not in self._known:
            self.read({partition})
        return self._known[partition]

    def advance(self, ends: Mapping[TopicPartition, int]) -> None:
        """Write new offsets within the transaction.

        Raises:
            RetriableError: Another task has written to a partition meanwhile.
        """
        connection = self._database.connection()
        for partition, end in ends.items():
            key = (self._connector, *partition)
            known = self._known.get(partition)
            if known is None:
                connection.exec_driver_sql(self._insert, (*key, end))
                continue
            result = connection.exec_driver_sql(self._update, (end, *key, known))
            changed = len(result.fetchall()) if self._returns else result.rowcount
            if changed != 1:
                raise RetriableError(
                    f"another task has written {partition} to {self._database.name} meanwhile: "
                    f"its offset in {self._table} is no longer {known}"
                )

    def written(self, ends: Mapping[TopicPartition, int]) -> None:
        """Take note that `advance` was committed."""
        self._known.update(ends)

    def alter(self, offsets: Mapping[TopicPartition, int | None]) -> None:
        """Set offsets as a user wants them; None removes them."""
        self._make()
        connection = self._database.connection()
        with connection.begin():
            for partition, offset in offsets.items():
                key = (self._connector, *partition)
                connection.exec_driver_sql(self._delete, key)
                if offset is not None:
                    connection.exec_driver_sql(self._insert, (*key, offset))
