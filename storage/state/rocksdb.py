"""State on RocksDB: one database a task, one column family a store and one for the offsets.

What survives: after `close` or `flush`, everything. After the death of the process (kill -9) or
of the machine, all that was written up to some moment, stores and offsets of the same moment; the
rest is replayed from the changelog. This holds without a write-ahead log because every write is
one batch over all families and RocksDB flushes the families together (atomic flush).
"""

from __future__ import annotations

import os
import re
import weakref
from collections.abc import Mapping
from itertools import chain
from operator import itemgetter
from struct import Struct
from typing import TYPE_CHECKING, Any

from rocksdict import CompactOptions, DbClosedError, Rdict, WriteBatch, WriteOptions

from aliran.storage.state.errors import (
    StateError,
    closed_error,
    corrupted_error,
    foreign_files_error,
    path_error,
    state_error,
)
from aliran.storage.state.memory import check_ranges, unknown_store
from aliran.storage.state.rocksdb_options import RocksDBOptions, build_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from rocksdict import ColumnFamily

    from aliran.storage.state.database import Changes, KeyRange

_STORE_PREFIX = "store:"
_OFFSETS = "offsets"
_OFFSET = Struct(">q")
_FLUSH_MARK = b""
_DEFAULT = "default"  # RocksDB insists on it; nothing is kept there
_ROCKSDB_FILES = re.compile(
    r"CURRENT|IDENTITY|LOCK|LOG(\.old\.\d+)?|MANIFEST-\d+|OPTIONS-\d+|rocksdict-config\.json"
    r"|\d+\.(sst|log|blob|dbtmp)|OPTIONS-\d+\.dbtmp"
)


