"""The stores of one task: opened from their specs, restored, and committed together.

The database holds, beside the stores, the changelog offset each of them stands at. Both are written
in one batch, so that a store is never ahead of its offset.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from aliran.clients.transport import Position
from aliran.core.types import Columns, TopicPartition
from aliran.serdes import Serde
from aliran.storage.state import ChangeBuffer, StateDatabase, commit_changes
from aliran.storage.state.typed import log_nothing
from aliran.streams.engine.buffers import ChangelogBuffer
from aliran.streams.engine.cache_budget import CacheBudget
from aliran.streams.engine.suppress import SuppressTable
from aliran.streams.engine.tables import KeyValueTable, WindowTable
from aliran.streams.engine.timed_tables import RangeWindowTable, SessionTable, open_timed_table
from aliran.streams.engine.versioned import VersionedTable
from aliran.streams.errors import TopologyError
from aliran.streams.plan import operators as op
from aliran.streams.plan.window_operators import WindowedAggregate
from aliran.streams.runtime.store_kinds import BytesStore, open_store, open_view

AnyTable: TypeAlias = (
    KeyValueTable | WindowTable | RangeWindowTable | SessionTable | SuppressTable | VersionedTable
)

_FLUSH_EVERY = 200_000
"""Changes after which memory tables are flushed: about what a second of restoring reads.

