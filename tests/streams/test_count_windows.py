"""Extension: windows of so many records of a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aliran.core.errors import AliranError
from aliran.serdes import NumberedWindowSerde, UnknownSerdeError
from aliran.streams import (
    CountWindows,
    EmitStrategy,
    KTable,
    NumberedWindow,
    StreamsBuilder,
    TopologyError,
    TopologyTestDriver,
)

CLOSE = EmitStrategy.on_window_close()
ABC: list[tuple[str | None, str | None]] = [
    ("a", "1"),
    ("b", "x"),
    ("a", "2"),
    ("a", "3"),
    ("b", "y"),
    ("a", "4"),
    ("a", "5"),
]


def windowed(builder: StreamsBuilder, windows: CountWindows) -> Any:
    return builder.stream("in").group_by_key().windowed_by(windows)


def joined(table: Any, **options: Any) -> Any:
    return table.reduce(lambda one, two: one + two, store="s", **options)


def outcome(
    build: Callable[[StreamsBuilder], KTable[Any, Any]],
    records: list[tuple[str | None, str | None]],
    **config: Any,
) -> tuple[list[Any], dict[Any, Any]]:
    """Return results as (key, number, value), and what the store holds in the end."""
    builder = StreamsBuilder()
    build(builder).to_stream().to("out")
    with TopologyTestDriver(builder.build(), config) as driver:
        topic = driver.create_input_topic("in")
        for time, (key, value) in enumerate(records):
            topic.pipe_input(key, value, time)
        out = driver.create_output_topic("out", key=NumberedWindowSerde(str))
        results = [(*each.key, each.value) for each in out.read_records_to_list()]
        store = driver.get_key_value_store("s")
        return results, {tuple(key): value for key, value in store.all()}


@pytest.mark.parametrize("cache", [0, 1_000_000])
def test_each_key_has_windows_of_so_many_records(cache: int) -> None:
    results, rows = outcome(
        lambda b: joined(windowed(b, CountWindows.of(2))), ABC, cache_max_bytes=cache
    )
    assert results == [
        ("a", 0, "1"),
        ("b", 0, "x"),
        ("a", 0, "12"),
        ("a", 1, "3"),
        ("b", 0, "xy"),
        ("a", 1, "34"),
        ("a", 2, "5"),
    ]
    # What grows, and the last full window: older ones are gone.
    assert rows == {("a", 1): "34", ("a", 2): "5", ("b", 0): "xy"}


def test_full_windows_only() -> None:
    results, _ = outcome(
        lambda b: joined(windowed(b, CountWindows.of(2)).emit_strategy(CLOSE)), ABC
    )
    assert results == [("a", 0, "12"), ("b", 0, "xy"), ("a", 1, "34")]


def test_windows_that_overlap() -> None:
    records: list[Any] = [("a", str(number)) for number in range(1, 8)]
    windows = CountWindows.of(4, keep=2).advance_by(2)
    results, rows = outcome(lambda b: joined(windowed(b, windows).emit_strategy(CLOSE)), records)
    assert results == [("a", 0, "1234"), ("a", 1, "3456")]
    assert rows == {("a", 0): "1234", ("a", 1): "3456", ("a", 2): "567", ("a", 3): "7"}


def test_as_many_full_windows_stay_as_are_asked_for() -> None:
    records: list[Any] = [("a", str(number)) for number in range(5)]
    _, rows = outcome(lambda b: joined(windowed(b, CountWindows.of(1, keep=3))), records)
    assert rows == {("a", 2): "2", ("a", 3): "3", ("a", 4): "4"}


def test_an_aggregate_of_none_deletes_its_row_and_the_record_counts() -> None:
    results, rows = outcome(
        lambda b: windowed(b, CountWindows.of(3)).aggregate(
            str, lambda k, v, seen: None if v == "0" else seen + v, store="s", value=str
        ),
        [("a", "1"), ("a", "0"), ("a", "2"), ("a", "3")],
    )
    assert results == [("a", 0, "1"), ("a", 0, None), ("a", 0, "2"), ("a", 1, "3")]
    assert rows == {("a", 0): "2", ("a", 1): "3"}


def test_what_has_no_key_or_no_value_counts_in_no_window() -> None:
    results, _ = outcome(
        lambda b: joined(windowed(b, CountWindows.of(2))),
        [("a", "1"), ("a", None), (None, "x"), ("a", "2")],
    )
    assert results == [("a", 0, "1"), ("a", 0, "12")]


def test_tables_of_count_windows_can_be_grouped() -> None:
    builder = StreamsBuilder()
    counts = windowed(builder, CountWindows.of(2)).count(store="s")
    best = counts.group_by(lambda w, n: (w.key, n), key=str, value=int).reduce(
        lambda total, n: total + n, lambda total, n: total - n, store="totals", value=int
    )
    best.to_stream().to("out")
    with TopologyTestDriver(builder.build()) as driver:
        topic = driver.create_input_topic("in")
        for key, value in ABC:
            topic.pipe_input(key, value)
        out = driver.create_output_topic("out", value=int)
        assert out.read_key_values_to_map() == {"a": 5, "b": 2}
        position = driver.get_key_value_store("s-positions").get("a")
        assert position == 5


def test_the_description_has_both_stores() -> None:
    builder = StreamsBuilder()
    windowed(builder, CountWindows.of(2)).count(store="s")
    assert "KSTREAM-AGGREGATE-0000000001 (stores: [s, s-positions])" in str(
        builder.build().describe()
    )


def test_a_record_that_raises_counts_in_no_window() -> None:
    def refuse(one: str, two: str) -> str:
        if two == "bad":
            raise ValueError(two)
        return one + two

    results, _ = outcome(
        lambda b: windowed(b, CountWindows.of(3).advance_by(1)).reduce(refuse, store="s"),
        [("a", "1"), ("a", "bad"), ("a", "2")],
        on_error="skip",
    )
    assert results == [("a", 0, "1"), ("a", 0, "12"), ("a", 1, "2")]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda w: CountWindows.of(0), "the size of count windows must be a whole number above 0"),
        (lambda w: CountWindows.of(True), "must be a whole number above 0, it is True"),
        (lambda w: CountWindows.of(2, keep=0), "the keep of count windows"),
        (lambda w: CountWindows.of(2).advance_by(3), "cannot advance by 3: at most by their size"),
        (lambda w: CountWindows.of(2).advance_by(0), "the advance of count windows"),
        (lambda w: w(CountWindows.of(2), grace="1s"), "no grace="),
        (lambda w: w(CountWindows.of(2), advance=1), "but .advance_by"),
        (lambda w: w(CountWindows.of(2)).count(store="s", caching=True), "never cached"),
        (lambda w: w(CountWindows.of(2)).count(store="s", retention="1h"), "retention= belongs"),
        (lambda w: w(CountWindows.of(2)).count(late="x"), "count has no keyword 'late'"),
        (
            lambda w: w(CountWindows.of(2)).count(store="s", history_retention="1h"),
            "cannot be versioned",
        ),
        (
            lambda w: w(CountWindows.of(2)).emit_strategy(
                EmitStrategy.on_window_close(idle_after="1s")
            ),
            "without idle_after=",
        ),
    ],
)
def test_wrong_arguments_are_refused(wrong: Callable[[Any], Any], message: str) -> None:
    grouped: Any = StreamsBuilder().stream("in").group_by_key()
    with pytest.raises(TopologyError, match=message):
        wrong(grouped.windowed_by)


def test_cogroups_have_none() -> None:
    grouped = StreamsBuilder().stream("in").group_by_key()
    cogrouped: Any = grouped.cogroup(lambda k, v, n: n + 1)
    with pytest.raises(TopologyError, match="cogroups cannot have them"):
        cogrouped.windowed_by(CountWindows.of(2))


def test_keys_are_read_and_written() -> None:
    serde = NumberedWindowSerde(str)
    assert serde.serialize(NumberedWindow("ab", 3)) == b"ab\0\0\0\0\0\0\0\3"
    assert serde.deserialize(b"ab\0\0\0\0\0\0\0\3") == NumberedWindow("ab", 3)
    with pytest.raises(AliranError, match="ends with 8 bytes of its window's number"):
        serde.deserialize(b"ab")
    with pytest.raises(AliranError, match=r"writes NumberedWindow\(key, number\)"):
        serde.serialize(("ab", 3))  # type: ignore[arg-type]
    with pytest.raises(UnknownSerdeError):
        NumberedWindowSerde("nothing")  # type: ignore[arg-type]
