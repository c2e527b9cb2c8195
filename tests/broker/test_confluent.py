"""The broker against librdkafka with its stock settings."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ConfigResource,
    NewPartitions,
    NewTopic,
)

from aliran.broker.embedded import EmbeddedBroker


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with EmbeddedBroker(tmp_path, config={"num.partitions": 4}) as server:
        yield server.bootstrap_servers


def read_all(address: str, topic: str, count: int, **settings: object) -> list[Message]:
    consumer = Consumer(
        {"bootstrap.servers": address, "group.id": "g", "enable.auto.commit": False, **settings}
    )
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        found: list[Message] = []
        while len(found) < count:
            messages = consumer.consume(count, timeout=10)
            assert messages, f"only {len(found)} of {count} came"
            assert not [each.error() for each in messages if each.error()]
            found += messages
        return found
    finally:
        consumer.close()


def number_of(message: Message) -> int:
    number = dict(message.headers() or [])["n"]
    assert isinstance(number, bytes)
    return int(number)


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize("idempotent", [True, False])
def test_what_is_written_is_read(address: str, codec: str, idempotent: bool) -> None:
    producer = Producer(
        {
            "bootstrap.servers": address,
            "compression.type": codec,
            "enable.idempotence": idempotent,
        }
    )
    failures: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: object) -> None:
        if error is not None:
            failures.append(error)

    for number in range(1000):
        producer.produce(
            "tweets",
            key=None if number % 10 == 0 else f"k{number}",
            value=None if number % 7 == 0 else f"value {number}" * 5,
            headers=[("n", str(number)), ("empty", None)],
            timestamp=1_700_000_000_000 + number,
            on_delivery=delivered,
        )
    assert producer.flush(10) == 0
    assert failures == []
    read = {number_of(each): each for each in read_all(address, "tweets", 1000)}
    assert sorted(read) == list(range(1000))
    for number, message in read.items():
        assert message.key() == (None if number % 10 == 0 else f"k{number}".encode())
        assert message.value() == (None if number % 7 == 0 else f"value {number}".encode() * 5)
        assert message.timestamp() == (1, 1_700_000_000_000 + number)


def test_administration(address: str) -> None:
    admin = AdminClient({"bootstrap.servers": address})
    topic = NewTopic("orders", 2, 1, config={"cleanup.policy": "compact"})
    admin.create_topics([topic])["orders"].result(10)
    with pytest.raises(KafkaException) as error:
        admin.create_topics([topic])["orders"].result(10)
    assert error.value.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS
    admin.create_partitions([NewPartitions("orders", 3)])["orders"].result(10)
    assert len(admin.list_topics(timeout=10).topics["orders"].partitions) == 3
    resource = ConfigResource(ConfigResource.Type.TOPIC, "orders")
    configs = admin.describe_configs([resource])[resource].result(10)
    assert configs["cleanup.policy"].value == "compact"
    assert len(configs) > 30
    cluster = admin.describe_cluster().result(10)
    assert [node.id for node in cluster.nodes] == [1]
    admin.delete_topics(["orders"])["orders"].result(10)
    assert "orders" not in admin.list_topics(timeout=10).topics


def test_transactions_are_refused_at_once(address: str, caplog: pytest.LogCaptureFixture) -> None:
    producer = Producer({"bootstrap.servers": address, "transactional.id": "tx", "log_level": 0})
    with pytest.raises(KafkaException) as error:
        producer.init_transactions(20)
    assert error.value.args[0].fatal()
    assert "this broker has none" in caplog.text


def test_offsets_by_time_and_watermarks(address: str) -> None:
    producer = Producer({"bootstrap.servers": address})
    for number in range(5):
        producer.produce("clock", str(number), partition=0, timestamp=1_000 * (number + 1))
    producer.flush(10)
    consumer = Consumer({"bootstrap.servers": address, "group.id": "g"})
    try:
        partition = TopicPartition("clock", 0)
        assert consumer.get_watermark_offsets(partition, timeout=10) == (0, 5)
        (found,) = consumer.offsets_for_times([TopicPartition("clock", 0, 2_500)], timeout=10)
        assert found.offset == 2
    finally:
        consumer.close()
