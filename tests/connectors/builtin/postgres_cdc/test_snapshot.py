from __future__ import annotations

import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from connect_process import ConnectProcess
from tests.connectors.builtin.postgres_cdc.conftest import Shop, folded
from tests.connectors.conftest import eventually

from aliran.connectors.builtin.postgres_cdc.snapshot import DatabaseSnapshot, Job, Progress
from aliran.connectors.builtin.postgres_cdc.task import PostgresCdcTask
from aliran.connectors.records import SourceRecord

pytestmark = pytest.mark.xdist_group("postgres_cdc")


def table_of(shop: Shop, table: str) -> dict[str, Any]:
    rows = shop.execute(f"SELECT row_to_json(t), '{{\"id\": ' || id || '}}' FROM {table} t")
    return {key: row for row, key in rows}


def test_a_snapshot_in_chunks_while_rows_change(shop: Shop) -> None:
    shop.execute(
        "CREATE TABLE t (id int PRIMARY KEY, n int)",
        "CREATE TABLE u (id int PRIMARY KEY)",
        "INSERT INTO t SELECT i, 0 FROM generate_series(1, 300) i",
        "INSERT INTO u VALUES (1), (2)",
    )
    stop = threading.Event()

    def change() -> None:
        n = 0
        while not stop.is_set():
            n += 1
            row = n * 37 % 300 + 1
            shop.execute(
                f"UPDATE t SET n = n + 1 WHERE id % 50 = {n % 50}",
                f"UPDATE t SET id = {1000 + n} WHERE id = {row}",
                f"DELETE FROM t WHERE id = {(row + 10) % 300}",
                f"INSERT INTO t VALUES ({-n}, 1)",
            )

    changing = threading.Thread(target=change)
    changing.start()
    shop.capture(snapshot__fetch__size=7)
    eventually(lambda: shop.details()["snapshot"] == "done")
    stop.set()
    changing.join()
    shop.execute("INSERT INTO t VALUES (5000, 5)")

    read = shop.follow("public.t")
    found = read(lambda rows: bool(rows) and rows[-1][0] == {"id": 5000})
    assert folded(found) == table_of(shop, "t")
    markers = [value["source"]["snapshot"] for _, value in found if value and value["op"] == "r"]
    assert markers[0] == "first" or "first" in markers
    other = [value["source"]["snapshot"] for _, value in shop.read("public.u", 2)]
    assert other == ["first_in_data_collection", "last"]


class Offsets:
    """What a task asks for offsets."""

    def __init__(self) -> None:
        self.stored: dict[str, Any] | None = None
        self.offset_storage_reader = self
        self.transaction_context = None

    def offset(self, _partition: Any) -> dict[str, Any] | None:
        return self.stored

    def configs(self) -> dict[str, str]:
        return {}


def task_of(shop: Shop, offsets: Offsets, **options: Any) -> PostgresCdcTask:
    task = PostgresCdcTask()
    task.initialize(offsets)
    task.start({name: str(value) for name, value in shop.config(**options).items()})
    return task


def records_until(task: PostgresCdcTask, count: int) -> list[SourceRecord]:
    found: list[SourceRecord] = []
    deadline = time.monotonic() + 20
    while len(found) < count and time.monotonic() < deadline:
        found += [one for one in task.poll() or () if ".public." in str(one.topic)]
    return found


def test_rows_go_before_the_changes_that_they_do_not_see(shop: Shop) -> None:
    """So that a large value that only the chunk knows is not lost."""
    shop.execute(
        "CREATE TABLE t (id int PRIMARY KEY, n int, big text)",
        "ALTER TABLE t ALTER big SET STORAGE EXTERNAL",
        "INSERT INTO t SELECT i, 0, repeat('x', 5000) FROM generate_series(1, 4) i",
    )
    task = task_of(shop, Offsets())
    reader = task._snapshots._reader
    write = reader.write_watermark

    def changes_come_first(chunk: Any) -> None:
        shop.execute(
            "UPDATE t SET n = 1 WHERE id = 3",
            "UPDATE t SET id = 9 WHERE id = 2",
            "DELETE FROM t WHERE id = 4",
        )
        write(chunk)

    reader.write_watermark = changes_come_first  # type: ignore[method-assign]

    found = records_until(task, 10)
    task.close()

    shown = [
        (one.key["id"], one.value and one.value["op"], one.value and one.value["after"])
        for one in found
    ]
    short = [(key, op, row and row["n"], row and len(row["big"]) > 4000) for key, op, row in shown]
    assert short == [
        (3, "r", 0, True), (3, "u", 1, False),
        (2, "r", 0, True), (2, "d", None, None), (2, None, None, None), (9, "c", 0, False),
        (4, "r", 0, True), (4, "d", None, None), (4, None, None, None),
        (1, "r", 0, True),
    ]  # fmt: skip


def test_a_snapshot_and_a_transaction_go_on_where_they_were(shop: Shop) -> None:
    shop.execute(
        "CREATE TABLE t (id int PRIMARY KEY)",
        "INSERT INTO t SELECT generate_series(1, 25)",
    )
    offsets = Offsets()
    options = {"snapshot__fetch__size": 10, "max__batch__size": 5}
    first = task_of(shop, offsets, **options)
    found = records_until(first, 10)
    assert [one.key["id"] for one in found] == list(range(1, 11))
    offsets.stored = dict(found[-1].source_offset or {})
    first.close()

    second = task_of(shop, offsets, **options)
    rest = records_until(second, 15)
    assert [one.key["id"] for one in rest] == list(range(11, 26))
    shop.execute("INSERT INTO t SELECT generate_series(101, 120)")
    changes = records_until(second, 12)
    offsets.stored = dict(changes[6].source_offset or {})
    second.close()

    third = task_of(shop, offsets, **options)
    again = records_until(third, 13)
    third.close()
    assert [one.key["id"] for one in again] == list(range(108, 121))


