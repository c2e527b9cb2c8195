"""Four clients that know nothing of us, writing and reading whole topics in the same words."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import aiokafka
import confluent_kafka
import kafka

Headers = tuple[tuple[str, bytes | None], ...]
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
CLIENTS = ("confluent", "kafka-python", "aiokafka", "kcat")
PATIENCE_S = 30
KCAT_FORMAT = r"%p %o %T %K %S %h\n%k%s"
KCAT_READS = "kcat -C -e -q -o beginning -X fetch.wait.max.ms=10"
KCAT_DELIMITER = "\x01"


class Sent(NamedTuple):
    """A record as it is given to a producer."""

    partition: int
    key: bytes | None
    value: bytes | None
    timestamp: int
    headers: Headers


class Found(NamedTuple):
    """A record as a consumer returns it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int
    headers: Headers


def write_confluent(address: str, topic: str, records: Sequence[Sent], codec: str) -> None:
    """Write with librdkafka, through confluent-kafka."""
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": address, "compression.type": codec, "linger.ms": 5}
    )
    failures: list[object] = []

    def delivered(error: object, _: object) -> None:
        if error is not None:
            failures.append(error)

    for each in records:
        producer.produce(
            topic,
            partition=each.partition,
            key=each.key,
            value=each.value,
            timestamp=each.timestamp,
            headers=list(each.headers),
            on_delivery=delivered,
        )
    assert producer.flush(PATIENCE_S) == 0
    assert not failures


def read_confluent(address: str, topic: str, count: int) -> list[Found]:
    """Read with confluent-kafka from the beginning until `count` records have come."""
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": address, "group.id": "none", "enable.auto.commit": False}
    )
    try:
        partitions = consumer.list_topics(topic, timeout=PATIENCE_S).topics[topic].partitions
        consumer.assign([confluent_kafka.TopicPartition(topic, each, 0) for each in partitions])
        found: list[Found] = []
        while len(found) < count:
            messages = consumer.consume(count - len(found), timeout=PATIENCE_S)
            assert messages, f"only {len(found)} of {count} came"
            found += [of_confluent(each) for each in messages]
        assert consumer.poll(0.05) is None
        return found
    finally:
        consumer.close()


def of_confluent(message: confluent_kafka.Message) -> Found:
    """Return a message of confluent-kafka in our words."""
    assert message.error() is None, message.error()
    kind, timestamp = message.timestamp()
    assert kind == confluent_kafka.TIMESTAMP_CREATE_TIME
    headers = cast("list[tuple[str, bytes | None]]", message.headers() or [])
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    return Found(
        partition,
        offset,
        message.key(),
        message.value(),
        timestamp,
        tuple(headers),
    )


def write_kafka_python(address: str, topic: str, records: Sequence[Sent], codec: str) -> None:
    """Write with kafka-python."""
    producer = kafka.KafkaProducer(
        bootstrap_servers=address,
        compression_type=None if codec == "none" else codec,
        linger_ms=5,
        batch_size=100_000,
    )
    try:
        sent = [
            producer.send(
                topic,
                each.value,
                each.key,
                list(each.headers),
                partition=each.partition,
                timestamp_ms=each.timestamp,
            )
            for each in records
        ]
        producer.flush(PATIENCE_S)
        for each in sent:
            each.get(0)
    finally:
        producer.close()


def read_kafka_python(address: str, topic: str, count: int) -> list[Found]:
    """Read with kafka-python from the beginning until `count` records have come."""
    consumer = kafka.KafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest")
    try:
        numbers = consumer.partitions_for_topic(topic) or set()
        consumer.assign([kafka.TopicPartition(topic, each) for each in sorted(numbers)])
        found: list[Found] = []
        while len(found) < count:
            polled = consumer.poll(PATIENCE_S * 1000, max_records=5_000)
            assert polled, f"only {len(found)} of {count} came"
            for records in polled.values():
                found += [
                    Found(
                        each.partition,
                        each.offset,
                        each.key,
                        each.value,
                        each.timestamp,
                        tuple(each.headers),
                    )
                    for each in records
                ]
        assert not consumer.poll(50)
        return found
    finally:
        consumer.close()


