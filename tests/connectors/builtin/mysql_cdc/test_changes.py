from __future__ import annotations

import pytest
from tests.connectors.builtin.mysql_cdc.conftest import Shop
from tests.connectors.conftest import eventually

pytestmark = pytest.mark.xdist_group("mysql_cdc")


def test_rows_that_are_there_and_changes_that_come(shop: Shop) -> None:
    shop.execute("CREATE TABLE t (id int PRIMARY KEY, name text)",
                 "INSERT INTO t VALUES (1, 'a'), (2, 'b')")  # fmt: skip
    shop.capture()
    shop.read("t", 2)

    shop.execute(
        "INSERT INTO t VALUES (3, 'c')",
        "UPDATE t SET name = 'B' WHERE id = 2",
        "UPDATE t SET id = 4 WHERE id = 3",
        "DELETE FROM t WHERE id = 1",
    )

    found = shop.read("t", 9)
    shown = [(key["id"], value and (value["op"], value["before"], value["after"]))
             for key, value in found]  # fmt: skip
    assert shown == [
        (1, ("r", None, {"id": 1, "name": "a"})),
        (2, ("r", None, {"id": 2, "name": "b"})),
        (3, ("c", None, {"id": 3, "name": "c"})),
        (2, ("u", {"id": 2, "name": "b"}, {"id": 2, "name": "B"})),
        (3, ("d", {"id": 3, "name": "c"}, None)),
        (3, None),
        (4, ("c", None, {"id": 4, "name": "c"})),
        (1, ("d", {"id": 1, "name": "a"}, None)),
        (1, None),
    ]
    assert [one[1]["source"]["snapshot"] for one in found[:3]] == ["first", "last", "false"]
    source = found[2][1]["source"]
    assert (source["connector"], source["db"], source["table"]) == ("mariadb", shop.name, "t")
    assert source["gtid"].startswith("0-1-")
    assert source["file"].startswith("bin.0000")
    assert source["server_id"] == 1


def test_a_restart_goes_on_in_the_middle_of_a_transaction(shop: Shop) -> None:
    shop.execute("CREATE TABLE t (id int PRIMARY KEY)")
    shop.capture(max__batch__size=1, topic__prefix=shop.name, snapshot__mode="no_data")
    eventually(lambda: shop.connect.status(shop.name)["tasks"][0].get("details"))
    topic = f"{shop.name}.{shop.name}.t"
    shop.execute("INSERT INTO t VALUES (-1)")
    shop.read_topic(topic, 1)
    rows = ",".join(f"({n})" for n in range(3000))
    shop.execute("BEGIN", f"INSERT INTO t VALUES {rows}", "COMMIT")
    assert [key["id"] for key, _ in shop.read_topic(topic, 3001)] == list(range(-1, 3000))
    shop.stop()
    begins = shop.offset()
    assert begins["rows_events"] >= 1

    # 3,000 rows fill several events: say that the first one is done, and five rows of the next.
    answer = shop.connect.rest.patch(
        f"/connectors/{shop.name}/offsets",
        json={"offsets": [{"partition": {"server": shop.name},
                           "offset": {**begins, "rows_events": 1, "row": 5}}]},
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    shop.resume()
    shop.execute("INSERT INTO t VALUES (3000)")

    first = shop.read_topic(topic, 3002)[3001][0]["id"]
    again = [key["id"] for key, _ in shop.read_topic(topic, 6002 - first)[3001:]]
    assert 5 < first < 3000
    assert again == list(range(first, 3001))


def test_columns_that_change_need_no_history(shop: Shop) -> None:
    shop.execute("CREATE TABLE t (id int PRIMARY KEY, name varchar(10))")
    shop.capture()
    shop.execute("INSERT INTO t VALUES (1, 'a')")
    shop.read("t", 1)
    shop.stop()
    shop.execute(
        "INSERT INTO t VALUES (2, 'b')",
        "ALTER TABLE t ADD COLUMN n int FIRST, CHANGE name title text",
        "INSERT INTO t VALUES (7, 3, 'c')",
        "ALTER TABLE t DROP COLUMN title",
        "INSERT INTO t VALUES (8, 4)",
    )
    shop.resume()

    # The first row may come of the log and of the snapshot, as the one or the other was quicker.
    rows = [value["after"] for _, value in shop.read("t", 4)]
    if rows[0] == rows[1]:
        rows = [value["after"] for _, value in shop.read("t", 5)][1:]
    assert rows == [
        {"id": 1, "name": "a"}, {"id": 2, "name": "b"}, {"n": 7, "id": 3, "title": "c"},
        {"n": 8, "id": 4},
    ]  # fmt: skip


def test_what_the_options_say(shop: Shop) -> None:
    shop.execute(
        "CREATE TABLE t (id int PRIMARY KEY, secret text, other int)", "CREATE TABLE u (n int)"
    )
    shop.capture(
        include__schema__changes="true", provide__transaction__metadata="true",
        table__exclude__list=f"{shop.name}.u", column__exclude__list=".*[.]other",
        include__query="true", tombstones__on__delete="false", topic__prefix=shop.name,
        skipped__operations="u", column__mask__with__3__chars=".*[.]secret",
        snapshot__mode="no_data",
    )  # fmt: skip
    eventually(lambda: shop.connect.status(shop.name)["tasks"][0].get("details"))
    shop.execute(
        "BEGIN", "INSERT INTO t VALUES (1, 'x', 1)", "UPDATE t SET other = 2",
        "INSERT INTO u VALUES (1)", "DELETE FROM t", "COMMIT", "TRUNCATE TABLE t",
    )  # fmt: skip

    found = shop.read_topic(f"{shop.name}.{shop.name}.t", 3)
    marks = shop.read_topic(f"{shop.name}.transaction", 2)
    changes = shop.read_topic(shop.name, 1)

    assert [value["op"] for _, value in found] == ["c", "d", "t"]
    assert found[0][1]["after"] == {"id": 1, "secret": "***"}
    assert found[0][1]["source"]["query"] == "INSERT INTO t VALUES (1, 'x', 1)"
    assert found[1][1]["transaction"]["total_order"] == 2
    assert marks[1][1]["event_count"] == 2
    assert changes[0][1]["ddl"] == "TRUNCATE TABLE t"


def test_a_table_without_a_key_and_keys_of_several_columns(shop: Shop) -> None:
    shop.execute(
        "CREATE TABLE n (x int)", "INSERT INTO n VALUES (1), (1), (2)",
        "CREATE TABLE k (a varchar(9), b date, c varbinary(4), PRIMARY KEY (a, b, c))",
        "INSERT INTO k VALUES ('x', '2026-01-01', X'00'), ('x', '2026-01-01', X'ff'), "
        "('x', '2026-01-02', ''), ('''Y', '2000-01-01', 'a'), ('é', '2000-01-01', '')",
    )  # fmt: skip
    shop.capture(snapshot__fetch__size=1)

    assert [(key, value["after"]["x"]) for key, value in shop.read("n", 3)] == [
        (None, 1), (None, 1), (None, 2)
    ]  # fmt: skip
    assert len({str(key) for key, _ in shop.read("k", 5)}) == 5
