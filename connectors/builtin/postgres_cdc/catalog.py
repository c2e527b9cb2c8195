"""What PostgreSQL's catalog says about tables, types and publications."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from aliran.connectors.builtin.postgres_cdc.types import PgType

Query: TypeAlias = Callable[..., list[tuple[Any, ...]]]
"""Runs a statement with its parameters and returns the rows."""


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """A column.

    Attributes:
        name: Its name.
        type: Its type's number.
        modifier: Its `atttypmod`.
        not_null: Whether it is never null.
        identity: Whether it belongs to the replica identity.
    """

    name: str
    type: int
    modifier: int
    not_null: bool = False
    identity: bool = False


@dataclass(frozen=True, slots=True)
class TableInfo:
    """A table.

    Attributes:
        schema: Its schema.
        name: Its name.
        columns: Its columns, in their order; those that are computed left out.
        key: The columns of its primary key, or else of a unique index without nulls.
        identity: Its replica identity: d, f, n or i.
        partitioned: Whether it is but a roof over partitions.
    """

    schema: str
    name: str
    columns: tuple[ColumnInfo, ...]
    key: tuple[str, ...]
    identity: str = "d"
    partitioned: bool = False

    @property
    def full_name(self) -> str:
        """`schema.table`."""
        return f"{self.schema}.{self.name}"

    @property
    def quoted(self) -> str:
        """The name as SQL has it."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"


@dataclass(frozen=True, slots=True)
class Published:
    """A table of a publication.

    Attributes:
        schema: Its schema.
        name: Its name.
        columns: The columns that are published.
        filter: Which rows are, as SQL; None for all.
    """

    schema: str
    name: str
    columns: tuple[str, ...]
    filter: str | None

    @property
    def full_name(self) -> str:
        """`schema.table`."""
        return f"{self.schema}.{self.name}"


def quoted(name: str) -> str:
    """Return a name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


_COLUMNS = """
SELECT c.relkind, c.relreplident, n.nspname, c.relname, a.attname, a.atttypid::int8, a.atttypmod,
       a.attnotnull
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a
  ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
WHERE n.nspname = %s AND c.relname = %s ORDER BY a.attnum
"""
_KEY = """
SELECT array_agg(a.attname::text ORDER BY k.place)
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, place)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE n.nspname = %s AND c.relname = %s AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
  AND i.indexprs IS NULL AND k.place <= i.indnkeyatts
GROUP BY i.indexrelid, i.indisprimary HAVING bool_and(a.attnotnull)
ORDER BY i.indisprimary DESC, i.indexrelid LIMIT 1
"""
_TYPE = """
SELECT typname, typtype, typelem::int8, typcategory, typbasetype::int8, typtypmod
FROM pg_type WHERE oid = %s
"""


class Catalog:
    """Reads the catalog.

    Args:
        query: Runs statements.
    """

    def __init__(self, query: Query) -> None:
        self._query = query
        self._types: dict[int, tuple[PgType, int]] = {}

    def table(self, schema: str, name: str) -> TableInfo | None:
        """Return a table, None if there is none."""
        rows = self._query(_COLUMNS, schema, name)
        if not rows:
            return None
        kind, identity = rows[0][0], rows[0][1]
        key = self._query(_KEY, schema, name)
        return TableInfo(
            schema,
            name,
            tuple(
                ColumnInfo(row[4], row[5], row[6], not_null=row[7])
                for row in rows
                if row[4] is not None
            ),
            tuple(key[0][0]) if key else (),
            identity,
            partitioned=kind == "p",
        )

    def type(self, oid: int, modifier: int) -> tuple[PgType, int]:
        """Return a type and the modifier that counts: those of a domain's base for a domain."""
        if oid not in self._types:
            self._types[oid] = self._load(oid)
        found, own = self._types[oid]
        return found, modifier if own < 0 else own

    def _load(self, oid: int) -> tuple[PgType, int]:
        rows = self._query(_TYPE, oid)
        if not rows:
            return PgType(oid, f"type {oid}"), -1
        name, kind, element, category, base, modifier = rows[0]
        if kind == "d":
            return self.type(base, modifier)
        if kind == "e":
            labels = self._query(
                "SELECT enumlabel FROM pg_enum WHERE enumtypid = %s ORDER BY enumsortorder", oid
            )
            return PgType(oid, name, labels=tuple(row[0] for row in labels)), -1
        if category == "A" and element:
            return PgType(oid, name, element=self.type(element, -1)[0]), -1
        return PgType(oid, name), -1

    def forget_types(self) -> None:
        """Look types up again: an enumeration may have got labels."""
        self._types.clear()

    def published(self, publication: str) -> list[Published]:
        """Return the tables of a publication, by name."""
        newer = self._query("SELECT current_setting('server_version_num')::int >= 150000")[0][0]
        columns = (
            "p.attnames::text[], p.rowfilter"
            if newer
            else "ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = "
            "format('%%I.%%I', p.schemaname, p.tablename)::regclass AND a.attnum > 0 "
            "AND NOT a.attisdropped), NULL"
        )
        rows = self._query(
            f"SELECT p.schemaname, p.tablename, {columns} "
            "FROM pg_publication_tables p WHERE p.pubname = %s ORDER BY 1, 2",
            publication,
        )
        return [Published(row[0], row[1], tuple(row[2] or ()), row[3]) for row in rows]

    def candidates(self) -> list[tuple[str, str, bool, bool]]:
        """Return tables that could be published: schema, name, is partitioned, is a partition."""
        rows = self._query(
            "SELECT n.nspname, c.relname, c.relkind = 'p', c.relispartition FROM pg_class c "
            "JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' "
            "AND n.nspname NOT IN ('pg_catalog', 'information_schema') "
            "AND n.nspname NOT LIKE 'pg\\_%%' ORDER BY 1, 2"
        )
        return [(row[0], row[1], row[2], row[3]) for row in rows]
