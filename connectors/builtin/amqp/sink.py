"""`AmqpSink`: topics → exchanges of RabbitMQ. Confluent: `RabbitMQSinkConnector`.

A batch is done when the server has confirmed each of its messages.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import pika

from aliran.connectors.api.tasks import SinkTask
from aliran.connectors.builtin.amqp.client import AmqpOptions, close
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option, instance_of
from aliran.connectors.config.values import at_least
from aliran.connectors.errors import ConnectError, DataError, RetriableError
from aliran.connectors.messaging.connector import MessageSink, MessageSinkTask
from aliran.connectors.messaging.values import headers_of, payload, text
from aliran.connectors.records import SinkRecord


@dataclass(frozen=True, kw_only=True)
class AmqpSinkConfig(AmqpOptions):
    """The options."""

    rabbitmq_exchange: Annotated[
        str,
        Option("The exchange; empty for the default one, which delivers to the queue that the "
               "routing key names.", importance=Importance.HIGH),
    ] = ""  # fmt: skip
    rabbitmq_routing_key: Annotated[
        str,
        Option("The routing key; ${topic} and ${key} stand for the record's.",
               importance=Importance.HIGH),
    ] = "${topic}"  # fmt: skip
    rabbitmq_delivery_mode: Annotated[
        Literal["PERSISTENT", "TRANSIENT"],
        Option("Whether messages survive the server's end."),
    ] = "PERSISTENT"
    rabbitmq_mandatory: Annotated[
        bool, Option("Whether a message that reaches no queue is an error of its record.")
    ] = True
    rabbitmq_forward_kafka_key: Annotated[
        bool, Option("Send the record's key as the header kafka.key.")
    ] = False
    rabbitmq_forward_kafka_metadata: Annotated[
        bool, Option("Send kafka.topic, kafka.partition, kafka.offset and kafka.timestamp.")
    ] = False
    rabbitmq_forward_kafka_headers: Annotated[bool, Option("Send the record's headers.")] = False
    rabbitmq_content_type: Annotated[str | None, Option("The content type of messages.")] = None
    rabbitmq_confirm_timeout_ms: Annotated[
        int,
        Option("How long the server may take to confirm a batch before it is sent again.",
               validator=at_least(1)),
    ] = 30_000  # fmt: skip


class _Confirmed:
    """A channel whose messages are confirmed, many at a time.

    `BlockingChannel` waits for each message; the channel inside of it does not.
    """

    def __init__(self, config: AmqpSinkConfig) -> None:
        self.connection = config.connect()
        self._config = config
        self._waiting: dict[int, SinkRecord] = {}
        self._count = 0
        self.nacked = 0
        self.returned: dict[str, str] = {}
        with config.errors("opening a channel"):
            self._channel = self.connection.channel()
            self._inner: Any = self._channel._impl  # noqa: SLF001
            ready: list[Any] = []
            self._inner.confirm_delivery(self._confirmed, callback=ready.append)
            self._inner.add_on_return_callback(self._came_back)
            while not ready:
                self.connection.process_data_events(time_limit=1)

    def publish(self, record: SinkRecord, key: str, properties: Any, body: bytes) -> None:
        """Send a message."""
        self._count += 1
        self._waiting[self._count] = record
        self._inner.basic_publish(
            self._config.rabbitmq_exchange, key, body, properties, self._config.rabbitmq_mandatory
        )

    def wait(self) -> None:
        """Wait until all are confirmed.

        Raises:
            RetriableError: They are not, in time.
        """
        until = time.monotonic() + self._config.rabbitmq_confirm_timeout_ms / 1000
        while self._waiting:
            self.connection.process_data_events(time_limit=0.5)
            if not self._channel.is_open:
                self._channel.basic_qos()  # raises why
            if time.monotonic() > until:
                raise RetriableError(
                    f"RabbitMQ at {self._config.where} has not confirmed "
                    f"{len(self._waiting)} messages"
                )

    def _confirmed(self, frame: Any) -> None:
        tag, several = frame.method.delivery_tag, frame.method.multiple
        tags = [one for one in self._waiting if one <= tag] if several else [tag]
        for one in tags:
            if self._waiting.pop(one, None) is not None and frame.method.NAME == "Basic.Nack":
                self.nacked += 1
        if not self._waiting:  # else `wait` sleeps on: confirmations are none of its events
            self.connection.add_callback_threadsafe(lambda: None)

    def _came_back(self, _channel: Any, method: Any, properties: Any, _body: bytes) -> None:
        self.returned[properties.message_id] = f"{method.reply_code} {method.reply_text}"


class AmqpSinkTask(MessageSinkTask):
    """Publishes a batch, then waits for its confirmation."""

    def start(self, props: Mapping[str, str]) -> None:
        """Take the options; `put` connects."""
        self._config = instance_of(AmqpSinkConfig, props)
        self._channel: _Confirmed | None = None

    def put(self, records: Sequence[SinkRecord]) -> None:
        """Publish records; with none look after the connection."""
        try:
            with self._config.errors("publishing"):
                if self._channel is None and records:
                    self._channel = _Confirmed(self._config)
                if self._channel is not None:
                    self._publish(self._channel, records)
        except ConnectError as error:
            if not isinstance(error, DataError):
                channel, self._channel = self._channel, None
                close(channel and channel.connection)
                if not records and error.retriable:
                    return
            raise

    def _publish(self, channel: _Confirmed, records: Sequence[SinkRecord]) -> None:
        for record in records:
            try:
                key, properties = self._key(record), self._properties(record)
                body = payload(record.value_schema, record.value)
            except DataError as error:
                self.refuse(record, error)
                continue
            channel.publish(record, key, properties, body)
        channel.wait()
        if not records:
            channel.connection.process_data_events(time_limit=0)
        if channel.nacked:
            nacked, channel.nacked = channel.nacked, 0
            raise RetriableError(f"RabbitMQ at {self._config.where} refuses {nacked} messages now")
        returned, channel.returned = channel.returned, {}
        for record in records if returned else ():
            if (why := returned.get(_id(record))) is not None:
                key = self._key(record)
                exchange = self._config.rabbitmq_exchange
                self.refuse(
                    record,
                    DataError(f"it reaches no queue: {why} (exchange {exchange!r}, key {key!r})"),
                )

    def _key(self, record: SinkRecord) -> str:
        key = self._config.rabbitmq_routing_key.replace("${topic}", record.topic or "")
        if "${key}" in key:
            if record.key is None:
                raise DataError("it has no key for ${key} in rabbitmq.routing.key")
            key = key.replace("${key}", text(record.key_schema, record.key))
        if len(key.encode()) > 255:
            raise DataError(f"the routing key is longer than 255 bytes: {key[:40]}…")
        return key

    def _properties(self, record: SinkRecord) -> pika.BasicProperties:
        config = self._config
        headers: dict[str, Any] = {}
        if config.rabbitmq_forward_kafka_headers:
            headers |= headers_of(record.headers)
        if config.rabbitmq_forward_kafka_key and record.key is not None:
            headers["kafka.key"] = text(record.key_schema, record.key)
        if config.rabbitmq_forward_kafka_metadata:
            headers |= {
                "kafka.topic": record.original_topic,
                "kafka.partition": record.original_kafka_partition,
                "kafka.offset": record.original_kafka_offset,
                "kafka.timestamp": record.timestamp,
            }
        return pika.BasicProperties(
            content_type=config.rabbitmq_content_type,
            delivery_mode=2 if config.rabbitmq_delivery_mode == "PERSISTENT" else 1,
            message_id=_id(record),
            headers=headers or None,
        )

    def stop(self) -> None:
        """Disconnect."""
        channel = getattr(self, "_channel", None)
        close(channel and channel.connection)


def _id(record: SinkRecord) -> str:
    return (
        f"{record.original_topic}-{record.original_kafka_partition}-{record.original_kafka_offset}"
    )


class AmqpSink(MessageSink):
    """As many tasks as may be."""

    settings: ClassVar[type[Any]] = AmqpSinkConfig
    task: ClassVar[type[SinkTask]] = AmqpSinkTask

    def try_out(self, config: AmqpSinkConfig) -> None:
        """Connect, and look at the exchange."""
        connection = config.connect()
        try:
            if config.rabbitmq_exchange:
                with config.errors("looking at the exchange"):
                    connection.channel().exchange_declare(config.rabbitmq_exchange, passive=True)
        finally:
            close(connection)
