"""The hashtag job: tweets with more than 10 likes, counted by hashtag and minute, durably.

`python benchmarks/hashtags.py` runs, in turn and each in a process of its own:

* the engine: one partition, one process, embedded broker, RocksDB state, changelog on; from
  `app.start()` on a backlog until the last record is processed and committed;
* the bare loop: the same bytes in a list, the same decoder and functions, a dict and nothing else;

and once more the engine with a clock at the seams between its parts. Each time the counts are
compared with a plain recount that knows the rule for late records. Where others use the machine,
rates by CPU time tell more than those by the clock.
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

from benchmarks import hashtag_job as job
from benchmarks.batches import BatchSizes, batches_sentence
from benchmarks.measure import OtherWork, in_child, machine, save, spread
from benchmarks.tweets import load

from aliran.broker.embedded import EmbeddedBroker
from aliran.cli.demo.tail import Tail, windowed_counts
from aliran.core.types import TopicPartition
from aliran.streams.app import App

AIM_PER_S, AIM_RATIO = 450_000, 0.35
_BATCH = 2_000
_PATIENCE_S = 300


def write_backlog(directory: str, count: int) -> dict[str, Any]:
    """Write the tweets to the topic `tweets` with one partition."""
    tweets = load(count)
    with EmbeddedBroker(Path(directory) / "broker") as embedded:
        embedded.broker.topics.create("tweets", 1)
        log = embedded.broker.logs.get(TopicPartition("tweets", 0))
        if log is None:
            raise SystemExit("the topic was not created")
        for start in range(0, count, _BATCH):
            rows = slice(start, start + _BATCH)
            log.append_columns(
                list(tweets.keys[rows]), list(tweets.values[rows]), list(tweets.timestamps[rows])
            )
    return {"bytes": sum(map(len, tweets.values)) / count}


def run_engine(directory: str, count: int, *, stages: bool) -> dict[str, Any]:
    """Run the job on a directory with a backlog, and check what it gave."""
    app = App("hashtags", brokers="embedded", data_dir=directory)
    (
        app.stream("tweets", value=job.Tweet)
        .filter(lambda _user, tweet: tweet.likes > job.MORE_THAN_LIKES)
        .flat_map_values(lambda tweet: job.hashtags(tweet.text))
        .group_by(lambda _user, tag: tag)
        .windowed_by("1m", grace="10s")
        .count(store="tag-counts")
        .to_stream()
        .to("trending")
    )
    seconds_by_stage: dict[str, float] = {}
    if stages:
        from benchmarks import stages as seams

        clock = seams.StageClock()
        seams.install(clock)
        seconds_by_stage = clock.seconds
    batches = BatchSizes()
    started, started_cpu = time.perf_counter(), time.process_time()
    app.start()
    app.wait_until_idle(_PATIENCE_S)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - started_cpu
    found = dict(windowed_counts(Tail(app.broker.broker, "trending").new_records()))
    app.close()
    tweets = load(count)
    expected, late = job.expected(tweets.values, tweets.timestamps)
    if found != expected:
        wrong = sum(found.get(key) != expected.get(key) for key in found.keys() | expected.keys())
        raise SystemExit(f"{wrong} of {len(expected)} windows differ from the plain recount")
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "windows": len(found),
        "late": late,
        "batches": batches.summary(),
        "stages": dict(seconds_by_stage),
    }


def run_bare_loop(count: int) -> dict[str, Any]:
    """Run the floor; long-lived objects are frozen so that collections do not walk them."""
    values = load(count).values
    gc.collect()
    gc.freeze()
    started, started_cpu = time.perf_counter(), time.process_time()
    counts = job.bare_loop(values)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - started_cpu
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "windows": len(counts)}


def print_stages(stages: dict[str, float], seconds: float, count: int) -> None:
    """Print µs a tweet by stage, the largest first, and what no stage accounts for."""
    rest = {"engine start, poll, the rest": seconds - sum(stages.values())}
    rows = sorted({**stages, **rest}.items(), key=lambda row: -row[1])
    print(f"\nWhere the time goes (one more run, {seconds / count * 1e6:.2f} µs a tweet)")
    for stage, spent in rows:
        print(f"  {stage:<36} {spent / count * 1e6:6.2f} µs {spent / seconds:6.0%}")


def measure(count: int, runs: int) -> None:
    """Run all, print, save."""
    script, others = Path(__file__).resolve(), OtherWork()
    engine, bare = [], []
    with tempfile.TemporaryDirectory(prefix="aliran-bench-") as scratch:
        backlog = Path(scratch) / "backlog"
        written = in_child(script, "--write", str(backlog), "--tweets", str(count))

        def engine_run(*extra: str) -> dict[str, Any]:
            directory = Path(scratch) / "run"
            shutil.copytree(backlog, directory)
            result = in_child(script, "--engine", str(directory), "--tweets", str(count), *extra)
            shutil.rmtree(directory)
            return result

        for _ in range(runs):
            engine.append(engine_run())
            bare.append(in_child(script, "--bare", "--tweets", str(count)))
        staged = engine_run("--stages")
    rates = [count / each["seconds"] for each in engine]
    bare_rates = [count / each["seconds"] for each in bare]
    rate, bare_rate = statistics.median(rates), statistics.median(bare_rates)
    print(f"\nHashtag job, {count:,} tweets of {written['bytes']:.0f} bytes ({machine()})")
    print(f"  engine     {spread(rates):>34} tweets/s   durable; gc as App sets it")
    print(f"  bare loop  {spread(bare_rates):>34} tweets/s   a list and a dict; gc frozen")
    print(f"  ratio      {rate / bare_rate:>34.2f}")
    cpu_rates = [count / each["cpu_seconds"] for each in engine]
    bare_cpu_rates = [count / each["cpu_seconds"] for each in bare]
    print(f"  engine     {spread(cpu_rates):>34} tweets per second of CPU time")
    print(f"  bare loop  {spread(bare_cpu_rates):>34} tweets per second of CPU time")
    print(f"  {engine[0]['windows']:,} windows in every run, all equal to a plain recount")
    print(f"  ({engine[0]['late']:,} hashtags came too late; the recount agrees)")
    print(f"  {batches_sentence([each['batches'] for each in engine])}")
    print(f"  aim: {AIM_PER_S:,} tweets/s and a ratio of {AIM_RATIO}")
    print(f"  {others.sentence()}")
    print_stages(staged["stages"], staged["seconds"], count)
    save(
        [
            {
                "name": "hashtags",
                "records_per_s": round(rate),
                "bare_loop_records_per_s": round(bare_rate),
                "ratio": round(rate / bare_rate, 3),
                "records_per_cpu_s": round(statistics.median(cpu_rates)),
                "bare_loop_records_per_cpu_s": round(statistics.median(bare_cpu_rates)),
                "records": count,
                "runs": runs,
                "batches": engine[0]["batches"],
                "records_per_s_runs": [round(each) for each in rates],
                "bare_loop_records_per_s_runs": [round(each) for each in bare_rates],
                "stages_us_per_record": {
                    stage: round(spent / count * 1e6, 3)
                    for stage, spent in staged["stages"].items()
                },
            }
        ]
    )


def main() -> None:
    """Measure; with `--write`, `--engine` or `--bare` be one of the processes of a measurement."""
    options = argparse.ArgumentParser(description="The hashtag benchmark.")
    options.add_argument("--tweets", type=int, default=1_000_000)
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--write", metavar="DIR", help=argparse.SUPPRESS)
    options.add_argument("--engine", metavar="DIR", help=argparse.SUPPRESS)
    options.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    options.add_argument("--stages", action="store_true", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.write:
        print(json.dumps(write_backlog(chosen.write, chosen.tweets)))
    elif chosen.engine:
        print(json.dumps(run_engine(chosen.engine, chosen.tweets, stages=chosen.stages)))
    elif chosen.bare:
        print(json.dumps(run_bare_loop(chosen.tweets)))
    else:
        measure(chosen.tweets, chosen.runs)


if __name__ == "__main__":
    main()
