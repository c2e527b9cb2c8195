"""Windows of all kinds, final results, cogroups and suppression, as users write them.

That their results are Kafka's is the oracle's to say (`tests/oracle`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest

from aliran.streams import (
    BufferConfig,
    EmitStrategy,
    KGroupedStream,
    ProcessingError,
    SessionWindows,
    SlidingWindows,
    StreamsBuilder,
    Suppressed,
    TimeWindows,
    TopologyError,
    TopologyTestDriver,
    UnlimitedWindows,
    Windowed,
    Windows,
)

Row = tuple[str, int, int, Any]
"""Key, start, end, value."""


def grouped(builder: StreamsBuilder) -> KGroupedStream[str, str]:
    return builder.stream("in").group_by_key()


def listed(window: Windowed[str], value: Any) -> tuple[str, str]:
    return window.key, f"{window.start_ms}-{window.end_ms}:{value}"


def results(
    build: Callable[[StreamsBuilder], Any],
    records: Iterable[tuple[str | None, str | None, int]],
    **config: Any,
) -> tuple[list[tuple[str, str]], int]:
    """Return what a windowed table sends, and how many records were dropped."""
    builder = StreamsBuilder()
    build(builder).to_stream().map(listed).to("out", key=str, value=str)
    with TopologyTestDriver(builder.build(), config) as driver:
        topic = driver.create_input_topic("in")
        for key, value, time_ms in records:
            topic.pipe_input(key, value, time_ms)
        found = driver.create_output_topic("out").read_key_values_to_list()
        return [(key, value) for key, value in found], driver.statistics().dropped_records


# ---------------------------------------------------------------------------- definitions


def shape(builder: StreamsBuilder) -> Any:
    topology = builder.build()
    (store,) = topology.stores
    times = (store.kind, store.retention_ms, store.window_size_ms)
    return str(topology.describe()), times, repr(topology.nodes[1].operator)  # type: ignore[union-attr]


def test_keywords_and_definitions_are_the_same() -> None:
    pairs: list[tuple[Any, dict[str, Any]]] = [
        (TimeWindows.of_size_and_grace("1m", "10s"), {"windows": "1m", "grace": "10s"}),
        (
            TimeWindows.of_size_with_no_grace(60_000).advance_by("20s"),
            {"windows": timedelta(minutes=1), "advance": "20s"},
        ),
        (
            SlidingWindows.of_time_difference_and_grace("10s", 5),
            {"sliding": "10s", "grace": "5ms"},
        ),
        (SessionWindows.of_inactivity_gap_with_no_grace("5m"), {"session": "5m"}),
    ]
    for definition, keywords in pairs:
        one, other = StreamsBuilder(), StreamsBuilder()
        grouped(one).windowed_by(definition).count(store="s")
        grouped(other).windowed_by(**keywords).count(store="s")
        assert shape(one) == shape(other)


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda g: g.windowed_by(), "got 0 of them"),
        (lambda g: g.windowed_by("1m", session="5m"), "got 2 of them"),
        (lambda g: g.windowed_by(session="5m", advance="1m"), "advance= belongs to windows"),
        (lambda g: g.windowed_by(SessionWindows(5, 0), grace=3), "takes SessionWindows, or a size"),
        (lambda g: g.windowed_by(sliding=0), "must be above 0"),
        (lambda g: g.windowed_by(session=-1), "gap of sessions must not be below 0"),
        (lambda g: g.windowed_by(sliding=1, grace=-1), "grace of windows must not be below 0"),
        (lambda g: UnlimitedWindows.of().start_on(-1), "must not start before 0"),
        (lambda g: g.windowed_by(sliding=10).count(retention=19), "at least 20 ms, twice"),
        (lambda g: g.windowed_by(session=10, grace=2).count(retention=11), "at least 12 ms"),
        (
            lambda g: g.windowed_by(UnlimitedWindows.of()).emit_strategy(
                EmitStrategy.on_window_close()
            ),
            "not for UnlimitedWindows",
        ),
        (lambda g: g.windowed_by(10).emit_strategy("close"), "takes an EmitStrategy"),
        (
            lambda g: g.windowed_by(session=10).aggregate(str, lambda k, v, a: a, None),
            "merger",
        ),
        (lambda g: g.cogroup(lambda k, v: v), "aggregator"),
        (
            lambda g: g.cogroup(lambda k, v, a: a).cogroup(3, lambda k, v, a: a),
            "cogroup takes a grouped stream",
        ),
        (lambda g: g.count().suppress(Suppressed.until_window_closes()), "needs windows in front"),
        (lambda g: g.count().suppress("1m"), "suppress takes a Suppressed"),
        (lambda g: Suppressed.until_time_limit(-1), "must not be below 0"),
        (lambda g: Suppressed.until_time_limit(1, max_records=-1), "cannot hold -1 records"),
        (
            lambda g: Suppressed.until_window_closes(
                BufferConfig.of_max_records(3).emit_early_when_full()
            ),
            "cannot emit early",
        ),
    ],
)
def test_mistakes_are_refused_where_they_are_made(
    mistake: Callable[[Any], object], message: str
) -> None:
    with pytest.raises(TopologyError, match=message):
        mistake(grouped(StreamsBuilder()))


def test_groups_of_two_builders_are_not_cogrouped() -> None:
    one, other = grouped(StreamsBuilder()), grouped(StreamsBuilder())
    with pytest.raises(TopologyError, match="the same builder"):
        one.cogroup(lambda k, v, a: a).cogroup(other, lambda k, v, a: a)


# ---------------------------------------------------------------------------- windows


def test_sessions_grow_together_and_the_old_ones_are_deleted() -> None:
    found, dropped = results(
        lambda b: grouped(b).windowed_by(session=5, grace=10).count(),
        [("a", "x", 10), ("a", "x", 20), ("a", "x", 15), (None, "x", 15), ("a", "x", 50)],
    )
    assert found == [
        ("a", "10-10:1"),
        ("a", "20-20:1"),
        ("a", "10-10:None"),
        ("a", "20-20:None"),
        ("a", "10-20:3"),
        ("a", "50-50:1"),
    ]
    assert dropped == 1


def test_late_records_are_counted() -> None:
    for windows in ({"windows": 10}, {"sliding": 10}, {"session": 10}):
        _, dropped = results(
            lambda b, windows=windows: grouped(b).windowed_by(**windows).count(),  # type: ignore[misc]
            [("a", "x", 100), ("a", "x", 5)],
        )
        assert dropped == 1, windows


def test_sliding_windows_hold_what_is_close() -> None:
    found, dropped = results(
        lambda b: grouped(b).windowed_by(sliding=10, grace=100).reduce(lambda a, v: a + v),
        [("a", "1", 20), ("a", "2", 25), ("a", None, 26)],
    )
    assert found == [("a", "10-20:1"), ("a", "21-31:2"), ("a", "15-25:12")]
    assert dropped == 1


def test_the_unlimited_window_has_no_end() -> None:
    found, _ = results(
        lambda b: grouped(b).windowed_by(UnlimitedWindows.of().start_on(10)).count(),
        [("a", "x", 9), ("a", "x", 10), ("a", "x", 1 << 40)],
    )
    end = (1 << 63) - 1
    assert found == [("a", f"10-{end}:1"), ("a", f"10-{end}:2")]


class Halves(Windows):
    """Two windows a hundred, 0 to 50 and 50 to 100."""

    size_ms = 50
    grace_ms = 10

    def windows_for(self, timestamp_ms: int) -> list[tuple[int, int]]:
        start = timestamp_ms // 50 * 50
        return [(start, start + 50)]


def test_windows_of_ones_own() -> None:
    records = [("a", "x", 49), ("a", "x", 59), ("a", "x", 3), ("a", "x", 60), ("a", "x", 4)]
    found, dropped = results(lambda b: grouped(b).windowed_by(Halves()).count(), records)
    assert found == [("a", "0-50:1"), ("a", "50-100:1"), ("a", "0-50:2"), ("a", "50-100:2")]
    assert dropped == 1


class Endless(Windows):
    def windows_for(self, timestamp_ms: int) -> list[tuple[int, int]]:
        return []


def test_windows_of_ones_own_have_a_size() -> None:
    with pytest.raises(TopologyError, match="Endless must say how long"):
        grouped(StreamsBuilder()).windowed_by(Endless())


# ---------------------------------------------------------------------------- aggregates in place


def append(_key: str, value: str, aggregate: list[str]) -> list[str]:
    aggregate.append(value)  # in place, as people do
    return aggregate


def concatenate(_key: str, one: list[str], other: list[str]) -> list[str]:
    one.extend(other)
    return one


@pytest.mark.parametrize("cache_max_bytes", [0, 1_000_000])
def test_aggregates_may_be_changed_in_place(cache_max_bytes: int) -> None:
    records = [("a", "1", 20), ("a", "2", 25), ("a", "3", 22), ("a", "4", 23)]

    def sliding(b: StreamsBuilder) -> Any:
        return grouped(b).windowed_by(sliding=4, grace=50).aggregate(list, append, value=list)

    def session(b: StreamsBuilder) -> Any:
        windowed = grouped(b).windowed_by(session=4, grace=50)
        return windowed.aggregate(list, append, concatenate, value=list)

    last = dict[str, str]()
    for pair in results(sliding, records, cache_max_bytes=cache_max_bytes)[0]:
        window, value = pair[1].split(":", 1)
        last[window] = value
    assert last == {
        "16-20": "['1']",
        "21-25": "['2', '3', '4']",
        "18-22": "['1', '3']",
        "23-27": "['2', '4']",
        "19-23": "['1', '3', '4']",
        "24-28": "['2']",
    }
    found, _ = results(session, records, cache_max_bytes=cache_max_bytes)
    assert found[-1] == ("a", "20-25:['1', '2', '3', '4']")


# ---------------------------------------------------------------------------- final results


def test_results_come_when_windows_close() -> None:
    def final(**windows: Any) -> Callable[[StreamsBuilder], Any]:
        def build(b: StreamsBuilder) -> Any:
            windowed = grouped(b).windowed_by(**windows)
            strategy = EmitStrategy.on_window_close()
            return windowed.emit_strategy(strategy).count(retention=1000)

        return build

    records = [("a", "x", 20), ("a", "x", 25), ("b", "x", 26), ("a", "x", 90)]
    assert results(final(windows=10), records)[0] == [
        ("a", "20-30:2"),
        ("b", "20-30:1"),
    ]
    assert results(final(session=10), records)[0] == [
        ("a", "20-25:2"),
        ("b", "26-26:1"),
    ]


def test_suppress_emits_one_result_a_window() -> None:
    records = [("a", "x", 20), ("a", "x", 25), ("b", "x", 34), ("a", "x", 29), ("b", "x", 90)]
    found, _ = results(
        lambda b: (
            grouped(b)
            .windowed_by(10, grace=5)
            .count()
            .suppress(Suppressed.until_window_closes(BufferConfig.unbounded()), name="final")
        ),
        records,
    )
    assert found == [("a", "20-30:3"), ("b", "30-40:1")]


def test_a_buffer_lets_the_oldest_go_early_or_fails() -> None:
    def build(rule: Suppressed) -> StreamsBuilder:
        b = StreamsBuilder()
        b.table("in").suppress(rule).to_stream().to("out")
        return b

    early = build(Suppressed.until_time_limit("1h", max_records=2))
    with TopologyTestDriver(early.build()) as driver:
        topic = driver.create_input_topic("in")
        for number, key in enumerate("abac"):
            topic.pipe_input(key, str(number), number)
        out = driver.create_output_topic("out").read_key_values_to_list()
        assert out == [("a", "2")]
    full = build(Suppressed.until_time_limit("1h", max_records=2, shut_down_when_full=True))
    with TopologyTestDriver(full.build()) as driver:
        topic = driver.create_input_topic("in")
        topic.pipe_input("a", "0", 0)
        topic.pipe_input("b", "0", 0)
        with pytest.raises(ProcessingError, match="is full: it holds 3 records"):
            topic.pipe_input("c", "0", 0)


def test_a_join_sees_what_suppress_holds_back_as_it_was() -> None:
    b = StreamsBuilder()
    rows = b.table("rows", store="rows").suppress(Suppressed.until_time_limit(10))
    b.stream("in").left_join(rows, lambda v, row: f"{v}{row}").to("out", value=str)
    with TopologyTestDriver(b.build()) as driver:
        table, stream = driver.create_input_topic("rows"), driver.create_input_topic("in")
        out = driver.create_output_topic("out")
        table.pipe_input("a", "1", 0)
        stream.pipe_input("a", "x", 0)
        table.pipe_input("b", "1", 10)
        stream.pipe_input("a", "y", 10)
        table.pipe_input("a", "2", 11)
        stream.pipe_input("a", "z", 11)
        assert out.read_values_to_list() == ["xNone", "y1", "z1"]


# ---------------------------------------------------------------------------- cogroups


def test_cogroups_aggregate_several_streams() -> None:
    b = StreamsBuilder()
    clicks = b.stream("clicks").group_by_key()
    orders = b.stream("orders", value=int).group_by_key()
    both = clicks.cogroup(lambda k, v, total: total + 1).cogroup(
        orders, lambda k, v, total: total + v
    )
    both.aggregate(int, store="totals").to_stream().to("out", key=str, value=int)
    both.windowed_by("10ms").aggregate(int, name="w").to_stream(lambda w, v: w.key).to(
        "windowed", key=str, value=int
    )
    text = str(b.build().describe())
    assert "COGROUPKSTREAM-MERGE-" in text
    assert "w-cogroup-agg-0" in text
    assert "w-cogroup-merge" in text
    with TopologyTestDriver(b.build()) as driver:
        driver.create_input_topic("clicks").pipe_input("a", "x", 1)
        driver.create_input_topic("orders", value=int).pipe_input("a", 10, 2)
        driver.create_input_topic("clicks").pipe_input("a", "x", 15)
        totals = driver.create_output_topic("out", value=int).read_values_to_list()
        windowed = driver.create_output_topic("windowed", value=int).read_values_to_list()
    assert totals == [1, 11, 12]
    assert windowed == [1, 11, 1]
