"""The frozen topology and the builder that makes it by hand."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import pytest

from aliran.core.types import Columns
from aliran.streams import (
    ConsumerRecord,
    InvalidTimestampError,
    Processor,
    Record,
    Stores,
    StreamsBuilder,
    Topology,
    TopologyBuilder,
    TopologyError,
    fail_on_invalid_timestamp,
    log_and_skip_on_invalid_timestamp,
    use_partition_time_on_invalid_timestamp,
)
from aliran.streams.plan.java_sets import TreeSet, hash_set_order, string_hash
from aliran.streams.plan.naming import NameGenerator, check_name, is_generated


def two_parts() -> Topology:
    builder = TopologyBuilder()
    builder.add_source("words", "b-topic", value=str).add_source("numbers", "a-topic", value=int)
    builder.add_processor("work", Processor, "words")
    builder.add_state_store(Stores.in_memory_key_value_store("seen"), "work")
    builder.add_sink("out", "z", "work").add_sink("copy", "y", "numbers")
    return builder.build()


def test_lookups() -> None:
    topology = two_parts()
    assert topology.node("out").name == "out"
    assert topology.store("seen").persistent is False
    assert [node.name for node in topology.children("words")] == ["work"]
    assert [node.name for node in topology.users_of("seen")] == ["work"]
    assert topology.source_topics == ("b-topic", "a-topic")
    assert topology.sink_topics == ("z", "y")


def test_unknown_names_are_refused_with_those_that_exist() -> None:
    topology = two_parts()
    with pytest.raises(TopologyError, match="no store named 'x'; the topology's stores: seen"):
        topology.store("x")
    with pytest.raises(TopologyError, match="no node named 'x'"):
        topology.node("x")


def test_subtopologies_in_order_of_definition() -> None:
    first, second = two_parts().subtopologies()
    assert [node.name for node in first.nodes] == ["words", "work", "out"]
    assert [node.name for node in second.nodes] == ["numbers", "copy"]
    assert [source.name for source in second.sources] == ["numbers"]


def test_a_topology_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        two_parts().nodes = ()  # type: ignore[misc]


def test_stores_come_in_the_order_of_their_users() -> None:
    builder = TopologyBuilder()
    builder.add_source("in", "a").add_processor("p", Processor, "in")
    builder.add_processor("q", Processor, "p")
    for name in ("late", "early", "unused"):
        builder.add_state_store(Stores.persistent_key_value_store(name))
    builder.connect_processor_and_state_stores("q", "late")
    builder.connect_processor_and_state_stores("p", "early")
    assert [store.name for store in builder.build().stores] == ["early", "late"]


def chain() -> TopologyBuilder:
    builder = TopologyBuilder()
    return builder.add_source("in", "a").add_sink("out", "z", "in")


STORE = Stores.persistent_key_value_store("s")

MISTAKES: dict[str, Any] = {
    "already a node named 'in'": lambda b: b.add_source("in", "b"),
    "unknown parent 'nobody'": lambda b: b.add_processor("p", Processor, "nobody"),
    "'p' has no parent": lambda b: b.add_processor("p", Processor),
    "'out' is a sink, 'p' cannot follow it": lambda b: b.add_processor("p", Processor, "out"),
    "topic 'a' is already read by 'in'": lambda b: b.add_source("again", "a"),
    "source 'empty' has no topic": lambda b: b.add_source("empty"),
    "topic name 'a b' is illegal": lambda b: b.add_sink("k", "a b", "in"),
    "topic name cannot be '..'": lambda b: b.add_sink("k", "..", "in"),
    "processor name 'a/b' is illegal": lambda b: b.add_source("a/b", "b"),
    "has 250 characters, at most 249": lambda b: b.add_source("x" * 250, "b"),
    "must not be empty": lambda b: b.add_source("", "b"),
    "cannot connect stores to 'in': it is a SourceNode": lambda b: b.add_state_store(STORE, "in"),
    "cannot connect stores to 'x': there is no such node": lambda b: b.add_state_store(STORE, "x"),
    "uses the store 't', which was not added": lambda b: b.add_processor(
        "p", Processor, "in"
    ).connect_processor_and_state_stores("p", "t"),
    "a different store named 's' was added before": lambda b: b.add_state_store(
        STORE
    ).add_state_store(Stores.in_memory_key_value_store("s")),
    "add_processor takes supplier": lambda b: b.add_processor("p", lambda context: context, "in"),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_mistakes_by_hand(message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        MISTAKES[message](chain())


def test_window_store_definition() -> None:
    store = Stores.persistent_window_store("w", window_size="1m", retention="1h", value=int)
    assert (store.kind, store.window_size_ms, store.retention_ms) == ("window", 60_000, 3_600_000)
    with pytest.raises(TopologyError, match="retention must be at least that"):
        Stores.persistent_window_store("w", window_size="1m", retention="1s")


def test_store_defaults() -> None:
    plain = Stores.persistent_key_value_store("s", key=int, caching=True)
    timed = Stores.persistent_timestamped_key_value_store("t", logging=False)
    assert (plain.kind, plain.persistent, plain.logging, plain.caching) == (
        "key-value",
        True,
        True,
        True,
    )
    assert (timed.kind, timed.logging, timed.caching) == ("timestamped", False, False)


def test_streams_can_be_copied_and_inspected() -> None:
    stream = StreamsBuilder().stream("a")
    assert copy.copy(stream).name == stream.name
    assert not hasattr(stream, "nonsense")


# ---------------------------------------------------------------------------- records and times


def record(timestamp: int) -> ConsumerRecord:
    return ConsumerRecord("t", 3, 17, timestamp, None, None)


def test_extractors_take_the_records_time() -> None:
    for extract in (
        fail_on_invalid_timestamp,
        log_and_skip_on_invalid_timestamp,
        use_partition_time_on_invalid_timestamp,
    ):
        assert extract(record(5), 9) == 5


def test_extractors_without_a_time() -> None:
    assert log_and_skip_on_invalid_timestamp(record(-1), 9) == -1
    assert use_partition_time_on_invalid_timestamp(record(-1), 9) == 9
    with pytest.raises(InvalidTimestampError, match="offset 17 of t-3 has the timestamp -1"):
        fail_on_invalid_timestamp(record(-1), 9)
    with pytest.raises(InvalidTimestampError, match="no record before it"):
        use_partition_time_on_invalid_timestamp(record(-1), -1)


def test_records_change_by_copy() -> None:
    first = Record("k", 1, 10, (("h", b"x"),))
    second = first.with_key(2).with_value("v").with_timestamp(11).with_headers(())
    assert (first, second) == (Record("k", 1, 10, (("h", b"x"),)), Record(2, "v", 11))
    assert pickle.loads(pickle.dumps(first)) == first


def test_columns_and_records_agree_on_headers() -> None:
    columns = Columns("t", 0, [], [b"k"], [b"v"], [1], [[("h", b"x")]])
    assert columns.headers is not None
    assert Record("k", "v", 1, columns.headers[0]).headers == [("h", b"x")]


# ---------------------------------------------------------------------------- names and orders


def test_names_are_counted_together() -> None:
    names = NameGenerator()
    assert names.processor("KSTREAM-MAP-") == "KSTREAM-MAP-0000000000"
    assert names.processor("KSTREAM-MAP-", "mine") == "mine"
    assert names.store("KSTREAM-REDUCE-") == "KSTREAM-REDUCE-STATE-STORE-0000000002"
    assert is_generated("KSTREAM-REDUCE-STATE-STORE-0000000002")
    assert not is_generated("KSTREAM-BRANCH-00000000011")
    assert check_name("a.b_c-1") == "a.b_c-1"


def test_hashes_are_javas() -> None:
    # Values from the definition s[0]*31^(n-1) + ... + s[n-1], beyond the basic plane as well.
    assert string_hash("") == 0
    assert string_hash("ab") == 97 * 31 + 98
    assert string_hash("\U0001f600") == (0xD83D * 31 + 0xDE00)


def test_a_small_hash_set_orders_by_bucket() -> None:
    assert hash_set_order(["c", "b", "a", "b"]) == ["a", "b", "c"]


def test_tree_set_sorts_where_comparisons_are_steady() -> None:
    numbers = [(number * 7919) % 1009 for number in range(500)]
    tree: TreeSet[int] = TreeSet(lambda one, other: one - other)
    for number in numbers:
        tree.add(number)
    assert list(tree) == sorted(set(numbers))
