"""`make oracle N=20000 SEED=1`: random scenarios through Kafka and through Aliran, compared."""

from __future__ import annotations

import argparse
import gzip
import json
import logging
import re
import signal
import time
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.oracle.code import code
from tests.oracle.compare import difference
from tests.oracle.deviations import excuse
from tests.oracle.generator import favour_optimizations, favour_versions, generate, leave_out
from tests.oracle.jvm import PATIENCE_S, Jvm
from tests.oracle.language import Scenario, Statement
from tests.oracle.run import Answer, run
from tests.oracle.shrink import shrink

FAILURES = Path("build/oracle")
AHEAD = 100
"""How many scenarios are with the JVM while ours run."""


@dataclass
class Tally:
    """What was seen so far."""

    scenarios: int = 0
    failed: int = 0
    records: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    excuses: Counter[str] = field(default_factory=Counter)
    operators: Counter[str] = field(default_factory=Counter)
    settings: Counter[str] = field(default_factory=Counter)
    differences: Counter[str] = field(default_factory=Counter)
    started: float = field(default_factory=time.monotonic)

    def add(self, scenario: Scenario, expected: Answer) -> None:
        self.scenarios += 1
        self.operators.update(labels(scenario))
        self.settings["cache"] += bool(scenario.config.get("cache"))
        self.settings["rocksdb"] += scenario.config.get("stores") == "rocksdb"
        for setting in ("optimize", "errors", "kafka", "hand"):
            self.settings[setting] += setting in scenario.config
        for step in expected.get("steps", ()):
            self.records += sum(len(rows) for rows in step.values())
        if "error" in expected:
            self.errors[f"{expected['error']['stage']}: {expected['error']['type']}"] += 1

    def line(self) -> str:
        speed = self.scenarios / (time.monotonic() - self.started)
        return (
            f"{self.scenarios} scenarios, {self.records} records out, {self.failed} differ, "
            f"{speed:.0f}/s"
        )

    def report(self) -> str:
        rows = [f"  {count:6}  {name}" for name, count in sorted(self.operators.items())]
        settings = ", ".join(f"{name} {count}" for name, count in self.settings.items())
        errors = "".join(f"\n  {n:6}  {name}" for name, n in self.errors.most_common())
        excuses = "".join(f"\n  {n:6}  {name}" for name, n in self.excuses.most_common())
        differences = "".join(f"\n  {n:6}  {name}" for name, n in self.differences.most_common())
        return (
            "scenarios by operator\n" + "\n".join(rows) + f"\nsettings: {settings}"
            f"\nerrors that Kafka raised: {errors or 'none'}\nnot compared: {excuses or 'none'}"
            f"\ndifferences: {differences or 'none'}"
        )


_KINDS = {"process": "fn", "processValues": "fn", "handProcessor": "fn", "aggregate": "merger"}
"""The argument that says most about an operator; `kind` for all others."""

_MORE: tuple[str, ...]
_MORE = ("emitOnClose", "close", "limit", "records", "bytes", "shut", "chosen", "partitioned")
_MORE += (
    "supplied",
    "timed",
    "partitions",
    "picky",
    "grace",
    "extractor",
    "undo",
    "pattern",
    "keyed",
    "names",
    "default",
    "log",
)


def _labels(s: Statement) -> Iterator[str]:
    kind = s.args.get(_KINDS.get(s.op, "kind"))
    name = f"{s.op} {kind}" if isinstance(kind, str) else s.op
    yield name
    for more in _MORE:
        if more in s.args and not (more == "grace" and s.op != "joinTable"):
            yield f"{s.op} with {more}"
    for option, value in s.args.get("mat", {}).items():
        yield f"materialized {option}" + (f" {value}" if isinstance(value, bool) else "")


def drawn(seed: int, numbers: range, wanted: Collection[str]) -> Iterator[Scenario]:
    """Yield the scenarios of a seed with one of the operators, or all where none is wanted."""
    for number in numbers:
        scenario = generate(seed, number)
        if not wanted or any(s.op in wanted for s in scenario.program):
            yield scenario


def pairs(
    seed: int, numbers: range, wanted: Collection[str] = ()
) -> Iterator[tuple[Scenario, Answer, Answer]]:
    """Yield scenarios with the answers of Kafka and of Aliran."""
    with Jvm() as jvm:
        for scenario in drawn(seed, numbers, wanted):
            jvm.send(scenario)
            if jvm.under_way > AHEAD:
                answered, expected = jvm.receive()
                yield answered, expected, _run(answered)
        while jvm.under_way:
            answered, expected = jvm.receive()
            yield answered, expected, _run(answered)


def _run(scenario: Scenario) -> Answer:
    """Run a scenario here; one that does not end has an error, like any other."""

    def late(_signal: int, _frame: object) -> None:
        raise TimeoutError(f"more than {PATIENCE_S} s")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(PATIENCE_S)
    try:
        return run(scenario)
    finally:
        signal.alarm(0)


def labels(scenario: Scenario) -> frozenset[str]:
    """Return the operators of a scenario, with the kinds of joins, windows and processors."""
    return frozenset(label for s in scenario.program for label in _labels(s))


