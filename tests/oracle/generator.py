"""Random scenarios: the same seed and number always give the same one.

What a statement may be is registered by `@choice` in `operators/`, beside how it is built. Only
operators that are built are chosen.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, TypeAlias, TypeVar

from tests.oracle.build import OPERATORS, load_operators
from tests.oracle.language import Advance, Pipe, Scenario, Statement, Step, Value

from aliran.streams.plan.optimization import ALL, OPTIMIZATIONS

T = TypeVar("T")

UNITS_MS = (1, 1, 1, 1, 20_000)
"""Windows are a few units long; the great unit makes stores roll their segments of a minute."""

VERSIONED = 0.12
"""How often a table that is stored by a name is versioned."""

OPTIMIZED = 0.4
"""How often a topology is optimised."""

LRU = 0.03
"""How often it keeps the last used rows alone."""

THROTTLES = (
    "__emit.interval.ms.kstreams.outer.join.spurious.results.fix__",
    "__emit.interval.ms.kstreams.windowed.aggregation__",
)
"""Kafka's settings of how often, by the wall clock, to look for what has closed."""

MOST_DEPTH = 5
MOST_GROWTH = 3


@dataclass(frozen=True, slots=True)
class Shape:
    """What the generator knows of a statement's result.

    Attributes:
        kind: `stream`, `table`, `global`, `group`, `table group`, `cogroup`, `windowed`, `split`;
            empty for nothing.
        key: Type of keys.
        value: Type of values.
        known: Whether Kafka knows the serde of the values (else it takes the default, of texts).
        windows: Kind of the windows in front: `time`, `sliding`, `session`, `unlimited`.
        final: Whether a grace is known, so that suppress can wait for windows to close.
        history: How long the history of a versioned table is; None where it is not versioned.
        depth: Operators behind the source.
        growth: How fast its records grow in number: a join of streams multiplies them.
        ticks: Whether stream time gives rise to records of it. Their times must not lie ahead of
            it, or they move it on in a repartition topic and so never end, on the JVM as here.
    """

    kind: str = ""
    key: str = ""
    value: str = ""
    known: bool = True
    windows: str = ""
    final: bool = False
    history: int | None = None
    depth: int = 0
    growth: int = 1
    ticks: bool = False

    @property
    def plain(self) -> bool:
        """Whether keys are without windows."""
        return self.key in ("s", "l")


Draft: TypeAlias = tuple[Statement, Shape]
Choose: TypeAlias = Callable[["Generator", int], Draft | None]


@dataclass(frozen=True, slots=True)
class Choice:
    """One kind of statement: its operator, what it works on, how often, how to draw one."""

    op: str
    on: str
    weight: float
    draw: Choose


CHOICES: list[Choice] = []
UNFINISHED = ("group", "table group", "cogroup", "windowed", "split")
"""Kinds of results that are no streams or tables yet; they are always finished."""


def choice(op: str, on: str, weight: float = 1.0) -> Callable[[Choose], Choose]:
    """Register how to draw a statement of operator `op` on a result of kind `on`."""

    def register(draw: Choose) -> Choose:
        if op in OPERATORS:
            CHOICES.append(Choice(op, on, weight, draw))
        return draw

    return register


