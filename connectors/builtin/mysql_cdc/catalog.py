"""What the server's catalog says about tables: for snapshots, and for what the log does not say."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from aliran.connectors.builtin.mysql_cdc.server import Server, text
from aliran.connectors.builtin.mysql_cdc.table_map import ColumnInfo, TableInfo

_MEMBER = re.compile(r"'((?:[^']|'')*)'")
_TEXTS = {"char", "varchar", "tinytext", "text", "mediumtext", "longtext"}
_BYTES = {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector"}
_SHAPES = {"geometry", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
           "geometrycollection", "geomcollection"}  # fmt: skip
SYSTEM = {"mysql", "information_schema", "performance_schema", "sys"}


class Catalog:
    """Asks the catalog, and remembers the answers until tables change.

    Args:
        server: The server.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._known: dict[tuple[str, str], TableInfo | None] = {}

    def forget(self) -> None:
        """Ask anew from now on: tables have changed."""
        self._known.clear()

    def tables(self, wanted: Callable[[str, str], bool]) -> list[str]:
        """Return the full names of the tables that are wanted."""
        rows = self._server.query(
            "SELECT table_schema, table_name FROM information_schema.tables "
            "WHERE table_type = 'BASE TABLE' ORDER BY table_schema, table_name"
        )
        pairs = [(text(one), text(two)) for one, two in rows]
        return [f"{one}.{two}" for one, two in pairs if wanted(one, two)]

    def table(self, database: str, name: str) -> TableInfo | None:
        """Return a table as it is now, None if there is none."""
        key = (database, name)
        if key not in self._known:
            self._known[key] = self._ask(database, name)
        return self._known[key]

    def _ask(self, database: str, name: str) -> TableInfo | None:
        query = self._server.query
        rows = query(
            "SELECT column_name, data_type, column_type, is_nullable, numeric_precision, "
            "numeric_scale, datetime_precision FROM information_schema.columns "
            "WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position",
            database,
            name,
        )
        if not rows:
            return None
        jsons = self._jsons(database, name)
        key = query(
            "SELECT column_name FROM information_schema.statistics WHERE table_schema = %s "
            "AND table_name = %s AND index_name = 'PRIMARY' ORDER BY seq_in_index",
            database,
            name,
        )
        columns = tuple(_column(row, jsons) for row in rows)
        return TableInfo(database, name, columns, tuple(text(one[0]) for one in key))

    def charsets_of(self, database: str, name: str) -> dict[str, str]:
        """Return the character sets of a table's columns."""
        rows = self._server.query(
            "SELECT column_name, character_set_name FROM information_schema.columns WHERE "
            "table_schema = %s AND table_name = %s AND character_set_name IS NOT NULL",
            database,
            name,
        )
        return {text(one): text(two) for one, two in rows}

    def _jsons(self, database: str, name: str) -> set[str]:
        """Return the columns that MariaDB holds as text with a check that it is JSON."""
        if not self._server.mariadb:
            return set()
        rows = self._server.query(
            "SELECT check_clause FROM information_schema.check_constraints "
            "WHERE constraint_schema = %s AND table_name = %s",
            database,
            name,
        )
        found = (re.fullmatch(r"json_valid\(`(.*)`\)", text(row[0])) for row in rows)
        return {one[1].replace("``", "`") for one in found if one}

    def charsets(self) -> dict[int, str]:
        """Return the names of character sets by the numbers of collations."""
        rows = self._server.query(
            "SELECT id, character_set_name FROM information_schema.collations "
            "WHERE id IS NOT NULL AND character_set_name IS NOT NULL"
        )
        found = {int(one): text(two) for one, two in rows}
        if self._server.mariadb:  # collations that several character sets share
            with_ids = self._server.query(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = "
                "'information_schema' AND table_name = "
                "'COLLATION_CHARACTER_SET_APPLICABILITY' AND column_name = 'ID'"
            )
            if with_ids:
                rows = self._server.query(
                    "SELECT id, character_set_name "
                    "FROM information_schema.collation_character_set_applicability"
                )
                found.update({int(one): text(two) for one, two in rows if one is not None})
        return found


def _column(row: tuple[Any, ...], jsons: set[str]) -> ColumnInfo:
    name, kind, full = text(row[0]), text(row[1]).lower(), text(row[2])
    nullable = text(row[3]) == "YES"
    precision, scale, fraction = (int(one or 0) for one in row[4:7])
    if kind in _TEXTS:
        return ColumnInfo(name, "json" if name in jsons else "text", nullable)
    if kind in _BYTES:
        return ColumnInfo(name, "binary", nullable)
    if kind in _SHAPES:
        return ColumnInfo(name, "geometry", nullable)
    if kind in {"enum", "set"}:
        members = tuple(one.replace("''", "'") for one in _MEMBER.findall(full))
        return ColumnInfo(name, kind, nullable, values=members)
    if kind == "decimal":
        unsigned = "unsigned" in full
        return ColumnInfo(name, kind, nullable, unsigned, precision=precision, scale=scale)
    if kind == "bit":
        return ColumnInfo(name, kind, nullable, precision=precision)
    return ColumnInfo(name, kind, nullable, "unsigned" in full, scale=fraction)
