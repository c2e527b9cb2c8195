"""`DynamoDbSource`: a table's items, then its changes, → a topic a table.

The first reading is a scan, page by page, each record's offset the page that it belongs to. What
changes meanwhile stands in the table's stream, which is read from its oldest change on behind the
scan: the topic, compacted, becomes the table.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from aliran.connectors.api.tasks import SourceTask
from aliran.connectors.builtin.dynamodb.shards import StreamReader
from aliran.connectors.builtin.dynamodb.values import values_of
from aliran.connectors.cloud.aws import AwsOptions, aws_errors
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option, instance_of
from aliran.connectors.config.values import at_least, between, invalid
from aliran.connectors.converters import json_text
from aliran.connectors.errors import ConnectError
from aliran.connectors.messaging.connector import MessageSource
from aliran.connectors.records import SourceRecord

TABLES = "task.tables"
_OPS = {"INSERT": "c", "MODIFY": "u", "REMOVE": "d"}
_SHARDS_EVERY_S = 10.0
_VIEWS = {"NEW_IMAGE", "NEW_AND_OLD_IMAGES"}


def _some(name: str, value: Any) -> None:
    if not [one for one in value or () if one]:
        raise invalid(name, value, "at least one table is needed")


@dataclass(frozen=True, kw_only=True)
class DynamoDbSourceConfig(AwsOptions):
    """The options."""

    dynamodb_table_includelist: Annotated[
        list[str], Option("The tables.", importance=Importance.HIGH, validator=_some)
    ]
    aws_dynamodb_region: Annotated[str | None, Option("The tables' region.")] = None
    topic_prefix: Annotated[str, Option("What stands before the table's name.")] = ""
    snapshot_mode: Annotated[
        Literal["initial", "never", "only"],
        Option("initial: the table, then its changes; never: changes only; only: the table only."),
    ] = "initial"
    dynamodb_snapshot_max_poll_records: Annotated[
        int, Option("How many items a page of the scan has.", validator=between(1, 10_000))
    ] = 1000
    poll_interval_ms: Annotated[
        int, Option("How often a quiet stream is asked.", validator=at_least(10))
    ] = 500
    tombstones_on_delete: Annotated[
        bool, Option("Let a record without a value follow a deletion, for compaction.")
    ] = True

    def clients(self) -> tuple[Any, Any]:
        """Return clients of DynamoDB and of its streams."""
        region = self.aws_dynamodb_region
        return self.client("dynamodb", region), self.client("dynamodbstreams", region)


def _describe(db: Any, table: str, *, stream: bool) -> dict[str, Any]:
    """Return what DynamoDB says of a table.

    Raises:
        ConnectError: There is no such table, or it has no stream with new images.
    """
    with aws_errors(f"asking for the table {table}"):
        found: dict[str, Any] = db.describe_table(TableName=table)["Table"]
    view = found.get("StreamSpecification", {}).get("StreamViewType")
    if stream and view not in _VIEWS:
        raise ConnectError(
            f"the table {table} has no stream of new images; enable one with "
            "StreamViewType=NEW_AND_OLD_IMAGES, or set snapshot.mode=only"
        )
    return found


class _Table:
    """One table on its way: first scanned, then followed."""

    def __init__(self, task: DynamoDbSourceTask, name: str) -> None:
        config = task.config
        described = _describe(task.db, name, stream=config.snapshot_mode != "only")
        self._task = task
        self._name = name
        self._topic = config.topic_prefix + name
        self._keys = [one["AttributeName"] for one in described["KeySchema"]]
        self._scan = {"table": name, "snapshot": "scan"}
        stored = task.offset(self._scan) or {}
        self._scanning = config.snapshot_mode != "never" and not stored.get("done")
        self._start = json.loads(stored["key"]) if stored.get("key") else None
        self._stream = None
        if config.snapshot_mode != "only":
            self._stream = StreamReader(
                task.streams, described["LatestStreamArn"], name, self._sequence_of
            )
        self._shards_at = 0.0
        self._quiet_until = 0.0

    def _sequence_of(self, shard: str) -> str | None:
        stored = self._task.offset({"table": self._name, "shard": shard})
        return None if stored is None else str(stored["sequence"])

    def read(self) -> list[SourceRecord]:
        """Return the next records, none if there are none now."""
        if self._scanning:
            return self._page()
        now = time.monotonic()
        if self._stream is None or now < self._quiet_until:
            return []
        if now >= self._shards_at:
            self._shards_at = now + _SHARDS_EVERY_S
            self._stream.look_for_shards()
        changes = self._stream.read()
        if not changes:
            self._quiet_until = now + self._task.config.poll_interval_ms / 1000
        return [record for change in changes for record in self._changed(*change)]

    def _page(self) -> list[SourceRecord]:
        asked: dict[str, Any] = {"Limit": self._task.config.dynamodb_snapshot_max_poll_records}
        if self._start is not None:
            asked["ExclusiveStartKey"] = _from_json(self._start)
        with aws_errors(f"scanning the table {self._name}"):
            answer = self._task.db.scan(TableName=self._name, ConsistentRead=True, **asked)
        before, following = self._start, answer.get("LastEvaluatedKey")
        self._start = None if following is None else _to_json(following)
        self._scanning = following is not None
        records = []
        for number, item in enumerate(answer["Items"], 1):
            # within a page its beginning counts, behind it the next one's
            last = number == len(answer["Items"])
            key = self._start if last else before
            offset = {"key": None if key is None else json.dumps(key),
                      "done": last and not self._scanning}  # fmt: skip
            records.append(self._record(self._scan, offset, item, "r", None, item, {}))
        return records

    def _changed(self, shard: str, change: Mapping[str, Any]) -> Iterator[SourceRecord]:
        told = change["dynamodb"]
        partition = {"table": self._name, "shard": shard}
        offset = {"sequence": told["SequenceNumber"]}
        at = told.get("ApproximateCreationDateTime")
        about = {
            "shard": shard,
            "sequence": told["SequenceNumber"],
            "ts_ms": None if at is None else int(at.timestamp() * 1000),
        }
        op = _OPS[change["eventName"]]
        before, after = told.get("OldImage"), told.get("NewImage")
        keys = told["Keys"]
        if op == "d" and self._task.config.tombstones_on_delete:
            # the offset counts when both are safe
            yield self._record(partition, None, keys, op, before, after, about)
            yield self._record(partition, offset, keys, op, before, after, about).with_value(
                None, None
            )
            return
        yield self._record(partition, offset, keys, op, before, after, about)

    def _record(
        self, partition: Mapping[str, Any], offset: Mapping[str, Any] | None,
        keys: Mapping[str, Any], op: str, before: Any, after: Any, about: Mapping[str, Any],
    ) -> SourceRecord:  # fmt: skip
        key = values_of({name: keys[name] for name in self._keys})
        return SourceRecord(
            source_partition=partition,
            source_offset=offset,
            topic=self._topic,
            key=key,
            value={
                "op": op,
                "before": None if before is None else values_of(before),
                "after": None if after is None else values_of(after),
                "source": {"connector": "dynamodb", "table": self._name, **about},
            },
            timestamp=about.get("ts_ms"),
        )


def _to_json(key: Mapping[str, Any]) -> dict[str, Any]:
    """Return a key of DynamoDB with bytes as text."""
    return {name: {kind: value.hex() if kind == "B" else value}
            for name, one in key.items() for kind, value in one.items()}  # fmt: skip


def _from_json(key: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {kind: bytes.fromhex(value) if kind == "B" else value}
            for name, one in key.items() for kind, value in one.items()}  # fmt: skip


class DynamoDbSourceTask(SourceTask):
    """Reads its tables by turns."""

    def start(self, props: Mapping[str, str]) -> None:
        """Connect."""
        self.config: DynamoDbSourceConfig = instance_of(DynamoDbSourceConfig, props)
        self.db: Any
        self.streams: Any
        self.db, self.streams = self.config.clients()
        self._stopping = threading.Event()
        self._names = props[TABLES].split(",")
        self._tables: list[_Table] = []

    def offset(self, partition: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return how far earlier runs have come."""
        return self.context.offset_storage_reader.offset(partition)

    def poll(self) -> list[SourceRecord] | None:
        """Return the next records of all tables."""
        while len(self._tables) < len(self._names):
            self._tables.append(_Table(self, self._names[len(self._tables)]))
        records: list[SourceRecord] = []
        for table in self._tables:
            if self._stopping.is_set():
                break
            try:
                records += table.read()
            except ConnectError:
                if not records:
                    raise
                break  # what was read of other tables goes first; it comes up again
        self._tables.append(self._tables.pop(0))
        if not records:
            self._stopping.wait(min(0.2, self.config.poll_interval_ms / 1000))
        return records

    def stop(self) -> None:
        """Let `poll` return."""
        self._stopping.set()

    def close(self) -> None:
        """Close connections."""
        if hasattr(self, "streams"):
            self.db.close()
            self.streams.close()


