"""Typed state in front of the byte stores: Kafka Streams' record cache, and what stands in its way.

A table holds entries `[value, timestamp, headers, key]`. Where it caches, updated entries gather in
`dirty`, in the order of their last update, until the task commits or the cache is full; flushing
writes each once to the store and the changelog and forwards it once. Flushed entries stay in
`clean` to be read again. Where it does not cache, each update goes through at once.

Generated code works on `dirty` directly; see `compiler.Compiler._write_cell`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from struct import Struct
from typing import Any, TypeAlias

from aliran.core.types import Headers
from aliran.serdes import BooleanSerde, BytesSerde, DoubleSerde, IntegerSerde, Serde, StringSerde
from aliran.storage.state.key_value import KeyValueBytesStore, with_timestamps
from aliran.storage.state.window import WindowBytesStore
from aliran.streams.engine.buffers import ChangelogBuffer

Entry: TypeAlias = list[Any]
"""`[value, timestamp, headers, key]`; a list, because generated code updates it in place."""

Forward: TypeAlias = Callable[[Iterable[tuple[Any, Entry]]], None]

_TIMESTAMP = Struct(">q")

_HASHABLE = (StringSerde, IntegerSerde, BytesSerde)
"""Serdes whose values are equal exactly when their bytes are, so that they can be cache keys."""

_IMMUTABLE = (*_HASHABLE, DoubleSerde, BooleanSerde)
"""Serdes whose values nobody can change from outside, so that the cache may keep the objects."""

_ENTRY_OVERHEAD_BYTES = 250
"""What an entry costs beside its key: list, dict slot, boxed numbers (64-bit CPython)."""

_MIN_PURGE = 10_000
"""Clean entries of a window table below which nobody looks for old windows among them."""


class CacheBudget:
    """Bytes that the caches of all tasks of an application may use together.

    Kafka: `statestore.cache.max.bytes`, default 10 MiB; entries are counted by an estimate.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.used_bytes = 0


class _Table(ABC):
    """What both kinds of table share: the cache."""

    def __init__(
        self,
        name: str,
        serdes: tuple[Serde[Any], Serde[Any]],
        changelog: ChangelogBuffer | None,
        budget: CacheBudget | None,
        initial: Any,
    ) -> None:
        self.name = name
        self.key_serde, self.value_serde = serdes
        self.caching = budget is not None
        self.keys_are_typed = isinstance(self.key_serde, _HASHABLE)
        self.dirty: dict[Any, Entry] = {}
        self.forward: Forward = lambda _items: None
        self._keeps_values = isinstance(self.value_serde, _IMMUTABLE)
        self._changelog = changelog
        self._budget = budget
        self._initial = initial
        self._clean: dict[Any, Entry] = {}
        self._charged_bytes = 0

    def load(self, cell: Any) -> Entry:
        """Return the entry of `cell`, from the cache or the store, fresh where there is none."""
        entry = self._clean.pop(cell, None)
        if entry is not None:
            return entry
        if self._budget is not None:
            self._charge(self._budget, cell)
        if self._is_absent(cell):
            return [self._initial, -1, None, None]
        data = self._read(cell)
        if data is None:
            return [self._initial, -1, None, None]
        return [
            self.value_serde.deserialize(data[8:]),
            _TIMESTAMP.unpack_from(data)[0],
            None,
            None,
        ]

    def flush(self) -> None:
        """Write the dirty entries to store and changelog, then forward them."""
        if not self.dirty:
            return
        items = list(self.dirty.items())
        self.dirty.clear()
        self._write([cell for cell, _ in items], [entry for _, entry in items])
        self.forward(items)
        if self._keeps_values:
            self._clean.update(items)
        else:
            self._release(len(items))
            self.forget_residency()

    @abstractmethod
    def forget_residency(self) -> None:
        """No longer assume that what is not cached is not stored either."""

    def store_entry(self, cell: Any, entry: Entry) -> None:
        """Write one entry through, where nothing is cached."""
        self._write([cell], [entry])

    @abstractmethod
    def _is_absent(self, cell: Any) -> bool:
        """Tell whether the store cannot hold `cell`, without asking it."""

    @abstractmethod
    def _read(self, cell: Any) -> bytes | None:
        """Return timestamp and value as stored."""

    @abstractmethod
    def _write(self, cells: list[Any], entries: list[Entry]) -> None:
        """Put entries into store and changelog."""

    def _charge(self, budget: CacheBudget, cell: Any) -> None:
        """Count a new entry; when the budget is used up, flush and empty this cache first."""
        if budget.used_bytes >= budget.max_bytes:
            self.flush()
            self._clean.clear()
            self.forget_residency()
            budget.used_bytes -= self._charged_bytes
            self._charged_bytes = 0
        size = _ENTRY_OVERHEAD_BYTES + self._key_size(cell)
        budget.used_bytes += size
        self._charged_bytes += size

    def _release(self, entries: int) -> None:
        """Give back roughly what `entries` entries that left the cache were charged."""
        if self._budget is None:
            return
        cached = len(self._clean) + len(self.dirty) + entries
        share = self._charged_bytes * entries // cached if cached else self._charged_bytes
        self._budget.used_bytes -= share
        self._charged_bytes -= share

    def _key_size(self, cell: Any) -> int:
        return len(cell) if isinstance(cell, str | bytes) else 16

    def _key_bytes(self, keys: list[Any]) -> list[bytes]:
        if not self.keys_are_typed:
            return keys
        if type(self.key_serde) is StringSerde:
            return self._guard(lambda: [key.encode() for key in keys], keys)
        serialize = self.key_serde.serializer
        return self._guard(lambda: [serialize(key) for key in keys], keys)

    def _guard(self, serialize_all: Callable[[], list[bytes]], keys: list[Any]) -> list[bytes]:
        try:
            return serialize_all()
        except Exception:
            # One of them does not fit: find it, and let the serde say what is wrong with it.
            return [self.key_serde.serialize(key) or b"" for key in keys]

    def _value_bytes(self, entries: list[Entry]) -> list[bytes | None]:
        serialize = self.value_serde.serialize
        if type(self.value_serde) is IntegerSerde:
            pack = _TIMESTAMP.pack
            try:
                return [None if entry[0] is None else pack(entry[0]) for entry in entries]
            except Exception:  # not an int: the serde words the error
                return [serialize(entry[0]) for entry in entries]
        return [serialize(entry[0]) for entry in entries]


