"""Source offsets that all workers share. Kafka: `KafkaOffsetBackingStore`."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from aliran.connectors.distributed.topic_log import TopicLog
from aliran.connectors.runtime.cluster import Cluster
from aliran.connectors.runtime.offsets import Offset, OffsetTable, Partition, encode_value


class SharedOffsetStore:
    """Offsets in a compacted topic that is followed.

    Args:
        cluster: Where the topic is.
        topic: Its name.
        partitions: How many partitions a new one has.
        replication: How many replicas.

    Raises:
        ConnectError: It cannot be made or reached.
    """

    def __init__(self, cluster: Cluster, topic: str, partitions: int, replication: int) -> None:
        self._table = OffsetTable()
        self._lock = threading.Lock()
        self._log = TopicLog(cluster, topic, partitions, replication, self._apply)

    @property
    def topic(self) -> str:
        """The topic."""
        return self._log.topic

    def note(self, connector: str, offsets: Iterable[tuple[Partition, Offset]]) -> None:
        """Take note of offsets that a task has written itself."""
        with self._lock:
            self._table.take(connector, offsets)

    def start(self) -> None:
        """Read to the end, then follow."""
        self._log.start()

    def refresh(self) -> None:
        """Wait until everything that others have written was read.

        Raises:
            ConnectError: It takes too long.
        """
        self._log.read_to_end()

    def _apply(self, key: bytes | None, value: bytes | None, _offset: int) -> None:
        with self._lock:
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
        """Write offsets; when this returns, the broker has them.

        Raises:
            ConnectError: They could not be written.
        """
        with self._lock:
            rows = [
                (
                    self._table.key_of(connector, partition),
                    None if offset is None else encode_value(offset),
                )
                for partition, offset in offsets
            ]
        self._log.write(rows, wait=False)
        with self._lock:
            for key, value in rows:
                self._table.apply(key, value)

    def close(self) -> None:
        """Stop following."""
        self._log.close()
