"""`MqttSink`: topics → messages of MQTT. Confluent: `MqttSinkConnector`."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from paho.mqtt.client import MQTTMessageInfo
from paho.mqtt.enums import MQTTErrorCode

from aliran.connectors.api.tasks import SinkTask
from aliran.connectors.builtin.mqtt.client import Connection, Listener, MqttOptions, try_out
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option, instance_of
from aliran.connectors.config.values import at_least, between, not_empty
from aliran.connectors.errors import ConnectError, DataError, RetriableError
from aliran.connectors.messaging.connector import MessageSink, MessageSinkTask
from aliran.connectors.messaging.values import payload, text
from aliran.connectors.records import SinkRecord

logger: logging.Logger = logging.getLogger("aliran.connectors")


@dataclass(frozen=True, kw_only=True)
class MqttSinkConfig(MqttOptions):
    """The options."""

    mqtt_topic: Annotated[
        str,
        Option("MQTT's topic; ${topic} and ${key} stand for the record's.",
               importance=Importance.HIGH, validator=not_empty),
    ] = "${topic}"  # fmt: skip
    mqtt_qos: Annotated[
        int,
        Option("0: sent, no more is known. 1: at least once. 2: once over this connection.",
               importance=Importance.HIGH, validator=between(0, 2)),
    ] = 1  # fmt: skip
    mqtt_retained: Annotated[
        bool,
        Option("Have the broker keep the last message of each topic; a record without a value "
               "deletes it."),
    ] = False  # fmt: skip
    mqtt_acknowledge_timeout_ms: Annotated[
        int,
        Option("How long a batch may wait for the broker before it is told in the log.",
               validator=at_least(1)),
    ] = 30_000  # fmt: skip
    mqtt_inflight_max: Annotated[
        int,
        Option("How many messages may wait for the broker's acknowledgement at once.",
               validator=between(1, 65_535)),
    ] = 1000  # fmt: skip


class MqttSinkTask(MessageSinkTask):
    """Publishes a batch, then waits until the broker has it."""

    def start(self, props: Mapping[str, str]) -> None:
        """Begin to connect."""
        self._config = config = instance_of(MqttSinkConfig, props)
        self._refused: ConnectError | None = None
        listener = Listener(lambda _: None, self._away, self._refuse)
        self._connection = Connection(config, "", listener, clean=True)
        self._connection.client.max_inflight_messages_set(config.mqtt_inflight_max)
        self._waiting: dict[tuple[str | None, int | None, int | None], MQTTMessageInfo] = {}
        self._connection.start()

    def put(self, records: Sequence[SinkRecord]) -> None:
        """Publish what was not published in an earlier attempt, and wait."""
        client, config = self._connection.client, self._config
        for record in records:
            place = (
                record.original_topic, record.original_kafka_partition,
                record.original_kafka_offset,
            )  # fmt: skip
            if place not in self._waiting:
                try:
                    topic, data = self._topic(record), payload(record.value_schema, record.value)
                    info = client.publish(topic, data, config.mqtt_qos, config.mqtt_retained)
                except (DataError, ValueError) as error:
                    self.refuse(record, error)
                    continue
                if info.rc == MQTTErrorCode.MQTT_ERR_NO_CONN and not config.mqtt_qos:
                    raise RetriableError(f"{config.mqtt_server_uri} is away")
                self._waiting[place] = info
        until = time.monotonic() + config.mqtt_acknowledge_timeout_ms / 1000
        for info in self._waiting.values():
            self._wait(info, until)
        self._waiting.clear()

    def _wait(self, info: MQTTMessageInfo, until: float) -> None:
        while not info.is_published():
            if self._refused is not None:
                raise self._refused
            left = until - time.monotonic()
            if left <= 0:
                raise RetriableError(
                    f"{self._config.mqtt_server_uri} has not acknowledged the batch yet"
                )
            try:
                info.wait_for_publish(min(left, 0.5))
            except RuntimeError:  # not connected: paho sends it when it is
                time.sleep(min(left, 0.1))

    def _topic(self, record: SinkRecord) -> str:
        topic = self._config.mqtt_topic.replace("${topic}", record.topic or "")
        if "${key}" in topic:
            if record.key is None:
                raise DataError("it has no key for ${key} in mqtt.topic")
            topic = topic.replace("${key}", text(record.key_schema, record.key))
        return topic

    def _away(self, why: str) -> None:
        if self._refused is None:
            logger.warning("%s: %s; it is tried again", self._config.mqtt_server_uri, why)

    def _refuse(self, error: ConnectError) -> None:
        self._refused = error

    def stop(self) -> None:
        """Disconnect."""
        if hasattr(self, "_connection"):
            self._connection.close()


class MqttSink(MessageSink):
    """As many tasks as may be."""

    settings: ClassVar[type[Any]] = MqttSinkConfig
    task: ClassVar[type[SinkTask]] = MqttSinkTask

    def try_out(self, config: MqttSinkConfig) -> None:
        """Connect."""
        try_out(config)
