from __future__ import annotations

import pytest
from tests.connectors.builtin.postgres_cdc.conftest import Shop

pytestmark = pytest.mark.xdist_group("postgres_cdc")


def test_rows_that_are_there_and_changes_that_come(shop: Shop) -> None:
    shop.execute("CREATE TABLE t (id int PRIMARY KEY, name text)",
                 "INSERT INTO t VALUES (1, 'a'), (2, 'b')")  # fmt: skip
    shop.capture()
    shop.read("public.t", 2)

    shop.execute(
        "INSERT INTO t VALUES (3, 'c')",
        "UPDATE t SET name = 'B' WHERE id = 2",
        "UPDATE t SET id = 4 WHERE id = 3",
        "DELETE FROM t WHERE id = 1",
    )

    found = shop.read("public.t", 9)
    shown = [(key["id"], value and (value["op"], value["before"], value["after"]))
             for key, value in found]  # fmt: skip
    assert shown == [
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
