from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import moto_server
import pytest
from confluent_kafka import Consumer, Producer
from connect_process import ConnectProcess
from server_process import ServerProcess
from tests.connectors.conftest import JSON, STRING, Connect, eventually

from aliran.broker.embedded import EmbeddedBroker

pytestmark = pytest.mark.xdist_group("sqs")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    started = moto_server.moto(tmp_path_factory.mktemp("moto")).start()
    yield started
    started.stop()


class Queue:
    """A queue, and the options that lead there."""

    def __init__(self, server: ServerProcess, name: str, **attributes: str) -> None:
        self.sqs = moto_server.client(server, "sqs")
        self.url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        self.options = {
            **moto_server.options(server), "sqs__url": self.url, "sqs__region": "us-west-2",
        }  # fmt: skip

    def send(self, *texts: str, **more: Any) -> None:
        for start in range(0, len(texts), 10):
            entries = [{"Id": str(number), "MessageBody": one, **more}
                       for number, one in enumerate(texts[start : start + 10])]  # fmt: skip
            self.sqs.send_message_batch(QueueUrl=self.url, Entries=entries)

    def take(self, count: int) -> list[dict[str, Any]]:
        """Receive so many messages, and delete them."""
        found: list[dict[str, Any]] = []

        def enough() -> bool:
            answer = self.sqs.receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=10, MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
            )  # fmt: skip
            for one in answer.get("Messages", ()):
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=one["ReceiptHandle"])
                found.append(one)
            return len(found) >= count

        eventually(enough)
        return found

    def left(self) -> int:
        """How many messages there are, received or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        asked = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)
        return sum(int(asked["Attributes"][name]) for name in names)


@pytest.fixture
def queue(server: ServerProcess, request: pytest.FixtureRequest) -> Queue:
    return Queue(server, request.node.name[:70])


def test_messages_are_deleted_when_they_are_in_the_topic(connect: Connect, queue: Queue) -> None:
    attribute = {"kind": {"DataType": "String", "StringValue": "order"}}
    queue.send(*(f"text {n}" for n in range(25)), MessageAttributes=attribute)

    connect.put("sqs-in", "SqsSource", kafka__topic="sqs-in", **queue.options)

    found = connect.read("sqs-in", 25)
    assert {one.value().decode() for one in found} == {f"text {n}" for n in range(25)}
    assert ("kind", b"order") in found[0].headers()
    assert found[0].timestamp()[1] > 1_700_000_000_000
    eventually(lambda: queue.left() == 0)
    assert len(connect.read("sqs-in", 25)) == 25


def test_records_become_messages(connect: Connect, queue: Queue) -> None:
    plain = {"value__converter": JSON, "value__converter__schemas__enable": "false"}
    connect.write("sqs-out", *(json.dumps({"n": n}).encode() for n in range(23)),
                  headers=[("h", b"v")])  # fmt: skip

    connect.put("sqs-out", "SqsSink", topics="sqs-out", headers__to__attributes="true",
                **queue.options, **plain)  # fmt: skip

    found = queue.take(23)
    assert [json.loads(one["Body"])["n"] for one in found] == list(range(23))
    assert found[0]["MessageAttributes"]["h"]["StringValue"] == "v"


def test_a_fifo_queue_gets_groups_and_drops_what_comes_twice(
    connect: Connect, server: ServerProcess
) -> None:
    queue = Queue(server, "out.fifo", FifoQueue="true")
    producer = Producer({"bootstrap.servers": connect.server.bootstrap_servers})
    for number in range(4):
        producer.produce("fifo", str(number), f"k{number % 2}" if number else None)
    producer.flush()

    for name in ("fifo-1", "fifo-2"):  # both send all
        connect.put(name, "SqsSink", topics="fifo", **queue.options)
        eventually(lambda: connect.rest.get("/connectors/fifo-1/offsets").json()["offsets"])

    eventually(lambda: connect.rest.get("/connectors/fifo-2/offsets").json()["offsets"])
    found = queue.take(4)
    assert [one["Body"] for one in found if one["Attributes"]["MessageGroupId"] == "k1"] == [
        "1", "3"
    ]  # fmt: skip
    assert {one["Attributes"]["MessageGroupId"] for one in found} == {"fifo-0", "k0", "k1"}
    assert queue.left() == 0


def test_what_is_no_message_goes_to_the_dead_letters(connect: Connect, queue: Queue) -> None:
    connect.write("sqs-bad", b"good", b"", b"x" * 300_000, b"good, too")

    connect.put("sqs-bad", "SqsSink", topics="sqs-bad", errors__tolerance="all",
                errors__deadletterqueue__topic__name="sqs-dead",
                errors__deadletterqueue__topic__replication__factor=1,
                errors__deadletterqueue__context__headers__enable="true",
                **queue.options)  # fmt: skip

    assert {one["Body"] for one in queue.take(2)} == {"good", "good, too"}
    dead = connect.read("sqs-dead", 2)
    texts = [dict(one.headers())["__connect.errors.exception.message"].decode() for one in dead]
    assert "sqs-bad-0 at offset 1 cannot be written: a message of SQS needs a text" in texts[0]
    assert "sqs-bad-0 at offset 2 cannot be written: the message has 300000 bytes" in texts[1]


def test_a_queue_that_is_not_there_is_told(connect: Connect, queue: Queue) -> None:
    config = {"connector.class": "SqsSource", "kafka.topic": "t"}
    config |= {name.replace("__", "."): value for name, value in queue.options.items()}
    config["sqs.url"] += "-nowhere"

    answer = connect.rest.put("/connectors/sqs-nowhere/config", json=config)

    assert answer.status_code == 400
    assert "does not exist" in answer.text


def test_sqs_away_for_a_while(connect: Connect, tmp_path: Path) -> None:
    server = moto_server.moto(tmp_path).start()
    queue = Queue(server, "away")
    connect.put("sqs-away", "SqsSource", kafka__topic="sqs-away", **queue.options)
    queue.send("one")
    connect.read("sqs-away", 1)

    server.kill()
    server.start()
    Queue(server, "away").send("two")

    assert [one.value() for one in connect.read("sqs-away", 2)] == [b"one", b"two"]
    assert connect.status("sqs-away")["tasks"][0]["state"] == "RUNNING"
    connect.rest.delete("/connectors/sqs-away")
    server.stop()


def test_kill_nine_loses_no_message(server: ServerProcess, tmp_path: Path) -> None:
    queue, count = Queue(server, "killed", VisibilityTimeout="1"), 100
    queue.send(*(str(number) for number in range(count)))
    with EmbeddedBroker() as broker:
        config = {
            "connector.class": "SqsSource", "kafka.topic": "killed", "value.converter": STRING,
            "key.converter": STRING, "sqs.visibility.timeout.seconds": 1,
        }  # fmt: skip
        config |= {name.replace("__", "."): value for name, value in queue.options.items()}
        worker = ConnectProcess(tmp_path, broker.bootstrap_servers, {"killed": config})
        worker.start()
        eventually(lambda: queue.left() < count, 60)
        worker.kill()
        with worker:
            eventually(lambda: queue.left() == 0, 60)
        consumed = _values(broker, "killed")
    assert consumed == {str(number) for number in range(count)}


def _values(broker: EmbeddedBroker, topic: str) -> set[str]:
    settings = {"bootstrap.servers": broker.bootstrap_servers, "group.id": "look",
                "auto.offset.reset": "earliest", "enable.partition.eof": True}  # fmt: skip
    consumer = Consumer(settings)
    consumer.subscribe([topic])
    found: set[str] = set()
    at_end = False
    while not at_end:
        for one in consumer.consume(1000, timeout=0.2):
            at_end = one.error() is not None
            if not at_end:
                found.add((one.value() or b"").decode())
    consumer.close()
    return found