def check(seed: int, numbers: range, *, shown: int) -> int:
    """Compare scenarios, print what differs, and return how many do.

    Args:
        seed: Which scenarios.
        numbers: Which of them.
        shown: How many differences to shrink and print. Others are counted, as are those that
            have all operators of one that was printed: they are likely the same.
    """
    tally = Tally()
    last = time.monotonic()
    known: list[tuple[str, frozenset[str]]] = []
    for scenario, expected, found in pairs(seed, numbers):
        tally.add(scenario, expected)
        if (reason := excuse(expected, found)) is not None:
            tally.excuses[reason] += 1
        elif (told := difference(scenario, expected, found)) is not None:
            tally.failed += 1
            kind = _kind(told)
            like = [
                f"{one} of {' '.join(sorted(ops))}"
                for one, ops in known
                if one == kind and ops <= labels(scenario)
            ]
            if not like and len(known) < shown:
                small = report(seed, scenario)
                known.append((kind, labels(small)))
                like = [f"{kind} of {' '.join(sorted(labels(small)))}"]
            tally.differences[like[0] if like else f"{kind}, not shown"] += 1
        if time.monotonic() - last > 5:
            last = time.monotonic()
            print(tally.line(), flush=True)
    print(tally.report())
    print(tally.line())
    return tally.failed


def report(seed: int, scenario: Scenario) -> Scenario:
    """Shrink a failing scenario, print it, save it in build/oracle/, and return it."""
    with Jvm() as jvm:

        def told(candidate: Scenario) -> str | None:
            expected, found = jvm.answer(candidate), run(candidate)
            if excuse(expected, found) is not None:
                return None
            return difference(candidate, expected, found)

        kind = _kind(told(scenario))
        small = shrink(scenario, lambda candidate: _kind(told(candidate)) == kind)
        text = told(small)
    FAILURES.mkdir(parents=True, exist_ok=True)
    path = FAILURES / f"{seed}-{scenario.id}.json"
    path.write_text(small.line() + "\n")
    print(f"\n---- scenario {scenario.id} of seed {seed}; shrunk, in {path}: {small.config}")
    for number, statement in enumerate(small.program):
        print(f"  {number}: {json.dumps(statement.to_json())}")
    for step in small.steps:
        print(f"  {json.dumps(step.to_json())}")
    print(code(small))
    print(text, flush=True)
    return small


def _kind(told: str | None) -> str:
    """What a difference is about; shrinking keeps it."""
    if told is None:
        return ""
    first = told.split("\n")[0]
    if first.startswith("step"):
        topic = first.split("topic ")[1].split()[0]
        return "changelog" if topic.endswith("changelog") else "records"
    if first.startswith("errors"):
        words = re.findall(r"'(?:stage|type|message)': (?:'|\")([A-Za-z ]+)", told)
        return " ".join(word[:20] for word in words)
    return first.split()[0]


def record(seed: int, numbers: range, wanted: Collection[str], path: Path) -> None:
    """Save scenarios with Kafka's answers, but for those that differ now or where it breaks down.

    A scenario that differs belongs to whoever mends it; the sample is to stay green.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = 0
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as file:
        for scenario, expected, found in pairs(seed, numbers, wanted):
            answer = json.dumps(expected, separators=(",", ":"), sort_keys=True)
            if excuse(expected, found) is None and difference(scenario, expected, found) is None:
                file.write(f'{{"scenario":{scenario.line()},"expected":{answer}}}\n'.encode())
                kept += 1
    print(f"{kept} scenarios in {path}")


def again(path: Path) -> int:
    """Run a saved scenario once more and print what differs."""
    scenario = Scenario.from_json(json.loads(path.read_text()))
    with Jvm() as jvm:
        expected = jvm.answer(scenario)
    found = run(scenario)
    told = excuse(expected, found) or difference(scenario, expected, found)
    print(code(scenario))
    print(told or "no difference")
    return int(told is not None)


def main() -> int:
    """Run the command; 0 where nothing differs."""
    parser = argparse.ArgumentParser(prog="oracle", description=__doc__)
    parser.add_argument("-n", type=int, default=1_000, help="how many scenarios")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=int, default=0, help="number of the first")
    parser.add_argument("--shown", type=int, default=5, help="differences to shrink and print")
    parser.add_argument("--record", type=Path, help="save scenarios and Kafka's answers here")
    parser.add_argument("--again", type=Path, help="run this saved scenario only")
    parser.add_argument("--without", default="", help="operators to leave out, with commas")
    parser.add_argument("--versioned", action="store_true", help="mostly versioned tables")
    parser.add_argument("--optimized", action="store_true", help="topologies to be optimised")
    parser.add_argument("--only", default="", help="record scenarios with one of these operators")
    given = parser.parse_args()
    if given.versioned:
        favour_versions()
    if given.optimized:
        favour_optimizations()
    leave_out(given.without.split(","))
    logging.getLogger("aliran").setLevel(logging.ERROR)
    numbers = range(given.start, given.start + given.n)
    if given.again is not None:
        return again(given.again)
    if given.record is not None:
        record(given.seed, numbers, list(filter(None, given.only.split(","))), given.record)
        return 0
    return int(check(given.seed, numbers, shown=given.shown) > 0)
