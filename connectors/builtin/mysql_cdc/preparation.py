"""Whether the server can be read, and where to go on. Debezium: `BinlogConnectorTask`."""

from __future__ import annotations

import pymysql

from aliran.connectors.builtin.mysql_cdc.position import (
    Position,
    domains_of,
    is_mariadb_gtids,
)
from aliran.connectors.builtin.mysql_cdc.server import Server, text, told
from aliran.connectors.builtin.mysql_cdc.stream import PositionLostError
from aliran.connectors.errors import ConnectError


def check_server(server: Server, connector: str) -> bool:
    """Look whether changes can be read; return whether rows explain themselves.

    Raises:
        AwayError: The server is away.
        ConnectError: A setting is wrong, or a privilege is missing.
    """
    version = text(server.query("SELECT version()")[0][0])
    if server.mariadb != (connector == "mariadb"):
        other = "MariaDbCdcSource" if server.mariadb else "MySqlCdcSource"
        raise ConnectError(f"{server.place} is a {version}: use {other}")
    wanted = {"log_bin": "ON", "binlog_format": "ROW", "binlog_row_image": "FULL"}
    for name, value in wanted.items():
        found = server.variable(name)
        if found.upper() not in {value, ""}:
            raise ConnectError(
                f"{server.place} has {name}={found}, so that its log does not hold whole rows: set "
                f"{name}={value} on the server"
                + (" and start it again" if name == "log_bin" else "")
            )
    _check_privileges(server)
    return server.variable("binlog_row_metadata").upper() == "FULL"


def _check_privileges(server: Server) -> None:
    rows = server.query("SHOW GRANTS")
    granted = " ".join(text(row[0]).upper() for row in rows if " ON *.* " in text(row[0]).upper())
    enough = ("ALL PRIVILEGES", "REPLICATION SLAVE", "REPLICATION REPLICA")
    if not any(one in granted for one in enough):
        raise ConnectError(
            f"the user may not read the binary log of {server.place}: GRANT SELECT, REPLICATION "
            "SLAVE, REPLICATION CLIENT, RELOAD ON *.* TO it"
        )


def gtids_at(server: Server, file: str, pos: int) -> str:
    """Return MariaDB's positions by domain at a place of the log, "" where it has none."""
    if not server.mariadb:
        return ""
    return text(server.query("SELECT BINLOG_GTID_POS(%s, %s)", file, pos)[0][0])


def is_by_gtid(server: Server, position: Position) -> bool:
    """Look whether the server still has a position; return whether only its GTIDs lead there.

    Raises:
        PositionLostError: It does not.
    """
    try:
        files = {text(row[0]): int(row[1]) for row in server.query("SHOW BINARY LOGS")}
    except pymysql.Error as error:
        server.check_away(error)
        raise ConnectError(
            f"the files of the binary log of {server.place} are not told: {told(error)}. GRANT "
            "REPLICATION CLIENT ON *.* TO the user"
        ) from error
    by_gtid = server.mariadb and bool(position.gtids) and is_mariadb_gtids(position.gtids)
    if by_gtid:
        _check_not_ahead(server, position)
    if by_gtid and _is_other(server, position):
        return True
    if position.file in files and position.pos <= files[position.file]:
        return False
    first = min(files, default="none")
    raise PositionLostError(
        f"{server.place} no longer has its binary log from {position.file}, position "
        f"{position.pos} on, where this connector goes on; its log begins with {first}. Changes "
        "since then are lost: take a new snapshot (snapshot.mode=when_needed does so by itself), "
        "and have the server keep its log for longer (binlog_expire_logs_seconds)"
    )


def _is_other(server: Server, position: Position) -> bool:
    """Whether this is another server than the one whose file is named."""
    number = int(text(server.query("SELECT @@server_id")[0][0]))
    return position.server_id not in {0, number}


def _check_not_ahead(server: Server, position: Position) -> None:
    """Raise if the server has come less far than the position: it was reset, or is another one."""
    now = domains_of(text(server.query("SELECT @@gtid_binlog_pos")[0][0]))
    for domain, gtid in domains_of(position.gtids).items():
        known = now.get(domain)
        number = 0 if known is None else int(known.rpartition("-")[2])
        if number < int(gtid.rpartition("-")[2]):
            raise PositionLostError(
                f"{server.place} has come to {known or 'nothing'} in domain {domain}, less "
                f"far than this connector ({gtid}): its binary log was reset, or it is another "
                "server. Take a new snapshot (snapshot.mode=when_needed does so by itself)"
            )
