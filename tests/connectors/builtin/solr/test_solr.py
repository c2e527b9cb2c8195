"""Against a fake collection: commands in their order, atomic updates, cursor marks."""

from __future__ import annotations

import json
from typing import Any

from confluent_kafka import Producer
from http_servers import Answer, Asked, Scripted
from tests.connectors.conftest import JSON, STRING, Connect, eventually

PLAIN = {
    "key__converter": STRING, "value__converter": JSON,
    "value__converter__schemas__enable": "false",
}  # fmt: skip


class Solr:
    """Documents by id."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Any]] = {}
        self.calls = 0

    def __call__(self, asked: Asked) -> Answer:
        self.calls += 1
        if asked.path.startswith("/solr/admin/") or asked.path.endswith("/admin/ping"):
            return Answer(b'{"status": "OK"}')
        if self.calls == 3:
            return Answer(b"busy", 503)
        if asked.path == "/solr/films/select":
            return self.select(asked.query)
        if asked.path != "/solr/films/update":
            return Answer(b"no such collection", 404)
        assert "commitWithin" in asked.query
        commands: list[tuple[str, Any]] = json.loads(asked.body, object_pairs_hook=list)
        todo = [(name, _objects(value)) for name, value in commands]
        if any(name == "add" and value["doc"].get("year") == "bad" for name, value in todo):
            return Answer(b'{"error": {"msg": "For input string: bad"}}', 400)
        for name, value in todo:
            if name == "delete":
                self.documents.pop(value["id"], None)
                continue
            given = value["doc"]
            known = self.documents.get(given["id"], {})
            changed = {
                field: one["set"] if isinstance(one, dict) else one for field, one in given.items()
            }
            atomic = any(isinstance(one, dict) for one in given.values())
            self.documents[given["id"]] = {**known, **changed} if atomic else changed
        return Answer(b'{"responseHeader": {"status": 0}}')

    def select(self, query: dict[str, str]) -> Answer:
        assert query["sort"] == "year asc, id asc"
        mark = query["cursorMark"]
        rows = sorted(self.documents.values(), key=lambda one: (one["year"], one["id"]))
        after = [one for one in rows if mark == "*" or [one["year"], one["id"]] > json.loads(mark)]
        page = after[: int(query["rows"])]
        following = json.dumps([page[-1]["year"], page[-1]["id"]]) if page else mark
        found = {"response": {"docs": page}, "nextCursorMark": following}
        return Answer(json.dumps(found).encode())


def _objects(value: Any) -> Any:
    if isinstance(value, list) and value and isinstance(value[0], tuple):
        return {name: _objects(one) for name, one in value}
    return value


def write(connect: Connect, topic: str, *rows: tuple[str | None, Any]) -> None:
    producer = Producer({"bootstrap.servers": connect.server.bootstrap_servers})
    for key, value in rows:
        producer.produce(topic, None if value is None else json.dumps(value), key)
    producer.flush()


def test_records_become_documents(connect: Connect) -> None:
    solr = Solr()
    write(connect, "films", ("a", {"year": 1}), ("b", {"year": 2}), ("a", None),
          ("c", {"year": "bad"}), ("a", {"year": 3}), (None, {"year": 4}))  # fmt: skip
    with Scripted(solr) as server:
        connect.put(
            "films", "SolrSink", topics="films", solr__url=f"{server.url}/solr",
            errors__tolerance="all", errors__deadletterqueue__topic__name="films-dead",
            errors__deadletterqueue__topic__replication__factor=1, retry__backoff__ms=20, **PLAIN,
        )  # fmt: skip
        assert len(connect.read("films-dead", 2)) == 2
        wanted = {"b": {"year": 2, "id": "b"}, "a": {"year": 3, "id": "a"}}
        eventually(lambda: solr.documents == wanted)

        write(connect, "parts", ("b", {"title": "x"}))
        connect.put("parts", "SolrSink", topics="parts", solr__url=f"{server.url}/solr",
                    solr__collection="films", write__mode="atomic", **PLAIN)  # fmt: skip
        eventually(lambda: solr.documents["b"] == {"year": 2, "id": "b", "title": "x"})


def test_documents_become_records_once(connect: Connect) -> None:
    solr = Solr()
    solr.documents = {str(n): {"id": str(n), "year": n // 2} for n in range(7)}
    with Scripted(solr) as server:
        connect.put(
            "found", "SolrSource", topic="found", solr__url=f"{server.url}/solr",
            solr__collection="films", solr__sort__field="year", page__size=3,
            poll__interval__ms=30, retry__backoff__ms=20, **PLAIN,
        )  # fmt: skip
        assert [one.key().decode() for one in connect.read("found", 7)] == list("0123456")
        connect.rest.put("/connectors/found/stop")
        solr.documents["z"] = {"id": "z", "year": 9}
        connect.rest.put("/connectors/found/resume")
        assert [one.key().decode() for one in connect.read("found", 8)] == [*"0123456", "z"]
