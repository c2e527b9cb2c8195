"""Tables, and what follows from one table alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.oracle.build import Handle, Program, materialized, named, operator, serde
from tests.oracle.functions import KEYS, PREDICATES, VALUES
from tests.oracle.generator import Draft, Generator, Shape, choice
from tests.oracle.language import Statement
from tests.oracle.operators.streams import EXTRACTORS, consumed

from aliran.streams import Grouped, KTable, StreamsBuilder


def grouped(s: Statement, key: str, value: str) -> Grouped[Any, Any]:
    return Grouped(key=serde(key), value=serde(value), name=s.args.get("name"))


@operator("table")
def _table(p: Program, s: Statement) -> Handle:
    types = p.topics[s.args["topic"]]
    made = p.builder.table(s.args["topic"], consumed(s, types), **materialized(s, *types))
    return Handle(made, *types)


@choice("table", "new table")
def _draw_table(g: Generator, topic: int) -> Draft:
    args: dict[str, Any] = {"extractor": g.pick(EXTRACTORS)} if g.chance(0.05) else {}
    args.update(topic=f"in{topic}", **g.name(), **g.mat())
    history = args.get("mat", {}).get("history")
    return Statement("table", (), args), Shape("table", *g.topics[f"in{topic}"], history=history)


@operator("globalTable", StreamsBuilder, "global_table")
def _global_table(p: Program, s: Statement) -> Handle:
    types = p.topics[s.args["topic"]]
    builder: Any = p.builder
    made = builder.global_table(s.args["topic"], consumed(s, types), **materialized(s, *types))
    return Handle(made, *types)


@choice("globalTable", "new global")
def _draw_global_table(g: Generator, topic: int) -> Draft:
    args: dict[str, Any] = {"topic": f"in{topic}", **g.name()}
    if g.chance(0.5):
        args["mat"] = {"store": g.fresh("st")}
    return Statement("globalTable", (), args), Shape("global", *g.topics[f"in{topic}"])


@operator("toTable")
def _to_table(p: Program, s: Statement) -> Handle:
    of = p.of(s)
    return of.now(of.object.to_table(**materialized(s, of.key, of.value, always=True), **named(s)))


@choice("toTable", "stream", 1.5)
def _draw_to_table(g: Generator, at: int) -> Draft | None:
    here = g.shapes[at]
    if not here.plain:
        return None
    return g.then(at, "toTable", Shape("table", here.key, here.value), **g.name(), **g.mat())


@operator("tableFilter")
def _filter(p: Program, s: Statement) -> Handle:
    of = p.of(s)
    config = materialized(s, of.key, of.value)
    return of.now(of.object.filter(PREDICATES[s.args["fn"]].call, **config, **named(s)))


@operator("tableFilterNot")
def _filter_not(p: Program, s: Statement) -> Handle:
    of = p.of(s)
    config = materialized(s, of.key, of.value)
    return of.now(of.object.filter_not(PREDICATES[s.args["fn"]].call, **config, **named(s)))


def view_mat(g: Generator, at: int) -> dict[str, Any]:
    """Views of windowed tables have no stores: Kafka's would be of plain keys."""
    return g.mat(store=0.5) if g.shapes[at].plain else {}


@choice("tableFilter", "table")
def _draw_filter(g: Generator, at: int) -> Draft:
    return g.then(at, "tableFilter", fn=g.pick(PREDICATES), **g.name(), **view_mat(g, at))


@choice("tableFilterNot", "table", 0.5)
def _draw_filter_not(g: Generator, at: int) -> Draft:
    return g.then(at, "tableFilterNot", fn=g.pick(PREDICATES), **g.name(), **view_mat(g, at))


@operator("tableMapValues")
def _map_values(p: Program, s: Statement) -> Handle:
    of, value = p.of(s), VALUES[s.args["fn"]]
    type_ = value.result(of.value)
    keywords = {**materialized(s, of.key, type_), **named(s)}
    if s.args.get("keyed"):
        made = of.object.map_values(value.call, with_key=True, **keywords)
    else:
        made = of.object.map_values(lambda v: value.call(None, v), **keywords)
    return of.now(made, value=type_)


@choice("tableMapValues", "table", 1.5)
def _draw_map_values(g: Generator, at: int) -> Draft:
    fn, mat = g.pick(VALUES), view_mat(g, at)
    here = g.shapes[at]
    shape = replace(here, value=VALUES[fn].type, known=bool(mat))
    return g.then(at, "tableMapValues", shape, fn=fn, keyed=g.chance(0.4), **g.name(), **mat)


