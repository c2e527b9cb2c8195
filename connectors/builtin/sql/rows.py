"""From a sink record to a row: which table, which key, which columns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aliran.connectors.builtin.sql.sink_config import SqlSinkConfig
from aliran.connectors.data.builder import SchemaBuilder
from aliran.connectors.data.schema import Schema, Type, type_of
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import DataError
from aliran.connectors.records import SinkRecord

if TYPE_CHECKING:
    from aliran.connectors.builtin.sql.tables import Target

_MOST = 1000  # schemas that are remembered
_KAFKA = ("__connect_topic", "__connect_partition", "__connect_offset")
_KAFKA_SCHEMAS = (
    SchemaBuilder.string().build(), SchemaBuilder.int32().build(), SchemaBuilder.int64().build(),
)  # fmt: skip
_PART = re.compile(r'"((?:[^"]|"")*)"|`([^`]*)`|([^.]+)')
UNKNOWN = SchemaBuilder.string().optional().doc("nobody knows").build()
"""Stands for the schema of a null in a value without a schema."""


@dataclass(frozen=True, slots=True)
class TableName:
    """A table; `schema` is None for the connection's own."""

    schema: str | None
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


class Shape:
    """Which columns records of one kind have; one object for all of them.

    Attributes:
        table: Where they go.
        keys: The columns of the primary key, which come first.
        columns: All columns.
        schemas: What the fields are.
        key_count: How many columns are the key's.
        places: Where the values of the columns behind the key stand in the record's value; None if
            that does not say it all, because a field has a default, or there is no schema.
        deletes: Whether such records delete rows.
    """

    __slots__ = ("columns", "deletes", "key_count", "keys", "places", "schemas", "table")

    def __init__(
        self,
        table: TableName,
        keys: Sequence[tuple[str, Schema]],
        rest: Sequence[tuple[str, Schema]],
        places: Sequence[int] | None = None,
        *,
        deletes: bool = False,
    ) -> None:
        both = [*keys, *rest]
        self.table: TableName = table
        self.keys: tuple[str, ...] = tuple(name for name, _ in keys)
        self.key_count: int = len(keys)
        self.columns: tuple[str, ...] = tuple(name for name, _ in both)
        self.schemas: tuple[Schema, ...] = tuple(schema for _, schema in both)
        self.places: Sequence[int] | None = places
        self.deletes: bool = deletes


@dataclass(slots=True)
class Row:
    """What one record does to a table.

    Attributes:
        record: The record.
        shape: Its columns; those of the key only, where the row is deleted.
        values: A value for each column.
        target: Where they go; None if there is nothing to be done.
    """

    record: SinkRecord
    shape: Shape
    values: list[Any]
    target: Target | None = None


def place_of(record: SinkRecord) -> str:
    """Return where a record is, for messages."""
    return (
        f"{record.original_topic}-{record.original_kafka_partition} at offset "
        f"{record.original_kafka_offset}"
    )


def table_of(text: str) -> TableName:
    """Return the table of a name such as `orders`, `shop.orders` or `"my.schema".orders`."""
    parts = [a.replace('""', '"') or b or c for a, b, c in _PART.findall(text)]
    return TableName(".".join(parts[:-1]) or None, parts[-1]) if parts else TableName(None, text)


