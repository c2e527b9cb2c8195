"""Who chooses the stores of the DSL: the operator, or the application for all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aliran.core.errors import ConfigError
from aliran.storage.state import (
    KeyValueBytesStore,
    MemoryStateDatabase,
    RocksDBStateDatabase,
    WindowBytesStore,
)
from aliran.streams import (
    App,
    DslStoreSuppliers,
    InMemoryDslStoreSuppliers,
    Materialized,
    Processor,
    Record,
    RocksDBOptions,
    SessionWindows,
    Stores,
    StreamsBuilder,
    TopologyError,
    TopologyTestDriver,
)
from aliran.streams.plan.operators import StoreSpec
from aliran.streams.runtime.config import StreamsConfig
from aliran.streams.runtime.defaults import with_stores

GAP = SessionWindows.of_inactivity_gap_with_no_grace(10)


def every_kind() -> StreamsBuilder:
    builder = StreamsBuilder()
    stream, other = builder.stream("in"), builder.stream("other")
    group = stream.group_by_key()
    builder.table("rows", store="table")
    group.count(store="count")
    group.windowed_by(10).count(store="windows")
    group.windowed_by(GAP).count(store="sessions")
    stream.outer_join(other, lambda one, two: f"{one}{two}", 10, store="join").to("out")
    builder.table("kept", store="on-disk", persistent=True)
    builder.table("history", store="history", history_retention="1h")
    return builder


def in_memory(builder: StreamsBuilder, **settings: Any) -> set[str]:
    config = StreamsConfig.from_mapping({"application_id": "app", **settings})
    stores = with_stores(builder.build(), config).stores
    return {store.name for store in stores if not store.persistent}


@pytest.mark.parametrize("setting", ["in_memory", "inMemory", InMemoryDslStoreSuppliers])
def test_the_application_chooses_where_nothing_was_said(setting: Any) -> None:
    found = in_memory(every_kind(), dsl_store_suppliers=setting)
    assert found >= {"table", "count", "windows", "sessions"}
    assert len([name for name in found if name.startswith("join-")]) == 3
    assert not found & {"on-disk", "history"}
    assert in_memory(every_kind()) == set()


def test_an_operator_chooses_for_itself() -> None:
    builder = StreamsBuilder()
    group = builder.stream("in").group_by_key()
    group.count(store="one", dsl_store_suppliers="in_memory")
    group.count(Materialized[str, int](store="two", dsl_store_suppliers=DslStoreSuppliers()))
    group.windowed_by(10).count(store="three", dsl_store_suppliers=InMemoryDslStoreSuppliers)
    assert in_memory(builder) == {"one", "three"}
    assert in_memory(builder, dsl_store_suppliers="in_memory") == {"one", "three"}


class Noted(DslStoreSuppliers):
    """Stores of one's own: ordinary ones that note who made them."""

    def __init__(self) -> None:
        self.opened: list[str] = []

    def key_value_store(self, store: StoreSpec) -> StoreSpec:
        def opener(spec: StoreSpec, database: Any) -> Any:
            self.opened.append(spec.name)
            return KeyValueBytesStore(spec.name, database, timestamped=True)

        return Stores.custom(store, opener)

    def window_store(self, store: StoreSpec) -> StoreSpec:
        def opener(spec: StoreSpec, database: Any) -> Any:
            self.opened.append(spec.name)
            retention, size = spec.retention_ms, spec.window_size_ms
            return WindowBytesStore(spec.name, database, retention, size, timestamped=True)

        return Stores.custom(store, opener)


def counts(driver: TopologyTestDriver) -> tuple[Any, Any]:
    driver.create_input_topic("in").pipe_key_value_list([("a", "1"), ("a", "2")], 5)
    store = driver.get_key_value_store("counts")
    return store.get("a"), driver.get_window_store("windows").fetch("a", 0)


def test_stores_of_ones_own_under_the_dsl() -> None:
    builder, noted = StreamsBuilder(), Noted()
    group = builder.stream("in").group_by_key()
    group.count(store="counts")
    group.windowed_by(10).count(store="windows")
    with TopologyTestDriver(builder.build(), {"dsl_store_suppliers": noted}) as driver:
        assert counts(driver) == (2, 2)
    assert noted.opened == ["counts", "windows"]


def test_one_store_of_ones_own() -> None:
    opened: list[str] = []

    def opener(spec: StoreSpec, database: Any) -> Any:
        opened.append(spec.name)
        retention, size = spec.retention_ms, spec.window_size_ms
        return WindowBytesStore(spec.name, database, retention, size, timestamped=True)

    windows = Stores.persistent_window_store("windows", window_size=10, retention=1_000)
    builder = StreamsBuilder()
    group = builder.stream("in").group_by_key()
    group.count(store_supplier=Stores.in_memory_key_value_store("counts"))
    group.windowed_by(10).count(store_supplier=Stores.custom(windows, opener))
    topology = builder.build()
    assert topology.store("windows").retention_ms == 1_000
    assert not topology.store("counts").persistent
    with TopologyTestDriver(topology) as driver:
        assert counts(driver) == (2, 2)
    assert opened == ["windows"]


