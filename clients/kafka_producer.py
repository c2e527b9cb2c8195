"""Writing to a Kafka cluster: columns in, end offsets out."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import repeat
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from aliran.clients import kafka_settings as settings_of
from aliran.clients.kafka_errors import UNKNOWN_PARTITION, ErrorWatch, error_of
from aliran.core.types import Columns, TopicPartition
from aliran.protocol.record_checks import check_records


class KafkaWriter:
    """An idempotent producer that is fed columns and tells what each flush reached.

    Args:
        common: The settings that all clients share.
        watch: Where librdkafka's errors are collected.

    Raises:
        ConfigError: librdkafka refuses a setting.
    """

    def __init__(self, common: Mapping[str, Any], watch: ErrorWatch) -> None:
        self._watch = watch
        self._producer = settings_of.make_client(Producer, settings_of.producer_settings(common))
        self._deliveries: dict[TopicPartition, dict[KafkaError | None, Message[bytes, bytes]]] = {}

    def send(self, columns: Columns) -> None:
        """Queue records for their partition, in order; waits while the queue is full.

        Raises:
            ProtocolError: A record holds what cannot be written; none of them is queued.
        """
        check_records(columns)
        topic, partition = columns.topic, columns.partition
        slot = self._deliveries.setdefault(TopicPartition(topic, partition), {})
        # Called as (error, message) for every record: keeps the last delivered message under None,
        # and the last failed one under each error. Nothing of ours runs per record.
        delivered = slot.__setitem__
        produce = self._producer.produce
        rows = columns.headers if columns.headers is not None else repeat(None)
        for key, value, timestamp, headers in zip(
            map(_as_bytes, columns.keys),
            map(_as_bytes, columns.values),
            columns.timestamps,
            rows,
            strict=False,
        ):
            record: tuple[Any, ...] = (
                topic, value, key, partition, delivered, None, timestamp or 1,
                list(headers) if headers else None,
            )  # fmt: skip
            try:
                produce(*record)
            except BufferError:
                self._produce_when_there_is_room(record)
            except KafkaException as error:
                self._produce_once_known(record, error)
        self._producer.poll(0)

    def _produce_once_known(self, record: tuple[Any, ...], error: KafkaException) -> None:
        """Send to a partition that may have come since the producer last looked at the topic."""
        doing = f"sending to {record[0]}-{record[3]}"
        if error_of(error).code() != UNKNOWN_PARTITION:
            raise self._watch.translated(error, doing) from error
        try:
            self._producer.list_topics(record[0], timeout=10)
            self._producer.produce(*record)
        except KafkaException as second:
            raise self._watch.translated(second, doing) from second

    def _produce_when_there_is_room(self, record: tuple[Any, ...]) -> None:
        while True:
            self._producer.poll(0.1)
            self._watch.raise_if_refused()
            try:
                self._producer.produce(*record)
            except BufferError:
                continue  # records that cannot be delivered time out and make room
            return

    def flush(self) -> dict[TopicPartition, int]:
        """Wait until all that was sent is acknowledged."""
        while self._producer.flush(0.5):
            self._watch.raise_if_refused()
        deliveries, self._deliveries = self._deliveries, {}
        for partition, outcomes in deliveries.items():
            for error in outcomes:
                if error is not None:
                    raise self._watch.translate(error, f"delivering to {partition}")
        return {
            partition: (outcomes[None].offset() or 0) + 1
            for partition, outcomes in deliveries.items()
            if outcomes
        }

    def close(self) -> None:
        """Let go of the connections; what was not flushed is lost."""
        self._producer.purge()
        self._producer.flush(1)


def _as_bytes(data: Any) -> Any:
    """Return data that librdkafka takes: bytes, where a serde made something like them."""
    return data if data is None or type(data) is bytes else bytes(data)
