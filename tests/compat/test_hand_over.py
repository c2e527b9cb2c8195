"""An application of the JVM's goes on in Aliran, and back: the same topics, group and stores.

Each part of the input is processed by another one, which has nothing but the topics to go on from:
all stores restore from changelogs that the others wrote. In the end outputs, changelogs and what is
in the stores are, byte for byte, as if one had done it all.
"""

from __future__ import annotations

import gzip
import json
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import confluent_kafka
import hand_over as app
import pytest
from broker_process import BrokerProcess
from foreign_clients import PATIENCE_S, Found, Sent, write_confluent
from jvm_programs import running

from aliran.clients import position_metadata
from aliran.clients.kafka import metadata_of
from aliran.streams import KafkaStreams, StreamsBuilder

pytestmark = [pytest.mark.compat, pytest.mark.xdist_group("jvm")]

GOLDEN = Path(__file__).parent / "golden" / "hand_over.jsonl.gz"
"""All topics after the JVM had processed the first part; record_hand_over.py writes it."""


@contextmanager
def aliran(address: str, application: str, state: Path) -> Iterator[None]:
    builder = StreamsBuilder()
    app.build(builder, application)
    config = {"application_id": application, "brokers": address, "state_dir": str(state)}
    with KafkaStreams(builder.build(), config) as streams:
        streams.wait_until_running(60)
        yield


def feed(address: str, application: str, part: app.Part) -> None:
    """Write a part, what tables hold before the streams that look into them; wait for its end."""
    everything = [f"{application}-{name}" for name in (*app.INPUTS, app.REPARTITION)]
    for names in (("users", "rates"), ("orders", "clicks")):
        for name in names:
            write_confluent(address, f"{application}-{name}", part[name], "none")
        app.wait_until_read(address, application, everything)


def read(address: str, application: str, names: Iterable[str]) -> dict[str, list[Found]]:
    found = app.read_topics(address, [f"{application}-{name}" for name in names])
    return {topic.removeprefix(f"{application}-"): records for topic, records in found.items()}


def result(address: str, application: str) -> app.Topics:
    found = read(address, application, app.WRITTEN)
    for name in (*app.TABLES, "final"):  # wherever a key is, all of it is
        partitions = {(each.key, each.partition) for each in found[name]}
        assert len(partitions) == len({key for key, _ in partitions})
    return app.Topics.of(found)


@pytest.mark.skipif(shutil.which("java") is None, reason="needs Java 17")
@pytest.mark.skipif(shutil.which("mvn") is None, reason="needs Maven to fetch Kafka's jars")
@pytest.mark.timeout(400)
@pytest.mark.parametrize("order", ["jvm aliran jvm", "aliran jvm aliran"])
def test_one_goes_on_where_the_other_stopped(
    server: BrokerProcess, class_path: str, name: str, tmp_path: Path, order: str
) -> None:
    parts = app.parts(1, (int(time.time()) // 60 - 60) * 60_000)
    create_topics(server, name)
    for number, (who, part) in enumerate(zip(order.split(), parts, strict=True)):
        state = tmp_path / str(number)
        starts = (
            aliran(server.address, name, state)
            if who == "aliran"
            else running(class_path, "HandOver.java", server.address, name, str(state))
        )
        with starts:
            feed(server.address, name, part)
        expected = app.uninterrupted(name, parts[: number + 1])
        assert result(server.address, name).differences(expected) == []


def create_topics(server: BrokerProcess, application: str) -> None:
    for name in app.INPUTS:
        server.create_topic(f"{application}-{name}", 1, retention_ms="-1")
    for name in (*app.TABLES, *app.EVENTS):
        server.create_topic(f"{application}-{name}", 3, retention_ms="-1")


def test_aliran_goes_on_where_the_jvm_stopped_when_this_was_recorded(
    server: BrokerProcess, tmp_path: Path
) -> None:
    """The same without Java."""
    with gzip.open(GOLDEN, "rt", encoding="utf-8") as file:
        head, *topics = [json.loads(line) for line in file]
    name, parts = head["application"], app.parts(head["seed"], head["begin_ms"])
    create_topics(server, name)
    for topic in topics:
        if topic["name"] not in (*app.INPUTS, *app.TABLES, *app.EVENTS):
            server.create_topic(f"{name}-{topic['name']}", 1, cleanup_policy=topic["cleanup"])
        records = [
            Sent(
                partition, data(key), data(value), time_ms, tuple((n, data(v)) for n, v in headers)
            )
            for partition, key, value, time_ms, headers in topic["records"]
        ]
        write_confluent(server.address, f"{name}-{topic['name']}", records, "none")
    assert result(server.address, name).differences(app.uninterrupted(name, parts[:1])) == []
    commit(server.address, name, head["committed"])
    with aliran(server.address, name, tmp_path / "state"):
        for part in parts[1:]:
            feed(server.address, name, part)
    assert result(server.address, name).differences(app.uninterrupted(name, parts)) == []


def data(text: str | None) -> bytes | None:
    return None if text is None else text.encode("latin-1")


def commit(address: str, application: str, positions: dict[str, tuple[int, str]]) -> None:
    consumer = confluent_kafka.Consumer({"bootstrap.servers": address, "group.id": application})
    places = [
        confluent_kafka.TopicPartition(f"{application}-{name}", 0, offset, metadata)
        for name, (offset, metadata) in positions.items()
    ]
    consumer.commit(offsets=places, asynchronous=False)
    consumer.close()


def record(address: str, application: str, seed: int, begin_ms: int, path: Path) -> None:
    """Save all topics, and the positions of the group."""

    def text(raw: bytes | None) -> str | None:
        return None if raw is None else raw.decode("latin-1")

    def row(each: Found) -> list[object]:
        headers = [[name, text(value)] for name, value in each.headers]
        return [each.partition, text(each.key), text(each.value), each.timestamp, headers]

    inputs = [*app.INPUTS, app.REPARTITION]
    consumer = confluent_kafka.Consumer({"bootstrap.servers": address, "group.id": application})
    places = [confluent_kafka.TopicPartition(f"{application}-{name}", 0) for name in inputs]
    positions = consumer.committed(places, timeout=PATIENCE_S)
    consumer.close()
    committed = {}
    for name, place in zip(inputs, positions, strict=True):
        metadata = position_metadata.decode(metadata_of(place))
        committed[name] = (place.offset, position_metadata.encode(*metadata))
    head = {"application": application, "seed": seed, "begin_ms": begin_ms}
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as file:
        file.write(f"{json.dumps({**head, 'committed': committed})}\n".encode())
        for name, records_of in read(address, application, (*app.INPUTS, *app.WRITTEN)).items():
            records = [row(each) for each in records_of]
            cleanup = "delete" if name == app.REPARTITION else "compact"
            line = json.dumps({"name": name, "cleanup": cleanup, "records": records})
            file.write(f"{line}\n".encode())
