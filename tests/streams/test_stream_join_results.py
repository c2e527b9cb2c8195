"""Joins of two streams equal those of Kafka Streams, record by record and word by word.

Each case builds the topology of the same name in
`tests/compat/jvm/results/src/main/java/goldens/StreamJoins.java`; what 60 random records made of it
there, and its description, are in `golden/stream_joins/`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from golden_results import GOLDEN, load, replay

from aliran.streams import JoinWindows, KStream, Stores, StoreSpec, StreamJoined, StreamsBuilder

FOLDER = GOLDEN.parent / "stream_joins"
Stream = KStream[str, Any]
Join = Callable[[Stream, Stream], Stream]
CASES: dict[str, Callable[[StreamsBuilder], object]] = {}
EVEN = JoinWindows(10, 10, 5)


def java(value: str | None) -> str:
    return "null" if value is None else value


def both(value: str | None, other: str | None) -> str:
    return f"{java(value)}-{java(other)}"


def all_three(key: str | None, value: str | None, other: str | None) -> str:
    return f"{java(key)}:{both(value, other)}"


def rekeyed(stream: Stream) -> Stream:
    def first_letter(key: str, value: str | None) -> Any:
        return None if value is None else value[0]

    return stream.select_key(first_letter)


def bang(value: str | None) -> str | None:
    return None if value is None else value + "!"


def join_store(name: str) -> StoreSpec:
    spec = Stores.persistent_window_store(name, retention=25, window_size=20)
    return replace(spec, retain_duplicates=True)


def two(name: str, join: Join) -> None:
    def define(b: StreamsBuilder) -> None:
        join(b.stream("left"), b.stream("right")).to("out", key=str, value=str)

    CASES[name] = define


def one(name: str, join: Join) -> None:
    def define(b: StreamsBuilder) -> None:
        stream = b.stream("left")
        join(stream, stream).to("out", key=str, value=str)

    CASES[name] = define


two("inner", lambda s, o: s.join(o, both, 10))
two("inner_with_key", lambda s, o: s.join(o, all_three, EVEN))
two("inner_same_time", lambda s, o: s.join(o, both, 0, grace=5))
two("inner_same_time_without_grace", lambda s, o: s.join(o, both, 0))
two("inner_later_only", lambda s, o: s.join(o, both, before=-2, after=12))
two("inner_earlier_only", lambda s, o: s.join(o, both, before=12, after=-2))
two("left", lambda s, o: s.left_join(o, both, EVEN))
two("left_with_key", lambda s, o: s.left_join(o, all_three, before=5, after=15))
two("left_later_only", lambda s, o: s.left_join(o, both, before=-2, after=12, grace=3))
two("left_earlier_only", lambda s, o: s.left_join(o, both, before=12, after=-2, grace=3))
two("outer", lambda s, o: s.outer_join(o, both, EVEN))
two("outer_with_key", lambda s, o: s.outer_join(o, all_three, 10))
two("outer_uneven", lambda s, o: s.outer_join(o, both, before=3, after=15, grace=5))
two("outer_same_time", lambda s, o: s.outer_join(o, both, 0))
two("inner_in_memory", lambda s, o: s.join(o, both, 10, persistent=False))
two("outer_in_memory", lambda s, o: s.outer_join(o, both, 10, persistent=False))
two("inner_named", lambda s, o: s.join(o, both, EVEN, name="join"))
two("left_named", lambda s, o: s.left_join(o, both, EVEN, name="join", store="kept"))
two(
    "outer_named",
    lambda s, o: s.outer_join(
        o, both, EVEN, StreamJoined(name="join", store="kept"), logging=False
    ),
)
two(
    "left_own_stores",
    lambda s, o: s.left_join(
        o,
        both,
        EVEN,
        this_store=replace(join_store("mine"), persistent=False),
        other_store=join_store("others"),
    ),
)
two("left_rekeyed", lambda s, o: rekeyed(s).left_join(o, both, EVEN))
two("inner_right_rekeyed", lambda s, o: s.join(rekeyed(o), both, EVEN))
two("inner_rekeyed_named", lambda s, o: rekeyed(s).join(rekeyed(o), both, EVEN, name="join"))
two("outer_rekeyed", lambda s, o: rekeyed(s).outer_join(rekeyed(o), both, EVEN))
two(
    "chain",
    lambda s, o: s.left_join(o, both, 10).outer_join(o, both, 5, grace=5),
)
two(
    "join_then_count",
    lambda s, o: s.join(o, both, EVEN).group_by_key().count().to_stream().map_values(str),
)
one("self_inner", lambda s, o: s.join(o, both, EVEN))
one("self_left", lambda s, o: s.left_join(o, both, before=5, after=10))
one("self_outer", lambda s, o: s.outer_join(o, both, EVEN))
one("self_mapped", lambda s, o: s.join(o.map_values(bang), both, EVEN))


def joined_twice(left: Stream, right: Stream) -> Stream:
    keyed = rekeyed(left)
    return keyed.join(right, both, EVEN).merge(keyed.left_join(right, both, 5))


def joined_with_itself(left: Stream, _: Stream) -> Stream:
    keyed = rekeyed(left)
    return keyed.outer_join(keyed, both, EVEN)


two("rekeyed_twice_joined", joined_twice)
one("self_rekeyed", joined_with_itself)


def built(name: str) -> StreamsBuilder:
    builder = StreamsBuilder()
    CASES[name](builder)
    return builder


def test_every_golden_file_has_a_case() -> None:
    for suffix in ("json", "txt"):
        assert {path.stem for path in FOLDER.glob(f"*.{suffix}")} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_results_equal_kafkas(name: str) -> None:
    golden = load(name, FOLDER)
    assert replay(built(name), golden) == golden


@pytest.mark.parametrize("name", sorted(CASES.keys() - {"join_then_count"}))
def test_a_cache_changes_nothing_where_nothing_is_counted(name: str) -> None:
    golden = load(name, FOLDER) | {"cache_max_bytes": 1_000_000}
    assert replay(built(name), golden) == golden


@pytest.mark.parametrize("name", CASES)
def test_descriptions_equal_kafkas(name: str) -> None:
    assert str(built(name).describe()) == (FOLDER / f"{name}.txt").read_text()
