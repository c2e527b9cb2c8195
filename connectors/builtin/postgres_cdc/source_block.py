"""The `source` block of PostgreSQL's records. Debezium: `PostgresSourceInfoStructMaker`."""

from __future__ import annotations

from aliran.connectors.builtin.cdc.envelope import source_schema
from aliran.connectors.builtin.postgres_cdc.position import Position
from aliran.connectors.data.builder import (
    OPTIONAL_INT64_SCHEMA,
    OPTIONAL_STRING_SCHEMA,
    STRING_SCHEMA,
)
from aliran.connectors.data.schema import Schema
from aliran.connectors.data.struct import Struct

_FIELDS = [
    ("schema", STRING_SCHEMA),
    ("table", STRING_SCHEMA),
    ("txId", OPTIONAL_INT64_SCHEMA),
    ("lsn", OPTIONAL_INT64_SCHEMA),
    ("xmin", OPTIONAL_INT64_SCHEMA),
    ("origin", OPTIONAL_STRING_SCHEMA),
    ("origin_lsn", OPTIONAL_INT64_SCHEMA),
]


class SourceBlocks:
    """Makes `source` blocks.

    Args:
        version: The connector's version.
        server: `topic.prefix`.
        database: The database.

    Attributes:
        schema: Their schema.
        origin: The replication origin of the transaction, None for this server.
        origin_lsn: Where it stood there.
    """

    def __init__(self, version: str, server: str, database: str) -> None:
        self.schema: Schema = source_schema("postgresql", _FIELDS)
        self._version = version
        self._server = server
        self._database = database
        self.origin: str | None = None
        self.origin_lsn: int | None = None
        self.begin(Position())

    def begin(self, position: Position) -> None:
        """Take note of a transaction."""
        self._last = position.commit_lsn
        self._micros = position.ts_usec
        self._xid = position.xid
        self.origin = self.origin_lsn = None

    def of_change(self, schema: str, table: str, lsn: int) -> Struct:
        """Return the block of a change of the transaction."""
        micros = self._micros
        return Struct.unchecked(
            self.schema,
            [
                self._version, "postgresql", self._server, micros // 1000, "false", self._database,
                f'["{self._last}","{lsn}"]', micros, micros * 1000, schema, table, self._xid, lsn,
                None, self.origin, self.origin_lsn,
            ],
        )  # fmt: skip

    def of_snapshot(self, schema: str, table: str, marker: str, lsn: int, micros: int) -> Struct:
        """Return the block of rows of a snapshot; with those of a signal goes no position."""
        incremental = marker == "incremental"
        return Struct.unchecked(
            self.schema,
            [
                self._version, "postgresql", self._server, micros // 1000, marker, self._database,
                f'[null,"{lsn}"]', micros, micros * 1000, schema, table, None,
                None if incremental else lsn, None, None, None,
            ],
        )  # fmt: skip
