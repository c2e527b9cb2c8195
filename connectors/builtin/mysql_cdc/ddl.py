"""Statements in the log that change tables, and their records. Debezium: `SchemaChangeEvent`.

Nothing depends on them: rows explain themselves. They are told in the topic `topic.prefix`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aliran.connectors.builtin.mysql_cdc.source_block import SourceBlocks
from aliran.connectors.data.builder import (
    INT64_SCHEMA,
    OPTIONAL_STRING_SCHEMA,
    STRING_SCHEMA,
    SchemaBuilder,
)
from aliran.connectors.data.struct import Struct
from aliran.connectors.records import SourceRecord

_COMMENT = re.compile(r"\s*(?:/\*(?![!M]).*?\*/|(?:--\s|#)[^\n]*\n)", re.DOTALL)
_WORD = re.compile(r"\s*(?:/\*M?!\d*\s*)?([A-Za-z]+)")
_TRUNCATE = re.compile(
    r"\s*TRUNCATE\s+(?:TABLE\s+)?(?:(`(?:[^`]|``)+`|[\w$]+)\s*\.\s*)?(`(?:[^`]|``)+`|[\w$]+)",
    re.IGNORECASE,
)
_CHANGES_TABLES = {"CREATE", "ALTER", "DROP", "RENAME", "TRUNCATE"}


def first_word(statement: str) -> str:
    """Return what a statement begins with, in capitals."""
    while (found := _COMMENT.match(statement)) is not None:
        statement = statement[found.end() :]
    word = _WORD.match(statement)
    return word[1].upper() if word else ""


def changes_tables(word: str) -> bool:
    """Whether a statement that begins so changes tables."""
    return word in _CHANGES_TABLES


def truncated(statement: str, database: str) -> tuple[str, str] | None:
    """Return database and name of the table that a TRUNCATE empties."""
    found = _TRUNCATE.match(statement)
    if found is None:
        return None
    return _bare(found[1]) or database, _bare(found[2])


def _bare(name: str | None) -> str:
    if not name:
        return ""
    return name[1:-1].replace("``", "`") if name.startswith("`") else name


class SchemaChanges:
    """Makes records of statements.

    Args:
        connector: "mysql" or "mariadb".
        blocks: Make `source`.
        topic: Where the records go.
    """

    def __init__(self, connector: str, blocks: SourceBlocks, topic: str) -> None:
        self._blocks = blocks
        self._topic = topic
        name = f"io.debezium.connector.{connector}"
        self._key = (
            SchemaBuilder.struct()
            .name(f"{name}.SchemaChangeKey")
            .version(1)
            .field("databaseName", STRING_SCHEMA)
            .build()
        )
        self._value = (
            SchemaBuilder.struct()
            .name(f"{name}.SchemaChangeValue")
            .version(1)
            .field("source", blocks.schema)
            .field("ts_ms", INT64_SCHEMA)
            .field("databaseName", OPTIONAL_STRING_SCHEMA)
            .field("schemaName", OPTIONAL_STRING_SCHEMA)
            .field("ddl", OPTIONAL_STRING_SCHEMA)
            .build()
        )

    def record(
        self,
        database: str,
        statement: str,
        pos: int,
        partition: Mapping[str, Any],
        offset: Mapping[str, Any],
    ) -> SourceRecord:
        """Return the record of a statement."""
        blocks = self._blocks
        values = [blocks.of_change(database, None, pos, 0), blocks.micros // 1000, database, None,
                  statement]  # fmt: skip
        return SourceRecord(
            topic=self._topic,
            kafka_partition=0,
            key_schema=self._key,
            key=Struct.unchecked(self._key, [database]),
            value_schema=self._value,
            value=Struct.unchecked(self._value, values),
            source_partition=partition,
            source_offset=offset,
        )
