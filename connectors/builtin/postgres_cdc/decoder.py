"""pgoutput's messages → records.

PostgreSQL: "Logical Replication Message Formats", protocol version 1. Each kind of message has a
method; a change of a row goes through its table's layout, and waiting rows of a snapshot's chunk go
before the changes that they do not see.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from aliran.connectors.builtin.cdc.envelope import Op, Origin, Row, heartbeat
from aliran.connectors.builtin.cdc.naming import TopicNames, selector
from aliran.connectors.builtin.cdc.transactions import Transaction
from aliran.connectors.builtin.postgres_cdc.catalog import Catalog, ColumnInfo, TableInfo
from aliran.connectors.builtin.postgres_cdc.config import PostgresCdcConfig
from aliran.connectors.builtin.postgres_cdc.layout import Layout, Layouts
from aliran.connectors.builtin.postgres_cdc.messages import Messages
from aliran.connectors.builtin.postgres_cdc.position import Position
from aliran.connectors.builtin.postgres_cdc.snapshot import WATERMARK, Chunk
from aliran.connectors.builtin.postgres_cdc.source_block import SourceBlocks
from aliran.connectors.data.schema import Schema
from aliran.connectors.data.struct import Struct
from aliran.connectors.records import SourceRecord

HEARTBEAT = "aliran.heartbeat"
"""Prefix of the logical message that moves the slot."""

_OURS = "aliran."
_EPOCH_MICROS = 946_684_800_000_000
"""2000-01-01, where PostgreSQL's time begins, in microseconds since 1970."""

Out: TypeAlias = list[SourceRecord]


@dataclass(slots=True)
class Hooks:
    """What the decoder asks and tells.

    Attributes:
        wants: Whether changes of a table (schema, name) are to be shown.
        on_watermark: Told when the watermark of the waiting chunk has come.
        on_signal: Told of a new row of the signal table.
        on_commit: Told of a transaction, by its number, that has been passed on as a whole.
    """

    wants: Callable[[str, str], bool]
    on_watermark: Callable[[Chunk, Out], None]
    on_signal: Callable[[dict[str, Any]], None]
    on_commit: Callable[[int], None]


@dataclass(slots=True)
class _Table:
    """A table of the stream; without a layout if its changes are not wanted."""

    name: str
    shown: bool
    signals: bool
    layout: Layout


