"""MongoDB's connectors against a fake that speaks its wire protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import bson
import pytest
from mongo_server import FakeMongo
from pymongo import MongoClient
from tests.connectors.conftest import JSON, STRING, Connect, eventually

pytestmark = pytest.mark.xdist_group("mongodb")


@pytest.fixture
def mongo() -> Iterator[FakeMongo]:
    with FakeMongo() as running:
        yield running


@pytest.fixture
def shop(mongo: FakeMongo) -> Iterator[Any]:
    client: MongoClient[dict[str, Any]] = MongoClient(mongo.uri)
    yield client["shop"]
    client.close()


@pytest.fixture
def name(connect: Connect, request: pytest.FixtureRequest) -> Iterator[str]:
    made = "m" + str(abs(hash(request.node.nodeid)) % 10**9)
    yield made
    connect.rest.delete(f"/connectors/{made}")


def source(connect: Connect, mongo: FakeMongo, name: str, **options: Any) -> None:
    given = {
        "connection__uri": mongo.uri, "database": "shop", "topic__prefix": name,
        "poll__await__time__ms": 100, "value__converter": STRING, **options,
    }  # fmt: skip
    connect.put(name, "MongoDbSource", **given)


def sink(connect: Connect, mongo: FakeMongo, name: str, **options: Any) -> None:
    given = {
        "connection__uri": mongo.uri, "database": "shop", "topics": name, "collection": "c",
        "consumer__override__auto__offset__reset": "earliest", **options,
    }  # fmt: skip
    connect.put(name, "MongoDbSink", **given)


def shown(connect: Connect, topic: str, count: int) -> list[tuple[Any, Any]]:
    found = connect.read(topic, count)
    assert len(found) >= count, found
    return [
        (json.loads(one.key()), None if one.value() is None else json.loads(one.value()))
        for one in found
    ]


def watching(mongo: FakeMongo) -> None:
    eventually(lambda: "aggregate" in mongo.commands)


def test_documents_that_are_there_then_changes(
    connect: Connect, mongo: FakeMongo, shop: Any, name: str
) -> None:
    shop.c.insert_many([{"_id": number, "n": number} for number in range(25)])
    shop.c.insert_one({"_id": "text", "n": 0})
    source(
        connect, mongo, name, startup__mode="copy_existing", poll__max__batch__size=4,
        output__json__formatter="SimplifiedJson",
    )  # fmt: skip
    shown(connect, f"{name}.shop.c", 26)
    shop.c.replace_one({"_id": 3}, {"n": 33})
    shop.c.delete_one({"_id": 4})

    found = shown(connect, f"{name}.shop.c", 28)

    copied = [(key["_id"], value["operationType"]) for key, value in found[:26]]
    assert copied == [*((number, "insert") for number in range(25)), ("text", "insert")]
    assert [(key["_id"], value["operationType"]) for key, value in found[26:]] == [
        (3, "replace"), (4, "delete"),
    ]  # fmt: skip
    assert found[26][1]["fullDocument"] == {"_id": 3, "n": 33}


def test_documents_alone_restarts_and_a_server_that_goes_away(
    connect: Connect, mongo: FakeMongo, shop: Any, name: str
) -> None:
    only = "publish.full.document.only"
    source(connect, mongo, name, collection="c",
           **{only: "true", f"{only}.tombstone.on.delete": "true"})  # fmt: skip
    watching(mongo)
    shop.c.insert_one({"_id": 1, "a": bson.Int64(5)})
    shown(connect, f"{name}.shop.c", 1)
    assert connect.rest.put(f"/connectors/{name}/stop").status_code == 204
    shop.c.delete_one({"_id": 1})
    assert connect.rest.put(f"/connectors/{name}/resume").status_code == 202
    shown(connect, f"{name}.shop.c", 2)
    mongo.stop()
    mongo.start()
    shop.c.insert_one({"_id": 2})

    assert shown(connect, f"{name}.shop.c", 3) == [
        ({"_id": 1}, {"_id": 1, "a": 5}), ({"_id": 1}, None), ({"_id": 2}, {"_id": 2})
    ]  # fmt: skip


def test_an_oplog_that_has_forgotten(
    connect: Connect, mongo: FakeMongo, shop: Any, name: str
) -> None:
    source(connect, mongo, name, aliran__restart__attempts="0",
           pipeline='[{"$match": {"operationType": "insert"}}]')  # fmt: skip
    watching(mongo)
    shop.c.insert_one({"_id": 0})
    shop.c.delete_one({"_id": 0})
    shop.c.insert_one({"_id": 1})
    assert [key["_id"] for key, _ in shown(connect, f"{name}.shop.c", 2)] == [0, 1]
    assert connect.rest.put(f"/connectors/{name}/stop").status_code == 204
    shop.c.insert_many([{"_id": number} for number in range(2, 6)])
    mongo.forgotten += len(mongo.log)
    mongo.log.clear()
    assert connect.rest.put(f"/connectors/{name}/resume").status_code == 202

    task = eventually(lambda: (connect.status(name)["tasks"] or [{}])[0].get("trace"))

    assert "the oplog no longer has the changes" in task
    assert connect.status(name)["tasks"][0]["state"] == "FAILED"


def test_records_become_documents_and_bad_ones_are_reported(
    connect: Connect, mongo: FakeMongo, name: str
) -> None:
    dead = f"{name}-dead"
    sink(
        connect, mongo, name, value__converter=STRING, errors__tolerance="all",
        document__id__strategy="ProvidedInValueStrategy", delete__on__null__values="true",
        writemodel__strategy="InsertOneDefaultStrategy",
        errors__deadletterqueue__topic__name=dead,
        errors__deadletterqueue__topic__replication__factor="1",
    )  # fmt: skip
    connect.write(
        name, b'{"_id": 1, "d": {"$date": "2026-11-26T00:00:00Z"}}', b"no json", b'{"x": 1}',
        b'{"_id": 1}', b'{"_id": 2}',
    )  # fmt: skip

    eventually(lambda: len(mongo.documents("shop.c")) == 2)

    assert [one["_id"] for one in mongo.documents("shop.c")] == [1, 2]
    assert mongo.documents("shop.c")[0]["d"].year == 2026
    assert [one.value() for one in connect.read(dead, 3)] == [
        b"no json",
        b'{"x": 1}',
        b'{"_id": 1}',
    ]


def test_upserts_and_deletes_while_the_server_is_away(
    connect: Connect, mongo: FakeMongo, name: str
) -> None:
    sink(
        connect, mongo, name, key__converter=STRING, value__converter=JSON,
        value__converter__schemas__enable="false",
        document__id__strategy="com.mongodb.kafka.connect.sink.processor.id.strategy."
        "ProvidedInKeyStrategy", delete__on__null__values="true",
    )  # fmt: skip
    mongo.stop()
    produce(connect, name, (1, {"n": 1}), (2, {"n": 2}), (1, {"n": 3}), (2, None))
    mongo.start()

    eventually(lambda: mongo.documents("shop.c") == [{"_id": 1, "n": 3}])


def produce(connect: Connect, topic: str, *rows: tuple[int, Any]) -> None:
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": connect.server.bootstrap_servers})
    for key, value in rows:
        data = None if value is None else json.dumps(value).encode()
        producer.produce(topic, data, json.dumps({"_id": key}).encode(), partition=0)
    producer.flush()


def test_from_one_collection_to_another(
    connect: Connect, mongo: FakeMongo, shop: Any, name: str
) -> None:
    source(connect, mongo, name, collection="from")
    watching(mongo)
    shop["from"].insert_many([{"_id": number, "n": number} for number in range(5)])
    shop["from"].update_one({"_id": 1}, {"$set": {"n": 11}})
    shop["from"].delete_one({"_id": 2})
    other = f"{name}s"
    connect.put(
        other, "MongoDbSink", connection__uri=mongo.uri, database="copy", collection="to",
        topics=f"{name}.shop.from", consumer__override__auto__offset__reset="earliest",
        change__data__capture__handler="ChangeStreamHandler",
    )  # fmt: skip

    wanted = [{"_id": 0, "n": 0}, {"_id": 1, "n": 11}, {"_id": 3, "n": 3}, {"_id": 4, "n": 4}]
    eventually(lambda: sorted(mongo.documents("copy.to"), key=lambda one: one["_id"]) == wanted)
    connect.rest.delete(f"/connectors/{other}")


def test_what_cannot_work_is_said_before(connect: Connect, mongo: FakeMongo) -> None:
    def refusal(kind: str, **options: str) -> str:
        given = {"connector.class": kind, "database": "shop", "connection.uri": mongo.uri}
        answer = connect.rest.put("/connectors/no/config", json={**given, **options})
        assert answer.status_code == 400, answer.text
        return answer.text

    assert "makes no sense" in refusal("MongoDbSource", **{"connection.uri": "mongo:/x"})
    assert "it is no JSON" in refusal("MongoDbSource", pipeline="[{")
    assert "a collection needs database" in refusal("MongoDbSource", database="", collection="c")
    wrong = {"topics": "t", "writemodel.strategy": "Nothing"}
    assert "one of DefaultWriteModelStrategy" in refusal("MongoDbSink", **wrong)
    mongo.refuse["ping"] = (18, "Authentication failed.")
    assert "See user, password, authSource" in refusal("MongoDbSink", topics="t")
