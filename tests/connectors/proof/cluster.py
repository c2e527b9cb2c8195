"""Three workers, thirty connectors, and one worker killed every few seconds.

    python -m tests.connectors.proof.cluster --seconds 120 --connectors 30

A third of the connectors read files that grow, a third write what these read to files, a third make
records up. When the killing ends: every task runs again, every line is in its topic and in its
output, the balance has returned, and REST has answered throughout.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import httpx

from aliran.broker.embedded import EmbeddedBroker

sys.path.insert(0, str(Path(__file__).parents[2] / "support"))

from broker_process import PROGRAM, safe_port

_STRING = "org.apache.kafka.connect.storage.StringConverter"
_JSON = "org.apache.kafka.connect.json.JsonConverter"


class Worker:
    """One worker as a process, which keeps its port over restarts."""

    def __init__(self, folder: Path, number: int, bootstrap_servers: str) -> None:
        self.url = f"http://127.0.0.1:{safe_port()}"
        self._properties = folder / f"worker-{number}.properties"
        self.log = folder / f"worker-{number}.log"
        props = {
            "bootstrap.servers": bootstrap_servers, "listeners": self.url, "group.id": "proof",
            "config.storage.topic": "configs", "offset.storage.topic": "offsets",
            "status.storage.topic": "status", "offset.storage.partitions": "5",
            "offset.flush.interval.ms": "500", "scheduled.rebalance.max.delay.ms": "1000",
            "session.timeout.ms": "3000", "heartbeat.interval.ms": "300",
            "consumer.session.timeout.ms": "3000", "consumer.heartbeat.interval.ms": "300",
            "key.converter": _STRING, "value.converter": _STRING,
            "aliran.data.dir": str(folder / f"data-{number}"), "aliran.isolation": "thread",
        }  # fmt: skip
        self._properties.write_text("".join(f"{k}={v}\n" for k, v in props.items()))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it; returns at once."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, "connect", "distributed", str(self._properties)],
                stdout=log,
                stderr=log,
            )

    def end(self, number: signal.Signals) -> None:
        """End it with a signal."""
        if self._process is not None:
            self._process.send_signal(number)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


class Questions:
    """Asks all the time, and counts what is answered.

    A worker that is dead, or not there yet, is no failure: the next one is asked. If nobody has
    answered within `BUDGET_S`, the question counts as "unanswered".
    """

    BUDGET_S = 10.0

    def __init__(self, workers: list[Worker]) -> None:
        self._workers = workers
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self.answers: Counter[str] = Counter()
        self.passed_on = 0
        self.slowest_s = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _ask(self) -> None:
        dice = random.Random(1)
        with httpx.Client(timeout=60) as rest:
            while not self._stopping.wait(0.1):
                order = dice.sample(self._workers, len(self._workers))
                path = dice.choice(["/connectors", "/connectors?expand=status", "/"])
                began = time.monotonic()
                self.answers[self._answer(rest, order, path, began)] += 1
                self.slowest_s = max(self.slowest_s, time.monotonic() - began)

    def _answer(self, rest: httpx.Client, order: list[Worker], path: str, began: float) -> str:
        for worker in itertools.cycle(order):
            try:
                return str(rest.get(worker.url + path).status_code)
            except httpx.TransportError:
                self.passed_on += 1
            if time.monotonic() - began > self.BUDGET_S:
                break
            time.sleep(0.05)
        return "unanswered"


def asked(workers: list[Worker], method: str, path: str, body: Any = None) -> Any:
    """Ask any living worker until one has done it; 409 is tried again."""
    deadline = time.monotonic() + 120
    while True:
        for worker in workers:
            with contextlib.suppress(httpx.TransportError):
                answer = httpx.request(method, worker.url + path, json=body, timeout=60)
                if answer.status_code < 300:
                    return answer.json() if answer.content else None
                assert answer.status_code in {404, 409, 503}, answer.text
        assert time.monotonic() < deadline, f"{method} {path}"
        time.sleep(0.3)


def until(ready: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait until something is true; return how long it took."""
    began = time.monotonic()
    while not ready():
        if time.monotonic() - began > seconds:
            raise SystemExit(f"WRONG: {what} within {seconds:.0f} s")
        time.sleep(0.3)
    return time.monotonic() - began


