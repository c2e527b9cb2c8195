"""PostgreSQL and MariaDB as servers of their own, for tests: `with postgres(folder) as server`."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from server_process import ServerProcess, account, binary, run

PASSWORD = "secret"


class Database(ServerProcess):
    """A database server that can be stopped, killed, paused and started again.

    Its data lies in a folder of its own below the system's temporary one, which the server's user
    can reach, and which goes when the `with` block ends.

    Attributes:
        url: Where it is, for SQLAlchemy, user and password included.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        url: str,
        connect: Callable[..., Any],
        *,
        data: Path,
        user: tuple[int, int] | None,
        signals: tuple[signal.Signals, signal.Signals],
    ) -> None:
        super().__init__(command, log, user=user, ready=self._answers)
        self.url = url.replace("{port}", str(self.port))
        parts = urlsplit(self.url)
        self.address: dict[str, Any] = {
            "host": parts.hostname, "port": parts.port, "user": parts.username,
            "password": parts.password,
        }  # fmt: skip
        self.database = parts.path[1:]
        self._connect = connect
        self._data = data
        self._signals = signals

    def connect(self, **options: Any) -> Any:
        """Return a connection of psycopg or PyMySQL that commits by itself."""
        return self._connect(**{**self.address, **options})

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements, each committed; return the rows of the last one."""
        with self.connect() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except Exception as error:
            if type(error).__name__ != "OperationalError":
                raise
            return False
        return True

    def stop(self) -> None:
        """End it in good order, whoever is connected."""
        self._end(self._signals[0])

    def kill(self) -> None:
        """End it at once: it recovers from its log when it starts again."""
        self._end(self._signals[1])

    def pause(self) -> None:
        """Stop it and its children where they are: connections stay, nothing answers."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Undo `pause`."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        assert self._process is not None
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for one in (pid, *map(int, children)):
            os.kill(one, number)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self._data, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()


def postgres(folder: Path, **settings: str) -> Database:
    """Return a PostgreSQL that is not started yet; its user is `postgres`, as is its database.

    Args:
        folder: For its log.
        settings: Its settings, such as `wal_level="logical"`. Nothing is forced onto the disk
            unless `fsync="on"` is said.
    """
    import psycopg

    program, initdb = binary("postgres"), binary("initdb")
    user = account("postgres")
    data = _data_folder("pg", user)
    (data / "password").write_text(PASSWORD)
    (data / "password").chmod(0o644)
    run(
        [initdb, "-D", str(data / "db"), "-U", "postgres", "-A", "scram-sha-256", "--no-sync",
         "--pwfile", str(data / "password"), "-E", "UTF8", "--locale", "C.UTF-8"],
        user,
    )  # fmt: skip
    values = {"fsync": "off", "unix_socket_directories": str(data), **settings}
    command = [program, "-D", str(data / "db"), "-h", "127.0.0.1", "-p", "{port}"]
    for name, value in values.items():
        command += ["-c", f"{name}={value}"]

    def connect(**options: Any) -> Any:
        options.setdefault("dbname", "postgres")
        return psycopg.connect(autocommit=True, connect_timeout=10, **options)

    url = f"postgresql+psycopg://postgres:{PASSWORD}@127.0.0.1:{{port}}/postgres"
    return Database(
        command, folder / "postgres.log", url, connect,
        data=data, user=user, signals=(signal.SIGINT, signal.SIGQUIT),
    )  # fmt: skip


def mariadb(folder: Path, **settings: str) -> Database:
    """Return a MariaDB that is not started yet; its user is `aliran`, its database `test`.

    Args:
        folder: For its log.
        settings: Options of mariadbd, such as `log_bin="on", binlog_format="ROW"`.
    """
    import pymysql

    program, install = binary("mariadbd"), binary("mariadb-install-db")
    user = account("mysql")
    data = _data_folder("my", user)
    # Temporary tables, too: two servers that start at once take the same names for them.
    common = ["--no-defaults", f"--datadir={data / 'db'}", f"--tmpdir={data}"]
    run([install, *common, "--auth-root-authentication-method=normal", "--skip-test-db"], user)
    start = data / "start.sql"
    start.write_text(
        f"CREATE USER IF NOT EXISTS aliran@'%' IDENTIFIED BY '{PASSWORD}';\n"
        "GRANT ALL ON *.* TO aliran@'%' WITH GRANT OPTION;\n"
        "CREATE DATABASE IF NOT EXISTS test CHARACTER SET utf8mb4;\n"
    )
    start.chmod(0o644)
    values = {
        "innodb_flush_log_at_trx_commit": "2",
        "innodb_buffer_pool_size": "64M",
        "server_id": "1",
        **settings,
    }
    command = [
        program, *common, "--bind-address=127.0.0.1", "--port={port}", f"--init-file={start}",
        f"--socket={data / 'socket'}", f"--pid-file={data / 'pid'}",
        *(f"--{name}={value}" for name, value in values.items()),
    ]  # fmt: skip

    def connect(**options: Any) -> Any:
        options.setdefault("database", "test")
        return pymysql.connect(autocommit=True, connect_timeout=10, **options)

    url = f"mysql+pymysql://aliran:{PASSWORD}@127.0.0.1:{{port}}/test?charset=utf8mb4"
    return Database(
        command, folder / "mariadb.log", url, connect,
        data=data, user=user, signals=(signal.SIGTERM, signal.SIGKILL),
    )  # fmt: skip


def _data_folder(name: str, user: tuple[int, int] | None) -> Path:
    data = Path(tempfile.mkdtemp(prefix=f"aliran-{name}-"))
    if user is not None:
        os.chown(data, *user)
    return data
