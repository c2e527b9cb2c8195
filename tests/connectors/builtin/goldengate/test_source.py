from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.connectors.conftest import JSON, Connect, eventually

PLAIN = {
    "key__converter": JSON, "key__converter__schemas__enable": "false",
    "value__converter": JSON, "value__converter__schemas__enable": "false",
}  # fmt: skip


def operation(kind: str, before: Any, after: Any, pos: int) -> dict[str, Any]:
    found = {
        "table": "QA.CUSTOMER", "op_type": kind, "op_ts": "2025-01-01 10:00:00.123456",
        "pos": f"{pos:020d}", "primary_keys": ["ID"], "before": before, "after": after,
    }  # fmt: skip
    return {name: value for name, value in found.items() if value is not None}


OLD, NEW = {"ID": 1, "NAME": "Ánna"}, {"ID": 1, "NAME": "Zoë"}
ALL = [operation("I", None, OLD, 1), operation("U", OLD, NEW, 2), operation("D", NEW, None, 3)]


def pairs(connect: Connect, topic: str, count: int) -> list[tuple[Any, Any]]:
    return [
        (json.loads(one.key() or b"null"), json.loads(one.value()) if one.value() else None)
        for one in connect.read(topic, count)
    ]


def test_operations_become_changes(connect: Connect, tmp_path: Path) -> None:
    first, second = tmp_path / "a-0.json", tmp_path / "a-1.json"
    text = "".join(json.dumps(one, ensure_ascii=False) for one in ALL)
    first.write_text(text[:-30], "utf-8")
    connect.put("gg", "GoldenGateSource", folder=tmp_path, topic__prefix="ora",
                poll__interval__ms=30, **PLAIN)  # fmt: skip
    found = pairs(connect, "ora.QA.CUSTOMER", 2)
    assert found[0][0] == {"ID": 1}
    assert (found[0][1]["op"], found[0][1]["before"], found[0][1]["after"]) == ("c", None, OLD)
    assert (found[1][1]["op"], found[1][1]["before"], found[1][1]["after"]) == ("u", OLD, NEW)
    assert found[1][1]["source"]["pos"] == f"{2:020d}"
    assert found[1][1]["ts_ms"] == 1_735_725_600_123

    connect.rest.put("/connectors/gg/stop")
    first.write_text(text, "utf-8")
    second.write_text(json.dumps(operation("I", None, {"ID": 2}, 4)) + "\n", "utf-8")
    connect.rest.put("/connectors/gg/resume")
    later = pairs(connect, "ora.QA.CUSTOMER", 5)[2:]
    assert [(key, value and value["op"]) for key, value in later] == [
        ({"ID": 1}, "d"), ({"ID": 1}, None), ({"ID": 2}, "c"),
    ]  # fmt: skip


def test_rows_alone(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("\n".join(map(json.dumps, ALL)))
    connect.put("rows", "GoldenGateSource", folder=tmp_path, topic__prefix="rows", envelope="row",
                **PLAIN)  # fmt: skip

    assert pairs(connect, "rows.QA.CUSTOMER", 3) == [
        ({"ID": 1}, OLD), ({"ID": 1}, NEW), ({"ID": 1}, None),
    ]  # fmt: skip


def test_what_is_no_operation_is_said(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"hello": "world"}')
    config = {
        "connector.class": "GoldenGateSource", "folder": str(tmp_path), "topic.prefix": "bad",
        "aliran.restart.attempts": "0",
    }  # fmt: skip
    connect.rest.put("/connectors/bad/config", json=config)

    def trace() -> str:
        tasks = connect.rest.get("/connectors/bad/status").json().get("tasks", [])
        return str(tasks[0].get("trace", "")) if tasks else ""

    assert "x.json before byte 18: no operation of GoldenGate" in eventually(trace)
