from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer, Producer
from connect_process import ConnectProcess
from real_kafka import RealKafka
from tests.connectors.conftest import STRING, Connect, eventually

from aliran.connectors.errors import ConfigError, ConnectError
from aliran.connectors.runtime.cluster import Cluster
from aliran.connectors.runtime.exactly_once import fence, transactional_id
from aliran.connectors.runtime.offsets import read_offsets
from aliran.connectors.server import ConnectServer

pytestmark = pytest.mark.xdist_group("real-kafka")

TROUBLE = "tests.connectors.runtime.isolation_parts.TroubleSource"
ENABLED = {
    "exactly.once.source.support": "enabled", "offset.storage.topic": "connect-offsets",
    "offset.storage.partitions": "2", "group.id": "workers",
}  # fmt: skip


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealKafka]:
    if shutil.which("java") is None or shutil.which("mvn") is None:
        pytest.skip("a Kafka with transactions needs java and mvn")
    try:
        server = RealKafka(tmp_path_factory.mktemp("kafka"))
    except RuntimeError as error:
        pytest.skip(str(error))
    with server:
        yield server


@pytest.fixture(scope="module")
def once(kafka: RealKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connect]:
    folder = tmp_path_factory.mktemp("once")
    options = {
        **ENABLED, "bootstrap.servers": kafka.bootstrap_servers, "aliran.data.dir": str(folder),
        "listeners": "http://127.0.0.1:0", "offset.flush.interval.ms": "200",
    }  # fmt: skip
    with ConnectServer(options) as server:
        made = Connect(server)
        yield made
        made.rest.close()


