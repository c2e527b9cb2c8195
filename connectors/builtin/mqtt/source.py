"""`MqttSource`: messages of MQTT → topics. Confluent: `MqttSourceConnector`.

The session is kept by the broker under a name of ours, and a message is acknowledged when Kafka has
acknowledged its record: what was under way in a crash is sent again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from paho.mqtt.client import MQTTMessage
from paho.mqtt.subscribeoptions import SubscribeOptions

from aliran.connectors.api.tasks import SourceTask
from aliran.connectors.builtin.mqtt.client import Connection, Listener, MqttOptions, try_out
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option, instance_of
from aliran.connectors.config.values import at_least, between, invalid, not_empty
from aliran.connectors.data.builder import BOOLEAN_SCHEMA, INT32_SCHEMA, STRING_SCHEMA
from aliran.connectors.data.headers import ConnectHeaders, Header
from aliran.connectors.errors import DataError
from aliran.connectors.messaging.acked import AckedSourceTask, Inbox, MessageRecord
from aliran.connectors.messaging.connector import MessageSource
from aliran.connectors.messaging.values import value_of

_FILTERS = "aliran.topics"

logger: logging.Logger = logging.getLogger("aliran.connectors")


def _check_filters(name: str, value: Any) -> None:
    if not value:
        raise invalid(name, value, "at least one topic is needed, such as sensors/+/temperature")
    for one in value:
        *levels, last = one.split("/")
        wrong = any("#" in level for level in levels) or last not in {"#", last.replace("#", "")}
        if not one or wrong or any("+" in level and level != "+" for level in (*levels, last)):
            raise invalid(name, value, f"{one!r} is no topic or filter")


@dataclass(frozen=True, kw_only=True)
class MqttSourceConfig(MqttOptions):
    """The options."""

    mqtt_topics: Annotated[
        list[str],
        Option("Topics and filters (+, #, $share/…); tasks share them.",
               importance=Importance.HIGH, validator=_check_filters),
    ]  # fmt: skip
    kafka_topic: Annotated[
        str,
        Option("The topic; ${topic} stands for MQTT's, with dots.", importance=Importance.HIGH,
               validator=not_empty),
    ] = "mqtt"  # fmt: skip
    mqtt_qos: Annotated[
        int,
        Option("0: what was under way in a crash is lost. 1, 2: it is sent again.",
               importance=Importance.HIGH, validator=between(0, 2)),
    ] = 1  # fmt: skip
    mqtt_clean_session_enabled: Annotated[
        bool,
        Option("Whether the broker forgets the session, and what was not acknowledged, when the "
               "connection ends."),
    ] = False  # fmt: skip
    value_format: Annotated[Literal["bytes", "string", "json"], Option("What a payload is.")] = (
        "bytes"
    )
    records_buffer_max_batch_size: Annotated[
        int, Option("The most records of a batch.", validator=at_least(1))
    ] = 4096
    mqtt_receive_maximum: Annotated[
        int,
        Option("How many messages may be under way (MQTT 5; else the broker's setting counts).",
               validator=between(1, 65_535)),
    ] = 10_000  # fmt: skip


class MqttSourceTask(AckedSourceTask):
    """One session."""

    def start(self, props: Mapping[str, str]) -> None:
        """Begin to connect."""
        self._config = config = instance_of(MqttSourceConfig, props)
        name = config.mqtt_client_id or f"aliran-{props.get('name', '')}"
        self._filters = props.get(_FILTERS, ",".join(config.mqtt_topics)).split(",")
        self._inbox: Inbox[tuple[int, MQTTMessage]] = Inbox()
        self._connection = Connection(
            config,
            f"{name}-{props.get('aliran.task', '0')}",
            Listener(self._connected, self._away, self._inbox.fail, self._received),
            clean=config.mqtt_clean_session_enabled,
            receive_maximum=config.mqtt_receive_maximum,
        )
        self._is_away = False
        self._connection.start()

    def poll(self) -> list[MessageRecord]:
        """Return messages that have come."""
        most = self._config.records_buffer_max_batch_size
        records = [self._record(*one) for one in self._inbox.take(most, self.wait_s)]
        self.sent(len(records))
        return records

    def acknowledge(self, token: Any) -> None:
        """Tell the broker; on any thread."""
        self._connection.acknowledge(*token)

    def stop(self) -> None:
        """Let `poll` return."""
        if hasattr(self, "_inbox"):
            self._inbox.wake()

    def close(self) -> None:
        """Disconnect."""
        if hasattr(self, "_connection"):
            self._connection.close()

    def _record(self, epoch: int, message: MQTTMessage) -> MessageRecord:
        config, topic = self._config, message.topic
        try:
            value = value_of(bytes(message.payload), config.value_format)
        except DataError as error:
            raise DataError(f"a message of {topic}: {error}") from error
        headers = (
            Header("mqtt.message.id", INT32_SCHEMA, message.mid),
            Header("mqtt.qos", INT32_SCHEMA, message.qos),
            Header("mqtt.retained", BOOLEAN_SCHEMA, message.retain),
            Header("mqtt.duplicate", BOOLEAN_SCHEMA, message.dup),
        )
        return MessageRecord(
            topic=config.kafka_topic.replace("${topic}", topic.strip("/").replace("/", ".")),
            key_schema=STRING_SCHEMA,
            key=topic,
            value_schema=value.schema,
            value=value.value,
            headers=ConnectHeaders(headers),
            source_partition={"topic": topic},
            token=(epoch, message),
        )

    # ------------------------------------------------------------------ on the client's thread

    def _connected(self, known: bool) -> None:
        if self._is_away:
            logger.info("%s is back", self._config.mqtt_server_uri)
        self._is_away = False
        qos, client = self._config.mqtt_qos, self._connection.client
        if self._config.mqtt_version == "5":
            # What is kept for a topic is sent only the first time.
            options = SubscribeOptions(qos, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
            client.subscribe([(one, options) for one in self._filters])
        else:
            client.subscribe([(one, qos) for one in self._filters])

    def _received(self, epoch: int, message: MQTTMessage) -> None:
        self._inbox.put((epoch, message))

    def _away(self, why: str) -> None:
        if not self._is_away:
            logger.warning("%s: %s; it is tried again", self._config.mqtt_server_uri, why)
        self._is_away = True


class MqttSource(MessageSource):
    """Tasks share the filters."""

    settings: ClassVar[type[Any]] = MqttSourceConfig
    task: ClassVar[type[SourceTask]] = MqttSourceTask

    def deal(self, config: MqttSourceConfig, max_tasks: int) -> list[dict[str, str]]:
        """Return the filters of each task."""
        count = min(max_tasks, len(config.mqtt_topics))
        return [
            {_FILTERS: ",".join(config.mqtt_topics[number::count]), "aliran.task": str(number)}
            for number in range(count)
        ]

    def try_out(self, config: MqttSourceConfig) -> None:
        """Connect."""
        try_out(config)
