"""Reading a stretch of one partition of a Kafka cluster, outside any group."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as KafkaPartition

from aliran.clients import kafka_settings as settings_of
from aliran.clients.kafka_errors import ErrorWatch, ends_of
from aliran.clients.kafka_messages import before, to_columns
from aliran.clients.transport import TransportError
from aliran.core.types import Columns, TopicPartition


class KafkaReader:
    """Reads stretches of partitions; each running `read` has a client of its own.

    Args:
        common: The settings that all clients share.
        watch: Where librdkafka's errors are collected.
        batch_records: The most records of one `Columns`.
        timeout_s: How long the cluster may send nothing before it counts as unreachable.
    """

    def __init__(
        self, common: Mapping[str, Any], watch: ErrorWatch, batch_records: int, timeout_s: float
    ) -> None:
        self._common = common
        self._watch = watch
        self._batch_records = batch_records
        self._timeout_s = timeout_s
        self._idle: list[Consumer] = []

    def read(self, partition: TopicPartition, start: int, end: int) -> Iterator[Columns]:
        """Yield the records of `partition` in `[start, end)`, in order.

        Raises:
            TransportError: The partition cannot be read, or nothing arrives any more.
        """
        if start >= end:
            return
        client = self._idle.pop() if self._idle else self._make_client()
        try:
            client.assign([KafkaPartition(*partition, start)])
            yield from self._read_until(client, partition, end)
        finally:
            client.unassign()
            self._idle.append(client)

    def close(self) -> None:
        """Let go of the connections."""
        while self._idle:
            self._idle.pop().close()

    def _make_client(self) -> Consumer:
        return settings_of.make_client(Consumer, settings_of.reader_settings(self._common))

    def _read_until(
        self, client: Consumer, partition: TopicPartition, end: int
    ) -> Iterator[Columns]:
        position = 0
        silent_since = time.monotonic()
        while position < end:
            first = client.poll(0.5)
            messages = []
            if first is not None:
                messages = [first, *client.consume(self._batch_records - 1, 0)]
            for _, reached in ends_of(messages):
                position = max(position, reached)
            for columns in to_columns(self._watch.without_errors(messages)):
                silent_since = time.monotonic()
                position = max(position, columns.offsets[-1] + 1)
                wanted = before(columns, end)
                if len(wanted):
                    yield wanted
            self._watch.raise_if_refused()
            if position < end and time.monotonic() - silent_since > self._timeout_s:
                raise TransportError(
                    f"reading {partition} stopped at offset {position} of {end}: the "
                    f"{self._watch.broker} sends nothing more{self._watch.last_heard()}"
                )
