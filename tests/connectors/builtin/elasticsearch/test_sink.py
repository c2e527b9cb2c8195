"""Against a fake that keeps documents as `_bulk` says, with versions: no real one is to be had."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from broker_process import safe_port
from confluent_kafka import Producer
from http_servers import Answer, Asked, Scripted
from tests.connectors.conftest import JSON, STRING, Connect, eventually

PLAIN = {
    "key__converter": STRING, "value__converter": JSON,
    "value__converter__schemas__enable": "false",
}  # fmt: skip


class Elastic:
    """Documents of indexes; a version decides who wins."""

    def __init__(self) -> None:
        self.documents: dict[tuple[str, str], dict[str, Any]] = {}
        self.versions: dict[tuple[str, str], int] = {}
        self.busy = 0

    def __call__(self, asked: Asked) -> Answer:
        headers = {"Content-Type": "application/json", "X-Elastic-Product": "Elasticsearch"}
        if asked.path != "/_bulk":
            return Answer(b'{"version": {"number": "9.1.0"}}', headers=headers)
        lines = [json.loads(line) for line in asked.body.splitlines()]
        items: list[dict[str, Any]] = []
        while lines:
            (action, where), *_ = lines.pop(0).items()
            source = None if action == "delete" else lines.pop(0)
            items.append({action: self.one(action, where, source)})
        return Answer(json.dumps({"errors": True, "items": items}).encode(), headers=headers)

    def one(self, action: str, where: dict[str, Any], source: Any) -> dict[str, Any]:
        place = where["_index"], where["_id"]
        if self.busy > 0:
            self.busy -= 1
            return {"status": 429, "error": {"type": "es_rejected_execution_exception"}}
        version = where.get("version")
        if version is not None and version <= self.versions.get(place, -1):
            return {"status": 409, "error": {"type": "version_conflict_engine_exception"}}
        if version is not None:
            self.versions[place] = version
        if action == "delete":
            found = self.documents.pop(place, None)
            return {"status": 200 if found is not None else 404}
        fields = source["doc"] if action == "update" else source
        if isinstance(fields.get("n"), str):
            why = {"type": "mapper_parsing_exception", "reason": "failed to parse field [n]"}
            return {"status": 400, "error": why}
        known = self.documents.get(place, {}) if action == "update" else {}
        self.documents[place] = {**known, **fields}
        return {"status": 201}


@pytest.fixture
def elastic() -> Elastic:
    return Elastic()


@pytest.fixture
def server(elastic: Elastic) -> Iterator[Scripted]:
    with Scripted(elastic) as server:
        yield server


def write(connect: Connect, topic: str, *rows: tuple[str | None, Any]) -> None:
    producer = Producer({"bootstrap.servers": connect.server.bootstrap_servers})
    for key, value in rows:
        producer.produce(topic, None if value is None else json.dumps(value), key)
    producer.flush()


def test_documents_are_the_last_values(
    connect: Connect, elastic: Elastic, server: Scripted
) -> None:
    write(connect, "Docs", ("a", {"n": 1}), ("b", {"n": 2}), ("a", {"n": 3}), ("b", None))
    elastic.busy = 2

    connect.put("docs", "ElasticsearchSink", topics="Docs", connection__url=server.url,
                behavior__on__null__values="delete", retry__backoff__ms=20, **PLAIN)  # fmt: skip

    eventually(lambda: elastic.documents == {("docs", "a"): {"n": 3}})
    write(connect, "Docs", ("c", {"n": 4}))
    eventually(lambda: ("docs", "c") in elastic.documents)


def test_old_documents_do_not_come_back(
    connect: Connect, elastic: Elastic, server: Scripted
) -> None:
    write(connect, "again", *(("a", {"n": n}) for n in range(20)))
    connect.put("again", "ElasticsearchSink", topics="again", connection__url=server.url,
                batch__size=3, **PLAIN)  # fmt: skip
    eventually(lambda: elastic.documents.get(("again", "a")) == {"n": 19})

    connect.rest.put("/connectors/again/stop")
    eventually(lambda: connect.rest.delete("/connectors/again/offsets").is_success)
    before = len(server.asked)
    connect.rest.put("/connectors/again/resume")

    eventually(lambda: len(server.asked) >= before + 7)
    assert elastic.documents["again", "a"] == {"n": 19}


def test_a_refused_document_is_a_dead_letter(
    connect: Connect, elastic: Elastic, server: Scripted
) -> None:
    write(connect, "mixed", ("a", {"n": 1}), ("b", {"n": "x"}), (None, {"n": 2}), ("d", [1]),
          ("e", {"n": 5}))  # fmt: skip
    connect.put(
        "mixed", "ElasticsearchSink", topics="mixed", connection__url=server.url,
        errors__tolerance="all", errors__deadletterqueue__topic__name="mixed-dead",
        errors__deadletterqueue__topic__replication__factor=1,
        errors__deadletterqueue__context__headers__enable="true", **PLAIN,
    )  # fmt: skip

    dead = connect.read("mixed-dead", 3)

    told = [dict(one.headers())["__connect.errors.exception.message"].decode() for one in dead]
    assert any("mapper_parsing_exception: failed to parse field [n]" in one for one in told)
    assert any("it has no key for the document's id" in one for one in told)
    assert any("a document must have fields" in one for one in told)
    eventually(lambda: set(elastic.documents) == {("mixed", "a"), ("mixed", "e")})


def test_fields_are_merged_and_ids_made(
    connect: Connect, elastic: Elastic, server: Scripted
) -> None:
    write(connect, "parts", ("a", {"x": 1}), ("a", {"y": 2}))
    connect.put("parts", "OpenSearchSink", topics="parts", connection__url=server.url,
                write__method="upsert", topic__to__external__resource__mapping="parts:whole",
                **PLAIN)  # fmt: skip
    eventually(lambda: elastic.documents == {("whole", "a"): {"x": 1, "y": 2}})

    write(connect, "keyless", (None, {"n": 1}), (None, {"n": 2}))
    connect.put("keyless", "ElasticsearchSink", topics="keyless", connection__url=server.url,
                key__ignore="true", **PLAIN)  # fmt: skip
    eventually(lambda: elastic.documents.get(("keyless", "keyless+0+1")) == {"n": 2})


def test_nothing_is_lost_while_the_cluster_is_away(connect: Connect, elastic: Elastic) -> None:
    port = safe_port()
    write(connect, "away", *((str(n), {"n": n}) for n in range(50)))
    with Scripted(elastic, port) as server:
        connect.put("away", "ElasticsearchSink", topics="away", connection__url=server.url,
                    retry__backoff__ms=50, **PLAIN)  # fmt: skip
        eventually(lambda: len(elastic.documents) == 50)
    write(connect, "away", ("late", {"n": 50}))

    with Scripted(elastic, port):
        eventually(lambda: ("away", "late") in elastic.documents)


def test_a_cluster_that_is_not_there_is_said_before(connect: Connect) -> None:
    config = {
        "connector.class": "ElasticsearchSink", "topics": "x", "name": "x",
        "connection.url": f"http://127.0.0.1:{safe_port()}",
    }  # fmt: skip
    path = "/connector-plugins/ElasticsearchSink/config/validate?check=true"
    answer = connect.rest.put(path, json=config)

    assert "does not answer" in answer.text
