"""`AmqpSource`: queues of RabbitMQ → topics. Confluent: `RabbitMQSourceConnector`.

A message is acknowledged when Kafka has acknowledged its record; RabbitMQ delivers the others again
when the connection ends.
"""

from __future__ import annotations

import contextlib
import heapq
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pika import exceptions as errors

from aliran.connectors.api.tasks import SourceTask
from aliran.connectors.builtin.amqp.client import AmqpOptions, close
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option, instance_of
from aliran.connectors.config.values import at_least, between, invalid, not_empty
from aliran.connectors.data.builder import STRING_SCHEMA
from aliran.connectors.data.headers import ConnectHeaders
from aliran.connectors.errors import ConnectError, DataError
from aliran.connectors.messaging.acked import AckedSourceTask, MessageRecord
from aliran.connectors.messaging.connector import MessageSource
from aliran.connectors.messaging.values import json_payload, value_of


def _check_queues(name: str, value: Any) -> None:
    if not value:
        raise invalid(name, value, "at least one queue is needed")


@dataclass(frozen=True, kw_only=True)
class AmqpSourceConfig(AmqpOptions):
    """The options."""

    kafka_topic: Annotated[
        str,
        Option("The topic; ${queue} and ${routing.key} stand for the message's.",
               importance=Importance.HIGH, validator=not_empty),
    ]  # fmt: skip
    rabbitmq_queue: Annotated[
        list[str],
        Option("The queues.", importance=Importance.HIGH, validator=_check_queues),
    ]
    rabbitmq_prefetch_count: Annotated[
        int,
        Option("How many messages may be under way.", validator=between(1, 65_535)),
    ] = 2000
    rabbitmq_queue_declare: Annotated[
        bool, Option("Make the queues (durable) if they are not there.", group="Queue")
    ] = False
    rabbitmq_queue_type: Annotated[
        Literal["classic", "quorum"], Option("Which kind is made.", group="Queue")
    ] = "classic"
    rabbitmq_queue_exchange: Annotated[
        str | None, Option("The exchange that queues are bound to when they are made.",
                           group="Queue"),
    ] = None  # fmt: skip
    rabbitmq_queue_routing_key: Annotated[
        str, Option("The routing key of that binding.", group="Queue")
    ] = "#"
    value_format: Annotated[Literal["bytes", "string", "json"], Option("What a body is.")] = "bytes"
    batch_size: Annotated[int, Option("The most records of a batch.", validator=at_least(1))] = 1000


class _Channel:
    """A channel, and what has come over it.

    Tags count from 1 on in the order of deliveries, so what is acknowledged in a row is told with
    one frame.
    """

    def __init__(self, config: AmqpSourceConfig) -> None:
        self._config = config
        self.connection = config.connect()
        self.messages: list[tuple[str, Any, Any, bytes]] = []
        self._acknowledged: list[int] = []
        self._told = 0
        self._lock = threading.Lock()
        with config.errors("consuming"):
            self.channel = self.connection.channel()
            self.channel.basic_qos(prefetch_count=config.rabbitmq_prefetch_count)
            for queue in config.rabbitmq_queue:
                declare(self.channel, config, queue)
                self._consume(queue)

    def _consume(self, queue: str) -> None:
        def came(_channel: Any, method: Any, properties: Any, body: bytes) -> None:
            self.messages.append((queue, method, properties, body))

        self.channel.basic_consume(queue, came)

    def acknowledge(self, tag: int) -> None:
        """Note an acknowledgement for `settle`; on any thread."""
        with self._lock:
            heapq.heappush(self._acknowledged, tag)

    def settle(self) -> None:
        """Tell the server what is acknowledged in a row."""
        with self._lock:
            reached = self._told
            while self._acknowledged and self._acknowledged[0] == reached + 1:
                reached = heapq.heappop(self._acknowledged)
        if reached > self._told:
            self.channel.basic_ack(reached, multiple=True)
            self._told = reached

    def close(self) -> None:
        """Disconnect."""
        close(self.connection)


