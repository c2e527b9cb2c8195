"""Store builders, and stores of every kind in a running topology."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from aliran.serdes import Windowed
from aliran.storage.state import KeyValueBytesStore, RocksDBOptions, VersionedRecord
from aliran.streams import (
    Processor,
    Record,
    Stores,
    TopologyBuilder,
    TopologyError,
    TopologyTestDriver,
)
from aliran.streams.plan.operators import StoreSpec
from aliran.streams.runtime.internal_topics import changelog_config

HOUR = 3_600_000
DAY = 24 * HOUR


def put_key_value(store: Any, time: int) -> None:
    store.put("k", f"at {time}")


def put_timestamped(store: Any, time: int) -> None:
    store.put("k", (f"at {time}", time))


def put_window(store: Any, time: int) -> None:
    store.put("k", f"at {time}", time - time % 10)


def put_timestamped_window(store: Any, time: int) -> None:
    store.put("k", (f"at {time}", time), time - time % 10)


def put_session(store: Any, time: int) -> None:
    store.put(Windowed("k", time, time + 5), f"at {time}")


def put_versioned(store: Any, time: int) -> None:
    store.put("k", f"at {time}", time)


WINDOWS: dict[str, Any] = {"window_size": "10ms", "retention": "1h"}
CASES: list[tuple[StoreSpec, Callable[[Any, int], None], Callable[[Any], Any], Any]] = [
    (Stores.persistent_key_value_store("s"), put_key_value, lambda s: s["k"], "at 25"),
    (Stores.in_memory_key_value_store("s"), put_key_value, lambda s: s["k"], "at 25"),
    (Stores.lru_map("s", 1), put_key_value, lambda s: s["k"], "at 25"),
    *[
        (store, put_timestamped, lambda s: tuple(s["k"]), ("at 25", 25))
        for store in (
            Stores.persistent_timestamped_key_value_store("s"),
            Stores.in_memory_timestamped_key_value_store("s"),
            Stores.timestamped_key_value_store_builder(Stores.lru_map("s", 1), str, str),
        )
    ],
    *[
        (store, put_window, lambda s: list(s.fetch("k", 0, 99)), [(10, "at 15"), (20, "at 25")])
        for store in (
            Stores.persistent_window_store("s", **WINDOWS),
            Stores.in_memory_window_store("s", **WINDOWS),
            Stores.persistent_window_store("s", retain_duplicates=True, **WINDOWS),
        )
    ],
    (
        Stores.persistent_timestamped_window_store("s", **WINDOWS),
        put_timestamped_window,
        lambda s: [(start, *value) for start, value in s.fetch("k", 0, 99)],
        [(10, "at 15", 15), (20, "at 25", 25)],
    ),
    *[
        (
            store,
            put_session,
            lambda s: list(s.find_sessions("k", 30, 99)),
            [(Windowed("k", 25, 30), "at 25")],
        )
        for store in (
            Stores.persistent_session_store("s", "1h"),
            Stores.in_memory_session_store("s", "1h"),
        )
    ],
    (
        Stores.persistent_versioned_key_value_store("s", "1h"),
        put_versioned,
        lambda s: s.get("k", 20),
        VersionedRecord("at 15", 15, 25),
    ),
]


def _id(store: StoreSpec) -> str:
    parts = [store.kind, "rocksdb" if store.persistent else "memory"]
    return "-".join(parts + ["duplicates"] * store.retain_duplicates)


def topology_of(store: StoreSpec, put: Callable[[Any, int], None]) -> Any:
    class Keep(Processor[Any, Any, Any, Any]):
        def process(self, record: Record[Any, Any]) -> None:
            put(self.context.get_state_store(store.name), record.timestamp)

    builder = TopologyBuilder().add_source("in", "t", key=str, value=str)
    return builder.add_processor("keep", Keep, "in").add_state_store(store, "keep").build()


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("case", CASES, ids=lambda case: _id(case[0]))
def test_every_kind_works_in_a_processor(case: Any, on_disk: bool, tmp_path: Path) -> None:
    store, put, look, expected = case
    path = str(tmp_path) if on_disk else None
    with TopologyTestDriver(topology_of(store, put), state_dir=path) as driver:
        topic = driver.create_input_topic("t")
        topic.pipe_input("k", "v", 15)
        topic.pipe_input("k", "v", 25)
        assert look(driver.get_state_store("s")) == expected
        changelog = driver.create_output_topic("test-application-s-changelog", key=bytes)
        logged = [(each.value, each.timestamp) for each in changelog.read_records_to_list()]
        assert logged == [("at 15", 15), ("at 25", 25)]


def test_what_an_lru_store_lets_go_is_deleted_from_its_changelog() -> None:
    def put(store: Any, time: int) -> None:
        store.put(f"k{time}", "v")

    with TopologyTestDriver(topology_of(Stores.lru_map("s", 1), put)) as driver:
        topic = driver.create_input_topic("t")
        for time in (1, 2):
            topic.pipe_input("k", "v", time)
        changelog = driver.create_output_topic("test-application-s-changelog")
        logged = [(each.key, each.value) for each in changelog.read_records_to_list()]
    assert logged == [("k1", "v"), ("k1", None), ("k2", "v")]


def test_changelogs_are_set_up_as_kafkas() -> None:
    compact = {"cleanup.policy": "compact", "message.timestamp.type": "CreateTime"}
    expired = {**compact, "cleanup.policy": "compact,delete", "retention.ms": str(HOUR + DAY)}
    versioned = {**compact, "min.compaction.lag.ms": str(HOUR + DAY)}
    assert changelog_config(Stores.lru_map("s", 1)) == compact
    assert changelog_config(Stores.persistent_session_store("s", "1h")) == expired
    assert changelog_config(Stores.persistent_timestamped_window_store("s", **WINDOWS)) == expired
    assert changelog_config(Stores.persistent_versioned_key_value_store("s", "1h")) == versioned
    own = Stores.lru_map("s", 1, changelog_config={"segment.bytes": "1000"})
    assert changelog_config(own) == {**compact, "segment.bytes": "1000"}


def test_kafkas_builders_choose_serdes_and_timestamps() -> None:
    plain = Stores.persistent_key_value_store("s")
    timed = Stores.timestamped_key_value_store_builder(plain, int, bytes)
    assert (timed.kind, timed.key_serde, timed.value_serde) == (
        "timestamped",
        Stores.persistent_key_value_store("s", key=int).key_serde,
        Stores.persistent_key_value_store("s", value=bytes).value_serde,
    )
    assert Stores.key_value_store_builder(timed, str, str).kind == "key-value"
    assert Stores.key_value_store_builder(Stores.lru_map("s", 3), str, str).max_entries == 3
    window = Stores.in_memory_window_store("s", **WINDOWS)
    stamped = Stores.timestamped_window_store_builder(window, str, str)
    assert (stamped.kind, stamped.persistent) == ("timestamped-window", False)
    assert Stores.window_store_builder(stamped, str, str).kind == "window"
    session = Stores.persistent_session_store("s", "1h")
    assert Stores.session_store_builder(session, int, int).key_serde == timed.key_serde
    versioned = Stores.persistent_versioned_key_value_store("s", 0, segment_interval="5s")
    assert Stores.versioned_key_value_store_builder(versioned, str, str) == versioned
    assert versioned.segment_interval_ms == 5000


def test_a_store_of_ones_own_is_opened_by_a_function() -> None:
    class Shouting(KeyValueBytesStore):
        def put(self, key: bytes, value: bytes | None) -> None:
            super().put(key, value and value.upper())

    store = Stores.custom(
        Stores.persistent_key_value_store("s"),
        lambda spec, database: Shouting(spec.name, database),
    )
    with TopologyTestDriver(topology_of(store, put_key_value)) as driver:
        driver.create_input_topic("t").pipe_input("k", "v", 15)
        assert driver.get_state_store("s")["k"] == "AT 15"


def test_rocksdb_options_are_those_of_one_store(tmp_path: Path) -> None:
    configured: list[Any] = []
    store = Stores.persistent_key_value_store(
        "s", rocksdb_options=RocksDBOptions(configure=configured.append)
    )
    with TopologyTestDriver(topology_of(store, put_key_value), state_dir=str(tmp_path)):
        assert len(configured) == 1


class Copy(Processor[Any, Any, Any, Any]):
    """Keeps a read-only store as its topic is."""

    def process(self, record: Record[Any, Any]) -> None:
        self.context.get_state_store("prices").put(record.key, record.value)


class LookUp(Processor[Any, Any, Any, Any]):
    """Reads what the other one keeps."""

    def process(self, record: Record[Any, Any]) -> None:
        price = self.context.get_state_store("prices").get(record.value)
        self.context.forward(record.with_value(price))


def test_a_read_only_store_is_filled_from_its_topic() -> None:
    prices = Stores.persistent_key_value_store("prices", value=int)
    builder = TopologyBuilder().add_read_only_state_store(
        prices, "read", "price-list", "keep", Copy, key=str, value=int
    )
    builder.add_source("orders", "orders", key=str, value=str)
    builder.add_processor("look-up", LookUp, "orders").add_sink(
        "out", "bills", "look-up", value=int
    )
    builder.connect_processor_and_state_stores("look-up", "prices")
    topology = builder.build()
    assert topology.changelog_topic("prices", "app") == "price-list"
    with TopologyTestDriver(topology) as driver:
        driver.create_input_topic("price-list", value=int).pipe_input("tea", 3)
        driver.create_input_topic("orders").pipe_input("o1", "tea")
        bills = driver.create_output_topic("bills", value=int)
        assert bills.read_key_values_to_list() == [("o1", 3)]
        assert driver.produced_topic_names() == {"bills"}


MISTAKES: Mapping[str, Callable[[], Any]] = {
    "max_entries must not be negative: -1": lambda: Stores.lru_map("s", -1),
    "history_retention must not be negative": lambda: Stores.persistent_versioned_key_value_store(
        "s", -1
    ),
    "segment_interval must be above 0 ms": lambda: Stores.persistent_versioned_key_value_store(
        "s", "1h", segment_interval=0
    ),
    "such stores cannot be cached": lambda: Stores.persistent_versioned_key_value_store(
        "s", "1h", caching=True
    ),
    "retention must be above 0 ms": lambda: Stores.in_memory_session_store("s", 0),
    "window_size must be above 0 ms": lambda: Stores.in_memory_window_store("s", window_size=0),
    "is in memory, so rocksdb_options has no use": lambda: Stores.in_memory_key_value_store(
        "s", rocksdb_options=RocksDBOptions()
    ),
    "of kind session, which this builder does not build": lambda: Stores.window_store_builder(
        Stores.persistent_session_store("s", "1h"), str, str
    ),
    r"opener\(spec, database\)": lambda: Stores.custom(
        Stores.persistent_key_value_store("s"), lambda: None
    ),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_mistakes_are_named(message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        MISTAKES[message]()
