"""Connections to a PostgreSQL, and what its errors mean for a user."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any, NoReturn

import psycopg2
from psycopg2.extras import LogicalReplicationConnection, ReplicationCursor

from aliran.connectors.builtin.postgres_cdc.config import PostgresCdcConfig
from aliran.connectors.errors import ConnectError, RetriableError

_STYLE = (
    "-c DateStyle=ISO -c IntervalStyle=postgres -c TimeZone=UTC -c extra_float_digits=3 "
    "-c bytea_output=hex -c client_encoding=UTF8"
)
_HOPELESS = re.compile(
    r"authentication failed|no password supplied|no pg_hba.conf entry|role .* does not exist|"
    r"database .* does not exist|not permitted to log in|permission denied for database|"
    r"must be superuser or replication role|SSL|certificate|could not translate host name .* "
    r"to address: Name or service not known"
)
_AWAY_CODES = ("08", "57P", "53")


class AwayError(RetriableError):
    """The server cannot be reached now.

    Attributes:
        after: Seconds until it is asked again.
    """

    after: float = 1.0


class Server:
    """Makes connections, and holds the one for questions.

    Args:
        config: Says where.
    """

    def __init__(self, config: PostgresCdcConfig) -> None:
        self._config = config
        self._control: Any = None
        self.place: str = f"{config.database_hostname}:{config.database_port}"

    def _connect(self, **more: Any) -> Any:
        config = self._config
        password, key_password = config.database_password, config.database_sslpassword
        options: dict[str, Any] = {
            "host": config.database_hostname,
            "port": config.database_port,
            "user": config.database_user,
            "password": None if password is None else password.value,
            "dbname": config.database_dbname,
            "sslmode": config.database_sslmode,
            "sslrootcert": config.database_sslrootcert,
            "sslcert": config.database_sslcert,
            "sslkey": config.database_sslkey,
            "sslpassword": None if key_password is None else key_password.value,
            "connect_timeout": 10,
            "keepalives_idle": 20,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 30_000,
            "application_name": f"aliran {config.slot_name}",
            "options": _STYLE,
        }
        given = {name: value for name, value in options.items() if value is not None}
        try:
            return psycopg2.connect(**given, **more)
        except psycopg2.OperationalError as error:
            what = first_line(error)
            if _HOPELESS.search(str(error)):
                raise ConnectError(
                    f"cannot log in to PostgreSQL at {self.place}, database "
                    f"{config.database_dbname!r}, as {config.database_user!r}: {what}"
                ) from error
            raise AwayError(f"PostgreSQL at {self.place} cannot be reached: {what}") from error

    def open(self) -> None:
        """Connect.

        Raises:
            AwayError: The server is away.
            ConnectError: It lets nobody in.
        """
        if self._control is None:
            self._control = self._connect()
            self._control.autocommit = True

    def close(self) -> None:
        """Close the connection for questions."""
        control, self._control = self._control, None
        if control is not None:
            with contextlib.suppress(psycopg2.Error):
                control.close()

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows.

        Raises:
            AwayError: The server is away.
            psycopg2.Error: The statement is wrong.
        """
        self.open()
        with self._translating(), self._control.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall()) if cursor.description else []

    def copy(self, statements: list[str], copy: str, target: Any) -> list[tuple[Any, ...]]:
        """In one transaction, and so in one snapshot, run statements and a COPY into `target`.

        Returns:
            The first row of each statement; the first one must have some.
        """
        self.open()
        rows: list[tuple[Any, ...]] = []
        with self._translating(), self._control.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            try:
                for statement in statements:
                    cursor.execute(statement)
                    rows.append(cursor.fetchone())
                cursor.copy_expert(copy, target)
            finally:
                if not self._control.closed:
                    cursor.execute("ROLLBACK")
        return rows

    @contextlib.contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except psycopg2.Error as error:
            self.check_away(error)
            raise

    def check_away(self, error: psycopg2.Error) -> None:
        """Raise AwayError if an error means that the connection or the server is gone."""
        code, text = error.pgcode, str(error)
        gone = not text.startswith("ERROR:") and not isinstance(error, psycopg2.ProgrammingError)
        if code.startswith(_AWAY_CODES) if code else gone:
            self.close()
            raise AwayError(f"PostgreSQL at {self.place} went away: {first_line(error)}") from error

    def replication(self) -> tuple[Any, ReplicationCursor]:
        """Return a connection for replication, and its cursor."""
        connection = self._connect(connection_factory=LogicalReplicationConnection)
        return connection, connection.cursor()


def first_line(error: BaseException) -> str:
    """Return what an error of PostgreSQL says, without its context."""
    lines = [one.strip() for one in str(error).strip().splitlines() if one.strip()]
    kept = [one for one in lines if not one.startswith(("LINE", "^", "CONTEXT"))]
    return "; ".join(kept[:3]).removeprefix("FATAL:").removeprefix("ERROR:").strip()


def refused(what: str, error: psycopg2.Error, advice: str) -> NoReturn:
    """Raise what a statement that the server refuses means."""
    raise ConnectError(f"{what}: {first_line(error)}. {advice}") from error


def lsn_of(text: str) -> int:
    """Return a position such as "0/16B3748" as a number."""
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def lsn_text(lsn: int) -> str:
    """Return a position as PostgreSQL writes it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"
