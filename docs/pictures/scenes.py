"""The pictures of the guide, drawn from what the engine really does.

    python -m docs.pictures.scenes            # write the SVG files beside this one
    python -m docs.pictures.scenes --check    # say which of them are out of date

Each scene pipes a few records through `TopologyTestDriver` and draws what came out.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from docs.pictures.drawing import Bar, Chip, steps, timeline

from aliran import (
    Processor,
    PunctuationType,
    Record,
    Stores,
    StreamsBuilder,
    TopologyTestDriver,
    Windowed,
)
from aliran.serdes import SerdeLike, SessionWindowedSerde, WindowedSerde
from aliran.streams import (
    EmitStrategy,
    JoinWindows,
    ProcessorContext,
    StoreSpec,
    Suppressed,
    UnlimitedWindows,
)

HERE = Path(__file__).resolve().parent

In = tuple[str, str | None, Any, float]
"""Topic, key, value and time in seconds; topic "clock" moves the wall clock on by `value`."""

Types = tuple[SerdeLike[Any], SerdeLike[Any]]


class Step(NamedTuple):
    """What arrived, what came out of it by topic, and whether it was dropped."""

    given: In
    out: dict[str, list[Record[Any, Any]]]
    dropped: bool


def run(
    build: Callable[[StreamsBuilder], object],
    given: Sequence[In],
    outputs: dict[str, Types],
    *,
    value: SerdeLike[Any] = str,
    config: dict[str, Any] | None = None,
) -> list[Step]:
    """Pipe records through what `build` builds and return what each of them caused."""
    builder = StreamsBuilder(default_value=value)
    build(builder)
    done = []
    with TopologyTestDriver(builder.build(), config) as driver:
        readers = {
            topic: driver.create_output_topic(topic, key=key, value=type_)
            for topic, (key, type_) in outputs.items()
        }
        for record in given:
            topic, key, content, time = record
            before = driver.statistics().dropped_records
            if topic == "clock":
                driver.advance_wall_clock_time(f"{content}s")
            else:
                pipe = driver.create_input_topic(topic, value=value)
                pipe.pipe_input(key, content, round(time * 1000))
            came = {name: reader.read_records_to_list() for name, reader in readers.items()}
            done.append(Step(record, came, driver.statistics().dropped_records > before))
    return done


def shown(key: Any, value: Any) -> Chip:
    """Return a record as a chip: `a: 3`, or `a@0: 3` where its key is a window."""
    name = f"{key.key}@{key.start_ms // 1000}" if isinstance(key, Windowed) else str(key or "")
    inner = key.key if isinstance(key, Windowed) else (key or "")
    text = "✕" if value is None else str(value)
    return Chip(f"{name}: {text}" if name else text, str(inner), faint=value is None)


def faint(given: In) -> Chip:
    """Return a record that was dropped as a chip."""
    chip = shown(given[1], given[2])
    return Chip(chip.text, chip.key, faint=True)


def draw_steps(
    done: Sequence[Step],
    inputs: Sequence[str],
    outputs: dict[str, str],
    *,
    timed: Sequence[str] = (),
    clock: bool = False,
) -> str:
    """Draw steps with a lane for each input and output.

    Args:
        done: What `run` returned.
        inputs: Topics, each of which is a lane.
        outputs: Topics and what to call their lanes.
        timed: Those whose records show their times.
        clock: Whether to show stream time.
    """
    lanes = []
    for topic in inputs:
        cells = [
            [shown(step.given[1], step.given[2])] if step.given[0] == topic else [] for step in done
        ]
        lanes.append((topic, cells))
    if clock:
        clocks = [max(step.given[3] for step in done[: index + 1]) for index in range(len(done))]
        lanes.append(("stream time", [[Chip(f"{time:g} s", plain=True)] for time in clocks]))
    for topic, title in outputs.items():
        cells = []
        for step in done:
            chips = [shown(each.key, each.value) for each in step.out[topic]]
            if topic in timed:
                times = [f"{each.timestamp / 1000:g} s" for each in step.out[topic]]
                chips = [
                    Chip(f"{chip.text}  ({time})", chip.key, faint=chip.faint)
                    for chip, time in zip(chips, times, strict=True)
                ]
            cells.append(chips)
        lanes.append((title, cells))
    if any(step.dropped for step in done):
        cells = [[faint(step.given)] if step.dropped else [] for step in done]
        lanes.append(("dropped", cells))
    columns = [
        f"+{step.given[2]} s" if step.given[0] == "clock" else f"{step.given[3]:g} s"
        for step in done
    ]
    return steps(columns, lanes, header="record's time")


def draw_windows(
    done: Sequence[Step],
    topic: str,
    *,
    seconds: float,
    tick: float,
    grace: float = 0,
    open_end: bool = False,
) -> str:
    """Draw the records at their times, and each window with its last result."""
    last: dict[Any, Any] = {}
    for step in done:
        for record in step.out[topic]:
            last[record.key] = record.value
    records = [
        Chip(str(step.given[1]), str(step.given[1]), step.given[3], faint=step.dropped)
        for step in done
    ]
    bars = [
        Bar(
            f"{window.key}: {value}",
            window.start_ms / 1000,
            min(window.end_ms / 1000, seconds),
            window.key,
            grace,
            open_end,
        )
        for window, value in sorted(last.items(), key=lambda row: row[0][1:])
        if value is not None
    ]
    return timeline(seconds, tick, [("records", records), ("windows", bars)])


# ---------------------------------------------------------------------- scenes


def stateless() -> str:
    """Operators that look at one record at a time."""

    def build(builder: StreamsBuilder) -> None:
        lines = builder.stream("lines")
        lines.filter(lambda key, line: "a" in line).to("filter")
        lines.map_values(str.upper).to("map_values")
        lines.flat_map_values(str.split).to("flat_map_values")
        lines.select_key(lambda key, line: line[0]).to("select_key")

    names = ("filter", "map_values", "flat_map_values", "select_key")
    given: list[In] = [
        ("lines", "k", "a b", 0),
        ("lines", "k", "c", 1),
        ("lines", "k", "b a a", 2),
    ]
    done = run(build, given, dict.fromkeys(names, (str, str)))
    return draw_steps(done, ["lines"], {name: name for name in names})


def aggregation() -> str:
    """Count and reduce by key."""

    def build(builder: StreamsBuilder) -> None:
        grouped = builder.stream("orders").group_by_key()
        grouped.count().to_stream().to("count")
        grouped.reduce(lambda total, each: total + each).to_stream().to("sum")

    given: list[In] = [
        ("orders", "a", 5, 0),
        ("orders", "b", 2, 1),
        ("orders", "a", 1, 2),
        ("orders", "a", None, 3),
        ("orders", "b", 4, 4),
    ]
    done = run(build, given, {"count": (str, int), "sum": (str, int)}, value=int)
    return draw_steps(done, ["orders"], {"count": "count", "sum": "reduce (sum)"})


def cogroup() -> str:
    """Two streams that are folded into one table."""

    def add(user: str, item: str, basket: str) -> str:
        return basket + item

    def remove(user: str, item: str, basket: str) -> str:
        return basket.replace(item, "")

    def build(builder: StreamsBuilder) -> None:
        adds = builder.stream("adds").group_by_key()
        removals = builder.stream("removals").group_by_key()
        baskets = adds.cogroup(add).cogroup(removals, remove).aggregate(str)
        baskets.to_stream().to("baskets")

    given: list[In] = [
        ("adds", "ana", "T", 0),
        ("adds", "budi", "J", 1),
        ("adds", "ana", "P", 2),
        ("removals", "ana", "T", 3),
        ("adds", "ana", "J", 4),
    ]
    done = run(build, given, {"baskets": (str, str)})
    return draw_steps(done, ["adds", "removals"], {"baskets": "cogroup"})


def table() -> str:
    """A stream's updates, and views of the table that they make."""

    def build(builder: StreamsBuilder) -> None:
        prices = builder.table("prices", value=int, store="prices")
        prices.filter(lambda item, price: price < 20).to_stream().to("filter")
        prices.map_values(lambda price: price * 2).to_stream().to("map_values")

    given: list[In] = [
        ("prices", "tea", 15, 0),
        ("prices", "jam", 30, 1),
        ("prices", "tea", 25, 2),
        ("prices", "jam", 10, 3),
        ("prices", "jam", None, 4),
    ]
    names = {"filter": "filter price < 20", "map_values": "map_values × 2"}
    done = run(build, given, dict.fromkeys(names, (str, int)), value=int)
    return draw_steps(done, ["prices"], names)


