"""State stores: in memory and on RocksDB."""

from aliran.storage.state.database import Changes, KeyRange, StateDatabase
from aliran.storage.state.errors import (
    StateClosedError,
    StateCorruptedError,
    StateDiskFullError,
    StateError,
    StateForeignFilesError,
    StateLockedError,
    StatePathError,
    UnknownStoreError,
)
from aliran.storage.state.key_schemas import (
    WindowKey,
    split_changelog_key,
    window_changelog_key,
)
from aliran.storage.state.key_value import KeyValueBytesStore
from aliran.storage.state.memory import MemoryStateDatabase
from aliran.storage.state.rocksdb import RocksDBStateDatabase
from aliran.storage.state.rocksdb_options import RocksDBOptions, SharedMemory
from aliran.storage.state.staging import StagingStore, commit_changes
from aliran.storage.state.timestamped import (
    ValueAndTimestamp,
    ValueAndTimestampSerde,
    WithoutTimestampSerde,
)
from aliran.storage.state.typed import (
    KeyValueStore,
    LogChange,
    ReadOnlyKeyValueStore,
    TimestampedKeyValueStore,
)
from aliran.storage.state.typed_window import (
    ReadOnlyWindowStore,
    TimestampedWindowStore,
    WindowStore,
)
from aliran.storage.state.window import WindowBytesStore, WindowEntry

__all__ = [
    "Changes",
    "KeyRange",
    "KeyValueBytesStore",
    "KeyValueStore",
    "LogChange",
    "MemoryStateDatabase",
    "ReadOnlyKeyValueStore",
    "ReadOnlyWindowStore",
    "RocksDBOptions",
    "RocksDBStateDatabase",
    "SharedMemory",
    "StagingStore",
    "StateClosedError",
    "StateCorruptedError",
    "StateDatabase",
    "StateDiskFullError",
    "StateError",
    "StateForeignFilesError",
    "StateLockedError",
    "StatePathError",
    "TimestampedKeyValueStore",
    "TimestampedWindowStore",
    "UnknownStoreError",
    "ValueAndTimestamp",
    "ValueAndTimestampSerde",
    "WindowBytesStore",
    "WindowEntry",
    "WindowKey",
    "WindowStore",
    "WithoutTimestampSerde",
    "commit_changes",
    "split_changelog_key",
    "window_changelog_key",
]
