"""How the rows of one table become values: readers for tuples of the stream and rows of COPY.

A layout is made from the columns that the stream (or the catalog, for a snapshot) names, and again
whenever they change. What it does for each column is put together once.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from aliran.connectors.builtin.cdc.columns import ColumnRules
from aliran.connectors.builtin.cdc.envelope import Column, Envelope, Row
from aliran.connectors.builtin.cdc.naming import TopicNames, message_keys
from aliran.connectors.builtin.postgres_cdc.catalog import Catalog, ColumnInfo, TableInfo
from aliran.connectors.builtin.postgres_cdc.config import PostgresCdcConfig
from aliran.connectors.builtin.postgres_cdc.types import NEVER_FAILS, Reader, Types
from aliran.connectors.data.schema import Schema, Type
from aliran.connectors.errors import ConfigError, DataError


class _Unchanged:
    def __repr__(self) -> str:
        return "unchanged"


UNCHANGED: Final = _Unchanged()
"""Stands in a tuple for a large value that an update did not touch."""

TupleReader: TypeAlias = Callable[[bytes, int], tuple[Row, int, int]]
"""Takes a message and where a tuple begins; returns the row, where it ends, how much of it is
unchanged."""

_TEXT, _NULL = ord("t"), ord("n")
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_ESCAPES = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def unescaped(field: bytes) -> bytes:
    """Return a field of COPY as it is meant."""
    return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[1]), field)


class Layout:
    """The columns of one table, and what is done with them.

    Attributes:
        table: The table.
        envelope: Makes records.
        read: Reads a tuple of the stream.
    """

    def __init__(
        self, table: TableInfo, envelope: Envelope, columns: Sequence[tuple[ColumnInfo, Reader]]
    ) -> None:
        self.table = table
        self.envelope = envelope
        all_names = [info.name for info in table.columns]
        shown = [info.name for info, _ in columns]
        by_name = {info.name: read for info, read in columns}
        self._readers = [by_name.get(name) for name in all_names]
        self.read: TupleReader = _tuple_reader(self._readers)
        self._schemas = [column.schema for column in envelope.columns]
        infos = {info.name: info for info in table.columns}
        self._unknown_zeros = [
            (place, column.zero)
            for place, column in enumerate(envelope.columns)
            if not infos[column.name].identity and not column.schema.is_optional
        ]
        self._key_places = [all_names.index(name) for name in table.key if name in all_names]
        self.names: list[str] = shown

    @property
    def has_key(self) -> bool:
        """Whether rows can be told apart by columns that the stream always has."""
        return bool(self.table.key) and len(self._key_places) == len(self.table.key)

    def key_of_tuple(self, data: bytes, at: int) -> tuple[bytes | None, ...]:
        """Return the texts of the key's columns of a tuple that begins at a place."""
        fields: list[bytes | None] = []
        count = int.from_bytes(data[at : at + 2], "big")
        at += 2
        for _ in range(count):
            if data[at] == _TEXT:
                start = at + 5
                at = start + int.from_bytes(data[at + 1 : start], "big")
                fields.append(data[start:at])
            else:
                fields.append(None)
                at += 1
        return tuple(fields[place] for place in self._key_places)

    def row_of_copy(self, line: bytes) -> tuple[tuple[bytes | None, ...], Row]:
        """Return the key's texts and the row of a line of COPY."""
        if b"\\" in line:
            fields = [
                None if field == b"\\N" else unescaped(field) if b"\\" in field else field
                for field in line.split(b"\t")
            ]
        else:
            fields = line.split(b"\t")  # type: ignore[assignment]
        row = [
            None if field is None else read(field)
            for read, field in zip(self._readers, fields, strict=True)
            if read is not None
        ]
        return tuple([fields[place] for place in self._key_places]), row

    def fill_old(self, row: Row) -> Row:
        """Put what stands for unknown values into an old row of which only the key is known."""
        for place, zero in self._unknown_zeros:
            row[place] = zero
        return row

    def fill_unchanged(self, row: Row, old: Row | None, placeholder: str) -> Row:
        """Put the old value, or else what stands for it, where a row has an unchanged value."""
        for place, value in enumerate(row):
            if value is UNCHANGED:
                before = None if old is None else old[place]
                if old is not None and before is not UNCHANGED:
                    row[place] = before
                else:
                    column = self.envelope.columns[place]
                    row[place] = _unavailable(column.schema, column.zero, placeholder)
        return row


def _unavailable(schema: Schema, zero: Any, placeholder: str) -> Any:
    """Return what stands for a value of a schema that the WAL does not have."""
    if schema.type is Type.STRING:
        return placeholder
    if schema.type is Type.BYTES and not schema.name:
        return placeholder.encode()
    if schema.type is Type.MAP:
        return {placeholder: placeholder}
    if schema.type is Type.ARRAY:
        element = schema.value_schema
        assert element is not None
        if element.type in {Type.INT16, Type.INT32, Type.INT64} and not element.name:
            return list(placeholder.encode())
        one = _unavailable(element, None, placeholder)
        return [] if one is None else [one]
    return None if schema.is_optional else zero


