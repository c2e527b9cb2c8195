"""Source offsets: where each part of a source goes on, by connector.

Kafka: `OffsetBackingStore`, `FileOffsetBackingStore`, `KafkaOffsetBackingStore`. Keys and values
have Kafka's form: `["connector",{…partition…}]` → `{…offset…}`, JSON without schemas; null forgets.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
)
from confluent_kafka import TopicPartition as KafkaPartition

from aliran.connectors.errors import ConnectError
from aliran.connectors.runtime import java_map
from aliran.connectors.runtime.cluster import TIMEOUT_S, Cluster

_NOT_YET = {  # librdkafka calls them retriable in transactions alone
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
}

Partition: TypeAlias = Mapping[str, Any]
Offset: TypeAlias = Mapping[str, Any]


class OffsetStore(Protocol):
    """Keeps offsets."""

    def get(self, connector: str, partition: Partition) -> dict[str, Any] | None:
        """Return an offset, None for none."""
        ...

    def all(self, connector: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Return all partitions and offsets of a connector."""
        ...

    def put(self, connector: str, offsets: Iterable[tuple[Partition, Offset | None]]) -> None:
        """Keep offsets, None to forget; when this returns they survive kill -9.

        Raises:
            ConnectError: They could not be written.
        """
        ...

    def note(self, connector: str, offsets: Iterable[tuple[Partition, Offset]]) -> None:
        """Take note of offsets that a task has written to the topic itself, in a transaction."""
        ...

    @property
    def topic(self) -> str | None:
        """The topic that they are in, None for none."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


def encode_key(connector: str, partition: Partition) -> bytes:
    """Return the key of a row."""
    return encode_value([connector, partition])


def encode_value(value: Any) -> bytes:
    """Return the value of a row."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


class OffsetTable:
    """Rows by what they mean: a map in a key may come in any order."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[bytes, bytes]] = {}

    @staticmethod
    def _meaning(connector: str, partition: Partition) -> str:
        return json.dumps([connector, partition], sort_keys=True)

    def apply(self, key: bytes | None, value: bytes | None) -> None:
        """Take a row over; what is none of ours is passed over."""
        try:
            connector, partition = json.loads(key or b"")
            meaning = self._meaning(connector, partition)
        except (ValueError, TypeError):
            return
        if value is None or value == b"null":
            self._rows.pop(meaning, None)
        else:
            self._rows[meaning] = (key or b"", value)

    def key_of(self, connector: str, partition: Partition) -> bytes:
        """Return the bytes under which a partition is known, so that it is not there twice."""
        known = self._rows.get(self._meaning(connector, partition))
        return known[0] if known else encode_key(connector, partition)

    def get(self, connector: str, partition: Partition) -> dict[str, Any] | None:
        """Return an offset."""
        known = self._rows.get(self._meaning(connector, partition))
        return None if known is None else json.loads(known[1])

    def all(self, connector: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Return the rows of a connector."""
        rows = [(json.loads(key), json.loads(value)) for key, value in self._rows.values()]
        return [(key[1], value) for key, value in rows if key[0] == connector]

    def take(self, connector: str, offsets: Iterable[tuple[Partition, Offset | None]]) -> None:
        """Take offsets over."""
        for partition, offset in offsets:
            value = None if offset is None else encode_value(offset)
            self.apply(self.key_of(connector, partition), value)

    def rows(self) -> dict[bytes, bytes]:
        """Return all rows as bytes."""
        return dict(self._rows.values())


class FileOffsetStore:
    """Offsets in one file, in the format of Kafka's standalone worker (a Java `HashMap`).

    Args:
        path: The file; made when there is something to keep.

    Raises:
        ConnectError: The file cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._table = OffsetTable()
        self._lock = threading.Lock()
        try:
            found = java_map.load(self._path.read_bytes()) if self._path.is_file() else {}
        except (OSError, java_map.FormatError) as error:
            raise ConnectError(
                f"offset.storage.file.filename={path} cannot be read: {error}; move it away to "
                "start every source from its beginning"
            ) from error
        for key, value in found.items():
            self._table.apply(key, value)

    def get(self, connector: str, partition: Partition) -> dict[str, Any] | None:
        """Return an offset, None for none."""
        with self._lock:
            return self._table.get(connector, partition)

    def all(self, connector: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Return all partitions and offsets of a connector."""
        with self._lock:
            return self._table.all(connector)

    def put(self, connector: str, offsets: Iterable[tuple[Partition, Offset | None]]) -> None:
        """Keep offsets: a new file takes the place of the old one."""
        with self._lock:
            self._table.take(connector, offsets)
            beside = self._path.with_name(self._path.name + ".new")
            try:
                with open(beside, "wb") as file:
                    file.write(java_map.dump(self._table.rows()))
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(beside, self._path)
            except OSError as error:
                raise ConnectError(f"offsets cannot be written to {self._path}: {error}") from error

    def note(self, connector: str, offsets: Iterable[tuple[Partition, Offset]]) -> None:
        """Keep offsets as well that are in a topic."""
        self.put(connector, offsets)

    @property
    def topic(self) -> None:
        """None: they are in a file."""

    def close(self) -> None:
        """Do nothing: everything is on disk."""


