"""`SqlSource`: tables into topics. Kafka: Confluent's `JdbcSourceConnector`, with its options."""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import exc

from aliran.connectors.api.connector import SourceConnector
from aliran.connectors.api.function_tasks import Retry
from aliran.connectors.api.tasks import SourceTask
from aliran.connectors.builtin.sql.connection import Database
from aliran.connectors.builtin.sql.faults import Fault, fault_of, reason_of
from aliran.connectors.builtin.sql.partitions import (
    QUERY_PARTITION,
    check_offsets,
    partition_of,
)
from aliran.connectors.builtin.sql.querying import Querier
from aliran.connectors.builtin.sql.source_config import SqlSourceConfig
from aliran.connectors.config.definition import ConfigDef, ConfigValue
from aliran.connectors.config.typed import definition_of, instance_of
from aliran.connectors.errors import ConnectError, RetriableError
from aliran.connectors.records import SourceRecord

logger: logging.Logger = logging.getLogger("aliran.connectors")

TABLES = "aliran.sql.tables"
"""What the connector tells its tasks: schemas and names of their tables, as JSON."""

Table = tuple[str | None, str]


def wanted_tables(config: SqlSourceConfig, database: Database) -> list[Table]:
    """Return the tables that the options choose, in order."""
    schema = config.schema_pattern or config.catalog_pattern
    found = database.tables(schema, [one.upper() for one in config.table_types])
    return sorted(
        (one for one in found if _chosen(config, one)), key=lambda one: (one[0] or "", one[1])
    )


def _chosen(config: SqlSourceConfig, table: Table) -> bool:
    names = {table[1], f"{table[0]}.{table[1]}"}
    only = {one for one in config.table_whitelist if one}
    but = {one for one in config.table_blacklist if one}
    if (only and not names & only) or names & but:
        return False
    included = [one for one in config.table_include_list if one]
    excluded = [one for one in config.table_exclude_list if one]
    if included and not _matches(included, names):
        return False
    return not _matches(excluded, names)


def _matches(patterns: Sequence[str], names: set[str]) -> bool:
    return any(re.fullmatch(pattern, name) for pattern in patterns for name in names)


class SqlSourceConnector(SourceConnector):
    """Deals tables out over tasks, and looks for new ones."""

    def start(self, props: Mapping[str, str]) -> None:
        """Look for the tables; where the database is away, that is done until it is back."""
        self._config = instance_of(SqlSourceConfig, props).checked()
        self._props = dict(props)
        self._tables: list[Table] = []
        self._stopping = threading.Event()
        if self._config.query:
            return
        known = False
        try:
            self._tables = self._look()
            known = True
        except RetriableError as error:
            logger.warning("connector %s: %s", props.get("name", ""), error)
        if known and not self._tables:
            logger.warning("connector %s: no table matches; it goes on looking", props.get("name"))
        threading.Thread(
            target=self._watch, args=(known,), name="aliran-sql-tables", daemon=True
        ).start()

    def _look(self) -> list[Table]:
        database = Database(self._config)
        try:
            return wanted_tables(self._config, database)
        except exc.DBAPIError as error:
            raise RetriableError(f"{database.name}: {reason_of(error)}") from None
        finally:
            database.close()

    def _watch(self, known: bool) -> None:
        """Ask for new tasks when tables have come or gone."""
        config = self._config
        while True:
            wait_ms = config.table_poll_interval_ms if known else config.connection_backoff_ms
            if self._stopping.wait(wait_ms / 1000):
                return
            try:
                found = self._look()
            except Exception as error:
                logger.warning("tables cannot be looked for: %s; it is tried again", error)
                continue
            known = True
            if found != self._tables:
                self._tables = found
                self.context.request_task_reconfiguration()

    def task_class(self) -> type[SourceTask]:
        """Return the task."""
        return SqlSourceTask

    def task_configs(self, max_tasks: int) -> list[dict[str, str]]:
        """Deal the tables out; a query is read by one task."""
        if self._config.query:
            return [{**self._props, TABLES: "null"}]
        tables = list(self._tables)
        count = min(max_tasks, len(tables))
        return [
            {**self._props, TABLES: json.dumps(tables[number::count])} for number in range(count)
        ]

    def stop(self) -> None:
        """Look for tables no more."""
        self._stopping.set()

    def config(self) -> ConfigDef:
        """Return the options."""
        return definition_of(SqlSourceConfig)

    def validate(self, given: Mapping[str, Any]) -> dict[str, ConfigValue]:
        """Look at options that do not go together, too."""
        found = super().validate(given)
        if not any(one.errors for one in found.values()):
            for name, text in instance_of(SqlSourceConfig, given).problems().items():
                found[name].errors.append(text)
        return found

    def check(self, given: Mapping[str, str]) -> None:
        """Connect, and try the query or look at the tables.

        Raises:
            ConnectError: That does not work.
        """
        config = instance_of(SqlSourceConfig, given)
        database = Database(config, config.isolation)
        try:
            if not database.reachable():
                return
            tables: list[Table] = [] if config.query else wanted_tables(config, database)
            for table in [None] if config.query else tables:
                Querier(config, database, table, None).check()
        except exc.SQLAlchemyError as error:
            raise ConnectError(f"{database.name}: {reason_of(error)}") from None
        finally:
            database.close()

    def alter_offsets(
        self,
        config: Mapping[str, str],
        offsets: Sequence[tuple[Mapping[str, Any], Mapping[str, Any] | None]],
    ) -> bool:
        """Check partitions and offsets."""
        check_offsets(offsets)
        return True


