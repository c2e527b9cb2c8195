"""Snapshots, chunk by chunk, each at its exact place in the binary log.

A chunk is read by the primary key in a transaction of its own, of which the server says at which
place of the binary log it stands (MariaDB: `binlog_snapshot_file`; else tables are locked for the
moment in which it begins). The stream is read up to that place, and then the chunk's rows go: so
each row stands where it belongs among the changes, whatever was written meanwhile, and a snapshot
that goes on after a crash is as good as one that was never interrupted.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pymysql
from msgspec.structs import replace

from aliran.connectors.builtin.cdc.envelope import Origin
from aliran.connectors.builtin.cdc.naming import pattern_of
from aliran.connectors.builtin.mysql_cdc.catalog import Catalog
from aliran.connectors.builtin.mysql_cdc.config import MySqlCdcConfig
from aliran.connectors.builtin.mysql_cdc.decoder import Decoder
from aliran.connectors.builtin.mysql_cdc.layout import Layout, Layouts
from aliran.connectors.builtin.mysql_cdc.position import Position
from aliran.connectors.builtin.mysql_cdc.server import Server, now_micros, quoted, shut, told
from aliran.connectors.builtin.mysql_cdc.source_block import SourceBlocks
from aliran.connectors.builtin.mysql_cdc.table_map import TableInfo
from aliran.connectors.builtin.mysql_cdc.texts import can_be_sought, kept, literal
from aliran.connectors.errors import ConnectError, DataError
from aliran.connectors.records import SourceRecord

logger: logging.Logger = logging.getLogger("aliran.connectors")

_CHANGED = {1054, 1146, 1412}


@dataclass(slots=True)
class Progress:
    """What is left to read.

    Attributes:
        tables: Full names, the first one being read.
        last: The key of its last row that was read, as texts.
        started: Whether a row was read yet.
    """

    tables: list[str] = field(default_factory=list)
    last: list[str] | None = None
    started: bool = False

    def text(self) -> str | None:
        """Return it as it is kept in offsets, None where nothing is left."""
        if not self.tables:
            return None
        return json.dumps([self.tables, self.last, self.started])

    @classmethod
    def of(cls, text: str | None) -> Progress:
        """Return what a text says.

        Raises:
            ValueError: It is none of ours.
        """
        if not text:
            return cls()
        found = json.loads(text)
        if not isinstance(found, list) or len(found) != 3 or not isinstance(found[0], list):
            raise ValueError(f"{text!r} is no progress of a snapshot")
        return cls(*found)


@dataclass(slots=True)
class Chunk:
    """Rows that were read and not passed on.

    Attributes:
        layout: Their table.
        place: Where in the log they belong.
        rows: The rows, where all were read at once.
        cursor: What gives the rows, where they are too many.
        connection: Where it reads from.
        last: The key of the last row.
        final: Whether the table ends with it.
        micros: When it was read.
    """

    layout: Layout
    place: tuple[int, str, int]
    rows: Sequence[Any]
    cursor: Any
    connection: Any
    last: list[str] | None
    final: bool
    micros: int


class Snapshots:
    """Goes through the tables that are to be read.

    Args:
        config: The options.
        server: The server.
        catalog: Its catalog.
        layouts: Makes layouts.
        blocks: Make `source`.
        decoder: Has the position.
    """

    def __init__(
        self,
        config: MySqlCdcConfig,
        server: Server,
        catalog: Catalog,
        layouts: Layouts,
        blocks: SourceBlocks,
        decoder: Decoder,
    ) -> None:
        self._config = config
        self._server = server
        self._catalog = catalog
        self._layouts = layouts
        self._blocks = blocks
        self._decoder = decoder
        self._progress = Progress()
        self._chunk: Chunk | None = None
        self._connection: Any = None

    # ------------------------------------------------------------------ planning

    def plan(self, tables: Sequence[str]) -> str | None:
        """Return the progress of a snapshot of these tables that begins."""
        wanted = pattern_of(
            "snapshot.include.collection.list", self._config.snapshot_include_collection_list
        )
        some = [one for one in tables if wanted is None or wanted.fullmatch(one)]
        logger.info("a snapshot of %s tables begins", len(some))
        return Progress(some).text()

    def restart(self) -> None:
        """Go on where the decoder's position says."""
        self.close()
        self._progress = Progress.of(self._decoder.position.progress)

    def details(self) -> dict[str, Any]:
        """Return what `/status` shows."""
        tables = self._progress.tables
        if not tables:
            return {"snapshot": "done"}
        return {
            "snapshot": "running",
            "snapshot_tables_left": len(tables),
            "snapshot_table": tables[0],
        }

    def close(self) -> None:
        """Forget the chunk, and close the connection."""
        chunk, self._chunk = self._chunk, None
        connection, self._connection = self._connection, None
        shut(connection)
        if chunk is not None and chunk.connection is not connection:
            shut(chunk.connection)

    # ------------------------------------------------------------------ reading

    def go_on(self) -> None:
        """Read the next chunk, unless one waits or nothing is left.

        Raises:
            AwayError: The server is away.
            ConnectError: A table cannot be read.
        """
        progress = self._progress
        while progress.tables and self._chunk is None:
            name = progress.tables[0]
            try:
                self._chunk = self._read(name)
            except pymysql.Error as error:
                self._server.check_away(error)
                self.close()
                if error.args[0] in _CHANGED:
                    self._catalog.forget()
                    logger.info("%s has changed while it was read; it is read again", name)
                    continue
                raise ConnectError(
                    f"{name} cannot be read at {self._server.place}: {told(error)}. GRANT SELECT, "
                    "RELOAD ON *.* TO the user, or leave it out (table.exclude.list)"
                ) from error
            if self._chunk is None:
                logger.warning("%s is not there any more and is not read", name)
                self._advance(None, final=True)
            elif not self._chunk.rows and self._chunk.cursor is None:
                self._advance(None, final=True)
                self._chunk = None

    def due(self) -> bool:
        """Whether the chunk that waits has its place here."""
        chunk, decoder = self._chunk, self._decoder
        return (
            chunk is not None
            and not decoder.in_transaction
            and decoder.position.place >= chunk.place
        )

    def _read(self, name: str) -> Chunk | None:
        connection = self._connection
        if connection is None:
            connection = self._connection = self._server.connect()
        database, _, table_name = name.partition(".")
        place = self._begin(connection)
        self._catalog.forget()
        table = self._catalog.table(database, table_name)
        if table is None:
            return None
        layout = self._layouts.of(table)
        columns = {one.name: one for one in table.columns}
        key = [columns[one] for one in table.key]
        names = ", ".join(quoted(one) for one in layout.names)
        statement = f"SELECT {names} FROM {quoted(database, table_name)}"
        if not key or not all(map(can_be_sought, key)):
            self._connection = None
            cursor = self._server.stream(connection, statement)
            return Chunk(layout, place, (), cursor, connection, None, True, now_micros())
        size = self._config.snapshot_fetch_size
        order = ", ".join(quoted(one.name) for one in key)
        where = self._behind(table)
        rows = self._server.run(connection, f"{statement}{where} ORDER BY {order} LIMIT {size}")
        self._server.run(connection, "COMMIT")
        places = [layout.names.index(one.name) for one in key]
        last = None
        if rows:
            last = [kept(one, rows[-1][at]) for one, at in zip(key, places, strict=True)]
        final = len(rows) < size
        return Chunk(layout, place, rows, None, connection, last, final, now_micros())

    def _behind(self, table: TableInfo) -> str:
        """Return the condition of rows behind the last one."""
        last = self._progress.last
        if last is None:
            return ""
        columns = {one.name: one for one in table.columns}
        pairs = [(quoted(one), literal(columns[one], value))
                 for one, value in zip(table.key, last, strict=True)]  # fmt: skip
        ways = []
        for depth, (name, value) in enumerate(pairs):
            equal = [f"{one} = {other}" for one, other in pairs[:depth]]
            ways.append(" AND ".join([*equal, f"{name} > {value}"]))
        first, value = pairs[0]
        return f" WHERE {first} >= {value} AND ({' OR '.join(f'({one})' for one in ways)})"

    def _begin(self, connection: Any) -> tuple[int, str, int]:
        """Begin a transaction; return the place in the log that it sees everything before."""
        run = self._server.run
        run(connection, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        begin = "START TRANSACTION WITH CONSISTENT SNAPSHOT"
        if self._server.mariadb:
            run(connection, begin)
            found = dict(run(connection, "SHOW STATUS LIKE 'binlog_snapshot_%'"))
            file = found.get(b"Binlog_snapshot_file", b"").decode()
            if file:
                return Position(file, int(found[b"Binlog_snapshot_position"])).place
        locks = self._config.snapshot_locking_mode != "none"
        if locks:
            run(connection, "FLUSH TABLES WITH READ LOCK")
        try:
            run(connection, begin)
            file, pos = self.end_of_log()
        finally:
            if locks:
                run(connection, "UNLOCK TABLES")
        return Position(file, pos).place

    def end_of_log(self) -> tuple[str, int]:
        """Return file and position of the log's end."""
        try:
            rows = self._server.query("SHOW MASTER STATUS")
        except pymysql.ProgrammingError:
            rows = self._server.query("SHOW BINARY LOG STATUS")
        if not rows:
            raise ConnectError(f"{self._server.place} writes no binary log: set log_bin")
        return rows[0][0].decode(), int(rows[0][1])

    # ------------------------------------------------------------------ passing on

    def take(self) -> list[SourceRecord]:
        """Return rows of the chunk that waits; with its last ones it is done."""
        chunk = self._chunk
        assert chunk is not None
        rows = chunk.rows
        ends = True
        if chunk.cursor is not None:
            size = self._config.snapshot_fetch_size
            try:
                rows = chunk.cursor.fetchmany(size)
            except (pymysql.Error, OSError) as error:
                self._server.check_away(error)
                raise
            ends = len(rows) < size
        records = self._records(chunk, rows, ends=ends)
        if ends:
            self._chunk = None
            if chunk.cursor is not None:
                shut(chunk.connection)
            self._advance(chunk.last, final=chunk.final)
            if records:
                offset = self._decoder.position.offset()
                records[-1] = replace(records[-1], source_offset=offset)
        return records

    def _records(self, chunk: Chunk, rows: Sequence[Any], *, ends: bool) -> list[SourceRecord]:
        progress, layout, position = self._progress, chunk.layout, self._decoder.position
        envelope, table = layout.envelope, layout.table
        partition = {"server": self._config.topic_prefix}
        offset = position.offset()
        now = now_micros() * 1000
        found: list[SourceRecord] = []
        done = ends and chunk.final
        for number, values in enumerate(rows):
            marker = "true"
            if number == len(rows) - 1 and done:
                marker = "last" if len(progress.tables) == 1 else "last_in_data_collection"
            elif number == 0 and not progress.started:
                marker = "first"
            elif number == 0 and progress.last is None and chunk.cursor is None:
                marker = "first_in_data_collection"
            source = self._blocks.of_snapshot(
                table.database, table.name, marker, position.pos, chunk.micros
            )
            try:
                row = layout.row_of_texts(values)
            except DataError as error:
                mode = self._config.event_processing_failure_handling_mode
                if mode == "fail":
                    raise
                if mode == "warn":
                    logger.warning("a row is passed over: %s", error)
                continue
            origin = Origin(source, partition, offset, now)
            found.append(envelope.record("r", None, row, envelope.key_of(row), origin))
            progress.started = True
        return found

    def _advance(self, last: list[str] | None, *, final: bool) -> None:
        progress = self._progress
        if final:
            name = progress.tables.pop(0)
            progress.last = None
            logger.info("%s has been read; %s tables are left", name, len(progress.tables))
        else:
            progress.last = last
        self._decoder.position.progress = progress.text()
