"""Stores and processors of the user's own. Keys and values of stores are texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from inspect import signature
from typing import Any

from tests.oracle.build import Handle, Program, named, operator
from tests.oracle.functions import cut, num, text
from tests.oracle.generator import MOST_GROWTH, Draft, Generator, Shape, choice
from tests.oracle.language import Statement
from tests.oracle.operators.streams import consumed

from aliran.serdes import Windowed
from aliran.storage.state import ValueAndTimestamp
from aliran.streams import (
    FixedKeyProcessor,
    FixedKeyRecord,
    Processor,
    PunctuationType,
    Record,
    Stores,
)

STORES: Any = Stores

FACTORIES = {
    ("keyValue", False): "persistent_key_value_store",
    ("keyValue", True): "in_memory_key_value_store",
    ("lru", True): "lru_map",
    ("timed", False): "persistent_timestamped_key_value_store",
    ("timed", True): "in_memory_timestamped_key_value_store",
    ("window", False): "persistent_window_store",
    ("window", True): "in_memory_window_store",
    ("session", False): "persistent_session_store",
    ("session", True): "in_memory_session_store",
    ("versioned", False): "persistent_versioned_key_value_store",
}


def store_of(s: Statement) -> Any:
    """Return the store that a statement says."""
    a = s.args
    options: dict[str, Any] = {name: a[arg] for name, arg in _OPTIONS[a["kind"]] if arg in a}
    options |= {"caching": a.get("cache", False), "logging": a.get("log", True)}
    make = getattr(STORES, FACTORIES[a["kind"], a.get("memory", False)])
    return make(a["store"], **options)


@operator("store")
def _store(p: Program, s: Statement) -> Handle:
    p.builder.add_state_store(store_of(s))
    return Handle()


@operator("globalStore")
def _global_store(p: Program, s: Statement) -> Handle:
    types = p.topics[s.args["topic"]]
    p.builder.add_global_store(store_of(s), s.args["topic"], own(s), consumed(s, types))
    return Handle()


_OPTIONS: dict[str, list[tuple[str, str]]] = {
    "keyValue": [],
    "timed": [],
    "lru": [("max_entries", "most")],
    "window": [
        ("window_size", "size"),
        ("retention", "retention"),
        ("retain_duplicates", "duplicates"),
    ],
    "session": [("retention", "retention")],
    "versioned": [("history_retention", "retention")],
}


def draw_store(g: Generator, kind: str, op: str = "store") -> str | None:
    """Add a store of a kind and return its name; None where Aliran has none of the kind."""
    memory = [m for (k, m), factory in FACTORIES.items() if k == kind and hasattr(STORES, factory)]
    if not memory:
        return None
    args: dict[str, Any] = {"store": g.fresh("own"), "kind": kind, "memory": g.pick(memory)}
    if kind == "lru":
        args["most"] = g.pick((1, 2))
    if kind in ("window", "session", "versioned"):
        args["retention"] = g.duration((10, 20, 30))
    if kind == "window":
        args["size"] = g.pick((3, 10)) * g.unit
        make = getattr(STORES, FACTORIES[kind, args["memory"]])
        if "retain_duplicates" in signature(make).parameters:
            args["duplicates"] = g.chance(0.2)
    if g.chance(0.1) and not args.get("duplicates"):
        args["log"] = False
    g.add((Statement(op, (), args), Shape()))
    return str(args["store"])


# ---------------------------------------------------------------------------- processors


class Own(Processor[Any, Any, Any, Any]):
    """Does what function `fn` says to each record."""

    def __init__(self, fn: str, stores: list[str], interval_ms: int, start_ms: int) -> None:
        self._fn = fn
        self._step = _STEPS[fn]
        self._stores = stores
        self._interval_ms = interval_ms
        self._start_ms = start_ms
        self._schedule: Any = None
        self._ticks = 0
        self.store: Any = None

    def init(self, context: Any) -> None:
        super().init(context)
        self.store = context.get_state_store(self._stores[0]) if self._stores else None
        stream, wall = PunctuationType.STREAM_TIME, PunctuationType.WALL_CLOCK_TIME
        if self._fn == "tickStream":
            context.schedule(self._interval_ms, stream, self._tick)
        elif self._fn == "tickWall":
            context.schedule(self._interval_ms, wall, self._tick)
        elif self._fn == "tickTwice":
            self._schedule = context.schedule(self._interval_ms, stream, self._tick_twice)
        elif self._fn == "tickFrom":
            context.schedule(self._interval_ms, wall, self._tick, start_ms=self._start_ms)
        elif self._fn == "sweep":
            context.schedule(self._interval_ms, stream, self._sweep)

    def process(self, record: Record[Any, Any]) -> None:
        self._step(self, record)

    def _tick(self, time_ms: int) -> None:
        context = self.context
        times = context.current_stream_time_ms(), context.current_system_time_ms()
        context.forward(Record("tick", f"{time_ms}|{times[0]}|{times[1]}", time_ms))

    def _tick_twice(self, time_ms: int) -> None:
        self._tick(time_ms)
        self._ticks += 1
        if self._ticks == 2:
            self._schedule.cancel()

    def _sweep(self, time_ms: int) -> None:
        for key, value in list(self.store.all()):
            self.store.delete(key)
            self.context.forward(Record(key, value, time_ms))


def _texts(record: Record[Any, Any]) -> Record[Any, Any]:
    key = None if record.key is None else text(record.key)
    value = None if record.value is None else text(record.value)
    return record.with_key(key).with_value(value)


def _twice(own: Own, record: Record[Any, Any]) -> None:
    own.context.forward(record)
    later = record.with_timestamp(record.timestamp + 7)
    own.context.forward(later.with_headers((*record.headers, ("p", b"1"))))


def _forward_texts(own: Own, record: Record[Any, Any]) -> None:
    own.context.forward(_texts(record))


def _where(own: Own, record: Record[Any, Any]) -> None:
    at = own.context.record_metadata()
    assert at is not None
    times = own.context.current_stream_time_ms(), own.context.current_system_time_ms()
    told = f"{text(at.topic)}{at.partition}{at.offset}|{times[0]}|{times[1]}"
    own.context.forward(_texts(record).with_value(told))


def _remember(own: Own, record: Record[Any, Any]) -> None:
    key = text(record.key)
    before = own.store.get(key)
    after = None if record.value is None else cut((before or "") + text(record.value))
    own.store.put(key, after)
    told = f"{text(before)}>{text(own.store.get(key))}"
    own.context.forward(record.with_key(key).with_value(told))


def _scan(own: Own, record: Record[Any, Any]) -> None:
    rows, key = own.store, text(record.key)
    if record.value is None:
        rows.delete(key)
    elif num(record.value) % 2 == 0:
        rows.put_if_absent(key, text(record.value))
    else:
        rows.put(key, text(record.value))
    _tell(
        own,
        record.with_key(key),
        all=rows.all,
        reverse=rows.reverse_all,
        **{"from": lambda: rows.range(key, None)},
        to=lambda: rows.reverse_range(None, key),
        prefix=lambda: rows.prefix_scan("a"),
    )


def _tell(own: Own, record: Record[Any, Any], **reads: Callable[[], Any]) -> None:
    """Forward what a store reads, one after the other: what that sets off may change the store."""
    for name, read in reads.items():
        own.context.forward(record.with_value(cut(name + _rows(read()))))


def _window(own: Own, record: Record[Any, Any]) -> None:
    rows, key, time = own.store, text(record.key), record.timestamp
    rows.put(key, None if record.value is None else text(record.value), time)
    out = record.with_key(key)
    own.context.forward(out.with_value("one" + text(rows.fetch(key, time - time % 10))))
    _tell(
        own,
        out,
        key=lambda: rows.fetch(key, time - 20, time + 5),
        back=lambda: rows.backward_fetch(key, time - 20, time + 5),
        keys=lambda: rows.fetch("a", key, time - 10, time),
        all=lambda: rows.fetch_all(time - 15, time),
    )


def _spans(own: Own, record: Record[Any, Any]) -> None:
    rows, key, time = own.store, text(record.key), record.timestamp
    rows.put(key, None if record.value is None else text(record.value), time)
    _tell(
        own,
        record.with_key(key),
        all=rows.all,
        back=rows.backward_all,
        keys=lambda: rows.backward_fetch("a", key, time - 10, time),
        times=lambda: rows.backward_fetch_all(time - 15, time),
    )


def _bulk(own: Own, record: Record[Any, Any]) -> None:
    rows, key = own.store, text(record.key)
    rows.put_all([(key, None if record.value is None else text(record.value)), ("b", "bulk")])
    out = record.with_key(key)
    own.context.forward(out.with_value(f"had {text(rows.delete('a'))}"))
    own.context.forward(out.with_value(f"has {text(rows.get(key))}"))


def _timed(own: Own, record: Record[Any, Any]) -> None:
    rows, key, time = own.store, text(record.key), record.timestamp
    before = rows.get(key)
    if before is None or before.timestamp <= time or record.value is None:
        value = None if record.value is None else ValueAndTimestamp(text(record.value), time)
        rows.put(key, value)
    found = "".join(f",{k}={text(v.value)}@{v.timestamp}" for k, v in rows.all())
    own.context.forward(record.with_key(key).with_value(cut(f"timed{found}")))


def _look(own: Own, record: Record[Any, Any]) -> None:
    """Read a store that another processor fills."""
    told = cut(text(record.value) + _rows(own.store.all()))
    own.context.forward(record.with_key(text(record.key)).with_value(told))


def _keep(own: Own, record: Record[Any, Any]) -> None:
    """Fill a global or read-only store."""
    if record.key is not None:
        own.store.put(record.key, record.value)


def _session(own: Own, record: Record[Any, Any]) -> None:
    rows, key, time = own.store, text(record.key), record.timestamp
    start = time
    for window, _ in list(rows.find_sessions(key, time - 10, time + 10)):
        start = min(start, window.start_ms)
        rows.remove(window)
    rows.put(Windowed(key, start, time), None if record.value is None else text(record.value))
    out = record.with_key(key)
    own.context.forward(out.with_value("one" + text(rows.fetch_session(key, start, time))))
    own.context.forward(out.with_value(cut("key" + _rows(rows.fetch(key)))))
    back = rows.backward_find_sessions(key, time - 30, time)
    own.context.forward(out.with_value(cut("back" + _rows(back))))


def _versioned(own: Own, record: Record[Any, Any]) -> None:
    rows, key, time = own.store, text(record.key), record.timestamp
    until = rows.put(key, None if record.value is None else text(record.value), time)
    out = record.with_key(key)
    told = f"{until}|{_version(rows.get(key))}|{_version(rows.get(key, time - 5))}"
    own.context.forward(out.with_value(told))
    if num(record.value) % 4 == 3:
        own.context.forward(out.with_value(f"deleted {_version(rows.delete(key, time + 2))}"))


def _version(found: Any) -> str:
    return "null" if found is None else f"{found.timestamp}={text(found.value)}"


def _rows(rows: Iterable[tuple[Any, Any]]) -> str:
    return "".join(f",{text(key)}={text(value)}" for key, value in rows)


_STEPS: dict[str, Callable[[Own, Record[Any, Any]], None]] = {
    "twice": _twice,
    "tickStream": _forward_texts,
    "tickWall": _forward_texts,
    "tickTwice": _forward_texts,
    "tickFrom": _forward_texts,
    "where": _where,
    "remember": _remember,
    "sweep": _remember,
    "scan": _scan,
    "window": _window,
    "spans": _spans,
    "bulk": _bulk,
    "timed": _timed,
    "look": _look,
    "keep": _keep,
    "session": _session,
    "versioned": _versioned,
}

STEPS = [name for name in _STEPS if name != "keep"]
"""What processors of streams do; `keep` is of global and read-only stores."""

STORE_OF = {
    "spans": ("window",),
    "bulk": ("keyValue", "lru"),
    "timed": ("timed",),
    "remember": ("keyValue", "lru"),
    "sweep": ("keyValue",),
    "scan": ("keyValue",),
    "window": ("window",),
    "session": ("session",),
    "versioned": ("versioned",),
}


def own(s: Statement) -> Callable[[], Own]:
    """Return what makes the processor that a statement says."""
    a = s.args
    stores = list(a.get("looks", a.get("stores", ())))

    def make() -> Own:
        return Own(a["fn"], stores, a.get("interval", 0), a.get("start", 0))

    if "supplied" in a:  # the supplier brings the store along
        make.stores = lambda: [store_of(Statement("store", (), a["supplied"]))]  # type: ignore[attr-defined]
    return make


@operator("process")
def _process(p: Program, s: Statement) -> Handle:
    fn, stores = s.args["fn"], list(s.args.get("stores", ()))
    made = p.of(s).object.process(own(s), *stores, **named(s))
    return p.of(s).now(made) if fn == "twice" else Handle(made, "s", "s")


@choice("process", "stream", 1.5)
def _draw_process(g: Generator, at: int) -> Draft | None:
    here, fn = g.shapes[at], g.pick(STEPS)
    growth = here.growth + (fn in ("scan", "window", "spans"))  # they forward five for one
    if growth > MOST_GROWTH or (here.ticks and fn == "twice"):
        return None
    args = draw_process(g, fn)
    if args is None:
        return None
    args |= g.name()
    types = (here.key, here.value) if fn == "twice" else ("s", "s")
    ticks = fn in ("tickStream", "tickTwice", "sweep")
    return g.then(at, "process", Shape("stream", *types, growth=growth, ticks=ticks), **args)


def draw_process(g: Generator, fn: str, op: str = "store") -> dict[str, Any] | None:
    """Return the arguments of a processor, its store made where it needs one."""
    args: dict[str, Any] = {"fn": fn}
    if fn == "look":
        stores = [s.args["store"] for s in g.program if s.op in ("globalStore", "handGlobal")]
        args["looks"] = [g.pick(stores)] if stores else [_draw_global_store(g)]
    if fn in STORE_OF:
        store = _shared_store(g, g.pick(STORE_OF[fn]), op)
        if store is None:
            return None
        args["stores"] = [store]
        last = g.program[-1]
        if last.op == op == "store" and last.args["store"] == store and g.chance(0.2):
            g.program.pop()
            g.shapes.pop()
            args |= {"supplied": last.args, "looks": args.pop("stores")}
    if fn.startswith("tick") or fn == "sweep":
        args["interval"] = max(1, g.duration((1, 5, 10)))
    if fn == "tickFrom":
        args["start"] = g.duration((0, 1, 10))
    return args


def _draw_global_store(g: Generator) -> str:
    store, topic = g.fresh("own"), g.topic("s", "s")
    args = {"store": store, "kind": "keyValue", "memory": g.chance(0.5), "log": False}
    args |= {"topic": topic, "fn": "keep", "stores": [store], **g.name()}
    g.add((Statement("globalStore", (), args), Shape()))
    return store


def _shared_store(g: Generator, kind: str, op: str = "store") -> str | None:
    """Return a new store, or one that another processor uses as well."""
    made = [s.args["store"] for s in g.program if s.op == op and s.args["kind"] == kind]
    return g.pick(made) if made and g.chance(0.4) else draw_store(g, kind, op)


class OwnValues(FixedKeyProcessor[Any, Any, Any]):
    """Does what function `fn` says to each record, and keeps the key."""

    def __init__(self, fn: str, stores: list[str]) -> None:
        self._fn = fn
        self._stores = stores

    def process(self, record: FixedKeyRecord[Any, Any]) -> None:
        if self._fn == "twice":
            self.context.forward(record.with_value(text(record.value)))
            self.context.forward(replace(record, value="again", timestamp=record.timestamp + 7))
            return
        rows: Any = self.context.get_state_store(self._stores[0])
        value = None if record.value is None else text(record.value)
        before = rows.put_if_absent(text(record.key), value)
        self.context.forward(record.with_value(f"had {text(before)}"))


@operator("processValues")
def _process_values(p: Program, s: Statement) -> Handle:
    fn, stores = s.args["fn"], list(s.args.get("stores", ()))
    made = p.of(s).object.process_values(lambda: OwnValues(fn, stores), *stores, **named(s))
    return p.of(s).now(made, value="s")


@choice("processValues", "stream")
def _draw_process_values(g: Generator, at: int) -> Draft:
    ahead = () if g.shapes[at].ticks else ("twice",)
    args: dict[str, Any] = {"fn": g.pick(("had", *ahead)), **g.name()}
    if args["fn"] == "had":
        args["stores"] = [_shared_store(g, "keyValue")]
    return g.then(at, "processValues", Shape("stream", g.shapes[at].key, "s"), **args)
