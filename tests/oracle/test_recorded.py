"""Recorded scenarios of the oracle: what Kafka answered once, Aliran answers now. Without Java.

`python -m tests.oracle -n 360 --seed 7 --record tests/oracle/recorded/sample.jsonl.gz` writes them;
`-n 800 --seed 8 --only windowedBy,suppress,cogroup` those of windows, `-n 130 --seed 9 --versioned`
those of versioned tables, `-n 150 --seed 9 --optimized` those of optimised topologies.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from tests.oracle.compare import difference
from tests.oracle.generator import generate
from tests.oracle.language import Scenario
from tests.oracle.run import run

RECORDED = sorted((Path(__file__).parent / "recorded").glob("*.jsonl.gz"))


def rows(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def test_there_are_recorded_scenarios() -> None:
    assert sum(len(rows(path)) for path in RECORDED) >= 200


@pytest.mark.parametrize("part", range(10))
@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name.split(".")[0])
def test_answers_are_kafkas(path: Path, part: int) -> None:
    for row in rows(path)[part::10]:
        scenario = Scenario.from_json(row["scenario"])
        told = difference(scenario, row["expected"], run(scenario))
        assert told is None, f"scenario {scenario.id}:\n{scenario.line()}\n{told}"


def test_a_difference_is_found() -> None:
    row = next(row for row in rows(RECORDED[0]) if any(row["expected"].get("steps", ())))
    scenario = Scenario.from_json(row["scenario"])
    step = next(step for step in row["expected"]["steps"] if step)
    records = next(iter(step.values()))
    records[0][2] += 1
    told = difference(scenario, row["expected"], run(scenario))
    assert told is not None
    assert "differs" in told


def test_scenarios_survive_json_and_seeds_repeat() -> None:
    for number in range(20):
        scenario = generate(3, number)
        assert Scenario.from_json(json.loads(scenario.line())) == scenario
        assert generate(3, number) == scenario
