"""Groups, windows, and the tables made of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from tests.oracle.build import Handle, Program, materialized, named, operator
from tests.oracle.functions import AGGREGATORS, KEYS, MERGERS, REDUCERS, STARTS
from tests.oracle.generator import Draft, Generator, Shape, choice
from tests.oracle.language import Statement
from tests.oracle.operators.tables import grouped

from aliran import streams as api
from aliran.streams import KGroupedStream


class Windowing(NamedTuple):
    """A group by windows, and the type of the keys of its tables."""

    group: Any
    windowed_key: str
    session: bool


@operator("groupByKey")
def _group_by_key(p: Program, s: Statement) -> Handle:
    of = p.of(s)
    return of.now(of.object.group_by_key(grouped(s, of.key, of.value)))


@choice("groupByKey", "stream", 3)
def _draw_group_by_key(g: Generator, at: int) -> Draft | None:
    here = g.shapes[at]
    if not here.plain:
        return None
    return g.then(at, "groupByKey", Shape("group", here.key, here.value), **g.name(0.3))


@operator("groupBy")
def _group_by(p: Program, s: Statement) -> Handle:
    of, key = p.of(s), KEYS[s.args["fn"]]
    type_ = key.result(of.key)
    return of.now(of.object.group_by(key.call, grouped(s, type_, of.value)), key=type_)


@choice("groupBy", "stream", 1.5)
def _draw_group_by(g: Generator, at: int) -> Draft:
    fn = g.pick(KEYS)
    shape = Shape("group", KEYS[fn].type, g.shapes[at].value)
    return g.then(at, "groupBy", shape, fn=fn, **g.name(0.3))


@operator("cogroup", KGroupedStream, "cogroup")
def _cogroup(p: Program, s: Statement) -> Handle:
    made: Any = None
    folds = [AGGREGATORS[fn] for fn in s.args["fns"]]
    for number, fold in enumerate(folds):
        group = p.of(s, number).object
        made = group.cogroup(fold.call) if made is None else made.cogroup(group, fold.call)
    return Handle(made, p.of(s).key, folds[-1].type)


@choice("cogroup", "group", 0.6)
def _draw_cogroup(g: Generator, at: int) -> Draft:
    key = g.shapes[at].key
    groups = [n for n, shape in enumerate(g.shapes) if (shape.kind, shape.key) == ("group", key)]
    others = tuple(n for n in groups if n != at and g.chance(0.7))
    type_ = g.pick("sl")
    fns = [name for name, fold in AGGREGATORS.items() if fold.type == type_]
    # Kafka cannot name two repartition topics after one store: those groups need names.
    drawn = [g.pick(fns) for _ in (at, *others)]
    return g.then(at, "cogroup", Shape("cogroup", key, type_), others, fns=drawn)


# ---------------------------------------------------------------------------- windows


class Gaps(api.Windows):
    """Windows with gaps as long as they are; what falls into one belongs to none."""

    def __init__(self, size_ms: int, grace_ms: int) -> None:
        self.size_ms = size_ms
        self.grace_ms = grace_ms

    def windows_for(self, timestamp_ms: int) -> list[tuple[int, int]]:
        start = timestamp_ms - timestamp_ms % (2 * self.size_ms)
        return [(start, start + self.size_ms)] if timestamp_ms < start + self.size_ms else []


@operator("windowedBy")
def _windowed_by(p: Program, s: Statement) -> Handle:
    of, a = p.of(s), s.args
    windows: Any
    named_api: Any = api
    if a["kind"] == "time":
        windows = named_api.TimeWindows.of_size_and_grace(a["size"], a["grace"])
        windows = windows.advance_by(a["advance"]) if "advance" in a else windows
    elif a["kind"] == "sliding":
        windows = named_api.SlidingWindows.of_time_difference_and_grace(a["size"], a["grace"])
    elif a["kind"] == "session":
        windows = named_api.SessionWindows.of_inactivity_gap_and_grace(a["gap"], a["grace"])
    elif a["kind"] == "custom":
        windows = Gaps(a["size"], a["grace"])
    else:
        windows = named_api.UnlimitedWindows.of().start_on(a["start"])
    group = of.object.windowed_by(windows)
    if a.get("emitOnClose"):
        group = group.emit_strategy(named_api.EmitStrategy.on_window_close())
    prefix = {"session": "x", "unlimited": f"w{(1 << 63) - 1}"}.get(a["kind"], f"w{a.get('size')}")
    return of.now(Windowing(group, f"{prefix}:{of.key}", a["kind"] == "session"))


_KINDS = (*("time", "sliding", "session", "unlimited") * 3, "time", "custom")


def _draw_windows(g: Generator, at: int, *, cogrouped: bool) -> Draft:
    here, kind = g.shapes[at], g.pick(_KINDS)
    args: dict[str, Any] = {"kind": kind}
    if kind == "unlimited":
        args["start"] = g.pick((0, 3)) * g.unit
    else:
        args["grace"] = g.duration((0, 0, 1, 3, 5))
        args["gap" if kind == "session" else "size"] = size = g.duration((2, 3, 5, 10))
        if kind == "time" and g.chance(0.5):
            args["advance"] = g.pick([n for n in (1, 2, 3, 5) if n * g.unit <= size]) * g.unit
        if not cogrouped and g.chance(0.25):
            args["emitOnClose"] = True
    shape = replace(here, kind="windowed", windows=("co" if cogrouped else "") + kind)
    return g.then(at, "windowedBy", shape, **args)


@choice("windowedBy", "group", 2)
def _draw_windowed(g: Generator, at: int) -> Draft:
    return _draw_windows(g, at, cogrouped=False)


@choice("windowedBy", "cogroup")
def _draw_windowed_cogroup(g: Generator, at: int) -> Draft:
    return _draw_windows(g, at, cogrouped=True)


def _result(g: Generator, at: int, value: str) -> Shape:
    """Return what an aggregation on `at` gives."""
    here = g.shapes[at]
    if here.kind != "windowed":
        return Shape("table", here.key, value)
    windows = here.windows.removeprefix("co")
    args = g.program[at].args
    prefix = {"session": "x", "unlimited": f"w{(1 << 63) - 1}"}.get(windows, f"w{args.get('size')}")
    final = windows != "unlimited" and not args.get("emitOnClose")
    return Shape("table", f"{prefix}:{here.key}", value, windows=windows, final=final)


# ---------------------------------------------------------------------------- aggregations


def _group(p: Program, s: Statement) -> tuple[Any, str, bool]:
    """Return the group, the type of the keys of its tables, and whether it is of sessions."""
    of = p.of(s)
    if isinstance(of.object, Windowing):
        return of.object.group, of.object.windowed_key, of.object.session
    return of.object, of.key, False


@operator("count")
def _count(p: Program, s: Statement) -> Handle:
    group, key, _ = _group(p, s)
    return Handle(group.count(**materialized(s, p.of(s).key, "l"), **named(s)), key, "l")


@operator("reduce")
def _reduce(p: Program, s: Statement) -> Handle:
    group, key, _ = _group(p, s)
    type_ = p.of(s).value
    functions = [REDUCERS[s.args[name]].call for name in ("fn", "undo") if name in s.args]
    config = materialized(s, p.of(s).key, type_, always=True)
    return Handle(group.reduce(*functions, **config, **named(s)), key, type_)


@operator("aggregate")
def _aggregate(p: Program, s: Statement) -> Handle:
    group, key, _ = _group(p, s)
    functions = [STARTS[s.args["start"]].call]
    folds = [AGGREGATORS[s.args[name]] for name in ("fn", "undo") if name in s.args]
    type_ = folds[0].type if folds else p.of(s).value
    functions += [fold.call for fold in folds]
    if "merger" in s.args:
        functions.append(MERGERS[s.args["merger"]].call)
    config = materialized(s, p.of(s).key, type_, always=True)
    return Handle(group.aggregate(*functions, **config, **named(s)), key, type_)


def _window_mat(g: Generator, at: int) -> dict[str, Any]:
    here, args = g.shapes[at], g.program[at].args
    found = g.mat(store=0.6, versioned=here.kind != "windowed")
    if found and here.kind == "windowed" and args.get("grace") is not None and g.chance(0.3):
        length = args.get("size", args.get("gap", 0)) * (2 if args["kind"] == "sliding" else 1)
        found["mat"]["retention"] = length + args["grace"] + g.pick((0, 1, 7)) * g.unit
    return found


def _draw_count(g: Generator, at: int) -> Draft | None:
    if g.shapes[at].windows.startswith("co"):
        return None
    return g.then(at, "count", _result(g, at, "l"), **g.name(), **_window_mat(g, at))


def _draw_reduce(g: Generator, at: int) -> Draft | None:
    here = g.shapes[at]
    if here.windows.startswith("co"):
        return None
    undo = {"undo": g.pick(("subtract", "subtract", "first"))} if here.kind == "table group" else {}
    args = {"fn": g.pick(REDUCERS), **undo, **g.name(), **_window_mat(g, at)}
    return g.then(at, "reduce", _result(g, at, here.value), **args)


def _draw_aggregate(g: Generator, at: int) -> Draft:
    here = g.shapes[at]
    cogrouped = here.kind == "cogroup" or here.windows.startswith("co")
    type_ = here.value if cogrouped else g.pick("sl")
    folds = [name for name, fold in AGGREGATORS.items() if fold.type == type_]
    args: dict[str, Any] = {"start": g.pick([n for n, f in STARTS.items() if f.type == type_])}
    if not cogrouped:
        args["fn"] = g.pick(folds)
    if here.kind == "table group":
        args["undo"] = g.pick(folds)
    if here.windows.removeprefix("co") == "session":
        args["merger"] = g.pick([n for n, f in MERGERS.items() if f.type == type_])
    return g.then(at, "aggregate", _result(g, at, type_), **args, **g.name(), **_window_mat(g, at))


for _on in ("group", "windowed", "table group"):
    choice("count", _on)(_draw_count)
    choice("reduce", _on)(_draw_reduce)
    choice("aggregate", _on)(_draw_aggregate)
choice("aggregate", "cogroup")(_draw_aggregate)
