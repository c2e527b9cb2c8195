"""Typed state in front of the byte stores: Kafka Streams' record cache, and what stands in its way.

A table holds entries `[value, timestamp, headers]`. Where it caches, updated entries gather in
`dirty` until the task commits or the cache is full; flushing writes each once to the store and the
changelog and forwards it once. Flushed entries stay in the cache, clean, to be read again. Where it
does not cache, each update goes through at once.

Keys are cached as they are where equal keys have equal bytes, else as their bytes; such a key, or
its bytes, is called a cell here. Generated code works on `dirty` directly; see
`compiler.Compiler._write_cell`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator
from struct import Struct
from typing import Any, TypeAlias

from aliran.core.types import Headers
from aliran.serdes import (
    BooleanSerde,
    BytesSerde,
    DoubleSerde,
    IntegerSerde,
    Serde,
    StringSerde,
    Windowed,
)
from aliran.storage.state.key_value import KeyValueBytesStore, with_timestamps
from aliran.storage.state.window import WindowBytesStore
from aliran.streams.engine.buffers import ChangelogBuffer
from aliran.streams.engine.cache_budget import CacheBudget

Entry: TypeAlias = list[Any]
"""`[value, timestamp, headers]`; a list, because generated code updates it in place."""

Cells: TypeAlias = dict[Any, Entry]

_TIMESTAMP = Struct(">q")
_TIMESTAMP_AND_LONG = Struct(">qq")

CANONICAL = (StringSerde, IntegerSerde, BytesSerde)
"""Serdes whose values are equal exactly when their bytes are.

