"""The first difference between two answers, in words."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

from tests.oracle.deviations import settle
from tests.oracle.language import Scenario
from tests.oracle.run import Answer


def difference(scenario: Scenario, expected: Answer, found: Answer) -> str | None:
    """Return the first difference of `found` from the JVM's answer; None where there is none."""
    settle(scenario, expected, found)
    failed = expected.get("error"), found.get("error")
    if any(failed) and _where(failed[0]) != _where(failed[1]):
        return f"errors differ\n  Kafka:  {failed[0]}\n  Aliran: {failed[1]}"
    if expected.get("describe") != found.get("describe"):
        return f"describe() differs\n{_lines(expected['describe'], found['describe'])}"
    steps = zip(expected.get("steps", ()), found.get("steps", ()), strict=False)
    for number, (one, two) in enumerate(steps):
        for topic in sorted({*one, *two}):
            rows, others = one.get(topic, []), two.get(topic, [])
            if rows != others:
                step = scenario.steps[number].to_json()
                return f"step {number} {step}: topic {topic} differs\n{_rows(rows, others)}"
    if any(failed):
        return None
    if expected["dropped"] != found["dropped"]:
        return f"dropped: Kafka {expected['dropped']}, Aliran {found['dropped']}"
    for name in sorted({*expected["stores"]} & {*found["stores"]}):
        rows, others = expected["stores"][name], found["stores"][name]
        if rows != others:
            return f"store {name} differs\n{_rows(rows, others)}"
    return None


def _where(error: Any) -> tuple[str, int] | None:
    return None if error is None else (error["stage"], error["step"])


def _rows(expected: list[Any], found: list[Any]) -> str:
    lines = []
    for one, two in zip_longest(expected, found):
        mark = " " if one == two else "!"
        lines.append(f"  {mark} Kafka  {one!r}\n  {mark} Aliran {two!r}")
    return "\n".join(lines)


def _lines(expected: str, found: str) -> str:
    lines = []
    for one, two in zip_longest(expected.splitlines(), found.splitlines(), fillvalue=""):
        lines.append(f"    {one}" if one == two else f"  K {one}\n  A {two}")
    return "\n".join(lines)
