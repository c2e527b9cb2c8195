"""The stores of one task: opened from their specs, restored, and committed together.

The database holds, beside the stores, the changelog offset each of them stands at. Both are written
in one batch, so that a store is never ahead of its offset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aliran.core.types import Columns, TopicPartition
from aliran.storage.state import (
    KeyValueBytesStore,
    StateDatabase,
    WindowBytesStore,
    commit_changes,
)
from aliran.storage.state.typed import KeyValueStore, TimestampedKeyValueStore, WindowStore
from aliran.streams import operators as op
from aliran.streams.engine.buffers import ChangelogBuffer
from aliran.streams.engine.tables import CacheBudget, KeyValueTable, WindowTable
from aliran.streams.errors import TopologyError


@dataclass(frozen=True, slots=True)
class Restorer:
    """One store that a changelog fills.

    Attributes:
        store: Its bytes.
        changelog: The partition to read.
        offset: Where to begin: what the database says, 0 for a new one.
    """

    store: KeyValueBytesStore | WindowBytesStore
    changelog: TopicPartition
    offset: int


class TaskStores:
    """See the module.

    Args:
        specs: The stores of the task's sub-topology.
        nodes: Its nodes; they say who uses which store, and how.
        database: Opened with the names of all the specs.
        changelogs: The changelog partition of each store that has one.
        cache: The budget of the caches; None for none.
    """

    def __init__(
        self,
        specs: Sequence[op.StoreSpec],
        nodes: Sequence[op.Node],
        database: StateDatabase,
        changelogs: dict[str, TopicPartition],
        cache: CacheBudget | None,
    ) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._nodes = nodes
        self._database = database
        self._cache = cache
        self._partitions = changelogs
        self._bytes = {spec.name: _open(spec, database) for spec in specs}
        # A store that restores from a topic others write (a table's source) logs nothing itself.
        self._buffers = {
            name: ChangelogBuffer(partition.topic, partition.partition)
            for name, partition in changelogs.items()
            if self._specs[name].changelog_topic is None
        }
        self._tables: dict[str, KeyValueTable | WindowTable] = {}

    # ------------------------------------------------------------------ restore

    def restorers(self) -> list[Restorer]:
        """Return what is to be restored, and from where."""
        offsets = self._database.offsets()
        return [
            Restorer(self._bytes[name], partition, offsets.get(str(partition), 0))
            for name, partition in self._partitions.items()
        ]

    def restore(self, restorer: Restorer, columns: Columns) -> None:
        """Take in records of a changelog and remember how far it was read."""
        kept = [index for index, key in enumerate(columns.keys) if key is not None]
        if len(kept) == len(columns):
            keys, values, times = columns.keys, columns.values, columns.timestamps
        else:  # a changelog has keys; whatever this is, it is not the store's
            keys = [columns.keys[index] for index in kept]
            values = [columns.values[index] for index in kept]
            times = [columns.timestamps[index] for index in kept]
        restorer.store.restore(keys, values, times)  # type: ignore[arg-type]
        self.commit({restorer.changelog: columns.offsets[-1] + 1})

    # ------------------------------------------------------------------ running

    def open_tables(self) -> None:
        """Put the typed tables over the restored bytes."""
        for name in self._order():
            self._tables[name] = self._open_table(self._specs[name])
            self._tables[name].restored()

    def table(self, name: str) -> KeyValueTable | WindowTable:
        """Return the table of a DSL store."""
        return self._tables[name]

    def table_of(self, node: op.ProcessorNode) -> KeyValueTable | WindowTable:
        """Return the table that a node updates."""
        return self._tables[getattr(node.operator, "store")]  # noqa: B009  (not all have one)

    @property
    def tables_in_order(self) -> list[KeyValueTable | WindowTable]:
        """All tables, those upstream first, so that one pass flushes them all."""
        return list(self._tables.values())

    @property
    def changelogs(self) -> list[ChangelogBuffer]:
        """The updates on their way to changelogs."""
        return list(self._buffers.values())

    def open_view(self, name: str) -> Any:
        """Return a store as processors of the user's and tests see it."""
        spec = self._specs.get(name)
        if spec is None:
            known = ", ".join(sorted(self._specs)) or "none"
            raise TopologyError(f"there is no store {name!r} here; the stores are: {known}")
        buffer = self._buffers.get(name)
        log_change = None if buffer is None else buffer.append
        view = {
            "key-value": KeyValueStore,
            "timestamped": TimestampedKeyValueStore,
            "window": WindowStore,
        }[spec.kind]
        return view(self._bytes[name], spec.key_serde, spec.value_serde, log_change)

    def commit(self, offsets: dict[TopicPartition, int]) -> None:
        """Write all that is staged, and the changelog offsets it stands at, in one batch."""
        named = {str(partition): offset for partition, offset in offsets.items()}
        commit_changes(self._bytes.values(), self._database, named)

    def close(self) -> None:
        """Close the database; what is not committed is dropped."""
        self._database.close()

    # ------------------------------------------------------------------ inside

    def _order(self) -> list[str]:
        """Names of the DSL's stores, in the order in which their nodes were defined."""
        used = [
            store
            for node in self._nodes
            if isinstance(node, op.ProcessorNode)
            for store in node.stores
            if store in self._specs and self._specs[store].kind != "key-value"
        ]
        return list(dict.fromkeys(used))

    def _open_table(self, spec: op.StoreSpec) -> KeyValueTable | WindowTable:
        if spec.key_serde is None or spec.value_serde is None:
            raise TopologyError(
                f"store {spec.name!r} has no serde for its keys or values: pass key= and value="
            )
        serdes = (spec.key_serde, spec.value_serde)
        cache = self._cache if self._may_cache(spec) else None
        initial = 0 if self._counts_into(spec.name) else None
        store, changelog = self._bytes[spec.name], self._buffers.get(spec.name)
        if isinstance(store, WindowBytesStore):
            return WindowTable(store, serdes, changelog, cache, initial)
        return KeyValueTable(store, serdes, changelog, cache, initial)

    def _may_cache(self, spec: op.StoreSpec) -> bool:
        """A processor of the user's sees the bytes, so its stores hold nothing back."""
        if spec.caching is False or spec.retain_duplicates:
            return False
        return not any(
            isinstance(node, op.ProcessorNode)
            and isinstance(node.operator, op.Custom)
            and spec.name in node.stores
            for node in self._nodes
        )

    def _counts_into(self, store: str) -> bool:
        return any(
            isinstance(node, op.ProcessorNode)
            and isinstance(node.operator, op.Aggregate)
            and node.operator.store == store
            and node.operator.kind == "count"
            for node in self._nodes
        )


def _open(spec: op.StoreSpec, database: StateDatabase) -> KeyValueBytesStore | WindowBytesStore:
    if spec.kind == "window":
        return WindowBytesStore(
            spec.name,
            database,
            spec.retention_ms,
            spec.window_size_ms,
            retain_duplicates=spec.retain_duplicates,
            timestamped=True,
        )
    return KeyValueBytesStore(spec.name, database, timestamped=spec.kind == "timestamped")
