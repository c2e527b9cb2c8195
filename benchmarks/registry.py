"""The schema registry: requests over HTTP, start-up with many schemas, memory; its serdes.

`python benchmarks/registry.py` starts `aliran registry` as a process of its own and measures from
outside, with keep-alive connections. Client and registry share the machine's cores; the registry
serves requests on one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import OtherWork, in_child, machine, save, spread

from aliran.broker.embedded import EmbeddedBroker
from aliran.clients.embedded import EmbeddedTransport
from aliran.core.types import Columns
from aliran.schema_registry import records
from aliran.schema_registry.guid import content_hash
from aliran.schema_registry.models import Registered, Schema

_READY = "aliran registry ready: "
_CONNECTIONS = 16
_DIRECTIONS = ("encode", "decode")
_FIELDS = (
    ("id", "long"),
    ("user", "string"),
    ("text", "string"),
    ("likes", "long"),
    ("created_at", {"type": "long", "logicalType": "timestamp-millis"}),
)
_Job = tuple[str, str, bytes]


def schema(number: int) -> str:
    """Return an Avro schema that no other number gives."""
    fields = [{"name": name, "type": kind} for name, kind in _FIELDS]
    record = {"type": "record", "name": f"Tweet{number}", "namespace": "bench", "fields": fields}
    return json.dumps(record, separators=(",", ":"))


@contextmanager
def server(data: str) -> Iterator[tuple[int, int, float]]:
    """Run a registry; yields its port, process id and seconds from spawn until it is ready."""
    started = time.perf_counter()
    words = ["registry", "--listen", "127.0.0.1:0", "--data", data]
    process = subprocess.Popen(
        [sys.executable, "-m", "aliran.cli.main", *words], stdout=subprocess.PIPE, text=True
    )
    try:
        line = process.stdout.readline() if process.stdout is not None else ""
        if not line.startswith(_READY):
            raise SystemExit(f"the registry did not start: {line!r}")
        seconds = time.perf_counter() - started
        yield int(line.split()[3].rsplit(":", 1)[1]), process.pid, seconds
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


async def _connection(port: int, jobs: Sequence[_Job], bodies: list[bytes]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for method, path, body in jobs:
        head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        size = int(answer.split(b"content-length:")[1].split(b"\r\n")[0])
        bodies.append(await reader.readexactly(size))
        if not answer.startswith(b"http/1.1 200"):
            raise SystemExit(f"{method} {path}: {answer!r} {bodies[-1]!r}")
    writer.close()


async def _fire(port: int, jobs: Sequence[_Job]) -> tuple[float, list[bytes]]:
    bodies: list[bytes] = []
    started = time.perf_counter()
    await asyncio.gather(
        *(_connection(port, jobs[start::_CONNECTIONS], bodies) for start in range(_CONNECTIONS))
    )
    return len(jobs) / (time.perf_counter() - started), bodies


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _measure(port: int, pid: int, jobs: Sequence[_Job]) -> tuple[list[bytes], float, float]:
    """Return the answers, requests a second, and processor time a request in microseconds."""
    before = cpu_seconds(pid)
    rate, bodies = asyncio.run(_fire(port, jobs))
    return bodies, rate, (cpu_seconds(pid) - before) / len(jobs) * 1e6


def rates(port: int, pid: int, run: int, count: int) -> dict[str, tuple[float, float]]:
    """Register new and known schemas, and look up by id; see `_measure` for the numbers."""
    registering = [
        (
            "POST",
            f"/subjects/s{run}-{number}/versions",
            json.dumps({"schema": schema(run * 1_000_000 + number)}).encode(),
        )
        for number in range(count)
    ]
    bodies, *new = _measure(port, pid, registering)
    _, *known = _measure(port, pid, registering)
    ids = [json.loads(body)["id"] for body in bodies]
    looking_up = [
        ("GET", f"/schemas/ids/{ids[number % count]}?subject=s", b"") for number in range(5 * count)
    ]
    _, *by_id = _measure(port, pid, looking_up)
    found = {"register new": new, "register known": known, "get by id": by_id}
    return {name: (rate, cost) for name, (rate, cost) in found.items()}


def fill(data: str, count: int) -> None:
    """Write `count` schemas, each of a subject of its own, straight into the topic."""
    with EmbeddedBroker(data) as broker:
        broker.broker.topics.create("_schemas", 1, {"cleanup.policy": "compact"})
        transport = EmbeddedTransport(broker.broker, "bench")
        rows = []
        for number in range(count):
            content = Schema(schema=schema(number))
            digest = content_hash(content)
            row = Registered(f"topic-{number}-value", 1, number + 1, content, digest, False, 0)
            rows.append(records.schema_row(row))
        keys: list[bytes | None] = [key for key, _ in rows]
        columns = Columns(
            "_schemas", 0, range(0), keys, [value for _, value in rows], [1] * len(rows)
        )
        transport.send(columns)
        transport.close()


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def serdes() -> list[dict[str, Any]]:
    """Measure and print the serdes; return what to save."""
    found = in_child(Path(__file__).with_name("registry_serdes.py"))
    print("µs a record, least (median): encode, decode")
    for name, took in found.items():
        shown = (f"{took[w + '_least']:.2f} ({took[w + '_median']:.2f})" for w in _DIRECTIONS)
        print(f"  {name:<24} {' '.join(f'{each:>14}' for each in shown)}")
    return [{"name": f"serde {name}", **took} for name, took in found.items()]


def main() -> None:
    """Measure, print, and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--count", type=int, default=1_000, help="registrations a run")
    parser.add_argument("--schemas", type=int, default=100_000, help="schemas at the start")
    arguments = parser.parse_args()
    print(machine())
    rows: list[dict[str, Any]] = []
    other = OtherWork()
    with tempfile.TemporaryDirectory() as data, server(data) as (port, pid, seconds):
        print(f"start, empty: {seconds:.2f} s; memory {memory_mb(pid):.0f} MB")
        measured = [rates(port, pid, run, arguments.count) for run in range(arguments.runs)]
        for name in measured[0]:
            per_s, cpu_us = ([run[name][which] for run in measured] for which in (0, 1))
            rows.append({"name": f"registry {name}", "per_s": per_s, "cpu_us": cpu_us})
            print(f"{name}: {spread(per_s)} a second, {spread(cpu_us)} us of its processor time")
    with tempfile.TemporaryDirectory() as data:
        fill(data, arguments.schemas)
        starts, worked = [], []
        for _ in range(arguments.runs):
            with server(data) as (_, pid, seconds):
                starts.append(seconds)
                worked.append(cpu_seconds(pid))
                memory = memory_mb(pid)
        print(
            f"start with {arguments.schemas:,} schemas: {spread(starts, 2)} s, "
            f"of processor time {spread(worked, 2)} s; {memory:.0f} MB"
        )
        rows.append(
            {
                "name": "registry start",
                "seconds": starts,
                "cpu_seconds": worked,
                "memory_mb": memory,
            }
        )
    rows += serdes()
    print(other.sentence())
    save(rows)


if __name__ == "__main__":
    main()
