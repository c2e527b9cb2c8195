"""`NatsSink`: topics → subjects of NATS.

With JetStream each message has an id made of its place in Kafka, so that the stream leaves out what
it has got before (within its `duplicate_window`), and a batch is done when the stream has it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import nats.errors
from nats.aio.client import Client
from nats.js.errors import NoStreamResponseError

from aliran.connectors.api.tasks import SinkTask
from aliran.connectors.builtin.nats.client import LoopThread, NatsOptions
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option, instance_of
from aliran.connectors.config.values import not_empty
from aliran.connectors.errors import DataError
from aliran.connectors.messaging.connector import MessageSink, MessageSinkTask
from aliran.connectors.messaging.values import headers_of, payload, text
from aliran.connectors.records import SinkRecord


@dataclass(frozen=True, kw_only=True)
class NatsSinkConfig(NatsOptions):
    """The options."""

    nats_subject: Annotated[
        str,
        Option("The subject; ${topic} and ${key} stand for the record's.",
               importance=Importance.HIGH, validator=not_empty),
    ] = "${topic}"  # fmt: skip
    nats_mode: Annotated[
        Literal["jetstream", "core"],
        Option("jetstream: a stream must have the subject, and confirms; core: whoever listens.",
               importance=Importance.HIGH),
    ] = "jetstream"  # fmt: skip
    nats_forward_headers: Annotated[bool, Option("Send the record's headers.")] = True
    nats_forward_key: Annotated[bool, Option("Send the record's key as the header Kafka-Key.")] = (
        False
    )


class NatsSinkTask(MessageSinkTask):
    """Publishes a batch on an event loop's thread, then waits until the stream has it."""

    def start(self, props: Mapping[str, str]) -> None:
        """Prepare; `put` connects."""
        self._config = instance_of(NatsSinkConfig, props)
        self._name = props.get("name", "")
        self._loop = LoopThread("aliran-nats-sink")
        self._client: Client | None = None
        self._stream: Any = None

    def put(self, records: Sequence[SinkRecord]) -> None:
        """Publish records; all that are not confirmed are published again, under their ids."""
        if not records:
            return
        messages = []
        for record in records:
            try:
                messages.append((record, *self._message(record)))
            except DataError as error:
                self.refuse(record, error)
        config = self._config
        with config.errors("publishing"):
            if self._client is None:
                self._client = self._loop.run(config.connect(for_ever=True))
                self._stream = self._client.jetstream(timeout=config.nats_request_timeout_ms / 1000)
            refused = self._loop.run(self._publish(messages))
        for record, reason in refused:
            self.refuse(record, reason)

    def _message(self, record: SinkRecord) -> tuple[str, bytes, dict[str, str]]:
        subject = self._config.nats_subject.replace("${topic}", record.topic or "")
        if "${key}" in subject:
            if record.key is None:
                raise DataError("it has no key for ${key} in nats.subject")
            subject = subject.replace("${key}", text(record.key_schema, record.key))
        if not subject or any(one in subject for one in " \t\r\n*>") or ".." in f".{subject}.":
            raise DataError(f"{subject!r} is no subject")
        headers = {}
        if self._config.nats_forward_headers:
            for name, value in headers_of(record.headers).items():
                headers[name.replace(":", "-")] = " ".join(value.split())
        if self._config.nats_forward_key and record.key is not None:
            headers["Kafka-Key"] = text(record.key_schema, record.key)
        headers["Nats-Msg-Id"] = (
            f"{self._name}/{record.original_topic}-{record.original_kafka_partition}-"
            f"{record.original_kafka_offset}"
        )
        return subject, payload(record.value_schema, record.value), headers

    async def _publish(
        self, messages: list[tuple[SinkRecord, str, bytes, dict[str, str]]]
    ) -> list[tuple[SinkRecord, Exception]]:
        """Publish; return what is refused for good."""
        assert self._client is not None
        refused: list[tuple[SinkRecord, Exception]] = []
        if not self._client.is_connected:
            raise nats.errors.ConnectionReconnectingError
        waiting: list[tuple[SinkRecord, str, asyncio.Future[Any]]] = []
        for record, subject, data, headers in messages:
            try:
                if self._config.nats_mode == "core":
                    await self._client.publish(subject, data, headers=headers)
                else:
                    done = await self._stream.publish_async(subject, data, headers=headers)
                    waiting.append((record, subject, done))
            except nats.errors.MaxPayloadError as error:
                refused.append((record, error))
        timeout_s = self._config.nats_request_timeout_ms / 1000
        if self._config.nats_mode == "core":
            await self._client.flush(max(1, int(timeout_s)))
            return refused
        if waiting:
            await asyncio.wait([done for _, _, done in waiting], timeout=timeout_s)
        for record, subject, done in waiting:
            if not done.done():
                raise nats.errors.TimeoutError
            failure = done.exception()
            if isinstance(failure, NoStreamResponseError):
                refused.append((record, DataError(f"no stream has the subject {subject!r}")))
            elif failure is not None:
                raise failure
        return refused

    def stop(self) -> None:
        """Disconnect."""
        if hasattr(self, "_loop"):
            try:
                if self._client is not None:
                    self._loop.run(self._client.close(), 5)
            except (nats.errors.Error, TimeoutError, OSError):
                pass  # it has gone already
            self._loop.close()


class NatsSink(MessageSink):
    """As many tasks as may be."""

    settings: ClassVar[type[Any]] = NatsSinkConfig
    task: ClassVar[type[SinkTask]] = NatsSinkTask

    def try_out(self, config: NatsSinkConfig) -> None:
        """Connect, and look for the stream where the subject is known."""

        async def attempt() -> None:
            client = await config.connect(for_ever=False)
            try:
                if config.nats_mode == "jetstream" and "$" not in config.nats_subject:
                    stream = client.jetstream(timeout=config.nats_request_timeout_ms / 1000)
                    await stream.find_stream_name_by_subject(config.nats_subject)
            finally:
                await client.close()

        with config.errors("looking for the stream"):
            asyncio.run(attempt())
