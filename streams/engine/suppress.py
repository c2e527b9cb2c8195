"""Suppression: updates of a table are held back until time, or lack of room, lets them go.

Kafka: `KTableSuppressProcessorSupplier`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from aliran.core.clock import SystemClock
from aliran.core.types import Headers
from aliran.serdes import Serde
from aliran.storage.state.buffered import RecordContext
from aliran.storage.state.change_buffer import CHANGELOG_HEADERS, ChangeBuffer
from aliran.streams.engine.buffers import ChangelogBuffer
from aliran.streams.engine.timed_tables import Forward, forward_nothing
from aliran.streams.errors import StreamsError
from aliran.streams.plan.window_operators import MAX_TIME, Suppress


class Origins(Protocol):
    """Knows where records come from."""

    override: RecordContext | None

    @property
    def origin(self) -> tuple[str, int, int]:
        """Topic, partition and offset of the record that the current one comes from."""
        ...

    @property
    def raw(self) -> tuple[bytes | None, bytes | None]:
        """Its key and value as read."""
        ...


class SuppressTable:
    """The buffer of one suppression, with its serdes and its changelog.

    Args:
        buffer: The bytes.
        serdes: Of the table's keys and values.
        changelog: Where the buffer is logged, at each commit; None for nowhere.

    Attributes:
        now_ms: Gives the wall-clock time; the engine sets the application's.
    """

    caching = False

    def __init__(
        self,
        buffer: ChangeBuffer,
        serdes: tuple[Serde[Any], Serde[Any]],
        changelog: ChangelogBuffer | None,
    ) -> None:
        self.name: str = buffer.name
        self.buffer = buffer
        self.now_ms: Callable[[], int] = SystemClock().time_ms
        self.key_serde: Serde[Any] = serdes[0]
        self.value_serde: Serde[Any] = serdes[1]
        self._changelog = changelog

    def restored(self) -> None:
        """Do nothing: the buffer is as its changelog says."""

    def close(self) -> None:
        """Do nothing: the buffer goes with its task."""

    def prior_value(self, key: Any) -> tuple[bool, Any]:
        """Return whether a key is held back, and the value that it had before."""
        held_back, value = self.buffer.prior_value(self.key_serde.serializer(key))
        return held_back, self.value_serde.deserialize(value)

    def flush(self) -> None:
        """Log what came and went since the last commit."""
        for key, value in self.buffer.take_changes():
            if self._changelog is not None:
                headers = None if value is None else CHANGELOG_HEADERS
                # Kafka leaves the time of these records to the producer: the wall clock's.
                self._changelog.append(key, value, self.now_ms(), headers)


class Suppressor:
    """A suppressing node in one task.

    Args:
        name: Name of the node.
        spec: What it lets go, and when.
        table: Its buffer.
        origins: The task, which knows where records come from.

    Attributes:
        forward: Runs an update through what is downstream; set by the engine.
    """

    def __init__(self, name: str, spec: Suppress, table: SuppressTable, origins: Origins) -> None:
        self.forward: Forward = forward_nothing
        self._name = name
        self._spec = spec
        self._table = table
        self._origins = origins
        self._stream_time = -1
        self._max_records = MAX_TIME if spec.max_records is None else spec.max_records
        self._max_bytes = MAX_TIME if spec.max_bytes is None else spec.max_bytes

    def process(self, key: Any, value: Any, time: int, headers: Headers | None, old: Any) -> None:
        """Hold an update back, and let go what is due.

        Raises:
            StreamsError: The buffer is full, and is not to emit early.
        """
        if time > self._stream_time:
            self._stream_time = time
        table, spec = self._table, self._spec
        serialize, buffer = table.value_serde.serialize, table.buffer
        topic, partition, offset = self._origins.origin
        buffer.put(
            table.key_serde.serializer(key),
            key.end_ms if spec.window_close else time,
            serialize(old),
            serialize(value),
            RecordContext(time, offset, topic, partition, tuple(headers or ()), self._origins.raw),
        )
        due = self._stream_time - spec.wait_ms
        while buffer.min_time <= due:
            self._let_go()
        while self._is_full():
            if spec.shut_down_when_full:
                raise StreamsError(
                    f"the buffer of {self._name!r} is full: it holds {len(buffer)} records "
                    f"(at most {spec.max_records}) and {buffer.size_bytes} bytes (at most "
                    f"{spec.max_bytes}). Give it more room, or let it emit early"
                )
            self._let_go()

    def _is_full(self) -> bool:
        buffer = self._table.buffer
        return len(buffer) > self._max_records or buffer.size_bytes > self._max_bytes

    def _let_go(self) -> None:
        """Forward the update that is due first; until that is done it can be looked up."""
        table, origins = self._table, self._origins
        change = table.buffer.first()
        if change is None:
            return
        buffered = change.value
        if buffered.new is not None or not self._spec.window_close:
            key = table.key_serde.deserialize(change.key)
            deserialize, context = table.value_serde.deserialize, buffered.context
            before, origins.override = origins.override, context
            try:
                self.forward(
                    key,
                    deserialize(buffered.new),
                    context.timestamp,
                    context.headers or None,
                    deserialize(buffered.old),
                )
            finally:
                origins.override = before
        table.buffer.remove_first()
