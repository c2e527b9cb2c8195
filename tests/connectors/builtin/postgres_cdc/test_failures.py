from __future__ import annotations

import time
from pathlib import Path

import pytest
from databases import postgres
from tests.connectors.builtin.postgres_cdc.conftest import Shop
from tests.connectors.conftest import eventually

pytestmark = pytest.mark.xdist_group("postgres_cdc")


@pytest.fixture
def table(shop: Shop) -> Shop:
    shop.execute("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    return shop


def test_a_server_without_logical_wal(table: Shop, tmp_path: Path) -> None:
    with postgres(tmp_path, wal_level="replica") as server:
        answer = table.refused(database__port=server.port, database__dbname="postgres")

    assert "wal_level=replica; changes can be read only with logical" in answer


def test_users_who_may_not(table: Shop) -> None:
    for user, rights in ((f"{table.name}_a", ""), (f"{table.name}_b", "REPLICATION")):
        table.execute(f"CREATE ROLE {user} LOGIN PASSWORD 'secret' {rights}")
    table.execute("CREATE PUBLICATION p FOR TABLE t")
    options = {"publication__name": "p", "publication__autocreate__mode": "disabled"}

    told = table.refused(database__user=f"{table.name}_a", **options)
    assert "may not replicate; a superuser can say: ALTER ROLE" in told
    told = table.refused(database__password="wrong", **options)
    assert "password authentication failed" in told
    assert "wrong" not in told

    table.capture(streams=False, database__user=f"{table.name}_b", **options)
    assert "cannot be read for the snapshot: permission denied for table t" in table.trace()
    assert table.connect.status(table.name)["tasks"][0]["state"] == "FAILED"
    table.execute(f"ALTER ROLE {table.name}_b NOREPLICATION")
    table.connect.rest.post(f"/connectors/{table.name}/tasks/0/restart")
    eventually(lambda: "may not replicate" in table.trace())


def test_a_publication_that_is_missing(table: Shop) -> None:
    table.capture(streams=False, publication__autocreate__mode="disabled")
    assert "there is no publication 'dbz_publication'" in table.trace()

    table.capture(
        streams=False, publication__autocreate__mode="filtered", table__include__list="no.such"
    )
    eventually(lambda: "is named by schema.…/table.….list" in table.trace())


def test_a_publication_that_goes_away(table: Shop) -> None:
    table.capture()
    table.read("public.t", 1)

    table.execute("DROP PUBLICATION dbz_publication", "INSERT INTO t VALUES (2)")

    assert "publication 'dbz_publication' is no longer there" in table.trace()


def drop_slot(shop: Shop) -> None:
    shop.stop()
    eventually(lambda: not shop.execute("SELECT 1 FROM pg_replication_slots WHERE active"))
    shop.execute(f"SELECT pg_drop_replication_slot('{shop.name}')")


def stored(shop: Shop) -> bool:
    return bool(shop.connect.rest.get(f"/connectors/{shop.name}/offsets").json()["offsets"])


def test_a_slot_that_is_gone(table: Shop) -> None:
    table.capture()
    table.read("public.t", 1)
    eventually(lambda: stored(table))
    drop_slot(table)
    table.execute("INSERT INTO t VALUES (2)")

    table.resume()
    assert f"replication slot '{table.name}' is no longer there" in table.trace()
    assert "snapshot.mode=when_needed" in table.trace()

    table.capture(snapshot__mode="when_needed")
    assert [key["id"] for key, _ in table.read("public.t", 3)] == [1, 1, 2]


def test_a_position_that_is_gone(table: Shop) -> None:
    table.capture()
    table.read("public.t", 1)
    eventually(lambda: stored(table))
    drop_slot(table)
    table.execute(f"SELECT pg_create_logical_replication_slot('{table.name}', 'pgoutput')")

    table.resume()

    assert "is no longer in the replication slot" in table.trace()


def test_a_slot_that_was_invalidated(table: Shop) -> None:
    table.capture()
    table.read("public.t", 1)
    eventually(lambda: stored(table))
    table.stop()

    table.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'", "SELECT pg_reload_conf()")
    try:
        for number in range(5):
            table.execute(f"CREATE TABLE more{number} (id int)", "SELECT pg_switch_wal()")
        table.execute("CHECKPOINT")
        lost = f"SELECT wal_status FROM pg_replication_slots WHERE slot_name = '{table.name}'"
        eventually(lambda: table.execute(lost) == [("lost",)])
        table.resume()
        assert "was invalidated: it kept more WAL" in table.trace()
        table.capture(snapshot__mode="when_needed")
        assert [key["id"] for key, _ in table.read("public.t", 2)] == [1, 1]
    finally:
        table.execute("ALTER SYSTEM RESET max_slot_wal_keep_size", "SELECT pg_reload_conf()")


def test_a_slot_of_somebody_else(table: Shop) -> None:
    table.execute(f"SELECT pg_create_logical_replication_slot('{table.name}', 'test_decoding')")

    table.capture(streams=False)

    assert "belongs to the plugin 'test_decoding'" in table.trace()


def test_a_slot_that_somebody_else_reads(table: Shop) -> None:
    table.capture()
    config = {name: str(value) for name, value in table.config(slot__max__retries=0).items()}
    config["topic.prefix"] = "second"
    rest = table.connect.rest
    assert rest.put(f"/connectors/{table.name}2/config", json=config).status_code == 201

    def told() -> str:
        tasks = table.connect.status(f"{table.name}2")["tasks"]
        return str(tasks[0].get("trace", "")) if tasks else ""

    eventually(lambda: "is read by somebody else" in told())
    assert "pg_terminate_backend" in told()
    rest.delete(f"/connectors/{table.name}2")


def test_a_slot_is_dropped_with_the_task_if_wanted(table: Shop) -> None:
    table.capture(slot__drop__on__stop="true")
    table.read("public.t", 1)

    table.stop()

    slots = f"SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{table.name}'"
    eventually(lambda: table.execute(slots) == [(0,)])


def test_a_server_that_goes_away_and_comes_back(table: Shop) -> None:
    table.capture()
    table.read("public.t", 1)

    table.execute("INSERT INTO t VALUES (2)")
    table.server.kill()
    time.sleep(0.5)  # the task finds nobody
    table.server.start()
    table.reconnect()
    table.execute("INSERT INTO t VALUES (3)")

    found = table.follow("public.t")(lambda rows: {"id": 3} in [key for key, _ in rows])
    assert {key["id"] for key, _ in found} == {1, 2, 3}
    assert table.connect.status(table.name)["tasks"][0]["state"] == "RUNNING"


def test_a_server_that_is_away_at_the_start(table: Shop) -> None:
    table.capture()
    table.read("public.t", 1)
    table.stop()
    table.server.stop()
    assert "cannot be reached" in table.refused(poll__interval__ms=300)
    table.resume()
    time.sleep(0.3)
    table.server.start()
    table.reconnect()
    table.execute("INSERT INTO t VALUES (2)")

    assert table.read("public.t", 2)[-1][0] == {"id": 2}


def test_a_quiet_table_keeps_no_wal_and_the_lag_is_told(table: Shop) -> None:
    table.execute("CREATE TABLE loud (id int)")
    table.capture(
        publication__autocreate__mode="filtered", table__include__list=r"public\.t",
        slot__max__lag__bytes=1,
    )  # fmt: skip
    table.read("public.t", 1)
    (before,) = table.execute("SELECT pg_current_wal_lsn()")[0]

    table.execute("INSERT INTO loud SELECT generate_series(1, 1000)")

    moved = (
        f"SELECT confirmed_flush_lsn > '{before}' FROM pg_replication_slots "
        f"WHERE slot_name = '{table.name}'"
    )
    eventually(lambda: table.execute(moved) == [(True,)])
    details = eventually(lambda: "warning" in table.details() and table.details())
    assert "more than slot.max.lag.bytes=1" in details["warning"]
    assert details["wal_status"] == "reserved"
    assert details["slot_lag_bytes"] >= 0
    beats = table.connect.read(f"__debezium-heartbeat.{table.name}", 2)
    assert len(beats) >= 2


def test_options_that_will_not_do(table: Shop) -> None:
    config = {
        name: str(value)
        for name, value in table.config(
            slot__name="Bad Slot", snapshot__mode="sometimes", plugin__name="wal2json"
        ).items()
    }
    rest = table.connect.rest
    path = "/connector-plugins/PostgresCdcSource/config/validate"

    def errors(given: dict[str, str]) -> dict[str, list[str]]:
        rows = rest.put(path, json={**given, "name": "x"}).json()["configs"]
        return {row["value"]["name"]: row["value"]["errors"] for row in rows}

    found = errors(config)
    assert "a slot is named with" in found["slot.name"][0]
    assert found["snapshot.mode"]
    assert found["plugin.name"]
    good = {name: str(value) for name, value in table.config().items()}
    found = errors({**good, "table.include.list": "a", "table.exclude.list": "b",
                    "message.key.columns": "nonsense"})  # fmt: skip
    assert "already specified" in found["table.exclude.list"][0]
    assert "it must be <table>" in found["message.key.columns"][0]
    offsets = [{"partition": {"server": table.name}, "offset": {"lsn": "x"}}]
    table.capture()
    table.stop()
    answer = rest.patch(f"/connectors/{table.name}/offsets", json={"offsets": offsets})
    assert answer.status_code == 400
    assert "will not do" in answer.text
