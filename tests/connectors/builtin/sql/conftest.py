from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
import sqlalchemy
from confluent_kafka import Producer
from databases import Database, mariadb, postgres
from sqlalchemy.pool import NullPool
from tests.connectors.conftest import JSON, Connect

Row = tuple[Any, ...]


class Place:
    """A database as the tests use it."""

    def __init__(self, name: str, url: str, server: Database | None = None) -> None:
        self.name = name
        self.url = url
        self.server = server
        self.engine = sqlalchemy.create_engine(url, poolclass=NullPool)

    def run(self, *statements: str) -> list[Row]:
        """Run statements in one transaction; return the rows of the last."""
        rows: list[Row] = []
        with self.engine.begin() as connection:
            cursor = connection.connection.cursor()
            for one in statements:
                cursor.execute(one)
                rows = [tuple(row) for row in cursor.fetchall()] if cursor.description else []
            cursor.close()
        return rows

    def rows(self, query: str) -> list[Row]:
        """Return the rows of a query, none while the table is not there."""
        try:
            return self.run(query)
        except self.engine.dialect.loaded_dbapi.Error:
            return []

    @property
    def options(self) -> dict[str, str]:
        """The options that name it."""
        return {
            "connection__url": self.url, "connection__backoff__ms": "200",
            "retry__backoff__ms": "200",
        }  # fmt: skip


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Place]]:
    """Give databases by name, each started when it is first asked for."""
    places: dict[str, Place] = {}
    folder = tmp_path_factory.mktemp("sql")

    def place(name: str) -> Place:
        if name not in places:
            if name in {"sqlite", "duckdb"}:
                places[name] = Place(name, f"{name}:///{folder / name}.db")
            else:
                server = {"postgres": postgres, "mariadb": mariadb}[name](folder).start()
                places[name] = Place(name, server.url, server)
        return places[name]

    yield place
    for one in places.values():
        if one.server is not None:
            one.server.__exit__(None, None, None)


@pytest.fixture(params=["postgres", "mariadb", "sqlite", "duckdb"])
def place(request: pytest.FixtureRequest, servers: Callable[[str], Place]) -> Place:
    found: Place = servers(request.param)
    return found


def on(*names: str) -> pytest.MarkDecorator:
    """Run a test on some of the databases: what it tests is the same on the others."""
    return pytest.mark.parametrize("place", names, indirect=True)


@pytest.fixture
def pg(servers: Callable[[str], Place]) -> Place:
    return servers("postgres")


def wrapped(value: Any, types: Mapping[str, Any]) -> bytes | None:
    """Return a value as JsonConverter writes it with its schema; types are names or schemas."""
    if value is None:
        return None
    fields = [
        {"field": name, **({"type": kind, "optional": True} if isinstance(kind, str) else kind)}
        for name, kind in types.items()
    ]
    return json.dumps({"schema": {"type": "struct", "fields": fields}, "payload": value}).encode()


def produce(
    connect: Connect, topic: str, records: Sequence[tuple[bytes | None, bytes | None]]
) -> None:
    """Write keys and values to a topic."""
    producer = Producer({"bootstrap.servers": connect.server.bootstrap_servers})
    for key, value in records:
        while True:
            try:
                producer.produce(topic, value, key)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush()


def sink(connect: Connect, place: Place, name: str, **options: Any) -> None:
    """Make a sink of a topic of its name; keys and values are JSON with schemas."""
    connect.put(
        name, "SqlSink",
        **{"topics": name, "key__converter": JSON, "value__converter": JSON, **place.options,
           "consumer__override__auto.offset.reset": "earliest", **options},
    )  # fmt: skip
