"""What must be there before changes can be read: rights, publication, slot, replica identities.

Each thing that is missing has its message. Debezium: `PostgresReplicationConnection`.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg2

from aliran.connectors.builtin.cdc.naming import pattern_of, selector
from aliran.connectors.builtin.postgres_cdc.catalog import Catalog, Published, TableInfo, quoted
from aliran.connectors.builtin.postgres_cdc.config import PostgresCdcConfig
from aliran.connectors.builtin.postgres_cdc.server import (
    Server,
    first_line,
    lsn_of,
    lsn_text,
    refused,
)
from aliran.connectors.errors import ConfigError, ConnectError, RetriableError

logger: logging.Logger = logging.getLogger("aliran.connectors")

_OLDEST = 14
_SLOT = """
SELECT s.plugin, s.database, s.active_pid, s.restart_lsn::text, s.confirmed_flush_lsn::text,
       s.wal_status, s.safe_wal_size, pg_current_wal_lsn()::text,
       pg_wal_lsn_diff(pg_current_wal_lsn(), s.confirmed_flush_lsn)::int8,
       pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn)::int8
FROM pg_replication_slots s WHERE s.slot_name = %s
"""


class PositionLostError(ConnectError):
    """The server no longer has the changes behind the stored position."""


class SlotBusyError(RetriableError):
    """Somebody else reads from the slot.

    Attributes:
        after: Seconds until it is asked again.
    """

    after: float = 1.0


@dataclass(frozen=True, slots=True)
class Slot:
    """A replication slot, as `pg_replication_slots` has it.

    Attributes:
        plugin: Its output plugin.
        database: Its database.
        active_pid: Who reads from it.
        confirmed: Up to where changes were confirmed; None when it was invalidated.
        wal_status: reserved, extended, unreserved or lost.
        safe_wal_size: How much may be written before it may be lost; None for no limit.
        lag: Bytes of WAL that were not confirmed yet.
        kept: Bytes of WAL that it keeps.
    """

    plugin: str
    database: str
    active_pid: int | None
    confirmed: int | None
    wal_status: str | None
    safe_wal_size: int | None
    lag: int | None
    kept: int | None

    def details(self) -> dict[str, Any]:
        """Return what `/status` shows."""
        return {
            "confirmed_flush_lsn": None if self.confirmed is None else lsn_text(self.confirmed),
            "slot_lag_bytes": self.lag,
            "slot_wal_bytes": self.kept,
            "wal_status": self.wal_status,
            "safe_wal_bytes": self.safe_wal_size,
        }


class Preparation:
    """Looks after publication and slot.

    Args:
        config: The options.
        server: The server.
        catalog: Its catalog.
    """

    def __init__(self, config: PostgresCdcConfig, server: Server, catalog: Catalog) -> None:
        self._config = config
        self._server = server
        self._catalog = catalog
        self._wants_schema = selector(
            "schema", config.schema_include_list, config.schema_exclude_list
        )
        self._wants_table = selector("table", config.table_include_list, config.table_exclude_list)

    def wants(self, schema: str, table: str) -> bool:
        """Whether changes of a table are to be shown."""
        return self._wants_schema(schema) and self._wants_table(f"{schema}.{table}")

    # ------------------------------------------------------------------ the server

    def check_server(self) -> None:
        """Check version, `wal_level` and rights.

        Raises:
            ConnectError: One will not do.
        """
        place = self._server.place
        query = self._server.query
        number, level = query(
            "SELECT current_setting('server_version_num')::int, current_setting('wal_level')"
        )[0]
        if number < _OLDEST * 10_000:
            raise ConnectError(
                f"PostgreSQL at {place} is of version {number // 10_000}; {_OLDEST} or newer is "
                "needed"
            )
        if level != "logical":
            raise ConnectError(
                f"PostgreSQL at {place} has wal_level={level}; changes can be read only with "
                "logical. Set wal_level=logical in postgresql.conf and restart the server"
            )
        may = query(
            "SELECT rolsuper OR rolreplication OR EXISTS (SELECT FROM pg_roles r WHERE r.rolname "
            "IN ('rds_replication', 'cloudsqlreplica') AND pg_has_role(current_user, r.oid, "
            "'MEMBER')) FROM pg_roles WHERE rolname = current_user"
        )
        if not may[0][0]:
            user = self._config.database_user
            raise ConnectError(
                f"the user {user!r} of PostgreSQL at {place} may not replicate; a superuser can "
                f"say: ALTER ROLE {quoted(user)} REPLICATION"
            )

    # ------------------------------------------------------------------ the publication

    def publication(self) -> list[Published]:
        """Return the tables of the publication that are wanted, making it where it is missing.

        Raises:
            ConnectError: It is missing and not to be made, or cannot be made.
        """
        name, mode = self._config.publication_name, self._config.publication_autocreate_mode
        found = self._server.query(
            "SELECT puballtables, pubviaroot FROM pg_publication WHERE pubname = %s", name
        )
        if not found:
            if mode == "disabled":
                raise ConnectError(
                    f"there is no publication {name!r} in database "
                    f"{self._config.database_dbname!r} of {self._server.place}, and "
                    "publication.autocreate.mode=disabled forbids to make it. CREATE PUBLICATION "
                    f"{quoted(name)} FOR TABLE …"
                )
            self._create_publication()
        elif mode == "filtered" and not found[0][0]:
            self._extend_publication()
        signals = self._config.signal_data_collection
        return [
            one
            for one in self._catalog.published(name)
            if self.wants(one.schema, one.name) or one.full_name == signals
        ]

    def _create_publication(self) -> None:
        config = self._config
        name, mode = config.publication_name, config.publication_autocreate_mode
        if mode == "all_tables":
            of = " FOR ALL TABLES"
        elif mode == "filtered":
            tables = self._wanted_tables()
            if not tables:
                raise ConnectError(
                    f"no table of database {config.database_dbname!r} is named by "
                    "schema.…/table.….list, so that no publication can be made"
                )
            of = f" FOR TABLE {', '.join(tables)}"
        else:
            of = ""
        root = " WITH (publish_via_partition_root = true)"
        statement = f"CREATE PUBLICATION {quoted(name)}{of}" + (
            root if config.publish_via_partition_root else ""
        )
        try:
            self._server.query(statement)
        except psycopg2.errors.DuplicateObject:
            return  # another task was faster
        except psycopg2.Error as error:
            refused(
                f"the publication {name!r} cannot be made ({mode})",
                error,
                f"Let somebody who may do it say: {statement}",
            )
        logger.info("made the publication %s%s", name, of)

    def _wanted_tables(self) -> list[str]:
        root = self._config.publish_via_partition_root
        signals = self._config.signal_data_collection
        return [
            f"{quoted(schema)}.{quoted(table)}"
            for schema, table, roof, part in self._catalog.candidates()
            if (self.wants(schema, table) or f"{schema}.{table}" == signals)
            and (not part if root else not roof)
        ]

    def _extend_publication(self) -> None:
        """Add tables that are wanted and not yet in the publication (`filtered`)."""
        name = self._config.publication_name
        there = {
            f"{quoted(one.schema)}.{quoted(one.name)}" for one in self._catalog.published(name)
        }
        missing = [one for one in self._wanted_tables() if one not in there]
        if not missing:
            return
        statement = f"ALTER PUBLICATION {quoted(name)} ADD TABLE {', '.join(missing)}"
        try:
            self._server.query(statement)
        except psycopg2.Error as error:
            refused(
                f"tables cannot be added to the publication {name!r}",
                error,
                f"Let its owner say: {statement}",
            )

    # ------------------------------------------------------------------ replica identities

    def set_replica_identities(self, tables: Mapping[str, TableInfo]) -> None:
        """Set what `replica.identity.autoset.values` says, and warn of tables without any.

        Raises:
            ConnectError: One cannot be set.
        """
        rules: list[tuple[re.Pattern[str], str]] = []
        for each in self._config.replica_identity_autoset_values:
            table, _, value = each.rpartition(":")
            pattern = pattern_of("replica.identity.autoset.values", [table])
            wanted = re.fullmatch(r"DEFAULT|FULL|NOTHING|INDEX\s+(\S+)", value.strip())
            if pattern is None or wanted is None:
                raise ConfigError.of(
                    "replica.identity.autoset.values",
                    each,
                    "it must be <schema.table>:<DEFAULT|FULL|NOTHING|INDEX name>",
                )
            index = f"USING INDEX {quoted(wanted[1])}" if wanted[1] else value.strip()
            rules.append((pattern, index))
        for name, table_info in tables.items():
            wanted_identity = next((v for p, v in rules if p.fullmatch(name)), None)
            now = {"d": "DEFAULT", "f": "FULL", "n": "NOTHING"}.get(table_info.identity)
            if wanted_identity is not None and wanted_identity != now:
                self._set_identity(table_info, wanted_identity)
            elif table_info.identity == "n" or (table_info.identity == "d" and not table_info.key):
                logger.warning(
                    "table %s is published and has no replica identity: PostgreSQL refuses UPDATE "
                    "and DELETE of its rows. ALTER TABLE %s REPLICA IDENTITY FULL, or set "
                    "replica.identity.autoset.values=%s:FULL",
                    name, table_info.quoted, name,
                )  # fmt: skip

    def _set_identity(self, table: TableInfo, wanted: str) -> None:
        statement = f"ALTER TABLE {table.quoted} REPLICA IDENTITY {wanted}"
        try:
            self._server.query(statement)
        except psycopg2.Error as error:
            refused(
                f"the replica identity of {table.full_name} cannot be set",
                error,
                f"Let its owner say: {statement}",
            )

    # ------------------------------------------------------------------ the slot

    def slot(self) -> Slot | None:
        """Return the slot, None if there is none."""
        rows = self._server.query(_SLOT, self._config.slot_name)
        if not rows:
            return None
        plugin, database, pid, _, confirmed, status, safe, _, lag, kept = rows[0]
        at = None if confirmed is None else lsn_of(confirmed)
        return Slot(plugin, database, pid, at, status, safe, lag, kept)

    def create_slot(self) -> int:
        """Make the slot and return where it begins.

        Raises:
            RetriableError: Transactions that run keep it from being made.
            ConnectError: It cannot be made.
        """
        name, query = self._config.slot_name, self._server.query
        try:
            query("SET statement_timeout = '20s'")
            rows = query("SELECT lsn::text FROM pg_create_logical_replication_slot(%s, %s)",
                         name, "pgoutput")  # fmt: skip
        except psycopg2.errors.QueryCanceled as error:
            raise RetriableError(
                f"the slot {name!r} cannot be made while transactions run that have written (see "
                "pg_stat_activity, pg_prepared_xacts); it is tried again"
            ) from error
        except psycopg2.Error as error:
            refused(
                f"the replication slot {name!r} cannot be made at {self._server.place}",
                error,
                "See max_replication_slots and pg_replication_slots",
            )
        finally:
            query("SET statement_timeout = 0")
        at = lsn_of(rows[0][0])
        logger.info("made the replication slot %s at %s", name, lsn_text(at))
        return at

    def drop_slot(self) -> None:
        """Drop the slot if it is there; whoever reads from it is given five seconds to end.

        Raises:
            SlotBusyError: Somebody still reads from it.
        """
        name = self._config.slot_name
        deadline = time.monotonic() + 5
        while True:
            try:
                self._server.query(
                    "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots "
                    "WHERE slot_name = %s",
                    name,
                )
            except psycopg2.errors.ObjectInUse as error:
                if time.monotonic() > deadline:
                    raise SlotBusyError(
                        f"the replication slot {name!r} cannot be dropped: {first_line(error)}"
                    ) from error
                time.sleep(0.05)  # our own connection has been closed, which the server must see
            else:
                return

    def position(self, stored: int | None, slot: Slot | None) -> int:
        """Return where to go on: the stored position, or where the slot begins.

        Raises:
            PositionLostError: The server no longer has what comes behind the stored position.
            SlotBusyError: Somebody reads from it.
            ConnectError: The slot is somebody else's.
        """
        name, place = self._config.slot_name, self._server.place
        advice = (
            "Changes are missing; set snapshot.mode=when_needed to have a new snapshot taken then, "
            "or stop the connector, reset its offsets and resume it"
        )
        if slot is None:
            if stored is None:
                return self.create_slot()
            raise PositionLostError(
                f"the replication slot {name!r} is no longer there at {place}, and with it what "
                f"came behind {lsn_text(stored)}. {advice}"
            )
        if slot.plugin != "pgoutput" or slot.database != self._config.database_dbname:
            raise ConnectError(
                f"the replication slot {name!r} belongs to the plugin {slot.plugin!r} and the "
                f"database {slot.database!r}, not to pgoutput and "
                f"{self._config.database_dbname!r}: set slot.name to another name"
            )
        if slot.wal_status == "lost" or slot.confirmed is None:
            raise PositionLostError(
                f"the replication slot {name!r} at {place} was invalidated: it kept more WAL than "
                f"max_slot_wal_keep_size allows. Drop it: SELECT pg_drop_replication_slot"
                f"('{name}'). {advice}"
            )
        if slot.active_pid is not None:
            raise SlotBusyError(
                f"the replication slot {name!r} at {place} is read by somebody else, process "
                f"{slot.active_pid}"
            )
        if stored is not None and slot.confirmed > stored:
            raise PositionLostError(
                f"the stored position {lsn_text(stored)} is no longer in the replication slot "
                f"{name!r} at {place}, which begins at {lsn_text(slot.confirmed)}: somebody else "
                f"has read from it, or it was made anew. {advice}"
            )
        return slot.confirmed if stored is None else stored
