"""From events of the binary log to records. Debezium: `MySqlStreamingChangeEventSource`."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aliran.connectors.builtin.cdc.envelope import Op, Origin, Row
from aliran.connectors.builtin.cdc.naming import TopicNames
from aliran.connectors.builtin.cdc.transactions import Transaction
from aliran.connectors.builtin.mysql_cdc import events as ev
from aliran.connectors.builtin.mysql_cdc.catalog import Catalog
from aliran.connectors.builtin.mysql_cdc.config import MySqlCdcConfig
from aliran.connectors.builtin.mysql_cdc.ddl import (
    SchemaChanges,
    changes_tables,
    first_word,
    truncated,
)
from aliran.connectors.builtin.mysql_cdc.decoding import RowReader
from aliran.connectors.builtin.mysql_cdc.filters import Filter
from aliran.connectors.builtin.mysql_cdc.layout import Layout, Layouts
from aliran.connectors.builtin.mysql_cdc.position import Position
from aliran.connectors.builtin.mysql_cdc.source_block import SourceBlocks
from aliran.connectors.builtin.mysql_cdc.table_map import TableMaps, names_in, number
from aliran.connectors.errors import ConnectError, DataError
from aliran.connectors.records import SourceRecord

logger: logging.Logger = logging.getLogger("aliran.connectors")

_STATEMENTS = {"INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD"}
_HARMLESS = {"SAVEPOINT", "RELEASE", "XA", "SET"}


@dataclass(frozen=True, slots=True)
class _Open:
    """A table whose rows follow."""

    layout: Layout
    read: RowReader
    skip: RowReader
    columns: int


class Decoder:
    """Takes events and makes records.

    Args:
        config: The options.
        names: Names of topics.
        blocks: Make `source`.
        catalog: Told when tables change.
        layouts: Make layouts.
        wants: Which tables are captured.
        connector: "mysql" or "mariadb".

    Attributes:
        position: How far records were passed on.
        maps: Reads TABLE_MAP events; set once connected.
        in_transaction: Whether a transaction is under way.
        has_checksums: Whether events end with a checksum.
    """

    maps: TableMaps
    has_checksums: bool = False

    def __init__(
        self,
        config: MySqlCdcConfig,
        names: TopicNames,
        blocks: SourceBlocks,
        catalog: Catalog,
        layouts: Layouts,
        wants: Filter,
        connector: str,
    ) -> None:
        self._config = config
        self._names = names
        self._blocks = blocks
        self._catalog = catalog
        self._layouts = layouts
        self._wants = wants
        self._changes = SchemaChanges(connector, blocks, names.table())
        self._partition: Mapping[str, Any] = {"server": config.topic_prefix}
        self._skipped = {one.strip() for one in config.skipped_operations}
        self._domains = (set(config.gtid_source_includes), set(config.gtid_source_excludes))
        self._maps_seen: dict[bytes, _Open | None] = {}
        self.restart(Position())

    def restart(self, position: Position) -> None:
        """Go on at a position, in the middle of its transaction where it says so."""
        self.position = position
        self._skip = (position.event, position.row)
        self._open: dict[int, _Open | None] = {}
        self._gtid: str | None = None
        self.in_transaction: bool = False
        self._standalone = self._begun = False
        self._wanted = True
        self._seen = 0  # events with rows of the transaction
        self._transaction: Transaction | None = None
        self._blocks.file = position.file

    def forget_tables(self) -> None:
        """Make layouts anew: the catalog says something else."""
        self._catalog.forget()
        self._maps_seen.clear()

    # ------------------------------------------------------------------ events

    def feed(self, event: bytes, out: list[SourceRecord]) -> None:
        """Take an event, and append the records that it gives.

        Raises:
            ConnectError: It cannot be understood, or a value cannot be shown.
        """
        seconds, kind, server_id, size, end, flags = ev.HEADER.unpack_from(event)
        if kind == ev.FORMAT:  # ends with the way of checksums, and room for one
            self.has_checksums = event[-5] == 1
        body = event[19:-4] if self.has_checksums else event[19:]
        rows = ev.ROWS.get(kind)
        blocks = self._blocks
        if rows is not None:
            blocks.micros, blocks.server_id = seconds * 1_000_000, server_id
            self._rows(rows, body, end - size, out)
            return
        if kind == ev.TABLE_MAP:
            table_id = int.from_bytes(body[:6], "little")
            self._open[table_id] = self._table(body)
            return
        if kind in {ev.ROTATE, ev.HEARTBEAT, ev.HEARTBEAT_V2}:
            self._moved(kind, body, end)
            return
        if kind in {ev.INCIDENT, ev.PARTIAL_UPDATE, ev.PAYLOAD, ev.ENCRYPTION}:
            self._impossible(kind, end)
        position = self.position
        if kind in {ev.MARIADB_GTID, ev.MYSQL_GTID, ev.ANONYMOUS_GTID}:
            position.server_id, position.ts_sec = server_id, seconds
            if end:
                position.pos = end - size
            self._begin(*ev.gtid_of(kind, server_id, body))
        elif kind in {ev.XID, ev.XA_PREPARE}:
            self._commit(end, out)
        elif kind in {ev.QUERY, ev.QUERY_COMPRESSED}:
            blocks.micros, blocks.server_id = seconds * 1_000_000, server_id
            self._query(*ev.query_of(kind, body), (end - size, end), out)
        elif kind == ev.ANNOTATE:
            blocks.query = body.decode(errors="replace")
        elif kind == ev.ROWS_QUERY:
            blocks.query = body[1:].decode(errors="replace")
        elif end and not flags & ev.ARTIFICIAL and not self.in_transaction:
            position.pos = end

    def _moved(self, kind: int, body: bytes, end: int) -> None:
        position = self.position
        if kind == ev.ROTATE:
            file = body[8:].decode()
            if file != position.file:
                position.file = self._blocks.file = file
                position.pos = int.from_bytes(body[:8], "little")
                position.event = position.row = 0
                self._open.clear()
                self.in_transaction = False
        elif end and not self.in_transaction and self._skip == (0, 0):
            position.pos = max(position.pos, end)

    def _impossible(self, kind: int, end: int) -> None:
        what = {
            ev.INCIDENT: "an incident: the server says that changes are missing from its log. Take "
            "a new snapshot (snapshot.mode=always)",
            ev.PARTIAL_UPDATE: "a partial update of JSON: set binlog_row_value_options=''",
            ev.PAYLOAD: "a compressed transaction: set binlog_transaction_compression=OFF",
            ev.ENCRYPTION: "encrypted events, which the server did not decrypt",
        }[kind]
        raise ConnectError(f"{self.position.file} at {end} has {what}")

    def _begin(self, gtid: str | None, standalone: bool) -> None:
        self.in_transaction, self._standalone = True, standalone
        self._begun = not standalone and gtid is not None and gtid.count("-") == 2
        self._gtid = self._blocks.gtid = gtid
        self._blocks.query = self._blocks.thread = None
        self._seen = 0
        self._transaction = None
        self._wanted = True
        include, exclude = self._domains
        if gtid is not None and (include or exclude):
            domain = gtid.partition("-" if self._begun or standalone else ":")[0]
            self._wanted = domain in include if include else domain not in exclude

    def _commit(self, end: int, out: list[SourceRecord]) -> None:
        position = self.position
        if end:
            position.pos = end
        if self._gtid is not None and self._gtid.count("-") == 2:
            position.advance_gtid(self._gtid)
        position.event = position.row = 0
        self._skip = (0, 0)
        self.in_transaction = self._begun = False
        self._open.clear()
        if self._transaction is not None:
            out.append(self._transaction.end(position.offset()))
            self._transaction = None

    # ------------------------------------------------------------------ statements

    def _query(
        self, thread: int, database: str, text: str, place: tuple[int, int],
        out: list[SourceRecord],
    ) -> None:  # fmt: skip
        start, end = place
        word = first_word(text)
        if word == "BEGIN":
            self.in_transaction = self._begun = True
            self._blocks.thread = thread
            return
        if word in {"COMMIT", "ROLLBACK"} and " TO " not in text.upper():
            self._commit(end, out)
            return
        if word in _STATEMENTS:
            logger.warning(
                "%s at %s has a statement and not its rows, so that its changes are not seen "
                "(binlog_format of that session is not ROW): %.200s",
                self.position.file, start, text,
            )  # fmt: skip
        elif word not in _HARMLESS:
            self._ddl(word, database, text, place, out)
        if not self._begun:
            self._commit(end, out)

    def _ddl(
        self, word: str, database: str, text: str, place: tuple[int, int],
        out: list[SourceRecord],
    ) -> None:  # fmt: skip
        if not changes_tables(word):
            return
        self.forget_tables()
        start, end = place
        position = self.position.copy()
        if not self._begun:
            position.pos = end
            if self._gtid is not None and self._gtid.count("-") == 2:
                position.advance_gtid(self._gtid)
        offset = position.offset(position.event, position.row)
        emptied = truncated(text, database) if word == "TRUNCATE" else None
        if emptied is not None and "t" not in self._skipped and self._wants.table(*emptied):
            table = self._catalog.table(*emptied)
            if table is not None:
                source = self._blocks.of_change(*emptied, start, 0)
                origin = Origin(source, self._partition, self.position.offset(), time.time_ns())
                out.append(self._layouts.of(table).envelope.truncation(origin))
        if self._config.include_schema_changes and self._wants.database(database):
            out.append(self._changes.record(database, text, start, self._partition, offset))

    # ------------------------------------------------------------------ rows

    def _table(self, body: bytes) -> _Open | None:
        """Return what reads the rows of a table, None where they are not wanted."""
        described = body[6:]
        if described in self._maps_seen:
            return self._maps_seen[described]
        database, name, _ = names_in(body)
        made = None
        if self._wants.table(database, name):
            table, wires = self.maps.read(body)
            layout = self._layouts.of(table)
            made = _Open(layout, *layout.row_readers(wires), len(wires))
        self._maps_seen[described] = made
        return made

    def _rows(
        self, how: tuple[str, bool, bool], body: bytes, start: int, out: list[SourceRecord]
    ) -> None:
        op, longer, compressed = how
        number_of_event, self._seen = self._seen, self._seen + 1
        done, rows_done = self._skip
        table = self._open.get(int.from_bytes(body[:6], "little"))
        if number_of_event < done:
            return
        if table is None or not self._wanted or op in self._skipped:
            return
        at = 8 + int.from_bytes(body[8:10], "little") if longer else 8
        count, at = number(body, at)
        size = (count + 7) // 8
        images = 2 if op == "u" else 1
        whole = (1 << count) - 1
        for _ in range(images):
            if int.from_bytes(body[at : at + size], "little") & whole != whole:
                raise ConnectError(
                    f"{self.position.file} at {start}: rows of {table.layout.table.full_name} "
                    "lack columns; set binlog_row_image=FULL on the server"
                )
            at += size
        if compressed:
            body, at = ev.inflated(body, at), 0
        skip = rows_done if number_of_event == done else 0
        if self._config.provide_transaction_metadata and self._transaction is None:
            self._start_transaction(out)
        self._each_row(op, table, (body, at), (number_of_event, skip, start), out)
        self.position.event, self.position.row = number_of_event + 1, 0

    def _each_row(
        self, op: str, table: _Open, data: tuple[bytes, int], place: tuple[int, int, int],
        out: list[SourceRecord],
    ) -> None:  # fmt: skip
        body, at = data
        event, skip, start = place
        changes = table.layout.envelope.changes
        info = table.layout.table
        database, name = info.database, info.name
        read, position, blocks, partition = table.read, self.position, self._blocks, self._partition
        end, row = len(body), 0
        before = position.offset(event, skip)
        now = time.time_ns()
        while at < end:
            old: Row | None = None
            new: Row | None = None
            if row < skip:
                for _ in range(2 if op == "u" else 1):
                    _, at = table.skip(body, at)
                row += 1
                continue
            begin = at
            try:
                if op != "c":
                    old, at = read(body, at)
                if op != "d":
                    new, at = read(body, at)
            except DataError as error:
                at = self._failed(error, op, table, (body, begin), start)
                row += 1
                continue
            row += 1
            offset = position.offset(event, row)
            block = None if self._transaction is None else self._transaction.block(info.full_name)
            origin = Origin(
                blocks.of_change(database, name, start, row - 1), partition, offset, now, before,
                block,
            )  # fmt: skip
            out += changes(_OPS[op], old, new, origin)
            before = offset
            position.event, position.row = event, row

    def _failed(
        self, error: DataError, op: str, table: _Open, data: tuple[bytes, int], start: int
    ) -> int:
        """Fail, or return where the row ends that cannot be read."""
        mode = self._config.event_processing_failure_handling_mode
        what = f"{self.position.file} at {start}: {error}"
        if mode == "fail":
            raise DataError(
                f"{what}; event.processing.failure.handling.mode=warn passes over it"
            ) from error
        if mode == "warn":
            logger.warning("a row is passed over: %s", what)
        body, at = data
        for _ in range(2 if op == "u" else 1):
            _, at = table.skip(body, at)
        return at

    def _start_transaction(self, out: list[SourceRecord]) -> None:
        position = self.position
        name = self._gtid or f"file={position.file},pos={position.pos}"
        self._transaction = Transaction(
            name, self._blocks.micros // 1000, self._names.transaction, self._partition
        )
        out.append(self._transaction.begin(position.offset(position.event, position.row)))


_OPS: dict[str, Op] = {"c": "c", "u": "u", "d": "d"}
