"""Key-value stores: staged over stored, in order, on both databases."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aliran.storage.state import (
    KeyValueBytesStore,
    MemoryStateDatabase,
    RocksDBStateDatabase,
    StateClosedError,
    StateDatabase,
    UnknownStoreError,
    commit_changes,
)


@pytest.fixture(params=["memory", "rocksdb"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateDatabase]:
    made: StateDatabase = (
        MemoryStateDatabase(["kv", "other"])
        if request.param == "memory"
        else RocksDBStateDatabase(tmp_path / "state", ["kv", "other"])
    )
    yield made
    made.close()


def test_staged_writes_are_read_at_once_and_stored_at_commit(database: StateDatabase) -> None:
    store = KeyValueBytesStore("kv", database)
    store.put(b"a", b"1")
    assert store.get(b"a") == b"1"
    assert database.get("kv", b"a") is None
    commit_changes([store], database, {"t-0": 4})
    assert database.get("kv", b"a") == b"1"
    assert database.offsets() == {"t-0": 4}
    assert store.staged == {}
    store.put(b"a", None)
    assert store.get(b"a") is None
    assert database.get("kv", b"a") == b"1"


def test_put_if_absent_and_delete_return_what_was_there(database: StateDatabase) -> None:
    store = KeyValueBytesStore("kv", database)
    assert store.put_if_absent(b"a", b"1") is None
    assert store.put_if_absent(b"a", b"2") == b"1"
    commit_changes([store], database, {})
    assert store.put_if_absent(b"a", b"3") == b"1"
    assert store.delete(b"a") == b"1"
    assert store.delete(b"a") is None
    assert store.put_if_absent(b"a", b"4") is None
    assert store.get(b"a") == b"4"


def test_ranges_include_both_ends(database: StateDatabase) -> None:
    store = KeyValueBytesStore("kv", database)
    store.put_all((bytes([key]), b"stored") for key in range(0, 10, 2))
    commit_changes([store], database, {})
    store.put_all({bytes([key]): b"staged" for key in range(1, 10, 2)}.items())
    keys = [key[0] for key, _ in store.range(b"\x02", b"\x05")]
    assert keys == [2, 3, 4, 5]
    assert [key[0] for key, _ in store.reverse_range(b"\x02", b"\x05")] == [5, 4, 3, 2]
    assert [key[0] for key, _ in store.range(None, b"\x01")] == [0, 1]
    assert [key[0] for key, _ in store.reverse_range(b"\x08", None)] == [9, 8]
    assert store.approximate_num_entries() == 10


def test_a_range_the_wrong_way_round_is_empty_and_logged(
    database: StateDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    store = KeyValueBytesStore("kv", database)
    store.put(b"a", b"1")
    assert list(store.range(b"b", b"a")) == []
    assert "wrong order" in caplog.text


def test_prefix_scans_end_where_the_prefix_does(database: StateDatabase) -> None:
    store = KeyValueBytesStore("kv", database)
    for key in (b"a", b"a\xff", b"a\xff\xff", b"b", b"\xff", b"\xff\xff", b"\xff\xffz"):
        store.put(key, key)
    commit_changes([store], database, {})
    store.put(b"a\xff\x01", b"")
    assert [key for key, _ in store.prefix_scan(b"a\xff")] == [b"a\xff", b"a\xff\x01", b"a\xff\xff"]
    assert [key for key, _ in store.prefix_scan(b"\xff\xff")] == [b"\xff\xff", b"\xff\xffz"]
    assert len(list(store.prefix_scan(b""))) == 8


def test_an_iterator_does_not_see_what_comes_after_it(database: StateDatabase) -> None:
    store = KeyValueBytesStore("kv", database)
    store.put_all([(b"a", b"1"), (b"c", b"1")])
    commit_changes([store], database, {})
    store.put_all([(b"b", b"1"), (b"d", b"1")])
    seen = []
    for key, value in store.all():
        seen.append((key, value))
        store.put(key, b"changed")
        store.put(key + b"+", b"new")
        store.delete(b"d")
        commit_changes([store], database, {})
    assert seen == [(b"a", b"1"), (b"b", b"1"), (b"c", b"1"), (b"d", b"1")]


def test_several_stores_commit_together(database: StateDatabase) -> None:
    first, second = KeyValueBytesStore("kv", database), KeyValueBytesStore("other", database)
    first.put(b"a", b"1")
    second.put(b"a", b"2")
    commit_changes([first, second], database, {"x-0": 1, "y-0": 2})
    assert (database.get("kv", b"a"), database.get("other", b"a")) == (b"1", b"2")
    assert database.offsets() == {"x-0": 1, "y-0": 2}


def test_a_failed_commit_keeps_what_is_staged(database: StateDatabase) -> None:
    store = KeyValueBytesStore("kv", database)
    store.put(b"a", b"1")
    store.name = "misnamed"
    with pytest.raises(UnknownStoreError):
        commit_changes([store], database, {"t-0": 1})
    assert store.staged == {b"a": b"1"}
    assert database.offsets() == {}
    database.close()
    store.name = "kv"
    with pytest.raises(StateClosedError):
        commit_changes([store], database, {"t-0": 1})
    assert store.staged == {b"a": b"1"}


def test_restored_values_are_plain_or_get_their_timestamp(database: StateDatabase) -> None:
    plain = KeyValueBytesStore("kv", database)
    stamped = KeyValueBytesStore("other", database, timestamped=True)
    for store in (plain, stamped):
        store.restore([b"a", b"b", b"a"], [b"1", None, b"2"], [5, 6, 258])
    commit_changes([plain, stamped], database, {})
    assert plain.get(b"a") == b"2"
    assert stamped.get(b"a") == b"\x00\x00\x00\x00\x00\x00\x01\x022"
    assert stamped.get(b"b") is None


def test_a_store_the_database_does_not_have_is_refused(database: StateDatabase) -> None:
    with pytest.raises(UnknownStoreError):
        KeyValueBytesStore("missing", database)


KEYS = st.binary(max_size=2)
VALUES = st.none() | st.binary(max_size=2)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, VALUES),
        st.tuples(st.just("put_all"), st.lists(st.tuples(KEYS, VALUES), max_size=30)),
        st.tuples(st.just("put_if_absent"), KEYS, VALUES),
        st.tuples(st.just("delete"), KEYS),
        st.tuples(st.just("get"), KEYS),
        st.tuples(st.just("range"), st.none() | KEYS, st.none() | KEYS),
        st.tuples(st.just("reverse_range"), st.none() | KEYS, st.none() | KEYS),
        st.tuples(st.just("prefix_scan"), KEYS),
        st.tuples(st.just("commit")),
        st.tuples(st.just("reopen")),
    ),
    max_size=30,
)


class Model:
    """What a store must do, in the plainest way."""

    def __init__(self) -> None:
        self.entries: dict[bytes, bytes] = {}

    def put(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self.entries.pop(key, None)
        else:
            self.entries[key] = value

    def put_all(self, items: list[tuple[bytes, bytes | None]]) -> None:
        for key, value in items:
            self.put(key, value)

    def put_if_absent(self, key: bytes, value: bytes | None) -> bytes | None:
        before = self.entries.get(key)
        if before is None:
            self.put(key, value)
        return before

    def delete(self, key: bytes) -> bytes | None:
        return self.entries.pop(key, None)

    def get(self, key: bytes) -> bytes | None:
        return self.entries.get(key)

    def range(self, first: bytes | None, last: bytes | None) -> list[tuple[bytes, bytes]]:
        return [
            (key, value)
            for key, value in sorted(self.entries.items())
            if (first is None or first <= key) and (last is None or key <= last)
        ]

    def reverse_range(self, first: bytes | None, last: bytes | None) -> list[tuple[bytes, bytes]]:
        return self.range(first, last)[::-1]

    def prefix_scan(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        return [entry for entry in self.range(None, None) if entry[0].startswith(prefix)]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_both_stores_behave_like_a_sorted_dict(steps: list) -> None:  # type: ignore[type-arg]
    model = Model()
    memory = KeyValueBytesStore("kv", MemoryStateDatabase(["kv"]))
    with tempfile.TemporaryDirectory() as path:
        disk = KeyValueBytesStore("kv", RocksDBStateDatabase(path, ["kv"]))
        for name, *arguments in steps:
            if name == "reopen":
                commit_changes([disk], disk.database, {})
                disk.database.close()
                disk = KeyValueBytesStore("kv", RocksDBStateDatabase(path, ["kv"]))
            elif name == "commit":
                for store in (memory, disk):
                    commit_changes([store], store.database, {})
            else:
                expected = getattr(model, name)(*arguments)
                for store in (memory, disk):
                    answer = getattr(store, name)(*arguments)
                    assert (list(answer) if isinstance(expected, list) else answer) == expected
        for store in (memory, disk):
            assert list(store.all()) == model.range(None, None)
            assert list(store.reverse_all()) == model.reverse_range(None, None)
        disk.database.close()
