"""The task: connects, snapshots, streams, confirms, and connects again.

Debezium: `PostgresConnectorTask`, `PostgresStreamingChangeEventSource`. Everything of the stream
happens in `poll`; `commit` only notes what is stored, which the next `poll` tells the server.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

import psycopg2

from aliran import __version__
from aliran.connectors.api.tasks import SourceTask
from aliran.connectors.builtin.cdc.columns import ColumnRules
from aliran.connectors.builtin.cdc.naming import TopicNames
from aliran.connectors.builtin.postgres_cdc.catalog import Catalog, Published
from aliran.connectors.builtin.postgres_cdc.config import PostgresCdcConfig
from aliran.connectors.builtin.postgres_cdc.decoder import HEARTBEAT, Decoder, Hooks
from aliran.connectors.builtin.postgres_cdc.layout import Layouts
from aliran.connectors.builtin.postgres_cdc.position import Position
from aliran.connectors.builtin.postgres_cdc.preparation import (
    PositionLostError,
    Preparation,
    SlotBusyError,
)
from aliran.connectors.builtin.postgres_cdc.server import Server, lsn_text
from aliran.connectors.builtin.postgres_cdc.snapshots import Snapshots
from aliran.connectors.builtin.postgres_cdc.source_block import SourceBlocks
from aliran.connectors.builtin.postgres_cdc.stream import Stream
from aliran.connectors.config.typed import instance_of
from aliran.connectors.errors import ConnectError
from aliran.connectors.records import SourceRecord

logger: logging.Logger = logging.getLogger("aliran.connectors")


class PostgresCdcTask(SourceTask):
    """Reads one slot."""

    def start(self, props: Mapping[str, str]) -> None:
        """Take the configuration and the stored offset; `poll` connects."""
        config = self._config = instance_of(PostgresCdcConfig, props)
        self._partition = {"server": config.topic_prefix}
        self._stopping = threading.Event()
        self._server = Server(config)
        catalog = Catalog(self._server.query)
        self._preparation = Preparation(config, self._server, catalog)
        names = TopicNames(
            config.topic_prefix,
            config.topic_delimiter,
            config.topic_heartbeat_prefix,
            config.topic_transaction,
        )
        rules = ColumnRules(props, config.column_include_list, config.column_exclude_list)
        blocks = SourceBlocks(__version__, config.topic_prefix, config.database_dbname)
        layouts = Layouts(config, rules, names, blocks.schema, catalog)
        self._snapshots = Snapshots(config, self._server, catalog, layouts)
        hooks = Hooks(
            self._preparation.wants,
            self._snapshots.on_watermark,
            self._snapshots.on_signal,
            self._snapshots.on_commit,
        )
        self._decoder = Decoder(config, names, blocks, catalog, layouts, hooks)
        self._snapshots.decoder = self._decoder
        self._catalog = catalog
        self._stream: Stream | None = None
        self._error: Exception | None = None
        self._busy = 0
        self._stored = self._flushed = 0
        self._stored_done = False
        self._details: dict[str, Any] = {}
        self._next_heartbeat = self._next_look = 0.0
        self._new_snapshot = config.snapshot_mode == "always"
        self._position: Position | None = self._stored_position()

    def _stored_position(self) -> Position | None:
        offset = self.context.offset_storage_reader.offset(self._partition)
        if offset is None:
            return None
        try:
            position = Position.of(offset)
        except (ValueError, TypeError) as error:
            raise ConnectError(f"the stored offset {offset} will not do: {error}") from error
        self._stored, self._stored_done = position.commit_lsn, position.progress is None
        return position

    # ------------------------------------------------------------------ poll

    def poll(self) -> list[SourceRecord] | None:
        """Return changes, or rows of a snapshot; connects where there is no connection."""
        if self._error is not None:
            error, self._error = self._error, None
            self._disconnect()
            raise error
        out: list[SourceRecord] = []
        try:
            if self._finished():
                self._stopping.wait(0.5)
                return None
            if self._stream is None:
                try:
                    self._connect()
                except SlotBusyError as error:
                    self._wait_for_slot(error)
            self._tell()
            self._snapshots.go_on()
            assert self._stream is not None
            config = self._config
            self._stream.read(out, config.max_batch_size, config.poll_interval_ms / 1000)
        except Exception as error:
            # What was decoded counts as passed on: it must go before the error does.
            judged = self._judged(error)
            if not out:
                self._disconnect()
                if judged is error:
                    raise
                raise judged from error
            self._error = judged
        return out

    def _judged(self, error: Exception) -> Exception:
        """Return an error as it is to be seen from outside."""
        if isinstance(error, psycopg2.Error):
            place = self._server.place
            return ConnectError(f"PostgreSQL at {place} answers: {str(error).strip()}")
        return error

    def _finished(self) -> bool:
        """Whether there is nothing more to do: the only snapshot is done."""
        if self._config.snapshot_mode != "initial_only" or not self._stored_done:
            return False
        self._details = {"snapshot": "done"}
        if self._stream is not None:
            self._disconnect()
            self._server.open()
            self._preparation.drop_slot()
            self._server.close()
            logger.info("the snapshot of %s is done; the slot is dropped", self._server.place)
        return True

    # ------------------------------------------------------------------ connecting

    def _connect(self) -> None:
        preparation = self._preparation
        preparation.check_server()
        published = {one.full_name: one for one in preparation.publication()}
        try:
            position = self._where(published)
        except PositionLostError as error:
            if self._config.snapshot_mode not in {"when_needed", "always"}:
                raise
            logger.warning("%s; a new snapshot is taken", error)
            preparation.drop_slot()
            self._position, self._stored, self._flushed = None, 0, 0
            position = self._where(published)
        tables = {
            name: info
            for name, one in published.items()
            if (info := self._catalog.table(one.schema, one.name)) is not None
        }
        preparation.set_replica_identities(tables)
        self._position = position
        self._decoder.restart(position)
        self._snapshots.restart(published)
        stream = Stream(self._config, self._server, self._decoder)
        try:
            stream.open()
        except ConnectError:
            stream.close()
            raise
        self._stream, self._busy = stream, 0
        logger.info("reading changes of %s from %s on", self._server.place,
                    lsn_text(position.commit_lsn))  # fmt: skip

    def _where(self, published: Mapping[str, Published]) -> Position:
        """Return where to go on, a new snapshot planned where one is wanted."""
        stored = self._position
        known = None if stored is None else self._stored or stored.commit_lsn
        lsn = self._preparation.position(known, self._preparation.slot())
        position = Position(lsn) if stored is None else stored
        fresh = stored is None and self._config.snapshot_mode not in {"no_data", "never"}
        if fresh or (self._new_snapshot and position.progress is None):
            wanted = [one for one in published if one != self._config.signal_data_collection]
            position.progress = self._snapshots.plan(wanted)
        self._new_snapshot = False
        return position

    def _wait_for_slot(self, error: SlotBusyError) -> None:
        """Let a busy slot be asked again, a few times at once, then each after the set delay."""
        self._busy += 1
        quick = 10  # a walsender takes a moment to see that its client was killed
        if self._busy > quick + self._config.slot_max_retries:
            raise ConnectError(
                f"{error}. It stayed so; see pg_replication_slots, and end who reads it: "
                "SELECT pg_terminate_backend(pid)"
            ) from error
        if self._busy > quick:
            error.after = self._config.slot_retry_delay_ms / 1000
        else:
            error.after = 0.3
        raise error

    def _disconnect(self) -> None:
        """Let go of the stream; the position says where to go on."""
        stream, self._stream = self._stream, None
        if stream is not None:
            self._position = self._decoder.position.copy()
            stream.close()
        self._server.close()

    # ------------------------------------------------------------------ telling the server

    def commit(self) -> None:
        """Note which offset was stored: what it says may be forgotten by the server."""
        offset = self.context.offset_storage_reader.offset(self._partition)
        if offset is not None:
            self._stored = int(offset.get("lsn_commit") or 0)
            self._stored_done = "snapshot_progress" not in offset

    def _tell(self) -> None:
        """Confirm what is stored, and write a heartbeat or look at the slot when it is time."""
        assert self._stream is not None
        now = time.monotonic()
        if self._stored > self._flushed:
            self._stream.confirm(self._stored)
            self._flushed = self._stored
        interval = self._config.heartbeat_interval_ms / 1000
        if interval and now >= self._next_heartbeat:
            self._next_heartbeat = now + interval
            slot = self._config.slot_name
            self._server.query("SELECT pg_logical_emit_message(true, %s, %s)", HEARTBEAT, slot)
            if self._config.heartbeat_action_query:
                self._server.query(self._config.heartbeat_action_query)
        if now >= self._next_look:
            self._next_look = now + self._config.status_update_interval_ms / 1000
            self._look()

    def _look(self) -> None:
        slot = self._preparation.slot()
        if slot is None:
            return  # the stream says so in its own words
        details = {
            "slot": self._config.slot_name,
            "position": lsn_text(self._decoder.position.commit_lsn),
            **slot.details(),
            **self._snapshots.details(),
        }
        most = self._config.slot_max_lag_bytes
        if most and (slot.kept or 0) > most:
            details["warning"] = (
                f"the slot {self._config.slot_name!r} keeps {slot.kept} bytes of WAL, more than "
                f"slot.max.lag.bytes={most}"
            )
            logger.warning("%s: %s", self._server.place, details["warning"])
        self._details = details

    def details(self) -> Mapping[str, Any]:
        """Return how far the slot is, for `/status`."""
        return self._details

    def stop(self) -> None:
        """Let `poll` return."""
        self._stopping.set()
        stream = self._stream
        if stream is not None:
            stream.wake()

    def close(self) -> None:
        """Tell the server the last stored position, and let go of everything."""
        stream = self._stream
        if stream is not None and self._stored > self._flushed:
            stream.confirm(self._stored)
        self._disconnect()
        if self._config.slot_drop_on_stop and stream is not None:
            try:
                self._preparation.drop_slot()
            except (psycopg2.Error, ConnectError) as error:
                logger.warning("the slot %s is not dropped: %s", self._config.slot_name, error)
            self._server.close()
