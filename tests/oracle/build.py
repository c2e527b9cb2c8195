"""The topology that a program says, built with Aliran's DSL; the JVM's is in `Program.java`.

An operator is one function, registered under its name by `@operator` in `operators/`. It gets a
`Program` and the statement, and returns a `Handle`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, TypeAlias

from tests.oracle.language import Scenario, Statement

from aliran.serdes import Serde, SessionWindowedSerde, WindowedSerde, serde_for
from aliran.streams import Materialized, Stores, StreamsBuilder, Topology, TopologyBuilder
from aliran.streams.plan.optimization import merge_repartition_topics, plan_changes

FAMILIES = ("streams", "tables", "aggregations", "joins", "custom", "hand")
"""The modules of `operators/`, in the order in which they register."""


@dataclass(frozen=True, slots=True)
class Handle:
    """What a statement gives: an object of the DSL, and the types of its keys and values."""

    object: Any = None
    key: str = ""
    value: str = ""

    def now(self, made: Any, key: str | None = None, value: str | None = None) -> Handle:
        """Return a handle of another object, of the same types where no others are named."""
        key = self.key if key is None else key
        return Handle(made, key, self.value if value is None else value)


@dataclass(slots=True)
class Program:
    """A topology on its way."""

    builder: Any
    """A `StreamsBuilder`; a `TopologyBuilder` for a program by hand."""
    topics: dict[str, tuple[str, str]]
    handles: list[Handle] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    """What came to the ends of streams that are no topics."""

    def of(self, statement: Statement, index: int = 0) -> Handle:
        return self.handles[statement.of[index]]


Build: TypeAlias = Callable[[Program, Statement], Handle]
OPERATORS: dict[str, Build] = {}


def operator(name: str, of: type | None = None, method: str = "") -> Callable[[Build], Build]:
    """Register how an operator is built, if class `of` has the method that it needs."""

    def register(build: Build) -> Build:
        if of is None or hasattr(of, method):
            OPERATORS[name] = build
        return build

    return register


def load_operators() -> None:
    """Import the modules that register operators."""
    for family in FAMILIES:
        import_module(f"tests.oracle.operators.{family}")


def build(scenario: Scenario, seen: list[str]) -> Topology:
    """Return the scenario's topology, which notes in `seen` what goes to no topic.

    Raises:
        TopologyError: It is none.
    """
    builder = _program(scenario, seen).builder
    if isinstance(builder, TopologyBuilder):
        topology = builder.build()
    else:
        topology = builder.build({"topology.optimization": scenario.config.get("optimize", "none")})
    if scenario.config.get("stores") == "rocksdb":
        return topology
    said = _said(scenario)
    stores = tuple(
        spec if spec.name in said or spec.kind == "versioned" else replace(spec, persistent=False)
        for spec in topology.stores
    )
    return replace(topology, stores=stores)


def unmerged(scenario: Scenario) -> list[str]:
    """Return repartition topics that stay where Kafka would take records past a merged one."""
    found: list[str] = []
    if scenario.config.get("optimize") in ("all", "merge.repartition.topics"):
        plan = _program(scenario, []).handles[0].object.place.dsl.plan
        plan.write([*plan_changes(), lambda copy: found.extend(merge_repartition_topics(copy))])
    return found


def _program(scenario: Scenario, seen: list[str]) -> Program:
    load_operators()
    builder = TopologyBuilder() if scenario.config.get("hand") else StreamsBuilder()
    program = Program(builder, dict(scenario.topics), seen=seen)
    for statement in scenario.program:
        program.handles.append(OPERATORS[statement.op](program, statement))
    return program


def _said(scenario: Scenario) -> set[str]:
    """Return stores that `dsl.store.suppliers.class` does not decide about."""
    stores = (s.args.get("supplied", s.args) for s in scenario.program)
    own = {args["store"] for args in stores if "memory" in args}
    mats = [s.args["mat"] for s in scenario.program if "mat" in s.args]
    return own | {mat["store"] for mat in mats if "store" in mat and "memory" in mat}


def serde(type_: str) -> Serde[Any]:
    """Return the serde of a type."""
    if type_ in ("s", "l"):
        return serde_for(str if type_ == "s" else int)
    window, inner = type_.split(":", 1)
    if window == "x":
        return SessionWindowedSerde(serde(inner))
    return WindowedSerde(serde(inner), int(window[1:]))


def serdes(handle: Handle) -> dict[str, Any]:
    """Return the keywords `key` and `value` of a handle's types."""
    return {"key": serde(handle.key), "value": serde(handle.value)}


def materialized(s: Statement, key: str, value: str, *, always: bool = False) -> dict[str, Any]:
    """Return the keyword `materialized`, where the statement says anything or `always`."""
    mat = s.args.get("mat")
    if mat is None and not always:
        return {}
    mat = mat or {}
    memory = mat.get("memory")
    given = Stores.lru_map(mat["store"], mat["lru"]) if "lru" in mat else None
    config: Materialized[Any, Any] = Materialized(
        store=mat.get("store"),
        store_supplier=given,
        key=serde(key),
        value=serde(value),
        persistent=None if memory is None else not memory,
        logging=mat.get("log"),
        caching=mat.get("cache"),
        retention=mat.get("retention"),
        history_retention=mat.get("history"),
    )
    return {"materialized": config}


def named(s: Statement) -> dict[str, Any]:
    """Return the keyword `name` where there is one."""
    return {"name": s.args["name"]} if "name" in s.args else {}
