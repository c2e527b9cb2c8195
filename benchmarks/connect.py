"""Connectors: records a second into topics and out of them, beside Kafka Connect on the JVM.

`python benchmarks/connect.py` starts a broker as a process, and for each case a worker as a fresh
process: ours (`aliran connect run`), and where Java and Maven are there Kafka's standalone worker,
with the same configuration and on the same broker. It looks from outside how far the records have
come. A rate is that of the records behind the first ones that were seen, so the start of a worker
does not count; processor time is the worker's, and says more where others work as well.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(1, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

from benchmarks.connect_cases import CASES, Case, lines, prepare
from benchmarks.measure import ROOT, OtherWork, machine, save
from benchmarks.registry import cpu_seconds
from confluent_kafka import Consumer, TopicPartition
from jvm_programs import class_path_of

from aliran.schema_registry.server import RegistryServer

_POM = ROOT / "tests" / "compat" / "jvm" / "worker" / "pom.xml"
_PATIENCE_S = 300
_LOOK_S = 0.01


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run takes place.

    Attributes:
        folder: For files.
        broker: Address of the broker.
        registry: Address of the schema registry.
        count: How many records.
    """

    folder: Path
    broker: str
    registry: str
    count: int


@contextmanager
def broker(folder: Path) -> Iterator[str]:
    """Run a broker; yields its address."""
    words = ["broker", "--listen", "127.0.0.1:0", "--data", str(folder)]
    process = subprocess.Popen(
        [sys.executable, "-m", "aliran.cli.main", *words], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[3]
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def worker_command(place: Place, run: Path, config: dict[str, str], *, jvm: bool) -> list[str]:
    """Write the configuration of a worker and its connector; return what starts it."""
    worker = {
        "bootstrap.servers": place.broker,
        "listeners": "http://127.0.0.1:0",
        "offset.storage.file.filename": str(run / "offsets"),
        "offset.flush.interval.ms": "1000",
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    }
    paths = [run / "worker.properties", run / "connector.properties"]
    for path, settings in zip(paths, (worker, {"name": run.name, **config}), strict=True):
        path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    files = list(map(str, paths))
    if not jvm:
        return [sys.executable, "-m", "aliran.cli.main", "connect", "run", *files]
    # What Kafka's connect-standalone.sh sets.
    java = ["java", "-Xms256M", "-Xmx2G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"]
    java += ["-cp", class_path_of(_POM)]
    return [*java, "org.apache.kafka.connect.cli.ConnectStandalone", *files]


def tree_cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and of those it has started, as connectors are."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text(encoding="utf-8")
        except OSError:  # it is gone
            continue
        parents[int(stat.parent.name)] = int(text.rsplit(")", 1)[1].split()[1])
    tree, grows = {pid}, True
    while grows:
        more = {child for child, parent in parents.items() if parent in tree}
        grows = not more <= tree
        tree |= more
    return sum(map(cpu_seconds, tree))


@contextmanager
def _progress(case: Case, place: Place, topic: str, out: Path) -> Iterator[Callable[[], int]]:
    """Yield what tells how many records have come."""
    if case.kind == "sink":
        size = sum(map(len, case.expected(place.count))) / place.count
        yield lambda: int(out.stat().st_size / size) if out.exists() else 0
        return
    consumer = Consumer({"bootstrap.servers": place.broker, "group.id": "bench", "log_level": 2})
    partition = TopicPartition(topic, 0)
    yield lambda: int(consumer.get_watermark_offsets(partition, timeout=5)[1])
    consumer.close()


def measure(case: Case, place: Place, number: int, *, jvm: bool) -> dict[str, float]:
    """Run a case once; return records a second and processor time a record in microseconds."""
    run = place.folder / f"{'jvm' if jvm else 'ours'}-{case.slug}-{number}"
    run.mkdir()
    topic, out = (run.name, run / "out.txt") if case.kind == "source" else (case.slug, run / "out")
    config = prepare(case, place.broker, place.registry, topic, place.folder, out)
    command = worker_command(place, run, config, jvm=jvm)
    with open(run / "log", "wb") as log, _progress(case, place, topic, out) as come:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=run)
        try:
            deadline = time.monotonic() + _PATIENCE_S
            first = seen = 0
            began, cpu = 0.0, 0.0
            while seen < place.count:
                seen = come()
                if seen and not first:
                    first, began, cpu = seen, time.monotonic(), tree_cpu_seconds(process.pid)
                if time.monotonic() > deadline or process.poll() is not None:
                    told = (run / "log").read_text(errors="replace")[-2000:]
                    raise SystemExit(f"{run.name}: {seen} of {place.count} came\n{told}")
                time.sleep(_LOOK_S)
            seconds = time.monotonic() - began
            used = tree_cpu_seconds(process.pid) - cpu
        finally:
            process.terminate()
            process.wait(60)
    behind = max(place.count - first, 1)
    return {"per_s": behind / seconds, "cpu_us": used / behind * 1e6}


def compare(case: Case, place: Place, runs: int, *, jvm: bool) -> dict[str, Any]:
    """Run a case on both workers in turn, print a line, and return what to save."""
    row: dict[str, Any] = {"name": f"connect {case.name}"}
    sides = ["ours"] + (["jvm"] if jvm and not case.ours_only else [])
    found: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    for number in range(runs):
        for side in sides:
            found[side].append(measure(case, place, number, jvm=side == "jvm"))
    told = []
    for side, results in found.items():
        for unit in ("per_s", "cpu_us"):
            row[f"{side}_{unit}"] = [each[unit] for each in results]
        rate, cost = (statistics.median(row[f"{side}_{unit}"]) for unit in ("per_s", "cpu_us"))
        told.append(f"{side} {rate:>9,.0f}/s {cost:5.1f} us of CPU")
    if len(sides) == 2:
        ours, theirs = (statistics.median(row[f"{side}_per_s"]) for side in sides)
        row["ratio"] = ours / theirs
        told.append(f"ratio {row['ratio']:.2f}")
    print(f"{case.name:<46} {' | '.join(told)}", flush=True)
    return row


def _with_jvm() -> bool:
    missing = [name for name in ("java", "mvn") if shutil.which(name) is None]
    if missing:
        print(f"without Kafka's worker: needs {' and '.join(missing)}")
        return False
    class_path_of(_POM)
    return True


def main() -> None:
    """Measure, print, and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--count", type=int, default=500_000, help="records a run")
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--no-jvm", action="store_true")
    arguments = parser.parse_args()
    print(machine())
    jvm, other = not arguments.no_jvm and _with_jvm(), OtherWork()
    with tempfile.TemporaryDirectory() as name, RegistryServer() as registry:
        folder = Path(name)
        (folder / "in.txt").write_bytes(b"".join(lines(arguments.count)))
        with broker(folder / "broker") as address:
            place = Place(folder, address, registry.url, arguments.count)
            chosen = [case for case in CASES if arguments.only in case.name]
            rows = [compare(case, place, arguments.runs, jvm=jvm) for case in chosen]
    print(other.sentence())
    save(rows)


if __name__ == "__main__":
    main()
