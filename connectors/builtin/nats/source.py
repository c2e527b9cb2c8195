"""`NatsSource`: messages of NATS → topics.

With JetStream a durable consumer is read, whose messages are acknowledged when Kafka has
acknowledged their records; the server sends the others again. Core NATS sends nothing twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from aliran.connectors.api.tasks import SourceTask
from aliran.connectors.builtin.nats.client import LoopThread, NatsOptions
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option, instance_of
from aliran.connectors.config.values import at_least, invalid, not_empty
from aliran.connectors.data.builder import STRING_SCHEMA
from aliran.connectors.data.headers import ConnectHeaders
from aliran.connectors.errors import DataError, RetriableError
from aliran.connectors.messaging.acked import AckedSourceTask, Inbox, MessageRecord
from aliran.connectors.messaging.connector import MessageSource
from aliran.connectors.messaging.values import value_of


def _check_subjects(name: str, value: Any) -> None:
    if not value or any(not one or " " in one for one in value):
        raise invalid(name, value, "at least one subject is needed, such as orders.>")


@dataclass(frozen=True, kw_only=True)
class NatsSourceConfig(NatsOptions):
    """The options."""

    kafka_topic: Annotated[
        str,
        Option("The topic; ${subject} stands for the message's subject.",
               importance=Importance.HIGH, validator=not_empty),
    ]  # fmt: skip
    nats_subjects: Annotated[
        list[str],
        Option("Subjects, with * and >.", importance=Importance.HIGH, validator=_check_subjects),
    ] = field(default_factory=lambda: [">"])
    nats_mode: Annotated[
        Literal["jetstream", "core"],
        Option("jetstream: at least once; core: what is published while we listen.",
               importance=Importance.HIGH),
    ] = "jetstream"  # fmt: skip
    nats_stream: Annotated[
        str | None,
        Option("The stream; if not given, the one that has the subject.", group="JetStream"),
    ] = None
    nats_durable: Annotated[
        str | None,
        Option("How the durable consumer is called; aliran-CONNECTOR if not given. With several "
               "subjects their numbers follow.", group="JetStream"),
    ] = None  # fmt: skip
    nats_deliver_policy: Annotated[
        Literal["all", "new", "last"],
        Option("Where a new consumer begins.", group="JetStream"),
    ] = "all"
    nats_ack_wait_ms: Annotated[
        int,
        Option("When the server sends a message again that was not acknowledged.",
               validator=at_least(100), group="JetStream"),
    ] = 60_000  # fmt: skip
    nats_max_ack_pending: Annotated[
        int,
        Option("How many messages may be under way.", validator=at_least(1), group="JetStream"),
    ] = 10_000
    nats_queue_group: Annotated[
        str | None,
        Option("The group of subscribers that share messages, for several tasks.", group="Core"),
    ] = None
    value_format: Annotated[Literal["bytes", "string", "json"], Option("What a payload is.")] = (
        "bytes"
    )
    batch_size: Annotated[int, Option("The most records of a batch.", validator=at_least(1))] = 1000


class NatsSourceTask(AckedSourceTask):
    """Receives on an event loop's thread."""

    def start(self, props: Mapping[str, str]) -> None:
        """Prepare; `poll` connects."""
        self._config = config = instance_of(NatsSourceConfig, props)
        self._durable = (config.nats_durable or f"aliran-{props.get('name', '')}").replace(".", "_")
        self._inbox: Inbox[Msg] = Inbox()
        self._loop = LoopThread("aliran-nats-source")
        self._client: Client | None = None
        self._acks: deque[Msg] = deque()

    def poll(self) -> list[MessageRecord]:
        """Return messages that have come."""
        config = self._config
        with config.errors("receiving"):
            if self._client is None:
                self._client = self._loop.run(config.connect(for_ever=True))
                self._loop.run(self._listen(self._client))
            self._settle()
            messages = self._inbox.take(config.batch_size, self.wait_s)
        records = [self._record(one) for one in messages]
        self.sent(len(records))
        return records

    def acknowledge(self, token: Msg | None) -> None:
        """Note it for `poll`; on any thread."""
        if token is not None:
            self._acks.append(token)

    def _settle(self) -> None:
        acks = [self._acks.popleft() for _ in range(len(self._acks))]  # others may append
        if acks:
            self._loop.run(self._acknowledge_all(acks))

    async def _acknowledge_all(self, messages: list[Msg]) -> None:
        client = self._client
        if client is None or not client.is_connected:
            return  # the server sends them again
        for one in messages:
            await client.publish(one.reply, b"+ACK")

    def _record(self, message: Msg) -> MessageRecord:
        config = self._config
        try:
            value = value_of(message.data, config.value_format)
        except DataError as error:
            raise DataError(f"a message of {message.subject}: {error}") from error
        headers = ConnectHeaders()
        for name, text in (message.headers or {}).items():
            headers.add_string(name, text)
        return MessageRecord(
            topic=config.kafka_topic.replace("${subject}", message.subject),
            key_schema=STRING_SCHEMA,
            key=message.subject,
            value_schema=value.schema,
            value=value.value,
            headers=headers,
            source_partition={"subject": message.subject},
            token=message if config.nats_mode == "jetstream" else None,
        )

    def stop(self) -> None:
        """Let `poll` return."""
        if hasattr(self, "_inbox"):
            self._inbox.wake()

    def close(self) -> None:
        """Acknowledge the rest, and disconnect."""
        if hasattr(self, "_loop"):
            try:
                if self._client is not None:
                    self._settle()
                    self._loop.run(self._client.close(), 5)
            except (nats.errors.Error, TimeoutError, OSError):
                pass  # what is not acknowledged is sent again
            self._loop.close()

    # ------------------------------------------------------------------ on the loop's thread

    async def _listen(self, client: Client) -> None:
        config = self._config
        if config.nats_mode == "core":

            async def came(message: Msg) -> None:
                self._inbox.put(message)

            for subject in config.nats_subjects:
                await client.subscribe(subject, queue=config.nats_queue_group or "", cb=came)
            await client.flush()
            return
        stream = client.jetstream(timeout=config.nats_request_timeout_ms / 1000)
        for number, subject in enumerate(config.nats_subjects):
            durable = self._durable if len(config.nats_subjects) == 1 else (
                f"{self._durable}-{number}"
            )  # fmt: skip
            pull = await stream.pull_subscribe(
                subject, durable, config.nats_stream,
                ConsumerConfig(
                    ack_policy=AckPolicy.EXPLICIT, ack_wait=config.nats_ack_wait_ms / 1000,
                    max_ack_pending=config.nats_max_ack_pending,
                    deliver_policy=DeliverPolicy(config.nats_deliver_policy),
                ),
            )  # fmt: skip
            task = asyncio.get_running_loop().create_task(self._fetch(pull))
            task.add_done_callback(self._ended)

    async def _fetch(self, pull: Any) -> None:
        """Fetch batches while there is room for them."""
        while True:
            if len(self._inbox) > 2 * self._config.batch_size:
                await asyncio.sleep(0.01)
                continue
            try:
                self._inbox.extend(await pull.fetch(self._config.batch_size, timeout=2))
            except (nats.errors.TimeoutError, TimeoutError):
                continue
            except (nats.errors.ConnectionClosedError, nats.errors.ConnectionReconnectingError):
                await asyncio.sleep(0.5)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._inbox.fail(error if isinstance(error, Exception) else RetriableError(repr(error)))


class NatsSource(MessageSource):
    """Tasks share the durable consumer, or the group of subscribers."""

    settings: ClassVar[type[Any]] = NatsSourceConfig
    task: ClassVar[type[SourceTask]] = NatsSourceTask

    def deal(self, config: NatsSourceConfig, max_tasks: int) -> list[dict[str, str]]:
        """Return as many tasks as may share."""
        alone = config.nats_mode == "core" and config.nats_queue_group is None
        return [{"aliran.task": str(n)} for n in range(1 if alone else max_tasks)]

    def try_out(self, config: NatsSourceConfig) -> None:
        """Connect, and look for the streams."""

        async def attempt() -> None:
            client = await config.connect(for_ever=False)
            try:
                if config.nats_mode == "jetstream":
                    stream = client.jetstream(timeout=config.nats_request_timeout_ms / 1000)
                    if config.nats_stream is not None:
                        await stream.stream_info(config.nats_stream)
                    else:
                        for subject in config.nats_subjects:
                            await stream.find_stream_name_by_subject(subject)
            finally:
                await client.close()

        with config.errors("looking for the stream"):
            asyncio.run(attempt())
