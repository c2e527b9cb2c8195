"""Descriptions equal those of Kafka Streams to the byte.

Kafka Streams 4.3.1 wrote the expected texts in `golden/`, see `tests/compat/jvm/describe`.
Each case here builds what the case of the same name builds there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from topology_parts import (
    Copy,
    CopyValues,
    ignore,
    joined,
    last,
    listed,
    pairs,
    same,
    swap,
    value_of,
    yes,
)

from aliran.streams import (
    Branched,
    Consumed,
    Grouped,
    Joined,
    KGroupedStream,
    KStream,
    KTable,
    Materialized,
    Named,
    Produced,
    Repartitioned,
    Stores,
    StoreSpec,
    StreamsBuilder,
    TimeWindows,
    Topology,
    TopologyBuilder,
)

GOLDEN = Path(__file__).parent / "golden"
CASES: dict[str, Callable[[], Topology]] = {}


def dsl(build: Callable[[StreamsBuilder], None]) -> None:
    def case() -> Topology:
        builder = StreamsBuilder()
        build(builder)
        return builder.build()

    CASES[build.__name__] = case


def hand(build: Callable[[TopologyBuilder], None]) -> None:
    def case() -> Topology:
        builder = TopologyBuilder()
        build(builder)
        return builder.build()

    CASES[build.__name__] = case


class WithStore(Copy):
    @staticmethod
    def stores() -> list[StoreSpec]:
        return [Stores.persistent_key_value_store("brought")]


def unchanged(key: str, value: str, aggregate: str) -> str:
    return aggregate


def by_value(key: str, value: str, context: Any) -> str:
    return value


def regrouped(stream: KStream[str, str]) -> KGroupedStream[str, str]:
    return stream.group_by(value_of, key=str)


MINUTE = TimeWindows.of_size_and_grace("1m", "10s")


# ---------------------------------------------------------------------------- stateless


@dsl
def stateless_all(b: StreamsBuilder) -> None:
    (
        b.stream("a").filter(yes).filter_not(yes).map(swap).map_values(same).map_values(value_of)
        .flat_map(pairs).flat_map_values(listed).flat_map_values(lambda key, value: [value])
        .select_key(value_of).peek(ignore).to("z")
    )  # fmt: skip


@dsl
def stateless_named(b: StreamsBuilder) -> None:
    (
        b.stream("a", name="read").filter(yes, name="keep").filter_not(yes, name=Named("drop"))
        .map(swap, name="swap").map_values(same, name="same").flat_map(pairs, name="many")
        .flat_map_values(listed, name="words").select_key(value_of, name="rekey")
        .peek(ignore, name="look").to("z", Produced(name="write"))
    )  # fmt: skip


@dsl
def some_named(b: StreamsBuilder) -> None:
    b.stream("a").filter(yes, name="keep").map_values(same).peek(ignore, name="look").to("z")


@dsl
def foreach_and_print(b: StreamsBuilder) -> None:
    s = b.stream("a")
    s.foreach(ignore)
    s.print()
    s.foreach(ignore, name="each")
    s.print(name="printed")


@dsl
def several_topics(b: StreamsBuilder) -> None:
    topics = ["orders", "payments", "returns", "alpha", "beta", "topic-1", "topic-2"]
    b.stream(topics).to("z")


@dsl
def many_topics(b: StreamsBuilder) -> None:
    b.stream(f"t{number}" for number in range(17)).to("z")


@dsl
def fan_out(b: StreamsBuilder) -> None:
    s = b.stream("a")
    s.to("x")
    s.map_values(same).filter(yes).to("y")
    s.filter(yes).to("z")


@dsl
def wide_fan_out(b: StreamsBuilder) -> None:
    s = b.stream("a")
    for i in range(14):
        at: KStream[str, Any] = s
        for _ in range(i * 7 % 5):
            at = at.map_values(same)
        at.to(f"out-{i}")


@dsl
def merge(b: StreamsBuilder) -> None:
    b.stream("a").merge(b.stream("b")).to("z")


@dsl
def merge_three_named(b: StreamsBuilder) -> None:
    b.stream("a").merge(b.stream("b"), name="both").merge(b.stream("c")).to("z")


@dsl
def merge_with_itself(b: StreamsBuilder) -> None:
    s = b.stream("a")
    s.merge(s).to("z")


@dsl
def diamond(b: StreamsBuilder) -> None:
    s = b.stream("a")
    left: KStream[str, str] = s.map_values(same).filter(yes)
    right = s.filter(yes)
    left.merge(right).merge(s).to("z")
    left.to("y")


@dsl
def same_topic_twice(b: StreamsBuilder) -> None:
    b.stream("a").map_values(same).to("x")
    b.stream("a").filter(yes).to("y")


@dsl
def same_topic_twice_merged(b: StreamsBuilder) -> None:
    b.stream("a").map_values(same).merge(b.stream("a")).to("y")


@dsl
def separate_subtopologies(b: StreamsBuilder) -> None:
    b.stream("b").to("y")
    b.stream("a").to("x")
    b.stream("c", Consumed(name="AAA")).to("z")


@dsl
def dynamic_topic_behind_filter(b: StreamsBuilder) -> None:
    b.stream("a").filter(yes).to(by_value)


# ---------------------------------------------------------------------------- branches


@dsl
def branch_default(b: StreamsBuilder) -> None:
    branches = b.stream("a").split().branch(yes).branch(yes).default_branch()
    for number in range(3):
        branches[f"KSTREAM-BRANCH-0000000001{number}"].to(f"out-{number}")


@dsl
def branch_named(b: StreamsBuilder) -> None:
    branches = (
        b.stream("a").split(name="by-").branch(yes, Branched(name="x")).branch(yes)
        .default_branch(name="rest")
    )  # fmt: skip
    branches["by-x"].to("x")
    branches["by-2"].map_values(same).to("y")
    branches["by-rest"].to("z")


@dsl
def branch_chained(b: StreamsBuilder) -> None:
    branches = (
        b.stream("a").split()
        .branch(yes, chain=lambda s: s.map_values(same).to("x"))
        .branch(yes, Branched("second", lambda s: s.to("y")))
        .no_default_branch()
    )  # fmt: skip
    assert branches == {}


@dsl
def branch_only_split(b: StreamsBuilder) -> None:
    b.stream("a").split().no_default_branch()


@dsl
def branch_rekeyed_join(b: StreamsBuilder) -> None:
    t = b.table("t")
    branches = b.stream("a").select_key(value_of).split().branch(yes).no_default_branch()
    next(iter(branches.values())).join(t, joined).to("z")


# ---------------------------------------------------------------------------- aggregations


@dsl
def wordcount(b: StreamsBuilder) -> None:
    words = b.stream("a").flat_map_values(lambda text: text.split(" "))
    words.group_by(value_of).count(store="counts").to_stream().to("z", value=int)


@dsl
def count_unnamed(b: StreamsBuilder) -> None:
    regrouped(b.stream("a")).count().to_stream().to("z")


@dsl
def count_named(b: StreamsBuilder) -> None:
    regrouped(b.stream("a")).count(name="counter").to_stream(name="out").to("z")


@dsl
def count_options_without_name(b: StreamsBuilder) -> None:
    b.stream("a").group_by_key().count(Materialized(key=str, value=int)).to_stream().to("z")


@dsl
def count_windowed_options_without_name(b: StreamsBuilder) -> None:
    b.stream("a").group_by_key().windowed_by(MINUTE).count(key=str).to_stream().to("z")


@dsl
def group_by_key_count(b: StreamsBuilder) -> None:
    b.stream("a").group_by_key().count().to_stream().to("z")


@dsl
def group_by_key_after_map(b: StreamsBuilder) -> None:
    b.stream("a").map(swap).group_by_key(key=str).count().to_stream().to("z")


@dsl
def group_by_key_named_after_map(b: StreamsBuilder) -> None:
    mapped = b.stream("a").map(swap)
    mapped.group_by_key(Grouped(name="grp", key=str)).count(store="s").to_stream().to("z")


@dsl
def group_by_named(b: StreamsBuilder) -> None:
    b.stream("a").group_by(value_of, name="grp").count().to_stream().to("z")


@dsl
def reduce(b: StreamsBuilder) -> None:
    regrouped(b.stream("a")).reduce(last).to_stream().to("z")


@dsl
def reduce_named(b: StreamsBuilder) -> None:
    regrouped(b.stream("a")).reduce(last, store="s", name="last").to_stream().to("z")


@dsl
def aggregate(b: StreamsBuilder) -> None:
    regrouped(b.stream("a")).aggregate(str, unchanged).to_stream().to("z")


@dsl
def aggregate_store(b: StreamsBuilder) -> None:
    regrouped(b.stream("a")).aggregate(str, unchanged, Materialized(store="s")).to_stream().to("z")


@dsl
def aggregate_named_with_options(b: StreamsBuilder) -> None:
    grouped = regrouped(b.stream("a"))
    grouped.aggregate(str, unchanged, name="agg", value=str, key=str).to_stream().to("z")


@dsl
def trending(b: StreamsBuilder) -> None:
    tags = b.stream("tweets").filter(yes).flat_map_values(listed)
    counts = tags.group_by(value_of).windowed_by("1m", grace="10s").count(store="tag-counts")
    counts.to_stream().to("trending")


@dsl
def windowed_all(b: StreamsBuilder) -> None:
    g = b.stream("a").group_by_key()
    g.windowed_by(MINUTE).count().to_stream().to("x")
    g.windowed_by(MINUTE).reduce(last).to_stream().to("y")
    hopping = g.windowed_by(MINUTE.advance_by("10s"))
    hopping.aggregate(str, unchanged).to_stream().to("z")
    g.windowed_by(MINUTE).count(name="n", store="s")


@dsl
def two_counts_unnamed_group(b: StreamsBuilder) -> None:
    g = regrouped(b.stream("a"))
    g.count().to_stream().to("x")
    g.reduce(last).to_stream().to("y")


@dsl
def two_counts_named_group(b: StreamsBuilder) -> None:
    g = b.stream("a").group_by(value_of, name="grp")
    g.count().to_stream().to("x")
    g.windowed_by(MINUTE).reduce(last).to_stream().to("y")


@dsl
def shared_repartition_between_streams(b: StreamsBuilder) -> None:
    g = b.stream("a").group_by(value_of, name="grp")
    g.count().to_stream().to("x")
    b.stream("b").select_key(value_of).repartition(name="rep").to("y")
    g.reduce(last).to_stream().to("z")


@dsl
def count_again(b: StreamsBuilder) -> None:
    first = regrouped(b.stream("a")).count(store="first").to_stream()
    first.group_by(lambda key, count: key).count(store="second").to_stream().to("z")


@dsl
def merged_then_grouped(b: StreamsBuilder) -> None:
    merged: KStream[str, str] = b.stream("a").merge(b.stream("b").select_key(value_of))
    merged.group_by_key().count(store="s").to_stream().to("z")


# ---------------------------------------------------------------------------- tables


@dsl
def table_only(b: StreamsBuilder) -> None:
    b.table("t")


@dsl
def table_to_stream(b: StreamsBuilder) -> None:
    b.table("t").to_stream().to("z")


@dsl
def table_with_store(b: StreamsBuilder) -> None:
    b.table("t", store="s").to_stream().to("z")


@dsl
def table_named(b: StreamsBuilder) -> None:
    b.table("t", name="tab").to_stream().to("z")


@dsl
def table_named_with_store(b: StreamsBuilder) -> None:
    b.table("t", name="tab", store="s").to_stream(name="str").to("z")


@dsl
def table_views(b: StreamsBuilder) -> None:
    kept: KTable[str, str] = b.table("t").filter(yes).filter_not(yes)
    kept.map_values(same).map_values(value_of).to_stream().to("z")


@dsl
def table_views_named(b: StreamsBuilder) -> None:
    b.table("t").filter(yes, name="f").map_values(same, name="m").to_stream().to("z")


@dsl
def table_views_stored(b: StreamsBuilder) -> None:
    mapped = b.table("t").filter(yes, store="fs").map_values(same, Materialized(store="ms"))
    mapped.filter_not(yes, name="n", store="ns").to_stream().to("z")


@dsl
def table_views_options_without_name(b: StreamsBuilder) -> None:
    kept = b.table("t").filter(yes, key=str)
    kept.map_values(same, value=str).to_stream().to("z")


@dsl
def table_to_stream_rekeyed(b: StreamsBuilder) -> None:
    b.table("t").to_stream(value_of).group_by_key().count().to_stream().to("z")


@dsl
def table_to_stream_rekeyed_named(b: StreamsBuilder) -> None:
    b.table("t").to_stream(value_of, name="out").to("z")


@dsl
def to_table(b: StreamsBuilder) -> None:
    b.stream("a").to_table().to_stream().to("z")


@dsl
def to_table_stored(b: StreamsBuilder) -> None:
    b.stream("a").to_table(store="s").to_stream().to("z")


@dsl
def to_table_named(b: StreamsBuilder) -> None:
    b.stream("a").to_table(name="tab", store="s").to_stream().to("z")


@dsl
def to_table_rekeyed(b: StreamsBuilder) -> None:
    b.stream("a").select_key(value_of).to_table().to_stream().to("z")


@dsl
def to_table_rekeyed_named(b: StreamsBuilder) -> None:
    b.stream("a").select_key(value_of).to_table(name="tab").to_stream().to("z")


# ---------------------------------------------------------------------------- joins


@dsl
def join(b: StreamsBuilder) -> None:
    b.stream("a").join(b.table("t"), joined).to("z")


@dsl
def join_stored(b: StreamsBuilder) -> None:
    t = b.table("t", store="s")
    b.stream("a").join(t, joined).to("z")


@dsl
def left_join_named(b: StreamsBuilder) -> None:
    b.stream("a").left_join(b.table("t"), joined, Joined(name="jn")).to("z")


@dsl
def join_rekeyed(b: StreamsBuilder) -> None:
    t = b.table("t")
    b.stream("a").select_key(value_of).join(t, joined).to("z")


@dsl
def join_rekeyed_named(b: StreamsBuilder) -> None:
    t = b.table("t")
    b.stream("a").select_key(value_of).join(t, joined, name="jn").to("z")


@dsl
def left_join_rekeyed(b: StreamsBuilder) -> None:
    t = b.table("t")
    b.stream("a").map(swap).left_join(t, joined).to("z")


@dsl
def join_twice_rekeyed(b: StreamsBuilder) -> None:
    t, u = b.table("t"), b.table("u")
    s = b.stream("a").select_key(value_of)
    s.join(t, joined).to("y")
    s.left_join(u, joined).to("z")


@dsl
def join_twice_rekeyed_named(b: StreamsBuilder) -> None:
    t = b.table("t")
    s = b.stream("a").select_key(value_of)
    s.join(t, joined, name="one").to("y")
    s.join(t, joined, name="two").to("z")


@dsl
def join_chain(b: StreamsBuilder) -> None:
    t, u = b.table("t"), b.table("u")
    b.stream("a").join(t, joined).left_join(u, joined).to("z")


@dsl
def join_view(b: StreamsBuilder) -> None:
    t = b.table("t").filter(yes).map_values(same)
    b.stream("a").join(t, joined).to("z")


@dsl
def join_stored_view(b: StreamsBuilder) -> None:
    t = b.table("t").filter(yes, store="fs").map_values(same)
    b.stream("a").join(t, joined).to("z")


@dsl
def join_aggregate(b: StreamsBuilder) -> None:
    counts = regrouped(b.stream("a")).count()
    b.stream("b").join(counts, joined).to("z")


@dsl
def join_to_table(b: StreamsBuilder) -> None:
    t = b.stream("a").to_table()
    b.stream("b").join(t, joined).to("z")


@dsl
def join_own_table(b: StreamsBuilder) -> None:
    s = b.stream("a")
    counts = s.group_by_key().count(store="s")
    s.left_join(counts, joined).to("z")


# ---------------------------------------------------------------------------- repartitions


@dsl
def repartition(b: StreamsBuilder) -> None:
    b.stream("a").repartition().to("z")


@dsl
def repartition_named(b: StreamsBuilder) -> None:
    b.stream("a").map_values(same).repartition(name="rep", partitions=3).to("z")


@dsl
def repartition_then_group(b: StreamsBuilder) -> None:
    s = b.stream("a").select_key(value_of).repartition()
    s.group_by_key().count(store="s").to_stream().to("z")


@dsl
def repartition_then_join(b: StreamsBuilder) -> None:
    t = b.table("t")
    s: KStream[str, str] = b.stream("a").select_key(value_of)
    s.repartition(Repartitioned(name="rep")).join(t, joined).to("z")


@dsl
def select_key_chain(b: StreamsBuilder) -> None:
    s = b.stream("a").select_key(value_of).map_values(same).select_key(value_of).filter(yes)
    counts = s.group_by_key().count(store="s").to_stream()
    counts.select_key(lambda key, count: key).repartition().to("z")


@dsl
def rekeyed_many_ways(b: StreamsBuilder) -> None:
    t = b.table("t")
    s: KStream[str, str] = b.stream("a").select_key(value_of)
    s.group_by_key().count().to_stream().to("x")
    s.group_by_key(name="grp").reduce(last).to_stream().to("y")
    s.join(t, joined).to("z")
    s.to_table().to_stream().to("w")


# ---------------------------------------------------------------------------- processors


@dsl
def process(b: StreamsBuilder) -> None:
    b.stream("a").process(Copy).to("z")


@dsl
def process_named(b: StreamsBuilder) -> None:
    b.stream("a").process(Copy, name="proc").filter(yes).to("z")


@dsl
def process_stores(b: StreamsBuilder) -> None:
    for name in ("one", "two", "unused"):
        b.add_state_store(Stores.persistent_key_value_store(name))
    b.stream("a").process(Copy, "two", "one").to("z")


@dsl
def process_shared_store(b: StreamsBuilder) -> None:
    shared = Stores.in_memory_key_value_store("shared")
    b.stream("a").process(Copy, shared).to("x")
    b.stream("b").map_values(same).process(Copy, shared).to("y")
    b.stream("c").to("z")


@dsl
def process_values(b: StreamsBuilder) -> None:
    b.add_state_store(Stores.persistent_key_value_store("one"))
    b.stream("a").process_values(CopyValues, "one").group_by_key().count().to_stream().to("z")


@dsl
def process_values_named(b: StreamsBuilder) -> None:
    b.stream("a").process_values(CopyValues, name="vals").map_values(same).to("z")


@dsl
def process_then_group(b: StreamsBuilder) -> None:
    b.stream("a").process(Copy).group_by_key().count().to_stream().to("z")


@dsl
def process_supplied_store(b: StreamsBuilder) -> None:
    b.stream("a").process(WithStore).to("z")


# ---------------------------------------------------------------------------- by hand


def kv(name: str) -> StoreSpec:
    return Stores.persistent_key_value_store(name)


@hand
def hand_chain(t: TopologyBuilder) -> None:
    t.add_source("in", "a").add_processor("work", Copy, "in").add_sink("out", "z", "work")


@hand
def hand_many(t: TopologyBuilder) -> None:
    t.add_source("s1", "a", "b").add_source("s2", "c").add_source("s3", "d")
    t.add_processor("p1", Copy, "s1", "s2").add_processor("p2", Copy, "p1")
    t.add_processor("p3", Copy, "s3").add_processor("p4", Copy, "p1", "p2")
    t.add_state_store(kv("st"), "p2").add_state_store(kv("x"))
    t.connect_processor_and_state_stores("p4", "st", "x")
    t.add_sink("k1", "y", "p4", "p2").add_sink("k2", "z", "p3")


@hand
def hand_store_joins_parts(t: TopologyBuilder) -> None:
    t.add_source("s1", "a").add_source("s2", "b")
    t.add_processor("p1", Copy, "s1").add_processor("p2", Copy, "s2")
    t.add_state_store(kv("st"), "p1", "p2")


@hand
def hand_many_stores(t: TopologyBuilder) -> None:
    t.add_source("s", "a").add_processor("p", Copy, "s")
    for number in range(20):
        t.add_state_store(kv(f"store-{number * 37}"), "p")


def random_topology(seed: int) -> Topology:
    state = seed * 7919

    def below(limit: int) -> int:
        nonlocal state
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        return (state >> 16) % limit

    builder, names = TopologyBuilder(), []
    for number in range(3):
        names.append(f"src{below(1000)}-{number}")
        builder.add_source(names[-1], f"topic-{number}")
    for number in range(25):
        name = f"n{below(1000)}-{number}"
        parents = dict.fromkeys(names[below(len(names))] for _ in range(1 + below(3)))
        builder.add_processor(name, Copy, *parents)
        names.append(name)
    return builder.build()


for random_seed in range(1, 9):
    CASES[f"hand_random_{random_seed}"] = partial(random_topology, random_seed)


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("*.txt")))
def test_description_equals_kafkas(name: str) -> None:
    assert str(CASES[name]().describe()) == (GOLDEN / f"{name}.txt").read_text()


def test_every_case_has_a_golden() -> None:
    assert set(CASES) == {path.stem for path in GOLDEN.glob("*.txt")}


def test_describing_twice_gives_the_same() -> None:
    topology = CASES["diamond"]()
    assert topology.describe() == topology.describe()
