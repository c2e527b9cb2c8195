"""Versioned tables, and joins whose records wait for one. Kafka: KIP-889, KIP-914, KIP-923."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aliran.core.types import Headers
from aliran.serdes import Serde
from aliran.storage.state import NOT_PUT, VALID_TO_UNDEFINED, RecordBuffer, VersionedBytesStore
from aliran.storage.state.buffered import RecordContext
from aliran.streams.engine.buffers import ChangelogBuffer
from aliran.streams.engine.getters import Found
from aliran.streams.engine.suppress import Origins
from aliran.streams.engine.tables import Entry, Table
from aliran.streams.engine.timed_tables import Forward, forward_nothing
from aliran.streams.errors import StreamsError


class VersionedTable(Table):
    """Rows by key that know what they were at a time. They are never cached.

    `put` and `store_entry` tell whether the row is the latest of its key now; None says that it
    came too late for the history, and is not to be forwarded.
    """

    def __init__(
        self,
        store: VersionedBytesStore,
        serdes: tuple[Serde[Any], Serde[Any]],
        changelog: ChangelogBuffer | None,
        initial: Any = None,
    ) -> None:
        super().__init__(store.name, serdes, changelog, None, initial)
        self.versioned = True
        self._store = store

    def restored(self) -> None:
        """Do nothing: all there is is in the store."""

    def get(self, key: Any) -> Any:
        """Return the latest value of `key`, None where there is none."""
        found = self.get_timed(key)
        return None if found is None else found[0]

    def get_timed(self, key: Any) -> Found:
        """Return the latest value of `key` and its time, None where there is none."""
        return self._row(self._store.get(self.key_serde.serializer(key)))

    def get_as_of(self, key: Any, time: int) -> Any:
        """Return the value that `key` had at a time, None where it had none."""
        found = self.get_timed_as_of(key, time)
        return None if found is None else found[0]

    def get_timed_as_of(self, key: Any, time: int) -> Found:
        """Return the value that `key` had at a time, and since when; None where it had none."""
        return self._row(self._store.get_as_of(self.key_serde.serializer(key), time))

    def put(self, key: Any, value: Any, timestamp: int, headers: Headers | None) -> bool | None:
        """Set the value of `key` from a time on, None to delete it; see the class."""
        del headers  # no store keeps them
        return self._put(self.key_serde.serializer(key), value, timestamp)

    def load(self, cell: Any) -> Entry:
        """Return the latest entry of a cell, for an aggregation."""
        found = self._row(self._store.get(self._cell_bytes((cell,))[0]))
        return [self._initial, -1, None] if found is None else [*found, None]

    def store_entry(self, cell: Any, entry: Entry) -> bool | None:
        """Put an aggregate; see the class."""
        return self._put(self._cell_bytes((cell,))[0], entry[0], entry[1])

    def flush(self) -> None:
        """Do nothing: nothing is held back."""

    def _evict(self) -> float:
        return 0

    def _put(self, key: bytes, value: Any, timestamp: int) -> bool | None:
        data = self.value_serde.serialize(value)
        valid_to = self._store.put(key, data, timestamp)
        if self._changelog is not None:  # even what came too late, as by Kafka
            self._changelog.append(key, data, timestamp)
        return None if valid_to == NOT_PUT else valid_to == VALID_TO_UNDEFINED

    def _row(self, version: Any) -> Found:
        if version is None:
            return None
        return self.value_serde.deserialize(version.value), version.timestamp


class GraceJoin:
    """A stream's side of a join with grace, in one task. Kafka: `KStreamKTableJoinProcessor`.

    Args:
        name: Name of the node.
        buffer: Where the records wait.
        serdes: Of the stream's keys and values.
        changelog: Where the buffer is logged; None for nowhere.
        origins: The task, which knows where records come from.
        now_ms: Gives the wall-clock time.
        join: `join(key, value, time)` looks up and joins: the result in a tuple, None for none.

    Attributes:
        forward: Runs a result through what is downstream; set by the engine.
    """

    def __init__(
        self,
        name: str,
        buffer: RecordBuffer,
        serdes: tuple[Serde[Any], Serde[Any]],
        changelog: ChangelogBuffer | None,
        origins: Origins,
        now_ms: Callable[[], int],
        join: Callable[[Any, Any, int], tuple[Any] | None],
    ) -> None:
        self.forward: Forward = forward_nothing
        self._name = name
        self._buffer = buffer
        self._key_serde, self._value_serde = serdes
        self._changelog = changelog
        self._origins = origins
        self._now_ms = now_ms
        self._join = join

    def process(self, key: Any, value: Any, time: int, headers: Headers | None) -> None:
        """Let a record wait, and join those that have waited; one that is too late at once.

        Raises:
            StreamsError: The record has no key to wait by.
        """
        if key is None:
            raise StreamsError(
                f"{self._name} has a grace of {self._buffer.grace_ms} ms, so records wait in "
                f"{self._buffer.name} by their key, but this one has none: filter such records out "
                "in front of the join, or leave grace= out"
            )
        topic, partition, offset = self._origins.origin
        logged = self._buffer.put(
            self._key_serde.serializer(key),
            self._value_serde.serializer(value),
            time,
            RecordContext(time, offset, topic, partition, tuple(headers or ())),
        )
        if logged is None:
            self._emit(key, value, time, headers)
            return
        self._log(*logged)
        for record in self._buffer.take_due():
            self._let_go(record.key, record.value, record.context)
            self._log(record.changelog_key, None)

    def _let_go(self, key: bytes, value: bytes | None, context: RecordContext) -> None:
        """Join a record that has waited, with the origin that it had."""
        origins = self._origins
        before, origins.override = origins.override, context
        try:
            self._emit(
                self._key_serde.deserialize(key),
                self._value_serde.deserialize(value),
                context.timestamp,
                context.headers or None,
            )
        finally:
            origins.override = before

    def _emit(self, key: Any, value: Any, time: int, headers: Headers | None) -> None:
        joined = self._join(key, value, time)
        if joined is not None:
            self.forward(key, joined[0], time, headers, None)

    def _log(self, key: bytes, value: bytes | None) -> None:
        if self._changelog is not None:
            # Kafka leaves the time of these records to the producer: the wall clock's.
            self._changelog.append(key, value, self._now_ms())
