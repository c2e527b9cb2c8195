"""Topology optimisation: what it makes of a plan is what Kafka Streams makes of it.

Kafka Streams 4.3.1 wrote the expected descriptions in `golden/optimized/`, see
`tests/compat/jvm/describe`; each case here builds what the case of the same name builds there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from topology_parts import Copy, CopyValues, ignore, joined, last, listed, same, swap, value_of, yes

from aliran.core.errors import ConfigError
from aliran.streams import (
    App,
    JoinWindows,
    KGroupedStream,
    KStream,
    KTable,
    StreamsBuilder,
    TimeWindows,
    Topology,
    TopologyError,
    TopologyTestDriver,
)
from aliran.streams.plan.optimization import ALL, NONE, OPTIMIZATIONS, chosen_optimizations

GOLDEN = Path(__file__).parent / "golden" / "optimized"
CASES: dict[str, Callable[[StreamsBuilder], None]] = {}
MINUTE = JoinWindows.of_time_difference_with_no_grace("1m")


def case(build: Callable[[StreamsBuilder], None]) -> Callable[[StreamsBuilder], None]:
    CASES[build.__name__] = build
    return build


def swapped(b: StreamsBuilder, topic: str) -> KStream[str, str]:
    return b.stream(topic).map(swap)


def rekeyed(b: StreamsBuilder, topic: str) -> KStream[str, str]:
    return b.stream(topic).select_key(value_of)


def keyed(stream: KStream[str, str]) -> KGroupedStream[str, str]:
    return stream.group_by_key()


def unchanged(key: str, value: str, aggregate: str) -> str:
    return aggregate


def add_last(group: KGroupedStream[str, str]) -> None:
    group.reduce(last)


# ---------------------------------------------------------------------------- repartition topics


@case
def aggregations(b: StreamsBuilder) -> None:
    s = swapped(b, "a")
    keyed(s).count()
    add_last(keyed(s))
    keyed(s).aggregate(str, unchanged)
    s.to("z")


@case
def one_aggregation(b: StreamsBuilder) -> None:
    keyed(swapped(b, "a")).count()


@case
def behind_filters(b: StreamsBuilder) -> None:
    s = swapped(b, "a")
    keyed(s.filter(yes)).count()
    keyed(s.peek(ignore).filter_not(yes)).count()
    add_last(keyed(s))


@case
def named(b: StreamsBuilder) -> None:
    s = swapped(b, "a")
    s.group_by_key(name="first").count(store="counts")
    s.group_by_key(name="second").reduce(last, store="lasts")


@case
def named_store(b: StreamsBuilder) -> None:
    s = swapped(b, "a")
    keyed(s).count(store="counts")
    add_last(keyed(s))


@case
def shared_group(b: StreamsBuilder) -> None:
    s = swapped(b, "a")
    shared = s.group_by_key(name="shared")
    shared.count()
    add_last(keyed(s))
    add_last(shared)


@case
def value_changes(b: StreamsBuilder) -> None:
    s = swapped(b, "a")
    keyed(s.map_values(same)).count()
    keyed(s.flat_map_values(listed)).count()
    keyed(s).count()
    keyed(s.filter(yes).map_values(same)).count()


@case
def value_changes_in_front(b: StreamsBuilder) -> None:
    s: KStream[str, str] = b.stream("a").map_values(same).select_key(value_of)
    keyed(s).count()
    add_last(keyed(s))


@case
def two_group_bys(b: StreamsBuilder) -> None:
    s = b.stream("a")
    s.group_by(value_of, key=str).count()
    s.group_by(value_of, key=str).count()


@case
def one_group_by(b: StreamsBuilder) -> None:
    g: KGroupedStream[str, str] = b.stream("a").group_by(value_of, key=str)
    g.count()
    add_last(g)
    g.windowed_by("1m").count()
    g.windowed_by(session="1m").count()


@case
def key_changes_in_a_row(b: StreamsBuilder) -> None:
    s = swapped(b, "a")
    keyed(s).count()
    keyed(s.select_key(value_of)).count()


@case
def merged_streams(b: StreamsBuilder) -> None:
    s = swapped(b, "a").merge(swapped(b, "b"))
    keyed(s).count()
    add_last(keyed(s))


@case
def merged_with_plain(b: StreamsBuilder) -> None:
    s = b.stream("a").merge(swapped(b, "b"))
    keyed(s).count()
    add_last(keyed(s))


@case
def merged_filters(b: StreamsBuilder) -> None:
    add_last(keyed(swapped(b, "a").filter(yes).merge(swapped(b, "b").peek(ignore))))


@case
def branch(b: StreamsBuilder) -> None:
    s = swapped(b, "a")
    one, two = s.split().branch(yes).branch(yes).no_default_branch().values()
    keyed(one).count()
    two.to("z")
    add_last(keyed(s))


@case
def explicit(b: StreamsBuilder) -> None:
    s = swapped(b, "a")
    keyed(s.repartition(name="mine", partitions=3)).count()
    keyed(s).count()


@case
def to_table(b: StreamsBuilder) -> None:
    s = swapped(b, "a")
    s.to_table(key=str, value=str).to_stream().to("z")
    keyed(s).count()


@case
def cogroup(b: StreamsBuilder) -> None:
    s, other = swapped(b, "a"), swapped(b, "b")
    one = s.group_by_key(name="one").cogroup(unchanged)
    one.cogroup(other.group_by_key(name="two"), unchanged).aggregate(str)
    keyed(s).count()


@case
def process(b: StreamsBuilder) -> None:
    s = swapped(b, "a")
    keyed(s.process(Copy)).count()
    keyed(s.process_values(CopyValues)).count()
    keyed(s).count()


@case
def count_then_count(b: StreamsBuilder) -> None:
    s = swapped(b, "a")
    again: Any = keyed(s).count().to_stream().map(lambda key, value: (key, key))
    again.group_by_key().count()
    add_last(keyed(s))


# ---------------------------------------------------------------------------- joins


@case
def table_join_and_count(b: StreamsBuilder) -> None:
    t, s = b.table("t"), rekeyed(b, "a")
    s.join(t, joined).to("x")
    keyed(s).count()
    s.left_join(t, joined).to("y")


@case
def global_join(b: StreamsBuilder) -> None:
    s = rekeyed(b, "a")
    table = b.global_table("g", store="global")
    keyed(s.left_join(table, joined, key_selector=value_of)).count()
    keyed(s).count()


@case
def stream_join_and_count(b: StreamsBuilder) -> None:
    s, o = rekeyed(b, "a"), rekeyed(b, "b")
    s.join(o, joined, MINUTE).to("z")
    keyed(s).count()
    keyed(o.filter(yes)).count()


@case
def join_merged_back(b: StreamsBuilder) -> None:
    s = rekeyed(b, "a")
    keyed(s.left_join(b.stream("b"), joined, MINUTE).merge(s)).count()


@case
def two_joins(b: StreamsBuilder) -> None:
    s, t, u = rekeyed(b, "a"), b.table("t"), b.table("u")
    s.join(t, joined, name="with-t").to("x")
    s.join(u, joined, name="with-u").to("y")


@case
def self_join(b: StreamsBuilder) -> None:
    s = b.stream("a")
    s.join(s, joined, MINUTE).to("z")


@case
def self_left_join(b: StreamsBuilder) -> None:
    s = b.stream("a").filter(yes)
    s.left_join(s, joined, MINUTE).to("z")


@case
def self_outer_join_named(b: StreamsBuilder) -> None:
    s = b.stream("a")
    s.outer_join(s, joined, MINUTE, name="both", store="kept").to("z")


@case
def same_topic_twice(b: StreamsBuilder) -> None:
    b.stream("a").join(b.stream("a"), joined, MINUTE).to("z")


@case
def self_join_rekeyed(b: StreamsBuilder) -> None:
    s = rekeyed(b, "a")
    s.join(s, joined, MINUTE).to("z")


@case
def self_join_rekeyed_named(b: StreamsBuilder) -> None:
    s = rekeyed(b, "a")
    s.join(s, joined, MINUTE, name="both").to("z")


@case
def self_join_merged_with_its_stream(b: StreamsBuilder) -> None:
    s = b.stream("a")
    s.join(s, joined, MINUTE).merge(s).map_values(same)


@case
def self_join_of_a_self_join(b: StreamsBuilder) -> None:
    s = b.stream("a")
    once = s.join(s, joined, MINUTE)
    once.join(once, joined, MINUTE).to("z")
    once.join(s, joined, MINUTE).to("y")


@case
def everything(b: StreamsBuilder) -> None:
    t, s = b.table("t", store="rows"), b.stream("a")
    s.join(s, joined, MINUTE).to("x")
    m: KStream[str, str] = s.select_key(value_of)
    keyed(m).count()
    m.join(t, joined).to("y")


# ---------------------------------------------------------------------------- tests


def topology(name: str, setting: str) -> Topology:
    builder = StreamsBuilder()
    CASES[name](builder)
    return builder.build({"topology.optimization": setting})


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.glob("*.txt")))
def test_description_equals_kafkas(name: str) -> None:
    built, _, setting = name.removesuffix(".txt").partition(".")
    assert str(topology(built, setting).describe()) == (GOLDEN / name).read_text()


def test_every_case_has_a_golden() -> None:
    assert set(CASES) == {path.name.partition(".")[0] for path in GOLDEN.glob("*.txt")}


@pytest.mark.parametrize("name", sorted(CASES))
def test_building_leaves_the_builder_as_it_was(name: str) -> None:
    builder = StreamsBuilder()
    CASES[name](builder)
    plain = str(builder.describe())
    optimised = str(builder.build({"topology_optimization": "all"}).describe())
    assert str(builder.describe()) == plain
    assert str(builder.build({"topology_optimization": "all"}).describe()) == optimised


def test_tables_restore_from_their_topics() -> None:
    built = topology("everything", "reuse.ktable.source.topics")
    assert built.store("rows").changelog_topic == "t"
    assert built.changelog_topic("rows", "app") == "t"
    plain = topology("everything", "none")
    assert plain.changelog_topic("rows", "app") == "app-rows-changelog"
    with TopologyTestDriver(built) as driver:
        driver.create_input_topic("t").pipe_input("key", "value")
        assert driver.produced_topic_names() == set()
        assert driver.get_key_value_store("rows").get("key") == "value"


def test_a_table_that_logged_nothing_is_restored_all_the_same() -> None:
    builder = StreamsBuilder()
    builder.table("t", store="rows", logging=False)
    spec = builder.build({"topology_optimization": "all"}).store("rows")
    assert (spec.logging, spec.changelog_topic) == (True, "t")


def test_topics_of_values_of_other_types_are_not_merged() -> None:
    builder = StreamsBuilder()
    s = rekeyed(builder, "a")
    numbers: KTable[str, int]
    sizes = builder.global_table("sizes", value=int, store="sizes")

    def size(value: str, found: int) -> int:
        return found

    numbers = s.join(sizes, size, key_selector=value_of).group_by_key(value=int).count(store="n")
    numbers.to_stream().to("out")
    with TopologyTestDriver(builder.build({"topology_optimization": "all"})) as driver:
        driver.create_input_topic("sizes", value=int).pipe_input("x", 7)
        driver.create_input_topic("a").pipe_input("k", "x")
        assert driver.create_output_topic("out", value=int).read_key_values_to_list() == [("x", 1)]


def bypassed(b: StreamsBuilder) -> None:
    """What Kafka gets wrong: it takes the records of `b` past the topic of those of `a`."""
    s = swapped(b, "a")
    keyed(s).count(store="one")
    keyed(s.merge(swapped(b, "b"))).count(store="both")


def twice_behind_a_filter(b: StreamsBuilder) -> None:
    """What Kafka cannot build: "Found a null keyChangingChild node"."""
    s = swapped(b, "a").filter(yes)
    keyed(s).count(store="one")
    keyed(s).reduce(last, store="lasts")


def merges_in_a_row(b: StreamsBuilder) -> None:
    """The same."""
    s = swapped(b, "a").merge(b.stream("b")).merge(swapped(b, "c"))
    keyed(s).count(store="one")


@pytest.mark.parametrize(
    ("build", "topics"),
    [
        (bypassed, ["one-repartition", "both-repartition"]),
        (twice_behind_a_filter, ["one-repartition"]),
        (merges_in_a_row, ["one-repartition"]),
    ],
)
def test_what_kafka_gets_wrong(build: Callable[[StreamsBuilder], None], topics: list[str]) -> None:
    builder = StreamsBuilder()
    build(builder)
    built = builder.build({"topology_optimization": "all"})
    assert {topic.name for topic in built.repartition_topics} == set(topics)
    assert len(built.subtopologies()) == 1 + len(topics)


@pytest.mark.parametrize("setting", [NONE, ALL])
@pytest.mark.parametrize("build", [bypassed, twice_behind_a_filter, merges_in_a_row])
def test_equal_keys_meet_on_several_partitions(
    build: Callable[[StreamsBuilder], None], setting: str
) -> None:
    words = [f"word-{number % 7}" for number in range(60)]
    broker_config = {"num.partitions": 3}
    app = App("a", topology_optimization=setting, broker_config=broker_config)
    build(app)
    topics = [topic for topic in app.build().source_topics if not topic.endswith("-repartition")]
    with app:
        for number, word in enumerate(words):
            # The plain stream in the middle has the words as keys already.
            key = word if build is merges_in_a_row else str(number)
            app.send(topics[number % len(topics)], key, word)
        app.wait_until_idle()
        stores = [store.name for store in app.build().stores if store.name != "lasts"]
        for store in stores:
            counted = dict(app.read(f"a-{store}-changelog", value=int))
            expected = words[:: len(topics)] if store == "one" and build is bypassed else words
            assert counted == Counter(expected)


@pytest.mark.parametrize("setting", [NONE, ALL])
def test_joins_that_share_a_topic_need_tables_of_one_size(setting: str) -> None:
    app = App("a", topology_optimization=setting)
    two_joins(app)
    for topic, partitions in (("t", 2), ("u", 3)):
        app.broker.broker.topics.create(topic, partitions)
    if setting == NONE:  # each join has a topic of its own
        with app:
            app.wait_until_idle()
        return
    with pytest.raises(TopologyError, match="u has 3, a-with-t-repartition has 2; re-create"):
        app.start()
    app.close()


@pytest.mark.parametrize("late", [False, True])
def test_a_late_record_does_not_meet_itself(late: bool) -> None:
    builder = StreamsBuilder()
    s = builder.stream("in")
    s.left_join(s, lambda one, two: f"{one}-{two}", before=5, after=0, grace=5).to("out")
    with TopologyTestDriver(builder.build({"topology_optimization": "all"})) as driver:
        topic = driver.create_input_topic("in")
        topic.pipe_input("k", "a", 12)
        topic.pipe_input("other", "b", 3 if late else 4)
        topic.pipe_input("k", None, 12)
        found = driver.create_output_topic("out").read_key_values_to_list()
        assert found == [("k", "a-a"), *([] if late else [("other", "b-b")])]
        assert driver.statistics().dropped_records == 1


@pytest.mark.parametrize(
    ("setting", "names"),
    [
        (NONE, ()),
        (ALL, OPTIMIZATIONS),
        ("merge.repartition.topics", ["merge.repartition.topics"]),
        (" merge.repartition.topics , single.store.self.join", list(OPTIMIZATIONS)[1:]),
        (["reuse.ktable.source.topics"], ["reuse.ktable.source.topics"]),
        ((), ()),
    ],
)
def test_settings(setting: Any, names: Any) -> None:
    assert chosen_optimizations(setting) == set(names)
    assert App("a", topology_optimization=setting).config.optimizations == set(names)


@pytest.mark.parametrize("setting", ["", "al", "all,none", "all,merge.repartition.topics", 7, [1]])
def test_wrong_settings_name_the_right_ones(setting: Any) -> None:
    with pytest.raises(ConfigError, match=r"'none', 'all', or some of reuse\.ktable\.source"):
        StreamsBuilder().build({"topology_optimization": setting})


def test_an_app_heeds_its_own_setting() -> None:
    app = App("a", topology_optimization="all", config={"commit.interval.ms": 10})
    two_group_bys(app)
    assert str(app.describe()) == (GOLDEN / "two_group_bys.all.txt").read_text()
    assert len(app.build({"topology_optimization": "none"}).repartition_topics) == 2


def test_two_topics_of_one_name_may_become_one() -> None:
    builder = StreamsBuilder()
    group = builder.stream("in").group_by(value_of, key=str, name="named")
    group.cogroup(unchanged).aggregate(str)
    group.count()
    with pytest.raises(TopologyError, match="already a processor named 'named-repartition-filter'"):
        builder.build()
    (topic,) = builder.build({"topology_optimization": "all"}).repartition_topics
    assert topic.name == "named-repartition"


def test_windows_are_aggregated_behind_one_topic() -> None:
    builder = StreamsBuilder()
    group: KGroupedStream[str, str] = builder.stream("in").group_by(value_of, key=str)
    group.count(store="all")
    windows = TimeWindows.of_size_with_no_grace(10)
    group.windowed_by(windows).count(store="windows").to_stream(lambda k, n: k.key).to("out")
    with TopologyTestDriver(builder.build({"topology_optimization": "all"})) as driver:
        topic = driver.create_input_topic("in")
        for time in (1, 2, 30):
            topic.pipe_input("k", "word", time)
        found = driver.create_output_topic("out", value=int).read_key_values_to_list()
        assert found == [("word", 1), ("word", 2), ("word", 1)]
        assert driver.get_key_value_store("all").get("word") == 3
        topics = {name for name in driver.produced_topic_names() if "repartition" in name}
        assert topics == {"test-application-all-repartition"}
