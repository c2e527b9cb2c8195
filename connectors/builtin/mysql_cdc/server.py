"""Connections to MySQL and MariaDB, and what their errors mean for a user."""

from __future__ import annotations

import contextlib
import ssl
import time
from typing import Any

import pymysql
from pymysql import converters
from pymysql.cursors import SSCursor

from aliran.connectors.builtin.mysql_cdc.config import MySqlCdcConfig
from aliran.connectors.errors import ConnectError, RetriableError

_AWAY = {1040, 1053, 1152, 1158, 1159, 1160, 1161, 1205, 1213, 1927, 2002, 2003, 2006, 2013, 2014}


class AwayError(RetriableError):
    """The server cannot be reached now.

    Attributes:
        after: Seconds until it is asked again.
    """

    after: float = 1.0


def told(error: BaseException) -> str:
    """Return what an error of the server says."""
    return str(error.args[-1] if error.args else error) or type(error).__name__


class Server:
    """Makes connections, and holds the one for questions.

    Args:
        config: Says where.

    Attributes:
        place: Where it is, for messages.
        mariadb: Whether it is a MariaDB; known once connected.
    """

    def __init__(self, config: MySqlCdcConfig) -> None:
        self._config = config
        self._control: Any = None
        self.place: str = f"{config.database_hostname}:{config.database_port}"
        self.mariadb: bool = True

    def connect(self) -> Any:
        """Return a new connection, which gives all values as bytes.

        Raises:
            AwayError: The server is away.
            ConnectError: It lets nobody in.
        """
        config = self._config
        password = config.database_password
        timeout = max(config.connect_timeout_ms // 1000, 1)
        try:
            made = pymysql.connect(
                host=config.database_hostname,
                port=config.database_port,
                user=config.database_user,
                password="" if password is None else password.value,
                charset="utf8mb4",
                conv=converters.encoders,
                use_unicode=False,
                autocommit=True,
                connect_timeout=timeout,
                # until it has logged in: a server that is stopped takes connections, too
                read_timeout=timeout,
                **self._ssl(),
            )
        except (pymysql.Error, OSError) as error:
            raise self._refused(error) from error
        made._read_timeout = None  # noqa: SLF001
        if config.database_ssl_mode not in {"disabled", "preferred"}:
            self._must_be_encrypted(made)
        self.mariadb = "mariadb" in str(made.server_version).lower()
        with made.cursor() as cursor:
            cursor.execute("SET time_zone = '+00:00', net_write_timeout = 3600")
        return made

    def _ssl(self) -> dict[str, Any]:
        config = self._config
        mode = config.database_ssl_mode
        if mode == "disabled":
            return {"ssl_disabled": True}
        if mode == "preferred" and not config.database_ssl_ca and not config.database_ssl_cert:
            return {}
        try:
            context = ssl.create_default_context(cafile=config.database_ssl_ca)
            context.check_hostname = mode == "verify_identity"
            if mode in {"preferred", "required"}:
                context.verify_mode = ssl.CERT_NONE
            if config.database_ssl_cert:
                context.load_cert_chain(config.database_ssl_cert, config.database_ssl_key)
        except OSError as error:
            raise ConnectError(f"database.ssl.ca, .cert or .key cannot be read: {error}") from error
        return {"ssl": context}

    def _must_be_encrypted(self, made: Any) -> None:
        with made.cursor() as cursor:
            cursor.execute("SHOW STATUS LIKE 'Ssl_cipher'")
            if cursor.fetchone()[1]:
                return
        made.close()
        raise ConnectError(
            f"{self.place} does not encrypt connections, and database.ssl.mode="
            f"{self._config.database_ssl_mode} demands it"
        )

    def _refused(self, error: Exception) -> ConnectError:
        code = error.args[0] if error.args else 0
        if code in _AWAY or not isinstance(error, pymysql.OperationalError):
            if "certificate" in str(error):
                return ConnectError(f"the certificate of {self.place} is not good: {told(error)}")
            return AwayError(f"{self.place} cannot be reached: {told(error)}; it is tried again")
        return ConnectError(
            f"cannot log in to {self.place} as {self._config.database_user!r}: {told(error)}"
        )

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows, values as bytes.

        Raises:
            AwayError: The server is away.
            pymysql.Error: The statement is wrong.
        """
        if self._control is None:
            self._control = self.connect()
        return self.run(self._control, statement, *values)

    def run(self, connection: Any, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a statement on a connection."""
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                return list(cursor.fetchall() or ())
        except (pymysql.Error, OSError) as error:
            self.check_away(error)
            raise

    def stream(self, connection: Any, statement: str) -> Any:
        """Run a statement whose rows come as they are asked for; return the cursor."""
        try:
            cursor = connection.cursor(SSCursor)
            cursor.execute(statement)
        except (pymysql.Error, OSError) as error:
            self.check_away(error)
            raise
        return cursor

    def variable(self, name: str) -> str:
        """Return a variable of the server, "" where it has none of the name."""
        found = self.query("SHOW GLOBAL VARIABLES LIKE %s", name)
        return text(found[0][1]) if found else ""

    def check_away(self, error: Exception) -> None:
        """Raise AwayError if an error means that the connection or the server is gone."""
        code = error.args[0] if error.args else 0
        lost = isinstance(error, pymysql.OperationalError | pymysql.InterfaceError)
        if (lost and code in {*_AWAY, 0}) or isinstance(error, OSError):
            self.close()
            raise AwayError(f"{self.place} went away: {told(error)}; it is tried again") from error

    def close(self) -> None:
        """Close the connection for questions."""
        control, self._control = self._control, None
        shut(control)


def shut(connection: Any) -> None:
    """Close a connection without a word to the server, which may not listen."""
    if connection is not None:
        with contextlib.suppress(Exception):
            connection._force_close()  # noqa: SLF001


def text(value: Any) -> str:
    """Return a value of a query as text, "" for null."""
    if value is None:
        return ""
    return value.decode() if isinstance(value, bytes) else str(value)


def quoted(*names: str) -> str:
    """Return names as MySQL quotes them, joined by dots."""
    return ".".join("`" + one.replace("`", "``") + "`" for one in names)


def now_micros() -> int:
    """Return the time, in microseconds since 1970."""
    return time.time_ns() // 1000
