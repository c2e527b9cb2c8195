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
from aliran.storage.state.memory import MemoryStateDatabase
from aliran.storage.state.rocksdb import RocksDBStateDatabase
from aliran.storage.state.rocksdb_options import RocksDBOptions, SharedMemory

__all__ = [
    "Changes",
    "KeyRange",
    "MemoryStateDatabase",
    "RocksDBOptions",
    "RocksDBStateDatabase",
    "SharedMemory",
    "StateClosedError",
    "StateCorruptedError",
    "StateDatabase",
    "StateDiskFullError",
    "StateError",
    "StateForeignFilesError",
    "StateLockedError",
    "StatePathError",
    "UnknownStoreError",
]