@dataclass(slots=True)
class Generator:
    """A scenario on its way."""

    rng: random.Random
    topics: dict[str, tuple[str, str]] = field(default_factory=dict)
    program: list[Statement] = field(default_factory=list)
    shapes: list[Shape] = field(default_factory=list)
    used: Counter[int] = field(default_factory=Counter)
    durations: list[int] = field(default_factory=list)
    unit: int = 1
    names: int = 0
    errors: dict[str, Any] = field(default_factory=dict)

    # ------------------------------------------------------------------ for choices

    def pick(self, values: Iterable[T]) -> T:
        return self.rng.choice(list(values))

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def duration(self, units: Sequence[int] = (1, 2, 3, 5, 10)) -> int:
        """Return a length of time; input times will walk around it."""
        found = self.pick(units) * self.unit
        self.durations.append(found)
        return found

    def fresh(self, prefix: str) -> str:
        self.names += 1
        return f"{prefix}{self.names}"

    def name(self, probability: float = 0.15) -> dict[str, Any]:
        """Return the argument `name`, or nothing."""
        return {"name": self.fresh("n")} if self.chance(probability) else {}

    def mat(
        self, *, store: float = 0.5, options: bool = True, versioned: bool = True
    ) -> dict[str, Any]:
        """Return the argument `mat`, or nothing."""
        if versioned and store and self.chance(VERSIONED):
            history = self.duration((0, 1, 2, 3, 5, 10, 30))
            return {"mat": {"store": self.fresh("st"), "history": history}}
        if versioned and store and self.chance(LRU):
            return {"mat": {"store": self.fresh("st"), "lru": self.pick((1, 2, 3))}}
        if self.chance(0.35):
            return {}
        mat: dict[str, Any] = {}
        if self.chance(store):
            mat["store"] = self.fresh("st")
            if self.chance(0.15):
                mat["memory"] = self.chance(0.5)
        if options and self.chance(0.1):
            mat["log"] = False
        if options and self.chance(0.15):
            mat["cache"] = self.chance(0.5)
        return {"mat": mat}

    def then(
        self,
        at: int,
        op: str,
        shape: Shape | None = None,
        others: tuple[int, ...] = (),
        **args: Any,
    ) -> Draft:
        """Return a statement on `at`; None as shape leaves kind and types as they are."""
        parents = [self.shapes[number] for number in (at, *others)]
        if "mat" in args:  # else a view is versioned if the table in front is
            shape = replace(shape or self.shapes[at], history=args["mat"].get("history"))
        shape = replace(
            shape or self.shapes[at],
            depth=max(each.depth for each in parents) + 1,
            growth=max(shape.growth if shape else 1, *(each.growth for each in parents)),
            ticks=(shape or self.shapes[at]).ticks or any(each.ticks for each in parents),
        )
        return Statement(op, (at, *others), args), shape

    def add(self, draft: Draft) -> int:
        statement, shape = draft
        self.program.append(statement)
        self.shapes.append(shape)
        self.used.update(statement.of)
        return len(self.program) - 1

    def topic(self, key: str, value: str) -> str:
        name = f"in{len(self.topics)}"
        self.topics[name] = (key, value)
        return name

    def types(self, key: str | None = None) -> tuple[str, str]:
        return key or self.pick("sssl"), self.pick("ssl")

    def partner(self, kind: str, at: int, *, key: str | None = None) -> int:
        """Return another result of a kind with the keys of `at`; a new source where need be."""
        wanted = self.shapes[at].key if key is None else key
        found = [
            number
            for number, shape in enumerate(self.shapes)
            if shape.kind == kind and shape.key == wanted and shape.depth < MOST_DEPTH
        ]
        if found and self.chance(0.6):
            return self.pick(found)
        return self.source(kind, key=wanted)

    def source(self, kind: str, *, key: str | None = None) -> int:
        """Add a source of a kind: `stream`, `table` or `global`."""
        draws = [each for each in CHOICES if each.on == f"new {kind}"]
        types = self.types(key)
        self.topics[f"in{len(self.topics)}"] = types
        draft = draws[0].draw(self, len(self.topics) - 1)
        assert draft is not None
        return self.add(draft)

    # ------------------------------------------------------------------ the whole

    def build(self, number: int) -> Scenario:
        self.unit = self.pick(UNITS_MS)
        hand = self.chance(0.06)
        if hand:
            import_module("tests.oracle.operators.hand").draw_by_hand(self)
        else:
            self._draw_errors()
            self._draw_program()
        # RocksDB is slow to open on the JVM, so only a share of scenarios has it.
        stores = "rocksdb" if self.chance(0.05) else "memory"
        config: dict[str, Any] = {"cache": 100_000 if self.chance(0.25) else 0, "stores": stores}
        config |= {"hand": True} if hand else {}
        config |= {"errors": self.errors} if self.errors else {}
        if self.chance(0.1):
            config["kafka"] = dict.fromkeys(THROTTLES, 1_000)
        if not hand and self.chance(OPTIMIZED):
            config["optimize"] = self.pick((ALL, ALL, *OPTIMIZATIONS))
        return Scenario(number, self.topics, tuple(self.program), config, tuple(self.steps()))

    def _draw_errors(self) -> None:
        """Choose what happens to records that cannot be handled, if there are to be any."""
        if self.chance(0.06):
            self.errors = {what: self.chance(0.8) for what in ("read", "process", "write")}
            self.errors |= {"dead": "dead"} if self.chance(0.5) else {}

    def _draw_program(self) -> None:
        self.source("stream")
        for _ in range(self.rng.randrange(2)):
            self.source(self.pick(("stream", "table")))
        for _ in range(self.rng.choice((1, 2, 3, 4, 5, 7))):
            self._grow()
        while (open_ := self._open()) is not None:
            self._extend(open_)
        self._write_out()

    def _grow(self) -> None:
        growing = [
            number
            for number, shape in enumerate(self.shapes)
            if shape.kind and shape.kind != "global" and shape.depth < MOST_DEPTH
        ]
        if growing:
            # Mostly the newest: deep topologies say more than broad ones.
            late = growing[-1] if self.chance(0.5) else self.pick(growing)
            self._extend(late)

    def _extend(self, at: int) -> None:
        """Put a statement on result `at`, if one fits."""
        found = [each for each in CHOICES if each.on == self.shapes[at].kind]
        while found:
            (chosen,) = self.rng.choices(found, [each.weight for each in found])
            draft = chosen.draw(self, at)
            if draft is not None:
                self.add(draft)
                return
            found.remove(chosen)

    def _open(self) -> int | None:
        for number, shape in enumerate(self.shapes):
            if shape.kind in UNFINISHED and not self.used[number]:
                return number
        return None

    def _write_out(self) -> None:
        for number, shape in enumerate(list(self.shapes)):
            if shape.kind == "table" and not self.used[number] and self.chance(0.9):
                stream = Shape("stream", shape.key, shape.value)
                self.add(self.then(number, "toStream", stream, **self.name(0.1)))
        for number, shape in enumerate(list(self.shapes)):
            if shape.kind == "stream" and not self.used[number]:
                self.add(self.then(number, "to", Shape(), topic=f"out{number}", **self.name(0.1)))

    # ------------------------------------------------------------------ what is piped in

    def steps(self) -> list[Step]:
        read = sorted(self.topics)
        keys: dict[str, list[Value]] = {
            "s": self.rng.sample(["a", "b", "ab", "c"], 3),
            "l": [0, 1, -1],
        }
        time = self.pick((0, 5, 30, 1_000)) * self.unit
        found: list[Step] = []
        growth = max(shape.growth for shape in self.shapes)
        # Kafka's driver leaves out what it cannot read of these, whatever the settings say.
        whole = {s.args.get("topic") for s in self.program if "lobal" in s.op}
        for _ in range(self.pick((4, 8, 15, 25) if growth < MOST_GROWTH else (4, 8))):
            if self.chance(0.07):
                found.append(Advance(self.pick((1, 10, 999, 1_000, 1_001, 5_000, *self.durations))))
                continue
            time = max(0, time + self._stride())
            key_type, value_type = self.topics[topic := self.pick(read)]
            key = None if self.chance(0.07) else self.pick(keys[key_type])
            headers: tuple[tuple[str, str], ...] = ()
            if self.chance(0.2):
                headers = (("h", str(len(found))),) * self.pick((1, 1, 2))
            found.append(Pipe(topic, key, self._value(value_type, topic in whole), time, headers))
            if self.chance(0.06):
                found.append(found[-1])
        return found

    def _stride(self) -> int:
        if self.chance(0.6) or not self.durations:
            return self.pick((0, 0, 1, 1, 2, 3, -1, -2, 5)) * self.unit
        edge = self.pick(self.durations)
        if self.chance(0.3):
            edge += self.pick(self.durations)
        edge += self.pick((-1, 0, 0, 1))
        return edge if self.chance(0.6) else -edge

    def _value(self, value_type: str, readable: bool) -> Value:
        if self.chance(0.12):
            return None
        if value_type == "l":
            if not readable and self.errors and self.chance(0.15):
                return "no number"
            return self.pick((0, 1, 2, 3, 4, 7, -3, 100))
        return self.pick(("0", "1", "2", "3", "4", "x", "ab", "", "longer"))


