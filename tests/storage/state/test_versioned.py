"""Versioned stores against a plain list of versions, across restarts and restores."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aliran.core.errors import ConfigError
from aliran.serdes import serde_for
from aliran.storage.state import (
    NOT_PUT,
    VALID_TO_UNDEFINED,
    MemoryStateDatabase,
    RocksDBStateDatabase,
    StateError,
    VersionedBytesStore,
    VersionedEntry,
    VersionedKeyValueStore,
    VersionedRecord,
    commit_changes,
)
from aliran.storage.state.versioned import versioned_segment_interval

RETENTION = 100


def store_of(database: Any, retention_ms: int = RETENTION) -> VersionedBytesStore:
    return VersionedBytesStore("v", database, retention_ms, segment_interval_ms=30)


def test_a_value_is_known_as_of_a_time() -> None:
    store = store_of(MemoryStateDatabase(["v"]))
    assert store.put(b"a", b"1", 10) == VALID_TO_UNDEFINED
    assert store.put(b"a", b"3", 30) == VALID_TO_UNDEFINED
    assert store.put(b"a", b"2", 20) == 30
    assert store.put(b"a", None, 25) == 30
    for _ in range(2):  # staged, then stored
        assert store.get(b"a") == VersionedEntry(b"3", 30, None)
        assert store.get_as_of(b"a", 9) is None
        assert store.get_as_of(b"a", -50) is None
        assert store.get_as_of(b"a", 19) == VersionedEntry(b"1", 10, 20)
        assert store.get_as_of(b"a", 24) == VersionedEntry(b"2", 20, 25)
        assert store.get_as_of(b"a", 27) is None
        commit_changes([store], store.database, {})
    assert store.delete(b"a", 22) == VersionedEntry(b"2", 20, 25)
    assert store.get_as_of(b"a", 24) is None
    assert [each.value for each in store.get_between(b"a", 0, 99)] == [b"1", b"2", b"3"]


def test_what_is_before_the_history_is_refused_but_the_newest_stays() -> None:
    store = store_of(MemoryStateDatabase(["v"]))
    store.put(b"a", b"1", 10)
    store.put(b"b", b"1", 111)  # another key moves the clock too
    assert store.put(b"a", b"late", 10) == NOT_PUT
    assert store.delete(b"a", 10) is None
    assert store.dropped == 2
    assert store.get_as_of(b"a", 10) == VersionedEntry(b"1", 10, None)
    assert store.put(b"a", b"2", 11) == VALID_TO_UNDEFINED
    assert store.get_as_of(b"a", 10) is None  # known no more: there is a newer one
    with pytest.raises(StateError, match="times are 0 or later"):
        store_of(MemoryStateDatabase(["v"])).put(b"a", b"1", -5)
    with pytest.raises(ConfigError, match="cannot be kept for less than 0 ms"):
        VersionedBytesStore("v", MemoryStateDatabase(["v"]), -1)


def test_old_segments_are_deleted_and_newest_values_are_not(tmp_path: Path) -> None:
    database = RocksDBStateDatabase(tmp_path, ["v"])
    store = store_of(database)
    for time in range(0, 1000, 10):
        store.put(b"a", b"%d" % time, time)
        store.put(b"b", b"first", 0)
        commit_changes([store], database, {})
    entries = [key for key, _ in database.range("v", b"\x00", None)]
    # Two newest values, and of "a" the segments from that of 890, when the history begins, on.
    assert len(entries) == 2 + (990 // 30 - 890 // 30 + 1)
    database.close()


def test_typed_versions_log_with_their_own_time() -> None:
    logged: list[tuple[bytes, bytes | None, int]] = []
    typed = VersionedKeyValueStore(
        store_of(MemoryStateDatabase(["v"])),
        serde_for(str),
        serde_for(str),
        lambda *each: logged.append(each),
    )
    typed.put("a", "x", 10)
    typed.put("a", "y", 20)
    assert typed.get("a") == VersionedRecord("y", 20, None)
    assert typed.delete("a", 15) == VersionedRecord("x", 10, 20)
    typed.put("b", "late", 500)
    typed.put("b", "refused, but logged as by Kafka", 0)
    assert logged[:3] == [(b"a", b"x", 10), (b"a", b"y", 20), (b"a", None, 15)]
    assert len(logged) == 5
    assert list(typed.get_between("b", 0, 600)) == [VersionedRecord("late", 500, None)]


def test_segments_are_as_long_as_kafkas() -> None:
    retentions = (0, 60_000, 300_000, 3_600_000, 86_400_000)
    intervals = [2_000, 20_000, 60_000, 300_000, 3_600_000]
    assert [versioned_segment_interval(each) for each in retentions] == intervals


class Model:
    """The versions of each key, in a list."""

    def __init__(self) -> None:
        self.versions: dict[bytes, dict[int, bytes | None]] = {}
        self.clock = -1

    def put(self, key: bytes, value: bytes | None, time: int) -> int:
        if time < self.clock - RETENTION:
            return NOT_PUT
        self.clock = max(self.clock, time)
        versions = self.versions.setdefault(key, {})
        versions[time] = value
        later = [each for each in versions if each > time]
        return min(later) if later else VALID_TO_UNDEFINED

    def get_as_of(self, key: bytes, time: int) -> VersionedEntry | None:
        versions = self.versions.get(key, {})
        starts = [start for start in versions if start <= time]
        if not starts:
            return None
        start = max(starts)
        end = min((each for each in versions if each > start), default=None)
        value = versions[start]
        if value is None or (time < self.clock - RETENTION and end is not None):
            return None
        return VersionedEntry(value, start, end)


KEYS = st.sampled_from([b"", b"a", b"a\x00", b"b"])
TIMES = st.integers(0, 350)
STEPS = st.lists(
    st.one_of(
        st.tuples(KEYS, st.none() | st.binary(max_size=2), TIMES),
        st.tuples(KEYS, TIMES),
        st.sampled_from(["commit", "reopen", "restore"]),
    ),
    max_size=40,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_versions_are_those_of_a_plain_list(steps: list[Any]) -> None:
    model, log = Model(), list[Any]()
    with tempfile.TemporaryDirectory() as path:
        stores = [
            store_of(MemoryStateDatabase(["v"])),
            store_of(RocksDBStateDatabase(path, ["v"])),
        ]
        for step in steps:
            if step == "reopen":
                commit_changes([stores[1]], stores[1].database, {})
                stores[1].database.close()
                stores[1] = store_of(RocksDBStateDatabase(path, ["v"]))
            elif step == "restore":  # what the changelog has gives the same store
                stores[0] = store_of(MemoryStateDatabase(["v"]))
                columns = zip(*log, strict=True) if log else ([], [], [])
                stores[0].restore(*map(list, columns))
            elif step == "commit":
                for store in stores:
                    commit_changes([store], store.database, {})
            elif len(step) == 3:
                log.append(step)
                expected = model.put(*step)
                assert [store.put(*step) for store in stores] == [expected] * 2
            else:
                answers = [store.get_as_of(*step) for store in stores]
                assert answers == [model.get_as_of(*step)] * 2
                newest = model.get_as_of(step[0], 10**9)
                assert [store.get(step[0]) for store in stores] == [newest] * 2
        stores[1].database.close()
