from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from connect_process import ConnectProcess
from tests.connectors.conftest import JSON, STRING, Connect, eventually
from webhdfs import Hdfs

from aliran.broker.embedded import EmbeddedBroker

PLAIN = {"value__converter": JSON, "value__converter__schemas__enable": "false"}


@pytest.fixture
def hdfs() -> Iterator[Hdfs]:
    with Hdfs() as started:
        yield started


def write(connect: Connect, topic: str, count: int) -> None:
    connect.write(topic, *(f'{{"n": {n}}}'.encode() for n in range(count)))


def read(hdfs: Hdfs, name: str) -> list[int]:
    return [json.loads(line)["n"] for line in hdfs.files[name].splitlines()]


def test_files_appear_whole_and_data_goes_to_data_nodes(connect: Connect, hdfs: Hdfs) -> None:
    write(connect, "to-hdfs", 25)
    # written before a crash, of which no offset tells
    hdfs.files["/lake/to-hdfs/partition=0/to-hdfs+0+0000000000.json"] = b'{"n":'

    connect.put("to-hdfs", "HdfsSink", topics="to-hdfs", flush__size=10, topics__dir="lake",
                hdfs__url=hdfs.url, hdfs__user="me", **PLAIN)  # fmt: skip

    folder = "/lake/to-hdfs/partition=0/to-hdfs+0+"
    expected = [f"{folder}0000000000.json", f"{folder}0000000010.json"]
    eventually(lambda: hdfs.names() == expected)
    eventually(lambda: read(hdfs, expected[0]) == list(range(10)))
    assert read(hdfs, expected[1]) == list(range(10, 20))
    assert not [name for name in hdfs.files if "+tmp" in name]


def test_large_files_are_appended_to(connect: Connect, hdfs: Hdfs) -> None:
    texts = [str(number) + "x" * 30_000 for number in range(13)]
    producer = Producer({"bootstrap.servers": connect.server.bootstrap_servers})
    for one in texts:
        producer.produce("append", one)
    producer.flush()

    connect.put("append", "HdfsSink", topics="append", flush__size=13, format__class="lines",
                hdfs__append__bytes=1 << 16, consumer__override__max__poll__interval__ms=300_000,
                hdfs__url=hdfs.url)  # fmt: skip

    eventually(hdfs.names)
    assert hdfs.files[hdfs.names()[0]].decode().splitlines() == texts


def test_the_active_name_node_is_found(connect: Connect, hdfs: Hdfs) -> None:
    write(connect, "active", 5)
    with Hdfs(standby=True) as standby:
        connect.put("active", "HdfsSink", topics="active", flush__size=5,
                    hdfs__url=f"{standby.url},{hdfs.url}", **PLAIN)  # fmt: skip
        eventually(hdfs.names)

    assert read(hdfs, hdfs.names()[0]) == list(range(5))


def test_hdfs_away_for_a_while_loses_nothing(connect: Connect) -> None:
    hdfs = Hdfs()
    with hdfs:
        connect.put("gone", "HdfsSink", topics="gone", flush__size=2, hdfs__url=hdfs.url, **PLAIN)
        write(connect, "gone", 2)
        eventually(hdfs.names)
    write(connect, "gone", 4)
    with hdfs:
        eventually(lambda: len(hdfs.names()) == 3)
        assert [n for name in hdfs.names() for n in read(hdfs, name)] == [0, 1, 0, 1, 2, 3]
        connect.rest.delete("/connectors/gone")


def test_what_hdfs_refuses_is_told_before(connect: Connect, hdfs: Hdfs) -> None:
    config = {"connector.class": "HdfsSink", "topics": "t", "flush.size": "1",
              "topics.dir": "/forbidden", "hdfs.url": hdfs.url}  # fmt: skip

    answer = connect.rest.put("/connectors/forbidden/config", json=config)
    assert "AccessControlException: Permission denied: user=nobody" in answer.text
    config["hdfs.url"] = "hdfs://namenode:8020"
    answer = connect.rest.put("/connectors/forbidden/config", json=config)
    assert "such as http://namenode:9870" in answer.text


def test_kill_nine_repeats_nothing(hdfs: Hdfs, tmp_path: Path) -> None:
    count = 2000
    with EmbeddedBroker() as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
        for number in range(count):
            producer.produce("killed", f'{{"n": {number}}}')
        producer.flush()
        config: dict[str, Any] = {
            "connector.class": "HdfsSink", "topics": "killed", "flush.size": 50,
            "hdfs.url": hdfs.url, "key.converter": STRING, "value.converter": JSON,
            "value.converter.schemas.enable": "false",
            "consumer.override.group.instance.id": "hdfs",
        }  # fmt: skip
        worker = ConnectProcess(tmp_path, broker.bootstrap_servers, {"killed": config})
        worker.start()
        eventually(lambda: len(hdfs.names()) > 8, 60)
        worker.kill()
        with worker:
            eventually(lambda: len(hdfs.names()) == count // 50, 60)
    assert [n for name in hdfs.names() for n in read(hdfs, name)] == list(range(count))