class RowMaker:
    """Makes rows of records.

    Args:
        config: The options.
        connector: Its name, for messages.
    """

    def __init__(self, config: SqlSinkConfig, connector: str) -> None:
        self._config = config
        self._connector = connector
        self._pk_fields = [one for one in config.pk_fields if one]
        self._wanted = {one for one in config.fields_whitelist if one}
        self._last: tuple[Any, ...] = (None, None, None, None)
        self._shapes: dict[Any, Shape] = {}
        self._getter = (
            Struct.get if config.replace_null_with_default else Struct.get_without_default
        )

    def row(self, record: SinkRecord) -> Row:
        """Return the row of a record.

        Raises:
            DataError: The record is not of the form that the options ask for.
        """
        value = record.value
        if value is None:
            return self._deletion(record)
        key_schema, value_schema = record.key_schema, record.value_schema
        if value_schema is None or value_schema.type is not Type.STRUCT:
            if not isinstance(value, Mapping):
                raise self._refused(
                    record, "therefore requires records with a Struct (or map) as value, but "
                    f"found {type(value).__name__}",
                )  # fmt: skip
            value_schema = made_up(value)
        if key_schema is None and self._config.pk_mode == "record_key":
            key_schema = _schema(None, record.key)
        last = self._last  # mostly the next record is like the last one
        if last[0] == record.topic and last[1] is key_schema and last[2] is value_schema:
            shape = last[3]
        else:
            shape = self._shape(record, key_schema, value_schema)
            self._last = (record.topic, key_schema, value_schema, shape)
        return Row(record, shape, self._values(record, shape))

    def _shape(self, record: SinkRecord, key: Schema | None, value: Schema | None) -> Shape:
        at = (record.topic, key, value)
        shape = self._shapes.get(at)
        if shape is None:
            if len(self._shapes) > _MOST:
                self._shapes.clear()
            shape = self._shapes[at] = self._new_shape(record, key, value)
        return shape

    def _deletion(self, record: SinkRecord) -> Row:
        if not self._config.delete_enabled:
            raise self._refused(
                record, "therefore requires records with a non-null value, but found a null",
            )  # fmt: skip
        shape = self._shape(record, _schema(record.key_schema, record.key), None)
        return Row(record, shape, self._key_values(record, shape.keys))

    def _refused(self, record: SinkRecord, why: str) -> DataError:
        config = self._config
        return DataError(
            f"Sink connector '{self._connector}' is configured with "
            f"'delete.enabled={str(config.delete_enabled).lower()}' and "
            f"'pk.mode={config.pk_mode}' and {why}: {place_of(record)}"
        )

    def _new_shape(self, record: SinkRecord, key: Schema | None, value: Schema | None) -> Shape:
        name = self._config.table_name_format.replace("${topic}", record.topic or "")
        table = table_of(name)
        keys = self._key_fields(record, key, value)
        if value is None:
            return Shape(table, keys, (), deletes=True)
        names = {name for name, _ in keys}
        rest = [
            one
            for one in value.fields
            if one.name not in names and (not self._wanted or one.name in self._wanted)
        ]
        if not keys and not rest:
            raise self._refused(record, "no field of the record is left to be written")
        replaces = self._config.replace_null_with_default
        defaults = replaces and any(one.schema.default_value is not None for one in rest)
        places = None if defaults or not isinstance(record.value, Struct) else [
            one.index for one in rest
        ]  # fmt: skip
        return Shape(table, keys, [(one.name, one.schema) for one in rest], places)

    def _key_fields(
        self, record: SinkRecord, key: Schema | None, value: Schema | None
    ) -> list[tuple[str, Schema]]:
        """Return the columns of the primary key."""
        mode, names = self._config.pk_mode, self._pk_fields
        if mode == "none":
            return []
        if mode == "kafka":
            return list(zip(names or _KAFKA, _KAFKA_SCHEMAS, strict=True))
        schema = key if mode == "record_key" else value
        if mode == "record_key":
            if record.key is None or schema is None:
                raise self._refused(record, "therefore requires records with a non-null key")
            if schema.type is not Type.STRUCT:
                if not schema.type.is_primitive:
                    raise self._refused(record, f"a key of type {schema.type} is no primary key")
                if len(names) != 1:
                    raise self._refused(
                        record, "the key is no struct, so pk.fields must name exactly one column",
                    )  # fmt: skip
                return [(names[0], schema)]
        assert schema is not None
        found = []
        for name in names or [one.name for one in schema.fields]:
            field = schema.field(name)
            if field is None:
                raise self._refused(record, f"the field {name} of pk.fields is not in the record")
            found.append((name, field.schema))
        return found

    def _key_values(self, record: SinkRecord, keys: Sequence[str]) -> list[Any]:
        mode = self._config.pk_mode
        if mode == "kafka":
            return [
                record.original_topic, record.original_kafka_partition,
                record.original_kafka_offset,
            ]  # fmt: skip
        source = record.key if mode == "record_key" else record.value
        if isinstance(source, (Struct, Mapping)):
            values = [source.get(name) for name in keys]
        else:
            values = [source]
        if None in values:
            empty = [name for name, one in zip(keys, values, strict=True) if one is None]
            raise self._refused(record, f"the primary key has nulls ({', '.join(empty)})")
        return values

    def _values(self, record: SinkRecord, shape: Shape) -> list[Any]:
        values = self._key_values(record, shape.keys) if shape.keys else []
        value = record.value
        if shape.places is not None:
            put = value.values
            values += [put[place] for place in shape.places]
            return values
        rest = shape.columns[shape.key_count :]
        if isinstance(value, Struct):
            get = self._getter
            values += [get(value, name) for name in rest]
        else:
            get_plain = value.get
            values += [get_plain(name) for name in rest]
        return values


def _schema(schema: Schema | None, value: Any) -> Any:
    """Return the schema of a value, made up where there is none."""
    if value is None or (schema is not None and schema.type is not Type.MAP):
        return schema
    return made_up(value)


_MADE: dict[Any, Schema] = {}


def made_up(value: Any) -> Schema:
    """Return a schema for a value that came without; one object for values that are alike."""
    if not isinstance(value, Mapping):
        return _optional(value)
    kinds = tuple(map(type, value.values()))
    at: Any = (tuple(value), kinds)
    if list in kinds:
        at = (*at, tuple(map(_signature, value.values())))
    found = _MADE.get(at)
    if found is None:
        builder = SchemaBuilder.struct()
        for name, one in value.items():
            builder.field(str(name), UNKNOWN if one is None else _optional(one))
        if len(_MADE) > _MOST:
            _MADE.clear()
        found = _MADE[at] = builder.build()
    return found


def _signature(value: Any) -> Any:
    if isinstance(value, list) and value:
        return list, type(value[0])
    return type(value)


def _optional(value: Any) -> Schema:
    at = _signature(value)
    found = _MADE.get(at)
    if found is None:
        kind = type_of(value)
        if kind is None:
            raise DataError(f"a value of type {type(value).__name__} cannot be written")
        if kind is Type.ARRAY:
            item = _optional(value[0]) if value and value[0] is not None else UNKNOWN
            builder = SchemaBuilder.array(item)
        elif kind is Type.MAP:
            builder = SchemaBuilder.map(UNKNOWN, UNKNOWN)
        else:
            builder = SchemaBuilder(kind)
        found = _MADE[at] = builder.optional().build()
    return found
