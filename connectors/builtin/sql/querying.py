"""One table, or one query, read again and again: which rows are new, and their offsets.

Kafka: `TableQuerier` of Confluent's connector and its children, whose partitions and offsets
(`{"protocol": "1", "table": …}` → `{"incrementing": …, "timestamp": …, "timestamp_nanos": …}`) it
shares. A query's rows come through a cursor of the server's, batch by batch, so a big table is read
once however many batches it needs, and after a crash from the last offset on.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy
from sqlalchemy.engine import Connection, CursorResult

from aliran.connectors.builtin.sql import moments
from aliran.connectors.builtin.sql.connection import Database
from aliran.connectors.builtin.sql.partitions import QUERY_PARTITION, number_of, partition_of
from aliran.connectors.builtin.sql.query_columns import columns_of
from aliran.connectors.builtin.sql.reading import Reader, Reading, moment_reader
from aliran.connectors.builtin.sql.source_config import SqlSourceConfig
from aliran.connectors.builtin.sql.types import Column, Kind
from aliran.connectors.data.builder import SchemaBuilder
from aliran.connectors.data.schema import Schema
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import ConnectError
from aliran.connectors.records import SourceRecord

_COLON = re.compile(r"(?<![:\w\\]):(?=\w)")
_TIME, _NUMBER = "aliran_time", "aliran_number"
_LATEST = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)


class Querier:
    """Reads a table or a query.

    Args:
        config: The options.
        database: Where it is.
        table: Schema and name; None for the query.
        offset: How far earlier runs have come.
    """

    def __init__(
        self,
        config: SqlSourceConfig,
        database: Database,
        table: tuple[str | None, str] | None,
        offset: Mapping[str, Any] | None,
    ) -> None:
        self._config = config
        self._database = database
        self._table = table
        self._reading = Reading(config, database.zone, database.backend)
        self.name: str = "the query" if table is None else f"{table[0] or ''}.{table[1]}".strip(".")
        self.partition: Mapping[str, str] = (
            QUERY_PARTITION if table is None
            else partition_of(*table, bulk=config.mode == "bulk")
        )  # fmt: skip
        self._topic = config.topic_prefix + ("" if table is None else table[1])
        offset = offset or {}
        self._time = moments.from_offset(offset)
        number = offset.get("incrementing")
        self._number = None if number is None else int(number)
        self._initial = config.timestamp_initial
        self._marks: deque[tuple[float, int]] = deque()
        self._columns: list[Column] = []
        self._signature: Any = None
        self._schema: Schema | None = None
        self._readers: list[tuple[int, Reader]] = []
        self._result: CursorResult[Any] | None = None
        self._held: list[Any] | None = None
        self._frame: moments.Frame | None = None

    # ------------------------------------------------------------------ reading

    @property
    def reading(self) -> bool:
        """Whether a query is being read."""
        return self._result is not None

    def check(self) -> None:
        """Try the query without its rows.

        Raises:
            ConnectError: The table is not what the options need.
            DBAPIError: The query is wrong.
        """
        connection = self._database.connection()
        if self._table is not None:
            self._look(connection)
            return
        checked = f"SELECT * FROM ({_plain(self._config.query or '')}) aliran_query WHERE 1 = 0"
        connection.execute(sqlalchemy.text(checked)).close()
        connection.rollback()

    def read(self, count: int) -> list[SourceRecord]:
        """Return the next rows; `reading` is false when these are the last for now.

        Raises:
            ConnectError: The table is not what the options need.
            DBAPIError: The database's error.
        """
        connection = self._database.connection()
        if self._result is None and not self._begin(connection, count):
            connection.rollback()
            return []
        assert self._result is not None
        rows = [list(row) for row in self._result.fetchmany(count)]
        ended = len(rows) < count
        if self._schema is None:
            self._lay_out(connection, rows)
        if self._config.mode == "timestamp":
            rows = self._hold_back(rows, ended=ended)
        records = self._records(rows)
        if ended:
            self.end()
            connection.rollback()
        return records

    def end(self) -> None:
        """End the query that is being read."""
        result, self._result, self._held = self._result, None, None
        if result is not None:
            result.close()

    def forget(self) -> None:
        """Go back to the last record: the connection, or the table, is another."""
        if self._database.backend != "mysql":  # whose driver would read all that is left
            with contextlib.suppress(Exception):
                self.end()
        self._result = self._held = None
        self._signature = self._schema = None
        self._columns = []

    def _begin(self, connection: Connection, count: int) -> bool:
        """Run the query; return whether there may be rows."""
        if self._table is not None and not self._columns:
            self._look(connection)
        statement, bounds = self._statement(connection)
        if bounds is None:
            return False
        options = {"stream_results": True, "max_row_buffer": count}
        result = connection.execute(sqlalchemy.text(statement).execution_options(**options), bounds)
        cursor: Any = result.cursor
        signature = [(one[0], str(one[1])) for one in cursor.description]
        if self._signature is not None and signature != self._signature:
            # Columns have come or gone: look at the table, and read it anew.
            result.close()
            connection.rollback()
            self.forget()
            return self._begin(self._database.connection(), count)
        self._signature = signature
        self._result = result
        return True

    # ------------------------------------------------------------------ the statement

    def _look(self, connection: Connection) -> None:
        """Look at the table's columns."""
        assert self._table is not None
        connection.rollback()
        self._columns = self._database.columns(*self._table)
        if not self._columns:
            raise ConnectError(f"the table {self.name} is not in {self._database.name}")
        wanted = [*self._config.times, *([self._number_name()] if self._config.by_number else [])]
        for name in wanted:
            column = self._column(name)
            if column.nullable and self._config.validate_non_null:
                raise ConnectError(
                    f"Cannot make incremental queries using the column {name} of {self.name}, "
                    "because it may be null; make it NOT NULL, or set validate.non.null=false"
                )

    def _column(self, name: str) -> Column:
        for one in self._columns:
            if one.name.lower() == name.lower():
                return one
        known = ", ".join(one.name for one in self._columns)
        raise ConnectError(f"{self.name} has no column {name} (there are: {known})")

    def _number_name(self) -> str:
        if self._config.incrementing_column_name:
            return self._config.incrementing_column_name
        for one in self._columns:
            if one.counts:
                return one.name
        raise ConnectError(
            f"{self.name} has no column that the database numbers: set incrementing.column.name"
        )

    def _statement(self, connection: Connection) -> tuple[str, dict[str, Any] | None]:
        """Return the query and its bounds; None for the bounds if there is nothing to be read."""
        config, quote = self._config, self._quoted
        suffix = f" {_plain(config.query_suffix)}" if config.query_suffix else ""
        if self._table is None:
            query = _plain(config.query or "")
            source = f"({query}) aliran_query"
            if config.mode == "bulk":
                return f"{query}{suffix}", {}
        else:
            source = _plain(self._database.quoted_table(*self._table)) + " aliran_query"
        conditions: list[str] = []
        bounds: dict[str, Any] = {}
        extra, order = [], []
        number = time_ = ""
        if config.by_time:
            names = [self._named(one) for one in config.times]
            time_ = moments.expression(self._database.backend, [quote(one) for one in names])
            extra.append(f"{time_} AS {_TIME}")
            order.append(time_)
        if config.by_number:
            number = quote(self._named(self._number_name()))
            extra.append(f"{number} AS {_NUMBER}")
            order.append(number)
        if config.by_time:
            self._bound_time(connection, time_, number, conditions, bounds)
        elif config.by_number and not self._bound_number(
            connection, source, number, conditions, bounds
        ):
            return "", None
        columns = ", ".join(["aliran_query.*", *extra])
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        by = f" ORDER BY {', '.join(order)}" if order else ""
        return f"SELECT {columns} FROM {source}{where}{by}{suffix}", bounds

    def _quoted(self, name: str) -> str:
        return _plain(self._database.quote(name))

    def _named(self, name: str) -> str:
        return name if self._table is None else self._column(name).name

    def _bound_time(
        self, connection: Connection, time_: str, number: str,
        conditions: list[str], bounds: dict[str, Any],
    ) -> None:  # fmt: skip
        now = moments.now_of(connection, self._database.backend)
        frame = self._frame_of()
        if self._time is None and self._initial is not None:
            start = now if self._initial < 0 else moments.from_offset({"timestamp": self._initial})
            self._time, self._initial = start, None
        end = now - dt.timedelta(milliseconds=self._config.timestamp_delay_interval_ms)
        conditions.append(f"{time_} < :high_time")
        bounds["high_time"] = frame.bound(end)
        if self._time is None:
            return
        bounds["low_time"] = frame.bound(self._time)
        if number and self._number is not None:
            conditions.append(
                f"(({time_} = :low_time AND {number} > :low_number) OR {time_} > :low_time)"
            )
            bounds["low_number"] = self._number
        else:
            conditions.append(f"{time_} > :low_time")

    def _frame_of(self) -> moments.Frame:
        if self._frame is None:
            kind = Kind.TIMESTAMP
            if self._table is not None:
                kind = self._column(self._config.times[0]).type.kind
            zone = dt.UTC if kind is Kind.INSTANT else self._database.zone
            read = moment_reader(zone)
            self._frame = moments.Frame(self._database.backend, kind, self._database.zone, read)
        return self._frame

    def _bound_number(
        self, connection: Connection, source: str, number: str,
        conditions: list[str], bounds: dict[str, Any],
    ) -> bool:  # fmt: skip
        if self._number is not None:
            conditions.append(f"{number} > :low_number")
            bounds["low_number"] = self._number
        delay_s = self._config.incrementing_delay_interval_ms / 1000
        if not delay_s:
            return True
        # Numbers up to a mark were given out before the mark was made.
        cursor = connection.connection.cursor()
        cursor.execute(f"SELECT max({number}) FROM {source}".replace("\\:", ":"))
        row = cursor.fetchone()
        cursor.close()
        now = time.monotonic()
        if row is not None and row[0] is not None:
            newest = int(row[0])
            if not self._marks or self._marks[-1][1] < newest:
                self._marks.append((now, newest))
        high: int | None = None
        while self._marks and self._marks[0][0] <= now - delay_s:
            high = self._marks.popleft()[1]
        if high is None or (self._number is not None and high <= self._number):
            return False
        conditions.append(f"{number} <= :high_number")
        bounds["high_number"] = high
        return True

    # ------------------------------------------------------------------ rows to records

    def _lay_out(self, connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
        """Find the schema of the records."""
        assert self._result is not None
        columns = self._columns
        if self._table is None:
            cursor: Any = self._result.cursor
            raw = connection.connection.driver_connection
            description = [one for one in cursor.description if one[0] not in {_TIME, _NUMBER}]
            if not rows and self._database.backend not in {"postgresql", "duckdb"}:
                return  # the first values are looked at
            columns = columns_of(self._database.backend, raw, description, rows)
        builder = SchemaBuilder.struct()
        if self._table is not None:
            builder.name(self._table[1])
        readers: list[tuple[int, Reader]] = []
        for number, column in enumerate(columns):
            schema, reader = self._reading.field(column)
            builder.field(column.name, schema)
            if reader is not None:
                readers.append((number, reader))
        self._schema, self._readers = builder.build(), readers

    def _hold_back(self, rows: list[list[Any]], *, ended: bool) -> list[list[Any]]:
        """Keep the last row until it is known whether the next one has the same time."""
        if self._held is not None:
            rows = [self._held, *rows]
            self._held = None
        if not ended and rows:
            self._held = rows.pop()
        return rows

    def _records(self, rows: list[list[Any]]) -> list[SourceRecord]:
        schema = self._schema
        if schema is None:
            return []
        offsets = self._offsets(rows)
        width, readers, topic, partition = (
            len(schema.fields), self._readers, self._topic, self.partition,
        )  # fmt: skip
        records = []
        for row, offset in zip(rows, offsets, strict=True):
            values = row[:width]
            for number, reader in readers:
                value = values[number]
                if value is not None:
                    values[number] = reader(value)
            records.append(
                SourceRecord(
                    topic=topic,
                    value_schema=schema,
                    value=Struct.unchecked(schema, values),
                    source_partition=partition,
                    source_offset=offset,
                )
            )
        return records

    def _offsets(self, rows: list[list[Any]]) -> Sequence[Mapping[str, int] | None]:
        """Return the offset of each row, and note how far it goes."""
        mode = self._config.mode
        if mode == "bulk" or not rows:
            return [None] * len(rows)
        if mode == "incrementing":
            found: list[Mapping[str, int] | None] = [
                {"incrementing": number_of(row[-1], self.name)} for row in rows
            ]
            self._number = number_of(rows[-1][-1], self.name)
            return found
        moment = self._frame_of().moment
        if mode == "timestamp+incrementing":
            found = []
            for row in rows:
                self._time, self._number = moment(row[-2]), number_of(row[-1], self.name)
                found.append({**moments.to_offset(self._time), "incrementing": self._number})
            return found
        return self._times(rows)

    def _times(self, rows: list[list[Any]]) -> Sequence[Mapping[str, int] | None]:
        """A time counts as read only with the last of the rows that have it."""
        moment = self._frame_of().moment
        times = [moment(row[-1]) for row in rows]
        following = moment(self._held[-1]) if self._held is not None else _LATEST
        found: list[Mapping[str, int] | None] = []
        for number, one in enumerate(times):
            after = times[number + 1] if number + 1 < len(times) else following
            if after != one:
                self._time = one
            found.append(None if self._time is None else moments.to_offset(self._time))
        return found


def _plain(text: str) -> str:
    """Return a text in which no colon marks a parameter."""
    return _COLON.sub(r"\\:", text)
