"""State stores: in memory and on RocksDB."""

from aliran.storage.state.buffered import BufferedValue, RecordContext
from aliran.storage.state.change_buffer import CHANGELOG_HEADERS, BufferedChange, ChangeBuffer
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
    SessionKey,
    WindowKey,
    session_changelog_key,
    split_changelog_key,
    split_session_key,
    window_changelog_key,
)
from aliran.storage.state.key_value import KeyValueBytesStore
from aliran.storage.state.lru import LruBytesStore
from aliran.storage.state.memory import MemoryStateDatabase
from aliran.storage.state.memory_session import MemorySessionStore
from aliran.storage.state.memory_window import MemoryWindowStore
from aliran.storage.state.record_buffer import BufferedRecord, RecordBuffer
from aliran.storage.state.rocksdb import RocksDBStateDatabase
from aliran.storage.state.rocksdb_options import RocksDBOptions, SharedMemory
from aliran.storage.state.session import SessionBytes, SessionBytesStore, SessionEntry
from aliran.storage.state.staging import StagingStore, commit_changes
from aliran.storage.state.timestamped import (
    ValueAndTimestamp,
    ValueAndTimestampSerde,
    WithoutTimestampSerde,
)
from aliran.storage.state.typed import (
    KeyValueStore,
    LogChange,
    LruKeyValueStore,
    ReadOnlyKeyValueStore,
    TimestampedKeyValueStore,
)
from aliran.storage.state.typed_session import ReadOnlySessionStore, SessionStore
from aliran.storage.state.typed_versioned import (
    ReadOnlyVersionedKeyValueStore,
    VersionedKeyValueStore,
    VersionedRecord,
)
from aliran.storage.state.typed_window import (
    ReadOnlyWindowStore,
    TimestampedWindowStore,
    WindowStore,
)
from aliran.storage.state.versioned import (
    NOT_PUT,
    VALID_TO_UNDEFINED,
    VersionedBytesStore,
    VersionedEntry,
)
from aliran.storage.state.window import WindowBytesStore, WindowEntry

__all__ = [
    "CHANGELOG_HEADERS",
    "NOT_PUT",
    "VALID_TO_UNDEFINED",
    "BufferedChange",
    "BufferedRecord",
    "BufferedValue",
    "ChangeBuffer",
    "Changes",
    "KeyRange",
    "KeyValueBytesStore",
    "KeyValueStore",
    "LogChange",
    "LruBytesStore",
    "LruKeyValueStore",
    "MemorySessionStore",
    "MemoryStateDatabase",
    "MemoryWindowStore",
    "ReadOnlyKeyValueStore",
    "ReadOnlySessionStore",
    "ReadOnlyVersionedKeyValueStore",
    "ReadOnlyWindowStore",
    "RecordBuffer",
    "RecordContext",
    "RocksDBOptions",
    "RocksDBStateDatabase",
    "SessionBytes",
    "SessionBytesStore",
    "SessionEntry",
    "SessionKey",
    "SessionStore",
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
    "VersionedBytesStore",
    "VersionedEntry",
    "VersionedKeyValueStore",
    "VersionedRecord",
    "WindowBytesStore",
    "WindowEntry",
    "WindowKey",
    "WindowStore",
    "WithoutTimestampSerde",
    "commit_changes",
    "session_changelog_key",
    "split_changelog_key",
    "split_session_key",
    "window_changelog_key",
]
