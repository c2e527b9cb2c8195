"""What ends the task, what it waits for, and what is lost when it is killed: nothing."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    NewTopic,
)
from connect_process import ConnectProcess
from databases import Database, mariadb
from tests.connectors.builtin.mysql_cdc.conftest import SETTINGS, Shop
from tests.connectors.conftest import Connect, eventually
from tests.connectors.proof.cdc import Compacted

pytestmark = pytest.mark.xdist_group("mysql_cdc")


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with mariadb(tmp_path_factory.mktemp("own"), **SETTINGS) as running:
        yield running


@pytest.fixture
def own(connect: Connect, own_server: Database, request: pytest.FixtureRequest) -> Iterator[Shop]:
    made = Shop(connect, own_server, "o" + str(abs(hash(request.node.nodeid)) % 10**9))
    yield made
    connect.rest.delete(f"/connectors/{made.name}")


def test_a_log_that_was_purged(own: Shop) -> None:
    own.execute("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    own.capture(topic__prefix=own.name)
    topic = f"{own.name}.{own.name}.t"
    own.read_topic(topic, 1)
    own.stop()
    own.execute("INSERT INTO t VALUES (2)", "FLUSH BINARY LOGS")
    last = own.execute("SHOW BINARY LOGS")[-1][0]

    def purged() -> bool:  # a log that the server still sends to somebody stays
        own.execute(f"PURGE BINARY LOGS TO '{last}'")
        return bool(own.execute("SHOW BINARY LOGS")[0][0] == last)

    eventually(purged)
    own.resume()

    assert "no longer has its binary log from bin.0000" in own.trace()

    own.capture(topic__prefix=own.name, snapshot__mode="when_needed")
    found = own.read_topic(topic, 3)
    assert [(key["id"], value["op"]) for key, value in found] == [(1, "r"), (1, "r"), (2, "r")]

    own.stop()
    own.execute("RESET MASTER")
    own.resume()
    assert len(own.read_topic(topic, 5)) == 5  # less far than it was: a new snapshot


def test_a_server_that_goes_away_and_comes_back(own: Shop) -> None:
    own.execute("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    own.capture(topic__prefix=own.name, connect__keep__alive__interval__ms=200)
    topic = f"{own.name}.{own.name}.t"
    own.read_topic(topic, 1)
    own.server.kill()
    own.server.start()
    own.execute("INSERT INTO t VALUES (2)")
    own.read_topic(topic, 2)
    own.server.pause()
    time.sleep(1)  # longer than it may be silent
    own.server.resume()
    own.execute("INSERT INTO t VALUES (3)")

    assert [key["id"] for key, _ in own.read_topic(topic, 3)] == [1, 2, 3]


def test_settings_of_the_server(own: Shop) -> None:
    run = own.server.execute
    run("SET GLOBAL binlog_format = 'STATEMENT'")
    assert "binlog_format=STATEMENT" in own.refused()
    run("SET GLOBAL binlog_format = 'ROW'", "SET GLOBAL binlog_row_image = 'MINIMAL'")
    assert "set binlog_row_image=FULL" in own.refused()
    run("SET GLOBAL binlog_row_image = 'FULL'", "CREATE USER weak@'%' IDENTIFIED BY 'x'")
    assert "GRANT SELECT, REPLICATION SLAVE" in own.refused(
        database__user="weak", database__password="x"
    )
    assert "cannot log in" in own.refused(database__password="wrong")
    assert "use MariaDbCdcSource" in own.refused(connector__class="MySqlCdcSource")


def test_a_log_without_names_but_with_compressed_events(own: Shop) -> None:
    own.server.execute("SET GLOBAL binlog_row_metadata = 'NO_LOG'",
                       "SET GLOBAL log_bin_compress = 1",
                       "SET GLOBAL log_bin_compress_min_len = 10")  # fmt: skip
    own.execute("CREATE TABLE t (id int unsigned PRIMARY KEY, name varchar(500), e enum('a','b'))")
    own.capture(topic__prefix=own.name, snapshot__mode="no_data")
    eventually(lambda: own.connect.status(own.name)["tasks"][0].get("details"))
    own.execute("INSERT INTO t VALUES (4000000000, repeat('é', 400), 'b')")
    own.read_topic(f"{own.name}.{own.name}.t", 1)
    own.execute("ALTER TABLE t ADD x int", "UPDATE t SET x = 5")

    found = own.read_topic(f"{own.name}.{own.name}.t", 2)

    row = {"id": 4000000000, "name": "é" * 400, "e": "b"}
    assert found[0][1]["after"] == row
    assert found[1][1]["after"] == {**row, "x": 5}


def test_a_row_that_cannot_be_shown(shop: Shop) -> None:
    shop.execute("CREATE TABLE t (id int PRIMARY KEY, at time NOT NULL)",
                 "INSERT INTO t VALUES (0, '09:00')")  # fmt: skip
    shop.capture(time__precision__mode="connect")
    shop.read("t", 1)
    shop.execute("INSERT INTO t VALUES (1, '10:00'), (2, '30:00:00'), (3, '11:00')")

    assert f"column {shop.name}.t.at: a time of 108000.0 seconds" in shop.trace()
    mode = "event.processing.failure.handling.mode"
    shop.capture(time__precision__mode="connect", **{mode: "warn"})
    assert [key["id"] for key, _ in shop.read("t", 3)] == [0, 1, 3]


def test_nothing_is_lost_when_the_worker_is_killed(shop: Shop, tmp_path: Path) -> None:
    shop.execute("CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL)",
                 "INSERT INTO t SELECT seq, 0 FROM seq_1_to_3000")  # fmt: skip
    servers = shop.connect.server.bootstrap_servers
    config = shop.config(snapshot__fetch__size=200, topic__prefix=shop.name)
    worker = ConnectProcess(tmp_path, servers, {"kill": config})
    topic = f"{shop.name}.{shop.name}.t"
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result()
    table = Compacted(servers, [topic])
    chance = random.Random(1)
    for turn in range(3):
        worker.start()
        for _ in range(20):
            low = chance.randint(1, 2900)
            shop.execute(f"UPDATE t SET n = n + 1 WHERE id BETWEEN {low} AND {low + 50}",
                         f"DELETE FROM t WHERE id = {low}")  # fmt: skip
        time.sleep(0.2 * turn)
        worker.kill()
    worker.start()
    shop.execute("INSERT INTO t VALUES (5000, 1)")
    truth = dict(shop.execute("SELECT id, n FROM t"))

    def rows() -> dict[int, int]:
        return {row["id"]: row["n"] for row in table.rows[topic].values()}

    table.until(lambda: rows() == truth, 60)
    worker.stop()
    table.close()
