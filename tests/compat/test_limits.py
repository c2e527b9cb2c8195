"""Large messages, many partitions, acknowledgements, topics that do not exist."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator

import aiokafka
import aiokafka.errors
import confluent_kafka
import kafka
import kafka.errors
import pytest
from broker_process import BrokerProcess
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]
from foreign_clients import CLIENTS, READERS, Sent, write_confluent

pytestmark = [pytest.mark.compat, pytest.mark.xdist_group("limits")]

LIMIT = 2_000_000
BATCH_OVERHEAD = 61 + 11
"""Bytes of a batch beside a value of two megabytes: the header; lengths, key and deltas."""


def send_confluent(address: str, topic: str, value: bytes, acks: int = -1) -> str:
    """Send one record; return the name of the error, or an empty text."""
    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": address,
            "message.max.bytes": 20_000_000,
            "acks": acks,
            "allow.auto.create.topics": True,
            "topic.metadata.propagation.max.ms": 500,
        }
    )
    errors: list[str] = []

    def delivered(error: confluent_kafka.KafkaError | None, _: object) -> None:
        errors.append("" if error is None else error.name())

    producer.produce(topic, value, partition=0, on_delivery=delivered)
    assert producer.flush(20) == 0
    return errors[0]


def send_kafka_python(address: str, topic: str, value: bytes, acks: int = -1) -> str:
    producer = kafka.KafkaProducer(
        bootstrap_servers=address,
        max_request_size=20_000_000,
        acks=acks,
        enable_idempotence=acks == -1,
        max_block_ms=2_000,
    )
    try:
        producer.send(topic, value, partition=0).get(20)
    except kafka.errors.KafkaError as error:
        return type(error).__name__
    finally:
        producer.close()
    return ""


def send_aiokafka(address: str, topic: str, value: bytes, acks: int = -1) -> str:
    async def send() -> str:
        producer = aiokafka.AIOKafkaProducer(
            bootstrap_servers=address,
            max_request_size=20_000_000,
            acks=acks,
            request_timeout_ms=2_000,
        )
        await producer.start()
        try:
            await producer.send_and_wait(topic, value, partition=0)
        except aiokafka.errors.KafkaError as error:
            return type(error).__name__
        finally:
            await producer.stop()
        return ""

    return asyncio.run(send())


SENDERS: dict[str, Callable[..., str]] = {
    "confluent": send_confluent,
    "kafka-python": send_kafka_python,
    "aiokafka": send_aiokafka,
}
TOO_LARGE = {
    "confluent": "MSG_SIZE_TOO_LARGE",
    "kafka-python": "MessageSizeTooLargeError",
    "aiokafka": "MessageSizeTooLargeError",
}
UNKNOWN_TOPIC = {
    "confluent": {"UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC", "_UNKNOWN_PARTITION"},
    "kafka-python": {"KafkaTimeoutError", "UnknownTopicOrPartitionError"},
    "aiokafka": {"UnknownTopicOrPartitionError", "KafkaTimeoutError"},
}


@pytest.mark.parametrize("client", SENDERS)
def test_messages_up_to_the_limit_and_not_above(
    server: BrokerProcess, name: str, client: str
) -> None:
    server.create_topic(name, 1, max_message_bytes=str(LIMIT))
    fits = bytes(LIMIT - BATCH_OVERHEAD - 10)
    assert SENDERS[client](server.address, name, fits) == ""
    assert SENDERS[client](server.address, name, bytes(LIMIT)) == TOO_LARGE[client]
    for reader in CLIENTS if client == "confluent" else [client]:
        if reader == "kcat" and shutil.which("kcat") is None:
            continue
        assert [each.value for each in READERS[reader](server.address, name, 1)] == [fits]


@pytest.mark.parametrize("acks", [0, 1, -1])
@pytest.mark.parametrize("client", SENDERS)
def test_every_kind_of_acknowledgement(
    server: BrokerProcess, name: str, client: str, acks: int
) -> None:
    server.create_topic(name)
    assert SENDERS[client](server.address, name, b"tweet", acks) == ""
    assert [each.value for each in READERS["confluent"](server.address, name, 1)] == [b"tweet"]


@pytest.mark.parametrize("client", READERS)
def test_many_partitions(server: BrokerProcess, name: str, client: str) -> None:
    partitions = 200
    server.create_topic(name, partitions)
    records = [
        Sent(number, None, str(number).encode(), int(time.time() * 1000), ())
        for number in range(partitions)
    ]
    write_confluent(server.address, name, records, "none")
    found = READERS[client](server.address, name, partitions)
    assert {(each.partition, each.value) for each in found} == {
        (number, str(number).encode()) for number in range(partitions)
    }


def test_many_topics(server: BrokerProcess, name: str) -> None:
    admin = AdminClient({"bootstrap.servers": server.address})
    wanted = {f"{name}-{number}" for number in range(150)}
    new = [NewTopic(each, 2) for each in sorted(wanted)]
    for each in admin.create_topics(new).values():
        each.result(30)
    found = admin.list_topics(timeout=10).topics
    assert {len(found[each].partitions) for each in wanted} == {2}
    consumer = kafka.KafkaConsumer(bootstrap_servers=server.address)
    try:
        assert wanted <= consumer.topics()
    finally:
        consumer.close()
    for each in admin.delete_topics(sorted(wanted)).values():
        each.result(30)
    assert not wanted & set(admin.list_topics(timeout=10).topics)


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """A server that creates topics only on demand."""
    config = {"auto.create.topics.enable": "false"}
    with BrokerProcess(tmp_path_factory.mktemp("strict") / "data", config) as process:
        yield process


class TestWithoutAutomaticTopics:
    @pytest.mark.parametrize("client", SENDERS)
    def test_a_producer_is_told(self, strict: BrokerProcess, client: str, name: str) -> None:
        assert SENDERS[client](strict.address, name, b"tweet") in UNKNOWN_TOPIC[client]
        admin = AdminClient({"bootstrap.servers": strict.address})
        assert name not in admin.list_topics(timeout=10).topics

    def test_a_consumer_is_told(self, strict: BrokerProcess, name: str) -> None:
        consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": strict.address,
                "group.id": name,
                "allow.auto.create.topics": True,
            }
        )
        try:
            consumer.subscribe([name])
            message = consumer.poll(20)
            assert message is not None
            error = message.error()
            assert error is not None
            assert error.code() == confluent_kafka.KafkaError.UNKNOWN_TOPIC_OR_PART
        finally:
            consumer.close()


@pytest.mark.parametrize("client", SENDERS)
def test_a_topic_is_made_when_it_is_first_written(
    server: BrokerProcess, name: str, client: str
) -> None:
    assert SENDERS[client](server.address, name, b"tweet") == ""
    assert [each.value for each in READERS[client](server.address, name, 1)] == [b"tweet"]
