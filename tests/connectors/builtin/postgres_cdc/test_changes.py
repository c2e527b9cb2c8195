from __future__ import annotations

import hashlib
from typing import Any

import pytest
from tests.connectors.builtin.postgres_cdc.conftest import Shop

pytestmark = pytest.mark.xdist_group("postgres_cdc")


def shown(found: list[tuple[Any, Any]]) -> list[Any]:
    """Return keys with operation, before and after."""
    return [
        (key and next(iter(key.values())), value and (value["op"], value["before"], value["after"]))
        for key, value in found
    ]


def test_rows_that_are_there_and_changes_that_come(shop: Shop) -> None:
    shop.execute(
        "CREATE TABLE t (id int PRIMARY KEY, name text)",
        "INSERT INTO t VALUES (1, 'a'), (2, 'b')",
    )
    shop.capture()
    shop.read("public.t", 2)

    shop.execute(
        "INSERT INTO t VALUES (3, 'c')",
        "UPDATE t SET name = 'B' WHERE id = 2",
        "UPDATE t SET id = 4 WHERE id = 3",
        "DELETE FROM t WHERE id = 1",
    )

    found = shop.read("public.t", 9)
    assert shown(found) == [
        (1, ("r", None, {"id": 1, "name": "a"})),
        (2, ("r", None, {"id": 2, "name": "b"})),
        (3, ("c", None, {"id": 3, "name": "c"})),
        (2, ("u", None, {"id": 2, "name": "B"})),
        (3, ("d", {"id": 3, "name": None}, None)),
        (3, None),
        (4, ("c", None, {"id": 4, "name": "c"})),
        (1, ("d", {"id": 1, "name": None}, None)),
        (1, None),
    ]
    source = found[2][1]["source"]
    assert [one[1]["source"]["snapshot"] for one in found[:3]] == ["first", "last", "false"]
    assert source["connector"] == "postgresql"
    assert (source["db"], source["schema"], source["table"]) == (shop.name, "public", "t")
    assert source["sequence"].endswith(f'"{source["lsn"]}"]')
    assert source["ts_ms"] == source["ts_us"] // 1000


def test_replica_identities_say_what_is_known_of_old_rows(shop: Shop) -> None:
    shop.execute(
        "CREATE TABLE known (id int PRIMARY KEY, n int NOT NULL)",
        "CREATE TABLE keyless (n int, s text)",
        "CREATE TABLE by_index (n int NOT NULL UNIQUE, s text NOT NULL)",
        "ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_n_key",
        "INSERT INTO keyless VALUES (1, 'x')",
    )
    shop.capture(replica__identity__autoset__values=r"public\.known:FULL,public\.keyless:FULL")
    shop.read("public.keyless", 1)

    shop.execute(
        "INSERT INTO known VALUES (1, 5)",
        "UPDATE known SET n = 6",
        "DELETE FROM known",
        "UPDATE keyless SET n = 2",
        "DELETE FROM keyless",
        "INSERT INTO by_index VALUES (1, 'a')",
        "DELETE FROM by_index",
    )

    assert shown(shop.read("public.known", 4))[1:] == [
        (1, ("u", {"id": 1, "n": 5}, {"id": 1, "n": 6})),
        (1, ("d", {"id": 1, "n": 6}, None)),
        (1, None),
    ]
    assert shown(shop.read("public.keyless", 3)) == [
        (None, ("r", None, {"n": 1, "s": "x"})),
        (None, ("u", {"n": 1, "s": "x"}, {"n": 2, "s": "x"})),
        (None, ("d", {"n": 2, "s": "x"}, None)),
    ]
    assert shown(shop.read("public.by_index", 2))[1] == (1, ("d", {"n": 1, "s": ""}, None))


def test_large_values_that_were_not_touched(shop: Shop) -> None:
    shop.execute(
        "CREATE TABLE t (id int PRIMARY KEY, n int, s text, b bytea NOT NULL, l text[])",
        "CREATE TABLE f (id int PRIMARY KEY, n int, s text)",
        "ALTER TABLE t ALTER s SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTERNAL, "
        "ALTER l SET STORAGE EXTERNAL",
        "ALTER TABLE f ALTER s SET STORAGE EXTERNAL",
        "ALTER TABLE f REPLICA IDENTITY FULL",
        "INSERT INTO t VALUES (1, 1, repeat('x', 9000), decode(repeat('00', 9000), 'hex'), "
        "ARRAY[repeat('y', 9000)])",
        "INSERT INTO f VALUES (1, 1, repeat('x', 9000))",
    )
    shop.capture(binary__handling__mode="base64", unavailable__value__placeholder="gone")
    shop.read("public.t", 1)

    shop.execute("UPDATE t SET n = 2", "UPDATE f SET n = 2")

    after = shop.read("public.t", 2)[1][1]["after"]
    assert after == {"id": 1, "n": 2, "s": "gone", "b": "gone", "l": ["gone"]}
    full = shop.read("public.f", 2)[1][1]
    assert full["after"]["s"] == full["before"]["s"] == "x" * 9000