Such values can be cache keys, and bytes that were read can be written without looking at them.
"""

_IMMUTABLE = (*CANONICAL, DoubleSerde, BooleanSerde)
"""Serdes whose values nobody can change from outside, so that the cache may keep the objects."""

_ENTRY_BYTES = 250
"""What an entry costs beside its key: list, dict slot, boxed numbers (64-bit CPython)."""

_CHARGED_ENTRIES = 16
"""The budget is asked for so many entries at a time."""


class Table(ABC):
    """What both kinds of table share: serdes, changelog, and their part of the budget."""

    def __init__(
        self,
        name: str,
        serdes: tuple[Serde[Any], Serde[Any]],
        changelog: ChangelogBuffer | None,
        budget: CacheBudget | None,
        initial: Any,
    ) -> None:
        self.name = name
        self.key_serde: Serde[Any] = serdes[0]
        self.value_serde: Serde[Any] = serdes[1]
        self.caching: bool = budget is not None
        self.versioned = False
        self.keys_are_typed: bool = type(self.key_serde) in CANONICAL
        self._keeps_values = type(self.value_serde) in _IMMUTABLE
        self._changelog = changelog
        self._budget = budget
        self._initial = initial
        self._counts = initial is not None and type(self.value_serde) is IntegerSerde
        self._charged_bytes = 0
        self._room = 0  # entries that are charged already
        # What the entries of a flush were before it; filled where somebody asked for it.
        self.old_values: dict[Any, Any] = {}
        self._sends_old_values = False
        if budget is not None:
            budget.join(self)

    def forget_clean(self) -> None:  # noqa: B027  # nothing to do for most
        """Forget what can be read again, where that is kept by itself."""

    def send_old_values(self) -> None:
        """Fill `old_values` at each flush: something downstream asks for them."""
        self._sends_old_values = True

    def copy_of(self, value: Any) -> Any:
        """Return a value that nobody else can change."""
        if self._keeps_values:
            return value
        return self.value_serde.deserialize(self.value_serde.serialize(value))

    def close(self) -> None:
        """Give back what the cache was charged; other tasks may use it."""
        self._release(self._charged_bytes)

    def use_key_bytes(self) -> None:
        """Cache keys as their bytes: whoever updates the table has those at hand anyway."""
        self.keys_are_typed = False

    @abstractmethod
    def flush(self) -> None:
        """Write the dirty entries to store and changelog, then forward them."""

    @abstractmethod
    def _evict(self) -> float:
        """Flush, and make room in the cache; return the share of its entries that stay."""

    def _entry(self, data: bytes | None) -> Entry:
        """Return the entry that the store holds as `data`, fresh where it holds none."""
        if data is None:
            return [self._initial, -1, None]
        value = self.value_serde.deserialize(data[8:])
        return [value, _TIMESTAMP.unpack_from(data)[0], None]

    def _timed(self, data: bytes | None) -> tuple[Any, int] | None:
        """Return value and time of what the store holds as `data`."""
        if data is None:
            return None
        return self.value_serde.deserialize(data[8:]), _TIMESTAMP.unpack_from(data)[0]

    def _charge(self, cell: Any) -> None:
        """Count a new entry; when the budget is used up, empty this cache first."""
        self._room -= 1
        budget = self._budget
        if self._room >= 0 or budget is None:
            return
        if budget.used_bytes >= budget.max_bytes and budget.is_full_but_for(self):
            self._release(int(self._charged_bytes * (1 - self._evict())))
        size = _ENTRY_BYTES + (len(cell) if isinstance(cell, str | bytes) else 16)
        budget.used_bytes += size * _CHARGED_ENTRIES
        self._charged_bytes += size * _CHARGED_ENTRIES
        self._room = _CHARGED_ENTRIES - 1

    def _release(self, size: int) -> None:
        """Give back what entries that left the cache were charged."""
        if self._budget is not None:
            size = min(size, self._charged_bytes)
            self._budget.used_bytes -= size
            self._charged_bytes -= size

    def _cell_bytes(self, cells: Iterable[Any]) -> list[bytes]:
        """Return the serialised keys of cells."""
        cells = list(cells)
        if not self.keys_are_typed:
            return cells
        serialize = self.key_serde.serializer
        try:
            if type(self.key_serde) is StringSerde:
                return [cell.encode() for cell in cells]
            return [serialize(cell) for cell in cells]
        except Exception:
            # One of them does not fit: find it, and let the serde say what is wrong with it.
            return [self.key_serde.serialize(cell) or b"" for cell in cells]

    def _value_bytes(
        self, entries: Collection[Entry]
    ) -> tuple[list[bytes | None], list[bytes | None], list[int]]:
        """Return the values for the changelog, for the store, and the times of entries."""
        times = [entry[1] for entry in entries]
        if self._counts:  # numbers without null, from our own code
            pack, pack_both = _TIMESTAMP.pack, _TIMESTAMP_AND_LONG.pack
            return (
                [pack(entry[0]) for entry in entries],
                [pack_both(entry[1], entry[0]) for entry in entries],
                times,
            )
        serialize = self.value_serde.serialize
        values = [serialize(entry[0]) for entry in entries]
        return values, with_timestamps(values, times), times


class KeyValueTable(Table):
    """Entries by key: the state of tables, and of aggregations without windows.

    Attributes:
        dirty: Entries that changed since the last flush.
        forward: Runs dirty entries, pairs of cell and entry, through what is downstream.
    """

    def __init__(
        self,
        store: KeyValueBytesStore,
        serdes: tuple[Serde[Any], Serde[Any]],
        changelog: ChangelogBuffer | None,
        budget: CacheBudget | None,
        initial: Any = None,
    ) -> None:
        super().__init__(store.name, serdes, changelog, budget, initial)
        self.dirty: Cells = {}
        self.forward: Callable[[list[tuple[Any, Entry]]], None] = _forward_nothing
        self._store = store
        # What is not dirty: entries, or, of values that others may change, what the store holds.
        self._clean: Cells = {}
        self._clean_bytes: dict[Any, bytes | None] = {}
        # While true, what is not in the cache is not in the store either.
        self._all_cached = False

    def restored(self) -> None:
        """Say that restoration is over; a store that is empty then is all in the cache."""
        self._all_cached = self.caching and next(self._store.all(), None) is None

    def forget_clean(self) -> None:
        """Forget what can be read again."""
        clean = len(self._clean) + len(self._clean_bytes)
        if clean:
            self._release(self._charged_bytes * clean // (clean + len(self.dirty)))
            self._clean.clear()
            self._clean_bytes.clear()
            self._all_cached = False

    def get(self, key: Any) -> Any:
        """Return the value of `key`, None where there is none; through the cache."""
        cell = key if self.keys_are_typed else self.key_serde.serializer(key)
        entry = self.dirty.get(cell) or self._clean.get(cell)
        if entry is not None:
            return self.copy_of(entry[0])
        data = self._clean_bytes.get(cell)
        if data is None:
            data = self._data(cell)
        return None if data is None else self.value_serde.deserializer(data[8:])

    def get_timed(self, key: Any) -> tuple[Any, int] | None:
        """Return value and time of `key`, None where there is no value; through the cache."""
        cell = key if self.keys_are_typed else self.key_serde.serializer(key)
        entry = self.dirty.get(cell) or self._clean.get(cell)
        if entry is not None:
            return None if entry[0] is None else (self.copy_of(entry[0]), entry[1])
        return self._timed(self._data(cell))

    def prefix_scan(self, prefix: bytes) -> Iterator[tuple[bytes, Any]]:
        """Return keys and values whose serialised keys begin with `prefix`; past the cache."""
        deserialize = self.value_serde.deserialize
        for key, data in self._store.prefix_scan(prefix):
            yield key, deserialize(data[8:])

    def put_logging_headers(
        self, key: Any, value: Any, timestamp: int, headers: Headers | None
    ) -> None:
        """Set the value of `key`, past the cache, with the headers in the changelog too."""
        entry = [value, timestamp, None]
        keys, (values, stored, _) = self._cell_bytes((key,)), self._value_bytes([entry])
        self.forget_clean()
        self._all_cached = False
        self._store.put(keys[0], stored[0])
        if self._changelog is not None:
            self._changelog.append(keys[0], values[0], timestamp, headers)

    def put(self, key: Any, value: Any, timestamp: int, headers: Headers | None) -> None:
        """Set the value of `key`, None to delete it."""
        cell = key if self.keys_are_typed else self.key_serde.serializer(key)
        entry = [value, timestamp, headers]
        if not self.caching:
            self._write([cell], [entry])
            return
        if cell not in self.dirty and cell not in self._clean and cell not in self._clean_bytes:
            self._charge(cell)
        self.dirty.pop(cell, None)  # a flush goes by the order of the last puts
        self.dirty[cell] = entry

    def load(self, cell: Any) -> Entry:
        """Return the entry of a cell that is not dirty; the caller puts it there after a change."""
        entry = self._clean.get(cell)
        if entry is not None:
            return entry
        if cell not in self._clean_bytes:
            self._charge(cell)
        return self._entry(self._data(cell))

    def store_entry(self, cell: Any, entry: Entry) -> None:
        """Write one entry through, where nothing is cached."""
        self._write([cell], [entry])

    def flush(self) -> None:
        """Write the dirty entries to store and changelog, then forward them."""
        if not self.dirty:
            return
        items = list(self.dirty.items())
        self.dirty.clear()
        if self._keeps_values:  # before they are forwarded, as joins downstream look in here
            self._clean.update(items)
        # A row that came and went since the last flush is no news, to the changelog neither.
        items = [(c, e) for c, e in items if e[0] is not None or self._stored(c) is not None]
        if self._sends_old_values:
            self.old_values.clear()
            self.old_values.update((cell, self._stored(cell)) for cell, _ in items)
        self._write([cell for cell, _ in items], [entry for _, entry in items])
        self.forward(items)

    def _evict(self) -> float:
        self.flush()
        self._clean.clear()
        self._clean_bytes.clear()
        self._all_cached = False
        return 0

    def _stored(self, cell: Any) -> Any:
        """Return the value that the store has, None for nothing."""
        data = self._data(cell)
        return None if data is None else self.value_serde.deserialize(data[8:])

    def _data(self, cell: Any) -> bytes | None:
        """Return what the store has of a cell."""
        known = self._clean_bytes
        if cell in known:
            return known[cell]
        if self._all_cached and cell not in self._clean:
            return None
        data = self._store.get(self._cell_bytes((cell,))[0])
        if not self._keeps_values and self._budget is not None and self._budget.has_room_for_reads:
            self._charge(cell)
            self._keep_bytes((cell,), (data,))
        return data

    def _keep_bytes(self, cells: Iterable[Any], stored: Iterable[bytes | None]) -> None:
        """Keep what the store has of cells, as long as there is room for it."""
        budget, known, grown = self._budget, self._clean_bytes, 0
        if budget is None:
            return
        if budget.used_bytes >= budget.max_bytes:
            self.forget_clean()
            self._all_cached = False
            return
        for cell, data in zip(cells, stored, strict=True):
            grown += len(data or b"") - len(known.get(cell) or b"")
            known[cell] = data
        budget.used_bytes += grown
        self._charged_bytes += grown

    def _write(self, cells: list[Any], entries: list[Entry]) -> None:
        keys = self._cell_bytes(cells)
        values, stored, times = self._value_bytes(entries)
        self._store.put_all(zip(keys, stored, strict=True))
        if not self._keeps_values:
            self._keep_bytes(cells, stored)
        if self._changelog is not None:
            self._changelog.extend(keys, values, times)


class WindowTable(Table):
    """Entries by window start and key: the state of windowed aggregations.

    Attributes:
        dirty: Entries that changed since the last flush, by window start, then by cell.
        forward: Runs dirty windows, pairs of start and cells, through what is downstream.
    """

    def __init__(
        self,
        store: WindowBytesStore,
        serdes: tuple[Serde[Any], Serde[Any]],
        changelog: ChangelogBuffer | None,
        budget: CacheBudget | None,
        initial: Any = None,
    ) -> None:
        super().__init__(store.name, serdes, changelog, budget, initial)
        self.dirty: dict[int, Cells] = {}
        self.forward: Callable[[list[tuple[int, Cells]]], None] = _forward_nothing
        self._store = store
        self._clean: dict[int, Cells] = {}
        # Windows of which all there is is cached. A window later than any before is one.
        self._all_cached: set[int] = set()
        self._newest_start = 1 << 62

    def restored(self) -> None:
        """Say that restoration is over: the store knows the newest window there is."""
        self._newest_start = self._store.observed_stream_time

    def load(self, cell: Any, start: int) -> Entry:
        """Return an entry that is not dirty; the caller puts it there after a change."""
        cells = self._clean.get(start)
        if cells is not None:
            entry = cells.get(cell)
            if entry is not None:
                return entry
        self._charge(cell)
        if self._is_absent(start):
            return [self._initial, -1, None]
        return self._entry(self._store.fetch(self._cell_bytes((cell,))[0], start))

    def get(self, window: Windowed[Any]) -> Any:
        """Return the value of a key and window, None where there is none; through the cache."""
        found = self.get_timed(window)
        return None if found is None else found[0]

    def get_timed(self, window: Windowed[Any]) -> tuple[Any, int] | None:
        """Return value and time of a key and window, None where there is no value."""
        key, start = window.key, window.start_ms
        cell = key if self.keys_are_typed else self.key_serde.serializer(key)
        for cells in (self.dirty.get(start), self._clean.get(start)):
            entry = None if cells is None else cells.get(cell)
            if entry is not None:
                return None if entry[0] is None else (self.copy_of(entry[0]), entry[1])
        if start in self._all_cached:
            return None
        return self._timed(self._store.fetch(self._cell_bytes((cell,))[0], start))

    def store_entry(self, cell: Any, start: int, entry: Entry) -> None:
        """Write one entry through, where nothing is cached."""
        self._write(start, {cell: entry})

    def flush(self) -> None:
        """Write the dirty entries, forward them, and let go of windows out of retention."""
        if not self.dirty:
            return
        windows = [(start, self._news(start, cells)) for start, cells in self.dirty.items()]
        if self._keeps_values:
            for start, cells in self.dirty.items():
                if start in self._clean:
                    self._clean[start].update(cells)
                else:
                    self._clean[start] = cells
        self.dirty.clear()
        if self._sends_old_values:
            self.old_values.clear()
            self.old_values.update(
                ((start, cell), self._stored(cell, start))
                for start, cells in windows
                for cell in cells
            )
        for start, cells in windows:
            self._write(start, cells)
        self.forward(windows)
        if not self._keeps_values:  # values that others may change are read anew
            self._release(self._charged_bytes)
            self._all_cached.clear()
        self._forget_old_windows()

    def _evict(self) -> float:
        self.flush()
        self._clean.clear()
        self._all_cached.clear()
        return 0

    def _forget_old_windows(self) -> None:
        oldest = self._newest_start - self._store.retention_ms
        for start in [start for start in self._clean if start < oldest]:
            self._release(len(self._clean.pop(start)) * (_ENTRY_BYTES + 8))
            self._all_cached.discard(start)

    def _news(self, start: int, cells: Cells) -> Cells:
        """Leave out what came and went since the last flush."""
        if self._initial is not None:  # a count never goes
            return cells
        gone = {
            cell
            for cell, entry in cells.items()
            if entry[0] is None and self._stored(cell, start) is None
        }
        return {c: e for c, e in cells.items() if c not in gone} if gone else cells

    def _stored(self, cell: Any, start: int) -> Any:
        """Return the value that the store has, None for nothing."""
        data = self._store.fetch(self._cell_bytes((cell,))[0], start)
        return None if data is None else self.value_serde.deserialize(data[8:])

    def _is_absent(self, start: int) -> bool:
        """Tell whether the store has nothing of this window that is not cached."""
        if start in self._all_cached:
            return True
        if self.caching and start > self._newest_start:
            self._newest_start = start
            if self._keeps_values:
                self._all_cached.add(start)
            return True
        return False

    def _write(self, start: int, cells: Cells) -> None:
        keys = self._cell_bytes(cells)
        values, stored, times = self._value_bytes(cells.values())
        windowed = self._store.put_window(start, keys, stored)
        if self._changelog is not None:
            self._changelog.extend(windowed, values, times)


def _forward_nothing(_entries: Any) -> None:
    """Stand in until the engine connects what is downstream."""
