"""A stream of Redis → a topic → hashes of Redis, while the worker is killed: nothing may be lost.

    python -m tests.connectors.proof.redis --records 1000000 --kills 20

Each entry of the stream must be in the topic, in order where it comes for the first time, and the
hashes must be exactly what the stream says.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "support"))

import message_servers
import redis
from confluent_kafka import Consumer
from connect_process import ConnectProcess
from server_process import ServerProcess

from aliran.broker.embedded import EmbeddedBroker

KEYS = 50_000
STRING = "org.apache.kafka.connect.storage.StringConverter"
JSON = "org.apache.kafka.connect.json.JsonConverter"


def configurations(port: int) -> dict[str, dict[str, Any]]:
    """Return both connectors."""
    shared = {
        "redis.uri": f"redis://127.0.0.1:{port}/0", "key.converter": STRING,
        "value.converter": JSON, "value.converter.schemas.enable": "false",
    }  # fmt: skip
    return {
        "in": {"connector.class": "RedisSource", "redis.stream.name": "proof", "topic": "proof",
               "redis.stream.key.field": "k", "batch.size": 2000, **shared},
        "out": {"connector.class": "RedisSink", "topics": "proof", "redis.command": "HSET",
                "redis.key": "row", "consumer.override.group.instance.id": "out", **shared},
    }  # fmt: skip


def fill(client: Any, count: int) -> None:
    """Write entry number n, which sets the row n % KEYS."""
    for first in range(0, count, 5000):
        with client.pipeline(transaction=False) as pipe:
            for n in range(first, min(first + 5000, count)):
                pipe.xadd("proof", {"k": n % KEYS, "n": n})
            pipe.execute()


class Topic:
    """Reads the topic as it grows."""

    def __init__(self, servers: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": servers, "group.id": "look", "auto.offset.reset": "earliest",
                "topic.metadata.refresh.interval.ms": 200,
            }
        )  # fmt: skip
        self._consumer.subscribe(["proof"])
        self.read = 0
        self.fresh = 0
        """Entries from 0 on that are there, without a gap."""

    def look(self) -> None:
        """Read what has come; each number is a repetition or the next one."""
        for message in self._consumer.consume(50_000, timeout=0.05):
            if message.error() is None:
                number = int((message.value() or b"").rpartition(b'"n":"')[2].rstrip(b'"}'))
                assert number <= self.fresh, f"{number} came before {self.fresh}: one is lost"
                self.fresh += number == self.fresh
                self.read += 1

    def close(self) -> None:
        """Leave."""
        self._consumer.close()


def run(
    folder: Path, servers: str, server: ServerProcess, count: int, kills: int
) -> tuple[float, int]:
    """Run until Redis has everything; return the seconds and how many records came twice."""
    client: Any = redis.Redis(port=server.port, decode_responses=True)
    worker = ConnectProcess(folder, servers, configurations(server.port))
    topic, killed, started = Topic(servers), 0, time.monotonic()
    worker.start()
    while True:
        topic.look()
        done = int(client.hget("aliran:connect:out", "proof-0") or 0)
        if topic.fresh == count and done >= topic.read:
            topic.look()
            if done >= topic.read:
                break
        if killed < kills and min(topic.fresh, done) >= count * (killed + 1) // (kills + 2):
            worker.kill()
            killed += 1
            worker.start()
        if time.monotonic() - started > 1800:
            raise SystemExit(f"{topic.fresh} of {count} in the topic, {done} in Redis")
    took = time.monotonic() - started
    worker.stop()
    topic.close()
    client.close()
    assert killed == kills, f"only {killed} kills fitted into the time"
    return took, topic.read - count


def compare(client: Any, count: int) -> int:
    """Check the hashes against what the stream says; return how many there are."""
    rows = min(KEYS, count)
    for first in range(0, rows, 5000):
        keys = range(first, min(first + 5000, rows))
        with client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hgetall(f"row:{key}")
            for key, found in zip(keys, pipe.execute(), strict=True):
                last = key + (count - 1 - key) // KEYS * KEYS
                assert found == {"k": str(key), "n": str(last)}, f"row:{key} is {found}"
    found = sum(1 for _ in client.scan_iter("row:*", count=10_000))
    assert found == rows, f"{found} rows, not {rows}"
    return rows


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, EmbeddedBroker() as broker:
        folder = Path(name)
        with message_servers.redis_server(folder, "--appendonly", "no") as server:
            client: Any = redis.Redis(port=server.port, decode_responses=True)
            fill(client, given.records)
            servers = broker.bootstrap_servers
            took, twice = run(folder, servers, server, given.records, given.kills)
            rows = compare(client, given.records)
            client.close()
    print(
        f"redis: {given.records:,} entries of a stream to a topic to {rows:,} hashes, equal; "
        f"{took:.1f} s ({given.records / took:,.0f}/s) over {given.kills} kills, "
        f"{twice:,} records twice in the topic"
    )


if __name__ == "__main__":
    main()
