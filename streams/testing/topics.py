"""How a test writes to and reads from the topics of a `TopologyTestDriver`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from aliran.core.durations import Duration, to_ms
from aliran.core.types import Headers
from aliran.streams.errors import StreamsError
from aliran.streams.processor import KeyValue, Record
from aliran.streams.runtime.context import check_record

if TYPE_CHECKING:
    from aliran.serdes import Serde
    from aliran.streams.testing.driver import TopologyTestDriver

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")

_NOTHING: Any = object()


class NoSuchElementError(StreamsError, LookupError):
    """There is nothing (more) to read. Kafka's topics throw `NoSuchElementException`."""


@dataclass(frozen=True, slots=True)
class TestRecord(Generic[K, V]):
    """A record to pipe in. Kafka: `TestRecord`; what is read is a `Record`.

    Attributes:
        key: The key, or None.
        value: The value, or None.
        timestamp: Milliseconds since the epoch; None takes the topic's clock.
        headers: Pairs of name and bytes.
    """

    __test__ = False  # pytest: not a test case

    key: K
    value: V
    timestamp: int | None = None
    headers: Headers = ()


class TestInputTopic(Generic[K, V]):
    """Pipes records into one topic. Kafka: `TestInputTopic`.

    It has a clock of its own, which gives records their time that come without one, and moves on
    with each of these.
    """

    __test__ = False  # pytest: not a test case

    def __init__(
        self,
        driver: TopologyTestDriver,
        topic: str,
        serdes: tuple[Serde[K], Serde[V]],
        start_ms: int,
        auto_advance_ms: int,
    ) -> None:
        if auto_advance_ms < 0:
            raise StreamsError(f"auto_advance must not be negative, got {auto_advance_ms} ms")
        self._driver = driver
        self._topic = topic
        self._key_serde, self._value_serde = serdes
        self._time_ms = start_ms
        self._auto_advance_ms = auto_advance_ms

    def advance_time(self, duration: Duration) -> None:
        """Move the time of the next record piped without one.

        Raises:
            StreamsError: The duration is negative.
        """
        duration_ms = to_ms(duration)
        if duration_ms < 0:
            raise StreamsError(f"advance_time takes what is not negative, got {duration!r}")
        self._time_ms += duration_ms

    @overload
    def pipe_input(self, record: Record[K, V] | TestRecord[K, V], /) -> None: ...
    @overload
    def pipe_input(
        self, value: V | None, /, *, timestamp_ms: int | None = None, headers: Headers = ()
    ) -> None: ...
    @overload
    def pipe_input(
        self,
        key: K | None,
        value: V | None,
        timestamp_ms: int | None = None,
        headers: Headers = (),
        *,
        partition: int | None = None,
    ) -> None: ...
    def pipe_input(
        self,
        key: Any,
        value: Any = _NOTHING,
        timestamp_ms: int | None = None,
        headers: Headers = (),
        *,
        partition: int | None = None,
    ) -> None:
        """Pipe one record: a record, a value without key, or a key and its value.

        Args:
            key: The record's key; or all of a record; or a value, where it stands alone.
            value: Its value; None for a tombstone.
            timestamp_ms: Its time; None takes the topic's clock and moves it on.
            headers: Its headers.
            partition: Where it goes, with a driver of several partitions; by default where the
                hash of its key leads, without a key to the first one.

        Raises:
            StreamsError: The topology does not read the topic, or its time or its headers are
                those of no record.
            ProcessingError: The record could not be processed.
        """
        if value is _NOTHING:
            if isinstance(key, Record | TestRecord):
                self.pipe_record(key)
                return
            key, value = None, key
        if timestamp_ms is None:
            timestamp_ms = self._time_ms
            self._time_ms += self._auto_advance_ms
        check_record(f"topic {self._topic!r} is given", Record(key, value, timestamp_ms, headers))
        self._driver.pipe_raw(
            self._topic,
            self._written(self._key_serde, "key", key),
            self._written(self._value_serde, "value", value),
            timestamp_ms,
            headers,
            partition=partition,
        )

    def pipe_record(self, record: Record[K, V] | TestRecord[K, V]) -> None:
        """Pipe one record with its own time and headers."""
        self.pipe_input(record.key, record.value, record.timestamp, record.headers)

    def pipe_key_value_list(
        self,
        pairs: Iterable[tuple[K | None, V | None]],
        start_ms: int | None = None,
        advance: Duration = 0,
    ) -> None:
        """Pipe pairs of key and value, `advance` apart from `start_ms` on."""
        for index, (key, value) in enumerate(pairs):
            time_ms = None if start_ms is None else start_ms + index * to_ms(advance)
            self.pipe_input(key, value, time_ms)

    def pipe_value_list(
        self, values: Iterable[V | None], start_ms: int | None = None, advance: Duration = 0
    ) -> None:
        """Pipe values without keys."""
        self.pipe_key_value_list(((None, value) for value in values), start_ms, advance)

    def pipe_record_list(self, records: Iterable[Record[K, V] | TestRecord[K, V]]) -> None:
        """Pipe records with their own times and headers."""
        for record in records:
            self.pipe_record(record)

    def __repr__(self) -> str:
        return f"TestInputTopic({self._topic!r}, key={self._key_serde}, value={self._value_serde})"

    def _written(self, serde: Serde[Any], part: str, data: Any) -> bytes | None:
        try:
            return serde.serialize(data)
        except Exception as error:
            raise StreamsError(
                f"{serde} cannot write the {part} {data!r} for topic {self._topic!r} ({error}): "
                f"give create_input_topic({part}=...) the type of what you pipe"
            ) from error