def _anything(_found: list[Any]) -> bool:
    return True


def _longer(than: int, found: list[Any]) -> bool:
    return len(found) > than


def test_nothing_is_lost_when_the_worker_is_killed(shop: Shop, tmp_path: Path) -> None:
    shop.execute(
        "CREATE TABLE t (id int PRIMARY KEY, n int)",
        "INSERT INTO t SELECT i, 0 FROM generate_series(1, 4000) i",
    )
    config = shop.config(snapshot__fetch__size=100)
    servers = shop.connect.server.bootstrap_servers
    worker = ConnectProcess(tmp_path, servers, {shop.name: config})
    read = shop.follow("public.t")
    for kill in range(3):
        worker.start()
        read(partial(_longer, len(read(_anything))))
        shop.execute(
            f"UPDATE t SET n = n + 1 WHERE id % 7 = {kill}",
            f"DELETE FROM t WHERE id % 13 = {kill}",
            f"INSERT INTO t VALUES ({5000 + kill}, 0)",
            f"UPDATE t SET id = id + 10000 WHERE id % 11 = {kill}",
        )
        if kill < 2:
            worker.kill()
    rows = table_of(shop, "t")
    found = read(lambda all_: len(all_) > 4000 and folded(all_) == rows)
    worker.stop()

    assert folded(found) == rows


def test_tables_without_a_simple_key(shop: Shop) -> None:
    shop.execute(
        "CREATE TABLE keyless (n int, s text)",
        "INSERT INTO keyless SELECT i, repeat('x', 500) FROM generate_series(1, 200) i",
        "ANALYZE keyless",
        'CREATE TABLE "Two Keys" (a text, b int, c text, PRIMARY KEY (a, b))',
        "INSERT INTO \"Two Keys\" SELECT 'it''s ' || i / 10, i, E'a\\tb' "
        "FROM generate_series(1, 50) i",
    )
    shop.capture(snapshot__fetch__size=20)

    numbers = [value["after"]["n"] for _, value in shop.read("public.keyless", 200)]
    assert sorted(numbers) == list(range(1, 201))
    two = shop.read("public.Two_Keys", 50)
    assert sorted(key["b"] for key, _ in two) == list(range(1, 51))
    assert two[0][1]["after"]["c"] == "a\tb"


def test_signals_ask_for_rows_again(shop: Shop) -> None:
    shop.execute(
        "CREATE TABLE t (id int PRIMARY KEY)",
        "CREATE TABLE signals (id text PRIMARY KEY, type text, data text)",
        "INSERT INTO t SELECT generate_series(1, 10)",
    )
    shop.capture(
        snapshot__mode="no_data",
        signal__data__collection="public.signals",
        table__include__list=r"public\.t",
        publication__autocreate__mode="filtered",
        incremental__snapshot__chunk__size=2,
    )

    shop.execute(
        "INSERT INTO signals VALUES ('1', 'nonsense', '')",
        "INSERT INTO signals VALUES ('2', 'execute-snapshot', '{\"data-collections\": 3}')",
        "INSERT INTO signals VALUES ('3', 'execute-snapshot', '{\"data-collections\": "
        '["public.t"], "additional-conditions": [{"data-collection": "public.t", '
        '"filter": "id > 4"}]}\')',
    )

    found = shop.read("public.t", 6)
    assert [(key["id"], value["op"]) for key, value in found] == [(n, "r") for n in range(5, 11)]
    assert {value["source"]["snapshot"] for _, value in found} == {"incremental"}
    eventually(lambda: shop.details()["snapshot"] == "done")


def test_modes(shop: Shop) -> None:
    shop.execute("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)")
    shop.capture(snapshot__mode="initial_only")
    shop.read("public.t", 2)
    slots = f"SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{shop.name}'"
    eventually(lambda: shop.execute(slots) == [(0,)])

    shop.stop()
    assert shop.connect.rest.delete(f"/connectors/{shop.name}/offsets").status_code == 200
    shop.resume()
    shop.capture(snapshot__mode="always")
    eventually(lambda: shop.details().get("snapshot") == "done")
    shop.capture(snapshot__mode="always", poll__interval__ms=400)  # it starts anew
    found = shop.read("public.t", 6)

    assert [key["id"] for key, _ in found[-4:]] == [1, 2, 1, 2]


def test_what_a_database_snapshot_sees() -> None:
    snapshot = DatabaseSnapshot("10:20:10,14")

    assert [one for one in range(8, 23) if snapshot.sees(one)] == [
        8, 9, 11, 12, 13, 15, 16, 17, 18, 19,
    ]  # fmt: skip
    later = DatabaseSnapshot(f"{(1 << 32) + 3}:{(1 << 32) + 5}:{(1 << 32) + 3}")
    assert [later.sees(one) for one in (2**32 - 1, 2, 3, 4, 5)] == [True, True, False, True, False]


def test_progress_survives_as_a_text() -> None:
    progress = Progress([Job("a.b", last=["1", "x"]), Job("c.d", "incremental", "id > 1")], True)

    assert Progress.of(progress.text()) == progress
    assert Progress.of(None).text() is None
    with pytest.raises(ValueError, match="no progress"):
        Progress.of("[]")