class RocksDBStateDatabase:
    """The stores of one task on disk. See the module for what survives a crash.

    Stores found in the directory that are not among `store_names` stay as they are.

    Args:
        path: Directory of the database; made if missing.
        store_names: The stores to open; new ones are made.
        options: Settings of RocksDB.
        store_options: Settings of single stores, in place of those.

    Raises:
        StateLockedError: It is open elsewhere.
        StatePathError: The directory cannot be made or written.
        StateForeignFilesError: The directory belongs to something else.
        StateCorruptedError: Files are damaged; delete the directory to restore.
        StateDiskFullError: No space is left.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        store_names: Iterable[str],
        options: RocksDBOptions | None = None,
        *,
        store_options: Mapping[str, RocksDBOptions] | None = None,
    ) -> None:
        self._store_options = dict(store_options or {})
        self.path: str = os.fspath(path)
        self._store_names = sorted(set(store_names))
        self._iterators: weakref.WeakSet[_RangeIterator] = weakref.WeakSet()
        self._families: dict[str, Rdict] = {}
        self._handles: dict[str, ColumnFamily] = {}
        self._db: Rdict | None = self._open(options or RocksDBOptions())
        self._offsets = self._db.get_column_family(_OFFSETS)
        self._offsets_handle = self._db.get_column_family_handle(_OFFSETS)
        self._write_options = WriteOptions()
        self._write_options.disable_wal = True  # type: ignore[method-assign, assignment]

    def get(self, store: str, key: bytes) -> bytes | None:
        """Return the value of `key`, or None."""
        try:
            value: bytes | None = self._family(store).get(key)
        except Exception as error:
            raise self._translated(error) from error
        return value

    def getter(self, store: str) -> Callable[[bytes], bytes | None]:
        """Return a function that does what `get` does for one store, with less to do per call."""
        read = self._family(store).get

        def get(key: bytes) -> bytes | None:
            try:
                return read(key)
            except Exception as error:
                raise self._translated(error) from error

        return get

    def range(
        self, store: str, lower: bytes | None, upper: bytes | None, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Return the entries with `lower` <= key < `upper`, as they are at the call."""
        return _RangeIterator(self, self._family(store), lower, upper, reverse)

    def write(
        self,
        changes: Mapping[str, Changes],
        offsets: Mapping[str, int],
        range_deletes: Mapping[str, Sequence[KeyRange]] | None = None,
    ) -> None:
        """Apply range deletes, changes and offsets as one batch."""
        self._database()
        ranges = range_deletes or {}
        for store in (*changes, *ranges):
            self._family(store)
        check_ranges(self.path, ranges)
        batch = WriteBatch(raw_mode=True)
        for store, bounds in ranges.items():
            for lower, upper in bounds:
                batch.delete_range(lower, upper, self._handles[store])
        for store, new in changes.items():
            _add_sorted(batch, self._handles[store], new)
        for name, offset in offsets.items():
            batch.put(name.encode(), _OFFSET.pack(offset), self._offsets_handle)
        if not batch.is_empty():
            self._apply(batch)

    def offsets(self) -> dict[str, int]:
        """Return the offsets written with the state that is there."""
        self._database()
        entries = _RangeIterator(self, self._offsets, None, None, reverse=False)
        return {
            name.decode(): _OFFSET.unpack(data)[0] for name, data in entries if name != _FLUSH_MARK
        }

    def is_empty(self, store: str) -> bool:
        """Return whether the store has no entry."""
        return next(self.range(store, None, None), None) is None

    def last_key(self, store: str) -> bytes | None:
        """Return the greatest key of the store, or None."""
        last = next(self.range(store, None, None, reverse=True), None)
        return None if last is None else last[0]

    def approximate_num_entries(self, store: str) -> int:
        """Return RocksDB's estimate; overwritten and deleted entries may still count."""
        return self._family(store).property_int_value("rocksdb.estimate-num-keys") or 0

    def flush(self) -> None:
        """Write what is in memory to the disk, stores and offsets together."""
        self._database()
        try:
            # Flushing a family flushes that one alone, and a crash in between would leave stores
            # and offsets of different moments. Compacting by hand flushes all of them as one,
            # provided the compacted family has something to flush; the smallest is compacted.
            batch = WriteBatch(raw_mode=True)
            batch.put(_FLUSH_MARK, b"", self._offsets_handle)
            self._apply(batch)
            options = CompactOptions()
            options.set_exclusive_manual_compaction(False)
            self._offsets.compact_range(None, None, options)
        except Exception as error:
            raise self._translated(error) from error

    def close(self) -> None:
        """Flush, end open iterators and release the lock. Closing twice is harmless.

        Raises:
            StateError: The flush failed; the lock is released all the same.
        """
        if self._db is None:
            return
        failure: Exception | None = None
        try:
            # Now nothing is left for the single closings below to flush one by one.
            self.flush()
        except StateError as error:
            failure = error
            # From here on RocksDB refuses flushes, so that none of them can half succeed.
            self._db.cancel_all_background(True)
        for iterator in list(self._iterators):
            iterator.release()
        # Every handle left alive would keep the lock of the directory.
        parts = [*self._families.values(), self._offsets, self._db]
        self._db = None
        self._families = {}
        self._handles = {}
        del self._offsets_handle
        for part in parts:
            try:
                part.close()
            except Exception as error:
                failure = failure or state_error(self.path, error)
        if failure is not None:
            raise failure

    def statistics(self) -> dict[str, int]:
        """Return bytes in memory and on disk, and the number of writes so far."""
        database = self._database()
        families = [*self._families.values()]
        return {
            "memtable_bytes": _total(families, "rocksdb.cur-size-all-mem-tables"),
            "disk_bytes": _total(families, "rocksdb.total-sst-files-size"),
            "sequence_number": database.latest_sequence_number(),
        }

    def _open(self, settings: RocksDBOptions) -> Rdict:
        path = self.path
        try:
            os.makedirs(path, exist_ok=True)
            names = os.listdir(path)
        except OSError as error:
            raise path_error(path, error.strerror or str(error)) from error
        foreign = [name for name in names if not _ROCKSDB_FILES.fullmatch(name)]
        if foreign and "CURRENT" not in names:
            raise foreign_files_error(path, foreign)
        if "CURRENT" not in names and any(name.endswith((".sst", ".log")) for name in names):
            raise corrupted_error(path, "its file CURRENT is missing")
        try:
            existing = Rdict.list_cf(path) if "CURRENT" in names else []
        except Exception as error:
            raise state_error(path, error) from error
        unknown = [name for name in existing if not _is_ours(name)]
        if unknown:
            raise foreign_files_error(path, [f"RocksDB column family {name}" for name in unknown])
        try:
            return self._open_families(existing, settings)
        except Exception as error:
            raise state_error(path, error) from error

    def _open_families(self, existing: list[str], settings: RocksDBOptions) -> Rdict:
        ours = [_STORE_PREFIX + name for name in self._store_names]
        families = {*existing, *ours, _OFFSETS, _DEFAULT}
        database = Rdict(
            self.path,
            build_options(settings, small=True),
            column_families={
                name: build_options(
                    self._store_options.get(name.removeprefix(_STORE_PREFIX), settings),
                    small=not name.startswith(_STORE_PREFIX),
                )
                for name in sorted(families)
            },
        )
        for name in self._store_names:
            self._families[name] = database.get_column_family(_STORE_PREFIX + name)
            self._handles[name] = database.get_column_family_handle(_STORE_PREFIX + name)
        return database

    def _database(self) -> Rdict:
        if self._db is None:
            raise closed_error(self.path)
        return self._db

    def _family(self, store: str) -> Rdict:
        try:
            return self._families[store]
        except KeyError:
            self._database()
            raise unknown_store(self.path, store, self._store_names) from None

    def _apply(self, batch: WriteBatch) -> None:
        try:
            self._database().write(batch, self._write_options)
        except Exception as error:
            raise self._translated(error) from error

    def _translated(self, error: Exception) -> Exception:
        if isinstance(error, StateError):
            return error
        if self._db is None or isinstance(error, DbClosedError):
            return closed_error(self.path)
        return state_error(self.path, error)


