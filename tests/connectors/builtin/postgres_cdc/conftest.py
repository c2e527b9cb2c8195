from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import psycopg2
import pytest
from confluent_kafka import Consumer
from databases import PASSWORD, Database, postgres
from tests.connectors.conftest import JSON, Connect, eventually

PLAIN: dict[str, Any] = {
    "key.converter": JSON, "key.converter.schemas.enable": "false",
    "value.converter": JSON, "value.converter.schemas.enable": "false",
    "heartbeat.interval.ms": "200", "status.update.interval.ms": "200",
    "aliran.restart.attempts": "0",
}  # fmt: skip


class Shop:
    """A database of its own on the server, and a connector that captures it."""

    def __init__(self, connect: Connect, server: Database, name: str) -> None:
        self.connect = connect
        self.server = server
        self.name = name
        self._consumers: list[Consumer] = []
        server.execute(f"CREATE DATABASE {name}")
        self._connection: Any = psycopg2.connect(dbname=name, **server.address)
        self._connection.autocommit = True

    def reconnect(self) -> None:
        """Use a new connection from now on: the server was away."""
        self._connection.close()

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements, each committed by itself; return the rows of the last one."""
        if self._connection.closed:
            self._connection = psycopg2.connect(dbname=self.name, **self.server.address)
            self._connection.autocommit = True
        with self._connection.cursor() as cursor:
            for each in statements:
                cursor.execute(each)
            return list(cursor.fetchall()) if cursor.description else []

    def config(self, **options: Any) -> dict[str, Any]:
        """Return a configuration."""
        return {
            "connector.class": "PostgresCdcSource",
            "database.hostname": "127.0.0.1",
            "database.port": self.server.port,
            "database.user": "postgres",
            "database.password": PASSWORD,
            "database.dbname": self.name,
            "topic.prefix": self.name,
            "slot.name": self.name,
            **PLAIN,
            **{option.replace("__", "."): value for option, value in options.items()},
        }

    def capture(self, **options: Any) -> None:
        """Make the connector; unless `streams` is false wait until its snapshot is done."""
        streams = options.pop("streams", True)
        config = {name: str(value) for name, value in self.config(**options).items()}
        answer = self.connect.rest.put(f"/connectors/{self.name}/config", json=config)
        assert answer.status_code in {200, 201}, answer.text
        self.connect.status(self.name, wait="RUNNING")
        if streams:
            eventually(lambda: self.details().get("snapshot") == "done")

    def refused(self, **options: Any) -> str:
        """Try to make a connector that the worker refuses; return why."""
        config = {name: str(value) for name, value in self.config(**options).items()}
        answer = self.connect.rest.put(f"/connectors/{self.name}/config", json=config)
        assert answer.status_code == 400
        return answer.text

    def stop(self) -> None:
        """Stop the connector."""
        assert self.connect.rest.put(f"/connectors/{self.name}/stop").status_code == 204

    def resume(self) -> None:
        """Start it again."""
        assert self.connect.rest.put(f"/connectors/{self.name}/resume").status_code == 202

    def trace(self) -> str:
        """Return why the task has failed, once it has."""

        def failed() -> str | None:
            tasks = self.connect.status(self.name)["tasks"]
            found: str | None = tasks[0].get("trace") if tasks else None
            return found

        return str(eventually(failed))

    def details(self) -> dict[str, Any]:
        """Return the details in the status."""
        found: dict[str, Any] = self.connect.status(self.name)["tasks"][0].get("details", {})
        return found

    def read(self, topic: str, count: int) -> list[tuple[Any, Any]]:
        """Return that many keys and values of a topic, of which "public.t" is the end."""
        messages = self.connect.read(f"{self.name}.{topic}", count)
        found = [(_plain(one.key()), _plain(one.value())) for one in messages]
        assert len(found) >= count, found
        return found

    def follow(self, topic: str) -> Callable[[Callable[[list[tuple[Any, Any]]], bool]], Any]:
        """Return what reads a topic on until something is true of all that was read."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.connect.server.bootstrap_servers,
                "group.id": f"follow-{self.name}-{time.monotonic_ns()}",
                "auto.offset.reset": "earliest", "enable.auto.commit": False,
                "topic.metadata.refresh.interval.ms": 200,
            }
        )  # fmt: skip
        consumer.subscribe([f"{self.name}.{topic}"])
        found: list[tuple[Any, Any]] = []

        def until(ready: Callable[[list[tuple[Any, Any]]], bool]) -> list[tuple[Any, Any]]:
            deadline = time.monotonic() + 30
            while not ready(found):
                assert time.monotonic() < deadline, found[-5:]
                found.extend(
                    (_plain(one.key()), _plain(one.value()))
                    for one in consumer.consume(500, timeout=0.1)
                    if one.error() is None
                )
            return found

        self._consumers.append(consumer)
        return until

    def close(self) -> None:
        """Take connector, slot and database away."""
        self.connect.rest.delete(f"/connectors/{self.name}")
        for consumer in self._consumers:
            consumer.close()
        self._connection.close()
        self.server.execute(
            "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots "
            f"WHERE database = '{self.name}' AND active_pid IS NOT NULL"
        )
        gone = (
            f"SELECT count(*) FROM pg_replication_slots WHERE database = '{self.name}' AND active"
        )
        eventually(lambda: self.server.execute(gone) == [(0,)])
        self.server.execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots "
            f"WHERE database = '{self.name}'",
            f"DROP DATABASE {self.name} WITH (FORCE)",
        )


def _plain(data: bytes | None) -> Any:
    return None if data is None else json.loads(data)


def folded(records: list[tuple[Any, Any]]) -> dict[str, Any]:
    """Return the rows that a topic holds when it is compacted: by keys as texts."""
    rows: dict[str, Any] = {}
    for key, value in records:
        name = json.dumps(key)
        if value is None or value["op"] == "d":
            rows.pop(name, None)
        else:
            rows[name] = value["after"]
    return rows


SETTINGS: Mapping[str, str] = {
    "wal_level": "logical", "max_replication_slots": "20", "max_wal_senders": "20",
    "max_slot_wal_keep_size": "64MB", "max_wal_size": "64MB", "min_wal_size": "32MB",
}  # fmt: skip


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with postgres(tmp_path_factory.mktemp("postgres"), **SETTINGS) as running:
        yield running


@pytest.fixture
def shop(connect: Connect, server: Database, request: pytest.FixtureRequest) -> Iterator[Shop]:
    name = "s" + str(abs(hash(request.node.nodeid)) % 10**9)
    made = Shop(connect, server, name)
    yield made
    made.close()
