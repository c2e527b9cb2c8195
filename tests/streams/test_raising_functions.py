"""Functions that raise, and values of the wrong type: the error names node, cause and way out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from aliran.streams import (
    BufferConfig,
    ProcessingError,
    Processor,
    ProcessorContext,
    PunctuationType,
    Record,
    SessionWindows,
    SlidingWindows,
    StreamsBuilder,
    Suppressed,
    TopologyTestDriver,
)


def boom() -> Any:
    raise ValueError("boom")


class Ticks(Processor[str, str, str, str]):
    kind = PunctuationType.WALL_CLOCK_TIME

    def init(self, context: ProcessorContext[str, str]) -> None:
        super().init(context)
        context.schedule(1, self.kind, lambda time_ms: boom())

    def process(self, record: Record[str, str]) -> None: ...


class TicksByRecords(Ticks):
    kind = PunctuationType.STREAM_TIME


class FailsAtOnce(Ticks):
    def init(self, context: ProcessorContext[str, str]) -> None:
        boom()


GAP = SessionWindows.of_inactivity_gap_with_no_grace(10)
SLIDING = SlidingWindows.of_time_difference_with_no_grace(5)


def grouped(b: StreamsBuilder) -> Any:
    return b.stream("in").group_by_key()


def error_of(program: Callable[[StreamsBuilder], Any], cache: int = 0) -> str:
    builder = StreamsBuilder()
    program(builder)
    topics = [t for t in builder.build().source_topics if not t.endswith(("repartition", "-topic"))]

    def run() -> None:
        with TopologyTestDriver(builder.build(), {"cache_max_bytes": cache}) as driver:
            for value in "xy":
                for topic in sorted(topics, reverse=True):  # tables first
                    driver.create_input_topic(topic).pipe_input("a", value, 5)
            driver.advance_wall_clock_time(5)

    with pytest.raises(ProcessingError) as caught:
        run()
    return str(caught.value)


RAISING: dict[str, Callable[[StreamsBuilder], Any]] = {
    "'KSTREAM-AGGREGATE-.*' failed to call the initializer": lambda b: grouped(b).aggregate(
        boom, lambda k, v, a: a
    ),
    "'KSTREAM-AGGREGATE-.*' failed to call the aggregator": lambda b: grouped(b).aggregate(
        lambda: "", lambda k, v, a: boom()
    ),
    "'sessions' failed to call the functions": lambda b: (
        grouped(b)
        .windowed_by(GAP)
        .aggregate(lambda: "", lambda k, v, a: a + v, lambda k, a, c: boom(), name="sessions")
    ),
    "'sliding' failed to call the functions": lambda b: (
        grouped(b).windowed_by(SLIDING).reduce(lambda a, v: boom(), name="sliding")
    ),
    "'both-other-join' failed to call the joiner": lambda b: b.stream("in").join(
        b.stream("a"), lambda one, two: boom(), 10, name="both"
    ),
    "'rows' failed to call the joiner": lambda b: b.stream("in").join(
        b.table("t"), lambda one, two: boom(), name="rows"
    ),
    "'tables-join-.*' failed to call the joiner": lambda b: b.table("in").join(
        b.table("t"), lambda one, two: boom(), name="tables"
    ),
    "could not extract the foreign key for 'fk-": lambda b: b.table("in").join(
        b.table("t"), lambda one, two: one, foreign_key=lambda row: boom(), name="fk"
    ),
    "'global' failed to call the key selector": lambda b: b.stream("in").join(
        b.global_table("t"), lambda v, w: v, key_selector=lambda k, v: boom(), name="global"
    ),
    "failed to call adder or subtractor": lambda b: (
        b.table("in")
        .group_by(lambda k, v: (v, v))
        .aggregate(lambda: "", lambda k, v, a: boom(), lambda k, v, a: a)
    ),
    "'KTABLE-SELECT-.*' failed to call the mapper": lambda b: (
        b.table("in").group_by(lambda k, v: boom()).count()
    ),
    "could not write the topic of 'out'": lambda b: b.stream("in").to(
        "o", partitioner=lambda t, k, v, n: boom(), name="out"
    ),
    "could not write the topic of 'chooser'": lambda b: b.stream("in").to(
        lambda k, v, c: boom(), name="chooser"
    ),
    "the timestamp extractor raised": lambda b: b.stream(
        "in", timestamp_extractor=lambda record, time: boom()
    ).to("o"),
    "'wall' raised .*(?s:.)*in: a punctuator": lambda b: b.stream("in").process(Ticks, name="wall"),
    "'time' raised .*(?s:.)*in: a punctuator": lambda b: b.stream("in").process(
        TicksByRecords, name="time"
    ),
    "'init' raised .*(?s:.)*in: init": lambda b: b.stream("in").process(FailsAtOnce, name="init"),
}


@pytest.mark.parametrize("expected", sorted(RAISING))
def test_a_function_that_raises(expected: str) -> None:
    message = error_of(RAISING[expected])

    match = re.search(expected, message)
    assert match, message
    assert "ValueError: boom" in message
    assert f"{__file__}:" in message
    assert "  try: mend" in message


def summed(b: StreamsBuilder, windows: Any = None) -> Any:
    group = grouped(b)
    return group if windows is None else group.windowed_by(windows)


MISFITS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "a sink's value": (
        "'out'",
        lambda b: b.stream("in").map_values(len).to("o", value=str, name="out"),
    ),
    "a sink's key": (
        "'out'",
        lambda b: b.stream("in").select_key(lambda k, v: 5).to("o", key=str, name="out"),
    ),
    "a repartition topic's value": (
        "'c-repartition-sink'",
        lambda b: (
            b.stream("in").map_values(len).group_by(lambda k, v: k, value=str).count(store="c")
        ),
    ),
    "an aggregate": (
        "'sum'",
        lambda b: summed(b).aggregate(lambda: 0, lambda k, v, a: a + 1, value=str, name="sum"),
    ),
    "a windowed aggregate": (
        "'sum'",
        lambda b: summed(b, 5).aggregate(lambda: 0, lambda k, v, a: a + 1, value=str, name="sum"),
    ),
    "a session": (
        "'sum'",
        lambda b: summed(b, GAP).aggregate(
            lambda: 0, lambda k, v, a: a + 1, lambda k, a, c: a, value=str, name="sum"
        ),
    ),
    "a mapped table": (
        "'lengths'",
        lambda b: b.table("in").map_values(len, store="m", value=str, name="lengths"),
    ),
    "a table of a stream": (
        "'rows'",
        lambda b: b.stream("in").map_values(len).to_table(store="t", value=str, name="rows"),
    ),
    "one side of a join": (
        "'both-this-windowed'",
        lambda b: (
            b.stream("in")
            .map_values(len)
            .join(b.stream("a"), lambda one, two: one, 10, name="both", value=str)
        ),
    ),
    "a held back row": (
        "'later'",
        lambda b: (
            b.table("in")
            .map_values(lambda value: 5)
            .suppress(Suppressed.until_time_limit(5, BufferConfig.unbounded()), name="later")
        ),
    ),
}


@pytest.mark.parametrize("cache", [0, 1_000_000])
@pytest.mark.parametrize("what", sorted(MISFITS))
def test_a_value_of_another_type(what: str, cache: int) -> None:
    node, program = MISFITS[what]
    message = error_of(program, cache)
    assert node in message
    assert "str" in message.lower()
    assert "of type int" in message
    assert "pass key= or value= with the data's type" in message


@pytest.mark.parametrize("chosen", [7, None, "", "no topic"])
def test_a_topic_that_is_none(chosen: Any) -> None:
    message = error_of(lambda b: b.stream("in").to(lambda k, v, c: chosen, name="out"))
    assert "'out'" in message
    assert "the topic that a function chose for a record" in message
