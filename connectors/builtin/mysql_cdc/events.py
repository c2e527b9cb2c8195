"""Names of events of the binary log, and how their parts are read.

MySQL: `binlog_event.h`; MariaDB: `Log_event_type`.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

QUERY, STOP, ROTATE, FORMAT, XID, TABLE_MAP, INCIDENT, HEARTBEAT = 2, 3, 4, 15, 16, 19, 26, 27
ROWS_QUERY, MYSQL_GTID, ANONYMOUS_GTID, XA_PREPARE = 29, 33, 34, 38
PARTIAL_UPDATE, PAYLOAD, HEARTBEAT_V2 = 39, 40, 41
ANNOTATE, MARIADB_GTID, ENCRYPTION, QUERY_COMPRESSED = 160, 162, 164, 165

ROWS: Final[dict[int, tuple[str, bool, bool]]] = {
    23: ("c", False, False), 24: ("u", False, False), 25: ("d", False, False),
    30: ("c", True, False), 31: ("u", True, False), 32: ("d", True, False),
    166: ("c", False, True), 167: ("u", False, True), 168: ("d", False, True),
    169: ("c", True, True), 170: ("u", True, True), 171: ("d", True, True),
}  # fmt: skip
"""What happened, whether the header has a second part, whether the rows are compressed."""

HEADER = struct.Struct("<IBIIIH")
"""Seconds since 1970, type, server's number, size, where the event ends, flags."""

ARTIFICIAL = 0x20
STANDALONE = 1


def inflated(data: bytes, at: int) -> bytes:
    """Return what MariaDB compressed (`log_bin_compress`) from a place on."""
    return zlib.decompress(data[at + 1 + (data[at] & 7) :])


def query_of(kind: int, body: bytes) -> tuple[int, str, str]:
    """Return thread, database and text of a QUERY event."""
    thread = int.from_bytes(body[:4], "little")
    database_size = body[8]
    at = 13 + int.from_bytes(body[11:13], "little")
    database = body[at : at + database_size].decode(errors="replace")
    at += database_size + 1
    data = inflated(body, at) if kind == QUERY_COMPRESSED else body[at:]
    return thread, database, data.decode(errors="replace")


def gtid_of(kind: int, server_id: int, body: bytes) -> tuple[str | None, bool]:
    """Return the name of a transaction, and whether it is one statement without BEGIN."""
    if kind == MARIADB_GTID:
        sequence, domain, flags = struct.unpack_from("<QIB", body)
        return f"{domain}-{server_id}-{sequence}", bool(flags & STANDALONE)
    if kind == ANONYMOUS_GTID:
        return None, False
    text = body[1:17].hex()
    uuid = "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
    return f"{uuid}:{int.from_bytes(body[17:25], 'little')}", False