def make_offset_topic(
    cluster: Cluster, topic: str, partitions: int = 25, replication: int = 3
) -> None:
    """Make a topic for offsets if it is not there.

    Raises:
        ConnectError: It cannot be made.
    """
    cluster.ensure_topic(topic, partitions, replication, {"cleanup.policy": "compact"})


def read_offsets(cluster: Cluster, topic: str) -> OffsetTable:
    """Read a topic with offsets to its end: only what was committed, and all that has been.

    A transaction of somebody else that is still open is waited for: behind it there may be rows.

    Raises:
        ConnectError: It cannot be read, or not in time.
    """
    table = OffsetTable()
    consumer = cluster.consumer("aliran-connect-offsets", {"enable.partition.eof": "true"})
    ends = cluster.consumer("aliran-connect-offsets", {"isolation.level": "read_uncommitted"})
    try:
        known = consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic]
        left = {number: _end(ends, KafkaPartition(topic, number)) for number in known.partitions}
        consumer.assign([KafkaPartition(topic, one, OFFSET_BEGINNING) for one in left])
        deadline = time.monotonic() + 10 * TIMEOUT_S
        while left:
            if time.monotonic() > deadline:
                raise ConnectError(
                    f"the offsets in topic {topic!r} cannot be read in time; a transaction that "
                    "stays open there may be in the way"
                )
            for message in consumer.consume(500, timeout=0.1):  # it waits for all 500
                error = message.error()
                if error is None:
                    table.apply(message.key(), message.value())
                elif error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001
                    raise KafkaException(error)
                elif (message.offset() or 0) >= left.get(message.partition() or 0, 0):
                    left.pop(message.partition() or 0, None)
    except KafkaException as error:
        raise ConnectError(
            f"the offsets in topic {topic!r} cannot be read: {error.args[0].str()}"
        ) from error
    finally:
        consumer.close()
        ends.close()
    return table


def _end(consumer: Consumer, partition: KafkaPartition) -> int:
    """Return where a partition ends; it may be so new that it has no leader yet."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            return int(consumer.get_watermark_offsets(partition, timeout=TIMEOUT_S)[1])
        except KafkaException as error:
            if error.args[0].code() not in _NOT_YET or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


class TopicOffsetStore:
    """Offsets in a compacted topic. Read as a whole at the start; nobody else may write it.

    Args:
        cluster: Where the topic is.
        topic: Its name; made with 25 partitions, as Kafka makes it, if it is not there.
        partitions: How many partitions a new topic has.
        replication: How many replicas.

    Raises:
        ConnectError: It cannot be made or read.
    """

    def __init__(
        self, cluster: Cluster, topic: str, partitions: int = 25, replication: int = 3
    ) -> None:
        self._topic = topic
        self._lock = threading.Lock()
        make_offset_topic(cluster, topic, partitions, replication)
        self._producer: Producer = cluster.producer()
        self._table = read_offsets(cluster, topic)

    @property
    def topic(self) -> str:
        """The topic."""
        return self._topic

    def note(self, connector: str, offsets: Iterable[tuple[Partition, Offset]]) -> None:
        """Take note of offsets that a task has written itself."""
        with self._lock:
            self._table.take(connector, offsets)

    def get(self, connector: str, partition: Partition) -> dict[str, Any] | None:
        """Return an offset, None for none."""
        with self._lock:
            return self._table.get(connector, partition)

    def all(self, connector: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Return all partitions and offsets of a connector."""
        with self._lock:
            return self._table.all(connector)

    def put(self, connector: str, offsets: Iterable[tuple[Partition, Offset | None]]) -> None:
        """Write offsets, and return when the broker has them."""
        failures: list[KafkaError] = []

        def delivered(error: KafkaError | None, _message: Message[bytes, bytes]) -> None:
            if error is not None:
                failures.append(error)

        with self._lock:
            rows = [
                (
                    self._table.key_of(connector, partition),
                    None if offset is None else encode_value(offset),
                )
                for partition, offset in offsets
            ]
            for key, value in rows:
                self._producer.produce(self._topic, value, key, on_delivery=delivered)
            left = self._producer.flush(TIMEOUT_S)
            if failures or left:
                why = failures[0].str() if failures else "no answer in time"
                raise ConnectError(f"offsets cannot be written to {self._topic!r}: {why}")
            for key, value in rows:
                self._table.apply(key, value)

    def close(self) -> None:
        """Let go of the producer."""
        self._producer.flush(1)
