"""How many rows get into a table at once, in the quickest way that each driver has."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

from aliran.connectors.builtin.sql.connection import Database
from aliran.connectors.builtin.sql.statements import Statements
from aliran.connectors.builtin.sql.tables import Target


class Writer(Protocol):
    """Writes rows within the transaction of the connection."""

    def write(self, mode: str, target: Target, rows: Sequence[Sequence[Any]]) -> None:
        """Write rows, whose keys are all different unless the mode is insert.

        Args:
            mode: insert, upsert, update or delete.
            target: Where.
            rows: Values for its columns.
        """
        ...

    def begin(self) -> None:
        """Take note that a transaction begins."""
        ...

    def forget(self) -> bool:
        """Take note that the connection is another, or its transaction was undone.

        Returns:
            Whether anything was kept from earlier transactions, and may have been out of date.
        """
        ...


def writer_of(database: Database, statements: Statements) -> Writer:
    """Return the writer for a database."""
    if database.backend == "postgresql" and database.engine.dialect.driver == "psycopg":
        return CopyWriter(database, statements)
    if database.backend == "duckdb":
        return UnnestWriter(database, statements)
    return ManyWriter(database, statements)


def statement_of(statements: Statements, mode: str, target: Target) -> str:
    """Return the statement for one row."""
    if mode == "insert":
        return statements.insert(target.table, target.names)
    if mode == "delete":
        return statements.delete(target.table, target.keys)
    make = statements.upsert if mode == "upsert" else statements.update
    return make(target.table, target.keys, target.names)


class ManyWriter:
    """One statement and many rows of parameters, which most drivers send together."""

    def __init__(self, database: Database, statements: Statements) -> None:
        self._database = database
        self._statements = statements

    def write(self, mode: str, target: Target, rows: Sequence[Sequence[Any]]) -> None:
        """Write rows."""
        count = len(target.keys)
        if mode == "update":  # the parameters of the key come last
            if count == len(target.columns):
                return
            rows = [[*row[count:], *row[:count]] for row in rows]
        statement = statement_of(self._statements, mode, target)
        connection = self._database.connection()
        connection.exec_driver_sql(statement, [tuple(row) for row in rows])

    def begin(self) -> None:
        """Do nothing: nothing is kept."""

    def forget(self) -> bool:
        """Return that nothing is kept."""
        return False


class CopyWriter:
    """PostgreSQL: COPY into a temporary table, and one statement from there."""

    def __init__(self, database: Database, statements: Statements) -> None:
        self._database = database
        self._statements = statements
        self._stages: dict[tuple[str, tuple[str, ...]], str] = {}
        self._used: set[str] = set()  # in this transaction, whose end makes them empty
        self._fresh = 0  # how many were made in it

    def write(self, mode: str, target: Target, rows: Sequence[Sequence[Any]]) -> None:
        """Write rows."""
        names = target.names
        if mode == "update" and len(names) == len(target.keys):
            return
        columns = ", ".join(self._database.quote(one) for one in names)
        plain = mode == "insert"
        connection = self._database.connection()
        raw: Any = connection.connection.driver_connection
        with raw.cursor() as cursor:
            stage = target.table if plain else self._stage(cursor, target, columns)
            if stage in self._used:
                cursor.execute(f"TRUNCATE {stage}")
            elif not plain:
                self._used.add(stage)
            copy = f"COPY {stage} ({columns}) FROM STDIN".replace("%%", "%")
            with cursor.copy(copy) as copying:
                for row in rows:
                    copying.write_row(row)
            if not plain:
                change = self._statements.from_stage(mode, target.table, stage, target.keys, names)
                cursor.execute(change.replace("%%", "%"))

    def _stage(self, cursor: Any, target: Target, columns: str) -> str:
        at = (target.table, target.names)
        stage = self._stages.get(at)
        if stage is None:
            name = hashlib.md5(repr(at).encode(), usedforsecurity=False).hexdigest()
            self._fresh += 1
            stage = self._stages[at] = f"pg_temp.aliran_{name}"
            cursor.execute(f"DROP TABLE IF EXISTS {stage}")  # the table may have other types now
            statement = (
                f"CREATE TEMPORARY TABLE {stage} ON COMMIT DELETE ROWS AS "
                f"SELECT {columns} FROM {target.table} WITH NO DATA"
            )
            cursor.execute(statement.replace("%%", "%"))
        return stage

    def begin(self) -> None:
        """Take note that the temporary tables are empty."""
        self._used.clear()
        self._fresh = 0

    def forget(self) -> bool:
        """Make the temporary tables anew."""
        old = len(self._stages) > self._fresh
        self._stages.clear()
        self._fresh = 0
        return old


class UnnestWriter(ManyWriter):
    """DuckDB: a statement over arrays, one for each column."""

    def write(self, mode: str, target: Target, rows: Sequence[Sequence[Any]]) -> None:
        """Write rows."""
        names = target.names
        if any(column.type.kind.name == "ARRAY" for column in target.columns):
            super().write(mode, target, rows)  # arrays of arrays would be taken apart
            return
        if mode == "update" and len(names) == len(target.keys):
            return
        incoming = self._statements.unnested(names, [one.type.name for one in target.columns])
        statement = self._statements.from_stage(mode, target.table, incoming, target.keys, names)
        arrays = tuple([row[number] for row in rows] for number in range(len(names)))
        connection = self._database.connection()
        raw: Any = connection.connection.driver_connection
        raw.execute(statement, list(arrays))
