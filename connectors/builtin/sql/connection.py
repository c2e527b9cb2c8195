"""Connections to a database, and what their errors mean."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy
from sqlalchemy import event, exc
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool

from aliran.connectors.builtin.sql.faults import Fault, fault_of, reason_of
from aliran.connectors.builtin.sql.types import Column, of_name, of_sqlalchemy
from aliran.connectors.builtin.sql.urls import url_of
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import Password, at_least, invalid
from aliran.connectors.errors import ConfigError, ConnectError, RetriableError

logger: logging.Logger = logging.getLogger("aliran.connectors")


def check_zone(name: str, value: Any) -> None:
    """Check the name of a time zone."""
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise invalid(name, value, "it is no time zone, such as UTC or Europe/Berlin") from None


def _check_url(_name: str, value: Any) -> None:
    url_of(value or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionConfig:
    """What source and sink have in common."""

    connection_url: Annotated[
        str,
        Option(
            "The database: a URL of SQLAlchemy or of JDBC.",
            importance=Importance.HIGH, validator=_check_url, group="Database",
        ),
    ]  # fmt: skip
    connection_user: Annotated[
        str | None, Option("The user.", importance=Importance.HIGH, group="Database")
    ] = None
    connection_password: Annotated[
        Password | None, Option("The password.", importance=Importance.HIGH, group="Database")
    ] = None
    connection_attempts: Annotated[
        int,
        Option("How often to try to connect, at a time.", validator=at_least(1), group="Database"),
    ] = 3
    connection_backoff_ms: Annotated[
        int,
        Option("Milliseconds between two attempts.", validator=at_least(0), group="Database"),
    ] = 10_000
    db_timezone: Annotated[
        str,
        Option(
            "The zone of times that the database keeps without one.",
            validator=check_zone, group="Database",
        ),
    ] = "UTC"  # fmt: skip
    quote_sql_identifiers: Annotated[
        Literal["always", "never"],
        Option("Whether names are quoted where that matters.", group="Database"),
    ] = "always"


class Database:
    """One database, and the only connection to it that a task has.

    Args:
        config: Where it is.
        isolation: The isolation of transactions; None for the database's own.

    Raises:
        ConfigError: Its driver is not installed.
    """

    def __init__(self, config: ConnectionConfig, isolation: str | None = None) -> None:
        password = config.connection_password
        url = url_of(
            config.connection_url,
            config.connection_user,
            None if password is None else password.value,
        )
        self.name: str = url.render_as_string(hide_password=True)
        self.zone: ZoneInfo = ZoneInfo(config.db_timezone)
        self._quotes = config.quote_sql_identifiers == "always"
        self._attempts = config.connection_attempts
        self._backoff_s = config.connection_backoff_ms / 1000
        options: dict[str, Any] = {"isolation_level": isolation} if isolation else {}
        if url.drivername == "mssql+pyodbc":
            options["fast_executemany"] = True
        try:
            self.engine: Engine = sqlalchemy.create_engine(
                url,
                poolclass=NullPool,
                connect_args=_arguments(url.get_dialect().driver),
                **options,
            )
        except ImportError as error:
            raise ConfigError(
                f"connection.url: the driver of {url.drivername} is not installed: {error}; "
                f"{_advice(url.get_backend_name())}"
            ) from None
        except exc.SQLAlchemyError as error:
            raise ConfigError(
                f"connection.url: SQLAlchemy does not know {url.drivername}: {error}; "
                f"{_advice(url.get_backend_name())}"
            ) from None
        self.backend: str = self.engine.dialect.name
        event.listen(self.engine, "connect", self._set_up)
        self._connection: Connection | None = None

    def quote(self, name: str) -> str:
        """Return a name as it stands in statements."""
        if not self._quotes:
            return name
        preparer = self.engine.dialect.identifier_preparer
        # Where small letters stand for capitals, SQLAlchemy knows which names need quotes.
        folds = self.engine.dialect.requires_name_normalize
        return preparer.quote(name) if folds else preparer.quote_identifier(name)

    def quoted_table(self, schema: str | None, table: str) -> str:
        """Return a table as it stands in statements."""
        parts = [*(schema.split(".") if schema else ()), table]
        return ".".join(self.quote(one) for one in parts)

    def connection(self, wait: Callable[[float], Any] | None = None) -> Connection:
        """Return the connection, made if there is none.

        Args:
            wait: Waits between attempts, and returns true if it was interrupted; None for only
                one attempt.

        Raises:
            RetriableError: The database cannot be reached.
            ConnectError: It does not let us in.
        """
        attempt = 1
        while self._connection is None:
            try:
                self._connection = self.engine.connect()
            except (exc.DBAPIError, OSError) as error:
                told = f"{self.name} cannot be used: {reason_of(error)}"
                if fault_of(error, self.engine) is Fault.FORBIDDEN:
                    raise ConnectError(
                        f"{told}; look at connection.url, connection.user and connection.password"
                    ) from None
                if wait is None or attempt >= self._attempts or wait(self._backoff_s):
                    raise RetriableError(f"{told}; it is tried again") from None
                logger.warning("%s (attempt %s of %s)", told, attempt, self._attempts)
                attempt += 1
        return self._connection

    def _set_up(self, raw: Any, _record: Any) -> None:
        """Prepare a new connection of the driver."""
        if self.engine.dialect.driver == "psycopg":
            from aliran.connectors.builtin.sql.psycopg_setup import prepare

            prepare(raw)
        if self.backend in {"postgresql", "mysql"}:
            # PostgreSQL compares both kinds of times with moments, those without a zone in its own.
            name, zone = ("timezone", str(self.zone))
            if self.backend == "mysql":
                name, zone = "time_zone", "+00:00"
            with raw.cursor() as cursor:
                cursor.execute(f"SET {name} = '{zone}'")
            raw.commit()

    def reachable(self) -> bool:
        """Connect; return false for a file that another process holds, perhaps the connector's own.

        Raises:
            ConnectError: The database cannot be used.
        """
        try:
            self.connection()
        except RetriableError as error:
            if self.backend == "duckdb" and "lock" in str(error):
                return False
            raise
        return True

    def rollback(self) -> None:
        """Undo what is not committed; a connection that is gone is let go of."""
        connection = self._connection
        if connection is None:
            return
        try:
            connection.rollback()
            connection.connection.rollback()
        except Exception as error:
            logger.debug("rolling back on %s: %s", self.name, error)
            self.close()

    def close(self) -> None:
        """Let go of the connection; the next one is new."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                # What a cursor has not read yet is not waited for; PyMySQL would do so even when
                # its connection is closed.
                raw: Any = connection.connection.driver_connection
                if getattr(getattr(raw, "_result", None), "unbuffered_active", False):
                    raw._result.unbuffered_active = False  # noqa: SLF001
                connection.invalidate()
                connection.close()
            except Exception as error:  # it is gone anyway
                logger.debug("closing a connection to %s: %s", self.name, error)

    # ------------------------------------------------------------------ what is in it

    def columns(self, schema: str | None, table: str) -> list[Column]:
        """Return the columns of a table; none if it is not there. Ends the transaction."""
        connection = self.connection()
        try:
            return self._columns(connection, schema, table)
        finally:
            connection.rollback()

    def _columns(self, connection: Connection, schema: str | None, table: str) -> list[Column]:
        if self.backend == "duckdb":
            rows = connection.exec_driver_sql(
                "SELECT column_name, data_type, is_nullable, column_default FROM duckdb_columns() "
                "WHERE table_name = $1 AND schema_name = coalesce($2, current_schema()) "
                "AND database_name = current_database() ORDER BY column_index",
                (table, schema),
            )
            return [
                Column(name, of_name(kind), bool(nullable), "nextval" in str(default))
                for name, kind, nullable, default in rows
            ]
        inspector = sqlalchemy.inspect(connection)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", exc.SAWarning)  # types it does not know: they are OTHER
            try:
                found = inspector.get_columns(table, schema)
                key = inspector.get_pk_constraint(table, schema)["constrained_columns"]
            except exc.NoSuchTableError:
                return []
        alone = key[0] if len(key) == 1 and self.backend == "sqlite" else None
        return [
            Column(
                one["name"],
                of_sqlalchemy(one["type"], self.backend),
                bool(one["nullable"]) and one["name"] != alone,
                _counts(one) or one["name"] == alone,
            )
            for one in found
        ]

    def tables(self, schema: str | None, kinds: Iterable[str]) -> list[tuple[str | None, str]]:
        """Return schema and name of the tables (and views, where `kinds` says so)."""
        connection = self.connection()
        try:
            return self._tables(connection, schema, set(kinds))
        finally:
            connection.rollback()

    def _tables(
        self, connection: Connection, schema: str | None, kinds: set[str]
    ) -> list[tuple[str | None, str]]:
        inspector = sqlalchemy.inspect(connection)
        schemas: list[str | None] = [schema]
        if schema is None and self.backend in {"postgresql", "duckdb"}:
            hidden = {"information_schema", "pg_catalog"}
            names = {one.rpartition(".")[2].strip('"') for one in inspector.get_schema_names()}
            schemas = [one for one in sorted(names) if one not in hidden]
        elif schema is None and self.backend != "sqlite":
            schemas = [inspector.default_schema_name]
        found: list[tuple[str | None, str]] = []
        for one in schemas:
            if "TABLE" in kinds:
                found += [(one, name) for name in inspector.get_table_names(one)]
            if "VIEW" in kinds:
                found += [(one, name) for name in inspector.get_view_names(one)]
        return found


def _counts(column: Any) -> bool:
    default = str(column.get("default") or "")
    return column.get("autoincrement") is True or bool(
        column.get("identity") or default.startswith("nextval(")
    )


def _arguments(driver: str) -> dict[str, Any]:
    """Return what the driver is told: not to wait for ever."""
    return {
        "psycopg": {"connect_timeout": 10, "keepalives_idle": 30, "tcp_user_timeout": 60_000},
        "psycopg2": {"connect_timeout": 10},
        "pymysql": {"connect_timeout": 10, "read_timeout": 600, "write_timeout": 600},
        "pysqlite": {"timeout": 10, "check_same_thread": False},
    }.get(driver, {})


def _advice(backend: str) -> str:
    extra = {"postgresql": "postgres", "mysql": "mysql", "duckdb": "duckdb"}.get(backend)
    package = {
        "oracle": "oracledb", "mssql": "pymssql", "hana": "sqlalchemy-hana hdbcli",
    }.get(backend, "its package")  # fmt: skip
    return f"pip install 'aliran[{extra}]'" if extra else f"pip install {package}"
