"""One job for each kind of operator: each through the engine, and as a bare loop by hand.

`python benchmarks/operators.py [JOB...]` runs, in turn and each in a process of its own:

* the engine: one partition, one process, embedded broker, RocksDB state, changelog on; from
  `app.start()` on a backlog until the last record is processed and committed;
* the bare loop: the same records in lists, the same decoder and functions, dicts and lists.

Both read the records from the same backlog, and in every run their results are compared. A job is
described in `tweet_jobs.py` or `join_jobs.py`; what it measures includes the start of the engine.
"""

from __future__ import annotations

import argparse
import gc
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import join_jobs, tweet_jobs
from benchmarks.batches import BatchSizes, batches_sentence
from benchmarks.job import Inputs, Job
from benchmarks.measure import OtherWork, in_child, machine, save, spread
from benchmarks.tweets import Rows

from aliran.broker.broker import Broker
from aliran.broker.embedded import EmbeddedBroker
from aliran.cli.demo.tail import Tail
from aliran.core.types import TopicPartition
from aliran.streams.app import App

JOBS: dict[str, Job] = {job.name: job for job in (*tweet_jobs.JOBS, *join_jobs.JOBS)}
_BATCH = 2_000
_PATIENCE_S = 300
_CLOCKS = ("seconds", "cpu_seconds")


def write_backlog(job: Job, directory: str, count: int) -> dict[str, Any]:
    """Write the inputs to topics with one partition each; returns how many there are of each."""
    inputs = job.inputs(count)
    with EmbeddedBroker(Path(directory) / "broker") as embedded:
        for topic, rows in inputs.items():
            embedded.broker.topics.create(topic, 1)
            log = embedded.broker.logs.get(TopicPartition(topic, 0))
            if log is None:
                raise SystemExit(f"the topic {topic!r} was not created")
            for start in range(0, len(rows.keys), _BATCH):
                part = slice(start, start + _BATCH)
                log.append_columns(
                    list(rows.keys[part]), list(rows.values[part]), rows.timestamps[part]
                )
    return {topic: len(rows.keys) for topic, rows in inputs.items()}


def read_topic(broker: Broker, topic: str) -> Rows:
    """Return all records of a topic."""
    rows = Rows([], [], [])
    for columns in Tail(broker, topic).new_records():
        rows.keys.extend(columns.keys)  # type: ignore[arg-type]  # no null keys here, and only
        rows.values.extend(columns.values)  # type: ignore[arg-type]  # merged sessions have null values
        rows.timestamps.extend(columns.timestamps)
    return rows


def run_engine(job: Job, directory: str, topics: list[str]) -> dict[str, Any]:
    """Run the job on a directory with a backlog, and check what it gave."""
    app = App(job.name, brokers="embedded", data_dir=directory)
    job.build(app)
    batches = BatchSizes()
    started, started_cpu = time.perf_counter(), time.process_time()
    app.start()
    app.wait_until_idle(_PATIENCE_S)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - started_cpu
    broker = app.broker.broker
    found = job.comparable(job.found(read_topic(broker, "results")))
    expected = job.comparable(job.bare_loop({topic: read_topic(broker, topic) for topic in topics}))
    app.close()
    if found != expected:
        raise SystemExit(
            f"{job.name}: {len(found)} results of the engine differ from the {len(expected)} "
            "results of the bare loop"
        )
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "results": len(found),
        "batches": batches.summary(),
    }


def run_bare_loop(job: Job, directory: str, topics: list[str]) -> dict[str, Any]:
    """Run the floor; long-lived objects are frozen so that collections do not walk them."""
    with EmbeddedBroker(Path(directory) / "broker") as embedded:
        inputs: Inputs = {topic: read_topic(embedded.broker, topic) for topic in topics}
    gc.collect()
    gc.freeze()
    started, started_cpu = time.perf_counter(), time.process_time()
    results = job.bare_loop(inputs)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - started_cpu
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "results": len(results)}