def windows(**how: Any) -> Callable[..., list[Step]]:
    """Return what counts records by windows."""

    def counted(given: Sequence[In], key: SerdeLike[Any]) -> list[Step]:
        def build(builder: StreamsBuilder) -> None:
            grouped: Any = builder.stream("in").group_by_key()
            grouped.windowed_by(**how).count().to_stream().to("out")

        return run(build, given, {"out": (key, int)})

    return counted


def at(*times: float, key: str = "a") -> list[In]:
    """Return records of a key at these times."""
    return [("in", key, "x", time) for time in times]


CLICKS = sorted([*at(1, 6, 8, 12, 27), *at(3, 14, key="b")], key=lambda each: each[3])


def tumbling() -> str:
    """Windows of 10 seconds, one behind the other."""
    done = windows(windows="10s")(CLICKS, WindowedSerde(str, 10_000))
    return draw_windows(done, "out", seconds=30, tick=5)


def hopping() -> str:
    """Windows of 10 seconds, one every 5."""
    done = windows(windows="10s", advance="5s")(at(1, 6, 8, 12, 22), WindowedSerde(str, 10_000))
    return draw_windows(done, "out", seconds=35, tick=5)


def sliding() -> str:
    """A window for each set of records at most 5 seconds apart."""
    done = windows(sliding="5s")(at(6, 9, 13), WindowedSerde(str, 5_000))
    return draw_windows(done, "out", seconds=20, tick=5)