def favour_versions() -> None:
    """Draw mostly versioned tables, and what looks into them or follows them."""
    global VERSIONED
    VERSIONED = 0.7
    often = ("table", "joinTable", "joinForeign", "transform", "toTable")
    _weigh(often, ("windowedBy", "joinStream", "joinGlobal", "store", "process"))


def favour_optimizations() -> None:
    """Optimise all topologies, and draw mostly what changes keys and what needs them."""
    global OPTIMIZED
    OPTIMIZED = 1.0
    often = ("selectKey", "map", "merge", "groupByKey", "joinStream", "filter", "toTable")
    seldom = ("windowedBy", "joinForeign", "joinTables", "suppress", "store", "tableGroupBy")
    _weigh(often, (*seldom, "tableFilter", "tableMapValues", "transform", "mapValues"))


def _weigh(often: tuple[str, ...], seldom: tuple[str, ...]) -> None:
    """Draw some operators more often, and some less."""
    load_operators()
    for index, each in enumerate(CHOICES):
        weight = 0.1 if each.op.startswith(seldom) else 3.0 if each.op.startswith(often) else 1.0
        CHOICES[index] = replace(each, weight=each.weight * weight)


def leave_out(operators: Iterable[str]) -> None:
    """Draw none of these operators; every seed then gives other scenarios."""
    load_operators()
    CHOICES[:] = [each for each in CHOICES if each.op not in set(operators)]


def generate(seed: int, number: int) -> Scenario:
    """Return scenario `number` of a seed."""
    load_operators()
    return Generator(random.Random(seed * 1_000_003 + number)).build(number)