Without a write-ahead log, a killed process leaves the state as of the last flush; the changelog has
the rest.
"""


@dataclass(frozen=True, slots=True)
class TaskDatabases:
    """Where the stores of one task live."""

    persistent: StateDatabase
    memory: StateDatabase


@dataclass(frozen=True, slots=True)
class Restorer:
    """One store that a changelog fills.

    Attributes:
        store: Its bytes.
        changelog: The partition to read.
        offset: Where to begin: what the database says, 0 for a new one.
    """

    store: BytesStore
    changelog: TopicPartition
    offset: int


class TaskStores:
    """See the module.

    Args:
        specs: The stores of the task's sub-topology.
        nodes: Its nodes; they say who uses which store, and how.
        databases: One for persistent stores, and one in memory for the others.
        changelogs: The changelog partition of each store that has one.
        cache: The budget of the caches; None for none.
    """

    def __init__(
        self,
        specs: Sequence[op.StoreSpec],
        nodes: Sequence[op.Node],
        databases: TaskDatabases,
        changelogs: dict[str, TopicPartition],
        cache: CacheBudget | None,
    ) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._nodes = nodes
        self._databases = databases
        self._cache = cache
        self._partitions = changelogs
        self._bytes = {spec.name: self._open(spec) for spec in specs}
        # A store that restores from a topic others write (a table's source) logs nothing itself.
        self._buffers = {
            name: ChangelogBuffer(partition.topic, partition.partition)
            for name, partition in changelogs.items()
            if self._specs[name].changelog_topic is None
        }
        self._tables: dict[str, AnyTable] = {}
        self._unflushed = 0

    @property
    def names(self) -> set[str]:
        """Names of all stores of the task."""
        return set(self._specs)

    # ------------------------------------------------------------------ restore

    def restorers(self) -> list[Restorer]:
        """Return what is to be restored, and from where."""
        offsets = {**self._databases.persistent.offsets(), **self._databases.memory.offsets()}
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

    def table(self, name: str) -> AnyTable:
        """Return the table of a DSL store."""
        return self._tables[name]

    def table_of(self, node: op.ProcessorNode) -> Any:
        """Return the table that a node updates."""
        return self._tables[getattr(node.operator, "store")]  # noqa: B009  (not all have one)

    @property
    def tables_in_order(self) -> list[AnyTable]:
        """All tables, those upstream first, so that one pass flushes them all."""
        return list(self._tables.values())

    @property
    def changelogs(self) -> list[ChangelogBuffer]:
        """The updates on their way to changelogs."""
        return list(self._buffers.values())

    @property
    def changelog_partitions(self) -> set[TopicPartition]:
        """The changelog partitions that this task writes or restores from."""
        return set(self._partitions.values())

    @property
    def source_changelogs(self) -> set[TopicPartition]:
        """Those of them that are inputs of the task, which others write."""
        return {self._partitions[name] for name in self._partitions.keys() - self._buffers.keys()}

    def open_view(self, name: str, current_time: Callable[[], int]) -> Any:
        """Return a store as processors of the user's and tests see it.

        Args:
            name: Name of the store.
            current_time: Gives the time in ms that changes without a time of their own log with.

        Raises:
            TopologyError: The task has no such store.
        """
        spec = self._specs.get(name)
        if spec is None:
            known = ", ".join(sorted(self._specs)) or "none"
            raise TopologyError(f"there is no store {name!r} here; the stores are: {known}")
        store, buffer = self._bytes[name], self._buffers.get(name)
        log_change = log_nothing if buffer is None else buffer.append
        serdes = self.serdes_of(name)
        return open_view(spec.kind, store, serdes, log_change, current_time)

    def bytes_of(self, name: str) -> Any:
        """Return the bytes of a store, for operators that work on them."""
        return self._bytes[name]

    def serdes_of(self, name: str) -> tuple[Serde[Any], Serde[Any]]:
        """Return the serdes of a store's keys and values.

        Raises:
            TopologyError: It has none.
        """
        spec = self._specs[name]
        if spec.key_serde is None or spec.value_serde is None:
            raise _no_serde(name)
        return spec.key_serde, spec.value_serde

    def changelog_of(self, name: str) -> ChangelogBuffer | None:
        """Return where a store logs its changes; None where it does not."""
        return self._buffers.get(name)

    def offsets_at_commit(
        self, ends: Mapping[TopicPartition, int], positions: Mapping[TopicPartition, Position]
    ) -> dict[TopicPartition, int]:
        """Return the changelog offsets that the stores stand at when a commit is made.

        Args:
            ends: Where the topics end that were written since the last one.
            positions: What is committed: how much the stores hold of topics that others write.
        """
        changelogs, sources = self.changelog_partitions, self.source_changelogs
        written = {p: end for p, end in ends.items() if p in changelogs - sources}
        return written | {p: at.offset for p, at in positions.items() if p in sources}

    def commit(self, offsets: dict[TopicPartition, int]) -> None:
        """Write all that is staged, and the changelog offsets it stands at, in one batch."""
        self._unflushed += sum(len(store.staged) for store in self._bytes.values())
        for database, persistent in (
            (self._databases.persistent, True),
            (self._databases.memory, False),
        ):
            names = [name for name, spec in self._specs.items() if spec.persistent is persistent]
            own = {str(self._partitions[name]) for name in names if name in self._partitions}
            commit_changes(
                [self._bytes[name] for name in names],
                database,
                {str(p): offset for p, offset in offsets.items() if str(p) in own},
            )
        if self._unflushed >= _FLUSH_EVERY:
            self._databases.persistent.flush()
            self._unflushed = 0

    def commit_positions(self, positions: dict[TopicPartition, int]) -> None:
        """Write all that is staged, and how far the topics behind the stores were read."""
        for database, persistent in (
            (self._databases.persistent, True),
            (self._databases.memory, False),
        ):
            names = [name for name, spec in self._specs.items() if spec.persistent is persistent]
            offsets = {str(partition): offset for partition, offset in positions.items()}
            commit_changes(
                [self._bytes[name] for name in names], database, offsets if persistent else {}
            )

    def take_dropped(self) -> int:
        """Return how many puts came after their window had expired, since the last call."""
        windows = [each for each in self._bytes.values() if hasattr(each, "dropped")]
        dropped: int = sum(each.dropped for each in windows)
        for each in windows:
            each.dropped = 0
        return dropped

    def close(self) -> None:
        """Close the databases; what is not committed is dropped."""
        for table in self._tables.values():
            table.close()
        self._databases.persistent.close()
        self._databases.memory.close()

    # ------------------------------------------------------------------ inside

    def _order(self) -> list[str]:
        """Names of the DSL's stores, in the order in which their nodes were defined."""
        used = [
            store
            for node in self._nodes
            if isinstance(node, op.ProcessorNode)
            for store in node.stores
            if store in self._specs and self._is_dsl(store, node.operator)
        ]
        return list(dict.fromkeys(used))

    def _is_dsl(self, store: str, operator: op.Operator) -> bool:
        return store in (getattr(operator, "store", None), getattr(operator, "positions", None))

    def _open_table(self, spec: op.StoreSpec) -> AnyTable:
        serdes = self.serdes_of(spec.name)
        cache = self._cache if self._may_cache(spec) else None
        initial = 0 if self._counts_into(spec.name) else None
        store, changelog = self._bytes[spec.name], self._buffers.get(spec.name)
        if isinstance(store, ChangeBuffer):
            return SuppressTable(store, serdes, changelog)
        if windowed := self._windowed_aggregate(spec.name):
            return open_timed_table(windowed, store, serdes, changelog, cache)
        if spec.kind in ("window", "timestamped-window"):
            return WindowTable(store, serdes, changelog, cache, initial)
        if spec.kind == "versioned":
            return VersionedTable(store, serdes, changelog, initial)
        return KeyValueTable(store, serdes, changelog, cache, initial)

    def _may_cache(self, spec: op.StoreSpec) -> bool:
        """A processor of the user's sees the bytes, so its stores hold nothing back."""
        if spec.caching is False or spec.retain_duplicates:
            return False
        return not any(
            isinstance(node, op.ProcessorNode)
            and isinstance(node.operator, op.Custom | op.TableTransformValues)
            and spec.name in node.stores
            and not self._is_dsl(spec.name, node.operator)
            for node in self._nodes
        )

    def _counts_into(self, store: str) -> bool:
        return any(aggregate.kind == "count" for aggregate in self._aggregates_into(store))

    def _aggregates_into(self, store: str) -> list[op.Aggregate]:
        return [
            node.operator
            for node in self._nodes
            if isinstance(node, op.ProcessorNode)
            and isinstance(node.operator, op.Aggregate)
            and node.operator.store == store
        ]

    def _windowed_aggregate(self, store: str) -> WindowedAggregate | None:
        """Return the operator that aggregates windows or sessions into a store, if one does."""
        for node in self._nodes:
            operator = getattr(node, "operator", None)
            if isinstance(operator, WindowedAggregate) and operator.store == store:
                return operator
        return None

    def _open(self, spec: op.StoreSpec) -> Any:
        database = self._databases.persistent if spec.persistent else self._databases.memory
        # The DSL's windows carry times; those that users open hold just what they put.
        aggregates = self._aggregates_into(spec.name) or self._windowed_aggregate(spec.name)
        return open_store(spec, database, timestamped=bool(aggregates))


def _no_serde(store: str) -> TopologyError:
    return TopologyError(f"store {store!r} has no serde for its keys or values: pass key=, value=")
