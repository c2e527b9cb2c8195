"""Extension: rows that vanish when they are not updated for some stream time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aliran.streams import (
    KTable,
    Materialized,
    StreamsBuilder,
    TopologyError,
    TopologyTestDriver,
)

Event = tuple[str, str | None, int]
Build = Callable[[StreamsBuilder], KTable[Any, Any]]


def counted(builder: StreamsBuilder) -> KTable[Any, Any]:
    return builder.stream("in").group_by_key().count(store="s", ttl="10s")


def of_topic(builder: StreamsBuilder) -> KTable[Any, Any]:
    return builder.table("in", store="s", ttl="10s")


def of_stream(builder: StreamsBuilder) -> KTable[Any, Any]:
    return builder.stream("in").to_table(store="s", ttl="10s")


def outcome(
    build: Build, *events: Event, **config: Any
) -> tuple[list[tuple[Any, Any, int]], dict[Any, Any], int]:
    """Return updates with their times, the rows that are left, and how much was dropped."""
    builder = StreamsBuilder()
    build(builder).to_stream().map_values(str).to("out", value=str)
    with TopologyTestDriver(builder.build(), config) as driver:
        topic = driver.create_input_topic("in")
        for event in events:
            topic.pipe_input(*event)
        out = driver.create_output_topic("out").read_records_to_list()
        rows = dict(driver.get_key_value_store("s").all())
        assert len(list(driver.get_key_value_store("s-ttl").all())) >= len(rows)
        dropped = driver.statistics().dropped_records
    return [(each.key, each.value, each.timestamp // 1000) for each in out], rows, dropped


@pytest.mark.parametrize("cache", [0, 1_000_000])
def test_what_is_not_updated_vanishes_and_begins_anew(cache: int) -> None:
    updates, rows, _ = outcome(
        counted,
        ("a", "x", 0),
        ("b", "x", 5_000),
        ("a", "x", 9_999),
        ("b", "x", 15_000),
        ("b", "x", 19_999),
        cache_max_bytes=cache,
    )
    assert updates == [
        ("a", "1", 0),
        ("b", "1", 5),
        ("a", "2", 9),
        ("b", "None", 15),
        ("b", "1", 15),
        ("a", "None", 19),
        ("b", "2", 19),
    ]
    assert rows == {"b": 2}


@pytest.mark.parametrize("build", [of_topic, of_stream])
def test_rows_of_tables_vanish_in_the_order_of_their_times(build: Build) -> None:
    updates, rows, _ = outcome(
        build,
        ("c", "1", 3_000),
        ("a", "1", 1_000),
        ("b", "1", 2_000),
        ("a", "2", 4_000),  # moves behind the others
        ("d", "1", 4_000),
        ("d", None, 4_500),
        ("z", "1", 60_000),
    )
    assert updates[-4:] == [("b", "None", 12), ("c", "None", 13), ("a", "None", 14), ("z", "1", 60)]
    assert rows == {"z": "1"}


def test_records_older_than_rows_get_are_dropped() -> None:
    updates, rows, dropped = outcome(
        of_topic, ("a", "1", 20_000), ("b", "1", 10_000), ("b", "2", 10_001), ("c", "1", 20_001)
    )
    assert updates == [("a", "1", 20), ("b", "2", 10), ("b", "None", 20), ("c", "1", 20)]
    assert (rows, dropped) == ({"a": "1", "c": "1"}, 1)


def test_a_row_that_an_older_record_overwrites_vanishes_with_that() -> None:
    updates, _, _ = outcome(of_topic, ("a", "1", 9_000), ("a", "2", 1_000), ("b", "1", 11_000))
    assert updates == [("a", "1", 9), ("a", "2", 1), ("a", "None", 11), ("b", "1", 11)]


def test_reduce_and_aggregate() -> None:
    events: list[Event] = [("a", "x", 0), ("a", "y", 1_000), ("b", "q", 11_000), ("a", "z", 12_000)]
    expected = [("a", "x"), ("a", "xy"), ("a", "None"), ("b", "q"), ("a", "z")]
    reduced, _, _ = outcome(
        lambda b: b.stream("in").group_by_key().reduce(lambda x, y: x + y, store="s", ttl="10s"),
        *events,
    )
    folded, _, _ = outcome(
        lambda b: (
            b.stream("in")
            .group_by_key()
            .aggregate(str, lambda k, v, s: s + v, Materialized(store="s", ttl="10s"), value=str)
        ),
        *events,
    )
    assert [each[:2] for each in reduced] == [each[:2] for each in folded] == expected


def test_what_is_computed_from_rows_follows() -> None:
    builder = StreamsBuilder()
    table = builder.table("in", value=int, store="s", ttl="10s")
    table.group_by(lambda k, v: ("all", v), key=str, value=int).reduce(
        lambda x, y: x + y, lambda x, y: x - y, store="sum"
    )
    with TopologyTestDriver(builder.build()) as driver:
        topic = driver.create_input_topic("in", value=int)
        sums = driver.get_key_value_store("sum")
        for key, value, time in (("a", 1, 0), ("b", 2, 5_000), ("c", 4, 9_000)):
            topic.pipe_input(key, value, time)
        assert sums.get("all") == 7
        topic.pipe_input("c", 8, 15_000)
        assert sums.get("all") == 8


def test_other_records_of_the_task_move_time_on() -> None:
    builder = StreamsBuilder()
    table = builder.table("in", store="s", ttl="10s")
    builder.stream("others").left_join(table, lambda x, y: f"{x}{y}").to("out")
    with TopologyTestDriver(builder.build()) as driver:
        driver.create_input_topic("in").pipe_input("a", "1", 1_000)
        others = driver.create_input_topic("others")
        for time in (2_000, 10_999, 20_000, 20_001):
            others.pipe_input("a", "x", time)
        found = driver.create_output_topic("out").read_values_to_list()
        assert found == ["x1", "x1", "x1", "xNone"]


def test_an_optimised_table_keeps_a_changelog_of_its_own() -> None:
    builder = StreamsBuilder()
    of_topic(builder)
    topology = builder.build({"topology_optimization": "all"})
    assert topology.store("s").changelog_topic is None
    assert "KTABLE-SOURCE-0000000001 (stores: [s, s-ttl])" in str(topology.describe())


def test_the_changelog_has_the_tombstones() -> None:
    builder = StreamsBuilder()
    of_topic(builder)
    with TopologyTestDriver(builder.build(), {"application_id": "app"}) as driver:
        topic = driver.create_input_topic("in")
        topic.pipe_input("a", "1", 1_000)
        topic.pipe_input("b", "1", 12_000)
        log = driver.create_output_topic("app-s-changelog").read_records_to_list()
        assert [(each.key, each.value) for each in log] == [("a", "1"), ("a", None), ("b", "1")]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda b: b.table("t", store="s", ttl=0), "ttl= must be above 0 ms, it is 0 ms"),
        (lambda b: b.table("t", store="s", ttl="1s", caching=True), "not cached"),
        (lambda b: b.table("t", store="s", ttl="1s", history_retention="1s"), "not versioned"),
        (lambda b: b.table("t").filter(lambda k, v: True, store="s", ttl="1s"), "Rows of views"),
        (
            lambda b: b.table("t").join(
                b.table("u"), lambda x, y: x, store="s", value=str, ttl="1s"
            ),
            "joins and grouped tables",
        ),
        (
            lambda b: b.table("t").group_by(lambda k, v: (k, v)).count(store="s", ttl="1s"),
            "grouped tables go with those",
        ),
        (
            lambda b: (
                b.stream("t")
                .group_by_key()
                .cogroup(lambda k, v, n: n)
                .aggregate(int, store="s", value=int, ttl="1s")
            ),
            "of one stream without windows",
        ),
        (lambda b: b.global_table("t", store="s", ttl="1s"), "cannot have a ttl: that is for"),
        (
            lambda b: b.stream("t").group_by_key().windowed_by("1s").count(store="s", ttl="1s"),
            "windows have retention=",
        ),
    ],
)
def test_wrong_places_are_refused(wrong: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        wrong(StreamsBuilder())