def test_sessions_in_a_store_that_keeps_them_longer() -> None:
    builder = StreamsBuilder()
    supplier = Stores.in_memory_session_store("sessions", "1h")
    group = builder.stream("in").group_by_key()
    group.windowed_by(GAP).count(store_supplier=supplier)
    spec = builder.build().store("sessions")
    assert (spec.kind, spec.persistent, spec.retention_ms) == ("session", False, 3_600_000)
    with TopologyTestDriver(builder.build()) as driver:
        driver.create_input_topic("in").pipe_key_value_list([("a", "1"), ("a", "2")], 5)
        assert [n for _, n in driver.get_session_store("sessions").fetch("a")] == [2]


# ---------------------------------------------------------------------------- RocksDB


def test_rocksdb_options_of_a_store_and_of_all(tmp_path: Path) -> None:
    seen: list[str] = []
    of_all = RocksDBOptions(configure=lambda options: seen.append("all"))
    of_one = RocksDBOptions(configure=lambda options: seen.append("one"))
    app = App("options", data_dir=str(tmp_path), rocksdb_options=of_all)
    group = app.stream("in").group_by_key()
    group.count(store="plain")
    group.count(store="special", rocksdb_options=of_one)
    group.count(store="memory", persistent=False)
    with app:
        app.send("in", "a", "x")
        app.wait_until_idle()
    assert sorted(set(seen)) == ["all", "one"]


# ---------------------------------------------------------------------------- scans


@pytest.mark.parametrize("kind", ["rocksdb", "memory", "lru", "timestamped"])
def test_every_key_value_store_can_be_scanned(kind: str, tmp_path: Path) -> None:
    make: dict[str, Callable[[str], StoreSpec]] = {
        "rocksdb": Stores.persistent_key_value_store,
        "memory": Stores.in_memory_key_value_store,
        "lru": lambda name: Stores.lru_map(name, 10),
        "timestamped": Stores.persistent_timestamped_key_value_store,
    }
    builder = StreamsBuilder()
    builder.add_state_store(make[kind]("s"))
    builder.stream("in").process(Touching, "s")
    with TopologyTestDriver(builder.build(), state_dir=str(tmp_path / "state")) as driver:
        store = driver.get_key_value_store("s")
        store.put_all([("ab", "1"), ("b", "2"), ("aa", "3"), ("c", "4")])
        assert [key for key, _ in store.range("aa", "b")] == ["aa", "ab", "b"]
        assert [key for key, _ in store.range(None, "ab")] == ["aa", "ab"]
        assert [key for key, _ in store.reverse_range("ab", None)] == ["c", "b", "ab"]
        assert [key for key, _ in store.prefix_scan("a")] == ["aa", "ab"]
        assert [key for key, _ in store.all()] == ["aa", "ab", "b", "c"]
        assert [key for key, _ in store.reverse_all()] == ["c", "b", "ab", "aa"]


class Touching(Processor[str, str, Any, Any]):
    """Connects a store and leaves it alone."""

    def process(self, record: Record[str, str]) -> None: ...


# ---------------------------------------------------------------------------- refused


def grouped() -> Any:
    return StreamsBuilder().stream("in").group_by_key()


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (
            lambda: grouped().count(store="s", persistent=False, dsl_store_suppliers="rocksdb"),
            "store 's': dsl_store_suppliers= chooses the store, so persistent=",
        ),
        (
            lambda: grouped().count(store="s", persistent=False, rocksdb_options=RocksDBOptions()),
            "rocksdb_options= has no use for a store in memory",
        ),
        (
            lambda: (
                grouped()
                .windowed_by(10, grace=5)
                .count(store_supplier=Stores.persistent_window_store("w", window_size=10))
            ),
            "store 'w' keeps windows for 10 ms, but the aggregation needs 15 ms",
        ),
        (
            lambda: (
                grouped()
                .windowed_by(10)
                .count(store_supplier=Stores.persistent_key_value_store("k"))
            ),
            "store 'k' is of kind key-value, which does not suit",
        ),
        (
            lambda: (
                grouped()
                .windowed_by(10)
                .count(
                    store_supplier=Stores.in_memory_window_store(
                        "w", window_size=10, retain_duplicates=True
                    )
                )
            ),
            "store 'w' keeps duplicates",
        ),
    ],
)
def test_what_contradicts(program: Callable[[], None], expected: str) -> None:
    with pytest.raises(TopologyError, match=expected):
        program()


def test_settings_that_are_none() -> None:
    with pytest.raises(ConfigError, match=r"must be 'rocksdb', 'in_memory', or a DslStoreSuppl"):
        App("app", dsl_store_suppliers="disk")
    with pytest.raises(ConfigError, match=r"rocksdb_options='x' must be a RocksDBOptions"):
        App("app", rocksdb_options="x")

    class Renames(DslStoreSuppliers):
        def key_value_store(self, store: StoreSpec) -> StoreSpec:
            return replace(store, name="other")

    builder = StreamsBuilder()
    builder.stream("in").group_by_key().count(store="counts")
    with pytest.raises(TopologyError, match=r"Renames chose .* for store 'counts'"):
        TopologyTestDriver(builder.build(), {"dsl_store_suppliers": Renames()})


def test_a_driver_keeps_both_kinds(tmp_path: Path) -> None:
    """RocksDB where a directory is given, memory for stores in memory."""
    builder = every_kind()
    with TopologyTestDriver(
        builder.build(), {"dsl_store_suppliers": "in_memory"}, state_dir=str(tmp_path / "state")
    ) as driver:
        databases = driver._task.stores._databases
        assert isinstance(databases.persistent, RocksDBStateDatabase)
        assert isinstance(databases.memory, MemoryStateDatabase)
