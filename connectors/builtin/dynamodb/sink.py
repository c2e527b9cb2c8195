"""`DynamoDbSink`: records → items. Confluent: `DynamoDbSinkConnector`, with its options."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from aliran.connectors.builtin.dynamodb.values import attribute_of, item_of
from aliran.connectors.cloud.aws import AwsOptions, aws_errors, code_of
from aliran.connectors.config.typed import Option, instance_of
from aliran.connectors.config.values import between, invalid
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import ConnectError, DataError, RetriableError
from aliran.connectors.messaging.connector import MessageSink, MessageSinkTask
from aliran.connectors.records import SinkRecord
from aliran.core.types import TopicPartition

_BATCH = 25
_ALIASES = ("partition", "offset", "topic", "key")
_TRIES = 6


def _check_key(name: str, value: Any) -> None:
    parts = (value or "").partition(".")
    if value and value not in _ALIASES and (parts[0] not in {"key", "value"} or not parts[2]):
        raise invalid(
            name, value, "it must be partition, offset, topic, key, key.FIELD or value.FIELD"
        )


@dataclass(frozen=True, kw_only=True)
class DynamoDbSinkConfig(AwsOptions):
    """The options."""

    aws_dynamodb_region: Annotated[str | None, Option("The tables' region.")] = None
    table_name_format: Annotated[
        str, Option("The table of a topic; ${topic} stands for its name.")
    ] = "${topic}"
    aws_dynamodb_pk_hash: Annotated[
        str,
        Option(
            "What the table's hash key is: partition, offset, topic, key, key.FIELD or "
            "value.FIELD. The attribute is called so, or as the field.",
            validator=_check_key,
        ),
    ] = "partition"
    aws_dynamodb_pk_sort: Annotated[
        str,
        Option("The same for the sort key; empty for a table without one.", validator=_check_key),
    ] = "offset"
    auto_create: Annotated[bool, Option("Make a table that is not there (paid by request).")] = (
        False
    )
    behavior_on_null_values: Annotated[
        Literal["fail", "ignore", "delete"],
        Option("What becomes of records without a value; delete: the item of its key goes."),
    ] = "fail"
    max_batch_size: Annotated[
        int, Option("How many items go with one request.", validator=between(1, _BATCH))
    ] = _BATCH

    def dynamodb(self) -> Any:
        """Return a client."""
        return self.client("dynamodb", self.aws_dynamodb_region)

    def key_names(self) -> list[tuple[str, str]]:
        """Return the name and the origin of each attribute of the key."""
        origins = [self.aws_dynamodb_pk_hash, self.aws_dynamodb_pk_sort]
        return [(one.partition(".")[2] or one, one) for one in origins if one]

    def compare_keys(self, tables: list[str]) -> None:
        """Check that tables have the key that the options name.

        Raises:
            ConnectError: One is not there, or has another key.
        """
        db = self.dynamodb()
        wanted = [name for name, _ in self.key_names()]
        for table in tables:
            try:
                with aws_errors(f"asking for the table {table}"):
                    keys = db.describe_table(TableName=table)["Table"]["KeySchema"]
            except ConnectError as error:
                if code_of(error) == "ResourceNotFoundException" and self.auto_create:
                    continue
                raise
            found = [one["AttributeName"] for one in keys]
            if found != wanted:
                raise ConnectError(
                    f"the key of the table {table} is {', '.join(found)}, but aws.dynamodb.pk.hash "
                    f"and aws.dynamodb.pk.sort name {', '.join(wanted)}"
                )
        db.close()


class DynamoDbSinkTask(MessageSinkTask):
    """Writes items; of several records of one key in a batch, the last."""

    def start(self, props: Mapping[str, str]) -> None:
        """Connect."""
        self._config = instance_of(DynamoDbSinkConfig, props)
        self._db = self._config.dynamodb()
        self._keys = self._config.key_names()
        self._known: set[str] = set()

    def put(self, records: Sequence[SinkRecord]) -> None:
        """Write the records."""
        tables: dict[str, dict[str, tuple[SinkRecord, dict[str, Any]]]] = {}
        for record in records:
            try:
                found = self._request(record)
            except DataError as error:
                self.refuse(record, error)
                continue
            if found is not None:
                key, request = found
                rows = tables.setdefault(self._table(record), {})
                rows.pop(key, None)
                rows[key] = record, request
        for table, rows in tables.items():
            self._need(table, next(iter(rows.values()))[1])
            pending = list(rows.values())
            for start in range(0, len(pending), self._config.max_batch_size):
                self._write(table, pending[start : start + self._config.max_batch_size])

    def _table(self, record: SinkRecord) -> str:
        return self._config.table_name_format.replace("${topic}", record.topic or "")

    def _request(self, record: SinkRecord) -> tuple[str, dict[str, Any]] | None:
        """Return a key to tell items apart, and what is asked of DynamoDB."""
        mode = self._config.behavior_on_null_values
        if record.value is None and mode == "ignore":
            return None
        if record.value is None and mode == "fail":
            raise DataError("the record has no value; see behavior.on.null.values")
        key = {name: _key_value(record, origin) for name, origin in self._keys}
        if record.value is None:
            return repr(key), {"DeleteRequest": {"Key": key}}
        item = item_of(record.value)
        return repr(key), {"PutRequest": {"Item": {**item, **key}}}

    # ------------------------------------------------------------------ writing

    def _write(self, table: str, rows: list[tuple[SinkRecord, dict[str, Any]]]) -> None:
        requests = [request for _, request in rows]
        wait_s = 0.05
        for _ in range(_TRIES):
            try:
                with aws_errors(f"writing to the table {table}"):
                    answer = self._db.batch_write_item(RequestItems={table: requests})
            except RetriableError:
                raise
            except ConnectError as error:
                if code_of(error) != "ValidationException":
                    raise
                self._write_singly(table, rows)
                return
            requests = answer.get("UnprocessedItems", {}).get(table, [])
            if not requests:
                return
            time.sleep(wait_s)
            wait_s *= 2
        raise RetriableError(f"the table {table} did not take {len(requests)} items: throttled")

    def _write_singly(self, table: str, rows: list[tuple[SinkRecord, dict[str, Any]]]) -> None:
        """Find out which item DynamoDB refuses."""
        for record, request in rows:
            try:
                with aws_errors(f"writing to the table {table}"):
                    if "PutRequest" in request:
                        self._db.put_item(TableName=table, **request["PutRequest"])
                    else:
                        self._db.delete_item(TableName=table, **request["DeleteRequest"])
            except RetriableError:
                raise
            except ConnectError as error:
                if code_of(error) != "ValidationException":
                    raise
                self.refuse(record, DataError(str(error)))

    def _need(self, table: str, request: dict[str, Any]) -> None:
        """Make a table that is not there."""
        if table in self._known or not self._config.auto_create:
            return
        sample = request.get("PutRequest", {}).get("Item") or request["DeleteRequest"]["Key"]
        names = [name for name, _ in self._keys]
        try:
            with aws_errors(f"making the table {table}"):
                self._db.create_table(
                    TableName=table,
                    BillingMode="PAY_PER_REQUEST",
                    AttributeDefinitions=[
                        {"AttributeName": name, "AttributeType": next(iter(sample[name]))}
                        for name in names
                    ],
                    KeySchema=[
                        {"AttributeName": name, "KeyType": kind}
                        for name, kind in zip(names, ("HASH", "RANGE"), strict=False)
                    ],
                )
        except ConnectError as error:
            if code_of(error) != "ResourceInUseException":
                raise
        with aws_errors(f"waiting for the table {table}"):
            status = self._db.describe_table(TableName=table)["Table"]["TableStatus"]
        if status != "ACTIVE":
            raise RetriableError(f"the table {table} is {status}")
        self._known.add(table)

    def flush(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Do nothing: `put` returns when all is written."""

    def stop(self) -> None:
        """Close connections."""
        if hasattr(self, "_db"):
            self._db.close()


