"""Scenarios as data: a topology in a small language, settings, and what is piped in.

A program is a list of statements. Each names its operator, the earlier statements it works on (by
their numbers) and its arguments; functions are named (`functions.py`). So a program is a graph
whose order is that of the definitions, which counts for the names that Kafka gives.

Types of keys and values are texts: "s" a text, "l" a long, "w10:s" a text in windows of 10 ms,
"x:s" a text in sessions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

Value: TypeAlias = str | int | None


@dataclass(frozen=True, slots=True)
class Statement:
    """One operator. `args` are what `build.py` and `Program.java` read."""

    op: str
    of: tuple[int, ...] = ()
    args: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"op": self.op}
        if self.of:
            found["of"] = list(self.of)
        return {**found, **self.args}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Statement:
        args = {name: value for name, value in data.items() if name not in ("op", "of")}
        return cls(data["op"], tuple(data.get("of", ())), args)


@dataclass(frozen=True, slots=True)
class Pipe:
    """A record for a topic."""

    topic: str
    key: Value
    value: Value
    time_ms: int
    headers: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> list[Any]:
        row = [self.topic, self.key, self.value, self.time_ms]
        return [*row, [list(pair) for pair in self.headers]] if self.headers else row


@dataclass(frozen=True, slots=True)
class Advance:
    """Wall-clock time goes on."""

    ms: int

    def to_json(self) -> list[Any]:
        return ["+", self.ms]


Step: TypeAlias = Pipe | Advance


def step_from_json(row: list[Any]) -> Step:
    if row[0] == "+":
        return Advance(row[1])
    headers = tuple((name, data) for name, data in (row[4] if len(row) > 4 else ()))
    return Pipe(row[0], row[1], row[2], row[3], headers)


@dataclass(frozen=True, slots=True)
class Scenario:
    """See the module.

    Attributes:
        id: Its number among those of one seed.
        topics: Types of keys and values of the topics that are read.
        program: The topology.
        config: `cache` (bytes), `stores` ("memory" or "rocksdb"), `optimize` (as Kafka's setting),
            `kafka` (settings by Kafka's names).
        steps: What happens.
    """

    id: int
    topics: Mapping[str, tuple[str, str]]
    program: tuple[Statement, ...]
    config: Mapping[str, Any]
    steps: tuple[Step, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "topics": {name: list(types) for name, types in self.topics.items()},
            "program": [each.to_json() for each in self.program],
            "config": dict(self.config),
            "steps": [each.to_json() for each in self.steps],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Scenario:
        return cls(
            data["id"],
            {name: (key, value) for name, (key, value) in data["topics"].items()},
            tuple(Statement.from_json(each) for each in data["program"]),
            data["config"],
            tuple(step_from_json(each) for each in data["steps"]),
        )

    def line(self) -> str:
        """Return it as one line of JSON, as the JVM reads it."""
        return json.dumps(self.to_json(), separators=(",", ":"))

    def read_topics(self) -> set[str]:
        """Return the topics that the program reads from outside."""
        found: set[str] = set()
        for each in self.program:
            found |= set(each.args.get("topics", ()))
            if each.op in ("table", "globalTable"):
                found.add(each.args["topic"])
        return found

    def without_unread_steps(self) -> Scenario:
        """Return it without records for topics that nobody reads."""
        read = self.read_topics()
        kept = tuple(s for s in self.steps if isinstance(s, Advance) or s.topic in read)
        return replace(self, steps=kept)
