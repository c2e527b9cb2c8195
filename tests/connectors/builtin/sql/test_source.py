"""Tables of real databases into topics."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.connectors.builtin.sql.conftest import Place
from tests.connectors.conftest import JSON, Connect, eventually

pytestmark = pytest.mark.xdist_group("sql")


def source(connect: Connect, place: Place, name: str, **options: Any) -> None:
    connect.put(
        name, "SqlSource",
        **{"topic__prefix": f"{name}-", "poll__interval__ms": 50, "value__converter": JSON,
           "value__converter__schemas__enable": "false", "batch__max__rows": 3, **place.options,
           **options},
    )  # fmt: skip


def values(connect: Connect, topic: str, count: int) -> list[Any]:
    return [json.loads(one.value()) for one in connect.read(topic, count)]


def ids(connect: Connect, topic: str, count: int) -> list[int]:
    return [one["id"] for one in values(connect, topic, count)]


def numbered(place: Place, table: str, *numbers: int) -> None:
    """Add rows to a table, which is made first."""
    kind = "TIMESTAMP" if place.name != "mariadb" else "DATETIME(6)"
    rows = ", ".join(f"({one}, '2026-01-01 00:00:{one:02}.5')" for one in numbers)
    place.run(
        f"CREATE TABLE IF NOT EXISTS {table} (id INTEGER PRIMARY KEY, moment {kind} NOT NULL)",
        f"INSERT INTO {table} VALUES {rows}",
    )


NUMBER = {"incrementing__column__name": "id"}
TIME = {"timestamp__column__name": "moment"}


@pytest.mark.parametrize(
    ("place", "mode", "options"),
    [
        ("postgres", "incrementing", NUMBER), ("postgres", "timestamp", TIME),
        ("sqlite", "timestamp", TIME),
        *((one, "timestamp+incrementing", NUMBER | TIME)
          for one in ("postgres", "mariadb", "sqlite", "duckdb")),
    ],
    indirect=["place"],
)  # fmt: skip
def test_new_rows_come_once_also_after_a_restart(
    connect: Connect, place: Place, mode: str, options: dict[str, str]
) -> None:
    name = f"{place.name}-{mode.replace('+', '-')}"
    table = f"n_{mode.replace('+', '_')}"
    numbered(place, table, 1, 2, 3, 4, 5, 6, 7)
    options = {**options, "mode": mode, "table__whitelist": table}

    source(connect, place, name, **options)
    assert ids(connect, f"{name}-{table}", 7) == [1, 2, 3, 4, 5, 6, 7]
    numbered(place, table, 8)
    assert ids(connect, f"{name}-{table}", 8)[7:] == [8]
    connect.rest.put(f"/connectors/{name}/stop")
    numbered(place, table, 9, 10)
    connect.rest.put(f"/connectors/{name}/resume")

    assert ids(connect, f"{name}-{table}", 10)[8:] == [9, 10]
    offset = eventually(lambda: connect.rest.get(f"/connectors/{name}/offsets").json()["offsets"])[
        0
    ]
    assert offset["partition"]["table"].split(".")[-1] == table
    connect.rest.delete(f"/connectors/{name}")
