"""Records of logical decoding messages (`pg_logical_emit_message`), operation m.

Debezium: `LogicalDecodingMessageMonitor`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aliran.connectors.builtin.cdc import types as kinds
from aliran.connectors.builtin.cdc.envelope import TRANSACTION_BLOCK_SCHEMA, Origin
from aliran.connectors.data.builder import (
    OPTIONAL_INT64_SCHEMA,
    OPTIONAL_STRING_SCHEMA,
    STRING_SCHEMA,
    SchemaBuilder,
)
from aliran.connectors.data.schema import Schema
from aliran.connectors.data.struct import Struct
from aliran.connectors.records import SourceRecord

_PACKAGE = "io.debezium.connector.postgresql."
KEY_SCHEMA: Schema = (
    SchemaBuilder.struct()
    .name(f"{_PACKAGE}MessageKey")
    .version(1)
    .field("prefix", OPTIONAL_STRING_SCHEMA)
    .build()
)


class Messages:
    """Makes records of messages.

    Args:
        topic: Where they go.
        source: Schema of `source`.
        mode: How their content is shown.
    """

    def __init__(self, topic: str, source: Schema, mode: kinds.BinaryMode) -> None:
        kind = kinds.binary(mode)
        self._topic = topic
        self._convert = kind.convert
        self._block = (
            SchemaBuilder.struct()
            .name(f"{_PACKAGE}Message")
            .version(1)
            .field("prefix", OPTIONAL_STRING_SCHEMA)
            .field("content", kind.schema(optional=True))
            .build()
        )
        self._value = (
            SchemaBuilder.struct()
            .name(f"{_PACKAGE}MessageValue")
            .version(1)
            .field("op", STRING_SCHEMA)
            .field("ts_ms", OPTIONAL_INT64_SCHEMA)
            .field("source", source)
            .field("transaction", TRANSACTION_BLOCK_SCHEMA)
            .field("message", self._block)
            .build()
        )

    def record(
        self, prefix: str, content: bytes, origin: Origin, offset: Mapping[str, Any]
    ) -> SourceRecord:
        """Return the record of a message."""
        shown = content if self._convert is None else self._convert(content)
        block = Struct.unchecked(self._block, [prefix, shown])
        now_ms = origin.now_ns // 1_000_000
        values = ["m", now_ms, origin.source, origin.transaction, block]
        return SourceRecord(
            topic=self._topic,
            key_schema=KEY_SCHEMA,
            key=Struct.unchecked(KEY_SCHEMA, [prefix]),
            value_schema=self._value,
            value=Struct.unchecked(self._value, values),
            source_partition=origin.partition,
            source_offset=offset,
        )
