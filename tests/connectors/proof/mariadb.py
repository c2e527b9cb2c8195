"""Proof of MariaDB change data capture: snapshot and changes under kills, then the speed.

`python -m tests.connectors.proof.mariadb [--rows 1000000 --changes 100000 --kills 20]`

A worker copies the rows of two tables, one with a key of two columns, and the changes that go on
meanwhile, while it is killed -9 over and over. Then the topics, compacted, must equal the tables.
Afterwards the rows and new changes are read again without kills, for the speed. Exit status 1 if
anything differs.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "support"))

from broker_process import BrokerProcess
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    NewTopic,
)
from connect_process import ConnectProcess
from databases import PASSWORD, Database, mariadb
from tests.connectors.proof.cdc import (
    Compacted,
    cpu_seconds,
    killed_over_and_over,
    snapshot_done,
)

_JSON = "org.apache.kafka.connect.json.JsonConverter"
_REST = "name varchar(50) NOT NULL, n bigint, amount decimal(12,2), at datetime(6), big text"
_NEW = "'new', {0}, 0.5, '2026-11-26 01:02:03.4', repeat('y', {0} % 3000)"
NAMES = ("id", "name", "n", "amount", "big")


class Writer(threading.Thread):
    """Changes rows at random, in transactions of up to a hundred changes, some of them undone."""

    def __init__(self, server: Database, given: argparse.Namespace, pause_s: float) -> None:
        super().__init__(name="writer")
        self._server = server
        self._rows = given.rows // 2
        self._left: int = given.changes
        self._pause_s = pause_s
        self._chance = random.Random(given.seed)
        self._next = 10_000_000
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._write()
        except BaseException as error:
            self.error = error

    def _write(self) -> None:
        with self._server.connect() as connection, connection.cursor() as cursor:
            while self._left > 0:
                many = min(self._chance.randint(1, 100), self._left)
                cursor.execute("BEGIN")
                for _ in range(many):
                    cursor.execute(self._statement())
                if self._chance.random() < 0.05:
                    cursor.execute("ROLLBACK")
                else:
                    cursor.execute("COMMIT")
                    self._left -= many
                if self._chance.random() < 0.01:
                    cursor.execute("FLUSH BINARY LOGS")
                time.sleep(self._pause_s)

    def _statement(self) -> str:
        chance = self._chance
        table = chance.choice(("one", "two"))
        row, what = chance.randint(1, self._rows), chance.random()
        if what < 0.2:
            self._next += 1
            group = "'g', " if table == "two" else ""
            return f"INSERT INTO {table} VALUES ({group}{self._next}, {_NEW.format(row)})"
        if what < 0.35:
            return f"DELETE FROM {table} WHERE {_where(table, row)}"
        if what < 0.45:
            self._next += 1
            return (
                f"UPDATE {table} SET id = {self._next}, name = 'moved' WHERE {_where(table, row)}"
            )
        number = chance.randint(0, 10**12)
        return f"UPDATE {table} SET n = {number}, amount = n / 1e6 WHERE {_where(table, row)}"


def _where(table: str, row: int) -> str:
    return f"id = {row}" if table == "one" else f"part = '{row % 7}' AND id = {row}"


def prepare(server: Database, rows: int) -> None:
    """Make the tables."""
    values = "seq, concat('name ', seq), seq * 7, seq / 100, '2026-11-26 01:02:03.456789', NULL"
    server.execute(
        f"CREATE TABLE one (id int PRIMARY KEY, {_REST})",
        f"CREATE TABLE two (part varchar(9), id int, {_REST}, PRIMARY KEY (part, id))",
        f"INSERT INTO one SELECT {values} FROM seq_1_to_{rows // 2}",
        f"INSERT INTO two SELECT seq % 7, {values} FROM seq_1_to_{rows // 2}",
    )


def configuration(server: Database, name: str) -> dict[str, Any]:
    """Return a connector that captures the tables."""
    return {
        "connector.class": "MariaDbCdcSource",
        "database.hostname": "127.0.0.1", "database.port": server.port,
        "database.user": "aliran", "database.password": PASSWORD,
        "table.include.list": "test.one,test.two", "topic.prefix": name,
        "decimal.handling.mode": "string", "max.batch.size": 4096,
        "key.converter": _JSON, "key.converter.schemas.enable": "false",
        "value.converter": _JSON, "value.converter.schemas.enable": "false",
    }  # fmt: skip


def topics(bootstrap: str, name: str) -> list[str]:
    """Make the topics of one partition; return them."""
    made = [f"{name}.test.{one}" for one in ("one", "two")]
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for done in admin.create_topics([NewTopic(one, 1, 1) for one in made]).values():
        done.result()
    return made


def differences(server: Database, table: Compacted, name: str) -> list[str]:
    """Return what differs between tables and topics."""
    wrong = []
    for each in ("one", "two"):
        rows = {row["id"]: row for row in table.rows[f"{name}.test.{each}"].values()}
        for values in server.execute(f"SELECT id, name, n, amount, big FROM {each}"):
            row = rows.pop(values[0], None)
            wanted = dict(zip(NAMES, values, strict=True))
            wanted["amount"] = None if values[3] is None else str(values[3])
            if row is None or {name: row[name] for name in NAMES} != wanted:
                wrong.append(f"{each} {values[0]}: {row} and not {wanted}")
        wrong += [f"{each} {key} is in the topic and not in the table" for key in rows]
    return wrong


def under_kills(server: Database, bootstrap: str, folder: Path, given: argparse.Namespace) -> int:
    """Snapshot and changes while the worker is killed; return how many rows are wrong."""
    table = Compacted(bootstrap, topics(bootstrap, "killed"))
    worker = ConnectProcess(folder, bootstrap, {"killed": configuration(server, "killed")})
    writer = Writer(server, given, min(given.kills * 4.0 / max(given.changes / 50, 1), 0.2))
    began = time.monotonic()
    writer.start()
    killed_over_and_over(worker, table, given.kills, random.Random(given.seed))
    while writer.is_alive():
        table.look()
    if writer.error is not None:
        raise writer.error
    table.until(lambda: snapshot_done(worker, "killed"), 900)
    end = _NEW.format(1)
    server.execute(f"INSERT INTO one VALUES (1999999, {end})",
                   f"INSERT INTO two VALUES ('e', 1999999, {end})")  # fmt: skip
    keys = [("one", b'{"id":1999999}'), ("two", b'{"part":"e","id":1999999}')]
    table.until(lambda: all(key in table.rows[f"killed.test.{one}"] for one, key in keys), 900)
    took = time.monotonic() - began
    worker.stop()
    table.close()
    wrong = differences(server, table, "killed")
    print(
        f"{given.rows} rows, {given.changes} changes, {given.kills} kills: {table.records} records "
        f"in {took:.0f} s, {len(wrong)} rows differ {wrong[:5]}",
        flush=True,
    )
    return len(wrong)


def speeds(server: Database, bootstrap: str, folder: Path, given: argparse.Namespace) -> int:
    """Read the rows, then changes that have piled up, without kills; say how fast."""
    (folder / "speed").mkdir()
    table = Compacted(bootstrap, topics(bootstrap, "speed"))
    worker = ConnectProcess(
        folder / "speed", bootstrap, {"speed": configuration(server, "speed")}
    )  # fmt: skip
    rows = sum(server.execute(f"SELECT count(*) FROM {one}")[0][0] for one in ("one", "two"))
    told = _measure(worker, table, rows)
    print(f"snapshot: {told}", flush=True)
    for part in range(10):
        first = 3_000_000 + part * given.changes // 20
        last = 3_000_000 + (part + 1) * given.changes // 20 - 1
        server.execute(
            f"INSERT INTO one SELECT seq, concat('name ', seq), seq, 1.5, now(6), NULL "
            f"FROM seq_{first}_to_{last}",
            f"UPDATE one SET n = n + 1 WHERE id BETWEEN {first} AND {last}",
        )
    told = _measure(worker, table, given.changes)
    print(f"changes: {told}", flush=True)
    table.close()
    wrong = differences(server, table, "speed")
    print(f"{len(wrong)} rows differ {wrong[:5]}", flush=True)
    return len(wrong)


def _measure(worker: ConnectProcess, table: Compacted, count: int) -> str:
    before = table.records
    worker.start()
    began, used = time.monotonic(), cpu_seconds(worker.pid)
    table.until(lambda: table.records - before >= count, 900)
    took = time.monotonic() - began
    used = cpu_seconds(worker.pid) - used
    worker.stop()
    return f"{count} records, {count / took:,.0f}/s, {count / used:,.0f} per second of CPU time"


def main() -> int:
    """Run the proof."""
    parser = argparse.ArgumentParser(description=__doc__)
    for option, default in (("rows", 1_000_000), ("changes", 100_000), ("kills", 20), ("seed", 1)):
        parser.add_argument(f"--{option}", type=int, default=default)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="aliran-proof-") as name:
        folder = Path(name)
        settings = {"log_bin": "bin", "binlog_format": "ROW", "binlog_row_metadata": "FULL"}
        with mariadb(folder, **settings) as server:
            prepare(server, given.rows)
            broker = BrokerProcess(folder / "broker").start()
            try:
                wrong = under_kills(server, broker.address, folder, given)
                wrong += speeds(server, broker.address, folder, given)
            finally:
                broker.kill()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