class _RangeIterator:
    """Entries of one family between two keys, over RocksDB's snapshot of the moment."""

    __slots__ = ("__weakref__", "_database", "_items", "_reverse", "_stop")

    def __init__(
        self,
        database: RocksDBStateDatabase,
        family: Rdict,
        lower: bytes | None,
        upper: bytes | None,
        reverse: bool,
    ) -> None:
        self._database = database
        self._reverse = reverse
        self._stop = lower if reverse else upper
        # Bounds in ReadOptions are not used: the binding prefixes them with a type byte even in
        # raw mode, and the ranges come out wrong.
        try:
            self._items: Iterator[Any] | None = family.items(reverse, upper if reverse else lower)
        except Exception as error:
            raise database._translated(error) from error  # noqa: SLF001 - one module
        database._iterators.add(self)  # noqa: SLF001
        if reverse and upper is not None:
            self._items = _without_first(self._items, upper)

    def __iter__(self) -> _RangeIterator:
        return self

    def __next__(self) -> tuple[bytes, bytes]:
        items = self._items
        if items is None:
            raise closed_error(self._database.path)
        try:
            entry: tuple[bytes, bytes] = next(items)
        except StopIteration:
            raise
        except Exception as error:
            raise self._database._translated(error) from error  # noqa: SLF001
        stop = self._stop
        if stop is not None and ((entry[0] < stop) if self._reverse else (entry[0] >= stop)):
            self._items = iter(())
            raise StopIteration
        return entry

    def release(self) -> None:
        """Drop RocksDB's iterator, which would keep the database open; reading on fails."""
        self._items = None


def _without_first(items: Iterator[Any], upper: bytes) -> Iterator[Any]:
    """Leave out the entry at the bound itself: seeking backwards includes it."""
    first = next(items, None)
    if first is None or first[0] == upper:
        return items
    return chain([first], items)


def _add_sorted(batch: WriteBatch, handle: ColumnFamily, changes: Changes) -> None:
    # In order, RocksDB finds the place of each key from the one before; assigning to the batch
    # costs half of calling put().
    batch.set_default_column_family(handle)
    if isinstance(changes, Mapping):
        for key in sorted(changes):
            value = changes[key]
            if value is None:
                del batch[key]
            else:
                batch[key] = value
        return
    for key, value in sorted(changes, key=itemgetter(0)):
        if value is None:
            del batch[key]
        else:
            batch[key] = value


def _is_ours(family: str) -> bool:
    return family in (_DEFAULT, _OFFSETS) or family.startswith(_STORE_PREFIX)


def _total(families: list[Rdict], prop: str) -> int:
    return sum(family.property_int_value(prop) or 0 for family in families)