class DynamoDbSource(MessageSource):
    """Tables, dealt out over tasks."""

    settings = DynamoDbSourceConfig
    task: ClassVar[type[Any]] = DynamoDbSourceTask

    def deal(self, config: DynamoDbSourceConfig, max_tasks: int) -> list[dict[str, str]]:
        """Return some tables for each task."""
        tables = _names(config)
        count = min(max_tasks, len(tables))
        return [{TABLES: ",".join(tables[at::count])} for at in range(count)]

    def try_out(self, config: DynamoDbSourceConfig) -> None:
        """Ask for the tables and their streams."""
        db = config.client("dynamodb", config.aws_dynamodb_region)
        for table in _names(config):
            _describe(db, table, stream=config.snapshot_mode != "only")
        db.close()

    def alter_offsets(
        self,
        config: Mapping[str, str],
        offsets: Sequence[tuple[Mapping[str, Any], Mapping[str, Any] | None]],
    ) -> bool:
        """Check that offsets are those of a scan or a shard."""
        for partition, offset in offsets:
            if set(partition) not in ({"table", "snapshot"}, {"table", "shard"}):
                raise ConnectError(
                    "Partition objects should contain 'table' and either 'shard' or 'snapshot': "
                    f"{partition}"
                )
            if offset is None:
                continue
            if "shard" in partition and not str(offset.get("sequence", "")).isdigit():
                raise ConnectError(f"The 'sequence' of a shard must be a number: {offset}")
            if "snapshot" in partition and offset.get("key"):
                json_text.read(str(offset["key"]).encode())
        return True


def _names(config: DynamoDbSourceConfig) -> list[str]:
    return list(dict.fromkeys(one for one in config.dynamodb_table_includelist if one))
