"""Which stores the operators of the DSL get. Kafka: `DslStoreSuppliers` and its two classes.

They decide about stores that nothing else was said of: where an operator was given `persistent=` or
a store of its own, that stands. Versioned stores and the buffers of `suppress` are left alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aliran.core.errors import ConfigError
from aliran.streams.errors import TopologyError
from aliran.streams.plan.operators import StoreSpec


class DslStoreSuppliers:
    """Chooses stores; subclass it and override what you want otherwise.

    Each method is given the store as the DSL would make it, with its name, retention and so on, and
    returns the one to use: on RocksDB or in memory by `dataclasses.replace(store, persistent=...)`,
    of your own making by `Stores.custom(store, opener)`.
    """

    def key_value_store(self, store: StoreSpec) -> StoreSpec:
        """Return the store of a table, or of what has no windows."""
        return store

    def window_store(self, store: StoreSpec) -> StoreSpec:
        """Return the store of windows: of an aggregation, or of one side of a join of streams."""
        return store

    def session_store(self, store: StoreSpec) -> StoreSpec:
        """Return the store of sessions."""
        return store


class RocksDBDslStoreSuppliers(DslStoreSuppliers):
    """Everything on RocksDB, which is the default. Kafka: `BuiltInDslStoreSuppliers`."""


class InMemoryDslStoreSuppliers(DslStoreSuppliers):
    """Everything in memory; changelogs restore it. Kafka: `BuiltInDslStoreSuppliers`."""

    def key_value_store(self, store: StoreSpec) -> StoreSpec:
        """Return the store in memory."""
        return replace(store, persistent=False)

    window_store = key_value_store
    session_store = key_value_store


_BY_NAME: Mapping[str, type[DslStoreSuppliers]] = {
    "rocksdb": RocksDBDslStoreSuppliers,
    "in_memory": InMemoryDslStoreSuppliers,
    "inmemory": InMemoryDslStoreSuppliers,  # as Kafka writes it
}


def suppliers_of(setting: Any) -> DslStoreSuppliers:
    """Return what a setting stands for: `rocksdb`, `in_memory`, a class or an object.

    Raises:
        ConfigError: It stands for nothing.
    """
    if isinstance(setting, str) and setting.lower() in _BY_NAME:
        return _BY_NAME[setting.lower()]()
    if isinstance(setting, type) and issubclass(setting, DslStoreSuppliers):
        return setting()
    if isinstance(setting, DslStoreSuppliers):
        return setting
    raise ConfigError(
        f"dsl_store_suppliers={setting!r} must be 'rocksdb', 'in_memory', or a DslStoreSuppliers"
    )


def supplied_store(store: StoreSpec, default: DslStoreSuppliers) -> StoreSpec:
    """Return the store to use for one that the DSL made.

    Raises:
        TopologyError: What was chosen is no store, or is one of another name or kind.
    """
    if not store.replaceable:
        return store
    suppliers = store.suppliers or default
    if store.kind in ("window", "timestamped-window"):
        chosen = suppliers.window_store(store)
    elif store.kind == "session":
        chosen = suppliers.session_store(store)
    else:
        chosen = suppliers.key_value_store(store)
    if not isinstance(chosen, StoreSpec) or (chosen.name, chosen.kind) != (store.name, store.kind):
        raise TopologyError(
            f"{type(suppliers).__name__} chose {chosen!r} for store {store.name!r}: it returns the "
            "store that it was given, changed by dataclasses.replace() or Stores.custom()"
        )
    return chosen