def configurations(folder: Path, count: int) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the connectors."""
    for n in range(count // 3):
        (folder / f"in-{n}.txt").touch()
        yield (
            f"source-{n}",
            {
                "connector.class": "FileStreamSource", "file": str(folder / f"in-{n}.txt"),
                "topic": f"lines-{n}", "batch.size": "100",
            },
        )  # fmt: skip
        yield (
            f"sink-{n}",
            {
                "connector.class": "FileStreamSink", "topics": f"lines-{n}",
                "file": str(folder / f"out-{n}.txt"),
            },
        )  # fmt: skip
        yield (
            f"made-{n}",
            {
                "connector.class": "Datagen", "topic": f"made-{n}", "tasks.max": "2",
                "fields": '{"n": "sequence"}', "max.interval.ms": "20",
                "value.converter": _JSON, "value.converter.schemas.enable": "false",
            },
        )  # fmt: skip


def states(workers: list[Worker]) -> tuple[Counter[str], list[str]]:
    """Return how many tasks each worker runs, and what does not run."""
    found = asked(workers, "GET", "/connectors?expand=status")
    tasks: Counter[str] = Counter()
    wrong: list[str] = []
    for name, row in found.items():
        status: Mapping[str, Any] = row["status"]
        units = [(name, status["connector"])]
        units += [(f"{name}-{one['id']}", one) for one in status["tasks"]]
        wrong += [f"{unit} {one['state']}" for unit, one in units if one["state"] != "RUNNING"]
        wrong += [f"{name} has no task"] if not status["tasks"] else []
        tasks.update(one["worker_id"] for one in status["tasks"])
    return tasks, wrong


def write_lines(folder: Path, count: int, until_s: float) -> list[int]:
    """Add lines to the files until a time; return how many each has."""
    written = [0] * count
    files = [(folder / f"in-{n}.txt").open("a") for n in range(count)]
    while time.monotonic() < until_s:
        for n, file in enumerate(files):
            file.write("".join(f"{n}:{written[n] + i}\n" for i in range(5)))
            file.flush()
            written[n] += 5
        time.sleep(0.05)
    for file in files:
        file.close()
    return written


def main() -> int:
    """Run the proof; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--connectors", type=int, default=30)
    parser.add_argument("--every", type=float, default=5, help="seconds between two kills")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as scratch,
        EmbeddedBroker(config={"group.min.session.timeout.ms": "500"}) as broker,
    ):
        folder = Path(scratch)
        workers = [Worker(folder, n, broker.bootstrap_servers) for n in range(3)]
        try:
            return prove(folder, workers, options)
        except BaseException:
            for worker in workers:
                print(f"--- {worker.log.name}\n{worker.log.read_text()[-3000:]}", file=sys.stderr)
            raise
        finally:
            for worker in workers:
                worker.end(signal.SIGKILL)


def prove(folder: Path, workers: list[Worker], options: argparse.Namespace) -> int:
    """Kill and look; return the exit status."""
    for worker in workers:
        worker.start()
    wanted = dict(configurations(folder, options.connectors))
    for name, config in wanted.items():
        asked(workers, "PUT", f"/connectors/{name}/config", config)
    until(lambda: settled(workers, len(wanted)), 120, "not everything runs at the beginning")
    end = time.monotonic() + options.seconds
    written: list[int] = []
    writer = threading.Thread(
        target=lambda: written.extend(write_lines(folder, options.connectors // 3, end))
    )
    writer.start()
    kills, dice = 0, random.Random(7)
    with Questions(workers) as questions:
        while time.monotonic() < end:
            victim = dice.choice(workers)
            victim.end(signal.SIGKILL)
            kills += 1
            time.sleep(dice.uniform(0, options.every / 3))
            victim.start()
            time.sleep(options.every * 2 / 3)
        writer.join()
        recovered_s = until(
            lambda: settled(workers, len(wanted)), 120, f"not everything runs: {states(workers)}"
        )
    lost = until(lambda: not missing(folder, written), 120, "lines are lost")
    tasks, _ = states(workers)
    print(
        json.dumps(
            {
                "kills": kills, "connectors": len(wanted), "lines": sum(written),
                "lost": len(missing(folder, written)), "doubled": doubled(folder, written),
                "recovered_s": round(recovered_s, 1), "all_lines_out_after_s": round(lost, 1),
                "tasks_by_worker": sorted(tasks.values()), "rest": dict(questions.answers),
                "asked_another": questions.passed_on,
                "slowest_answer_s": round(questions.slowest_s, 2),
            }
        )
    )  # fmt: skip
    failed = [status for status in questions.answers if status[0] in "5u"]
    return 1 if failed else 0


def settled(workers: list[Worker], connectors: int) -> bool:
    """Whether all connectors and tasks run, dealt out evenly."""
    tasks, wrong = states(workers)
    living = sum(worker.alive for worker in workers)
    even = len(tasks) == living and max(tasks.values()) - min(tasks.values()) <= 1
    total = sum(tasks.values())
    return not wrong and even and total == connectors // 3 * 4


def missing(folder: Path, written: list[int]) -> list[str]:
    """Return lines that are in no output."""
    lost: list[str] = []
    for n, count in enumerate(written):
        path = folder / f"out-{n}.txt"
        found = set(path.read_text().splitlines()) if path.exists() else set()
        lost += [f"{n}:{i}" for i in range(count) if f"{n}:{i}" not in found]
    return lost


def doubled(folder: Path, written: list[int]) -> int:
    """Return how many lines came more than once."""
    return sum(
        len((folder / f"out-{n}.txt").read_text().splitlines()) - count
        for n, count in enumerate(written)
    )


if __name__ == "__main__":
    sys.exit(main())
