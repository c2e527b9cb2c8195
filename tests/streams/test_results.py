"""Results equal those of Kafka Streams, record by record: 95 scripts that ran on the JVM.

Each case builds the topology of the same name in
`tests/compat/jvm/results/src/main/java/goldens/Results.java`; the scripts and what came out of
every topic, changelogs and repartition topics included, are in `golden/results/`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from golden_results import GOLDEN, load, replay

from aliran.serdes import Windowed, WindowedSerde, serde_for
from aliran.streams import (
    ConsumerRecord,
    FixedKeyProcessor,
    FixedKeyRecord,
    Processor,
    PunctuationType,
    Record,
    Stores,
    StreamsBuilder,
)

Build = Callable[[StreamsBuilder], object]
CASES: dict[str, Build] = {}
WINDOWED = WindowedSerde(serde_for(str), 10)
STREAM, WALL = PunctuationType.STREAM_TIME, PunctuationType.WALL_CLOCK_TIME


def case(build: Build) -> Build:
    """Make a case of a function, with and without a cache."""
    name = build.__name__
    found = [each for each in (name, f"{name}_cached") if (GOLDEN / f"{each}.json").exists()]
    assert found, f"there is no golden file for {name}"
    CASES.update(dict.fromkeys(found, build))
    return build


def test_every_golden_file_has_a_case() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(CASES)


# ---------------------------------------------------------------------------- stateless


def up(value: str | None) -> str:
    return "NULL" if value is None else value.upper()


def words(value: str | None) -> list[str]:
    return [] if value is None else value.split(" ")


@case
def filter_map_values(b: StreamsBuilder) -> None:
    kept = b.stream("in").filter(lambda k, v: v != "drop").filter_not(lambda k, v: k == "b")
    kept.map_values(up).map_values(lambda k, v: f"{'null' if k is None else k}={v}").to("out")


@case
def map_flat_map(b: StreamsBuilder) -> None:
    swapped = b.stream("in").map(lambda k, v: (v, k))
    swapped.flat_map(lambda k, v: [(k, v), ("x", up(v))]).to("out")


@case
def flat_map_values(b: StreamsBuilder) -> None:
    b.stream("in").flat_map_values(words).to("out")


@case
def select_key_repartition(b: StreamsBuilder) -> None:
    b.stream("in").select_key(lambda k, v: v).repartition(name="again").to("out")


@case
def merge_branch(b: StreamsBuilder) -> None:
    stream = b.stream("in")
    arms = (
        stream.split(name="s-")
        .branch(lambda k, v: v is None, name="null")
        .branch(lambda k, v: k == "a", name="a")
        .default_branch(name="rest")
    )
    nulls = arms["s-null"].map_values(lambda v: "was null")
    nulls.merge(arms["s-rest"]).merge(stream).to("out")
    arms["s-a"].to("as")


@case
def dynamic_topic(b: StreamsBuilder) -> None:
    def topic(key: str | None, value: str | None, context: Any) -> str:
        name = "none" if key is None else f"of-{key}"
        return f"{name}-{context.offset % 2}"

    b.stream("in").to(topic)


@case
def extractor(b: StreamsBuilder) -> None:
    def extract(record: ConsumerRecord, partition_time: int) -> int:
        if record.value == "drop":
            return -1
        return partition_time if record.value is None else record.timestamp * 2

    b.stream("in", timestamp_extractor=extract).to("out")


# ---------------------------------------------------------------------------- aggregations


def reduced(aggregate: str | None, value: str | None) -> str | None:
    """As Java concatenates: a null is the text "null"."""
    if value == "!":
        return None
    return f"{java(aggregate)}{java(value)}"


def java(value: object) -> str:
    return "null" if value is None else str(value)


@case
def count(b: StreamsBuilder) -> None:
    b.stream("in").group_by_key().count(store="counts").to_stream().to("out")


@case
def reduce(b: StreamsBuilder) -> None:
    b.stream("in").group_by_key().reduce(reduced, store="sums").to_stream().to("out")


@case
def aggregate(b: StreamsBuilder) -> None:
    table = (
        b.stream("in")
        .group_by_key()
        .aggregate(
            lambda: "<", lambda k, v, a: reduced(a, java(k) + java(v)), store="sums", value=str
        )
    )
    table.to_stream().to("out")


@case
def aggregate_to_null(b: StreamsBuilder) -> None:
    table = (
        b.stream("in")
        .group_by_key()
        .aggregate(lambda: "<", lambda k, v, a: reduced(a, v), store="sums", value=str)
    )
    table.to_stream().to("out")


@case
def group_by(b: StreamsBuilder) -> None:
    grouped = b.stream("in").group_by(
        lambda k, v: None if v == "3" else f"g{java(v)}", name="grouped"
    )
    grouped.count(store="counts").to_stream().to("out")


@case
def two_aggregations_and_a_fan_out(b: StreamsBuilder) -> None:
    stream = b.stream("in").flat_map_values(words)
    stream.group_by_key().reduce(reduced, store="second").to_stream().to("out")
    stream.group_by_key().count(store="first").to_stream().to("out")


# ---------------------------------------------------------------------------- windows

WINDOWS: dict[str, dict[str, Any]] = {
    "tumbling": {"grace": 5},
    "sharp": {"grace": 0},
    "hopping": {"grace": 2, "advance": 3},
}


def windowed(kind: str, aggregation: str) -> Build:
    def build(b: StreamsBuilder) -> None:
        group = b.stream("in").group_by_key().windowed_by(10, **WINDOWS[kind])
        if aggregation == "count":
            group.count(store="counts").to_stream().to("out")
        elif aggregation == "reduce":
            group.reduce(reduced, store="sums").to_stream().to("out")
        else:
            table = group.aggregate(
                lambda: "<", lambda k, v, a: reduced(a, v), store="sums", value=str
            )
            table.to_stream().to("out")

    build.__name__ = f"{kind}_{aggregation}"
    return build


for _kind in WINDOWS:
    for _aggregation in ("count", "reduce", "aggregate"):
        case(windowed(_kind, _aggregation))


@case
def windows_behind_a_filter(b: StreamsBuilder) -> None:
    group = b.stream("in").filter(lambda k, v: k != "c").group_by_key().windowed_by(10, grace=5)
    counts = group.count(store="counts").to_stream()
    named = counts.map(lambda w, n: (f"{w.key}@{w.start_ms}-{w.end_ms}", n))
    named.to("out", key=str, value=int)


@case
def windowed_table_views(b: StreamsBuilder) -> None:
    counts = b.stream("in").group_by_key().windowed_by(10, grace=5).count(store="counts")
    even = counts.filter(lambda w, n: n % 2 == 0).map_values(lambda w, n: f"{w.key}{n}")
    even.to_stream(lambda w, v: w.key).to("out", key=str, value=str)


@case
def windows_over_grouped(b: StreamsBuilder) -> None:
    grouped = b.stream("in").group_by(lambda k, v: "none" if k is None else "g")
    counts = grouped.windowed_by(10, grace=2, advance=3).count(store="counts")
    counts.to_stream(lambda w, n: f"{w.key}{w.start_ms}").to("out", key=str, value=int)


# ---------------------------------------------------------------------------- tables


@case
def table(b: StreamsBuilder) -> None:
    b.table("in", store="rows").to_stream().to("out")


@case
def table_without_store(b: StreamsBuilder) -> None:
    b.table("in").to_stream().to("out")


@case
def table_filter(b: StreamsBuilder) -> None:
    rows = b.table("in")
    rows.filter(lambda k, v: len(v) > 1).to_stream().to("long")
    rows.filter_not(lambda k, v: len(v) > 1).to_stream().to("short")


@case
def table_filter_stored(b: StreamsBuilder) -> None:
    b.table("in").filter(lambda k, v: len(v) > 1, store="long-ones").to_stream().to("out")


@case
def table_map_values(b: StreamsBuilder) -> None:
    doubled = b.table("in").map_values(lambda v: v + v)
    doubled.map_values(lambda k, v: k + v).to_stream().to("out")


@case
def table_map_values_stored(b: StreamsBuilder) -> None:
    doubled = b.table("in", store="rows").map_values(
        lambda v: None if len(v) > 1 else v + v, store="doubled", value=str
    )
    doubled.to_stream().to("out")


@case
def filter_behind_a_count(b: StreamsBuilder) -> None:
    counts = b.stream("in").group_by_key().count(store="counts")
    counts.filter(lambda k, n: n > 2).to_stream().to("out")


@case
def filter_behind_a_reduce(b: StreamsBuilder) -> None:
    sums = b.stream("in").group_by_key().reduce(reduced, store="sums")
    keyed = sums.map_values(lambda k, v: k + v).filter(lambda k, v: len(v) > 2)
    doubled = keyed.map_values(lambda k, v: v + v).filter_not(lambda k, v: len(v) > 10)
    doubled.to_stream().to("out")


@case
def filter_behind_windows(b: StreamsBuilder) -> None:
    counts = b.stream("in").group_by_key().windowed_by(10).count(store="counts")
    several = counts.filter(lambda w, n: n > 1).to_stream(lambda w, n: w.key)
    several.to("out", key=str, value=int)


@case
def filter_behind_a_stored_table(b: StreamsBuilder) -> None:
    b.table("in", store="rows").filter(lambda k, v: len(v) > 1).to_stream().to("out")


@case
def filter_stored_behind_a_stored_table(b: StreamsBuilder) -> None:
    rows = b.table("in", store="rows")
    rows.filter(lambda k, v: len(v) > 1, store="long-ones").to_stream().to("out")


@case
def to_table(b: StreamsBuilder) -> None:
    stream = b.stream("in").map_values(lambda v: None if v == "4" else v)
    stream.to_table(store="rows").to_stream(lambda k, v: k + k).to("out", key=str, value=str)


@case
def to_table_rekeyed(b: StreamsBuilder) -> None:
    keyed = b.stream("in").select_key(lambda k, v: v)
    keyed.to_table(name="again", store="rows").to_stream().to("out")


# ---------------------------------------------------------------------------- joins


def plus(one: object, two: object) -> str:
    return f"{java(one)}+{java(two)}"


@case
def join(b: StreamsBuilder) -> None:
    b.stream("stream").join(b.table("table"), plus).to("out")


@case
def left_join(b: StreamsBuilder) -> None:
    def joiner(key: str | None, one: str, two: str | None) -> str:
        return f"{java(key)}:{plus(one, two)}"

    b.stream("stream").left_join(b.table("table"), joiner).to("out")


@case
def join_view(b: StreamsBuilder) -> None:
    stream = b.stream("stream")
    view = b.table("table").filter(lambda k, t: t != "x").map_values(lambda k, t: k + t)
    stream.left_join(view, plus).to("out")


@case
def join_stored_view(b: StreamsBuilder) -> None:
    stream = b.stream("stream")
    stream.join(b.table("table").map_values(lambda t: t + t, store="doubled"), plus).to("out")


@case
def join_rekeyed(b: StreamsBuilder) -> None:
    keyed = b.stream("stream").select_key(lambda k, v: "a" if v == "s2" else k)
    keyed.join(b.table("table"), plus).to("out")


@case
def left_join_rekeyed(b: StreamsBuilder) -> None:
    keyed = b.stream("stream").select_key(lambda k, v: "a" if v == "s2" else k)
    keyed.left_join(b.table("table"), plus).to("out")


@case
def join_with_a_count(b: StreamsBuilder) -> None:
    counts = b.stream("table").group_by_key().count(store="counts")
    b.stream("stream").left_join(counts, plus).to("out")


@case
def join_into_windows(b: StreamsBuilder) -> None:
    windows = b.stream("stream").group_by_key().windowed_by(10, grace=100)
    counts = windows.count(store="counts")
    texts = windows.reduce(reduced, store="texts")
    joined = counts.to_stream().left_join(texts, lambda n, t: f"{n}/{java(t)}")
    joined.select_key(lambda w, v: w.key).to("out", key=str, value=str)
    b.stream("table").to("unused")


@case
def join_own_table(b: StreamsBuilder) -> None:
    rows = b.table("in")
    rows.to_stream().left_join(rows, plus).to("out")


# ---------------------------------------------------------------------------- processors


class Remember(Processor[str, str, str, str]):
    def init(self, context: Any) -> None:
        super().init(context)
        self.store = context.get_state_store("memory")

    def process(self, record: Record[str, str]) -> None:
        if record.key is None:
            self.context.forward(record.with_key("none"))
            return
        before = self.store.get(record.key)
        after = None if record.value is None else java(before) + record.value
        self.store.put(record.key, after)
        metadata = self.context.record_metadata()
        assert metadata is not None
        told = f"{metadata.topic}{metadata.partition}{metadata.offset}"
        time_ms = self.context.current_stream_time_ms()
        self.context.forward(record.with_value(f"{java(before)}|{told}|{time_ms}"))
        later = record.with_timestamp(record.timestamp + 100)
        self.context.forward(later.with_value(self.store.get(record.key)))


class Values(FixedKeyProcessor[str, str, str]):
    def init(self, context: Any) -> None:
        super().init(context)
        self.store = context.get_state_store("memory")

    def process(self, record: FixedKeyRecord[str, str]) -> None:
        key = "none" if record.key is None else record.key
        self.context.forward(record.with_value(self.store.put_if_absent(key, up(record.value))))
        self.context.forward(record.with_value(str(self.store.approximate_num_entries())))


class Router(Processor[str, str, str, str]):
    def process(self, record: Record[str, str]) -> None:
        self.context.forward(record, "nulls" if record.value is None else "texts")
        if record.value == "drop":
            self.context.forward(record.with_value("all"))


def memory(b: StreamsBuilder) -> None:
    b.add_state_store(Stores.persistent_key_value_store("memory"))


@case
def process(b: StreamsBuilder) -> None:
    memory(b)
    b.stream("in").process(Remember, "memory").to("out")


@case
def process_values(b: StreamsBuilder) -> None:
    memory(b)
    b.stream("in").process_values(Values, "memory").to("out")


@case
def forward_to_a_child(b: StreamsBuilder) -> None:
    routed = b.stream("in").process(Router)
    routed.map_values(lambda v: "null", name="nulls").to("out-nulls")
    routed.map_values(up, name="texts").to("out-texts")


@case
def process_then_count(b: StreamsBuilder) -> None:
    memory(b)
    counts = b.stream("in").process(Remember, "memory").group_by_key().count(store="counts")
    counts.to_stream().to("out")


class Windows(Processor[str, str, str, str]):
    def process(self, record: Record[str, str]) -> None:
        store = self.context.get_state_store("windows")
        key = "none" if record.key is None else record.key
        start = record.timestamp // 10 * 10
        before = store.fetch(key, start)
        store.put(key, record.value, start)
        seen = "".join(f"{at}{java(value)}" for at, value in store.fetch(key, 0, 1_000))
        self.context.forward(record.with_value(f"{java(before)}:{seen}"))


@case
def window_store(b: StreamsBuilder) -> None:
    b.add_state_store(Stores.persistent_window_store("windows", window_size=10, retention=50))
    b.stream("in").process(Windows, "windows").to("out")


# ---------------------------------------------------------------------------- punctuators


class Ticker(Processor[str, str, str, str]):
    def __init__(self, schedules: tuple[Callable[[Ticker], None], ...]) -> None:
        self.schedules = schedules
        self.calls = 0

    def init(self, context: Any) -> None:
        super().init(context)
        for schedule in self.schedules:
            schedule(self)

    def process(self, record: Record[str, str]) -> None:
        if record.value == "schedule":
            self.every(7, STREAM, "late")
        self.context.forward(record)

    def tick(self, name: str, time_ms: int) -> None:
        at = self.context.record_metadata()
        told = "empty" if at is None else f"{java(at.topic)}{at.partition}{at.offset}"
        stream, wall = self.context.current_stream_time_ms(), self.context.current_system_time_ms()
        self.context.forward(Record(name, f"{time_ms}|{stream}|{wall}|{told}", time_ms))

    def every(
        self, interval: int, kind: PunctuationType, name: str, start: int | None = None
    ) -> None:
        self.context.schedule(
            interval, kind, lambda time_ms: self.tick(name, time_ms), start_ms=start
        )

    def twice(self, interval: int, kind: PunctuationType) -> None:
        def call(time_ms: int) -> None:
            self.tick("twice", time_ms)
            self.calls += 1
            if self.calls == 2:
                schedule.cancel()

        schedule = self.context.schedule(interval, kind, call)


def ticking(name: str, *schedules: Callable[[Ticker], None]) -> None:
    def build(b: StreamsBuilder) -> None:
        b.stream("in").process(lambda: Ticker(schedules)).to("out")

    build.__name__ = name
    case(build)


ticking(
    "punctuate_stream_time",
    lambda t: t.every(10, STREAM, "ten"),
    lambda t: t.every(5, STREAM, "five"),
)
ticking(
    "punctuate_wall_clock", lambda t: t.every(10, WALL, "ten"), lambda t: t.every(5, WALL, "five")
)
ticking(
    "punctuate_and_cancel", lambda t: t.twice(10, STREAM), lambda t: t.every(30, WALL, "thirty")
)
ticking("punctuate_and_cancel_wall_clock", lambda t: t.twice(5, WALL))
ticking(
    "punctuate_from",
    lambda t: t.every(10, STREAM, "from 7", 7),
    lambda t: t.every(10, WALL, "from 2", 2),
)
ticking(
    "punctuate_from_past_and_future",
    lambda t: t.every(10, STREAM, "from 50", 50),
    lambda t: t.every(10, WALL, "from 40", 40),
)
ticking("punctuate_scheduled_later")


# ---------------------------------------------------------------------------- chains


@case
def count_of_counts(b: StreamsBuilder) -> None:
    counts = b.stream("in").group_by(lambda k, v: java(v)).count(store="first").to_stream()
    parity = counts.group_by(lambda k, n: "even" if n % 2 == 0 else "odd", key=str, value=int)
    parity.reduce(lambda one, two: one + two, store="second").to_stream().to("out")


@case
def windows_of_windows(b: StreamsBuilder) -> None:
    def start(window: Windowed[str], _count: int) -> str:
        return f"{window.key}{window.start_ms}"

    first = b.stream("in").group_by_key().windowed_by(10, grace=100).count(store="first")
    together = first.to_stream(lambda w, n: "all").group_by_key(key=str, value=int)
    second = together.windowed_by(20, grace=5).reduce(lambda one, two: one + two, store="second")
    second.to_stream(start).to("out", key=str, value=int)


@case
def through_a_topic(b: StreamsBuilder) -> None:
    b.stream("in").map_values(up).to("between")
    counts = b.stream(["between", "other"]).group_by_key().count(store="counts")
    counts.to_stream().to("out")


@case
def count_feeds_join(b: StreamsBuilder) -> None:
    stream = b.stream("in")
    counts = stream.group_by_key().count(store="counts")
    stream.left_join(counts, lambda v, n: f"{java(v)}{java(n)}").to("out", value=str)


# ---------------------------------------------------------------------------- the test


@pytest.mark.parametrize("name", sorted(CASES))
def test_results_equal_kafkas(name: str) -> None:
    golden = load(name)
    builder = StreamsBuilder()
    CASES[name](builder)
    found = replay(builder, golden)
    for number, (step, expected) in enumerate(zip(found["steps"], golden["steps"], strict=True)):
        assert step == expected, f"step {number}"
    assert found["dropped"] == golden["dropped"]
