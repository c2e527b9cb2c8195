"""Tables of real databases into topics."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.connectors.builtin.sql.conftest import Place, on
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


@on("postgres", "sqlite")
def test_a_query_is_read_with_the_types_of_its_columns(connect: Connect, place: Place) -> None:
    name = f"query-{place.name}"
    place.run(
        "CREATE TABLE shops (id INTEGER PRIMARY KEY, name VARCHAR(20))",
        "CREATE TABLE sales (id INTEGER PRIMARY KEY, shop INTEGER, price DECIMAL(6,2))",
        "INSERT INTO shops VALUES (1, 'a:b'), (2, '50%')",
        "INSERT INTO sales VALUES (1, 1, 1.50), (2, 2, 2.25), (3, 9, 1), (4, 1, 3)",
    )
    query = (
        "SELECT sales.id, name, price, 'a:b %' AS note FROM sales JOIN shops "
        "ON shops.id = sales.shop WHERE name <> 'x:y' AND name LIKE '%'"
    )
    source(connect, place, name, query=query, topic__prefix=name,
           value__converter__decimal__format="NUMERIC", mode="incrementing", **NUMBER)  # fmt: skip

    wanted = [(1, "a:b", 1.5), (2, "50%", 2.25), (4, "a:b", 3)]
    found = values(connect, name, 3)
    assert [(one["id"], one["name"], one["price"]) for one in found] == wanted
    place.run("INSERT INTO sales VALUES (5, 2, 4)")
    assert ids(connect, name, 4)[3] == 5
    connect.rest.delete(f"/connectors/{name}")


def test_new_tables_and_columns_are_found(connect: Connect, pg: Place) -> None:
    pg.run("CREATE SCHEMA shop", "CREATE TABLE shop.one (id bigserial PRIMARY KEY)",
           "CREATE TABLE shop.hidden (id bigserial PRIMARY KEY)",
           "INSERT INTO shop.one VALUES (1), (2)")  # fmt: skip
    source(connect, pg, "found", mode="incrementing", schema__pattern="shop", tasks__max=2,
           table__exclude__list="shop[.]h.*", table__poll__interval__ms=200)  # fmt: skip
    assert ids(connect, "found-one", 2) == [1, 2]

    pg.run("CREATE TABLE shop.two (id bigserial PRIMARY KEY)", "INSERT INTO shop.two VALUES (7)")
    pg.run("ALTER TABLE shop.one ADD name text", "INSERT INTO shop.one VALUES (3, 'three')")

    assert ids(connect, "found-two", 1) == [7]
    assert {"id": 3, "name": "three"} in values(connect, "found-one", 3)
    eventually(lambda: len(connect.status("found")["tasks"]) == 2)
    topics = connect.rest.get("/connectors/found/topics").json()["found"]["topics"]
    assert sorted(topics) == ["found-one", "found-two"]
    connect.rest.delete("/connectors/found")


def test_slow_transactions_with_lower_numbers_are_waited_for(connect: Connect, pg: Place) -> None:
    assert pg.server is not None
    pg.run("CREATE TABLE slow (id bigserial PRIMARY KEY, name text)")
    source(connect, pg, "slow", mode="incrementing", table__whitelist="slow",
           incrementing__delay__interval__ms=700)  # fmt: skip

    with pg.server.connect() as one, pg.server.connect() as two:
        one.execute("BEGIN")
        one.execute("INSERT INTO slow (name) VALUES ('slow')")
        two.execute("INSERT INTO slow (name) VALUES ('quick')")
        one.execute("COMMIT")

    assert sorted(ids(connect, "slow-slow", 2)) == [1, 2]
    connect.rest.delete("/connectors/slow")


def test_all_rows_again_and_again_in_bulk(connect: Connect, pg: Place) -> None:
    numbered(pg, "bulk", 1, 2)

    source(connect, pg, "bulk", table__whitelist="public.bulk", poll__interval__ms=200)

    assert ids(connect, "bulk-bulk", 6)[:6] == [1, 2] * 3
    connect.rest.delete("/connectors/bulk")


def test_a_database_that_goes_away_is_waited_for(connect: Connect, pg: Place) -> None:
    assert pg.server is not None
    numbered(pg, "gone", 1)
    source(connect, pg, "gone", mode="incrementing", table__whitelist="gone",
           incrementing__column__name="id", connection__attempts=1)  # fmt: skip
    assert ids(connect, "gone-gone", 1) == [1]

    pg.server.kill()
    pg.server.start()
    numbered(pg, "gone", 2)

    assert ids(connect, "gone-gone", 2) == [1, 2]
    assert connect.status("gone")["tasks"][0]["state"] == "RUNNING"
    connect.rest.delete("/connectors/gone")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"connection.url": "jdbc:derby:x"}, "is no URL of a database: jdbc:derby: is"),
        ({"connection.url": "postgresql://127.0.0.1:1/x"}, "127.0.0.1:1/x cannot be used"),
        ({"connection.password": "wrong"}, "look at connection.url, connection.user and"),
        ({"mode": "timestamp"}, "mode=timestamp needs the columns with times"),
        ({"query": "SELECT nothing FROM nowhere", "table.whitelist": ""}, '"nowhere" does not'),
        ({"mode": "incrementing", "incrementing.column.name": "x"}, "has no column x (there are:"),
        ({"mode": "incrementing", "incrementing.column.name": "n"}, "because it may be null"),
        ({"db.timezone": "Mars"}, "it is no time zone"),
        ({"connection.url": "oracle+oracledb://h/x"}, "the driver of oracle+oracledb is not"),
    ],
)
def test_what_is_wrong_is_told_before_it_starts(
    connect: Connect, pg: Place, options: dict[str, str], told: str
) -> None:
    pg.run("CREATE TABLE IF NOT EXISTS checked (id bigserial PRIMARY KEY, n int)")
    url = pg.url.replace("postgres:secret@", "")
    config = {
        "connector.class": "io.confluent.connect.jdbc.JdbcSourceConnector", "topic.prefix": "x-",
        "connection.url": url, "connection.user": "postgres", "connection.password": "secret",
        "table.whitelist": "checked", **options,
    }  # fmt: skip

    answer = connect.rest.put("/connectors/wrong/config", json=config)

    assert answer.status_code == 400
    assert told in answer.json()["message"]
    assert "secret" not in answer.text


def test_offsets_are_looked_at_before_they_are_set(connect: Connect, pg: Place) -> None:
    numbered(pg, "altered", 1, 2, 3)
    source(connect, pg, "alter", mode="incrementing", table__whitelist="altered",
           incrementing__column__name="id")  # fmt: skip
    ids(connect, "alter-altered", 3)
    connect.rest.put("/connectors/alter/stop")
    partition = {"protocol": "1", "table": "public.altered"}

    def alter(offset: dict[str, Any], of: Any = partition) -> int:
        body = {"offsets": [{"partition": of, "offset": offset}]}
        return connect.rest.patch("/connectors/alter/offsets", json=body).status_code

    assert alter({"incrementing": "one"}) >= 400
    assert alter({"incrementing": 1}, {"file": "x"}) >= 400
    assert alter({"incrementing": 1}) == 200
    connect.rest.put("/connectors/alter/resume")
    assert ids(connect, "alter-altered", 5)[3:] == [2, 3]
    connect.rest.delete("/connectors/alter")
