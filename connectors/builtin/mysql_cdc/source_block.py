"""The `source` block of MySQL's and MariaDB's records. Debezium: `MySqlSourceInfoStructMaker`."""

from __future__ import annotations

from aliran.connectors.builtin.cdc.envelope import source_schema
from aliran.connectors.data.builder import (
    INT32_SCHEMA,
    INT64_SCHEMA,
    OPTIONAL_INT64_SCHEMA,
    OPTIONAL_STRING_SCHEMA,
    STRING_SCHEMA,
)
from aliran.connectors.data.schema import Schema
from aliran.connectors.data.struct import Struct

_FIELDS = [
    ("table", OPTIONAL_STRING_SCHEMA),
    ("server_id", INT64_SCHEMA),
    ("gtid", OPTIONAL_STRING_SCHEMA),
    ("file", STRING_SCHEMA),
    ("pos", INT64_SCHEMA),
    ("row", INT32_SCHEMA),
    ("thread", OPTIONAL_INT64_SCHEMA),
    ("query", OPTIONAL_STRING_SCHEMA),
]


class SourceBlocks:
    """Makes `source` blocks.

    Args:
        version: The connector's version.
        connector: "mysql" or "mariadb".
        server: `topic.prefix`.

    Attributes:
        schema: Their schema.
        file: The file of the log.
        server_id: Who wrote the change.
        gtid: The transaction, None where it has no name.
        thread: Who made it, None where nobody knows.
        query: The statement, where it is wanted and known.
        micros: When, in microseconds since 1970.
    """

    def __init__(self, version: str, connector: str, server: str) -> None:
        self.schema: Schema = source_schema(connector, _FIELDS)
        self._head = (version, connector, server)
        self.file = ""
        self.server_id = self.micros = 0
        self.gtid: str | None = None
        self.thread: int | None = None
        self.query: str | None = None

    def of_change(
        self, database: str, table: str | None, pos: int, row: int, marker: str = "false"
    ) -> Struct:
        """Return the block of a change."""
        micros = self.micros
        return Struct.unchecked(
            self.schema,
            [
                *self._head, micros // 1000, marker, database, None, micros, micros * 1000, table,
                self.server_id, self.gtid, self.file, pos, row, self.thread, self.query,
            ],
        )  # fmt: skip

    def of_snapshot(self, database: str, table: str, marker: str, pos: int, micros: int) -> Struct:
        """Return the block of rows of a snapshot."""
        return Struct.unchecked(
            self.schema,
            [
                *self._head, micros // 1000, marker, database, None, micros, micros * 1000, table,
                0, None, self.file, pos, 0, None, None,
            ],
        )  # fmt: skip