def _tuple_reader(readers: Sequence[Reader | None]) -> TupleReader:
    """Return what reads a tuple: two bytes of count, then each column's kind, length and text."""
    length_at = struct.Struct(">I").unpack_from
    columns = list(readers)
    text, null, unchanged = _TEXT, _NULL, UNCHANGED

    def read(data: bytes, at: int) -> tuple[Row, int, int]:
        row: Row = []
        append = row.append
        at += 2
        untouched = 0
        for convert in columns:
            kind = data[at]
            if kind == text:
                start = at + 5
                at = start + length_at(data, at + 1)[0]
                if convert is not None:
                    append(convert(data[start:at]))
                continue
            at += 1
            if convert is None:
                continue
            if kind == null:
                append(None)
            else:
                append(unchanged)
                untouched += 1
        return row, at, untouched

    return read


class Layouts:
    """Makes layouts.

    Args:
        config: The options.
        rules: What is said about columns.
        names: Names of topics.
        source: Schema of `source`.
        catalog: Knows types.
    """

    def __init__(
        self,
        config: PostgresCdcConfig,
        rules: ColumnRules,
        names: TopicNames,
        source: Schema,
        catalog: Catalog,
    ) -> None:
        self._config = config
        self._rules = rules
        self._names = names
        self._source = source
        self._catalog = catalog
        self._types = Types(config)
        self._keys = message_keys(config.message_key_columns)
        self._known: dict[TableInfo, Layout] = {}
        self._envelopes: dict[str, Envelope] = {}

    def of(self, table: TableInfo) -> Layout:
        """Return the layout of a table; the same for the same columns."""
        found = self._known.get(table)
        if found is None:
            found = self._known[table] = self._make(table)
        return found

    def forget_all(self) -> None:
        """Make all layouts anew: types have changed."""
        self._known.clear()

    def _make(self, table: TableInfo) -> Layout:
        shown: list[tuple[ColumnInfo, Reader]] = []
        columns: list[Column] = []
        for info in table.columns:
            made = self._column(table, info)
            if made is not None:
                columns.append(made[0])
                shown.append((info, made[1]))
        names = {column.name for column in columns}
        key = self._message_key(table, names)
        if key is None:
            key = [name for name in table.key if name in names]
        envelope = Envelope(
            self._names.table(table.schema, table.name),
            columns,
            key,
            self._source,
            tombstones=self._config.tombstones_on_delete,
        )
        # Converters know schemas by identity much faster than by what they say.
        known = self._envelopes.get(envelope.topic)
        if known is None or (known.schema, known.key_schema) != (
            envelope.schema,
            envelope.key_schema,
        ):
            known = self._envelopes[envelope.topic] = envelope
        return Layout(table, known, shown)

    def _message_key(self, table: TableInfo, names: set[str]) -> list[str] | None:
        for pattern, key in self._keys:
            if pattern.fullmatch(table.full_name):
                if missing := [name for name in key if name not in names]:
                    raise ConfigError.of(
                        "message.key.columns",
                        self._config.message_key_columns,
                        f"{table.full_name} has no column {missing[0]!r}",
                    )
                return key
        return None

    def _column(self, table: TableInfo, info: ColumnInfo) -> tuple[Column, Reader] | None:
        full_name = f"{table.full_name}.{info.name}"
        if not self._rules.wants(full_name) and info.name not in table.key:
            return None
        of, modifier = self._catalog.type(info.type, info.modifier)
        found = self._types.find(of, modifier)
        if found is None:
            return None
        kind, read = found
        column = kind.column(info.name, optional=not info.not_null)
        convert = kind.converter(column.schema)
        if convert is not None:
            read = _both(read, convert)
        change = self._rules.change_of(full_name)
        if change is not None:
            if column.schema.type is not Type.STRING:
                raise ConfigError(
                    f"{full_name} is no text (its type is {of.name}), it cannot be masked"
                )
            read = _both(read, change)
        return column, _named(read, full_name)


def _both(read: Reader, convert: Callable[[Any], Any]) -> Reader:
    return lambda data: convert(read(data))


def _named(read: Reader, column: str) -> Reader:
    """Return the reader, with the column's name in its errors."""
    if read in NEVER_FAILS:
        return read

    def named(data: bytes) -> Any:
        try:
            return read(data)
        except DataError as error:
            raise DataError(f"column {column}: {error}") from error
        except (ValueError, ArithmeticError) as error:
            raise DataError(f"column {column}: {data[:100]!r} cannot be read: {error}") from error

    return named
