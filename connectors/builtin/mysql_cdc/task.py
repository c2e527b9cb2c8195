"""The task: connects, snapshots, streams, and connects again. Debezium: `MySqlConnectorTask`."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any, ClassVar

import pymysql

from aliran import __version__
from aliran.connectors.api.tasks import SourceTask
from aliran.connectors.builtin.cdc.columns import ColumnRules
from aliran.connectors.builtin.cdc.envelope import HEARTBEAT_KEY_SCHEMA, HEARTBEAT_VALUE_SCHEMA
from aliran.connectors.builtin.cdc.naming import TopicNames
from aliran.connectors.builtin.mysql_cdc.catalog import Catalog
from aliran.connectors.builtin.mysql_cdc.config import MySqlCdcConfig
from aliran.connectors.builtin.mysql_cdc.decoder import Decoder
from aliran.connectors.builtin.mysql_cdc.decoding import codec_of
from aliran.connectors.builtin.mysql_cdc.filters import Filter
from aliran.connectors.builtin.mysql_cdc.layout import Layouts
from aliran.connectors.builtin.mysql_cdc.position import Position
from aliran.connectors.builtin.mysql_cdc.preparation import check_server, gtids_at, is_by_gtid
from aliran.connectors.builtin.mysql_cdc.server import Server, told
from aliran.connectors.builtin.mysql_cdc.snapshot import Snapshots
from aliran.connectors.builtin.mysql_cdc.source_block import SourceBlocks
from aliran.connectors.builtin.mysql_cdc.stream import PositionLostError, Stream
from aliran.connectors.builtin.mysql_cdc.table_map import TableMaps
from aliran.connectors.config.typed import instance_of
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import ConnectError
from aliran.connectors.records import SourceRecord

logger: logging.Logger = logging.getLogger("aliran.connectors")


class MySqlCdcTask(SourceTask):
    """Reads one binary log.

    Attributes:
        connector: Debezium's name of the kind of server.
    """

    connector: ClassVar[str] = "mysql"

    def start(self, props: Mapping[str, str]) -> None:
        """Take the configuration and the stored offset; `poll` connects."""
        config = self._config = instance_of(MySqlCdcConfig, props)
        self._partition = {"server": config.topic_prefix}
        self._stopping = threading.Event()
        server = self._server = Server(config)
        catalog = self._catalog = Catalog(server)
        self._names = TopicNames(
            config.topic_prefix,
            config.topic_delimiter,
            config.topic_heartbeat_prefix,
            config.topic_transaction,
        )
        rules = ColumnRules(props, config.column_include_list, config.column_exclude_list)
        blocks = SourceBlocks(__version__, self.connector, config.topic_prefix)
        layouts = Layouts(config, rules, self._names, blocks.schema)
        self._filter = Filter(config)
        decoder = self._decoder = Decoder(
            config, self._names, blocks, catalog, layouts, self._filter, self.connector
        )
        self._snapshots = Snapshots(config, server, catalog, layouts, blocks, decoder)
        self._stream: Stream | None = None
        self._error: Exception | None = None
        self._new_snapshot = config.snapshot_mode == "always"
        self._stored_done = False
        self._last_told = (0, "", 0)
        self._next_heartbeat = time.monotonic() + config.heartbeat_interval_ms / 1000
        self._position = self._stored_position()

    def _stored_position(self) -> Position | None:
        offset = self.context.offset_storage_reader.offset(self._partition)
        if offset is None:
            return None
        if offset.get("snapshot") and "snapshot_progress" not in offset:
            logger.warning("the stored offset is of an unfinished snapshot of another connector; "
                           "the snapshot begins again")  # fmt: skip
            return None
        try:
            position = Position.of(offset)
        except (ValueError, TypeError) as error:
            raise ConnectError(f"the stored offset {offset} will not do: {error}") from error
        self._stored_done = position.progress is None
        return position

    # ------------------------------------------------------------------ poll

    def poll(self) -> list[SourceRecord] | None:
        """Return changes, or rows of a snapshot; connects where there is no connection."""
        kept, self._error = self._error, None
        if kept is not None:
            self._disconnect()
            raise kept
        out: list[SourceRecord] = []
        try:
            if not self._is_open():
                return None
            self._turn(out)
        except Exception as error:
            # What was decoded counts as passed on: it must go before the error does.
            judged = self._judged(error)
            if not out:
                self._disconnect()
                if judged is error:
                    raise
                raise judged from error
            self._error = judged
        self._heartbeat(out)
        return out

    def _is_open(self) -> bool:
        """Connect where there is no connection, unless there is nothing more to do."""
        if self._finished():
            self._stopping.wait(0.5)
            return False
        if self._stream is None:
            self._connect()
        return True

    def _turn(self, out: list[SourceRecord]) -> None:
        config, snapshots = self._config, self._snapshots
        assert self._stream is not None
        snapshots.go_on()
        if snapshots.due():
            out += snapshots.take()
            return
        self._stream.read(out, config.max_batch_size, config.poll_interval_ms / 1000, snapshots.due)

    def _judged(self, error: Exception) -> Exception:
        """Return an error as it is to be seen from outside."""
        if isinstance(error, pymysql.Error):
            return ConnectError(f"{self._server.place} answers: {told(error)}")
        return error

    def _finished(self) -> bool:
        """Whether there is nothing more to do: the only snapshot is done and stored."""
        if self._config.snapshot_mode != "initial_only" or not self._stored_done:
            return False
        if self._stream is not None:
            self._disconnect()
            logger.info("the snapshot of %s is done", self._server.place)
        return True

    # ------------------------------------------------------------------ connecting

    def _connect(self) -> None:
        decoder = self._decoder
        if not check_server(self._server, self.connector):
            logger.warning(
                "%s has not binlog_row_metadata=FULL: names and types of columns are those of now, "
                "which are wrong for changes from before an ALTER TABLE", self._server.place,
            )  # fmt: skip
        decoder.maps = TableMaps(self._catalog.charsets(), codec_of, self._catalog)
        decoder.forget_tables()
        position, by_gtid = self._where()
        self._position = position
        decoder.restart(position.copy())
        self._snapshots.restart()
        self._begin(by_gtid)
        logger.info("reading changes of %s from %s, position %s on", self._server.place,
                    position.file, position.pos)  # fmt: skip

    def _begin(self, by_gtid: bool) -> None:
        stream = Stream(self._config, self._server, self._decoder)
        try:
            stream.open(by_gtid=by_gtid)
        except BaseException:
            stream.close()
            raise
        self._stream = stream

    def _where(self) -> tuple[Position, bool]:
        """Return where to go on, a new snapshot planned where one is wanted."""
        mode = self._config.snapshot_mode
        stored = self._position
        if stored is not None:
            try:
                by_gtid = is_by_gtid(self._server, stored)
            except PositionLostError as error:
                if mode not in {"when_needed", "always"}:
                    raise
                logger.warning("%s; a new snapshot is taken", error)
                stored, self._position = None, None
        if stored is None:
            file, pos = self._snapshots.end_of_log()
            stored = Position(file, pos, gtids_at(self._server, file, pos))
            by_gtid = False
            if mode not in {"no_data", "never", "recovery"}:
                self._new_snapshot = True
        if self._new_snapshot and stored.progress is None:
            tables = self._catalog.tables(self._filter.table)
            stored.progress = self._snapshots.plan(tables)
        self._new_snapshot = False
        return stored, by_gtid

    def _disconnect(self) -> None:
        """Let go of the stream; the position says where to go on."""
        stream, self._stream = self._stream, None
        if stream is not None:
            self._position = self._decoder.position.copy()
            stream.close()
        self._snapshots.close()
        self._server.close()

    # ------------------------------------------------------------------ what is told

    def _heartbeat(self, out: list[SourceRecord]) -> None:
        """Append a record that has the position, where time has passed without another one."""
        position = self._decoder.position
        now = time.monotonic()
        interval = self._config.heartbeat_interval_ms / 1000
        if out:
            self._last_told = position.place
            self._next_heartbeat = now + interval
        elif interval and now >= self._next_heartbeat and position.file:
            self._next_heartbeat = now + interval
            if position.place != self._last_told:
                self._last_told = position.place
                out.append(self._heartbeat_record(position))

    def _heartbeat_record(self, position: Position) -> SourceRecord:
        key = Struct.unchecked(HEARTBEAT_KEY_SCHEMA, [self._config.topic_prefix])
        value = Struct.unchecked(HEARTBEAT_VALUE_SCHEMA, [time.time_ns() // 1_000_000])
        return SourceRecord(
            topic=self._names.heartbeat,
            kafka_partition=0,
            key_schema=HEARTBEAT_KEY_SCHEMA,
            key=key,
            value_schema=HEARTBEAT_VALUE_SCHEMA,
            value=value,
            source_partition=self._partition,
            source_offset=position.offset(position.event, position.row),
        )

    def commit(self) -> None:
        """Note whether the end of the snapshot was stored."""
        offset = self.context.offset_storage_reader.offset(self._partition)
        if offset is not None:
            self._stored_done = "snapshot_progress" not in offset

    def details(self) -> Mapping[str, Any]:
        """Return how far the log was read, for `/status`."""
        position = self._decoder.position
        if not position.file:
            return {}
        gtids = {"gtids": position.gtids} if position.gtids else {}
        return {
            "file": position.file, "position": position.pos, **gtids, **self._snapshots.details()
        }  # fmt: skip

    def stop(self) -> None:
        """Let `poll` return."""
        self._stopping.set()
        stream = self._stream
        if stream is not None:
            stream.wake()

    def close(self) -> None:
        """Let go of everything."""
        self._disconnect()


class MariaDbCdcTask(MySqlCdcTask):
    """Reads the binary log of a MariaDB."""

    connector: ClassVar[str] = "mariadb"