def committed(bootstrap_servers: str, topic: str, last: str, timeout_s: float = 30) -> list[str]:
    """Return the committed values of a topic of one partition, up to `last`."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers, "group.id": f"look-{time.monotonic_ns()}",
            "auto.offset.reset": "earliest", "isolation.level": "read_committed",
            "topic.metadata.refresh.interval.ms": 200,
        }
    )  # fmt: skip
    consumer.subscribe([topic])
    found: list[str] = []
    deadline = time.monotonic() + timeout_s
    while last not in found and time.monotonic() < deadline:
        messages = consumer.consume(500, timeout=0.2)
        found += [(one.value() or b"").decode() for one in messages if one.error() is None]
    consumer.close()
    return found


def numbers(until: int) -> list[str]:
    return [str(n) for n in range(1, until + 1)]


@pytest.mark.parametrize("boundary", ["poll", "interval"])
def test_records_and_offsets_are_committed_together(once: Connect, boundary: str) -> None:
    options = {"transaction.boundary": boundary, "transaction.boundary.interval.ms": "100"}
    once.put(boundary, TROUBLE, topic=boundary, count=25, batch=10, **options)

    servers = once.server.bootstrap_servers
    assert committed(servers, boundary, "25") == numbers(25)
    table = read_offsets(Cluster(servers), "connect-offsets")
    assert table.get(boundary, {"id": "0"}) == {"n": 25}
    shown = once.rest.get(f"/connectors/{boundary}/offsets").json()["offsets"]
    assert shown == [{"partition": {"id": "0"}, "offset": {"n": 25}}]


def test_a_connector_says_where_transactions_end(once: Connect) -> None:
    options = {"transaction.boundary": "connector", "exactly.once.support": "required"}
    once.put(
        "marked", TROUBLE, topic="marked", count=20, batch=10, marks="5=commit,9=abort", **options
    )

    found = committed(once.server.bootstrap_servers, "marked", "20")
    assert found == numbers(5) + numbers(20)[9:]  # 6 to 9 were dropped


def test_offsets_may_have_a_topic_of_the_connector(once: Connect) -> None:
    once.put("own", TROUBLE, topic="own", count=3, **{"offsets.storage.topic": "own-offsets"})
    servers = once.server.bootstrap_servers
    assert committed(servers, "own", "3") == numbers(3)
    assert read_offsets(Cluster(servers), "own-offsets").get("own", {"id": "0"}) == {"n": 3}

    once.rest.put("/connectors/own/stop")
    rows = [{"partition": {"id": "0"}, "offset": {"n": 1}}]
    assert once.rest.patch("/connectors/own/offsets", json={"offsets": rows}).status_code == 200
    once.rest.put("/connectors/own/resume")

    eventually(lambda: committed(servers, "own", "none", 1) == ["1", "2", "3", "2", "3"])


def test_an_earlier_generation_is_fenced(kafka: RealKafka) -> None:
    cluster = Cluster(kafka.bootstrap_servers)
    name = transactional_id("workers", "fenced", 0)
    zombie = Producer({"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": name})
    zombie.init_transactions(30)
    zombie.begin_transaction()
    zombie.produce("fenced", b"late")
    zombie.flush(30)

    fence(cluster, "workers", "fenced", 1)

    with pytest.raises(Exception, match=r"fenced|epoch"):
        zombie.commit_transaction(30)
    assert committed(kafka.bootstrap_servers, "fenced", "late", 1) == []


def test_sinks_read_what_is_committed_unless_told_otherwise(once: Connect, tmp_path: Path) -> None:
    servers = once.server.bootstrap_servers
    producer = Producer({"bootstrap.servers": servers, "transactional.id": "half"})
    producer.init_transactions(30)
    for value, end in (
        ("dropped", producer.abort_transaction),
        ("kept", producer.commit_transaction),
    ):
        producer.begin_transaction()
        producer.produce("half", value)
        producer.flush(30)
        end(30)

    once.put("kept", "FileStreamSink", file=tmp_path / "kept", topics="half")
    override = {"consumer.override.isolation.level": "read_uncommitted"}
    once.put("all", "FileStreamSink", file=tmp_path / "all", topics="half", **override)

    eventually(lambda: "kept" in (tmp_path / "all").read_text())
    eventually(lambda: "kept" in (tmp_path / "kept").read_text())
    assert (tmp_path / "all").read_text().split() == ["dropped", "kept"]
    assert (tmp_path / "kept").read_text().split() == ["kept"]


def test_kills_repeat_and_lose_nothing(kafka: RealKafka, tmp_path: Path) -> None:
    config: dict[str, Any] = {
        "connector.class": TROUBLE, "topic": "killed", "count": 800, "batch": 10, "pause.ms": 1,
        "value.converter": STRING, "key.converter": STRING, "exactly.once.support": "required",
    }  # fmt: skip
    worker = ConnectProcess(tmp_path, kafka.bootstrap_servers, {"killed": config}, ENABLED)
    rng = random.Random(7)
    for _ in range(2):
        worker.start()
        time.sleep(rng.uniform(0.1, 0.4))
        worker.kill()
    with worker:
        found = committed(kafka.bootstrap_servers, "killed", "800")

    assert found == numbers(800)


def test_a_broker_without_transactions_is_said_to_be_one(connect: Connect, tmp_path: Path) -> None:
    options = {
        **ENABLED, "bootstrap.servers": connect.server.bootstrap_servers,
        "listeners": "http://127.0.0.1:0", "aliran.data.dir": str(tmp_path),
    }  # fmt: skip
    config = {"connector.class": TROUBLE, "topic": "none", "exactly.once.support": "required"}
    with ConnectServer(options) as server, httpx.Client(base_url=server.url) as rest:
        answer = rest.put("/connectors/none/config", json=config)
        assert answer.status_code == 400
        assert "Aliran's broker has none" in answer.json()["message"]

        config["exactly.once.support"] = "requested"
        rest.put("/connectors/none/config", json=config)

        def trace() -> str:
            tasks = rest.get("/connectors/none/status").json()["tasks"]
            return tasks[0].get("trace", "") if tasks else ""

        eventually(lambda: "has no" in trace() or "has none" in trace())
    with pytest.raises((ConfigError, ConnectError), match="Aliran's broker"):
        fence(Cluster(connect.server.bootstrap_servers), "workers", "none", 1)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"exactly.once.support": "required"}, "exactly.once.source.support=enabled"),
        ({"transaction.boundary": "connector", "marks": ""}, "connector-defined transaction"),
        ({"exactly.once.support": "perhaps"}, "(case insensitive): REQUESTED, REQUIRED"),
    ],
)
def test_what_cannot_be_is_refused(connect: Connect, options: dict[str, str], text: str) -> None:
    config = {"connector.class": TROUBLE, "topic": "none", **options}

    answer = connect.rest.put("/connectors/none/config", json=config)

    assert answer.status_code == 400
    assert text in answer.json()["message"]
