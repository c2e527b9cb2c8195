from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer, Producer

from aliran.broker.embedded import EmbeddedBroker
from aliran.connectors.server import ConnectServer

STRING = "org.apache.kafka.connect.storage.StringConverter"
JSON = "org.apache.kafka.connect.json.JsonConverter"


class Connect:
    """A worker and its REST interface, as tests use it."""

    def __init__(self, server: ConnectServer) -> None:
        self.server = server
        self.rest = httpx.Client(base_url=server.url, timeout=30)

    def put(self, name: str, kind: str, **options: Any) -> dict[str, Any]:
        """Make a connector, texts as converters unless said otherwise; wait until it runs."""
        config = {
            "connector.class": kind,
            "key.converter": STRING,
            "value.converter": STRING,
            **{option.replace("__", "."): str(value) for option, value in options.items()},
        }
        answer = self.rest.put(f"/connectors/{name}/config", json=config)
        assert answer.status_code in {200, 201}, answer.text
        return self.status(name, wait="RUNNING")

    def status(self, name: str, **parameters: str) -> dict[str, Any]:
        """Return a status, once it is what is waited for."""
        answer = self.rest.get(f"/connectors/{name}/status", params=parameters)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def read(self, topic: str, count: int) -> list[Any]:
        """Return that many messages of a topic."""
        return read_topic(self.server.bootstrap_servers, topic, count)

    def write(self, topic: str, *values: bytes, headers: Any = None) -> None:
        """Write values to a topic."""
        producer = Producer({"bootstrap.servers": self.server.bootstrap_servers})
        for value in values:
            producer.produce(topic, value, headers=headers)
        producer.flush()


def read_topic(bootstrap_servers: str, topic: str, count: int) -> list[Any]:
    """Return that many messages of a topic, or what is there after half a minute."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": f"read-{topic}-{time.monotonic_ns()}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "topic.metadata.refresh.interval.ms": 200,
        }
    )
    consumer.subscribe([topic])
    found: list[Any] = []
    deadline = time.monotonic() + 30
    while len(found) < count and time.monotonic() < deadline:
        found += [one for one in consumer.consume(500, timeout=0.2) if one.error() is None]
    consumer.close()
    return found


def numbers(broker: EmbeddedBroker, topic: str, count: int) -> set[int]:
    """Return the numbers in a topic, where some may come twice, once there are so many."""
    found: set[int] = set()
    read: list[Any] = []
    while len(found) < count:
        wanted = max(count, len(read) + 1)
        read = read_topic(broker.bootstrap_servers, topic, wanted)
        found = {int(one.value()) for one in read}
        assert len(read) >= wanted, f"{len(found)} of {count} numbers, {len(read)} records"
    return found


def eventually(ready: Callable[[], Any], timeout_s: float = 30) -> Any:
    """Return what `ready` returns once it is true."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = ready()
        if found or time.monotonic() > deadline:
            assert found
            return found
        time.sleep(0.05)


@pytest.fixture(scope="module")
def worker_options() -> Mapping[str, str]:
    return {"offset.flush.interval.ms": "200"}


@pytest.fixture(scope="module")
def connect(
    tmp_path_factory: pytest.TempPathFactory, worker_options: Mapping[str, str]
) -> Iterator[Connect]:
    folder = tmp_path_factory.mktemp("connect")
    options = {"listeners": "http://127.0.0.1:0", "aliran.data.dir": str(folder), **worker_options}
    with EmbeddedBroker() as broker, ConnectServer(options, broker=broker) as server:
        made = Connect(server)
        yield made
        made.rest.close()


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """A file of three lines."""
    path = tmp_path / "lines.txt"
    path.write_text("one\ntwo\nthree\n")
    return path
