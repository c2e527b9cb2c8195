"""The DSL: serdes it infers, stores it makes, topics it adds, and mistakes it refuses."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from aliran.serdes import IntegerSerde, JsonSerde, Serde, StringSerde, WindowedSerde
from aliran.streams import (
    Consumed,
    FixedKeyProcessor,
    Grouped,
    KStream,
    Materialized,
    Processor,
    Produced,
    Stores,
    StoreSpec,
    StreamsBuilder,
    TimeWindows,
    Topology,
    TopologyError,
    fail_on_invalid_timestamp,
    wallclock_timestamp,
)
from aliran.streams.plan.operators import (
    Aggregate,
    DropNullKeys,
    MapValues,
    PassThrough,
    ProcessorNode,
    SinkNode,
    SourceNode,
    StreamTableJoin,
    TableFilter,
    TableGetter,
    TableMapValues,
)


class Tweet(msgspec.Struct):
    user: str
    likes: int


def operator_of(topology: Topology, kind: type) -> Any:
    (found,) = [
        node.operator
        for node in topology.nodes
        if isinstance(node, ProcessorNode) and isinstance(node.operator, kind)
    ]
    return found


def sink_of(topology: Topology, topic: str) -> SinkNode:
    (found,) = [n for n in topology.nodes if isinstance(n, SinkNode) and n.topic == topic]
    return found


def serdes_written(stream: KStream[Any, Any], builder: StreamsBuilder) -> tuple[str, str]:
    stream.to("out")
    sink = sink_of(builder.build(), "out")
    return repr(sink.key_serde), repr(sink.value_serde)


# ---------------------------------------------------------------------------- serdes


def test_sources_are_str_unless_told() -> None:
    builder = StreamsBuilder()
    assert serdes_written(builder.stream("a"), builder) == ("StringSerde()", "StringSerde()")


def test_source_takes_types_and_serdes() -> None:
    builder = StreamsBuilder()
    stream = builder.stream("a", key=IntegerSerde(), value=Tweet)
    assert serdes_written(stream, builder) == ("IntegerSerde()", "StructSerde(Tweet)")


def test_keywords_win_over_the_object() -> None:
    builder = StreamsBuilder()
    stream: KStream[Any, Any] = builder.stream("a", Consumed(key=int, value=int), value=Tweet)
    assert serdes_written(stream, builder) == ("IntegerSerde()", "StructSerde(Tweet)")


def test_builder_defaults() -> None:
    builder = StreamsBuilder(default_key=bytes, default_value=int)
    stream = builder.stream("a").map(lambda key, value: (key, value))
    assert serdes_written(stream, builder) == ("BytesSerde()", "IntegerSerde()")


def length(value: str) -> int:
    return len(value)


def pair(key: str, value: str) -> tuple[int, Tweet]:
    return len(key), Tweet(value, 1)


def lengths(value: str) -> Iterable[int]:
    return [len(value)]


def many_pairs(key: str, value: str) -> list[tuple[int, bytes]]:
    return [(1, b"")]


def key_length(key: str, value: str) -> int:
    return len(key)


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("s.map_values(length)", ("StringSerde()", "IntegerSerde()")),
        ("s.map_values(int)", ("StringSerde()", "IntegerSerde()")),
        ("s.map(pair)", ("IntegerSerde()", "StructSerde(Tweet)")),
        ("s.flat_map_values(lengths)", ("StringSerde()", "IntegerSerde()")),
        ("s.flat_map(many_pairs)", ("IntegerSerde()", "BytesSerde()")),
        ("s.select_key(key_length)", ("IntegerSerde()", "StringSerde()")),
        ("s.map_values(lambda v: {})", ("StringSerde()", "StringSerde()")),
        ("s.filter(lambda k, v: True)", ("StringSerde()", "StringSerde()")),
        ("s.group_by_key().count().to_stream()", ("StringSerde()", "IntegerSerde()")),
        ("s.group_by(key_length).reduce(max).to_stream()", ("IntegerSerde()", "StringSerde()")),
    ],
)
def test_serdes_follow_annotations(operation: str, expected: tuple[str, str]) -> None:
    builder = StreamsBuilder()
    stream = eval(operation, {**globals(), "s": builder.stream("a")})
    assert serdes_written(stream, builder) == expected


def test_explicit_serdes_win_at_the_sink() -> None:
    builder = StreamsBuilder()
    stream: KStream[Any, Any] = builder.stream("a").map_values(length)
    stream.to("out", Produced(key=bytes), value=float)
    sink = sink_of(builder.build(), "out")
    assert (repr(sink.key_serde), repr(sink.value_serde)) == ("BytesSerde()", "DoubleSerde()")


@pytest.mark.parametrize(
    ("initializer", "aggregator", "value", "expected"),
    [
        (int, lambda k, v, a: a + 1, None, "IntegerSerde()"),
        (dict, lambda k, v, a: a, None, "StructSerde(dict)"),
        (lambda: 0, lambda k, v, a: a, float, "DoubleSerde()"),
        (lambda: "", lambda k, v, a: a, None, "StringSerde()"),
    ],
)
def test_serde_of_aggregates(initializer: Any, aggregator: Any, value: Any, expected: str) -> None:
    builder = StreamsBuilder()
    builder.stream("a").group_by_key().aggregate(initializer, aggregator, value=value, store="s")
    assert repr(builder.build().store("s").value_serde) == expected


def test_serde_of_aggregates_from_the_aggregator() -> None:
    def add(key: str, value: str, total: float) -> float:
        return total + len(value)

    builder = StreamsBuilder()
    builder.stream("a").group_by_key().aggregate(lambda: 0.0, add, store="s")
    assert repr(builder.build().store("s").value_serde) == "DoubleSerde()"


def test_windowed_keys_wrap_the_serde_of_the_key() -> None:
    builder = StreamsBuilder()
    windowed = builder.stream("a", key=int).group_by_key().windowed_by("1m")
    windowed.count(store="s").to_stream().to("out")
    topology = builder.build()
    key_serde = sink_of(topology, "out").key_serde
    assert isinstance(key_serde, WindowedSerde)
    assert (repr(key_serde.inner), key_serde.window_size_ms) == ("IntegerSerde()", 60_000)
    assert repr(topology.store("s").key_serde) == "IntegerSerde()"


def test_a_repartition_topic_has_the_serdes_of_the_group() -> None:
    builder = StreamsBuilder()
    grouped = builder.stream("a", value=Tweet).group_by(lambda k, v: v.likes, Grouped(key=int))
    grouped.count(store="s")
    topology = builder.build()
    sink, source = sink_of(topology, "s-repartition"), topology.node("s-repartition-source")
    assert isinstance(source, SourceNode)
    assert repr((sink.key_serde, sink.value_serde)) == "(IntegerSerde(), StructSerde(Tweet))"
    assert (source.key_serde, source.value_serde) == (sink.key_serde, sink.value_serde)
    assert source.timestamp_extractor is fail_on_invalid_timestamp


def test_a_custom_serde_is_kept() -> None:
    shouting: Serde[str] = Serde(lambda v: v.upper().encode(), lambda d: d.decode(), name="Shout")
    builder = StreamsBuilder()
    builder.stream("a").to("out", value=shouting)
    assert sink_of(builder.build(), "out").value_serde is shouting


def test_json_of_any_is_there_when_asked_for() -> None:
    builder = StreamsBuilder()
    builder.stream("a", value=JsonSerde()).to("out")
    assert isinstance(sink_of(builder.build(), "out").value_serde, JsonSerde)


# ---------------------------------------------------------------------------- operators


@pytest.mark.parametrize(
    ("mapper", "with_key", "expected"),
    [
        pytest.param(lambda value: value, None, False, id="one"),
        pytest.param(lambda key, value: value, None, True, id="two"),
        pytest.param(lambda value, extra=1: value, None, False, id="one and a default"),
        pytest.param(lambda value, extra=1: value, True, True, id="told to use the default"),
        pytest.param(lambda *anything: anything, None, False, id="any number"),
        (str.upper, None, False),
        (len, None, False),
        (int, None, False),
        (Tweet, None, False),
        (max, True, True),
    ],
)
def test_mappers_get_the_key_if_they_have_room_for_it(
    mapper: Any, with_key: bool | None, expected: bool
) -> None:
    builder = StreamsBuilder()
    builder.stream("a").map_values(mapper, with_key=with_key)
    assert operator_of(builder.build(), MapValues).with_key is expected


def test_null_keys_are_dropped_before_a_repartition_topic() -> None:
    builder = StreamsBuilder()
    builder.stream("a").group_by(lambda k, v: v).count(store="s")
    assert operator_of(builder.build(), DropNullKeys) == DropNullKeys()


def test_null_keys_pass_where_a_left_join_takes_them() -> None:
    builder = StreamsBuilder()
    table = builder.table("t")
    builder.stream("a").select_key(lambda k, v: v).left_join(table, lambda v, t: v).to("out")
    assert operator_of(builder.build(), PassThrough) == PassThrough()


def test_join_copartitions_both_sides() -> None:
    builder = StreamsBuilder()
    table = builder.table("t")
    stream = builder.stream("a").merge(builder.stream("b"))
    stream.join(table, lambda v, t: v).to("out")
    assert builder.build().copartition_groups == (frozenset({"a", "b", "t"}),)


def test_join_of_a_merged_source_copartitions_the_one_that_stays() -> None:
    builder = StreamsBuilder()
    table = builder.table("t")
    builder.stream("a").to("x")
    builder.stream("a").join(table, lambda v, t: v).to("out")
    assert builder.build().copartition_groups == (frozenset({"a", "t"}),)


def test_join_behind_a_repartition_copartitions_that_topic() -> None:
    builder = StreamsBuilder()
    table = builder.table("t")
    rekeyed = builder.stream("a").select_key(lambda k, v: v)
    rekeyed.join(table, lambda v, t: v, name="j").to("out")
    topology = builder.build()
    assert topology.copartition_groups == (frozenset({"j-repartition", "t"}),)
    assert topology.decorate("j-repartition", "app") == "app-j-repartition"
    assert topology.decorate("t", "app") == "t"


def test_join_reads_through_views_to_the_store() -> None:
    builder = StreamsBuilder()
    keep, double = (lambda k, v: True), (lambda v: v * 2)
    view = builder.table("t", store="s").filter(keep).map_values(double)
    builder.stream("a").join(view, lambda v, t: v).to("out")
    join = operator_of(builder.build(), StreamTableJoin)
    assert join.table == TableGetter("s", (TableFilter(keep), TableMapValues(double)))


def test_tables_are_stored_only_when_needed() -> None:
    builder = StreamsBuilder()
    table = builder.table("t")
    assert builder.build().stores == ()
    builder.stream("a").join(table, lambda v, t: v).to("out")
    (store,) = builder.build().stores
    assert (store.name, store.kind) == ("t-STATE-STORE-0000000000", "timestamped")


def test_window_store_keeps_size_and_grace() -> None:
    builder = StreamsBuilder()
    builder.stream("a").group_by_key().windowed_by("1m", grace="10s").count(store="s")
    store = builder.build().store("s")
    assert (store.kind, store.window_size_ms, store.retention_ms) == ("window", 60_000, 70_000)


def test_store_options_reach_the_store() -> None:
    builder = StreamsBuilder()
    grouped = builder.stream("a").group_by_key()
    grouped.windowed_by("1m").count(
        Materialized(store="s", retention="1h", persistent=False),
        caching=False,
        changelog_config={"segment.bytes": "1024"},
    )
    grouped.count(store="t", logging=False)
    windowed, plain = builder.build().stores
    assert windowed == StoreSpec(
        "s",
        "window",
        windowed.key_serde,
        windowed.value_serde,
        persistent=False,
        caching=False,
        changelog_config={"segment.bytes": "1024"},
        retention_ms=3_600_000,
        window_size_ms=60_000,
    )
    assert plain.logging is False


def test_aggregate_carries_its_functions() -> None:
    def add(key: str, value: str, total: int) -> int:
        return total + 1

    builder = StreamsBuilder()
    windows = TimeWindows.of_size_and_grace("5m", "1s").advance_by("1m")
    builder.stream("a").group_by_key().windowed_by(windows).aggregate(int, add, store="s")
    assert operator_of(builder.build(), Aggregate) == Aggregate("s", "aggregate", add, int, windows)


def test_source_options() -> None:
    builder = StreamsBuilder()
    builder.stream("a", offset_reset="latest", timestamp_extractor=wallclock_timestamp)
    (source,) = builder.build().nodes
    assert isinstance(source, SourceNode)
    assert (source.offset_reset, source.timestamp_extractor) == ("latest", wallclock_timestamp)


def test_changelog_names() -> None:
    builder = StreamsBuilder()
    builder.stream("a").group_by_key().count(store="s")
    assert builder.build().changelog_topic("s", "app") == "app-s-changelog"


def test_print_writes_label_key_and_value(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    builder = StreamsBuilder()
    stream = builder.stream("a")
    stream.print()
    stream.print(label="here", file=tmp_path / "out.txt", mapper=lambda k, v: f"{k}={v}")
    actions = [n.operator.action for n in builder.build().nodes if isinstance(n, ProcessorNode)]  # type: ignore[union-attr]
    for action in actions:
        action("k", 1)
    assert capsys.readouterr().out == "[KSTREAM-SOURCE-0000000000]: k, 1\n"
    assert (tmp_path / "out.txt").read_text() == "[here]: k=1\n"


def test_building_goes_on_after_build() -> None:
    builder = StreamsBuilder()
    stream = builder.stream("a")
    first = builder.build()
    stream.to("out")
    assert (len(first.nodes), len(builder.build().nodes)) == (1, 2)


# ---------------------------------------------------------------------------- mistakes


async def later(key: str, value: str) -> bool:
    return True


class NeedsArgument(Processor[str, str, str, str]):
    def __init__(self, limit: int) -> None:
        self.limit = limit


MISTAKES: dict[str, Any] = {
    r"filter takes predicate\(key, value\); got a function of 1 parameter: .*test_builder.py:\d+": (
        lambda s, b: s.filter(lambda value: True)
    ),
    r"map_values takes mapper\(value\) or mapper\(key, value\); got a function of 3 parameters": (
        lambda s, b: s.map_values(lambda a, b, c: a)
    ),
    r"map_values takes mapper\(value\); got a function of 2 parameters": (
        lambda s, b: s.map_values(lambda a, b: a, with_key=False)
    ),
    r"filter takes a function predicate\(key, value\); got 'x' \(str\)": lambda s, b: s.filter("x"),
    r"later \(test_builder.py:\d+\) is async": lambda s, b: s.filter(later),
    r"aggregate takes a function initializer\(\); got 0 \(int\)": (
        lambda s, b: s.group_by_key().aggregate(0, lambda k, v, a: a)
    ),
    r"reduce takes reducer\(aggregate, value\); got a function of 3 parameters": (
        lambda s, b: s.group_by_key().reduce(lambda k, v, a: a)
    ),
    r"process takes supplier\(\); got a function of 1 parameter: NeedsArgument": (
        lambda s, b: s.process(NeedsArgument)
    ),
    r"join takes joiner\(value, table_value\) or joiner\(key, value, table_value\)": (
        lambda s, b: s.join(b.table("t"), lambda v: v)
    ),
    r"join takes a KStream.*, got str": lambda s, b: s.join("t", lambda v, w: v),
    r"topic name 'no good' is illegal": lambda s, b: s.to("no good"),
    r"to takes topic\(key, value, context\); got a function of 2 parameters": (
        lambda s, b: s.to(lambda k, v: v)
    ),
    r"stream takes the name of a topic or several, got none": lambda s, b: b.stream([]),
    r"a pattern stands alone, and only stream": lambda s, b: b.stream(["b", re.compile("a.*")]),
    r"topic name must be a text, got 5": lambda s, b: b.stream([5]),
    r"offset_reset is 'earliest' or 'latest', got 'newest'": (
        lambda s, b: b.stream("b", offset_reset="newest")
    ),
    r"stream has no keyword 'values'; it takes key, value": lambda s, b: b.stream("b", values=int),
    r"stream takes a Consumed here, got .*: pass it by its keyword": (
        lambda s, b: b.stream("b", int)
    ),
    r"there is already a processor named 'same'": (
        lambda s, b: s.filter(lambda k, v: True, name="same").peek(lambda k, v: None, name="same")
    ),
    r"there is already a different store named 's'": (
        lambda s, b: [s.group_by_key().count(store="s"), s.group_by_key().reduce(max, store="s")]
    ),
    r"KSTREAM-PROCESSOR-0000000001 uses the store 'nowhere', which does not exist": (
        lambda s, b: s.process(Processor, "nowhere")
    ),
    r"would keep windows for 1000 ms, but they are 60000 ms long": (
        lambda s, b: s.group_by_key().windowed_by("1m").count(store="s", retention="1s")
    ),
    r"retention= belongs to windowed aggregations": (
        lambda s, b: s.group_by_key().count(store="s", retention="1s")
    ),
    r"has logging=False, so changelog_config": (
        lambda s, b: s.group_by_key().count(logging=False, changelog_config={"a": "b"})
    ),
    r"the size of windows must be above 0 ms": lambda s, b: s.group_by_key().windowed_by(0),
    r"the grace of windows must not be below 0": (
        lambda s, b: s.group_by_key().windowed_by("1m", grace=-1)
    ),
    r"windows of 60000 ms cannot advance by 120000 ms": (
        lambda s, b: s.group_by_key().windowed_by("1m", advance="2m")
    ),
    r"TimeWindows, or a size with grace= and advance=; not both": (
        lambda s, b: s.group_by_key().windowed_by(
            TimeWindows.of_size_with_no_grace("1m"), grace="1s"
        )
    ),
    r"repartition needs at least 1 partition": lambda s, b: s.repartition(partitions=0),
    r"merge takes another stream": lambda s, b: s.merge("b"),
    r"merge takes streams and tables of the same builder": (
        lambda s, b: s.merge(StreamsBuilder().stream("b"))
    ),
    r"the default branch is the last": lambda s, b: (
        [split := s.split(), split.default_branch(), split.branch(lambda k, v: True)]
    ),
    r"add_state_store takes what Stores makes, got 'x'": lambda s, b: b.add_state_store("x"),
    r"store 's' has no option color": (
        lambda s, b: Stores.persistent_key_value_store("s", color=1)  # type: ignore[call-arg]
    ),
    r"a stream is grouped first: stream.group_by\(...\).windowed_by\(...\)": (
        lambda s, b: s.windowed_by("1m")
    ),
    r"mapValues is called map_values here": lambda s, b: s.mapValues(len),
    r"a KGroupedStream has no filtered; it has": lambda s, b: s.group_by_key().filtered(),
    r"a KTable has no to; .* try to_stream": lambda s, b: b.table("t").to("x"),
}  # fmt: skip


@pytest.mark.parametrize("message", MISTAKES)
def test_mistakes_are_refused_where_they_are_made(message: str) -> None:
    builder = StreamsBuilder()
    with pytest.raises(TopologyError, match=message):
        MISTAKES[message](builder.stream("a"), builder)


LATE_MISTAKES: dict[str, Any] = {
    r"topic 'a' is already read by 'KSTREAM-SOURCE-0000000000'": lambda b: b.table("a"),
    r"overlapping but not equal topics: .* reads a; .* reads a, b": lambda b: b.stream(["a", "b"]),
    r"read a with different offset_reset: None .* and 'latest'": (
        lambda b: b.stream("a", offset_reset="latest")
    ),
    r"read a but its values differently: StringSerde\(\) .* and IntegerSerde\(\)": (
        lambda b: b.stream("a", value=int)
    ),
}


@pytest.mark.parametrize("message", LATE_MISTAKES)
def test_mistakes_that_show_when_all_is_known(message: str) -> None:
    builder = StreamsBuilder()
    builder.stream("a")
    LATE_MISTAKES[message](builder)
    with pytest.raises(TopologyError, match=message):
        builder.build()


def test_a_topology_without_source_is_refused() -> None:
    with pytest.raises(TopologyError, match="the topology has no source"):
        StreamsBuilder().build()


def test_processors_must_be_written() -> None:
    with pytest.raises(NotImplementedError, match="FixedKeyProcessor must override process"):
        FixedKeyProcessor[str, str, str]().process(None)  # type: ignore[arg-type]


def test_two_streams_may_share_a_topic() -> None:
    builder = StreamsBuilder()
    builder.stream("a").to("x")
    builder.stream("a").to("y")
    topology = builder.build()
    assert topology.source_topics == ("a",)
    assert topology.sink_topics == ("x", "y")
    assert [n.name for n in topology.children("KSTREAM-SOURCE-0000000000")] == [
        "KSTREAM-SINK-0000000001",
        "KSTREAM-SINK-0000000003",
    ]
    assert StringSerde().name == "StringSerde"
