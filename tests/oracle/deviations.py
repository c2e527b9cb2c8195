"""Where Aliran differs from Kafka on purpose, and why. Keep it short.

`settle` changes the answers so that these differences do not count; `excuse` gives the reason why
a scenario cannot be compared at all.
"""

from __future__ import annotations

import re
from typing import Any

from tests.oracle.jvm import HUNG
from tests.oracle.language import Scenario
from tests.oracle.run import Answer

_CLASS = re.compile(r"extractor class: [^)]*")

_TOLD = [f"__streams.errors.{what}" for what in ("exception", "message", "stacktrace")]

BREAKDOWNS = ("NullPointerException", "ClassCastException", "IndexOutOfBoundsException")
"""What the JVM raises where Kafka itself breaks down, be it at run time or while building."""


def excuse(expected: Answer, found: Answer) -> str | None:
    """Return why the two cannot be compared.

    Kafka breaks down with errors that no rule demands, such as a NullPointerException for sliding
    windows whose aggregator returns null while the cache is on, or "segment interval has changed"
    for cached sessions with gaps of a minute and more. Aliran goes on. And Kafka hangs where a
    cached window store is read over a jump of decades: it walks each segment of a minute. And it
    refuses a table that two groups of one named repartition topic and a join make it reach for
    before it is there.

    Merging repartition topics, it fails where two of them stand behind one filter or a merge of
    merges, and lets records of another stream past the merged topic, to the wrong partition, where
    only one of two stands behind the merge of both streams. Aliran merges or leaves them.
    """
    error = expected.get("error")
    if found.get("unmerged"):
        return "Kafka takes records past a merged topic"
    if error is None:
        return None
    if "Found a null keyChangingChild node" in error["message"]:
        return "Kafka cannot merge the topics"
    if error["message"] == "key cannot be null":  # of a join with grace: an error here too
        return None
    if error["type"] == HUNG:
        return "Kafka hangs"
    if error["stage"] == "build" and "is not added yet" in error["message"]:
        return "Kafka connects a store before it adds it"
    if error["stage"] == "build" and "null keyChangingChild" in error["message"]:
        return "Kafka finds no repartition topic that it could merge"
    if error["type"] in BREAKDOWNS or "segment interval has changed" in error["message"]:
        return f"Kafka breaks down: {error['type']} {error['message'][:60]}"
    return None


def settle(scenario: Scenario, expected: Answer, found: Answer) -> None:
    """Change the answers where they may differ."""
    for answer in (expected, found):
        # The class of a topic's chooser has the name that its language gives it.
        if "describe" in answer:
            answer["describe"] = _CLASS.sub("extractor class: …", answer["describe"])
    for step, others in zip(expected.get("steps", ()), found.get("steps", ()), strict=False):
        _settle_dead_letters(step, others)
        for topic in step.keys() & others.keys():
            _settle_buffer(step[topic], others[topic])
    if scenario.config.get("cache") and "stores" in expected and "stores" in found:
        for name, rows in found["stores"].items():
            if name in expected["stores"]:
                expected["stores"][name] = _unexpired(expected["stores"][name], rows)
        for statement in scenario.program:
            mat = statement.args.get("mat", {})
            if "lru" in mat and mat["store"] in expected["stores"]:
                # What the store let go stays visible in Kafka's cache, but not in the store.
                kept = found["stores"].get(mat["store"], [])
                rows = expected["stores"][mat["store"]]
                expected["stores"][mat["store"]] = [row for row in rows if row in kept]


def _settle_dead_letters(step: dict[str, list[Any]], others: dict[str, list[Any]]) -> None:
    """What an error is called, what it says and where it was raised is each language's own.

    And Kafka forgets the key and the value of the input once a sink has written anything of it: its
    dead letters are empty then, ours are not.
    """
    for topic, rows in step.items():
        for row, other in zip(rows, others.get(topic, ()), strict=False):
            told = [header for header in (*row[3], *other[3]) if header[0] in _TOLD]
            for header in told:
                header[1] = "…"
            if told and row[:2] == [None, None]:
                row[:2] = other[:2]


def _settle_buffer(expected: list[Any], found: list[Any]) -> None:
    """The changelog of a buffer: Kafka leaves its times to the producer, its order to a HashSet.

    Here it is the wall clock's time, and the order in which keys changed since the last commit.
    """
    if all(row[2] is None for row in expected):
        expected.sort(key=lambda row: row[0])
        found.sort(key=lambda row: row[0])
        for row, other in zip(expected, found, strict=False):
            row[2] = other[2]


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
