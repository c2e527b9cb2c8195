"""Against a fake that keeps cells with their times, as HBase's REST server takes them."""

from __future__ import annotations

import base64
import json
from typing import Any

from confluent_kafka import Producer
from http_servers import Answer, Asked, Scripted
from tests.connectors.conftest import JSON, STRING, Connect, eventually

PLAIN = {
    "key__converter": STRING, "value__converter": JSON,
    "value__converter__schemas__enable": "false",
}  # fmt: skip


class HBase:
    """Cells of one table; the newest time wins."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, tuple[int, str]]] = {}
        self.calls = 0

    def __call__(self, asked: Asked) -> Answer:
        self.calls += 1
        if asked.path in {"/version/cluster", "/t/schema"}:
            return Answer(b'"2.6"')
        if self.calls == 2:
            return Answer(b"region in transition", 503)
        if asked.method == "DELETE":
            gone = self.rows.pop(asked.path.removeprefix("/t/"), None)
            return Answer(status=200 if gone is not None else 404)
        rows = json.loads(asked.body)["Row"]
        cells = [
            (_text(row["key"]), _text(cell["column"]), cell["timestamp"], _text(cell["$"]))
            for row in rows
            for cell in row["Cell"]
        ]
        if any(not column.startswith("cf:") for _, column, _, _ in cells):
            return Answer(b"NoSuchColumnFamilyException", 400)
        for key, column, moment, value in cells:
            row = self.rows.setdefault(key, {})
            if moment >= row.get(column, (-1, ""))[0]:
                row[column] = moment, value
        return Answer()

    def values(self) -> dict[str, dict[str, str]]:
        return {key: {c: v for c, (_, v) in row.items()} for key, row in self.rows.items()}


def _text(data: str) -> str:
    return base64.b64decode(data).decode()


def write(connect: Connect, topic: str, *rows: tuple[str | None, Any]) -> None:
    producer = Producer({"bootstrap.servers": connect.server.bootstrap_servers})
    for key, value in rows:
        producer.produce(topic, None if value is None else json.dumps(value), key)
    producer.flush()


def test_records_become_rows(connect: Connect) -> None:
    hbase = HBase()
    write(connect, "rows", ("a/1", {"n": 1, "s": "x"}), ("b", {"n": 2}), ("b", None),
          ("c", "alone"), (None, {"n": 3}), ("a/1", {"n": 4}))  # fmt: skip
    with Scripted(hbase) as server:
        connect.put(
            "rows", "HBaseSink", topics="rows", hbase__url=server.url, table__name__format="t",
            errors__tolerance="all", errors__deadletterqueue__topic__name="rows-dead",
            errors__deadletterqueue__topic__replication__factor=1, retry__backoff__ms=20, **PLAIN,
        )  # fmt: skip
        wanted = {"a/1": {"cf:n": "4", "cf:s": "x"}, "c": {"cf:value": "alone"}}
        eventually(lambda: hbase.values() == wanted)
        assert len(connect.read("rows-dead", 1)) == 1


def test_a_family_that_is_not_there_is_said(connect: Connect) -> None:
    write(connect, "family", ("a", {"n": 1}))
    with Scripted(HBase()) as server:
        config = {
            "connector.class": "HBaseSink", "topics": "family", "hbase.url": server.url,
            "table.name.format": "t", "column.family": "other", "aliran.restart.attempts": "0",
            "key.converter": STRING, "value.converter": JSON, "retry.backoff.ms": "20",
            "value.converter.schemas.enable": "false",
        }  # fmt: skip
        connect.rest.put("/connectors/family/config", json=config)

        def trace() -> str:
            tasks = connect.rest.get("/connectors/family/status").json().get("tasks", [])
            return str(tasks[0].get("trace", "")) if tasks else ""

        told = eventually(trace)
    assert "NoSuchColumnFamilyException" in told
    assert "family-0 at offset 0" in told
