"""`SqsSource`: messages → a topic. A message is deleted when Kafka has acknowledged its record."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from aliran.connectors.builtin.sqs.queue import BATCH, QueueOptions
from aliran.connectors.cloud.aws import aws_errors
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option, instance_of
from aliran.connectors.config.values import at_least, between, not_empty
from aliran.connectors.data.builder import STRING_SCHEMA
from aliran.connectors.data.headers import ConnectHeaders
from aliran.connectors.errors import ConnectError
from aliran.connectors.messaging.acked import AckedSourceTask, MessageRecord
from aliran.connectors.messaging.connector import MessageSource


@dataclass(frozen=True, kw_only=True)
class SqsSourceConfig(QueueOptions):
    """The options."""

    kafka_topic: Annotated[
        str,
        Option("The topic for the messages.", importance=Importance.HIGH, validator=not_empty),
    ]
    sqs_messages_max: Annotated[
        int, Option("How many messages are asked for at once.", validator=between(1, BATCH))
    ] = BATCH
    sqs_waittime_seconds: Annotated[
        int, Option("How long SQS waits for messages.", validator=between(0, 20))
    ] = 1
    sqs_visibility_timeout_seconds: Annotated[
        int,
        Option(
            "How long a message is kept from others, and from coming again if its record is not "
            "acknowledged; -1 for what the queue says.",
            validator=at_least(-1),
        ),
    ] = -1


class SqsSourceTask(AckedSourceTask):
    """Receives messages, and deletes them once their records are safe."""

    def start(self, props: Mapping[str, str]) -> None:
        """Connect."""
        self._config = instance_of(SqsSourceConfig, props)
        self._sqs = self._config.sqs()
        self._partition = {"sqs.url": self._config.sqs_url}
        self._stopping = threading.Event()
        self._deleting = threading.Lock()
        self._done: deque[str] = deque()

    def poll(self) -> list[MessageRecord] | None:
        """Return the messages that there are."""
        self._delete()
        if self._stopping.is_set():
            return None
        asked: dict[str, Any] = {}
        if self._config.sqs_visibility_timeout_seconds >= 0:
            asked["VisibilityTimeout"] = self._config.sqs_visibility_timeout_seconds
        with aws_errors(f"receiving from {self._config.sqs_url}"):
            answer = self._sqs.receive_message(
                QueueUrl=self._config.sqs_url,
                MaxNumberOfMessages=self._config.sqs_messages_max,
                # what is under way has to be looked after
                WaitTimeSeconds=0 if self.under_way else self._config.sqs_waittime_seconds,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
                **asked,
            )
        records = [self._record(message) for message in answer.get("Messages", ())]
        self.sent(len(records))
        return records

    def _record(self, message: Mapping[str, Any]) -> MessageRecord:
        about = message.get("Attributes", {})
        headers = ConnectHeaders()
        for name in ("MessageGroupId", "MessageDeduplicationId", "ApproximateReceiveCount"):
            if name in about:
                headers.add(f"sqs.{name}", about[name], STRING_SCHEMA)
        for name, value in message.get("MessageAttributes", {}).items():
            if "StringValue" in value:
                headers.add_string(name, value["StringValue"])
            elif "BinaryValue" in value:
                headers.add_bytes(name, value["BinaryValue"])
        return MessageRecord(
            token=message["ReceiptHandle"],
            source_partition=self._partition,
            topic=self._config.kafka_topic,
            key_schema=STRING_SCHEMA,
            key=about.get("MessageGroupId", message["MessageId"]),
            value_schema=STRING_SCHEMA,
            value=message["Body"],
            timestamp=int(about["SentTimestamp"]) if "SentTimestamp" in about else None,
            headers=headers,
        )

    def acknowledge(self, token: str) -> None:
        """Note that a message is safe."""
        self._done.append(token)

    def commit(self) -> None:
        """Delete what is safe; called at the end, too, after the last acknowledgements."""
        self._delete()

    def _delete(self) -> None:
        with self._deleting:
            while self._done:
                batch = [self._done.popleft() for _ in range(min(BATCH, len(self._done)))]
                entries = [{"Id": str(n), "ReceiptHandle": one} for n, one in enumerate(batch)]
                try:
                    with aws_errors(f"deleting messages of {self._config.sqs_url}"):
                        # those that fail (their time was up) come again
                        self._sqs.delete_message_batch(
                            QueueUrl=self._config.sqs_url, Entries=entries
                        )
                except ConnectError:
                    self._done.extendleft(reversed(batch))
                    raise

    def stop(self) -> None:
        """Let `poll` return."""
        self._stopping.set()


class SqsSource(MessageSource):
    """Messages → a topic; SQS deals them out over the tasks."""

    settings = SqsSourceConfig
    task: ClassVar[type[Any]] = SqsSourceTask

    def deal(self, config: SqsSourceConfig, max_tasks: int) -> list[dict[str, str]]:
        """Return as many tasks as may be."""
        return [{}] * max_tasks

    def try_out(self, config: SqsSourceConfig) -> None:
        """Ask for the queue."""
        config.check_queue()
