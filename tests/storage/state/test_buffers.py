"""Buffers of suppress and of joins with grace: order, sizes, and Kafka's changelog bytes."""

from __future__ import annotations

import heapq
import tempfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aliran.core.errors import AliranError
from aliran.storage.state import (
    BufferedValue,
    ChangeBuffer,
    MemoryStateDatabase,
    RecordBuffer,
    RecordContext,
    RocksDBStateDatabase,
    commit_changes,
)

NEVER = 2**63 - 1
HEADERS = (("h", b"x"), ("n", None))
# Written by Kafka 4.3.1 for suppress(until_time_limit) over a table of topic "t": a=1 with headers,
# a=2, b deleted, a emitted, c=1, a=3.
SUPPRESS_CHANGELOG = [
    line.split()
    for line in """
    61 000000000000000500000000000000000000000174000000000000000200000001680000000178000000016efff\
fffffffffffffffffffff00000001310000000000000005
    61 0000000000000007000000000000000100000001740000000000000000ffffffff000000013100000001320000\
000000000005
    62 0000000000000009000000000000000200000001740000000000000000ffffffffffffffffffffffff00000000\
00000009
    61
    63 000000000000000f000000000000000300000001740000000000000000ffffffffffffffff0000000131000000\
000000000f
    61 00000000000000100000000000000004000000017400000000000000000000000132fffffffe00000001330000\
000000000010
    """.strip().splitlines()
]
# Written by it for a join with 10 ms of grace: k=S at 5 with headers, k=T at 16, S leaves.
JOIN_CHANGELOG = [
    line.split()
    for line in """
    0000000000000000056b00000001 0000000000000005000000000000000000000001730000000000000002000000\
01680000000178000000016effffffffffffffffffffffff00000001530000000000000000
    0000000000000000106b00000002 0000000000000010000000000000000100000001730000000000000000ffffff\
ffffffffff00000001540000000000000000
    0000000000000000056b00000001
    """.strip().splitlines()
]


def columns(changelog: list[list[str]]) -> tuple[list[bytes], list[bytes | None]]:
    """Return keys and values; a line of one word is a tombstone."""
    keys = [bytes.fromhex(words[0]) for words in changelog]
    return keys, [bytes.fromhex(words[1]) if words[1:] else None for words in changelog]


def pairs(changelog: list[list[str]]) -> list[tuple[bytes, bytes | None]]:
    return list(zip(*columns(changelog), strict=True))


def context(timestamp: int, offset: int = 0, topic: str = "t", headers: Any = ()) -> RecordContext:
    return RecordContext(timestamp, offset, topic, 0, headers)


def test_the_changelog_of_suppress_is_kafkas() -> None:
    buffer = ChangeBuffer("s")
    logged = []
    buffer.put(b"a", 5, None, b"1", context(5, 0, headers=HEADERS))
    logged += buffer.take_changes()
    buffer.put(b"a", 7, b"1", b"2", context(7, 1))
    logged += buffer.take_changes()
    buffer.put(b"b", 9, None, None, context(9, 2))
    logged += buffer.take_changes()
    assert buffer.prior_value(b"a") == (True, None)
    first = buffer.remove_first()
    assert first is not None
    assert first == (b"a", 5, BufferedValue(None, b"1", b"2", context(7, 1)))
    buffer.put(b"c", 15, None, b"1", context(15, 3))
    logged += buffer.take_changes()
    buffer.put(b"a", 16, b"2", b"3", context(16, 4))
    logged += buffer.take_changes()
    assert logged == pairs(SUPPRESS_CHANGELOG)
    assert buffer.prior_value(b"a") == (True, b"2")
    assert buffer.prior_value(b"z") == (False, None)


@pytest.mark.parametrize("batch", [1, 2, 6])
def test_suppress_restores_from_kafkas_changelog(batch: int) -> None:
    buffer = ChangeBuffer("s")
    keys, values = columns(SUPPRESS_CHANGELOG)
    for start in range(0, len(keys), batch):
        rows = slice(start, start + batch)
        buffer.restore(keys[rows], values[rows], [0] * len(keys[rows]))
    assert (len(buffer), buffer.min_time, buffer.take_changes()) == (3, 9, [])
    found = [buffer.remove_first() for _ in range(4)]
    assert found == [
        (b"b", 9, BufferedValue(None, None, None, context(9, 2))),
        (b"c", 15, BufferedValue(None, None, b"1", context(15, 3))),
        (b"a", 16, BufferedValue(b"2", b"2", b"3", context(16, 4))),
        None,
    ]
    assert (buffer.size_bytes, buffer.min_time) == (0, NEVER)