def session() -> str:
    """Sessions that end after 5 seconds without a record."""
    done = windows(session="5s")(CLICKS, SessionWindowedSerde(str))
    return draw_windows(done, "out", seconds=30, tick=5)


def session_merge() -> str:
    """A late record joins two sessions."""
    done = windows(session="5s", grace="10s")(at(1, 9, 5), SessionWindowedSerde(str))
    return draw_steps(done, ["in"], {"out": "count"}, timed=["out"])


def unlimited() -> str:
    """One window from 10 seconds on."""
    done = windows(windows=UnlimitedWindows.of().start_on(10_000))(
        at(4, 12, 19, 27), WindowedSerde(str, 2**62)
    )
    return draw_windows(done, "out", seconds=30, tick=5, open_end=True)


def grace() -> str:
    """A late record that is counted, and one that is not."""
    given = at(2, 7, 12, 4, 15, 9)
    done = windows(windows="10s", grace="5s")(given, WindowedSerde(str, 10_000))
    return draw_steps(done, ["in"], {"out": "count"}, clock=True)


def suppress() -> str:
    """Updates, and final results only."""

    def build(builder: StreamsBuilder) -> None:
        grouped = builder.stream("in").group_by_key()
        counts = grouped.windowed_by("10s", grace="2s").count()
        counts.to_stream().to("updates")
        counts.suppress(Suppressed.until_window_closes()).to_stream().to("final")
        closing = grouped.windowed_by("10s", grace="2s")
        closed = closing.emit_strategy(EmitStrategy.on_window_close()).count(retention="1h")
        closed.to_stream().to("closed")
        limited = grouped.count().suppress(Suppressed.until_time_limit("5s"))
        limited.to_stream().to("limited")

    windowed = (WindowedSerde(str, 10_000), int)
    done = run(
        build,
        [*at(1, 6, 11, 9, 12, 23)],
        {
            "updates": windowed,
            "final": windowed,
            "closed": windowed,
            "limited": (str, int),
        },
    )
    titles = {
        "updates": "each update",
        "final": "until_window_closes",
        "closed": "on_window_close",
        "limited": "until_time_limit 5 s",
    }
    return draw_steps(done, ["in"], titles, clock=True)


def joined(left: object, right: object) -> str:
    """Join two values as a text."""
    return f"{left or '–'}+{right or '–'}"


def stream_stream() -> str:
    """Three joins of two streams within 5 seconds."""

    def build(builder: StreamsBuilder) -> None:
        left, right = builder.stream("left"), builder.stream("right")
        window = JoinWindows.of_time_difference_with_no_grace("5s")
        left.join(right, joined, window).to("join")
        left.left_join(right, joined, window).to("left_join")
        left.outer_join(right, joined, window).to("outer_join")

    given: list[In] = [
        ("left", "k", "A", 0),
        ("right", "k", "x", 3),
        ("left", "k", "B", 7),
        ("right", "k", "y", 20),
        ("left", "k", "C", 40),
        ("right", "k", "z", 60),
    ]
    names = ("join", "left_join", "outer_join")
    done = run(build, given, dict.fromkeys(names, (str, str)))
    return draw_steps(done, ["left", "right"], {name: name for name in names}, timed=names)


