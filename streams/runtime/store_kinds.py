"""How a store of each kind is opened, and what processors of the user's see of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from aliran.serdes import Serde
from aliran.storage.state import (
    ChangeBuffer,
    KeyValueBytesStore,
    KeyValueStore,
    LruBytesStore,
    LruKeyValueStore,
    MemorySessionStore,
    MemoryWindowStore,
    RecordBuffer,
    RocksDBOptions,
    SessionBytesStore,
    SessionStore,
    StagingStore,
    StateDatabase,
    TimestampedKeyValueStore,
    TimestampedWindowStore,
    VersionedBytesStore,
    VersionedKeyValueStore,
    WindowBytesStore,
    WindowStore,
)
from aliran.storage.state.typed import LogChange
from aliran.streams.plan import operators as op

Serdes: TypeAlias = tuple[Serde[Any], Serde[Any]]


class BytesStore(StagingStore, Protocol):
    """What all stores of bytes have in common."""

    def restore(
        self, keys: Sequence[bytes], values: Sequence[bytes | None], timestamps: Sequence[int]
    ) -> None:
        """Take in records of the changelog as they come back."""
        ...


Opener: TypeAlias = Callable[[op.StoreSpec, StateDatabase], BytesStore]


def open_store(spec: op.StoreSpec, database: StateDatabase, *, timestamped: bool) -> Any:
    """Open the bytes of a store.

    Args:
        spec: What it is.
        database: Where it lives, if it is of a kind that lives in a database.
        timestamped: Whether its windows carry times: those that the DSL aggregates into do.
    """
    if spec.opener is not None:
        return spec.opener(spec, database)
    if spec.kind == "window" and timestamped:
        return _open_timestamped_window(spec, database)
    return _OPENERS[spec.kind](spec, database)


def rocksdb_options(specs: Iterable[op.StoreSpec]) -> dict[str, RocksDBOptions]:
    """Return the settings of RocksDB of those stores that have their own."""
    return {spec.name: spec.rocksdb_options for spec in specs if spec.rocksdb_options is not None}


def open_view(
    kind: op.StoreKind,
    store: Any,
    serdes: Serdes,
    log_change: LogChange,
    current_time: Callable[[], int],
) -> Any:
    """Return a store as processors of the user's and tests see it."""
    if kind not in _VIEWS:  # a buffer, which nobody looks into
        return store
    view = _VIEWS[kind]
    if view is WindowStore and getattr(store, "timestamped", False):
        view = TimestampedWindowStore
    return view(store, *serdes, log_change, current_time)


def _open_key_value(spec: op.StoreSpec, database: StateDatabase) -> BytesStore:
    return KeyValueBytesStore(spec.name, database)


def _open_timestamped(spec: op.StoreSpec, database: StateDatabase) -> BytesStore:
    return KeyValueBytesStore(spec.name, database, timestamped=True)


def _open_lru(spec: op.StoreSpec, _database: StateDatabase) -> BytesStore:
    return LruBytesStore(spec.name, spec.max_entries)


def _open_timestamped_lru(spec: op.StoreSpec, _database: StateDatabase) -> BytesStore:
    return LruBytesStore(spec.name, spec.max_entries, timestamped=True)


def _open_window(spec: op.StoreSpec, database: StateDatabase) -> BytesStore:
    return _window(spec, database, timestamped=False)


def _open_timestamped_window(spec: op.StoreSpec, database: StateDatabase) -> BytesStore:
    return _window(spec, database, timestamped=True)


def _window(spec: op.StoreSpec, database: StateDatabase, *, timestamped: bool) -> BytesStore:
    if not spec.persistent:
        return MemoryWindowStore(
            spec.name,
            spec.retention_ms,
            spec.window_size_ms,
            retain_duplicates=spec.retain_duplicates,
            timestamped=timestamped,
        )
    return WindowBytesStore(
        spec.name,
        database,
        spec.retention_ms,
        spec.window_size_ms,
        retain_duplicates=spec.retain_duplicates,
        segment_interval_ms=spec.segment_interval_ms,
        timestamped=timestamped,
        time_ordered=spec.time_ordered,
    )


def _open_session(spec: op.StoreSpec, database: StateDatabase) -> BytesStore:
    if not spec.persistent:
        return MemorySessionStore(spec.name, spec.retention_ms)
    return SessionBytesStore(
        spec.name, database, spec.retention_ms, segment_interval_ms=spec.segment_interval_ms
    )


def _open_versioned(spec: op.StoreSpec, database: StateDatabase) -> BytesStore:
    return VersionedBytesStore(
        spec.name, database, spec.retention_ms, segment_interval_ms=spec.segment_interval_ms
    )


def _open_change_buffer(spec: op.StoreSpec, _database: StateDatabase) -> BytesStore:
    return ChangeBuffer(spec.name)


def _open_record_buffer(spec: op.StoreSpec, database: StateDatabase) -> BytesStore:
    return RecordBuffer(spec.name, database, spec.retention_ms)


_OPENERS: Mapping[op.StoreKind, Opener] = {
    "key-value": _open_key_value,
    "timestamped": _open_timestamped,
    "lru": _open_lru,
    "timestamped-lru": _open_timestamped_lru,
    "window": _open_window,
    "timestamped-window": _open_timestamped_window,
    "session": _open_session,
    "versioned": _open_versioned,
    "change-buffer": _open_change_buffer,
    "record-buffer": _open_record_buffer,
}

_VIEWS: Mapping[op.StoreKind, Callable[..., Any]] = {
    "key-value": KeyValueStore,
    "timestamped": TimestampedKeyValueStore,
    "lru": LruKeyValueStore,  # as by Kafka, one with times does not log evictions
    "timestamped-lru": TimestampedKeyValueStore,
    "versioned": VersionedKeyValueStore,
    "window": WindowStore,
    "timestamped-window": TimestampedWindowStore,
    "session": SessionStore,
}
