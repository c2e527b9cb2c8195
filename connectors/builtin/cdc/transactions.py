"""Transactions as Debezium tells of them: BEGIN and END in a topic, their place in each change.

Debezium: `TransactionMonitor`, `provide.transaction.metadata`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from aliran.connectors.builtin.cdc.envelope import TRANSACTION_BLOCK_SCHEMA
from aliran.connectors.data.builder import (
    INT64_SCHEMA,
    OPTIONAL_INT64_SCHEMA,
    STRING_SCHEMA,
    SchemaBuilder,
)
from aliran.connectors.data.schema import Schema
from aliran.connectors.data.struct import Struct
from aliran.connectors.records import SourceRecord

KEY_SCHEMA: Schema = (
    SchemaBuilder.struct()
    .name("io.debezium.connector.common.TransactionMetadataKey")
    .version(1)
    .field("id", STRING_SCHEMA)
    .build()
)
COLLECTION_SCHEMA: Schema = (
    SchemaBuilder.struct()
    .optional()
    .name("event.collection")
    .version(1)
    .field("data_collection", STRING_SCHEMA)
    .field("event_count", INT64_SCHEMA)
    .build()
)
VALUE_SCHEMA: Schema = (
    SchemaBuilder.struct()
    .name("io.debezium.connector.common.TransactionMetadataValue")
    .version(1)
    .field("status", STRING_SCHEMA)
    .field("id", STRING_SCHEMA)
    .field("event_count", OPTIONAL_INT64_SCHEMA)
    .field("data_collections", SchemaBuilder.array(COLLECTION_SCHEMA).optional().build())
    .field("ts_ms", INT64_SCHEMA)
    .build()
)


class Transaction:
    """Counts the changes of one transaction.

    Args:
        transaction_id: Its name in records.
        ts_ms: When it was committed.
        topic: Where BEGIN and END go.
        partition: The source partition.
    """

    __slots__ = ("_counts", "_id", "_partition", "_topic", "_total", "_ts_ms")

    def __init__(
        self, transaction_id: str, ts_ms: int, topic: str, partition: Mapping[str, Any]
    ) -> None:
        self._id = transaction_id
        self._ts_ms = ts_ms
        self._topic = topic
        self._partition = partition
        self._total = 0
        self._counts: dict[str, int] = {}

    def block(self, collection: str) -> Struct:
        """Count a change of a table, and return its `transaction` block."""
        self._total += 1
        order = self._counts[collection] = self._counts.get(collection, 0) + 1
        return Struct.unchecked(TRANSACTION_BLOCK_SCHEMA, [self._id, self._total, order])

    def begin(self, offset: Mapping[str, Any]) -> SourceRecord:
        """Return BEGIN."""
        return self._record("BEGIN", offset, None, None)

    def end(self, offset: Mapping[str, Any]) -> SourceRecord:
        """Return END, with how many changes there were."""
        rows = [
            Struct.unchecked(COLLECTION_SCHEMA, [name, count])
            for name, count in self._counts.items()
        ]
        return self._record("END", offset, self._total, rows)

    def _record(
        self,
        status: Literal["BEGIN", "END"],
        offset: Mapping[str, Any],
        count: int | None,
        collections: list[Struct] | None,
    ) -> SourceRecord:
        values = [status, self._id, count, collections, self._ts_ms]
        return SourceRecord(
            topic=self._topic,
            key_schema=KEY_SCHEMA,
            key=Struct.unchecked(KEY_SCHEMA, [self._id]),
            value_schema=VALUE_SCHEMA,
            value=Struct.unchecked(VALUE_SCHEMA, values),
            source_partition=self._partition,
            source_offset=offset,
        )
