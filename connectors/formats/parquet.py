"""Parquet, through pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from aliran.connectors.data.schema import Schema, SchemaAndValue, Type
from aliran.connectors.errors import DataError
from aliran.connectors.formats.arrow_schema import (
    arrow_fields,
    struct_builder,
    without_nanoseconds,
)
from aliran.connectors.formats.arrow_values import (
    SCHEMA_KEY,
    inward,
    outward,
    schema_from_json,
    schema_json,
)
from aliran.connectors.formats.base import FileWriter, Format, Output

_GROUP_ROWS = 10_000
_READ_ROWS = 2_000


class ParquetFormat(Format):
    """Parquet files.

    Args:
        codec: "none", "snappy", "gzip", "zstd", "brotli" or "lz4".
    """

    def __init__(self, codec: str = "snappy") -> None:
        self._codec = codec
        self.extension: str = ".parquet" if codec == "none" else f".{codec}.parquet"

    def writer(self, out: Output, schema: Schema | None) -> FileWriter:
        """Begin a file."""
        if schema is None or schema.type is not Type.STRUCT:
            what = "none" if schema is None else schema.type
            raise DataError(
                f"Parquet needs values with a schema of structs, but there is {what}; use a "
                "converter with schemas, such as JsonConverter with schemas.enable=true"
            )
        return _Writer(out, schema, self._codec)

    def read(self, file: BinaryIO) -> Iterator[SchemaAndValue]:
        """Yield the rows as structs."""
        try:
            source = pq.ParquetFile(file)
        except pa.ArrowException as error:
            raise DataError(f"it is no Parquet file: {error}") from error
        arrow = source.schema_arrow
        known = (arrow.metadata or {}).get(SCHEMA_KEY.encode())
        schema = schema_from_json(known) if known else struct_builder(list(arrow)).build()
        convert = inward(schema)
        target = pa.schema([one.with_type(without_nanoseconds(one.type)) for one in arrow])
        for batch in source.iter_batches(_READ_ROWS):
            table = pa.Table.from_batches([batch])
            if target != table.schema:
                table = table.cast(target, safe=False)
            for row in table.to_pylist():
                yield SchemaAndValue(schema, convert(row))


class _File:
    """What pyarrow takes for a file."""

    closed = False

    def __init__(self, out: Output) -> None:
        self._out = out

    def write(self, data: Any) -> int:
        """Append bytes."""
        return self._out.write(bytes(data))

    def flush(self) -> None:
        """Do nothing: there is nothing to wait for."""

    def close(self) -> None:
        """Leave the file alone: it is closed by who opened it."""


class _Writer(FileWriter):
    def __init__(self, out: Output, schema: Schema, codec: str) -> None:
        self._schema = pa.schema(arrow_fields(schema), metadata={SCHEMA_KEY: schema_json(schema)})
        self._convert = outward(schema)
        self._rows: list[Any] = []
        self._writer = pq.ParquetWriter(_File(out), self._schema, compression=codec)

    def encode(self, value: Any) -> Any:
        """Return the row."""
        if value is None:
            raise DataError("Parquet has no row for null")
        return self._convert(value)

    def append(self, encoded: Any) -> None:
        """Append a row."""
        self._rows.append(encoded)
        if len(self._rows) >= _GROUP_ROWS:
            self._write_group()

    def _write_group(self) -> None:
        # So many rows make a group wherever batches end, so that the file is always the same.
        table = pa.Table.from_pylist(self._rows, schema=self._schema)
        self._writer.write_table(table, row_group_size=_GROUP_ROWS)
        self._rows = []

    def finish(self) -> None:
        """Append the last rows and the footer."""
        if self._rows:
            self._write_group()
        self._writer.close()
