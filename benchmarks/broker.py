"""The broker by itself: start-up, memory, and what confluent-kafka gets through it.

`python benchmarks/broker.py` starts `aliran broker` as a process of its own and measures from
outside. Client and broker share the machine's cores.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import OtherWork, machine, save, spread
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

_READY = "aliran broker ready: "


@contextmanager
def server(data: str) -> Iterator[tuple[str, int, int, float]]:
    """Run a broker; yields host, port, process id and ms from spawn to the first answer."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "aliran.cli.main",
            "broker",
            "--listen",
            "127.0.0.1:0",
            "--data",
            data,
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        if process.stdout is None:
            raise SystemExit("the broker has no standard output")
        line = process.stdout.readline()
        if not line.startswith(_READY):
            raise SystemExit(f"the broker did not start: {line!r}")
        host, port = line[len(_READY) :].split()[0].rsplit(":", 1)
        ask_api_versions(host, int(port))
        yield host, int(port), process.pid, (time.perf_counter() - started) * 1000
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


def ask_api_versions(host: str, port: int) -> None:
    """Send an ApiVersions request (version 0) and wait for the answer."""
    request = struct.pack(">hhih", 18, 0, 1, -1)
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        size, correlation = struct.unpack(">ii", connection.recv(8, socket.MSG_WAITALL))
        if size < 6 or correlation != 1:
            raise SystemExit("the broker's answer to ApiVersions is wrong")


def embedded_start_ms() -> float:
    """Return ms from constructing an EmbeddedBroker to its first answer, in a warm process."""
    from aliran.broker.embedded import EmbeddedBroker

    started = time.perf_counter()
    with EmbeddedBroker() as broker:
        host, port = broker.bootstrap_servers.rsplit(":", 1)
        ask_api_versions(host, int(port))
        return (time.perf_counter() - started) * 1000


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    printed = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True
    )
    return int(printed.stdout) / 1024


def produce(bootstrap: str, topic: str, count: int, size: int) -> float:
    """Write `count` records with acks=all; return records a second."""
    settings = {"bootstrap.servers": bootstrap, "linger.ms": 5, "acks": "all"}
    producer = Producer({**settings, "queue.buffering.max.messages": 2_000_000})
    value = b"x" * size
    started = time.perf_counter()
    for number in range(count):
        producer.produce(topic, value)
        if not number & 0xFFFF:
            producer.poll(0)
    if producer.flush(60):
        raise SystemExit(f"{topic}: not all records were acknowledged within a minute")
    return count / (time.perf_counter() - started)


def consume(bootstrap: str, topic: str, count: int) -> float:
    """Read `count` records; return records a second, counted from the first batch on."""
    settings = {"bootstrap.servers": bootstrap, "group.id": "bench", "enable.auto.commit": False}
    # With the default of 100,000 librdkafka pauses for a second whenever its queue is full.
    consumer = Consumer({**settings, "queued.min.messages": 2_000_000})
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    try:
        left = count - len(consumer.consume(1, 10))
        started = time.perf_counter()
        while left > 0:
            batch = consumer.consume(min(left, 10_000), 10)  # waits for all it asks for
            if not batch:
                raise SystemExit(f"{topic}: {left} records did not come within 10 s")
            left -= len(batch)
        return count / (time.perf_counter() - started)
    finally:
        consumer.close()


def synchronous_produce_ms(bootstrap: str, count: int) -> list[float]:
    """Write records one at a time, each acknowledged before the next; return ms of each."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0, "acks": "all"})
    took = []
    for number in range(count + 50):
        started = time.perf_counter()
        producer.produce("one-by-one", b"x" * 100)
        producer.flush(10)
        if number >= 50:  # the first ones connect and look up the topic
            took.append((time.perf_counter() - started) * 1000)
    return took


@dataclass
class Figures:
    """What was measured, a list where it was measured several times."""

    start_ms: list[float] = field(default_factory=list)
    embedded_start_ms: list[float] = field(default_factory=list)
    produced: list[float] = field(default_factory=list)
    consumed: list[float] = field(default_factory=list)
    idle_mb: float = 0.0
    loaded_mb: float = 0.0
    one_by_one_ms: list[float] = field(default_factory=list)


def measure(records: int, runs: int) -> Figures:
    """Start brokers and load one of them."""
    figures = Figures()
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as data, server(data) as (_host, _port, _pid, start_ms):
            figures.start_ms.append(start_ms)
        figures.embedded_start_ms.append(embedded_start_ms())
    with tempfile.TemporaryDirectory() as data, server(data) as (host, port, pid, _):
        bootstrap = f"{host}:{port}"
        time.sleep(1)
        figures.idle_mb = resident_mb(pid)
        for run in range(runs):
            figures.produced.append(produce(bootstrap, f"bench-{run}", records, 100))
            figures.consumed.append(consume(bootstrap, f"bench-{run}", records))
        figures.one_by_one_ms = synchronous_produce_ms(bootstrap, 2_000)
        figures.loaded_mb = resident_mb(pid)
    return figures


def main() -> None:
    """Measure and print; put the figures into build/bench.json."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--records", type=int, default=500_000)
    options.add_argument("--runs", type=int, default=3)
    chosen = options.parse_args()
    others = OtherWork()
    figures = measure(chosen.records, chosen.runs)
    percentiles = statistics.quantiles(figures.one_by_one_ms, n=100)
    rows = [
        ("process start to first answer", spread(figures.start_ms), "ms"),
        ("EmbeddedBroker to first answer", spread(figures.embedded_start_ms), "ms"),
        ("resident memory, idle", f"{figures.idle_mb:,.0f}", "MB"),
        ("resident memory, after the load", f"{figures.loaded_mb:,.0f}", "MB"),
        ("produce, 100 B, acks=all", spread(figures.produced), "records/s"),
        ("consume, 100 B", spread(figures.consumed), "records/s"),
        ("produce one by one, p50", f"{percentiles[49]:.2f}", "ms"),
        ("produce one by one, p99", f"{percentiles[98]:.2f}", "ms"),
    ]
    print(f"\nBroker with confluent-kafka ({machine()}; median (min..max))")
    for label, figure, unit in rows:
        print(f"  {label:<34} {figure:>34} {unit}")
    print(f"  {others.sentence()}")
    result = {
        "name": "broker",
        "records_per_s": round(statistics.median(figures.produced)),
        "consume_records_per_s": round(statistics.median(figures.consumed)),
        "start_ms": round(statistics.median(figures.start_ms), 1),
        "embedded_start_ms": round(statistics.median(figures.embedded_start_ms), 1),
        "idle_mb": round(figures.idle_mb, 1),
        "sync_produce_p50_ms": round(percentiles[49], 3),
        "sync_produce_p99_ms": round(percentiles[98], 3),
    }
    save([result])


if __name__ == "__main__":
    main()
