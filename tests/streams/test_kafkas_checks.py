"""What Kafka Streams 4.3.1 refuses while a topology is built is refused there, in words.

Each program was given to the JVM first; the comments say what Kafka makes of those that differ.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aliran.streams import (
    BufferConfig,
    EmitStrategy,
    Processor,
    Record,
    SessionWindows,
    SlidingWindows,
    Stores,
    StreamsBuilder,
    Suppressed,
    TimeWindows,
    TopologyBuilder,
    TopologyError,
    UnlimitedWindows,
)

Program = Callable[[StreamsBuilder], Any]


class Nothing(Processor[Any, Any, Any, Any]):
    def process(self, record: Record[Any, Any]) -> None: ...


def grouped(b: StreamsBuilder) -> Any:
    return b.stream("in").group_by_key()


def joined(b: StreamsBuilder, *window: Any, **options: Any) -> None:
    other: Any = b.stream("other")
    b.stream("in").join(other, lambda one, two: one, *window, **options)


def same_names(b: StreamsBuilder) -> None:
    stream = b.stream("in")
    for _ in range(2):
        stream.filter(lambda key, value: True, name="twice")


def same_stores(b: StreamsBuilder) -> None:
    b.table("one", store="same")
    b.table("two", store="same")


def global_topic_twice(b: StreamsBuilder) -> None:
    b.global_table("g")
    b.stream("g").to("out")


def table_twice(b: StreamsBuilder) -> None:
    b.table("t")
    b.table("t")


def shared_processor(b: StreamsBuilder) -> None:
    one = Nothing()
    b.stream("in").process(lambda: one, name="shared")


def by_hand(*steps: Callable[[TopologyBuilder], Any]) -> Program:
    def program(_: StreamsBuilder) -> None:
        builder = TopologyBuilder().add_source("a", "t")
        for step in steps:
            step(builder)

    return program


GAP = SessionWindows.of_inactivity_gap_and_grace(10, 5)
SLIDING = SlidingWindows.of_time_difference_and_grace(10, 5)
CLOSED = Suppressed.until_window_closes(BufferConfig.unbounded())

REFUSED: dict[str, Program] = {
    # windows
    "size of windows must be above 0 ms, it is 0": lambda b: grouped(b).windowed_by(0),
    "size of windows must be above 0 ms, it is -1": lambda b: grouped(b).windowed_by(-1),
    "grace of windows must not be below 0 ms": lambda b: grouped(b).windowed_by(5, grace=-1),
    "windows of 5 ms cannot advance by 0 ms": (
        lambda b: TimeWindows.of_size_with_no_grace(5).advance_by(0)
    ),
    "windows of 5 ms cannot advance by 6 ms": (
        lambda b: TimeWindows.of_size_with_no_grace(5).advance_by(6)
    ),
    "time difference of sliding windows must be above 0": (
        lambda b: SlidingWindows.of_time_difference_with_no_grace(-1)
    ),
    "grace of windows must not be below 0 ms, it is -2": (
        lambda b: SlidingWindows.of_time_difference_and_grace(1, -2)
    ),
    "gap of sessions must not be below 0": (
        lambda b: SessionWindows.of_inactivity_gap_with_no_grace(-1)
    ),
    "grace of windows must not be below 0 ms, it is -3": (
        lambda b: SessionWindows.of_inactivity_gap_and_grace(1, -3)
    ),
    "a window must not start before 0 ms": lambda b: UnlimitedWindows.of().start_on(-1),
    "a join window from 1 ms to -1 ms": lambda b: joined(b, -1),
    "a join window from 5 ms to 1 ms": lambda b: joined(b, 1, before=-5),
    "must not be below 0 ms, it is -4": lambda b: joined(b, 1, grace=-4),
    "results on window close are there for .* not for UnlimitedWindows": (
        lambda b: (
            grouped(b)
            .windowed_by(UnlimitedWindows.of())
            .emit_strategy(EmitStrategy.on_window_close())
            .count()
        )
    ),
    "suppress until windows close needs windows in front": (
        lambda b: grouped(b).count().suppress(CLOSED)
    ),
    # retention
    "store 'st' would keep windows for 12 ms, .* at least 15 ms": (
        lambda b: grouped(b).windowed_by(10, grace=5).count(store="st", retention=12)
    ),
    "store 'st' .* at least 15 ms, their gap and grace": (
        lambda b: grouped(b).windowed_by(GAP).count(store="st", retention=12)
    ),
    "store 'st' .* twice their time difference, and their grace": (
        lambda b: grouped(b).windowed_by(SLIDING).count(store="st", retention=24)
    ),
    "store 'st' would keep windows for -1 ms": (
        lambda b: grouped(b).windowed_by(10).count(store="st", retention=-1)
    ),
    "store 'a' would keep windows for 10 ms, but they are 11 ms": (
        lambda b: Stores.persistent_window_store("a", window_size=11, retention=10)
    ),
    "store 'b' would keep windows for -1 ms": (
        lambda b: Stores.in_memory_window_store("b", window_size=1, retention=-1)
    ),
    "store 'c': retention must be above 0": lambda b: Stores.persistent_session_store("c", -1),
    "store 'd': max_entries must not be negative": lambda b: Stores.lru_map("d", -1),
    "store 'e': history_retention must not be negative": (
        lambda b: Stores.persistent_versioned_key_value_store("e", -1)
    ),
    "store 'f': segment_interval must be above 0": (
        lambda b: Stores.persistent_versioned_key_value_store("f", 1, segment_interval=0)
    ),
    # names
    "processor name 'a b' is illegal": lambda b: b.stream("in").peek(print, name="a b"),
    "processor name must not be empty": lambda b: b.stream("in").peek(print, name=""),
    "there is already a processor named 'twice'": same_names,
    "already a different store named 'same'": same_stores,
    "topic 'g' is already read by": global_topic_twice,
    "topic 't' is already read by": table_twice,
    # Kafka takes these two, and fails later: a topic name that brokers refuse, no topic at all
    "topic name 'in put' is illegal": lambda b: b.stream("in put"),
    "names? of a topic or several, got none": lambda b: b.stream([]),
    # stores and processors
    "proc uses the store 'nix', which does not exist": (
        lambda b: b.stream("in").process(Nothing, "nix", name="proc")
    ),
    "processor 'shared': its supplier gives the same object each time": shared_processor,
    "is not versioned": lambda b: b.stream("in").join(b.table("t"), lambda v, w: v, grace=5),
    "it is a global table's": lambda b: b.global_table("t", store="v", history_retention=5),
    "reduce takes a function adder": (
        lambda b: b.table("t").group_by(lambda k, v: (k, v)).reduce(None, None)  # type: ignore[arg-type]
    ),
    "filter takes a function predicate": lambda b: b.stream("in").filter(None),  # type: ignore[arg-type]
    "merge takes another stream": lambda b: b.stream("in").merge(None),  # type: ignore[arg-type]
    # Kafka takes 0 partitions, and asks for as many as the input has
    "repartition needs at least 1 partition": lambda b: b.stream("in").repartition(partitions=0),
    # by hand
    "'b' has an unknown parent 'b'": by_hand(lambda t: t.add_sink("b", "x", "b")),
    "'b' has an unknown parent 'x'": by_hand(lambda t: t.add_sink("b", "x", "x")),
    "'b' has no parent": by_hand(lambda t: t.add_sink("b", "x")),
    "'p' has no parent": by_hand(lambda t: t.add_processor("p", Nothing)),
    "'b' is a sink, 'c' cannot follow it": by_hand(
        lambda t: t.add_sink("b", "x", "a"), lambda t: t.add_sink("c", "y", "b")
    ),
    "cannot connect stores to 'a': it is a SourceNode": by_hand(
        lambda t: t.add_state_store(Stores.in_memory_key_value_store("s"), "a")
    ),
    "topic 't' is already read by 'a'": by_hand(lambda t: t.add_source("b", "t")),
    "source 'b' has no topic": by_hand(lambda t: t.add_source("b")),
}


@pytest.mark.parametrize("expected", sorted(REFUSED))
def test_refused(expected: str) -> None:
    def build() -> None:
        builder = StreamsBuilder()
        REFUSED[expected](builder)
        builder.build()

    with pytest.raises(TopologyError, match=expected):
        build()


def test_suppliers_may_make_new_objects_each_time() -> None:
    def new() -> Nothing:
        return Nothing()

    builder = StreamsBuilder()
    builder.stream("in").process(new, name="one").process(Nothing, name="two")
    assert [node.name for node in builder.build().nodes][1:] == ["one", "two"]
