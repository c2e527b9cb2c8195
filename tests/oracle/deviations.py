"""Where Aliran differs from Kafka on purpose, and why. Keep it short.

`settle` changes the answers so that these differences do not count; `excuse` gives the reason why
a scenario cannot be compared at all.
"""

from __future__ import annotations

import re
from typing import Any

from tests.oracle.language import Scenario
from tests.oracle.run import Answer

_CLASS = re.compile(r"extractor class: [^)]*")

BREAKDOWNS = ("NullPointerException", "ClassCastException", "IndexOutOfBoundsException")
"""What the JVM raises where Kafka itself breaks down, be it at run time or while building."""


def excuse(expected: Answer, found: Answer) -> str | None:
    """Return why the two cannot be compared.

    Kafka breaks down with errors that no rule demands, such as a NullPointerException for sliding
    windows whose aggregator returns null while the cache is on. Aliran goes on.
    """
    error = expected.get("error")
    if error is not None and error["type"] in BREAKDOWNS:
        return f"Kafka breaks down: {error['type']} {error['message'][:60]}"
    return None


def settle(scenario: Scenario, expected: Answer, found: Answer) -> None:
    """Change the answers where they may differ."""
    for answer in (expected, found):
        # The class of a topic's chooser has the name that its language gives it.
        if "describe" in answer:
            answer["describe"] = _CLASS.sub("extractor class: …", answer["describe"])
    if scenario.config.get("cache") and "stores" in expected and "stores" in found:
        for name, rows in found["stores"].items():
            if name in expected["stores"]:
                expected["stores"][name] = _unexpired(expected["stores"][name], rows)


def _unexpired(expected: list[Any], found: list[Any]) -> list[Any]:
    """Windows that expired stay visible in Kafka's cache, but not in its store: ours are gone."""
    starts = [start for row in found if (start := _start(row)) is not None]
    if found and not starts:
        return expected
    first = min(starts, default=None)
    return [
        row
        for row in expected
        if (start := _start(row)) is None or (first is not None and start >= first)
    ]


def _start(row: list[Any]) -> int | None:
    match = re.search(r"@(-?\d+)-\d+$", row[0] or "")
    return int(match[1]) if match else None