class TestOutputTopic(Generic[K, V]):
    """Reads what a topology wrote to one topic. Kafka: `TestOutputTopic`."""

    __test__ = False  # pytest: not a test case

    def __init__(
        self, driver: TopologyTestDriver, topic: str, serdes: tuple[Serde[K], Serde[V]]
    ) -> None:
        self._driver = driver
        self._topic = topic
        self._key_serde, self._value_serde = serdes

    def is_empty(self) -> bool:
        """Return whether nothing is left to read."""
        return self.queue_size() == 0

    def queue_size(self) -> int:
        """Return how many records are left to read. Kafka: `getQueueSize`."""
        return self._driver.queue_size(self._topic)

    def read_record(self) -> Record[K, V]:
        """Return the oldest record not read yet.

        Raises:
            NoSuchElementError: There is none; the message says what was written.
            StreamsError: It cannot be read with the topic's serdes.
        """
        return self.read_record_and_partition()[0]

    def read_record_and_partition(self) -> tuple[Record[K, V], int]:
        """Return the oldest record not read yet, and its partition. Not in Kafka.

        Raises:
            NoSuchElementError: There is none.
        """
        found = self._driver.read_raw_and_partition(self._topic)
        if found is None:
            written = self._driver.produced_topic_names()
            if self._topic in written:
                raise NoSuchElementError(f"all records of topic {self._topic!r} have been read")
            raise NoSuchElementError(
                f"nothing was written to topic {self._topic!r}; topics written so far: "
                f"{', '.join(sorted(written)) or 'none'}"
            )
        raw, partition = found
        # A null is whatever the test expects there: it knows which rows are tombstones.
        key: K = self._read(self._key_serde, "key", raw.key)
        value: V = self._read(self._value_serde, "value", raw.value)
        return Record(key, value, raw.timestamp, raw.headers), partition

    def read_key_value(self) -> KeyValue[K, V]:
        """Return key and value of the oldest record not read yet."""
        record = self.read_record()
        return KeyValue(record.key, record.value)

    def read_value(self) -> V:
        """Return the value of the oldest record not read yet."""
        return self.read_record().value

    def read_records_to_list(self) -> list[Record[K, V]]:
        """Return all records left."""
        return self._all(self.read_record)

    def read_key_values_to_list(self) -> list[KeyValue[K, V]]:
        """Return keys and values of all records left."""
        return self._all(self.read_key_value)

    def read_key_values_to_map(self) -> dict[K, V]:
        """Return the last value of each key among the records left.

        Raises:
            StreamsError: A record has no key.
        """
        pairs = self.read_key_values_to_list()
        if any(key is None for key, _ in pairs):
            raise StreamsError(
                f"a record of topic {self._topic!r} has no key, so there is no dict of them: use "
                "read_key_values_to_list()"
            )
        return dict(pairs)

    def read_values_to_list(self) -> list[V]:
        """Return the values of all records left."""
        return self._all(self.read_value)

    def read_records_by_partition(self) -> dict[int, list[Record[K, V]]]:
        """Return all records left, in lists by their partition. Not in Kafka."""
        found: dict[int, list[Record[K, V]]] = {}
        for record, partition in self._all(self.read_record_and_partition):
            found.setdefault(partition, []).append(record)
        return found

    def __repr__(self) -> str:
        return (
            f"TestOutputTopic({self._topic!r}, key={self._key_serde}, value={self._value_serde}, "
            f"{self.queue_size()} records)"
        )

    def _all(self, read: Callable[[], T]) -> list[T]:
        return [read() for _ in range(self.queue_size())]

    def _read(self, serde: Serde[Any], part: str, data: bytes | None) -> Any:
        try:
            return serde.deserialize(data)
        except Exception as error:
            raise StreamsError(
                f"{serde} cannot read the {part} {data!r} of topic {self._topic!r} ({error}): give "
                f"create_output_topic({part}=...) the type that the topology wrote"
            ) from error