def stream_table() -> str:
    """A stream that looks into a table."""

    def build(builder: StreamsBuilder) -> None:
        stream, table = builder.stream("stream"), builder.table("table")
        stream.join(table, joined).to("join")
        stream.left_join(table, joined).to("left_join")

    given: list[In] = [
        ("stream", "k", "A", 0),
        ("table", "k", "x", 1),
        ("stream", "k", "B", 2),
        ("table", "k", "y", 3),
        ("stream", "k", "C", 4),
        ("table", "k", None, 5),
        ("stream", "k", "D", 6),
    ]
    names = ("join", "left_join")
    done = run(build, given, dict.fromkeys(names, (str, str)))
    return draw_steps(done, ["stream", "table"], {name: name for name in names})


def versioned() -> str:
    """A plain table, a versioned one, and one that records wait for."""

    def build(builder: StreamsBuilder) -> None:
        prices, orders = builder.stream("prices"), builder.stream("orders")
        plain = prices.to_table(store="plain")
        versions = prices.to_table(store="versions", history_retention="1m")
        orders.join(plain, joined).to("plain-join")
        orders.join(versions, joined).to("versioned-join")
        orders.join(versions, joined, grace="10s").to("patient-join")

    given: list[In] = [
        ("prices", "k", "10", 10),
        ("prices", "k", "20", 20),
        ("orders", "k", "A", 15),
        ("prices", "k", "14", 14),
        ("orders", "k", "B", 16),
        ("orders", "k", "C", 22),
        ("orders", "k", "D", 27),
    ]
    titles = {
        "plain-join": "plain table",
        "versioned-join": "versioned",
        "patient-join": "versioned, 10 s",
    }
    done = run(build, given, dict.fromkeys(titles, (str, str)))
    return draw_steps(done, ["prices", "orders"], titles, clock=True)


def table_table() -> str:
    """Three joins of two tables."""

    def build(builder: StreamsBuilder) -> None:
        left, right = builder.table("left"), builder.table("right")
        left.join(right, joined).to_stream().to("join")
        left.left_join(right, joined).to_stream().to("left_join")
        left.outer_join(right, joined).to_stream().to("outer_join")

    given: list[In] = [
        ("left", "k", "A", 0),
        ("right", "k", "x", 1),
        ("left", "k", "B", 2),
        ("right", "k", None, 3),
        ("left", "k", None, 4),
        ("right", "k", "y", 5),
    ]
    names = ("join", "left_join", "outer_join")
    done = run(build, given, dict.fromkeys(names, (str, str)))
    return draw_steps(done, ["left", "right"], {name: name for name in names})


def foreign_key() -> str:
    """Orders that refer to customers."""

    def build(builder: StreamsBuilder) -> None:
        orders, people = builder.table("orders"), builder.table("people")
        table = orders.join(
            people,
            lambda order, person: f"{order}={person}",
            foreign_key=lambda order: order,
        )
        table.to_stream().to("join")

    given: list[In] = [
        ("people", "p1", "Ana", 0),
        ("orders", "o1", "p1", 1),
        ("orders", "o2", "p1", 2),
        ("people", "p1", "Anna", 3),
        ("orders", "o1", "p2", 4),
        ("people", "p2", "Budi", 5),
    ]
    done = run(build, given, {"join": (str, str)})
    return draw_steps(done, ["orders", "people"], {"join": "join"})


def table_group() -> str:
    """Rows that move from group to group."""

    def build(builder: StreamsBuilder) -> None:
        table = builder.table("cities")
        table.group_by(lambda person, city: (city, person)).count().to_stream().to("count")

    given: list[In] = [
        ("cities", "ana", "Linz", 0),
        ("cities", "budi", "Linz", 1),
        ("cities", "ana", "Graz", 2),
        ("cities", "budi", None, 3),
    ]
    done = run(build, given, {"count": (str, int)})
    return draw_steps(done, ["cities"], {"count": "group_by city, count"})


class Batches(Processor[str, str, str, str]):
    """Forwards what it has collected, every five seconds of wall-clock time."""

    @staticmethod
    def stores() -> list[StoreSpec]:
        """Return the store of what waits."""
        return [Stores.in_memory_key_value_store("waiting")]

    def init(self, context: ProcessorContext[str, str]) -> None:
        """Schedule the calls."""
        super().init(context)
        self.waiting = context.get_state_store("waiting")
        context.schedule("5s", PunctuationType.WALL_CLOCK_TIME, self.flush)

    def process(self, record: Record[str, str]) -> None:
        """Collect."""
        self.waiting.put(record.key, (self.waiting.get(record.key) or "") + record.value)

    def flush(self, time_ms: int) -> None:
        """Forward and forget."""
        for key, value in list(self.waiting.all()):
            self.context.forward(Record(key, value, time_ms))
            self.waiting.delete(key)


