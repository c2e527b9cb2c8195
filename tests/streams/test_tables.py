"""Joins and groups of tables equal those of Kafka Streams, record by record and word by word.

Each case builds the topology of the same name in
`tests/compat/jvm/results/src/main/java/goldens/Tables.java`; what 60 random updates made of it
there, without and with a cache, and its description are in `golden/tables/`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from golden_results import GOLDEN, load, replay

from aliran.streams import (
    KGroupedTable,
    KTable,
    ProcessingError,
    Processor,
    Record,
    Stores,
    StreamsBuilder,
    TopologyTestDriver,
)
from aliran.streams.processor import ProcessingContext
from aliran.streams.value_transformer import ValueTransformer

FOLDER = GOLDEN.parent / "tables"
Build = Callable[[StreamsBuilder], object]
CASES: dict[str, Build] = {}


def case(build: Build) -> Build:
    CASES[build.__name__] = build
    return build


def plus(one: object, two: object) -> str:
    return f"{java(one)}+{java(two)}"


def java(value: object) -> str:
    return "null" if value is None else str(value)


def add(aggregate: str, value: str) -> str | None:
    return None if value == "5" else f"{aggregate}+{java(value)}"


def subtract(aggregate: str, value: str) -> str | None:
    return None if value == "4" else f"{aggregate}-{value}"


def parity(value: str) -> str:
    return "even" if int(value) % 2 == 0 else "odd"


# ---------------------------------------------------------------------------- joins


@case
def join(b: StreamsBuilder) -> None:
    b.table("left").join(b.table("right"), plus).to_stream().to("out")


@case
def left_join(b: StreamsBuilder) -> None:
    b.table("left").left_join(b.table("right"), plus).to_stream().to("out")


@case
def outer_join(b: StreamsBuilder) -> None:
    b.table("left").outer_join(b.table("right"), plus).to_stream().to("out")


@case
def join_stored(b: StreamsBuilder) -> None:
    b.table("left").join(b.table("right"), plus, store="joined").to_stream().to("out")


@case
def left_join_stored_and_named(b: StreamsBuilder) -> None:
    left, right = b.table("left", store="l"), b.table("right", store="r")
    left.left_join(right, plus, name="both", store="joined").to_stream().to("out")


@case
def outer_join_options_without_name(b: StreamsBuilder) -> None:
    joined = b.table("left").outer_join(b.table("right"), plus, key=str, value=str)
    joined.to_stream().to("out")


@case
def join_named(b: StreamsBuilder) -> None:
    b.table("left").join(b.table("right"), plus, name="both").to_stream().to("out")


@case
def join_with_itself(b: StreamsBuilder) -> None:
    table = b.table("left")
    table.join(table, plus).to_stream().to("out")


@case
def outer_join_with_itself(b: StreamsBuilder) -> None:
    table = b.table("left")
    joined = table.outer_join(table, plus, store="joined")
    joined.filter(lambda k, v: v.startswith("1")).to_stream().to("out")


@case
def join_to_null(b: StreamsBuilder) -> None:
    def joiner(one: str, two: str | None) -> str | None:
        return None if two is None else one + two

    b.table("left").left_join(b.table("right"), joiner).to_stream().to("out", value=str)


@case
def join_of_views(b: StreamsBuilder) -> None:
    left = b.table("left").filter(lambda k, v: v != "1")
    right = b.table("right").map_values(lambda v: None if v == "2" else v + v)
    left.outer_join(right, plus).to_stream().to("out")


@case
def join_of_stored_views(b: StreamsBuilder) -> None:
    left = b.table("left").filter(lambda k, v: v != "1", store="f")
    right = b.table("right").map_values(lambda v: v + v, store="m")
    left.left_join(right, plus, store="j").to_stream().to("out")


@case
def join_of_counts(b: StreamsBuilder) -> None:
    left = b.stream("left").group_by_key().count()
    right = b.stream("right").group_by_key().count(store="r")
    left.outer_join(right, plus).to_stream().to("out")


@case
def join_of_windows(b: StreamsBuilder) -> None:
    left = b.stream("left").group_by_key().windowed_by(20, grace=1000).count()
    right = b.stream("right").group_by_key().windowed_by(20, grace=1000).count()
    joined = left.outer_join(right, plus)
    joined.to_stream(lambda w, v: f"{w.key}{w.start_ms}").to("out", key=str)


# ---------------------------------------------------------------------------- chains


@case
def filter_behind_a_join(b: StreamsBuilder) -> None:
    joined = b.table("left").join(b.table("right"), plus)
    joined.filter(lambda k, v: v.startswith("1")).to_stream().to("out")


@case
def filter_behind_a_left_join(b: StreamsBuilder) -> None:
    joined = b.table("left").left_join(b.table("right"), plus, store="j")
    joined.filter(lambda k, v: v.startswith("1")).to_stream().to("out")


@case
def filter_before_its_source_is_stored(b: StreamsBuilder) -> None:
    left = b.table("left")
    left.filter(lambda k, v: v.startswith("1")).to_stream().to("early")
    left.join(b.table("right"), plus).to_stream().to("out")
    left.filter(lambda k, v: v.startswith("1")).to_stream().to("late")


@case
def filter_asked_through_views(b: StreamsBuilder) -> None:
    doubled = b.table("left").map_values(lambda v: v + v).filter(lambda k, v: v.startswith("1"))
    shouted = doubled.map_values(lambda v: v + "!")
    shouted.outer_join(b.table("right"), plus).to_stream().to("out")


@case
def join_of_joins(b: StreamsBuilder) -> None:
    one, two, three = b.table("one"), b.table("two"), b.table("three")
    joined = one.join(two, plus).left_join(three.outer_join(two, plus), plus)
    joined.to_stream().to("out")


@case
def left_join_of_left_joins(b: StreamsBuilder) -> None:
    one, two, three = b.table("one"), b.table("two"), b.table("three")
    first = one.left_join(two, plus).map_values(lambda v: v + "!")
    second = one.left_join(three, plus).filter(lambda k, v: not v.startswith("1"))
    first.left_join(second, plus).to_stream().to("out")


@case
def stream_joins_a_join(b: StreamsBuilder) -> None:
    joined = b.table("left").outer_join(b.table("right"), plus).map_values(lambda v: v + "!")
    b.stream("stream").left_join(joined, plus).to("out")


# ---------------------------------------------------------------------------- groups


def by_parity(table: KTable[str, str]) -> KGroupedTable[str, str]:
    return table.group_by(lambda k, v: (parity(v), v))


def by_first(table: KTable[str, str]) -> KGroupedTable[str, str]:
    return table.group_by(lambda k, v: (v[0], v))


@case
def group_count(b: StreamsBuilder) -> None:
    by_parity(b.table("left")).count().to_stream().to("out")


@case
def group_count_stored(b: StreamsBuilder) -> None:
    groups = b.table("left").group_by(lambda k, v: (v, k), name="by-value")
    groups.count(name="counter", store="counts").to_stream().to("out")


@case
def group_reduce(b: StreamsBuilder) -> None:
    by_parity(b.table("left")).reduce(add, subtract, store="sums").to_stream().to("out")


@case
def group_aggregate(b: StreamsBuilder) -> None:
    table = by_parity(b.table("left")).aggregate(
        lambda: "<",
        lambda k, v, a: add(a, k + v),
        lambda k, v, a: subtract(a, v),
        key=str,
        value=str,
    )
    table.to_stream().to("out")


@case
def group_to_nothing(b: StreamsBuilder) -> None:
    def mapper(key: str, value: str) -> Any:
        if value == "1":
            return None
        return (None if value == "2" else parity(value), None if value == "3" else value)

    groups = b.table("left").group_by(mapper, key=str, value=str)
    groups.reduce(add, subtract).to_stream().to("out")


def total(one: int, two: int) -> int:
    return one + two


def difference(one: int, two: int) -> int:
    return one - two


@case
def group_of_a_count(b: StreamsBuilder) -> None:
    counts = b.stream("left").group_by_key().count()
    groups = counts.group_by(lambda k, n: ("even" if n % 2 == 0 else "odd", n), key=str, value=int)
    groups.reduce(total, difference).to_stream().to("out")


@case
def group_of_a_filtered_count(b: StreamsBuilder) -> None:
    even = b.stream("left").group_by_key().count().filter(lambda k, n: n % 2 == 0)
    even.group_by(lambda k, n: ("all", n), key=str, value=int).count().to_stream().to("out")


@case
def group_of_an_aggregate(b: StreamsBuilder) -> None:
    sums = (
        b.stream("left").group_by_key().aggregate(lambda: "<", lambda k, v, a: add(a, v), value=str)
    )
    groups = sums.group_by(lambda k, v: ("x" if len(v) % 4 == 0 else "y", v))
    groups.reduce(add, subtract).to_stream().to("out")


@case
def group_of_a_reduce(b: StreamsBuilder) -> None:
    sums = b.stream("left").group_by_key().reduce(add)
    groups = sums.group_by(lambda k, v: ("x" if len(v) % 4 == 0 else "y", v))
    groups.count().to_stream().to("out")


@case
def group_of_a_join(b: StreamsBuilder) -> None:
    joined = b.table("left").join(b.table("right"), plus)
    by_first(joined).reduce(add, subtract).to_stream().to("out")


@case
def group_of_a_left_join(b: StreamsBuilder) -> None:
    joined = b.table("left").left_join(b.table("right"), plus, store="j")
    by_first(joined).reduce(add, subtract).to_stream().to("out")


@case
def group_of_views(b: StreamsBuilder) -> None:
    doubled = b.table("left").map_values(lambda v: v + v).filter(lambda k, v: v != "11")
    keyed = doubled.map_values(lambda k, v: k + v, store="m")
    groups = keyed.group_by(lambda k, v: (v[1], k))
    groups.reduce(add, subtract).to_stream().to("out")


@case
def group_of_windows(b: StreamsBuilder) -> None:
    counts = b.stream("left").group_by_key().windowed_by(20, grace=5).count()
    groups = counts.group_by(lambda w, n: (w.key, n), key=str, value=int)
    groups.reduce(total, difference).to_stream().to("out")


@case
def group_named_used_twice(b: StreamsBuilder) -> None:
    groups = b.table("left").group_by(lambda k, v: (v, k), name="g")
    groups.count(store="counts").to_stream().to("out")
    groups.reduce(add, subtract).to_stream().to("more")


@case
def group_used_twice(b: StreamsBuilder) -> None:
    groups = b.table("left").group_by(lambda k, v: (v, k))
    groups.count().to_stream().to("out")
    groups.reduce(add, subtract, name="r", store="sums").to_stream().to("more")


@case
def group_of_groups(b: StreamsBuilder) -> None:
    counts = b.table("left").group_by(lambda k, v: (v, k)).count().filter(lambda k, n: n > 0)
    groups = counts.group_by(lambda k, n: (parity(k), n), key=str, value=int)
    groups.reduce(total, difference).to_stream().to("out")


# ---------------------------------------------------------------------------- transformers


class Numbered(ValueTransformer[str, str, str]):
    """Tells how often it was called for the key, from a store."""

    def init(self, context: ProcessingContext) -> None:
        super().init(context)
        self.calls = context.get_state_store("calls")

    def transform(self, key: str, value: str | None) -> str | None:
        number = (self.calls.get(key) or 0) + 1
        self.calls.put(key, number)
        return None if value == "3" else f"{key}{java(value)}#{number}"


class Shouting(ValueTransformer[str, str, str]):
    """Needs no store."""

    def transform(self, key: str, value: str | None) -> str | None:
        return None if value is None or value == "2" else f"{key}{value}!"


def calls(b: StreamsBuilder) -> None:
    b.add_state_store(Stores.persistent_key_value_store("calls", value=int))


@case
def transform_values(b: StreamsBuilder) -> None:
    calls(b)
    b.table("left").transform_values(Numbered, "calls").to_stream().to("out", value=str)


@case
def transform_values_stored(b: StreamsBuilder) -> None:
    calls(b)
    table = b.table("left").transform_values(Numbered, "calls", store="mine", name="named")
    table.to_stream().to("out", value=str)


@case
def transform_values_grouped(b: StreamsBuilder) -> None:
    calls(b)
    table = b.table("left").transform_values(Numbered, "calls")
    groups = table.group_by(lambda k, v: (k, v), value=str)
    groups.reduce(add, subtract).to_stream().to("out")


@case
def transform_values_stored_and_grouped(b: StreamsBuilder) -> None:
    calls(b)
    table = b.table("left", store="rows").transform_values(Numbered, "calls", store="mine")
    groups = table.filter(lambda k, v: k != "b").group_by(lambda k, v: (k, v), value=str)
    groups.reduce(add, subtract).to_stream().to("out")


@case
def transform_values_joined(b: StreamsBuilder) -> None:
    shouted = b.table("left").transform_values(Shouting, key=str, value=str)
    shouted.left_join(b.table("right"), plus).to_stream().to("out")
    b.stream("stream").left_join(shouted, plus).to("joined")


def test_a_transformer_cannot_forward() -> None:
    class Forwarding(Shouting):
        def transform(self, key: str, value: str | None) -> str | None:
            self.context.forward(Record(key, value, 0))  # type: ignore[attr-defined]
            return value

    b = StreamsBuilder()
    b.table("left").transform_values(Forwarding, name="louder").to_stream().to("out", value=str)
    with TopologyTestDriver(b.build()) as driver:
        topic = driver.create_input_topic("left")
        with pytest.raises(ProcessingError, match="'louder' transforms values and cannot forward"):
            topic.pipe_input("a", "1")


# ---------------------------------------------------------------------------- foreign keys


def reference(value: str) -> str | None:
    """Which row of the other table a value refers to."""
    return None if value == "5" else "abcd"[int(value[0]) % 4]


@case
def foreign_join(b: StreamsBuilder) -> None:
    joined = b.table("left").join(b.table("right"), plus, foreign_key=reference)
    joined.to_stream().to("out")


@case
def foreign_left_join(b: StreamsBuilder) -> None:
    joined = b.table("left").left_join(b.table("right"), plus, foreign_key=reference)
    joined.to_stream().to("out")


@case
def foreign_join_stored(b: StreamsBuilder) -> None:
    left, right = b.table("left", store="l"), b.table("right", store="r")
    left.join(right, plus, foreign_key=reference, store="joined").to_stream().to("out")


@case
def foreign_left_join_named(b: StreamsBuilder) -> None:
    def extract(key: str, value: str) -> str | None:
        return "a" if key == "d" else reference(value)

    joined = b.table("left").left_join(
        b.table("right"), plus, foreign_key=extract, name="refer", store="joined"
    )
    joined.to_stream().to("out")


@case
def foreign_join_options_without_name(b: StreamsBuilder) -> None:
    joined = b.table("left").join(b.table("right"), plus, foreign_key=reference, key=str, value=str)
    joined.filter(lambda k, v: v.startswith("1")).to_stream().to("out")


@case
def foreign_join_with_itself(b: StreamsBuilder) -> None:
    table = b.table("left")
    table.join(table, plus, foreign_key=reference).to_stream().to("out")


@case
def foreign_left_join_of_views(b: StreamsBuilder) -> None:
    left = b.table("left").filter(lambda k, v: v != "1").map_values(lambda v: v + v)
    right = b.table("right").map_values(lambda v: None if v == "2" else v + "!")
    left.left_join(right, plus, foreign_key=reference).to_stream().to("out")


@case
def foreign_join_of_aggregates(b: StreamsBuilder) -> None:
    left = b.stream("left").group_by_key().reduce(lambda one, two: two)
    right = b.stream("right").group_by_key().count()
    left.join(right, plus, foreign_key=reference).to_stream().to("out")


@case
def foreign_join_grouped(b: StreamsBuilder) -> None:
    joined = b.table("left").join(b.table("right"), plus, foreign_key=reference)
    groups = joined.group_by(lambda k, v: (v[2:], k))
    groups.reduce(add, subtract).to_stream().to("out")


@case
def foreign_joins_in_a_row(b: StreamsBuilder) -> None:
    joined = b.table("left").left_join(b.table("right"), plus, foreign_key=reference)
    joined.join(b.table("third"), plus, foreign_key=reference).to_stream().to("out")


@case
def foreign_join_joined_by_key(b: StreamsBuilder) -> None:
    joined = b.table("left").left_join(b.table("right"), plus, foreign_key=reference)
    joined.outer_join(b.table("third"), plus).to_stream().to("out")


# ---------------------------------------------------------------------------- global tables


def own_key(key: str, value: str) -> str:
    return key


@case
def global_join(b: StreamsBuilder) -> None:
    def select(key: str, value: str | None) -> str | None:
        return None if value is None else "abcd"[int(value) % 4]

    b.stream("left").join(b.global_table("right"), plus, key_selector=select).to("out")


@case
def global_left_join(b: StreamsBuilder) -> None:
    def joiner(key: str, one: str, two: str | None) -> str:
        return f"{java(key)}:{plus(one, two)}"

    table = b.global_table("right", store="rows")
    b.stream("left").left_join(table, joiner, name="look-up").to("out")


@case
def global_join_of_a_rekeyed_stream(b: StreamsBuilder) -> None:
    table = b.global_table("right", name="everywhere")
    rekeyed = b.stream("left").select_key(lambda k, v: v)
    joined = rekeyed.left_join(table, plus, key_selector=own_key)
    joined.group_by_key().count().to_stream().to("out")
    b.stream("third").join(table, plus, key_selector=own_key).to("more")


@case
def global_tables(b: StreamsBuilder) -> None:
    one, table, two = b.global_table("one"), b.table("table"), b.global_table("two")
    joined = table.to_stream().left_join(one, plus).left_join(two, plus, key_selector=own_key)
    joined.to("out")


class Keep(Processor[str, str, None, None]):
    """Writes a global store."""

    def process(self, record: Record[str, str]) -> None:
        if record.key is not None:
            value = None if record.value is None else f"{record.value}@{record.timestamp}"
            self.context.get_state_store("kept").put(record.key, value)


class Look(Processor[str, str, str, str]):
    """Reads a global store that it is not connected to."""

    def process(self, record: Record[str, str]) -> None:
        store = self.context.get_state_store("kept")
        value = "none" if record.key is None else store.get(record.key)
        self.context.forward(record.with_value(value))


@case
def global_store(b: StreamsBuilder) -> None:
    b.add_global_store(Stores.persistent_key_value_store("kept"), "right", Keep)
    b.stream("left").process(Look).to("out", key=str, value=str)


def test_a_global_table_can_be_looked_into() -> None:
    b = StreamsBuilder()
    b.stream("left").join(b.global_table("right", store="rows"), plus).to("out")
    with TopologyTestDriver(b.build()) as driver:
        driver.create_input_topic("right").pipe_input("a", "1", timestamp_ms=7)
        assert list(driver.get_timestamped_key_value_store("rows").all()) == [("a", ("1", 7))]
        assert set(driver.get_all_state_stores()) == {"rows"}


# ---------------------------------------------------------------------------- the tests


def test_every_golden_file_has_a_case() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(CASES)


@pytest.mark.parametrize("cached", ["", "_cached"])
@pytest.mark.parametrize("name", sorted(CASES))
def test_results_equal_kafkas(name: str, cached: str) -> None:
    golden = load(name + cached, FOLDER)
    builder = StreamsBuilder()
    CASES[name](builder)
    found = replay(builder, golden)
    for number, (step, expected) in enumerate(zip(found["steps"], golden["steps"], strict=True)):
        assert step == expected, f"step {number}"
    assert found["dropped"] == golden["dropped"]


@pytest.mark.parametrize("name", sorted(CASES))
def test_descriptions_equal_kafkas(name: str) -> None:
    builder = StreamsBuilder()
    CASES[name](builder)
    assert str(builder.describe()) == (FOLDER / f"{name}.txt").read_text()
