"""SQL source and sink, their worker killed again and again, against what must come out.

Four connectors at once: a growing table → topic by number, a changing table → topic by time, a
topic with changes and deletions → table by upsert, a topic → table without a key, exactly once.

    python -m tests.connectors.proof.sql --database postgres --rows 1000000 --kills 20
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "support"))

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    NewTopic,
)
from connect_process import ConnectProcess
from databases import mariadb, postgres

from aliran.broker.embedded import EmbeddedBroker

JSON = "org.apache.kafka.connect.json.JsonConverter"
KEYS = "org.apache.kafka.connect.converters.LongConverter"
COLUMNS = {
    "postgres": ("bigserial", "timestamptz", "clock_timestamp()"),
    "mariadb": ("bigint AUTO_INCREMENT", "datetime(6)", "current_timestamp(6)"),
    "sqlite": ("integer", "timestamp", "strftime('%Y-%m-%d %H:%M:%f', 'now')"),
}


def tables(kind: str) -> list[str]:
    """Return the statements that make the tables."""
    counter, moment, clock = COLUMNS[kind]
    now = f"DEFAULT ({clock})"
    return [
        *(["PRAGMA journal_mode = WAL"] if kind == "sqlite" else []),
        f"CREATE TABLE grown (id {counter} PRIMARY KEY, name text NOT NULL, amount int)",
        f"CREATE TABLE changed (id bigint PRIMARY KEY, amount int, at {moment} NOT NULL {now})",
        "CREATE TABLE events (n bigint, name text)",
    ]


class Proof:
    """One run."""

    def __init__(self, kind: str, rows: int, kills: int, folder: Path, stack: ExitStack) -> None:
        self.kind, self.rows, self.kills = kind, rows, kills
        self.folder = folder
        if kind == "sqlite":
            self.url = f"sqlite:///{folder / 'proof.db'}"
            self.connect: Any = lambda: sqlite3.connect(folder / "proof.db", timeout=60)
        else:
            server = stack.enter_context({"postgres": postgres, "mariadb": mariadb}[kind](folder))
            self.url, self.connect = server.url, server.connect
        short = {"group.min.session.timeout.ms": "500"}  # the dead are given up for dead soon
        broker = stack.enter_context(EmbeddedBroker(str(folder / "broker"), config=short))
        self.servers = broker.bootstrap_servers
        self.run(*tables(kind))
        admin = AdminClient({"bootstrap.servers": self.servers})
        for done in admin.create_topics(
            [NewTopic(name, 4, 1) for name in ("upserts", "events")]
        ).values():
            done.result(30)
        self.wanted: dict[int, tuple[str, int]] = {}  # what the upserts must come to

    def run(self, *statements: str) -> list[Any]:
        """Run statements in one transaction; return the rows of the last."""
        connection = self.connect()
        try:
            cursor = connection.cursor()
            if self.kind != "sqlite" and len(statements) > 1:
                cursor.execute("BEGIN")
            for one in statements:
                cursor.execute(one)
            rows = list(cursor.fetchall()) if cursor.description else []
            connection.commit()
            return rows
        finally:
            connection.close()

    # ------------------------------------------------------------------ what is written

    def grow(self, first: int, last: int, pause_s: float) -> None:
        """Add rows, in transactions some of which take their time."""
        dice = random.Random(first)
        for start in range(first, last, 500):
            some = range(start, min(start + 500, last))
            values = ",".join(f"('name {n}', {n})" for n in some)
            connection = self.connect()
            cursor = connection.cursor()
            if self.kind != "sqlite":
                cursor.execute("BEGIN")
            cursor.execute(f"INSERT INTO grown (name, amount) VALUES {values}")
            if self.kind != "sqlite":
                time.sleep(dice.random() * pause_s / 2)
            connection.commit()
            connection.close()
            time.sleep(dice.random() * pause_s)

    def change(self, count: int, seconds: float) -> None:
        """Change rows for a while."""
        dice = random.Random(7)
        end = time.monotonic() + seconds
        amount = 0
        while time.monotonic() < end:
            amount += 1
            some = ", ".join(str(dice.randrange(count)) for _ in range(20))
            now = COLUMNS[self.kind][2]
            self.run(f"UPDATE changed SET amount = {amount}, at = {now} WHERE id IN ({some})")
            time.sleep(0.02)

    def produce(self) -> None:
        """Write the topics."""
        producer = Producer({"bootstrap.servers": self.servers, "linger.ms": 20})
        dice = random.Random(3)
        fields = [{"field": "id", "type": "int64"}, {"field": "name", "type": "string"},
                  {"field": "amount", "type": "int32"}]  # fmt: skip
        schema = json.dumps({"type": "struct", "fields": fields})
        for number in range(self.rows):
            key = dice.randrange(self.rows // 4 + 1)
            value: bytes | None = None
            if dice.random() < 0.1:
                self.wanted.pop(key, None)
            else:
                self.wanted[key] = (f"name {number}", number)
                value = (
                    f'{{"schema":{schema},"payload":{{"id":{key},"name":"name {number}",'
                    f'"amount":{number}}}}}'
                ).encode()
            self._send(producer, "upserts", key.to_bytes(8, "big"), value)
            event = f'{{"n":{number},"name":"event {number}"}}'.encode()
            self._send(producer, "events", None, event)
        producer.flush()

    @staticmethod
    def _send(producer: Producer, topic: str, key: bytes | None, value: bytes | None) -> None:
        while True:
            try:
                producer.produce(topic, value, key)
                return
            except BufferError:
                producer.poll(0.1)

    # ------------------------------------------------------------------ the worker

    def connectors(self) -> dict[str, dict[str, Any]]:
        """Return the four configurations."""
        common = {
            "connection.url": self.url, "connection.backoff.ms": 500, "retry.backoff.ms": 200,
            "aliran.restart.backoff.ms": 200, "value.converter": JSON,
        }  # fmt: skip
        source = {
            **common, "connector.class": "SqlSource", "topic.prefix": "", "poll.interval.ms": 200,
            "batch.max.rows": 2000, "value.converter.schemas.enable": "false",
            "key.converter": KEYS, "transforms": "key,id",
            "transforms.key.type": "org.apache.kafka.connect.transforms.ValueToKey",
            "transforms.key.fields": "id",
            "transforms.id.type": "org.apache.kafka.connect.transforms.ExtractField$Key",
            "transforms.id.field": "id",
        }  # fmt: skip
        sink = {
            **common, "connector.class": "SqlSink", "tasks.max": 2, "key.converter": KEYS,
            "consumer.override.auto.offset.reset": "earliest",
            "consumer.override.session.timeout.ms": 1000,
            "consumer.override.heartbeat.interval.ms": 200, "max.retries": 1000,
            "consumer.override.max.poll.records": 2000,
        }  # fmt: skip
        return {
            "grown": {**source, "mode": "incrementing", "table.whitelist": "grown",
                      "incrementing.column.name": "id", "incrementing.delay.interval.ms": 1000},
            "changed": {**source, "mode": "timestamp+incrementing", "table.whitelist": "changed",
                        "timestamp.column.name": "at", "incrementing.column.name": "id",
                        "timestamp.delay.interval.ms": 1000},
            "upserts": {**sink, "topics": "upserts", "insert.mode": "upsert",
                        "pk.mode": "record_key", "pk.fields": "id", "auto.create": "true",
                        "delete.enabled": "true"},
            "events": {**sink, "topics": "events", "aliran.offsets.table": "aliran_offsets",
                       "value.converter.schemas.enable": "false"},
        }  # fmt: skip

    # ------------------------------------------------------------------ what came out

    def records(self, topic: str) -> Iterator[tuple[int, Any]]:
        """Yield keys and values of a topic, to its end now."""
        consumer = Consumer(
            {"bootstrap.servers": self.servers, "group.id": f"proof-{time.monotonic_ns()}",
             "auto.offset.reset": "earliest", "enable.partition.eof": True,
             "enable.auto.commit": False}
        )  # fmt: skip
        consumer.subscribe([topic])
        ended = False
        while not ended:
            for one in consumer.consume(2000, 1.0):
                error = one.error()
                if error is not None:
                    ended = True
                    continue
                yield int.from_bytes(one.key() or b"", "big"), json.loads(one.value() or b"null")
        consumer.close()

    def behind(self) -> list[str]:
        """Return what has too few rows yet: it is known at less cost than what is wrong."""
        found = []
        for table, wanted in (("events", self.rows), ("upserts", len(self.wanted))):
            count = self._rows(f"SELECT count(*), 0 FROM {table}")[0][0]
            if count < wanted:
                found.append(f"{table}: {count} rows, {wanted} wanted")
        return found

    def differences(self) -> list[str]:
        """Return what is not as it must be (yet)."""
        found = []
        grown = self.run("SELECT id, name, amount FROM grown")
        seen: dict[int, tuple[Any, ...]] = {}
        self.sent = 0
        for key, value in self.records("grown"):
            self.sent += 1
            seen[key] = (value["id"], value["name"], value["amount"])
        if seen != {row[0]: tuple(row) for row in grown}:
            found.append(f"grown: {len(grown)} rows, {len(seen)} in the topic")
        changed = {row[0]: row[1] for row in self.run("SELECT id, amount FROM changed")}
        last = {key: value["amount"] for key, value in self.records("changed")}
        if last != changed:
            wrong = sum(last.get(key) != value for key, value in changed.items())
            found.append(f"changed: {wrong} of {len(changed)} rows differ")
        upserts = {
            row[0]: tuple(row[1:]) for row in self._rows("SELECT id, name, amount FROM upserts")
        }
        if upserts != self.wanted:
            found.append(f"upserts: {len(upserts)} rows, {len(self.wanted)} wanted")
        count, distinct = self._rows("SELECT count(*), count(DISTINCT n) FROM events")[0]
        if count != self.rows or distinct != self.rows:
            found.append(f"events: {count} rows, {distinct} different, {self.rows} wanted")
        return found

    def _rows(self, query: str) -> list[Any]:
        try:
            return self.run(query)
        except Exception:  # the table is not there yet
            return [(0, 0)] if "count" in query else []

    def prove(self) -> int:
        """Run; return 0 if all is as it must be."""
        half = self.rows // 2
        count = max(self.rows // 20, 10)
        self.grow(0, half, 0)
        for start in range(0, count, 500):
            rows = ",".join(f"({n}, 0)" for n in range(start, min(start + 500, count)))
            self.run(f"INSERT INTO changed (id, amount) VALUES {rows}")
        self.produce()
        seconds = self.kills * 3.0
        pause_s = 2 * seconds / max(1, (self.rows - half) // 500)
        quarter = half + (self.rows - half) // 2
        writers = [
            threading.Thread(target=self.grow, args=(half, quarter, pause_s)),
            threading.Thread(target=self.grow, args=(quarter, self.rows, pause_s)),
            threading.Thread(target=self.change, args=(count, seconds)),
        ]
        if self.kind == "sqlite":  # one writer at a time
            writers[:2] = [threading.Thread(target=self.grow, args=(half, self.rows, pause_s))]
        worker = ConnectProcess(self.folder, self.servers, self.connectors())
        begun = time.monotonic()
        worker.start()
        try:
            return self._kill_and_compare(worker, writers, begun, count)
        finally:
            worker.kill()

    def _kill_and_compare(
        self, worker: ConnectProcess, writers: list[threading.Thread], begun: float, count: int
    ) -> int:
        for one in writers:
            one.start()
        dice = random.Random(5)
        for _ in range(self.kills):
            time.sleep(1 + dice.random() * 3)
            worker.kill()
            worker.start()
        for one in writers:
            one.join()
        deadline = time.monotonic() + 120 + self.rows / 500
        while found := self.behind() or self.differences():
            if time.monotonic() > deadline:
                print(f"sql {self.kind}: WRONG: {'; '.join(found)}\n{worker.log_text()[-3000:]}")
                return 1
            time.sleep(1)
        took = time.monotonic() - begun
        print(
            f"sql {self.kind}: right; {self.rows} rows grown ({self.sent - self.rows} came twice), "
            f"{count} changing, {self.rows} upserted and deleted, {self.rows} inserted exactly "
            f"once; {self.kills} kills; {took:.0f} s, {3 * self.rows / took:.0f} records/s in all"
        )
        return 0


def main() -> int:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=list(COLUMNS), default="postgres")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=20)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aliran-proof-")))
        return Proof(given.database, given.rows, given.kills, folder, stack).prove()


if __name__ == "__main__":
    sys.exit(main())