def _key_value(record: SinkRecord, origin: str) -> dict[str, Any]:
    if origin == "partition":
        value: Any = record.original_kafka_partition
    elif origin == "offset":
        value = record.original_kafka_offset
    elif origin == "topic":
        value = record.topic
    else:
        part, _, field = origin.partition(".")
        value = record.key if part == "key" else record.value
        if field:
            value = _field(value, field, origin)
    attribute = attribute_of(value, origin)
    if next(iter(attribute)) not in {"S", "N", "B"} or value in {"", b""}:
        raise DataError(f"{origin} is part of the key: a text, a number or bytes, not {value!r}")
    return attribute


def _field(value: Any, name: str, origin: str) -> Any:
    if isinstance(value, Struct) and value.schema.field(name) is not None:
        return value[name]
    if isinstance(value, Mapping) and name in value:
        return value[name]
    raise DataError(f"the record has no {origin}, which is part of the key")


class DynamoDbSink(MessageSink):
    """Records → items."""

    settings = DynamoDbSinkConfig
    task: ClassVar[type[Any]] = DynamoDbSinkTask

    def check(self, given: Mapping[str, str]) -> None:
        """Ask for the tables of topics that are named, and compare their keys."""
        config = instance_of(DynamoDbSinkConfig, given)
        topics = filter(None, map(str.strip, given.get("topics", "").split(",")))
        config.compare_keys([config.table_name_format.replace("${topic}", one) for one in topics])

    def try_out(self, config: DynamoDbSinkConfig) -> None:
        """Connect."""
        config.compare_keys([])
