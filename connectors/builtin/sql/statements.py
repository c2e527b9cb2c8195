"""The statements of the sink, in the words of each database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from aliran.connectors.builtin.sql.types import Kind, kind_of
from aliran.connectors.data.logical import scale_of
from aliran.connectors.data.schema import Schema
from aliran.connectors.errors import ConnectError

_COMMON = {
    Kind.INT8: "SMALLINT", Kind.INT16: "SMALLINT", Kind.INT32: "INTEGER", Kind.INT64: "BIGINT",
    Kind.FLOAT32: "REAL", Kind.FLOAT64: "DOUBLE PRECISION", Kind.BOOLEAN: "BOOLEAN",
    Kind.DATE: "DATE", Kind.TIME: "TIME", Kind.TIMESTAMP: "TIMESTAMP",
}  # fmt: skip
_TYPES: dict[str, Mapping[Kind, str]] = {
    "postgresql": {**_COMMON, Kind.TEXT: "TEXT", Kind.BYTES: "BYTEA", Kind.JSON: "JSONB",
                   Kind.DECIMAL: "NUMERIC"},
    "mysql": {**_COMMON, Kind.INT8: "TINYINT", Kind.FLOAT32: "FLOAT", Kind.FLOAT64: "DOUBLE",
              Kind.TEXT: "LONGTEXT", Kind.BYTES: "LONGBLOB", Kind.JSON: "JSON",
              Kind.DECIMAL: "DECIMAL(65,{scale})", Kind.TIME: "TIME(3)",
              Kind.TIMESTAMP: "DATETIME(6)"},
    "sqlite": {**dict.fromkeys((Kind.INT8, Kind.INT16, Kind.INT32, Kind.INT64), "INTEGER"),
               Kind.FLOAT32: "REAL", Kind.FLOAT64: "REAL", Kind.BOOLEAN: "BOOLEAN",
               Kind.TEXT: "TEXT", Kind.BYTES: "BLOB", Kind.JSON: "JSON",
               Kind.DECIMAL: "DECIMAL(38,{scale})", Kind.DATE: "DATE", Kind.TIME: "TIME",
               Kind.TIMESTAMP: "TIMESTAMP"},
    "duckdb": {**_COMMON, Kind.INT8: "TINYINT", Kind.FLOAT64: "DOUBLE", Kind.TEXT: "VARCHAR",
               Kind.BYTES: "BLOB", Kind.JSON: "JSON", Kind.DECIMAL: "DECIMAL(38,{scale})"},
    "oracle": {Kind.INT8: "NUMBER(3,0)", Kind.INT16: "NUMBER(5,0)", Kind.INT32: "NUMBER(10,0)",
               Kind.INT64: "NUMBER(19,0)", Kind.FLOAT32: "BINARY_FLOAT",
               Kind.FLOAT64: "BINARY_DOUBLE", Kind.BOOLEAN: "NUMBER(1,0)", Kind.TEXT: "CLOB",
               Kind.BYTES: "BLOB", Kind.JSON: "CLOB", Kind.DECIMAL: "NUMBER(*,{scale})",
               Kind.DATE: "DATE", Kind.TIME: "DATE", Kind.TIMESTAMP: "TIMESTAMP"},
    "mssql": {Kind.INT8: "SMALLINT", Kind.INT16: "SMALLINT", Kind.INT32: "INT",
              Kind.INT64: "BIGINT", Kind.FLOAT32: "REAL", Kind.FLOAT64: "FLOAT",
              Kind.BOOLEAN: "BIT", Kind.TEXT: "NVARCHAR(MAX)", Kind.BYTES: "VARBINARY(MAX)",
              Kind.JSON: "NVARCHAR(MAX)", Kind.DECIMAL: "DECIMAL(38,{scale})", Kind.DATE: "DATE",
              Kind.TIME: "TIME", Kind.TIMESTAMP: "DATETIME2"},
    "hana": {**_COMMON, Kind.FLOAT64: "DOUBLE", Kind.TEXT: "NCLOB", Kind.BYTES: "BLOB",
             Kind.JSON: "NCLOB", Kind.DECIMAL: "DECIMAL(38,{scale})"},
}  # fmt: skip
_GENERIC = {
    **_COMMON, Kind.TEXT: "VARCHAR(4000)", Kind.BYTES: "BLOB", Kind.JSON: "VARCHAR(4000)",
    Kind.DECIMAL: "DECIMAL(38,{scale})",
}  # fmt: skip
_KEYS: dict[str, dict[Kind, str]] = {  # what may be part of a primary key has a longest length
    "mysql": {Kind.TEXT: "VARCHAR(256)", Kind.BYTES: "VARBINARY(1024)"},
    "oracle": {Kind.TEXT: "VARCHAR2(1000)", Kind.BYTES: "RAW(1000)"},
    "mssql": {Kind.TEXT: "NVARCHAR(450)", Kind.BYTES: "VARBINARY(900)"},
    "hana": {Kind.TEXT: "NVARCHAR(1000)", Kind.BYTES: "VARBINARY(1000)"},
}
_BEST_KNOWN = {"mariadb": "mysql", "saphana": "hana"}


class Statements:
    """Writes statements for one database.

    Args:
        backend: The database, as SQLAlchemy calls it.
        paramstyle: How its driver marks parameters.
        quote: Quotes a name.
    """

    def __init__(self, backend: str, paramstyle: str, quote: Callable[[str], str]) -> None:
        self._backend = _BEST_KNOWN.get(backend, backend)
        self._style = paramstyle
        self._quote = quote
        self._types = _TYPES.get(self._backend, _GENERIC)

    def _marks(self, count: int) -> list[str]:
        mark = {"qmark": "?", "format": "%s", "pyformat": "%s", "numeric_dollar": "${}"}
        return [mark.get(self._style, ":{}").format(number) for number in range(1, count + 1)]

    def _names(self, names: Sequence[str], prefix: str = "") -> str:
        return ", ".join(f"{prefix}{self._quote(name)}" for name in names)

    def _all(self, names: Sequence[str], text: str, join: str = ", ") -> str:
        return join.join(text.format(self._quote(name)) for name in names)

    # ------------------------------------------------------------------ rows

    def insert(self, table: str, columns: Sequence[str]) -> str:
        """Return the statement that adds a row."""
        marks = ", ".join(self._marks(len(columns)))
        return f"INSERT INTO {table} ({self._names(columns)}) VALUES ({marks})"

    def on_conflict(self, keys: Sequence[str], columns: Sequence[str]) -> str:
        """Return what makes an INSERT an upsert, for PostgreSQL, SQLite and DuckDB."""
        rest = [one for one in columns if one not in keys]
        doing = f"UPDATE SET {self._all(rest, '{0} = excluded.{0}')}" if rest else "NOTHING"
        return f" ON CONFLICT ({self._names(keys)}) DO {doing}"

    def upsert(self, table: str, keys: Sequence[str], columns: Sequence[str]) -> str:
        """Return the statement that adds a row, or changes the one with its key.

        Raises:
            ConnectError: The database is not known to have such a statement.
        """
        if self._backend in {"postgresql", "sqlite", "duckdb"}:
            return self.insert(table, columns) + self.on_conflict(keys, columns)
        if self._backend == "mysql":
            rest = [one for one in columns if one not in keys] or keys[:1]
            changes = self._all(rest, "{0} = VALUES({0})")
            return f"{self.insert(table, columns)} ON DUPLICATE KEY UPDATE {changes}"
        if self._backend == "hana":
            added = self.insert(table, columns).removeprefix("INSERT INTO")
            return f"UPSERT{added} WITH PRIMARY KEY"
        if self._backend in {"oracle", "mssql"}:
            return self._merge(table, keys, columns)
        raise ConnectError(
            f"insert.mode=upsert is not known for {self._backend}; insert and update are"
        )

    def _merge(self, table: str, keys: Sequence[str], columns: Sequence[str]) -> str:
        rest = [one for one in columns if one not in keys]
        same = self._all(keys, "target.{0} = incoming.{0}", " AND ")
        marks = self._marks(len(columns))
        if self._backend == "oracle":
            pairs = zip(marks, columns, strict=True)
            row = ", ".join(f"{mark} AS {self._quote(name)}" for mark, name in pairs)
            head = f"MERGE INTO {table} target USING (SELECT {row} FROM dual) incoming"
            end = ""
        else:
            head = (
                f"MERGE INTO {table} WITH (HOLDLOCK) AS target USING (VALUES ({', '.join(marks)}))"
                f" AS incoming ({self._names(columns)})"
            )
            end = ";"
        change = self._all(rest, "target.{0} = incoming.{0}")
        matched = f" WHEN MATCHED THEN UPDATE SET {change}" if rest else ""
        return (
            f"{head} ON ({same}){matched} WHEN NOT MATCHED THEN INSERT ({self._names(columns)}) "
            f"VALUES ({self._names(columns, 'incoming.')}){end}"
        )

    def update(self, table: str, keys: Sequence[str], columns: Sequence[str]) -> str:
        """Return the statement that changes a row; its parameters are the rest, then the keys."""
        rest = [one for one in columns if one not in keys]
        marks = self._marks(len(rest) + len(keys))
        sets = self._equal(rest, marks)
        return f"UPDATE {table} SET {', '.join(sets)} WHERE " + " AND ".join(
            self._equal(keys, marks[len(rest) :])
        )

    def delete(self, table: str, keys: Sequence[str]) -> str:
        """Return the statement that removes a row."""
        same = self._equal(keys, self._marks(len(keys)))
        return f"DELETE FROM {table} WHERE {' AND '.join(same)}"

    def _equal(self, names: Sequence[str], marks: Sequence[str]) -> list[str]:
        return [f"{self._quote(name)} = {mark}" for name, mark in zip(names, marks, strict=False)]

    # ------------------------------------------------------------------ many rows at once

    def from_stage(
        self, mode: str, table: str, stage: str, keys: Sequence[str], columns: Sequence[str]
    ) -> str:
        """Return the statement that does it for all rows of a table beside it (PostgreSQL).

        Args:
            mode: insert, upsert, update or delete.
            table: The table.
            stage: The table that holds the new rows.
            keys: The columns of the key.
            columns: The columns of the stage.
        """
        same = self._all(keys, "target.{0} = incoming.{0}", " AND ")
        if mode == "delete":
            return f"DELETE FROM {table} target USING {stage} incoming WHERE {same}"
        if mode == "update":
            rest = [one for one in columns if one not in keys]
            sets = self._all(rest, "{0} = incoming.{0}")
            return f"UPDATE {table} target SET {sets} FROM {stage} incoming WHERE {same}"
        names = self._names(columns)
        end = self.on_conflict(keys, columns) if mode == "upsert" else ""
        return f"INSERT INTO {table} ({names}) SELECT {names} FROM {stage}{end}"

    def unnested(self, columns: Sequence[str], kinds: Sequence[str]) -> str:
        """Return a query over arrays, one for each column (DuckDB)."""
        marks = self._marks(len(columns))
        parts = (
            f"unnest({mark}::{kind}[]) AS {self._quote(name)}"
            for mark, kind, name in zip(marks, kinds, columns, strict=True)
        )
        return f"(SELECT {', '.join(parts)})"

    # ------------------------------------------------------------------ tables

    def type_of(self, schema: Schema, *, key: bool = False) -> str | None:
        """Return the type of a new column; None if the database has none."""
        kind = kind_of(schema)
        if kind is Kind.ARRAY:
            item = schema.value_schema
            inner = None if item is None else self.type_of(item)
            if self._backend in {"postgresql", "duckdb"} and inner is not None:
                return None if inner.endswith("]") else f"{inner}[]"
            return self._types[Kind.JSON]
        scale = scale_of(schema) if kind is Kind.DECIMAL else 0
        name = self._types[kind].format(scale=scale)
        return _KEYS.get(self._backend, {}).get(kind, name) if key else name

    def create(self, table: str, columns: Sequence[str], keys: Sequence[str]) -> str:
        """Return the statement that makes a table of columns as `column` writes them."""
        parts = list(columns)
        if keys:
            parts.append(f"PRIMARY KEY ({self._names(keys)})")
        return f"CREATE TABLE {table} ({', '.join(parts)})"

    def add(self, table: str, column: str) -> str:
        """Return the statement that adds a column to a table."""
        word = {"oracle": "ADD (", "hana": "ADD (", "mssql": "ADD "}.get(
            self._backend, "ADD COLUMN "
        )
        return f"ALTER TABLE {table} {word}{column}{')' if '(' in word else ''}"

    def column(self, name: str, schema: Schema, *, key: bool) -> str | None:
        """Return the definition of a column; None if the database has no type for it."""
        kind = self.type_of(schema, key=key)
        if kind is None:
            return None
        default = _literal(schema.default_value, self._backend)
        if default is not None and "format" in self._style:
            default = default.replace("%", "%%")  # as the driver's own quoting of names does
        if key:
            rule = " NOT NULL"
        elif default is not None and "TEXT" not in kind and "LOB" not in kind:
            rule = f" DEFAULT {default}" + ("" if schema.is_optional else " NOT NULL")
        else:
            rule = "" if schema.is_optional or default is not None else " NOT NULL"
        return f"{self._quote(name)} {kind}{rule}"


def _literal(value: Any, backend: str) -> str | None:
    """Return a default as it stands in a definition; None where there is none, or no way."""
    if isinstance(value, bool):
        plain = backend in {"postgresql", "duckdb", "hana"}
        return str(value).upper() if plain else str(int(value))
    if isinstance(value, int | Decimal):
        return str(value)
    if isinstance(value, float):
        return repr(value) if value - value == 0 else None
    if isinstance(value, dt.datetime):
        value = value.astimezone(dt.UTC).replace(tzinfo=None).isoformat(" ")
    if isinstance(value, dt.date | dt.time):
        value = value.isoformat()
    if isinstance(value, str):
        escaped = value.replace("'", "''")
        if backend == "mysql":
            escaped = escaped.replace("\\", "\\\\")
        return f"'{escaped}'"
    return None