class KeyValueTable(_Table):
    """Entries by key: the state of tables, and of aggregations without windows."""

    def __init__(
        self,
        store: KeyValueBytesStore,
        serdes: tuple[Serde[Any], Serde[Any]],
        changelog: ChangelogBuffer | None,
        budget: CacheBudget | None,
        initial: Any = None,
    ) -> None:
        super().__init__(store.name, serdes, changelog, budget, initial)
        self._store = store
        self._all_resident = False

    def restored(self) -> None:
        """Say that restoration is over; a store that is empty then is all in the cache."""
        self._all_resident = self.caching and next(self._store.all(), None) is None

    def forget_residency(self) -> None:
        """No longer assume that what is not cached is not stored either."""
        self._all_resident = False

    def get(self, key: Any) -> Any:
        """Return the value of `key`, None where there is none; through the cache."""
        cell = key if self.keys_are_typed else self.key_serde.serializer(key)
        entry = self.dirty.get(cell) or self._clean.get(cell)
        if entry is not None:
            return entry[0] if self._keeps_values else self._copy(entry[0])
        if self._all_resident:
            return None
        data = self._read(cell)
        return None if data is None else self.value_serde.deserialize(data[8:])

    def put(self, key: Any, value: Any, timestamp: int, headers: Headers | None) -> None:
        """Set the value of `key`, None to delete it."""
        cell = key if self.keys_are_typed else self.key_serde.serializer(key)
        entry = [value, timestamp, headers, key]
        if not self.caching:
            self._write([cell], [entry])
            return
        known = self.dirty.pop(cell, None) or self._clean.pop(cell, None)
        if known is None and self._budget is not None:
            self._charge(self._budget, cell)
        self.dirty[cell] = entry

    def _copy(self, value: Any) -> Any:
        return self.value_serde.deserialize(self.value_serde.serialize(value))

    def _is_absent(self, cell: Any) -> bool:  # noqa: ARG002  (one answer for all keys)
        return self._all_resident

    def _read(self, cell: Any) -> bytes | None:
        return self._store.get(self._key_bytes([cell])[0])

    def _write(self, cells: list[Any], entries: list[Entry]) -> None:
        keys, values = self._key_bytes(cells), self._value_bytes(entries)
        times = [entry[1] for entry in entries]
        self._store.put_all(zip(keys, with_timestamps(values, times), strict=True))
        if self._changelog is not None:
            self._changelog.extend(keys, values, times)


class WindowTable(_Table):
    """Entries by (key, window start): the state of windowed aggregations.

    Attributes:
        stream_time: The largest record time this operator has seen, -1 before the first.
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
        self._store = store
        self.stream_time = -1
        # Windows of which every entry is cached: what is not in the cache does not exist.
        self._resident: set[int] = set()
        self._newest_start = 1 << 62
        self._purge_at = _MIN_PURGE

    def restored(self) -> None:
        """Say that restoration is over: the store knows the newest window there is."""
        self._newest_start = self._store.observed_stream_time

    def forget_residency(self) -> None:
        """No longer assume that what is not cached is not stored either."""
        self._resident.clear()

    def flush(self) -> None:
        """Write the dirty entries, forward them, and let go of windows out of retention."""
        super().flush()
        if len(self._clean) > self._purge_at:
            self._forget_old_windows()

    def _forget_old_windows(self) -> None:
        oldest = self._newest_start - self._store.retention_ms
        before = len(self._clean)
        self._clean = {cell: entry for cell, entry in self._clean.items() if cell[1] >= oldest}
        self._resident = {start for start in self._resident if start >= oldest}
        self._release(before - len(self._clean))
        self._purge_at = max(_MIN_PURGE, 2 * len(self._clean))  # so that a purge pays for itself

    def _key_size(self, cell: Any) -> int:
        return 64 + super()._key_size(cell[0])

    def _is_absent(self, cell: Any) -> bool:
        start = cell[1]
        if start in self._resident:
            return True
        if self.caching and start > self._newest_start:
            self._newest_start = start
            self._resident.add(start)
            return True
        return False

    def _read(self, cell: Any) -> bytes | None:
        return self._store.fetch(self._key_bytes([cell[0]])[0], cell[1])

    def _write(self, cells: list[Any], entries: list[Entry]) -> None:
        keys, values = self._key_bytes([cell[0] for cell in cells]), self._value_bytes(entries)
        starts, times = [cell[1] for cell in cells], [entry[1] for entry in entries]
        stored = with_timestamps(values, times)
        windowed = self._store.put_all(zip(keys, starts, stored, strict=True))
        if self._changelog is not None:
            self._changelog.extend(windowed, values, times)
