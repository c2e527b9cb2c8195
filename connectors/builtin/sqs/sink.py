"""`SqsSink`: records → messages, in batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from aliran.connectors.builtin.sqs.queue import BATCH, QueueOptions
from aliran.connectors.cloud.aws import aws_errors
from aliran.connectors.config.typed import Option, instance_of
from aliran.connectors.config.values import between
from aliran.connectors.errors import DataError, RetriableError
from aliran.connectors.messaging.connector import MessageSink, MessageSinkTask
from aliran.connectors.messaging.values import text
from aliran.connectors.records import SinkRecord
from aliran.core.types import TopicPartition

_MOST_ATTRIBUTES = 10


@dataclass(frozen=True, kw_only=True)
class SqsSinkConfig(QueueOptions):
    """The options."""

    sqs_batch_max_bytes: Annotated[
        int,
        Option("How many bytes go with one request, at most.", validator=between(1024, 1 << 20)),
    ] = 262_144
    message_group_id: Annotated[
        Literal["key", "partition"],
        Option("The group of a message in a FIFO queue: the record's key, or its partition."),
    ] = "key"
    headers_to_attributes: Annotated[
        bool, Option("Give messages the headers as attributes, ten at most.")
    ] = False
    behavior_on_null_values: Annotated[
        Literal["fail", "ignore"], Option("What becomes of records without a value.")
    ] = "fail"


class SqsSinkTask(MessageSinkTask):
    """Sends messages. A batch that fails halfway goes on where it failed."""

    def start(self, props: Mapping[str, str]) -> None:
        """Connect."""
        self._config = instance_of(SqsSinkConfig, props)
        self._sqs = self._config.sqs()
        self._fifo = self._config.sqs_url.endswith(".fifo")
        self._sent: set[tuple[Any, ...]] = set()  # of the batch that is being put

    def put(self, records: Sequence[SinkRecord]) -> None:
        """Send a message a record."""
        for batch in self._batches(records):
            with aws_errors(f"sending to {self._config.sqs_url}"):
                answer = self._sqs.send_message_batch(
                    QueueUrl=self._config.sqs_url, Entries=[entry for _, entry in batch]
                )
            self._look_at(batch, answer)
        self._sent.clear()

    def _look_at(
        self, batch: list[tuple[SinkRecord, dict[str, Any]]], answer: Mapping[str, Any]
    ) -> None:
        failed = {one["Id"]: one for one in answer.get("Failed", ())}
        later = ""
        for record, entry in batch:
            error = failed.get(entry["Id"])
            if error is not None and not error.get("SenderFault"):
                later = f"{error.get('Code')}: {error.get('Message', '')}"
                continue
            self._sent.add(_place(record))
            if error is not None:
                told = f"SQS refuses the message: {error.get('Code')}: {error.get('Message', '')}"
                self.refuse(record, DataError(told))
        if later:
            raise RetriableError(f"sending to {self._config.sqs_url} failed: {later}")

    def _batches(
        self, records: Sequence[SinkRecord]
    ) -> Iterator[list[tuple[SinkRecord, dict[str, Any]]]]:
        batch: list[tuple[SinkRecord, dict[str, Any]]] = []
        size = 0
        for record in records:
            if _place(record) in self._sent:
                continue
            if record.value is None and self._config.behavior_on_null_values == "ignore":
                continue
            try:
                entry = self._entry(record)
            except DataError as error:
                self.refuse(record, error)
                self._sent.add(_place(record))
                continue
            more = len(entry["MessageBody"].encode("utf-8", "surrogatepass"))
            if batch and (len(batch) == BATCH or size + more > self._config.sqs_batch_max_bytes):
                yield batch
                batch, size = [], 0
            entry["Id"] = str(len(batch))
            batch.append((record, entry))
            size += more
        if batch:
            yield batch

    def _entry(self, record: SinkRecord) -> dict[str, Any]:
        body = "" if record.value is None else text(record.value_schema, record.value)
        if not body:
            raise DataError("a message of SQS needs a text; see behavior.on.null.values")
        size = len(body.encode("utf-8", "surrogatepass"))
        if size > self._config.sqs_batch_max_bytes:
            raise DataError(
                f"the message has {size} bytes; sqs.batch.max.bytes allows "
                f"{self._config.sqs_batch_max_bytes}"
            )
        entry: dict[str, Any] = {"MessageBody": body}
        if self._config.headers_to_attributes:
            entry["MessageAttributes"] = _attributes(record)
        if self._fifo:
            place = f"{record.original_topic}-{record.original_kafka_partition}"
            keyed = self._config.message_group_id == "key" and record.key is not None
            group = text(record.key_schema, record.key) if keyed else place
            entry["MessageGroupId"] = group[:128] or place
            # what is sent again within five minutes is known by this, and dropped
            entry["MessageDeduplicationId"] = f"{place}-{record.original_kafka_offset}"[-128:]
        return entry

    def flush(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Do nothing: `put` returns when all is sent."""

    def stop(self) -> None:
        """Close connections."""
        if hasattr(self, "_sqs"):
            self._sqs.close()


def _place(record: SinkRecord) -> tuple[Any, ...]:
    return record.original_topic, record.original_kafka_partition, record.original_kafka_offset


def _attributes(record: SinkRecord) -> dict[str, Any]:
    headers = [one for one in record.headers if one.value not in {None, "", b""}]
    if len(headers) > _MOST_ATTRIBUTES:
        raise DataError(f"a message has {_MOST_ATTRIBUTES} attributes at most, not {len(headers)}")
    return {
        one.key: (
            {"DataType": "Binary", "BinaryValue": one.value}
            if isinstance(one.value, bytes)
            else {"DataType": "String", "StringValue": text(one.schema, one.value)}
        )
        for one in headers
    }


class SqsSink(MessageSink):
    """Records → messages."""

    settings = SqsSinkConfig
    task: ClassVar[type[Any]] = SqsSinkTask

    def try_out(self, config: SqsSinkConfig) -> None:
        """Ask for the queue."""
        config.check_queue()
