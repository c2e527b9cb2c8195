"""What Kafka's stores answered to random operations, and what ours do.

The answers come from `tests/compat/jvm/stores`.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aliran.serdes import Windowed, serde_for
from aliran.storage.state import (
    KeyValueStore,
    LruBytesStore,
    MemorySessionStore,
    MemoryStateDatabase,
    MemoryWindowStore,
    RocksDBStateDatabase,
    SessionBytesStore,
    SessionStore,
    VersionedBytesStore,
    VersionedKeyValueStore,
    VersionedRecord,
    WindowBytesStore,
    WindowStore,
    commit_changes,
)

GOLDEN = Path(__file__).parent / "golden" / "stores.jsonl.gz"
with gzip.open(GOLDEN, "rt") as lines:
    CASES = [json.loads(line) for line in lines]
RETENTION = 100_000


@pytest.fixture(scope="module", params=["memory", "rocksdb"])
def databases(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    opened: list[Any] = []

    def make() -> Any:
        on_disk = request.param == "rocksdb"
        path = tmp_path_factory.mktemp("state")
        database = RocksDBStateDatabase(path, ["s"]) if on_disk else MemoryStateDatabase(["s"])
        opened.append(database)
        return database

    yield make
    for database in opened:
        database.close()


def open_store(name: str, database: Any) -> Any:
    match name:
        case "session" | "session-time-ordered":
            return SessionBytesStore("s", database, RETENTION)
        case "session-memory":
            return MemorySessionStore("s", RETENTION)
        case "window":
            return WindowBytesStore("s", database, RETENTION, 10_000)
        case "window-time-ordered":
            return WindowBytesStore("s", database, RETENTION, 10_000, time_ordered=True)
        case "window-memory":
            return MemoryWindowStore("s", RETENTION, 10_000)
        case "join":
            return WindowBytesStore("s", database, RETENTION, 10_000, retain_duplicates=True)
        case "join-memory":
            return MemoryWindowStore("s", RETENTION, 10_000, retain_duplicates=True)
        case "versioned":
            return VersionedBytesStore("s", database, 50_000, segment_interval_ms=7_000)
        case "versioned-default":
            return VersionedBytesStore("s", database, 30_000)
        case "versioned-newest":
            return VersionedBytesStore("s", database, 0, segment_interval_ms=1_000)
        case _:
            return LruBytesStore("s", 3)


@pytest.mark.parametrize("index", range(len(CASES)))
def test_answers_are_kafkas(index: int, databases: Any) -> None:
    case = CASES[index]
    store = open_store(case["store"], databases())
    typed, perform = view(store)
    for number, (expected, operation, *arguments) in enumerate(case["steps"]):
        if expected == "broken":  # Kafka's own answer is an IndexOutOfBoundsException
            continue
        answer = perform[operation](typed, *arguments)
        assert plain(answer) == expected, (number, operation, arguments)
        if number % 40 == 39 and not isinstance(
            store, MemorySessionStore | MemoryWindowStore | LruBytesStore
        ):
            commit_changes([store], store.database, {})
    assert getattr(store, "dropped", 0) == case["dropped"]


def view(store: Any) -> tuple[Any, dict[str, Any]]:
    text = serde_for(str)
    if isinstance(store, SessionBytesStore | MemorySessionStore):
        return SessionStore(store, text, text), SESSIONS
    if isinstance(store, WindowBytesStore | MemoryWindowStore):
        return WindowStore(store, text, text), WINDOWS
    if isinstance(store, VersionedBytesStore):
        return VersionedKeyValueStore(store, text, text), VERSIONS
    return KeyValueStore(store, text, text), KEY_VALUES


def plain(answer: Any) -> Any:
    """Return the answer in lists, as JSON has it."""
    if isinstance(answer, Iterator | list):
        return [plain(each) for each in answer]
    if isinstance(answer, tuple):
        flat: list[Any] = []
        for each in answer:
            flat.extend(each if isinstance(each, Windowed) else [each])
        return flat
    return answer


def windows(found: Iterator[Any]) -> list[Any]:
    return [(windowed.key, windowed.start_ms, value) for windowed, value in found]


def without_end(record: VersionedRecord[str] | None) -> VersionedRecord[str] | None:
    return record and record._replace(valid_to=None)


SESSIONS: dict[str, Any] = {
    "put": lambda s, key, start, end, value: s.put(Windowed(key, start, end), value),
    "remove": lambda s, key, start, end: s.remove(Windowed(key, start, end)),
    "fetch_session": lambda s, *session: s.fetch_session(*session),
    "find": lambda s, *bounds: s.find_sessions(*bounds),
    "find_back": lambda s, *bounds: s.backward_find_sessions(*bounds),
    "find_keys": lambda s, *bounds: s.find_sessions(*bounds),
    "find_by_end": lambda s, *ends: s.find_sessions(*ends),
    "fetch_keys": lambda s, *keys: s.fetch(*keys),
    "fetch_keys_back": lambda s, *keys: s.backward_fetch(*keys),
}
WINDOWS: dict[str, Any] = {
    "put": lambda s, *entry: s.put(*entry),
    "fetch": lambda s, *window: s.fetch(*window),
    "fetch_range": lambda s, *bounds: s.fetch(*bounds),
    "fetch_range_back": lambda s, *bounds: s.backward_fetch(*bounds),
    "fetch_keys": lambda s, *bounds: windows(s.fetch(*bounds)),
    "fetch_keys_back": lambda s, *bounds: windows(s.backward_fetch(*bounds)),
    "fetch_all": lambda s, *bounds: windows(s.fetch_all(*bounds)),
    "all": lambda s: windows(s.all()),
    "all_back": lambda s: windows(s.backward_all()),
}
VERSIONS: dict[str, Any] = {
    "put": lambda s, *entry: s.put(*entry),
    # Kafka leaves out here until when they were valid.
    "delete": lambda s, *entry: without_end(s.delete(*entry)),
    "get": lambda s, key: s.get(key),
    "get_as_of": lambda s, *entry: without_end(s.get(*entry)),
    "between": lambda s, *bounds: s.get_between(*bounds),
    "between_back": lambda s, *bounds: s.get_between(*bounds, reverse=True),
}
KEY_VALUES: dict[str, Any] = {
    "put": lambda s, *entry: s.put(*entry),
    "put_if_absent": lambda s, *entry: s.put_if_absent(*entry),
    "delete": lambda s, key: s.delete(key),
    "get": lambda s, key: s.get(key),
    "all": lambda s: s.all(),
    "range": lambda s, *keys: s.range("a", "b"),
    "size": lambda s: s.approximate_num_entries(),
}
