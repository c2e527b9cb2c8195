from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from databases import PASSWORD, Database, mariadb
from tests.connectors.conftest import JSON, Connect, eventually

SETTINGS: Mapping[str, str] = {
    "log_bin": "bin", "binlog_format": "ROW", "binlog_row_metadata": "FULL",
}  # fmt: skip
PLAIN = {
    "key.converter": JSON, "key.converter.schemas.enable": "false",
    "value.converter": JSON, "value.converter.schemas.enable": "false",
    "aliran.restart.attempts": "0", "include.schema.changes": "false",
}  # fmt: skip


class Shop:
    """A database of its own on the server, and a connector that captures it."""

    def __init__(self, connect: Connect, server: Database, name: str) -> None:
        self.connect = connect
        self.server = server
        self.name = name
        server.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")

    def execute(self, *statements: str, **options: Any) -> list[tuple[Any, ...]]:
        """Run statements, each committed by itself; return the rows of the last one."""
        with (
            self.server.connect(database=self.name, **options) as connection,
            connection.cursor() as cursor,
        ):
            for one in statements:
                cursor.execute(one)
            return list(cursor.fetchall())

    def config(self, **options: Any) -> dict[str, str]:
        """Return a configuration."""
        config = {
            "connector.class": "MariaDbCdcSource",
            "database.hostname": "127.0.0.1", "database.port": self.server.port,
            "database.user": "aliran", "database.password": PASSWORD,
            "database.include.list": self.name, "topic.prefix": "my",
            **PLAIN,
            **{option.replace("__", "."): value for option, value in options.items()},
        }  # fmt: skip
        return {option: str(value) for option, value in config.items()}

    def capture(self, *, wait: str = "RUNNING", **options: Any) -> dict[str, Any]:
        """Make the connector."""
        answer = self.connect.rest.put(
            f"/connectors/{self.name}/config", json=self.config(**options)
        )
        assert answer.status_code in {200, 201}, answer.text
        return self.connect.status(self.name, wait=wait)

    def refused(self, **options: Any) -> str:
        """Return why the connector is not made."""
        answer = self.connect.rest.put(
            f"/connectors/{self.name}/config", json=self.config(**options)
        )
        assert answer.status_code == 400, answer.text
        return answer.text

    def stop(self) -> None:
        """Stop the connector."""
        assert self.connect.rest.put(f"/connectors/{self.name}/stop").status_code == 204

    def resume(self) -> None:
        """Start it again."""
        assert self.connect.rest.put(f"/connectors/{self.name}/resume").status_code == 202

    def trace(self) -> str:
        """Return why the task has failed, once it has."""

        def failed() -> Any:
            tasks = self.connect.status(self.name)["tasks"]
            return tasks and tasks[0].get("trace")

        return str(eventually(failed))

    def offset(self) -> dict[str, Any]:
        """Return what is stored."""
        found = self.connect.rest.get(f"/connectors/{self.name}/offsets").json()["offsets"]
        return dict(found[0]["offset"]) if found else {}

    def read(self, table: str, count: int) -> list[tuple[Any, Any]]:
        """Return that many keys and values of a table's topic."""
        return self.read_topic(f"my.{self.name}.{table}", count)

    def read_topic(self, topic: str, count: int) -> list[tuple[Any, Any]]:
        """Return that many keys and values of a topic."""
        found = [(plain(m.key()), plain(m.value())) for m in self.connect.read(topic, count)]
        assert len(found) >= count, (found, self.connect.status(self.name))
        return found


def plain(data: bytes | None) -> Any:
    return None if data is None else json.loads(data)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with mariadb(tmp_path_factory.mktemp("mariadb"), **SETTINGS) as running:
        yield running


@pytest.fixture
def shop(connect: Connect, server: Database, request: pytest.FixtureRequest) -> Iterator[Shop]:
    name = "s" + str(abs(hash(request.node.nodeid)) % 10**9)
    made = Shop(connect, server, name)
    yield made
    connect.rest.delete(f"/connectors/{name}")
    server.execute(f"DROP DATABASE {name}")