class SqlSourceTask(SourceTask):
    """Reads its tables in turn, each to the end of what is new."""

    def start(self, props: Mapping[str, str]) -> None:
        """Find out where earlier runs have come to."""
        self._config = config = instance_of(SqlSourceConfig, props).checked()
        self._stopping = threading.Event()
        self._database = Database(config, config.isolation)
        given = json.loads(props.get(TABLES) or "null")
        tables: list[Table | None] = (
            [None] if given is None else [(schema, name) for schema, name in given]
        )
        self._queriers = [self._querier(table) for table in tables]
        self._due = [0.0] * len(self._queriers)
        self._current = -1
        self._tries = 0

    def _querier(self, table: Table | None) -> Querier:
        reader = self.context.offset_storage_reader
        bulk = self._config.mode == "bulk"
        partition = QUERY_PARTITION if table is None else partition_of(*table, bulk=bulk)
        offset = reader.offset(partition)
        if offset is None and table is not None:
            offset = reader.offset({"table": table[1]})  # as old versions wrote it
        return Querier(self._config, self._database, table, offset)

    def poll(self) -> list[SourceRecord] | None:
        """Return the next rows of the table whose turn it is.

        Raises:
            RetriableError: The database is away or busy.
            ConnectError: A query is wrong, or a value does not fit its field.
        """
        if self._current < 0:
            now = time.monotonic()
            self._current = min(range(len(self._due)), key=self._due.__getitem__)
            wait_s = self._due[self._current] - now
            if wait_s > 0:
                self._current = -1
                self._stopping.wait(min(wait_s, 0.5))
                return None
        querier = self._queriers[self._current]
        try:
            self._database.connection(self._stopping.wait)
            records = querier.read(self._config.batch_max_rows)
        except RetriableError as error:
            querier.forget()
            raise Retry(str(error), after=self._backoff_s) from None
        except (exc.SQLAlchemyError, OSError) as error:
            raise self._judged(error, querier) from None
        self._tries = 0
        if not querier.reading:
            self._due[self._current] = time.monotonic() + self._config.poll_interval_ms / 1000
            self._current = -1
        return records

    @property
    def _backoff_s(self) -> float:
        return self._config.connection_backoff_ms / 1000

    def _judged(self, error: Exception, querier: Querier) -> Exception:
        fault = fault_of(error, self._database.engine)
        told = f"{querier.name} of {self._database.name}: {reason_of(error)}"
        querier.forget()
        if fault is Fault.LOST:
            self._database.close()
            return Retry(told, after=self._backoff_s)
        self._database.rollback()
        if fault is Fault.BUSY or (fault is Fault.STALE and not self._config.query):
            self._tries += 1
            most = self._config.query_retry_attempts
            if most < 0 or self._tries <= most:
                return Retry(told, after=self._backoff_s)
        return ConnectError(told)

    def stop(self) -> None:
        """Let `poll` return soon."""
        self._stopping.set()

    def close(self) -> None:
        """Disconnect."""
        for querier in getattr(self, "_queriers", ()):
            querier.forget()
        database = getattr(self, "_database", None)
        if database is not None:
            database.close()