def test_sizes_are_counted_as_by_kafka() -> None:
    buffer = ChangeBuffer("s")
    buffer.put(b"key", 5, b"old", b"new", context(5, headers=HEADERS))
    # time 8, key 3; prior 3, old the same, new 3; times and partition 20, topic 1, headers 1+1+1
    assert buffer.size_bytes == 8 + 3 + 3 + 3 + 20 + 1 + 3
    buffer.put(b"key", 6, b"new", b"newer", context(6))
    assert buffer.size_bytes == 8 + 3 + 3 + 3 + 5 + 20 + 1
    buffer.remove_first()
    assert buffer.size_bytes == 0


def test_other_bytes_are_refused() -> None:
    for data in (b"", b"short", b"\x7f" * 60):
        with pytest.raises(AliranError, match="is no value of a buffer's changelog"):
            ChangeBuffer("s").restore([b"k"], [data], [0])
    with pytest.raises(AliranError, match="is no key of the changelog of buffer b"):
        record_buffer(MemoryStateDatabase(["b"])).restore([b"\x01" * 20], [None], [0])


STEPS = st.lists(
    st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.none() | st.integers(0, 9), st.booleans()),
    max_size=30,
)


@given(STEPS)
def test_what_is_due_first_comes_first_and_restores(steps: list[Any]) -> None:
    buffer, log = ChangeBuffer("s"), list[tuple[bytes, bytes | None]]()
    model: dict[bytes, tuple[int, bytes]] = {}
    for number, (key, time, commits) in enumerate(steps):
        if time is None:
            due = min(model, key=lambda each: (model[each][0], each), default=None)
            first = buffer.remove_first()
            assert (first and first.key) == due
            if due is not None:
                model.pop(due)
        else:
            value = b"%d" % number
            model[key] = (model[key][0] if key in model else time, value)
            buffer.put(key, time, None, value, context(time))
        if commits:
            log += buffer.take_changes()
        assert buffer.min_time == min((due for due, _ in model.values()), default=NEVER)
        assert len(buffer) == len(model)
    log += buffer.take_changes()
    copy = ChangeBuffer("s")
    copy.restore([key for key, _ in log], [value for _, value in log], [0] * len(log))
    assert copy.size_bytes == buffer.size_bytes
    assert [copy.remove_first() for _ in range(4)] == [buffer.remove_first() for _ in range(4)]


def record_buffer(database: Any) -> RecordBuffer:
    return RecordBuffer("b", database, 10)


def test_the_changelog_of_a_join_with_grace_is_kafkas() -> None:
    buffer = record_buffer(MemoryStateDatabase(["b"]))
    logged: list[Any] = [buffer.put(b"k", b"S", 5, context(5, 0, "s", HEADERS))]
    assert list(buffer.take_due()) == []
    logged.append(buffer.put(b"k", b"T", 16, context(16, 1, "s")))
    due = list(buffer.take_due())
    assert [(each.key, each.value, each.context) for each in due] == [
        (b"k", b"S", context(5, 0, "s", HEADERS))
    ]
    logged += [(each.changelog_key, None) for each in due]
    assert logged == pairs(JOIN_CHANGELOG)
    assert buffer.put(b"k", b"U", 5, context(5)) is None  # too late to wait
    assert buffer.put(b"k", b"U", 6, context(6)) is not None
    assert [each.value for each in buffer.take_due()] == [b"U"]


def test_a_join_restores_from_kafkas_changelog() -> None:
    database = MemoryStateDatabase(["b"])
    buffer = record_buffer(database)
    buffer.restore(*columns(JOIN_CHANGELOG), [0] * 3)
    commit_changes([buffer], database, {})
    buffer = record_buffer(database)
    assert buffer.observed_stream_time == 16
    buffer.put(b"k", b"V", 26, context(26))
    assert [each.value for each in buffer.take_due()] == [b"T"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([b"", b"a", b"b"]), st.integers(0, 60)), max_size=30))
def test_records_wait_in_order_across_restarts(arrivals: list[tuple[bytes, int]]) -> None:
    waiting: list[tuple[int, bytes, int]] = []
    clock = -1
    with tempfile.TemporaryDirectory() as path:
        buffer = record_buffer(RocksDBStateDatabase(path, ["b"]))
        for number, (key, time) in enumerate(arrivals):
            taken = buffer.put(key, b"%d" % number, time, context(time)) is not None
            assert taken == (time >= clock - 10)
            if taken:
                clock = max(clock, time)
                heapq.heappush(waiting, (time, key, number))
            due = []
            while waiting and waiting[0][0] <= clock - 10:
                due.append(b"%d" % heapq.heappop(waiting)[2])
            assert [each.value for each in buffer.take_due()] == due
            if number % 5 == 4:
                commit_changes([buffer], buffer.database, {})
            if number % 10 == 9:
                buffer.database.close()
                buffer = record_buffer(RocksDBStateDatabase(path, ["b"]))
        buffer.database.close()
