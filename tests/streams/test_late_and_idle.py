"""Extensions: a topic for late records, and windows that close by wall clock when nothing comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aliran.streams import (
    EmitStrategy,
    KTable,
    StreamsBuilder,
    Suppressed,
    TopologyError,
    TopologyTestDriver,
    UnlimitedWindows,
    Windowed,
    Windows,
)

Event = tuple[str, str, int] | int
"""A record (key, value, time), or how far the wall clock goes on, in ms."""

HOPS = ["20000-30000:2", "25000-35000:2"]
IDLE = EmitStrategy.on_window_close(idle_after="30s")


class Tens(Windows):
    size_ms = 10_000

    def windows_for(self, timestamp_ms: int) -> list[tuple[int, int]]:
        start = timestamp_ms // 10_000 * 10_000
        return [(start, start + 10_000)]


def shown(window: Windowed[str], value: int | None) -> tuple[str, str]:
    return window.key, f"{window.start_ms}-{window.end_ms}:{value}"


def outcome(
    build: Callable[[StreamsBuilder], KTable[Any, Any]], *events: Event
) -> tuple[list[tuple[str, str]], list[tuple[str, str, int]], int]:
    """Return results, late records with their times, and how many records were dropped."""
    builder = StreamsBuilder()
    build(builder).to_stream().map(shown).to("out", key=str, value=str)
    with TopologyTestDriver(builder.build()) as driver:
        topic = driver.create_input_topic("in")
        for event in events:
            if isinstance(event, int):
                driver.advance_wall_clock_time(event)
            else:
                topic.pipe_input(event[0], event[1], event[2], headers=[("h", b"1")])
        results = driver.create_output_topic("out").read_key_values_to_list()
        late = driver.create_output_topic("late").read_records_to_list()
        assert all(list(each.headers) == [("h", b"1")] for each in late)
        dropped = driver.statistics().dropped_records
    return (
        [(key, value) for key, value in results],
        [(each.key, each.value, each.timestamp) for each in late],
        dropped,
    )


def windowed(builder: StreamsBuilder, **windows: Any) -> Any:
    return builder.stream("in").group_by_key().windowed_by(**windows)


# ---------------------------------------------------------------------------- late records


@pytest.mark.parametrize(
    ("windows", "dropped"),
    [
        ({"windows": "10s"}, 2),
        ({"windows": "10s", "advance": "5s"}, 5),
        ({"sliding": "10s"}, 3),
        ({"session": "5s"}, 2),
    ],
    ids=["tumbling", "hopping", "sliding", "session"],
)
@pytest.mark.parametrize("strategy", [EmitStrategy.on_window_update(), IDLE], ids=["update", "end"])
def test_records_whose_windows_are_all_closed_go_to_a_topic(
    windows: dict[str, Any], dropped: int, strategy: EmitStrategy
) -> None:
    _, late, count = outcome(
        lambda b: windowed(b, **windows).emit_strategy(strategy).count(late="late"),
        ("a", "1", 1_000),
        ("a", "2", 45_000),
        ("a", "3", 6_000),
        ("b", "4", 9_999),
        ("a", "5", 44_000),
    )
    assert late == [("a", "3", 6_000), ("b", "4", 9_999)]
    assert count == dropped


def test_windows_of_ones_own_have_late_records() -> None:
    _, late, dropped = outcome(
        lambda b: windowed(b, windows=Tens()).count(late="late"),
        ("a", "1", 1_000),
        ("a", "2", 45_000),
        ("a", "3", 6_000),
    )
    assert (late, dropped) == ([("a", "3", 6_000)], 1)


def test_a_record_that_one_window_still_takes_is_not_late() -> None:
    results, late, dropped = outcome(
        lambda b: windowed(b, windows="10s", advance="5s").count(late="late"),
        ("a", "1", 11_000),
        ("a", "2", 6_000),
    )
    assert results[-1] == ("a", "5000-15000:2")
    assert (late, dropped) == ([], 1)  # its window from 0 to 10 s is closed


def test_grace_counts() -> None:
    _, late, _ = outcome(
        lambda b: windowed(b, windows="10s", grace="5s").reduce(lambda x, y: x + y, late="late"),
        ("a", "1", 14_999),
        ("a", "2", 9_000),
        ("a", "3", 15_000),
        ("a", "4", 9_000),
    )
    assert late == [("a", "4", 9_000)]


def test_aggregates_send_late_records_too_and_results_are_as_without() -> None:
    events: list[Event] = [("a", "xx", 1_000), ("a", "y", 30_000), ("a", "z", 2_000)]

    def build(**options: Any) -> Callable[[StreamsBuilder], KTable[Any, Any]]:
        return lambda b: windowed(b, windows="10s").aggregate(
            int, lambda k, v, n: n + len(v), value=int, **options
        )

    with_late, without = outcome(build(late="late"), *events), outcome(build(), *events)
    assert (with_late[0], with_late[2]) == (without[0], without[2])
    assert (with_late[1], without[1]) == ([("a", "z", 2_000)], [])


def test_sessions_aggregate_with_late_records() -> None:
    _, late, _ = outcome(
        lambda b: windowed(b, session="5s").aggregate(
            int, lambda k, v, n: n + 1, lambda k, x, y: x + y, value=int, late="late"
        ),
        ("a", "1", 1_000),
        ("b", "2", 30_000),
        ("a", "3", 2_000),
    )
    assert late == [("a", "3", 2_000)]


def test_late_records_lie_behind_the_aggregation_in_the_description() -> None:
    builder = StreamsBuilder()
    windowed(builder, windows="10s").count(store="c", late="late").to_stream().to("out")
    description = str(builder.build().describe())
    assert "--> KTABLE-TOSTREAM-0000000003, KSTREAM-SINK-0000000002" in description
    assert "Sink: KSTREAM-SINK-0000000002 (topic: late)" in description


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (lambda w: w("10s").count(late="no topic!"), r"the topic of count\(late=\) 'no topic!'"),
        (lambda w: w("10s").count(late=3), r"the topic of count\(late=\) must be a text"),
        (lambda w: w(UnlimitedWindows.of()).count(late="x"), "unlimited windows never close"),
    ],
)
def test_wrong_topics_are_refused(method: Callable[[Any], Any], message: str) -> None:
    grouped: Any = StreamsBuilder().stream("in").group_by_key()
    with pytest.raises(TopologyError, match=message):
        method(grouped.windowed_by)


def test_late_has_no_place_without_windows() -> None:
    grouped: Any = StreamsBuilder().stream("in").group_by_key()
    with pytest.raises(TopologyError, match="count has no keyword 'late'"):
        grouped.count(late="late")


# ---------------------------------------------------------------------------- idle


def final(builder: StreamsBuilder, **windows: Any) -> KTable[Any, Any]:
    table: KTable[Any, Any] = windowed(builder, **windows).count(late="late")
    return table.suppress(Suppressed.until_window_closes(idle_after="30s"))


def closing(builder: StreamsBuilder, **windows: Any) -> KTable[Any, Any]:
    table: KTable[Any, Any] = windowed(builder, **windows).emit_strategy(IDLE).count(late="late")
    return table


both = pytest.mark.parametrize("build", [final, closing])


@both
@pytest.mark.parametrize(
    ("windows", "results"),
    [
        ({"windows": "10s", "grace": "1m"}, ["20000-30000:2"]),
        ({"windows": "10s", "advance": "5s", "grace": "1m"}, HOPS),
        ({"sliding": "10s", "grace": "1m"}, ["15000-25000:1", "17000-27000:2", "25001-35001:1"]),
        ({"session": "5s", "grace": "1m"}, ["25000-27000:2"]),
    ],
    ids=["tumbling", "hopping", "sliding", "session"],
)
def test_open_windows_close_when_nothing_comes(
    build: Callable[..., KTable[Any, Any]], windows: dict[str, Any], results: list[str]
) -> None:
    def table(builder: StreamsBuilder) -> KTable[Any, Any]:
        return build(builder, **windows)

    events: list[Event] = [("a", "1", 25_000), 20_000, ("a", "2", 27_000), 29_000]
    assert outcome(table, *events)[0] == []
    # Once: time goes on, but nothing is open any more.
    found = outcome(table, *events, 1_000, 60_000)[0]
    assert sorted(found) == sorted(("a", each) for each in results)


@both
def test_what_comes_for_a_window_that_was_closed_is_dropped(
    build: Callable[..., KTable[Any, Any]],
) -> None:
    results, late, dropped = outcome(
        lambda b: build(b, windows="10s"),
        ("a", "1", 5_000),
        30_000,
        ("a", "2", 6_000),
        ("b", "3", 7_000),
        ("a", "4", 12_000),
        30_000,
    )
    assert results == [("a", "0-10000:1"), ("a", "10000-20000:1")]
    assert dropped == 2
    # The aggregation in front of suppress knows nothing of it: its own time stands still.
    assert late == ([] if build is final else [("a", "2", 6_000), ("b", "3", 7_000)])


@both
def test_stream_time_still_closes_windows(build: Callable[..., KTable[Any, Any]]) -> None:
    results, _, _ = outcome(
        lambda b: build(b, windows="10s"), ("a", "1", 5_000), ("a", "2", 15_000)
    )
    assert results == [("a", "0-10000:1")]


@pytest.mark.parametrize("idle_after", [0, "0s", -5])
def test_idle_times_must_be_above_zero(idle_after: Any) -> None:
    with pytest.raises(TopologyError, match=r"until_window_closes\(idle_after=\) must be above 0"):
        Suppressed.until_window_closes(idle_after=idle_after)
    with pytest.raises(TopologyError, match=r"on_window_close\(idle_after=\) must be above 0"):
        EmitStrategy.on_window_close(idle_after=idle_after)
