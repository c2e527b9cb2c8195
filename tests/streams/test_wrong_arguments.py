"""Arguments of the wrong kind are refused where they are passed, in words and not by accident."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aliran.core.errors import AliranError, ConfigError
from aliran.serdes import SessionWindowedSerde, Windowed, WindowedSerde
from aliran.streams import (
    App,
    IllegalStateError,
    Materialized,
    Stores,
    StreamsBuilder,
    TopologyError,
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
