"""The topic `_schemas` on a Kafka cluster, through confluent-kafka."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic  # type: ignore[attr-defined]

from aliran.clients import kafka_settings as settings_of
from aliran.clients.kafka import KafkaTransport
from aliran.clients.kafka_errors import PARTITION_EOF
from aliran.clients.kafka_messages import to_columns
from aliran.core.errors import AliranError
from aliran.core.types import TopicPartition
from aliran.schema_registry import records
from aliran.schema_registry.errors import StoreError, StoreTimeoutError
from aliran.schema_registry.log import TOPIC, apply, check_topic, too_large, without_collecting
from aliran.schema_registry.log import to_columns as rows_to_columns
from aliran.schema_registry.records import Row
from aliran.schema_registry.state import State

logger: logging.Logger = logging.getLogger("aliran.schema_registry")

TIMEOUT_S = 30.0
_BATCH = 4_000


class ClusterLog:
    """Reads the topic on a thread of its own, and waits for what it writes to come back.

    Args:
        state: What the rows are given to.
        bootstrap_servers: "HOST:PORT,HOST:PORT".
        settings: Settings of librdkafka, by its names.
        topic: The topic.

    Raises:
        AliranError: The cluster cannot be reached, or the topic cannot be used.
    """

    def __init__(
        self,
        state: State,
        bootstrap_servers: str,
        settings: Mapping[str, Any],
        topic: str = TOPIC,
    ) -> None:
        self._state = state
        self._transport = KafkaTransport(bootstrap_servers, settings)
        self._writing = threading.Lock()
        self._moved = threading.Condition()
        self._closing = threading.Event()
        self._consumer: Consumer | None = None
        self._thread: threading.Thread | None = None
        try:
            common = settings_of.common_settings(bootstrap_servers, lambda _error: None, settings)
            self._partition = self._open_topic(topic, common)
            start, end = self._transport.bounds([self._partition])[self._partition]
            self._position = start
            self._consumer = settings_of.make_client(
                Consumer, {**settings_of.reader_settings(common), "fetch.wait.max.ms": 500}
            )
            known = self._consumer.list_topics(topic, timeout=TIMEOUT_S)
            self._cluster_id = known.cluster_id or ""
            self._consumer.assign([KafkaPartition(*self._partition, start)])
            self._thread = threading.Thread(
                target=self._read, name="aliran-schemas-reader", daemon=True
            )
            self._thread.start()
            with without_collecting():
                self._wait_for(end, 10 * TIMEOUT_S)
        except BaseException:
            self.close()
            raise

    def _open_topic(self, topic: str, common: Mapping[str, Any]) -> TopicPartition:
        """Make the topic where it is missing, on up to three brokers, and check it."""
        if not self._transport.partition_counts([topic]):
            admin = settings_of.make_client(AdminClient, settings_of.admin_settings(common))
            try:
                brokers = len(admin.list_topics(timeout=TIMEOUT_S).brokers)
                wanted = NewTopic(topic, 1, min(brokers, 3), config={"cleanup.policy": "compact"})
                admin.create_topics([wanted])[topic].result(TIMEOUT_S)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise StoreError(f"the topic {topic!r} cannot be made: {error}") from error
        counts = self._transport.partition_counts([topic])
        policy = self._policy(topic, common)
        return check_topic(self._transport.describe(), topic, counts.get(topic, 0), policy)

    @staticmethod
    def _policy(topic: str, common: Mapping[str, Any]) -> str:
        admin = settings_of.make_client(AdminClient, settings_of.admin_settings(common))
        asked = ConfigResource(ConfigResource.Type.TOPIC, topic)
        try:
            entry = admin.describe_configs([asked])[asked].result(TIMEOUT_S)["cleanup.policy"]
        except KafkaException as error:
            raise StoreError(f"the settings of {topic!r} cannot be read: {error}") from error
        return str(entry.value)

    def append(self, rows: Sequence[Row]) -> None:
        """Write rows and return when the state has them."""
        with self._writing:
            try:
                self._transport.send(rows_to_columns(self._partition, rows))
                end = self._transport.flush()[self._partition]
            except AliranError as error:
                cause = error.__cause__
                if "size" in str(error).lower() and isinstance(cause, KafkaException):
                    raise too_large(error) from error
                raise StoreError(f"writing to {self._partition} failed: {error}") from error
            self._wait_for(end, TIMEOUT_S)

    def catch_up(self) -> None:
        """Return when the state has everything that the topic holds by now."""
        try:
            _, end = self._transport.bounds([self._partition])[self._partition]
        except AliranError as error:
            raise StoreError(f"looking for the end of {self._partition} failed: {error}") from error
        self._wait_for(end, TIMEOUT_S)

    def cluster_id(self) -> str:
        """Return the id of the Kafka cluster."""
        return self._cluster_id

    def write_noop(self) -> None:
        """Write a row that changes nothing, so that all that lies before it has been read."""
        self.append([records.noop_row(self._state.max_ids())])

    def close(self) -> None:
        """Let go of the topic. Idempotent."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
        self._transport.close()

    def _wait_for(self, end: int, timeout_s: float) -> None:
        with self._moved:
            if not self._moved.wait_for(lambda: self._position >= end, timeout_s):
                raise StoreTimeoutError(
                    f"{self._partition} was read up to offset {self._position}, not to {end}, in "
                    f"{timeout_s:.0f} s; is the cluster overloaded?"
                )

    def _read(self) -> None:
        assert self._consumer is not None
        while not self._closing.is_set():
            try:
                first = self._consumer.poll(0.2)
                if first is None:
                    continue
                messages = [first, *self._consumer.consume(_BATCH, 0)]
                position = self._position
                good = []
                for message in messages:
                    error = message.error()
                    if error is None:
                        good.append(message)
                    elif error.code() != PARTITION_EOF:
                        logger.warning("reading %s: %s", self._partition, error.str())
                        continue
                    # The end lies behind the last record where markers or removed ones follow it.
                    behind = (message.offset() or 0) + (1 if error is None else 0)
                    position = max(position, behind)
                apply(self._state, to_columns(good))
                with self._moved:
                    self._position = position
                    self._moved.notify_all()
            except Exception:
                logger.exception("reading %s failed; trying again", self._partition)
                time.sleep(0.5)
