"""The connection that changes come through."""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Callable
from typing import Any

import psycopg2

from aliran.connectors.builtin.postgres_cdc.catalog import quoted
from aliran.connectors.builtin.postgres_cdc.config import PostgresCdcConfig
from aliran.connectors.builtin.postgres_cdc.decoder import Decoder, Out
from aliran.connectors.builtin.postgres_cdc.preparation import PositionLostError, SlotBusyError
from aliran.connectors.builtin.postgres_cdc.server import Server, first_line, lsn_text
from aliran.connectors.errors import ConnectError

_MOST_MESSAGES = 20_000
_LINGER_S = 0.002
_LOST = ("has already been removed", "invalidated", "obsolete", "can no longer get changes")


class Stream:
    """Reads messages of the slot.

    Args:
        config: The options.
        server: The server.
        decoder: Takes the messages; its position is where the stream begins.
    """

    def __init__(self, config: PostgresCdcConfig, server: Server, decoder: Decoder) -> None:
        self._config = config
        self._server = server
        self._decoder = decoder
        self._connection: Any = None
        self._cursor: Any = None
        self._wake_in, self._wake_out = socket.socketpair()

    def open(self) -> None:
        """Begin at the decoder's position.

        Raises:
            AwayError: The server is away.
            ConnectError: It does not give the changes.
        """
        self._connection, self._cursor = self._server.replication()
        try:
            self._cursor.start_replication(
                slot_name=self._config.slot_name,
                start_lsn=self._decoder.position.commit_lsn,
                options={
                    "proto_version": "1",
                    "publication_names": quoted(self._config.publication_name),
                    "messages": "true",
                },
                status_interval=max(self._config.status_update_interval_ms / 1000, 1.0),
            )
        except psycopg2.Error as error:
            self._fail(error)

    def read(self, out: Out, most: int, wait_s: float) -> None:
        """Append records until there are `most`, or no message is there; wait for the first one.

        Raises:
            AwayError: The server is away.
            ConnectError: It does not give the changes, or one cannot be read.
        """
        read, feed = self._cursor.read_message, self._decoder.feed
        waited, lingers = False, 2
        try:
            for _ in range(_MOST_MESSAGES):  # others' changes must not keep it here for ever
                message = read()
                if message is not None:
                    feed(message.payload, message.data_start, out)
                    if len(out) >= most:
                        return
                elif out and lingers:  # a few records cost as much as many: wait for more
                    lingers -= 1
                    select.select([self._wake_in], [], [], _LINGER_S)
                elif out or waited:
                    return
                else:
                    select.select([self._connection, self._wake_in], [], [], wait_s)
                    waited = True
        except psycopg2.Error as error:
            self._fail(error)

    def confirm(self, lsn: int) -> None:
        """Tell the server that it may forget what came before a position."""
        try:
            self._cursor.send_feedback(write_lsn=lsn, flush_lsn=lsn, apply_lsn=lsn, force=True)
        except psycopg2.Error as error:
            self._fail(error)

    def wake(self) -> None:
        """Let `read` return; may be called from another thread."""
        with contextlib.suppress(OSError):
            self._wake_out.send(b"x")

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            with contextlib.suppress(psycopg2.Error):
                self._connection.close()
        self._wake_in.close()
        self._wake_out.close()

    def _fail(self, error: psycopg2.Error) -> None:
        """Raise what an error means."""
        judged = _stream_error(
            error,
            self._config,
            self._server.place,
            lambda: lsn_text(self._decoder.position.commit_lsn),
        )
        if type(judged) is ConnectError and str(self._config.publication_name) not in str(error):
            self._server.check_away(error)
        raise judged from error


def _stream_error(
    error: psycopg2.Error, config: PostgresCdcConfig, place: str, when: Callable[[], str]
) -> Exception:
    """Return what an error of the stream means."""
    text, slot = first_line(error), config.slot_name
    if error.pgcode == "55006" or "is active for PID" in text:
        return SlotBusyError(
            f"the replication slot {slot!r} at {place} is read by somebody else: {text}"
        )
    if "publication" in text and "does not exist" in text:
        return ConnectError(
            f"the publication {config.publication_name!r} is no longer there at {place} "
            f"(at {when()}): {text}. A publication must be there when changes are made; make it, "
            "stop the connector, reset its offsets, drop the slot, and resume it"
        )
    if error.pgcode == "42704" or any(word in text for word in _LOST):
        return PositionLostError(
            f"changes behind {when()} can no longer be read from the slot {slot!r} at {place}: "
            f"{text}. Set snapshot.mode=when_needed to have a new snapshot taken then"
        )
    return ConnectError(f"the changes of PostgreSQL at {place} cannot be read: {text}")
