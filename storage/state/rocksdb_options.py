"""How RocksDB is set up: options of a database, and the memory all of them share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from rocksdict import (
    BlockBasedOptions,
    Cache,
    DBCompactionStyle,
    DBCompressionType,
    Options,
    WriteBufferManager,
)

_MIB = 1 << 20


class SharedMemory:
    """One block cache and one budget for unflushed writes, shared by many databases.

    When the write budget is used up, the database that writes next flushes; unflushed writes
    are counted within the cache, so that `block_cache_bytes` bounds both together. An idle store
    counts with about 0.4 MiB (the filter of its write buffer): with several hundred stores in a
    process give it a larger budget, or it will flush all the time.

    Args:
        block_cache_bytes: For table blocks read, indexes and filters, and unflushed writes.
        write_buffer_bytes: The part that unflushed writes of all databases may take.
    """

    def __init__(
        self, block_cache_bytes: int = 192 * _MIB, write_buffer_bytes: int = 128 * _MIB
    ) -> None:
        self.block_cache: Cache = Cache(block_cache_bytes)
        self.write_buffers: WriteBufferManager = (
            WriteBufferManager.new_write_buffer_manager_with_cache(
                write_buffer_bytes, False, self.block_cache
            )
        )

    def statistics(self) -> dict[str, int]:
        """Return the bytes in use: block cache (all), write buffers."""
        return {
            "block_cache_bytes": self.block_cache.get_usage(),
            "write_buffer_bytes": self.write_buffers.get_usage(),
        }


_default_memory: SharedMemory | None = None
_default_lock = threading.Lock()


def process_memory() -> SharedMemory:
    """Return the memory that databases of this process share unless told otherwise."""
    global _default_memory
    with _default_lock:
        if _default_memory is None:
            _default_memory = SharedMemory()
        return _default_memory


@dataclass(frozen=True, slots=True, kw_only=True)
class RocksDBOptions:
    """Settings of a state database; the defaults suit tens of tasks in one process.

    A database is flushed when one of its stores has `write_buffer_bytes` unflushed, or when all
    databases together have used up the budget of the shared memory.

    Attributes:
        write_buffer_bytes: Unflushed bytes of one store at which its database flushes.
        block_bytes: Size of a table block; smaller reads less for a point look-up.
        bloom_bits_per_key: Size of the filters that spare look-ups of absent keys; 10 lets one
            in a hundred through. 0 switches them off.
        compression: Of table files. Kafka's default is none.
        compaction: Kafka's default is universal, which writes least.
        max_background_jobs: Threads for flushes and compactions, shared by the process.
        max_open_files: Table files a database keeps open; -1 keeps all.
        memory: Cache and write budget; None for the one of the process.
        configure: Called with the options of each store before opening, for settings not listed
            here. Kafka: `RocksDBConfigSetter.setConfig`.
    """

    write_buffer_bytes: int = 16 * _MIB
    block_bytes: int = 4096
    bloom_bits_per_key: int = 10
    compression: Literal["none", "lz4", "zstd"] = "none"
    compaction: Literal["universal", "level"] = "universal"
    max_background_jobs: int = 2
    max_open_files: int = -1
    memory: SharedMemory | None = None
    configure: Callable[[Options], None] | None = None


def build_options(settings: RocksDBOptions, *, small: bool = False) -> Options:
    """Return RocksDB's options for one store.

    Args:
        settings: What the user has set.
        small: For the database as a whole, and for families of few entries: they get a small
            write buffer without filter.
    """
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.create_missing_column_families(True)
    # Without the log of single writes, a flush of all families together is what makes stores
    # and offsets agree after a crash.
    options.set_atomic_flush(True)
    memory = settings.memory or process_memory()
    options.set_write_buffer_manager(memory.write_buffers)
    options.set_write_buffer_size(_MIB if small else settings.write_buffer_bytes)
    options.set_max_write_buffer_number(3)
    # Arenas count in full against the shared budget; the default of 1 MiB a store would use it
    # up with nothing in them.
    options.set_arena_block_size(64 * 1024)
    if not small:
        # A miss is the usual first look-up of a new key; this makes it several times cheaper.
        # The filter takes its share of the buffer at once, hence no more than needed.
        options.set_memtable_whole_key_filtering(True)
        options.set_memtable_prefix_bloom_ratio(0.02)
    options.set_block_based_table_factory(_table_options(settings, memory))
    options.set_compression_type(getattr(DBCompressionType, settings.compression)())
    options.set_compaction_style(getattr(DBCompactionStyle, settings.compaction)())
    options.set_max_background_jobs(settings.max_background_jobs)
    options.set_max_open_files(settings.max_open_files)
    options.set_keep_log_file_num(2)
    options.set_max_log_file_size(_MIB)
    options.set_stats_dump_period_sec(0)
    options.set_stats_persist_period_sec(0)
    if settings.configure is not None and not small:
        settings.configure(options)
    return options


def _table_options(settings: RocksDBOptions, memory: SharedMemory) -> BlockBasedOptions:
    table = BlockBasedOptions()
    table.set_block_cache(memory.block_cache)
    table.set_block_size(settings.block_bytes)
    table.set_cache_index_and_filter_blocks(True)
    table.set_pin_l0_filter_and_index_blocks_in_cache(True)
    table.set_format_version(5)
    if settings.bloom_bits_per_key:
        table.set_bloom_filter(settings.bloom_bits_per_key, False)
    return table