def test_truncate_and_messages(shop: Shop) -> None:
    shop.execute("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    shop.capture(skipped__operations="none", message__prefix__exclude__list="other")
    shop.read("public.t", 1)

    shop.execute(
        "TRUNCATE t",
        "SELECT pg_logical_emit_message(true, 'hello', 'in')",
        "SELECT pg_logical_emit_message(false, 'other', 'x')",
        "SELECT pg_logical_emit_message(false, 'hello', 'out')",
        "INSERT INTO t VALUES (2)",
    )

    assert shown(shop.read("public.t", 3))[1:] == [
        (None, ("t", None, None)),
        (2, ("c", None, {"id": 2})),
    ]
    found = shop.read("message", 2)
    assert [(key, value["op"], value["message"]) for key, value in found] == [
        ({"prefix": "hello"}, "m", {"prefix": "hello", "content": "aW4="}),
        ({"prefix": "hello"}, "m", {"prefix": "hello", "content": "b3V0"}),
    ]


def test_columns_that_change(shop: Shop) -> None:
    shop.execute("CREATE TABLE t (id int PRIMARY KEY, a text)")
    shop.capture()

    shop.execute(
        "INSERT INTO t VALUES (1, 'x')",
        "ALTER TABLE t ADD b int NOT NULL DEFAULT 7",
        "INSERT INTO t VALUES (2, 'y')",
        "ALTER TABLE t DROP a",
        "ALTER TABLE t ALTER b TYPE text",
        "INSERT INTO t VALUES (3, 'z')",
        "CREATE TABLE later (id int PRIMARY KEY)",
        "INSERT INTO later VALUES (9)",
    )

    assert [value["after"] for _, value in shop.read("public.t", 3)] == [
        {"id": 1, "a": "x"}, {"id": 2, "a": "y", "b": 7}, {"id": 3, "b": "z"},
    ]  # fmt: skip
    assert shown(shop.read("public.later", 1)) == [(9, ("c", None, {"id": 9}))]


def test_transactions_are_told_of(shop: Shop) -> None:
    shop.execute("CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY)")
    shop.capture(provide__transaction__metadata="true")

    shop.execute("BEGIN; INSERT INTO a VALUES (1); INSERT INTO b VALUES (1); "
                 "INSERT INTO a VALUES (2); COMMIT")  # fmt: skip

    found = shop.read("public.a", 2)
    blocks = [value["transaction"] for _, value in found]
    name = blocks[0]["id"]
    assert blocks == [
        {"id": name, "total_order": 1, "data_collection_order": 1},
        {"id": name, "total_order": 3, "data_collection_order": 2},
    ]
    (_, begin), (_, end) = shop.read("transaction", 2)
    assert (begin["status"], end["status"], end["event_count"]) == ("BEGIN", "END", 3)
    assert end["data_collections"] == [
        {"data_collection": "public.a", "event_count": 2},
        {"data_collection": "public.b", "event_count": 1},
    ]


def test_what_is_wanted_and_what_is_hidden(shop: Shop) -> None:
    shop.execute(
        "CREATE TABLE t (id int PRIMARY KEY, other int, secret text, mail text, name text, x int)",
        "CREATE TABLE unwanted (id int PRIMARY KEY)",
        "INSERT INTO t VALUES (1, 2, 'pw', 'a@b', 'abcdef', 3)",
    )
    shop.capture(
        publication__autocreate__mode="filtered",
        table__include__list=r"public\.t",
        column__exclude__list=r"public\.t\.x",
        message__key__columns=r"public\.t:other",
        column__mask__with__3__chars=r"public\.t\.secret",
        column__truncate__to__2__chars=r"public\.t\.name",
        **{"column.mask.hash.v2.SHA-256.with.salt.s": r"public\.t\.mail"},
    )

    ((key, value),) = shop.read("public.t", 1)

    assert key == {"other": 2}
    assert value["after"].pop("mail") == hashlib.sha256(b"sa@b").hexdigest()
    assert value["after"] == {"id": 1, "other": 2, "secret": "***", "name": "ab"}
    assert shop.execute("SELECT tablename FROM pg_publication_tables") == [("t",)]


def test_partitions_can_be_shown_as_one_table(shop: Shop) -> None:
    shop.execute(
        "CREATE TABLE t (id int PRIMARY KEY, s text) PARTITION BY RANGE (id)",
        "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (10) TO (20)",
        "INSERT INTO t VALUES (1, 'a'), (11, 'b')",
    )
    shop.capture(publish__via__partition__root="true", publication__autocreate__mode="filtered")
    shop.read("public.t", 2)

    shop.execute("INSERT INTO t VALUES (2, 'c')")

    assert [key["id"] for key, _ in shop.read("public.t", 3)] == [1, 11, 2]
