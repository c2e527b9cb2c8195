"""How the rows of one table become values: readers for the log and for SELECT."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from aliran.connectors.builtin.cdc.columns import ColumnRules
from aliran.connectors.builtin.cdc.envelope import Column, Envelope, Row
from aliran.connectors.builtin.cdc.naming import TopicNames, message_keys
from aliran.connectors.builtin.mysql_cdc.config import MySqlCdcConfig
from aliran.connectors.builtin.mysql_cdc.decoding import RowReader, reader_of, row_reader
from aliran.connectors.builtin.mysql_cdc.table_map import ColumnInfo, TableInfo, Wire
from aliran.connectors.builtin.mysql_cdc.texts import text_reader
from aliran.connectors.builtin.mysql_cdc.types import Types
from aliran.connectors.data.schema import Schema, Type
from aliran.connectors.errors import ConfigError, DataError

Convert = Callable[[Any], Any]
"""Turns what was read into what a record shows."""


class Layout:
    """The columns of one table, and what is done with them.

    Attributes:
        table: The table.
        envelope: Makes records.
        names: The columns that are shown.
    """

    def __init__(
        self, table: TableInfo, envelope: Envelope, converts: dict[str, Convert | None]
    ) -> None:
        self.table = table
        self.envelope = envelope
        self._converts = converts
        self.names: list[str] = list(converts)
        self._texts = [
            _both(text_reader(one), converts[one.name], one, table.full_name)
            for one in table.columns
            if one.name in converts
        ]

    def row_readers(self, wires: Sequence[Wire]) -> tuple[RowReader, RowReader]:
        """Return what reads rows of the log, and what passes over one that cannot be shown."""
        readers = [
            reader_of(one, wire) for one, wire in zip(self.table.columns, wires, strict=True)
        ]
        wanted = [one.name in self._converts for one in self.table.columns]
        converts = [
            _both(None, self._converts.get(one.name), one, self.table.full_name)
            for one in self.table.columns
        ]
        return (
            row_reader(list(zip(readers, converts, wanted, strict=True))),
            row_reader([(one, None, False) for one in readers]),
        )

    def row_of_texts(self, values: Sequence[bytes | None]) -> Row:
        """Return the row of a SELECT of the columns that are shown."""
        return [
            value if value is None or convert is None else convert(value)
            for convert, value in zip(self._texts, values, strict=False)
        ]


def _both(
    first: Convert | None, second: Convert | None, column: ColumnInfo, table: str
) -> Convert | None:
    if first is None and second is None:
        return None

    def convert(value: Any) -> Any:
        try:
            read = value if first is None else first(value)
            return read if second is None else second(read)
        except DataError as error:
            raise DataError(f"column {table}.{column.name}: {error}") from error
        except (ValueError, ArithmeticError, LookupError) as error:
            raise DataError(
                f"column {table}.{column.name}: {value!r:.100} cannot be read: {error}"
            ) from error

    return convert


class Layouts:
    """Makes layouts.

    Args:
        config: The options.
        rules: What is said about columns.
        names: Names of topics.
        source: Schema of `source`.
    """

    def __init__(
        self, config: MySqlCdcConfig, rules: ColumnRules, names: TopicNames, source: Schema
    ) -> None:
        self._config = config
        self._rules = rules
        self._names = names
        self._source = source
        self._types = Types(config)
        self._keys = message_keys(config.message_key_columns)
        self._known: dict[TableInfo, Layout] = {}

    def of(self, table: TableInfo) -> Layout:
        """Return the layout of a table; the same for the same columns."""
        found = self._known.get(table)
        if found is None:
            found = self._known[table] = self._make(table)
        return found

    def _make(self, table: TableInfo) -> Layout:
        columns: list[Column] = []
        converts: dict[str, Convert | None] = {}
        for info in table.columns:
            full_name = f"{table.full_name}.{info.name}"
            if self._rules.wants(full_name) or info.name in table.key:
                column, convert = self._column(full_name, info)
                columns.append(column)
                converts[info.name] = convert
        key = self._key(table, list(converts))
        envelope = Envelope(
            self._names.table(table.database, table.name),
            columns,
            key,
            self._source,
            tombstones=self._config.tombstones_on_delete,
        )
        return Layout(table, envelope, converts)

    def _key(self, table: TableInfo, names: list[str]) -> list[str]:
        for pattern, key in self._keys:
            if pattern.fullmatch(table.full_name):
                missing = [one for one in key if one not in names]
                if missing:
                    text = self._config.message_key_columns
                    why = f"{table.full_name} has no column {missing[0]!r}"
                    raise ConfigError.of("message.key.columns", text, why)
                return key
        return list(table.key)

    def _column(self, full_name: str, info: ColumnInfo) -> tuple[Column, Convert | None]:
        kind = self._types.find(info)
        column = kind.column(info.name, optional=info.nullable)
        convert = kind.converter(column.schema)
        change = self._rules.change_of(full_name)
        if change is not None:
            if column.schema.type is not Type.STRING:
                raise ConfigError(f"{full_name} is no text ({info.kind}), it cannot be masked")
            convert = _after(convert, change)
        if info.kind in {"date", "datetime", "timestamp"}:
            convert = _with_zero(convert, None if info.nullable else column.zero)
        return column, convert


def _after(first: Convert | None, second: Convert) -> Convert:
    return second if first is None else lambda value: second(first(value))


def _with_zero(convert: Convert | None, zero: Any) -> Convert:
    """Return what shows a date that is none (0000-00-00) as null, or as 1970 where it must be."""

    def shown(value: Any) -> Any:
        if value is None:
            return zero
        return value if convert is None else convert(value)

    return shown
