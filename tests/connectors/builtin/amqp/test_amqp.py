from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import message_servers
import pika
import pytest
from connect_process import ConnectProcess
from server_process import ServerProcess
from tests.connectors.conftest import STRING, Connect, eventually, numbers, read_topic

from aliran.broker.embedded import EmbeddedBroker

pytestmark = pytest.mark.xdist_group("amqp")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with message_servers.rabbitmq(tmp_path_factory.mktemp("amqp")) as started:
        yield started


@pytest.fixture
def channel(server: ServerProcess) -> Iterator[Any]:
    connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", server.port))
    yield connection.channel()
    connection.close()


@pytest.fixture
def address(server: ServerProcess) -> dict[str, Any]:
    return {"rabbitmq__host": "127.0.0.1", "rabbitmq__port": server.port}


def fill(channel: Any, queue: str, count: int) -> None:
    channel.queue_declare(queue, durable=True)
    for number in range(count):
        properties = pika.BasicProperties(
            message_id=f"m{number}", headers={"n": number}, timestamp=1_700_000_000
        )
        channel.basic_publish("", queue, str(number), properties)


def size(channel: Any, queue: str) -> int:
    found: int = channel.queue_declare(queue, passive=True).method.message_count
    return found


def test_messages_are_acknowledged_when_kafka_has_them(
    connect: Connect, channel: Any, address: dict[str, Any]
) -> None:
    fill(channel, "in", 1000)
    connect.put("in", "AmqpSource", rabbitmq__queue="in", kafka__topic="from-${queue}",
                value__format="string", **address)  # fmt: skip
    found = connect.read("from-in", 1000)
    connect.rest.put("/connectors/in/stop")
    connect.status("in", wait="STOPPED")

    assert [int(one.value()) for one in found] == list(range(1000))
    assert found[7].key() == b"m7"
    assert found[7].timestamp()[1] == 1_700_000_000_000
    assert dict(found[7].headers()) == {
        "rabbitmq.queue": b"in", "rabbitmq.routing.key": b"in", "n": b"7",
    }  # fmt: skip
    eventually(lambda: size(channel, "in") == 0)


def test_records_are_confirmed_and_those_that_reach_no_queue_are_reported(
    connect: Connect, channel: Any, address: dict[str, Any]
) -> None:
    channel.exchange_declare("ex", "topic", durable=True)
    channel.queue_declare("out", durable=True)
    channel.queue_bind("out", "ex", "to.#")
    connect.write("to", *(b"%d" % n for n in range(1000)), headers=[("h", b"x")])
    connect.write("lost", b"nobody wants it")

    connect.put(
        "out", "AmqpSink", topics="to,lost", rabbitmq__exchange="ex", errors__tolerance="all",
        rabbitmq__routing__key="${topic}.x", rabbitmq__forward__kafka__headers="true",
        rabbitmq__forward__kafka__metadata="true",
        errors__deadletterqueue__topic__name="amqp-dead",
        errors__deadletterqueue__topic__replication__factor=1,
        errors__deadletterqueue__context__headers__enable="true", **address,
    )  # fmt: skip
    [dead] = connect.read("amqp-dead", 1)
    eventually(lambda: size(channel, "out") == 1000)
    connect.rest.put("/connectors/out/stop")

    got = [channel.basic_get("out", auto_ack=True) for _ in range(1000)]
    assert [int(body) for _, _, body in got] == list(range(1000))
    _, properties, _ = got[5]
    assert properties.message_id == "to-0-5"
    assert properties.headers["h"] == "x"
    assert properties.headers["kafka.offset"] == 5
    told = dict(dead.headers())["__connect.errors.exception.message"].decode()
    assert "lost-0 at offset 0 cannot be written: it reaches no queue: 312 NO_ROUTE" in told


def test_a_server_that_is_away_is_waited_for(
    connect: Connect, server: ServerProcess, channel: Any
) -> None:
    relay = message_servers.Relay(server.port)
    address = {"rabbitmq__host": "127.0.0.1", "rabbitmq__port": relay.port}
    fill(channel, "away", 1)
    channel.queue_declare("back", durable=True)
    connect.put("away", "AmqpSource", rabbitmq__queue="away", kafka__topic="away",
                value__format="string", **address)  # fmt: skip
    connect.put("back", "AmqpSink", topics="away", rabbitmq__routing__key="back", **address)
    eventually(lambda: size(channel, "back") == 1)

    relay.cut()
    connect.write("away", b"1")
    channel.basic_publish("", "away", "2")
    eventually(lambda: size(channel, "away") == 1)
    assert connect.status("away")["tasks"][0]["state"] == "RUNNING"
    relay.mend()

    assert {one.value() for one in connect.read("away", 3)} == {b"0", b"1", b"2"}
    eventually(lambda: size(channel, "back") >= 3)
    for name in ("away", "back"):
        assert connect.status(name)["tasks"][0]["state"] == "RUNNING"
        connect.rest.put(f"/connectors/{name}/stop")
        connect.status(name, wait="STOPPED")
    relay.close()


def test_what_cannot_work_is_told_before(connect: Connect, address: dict[str, Any]) -> None:
    right = {"rabbitmq.host": "127.0.0.1", "rabbitmq.port": str(address["rabbitmq__port"]),
             "rabbitmq.queue": "none", "kafka.topic": "t"}  # fmt: skip
    for more, why in (
        ({}, "404 NOT_FOUND - no queue 'none'"),
        ({"rabbitmq.password": "wrong"}, "see rabbitmq.username"),
        ({"rabbitmq.port": "9"}, "is away"),
        ({"rabbitmq.queue": ""}, "at least one queue is needed"),
    ):
        config = {"connector.class": "AmqpSource", **right, **more}
        told = connect.rest.put("/connectors/wrong/config", json=config)
        assert told.status_code == 400
        assert why in told.text


def test_nothing_is_lost_when_the_worker_is_killed(
    tmp_path: Path, channel: Any, address: dict[str, Any]
) -> None:
    count, kills = 3000, 3
    fill(channel, "killed", count)
    config = {
        "connector.class": "RabbitMQSourceConnector", "rabbitmq.queue": "killed",
        "kafka.topic": "killed", "value.format": "string", "value.converter": STRING,
        "key.converter": STRING, "batch.size": 20,
        **{name.replace("__", "."): value for name, value in address.items()},
    }  # fmt: skip
    with EmbeddedBroker() as broker:
        worker = ConnectProcess(tmp_path, broker.bootstrap_servers, {"in": config})
        for kill in range(1, kills + 1):
            worker.start()
            assert len(read_topic(broker.bootstrap_servers, "killed", kill * 100)) >= kill * 100
            worker.kill()
        worker.start()
        found = numbers(broker, "killed", count)
        worker.stop()
    assert found == set(range(count))
