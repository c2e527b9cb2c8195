"""Records of changes in Debezium's form: schemas of keys, rows and envelopes, tombstones, new keys.

Debezium: `SchemaFactory`, `Envelope`, `RelationalChangeRecordEmitter`. A connector makes an
`Envelope` for each table (and again when the table's columns change), and calls `changes` with
values in the order of the columns. Values are trusted: they must fit the schemas of their columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from aliran.connectors.data.builder import (
    INT64_SCHEMA,
    OPTIONAL_INT64_SCHEMA,
    OPTIONAL_STRING_SCHEMA,
    STRING_SCHEMA,
    SchemaBuilder,
)
from aliran.connectors.data.headers import ConnectHeaders
from aliran.connectors.data.schema import Schema
from aliran.connectors.data.struct import Struct
from aliran.connectors.records import SourceRecord

Op: TypeAlias = Literal["r", "c", "u", "d", "t", "m"]
"""What happened: read by a snapshot, created, updated, deleted, truncated, a message."""

Row: TypeAlias = list[Any]
"""Values in the order of the columns."""

ENVELOPE_VERSION = 2
NEW_KEY_HEADER = "__debezium.newkey"
OLD_KEY_HEADER = "__debezium.oldkey"

SNAPSHOT_MARKER_SCHEMA: Schema = (
    SchemaBuilder.string()
    .name("io.debezium.data.Enum")
    .version(1)
    .parameter(
        "allowed",
        "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental",
    )
    .optional()
    .default_value("false")
    .build()
)
"""`source.snapshot`."""

TRANSACTION_BLOCK_SCHEMA: Schema = (
    SchemaBuilder.struct()
    .optional()
    .name("event.block")
    .version(1)
    .field("id", STRING_SCHEMA)
    .field("total_order", INT64_SCHEMA)
    .field("data_collection_order", INT64_SCHEMA)
    .build()
)
"""`transaction`, in the value of a change."""

HEARTBEAT_KEY_SCHEMA: Schema = (
    SchemaBuilder.struct()
    .name("io.debezium.connector.common.ServerNameKey")
    .version(1)
    .field("serverName", STRING_SCHEMA)
    .build()
)
HEARTBEAT_VALUE_SCHEMA: Schema = (
    SchemaBuilder.struct()
    .name("io.debezium.connector.common.Heartbeat")
    .version(1)
    .field("ts_ms", INT64_SCHEMA)
    .build()
)


def source_schema(connector: str, fields: Sequence[tuple[str, Schema]]) -> Schema:
    """Return the schema of `source`: what all databases have, and then the fields of this one.

    The first nine fields are `version`, `connector`, `name`, `ts_ms`, `snapshot`, `db`, `sequence`,
    `ts_us`, `ts_ns`.

    Args:
        connector: Debezium's name of the connector, such as "postgresql".
        fields: What only this database has, such as `lsn`.
    """
    builder = (
        SchemaBuilder.struct()
        .name(f"io.debezium.connector.{connector}.Source")
        .version(1)
        .field("version", STRING_SCHEMA)
        .field("connector", STRING_SCHEMA)
        .field("name", STRING_SCHEMA)
        .field("ts_ms", INT64_SCHEMA)
        .field("snapshot", SNAPSHOT_MARKER_SCHEMA)
        .field("db", STRING_SCHEMA)
        .field("sequence", OPTIONAL_STRING_SCHEMA)
        .field("ts_us", OPTIONAL_INT64_SCHEMA)
        .field("ts_ns", OPTIONAL_INT64_SCHEMA)
    )
    for name, schema in fields:
        builder.field(name, schema)
    return builder.build()


@dataclass(frozen=True, slots=True)
class Column:
    """A column as it goes into records.

    Attributes:
        name: Its name.
        schema: What values are; optional where the column may be null.
        zero: What stands where the old value of a required column is not known, as in the
            `before` of a table whose replica identity is its key: 0, "", ….
    """

    name: str
    schema: Schema
    zero: Any = None


class Origin(NamedTuple):
    """Where a change comes from.

    Attributes:
        source: The `source` block.
        partition: The source partition.
        offset: Where to go on behind the change.
        before: Where to go on if only a part of the change's records was written; None for
            `offset`.
        now_ns: When the connector sees the change, in nanoseconds since 1970.
        transaction: The `transaction` block, where it is wanted.
    """

    source: Struct
    partition: Mapping[str, Any]
    offset: Mapping[str, Any]
    now_ns: int
    before: Mapping[str, Any] | None = None
    transaction: Struct | None = None


class Envelope:
    """The records of one table.

    Args:
        topic: The topic, whose name also names the schemas.
        columns: The columns, in the order of rows.
        key: The names of those that make the key; none for records without a key.
        source: The schema of `source`.
        tombstones: Whether a delete is followed by a null value (`tombstones.on.delete`).
        key_name: Name of the key's schema; None for `<topic>.Key`.

    Attributes:
        topic: The topic.
        columns: The columns.
        key_schema: Schema of keys, None for records without.
        row_schema: Schema of `before` and `after`.
        schema: Schema of values.
        key_of: Returns the key of a row, None where there is none.
    """

    def __init__(
        self,
        topic: str,
        columns: Sequence[Column],
        key: Sequence[str],
        source: Schema,
        *,
        tombstones: bool = True,
        key_name: str | None = None,
    ) -> None:
        self.topic = topic
        self.columns: tuple[Column, ...] = tuple(columns)
        self._tombstones = tombstones
        row = SchemaBuilder.struct().name(f"{topic}.Value").optional()
        for column in columns:
            row.field(column.name, column.schema)
        self.row_schema: Schema = row.build()
        self.key_schema: Schema | None = self._key_schema(key, key_name) if key else None
        self.key_of: Callable[[Row], Struct | None] = self._key_reader(key)
        self.schema: Schema = (
            SchemaBuilder.struct()
            .name(f"{topic}.Envelope")
            .version(ENVELOPE_VERSION)
            .field("before", self.row_schema)
            .field("after", self.row_schema)
            .field("source", source)
            .field("transaction", TRANSACTION_BLOCK_SCHEMA)
            .field("op", STRING_SCHEMA)
            .field("ts_ms", OPTIONAL_INT64_SCHEMA)
            .field("ts_us", OPTIONAL_INT64_SCHEMA)
            .field("ts_ns", OPTIONAL_INT64_SCHEMA)
            .build()
        )

    def _key_schema(self, key: Sequence[str], name: str | None) -> Schema:
        by_name = {column.name: column.schema for column in self.columns}
        builder = SchemaBuilder.struct().name(name or f"{self.topic}.Key")
        for each in key:
            builder.field(each, by_name[each])
        return builder.build()

    def _key_reader(self, key: Sequence[str]) -> Callable[[Row], Struct | None]:
        schema = self.key_schema
        if schema is None:
            return lambda _row: None
        names = [column.name for column in self.columns]
        places = [names.index(each) for each in key]
        unchecked = Struct.unchecked
        if len(places) == 1:
            place = places[0]
            return lambda row: unchecked(schema, [row[place]])
        return lambda row: unchecked(schema, [row[place] for place in places])

    # ------------------------------------------------------------------ records

    def changes(
        self, op: Op, before: Row | None, after: Row | None, origin: Origin
    ) -> list[SourceRecord]:
        """Return the records of one change of a row.

        A delete gives its tombstone as well; an update of the key gives the delete of the old key,
        its tombstone, and the creation of the new key, each with the other key in a header.

        Args:
            op: r, c, u or d.
            before: The row before, None where there is none or nobody knows.
            after: The row afterwards, None for a delete.
            origin: Where the change comes from.
        """
        if after is None:
            assert before is not None
            return self._deletion(before, origin, last=True)
        key = self.key_of(after)
        if op == "u" and before is not None and key is not None:
            old = self.key_of(before)
            if old is not None and old != key:
                assert self.key_schema is not None
                gone = self._deletion(before, origin, last=False, new_key=key)
                made = self.record("c", None, after, key, origin)
                made.headers.add(OLD_KEY_HEADER, old, self.key_schema)
                return [*gone, made]
        return [self.record(op, before, after, key, origin)]

    def _deletion(
        self, before: Row, origin: Origin, *, last: bool, new_key: Struct | None = None
    ) -> list[SourceRecord]:
        key = self.key_of(before)
        tombstone = self._tombstones and key is not None
        offset = origin.offset if last else _part(origin)
        gone = self.record("d", before, None, key, origin, _part(origin) if tombstone else offset)
        if new_key is not None:
            assert self.key_schema is not None
            gone.headers.add(NEW_KEY_HEADER, new_key, self.key_schema)
        if not tombstone:
            return [gone]
        return [
            gone,
            SourceRecord(
                topic=self.topic,
                key_schema=self.key_schema,
                key=key,
                source_partition=origin.partition,
                source_offset=offset,
            ),
        ]

    def truncation(self, origin: Origin) -> SourceRecord:
        """Return the record of a TRUNCATE, which has no key."""
        return self.record("t", None, None, None, origin)

    def record(
        self,
        op: Op,
        before: Row | None,
        after: Row | None,
        key: Struct | None,
        origin: Origin,
        offset: Mapping[str, Any] | None = None,
    ) -> SourceRecord:
        """Return one record; `offset` stands in for the origin's."""
        unchecked, row, now = Struct.unchecked, self.row_schema, origin.now_ns
        value = unchecked(
            self.schema,
            [
                None if before is None else unchecked(row, before),
                None if after is None else unchecked(row, after),
                origin.source,
                origin.transaction,
                op,
                now // 1_000_000,
                now // 1_000,
                now,
            ],
        )
        return SourceRecord(
            topic=self.topic,
            key_schema=None if key is None else self.key_schema,
            key=key,
            value_schema=self.schema,
            value=value,
            headers=ConnectHeaders(),
            source_partition=origin.partition,
            source_offset=origin.offset if offset is None else offset,
        )

    def fresh(
        self, op: Op, after: Row, source: Struct, origin: tuple[Any, Any], now_ns: int
    ) -> SourceRecord:
        """Return the record of a row of which nothing is known before: `record`, but quicker.

        Args:
            op: r, c or u.
            after: The row.
            source: The `source` block.
            origin: The source partition, and the offset behind the change.
            now_ns: When the connector sees the change, in nanoseconds since 1970.
        """
        unchecked = Struct.unchecked
        row = unchecked(self.row_schema, after)
        micros = now_ns // 1000
        values = [None, row, source, None, op, micros // 1000, micros, now_ns]
        key = self.key_of(after)
        return SourceRecord(
            topic=self.topic,
            key_schema=None if key is None else self.key_schema,
            key=key,
            value_schema=self.schema,
            value=unchecked(self.schema, values),
            source_partition=origin[0],
            source_offset=origin[1],
        )

    def known(self, values: Sequence[Any | None], known: Sequence[bool]) -> Row:
        """Return a row of which only some values are known; the others become null or zero."""
        return [
            value if is_known else (None if column.schema.is_optional else column.zero)
            for value, is_known, column in zip(values, known, self.columns, strict=True)
        ]


def _part(origin: Origin) -> Mapping[str, Any]:
    return origin.offset if origin.before is None else origin.before


def heartbeat(
    topic: str, server: str, now_ms: int, partition: Mapping[str, Any], offset: Mapping[str, Any]
) -> SourceRecord:
    """Return a record that only carries an offset, so that it moves where nothing happens."""
    return SourceRecord(
        topic=topic,
        key_schema=HEARTBEAT_KEY_SCHEMA,
        key=Struct.unchecked(HEARTBEAT_KEY_SCHEMA, [server]),
        value_schema=HEARTBEAT_VALUE_SCHEMA,
        value=Struct.unchecked(HEARTBEAT_VALUE_SCHEMA, [now_ms]),
        source_partition=partition,
        source_offset=offset,
    )
