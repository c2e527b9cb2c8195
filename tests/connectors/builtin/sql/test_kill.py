"""The worker is killed while rows flow: table → topic → table without a key, exactly once there."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from connect_process import ConnectProcess
from tests.connectors.builtin.sql.conftest import Place
from tests.connectors.conftest import JSON, eventually

from aliran.broker.embedded import EmbeddedBroker

pytestmark = pytest.mark.xdist_group("sql")

ROWS = 6_000


def progress(pg: Place) -> int:
    count: int = pg.run("SELECT count(*) FROM survived")[0][0]
    return count


def moved(pg: Place, before: int) -> bool:
    return progress(pg) > before


def test_nothing_is_lost_and_nothing_counts_twice(pg: Place, tmp_path: Path) -> None:
    pg.run(
        "CREATE TABLE killed (id bigint PRIMARY KEY, name text)",
        "CREATE TABLE survived (id bigint, name text)",
        f"INSERT INTO killed SELECT n, 'name ' || n FROM generate_series(1, {ROWS}) n",
    )
    common = {
        "connection.url": pg.url, "connection.backoff.ms": 200, "value.converter": JSON,
        "value.converter.schemas.enable": "false",
    }  # fmt: skip
    connectors = {
        "in": {**common, "connector.class": "SqlSource", "topic.prefix": "", "mode": "incrementing",
               "incrementing.column.name": "id", "table.whitelist": "killed",
               "poll.interval.ms": 100},
        "out": {**common, "connector.class": "SqlSink", "topics": "killed",
                "table.name.format": "survived", "aliran.offsets.table": "killed_offsets",
                "consumer.override.session.timeout.ms": 1000,
                "consumer.override.heartbeat.interval.ms": 200},
    }  # fmt: skip
    short = {"group.min.session.timeout.ms": "500"}  # a killed worker is given up for dead soon
    with EmbeddedBroker(str(tmp_path / "broker"), config=short) as broker:
        worker = ConnectProcess(tmp_path, broker.bootstrap_servers, connectors)
        with worker:
            for _ in range(3):
                before = progress(pg)
                eventually(partial(moved, pg, before))
                worker.kill()
                worker.start()
            wanted = [(ROWS, 1, ROWS)]
            query = "SELECT count(DISTINCT id), min(id), max(id) FROM survived"
            eventually(lambda: pg.run(query) == wanted, 60)
        # Rows that the source sent twice are there twice: the sink wrote each record once.
        counts = pg.run("SELECT count(*) FROM survived")[0][0]
        offsets = pg.run("SELECT sum(next_offset) FROM killed_offsets")[0][0]
        assert counts == offsets
