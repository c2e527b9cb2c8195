from __future__ import annotations

import pytest
from tests.connectors.builtin.mysql_cdc.conftest import Shop

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
    assert source["file"].startswith("bin.0000") and source["server_id"] == 1
