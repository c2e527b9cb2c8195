"""Versioned tables: what they were at a record's time, late updates, and records that wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aliran.core.errors import AliranError
from aliran.streams import (
    Joined,
    KTable,
    Materialized,
    Stores,
    StreamsBuilder,
    Suppressed,
    TopologyError,
    TopologyTestDriver,
    ValueTransformer,
)
from aliran.streams.runtime.internal_topics import changelog_config

Rows = list[tuple[Any, Any, int]]
Table = KTable[str, Any]
View = Callable[[Table], Table]


def pair(one: Any, other: Any) -> str:
    return f"{one}-{other}"


def prices(builder: StreamsBuilder, history: int = 100, topic: str = "prices") -> Table:
    return builder.table(topic, store=topic, history_retention=history)


def run(builder: StreamsBuilder, *records: tuple[str, Any, Any, int]) -> dict[str, Rows]:
    """Pipe (topic, key, value, time) and return what all topics got; "dropped" is a count."""
    with TopologyTestDriver(builder.build()) as driver:
        for topic, key, value, time in records:
            driver.create_input_topic(topic).pipe_input(key, value, time)
        found: dict[str, Rows] = {}
        for topic in driver.produced_topic_names():
            read = driver.create_output_topic(topic).read_records_to_list
            if not topic.endswith(("-changelog", "-topic", "-repartition")):
                found[topic] = [(each.key, each.value, each.timestamp) for each in read()]
        found["dropped"] = [("", "", driver.statistics().dropped_records)]
    return found


HISTORY = [
    ("prices", "a", "p10", 10),
    ("prices", "a", "p30", 30),
    ("prices", "a", "p20", 20),
    ("prices", "a", None, 40),
]


# ---------------------------------------------------------------------------- streams and tables


def test_a_join_looks_up_the_time_of_the_record() -> None:
    builder = StreamsBuilder()
    builder.stream("in").join(prices(builder), pair).to("out", value=str)
    records = [("in", "a", f"s{time}", time) for time in (25, 9, 10, 19, 30, 40, 50)]
    found = run(builder, *HISTORY, *records)
    assert found["out"] == [
        ("a", "s25-p20", 25),
        ("a", "s10-p10", 10),
        ("a", "s19-p10", 19),
        ("a", "s30-p30", 30),
    ]


def test_a_left_join_with_key_finds_nothing_before_and_after() -> None:
    builder = StreamsBuilder()
    table = prices(builder)
    builder.stream("in").left_join(table, lambda k, v, p: f"{k}:{v}-{p}").to("out", value=str)
    found = run(builder, *HISTORY, ("in", "a", "x", 9), ("in", "a", "y", 39), ("in", "a", "z", 40))
    assert [value for _, value, _ in found["out"]] == ["a:x-None", "a:y-p30", "a:z-None"]


def test_of_times_before_the_history_only_the_newest_row_is_known() -> None:
    builder = StreamsBuilder()
    builder.stream("in").left_join(prices(builder, 10), pair).to("out", value=str)
    old = [("in", key, "x", time) for key, time in (("a", 20), ("a", 19), ("b", 19))]
    updates = [("prices", "b", "b1", 1), ("prices", "a", "p1", 1), ("prices", "a", "p30", 30)]
    found = run(builder, *updates, *old)
    assert [value for _, value, _ in found["out"]] == ["x-p1", "x-None", "x-b1"]


class Exclaim(ValueTransformer[str, Any, Any]):
    def transform(self, key: str, value: str | None) -> str | None:
        return None if value is None else value + "!"


VERSIONED = Stores.persistent_versioned_key_value_store("own", 100, segment_interval=7)
VIEWS: dict[str, tuple[View, str]] = {
    "filter": (lambda t: t.filter(lambda k, v: v != "p30"), "x-p10"),
    "filter_not": (lambda t: t.filter_not(lambda k, v: v == "p20"), "x-None"),
    "map_values": (lambda t: t.map_values(str.upper), "x-P20"),
    "transform_values": (lambda t: t.transform_values(Exclaim), "x-p20!"),
    "views of views": (lambda t: t.filter(lambda k, v: True).map_values(str.upper), "x-P20"),
    "serdes alone": (lambda t: t.filter(lambda k, v: True, Materialized(key=str)), "x-p20"),
    "of a supplier": (
        lambda t: t.filter(lambda k, v: True, store_supplier=VERSIONED),
        "x-p20",
    ),
    "versioned again": (
        lambda t: t.map_values(str.upper, store="again", history_retention=100),
        "x-P20",
    ),
}


@pytest.mark.parametrize("name", [name for name in VIEWS if name != "filter"])
def test_views_know_the_time_too(name: str) -> None:
    view, expected = VIEWS[name]
    builder = StreamsBuilder()
    builder.stream("in").left_join(view(prices(builder)), pair).to("out", value=str)
    assert run(builder, *HISTORY, ("in", "a", "x", 25))["out"] == [("a", expected, 25)]


LATEST: dict[str, View] = {
    "a plain store": lambda t: t.map_values(str.upper, store="plain"),
    "a join of tables": lambda t: t.join(t.map_values(str.lower), pair),
}


@pytest.mark.parametrize("name", LATEST)
def test_other_tables_know_the_latest_alone(name: str) -> None:
    builder = StreamsBuilder()
    table = LATEST[name](prices(builder))
    builder.stream("in").left_join(table, pair).to("out", value=str)
    found = run(builder, *HISTORY[:2], ("in", "a", "x", 25))
    assert found["out"][0][1] in ("x-P30", "x-p30-p30")


# ---------------------------------------------------------------------------- grace


def waiting(builder: StreamsBuilder, grace: int | str = 10, *, left: bool = False) -> None:
    stream, table = builder.stream("in"), prices(builder)
    join = stream.left_join if left else stream.join
    joined: Any = join(table, pair, grace=grace, name="wait")
    joined.to("out", value=str)


def test_records_wait_for_the_table_to_catch_up() -> None:
    builder = StreamsBuilder()
    waiting(builder)
    found = run(
        builder,
        ("in", "a", "s20", 20),
        ("prices", "a", "p15", 15),  # late, and in time
        ("in", "b", "s12", 12),
        ("in", "a", "s11", 11),
        ("prices", "b", "p12", 12),
        ("in", "c", "s29", 29),
        ("in", "c", "s30", 30),
    )
    # In the order of their times; of one time by key.
    assert found["out"] == [("b", "s12-p12", 12), ("a", "s20-p15", 20)]


def test_a_record_at_the_edge_waits_and_goes_at_once() -> None:
    builder = StreamsBuilder()
    waiting(builder, left=True)
    records = [("in", "a", f"s{time}", time) for time in (20, 10, 9)]
    found = run(builder, *records)
    assert [value for _, value, _ in found["out"]] == ["s10-None", "s9-None"]


def test_headers_wait_with_the_record_and_the_buffer_is_logged() -> None:
    builder = StreamsBuilder()
    waiting(builder, "10ms", left=True)
    with TopologyTestDriver(builder.build()) as driver:
        topic = driver.create_input_topic("in")
        topic.pipe_input("a", "x", 5, (("h", b"1"),))
        topic.pipe_input("b", "y", 40)
        result = driver.create_output_topic("out").read_record()
        log = driver.create_output_topic(
            "test-application-wait-Buffer-changelog", key=bytes, value=bytes
        ).read_records_to_list()
    assert (result.key, result.value, result.timestamp) == ("a", "x-None", 5)
    assert result.headers == (("h", b"1"),)
    assert [each.key for each in log] == [
        b"\0" + (5).to_bytes(8, "big") + b"a" + (1).to_bytes(4, "big"),
        b"\0" + (40).to_bytes(8, "big") + b"b" + (2).to_bytes(4, "big"),
        b"\0" + (5).to_bytes(8, "big") + b"a" + (1).to_bytes(4, "big"),
    ]
    assert log[0].value.startswith((5).to_bytes(8, "big") + (0).to_bytes(8, "big"))
    assert log[0].value.endswith(b"\0\0\0\1x" + bytes(8))
    assert log[2].value is None


def test_topics_are_chosen_by_the_record_that_waited() -> None:
    builder = StreamsBuilder()
    joined = builder.stream("in").left_join(prices(builder), pair, grace=10)
    joined.to(lambda key, value, at: f"{at.topic}-{at.offset}-{at.timestamp}", value=str)
    found = run(builder, ("in", "a", "x", 5), ("in", "a", "y", 6), ("in", "a", "z", 16))
    assert sorted(found) == ["dropped", "in-0-5", "in-1-6"]


def test_the_buffer_is_a_store_of_the_joins_name() -> None:
    builder = StreamsBuilder()
    waiting(builder)
    topology = builder.build()
    assert "Processor: wait (stores: [prices, wait-Buffer])" in str(topology.describe())
    (spec,) = [store for store in topology.stores if store.name == "wait-Buffer"]
    assert changelog_config(spec)["cleanup.policy"] == "compact"


def test_strict_naming_wants_a_name_for_the_buffer() -> None:
    builder = StreamsBuilder()
    builder.stream("in").join(prices(builder), pair, grace=5).to("out", value=str)
    with pytest.raises(TopologyError, match=r"KSTREAM-JOIN-\d+-Buffer"):
        TopologyTestDriver(builder.build(), {"strict_naming": True})


def test_joined_says_the_grace_too() -> None:
    builder = StreamsBuilder()
    table, joined = prices(builder), Joined[str, str, Any](grace=10)
    builder.stream("in").join(table, pair, joined).to("out", value=str)
    assert any(store.kind == "record-buffer" for store in builder.build().stores)


def test_a_record_without_a_key_cannot_wait() -> None:
    builder = StreamsBuilder()
    waiting(builder, left=True)
    with pytest.raises(AliranError, match=r"wait has a grace of 10 ms.*wait-Buffer.*has none"):
        run(builder, ("in", None, "x", 1))


def test_what_failed_to_be_joined_stays_in_the_buffer() -> None:
    failing = True

    def joiner(value: str, _price: str | None) -> str:
        if failing:
            raise ValueError("not now")
        return value

    builder = StreamsBuilder()
    joined = builder.stream("in").left_join(prices(builder), joiner, grace=10)
    joined.to("out", value=str)
    with TopologyTestDriver(builder.build(), {"on_error": "skip"}) as driver:
        topic = driver.create_input_topic("in")
        for time in (1, 2, 30):
            topic.pipe_input("a", f"s{time}", time)
        failing = False
        topic.pipe_input("a", "s31", 31)
        found = driver.create_output_topic("out").read_values_to_list()
    assert found == ["s1", "s2"]


# ---------------------------------------------------------------------------- late updates


def test_a_table_forwards_late_updates_but_not_those_before_its_history() -> None:
    builder = StreamsBuilder()
    prices(builder, 15).to_stream().to("out")
    late = ("prices", "a", "p14", 14)
    found = run(builder, *HISTORY[:3], late)
    assert [value for _, value, _ in found["out"]] == ["p10", "p30", "p20"]
    assert found["dropped"] == [("", "", 1)]


@pytest.mark.parametrize("method", ["join", "left_join", "outer_join"])
def test_joins_of_tables_leave_late_updates_out(method: str) -> None:
    builder = StreamsBuilder()
    left, right = prices(builder), prices(builder, topic="others")
    getattr(left, method)(right, pair).to_stream().to("out", value=str)
    found = run(
        builder,
        ("prices", "a", "p20", 20),
        ("others", "a", "o30", 30),
        ("prices", "a", "p10", 10),
        ("others", "a", "o10", 10),
        ("prices", "a", "p25", 25),
    )
    assert [each for each in found["out"] if "None" not in each[1]] == [
        ("a", "p20-o30", 30),
        ("a", "p25-o30", 30),
    ]
    assert found["dropped"] == [("", "", 2)]


def test_groups_leave_late_updates_out_without_counting_them() -> None:
    builder = StreamsBuilder()
    grouped = prices(builder).group_by(lambda key, value: (value, 1), value=int)
    grouped.count().to_stream().to("out", value=int)
    with TopologyTestDriver(builder.build()) as driver:
        topic = driver.create_input_topic("prices")
        topic.pipe_input("a", "x", 20)
        topic.pipe_input("a", "y", 10)
        counts = driver.create_output_topic("out", value=int).read_key_values_to_list()
        dropped = driver.statistics().dropped_records
    assert counts == [("x", 1)]
    assert dropped == 0


@pytest.mark.parametrize("view", ["filter", "map_values", "views of views", "versioned again"])
def test_views_of_versioned_tables_leave_late_updates_out_behind_them(view: str) -> None:
    builder = StreamsBuilder()
    VIEWS[view][0](prices(builder)).group_by(lambda k, v: ("all", v)).count().to_stream().to("out")
    found = run(builder, ("prices", "a", "p20", 20), ("prices", "a", "p10", 10))
    assert len(found["out"]) == 1


def test_wrapped_processors_know_the_latest_too() -> None:
    builder = StreamsBuilder()
    good = prices(builder).filter(lambda key, value: value != "bad")
    good.group_by(lambda key, value: ("all", value)).count().to_stream().to("out", value=int)
    config = {"processor_wrapper": lambda name, supplier: supplier}
    with TopologyTestDriver(builder.build(), config) as driver:
        topic = driver.create_input_topic("prices")
        for time in (20, 10, 30):
            topic.pipe_input("a", f"p{time}", time)
        counts = driver.create_output_topic("out", value=int).read_values_to_list()
    assert counts == [1, 1]


def test_a_plain_store_takes_late_updates_as_they_come() -> None:
    builder = StreamsBuilder()
    plain = prices(builder).map_values(str.upper, store="plain")
    plain.group_by(lambda k, v: (v, v)).count().to_stream().to("out")
    found = run(builder, ("prices", "a", "p20", 20), ("prices", "a", "p10", 10))
    assert [key for key, _, _ in found["out"]] == ["P20", "P20", "P10"]


def test_a_filter_forwards_every_tombstone_of_a_versioned_table() -> None:
    builder = StreamsBuilder()
    filtered = prices(builder).filter(lambda key, value: value == "good")
    filtered.group_by(lambda key, value: (value, value)).count()  # asks for old values
    filtered.to_stream().to("out")
    found = run(builder, ("prices", "a", "bad", 20), ("prices", "a", "worse", 10))
    assert found["out"] == [("a", None, 20), ("a", None, 10)]


@pytest.mark.parametrize("late_side", ["prices", "orders"])
def test_foreign_keys_leave_late_updates_out(late_side: str) -> None:
    builder = StreamsBuilder()
    orders, table = prices(builder, topic="orders"), prices(builder)
    orders.join(table, pair, foreign_key=str).to_stream().to("out", value=str)
    found = run(
        builder,
        ("prices", "x", "p20", 20),
        ("orders", "o", "x", 20),
        (late_side, "x" if late_side == "prices" else "o", "x" + late_side, 10),
    )
    assert found["out"] == [("o", "x-p20", 20)]
    assert found["dropped"] == [("", "", 1)]


def test_aggregates_can_be_versioned() -> None:
    builder = StreamsBuilder()
    counts = builder.stream("words").group_by_key().count(store="counts", history_retention=50)
    builder.stream("in").left_join(counts, pair).to("out", value=str)
    words = [("words", "a", "w", time) for time in (10, 20, 15)]
    found = run(builder, *words, *(("in", "a", "x", time) for time in (9, 19, 20)))
    assert [value for _, value, _ in found["out"]] == ["x-None", "x-1", "x-3"]


def test_a_table_keeps_its_rows_in_a_store_that_is_given() -> None:
    builder = StreamsBuilder()
    last = Stores.lru_map("last", 2, logging=False)
    builder.table("rows", value=int, store_supplier=last)
    builder.table("versions", store_supplier=VERSIONED)
    (lru, own) = builder.build().stores
    assert (lru.kind, lru.max_entries, lru.logging) == ("timestamped-lru", 2, False)
    assert (own.kind, own.segment_interval_ms, own.caching) == ("versioned", 7, False)
    with TopologyTestDriver(builder.build()) as driver:
        for key in ("a", "b", "c"):
            driver.create_input_topic("rows", value=int).pipe_input(key, 1, 5)
        kept = driver.get_state_store("last").all()
        assert [(key, row.value, row.timestamp) for key, row in kept] == [("b", 1, 5), ("c", 1, 5)]


def test_stores_can_be_asked_by_time() -> None:
    builder = StreamsBuilder()
    prices(builder)
    with TopologyTestDriver(builder.build()) as driver:
        for _, key, value, time in HISTORY:
            driver.create_input_topic("prices").pipe_input(key, value, time)
        store = driver.get_state_store("prices")
        assert store.get("a") is None
        assert store.get("a", 39) == ("p30", 30, 40)


# ---------------------------------------------------------------------------- what cannot be


def grace_on_a_plain_table(b: StreamsBuilder) -> None:
    b.stream("in").join(b.table("plain", store="p"), pair, grace="5ms", name="j")


def grace_on_a_stored_view(b: StreamsBuilder) -> None:
    b.stream("in").join(prices(b).map_values(str.upper, store="s"), pair, grace=5, name="j")


def grace_on_a_view_with_serdes(b: StreamsBuilder) -> None:
    b.stream("in").join(VIEWS["serdes alone"][0](prices(b)), pair, grace=5, name="j")


def grace_on_a_join(b: StreamsBuilder) -> None:
    both = prices(b).join(prices(b, topic="others"), pair)
    b.stream("in").join(both, pair, grace=5, name="j")


def grace_above_history(b: StreamsBuilder) -> None:
    b.stream("in").join(prices(b, 4), pair, grace=5, name="j")


def negative_grace(b: StreamsBuilder) -> None:
    b.stream("in").join(prices(b), pair, grace=-1, name="j")


def suppressed(b: StreamsBuilder) -> None:
    prices(b).map_values(str.upper).suppress(Suppressed.until_time_limit(5), name="calm")


def global_table(b: StreamsBuilder) -> None:
    b.global_table("in", store="g", history_retention=5)


def windows(b: StreamsBuilder) -> None:
    b.stream("in").group_by_key().windowed_by(5).count(store="w", history_retention=5)


def no_name(b: StreamsBuilder) -> None:
    b.table("in", history_retention=5)


def supplier_of_windows(b: StreamsBuilder) -> None:
    b.table("in", store_supplier=Stores.in_memory_window_store("w", window_size=5))


def supplier_for_windows(b: StreamsBuilder) -> None:
    b.stream("in").group_by_key().windowed_by(5).count(store_supplier=Stores.lru_map("w", 5))


def supplier_and_name(b: StreamsBuilder) -> None:
    b.table("in", store="s", store_supplier=Stores.lru_map("other", 5))


def supplier_of_another_kind(b: StreamsBuilder) -> None:
    b.table("in", store_supplier="store")


def negative_history(b: StreamsBuilder) -> None:
    prices(b, -1)


def two_retentions(b: StreamsBuilder) -> None:
    b.table("in", store="s", history_retention=5, retention=5)


REFUSED: dict[Callable[[StreamsBuilder], None], str] = {
    grace_on_a_plain_table: r"j has a grace of 5 ms.*KTABLE-SOURCE-\d+ is not versioned",
    grace_on_a_stored_view: r"KTABLE-MAPVALUES-\d+ is not versioned: pass history_retention=",
    grace_on_a_view_with_serdes: r"KTABLE-FILTER-\d+ is not versioned",
    grace_on_a_join: r"KTABLE-MERGE-\d+ is not versioned",
    grace_above_history: r"j .*grace of 5 ms.*'prices' has a history of 4 ms",
    negative_grace: "j: grace must not be negative, it is -1",
    suppressed: r"suppress \(calm\).*versioned.*KTABLE-MAPVALUES",
    global_table: "'g' cannot be versioned: it is a global table's",
    windows: "'w' cannot be versioned: it holds windows",
    no_name: r"table with history_retention=.*pass store=",
    supplier_of_windows: "'w' is of kind window, which cannot hold the rows of a table",
    supplier_for_windows: "'w' is of kind lru, which does not suit the aggregation",
    supplier_and_name: r"table is given the store 'other' by store_supplier=.*leave store=",
    supplier_of_another_kind: "table takes what Stores makes as store_supplier=, got 'store'",
    negative_history: "'prices': history_retention must not be negative, it is -1 ms",
    two_retentions: "retention= belongs to windowed aggregations",
}


@pytest.mark.parametrize("define", REFUSED, ids=lambda define: define.__name__)
def test_it_is_refused_where_it_is_said(define: Callable[[StreamsBuilder], None]) -> None:
    with pytest.raises(TopologyError, match=REFUSED[define]):
        define(StreamsBuilder())
