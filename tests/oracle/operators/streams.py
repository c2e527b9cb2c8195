"""Streams and what looks at one record at a time."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from os import devnull
from typing import Any

from tests.oracle.build import Handle, Program, named, operator, serde, serdes
from tests.oracle.functions import FLATS, KEYS, PREDICATES, VALUES, num, text
from tests.oracle.generator import Draft, Generator, Shape, choice
from tests.oracle.language import Statement

from aliran.serdes import Serde
from aliran.streams import Consumed, ConsumerRecord, KStream, Produced, Repartitioned
from aliran.streams.processor import (
    log_and_skip_on_invalid_timestamp,
    use_partition_time_on_invalid_timestamp,
)


def consumed(s: Statement, types: tuple[str, str]) -> Consumed[Any, Any]:
    extractor = EXTRACTORS[s.args["extractor"]] if "extractor" in s.args else None
    return Consumed(
        key=serde(types[0]),
        value=serde(types[1]),
        name=s.args.get("name"),
        timestamp_extractor=extractor,
    )


def _skip_odd(record: ConsumerRecord, _before: int) -> int:
    return -1 if num(record.value) % 2 == 1 else record.timestamp


EXTRACTORS = {
    "value": lambda record, before: abs(num(record.value)),
    "skipOdd": _skip_odd,
    "skip": log_and_skip_on_invalid_timestamp,
    "before": use_partition_time_on_invalid_timestamp,
    "latest": lambda record, before: max(record.timestamp, before),
}


@operator("stream")
def _stream(p: Program, s: Statement) -> Handle:
    topics = s.args["topics"]
    types = p.topics[topics[0]]
    named_topics = re.compile("|".join(topics)) if s.args.get("pattern") else topics
    return Handle(p.builder.stream(named_topics, consumed(s, types)), *types)


@choice("stream", "new stream")
def _draw_stream(g: Generator, topic: int) -> Draft:
    types = g.topics[f"in{topic}"]
    topics = [f"in{topic}"]
    if g.chance(0.1):
        topics.append(g.topic(*types))
    args: dict[str, Any] = {"extractor": g.pick(EXTRACTORS)} if g.chance(0.06) else {}
    if len(topics) == 1 and g.chance(0.04):  # Kafka's driver gives topics of a pattern one count
        args["pattern"] = True
    return Statement("stream", (), {"topics": topics, **args, **g.name()}), Shape("stream", *types)


@operator("filter")
def _filter(p: Program, s: Statement) -> Handle:
    of = p.of(s)
    return of.now(of.object.filter(PREDICATES[s.args["fn"]].call, **named(s)))


@choice("filter", "stream")
def _draw_filter(g: Generator, at: int) -> Draft:
    return g.then(at, "filter", fn=g.pick(PREDICATES), **g.name())


@operator("filterNot")
def _filter_not(p: Program, s: Statement) -> Handle:
    of = p.of(s)
    return of.now(of.object.filter_not(PREDICATES[s.args["fn"]].call, **named(s)))


@choice("filterNot", "stream", 0.5)
def _draw_filter_not(g: Generator, at: int) -> Draft:
    return g.then(at, "filterNot", fn=g.pick(PREDICATES), **g.name())


@operator("selectKey")
def _select_key(p: Program, s: Statement) -> Handle:
    of, key = p.of(s), KEYS[s.args["fn"]]
    return of.now(of.object.select_key(key.call, **named(s)), key=key.result(of.key))


@choice("selectKey", "stream")
def _draw_select_key(g: Generator, at: int) -> Draft:
    fn = g.pick(KEYS)
    shape = Shape("stream", KEYS[fn].type, g.shapes[at].value)
    return g.then(at, "selectKey", shape, fn=fn, **g.name())


@operator("map")
def _map(p: Program, s: Statement) -> Handle:
    of, key, value = p.of(s), KEYS[s.args["key"]], VALUES[s.args["fn"]]
    made = of.object.map(lambda k, v: (key.call(k, v), value.call(k, v)), **named(s))
    return Handle(made, key.result(of.key), value.result(of.value))


@choice("map", "stream")
def _draw_map(g: Generator, at: int) -> Draft:
    key, fn = g.pick(KEYS), g.pick(VALUES)
    shape = Shape("stream", KEYS[key].type, VALUES[fn].type)
    return g.then(at, "map", shape, key=key, fn=fn, **g.name())


@operator("mapValues")
def _map_values(p: Program, s: Statement) -> Handle:
    of, value = p.of(s), VALUES[s.args["fn"]]
    if s.args.get("keyed"):
        made = of.object.map_values(value.call, with_key=True, **named(s))
    else:
        made = of.object.map_values(lambda v: value.call(None, v), **named(s))
    return of.now(made, value=value.result(of.value))


@choice("mapValues", "stream", 2)
def _draw_map_values(g: Generator, at: int) -> Draft:
    fn = g.pick(VALUES)
    shape = Shape("stream", g.shapes[at].key, VALUES[fn].type)
    return g.then(at, "mapValues", shape, fn=fn, keyed=g.chance(0.4), **g.name())


@operator("flatMap")
def _flat_map(p: Program, s: Statement) -> Handle:
    of, key, flat = p.of(s), KEYS[s.args["key"]], FLATS[s.args["fn"]]
    made = of.object.flat_map(
        lambda k, v: [(key.call(k, each), each) for each in flat.call(v)], **named(s)
    )
    return Handle(made, key.result(of.key), flat.result(of.value))


@choice("flatMap", "stream")
def _draw_flat_map(g: Generator, at: int) -> Draft:
    key, fn = g.pick(KEYS), g.pick(FLATS)
    shape = Shape("stream", KEYS[key].type, FLATS[fn].result(g.shapes[at].value))
    return g.then(at, "flatMap", shape, key=key, fn=fn, **g.name())


@operator("flatMapValues")
def _flat_map_values(p: Program, s: Statement) -> Handle:
    of, flat = p.of(s), FLATS[s.args["fn"]]
    if s.args.get("keyed"):
        made = of.object.flat_map_values(lambda k, v: flat.call(v), with_key=True, **named(s))
    else:
        made = of.object.flat_map_values(flat.call, with_key=False, **named(s))
    return of.now(made, value=flat.result(of.value))


@choice("flatMapValues", "stream")
def _draw_flat_map_values(g: Generator, at: int) -> Draft:
    fn = g.pick(FLATS)
    shape = Shape("stream", g.shapes[at].key, FLATS[fn].result(g.shapes[at].value))
    return g.then(at, "flatMapValues", shape, fn=fn, keyed=g.chance(0.4), **g.name())


@operator("peek")
def _peek(p: Program, s: Statement) -> Handle:
    of = p.of(s)
    note = p.seen.append
    return of.now(of.object.peek(lambda k, v: note(f"peek {text(k)}={text(v)}"), **named(s)))


@choice("peek", "stream", 0.5)
def _draw_peek(g: Generator, at: int) -> Draft:
    return g.then(at, "peek", **g.name())


@operator("foreach")
def _foreach(p: Program, s: Statement) -> Handle:
    note = p.seen.append
    p.of(s).object.foreach(lambda k, v: note(f"each {text(k)}={text(v)}"), **named(s))
    return Handle()


@choice("foreach", "stream", 0.2)
def _draw_foreach(g: Generator, at: int) -> Draft:
    return g.then(at, "foreach", Shape(), **g.name())


@operator("print")
def _print(p: Program, s: Statement) -> Handle:
    def note(key: Any, value: Any) -> str:
        p.seen.append(f"print {text(key)}={text(value)}")
        return ""

    p.of(s).object.print(label="label", file=devnull, mapper=note, **named(s))
    return Handle()


@choice("print", "stream", 0.2)
def _draw_print(g: Generator, at: int) -> Draft:
    return g.then(at, "print", Shape(), **g.name())


@operator("fragile")
def _fragile(p: Program, s: Statement) -> Handle:
    def check(_key: Any, value: Any) -> Any:
        if num(value) % 3 == 1:
            raise ValueError("fragile")
        return value

    return p.of(s).now(p.of(s).object.map_values(check, with_key=True, **named(s)))


@choice("fragile", "stream", 2)
def _draw_fragile(g: Generator, at: int) -> Draft | None:
    return g.then(at, "fragile", **g.name()) if g.errors else None


@operator("merge")
def _merge(p: Program, s: Statement) -> Handle:
    of = p.of(s)
    return of.now(of.object.merge(p.of(s, 1).object, **named(s)))


@choice("merge", "stream")
def _draw_merge(g: Generator, at: int) -> Draft | None:
    here = g.shapes[at]
    others = [
        number
        for number, shape in enumerate(g.shapes)
        if (shape.kind, shape.key, shape.value) == ("stream", here.key, here.value)
        and (number != at or g.chance(0.1))
    ]
    return g.then(at, "merge", None, (g.pick(others),), **g.name()) if others else None


@operator("split")
def _split(p: Program, s: Statement) -> Handle:
    arms: list[KStream[Any, Any]] = []
    branches = p.of(s).object.split(**named(s))
    names = [*s.args.get("names", ()), *[None] * 9]
    for number, fn in enumerate(s.args["arms"]):
        branches.branch(PREDICATES[fn].call, name=names[number], chain=arms.append)
    if s.args.get("default"):
        branches.default_branch(name=names[len(s.args["arms"])], chain=arms.append)
    else:
        branches.no_default_branch()
    return p.of(s).now(arms)


@choice("split", "stream", 0.7)
def _draw_split(g: Generator, at: int) -> Draft:
    arms = [g.pick(PREDICATES) for _ in range(g.pick((1, 2, 3)))]
    names = {"names": [g.fresh("-arm") for _ in (*arms, 0)]} if g.chance(0.2) else {}
    shape = Shape("split", g.shapes[at].key, g.shapes[at].value)
    args: dict[str, Any] = {"arms": arms, "default": g.chance(0.6), **names, **g.name()}
    return g.then(at, "split", shape, **args)


@operator("arm")
def _arm(p: Program, s: Statement) -> Handle:
    return p.of(s).now(p.of(s).object[s.args["index"]])


@choice("arm", "split")
def _draw_arm(g: Generator, at: int) -> Draft:
    of = g.program[at].args
    shape = Shape("stream", g.shapes[at].key, g.shapes[at].value)
    return g.then(at, "arm", shape, index=g.rng.randrange(len(of["arms"]) + of["default"]))


@operator("repartition")
def _repartition(p: Program, s: Statement) -> Handle:
    of = p.of(s)
    config: Repartitioned[Any, Any] = Repartitioned(
        name=s.args.get("name"),
        partitions=s.args.get("partitions"),
        partitioner=partitioner if s.args.get("partitioned") else None,
        **serdes(of),
    )
    return of.now(of.object.repartition(config))


@choice("repartition", "stream", 0.5)
def _draw_repartition(g: Generator, at: int) -> Draft:
    args: dict[str, Any] = {"partitions": 1} if g.chance(0.3) else {}
    if g.chance(0.15):
        args["partitioned"] = True
    return g.then(at, "repartition", **args, **g.name(0.4))


@operator("to")
def _to(p: Program, s: Statement) -> Handle:
    of = p.of(s)
    config: Produced[Any, Any] = Produced(
        name=s.args.get("name"),
        partitioner=partitioner if s.args.get("partitioned") else None,
        **serdes(of),
    )
    if s.args.get("picky"):
        config = replace(config, value=picky(serde(of.value)))
    of.object.to(chooser(s) if "chosen" in s.args else s.args["topic"], config)
    return Handle()


def chooser(s: Statement) -> Callable[..., str]:
    """Return the function that chooses the topic of each record."""
    name = s.args["chosen"]
    if s.args.get("timed"):
        return lambda k, v, at: f"{name}{(at.timestamp + len(at.headers)) % 2}"
    return lambda k, v, at: f"{name}{(num(k) + at.offset) % 2}"


def partitioner(_topic: str, _key: Any, value: Any, _count: int) -> list[int] | None:
    """Choose by the number in the value: Kafka's own choice, none at all, or the first."""
    return (None, [], [0])[num(value) % 3]


def picky(inner: Serde[Any]) -> Serde[Any]:
    """Return a serde that cannot write some values."""

    def write(value: Any) -> bytes:
        if num(value) == 2:
            raise ValueError("picky")
        return inner.serializer(value)

    return Serde(write, inner.deserializer, name="PickySerde")


@choice("to", "stream", 0.4)
def _draw_to(g: Generator, at: int) -> Draft:
    args: dict[str, Any] = {"partitioned": True} if g.chance(0.2) else {}
    if g.errors and g.chance(0.7):
        args["picky"] = True
    if g.chance(0.3):
        args.update({"timed": True} if g.chance(0.5) else {})
        return g.then(at, "to", Shape(), chosen=g.fresh("chosen"), **args, **g.name())
    return g.then(at, "to", Shape(), topic=g.fresh("also"), **args, **g.name())
