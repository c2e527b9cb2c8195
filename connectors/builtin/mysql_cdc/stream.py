"""The connection that events of the binary log come through. MySQL: `COM_BINLOG_DUMP`."""

from __future__ import annotations

import contextlib
import random
import select
import socket
import ssl
import struct
import time
from collections.abc import Callable
from typing import Any

import pymysql

from aliran.connectors.builtin.mysql_cdc.config import MySqlCdcConfig
from aliran.connectors.builtin.mysql_cdc.decoder import Decoder
from aliran.connectors.builtin.mysql_cdc.server import AwayError, Server, shut, told
from aliran.connectors.errors import ConnectError
from aliran.connectors.records import SourceRecord

_DUMP, _REGISTER = 0x12, 0x15
_ANNOTATED = 2
_LARGEST = 0xFFFFFF
_LOST = 1236
_READ = 1 << 18


class PositionLostError(ConnectError):
    """The server no longer has the events from the position on."""


class Stream:
    """Reads events.

    Args:
        config: The options.
        server: The server.
        decoder: Takes the events; its position is where they begin.
    """

    def __init__(self, config: MySqlCdcConfig, server: Server, decoder: Decoder) -> None:
        self._config = config
        self._server = server
        self._decoder = decoder
        self._connection: Any = None
        self._socket: Any = None
        self._buffer = bytearray()
        self._at = 0
        self._wake_in, self._wake_out = socket.socketpair()
        self._heard = time.monotonic()

    def open(self, *, by_gtid: bool) -> None:
        """Begin at the decoder's position, found by its file or by its GTIDs.

        Raises:
            AwayError: The server is away.
            ConnectError: It does not give the events.
        """
        config, position = self._config, self._decoder.position
        connection = self._connection = self._server.connect()
        number = config.database_server_id or random.randint(5400, 6400)
        period = 0
        if config.connect_keep_alive:
            period = config.connect_keep_alive_interval_ms * 1_000_000
        run = self._server.run
        checksum = run(connection, "SELECT @@global.binlog_checksum")[0][0]
        self._decoder.has_checksums = checksum.upper() == b"CRC32"
        run(connection, "SET @master_binlog_checksum = @@global.binlog_checksum, "
            "@source_binlog_checksum = @@global.binlog_checksum")  # fmt: skip
        run(connection, f"SET @master_heartbeat_period = {period}, @mariadb_slave_capability = 4")
        file = position.file
        if by_gtid:
            run(connection, "SET @slave_connect_state = %s, @slave_gtid_strict_mode = 0, "
                "@slave_gtid_ignore_duplicates = 0", position.gtids)  # fmt: skip
            file = ""
        try:
            connection._execute_command(  # noqa: SLF001
                _REGISTER, struct.pack("<IBBBHII", number, 0, 0, 0, 0, 0, 0)
            )
            connection._read_ok_packet()  # noqa: SLF001
            flags = _ANNOTATED if config.include_query else 0
            place = 4 if by_gtid else position.pos
            connection._execute_command(  # noqa: SLF001
                _DUMP, struct.pack("<IHI", place, flags, number) + file.encode()
            )
        except (pymysql.Error, OSError) as error:
            self._server.check_away(error)
            raise ConnectError(
                f"{self._server.place} does not let {config.database_user!r} read its binary log: "
                f"{told(error)}. GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO the user"
            ) from error
        self._socket = connection._sock  # noqa: SLF001
        self._socket.settimeout(30)
        self._heard = time.monotonic()

    def read(
        self, out: list[SourceRecord], most: int, wait_s: float, due: Callable[[], bool]
    ) -> None:
        """Append records until there are `most`, or no event is there; wait for the first one.

        Args:
            out: Where they go.
            most: How many at least end it.
            wait_s: How long to wait.
            due: Whether something else must come first now.

        Raises:
            AwayError: The server is away.
            ConnectError: It does not give the events, or one cannot be read.
        """
        feed = self._decoder.feed
        until = time.monotonic() + max(wait_s, 0.2)  # others' changes must not keep it for ever
        waited = False
        while len(out) < most and not due():
            event = self._next()
            if event is not None:
                feed(event, out)
                if waited and not out and time.monotonic() > until:
                    return
                continue
            if out or waited:
                return
            waited = True
            if not self._receive(wait_s):
                self._check_silence()
                return

    def _next(self) -> bytes | None:
        """Return the next event that is there in full, None if there is none yet."""
        while True:
            buffer, at = self._buffer, self._at
            parts: list[bytes] = []
            while len(buffer) - at >= 4:
                size = buffer[at] | buffer[at + 1] << 8 | buffer[at + 2] << 16
                end = at + 4 + size
                if len(buffer) < end:
                    break
                parts.append(bytes(buffer[at + 4 : end]))
                at = end
                if size < _LARGEST:
                    self._at = at
                    return self._event(parts[0] if len(parts) == 1 else b"".join(parts))
            if not self._receive(0):
                return None

    def _event(self, packet: bytes) -> bytes:
        if packet[:1] == b"\0":
            return packet[1:]
        if packet[:1] == b"\xff":
            code = int.from_bytes(packet[1:3], "little")
            text = packet[3:].decode(errors="replace")
            self._refused(code, text[6:] if text.startswith("#") else text)
        raise AwayError(f"{self._server.place} ended the stream of changes; it is asked again")

    def _refused(self, code: int, text: str) -> None:
        place = self._server.place
        position = self._decoder.position
        if code == _LOST and "same server" in text:
            raise ConnectError(f"{place}: {text}. Another reader has the same database.server.id")
        if code == _LOST:
            raise PositionLostError(
                f"{place} no longer has its binary log from {position.file}, position "
                f"{position.pos} on, where this connector goes on: {text}. Its changes since then "
                "are lost: take a new snapshot (snapshot.mode=when_needed does so by itself), and "
                "have the server keep its log for longer (binlog_expire_logs_seconds)"
            )
        if code in {1053, 1927, 1317}:
            raise AwayError(f"{place} went away: {text}; it is tried again")
        raise ConnectError(f"{place} does not send its binary log: {text} (error {code})")

    def _receive(self, wait_s: float) -> bool:
        """Take what has come; wait for it so long. Return whether something has."""
        sock = self._socket
        try:
            if not (isinstance(sock, ssl.SSLSocket) and sock.pending()):
                ready, _, _ = select.select([sock, self._wake_in], [], [], wait_s)
                if sock not in ready:
                    return False
            data = sock.recv(_READ)
        except (OSError, ValueError) as error:
            raise AwayError(
                f"{self._server.place} went away: {told(error)}; it is tried again"
            ) from error
        if not data:
            raise AwayError(f"{self._server.place} closed the connection; it is tried again")
        if self._at:
            del self._buffer[: self._at]
            self._at = 0
        self._buffer += data
        self._heard = time.monotonic()
        return True

    def _check_silence(self) -> None:
        limit = 3 * self._config.connect_keep_alive_interval_ms / 1000
        if self._config.connect_keep_alive and time.monotonic() - self._heard > limit:
            raise AwayError(
                f"{self._server.place} has been silent for {limit} s; it is asked again"
            )

    def wake(self) -> None:
        """Let `read` return; may be called from another thread."""
        with contextlib.suppress(OSError):
            self._wake_out.send(b"x")

    def close(self) -> None:
        """Close the connection."""
        shut(self._connection)
        self._wake_in.close()
        self._wake_out.close()
