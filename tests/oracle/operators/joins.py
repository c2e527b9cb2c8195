"""Joins of all kinds. `kind` is inner, left or outer; `fn` the joiner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.oracle.build import Handle, Program, materialized, named, operator, serde
from tests.oracle.functions import JOINERS, KEYS, VALUES
from tests.oracle.generator import MOST_GROWTH, Draft, Generator, Shape, choice
from tests.oracle.language import Statement

from aliran import streams as api
from aliran.streams import Joined, KStream, KTable, StreamsBuilder

METHODS = {"inner": "join", "left": "left_join", "outer": "outer_join"}


def joiner(s: Statement) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Return the joiner, and `with_key` where it takes the key."""
    call = JOINERS[s.args["fn"]].call
    if s.args.get("keyed"):
        return call, {"with_key": True}
    return (lambda one, two: call(None, one, two)), {}


@operator("joinTable")
def _join_table(p: Program, s: Statement) -> Handle:
    left, right = p.of(s), p.of(s, 1)
    call, keyed = joiner(s)
    grace = {"grace": s.args["grace"]} if "grace" in s.args else {}
    config: Joined[Any, Any, Any] = Joined(
        key=serde(left.key),
        value=serde(left.value),
        other_value=serde(right.value),
        name=s.args.get("name"),
        **grace,
    )
    method = getattr(left.object, METHODS[s.args["kind"]])
    return left.now(method(right.object, call, config, **keyed), value=JOINERS[s.args["fn"]].type)


@choice("joinTable", "stream", 2.5)
def _draw_join_table(g: Generator, at: int) -> Draft | None:
    here = g.shapes[at]
    if not here.plain:
        return None
    table = g.partner("table", at)
    fn = g.pick(JOINERS)
    args = {"kind": g.pick(("inner", "left")), "fn": fn, "keyed": g.chance(0.3), **g.name(0.25)}
    history = g.shapes[table].history
    if g.chance(0.01 if history is None else 0.5):  # only versioned tables let records wait
        grace = g.duration((0, 1, 2, 3, 5, 10))
        args["grace"] = grace if g.chance(0.03) else min(grace, history or 0)
    shape = Shape("stream", here.key, JOINERS[fn].type)
    return g.then(at, "joinTable", shape, (table,), **args)


@operator("joinStream", KStream, "outer_join")
def _join_stream(p: Program, s: Statement) -> Handle:
    left, right = p.of(s), p.of(s, 1)
    call, keyed = joiner(s)
    named_api: Any = api
    windows = named_api.JoinWindows.of_time_difference_and_grace(0, s.args["grace"])
    windows = windows.after(s.args["after"]).before(s.args["before"])
    config = named_api.StreamJoined(
        key=serde(left.key),
        value=serde(left.value),
        other_value=serde(right.value),
        name=s.args.get("name"),
        store=s.args.get("store"),
        **({"logging": False} if s.args.get("log") is False else {}),
    )
    method = getattr(left.object, METHODS[s.args["kind"]])
    made = method(right.object, call, windows, config, **keyed)
    return left.now(made, value=JOINERS[s.args["fn"]].type)


@choice("joinStream", "stream", 2.5)
def _draw_join_stream(g: Generator, at: int) -> Draft | None:
    here = g.shapes[at]
    if not here.plain:
        return None
    other = at if g.chance(0.1) else g.partner("stream", at)
    growth = here.growth + g.shapes[other].growth
    if growth > MOST_GROWTH:
        return None
    fn = g.pick(JOINERS)
    before, after = g.duration((0, 1, 3, 5)), g.duration((0, 1, 3, 5))
    if g.chance(0.1) and after:
        before = -g.pick((after, after // 2))
    args: dict[str, Any] = {
        "kind": g.pick(("inner", "left", "outer")),
        "fn": fn,
        "before": before,
        "after": after,
        "grace": g.duration((0, 0, 1, 3, 5)),
        "keyed": g.chance(0.3),
        **g.name(0.2),
    }
    if g.chance(0.2):
        args["store"] = g.fresh("st")
    shape = Shape("stream", here.key, JOINERS[fn].type, growth=growth)
    return g.then(at, "joinStream", shape, (other,), **args)


@operator("joinGlobal", StreamsBuilder, "global_table")
def _join_global(p: Program, s: Statement) -> Handle:
    left, right = p.of(s), p.of(s, 1)
    call, keyed = joiner(s)
    key = KEYS[s.args["key"]].call
    method = getattr(left.object, METHODS[s.args["kind"]])
    made = method(right.object, call, key_selector=key, **keyed, **named(s))
    return left.now(made, value=JOINERS[s.args["fn"]].type)


@choice("joinGlobal", "stream", 1.2)
def _draw_join_global(g: Generator, at: int) -> Draft:
    here = g.shapes[at]
    key, fn = g.pick(KEYS), g.pick(JOINERS)
    table = g.partner("global", at, key=KEYS[key].type)
    args = {"kind": g.pick(("inner", "left")), "key": key, "fn": fn, "keyed": g.chance(0.3)}
    shape = Shape("stream", here.key, JOINERS[fn].type)
    return g.then(at, "joinGlobal", shape, (table,), **args, **g.name())


@operator("joinTables", KTable, "outer_join")
def _join_tables(p: Program, s: Statement) -> Handle:
    left, right = p.of(s), p.of(s, 1)
    type_ = JOINERS[s.args["fn"]].type
    call, _ = joiner(s)
    method = getattr(left.object, METHODS[s.args["kind"]])
    made = method(right.object, call, **materialized(s, left.key, type_), **named(s))
    return left.now(made, value=type_)


@choice("joinTables", "table", 2)
def _draw_join_tables(g: Generator, at: int) -> Draft | None:
    here = g.shapes[at]
    if not here.plain:
        return None
    other = at if g.chance(0.07) else g.partner("table", at)
    fn, mat = g.pick(JOINERS), g.mat()
    shape = Shape("table", here.key, JOINERS[fn].type, known=bool(mat))
    args = {"kind": g.pick(("inner", "left", "outer")), "fn": fn, **g.name(), **mat}
    return g.then(at, "joinTables", shape, (other,), **args)


@operator("joinForeign")
def _join_foreign(p: Program, s: Statement) -> Handle:
    left, right = p.of(s), p.of(s, 1)
    type_ = JOINERS[s.args["fn"]].type
    call, _ = joiner(Statement("", (), {"fn": s.args["fn"]}))  # "keyed" is of the extractor
    extract = VALUES[s.args["foreign"]].call
    foreign = extract if s.args.get("keyed") else lambda v: extract(None, v)
    method = getattr(left.object, METHODS[s.args["kind"]])
    config = materialized(s, left.key, type_, always=True)
    made = method(right.object, call, foreign_key=foreign, **config, **named(s))
    return left.now(made, value=type_)


@choice("joinForeign", "table", 1.5)
def _draw_join_foreign(g: Generator, at: int) -> Draft | None:
    here = g.shapes[at]
    if not here.plain or not (here.known or here.value == "s"):
        return None
    foreign, fn = g.pick(VALUES), g.pick(JOINERS)
    other = g.partner("table", at, key=VALUES[foreign].type)
    right = g.shapes[other]
    if not (right.known or right.value == "s"):
        return None
    args = {"kind": g.pick(("inner", "left")), "foreign": foreign, "fn": fn, "keyed": g.chance(0.3)}
    shape = replace(Shape("table", here.key, JOINERS[fn].type), known=True)
    return g.then(at, "joinForeign", shape, (other,), **args, **g.name(), **g.mat())