def punctuator() -> str:
    """A processor that is called by the clock."""

    def build(builder: StreamsBuilder) -> None:
        builder.stream("letters").process(Batches).to("batches")

    given: list[In] = [
        ("letters", "a", "x", 0),
        ("letters", "b", "y", 1),
        ("clock", None, 5, 0),
        ("letters", "a", "z", 6),
        ("letters", "a", "w", 7),
        ("clock", None, 5, 0),
        ("clock", None, 5, 0),
    ]
    done = run(build, given, {"batches": (str, str)})
    return draw_steps(done, ["letters"], {"batches": "forwarded"})


def branches() -> str:
    """One stream in three, two of them merged again."""

    def build(builder: StreamsBuilder) -> None:
        parts = (
            builder.stream("numbers", value=int)
            .split(name="is-")
            .branch(lambda key, number: number < 0, name="negative")
            .branch(lambda key, number: number % 2 == 0, name="even")
            .default_branch(name="odd")
        )
        for name, part in parts.items():
            part.to(name)
        parts["is-even"].merge(parts["is-odd"]).to("merged")

    given: list[In] = [("numbers", "", number, index) for index, number in enumerate((4, -2, 7, 6))]
    names = ("is-negative", "is-even", "is-odd", "merged")
    done = run(build, given, dict.fromkeys(names, (str, int)), value=int)
    return draw_steps(done, ["numbers"], {name: name for name in names})


def repartition() -> str:
    """Records of two partitions that meet by their new keys."""

    def build(builder: StreamsBuilder) -> None:
        orders = builder.stream("orders").select_key(lambda number, customer: customer)
        orders.group_by_key(name="by-customer").count(store="counts").to_stream().to("counts")

    builder = StreamsBuilder()
    build(builder)
    given = [("1", "ana", 0), ("2", "budi", 1), ("3", "ana", 1), ("4", "cleo", 0), ("5", "budi", 0)]
    inputs: dict[int, list[list[Chip]]] = {0: [], 1: []}
    outputs: dict[int, list[list[Chip]]] = {0: [], 1: []}
    partitions = {"orders": 2, "counts": 2}
    with TopologyTestDriver(builder.build(), partitions=partitions) as driver:
        pipe = driver.create_input_topic("orders")
        counts = driver.create_output_topic("counts", value=int)
        for number, customer, partition in given:
            pipe.pipe_input(number, customer, 0, partition=partition)
            came = counts.read_records_by_partition()
            for each in (0, 1):
                piped = [Chip(f"{number}: {customer}", customer)] if each == partition else []
                inputs[each].append(piped)
                outputs[each].append([shown(r.key, r.value) for r in came.get(each, [])])
    lanes = [(f"orders-{each}", inputs[each]) for each in (0, 1)]
    lanes += [(f"count, task {each}", outputs[each]) for each in (0, 1)]
    return steps([f"{index + 1}." for index in range(len(given))], lanes, header="record")


def dead_letters() -> str:
    """Records that cannot be processed."""

    def build(builder: StreamsBuilder) -> None:
        builder.stream("in", key=str).map_values(lambda text: 12 // int(text)).to("out", value=int)

    given: list[In] = [
        ("in", "k", text, index) for index, text in enumerate(("4", "six", "0", "3"))
    ]
    types: dict[str, Types] = {"out": (str, int), "dlq": (str, str)}
    done = run(build, given, types, config={"dead_letter_topic": "dlq"})
    return draw_steps(done, ["in"], {"out": "12 // value", "dlq": "dead_letter_topic"})


SCENES: dict[str, Callable[[], str]] = {
    scene.__name__.replace("_", "-"): scene
    for scene in (
        stateless,
        aggregation,
        cogroup,
        table,
        tumbling,
        hopping,
        sliding,
        session,
        session_merge,
        unlimited,
        grace,
        suppress,
        stream_stream,
        stream_table,
        versioned,
        table_table,
        foreign_key,
        table_group,
        punctuator,
        branches,
        dead_letters,
        repartition,
    )
}


def main() -> int:
    """Write or check all pictures."""
    logging.disable()  # a scene about errors warns of them
    stale = []
    for name, scene in SCENES.items():
        path, picture = HERE / f"{name}.svg", scene()
        if "--check" not in sys.argv:
            path.write_text(picture, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != picture:
            stale.append(path.name)
    if stale:
        print(f"out of date: {', '.join(stale)}; run python -m docs.pictures.scenes")
    return len(stale)


if __name__ == "__main__":
    sys.exit(main())
