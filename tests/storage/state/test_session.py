"""Session stores: order, retention edges, restart; on both databases and in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aliran.core.errors import AliranError, ConfigError
from aliran.serdes import Windowed, serde_for
from aliran.storage.state import (
    MemorySessionStore,
    MemoryStateDatabase,
    RocksDBStateDatabase,
    SessionBytes,
    SessionBytesStore,
    SessionEntry,
    SessionKey,
    SessionStore,
    StateError,
    commit_changes,
    session_changelog_key,
    split_session_key,
)

RETENTION, INTERVAL = 100, 50
MAX = 2**63 - 1


@pytest.fixture(params=["memory database", "rocksdb", "in memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SessionBytes]:
    if request.param == "in memory":
        yield MemorySessionStore("s", RETENTION)
        return
    database = (
        MemoryStateDatabase(["s"])
        if request.param == "memory database"
        else RocksDBStateDatabase(tmp_path / "state", ["s"])
    )
    yield SessionBytesStore("s", database, RETENTION, segment_interval_ms=INTERVAL)
    database.close()


def commit(store: Any) -> None:
    if isinstance(store, SessionBytesStore):
        commit_changes([store], store.database, {})
    else:
        store.committed()


def times(entries: Iterator[SessionEntry]) -> list[tuple[bytes, int, int]]:
    return [(entry.key, entry.start_ms, entry.end_ms) for entry in entries]


def test_sessions_that_overlap_a_span_are_found_by_end(store: SessionBytes) -> None:
    for start, end in ((0, 5), (20, 40), (60, 60), (70, 90)):
        store.put(b"a", start, end, b"%d" % end)
    store.put(b"b", 20, 40, b"other")
    store.put(b"a\x00", 20, 40, b"other")
    for _ in range(2):  # staged, then stored
        assert times(store.find_sessions(b"a", 30, 65)) == [(b"a", 20, 40), (b"a", 60, 60)]
        assert times(store.find_sessions(b"a", 41, 65)) == [(b"a", 60, 60)]
        assert times(store.find_sessions(b"a", 0, MAX, reverse=True)) == [
            (b"a", 70, 90), (b"a", 60, 60), (b"a", 20, 40), (b"a", 0, 5),
        ]  # fmt: skip
        assert store.fetch_session(b"a", 20, 40) == b"40"
        assert store.fetch_session(b"a", 20, 41) is None
        commit(store)


def test_what_ends_at_the_clock_less_retention_is_gone(store: SessionBytes) -> None:
    store.put(b"a", 5, 10, b"1")
    store.put(b"a", 5, 11, b"1")
    store.put(b"b", 0, 110, b"1")  # another key moves the clock too: 110 - 100 + 1 = 11
    assert times(store.find_sessions(b"a", 0, MAX)) == [(b"a", 5, 11)]
    assert store.fetch_session(b"a", 5, 10) is None
    assert store.fetch_session(b"a", 5, 11) == b"1"
    assert times(store.all()) == [(b"a", 5, 11), (b"b", 0, 110)]


def test_late_puts_are_dropped_by_segment_or_to_the_millisecond(store: SessionBytes) -> None:
    store.put(b"a", 0, 170, b"1")  # segments before (170 - 100) // 50 = 1 are gone
    assert store.put(b"a", 0, 60, b"late") == session_changelog_key(b"a", 0, 60)
    exact = isinstance(store, MemorySessionStore)
    assert store.dropped == (1 if exact else 0)
    store.put(b"a", 0, 49, b"later")
    assert store.dropped == (2 if exact else 1)
    store.remove(b"a", 0, 49)
    assert store.dropped == (2 if exact else 1)
    assert times(store.all()) == [(b"a", 0, 170)]


def test_removed_sessions_are_gone_staged_or_stored(store: SessionBytes) -> None:
    for end in (10, 20, 30):
        store.put(b"a", 10, end, b"1")
    commit(store)
    assert store.remove(b"a", 10, 20) == session_changelog_key(b"a", 10, 20)
    store.put(b"a", 10, 30, None)
    store.remove(b"a", 10, 25)  # there is none
    for _ in range(2):
        assert times(store.all()) == [(b"a", 10, 10)]
        commit(store)


def test_sessions_of_all_keys_by_their_end(store: SessionBytes) -> None:
    for key, start, end in ((b"b", 5, 20), (b"a", 9, 20), (b"c", 1, 30), (b"a", 1, 40)):
        store.put(key, start, end, b"1")
    in_segments = [(b"b", 5, 20), (b"a", 9, 20), (b"c", 1, 30)]
    by_key = [(b"a", 9, 20), (b"b", 5, 20), (b"c", 1, 30)]
    expected = by_key if isinstance(store, MemorySessionStore) else in_segments
    assert times(store.find_sessions_by_end(20, 39)) == expected
    assert times(store.find_sessions_by_end(41, 99)) == []


def test_changelog_keys_are_kafkas() -> None:
    key = session_changelog_key(b"key", 3, 258)
    assert key == b"key" + b"\x00\x00\x00\x00\x00\x00\x01\x02" + b"\x00\x00\x00\x00\x00\x00\x00\x03"
    assert split_session_key(key) == SessionKey(b"key", 3, 258)
    with pytest.raises(AliranError, match="is not a key of a session store's changelog"):
        split_session_key(b"short")


def test_the_changelog_restores_the_store(store: SessionBytes) -> None:
    log = [
        (session_changelog_key(b"a", 1, 5), b"expired"),
        (session_changelog_key(b"a", 100, 120), b"1"),
        (session_changelog_key(b"a", 100, 150), b"2"),
        (session_changelog_key(b"a", 100, 120), None),
    ]
    store.restore([key for key, _ in log], [value for _, value in log], [1, 2, 3, 4])
    assert store.observed_stream_time == 150
    assert list(store.all()) == [SessionEntry(b"a", 100, 150, b"2")]
    store.put(b"a", 130, 140, b"3")  # older than what was restored
    assert times(store.find_sessions(b"a", 0, MAX)) == [(b"a", 130, 140), (b"a", 100, 150)]
    assert store.dropped == 0
    store.restore([], [], [])


def test_typed_sessions_log_their_changes(store: SessionBytes) -> None:
    logged: list[tuple[bytes, bytes | None, int]] = []
    typed = SessionStore(
        store, serde_for(str), serde_for(str), lambda *each: logged.append(each), lambda: 77
    )
    typed.put(Windowed("a", 1, 5), "x")
    typed.put(Windowed("b", 2, 6), "y")
    typed.remove(Windowed("a", 1, 5))
    assert typed.fetch_session("b", 2, 6) == "y"
    assert list(typed.fetch("b")) == [(Windowed("b", 2, 6), "y")]
    assert list(typed.fetch(None, "b")) == list(typed.find_sessions(6, 6)) == list(typed.all())
    assert list(typed.backward_find_sessions("a", "z", 0, 5)) == [(Windowed("b", 2, 6), "y")]
    assert list(typed) == [Windowed("b", 2, 6)]
    assert logged == [
        (session_changelog_key(b"a", 1, 5), b"x", 77),
        (session_changelog_key(b"b", 2, 6), b"y", 77),
        (session_changelog_key(b"a", 1, 5), None, 77),
    ]
    with pytest.raises(TypeError, match="found by a key or by two"):
        typed.fetch("a", "b", "c")  # type: ignore[call-overload]


def test_sessions_that_make_no_sense_are_refused(store: SessionBytes) -> None:
    with pytest.raises(StateError, match="is from 9 to 5 ms"):
        store.put(b"a", 9, 5, b"1")
    with pytest.raises(StateError, match="start at 0 or later"):
        store.put(b"a", -1, 5, b"1")
    with pytest.raises(ConfigError, match="must be above 0"):
        MemorySessionStore("s", 0)
    with pytest.raises(ConfigError, match="must be above 0"):
        SessionBytesStore("s", MemoryStateDatabase(["s"]), 10, segment_interval_ms=0)


KEYS = st.sampled_from([b"", b"a", b"a\x00", b"ab", b"b", b"\xff"])
SPANS = st.tuples(st.integers(0, 60), st.integers(0, 400))
PUTS = st.lists(st.tuples(KEYS, SPANS, st.none() | st.binary(max_size=2)), max_size=10)
STEPS = st.lists(
    st.one_of(
        PUTS,
        st.just("commit"),
        st.just("reopen"),
        st.tuples(KEYS, KEYS, *[st.integers(0, 450)] * 2),
    ),
    max_size=14,
)


class Model:
    """Every session ever put, and the clock."""

    def __init__(self, *, exact: bool) -> None:
        self.exact = exact
        self.sessions: dict[tuple[bytes, int, int], bytes] = {}
        self.clock = -1

    def put(self, key: bytes, start: int, end: int, value: bytes | None) -> None:
        self.clock = max(self.clock, end)
        oldest = self.clock - RETENTION + 1
        late = end < oldest if self.exact else end // INTERVAL < (oldest - 1) // INTERVAL
        if not late:
            self.sessions.pop((key, start, end), None)
            if value is not None:
                self.sessions[key, start, end] = value

    def find(self, first: bytes, last: bytes, end_from: int, start_to: int) -> list[SessionEntry]:
        oldest = self.clock - RETENTION + 1
        found = [
            SessionEntry(*session, value)
            for session, value in self.sessions.items()
            if first <= session[0] <= last
            and session[2] >= max(end_from, oldest)
            and session[1] <= start_to
        ]
        return sorted(found, key=self.order)

    def order(self, entry: SessionEntry) -> tuple[Any, ...]:
        if self.exact:
            return entry.end_ms, entry.key, -entry.start_ms
        times = entry.end_ms.to_bytes(8, "big") + entry.start_ms.to_bytes(8, "big")
        return entry.end_ms // INTERVAL, entry.key + times


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_all_stores_behave_like_the_model(steps: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as path:
        disk = segmented(RocksDBStateDatabase(path, ["s"]))
        stores: list[tuple[Any, Model]] = [
            (disk, Model(exact=False)),
            (segmented(MemoryStateDatabase(["s"])), Model(exact=False)),
            (MemorySessionStore("s", RETENTION), Model(exact=True)),
        ]
        for step in steps:
            if step == "reopen":
                commit(disk)
                disk.database.close()
                disk = segmented(RocksDBStateDatabase(path, ["s"]))
                stores[0] = (disk, stores[0][1])
            for store, model in stores:
                if step == "commit":
                    commit(store)
                elif isinstance(step, list):
                    for key, (length, end), value in step:
                        span = (key, max(0, end - length), end)
                        store.put(*span, value)
                        model.put(*span, value)
                elif isinstance(step, tuple):
                    check(store, model, *step)
        disk.database.close()


def segmented(database: Any) -> SessionBytesStore:
    return SessionBytesStore("s", database, RETENTION, segment_interval_ms=INTERVAL)


def check(store: Any, model: Model, first: bytes, last: bytes, end: int, start: int) -> None:
    expected = model.find(first, last, end, start)
    assert list(store.find_sessions_of_keys(first, last, end, start)) == expected
    backward = store.find_sessions_of_keys(first, last, end, start, reverse=True)
    assert list(backward) == expected[::-1]
    one = model.find(first, first, end, start)
    assert list(store.find_sessions(first, end, start)) == one
    assert list(store.find_sessions(first, end, start, reverse=True)) == one[::-1]
    assert list(store.all()) == model.find(b"", b"\xff", 0, MAX)
    for key, from_ms, to_ms, value in one:
        assert store.fetch_session(key, from_ms, to_ms) == value
