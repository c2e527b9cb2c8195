"""A compacted topic that is followed from its beginning. Kafka: `KafkaBasedLog`.

One thread reads for ever; whoever has written, or must know what others wrote, waits until it has
come to the end.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable

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
from aliran.connectors.runtime.cluster import TIMEOUT_S, Cluster

logger: logging.Logger = logging.getLogger("aliran.connectors")

_POLL_S = 0.1
_BATCH = 500


class TopicLog:
    """Reads a topic and writes to it.

    Args:
        cluster: Where it is.
        topic: Its name; made, compacted, if it is not there.
        partitions: How many partitions a new one has.
        replication: How many replicas.
        apply: Takes over a record: key, value, offset. Called on the reader's thread, in the order
            of each partition.

    Raises:
        ConnectError: It cannot be made or reached.
    """

    def __init__(
        self,
        cluster: Cluster,
        topic: str,
        partitions: int,
        replication: int,
        apply: Callable[[bytes | None, bytes | None, int], None],
    ) -> None:
        self.topic: str = topic
        self._apply = apply
        cluster.ensure_topic(topic, partitions, replication, {"cleanup.policy": "compact"})
        self._producer: Producer = cluster.producer()
        self._consumer: Consumer = cluster.consumer(
            f"aliran-connect-{topic}",
            {"isolation.level": "read_committed", "enable.partition.eof": "true"},
        )
        self._admin: Consumer = cluster.consumer(f"aliran-connect-{topic}")
        known = self._consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic]
        self._positions = dict.fromkeys(known.partitions, 0)
        self._moved = threading.Condition()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=f"aliran-{topic}", daemon=True)

    @property
    def partitions(self) -> int:
        """How many partitions the topic has."""
        return len(self._positions)

    def start(self) -> None:
        """Begin to read; returns when the end has been reached.

        Raises:
            ConnectError: It cannot be read in time.
        """
        self._consumer.assign(
            [KafkaPartition(self.topic, number, OFFSET_BEGINNING) for number in self._positions]
        )
        self._thread.start()
        self.read_to_end(10 * TIMEOUT_S)

    def read_to_end(self, timeout_s: float = TIMEOUT_S) -> None:
        """Wait until all that is in the topic now has been taken over.

        Raises:
            ConnectError: It does not come to that in time.
        """
        deadline = time.monotonic() + timeout_s
        try:
            ends = {
                number: self._admin.get_watermark_offsets(
                    KafkaPartition(self.topic, number), timeout=timeout_s
                )
                for number in self._positions
            }
        except KafkaException as error:
            raise ConnectError(
                f"the end of topic {self.topic!r} cannot be found: {error.args[0].str()}"
            ) from error
        wanted = {number: end[1] for number, end in ends.items() if end and end[1] > end[0]}

        def there() -> bool:
            return all(self._positions[number] >= end for number, end in wanted.items())

        with self._moved:
            if not self._moved.wait_for(there, max(deadline - time.monotonic(), 0)):
                raise ConnectError(
                    f"topic {self.topic!r} was not read to its end within {timeout_s:.0f} s"
                )

    def send(self, key: bytes, value: bytes | None) -> None:
        """Write a record, without waiting; a failure is logged."""
        self._produce(key, value, self._logged)
        self._producer.poll(0)

    def write(self, rows: Iterable[tuple[bytes, bytes | None]], *, wait: bool = True) -> None:
        """Write records; when this returns, the broker has them.

        Args:
            rows: Keys and values.
            wait: Whether to wait until they were taken over here, too.

        Raises:
            ConnectError: It does not take them.
        """
        failures: list[str] = []

        def delivered(error: KafkaError | None, _message: Message[bytes, bytes]) -> None:
            if error is not None:
                failures.append(error.str())

        for key, value in rows:
            self._produce(key, value, delivered)
        left = self._producer.flush(TIMEOUT_S)
        if failures or left:
            why = failures[0] if failures else "no answer in time"
            raise ConnectError(f"topic {self.topic!r} cannot be written: {why}")
        if wait:
            self.read_to_end()

    def _produce(
        self,
        key: bytes,
        value: bytes | None,
        delivered: Callable[[KafkaError | None, Message[bytes, bytes]], None],
    ) -> None:
        try:
            self._producer.produce(self.topic, value, key, on_delivery=delivered)
        except (BufferError, KafkaException) as error:
            raise ConnectError(f"topic {self.topic!r} cannot be written: {error}") from error

    def _logged(self, error: KafkaError | None, message: Message[bytes, bytes]) -> None:
        if error is not None:
            logger.warning("%s: %r was not written: %s", self.topic, message.key(), error.str())

    def close(self) -> None:
        """Stop reading, write what waits. Idempotent."""
        if self._closing.is_set():
            return
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()
        self._producer.flush(5)
        self._consumer.close()
        self._admin.close()

    # ------------------------------------------------------------------ the thread

    def _follow(self) -> None:
        while not self._closing.is_set():
            try:
                first = self._consumer.poll(_POLL_S)
                self._producer.poll(0)
                if first is not None:
                    self._take([first, *self._consumer.consume(_BATCH, 0)])
            except Exception:
                logger.exception("topic %r could not be read; it is tried again", self.topic)
                self._closing.wait(1)

    def _take(self, messages: list[Message[bytes, bytes]]) -> None:
        reached: dict[int, int] = {}
        for message in messages:
            error, offset = message.error(), message.offset() or 0
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                    # Behind markers and what compaction took away there may be no record.
                    reached[message.partition() or 0] = offset
                else:
                    logger.warning("topic %r: %s", self.topic, error.str())
                continue
            try:
                self._apply(message.key(), message.value(), offset)
            except Exception:
                logger.exception("%s, offset %s could not be taken over", self.topic, offset)
            reached[message.partition() or 0] = offset + 1
        with self._moved:
            self._positions.update(reached)
            self._moved.notify_all()