class Decoder:
    """Turns messages into records.

    Args:
        config: The options.
        names: Names of topics.
        blocks: Makes `source`.
        catalog: The catalog.
        layouts: Makes layouts.
        hooks: What it asks and tells.

    Attributes:
        position: How far it has come.
        chunk: The chunk whose rows wait for their places.
    """

    def __init__(
        self,
        config: PostgresCdcConfig,
        names: TopicNames,
        blocks: SourceBlocks,
        catalog: Catalog,
        layouts: Layouts,
        hooks: Hooks,
    ) -> None:
        self._config = config
        self._names = names
        self._blocks = blocks
        self._catalog = catalog
        self._layouts = layouts
        self._hooks = hooks
        self._partition: Mapping[str, Any] = {"server": config.topic_prefix}
        self._with_blocks = config.provide_transaction_metadata
        self._skipped = {one.strip() for one in config.skipped_operations}
        self._wants_message = selector(
            "message.prefix", config.message_prefix_include_list, config.message_prefix_exclude_list
        )
        self._messages = Messages(names.message, blocks.schema, config.binary_handling_mode)
        self.position: Position = Position()
        self.chunk: Chunk | None = None
        self._handlers: dict[int, Callable[[bytes, int, Out], None]] = {
            ord("B"): self._begin,
            ord("C"): self._commit,
            ord("O"): self._origin,
            ord("R"): self._relation,
            ord("Y"): self._type,
            ord("I"): self._insert,
            ord("U"): self._update,
            ord("D"): self._delete,
            ord("T"): self._truncate,
            ord("M"): self._message,
        }
        self.restart(self.position)

    @property
    def source_schema(self) -> Schema:
        """Schema of `source`."""
        return self._blocks.schema

    def restart(self, position: Position) -> None:
        """Begin with a new stream that starts at a position."""
        self.position = position
        self.chunk = None
        self._tables: dict[int, _Table | None] = {}
        self._skip = 0
        self._resumed = (position.tx_lsn, position.tx_events)
        self._hidden = False
        self._heartbeat = False
        self._transaction: Transaction | None = None

    def feed(self, data: bytes, lsn: int, out: Out) -> None:
        """Take one message, and append what it gives."""
        handler = self._handlers.get(data[0])
        if handler is not None:
            handler(data, lsn, out)

    # ------------------------------------------------------------------ transactions

    def _begin(self, data: bytes, _lsn: int, _out: Out) -> None:
        position = self.position
        final = int.from_bytes(data[1:9], "big")
        position.ts_usec = int.from_bytes(data[9:17], "big", signed=True) + _EPOCH_MICROS
        position.xid = int.from_bytes(data[17:21], "big")
        position.tx_lsn, position.tx_events = final, 0
        self._skip = self._resumed[1] if self._resumed[0] == final else 0
        self._resumed = (0, 0)
        self._blocks.begin(position)
        chunk = self.chunk
        self._hidden = chunk is not None and not chunk.snapshot.sees(position.xid)
        self._transaction = None

    def _commit(self, data: bytes, _lsn: int, out: Out) -> None:
        position = self.position
        xid = position.xid
        position.commit(int.from_bytes(data[10:18], "big"))
        if self._transaction is not None:
            out.append(self._transaction.end(position.offset()))
            self._transaction = None
        if self._heartbeat:
            self._heartbeat = False
            now_ms = time.time_ns() // 1_000_000
            topic, server = self._names.heartbeat, self._config.topic_prefix
            out.append(heartbeat(topic, server, now_ms, self._partition, position.offset()))
        self._hooks.on_commit(xid)

    def _origin(self, data: bytes, _lsn: int, _out: Out) -> None:
        self._blocks.origin = data[9:-1].decode()
        self._blocks.origin_lsn = int.from_bytes(data[1:9], "big")

    def _counted(self) -> bool:
        """Count an event of the transaction; return whether it is to be shown."""
        position = self.position
        position.tx_events += 1
        return position.tx_events > self._skip

    def _block(self, collection: str, out: Out, *, shown: bool) -> Struct | None:
        """Return the `transaction` block of a change, after BEGIN if it is the first."""
        if not self._with_blocks:
            return None
        if self._transaction is None:
            position = self.position
            self._transaction = Transaction(
                f"{position.xid}:{position.tx_lsn}",
                position.ts_usec // 1000,
                self._names.transaction,
                self._partition,
            )
            if shown:
                out.append(self._transaction.begin(position.offset_before()))
        return self._transaction.block(collection)

    # ------------------------------------------------------------------ tables

    def _type(self, _data: bytes, _lsn: int, _out: Out) -> None:
        self._catalog.forget_types()  # a type that is not built in: labels may have come
        self._layouts.forget_all()

    def _relation(self, data: bytes, _lsn: int, _out: Out) -> None:
        number = int.from_bytes(data[1:5], "big")
        schema, name, at = _texts(data, 5)
        full_name = f"{schema}.{name}"
        shown = self._hooks.wants(schema, name)
        signals = full_name == self._config.signal_data_collection
        if not shown and not signals:
            self._tables[number] = None
            return
        known = self._catalog.table(schema, name)
        required = {one.name for one in known.columns if one.not_null} if known else set()
        identity, at = chr(data[at]), at + 3
        columns = []
        while at < len(data):
            end = data.index(0, at + 1)
            column = data[at + 1 : end].decode()
            of = int.from_bytes(data[end + 1 : end + 5], "big")
            modifier = int.from_bytes(data[end + 5 : end + 9], "big", signed=True)
            not_null = column in required
            columns.append(
                ColumnInfo(column, of, modifier, not_null=not_null, identity=bool(data[at] & 1))
            )
            at = end + 9
        names = {one.name for one in columns}
        key = known.key if known is not None and names.issuperset(known.key) else ()
        if not key and identity in "di":
            key = tuple(one.name for one in columns if one.identity)
        table = TableInfo(schema, name, tuple(columns), key, identity)
        self._tables[number] = _Table(full_name, shown, signals, self._layouts.of(table))

    # ------------------------------------------------------------------ rows

    def _insert(self, data: bytes, lsn: int, out: Out) -> None:
        shown = self._counted()
        table = self._tables[int.from_bytes(data[1:5], "big")]
        if table is None:
            return
        if self._hidden:
            self._release(table, data, (6,), out)
        layout = table.layout
        after, _, unchanged = layout.read(data, 6)
        if unchanged:
            after = layout.fill_unchanged(after, None, self._config.unavailable_value_placeholder)
        if table.signals and shown:
            self._hooks.on_signal(dict(zip(layout.names, after, strict=True)))
        self._change(table, "c", None, after, lsn, out, shown=shown)

    def _update(self, data: bytes, lsn: int, out: Out) -> None:
        shown = self._counted()
        table = self._tables[int.from_bytes(data[1:5], "big")]
        if table is None:
            return
        layout, at, before = table.layout, 6, None
        kind = data[5]
        if kind != 78:  # N: there is no old row
            before, at, _ = layout.read(data, 6)
            at += 1
            if kind == 75:  # K: only the key is known
                before = layout.fill_old(before)
        after, _, unchanged = layout.read(data, at)
        if self._hidden:
            self._release(table, data, (6, at), out)
        if unchanged:
            old = before if kind == 79 else None
            after = layout.fill_unchanged(after, old, self._config.unavailable_value_placeholder)
        self._change(table, "u", before, after, lsn, out, shown=shown)

    def _delete(self, data: bytes, lsn: int, out: Out) -> None:
        shown = self._counted()
        table = self._tables[int.from_bytes(data[1:5], "big")]
        if table is None:
            return
        if self._hidden:
            self._release(table, data, (6,), out)
        before, _, _ = table.layout.read(data, 6)
        if data[5] == 75:
            before = table.layout.fill_old(before)
        self._change(table, "d", before, None, lsn, out, shown=shown)

    def _change(
        self,
        table: _Table,
        op: Op,
        before: Row | None,
        after: Row | None,
        lsn: int,
        out: Out,
        *,
        shown: bool,
    ) -> None:
        if not table.shown or op in self._skipped:
            return
        transaction = self._block(table.name, out, shown=shown) if self._with_blocks else None
        if not shown:
            return
        layout, position = table.layout, self.position
        position.lsn = lsn
        source = self._blocks.of_change(layout.table.schema, layout.table.name, lsn)
        offset, now_ns = position.offset(), time.time_ns()
        if before is None and after is not None and transaction is None:  # what is common
            place = (self._partition, offset)
            out.append(layout.envelope.fresh(op, after, source, place, now_ns))
            return
        part = None if before is None else position.offset_before()
        origin = Origin(source, self._partition, offset, now_ns, part, transaction)
        out.extend(layout.envelope.changes(op, before, after, origin))

    def _truncate(self, data: bytes, lsn: int, out: Out) -> None:
        shown = self._counted()
        for place in range(6, len(data), 4):
            table = self._tables[int.from_bytes(data[place : place + 4], "big")]
            if table is None:
                continue
            chunk = self.chunk
            if self._hidden and chunk is not None and chunk.job.table == table.name:
                out.extend(self.rows(chunk, list(chunk.rows)))
            if not table.shown or "t" in self._skipped:
                continue
            transaction = self._block(table.name, out, shown=shown)
            if shown:
                position, info = self.position, table.layout.table
                position.lsn = lsn
                source = self._blocks.of_change(info.schema, info.name, lsn)
                origin = Origin(
                    source, self._partition, position.offset(), time.time_ns(),
                    transaction=transaction,
                )  # fmt: skip
                out.append(table.layout.envelope.truncation(origin))

    # ------------------------------------------------------------------ rows of a snapshot

    def _release(self, table: _Table, data: bytes, tuples: tuple[int, ...], out: Out) -> None:
        """Let the chunk's rows go whose keys a change touches that the chunk does not see."""
        chunk = self.chunk
        if chunk is None or chunk.job.table != table.name or not chunk.layout.has_key:
            return
        for at in tuples:
            key = table.layout.key_of_tuple(data, at)
            if key in chunk.rows:
                out.extend(self.rows(chunk, [key]))

    def rows(self, chunk: Chunk, keys: list[Any], markers: Mapping[int, str] | None = None) -> Out:
        """Take rows out of a chunk and return their records.

        Args:
            chunk: The chunk.
            keys: The keys of the rows.
            markers: What `source.snapshot` says of some of them, by their places.
        """
        job, envelope, info = chunk.job, chunk.layout.envelope, chunk.layout.table

        def source(marker: str) -> Struct:
            micros = chunk.taken_ns // 1000
            return self._blocks.of_snapshot(info.schema, info.name, marker, chunk.lsn, micros)

        usual = source("true" if job.kind == "initial" else "incremental")
        special = {place: source(marker) for place, marker in (markers or {}).items()}
        place, now_ns = (self._partition, self.position.offset()), time.time_ns()
        fresh, take = envelope.fresh, chunk.rows.pop
        return [
            fresh("r", take(key), special.get(number, usual), place, now_ns)
            for number, key in enumerate(keys)
        ]

    # ------------------------------------------------------------------ messages

    def _message(self, data: bytes, _lsn: int, out: Out) -> None:
        lsn = int.from_bytes(data[2:10], "big")
        end = data.index(0, 10)
        prefix, content = data[10:end].decode(), data[end + 5 :]
        transactional = bool(data[1] & 1)
        shown = self._counted() if transactional else True
        if prefix.startswith(_OURS):
            chunk = self.chunk
            if prefix == HEARTBEAT and content.decode() == self._config.slot_name:
                self._heartbeat = True
            elif prefix == WATERMARK and chunk is not None and content.decode() == chunk.token:
                self.chunk, self._hidden = None, False
                self._hooks.on_watermark(chunk, out)
            return
        if not self._wants_message(prefix) or "m" in self._skipped:
            return
        block = self._block("LOGICAL_DECODING_MESSAGE", out, shown=shown) if transactional else None
        if not shown:
            return
        position = self.position
        if not transactional:
            position.commit(lsn + 1)
            self._blocks.begin(position)
        position.lsn = lsn
        source = self._blocks.of_change("", "", lsn)
        offset = position.offset()
        origin = Origin(source, self._partition, offset, time.time_ns(), transaction=block)
        out.append(self._messages.record(prefix, content, origin, offset))


def _texts(data: bytes, at: int) -> tuple[str, str, int]:
    """Return the two texts that stand at a place, each ended by a zero, and what comes behind."""
    end = data.index(0, at)
    behind = data.index(0, end + 1)
    return data[at:end].decode(), data[end + 1 : behind].decode(), behind + 1