def write_aiokafka(address: str, topic: str, records: Sequence[Sent], codec: str) -> None:
    """Write with aiokafka."""

    async def write() -> None:
        producer = aiokafka.AIOKafkaProducer(
            bootstrap_servers=address,
            compression_type=None if codec == "none" else codec,
            max_batch_size=100_000,
            linger_ms=5,
        )
        await producer.start()
        try:
            sent = [
                await producer.send(
                    topic,
                    each.value,
                    each.key,
                    partition=each.partition,
                    timestamp_ms=each.timestamp,
                    headers=list(each.headers),
                )
                for each in records
            ]
            await asyncio.gather(*sent)
        finally:
            await producer.stop()

    asyncio.run(write())


def read_aiokafka(address: str, topic: str, count: int) -> list[Found]:
    """Read with aiokafka from the beginning until `count` records have come."""

    async def read() -> list[Found]:
        consumer = aiokafka.AIOKafkaConsumer(
            topic, bootstrap_servers=address, auto_offset_reset="earliest"
        )
        await consumer.start()
        found: list[Found] = []
        try:
            while len(found) < count:
                polled = await consumer.getmany(timeout_ms=PATIENCE_S * 1000)
                assert polled, f"only {len(found)} of {count} came"
                for records in polled.values():
                    found += [
                        Found(
                            each.partition,
                            each.offset,
                            each.key,
                            each.value,
                            each.timestamp,
                            tuple(each.headers),
                        )
                        for each in records
                    ]
            assert not await consumer.getmany(timeout_ms=50)
        finally:
            await consumer.stop()
        return found

    return asyncio.run(read())


def write_kcat(address: str, topic: str, records: Sequence[Sent], codec: str) -> None:
    """Write with kcat: one run a partition, whose records must have the same headers.

    Keys and values are text of one line, and not empty; kcat sets the time itself.
    """
    for partition in sorted({each.partition for each in records}):
        mine = [each for each in records if each.partition == partition]
        words = ["-Z", "-K", KCAT_DELIMITER, "-z", codec, "-p", str(partition)]
        for name, value in mine[0].headers:
            words += ["-H", name if value is None else f"{name}={value.decode()}"]
        text = b"".join(_kcat_line(each) for each in mine)
        subprocess.run(
            ["kcat", "-P", "-b", address, "-t", topic, *words],
            input=text,
            check=True,
            timeout=PATIENCE_S,
        )


def _kcat_line(record: Sent) -> bytes:
    value = record.value or b""
    return (value if record.key is None else record.key + KCAT_DELIMITER.encode() + value) + b"\n"


def read_kcat(address: str, topic: str, count: int) -> list[Found]:
    """Read with kcat from the beginning to the end."""
    output = subprocess.run(
        [*KCAT_READS.split(), "-b", address, "-t", topic, "-f", KCAT_FORMAT],
        capture_output=True,
        check=True,
        timeout=PATIENCE_S,
    )
    found = parse_kcat(output.stdout)
    assert len(found) == count
    return found


def parse_kcat(output: bytes) -> list[Found]:
    """Return the records that kcat wrote in KCAT_FORMAT."""
    found = []
    position = 0
    while position < len(output):
        end = output.index(b"\n", position)
        fields = output[position:end].split(b" ", 5)
        partition, offset, timestamp, key_size, value_size = map(int, fields[:5])
        value_at = end + 1 + max(0, key_size)
        position = value_at + max(0, value_size)
        found.append(
            Found(
                partition,
                offset,
                output[end + 1 : value_at] if key_size >= 0 else None,
                output[value_at:position] if value_size >= 0 else None,
                timestamp,
                _kcat_headers(fields[5]),
            )
        )
    return found


def _kcat_headers(text: bytes) -> Headers:
    pairs = [each.partition(b"=") for each in text.split(b",") if each]
    return tuple((name.decode(), None if value == b"NULL" else value) for name, _, value in pairs)


WRITERS: dict[str, Callable[[str, str, Sequence[Sent], str], None]] = {
    "confluent": write_confluent,
    "kafka-python": write_kafka_python,
    "aiokafka": write_aiokafka,
    "kcat": write_kcat,
}
READERS: dict[str, Callable[[str, str, int], list[Found]]] = {
    "confluent": read_confluent,
    "kafka-python": read_kafka_python,
    "aiokafka": read_aiokafka,
    "kcat": read_kcat,
}