def measure(job: Job, count: int, runs: int) -> dict[str, Any]:
    """Run a job and its bare loop in turn; print, and return the row for build/bench.json."""
    script, others = Path(__file__).resolve(), OtherWork()
    engine, bare = [], []
    with tempfile.TemporaryDirectory(prefix="aliran-bench-") as scratch:
        backlog = Path(scratch) / "backlog"
        written = in_child(script, job.name, "--write", str(backlog), "--records", str(count))
        topics = ",".join(written)
        for _ in range(runs):
            directory = Path(scratch) / "run"
            shutil.copytree(backlog, directory)
            engine.append(
                in_child(script, job.name, "--engine", str(directory), "--topics", topics)
            )
            shutil.rmtree(directory)
            bare.append(in_child(script, job.name, "--bare", str(backlog), "--topics", topics))
    total = sum(written.values())
    rates, cpu_rates = ([total / each[by] for each in engine] for by in _CLOCKS)
    bare_rates, bare_cpu_rates = ([total / each[by] for each in bare] for by in _CLOCKS)
    ratio = statistics.median(rates) / statistics.median(bare_rates)
    cpu_ratio = statistics.median(cpu_rates) / statistics.median(bare_cpu_rates)
    sizes = " + ".join(f"{number:,} {topic}" for topic, number in written.items())
    print(f"\n{job.title}: {sizes}, {engine[0]['results']:,} results")
    print(f"  engine     {spread(rates):>34} records/s")
    print(f"  bare loop  {spread(bare_rates):>34} records/s   ratio {ratio:.2f}")
    print(f"  engine     {spread(cpu_rates):>34} records per second of CPU time")
    print(f"  bare loop  {spread(bare_cpu_rates):>34} of them   ratio {cpu_ratio:.2f}")
    print(f"  {batches_sentence([each['batches'] for each in engine])}")
    print(f"  {others.sentence()}", flush=True)
    return {
        "name": job.name,
        "records_per_s": round(statistics.median(rates)),
        "bare_loop_records_per_s": round(statistics.median(bare_rates)),
        "ratio": round(ratio, 3),
        "records_per_cpu_s": round(statistics.median(cpu_rates)),
        "bare_loop_records_per_cpu_s": round(statistics.median(bare_cpu_rates)),
        "cpu_ratio": round(cpu_ratio, 3),
        "records": total,
        "runs": runs,
        "batches": engine[0]["batches"],
        "records_per_s_runs": [round(each) for each in rates],
        "bare_loop_records_per_s_runs": [round(each) for each in bare_rates],
    }


def main() -> None:
    """Measure; with `--write`, `--engine` or `--bare` be one of the processes of a measurement."""
    options = argparse.ArgumentParser(description="A benchmark for each kind of operator.")
    options.add_argument("jobs", nargs="*", metavar="JOB", help=f"of {', '.join(JOBS)}")
    options.add_argument("--records", type=int, help="of each job; by default as each job says")
    options.add_argument("--runs", type=int, default=3)
    for inside in ("--write", "--engine", "--bare", "--topics"):
        options.add_argument(inside, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    unknown = [name for name in chosen.jobs if name not in JOBS]
    if unknown:
        options.error(f"there is no job {unknown[0]!r}; there are {', '.join(JOBS)}")
    jobs = [JOBS[name] for name in chosen.jobs or JOBS]
    if chosen.write:
        print(json.dumps(write_backlog(jobs[0], chosen.write, chosen.records)))
    elif chosen.engine:
        print(json.dumps(run_engine(jobs[0], chosen.engine, chosen.topics.split(","))))
    elif chosen.bare:
        print(json.dumps(run_bare_loop(jobs[0], chosen.bare, chosen.topics.split(","))))
    else:
        print(f"\nOperators ({machine()}; {chosen.runs} runs each, median (min..max))")
        save([measure(job, chosen.records or job.records, chosen.runs) for job in jobs])


if __name__ == "__main__":
    main()
