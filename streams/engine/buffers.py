"""Where a task's output gathers, in columns, until the runtime sends it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any

from aliran.core.types import Columns, Headers
from aliran.protocol.partitioner import partition_for_key
from aliran.serdes import Serde
from aliran.streams.errors import StreamsError
from aliran.streams.plan.naming import check_name

_PARTITION_CACHE_SIZE = 100_000
"""Keys whose partition is remembered: hashing one in Python costs twenty times a look-up."""


class ChangelogBuffer:
    """Updates of one store on their way to one partition of its changelog."""

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self._keys: list[bytes | None] = []
        self._values: list[bytes | None] = []
        self._timestamps: list[int] = []
        self._headers: dict[int, Headers] = {}

    def extend(self, keys: list[bytes], values: list[bytes | None], timestamps: list[int]) -> None:
        """Add updates; a None value deletes."""
        self._keys += keys
        self._values += values
        self._timestamps += timestamps

    def append(
        self, key: bytes, value: bytes | None, timestamp: int, headers: Headers | None = None
    ) -> None:
        """Add one update; few stores log headers."""
        if headers:
            self._headers[len(self._keys)] = headers
        self._keys.append(key)
        self._values.append(value)
        self._timestamps.append(timestamp)

    def drain(self) -> Iterator[Columns]:
        """Hand over what has gathered."""
        if self._keys:
            yield Columns(
                self.topic,
                self.partition,
                (),
                self._keys,
                self._values,
                self._timestamps,
                _headers_column(self._headers, len(self._keys)),
            )
            self._keys, self._values, self._timestamps, self._headers = [], [], [], {}


class _NotingKeys(list[bytes | None]):
    """Keys of a sink that say when the first of them arrives."""

    def __init__(self, note: Callable[[], None]) -> None:
        super().__init__()
        self._note = note

    def append(self, key: bytes | None) -> None:
        """Add a key."""
        if not self:
            self._note()
        super().append(key)


class SinkBuffer:
    """Records on their way to one topic, partitioned by key when they are drained.

    Generated code appends to `keys`, `values` and `timestamps` and sets `headers[index]`, so these
    four are never replaced.

    Args:
        topic: The full name of the topic.
        partition_count: How many partitions it has.
        key_suffix_bytes: Bytes at the end of a key that have no say in its partition: 8 for the
            start in windowed keys, which are partitioned by the key inside.
    """

    is_static = True

    def __init__(self, topic: str, partition_count: int, key_suffix_bytes: int = 0) -> None:
        self.topic = topic
        self.keys: list[bytes | None] = []
        self.values: list[bytes | None] = []
        self.timestamps: list[int] = []
        self.headers: dict[int, Headers] = {}
        self._partition_count = partition_count
        self._suffix = key_suffix_bytes
        self._partitions: dict[bytes, int] = {}
        self._next_keyless = 0

    def note_first(self, note: Callable[[SinkBuffer], None]) -> None:
        """Have `note(self)` called whenever the buffer turns from empty to not; before any use."""
        self.keys = _NotingKeys(partial(note, self))

    def drain(self) -> Iterator[Columns]:
        """Hand over what has gathered, a batch for each partition."""
        if not self.keys:
            return
        headers = _headers_column(self.headers, len(self.keys))
        if self._partition_count == 1:
            yield Columns(self.topic, 0, (), self.keys, self.values, self.timestamps, headers)
        else:
            yield from self._split(headers)
        self.keys.clear()
        self.values.clear()
        self.timestamps.clear()
        self.headers.clear()

    def _split(self, headers: list[Headers] | None) -> Iterator[Columns]:
        partition_of, known = self.partition_of, self._partitions
        partitions = [
            partition if (partition := known.get(key)) is not None else partition_of(key)  # type: ignore[arg-type]
            for key in self.keys
        ]
        self._next_keyless += 1
        batches = {
            partition: Columns(
                self.topic, partition, (), [], [], [], None if headers is None else []
            )
            for partition in sorted(set(partitions))
        }
        for partition, batch in batches.items():
            chosen = [index for index, p in enumerate(partitions) if p == partition]
            batch.keys = [self.keys[index] for index in chosen]
            batch.values = [self.values[index] for index in chosen]
            batch.timestamps = [self.timestamps[index] for index in chosen]
            if headers is not None:
                batch.headers = [headers[index] for index in chosen]
            yield batch

    def partition_of(self, key: bytes | None) -> int:
        """Return the partition of a key."""
        if key is None:  # as Kafka's sticky partitioner: one partition a batch, then the next
            return self._next_keyless % self._partition_count
        inner = key[: -self._suffix] if self._suffix else key
        partition = partition_for_key(inner, self._partition_count)
        if len(self._partitions) >= _PARTITION_CACHE_SIZE:
            self._partitions.clear()
        self._partitions[key] = partition
        return partition


class RoutedSink:
    """A sink whose topic or partition is chosen for each record by a function of the user's.

    Args:
        topic: A topic, or `topic(key, value)` / `topic(key, value, context)` giving one.
        partitioner: `partitioner(topic, key, value, partition_count)` giving a partition, several
            (none to drop the record), or None for Kafka's partitioner.
        serdes: Of key and value.
        open_buffer: Gives the SinkBuffer of a topic and partition (None: by key).
        context: Gives the `RecordMetadata` handed to a `topic` that takes three arguments.

    Attributes:
        guard: Called with an error of a serialiser and the record; None lets it pass.
        on_drop: Called for each record that the partitioner sends nowhere.
    """

    is_static = False

    def __init__(
        self,
        topic: str | Callable[..., str],
        partitioner: Callable[..., int | Collection[int] | None] | None,
        serdes: tuple[Serde[Any] | None, Serde[Any] | None],
        open_buffer: Callable[[str, int | None], SinkBuffer],
        partition_count: Callable[[str], int],
        context: Any,
    ) -> None:
        self._topic = topic
        self._partitioner = partitioner
        self._key_serde, self._value_serde = serdes
        self._open_buffer = open_buffer
        self._partition_count = partition_count
        self._context = context
        self._passes_context = callable(topic) and _takes(topic, 3)
        self._chosen: set[str] = set()
        self.guard: Callable[..., None] | None = None
        self.on_drop: Callable[[], None] = _do_nothing

    def send(self, key: Any, value: Any, timestamp: int, headers: Headers | None) -> None:
        """Serialise a record and put it into the buffers of its topic and partitions."""
        topic = self._topic_of(key, value, timestamp, headers)
        partitions = self._partitions_of(topic, key, value)
        try:
            raw_key = self._key_serde.serialize(key) if self._key_serde else key
            raw_value = self._value_serde.serialize(value) if self._value_serde else value
        except Exception as error:
            if self.guard is None:
                raise
            self.guard(error, key, value, timestamp, headers, topic)
            return
        for partition in partitions:
            buffer = self._open_buffer(topic, partition)
            if partition is None and self._partitioner is not None and raw_key is not None:
                # In one buffer with what the partitioner sends there: they keep their order.
                buffer = self._open_buffer(topic, buffer.partition_of(raw_key))
            if headers:
                buffer.headers[len(buffer.keys)] = headers
            buffer.keys.append(raw_key)
            buffer.values.append(raw_value)
            buffer.timestamps.append(timestamp)

    def _partitions_of(self, topic: str, key: Any, value: Any) -> Collection[int | None]:
        """Return the partitions a record goes to, None for the one of its key (KIP-837)."""
        if self._partitioner is None:
            return (None,)
        count = self._partition_count(topic)
        chosen = self._partitioner(topic, key, value, count)
        if chosen is None or isinstance(chosen, int):
            found: Collection[int | None] = (chosen,)
        else:
            found = sorted(set(chosen))
        if not found:
            self.on_drop()
        for partition in found:
            if partition is not None and partition not in range(count):
                raise StreamsError(
                    f"the partitioner returned {partition!r} for topic {topic!r}, which has the "
                    f"partitions 0 to {count - 1}: return one of these, a list of them (empty to "
                    "drop the record), or None to go by the key"
                )
        return found

    def _topic_of(self, key: Any, value: Any, timestamp: int, headers: Headers | None) -> str:
        if isinstance(self._topic, str):
            return self._topic
        if self._passes_context:
            # Read where it was read, but with the time and the headers that it has now.
            read = self._context.record_metadata()._replace(
                timestamp=timestamp, headers=headers or ()
            )
            topic = self._topic(key, value, read)
        else:
            topic = self._topic(key, value)
        if not isinstance(topic, str) or topic not in self._chosen:
            self._chosen.add(check_name(topic, "the topic that a function chose for a record"))
        return topic


class PartitionBuffer(SinkBuffer):
    """A sink buffer whose records all go to one partition that a partitioner chose."""

    def __init__(self, topic: str, partition: int) -> None:
        super().__init__(topic, 1)
        self._partition = partition

    def drain(self) -> Iterator[Columns]:
        """Hand over what has gathered."""
        for columns in super().drain():
            columns.partition = self._partition
            yield columns


def _do_nothing() -> None:
    pass


def _headers_column(headers: dict[int, Headers], length: int) -> list[Headers] | None:
    """Return the headers of each record, given those of the few that have any."""
    if not headers:
        return None
    get = headers.get
    return [get(index, ()) for index in range(length)]


def _takes(function: Callable[..., Any], positional: int) -> bool:
    """Tell whether `function` can be called with that many positional arguments."""
    try:
        inspect.signature(function).bind(*range(positional))
    except (TypeError, ValueError):
        return False
    return True
