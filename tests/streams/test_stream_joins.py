"""Joins of two streams: what is planned, what is refused, and what a restart remembers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from aliran.serdes import serde_for
from aliran.streams import (
    JoinWindows,
    KStream,
    Stores,
    StoreSpec,
    StreamJoined,
    StreamsBuilder,
    Topology,
    TopologyError,
    TopologyTestDriver,
)
from aliran.streams.dsl.join_serdes import (
    UnmatchedKey,
    UnmatchedKeySerde,
    UnmatchedValuesSerde,
    append_to_list,
    pack_list,
    unpack_list,
)
from aliran.streams.runtime.internal_topics import changelog_config

Stream = KStream[str, str]


def both(value: str | None, other: str | None) -> str:
    return f"{value}-{other}"


def join_store(name: str, size_ms: int = 1000, retention_ms: int = 1000) -> StoreSpec:
    spec = Stores.persistent_window_store(name, window_size=size_ms, retention=retention_ms)
    return replace(spec, retain_duplicates=True)


def build(define: Callable[[Stream, Stream], KStream[str, Any]]) -> Topology:
    builder = StreamsBuilder()
    define(builder.stream("left"), builder.stream("right")).to("out")
    return builder.build()


def run(
    topology: Topology, *records: tuple[str, str | None, str | None, int], **config: Any
) -> list[tuple[str, str, int]]:
    with TopologyTestDriver(topology, config) as driver:
        for topic, key, value, time in records:
            driver.create_input_topic(topic).pipe_input(key, value, time)
        found = driver.create_output_topic("out").read_records_to_list()
    return [(each.key, each.value, each.timestamp) for each in found]


# ---------------------------------------------------------------------------- windows


def test_windows_of_a_join() -> None:
    assert JoinWindows.of_time_difference_with_no_grace("10s") == JoinWindows(10_000, 10_000, 0)
    windows = JoinWindows.of_time_difference_and_grace(timedelta(seconds=1), "5ms")
    assert windows == JoinWindows(1000, 1000, 5)
    assert windows.before("-500ms") == JoinWindows(-500, 1000, 5)
    assert windows.after(0) == JoinWindows(1000, 0, 5)
    assert windows.before(-1000).size_ms == 0


@pytest.mark.parametrize(
    ("message", "make"),
    [
        ("from 11 ms to 10 ms around", lambda: JoinWindows(10, 10, 0).before("-11ms")),
        ("from -10 ms to -11 ms around", lambda: JoinWindows(10, 10, 0).after(-11)),
        ("from 1 ms to -1 ms", lambda: JoinWindows.of_time_difference_with_no_grace(-1)),
        ("below 0 ms, it is -1 ms", lambda: JoinWindows.of_time_difference_and_grace(1, -1)),
    ],
    ids=["before", "after", "difference", "grace"],
)
def test_impossible_windows_are_refused(message: str, make: Callable[[], JoinWindows]) -> None:
    with pytest.raises(TopologyError, match=message):
        make()


@pytest.mark.parametrize(
    "define",
    [
        lambda s, o: s.left_join(o, both, "10ms", grace=5, before=0),
        lambda s, o: s.left_join(o, both, before=0, after=10, grace=5),
        lambda s, o: s.left_join(o, both, window=JoinWindows(0, 10, 5)),
        lambda s, o: s.left_join(o, both, JoinWindows(0, 10, 5), StreamJoined()),
    ],
    ids=["difference", "both_sides", "keyword", "object"],
)
def test_all_ways_to_say_a_window(define: Callable[[Stream, Stream], Stream]) -> None:
    records = [
        ("left", "k", "a", 100),
        ("right", "k", "before", 99),
        ("right", "k", "first", 100),
        ("right", "k", "last", 110),
        ("right", "k", "after", 111),
    ]
    assert run(build(define), *records) == [("k", "a-first", 100), ("k", "a-last", 110)]


# ---------------------------------------------------------------------------- plan


def test_stores_of_a_join() -> None:
    topology = build(
        lambda s, o: s.outer_join(
            o, both, "1s", grace="500ms", store="s", changelog_config={"segment.bytes": "1000"}
        )
    )
    left, right, shared = (
        topology.store(f"s-{each}-store")
        for each in ("outer-this-join", "outer-other-join", "outer-shared-join")
    )
    for side in (left, right):
        assert (side.kind, side.retain_duplicates) == ("window", True)
        assert (side.window_size_ms, side.retention_ms) == (2000, 2500)
        assert changelog_config(side) == {
            "cleanup.policy": "delete",
            "message.timestamp.type": "CreateTime",
            "retention.ms": str(2500 + 86_400_000),
            "segment.bytes": "1000",
        }
    assert changelog_config(shared)["cleanup.policy"] == "compact"
    assert changelog_config(shared)["segment.bytes"] == "1000"
    assert all(each.persistent and each.logging for each in topology.stores)


def test_stores_in_memory_and_without_changelog() -> None:
    topology = build(lambda s, o: s.left_join(o, both, 1, persistent=False, logging=False))
    assert len(topology.stores) == 3
    assert not any(each.persistent or each.logging for each in topology.stores)


def test_stores_of_the_users() -> None:
    mine, others = join_store("mine", 20, 25), join_store("others", 20, 25)
    topology = build(
        lambda s, o: s.left_join(o, both, 10, grace=5, this_store=mine, other_store=others)
    )
    assert {each.name for each in topology.stores} == {
        "mine",
        "others",
        "mine-left-shared-join-store",
    }
    assert run(topology, ("left", "k", "a", 1), ("right", "k", "b", 3)) == [("k", "a-b", 3)]


def test_serdes_come_from_the_streams() -> None:
    builder = StreamsBuilder()
    left, right = builder.stream("left", key=int, value=bytes), builder.stream("right", key=int)

    def length(value: bytes, other: str) -> int:
        return len(value) + len(other)

    left.join(right, length, "1s", store="s").to("out")
    topology = builder.build()
    this, other = topology.store("s-this-join-store"), topology.store("s-other-join-store")
    assert (str(this.key_serde), str(this.value_serde)) == ("IntegerSerde()", "BytesSerde()")
    assert (str(other.key_serde), str(other.value_serde)) == ("IntegerSerde()", "StringSerde()")
    with TopologyTestDriver(topology) as driver:
        driver.create_input_topic("left", key=int, value=bytes).pipe_input(1, b"ab", 5)
        driver.create_input_topic("right", key=int).pipe_input(1, "cde", 5)
        out = driver.create_output_topic("out", key=int, value=int)
        assert out.read_key_value() == (1, 5)


def test_sides_are_copartitioned_through_their_repartition_topics() -> None:
    topology = build(
        lambda s, o: s.select_key(lambda k, v: v).join(o, both, 1, name="named").merge(s)
    )
    assert [each.name for each in topology.repartition_topics] == ["named-left-repartition"]
    assert topology.copartition_groups == (frozenset({"named-left-repartition", "right"}),)


MISTAKES: list[tuple[str, Callable[[Any, Any], object]]] = [
    ("join takes a KStream.*, got str", lambda s, o: s.join("o", both, 1)),
    ("outer_join takes a KStream, got int", lambda s, o: s.outer_join(5, both)),
    ("outer_join takes a KStream, got KTable", lambda s, o: s.outer_join(o.to_table(), both)),
    ("a join of two streams needs a window", lambda s, o: s.join(o, both)),
    (
        "a join takes JoinWindows, or a time difference .*; not both",
        lambda s, o: s.join(o, both, JoinWindows(1, 1, 0), grace=1),
    ),
    ("must not be negative", lambda s, o: s.join(o, both, before=-5, after="4ms")),
    (
        r"left_join takes joiner\(value, other_value\) or joiner\(key, value, other_value\)",
        lambda s, o: s.left_join(o, lambda v: v, 1),
    ),
    ("left_join has no keyword 'advance'", lambda s, o: s.left_join(o, both, 1, advance=1)),
    (
        "join takes a StreamJoined here, got 'x'",
        lambda s, o: s.join(o, both, 1, "x"),
    ),
    (
        "store 'mine' cannot serve a join of two streams",
        lambda s, o: s.join(
            o, both, 1, this_store=Stores.persistent_window_store("mine", window_size=2)
        ),
    ),
    (
        "windows of 1000 ms kept for 1000 ms; this join needs window_size=20 .* retention=25",
        lambda s, o: s.join(o, both, 10, grace=5, other_store=join_store("mine")),
    ),
    (
        "both stores of a join are named 'mine'",
        lambda s, o: s.join(
            o, both, 500, this_store=join_store("mine"), other_store=join_store("mine")
        ),
    ),
    (
        "already a store named 's-this-join-store'",
        lambda s, o: [s.join(o, both, 1, store="s") for _ in range(2)],
    ),
    (
        "logging=False, so changelog_config has nothing",
        lambda s, o: s.join(o, both, 1, logging=False, changelog_config={"a": "b"}),
    ),
    (
        "processor name 'no good' is illegal",
        lambda s, o: s.join(o, both, 1, name="no good"),
    ),
]


@pytest.mark.parametrize(("message", "define"), MISTAKES, ids=[each for each, _ in MISTAKES])
def test_mistakes_are_refused(message: str, define: Callable[[Any, Any], object]) -> None:
    builder = StreamsBuilder()
    with pytest.raises(TopologyError, match=message):
        define(builder.stream("left"), builder.stream("right"))


# ---------------------------------------------------------------------------- state


def test_bytes_of_unmatched_records() -> None:
    keys = UnmatchedKeySerde(serde_for(str))
    key = UnmatchedKey(258, True, "k")
    assert keys.serialize(key) == b"\0\0\0\0\0\0\1\2\1k"
    assert keys.deserialize(keys.serialize(key)) == key
    values = UnmatchedValuesSerde(serde_for(str), serde_for(int))
    data = values.serialize([(True, "a"), (False, 7)])
    assert data == b"\1\0\0\0\2\0\0\0\2\1a\0\0\0\x09\0\0\0\0\0\0\0\0\7"
    assert values.deserialize(data) == [(True, "a"), (False, 7)]
    assert append_to_list(append_to_list(None, b"x"), b"") == pack_list([b"x", b""])
    assert unpack_list(pack_list([])) == []


def test_a_driver_shows_what_waits_for_a_match() -> None:
    topology = build(lambda s, o: s.outer_join(o, both, 10, store="s"))
    with TopologyTestDriver(topology) as driver:
        driver.create_input_topic("left").pipe_input("k", "a", 5)
        driver.create_input_topic("left").pipe_input("k", "b", 5)
        driver.create_input_topic("right").pipe_input("j", "c", 6)
        waiting = driver.get_key_value_store("s-outer-shared-join-store")
        assert list(waiting.all()) == [
            (UnmatchedKey(5, True, "k"), [(True, "a"), (True, "b")]),
            (UnmatchedKey(6, False, "j"), [(False, "c")]),
        ]


def test_two_values_of_one_time_stop_the_look_for_closed_windows_as_on_the_jvm() -> None:
    topology = build(lambda s, o: s.outer_join(o, both, before=0, after=60, grace=100))
    records = [
        ("left", "a", "l1", 140),
        ("right", "b", "r1", 179),
        ("right", "b", "r2", 179),
        ("right", "c", "r3", 199),
        ("right", "b", "r4", 259),  # looks, and stops at r2: nothing has closed
        ("right", "a", "r5", 297),
    ]
    assert run(topology, *records) == [("b", "None-r1", 179), ("b", "None-r2", 179)]


def test_throttling_of_outer_joins_can_be_set() -> None:
    topology = build(lambda s, o: s.left_join(o, both, 10))
    records = [("left", "k", "a", 0), ("left", "k", "b", 100), ("left", "k", "c", 200)]
    found = [("k", "a-None", 0), ("k", "b-None", 100)]
    assert run(topology, *records) == found
    throttled = {"__emit.interval.ms.kstreams.outer.join.spurious.results.fix__": "1000"}
    # The first record looks in vain, and nobody moves the clock.
    assert run(topology, *records, **throttled) == []
