"""Sources by pattern: what may be built, how it is described, what the test driver makes of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from aliran.streams import (
    Processor,
    Record,
    Stores,
    StreamsBuilder,
    StreamsError,
    TopologyBuilder,
    TopologyError,
    TopologyTestDriver,
)
from aliran.streams.plan.patterns import with_matching_topics

ORDERS = re.compile(r"orders-\d+")


def test_the_description_is_kafkas() -> None:
    """Printed by Kafka Streams 4.3.1 for the same program."""
    builder = StreamsBuilder()
    table = builder.table("t")
    builder.stream(re.compile("in-.*")).join(table, lambda one, two: one).to("out")
    assert str(builder.build().describe()) == (
        "Topologies:\n"
        "   Sub-topology: 0\n"
        "    Source: KSTREAM-SOURCE-0000000003 (topics: in-.*)\n"
        "      --> KSTREAM-JOIN-0000000004\n"
        "    Processor: KSTREAM-JOIN-0000000004 (stores: [t-STATE-STORE-0000000000])\n"
        "      --> KSTREAM-SINK-0000000005\n"
        "      <-- KSTREAM-SOURCE-0000000003\n"
        "    Source: KSTREAM-SOURCE-0000000001 (topics: [t])\n"
        "      --> KTABLE-SOURCE-0000000002\n"
        "    Sink: KSTREAM-SINK-0000000005 (topic: out)\n"
        "      <-- KSTREAM-JOIN-0000000004\n"
        "    Processor: KTABLE-SOURCE-0000000002 (stores: [t-STATE-STORE-0000000000])\n"
        "      --> none\n"
        "      <-- KSTREAM-SOURCE-0000000001\n"
        "\n"
    )


def test_two_streams_of_one_pattern_are_one_source() -> None:
    builder = StreamsBuilder()
    builder.stream(re.compile("topic-.*")).to("out")
    builder.stream(re.compile("topic-.*")).to("out2")
    builder.stream(re.compile("topic-.*", re.IGNORECASE)).to("out3")
    sources = [node.name for node in builder.build().nodes if "SOURCE" in node.name]
    assert sources == ["KSTREAM-SOURCE-0000000000", "KSTREAM-SOURCE-0000000004"]


def test_pictures_show_the_pattern() -> None:
    topology = TopologyBuilder().add_source("in", pattern=ORDERS).build()
    assert r"orders-\d+" in topology.to_mermaid()
    assert r"orders-\\d+" in topology.to_dot()


# ---------------------------------------------------------------------------- refused


def topic_then_pattern(builder: StreamsBuilder) -> None:
    builder.stream("orders-1").to("out")
    builder.stream(ORDERS).to("out")


def pattern_then_topic(builder: StreamsBuilder) -> None:
    builder.stream(ORDERS).to("out")
    builder.stream("orders-1").to("out")


def pattern_then_global_table(builder: StreamsBuilder) -> None:
    builder.stream(ORDERS).to("out")
    builder.global_table("orders-1")


def other_offset_reset(builder: StreamsBuilder) -> None:
    builder.stream(ORDERS, offset_reset="earliest").to("out")
    builder.stream(ORDERS, offset_reset="latest").to("out")


def other_type(builder: StreamsBuilder) -> None:
    builder.stream(ORDERS, value=int).to("out")
    builder.stream(ORDERS, value=str).to("out")


def table_by_pattern(builder: StreamsBuilder) -> None:
    builder.table(ORDERS)  # type: ignore[call-overload]


def pattern_of_bytes(builder: StreamsBuilder) -> None:
    pattern: Any = re.compile(b"orders")
    builder.stream(pattern)


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (topic_then_pattern, r"orders-\\d\+ of source 'KSTREAM-.*2' matches topic 'orders-1', whi"),
        (pattern_then_topic, "matches topic 'orders-1', which 'KSTREAM-SOURCE-0000000002' reads"),
        (pattern_then_global_table, "matches topic 'orders-1'"),
        (other_offset_reset, r"read orders-\\d\+ with different offset_reset"),
        (other_type, r"read orders-\\d\+ but its values differently"),
        (table_by_pattern, "a pattern stands alone, and only stream.. reads by one"),
        (pattern_of_bytes, "takes a compiled pattern"),
    ],
)
def test_what_is_refused(program: Callable[[StreamsBuilder], None], expected: str) -> None:
    def build() -> None:
        builder = StreamsBuilder()
        program(builder)
        builder.build()

    with pytest.raises(TopologyError, match=expected):
        build()


def test_topics_and_a_pattern() -> None:
    with pytest.raises(TopologyError, match="'in' takes topics or a pattern, not both"):
        TopologyBuilder().add_source("in", "orders", pattern=ORDERS)
    with pytest.raises(TopologyError, match="takes a compiled pattern"):
        TopologyBuilder().add_source("in", pattern="orders.*")  # type: ignore[arg-type]


def test_a_pattern_behind_a_global_table_may_match_its_topic_as_with_kafka() -> None:
    builder = StreamsBuilder()
    builder.global_table("orders-1", store="all")
    builder.stream(ORDERS).to("out")
    with TopologyTestDriver(builder.build()) as driver:
        driver.create_input_topic("orders-1").pipe_input("a", "1")
        assert driver.create_output_topic("out").read_key_value() == ("a", "1")
        assert driver.get_state_store("all")["a"].value == "1"


# ---------------------------------------------------------------------------- matching


def test_what_an_application_writes_for_itself_is_not_matched() -> None:
    builder = StreamsBuilder()
    everything = builder.stream(re.compile(".*"))
    everything.group_by(lambda key, value: value).count(store="counts")
    topics = ["a", "b", "app-counts-changelog", "app-counts-repartition", "app-old-changelog"]
    found = with_matching_topics(builder.build(), [*topics, "app-x", "other-changelog"], "app")
    assert found.source_topics == ("a", "app-x", "b", "other-changelog", "counts-repartition")


def test_a_topic_that_two_patterns_match() -> None:
    builder = TopologyBuilder().add_source("one", pattern=re.compile("a.*"))
    topology = builder.add_source("two", pattern=re.compile(".*b")).build()
    assert with_matching_topics(topology, ["a", "b"], "app").source_topics == ("a", "b")
    with pytest.raises(TopologyError, match="'ab' matches the patterns of two sources: 'one'"):
        with_matching_topics(topology, ["a", "ab"], "app")


def test_matched_topics_are_copartitioned() -> None:
    builder = StreamsBuilder()
    builder.stream(ORDERS).join(builder.table("t"), lambda one, two: one).to("out")
    topology = builder.build()
    assert topology.copartition_groups == ()
    found = with_matching_topics(topology, ["orders-1", "orders-2", "x"], "app")
    assert found.copartition_groups == (frozenset({"orders-1", "orders-2", "t"}),)


# ---------------------------------------------------------------------------- in the driver


class Origin(Processor[Any, Any, Any, Any]):
    """Forwards where a record was read."""

    def process(self, record: Record[Any, Any]) -> None:
        metadata = self.context.record_metadata()
        assert metadata is not None
        self.context.forward(record.with_value(f"{metadata.topic} {record.value}"))


def test_the_driver_pipes_into_matching_topics() -> None:
    builder = StreamsBuilder()
    builder.stream(ORDERS).process(Origin).to("out")
    with TopologyTestDriver(builder.build()) as driver:
        for topic, value in (("orders-1", "x"), ("orders-22", "y"), ("orders-1", "z")):
            driver.create_input_topic(topic).pipe_input("k", value)
        out = driver.create_output_topic("out")
        assert out.read_values_to_list() == ["orders-1 x", "orders-22 y", "orders-1 z"]
        with pytest.raises(StreamsError, match=r"does not read topic 'orders'; it reads .*orders-"):
            driver.create_input_topic("orders").pipe_input("k", "v")


def test_what_is_written_to_a_matching_topic_comes_back() -> None:
    """The values are those of Kafka's driver."""
    builder = StreamsBuilder()
    short = builder.stream(re.compile("in-.*")).filter(lambda key, value: len(value) < 4)
    short.map_values(lambda value: value + "x").to("in-2")
    with TopologyTestDriver(builder.build()) as driver:
        driver.create_input_topic("in-1").pipe_input("a", "1")
        assert driver.create_output_topic("in-2").read_values_to_list() == ["1x", "1xx", "1xxx"]


def test_a_changelog_does_not_come_back() -> None:
    topology = TopologyBuilder().add_source("in", pattern=re.compile(".*"))

    class Storing(Processor[Any, Any, Any, Any]):
        def process(self, record: Record[Any, Any]) -> None:
            self.context.get_state_store("s").put(record.key, record.value)

    topology.add_processor("p", Storing, "in")
    topology.add_state_store(Stores.persistent_key_value_store("s"), "p")
    with TopologyTestDriver(topology.build()) as driver:
        driver.create_input_topic("x").pipe_input("a", "1")
        assert driver.queue_size("test-application-s-changelog") == 1
        assert driver.statistics().processed_records == 1
