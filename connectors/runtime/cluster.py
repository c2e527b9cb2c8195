"""The Kafka cluster of a worker: clients with the settings of worker and connector, and topics.

A broker in this process is reached through its port like any other cluster: group protocol, offsets
and acknowledgements are then the same everywhere.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from aliran.clients import kafka_settings
from aliran.connectors.errors import ConnectError, NotFoundError
from aliran.core.types import TopicPartition

logger: logging.Logger = logging.getLogger("aliran.connectors")

TIMEOUT_S = 30.0
_JAVA_ONLY = re.compile(
    r"(key|value)\.(de)?serializer|.*\.class(es)?|metrics\..*|max\.poll\.records"
)


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where topics are.

    Attributes:
        bootstrap_servers: "HOST:PORT,HOST:PORT".
        settings: Settings of librdkafka for all clients; for one kind behind `producer.`,
            `consumer.` and `admin.`.
    """

    bootstrap_servers: str
    settings: Mapping[str, str] = field(default_factory=dict)

    def client_settings(
        self, kind: str, overrides: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Return librdkafka's settings of one kind of client."""
        own = {
            f"{kind}.{name}": value
            for name, value in (overrides or {}).items()
            if _JAVA_ONLY.fullmatch(name) is None
        }
        return kafka_settings.common_settings(
            self.bootstrap_servers, _log_error, {**self.settings, **own}
        )

    def producer(self, overrides: Mapping[str, str] | None = None) -> Producer:
        """Return a producer that is idempotent, waits for all replicas and never gives up.

        Raises:
            ConfigError: A setting is refused.
        """
        settings = kafka_settings.producer_settings(self.client_settings("producer", overrides))
        settings.setdefault("delivery.timeout.ms", 2**31 - 1)
        settings["queue.buffering.max.messages"] = 100_000
        return kafka_settings.make_client(Producer, settings)

    def consumer(self, group_id: str, overrides: Mapping[str, str] | None = None) -> Consumer:
        """Return a consumer whose positions and commits are the worker's business.

        Raises:
            ConfigError: A setting is refused.
        """
        settings = {
            "partition.assignment.strategy": "range",
            "enable.partition.eof": False,
            **kafka_settings.member_settings(self.client_settings("consumer", overrides), group_id),
        }
        settings["queued.min.messages"] = 10_000
        return kafka_settings.make_client(Consumer, settings)

    def admin(self, overrides: Mapping[str, str] | None = None) -> AdminClient:
        """Return a client that looks after topics.

        Raises:
            ConfigError: A setting is refused.
        """
        return kafka_settings.make_client(
            AdminClient, kafka_settings.admin_settings(self.client_settings("admin", overrides))
        )

    def cluster_id(self) -> str:
        """Return the id of the cluster.

        Raises:
            ConnectError: It does not answer.
        """
        try:
            return self.admin().list_topics(timeout=TIMEOUT_S).cluster_id or ""
        except KafkaException as error:
            raise ConnectError(
                f"the Kafka cluster at {self.bootstrap_servers} does not answer: "
                f"{error.args[0].str()}; check bootstrap.servers"
            ) from error

    def topics(self) -> list[str]:
        """Return the topics there are."""
        return list(self.admin().list_topics(timeout=TIMEOUT_S).topics)

    def ensure_topic(
        self, name: str, partitions: int, replication: int, configs: Mapping[str, str]
    ) -> bool:
        """Make a topic if it is not there; return whether it was made.

        Raises:
            ConnectError: It cannot be made.
        """
        admin = self.admin()
        known = admin.list_topics(timeout=TIMEOUT_S)
        if name in known.topics and known.topics[name].error is None:
            return False
        replication = min(replication, len(known.brokers)) if replication > 0 else replication
        wanted = NewTopic(name, partitions, replication, config=dict(configs))
        try:
            admin.create_topics([wanted])[name].result(TIMEOUT_S)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                return False
            raise ConnectError(
                f"the topic {name!r} cannot be made: {error.args[0].str()}"
            ) from error
        return True

    def committed(self, group_id: str, topics: list[str]) -> dict[TopicPartition, int]:
        """Return the committed offsets of a group in all partitions of some topics."""
        consumer = self.consumer(group_id)
        try:
            known = consumer.list_topics(timeout=TIMEOUT_S).topics
            wanted = [
                KafkaPartition(topic, number)
                for topic in topics
                if topic in known
                for number in known[topic].partitions
            ]
            found = consumer.committed(wanted, timeout=TIMEOUT_S) if wanted else []
            return {
                TopicPartition(one.topic, one.partition): one.offset
                for one in found
                if one.offset >= 0
            }
        except KafkaException as error:
            raise ConnectError(
                f"the offsets of {group_id} cannot be read: {error.args[0].str()}"
            ) from error
        finally:
            consumer.close()

    def alter_group(self, group_id: str, offsets: Mapping[TopicPartition, int | None]) -> None:
        """Set committed offsets of a group without members; None is the start of a partition.

        librdkafka cannot delete a single offset, which would mean the same.

        Raises:
            ConnectError: A topic or partition does not exist, or the group has members.
        """
        consumer = self.consumer(group_id)
        try:
            known = consumer.list_topics(timeout=TIMEOUT_S).topics
            for partition in offsets:
                if (
                    partition.topic not in known
                    or partition.partition not in known[partition.topic].partitions
                ):
                    raise NotFoundError(f"there is no partition {partition} on this cluster")
            consumer.commit(
                offsets=[
                    KafkaPartition(*one, _start(consumer, one) if offset is None else offset)
                    for one, offset in offsets.items()
                ],
                asynchronous=False,
            )
        except KafkaException as error:
            raise ConnectError(
                f"the offsets of {group_id} cannot be set: {error.args[0].str()}"
            ) from error
        finally:
            consumer.close()

    def delete_group(self, group_id: str) -> None:
        """Forget all offsets of a group.

        Raises:
            ConnectError: It has members, or the cluster refuses.
        """
        admin = self.admin()  # a client that nobody holds is gone before it answers
        try:
            admin.delete_consumer_groups([group_id])[group_id].result(TIMEOUT_S)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
                raise ConnectError(
                    f"the group {group_id} cannot be deleted: {error.args[0].str()}"
                ) from error


def _start(consumer: Consumer, partition: TopicPartition) -> int:
    return int(consumer.get_watermark_offsets(KafkaPartition(*partition), timeout=TIMEOUT_S)[0])


def _log_error(error: KafkaError) -> None:
    logger.warning("Kafka client: %s", error.str())
