"""What every state database promises, on memory and on RocksDB."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aliran.storage.state import (
    MemoryStateDatabase,
    RocksDBStateDatabase,
    StateClosedError,
    StateDatabase,
    StateError,
    UnknownStoreError,
)

STORES = ["counts", "names"]


@pytest.fixture(params=["memory", "rocksdb"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateDatabase]:
    made: StateDatabase = (
        MemoryStateDatabase(STORES)
        if request.param == "memory"
        else RocksDBStateDatabase(tmp_path / "state", STORES)
    )
    yield made
    made.close()


def test_values_are_read_back_by_store_and_key(database: StateDatabase) -> None:
    database.write({"counts": {b"a": b"1"}, "names": [(b"a", b"ann")]}, {"topic-0": 7})
    assert database.get("counts", b"a") == b"1"
    assert database.getter("names")(b"a") == b"ann"
    assert database.get("counts", b"b") is None
    assert database.offsets() == {"topic-0": 7}


def test_empty_keys_and_values_are_kept(database: StateDatabase) -> None:
    database.write({"counts": {b"": b""}}, {})
    assert database.get("counts", b"") == b""
    assert list(database.range("counts", None, None)) == [(b"", b"")]


def test_the_last_of_several_pairs_with_one_key_counts(database: StateDatabase) -> None:
    database.write({"counts": [(b"b", b"1"), (b"a", b"1"), (b"b", None), (b"a", b"2")]}, {})
    assert list(database.range("counts", None, None)) == [(b"a", b"2")]


def test_range_deletes_come_before_changes(database: StateDatabase) -> None:
    database.write({"counts": {b"a": b"1", b"b": b"1", b"c": b"1"}}, {})
    database.write({"counts": {b"b": b"2"}}, {}, {"counts": [(b"a", b"c")]})
    assert list(database.range("counts", None, None)) == [(b"b", b"2"), (b"c", b"1")]


def test_offsets_of_other_names_stay(database: StateDatabase) -> None:
    database.write({}, {"a-0": 1, "b-0": 2})
    database.write({}, {"a-0": 5, "c-0": -1})
    assert database.offsets() == {"a-0": 5, "b-0": 2, "c-0": -1}


def test_flushing_changes_nothing_that_is_read(database: StateDatabase) -> None:
    database.write({"counts": {b"a": b"1"}}, {"t-0": 3})
    database.flush()
    database.flush()
    assert database.offsets() == {"t-0": 3}
    assert database.get("counts", b"a") == b"1"


def test_empty_and_last_key(database: StateDatabase) -> None:
    assert database.is_empty("counts")
    assert database.last_key("counts") is None
    database.write({"counts": {b"a": b"1", b"\xff": b"1"}}, {})
    assert not database.is_empty("counts")
    assert database.is_empty("names")
    assert database.last_key("counts") == b"\xff"
    assert database.approximate_num_entries("counts") == 2
    database.write({"counts": {b"\xff": None}}, {})
    assert database.last_key("counts") == b"a"


@pytest.mark.parametrize("reverse", [False, True])
def test_an_iterator_shows_the_moment_it_was_made(database: StateDatabase, reverse: bool) -> None:
    before = {bytes([key]): b"old" for key in range(100)}
    database.write({"counts": before}, {})
    entries = database.range("counts", b"\x0a", b"\x5a", reverse)
    first = next(entries)
    database.write({"counts": dict.fromkeys(before)}, {})
    database.write({"counts": {bytes([key, 0]): b"new" for key in range(100)}}, {})
    expected = [(bytes([key]), b"old") for key in range(0x0A, 0x5A)]
    if reverse:
        expected.reverse()
    assert [first, *entries] == expected


def test_a_failing_write_changes_nothing(database: StateDatabase) -> None:
    database.write({"counts": {b"a": b"1"}}, {"t-0": 1})
    with pytest.raises(StateError, match="ends before it begins"):
        database.write({"counts": {b"a": b"2"}}, {"t-0": 2}, {"counts": [(b"b", b"a")]})
    with pytest.raises(UnknownStoreError):
        database.write({"counts": {b"a": b"2"}, "none": {}}, {"t-0": 2})
    assert database.get("counts", b"a") == b"1"
    assert database.offsets() == {"t-0": 1}
    database.write({"counts": {b"a": b"3"}}, {})
    assert database.get("counts", b"a") == b"3"


def test_unknown_stores_are_named(database: StateDatabase) -> None:
    for call in (
        lambda: database.get("count", b"a"),
        lambda: database.getter("count"),
        lambda: database.range("count", None, None),
        lambda: database.is_empty("count"),
        lambda: database.last_key("count"),
        lambda: database.approximate_num_entries("count"),
        lambda: database.write({}, {}, {"count": []}),
    ):
        with pytest.raises(UnknownStoreError, match=r"'count'.*its stores are: counts, names"):
            call()


def test_nothing_works_after_close(database: StateDatabase) -> None:
    database.write({"counts": {b"a": b"1", b"b": b"1"}}, {})
    getter = database.getter("counts")
    database.close()
    database.close()
    for call in (
        lambda: database.get("counts", b"a"),
        lambda: getter(b"a"),
        lambda: database.range("counts", None, None),
        lambda: database.is_empty("counts"),
        lambda: database.last_key("counts"),
        lambda: database.approximate_num_entries("counts"),
        lambda: database.write({"counts": {}}, {}),
        lambda: database.write({}, {"t-0": 1}),
        database.offsets,
        database.flush,
    ):
        with pytest.raises(StateClosedError, match="is closed"):
            call()


KEYS = st.binary(max_size=3)
CHANGES = st.dictionaries(KEYS, st.none() | st.binary(max_size=3), max_size=40)
BOUNDS = st.tuples(KEYS, KEYS).map(lambda ends: (min(ends), max(ends)))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), CHANGES, st.lists(BOUNDS, max_size=2)),
        st.tuples(st.just("reopen"), st.none(), st.none()),
    ),
    max_size=6,
)
RANGES = st.lists(st.tuples(st.none() | KEYS, st.none() | KEYS), max_size=8)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, RANGES)
def test_both_databases_behave_like_a_sorted_dict(steps: list, ranges: list) -> None:  # type: ignore[type-arg]
    model: dict[bytes, bytes] = {}
    memory = MemoryStateDatabase(STORES)
    with tempfile.TemporaryDirectory() as path:
        disk = RocksDBStateDatabase(path, STORES)
        for number, (step, changes, deletes) in enumerate(steps):
            if step == "reopen":
                disk.close()
                disk = RocksDBStateDatabase(path, STORES)
                continue
            for database in (memory, disk):
                database.write({"counts": changes}, {"t-0": number}, {"counts": deletes})
            model = {
                key: value
                for key, value in model.items()
                if not any(lower <= key < upper for lower, upper in deletes)
            } | changes
            model = {key: value for key, value in model.items() if value is not None}
        for database in (memory, disk):
            check_against(database, model, ranges)
        assert memory.offsets() == disk.offsets()
        disk.close()


def check_against(database: StateDatabase, model: dict[bytes, bytes], ranges: list) -> None:  # type: ignore[type-arg]
    for lower, upper in [(None, None), *ranges]:
        expected = [
            (key, model[key])
            for key in sorted(model)
            if (lower is None or lower <= key) and (upper is None or key < upper)
        ]
        assert list(database.range("counts", lower, upper)) == expected
        assert list(database.range("counts", lower, upper, reverse=True)) == expected[::-1]
    assert database.last_key("counts") == max(model, default=None)
    assert database.is_empty("counts") == (not model)
    for key in [b"", b"a", *model]:
        assert database.get("counts", key) == model.get(key)
