from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import moto_server
import pytest
from confluent_kafka import Consumer, Producer
from connect_process import ConnectProcess
from server_process import ServerProcess
from tests.connectors.conftest import JSON, Connect, eventually

from aliran.broker.embedded import EmbeddedBroker
from aliran.connectors.builtin.dynamodb.shards import readable
from aliran.connectors.builtin.dynamodb.values import attribute_of, value_of
from aliran.connectors.errors import DataError

pytestmark = pytest.mark.xdist_group("dynamodb")

PLAIN = {
    "key.converter": JSON, "key.converter.schemas.enable": "false",
    "value.converter": JSON, "value.converter.schemas.enable": "false",
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    started = moto_server.moto(tmp_path_factory.mktemp("moto")).start()
    yield started
    started.stop()


def options(server: ServerProcess, **more: Any) -> dict[str, Any]:
    dotted = {name.replace(".", "__"): value for name, value in PLAIN.items()}
    return {**moto_server.options(server), **dotted, "aws__dynamodb__region": "us-west-2", **more}


class Table:
    """A table with a numeric key `id`."""

    def __init__(self, server: ServerProcess, name: str, *, stream: bool = True) -> None:
        self.db = moto_server.client(server, "dynamodb")
        self.name = name
        view = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        self.db.create_table(
            TableName=name, BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "N"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            **({"StreamSpecification": view} if stream else {}),
        )  # fmt: skip

    def put(self, number: int, **fields: Any) -> None:
        item = {name: attribute_of(value) for name, value in {"id": number, **fields}.items()}
        self.db.put_item(TableName=self.name, Item=item)

    def put_all(self, numbers: range, text: str) -> None:
        for start in range(0, len(numbers), 25):
            requests = [{"PutRequest": {"Item": {"id": {"N": str(one)}, "x": {"S": text}}}}
                        for one in numbers[start : start + 25]]  # fmt: skip
            self.db.batch_write_item(RequestItems={self.name: requests})

    def delete(self, number: int) -> None:
        self.db.delete_item(TableName=self.name, Key={"id": {"N": str(number)}})

    def items(self) -> dict[Any, Any]:
        return scan(self.db, self.name, "id")


def scan(db: Any, table: str, key: str) -> dict[Any, Any]:
    pages = db.get_paginator("scan").paginate(TableName=table)
    items = [{n: value_of(v) for n, v in one.items()} for page in pages for one in page["Items"]]
    return {one[key]: one for one in items}


def write(connect: Connect, topic: str, rows: list[tuple[Any, Any]]) -> None:
    producer = Producer({"bootstrap.servers": connect.server.bootstrap_servers})
    for key, value in rows:
        data = None if value is None else json.dumps(value).encode()
        producer.produce(topic, data, json.dumps(key))
    producer.flush()


def test_values_there_and_back() -> None:
    value = {"n": 1, "f": 0.1, "t": "x", "b": b"\x00", "no": None, "yes": True, "l": [1, {"a": 2}]}
    assert value_of(attribute_of(value)) == value
    assert value_of({"N": "1.50000000000000000000001"}) == "1.50000000000000000000001"
    assert value_of({"NS": ["2", "1"]}) == [1, 2]
    for bad in (float("nan"), 10**39 + 1, 1e200):
        with pytest.raises(DataError, match=r"value\.a"):
            attribute_of({"a": bad})


def test_a_shard_is_read_behind_its_parent() -> None:
    shards = [
        {"ShardId": "a", "ParentShardId": "gone"}, {"ShardId": "b", "ParentShardId": "a"},
        {"ShardId": "c", "ParentShardId": "b"}, {"ShardId": "d"},
    ]  # fmt: skip
    assert readable(shards, set()) == ["a", "d"]
    assert readable(shards, {"a"}) == ["b", "d"]
    assert readable(shards, {"a", "b", "d"}) == ["c"]


def test_records_become_items(connect: Connect, server: ServerProcess) -> None:
    rows: list[tuple[Any, Any]] = [({"id": n % 40}, {"x": n, "deep": {"a": [n, 0.5]}})
                                   for n in range(80)]  # fmt: skip
    write(connect, "items", [*rows, ({"id": 3}, None)])

    connect.put("items", "DynamoDbSink", topics="items", auto__create="true",
                aws__dynamodb__pk__hash="key.id", aws__dynamodb__pk__sort="",
                behavior__on__null__values="delete", table__name__format="db-${topic}",
                **options(server))  # fmt: skip

    expected = {n % 40: {"id": n % 40, "x": n, "deep": {"a": [n, 0.5]}} for n in range(80)}
    del expected[3]
    db = moto_server.client(server, "dynamodb")
    eventually(lambda: db.list_tables()["TableNames"].count("db-items"))
    eventually(lambda: scan(db, "db-items", "id") == expected)


def test_what_is_no_item_goes_to_the_dead_letters(connect: Connect, server: ServerProcess) -> None:
    table = Table(server, "bad-items")
    rows = [("a", {"id": 1}), ("b", {"no": 2}), ("c", [3]), ("d", {"id": "text"}), ("e", {"id": 5})]
    write(connect, "bad-items", rows)

    connect.put("bad-items", "DynamoDbSink", topics="bad-items", aws__dynamodb__pk__hash="value.id",
                aws__dynamodb__pk__sort="", errors__tolerance="all",
                errors__deadletterqueue__topic__name="items-dead",
                errors__deadletterqueue__topic__replication__factor=1,
                **options(server))  # fmt: skip

    dead = connect.read("items-dead", 3)
    assert {one.key() for one in dead} == {b'"b"', b'"c"', b'"d"'}
    eventually(lambda: table.items().keys() == {1, 5})


def test_a_key_that_is_another_is_told_before(connect: Connect, server: ServerProcess) -> None:
    Table(server, "other-key", stream=False)
    dotted = {k.replace("__", "."): v for k, v in options(server).items()}

    sink = {"connector.class": "DynamoDbSink", "topics": "other-key", **dotted}
    source = {"connector.class": "DynamoDbSource", "dynamodb.table.includelist": "other-key",
              **dotted}  # fmt: skip

    answer = connect.rest.put("/connectors/other-key/config", json=sink)
    assert "the key of the table other-key is id, but" in answer.text
    answer = connect.rest.put("/connectors/other-key/config", json=source)
    assert "has no stream of new images" in answer.text


def test_a_table_then_its_changes(connect: Connect, server: ServerProcess) -> None:
    table = Table(server, "people")
    for number in range(7):
        table.put(number, name=f"name {number}")

    connect.put("people", "DynamoDbSource", dynamodb__table__includelist="people",
                topic__prefix="db.", dynamodb__snapshot__max__poll__records=3,
                poll__interval__ms=50, **options(server))  # fmt: skip
    connect.read("db.people", 7)
    table.put(1, name="new")
    table.delete(2)

    # the table, what the stream had of it, and three changes with a tombstone
    found = connect.read("db.people", 17)
    values = [json.loads(one.value() or b"{}") for one in found]
    assert [value["op"] for value in values[:7]] == ["r"] * 7
    assert [value.get("op") for value in values[7:]] == [*"ccccccc", "u", "d", None]
    assert values[-3]["before"] == {"id": 1, "name": "name 1"}
    assert values[-3]["after"] == {"id": 1, "name": "new"}
    assert values[-2]["before"] == {"id": 2, "name": "name 2"}
    assert json.loads(found[-1].key()) == {"id": 2}
    connect.rest.put("/connectors/people/stop")
    table.put(3, name="while it was stopped")
    connect.rest.put("/connectors/people/resume")
    assert json.loads(connect.read("db.people", 18)[-1].value())["after"]["id"] == 3


def test_kill_nine_during_the_scan_and_behind_it(server: ServerProcess, tmp_path: Path) -> None:
    table, count = Table(server, "killed"), 300
    table.put_all(range(count), "old")
    with EmbeddedBroker() as broker:
        config = {
            "connector.class": "DynamoDbSource", "dynamodb.table.includelist": "killed",
            "aws.dynamodb.region": "us-west-2", "dynamodb.snapshot.max.poll.records": 20,
            "poll.interval.ms": 50, **PLAIN,
        }  # fmt: skip
        config |= {k.replace("__", "."): v for k, v in moto_server.options(server).items()}
        worker = ConnectProcess(tmp_path, broker.bootstrap_servers, {"killed": config})
        topic = Compacted(broker, "killed")
        for wanted in (60, 200):
            worker.start()
            eventually(partial(topic.has, wanted), 60)
            worker.kill()
        with worker:
            table.put_all(range(100), "new")
            for number in range(100, 110):
                table.delete(number)
            eventually(lambda: topic.has(0) and topic.rows == table.items(), 60)
        topic.consumer.close()


class Compacted:
    """A topic as compaction would leave it."""

    def __init__(self, broker: EmbeddedBroker, topic: str) -> None:
        settings = {"bootstrap.servers": broker.bootstrap_servers, "group.id": "look",
                    "auto.offset.reset": "earliest",
                    "topic.metadata.refresh.interval.ms": 200}  # fmt: skip
        self.consumer = Consumer(settings)
        self.consumer.subscribe([topic])
        self.rows: dict[Any, Mapping[str, Any]] = {}

    def has(self, wanted: int) -> bool:
        for one in self.consumer.consume(5000, timeout=0.05):
            if one.error() is None:
                key = json.loads(one.key() or b"")["id"]
                value = json.loads(one.value() or b"null")
                self.rows.pop(key, None)
                if value is not None and value["after"] is not None:
                    self.rows[key] = value["after"]
        return len(self.rows) >= wanted
