"""Arguments of the wrong kind are refused where they are passed, in words and not by accident."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aliran.core.errors import AliranError, ConfigError
from aliran.serdes import SessionWindowedSerde, Windowed, WindowedSerde, serde_for
from aliran.streams import (
    App,
    IllegalStateError,
    Materialized,
    ProcessingError,
    Processor,
    ProducerRecord,
    Record,
    Response,
    Stores,
    StreamsBuilder,
    StreamsError,
    TopologyBuilder,
    TopologyError,
    TopologyTestDriver,
    UnlimitedWindows,
)
from aliran.streams.errors import UnknownOperatorError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("brokers", 9092),
        ("brokers", ["127.0.0.1:9092"]),
        ("brokers", ""),
        ("config", "x"),
        ("config", {1: 2}),
        ("data_dir", 3),
        ("state_dir", 3),
        ("listen", 5),
        ("default_timestamp_extractor", 3),
        ("broker_config", 3),
        ("client", "x"),
        ("max_task_idle_ms", None),
        ("poll_ms", True),
    ],
)
def test_settings(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match="must be"):
        App("wrong", **{name: value})


def not_callable(builder: StreamsBuilder) -> None:
    builder.stream("in").to("out", partitioner=3)  # type: ignore[arg-type]


def too_few_parameters(builder: StreamsBuilder) -> None:
    builder.stream("in").repartition(partitioner=lambda topic: 0)


def partitions_as_text(builder: StreamsBuilder) -> None:
    builder.stream("in").repartition(partitions="4")  # type: ignore[arg-type]


def changelog_config_without_values(builder: StreamsBuilder) -> None:
    builder.stream("in").group_by_key().count(changelog_config=["cleanup.policy"])  # type: ignore[arg-type]


def table_of_another_builder(builder: StreamsBuilder) -> None:
    builder.stream("in").join(StreamsBuilder().table("other"), lambda one, two: one)


def stream_of_another_builder(builder: StreamsBuilder) -> None:
    builder.stream("in").join(StreamsBuilder().stream("other"), lambda one, two: one, "10s")


def tables_of_two_builders(builder: StreamsBuilder) -> None:
    builder.table("in").outer_join(StreamsBuilder().table("other"), lambda one, two: one)


def foreign_keys_of_another_builder(builder: StreamsBuilder) -> None:
    other = StreamsBuilder().table("other")
    builder.table("in").join(other, lambda one, two: one, foreign_key=lambda value: value)


def one_store_for_two_tables(builder: StreamsBuilder) -> None:
    builder.table("one", store="same")
    builder.table("two", store="same")


def one_store_for_two_counts(builder: StreamsBuilder) -> None:
    grouped = builder.stream("in").group_by_key()
    grouped.count(store="same")
    grouped.count(store="same")


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (not_callable, r"to takes a function partitioner\(topic, key"),
        (too_few_parameters, r"repartition takes partitioner\(topic, key"),
        (partitions_as_text, "at least 1 partition, got '4'"),
        (changelog_config_without_values, "changelog_config maps Kafka's names to values"),
        (table_of_another_builder, r"same builder; KTABLE-SOURCE-\d+ is another's"),
        (stream_of_another_builder, r"same builder; KSTREAM-SOURCE-\d+ is another's"),
        (tables_of_two_builders, r"outer_join takes .* of the same builder"),
        (foreign_keys_of_another_builder, r"join takes .* of the same builder"),
        (one_store_for_two_tables, "two tables cannot share one"),
        (one_store_for_two_counts, "two tables cannot share one"),
    ],
)
def test_operators(program: Callable[[StreamsBuilder], None], expected: str) -> None:
    with pytest.raises(TopologyError, match=expected):
        program(StreamsBuilder())


def test_changelog_settings_may_be_numbers() -> None:
    builder = StreamsBuilder()
    settings: Any = {"segment.bytes": 1_000_000, "preallocate": False}
    stored = Materialized[str, int](store="counts", changelog_config=settings)
    builder.stream("in").group_by_key().count(stored)
    written = {"segment.bytes": "1000000", "preallocate": "false"}
    assert builder.build().store("counts").changelog_config == written
    made = Stores.persistent_key_value_store("sums", changelog_config=settings)
    assert made.changelog_config == written


def test_windowed_serdes_take_types() -> None:
    windowed = Windowed(7, 60_000, 120_000)
    serde: WindowedSerde[int] = WindowedSerde(int, 60_000)
    assert serde.deserialize(serde.serialize(windowed)) == windowed
    sessions: SessionWindowedSerde[int] = SessionWindowedSerde(int)
    assert sessions.deserialize(sessions.serialize(windowed)) == windowed
    with pytest.raises(ConfigError, match="must be above 0, it is '1m'"):
        WindowedSerde(int, "1m")  # type: ignore[arg-type]


def test_send_to_no_topic() -> None:
    app = App("wrong")
    app.stream("in").to("out")
    with app, pytest.raises(AliranError, match="topic name must be a text, got 3"):
        app.send(3, "key", "value")  # type: ignore[arg-type]


def test_a_closed_application_says_so() -> None:
    app = App("wrong")
    app.stream("in").to("out")
    app.start().close()
    with pytest.raises(IllegalStateError, match="'wrong' is NOT_RUNNING and not connected"):
        app.send("in", "key", "value")


def test_the_operators_that_are_offered_are_operators() -> None:
    table: Any = StreamsBuilder().table("in")
    with pytest.raises(
        UnknownOperatorError, match=r"has filter, .*transform_values; try to_str"
    ) as no:
        table.to("out")
    assert "of_step" not in str(no.value)


class Nothing(Processor[Any, Any, Any, Any]):
    def process(self, record: Record[Any, Any]) -> None:
        """Take a record."""


NAMES_AND_SWITCHES: dict[str, Callable[[Any, Any], object]] = {
    # What is given a stream and a table.
    "name of a table": lambda s, t: StreamsBuilder().table("x", name=5),  # type: ignore[call-overload]
    "empty store": lambda s, t: s.group_by_key().count(store=""),
    "store of a join": lambda s, t: s.join(s, max, "1s", store=5),
    "name of a join": lambda s, t: s.left_join(s, max, "1s", name=5),
    "foreign key join": lambda s, t: t.join(t, max, foreign_key=str, name=5),
    "list of stores": lambda s, t: s.process(Nothing, ["x"]),
    "stores of transform_values": lambda s, t: t.transform_values(Nothing, ["x"]),
    "name of a branch": lambda s, t: s.split().branch(max, name=5),
    "a branch by position": lambda s, t: s.split().branch(max, "errors"),
    "chain": lambda s, t: s.split().branch(max, chain=0),
    "logging as a text": lambda s, t: s.group_by_key().count(logging="false"),
    "caching of a store": lambda s, t: Stores.lru_map("x", 5, caching="no"),  # type: ignore[arg-type]
    "duplicates": lambda s, t: Stores.in_memory_window_store(
        "x",
        window_size="1s",
        retain_duplicates="no",  # type: ignore[arg-type]
    ),
    "entries": lambda s, t: Stores.lru_map("x", "5"),  # type: ignore[arg-type]
    "start": lambda s, t: UnlimitedWindows.of().start_on("0"),  # type: ignore[arg-type]
    "file": lambda s, t: s.print(file=5),
}


@pytest.mark.parametrize("program", NAMES_AND_SWITCHES.values(), ids=NAMES_AND_SWITCHES.keys())
def test_names_and_switches(program: Callable[[Any, Any], object]) -> None:
    builder = StreamsBuilder()
    with pytest.raises(TopologyError):
        program(builder.stream("in"), builder.table("table"))


BY_HAND: dict[str, Callable[[Any], object]] = {
    "store": lambda topology: topology.add_state_store("x"),
    "global store": lambda topology: topology.add_global_store("x", "s", "t", "p", Nothing),
    "read-only store": lambda topology: topology.add_read_only_state_store(
        None, "s", "t", "p", Nothing
    ),
    "parents": lambda topology: topology.add_processor("p", Nothing, ["source"]),
    "processor": lambda topology: topology.connect_processor_and_state_stores(["p"]),
    "extractor": lambda topology: topology.add_source("s", "t", timestamp_extractor=5),
    "reset": lambda topology: topology.add_source("s", "t", offset_reset="newest"),
    "topic": lambda topology: topology.add_sink("s", 5, "source"),
    "partitioner": lambda topology: topology.add_sink("s", "t", "source", partitioner=5),
}


@pytest.mark.parametrize("program", BY_HAND.values(), ids=BY_HAND.keys())
def test_topologies_by_hand(program: Callable[[Any], object]) -> None:
    topology = TopologyBuilder()
    topology.add_source("source", "in")
    with pytest.raises(TopologyError):
        program(topology)


def test_processor_without_brackets() -> None:
    app = App("brackets")
    with pytest.raises(TopologyError, match=r"write @app.processor\(topic\)"):
        app.processor(str.upper)  # type: ignore[arg-type]


def test_a_supplier_of_something_else() -> None:
    builder = StreamsBuilder()
    builder.table("in").transform_values(lambda: 5)  # type: ignore[arg-type, return-value]
    with pytest.raises(ProcessingError, match="which is no ValueTransformer"):
        TopologyTestDriver(builder.build())


def test_dead_letters_of_another_kind() -> None:
    builder = StreamsBuilder()
    builder.stream("in").map_values(int)
    letters: Any = ["in", ProducerRecord("dlq", b"k", b"v", 0)]
    settings = {"on_processing_error": lambda *asked: Response.resume(letters)}
    with (
        TopologyTestDriver(builder.build(), settings) as driver,
        pytest.raises(StreamsError, match="dead_letters= is a list of ProducerRecord"),
    ):
        driver.create_input_topic("in").pipe_input("k", "v")


def test_a_number_that_is_too_large() -> None:
    with pytest.raises(AliranError, match="does not fit 8 bytes: take a type without a limit"):
        serde_for(int).serialize(1 << 63)