@operator("transformValues", KTable, "transform_values")
def _transform_values(p: Program, s: Statement) -> Handle:
    of, value = p.of(s), VALUES[s.args["fn"]]
    type_ = value.result(of.value)

    class Transformer:
        def init(self, context: Any) -> None:
            pass

        def transform(self, key: Any, data: Any) -> Any:
            return value.call(key, data)

        def close(self) -> None:
            pass

    keywords = {**materialized(s, of.key, type_), **named(s)}
    return of.now(of.object.transform_values(Transformer, **keywords), value=type_)


@choice("transformValues", "table", 0.6)
def _draw_transform_values(g: Generator, at: int) -> Draft:
    fn, mat = g.pick(VALUES), view_mat(g, at)
    here = g.shapes[at]
    shape = replace(here, value=VALUES[fn].type, known=bool(mat))
    return g.then(at, "transformValues", shape, fn=fn, **g.name(), **mat)


@operator("toStream")
def _to_stream(p: Program, s: Statement) -> Handle:
    of = p.of(s)
    if "fn" not in s.args:
        return of.now(of.object.to_stream(**named(s)))
    key = KEYS[s.args["fn"]]
    return of.now(of.object.to_stream(key.call, **named(s)), key=key.result(of.key))


@choice("toStream", "table", 2)
def _draw_to_stream(g: Generator, at: int) -> Draft:
    here = g.shapes[at]
    if g.chance(0.3 if here.plain else 0.7):
        fn = g.pick(KEYS)
        shape = Shape("stream", KEYS[fn].type, here.value)
        return g.then(at, "toStream", shape, fn=fn, **g.name())
    return g.then(at, "toStream", Shape("stream", here.key, here.value), **g.name())


@operator("suppress", KTable, "suppress")
def _suppress(p: Program, s: Statement) -> Handle:
    from aliran import streams  # the names come with the operator

    api: Any = streams
    args = s.args
    buffer = api.BufferConfig(max_records=args.get("records"), max_bytes=args.get("bytes"))
    buffer = buffer.shut_down_when_full() if args.get("shut") else buffer
    buffer = buffer.with_logging_disabled() if args.get("log") is False else buffer
    if args.get("close"):
        rule = api.Suppressed.until_window_closes(buffer)
    else:
        rule = api.Suppressed.until_time_limit(args["limit"], buffer)
    return p.of(s).now(p.of(s).object.suppress(rule, **named(s)))


@choice("suppress", "table", 1.2)
def _draw_suppress(g: Generator, at: int) -> Draft | None:
    here = g.shapes[at]
    if not (here.known or here.value == "s"):
        return None
    if here.history is not None and g.chance(0.9):  # refused
        return None
    shape = replace(here, final=False, history=None)
    limits: dict[str, Any] = {"log": False} if g.chance(0.1) else {}
    final = here.final and g.chance(0.7)
    if g.chance(0.2 if final else 0.5):
        full = g.chance(0.15)
        limits |= {"shut": True} if final or full else {"early": True}
        many = 5 if final else 1
        if g.chance(0.7):
            limits["records"] = many * g.pick((1, 2, 3))
        if g.chance(0.4) or "records" not in limits:
            limits["bytes"] = many * g.pick((50, 150))
    if final:
        return g.then(at, "suppress", shape, close=True, **limits, **g.name())
    return g.then(at, "suppress", shape, limit=g.duration((0, 1, 3, 10)), **limits, **g.name())


@operator("tableGroupBy", KTable, "group_by")
def _group_by(p: Program, s: Statement) -> Handle:
    of, key, value = p.of(s), KEYS[s.args["key"]], VALUES[s.args["fn"]]
    types = key.result(of.key), value.result(of.value)
    table: Any = of.object
    made = table.group_by(lambda k, v: (key.call(k, v), value.call(k, v)), grouped(s, *types))
    return Handle(made, *types)


@choice("tableGroupBy", "table", 1.5)
def _draw_group_by(g: Generator, at: int) -> Draft:
    key, fn = g.pick(KEYS), g.pick(VALUES)
    shape = Shape("table group", KEYS[key].type, VALUES[fn].type)
    return g.then(at, "tableGroupBy", shape, key=key, fn=fn, **g.name(0.3))


@choice("suppress", "table", 6)
def _draw_final_results(g: Generator, at: int) -> Draft | None:
    """Windows are mostly looked at when they have closed."""
    return _draw_suppress(g, at) if g.shapes[at].final else None