class AmqpSourceTask(AckedSourceTask):
    """One connection, used by the task's thread alone."""

    def start(self, props: Mapping[str, str]) -> None:
        """Take the options; `poll` connects."""
        self._config = instance_of(AmqpSourceConfig, props)
        self._channel: _Channel | None = None

    def poll(self) -> list[MessageRecord]:
        """Return messages that have come, waiting a moment for some."""
        channel = self._channel
        if channel is None:
            channel = self._channel = _Channel(self._config)
        try:
            with self._config.errors("receiving"):
                channel.settle()
                if len(channel.messages) < self._config.batch_size:
                    channel.connection.process_data_events(time_limit=self.wait_s)
                if not channel.channel.is_open:
                    raise errors.ChannelWrongStateError("the channel is closed")
        except ConnectError:
            self._channel = None
            channel.close()
            raise
        most = self._config.batch_size
        taken, channel.messages = channel.messages[:most], channel.messages[most:]
        records = [self._record(channel, *one) for one in taken]
        self.sent(len(records))
        return records

    def acknowledge(self, token: tuple[_Channel, int]) -> None:
        """Note it; on any thread."""
        channel, tag = token
        channel.acknowledge(tag)

    def stop(self) -> None:
        """Do nothing: `poll` returns soon."""

    def close(self) -> None:
        """Acknowledge the rest, and disconnect."""
        channel = getattr(self, "_channel", None)
        if channel is not None:
            with contextlib.suppress(errors.AMQPError, OSError):  # it is delivered again
                channel.settle()
            channel.close()

    def _record(
        self, channel: _Channel, queue: str, method: Any, properties: Any, body: bytes
    ) -> MessageRecord:
        config = self._config
        try:
            value = value_of(body, config.value_format)
        except DataError as error:
            raise DataError(f"a message of the queue {queue}: {error}") from error
        topic = config.kafka_topic.replace("${queue}", queue)
        key = properties.message_id
        return MessageRecord(
            topic=topic.replace("${routing.key}", method.routing_key),
            key_schema=None if key is None else STRING_SCHEMA,
            key=key,
            value_schema=value.schema,
            value=value.value,
            timestamp=None if properties.timestamp is None else properties.timestamp * 1000,
            headers=_headers(queue, method, properties),
            source_partition={"queue": queue},
            token=(channel, method.delivery_tag),
        )


def _headers(queue: str, method: Any, properties: Any) -> ConnectHeaders:
    headers = ConnectHeaders()
    for name, value in (
        ("rabbitmq.queue", queue),
        ("rabbitmq.exchange", method.exchange),
        ("rabbitmq.routing.key", method.routing_key),
        ("rabbitmq.content.type", properties.content_type),
        ("rabbitmq.correlation.id", properties.correlation_id),
        ("rabbitmq.reply.to", properties.reply_to),
    ):
        if value:
            headers.add_string(name, value)
    if method.redelivered:
        headers.add_boolean("rabbitmq.redelivered", True)
    for name, value in (properties.headers or {}).items():
        text = value if isinstance(value, str) else json_payload(None, value).decode()
        headers.add_string(name, text)
    return headers


def declare(channel: Any, config: AmqpSourceConfig, queue: str) -> None:
    """Make a queue and its binding, or see whether it is there."""
    if not config.rabbitmq_queue_declare:
        channel.queue_declare(queue, passive=True)
        return
    arguments = {"x-queue-type": "quorum"} if config.rabbitmq_queue_type == "quorum" else None
    channel.queue_declare(queue, durable=True, arguments=arguments)
    if config.rabbitmq_queue_exchange is not None:
        channel.queue_bind(queue, config.rabbitmq_queue_exchange, config.rabbitmq_queue_routing_key)


class AmqpSource(MessageSource):
    """Tasks consume the same queues, side by side."""

    settings: ClassVar[type[Any]] = AmqpSourceConfig
    task: ClassVar[type[SourceTask]] = AmqpSourceTask

    def deal(self, config: AmqpSourceConfig, max_tasks: int) -> list[dict[str, str]]:
        """Return as many tasks as may be."""
        return [{"aliran.task": str(number)} for number in range(max_tasks)]

    def try_out(self, config: AmqpSourceConfig) -> None:
        """Connect, and look at the queues."""
        connection = config.connect()
        try:
            with config.errors("looking at the queues"):
                for queue in config.rabbitmq_queue:
                    declare(connection.channel(), config, queue)
        finally:
            close(connection)
