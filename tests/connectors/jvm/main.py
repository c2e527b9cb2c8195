"""`python -m tests.connectors.jvm -n 20000 --seed 1`: Kafka's classes and ours, asked the same."""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

from tests.connectors.jvm.compare import difference
from tests.connectors.jvm.deviations import excuse
from tests.connectors.jvm.generator import questions
from tests.connectors.jvm.ours import answer
from tests.oracle.jvm import build_project

PROJECT = Path(__file__).parents[2] / "compat" / "jvm" / "connect"
RECORDED = Path(__file__).with_name("recorded.jsonl.gz")


def ask_jvm(asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return Kafka's answers to the questions, in their order."""
    build_project(PROJECT)
    command = ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    command += ["-Duser.timezone=UTC", "-Duser.language=en", "-Duser.country=US"]
    command += ["-cp", "target/classes:target/lib/*", "connect.Main"]
    lines = "".join(json.dumps(each) + "\n" for each in asked)
    done = subprocess.run(
        command, cwd=PROJECT, input=lines, capture_output=True, text=True, check=False
    )
    answers = [json.loads(line) for line in done.stdout.split("\n") if line]
    if len(answers) != len(asked):
        raise RuntimeError(f"the JVM ended after {len(answers)} answers:\n{done.stderr[-2000:]}")
    return answers


def differences(
    asked: list[dict[str, Any]], answers: list[dict[str, Any]], tally: Counter[str] | None = None
) -> list[str]:
    """Return what differs without an excuse, a text a question."""
    found = []
    for question, theirs in zip(asked, answers, strict=True):
        ours = answer(question)
        told = difference(theirs, ours)
        why = None if told is None else excuse(question, theirs, ours)
        if tally is not None:
            tally[f"{question['do']} {question['class'].rpartition('.')[2]}"] += 1
            tally["errors"] += "error" in theirs
            if why is not None:
                tally[f"excused: {why}"] += 1
        if told is not None and why is None:
            found.append(f"{told}\n    for {json.dumps(question)}")
    return found


def record(count: int, seed: int) -> None:
    """Write questions with Kafka's answers to `recorded.jsonl.gz`."""
    asked = questions(seed, count)
    rows = zip(asked, ask_jvm(asked), strict=True)
    text = "".join(json.dumps([question, theirs]) + "\n" for question, theirs in rows)
    RECORDED.write_bytes(gzip.compress(text.encode(), mtime=0))


def main() -> int:
    """Compare, or record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=20_000, help="how many questions")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--record", action="store_true", help="write what make test compares with")
    parser.add_argument("--show", type=int, default=10, help="how many differences are shown")
    options = parser.parse_args()
    if options.record:
        record(options.n, options.seed)
        return 0
    asked = questions(options.seed, options.n)
    tally: Counter[str] = Counter()
    found = differences(asked, ask_jvm(asked), tally)
    for name, count in sorted(tally.items()):
        print(f"{count:7} {name}")
    for told in found[: options.show]:
        print(f"\n{told}")
    print(f"{options.n} questions, {len(found)} differ")
    return bool(found)
