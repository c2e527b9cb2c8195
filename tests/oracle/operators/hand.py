"""Topologies made node by node: an object is the name of a node."""

from __future__ import annotations

from typing import Any

from tests.oracle.build import Handle, Program, operator, serde
from tests.oracle.generator import MOST_GROWTH, Generator, Shape
from tests.oracle.language import Statement
from tests.oracle.operators.custom import STEPS, draw_process, own, store_of
from tests.oracle.operators.streams import chooser, partitioner


def _reading(p: Program, topic: str) -> dict[str, Any]:
    key, value = p.topics[topic]
    return {"key": serde(key), "value": serde(value)}


def _parents(p: Program, s: Statement) -> list[str]:
    # Shrinking may give a node the same parent twice.
    return list(dict.fromkeys(p.of(s, index).object for index in range(len(s.of))))


@operator("handStore")
def _store(p: Program, s: Statement) -> Handle:
    p.builder.add_state_store(store_of(s))
    return Handle()


@operator("handSource")
def _source(p: Program, s: Statement) -> Handle:
    topics = s.args["topics"]
    p.builder.add_source(s.args["name"], *topics, **_reading(p, topics[0]))
    return Handle(s.args["name"], *p.topics[topics[0]])


@operator("handProcessor")
def _processor(p: Program, s: Statement) -> Handle:
    p.builder.add_processor(s.args["name"], own(s), *_parents(p, s))
    stores = s.args.get("stores", ())
    if stores:
        p.builder.connect_processor_and_state_stores(s.args["name"], *stores)
    return Handle(s.args["name"], "s", "s")


@operator("handSink")
def _sink(p: Program, s: Statement) -> Handle:
    topic = chooser(s) if "chosen" in s.args else s.args["topic"]
    options: dict[str, Any] = {"partitioner": partitioner} if s.args.get("partitions") else {}
    serdes = {"key": serde(p.of(s).key), "value": serde(p.of(s).value)}
    p.builder.add_sink(s.args["name"], topic, *_parents(p, s), **serdes, **options)
    return Handle()


def _filled(add: Any, p: Program, s: Statement) -> Handle:
    """Add a store that a processor of its own fills."""
    a = s.args
    add(store_of(s), a["source"], a["topic"], a["name"], own(s), **_reading(p, a["topic"]))
    return Handle()


@operator("handReadOnly")
def _read_only(p: Program, s: Statement) -> Handle:
    return _filled(p.builder.add_read_only_state_store, p, s)


@operator("handGlobal")
def _global(p: Program, s: Statement) -> Handle:
    return _filled(p.builder.add_global_store, p, s)


def draw_by_hand(g: Generator) -> None:
    """Draw a program by hand."""
    for _ in range(g.pick((1, 1, 2, 3))):
        topics = [g.topic(*g.types())]
        topics += [g.topic(*g.topics[topics[0]])] if g.chance(0.2) else []
        args = {"name": g.fresh("source"), "topics": topics}
        g.add((Statement("handSource", (), args), Shape("node", *g.topics[topics[0]])))
    filled = [_draw_filled(g, op) for op in ("handReadOnly", "handGlobal") if g.chance(0.4)]
    for _ in range(g.pick((1, 2, 3, 5))):
        _draw_processor(g, filled)
    for _ in range(g.pick((1, 2, 3))):
        _draw_sink(g)


def _draw_filled(g: Generator, op: str) -> tuple[str, str]:
    store, topic = g.fresh("own"), g.topic("s", "s")
    args = {"store": store, "kind": "keyValue", "memory": g.chance(0.5), "log": False}
    args |= {"topic": topic, "source": g.fresh("source"), "name": g.fresh("fill")}
    args |= {"fn": "keep", "looks": [store]}
    g.add((Statement(op, (), args), Shape()))
    return op, store


def _nodes(g: Generator, growth: int) -> list[int]:
    found = [n for n, s in enumerate(g.shapes) if s.kind == "node" and s.growth <= growth]
    return [number for number in found if g.chance(0.5)] or found[:1]


def _draw_processor(g: Generator, filled: list[tuple[str, str]]) -> None:
    fn = g.pick([step for step in STEPS if step not in ("twice", "look")])
    more = 1 + (fn in ("scan", "window", "spans"))
    parents = _nodes(g, MOST_GROWTH - more)
    if filled and g.chance(0.3):
        op, store = g.pick(filled)
        args: dict[str, Any] | None = {"fn": "look", "looks": [store]}
        if op == "handReadOnly":  # connected as any other; a global store is there for all
            args = {"fn": "look", "stores": [store]}
    else:
        args = draw_process(g, fn, "handStore")
    if args is None or not parents:
        return
    growth = more + max(g.shapes[number].growth for number in parents)
    statement = Statement("handProcessor", tuple(parents), {"name": g.fresh("node"), **args})
    g.add((statement, Shape("node", "s", "s", growth=growth)))


def _draw_sink(g: Generator) -> None:
    nodes = [number for number, shape in enumerate(g.shapes) if shape.kind == "node"]
    first = g.shapes[g.pick(nodes)]
    alike = [n for n in nodes if (g.shapes[n].key, g.shapes[n].value) == (first.key, first.value)]
    parents = [number for number in alike if g.chance(0.6)] or alike[-1:]
    args: dict[str, Any] = {"name": g.fresh("sink"), "topic": g.fresh("out")}
    if g.chance(0.25):
        args = {"name": args["name"], "chosen": g.fresh("chosen")}
    elif g.chance(0.3):
        args["partitions"] = True
    g.add((Statement("handSink", tuple(parents), args), Shape()))
