"""Window stores: clock, expiry, look-ups, Kafka's changelog keys."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aliran.core.errors import AliranError, ConfigError
from aliran.storage.state import (
    MemoryStateDatabase,
    MemoryWindowStore,
    RocksDBStateDatabase,
    StateDatabase,
    StateError,
    WindowBytesStore,
    WindowEntry,
    WindowKey,
    commit_changes,
    split_changelog_key,
    window_changelog_key,
)
from aliran.storage.state.key_schemas import pack_segment, prefix_end
from aliran.storage.state.recent import RecentEntries


@pytest.fixture(params=["memory", "rocksdb"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateDatabase]:
    made: StateDatabase = (
        MemoryStateDatabase(["w"])
        if request.param == "memory"
        else RocksDBStateDatabase(tmp_path / "state", ["w"])
    )
    yield made
    made.close()


def store_of(database: StateDatabase, **changes: object) -> WindowBytesStore:
    arguments: dict[str, object] = {
        "retention_ms": 100, "window_size_ms": 10, "segment_interval_ms": 50, **changes,
    }  # fmt: skip
    return WindowBytesStore("w", database, **arguments)  # type: ignore[arg-type]


def starts(entries: Iterator[WindowEntry]) -> list[tuple[bytes, int]]:
    return [(entry.key, entry.start_ms) for entry in entries]


def test_a_window_is_found_by_key_and_start(database: StateDatabase) -> None:
    store = store_of(database)
    store.put(b"a", b"1", 10)
    store.put(b"a", b"2", 20)
    store.put(b"a", b"3", 20)
    for _ in range(2):  # staged, then stored
        assert store.fetch(b"a", 10) == b"1"
        assert store.fetch(b"a", 20) == b"3"
        assert store.fetch(b"a", 11) is None
        assert store.fetch(b"b", 10) is None
        assert store.fetch(b"a", 10_000) is None
        commit_changes([store], database, {})
    store.put(b"a", None, 10)
    assert store.fetch(b"a", 10) is None
    assert starts(store.all()) == [(b"a", 20)]


def test_a_keys_windows_come_by_time_across_segments(database: StateDatabase) -> None:
    store = store_of(database)
    for start in (90, 10, 50, 40, 100):
        store.put(b"a", b"%d" % start, start)
        # Neighbours whose keys sort between the windows of "a".
        store.put(b"a\x00\x00\x00", b"other", start)
        store.put(b"", b"other", start)
    commit_changes([store], database, {})
    store.put(b"a", b"new", 60)
    assert [(e.start_ms, e.value) for e in store.fetch_range(b"a", 40, 90)] == [
        (40, b"40"), (50, b"50"), (60, b"new"), (90, b"90"),
    ]  # fmt: skip
    assert [e.start_ms for e in store.fetch_range(b"a", 0, 10**15, reverse=True)] == [
        100, 90, 60, 50, 40, 10,
    ]  # fmt: skip
    assert list(store.fetch_range(b"a", 91, 99)) == []
    assert list(store.fetch_range(b"a", 90, 80)) == []


def test_the_clock_is_the_greatest_start_and_reads_clip_by_it(database: StateDatabase) -> None:
    store = store_of(database)
    store.put(b"a", b"1", 100)
    store.put(b"a", b"1", 101)
    assert store.fetch(b"a", 100) == b"1"
    store.put(b"b", b"1", 200)  # another key moves the clock too
    assert store.observed_stream_time == 200
    assert store.fetch(b"a", 100) is None  # 200 - 100 + 1 = 101
    assert store.fetch(b"a", 101) == b"1"
    assert starts(store.fetch_range(b"a", 0, 500)) == [(b"a", 101)]
    assert starts(store.fetch_all(0, 500)) == [(b"a", 101), (b"b", 200)]
    assert starts(store.all(reverse=True)) == [(b"b", 200), (b"a", 101)]
    assert starts(store.fetch_keys(b"a", b"b", 0, 500)) == [(b"a", 101), (b"b", 200)]


def test_segments_expire_and_later_puts_into_them_are_dropped(database: StateDatabase) -> None:
    store = store_of(database)
    store.put(b"a", b"1", 10)
    store.put(b"a", b"1", 60)
    commit_changes([store], database, {})
    store.put(b"a", b"staged", 20)
    store.put(b"a", b"1", 160)  # segment 0 (0 to 49) is before (160 - 100) // 50 = 1
    assert store.dropped == 0
    key = store.put(b"a", b"late", 30)
    assert key == window_changelog_key(b"a", 30)  # logged all the same, as in Kafka
    assert store.dropped == 1
    store.put(b"a", b"old but its segment lives", 50)
    assert store.dropped == 1
    commit_changes([store], database, {})
    kept = [window_changelog_key(b"a", start) for start in (50, 60, 160)]
    found = [key for key, _ in database.range("w", pack_segment(0), None)]
    assert [key[8:] for key in found] == kept
    assert starts(store.all()) == [(b"a", 160)]


def test_a_jump_of_time_expires_everything_staged_too(database: StateDatabase) -> None:
    store = store_of(database)
    store.put_all([(b"a", 10, b"1"), (b"b", 10, b"1"), (b"c", 10**12, b"1")])
    commit_changes([store], database, {})
    assert [key[8:-12] for key, _ in database.range("w", pack_segment(0), None)] == [b"c"]


def test_clock_and_expiry_survive_a_restart(tmp_path: Path) -> None:
    with_state = RocksDBStateDatabase(tmp_path, ["w"])
    store = store_of(with_state)
    store.put_all([(b"a", 140, b"1"), (b"b", 200, b"1")])
    commit_changes([store], with_state, {})
    with_state.close()
    again = RocksDBStateDatabase(tmp_path, ["w"])
    store = store_of(again)
    assert store.observed_stream_time == 200
    store.put(b"a", b"late", 30)
    assert store.dropped == 1
    assert starts(store.all()) == [(b"a", 140), (b"b", 200)]
    store.put(b"a", b"1", 260)
    commit_changes([store], again, {})
    assert len(list(again.range("w", pack_segment(0), pack_segment(3)))) == 0
    again.close()


def test_an_empty_store_answers(database: StateDatabase) -> None:
    store = store_of(database)
    assert store.observed_stream_time == -1
    assert store.fetch(b"a", 0) is None
    assert list(store.fetch_range(b"a", 0, 100)) == []
    assert list(store.all()) == []
    assert store.put_all([]) == []
    assert store.staged == {}
    store.restore([], [], [])


def test_duplicates_are_all_kept_across_a_restart(tmp_path: Path) -> None:
    first = RocksDBStateDatabase(tmp_path, ["w"])
    store = store_of(first, retain_duplicates=True)
    keys = store.put_all([(b"a", 10, b"1"), (b"a", 10, b"1"), (b"a", 10, None)])
    assert len(set(keys)) == 3
    commit_changes([store], first, {})
    first.close()
    second = RocksDBStateDatabase(tmp_path, ["w"])
    store = store_of(second, retain_duplicates=True)
    assert store.fetch(b"a", 10) is None
    store.put(b"a", b"2", 10)
    assert [entry.value for entry in store.fetch_range(b"a", 10, 10)] == [b"1", b"1", b"2"]
    assert store.fetch(b"a", 10) == b"2"
    store.put(b"b", b"3", 10)
    assert store.fetch(b"a", 10) is None
    second.close()


def test_keys_between_bounds_whatever_their_length(database: StateDatabase) -> None:
    store = store_of(database, retention_ms=2**62)
    keys = [b"", b"a", b"a\x00", b"a\x00\x00", b"ab", b"b", b"\xff"]
    times = [0, 7, 2**57, 2**61]  # great times make short keys sort after longer ones
    for key in keys:
        store.put_all((key, start, b"") for start in times[:2])
    store = store_of(database, retention_ms=2**62, segment_interval_ms=2**62)
    store.put_all((key, start, b"") for key in keys for start in times)
    for first in keys:
        for last in keys:
            found = set(starts(store.fetch_keys(first, last, 7, 2**60)))
            assert found == {
                (key, start) for key in keys for start in (7, 2**57) if first <= key <= last
            }


def test_restoring_the_changelog_gives_the_same_store(database: StateDatabase) -> None:
    store = store_of(database)
    late = window_changelog_key(b"a", 10)
    log = [(late, b"0"), (window_changelog_key(b"a", 180), b"1")]
    log += [(window_changelog_key(b"b", 190), b"2"), (window_changelog_key(b"a", 180), b"3")]
    store.restore([key for key, _ in log], [value for _, value in log], [1, 2, 3, 4])
    assert store.observed_stream_time == 190
    assert [tuple(entry) for entry in store.all()] == [(b"a", 180, b"3"), (b"b", 190, b"2")]
    commit_changes([store], database, {"w-changelog-0": 4})
    assert [tuple(entry) for entry in store.all()] == [(b"a", 180, b"3"), (b"b", 190, b"2")]
    assert len(list(database.range("w", pack_segment(0), None))) == 2
    with pytest.raises(AliranError, match="is not a key of a window store's changelog"):
        store.restore([b"short"], [b""], [1])


def test_restored_values_get_their_timestamp(database: StateDatabase) -> None:
    store = store_of(database, timestamped=True)
    store.restore([window_changelog_key(b"a", 5)], [b"v"], [258])
    assert store.fetch(b"a", 5) == b"\x00\x00\x00\x00\x00\x00\x01\x02v"


def test_changelog_keys_are_kafkas() -> None:
    key = window_changelog_key(b"key", 258, 3)
    assert key == b"key" + b"\x00\x00\x00\x00\x00\x00\x01\x02" + b"\x00\x00\x00\x03"
    assert split_changelog_key(key) == WindowKey(b"key", 258, 3)


def test_a_window_before_zero_is_refused(database: StateDatabase) -> None:
    with pytest.raises(StateError, match="starts at -5 ms; windows start at 0 or later"):
        store_of(database).put(b"a", b"1", -5)


def test_durations_that_make_no_sense_are_refused(database: StateDatabase) -> None:
    with pytest.raises(ConfigError, match="must be above 0"):
        store_of(database, window_size_ms=0)
    with pytest.raises(ConfigError, match="windows would expire before they end"):
        store_of(database, retention_ms=5)
    with pytest.raises(ConfigError, match="must be above 0"):
        store_of(database, retention_ms=-1, window_size_ms=0, retain_duplicates=True)
    assert WindowBytesStore("w", database, 10**6, 10).segment_interval_ms == 500_000
    assert WindowBytesStore("w", database, 100, 10).segment_interval_ms == 60_000


def test_windows_of_a_join_may_be_empty_and_remember_nothing(database: StateDatabase) -> None:
    memory = MemoryWindowStore("w", 0, 0, retain_duplicates=True)
    stored = WindowBytesStore("w", database, 0, 0, retain_duplicates=True)
    for store in (memory, stored):
        for time in (5, 5, 4):
            store.put(b"k", b"v", time)
        assert list(store.fetch_range(b"k", 0, 10)) == []
    assert (memory.dropped, stored.dropped) == (3, 0)


@given(st.binary(max_size=4), st.binary(max_size=5))
def test_prefix_end_parts_those_with_the_prefix_from_the_rest(prefix: bytes, key: bytes) -> None:
    end = prefix_end(prefix)
    within = key >= prefix and (end is None or key < end)
    assert within == key.startswith(prefix)


KEYS = st.sampled_from([b"", b"a", b"a\x00", b"ab", b"b", b"\xff"])
STARTS = st.integers(0, 400)
VALUES = st.none() | st.binary(max_size=2)
ENTRIES = st.lists(st.tuples(KEYS, STARTS, VALUES), max_size=12)
STEPS = st.lists(
    st.one_of(ENTRIES, st.just("commit"), st.just("reopen"), st.tuples(KEYS, KEYS, STARTS, STARTS)),
    max_size=14,
)


class Model:
    """Every entry ever put, and the clock."""

    def __init__(self) -> None:
        self.entries: dict[tuple[bytes, int], bytes] = {}
        self.clock = -1

    def put_all(self, entries: list[tuple[bytes, int, bytes | None]]) -> None:
        for key, start, value in entries:
            self.clock = max(self.clock, start)
            if start // 50 >= (self.clock - 100) // 50:
                self.entries.pop((key, start), None)
                if value is not None:
                    self.entries[key, start] = value

    def find(self, first: bytes, last: bytes, from_ms: int, to_ms: int) -> list[WindowEntry]:
        oldest = self.clock - 100 + 1
        found = [
            WindowEntry(key, start, value)
            for (key, start), value in self.entries.items()
            if first <= key <= last and max(from_ms, oldest) <= start <= to_ms
        ]
        return sorted(
            found, key=lambda e: (e.start_ms // 50, e.key + e.start_ms.to_bytes(8, "big"))
        )


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_both_stores_behave_like_the_model(steps: list) -> None:  # type: ignore[type-arg]
    model = Model()
    memory = store_of(MemoryStateDatabase(["w"]))
    with tempfile.TemporaryDirectory() as path:
        disk = store_of(RocksDBStateDatabase(path, ["w"]))
        for step in steps:
            if step == "reopen":
                commit_changes([disk], disk.database, {})
                disk.database.close()
                disk = store_of(RocksDBStateDatabase(path, ["w"]))
            elif step == "commit":
                for store in (memory, disk):
                    commit_changes([store], store.database, {})
            elif isinstance(step, list):
                model.put_all(step)
                for store in (memory, disk):
                    store.put_all(step)
            else:
                check(model, memory, *step)
                check(model, disk, *step)
        for store in (memory, disk):
            assert list(store.all()) == model.find(b"", b"\xff", 0, 1000)
            assert store.observed_stream_time == model.clock
        disk.database.close()


def check(
    model: Model, store: WindowBytesStore, first: bytes, last: bytes, start: int, end: int
) -> None:
    expected = model.find(first, last, start, end)
    assert list(store.fetch_keys(first, last, start, end)) == expected
    assert list(store.fetch_keys(first, last, start, end, reverse=True)) == expected[::-1]
    one = model.find(first, first, start, end)
    assert list(store.fetch_range(first, start, end)) == one
    assert list(store.fetch_range(first, start, end, reverse=True)) == one[::-1]
    single = model.find(first, first, start, start)
    assert store.fetch(first, start) == (single[0].value if single else None)
    assert list(store.fetch_all(start, end)) == model.find(b"", b"\xff", start, end)


def both(retention_ms: int = 100, **options: bool) -> list[WindowBytesStore | MemoryWindowStore]:
    """A store in segments, and one that expires to the millisecond."""
    segmented = WindowBytesStore(
        "w",
        MemoryStateDatabase(["w"]),
        retention_ms,
        10,
        segment_interval_ms=50,
        **options,
    )
    return [segmented, MemoryWindowStore("w", retention_ms, 10, **options)]


def test_in_memory_windows_expire_to_the_millisecond() -> None:
    segmented, exact = both()
    for store in (segmented, exact):
        store.put_all([(b"a", 100, b"1"), (b"a", 101, b"1"), (b"b", 200, b"1")])
        assert starts(store.all()) == [(b"a", 101), (b"b", 200)]
        store.put(b"c", b"late", 100)
        store.put_window(101, [b"c"], [b"just in time"])
        assert store.fetch(b"c", 101) == b"just in time"
        assert store.fetch(b"c", 100) is None
    assert (segmented.dropped, exact.dropped) == (0, 1)
    exact.put(b"a", None, 101)
    assert starts(exact.fetch_all(0, 150)) == [(b"c", 101)]
    assert exact.approximate_num_entries() == 3
    exact.committed()
    assert starts(exact.all(reverse=True)) == [(b"b", 200), (b"c", 101)]


def test_in_memory_windows_come_by_time_then_key() -> None:
    segmented, exact = both()
    entries = [(b"b", 10, b""), (b"a", 20, b""), (b"a\x00", 20, b""), (b"a", 10, b"")]
    for store in (segmented, exact):
        store.put_all(entries)
    by_time = [(b"a", 10), (b"b", 10), (b"a", 20), (b"a\x00", 20)]
    assert starts(exact.fetch_keys(b"a", b"b", 0, 20)) == by_time
    assert starts(exact.fetch_all(0, 20, reverse=True)) == by_time[::-1]
    assert starts(exact.fetch_keys(b"a\x00", None, 0, 20)) == [(b"b", 10), (b"a\x00", 20)]
    by_key = [(b"a", 10), (b"a", 20), (b"a\x00", 20), (b"b", 10)]
    assert sorted(starts(segmented.fetch_keys(b"a", b"b", 0, 20))) == by_key


def test_without_value_only_the_join_store_in_memory_moves_its_clock() -> None:
    segmented, exact = both(retain_duplicates=True)
    for store in (segmented, exact):
        store.put(b"a", b"1", 10)
        store.put(b"a", None, 500)
    assert (segmented.observed_stream_time, exact.observed_stream_time) == (10, 500)
    assert starts(segmented.fetch_range(b"a", 0, 999)) == [(b"a", 10)]
    assert starts(exact.fetch_range(b"a", 0, 999)) == []


def test_stores_of_joins_restore_from_their_changelog() -> None:
    for store, copy in zip(both(retain_duplicates=True), both(retain_duplicates=True), strict=True):
        puts = [(b"a", 10, b"1"), (b"a", 10, b"2"), (b"a", 10, None), (b"a", 9, b"3")]
        keys = store.put_all(puts)
        copy.restore(keys, [value for _, _, value in puts], [0] * 4)
        for each in (store, copy):
            each.put(b"a", b"4", 10)
            found = [entry.value for entry in each.fetch_range(b"a", 0, 20)]
            assert found == [b"3", b"1", b"2", b"4"]


def test_time_ordered_stores_come_by_start_and_show_one_millisecond_more() -> None:
    plain, _ = both()
    ordered = store_of(MemoryStateDatabase(["w"]), time_ordered=True)
    for store in (plain, ordered):
        store.put_all([(b"b", 100, b"1"), (b"a", 199, b"1"), (b"a", 99, b"1")])
        store.put_all([(b"c", 200, b"1"), (b"a\x00", 199, b"1")])
    assert starts(plain.all()) == [(b"a\x00", 199), (b"a", 199), (b"c", 200)]
    for _ in range(2):  # first from the database, then from memory
        assert starts(ordered.all()) == [(b"b", 100), (b"a", 199), (b"a\x00", 199), (b"c", 200)]
        assert starts(ordered.fetch_all(100, 199, reverse=True))[::-1] == [
            (b"b", 100), (b"a", 199), (b"a\x00", 199),
        ]  # fmt: skip
        assert ordered.fetch(b"b", 100) == b"1"
        assert starts(ordered.fetch_range(b"b", 0, 300)) == [(b"b", 100)]
        ordered.put(b"d", b"1", 200)
        ordered.put(b"d", None, 200)


DUPLICATES = st.lists(st.tuples(KEYS, STARTS, st.binary(max_size=1)), max_size=8)
SPANS = st.tuples(KEYS, STARTS, STARTS)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.one_of(DUPLICATES, st.just("commit"), SPANS), max_size=16), st.integers(1, 9))
def test_duplicates_are_found_whether_remembered_or_not(steps: list, kept: int) -> None:  # type: ignore[type-arg]
    """Of two stores, one keeps but a few entries in memory, so that it has to read the others."""
    puts: list[tuple[bytes, int, bytes]] = []
    clock = -1
    first, second = (both(retain_duplicates=True)[0] for _ in range(2))
    assert isinstance(second, WindowBytesStore)
    second._recent = RecentEntries(7, 0, max_entries=kept)
    for step in steps:
        for store in (first, second):
            if step == "commit":
                commit_changes([store], store.database, {})  # type: ignore[union-attr]
            elif isinstance(step, list):
                store.put_all(step)
        if isinstance(step, list):
            for key, start, value in step:
                clock = max(clock, start)
                if start // 50 >= (clock - 100) // 50:
                    puts.append((key, start, value))
        elif isinstance(step, tuple):
            key, low, high = step
            expected = [
                (start, value)
                for found, start, value in sorted(puts, key=lambda put: put[1])
                if found == key and max(low, clock - 99) <= start <= high
            ]
            for store in (first, second):
                found = store.fetch_range(key, low, high)
                assert [(entry.start_ms, entry.value) for entry in found] == expected
                back = store.fetch_range(key, low, high, reverse=True)
                assert [(entry.start_ms, entry.value) for entry in back] == expected[::-1]
