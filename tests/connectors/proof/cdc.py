"""What the proofs of change data capture share: topics as if compacted, a worker that is killed."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from connect_process import ConnectProcess

PLACEHOLDER = "__debezium_unavailable_value"
_TICK = os.sysconf("SC_CLK_TCK")


class Compacted:
    """The rows that topics of one partition hold once they are compacted.

    A value that an update did not touch is the one that stood there before, as it is for whoever
    applies the changes to a table.

    Args:
        bootstrap_servers: The broker.
        topics: The topics; they exist.
    """

    def __init__(self, bootstrap_servers: str, topics: Sequence[str]) -> None:
        self._consumer = Consumer(
            {"bootstrap.servers": bootstrap_servers, "group.id": "proof",
             "enable.auto.commit": False, "fetch.wait.max.ms": 50,
             "queued.max.messages.kbytes": 65536}
        )  # fmt: skip
        self._consumer.assign([TopicPartition(one, 0, OFFSET_BEGINNING) for one in topics])
        self.rows: dict[str, dict[bytes, dict[str, Any]]] = {one: {} for one in topics}
        self.records = 0

    def look(self, wait_s: float = 0.1) -> int:
        """Take what has come; return how much."""
        found = self._consumer.consume(5000, timeout=wait_s)
        for message in found:
            error = message.error()
            assert error is None, error
            rows, key, data = (
                self.rows[message.topic() or ""],
                message.key() or b"",
                message.value(),
            )
            value = None if data is None else json.loads(data)
            if value is None or value["op"] == "d":
                rows.pop(key, None)
                continue
            after = value["after"]
            for name, each in after.items():
                if each == PLACEHOLDER:
                    # no row yet: the snapshot will bring it
                    after[name] = rows.get(key, {}).get(name, each)
            rows[key] = after
        self.records += len(found)
        return len(found)

    def until(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """Look until something is true."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            assert time.monotonic() < deadline, (
                f"not there in {timeout_s} s; {self.records} records"
            )
            self.look()

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()


def killed_over_and_over(
    worker: ConnectProcess, table: Compacted, kills: int, chance: random.Random
) -> None:
    """Start a worker and kill it when it has moved something, so many times; it runs at the end."""
    for _ in range(kills):
        worker.start()
        table.until(_grows(table), 120)
        until = time.monotonic() + chance.uniform(0.0, 1.5)
        while time.monotonic() < until:
            table.look(0.05)
        worker.kill()
    worker.start()


def _grows(table: Compacted) -> Callable[[], bool]:
    before = table.records
    return lambda: table.records > before


def snapshot_done(worker: ConnectProcess, connector: str) -> bool:
    """Whether the snapshot is done, as the status of its task says."""
    status = httpx.get(f"{worker.url}/connectors/{connector}/status", timeout=30).json()
    failed = [one for one in status["tasks"] if one["state"] == "FAILED"]
    assert not failed, failed
    return any(one.get("details", {}).get("snapshot") == "done" for one in status["tasks"])


def cpu_seconds(pid: int | None) -> float:
    """Return how much processor time a process and all below it that live have taken."""
    used, parents = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        number = int(path.parent.name)
        parents[number] = int(fields[1])
        used[number] = (int(fields[11]) + int(fields[12])) / _TICK
    total, below = 0.0, [pid]
    while below:
        parent = below.pop()
        total += used.get(parent or 0, 0.0)
        below += [one for one, its in parents.items() if its == parent]
    return total
