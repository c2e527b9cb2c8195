"""Proof of PostgreSQL change data capture: snapshot and changes under kills, then the speed.

`python -m tests.connectors.proof.postgres [--rows 1000000 --changes 100000 --kills 20]`

A worker copies a table's rows, and the changes that go on meanwhile (inserts, updates, deletes,
other keys, large values that stay or change), while it is killed -9 over and over. Then the topics,
compacted, must equal the tables row by row. Afterwards the same rows and new changes are read once
more, without kills, to see how fast that goes. Exit status 1 if anything differs.
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

import psycopg2
from broker_process import BrokerProcess
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]
from connect_process import ConnectProcess
from databases import PASSWORD, Database, postgres
from tests.connectors.proof.cdc import (
    Compacted,
    cpu_seconds,
    killed_over_and_over,
    snapshot_done,
)

_JSON = "org.apache.kafka.connect.json.JsonConverter"
# In `plain` the WAL has but the key of old rows; in `whole` it has all of them.
TABLES = {"plain": 0.8, "whole": 0.2}
_MADE = "(id int PRIMARY KEY, name text NOT NULL, n bigint, amount numeric(12,2), big text)"


def prepare(server: Database, rows: int) -> None:
    """Make the tables; each hundredth row has a large value outside of it."""
    for table, share in TABLES.items():
        server.execute(
            f"CREATE TABLE {table} {_MADE}",
            f"ALTER TABLE {table} ALTER big SET STORAGE EXTERNAL",
            f"INSERT INTO {table} SELECT i, 'name ' || i, i * 7, i / 100.0, "
            f"CASE WHEN i % 100 = 0 THEN repeat('x', 3000) || i END "
            f"FROM generate_series(1, {int(rows * share)}) i",
        )
    server.execute("ALTER TABLE whole REPLICA IDENTITY FULL", "ANALYZE")


class Writer(threading.Thread):
    """Changes rows at random, in transactions of up to a hundred changes, some of them undone."""

    def __init__(
        self, server: Database, rows: int, changes: int, pause_s: float, seed: int
    ) -> None:
        super().__init__(name="writer")
        self._server = server
        self._rows = rows
        self._left = changes
        self._pause_s = pause_s
        self._chance = random.Random(seed)
        self._next = 2_000_000 * (1 + seed)
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            connection = psycopg2.connect(dbname="postgres", **self._server.address)
            with connection.cursor() as cursor:
                while self._left > 0:
                    many = min(self._chance.randint(1, 100), self._left)
                    undone = self._chance.random() < 0.05
                    for _ in range(many):
                        cursor.execute(self._statement())
                    if undone:
                        connection.rollback()
                    else:
                        connection.commit()
                        self._left -= many
                    time.sleep(self._pause_s)
            connection.close()
        except BaseException as error:
            self.error = error

    def _statement(self) -> str:
        chance = self._chance
        table = "plain" if chance.random() < 0.6 else "whole"
        row = chance.randint(1, int(self._rows * TABLES[table]))
        what = chance.random()
        if what < 0.2:
            self._next += 1
            big = f"repeat('y', {chance.randint(2500, 4000)})" if chance.random() < 0.1 else "NULL"
            return f"INSERT INTO {table} VALUES ({self._next}, 'new', {row}, 0.5, {big})"
        if what < 0.35:
            return f"DELETE FROM {table} WHERE id = {row}"
        if what < 0.45:
            self._next += 1
            # Without the whole old row the WAL lacks a large value under the new key.
            big = ", big = repeat('z', 3000)" if table == "plain" else ""
            return f"UPDATE {table} SET id = {self._next}, name = 'moved'{big} WHERE id = {row}"
        if what < 0.55:
            return (
                f"UPDATE {table} SET big = repeat('w', {chance.randint(1, 4000)}) WHERE id = {row}"
            )
        return (
            f"UPDATE {table} SET n = {chance.randint(0, 10**12)}, amount = mod(n, 1000000) / 7.0 "
            f"WHERE id = {row}"
        )


def configuration(server: Database, name: str, **options: Any) -> dict[str, Any]:
    """Return a connector that captures the tables."""
    return {
        "connector.class": "PostgresCdcSource",
        "database.hostname": "127.0.0.1", "database.port": server.port,
        "database.user": "postgres", "database.password": PASSWORD,
        "database.dbname": "postgres", "topic.prefix": name, "slot.name": name,
        "publication.name": "proof", "table.include.list": "public.plain,public.whole",
        "decimal.handling.mode": "string",
        "key.converter": _JSON, "key.converter.schemas.enable": "false",
        "value.converter": _JSON, "value.converter.schemas.enable": "false",
        **options,
    }  # fmt: skip


def differences(server: Database, table: Compacted, name: str) -> list[str]:
    """Return what differs between tables and topics."""
    wrong = []
    for each in TABLES:
        rows = {row["id"]: row for row in table.rows[f"{name}.public.{each}"].values()}
        names = ("id", "name", "n", "amount", "big")
        truth = server.execute(f"SELECT id, name, n, amount::text, big FROM {each}")
        for values in truth:
            wanted = dict(zip(names, values, strict=True))
            if rows.pop(values[0], None) != wanted:
                wrong.append(f"{each} {values[0]}")
        wrong += [f"{each} {key} is in the topic and not in the table" for key in rows]
        print(f"  {each}: {len(truth)} rows compared", flush=True)
    return wrong


def topics(bootstrap: str, name: str) -> list[str]:
    """Make the topics of one partition; return them."""
    made = [f"{name}.public.{one}" for one in TABLES]
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for done in admin.create_topics([NewTopic(one, 1, 1) for one in made]).values():
        done.result()
    return made


def wait_for_end(server: Database, table: Compacted, name: str, mark: int) -> None:
    """Wait until a row that is written now has come in each topic."""
    for each in TABLES:
        server.execute(f"INSERT INTO {each} VALUES ({mark}, 'end', 0, 0, NULL)")
    key = f'{{"id":{mark}}}'.encode()
    table.until(lambda: all(key in table.rows[f"{name}.public.{one}"] for one in TABLES), 900)


def under_kills(server: Database, bootstrap: str, folder: Path, given: argparse.Namespace) -> int:
    """Snapshot and changes while the worker is killed; return how many rows are wrong."""
    table = Compacted(bootstrap, topics(bootstrap, "killed"))
    worker = ConnectProcess(folder, bootstrap, {"killed": configuration(server, "killed")})
    # about as long as the kills take
    pause_s = given.kills * 4.0 / max(given.changes / 50, 1)
    writer = Writer(server, given.rows, given.changes, min(pause_s, 0.2), given.seed)
    began = time.monotonic()
    writer.start()
    killed_over_and_over(worker, table, given.kills, random.Random(given.seed))
    while writer.is_alive():
        table.look()
    if writer.error is not None:
        raise writer.error
    table.until(lambda: snapshot_done(worker, "killed"), 900)
    wait_for_end(server, table, "killed", 1_999_999)
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
    config = configuration(server, "speed")
    worker = ConnectProcess(folder / "speed", bootstrap, {"speed": config})
    rows = sum(server.execute(f"SELECT count(*) FROM {one}")[0][0] for one in TABLES)
    took = _measure(worker, table, rows, lambda: sum(map(len, table.rows.values())) >= rows)
    print(f"snapshot: {_rate(rows, took)}", flush=True)
    for part in range(10):
        first, last = (
            3_000_000 + part * given.changes // 20,
            3_000_000 + (part + 1) * given.changes // 20,
        )
        server.execute(
            f"INSERT INTO plain SELECT i, 'name ' || i, i, 1.5, NULL "
            f"FROM generate_series({first}, {last - 1}) i",
            f"UPDATE plain SET n = n + 1 WHERE id >= {first} AND id < {last}",
        )
    before = table.records
    took = _measure(worker, table, given.changes, lambda: table.records - before >= given.changes)
    print(f"changes: {_rate(given.changes, took)}", flush=True)
    table.close()
    wrong = differences(server, table, "speed")
    if wrong:
        print(f"{len(wrong)} rows differ {wrong[:5]}")
    return len(wrong)


def _measure(
    worker: ConnectProcess, table: Compacted, _count: int, done: Any
) -> tuple[float, float]:
    worker.start()
    pid = worker.pid
    began, used = time.monotonic(), cpu_seconds(pid)
    table.until(done, 900)
    took = time.monotonic() - began, cpu_seconds(pid) - used
    worker.stop()
    return took


def _rate(count: int, took: tuple[float, float]) -> str:
    wall, cpu = took
    return (
        f"{count} records, {count / wall:,.0f} a second, {count / cpu:,.0f} a second of the "
        f"worker's processor time"
    )


def main() -> int:
    """Run the proof."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--changes", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="aliran-proof-") as name:
        folder = Path(name)
        settings = {"wal_level": "logical", "shared_buffers": "256MB", "max_wal_size": "4GB"}
        with postgres(folder, **settings) as server:
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
