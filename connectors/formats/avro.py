"""Avro's container files, through fastavro."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import fastavro
from fastavro.write import Writer

from aliran.connectors.data import logical
from aliran.connectors.data.schema import Schema, SchemaAndValue
from aliran.connectors.errors import DataError
from aliran.connectors.formats.avro_schema import ToAvro, from_avro, string_keys
from aliran.connectors.formats.base import FileWriter, Format, Output
from aliran.connectors.formats.plain import (
    SCHEMA_KEY,
    Convert,
    Outward,
    inward,
    schema_from_json,
    schema_json,
)


def _decimals(schema: Schema) -> Convert:
    return lambda value: logical.decimal_from(schema, value)


def _entries(schema: Schema, pairs: list[tuple[Any, Any]]) -> Any:
    if string_keys(schema):
        return dict(pairs)
    return [{"key": key, "value": value} for key, value in pairs]


_OUTWARD = Outward(_decimals, _entries)


class AvroFormat(Format):
    """Avro files.

    Args:
        codec: "null", "deflate" or "snappy".
    """

    extension = ".avro"

    def __init__(self, codec: str = "null") -> None:
        self._codec = codec

    def writer(self, out: Output, schema: Schema | None) -> FileWriter:
        """Begin a file."""
        if schema is None:
            raise DataError(
                "Avro needs values with a schema; use a converter with schemas, such as "
                "JsonConverter with schemas.enable=true"
            )
        return _Writer(out, schema, self._codec)

    def read(self, file: BinaryIO) -> Iterator[SchemaAndValue]:
        """Yield the values."""
        try:
            rows = fastavro.reader(file)
        except (ValueError, EOFError, KeyError) as error:
            raise DataError(f"it is no Avro file: {error}") from error
        known = rows.metadata.get(SCHEMA_KEY)
        schema = schema_from_json(known) if known else from_avro(rows.writer_schema)
        convert = inward(schema)
        try:
            for row in rows:
                yield SchemaAndValue(schema, convert(row))
        except (EOFError, ValueError) as error:
            raise DataError(f"the Avro file is damaged: {error}") from error


class _Once:
    """What fastavro takes for a file: a new one, that is only written."""

    def __init__(self, out: Output) -> None:
        self._out = out

    def write(self, data: bytes) -> int:
        """Append bytes."""
        return self._out.write(data)

    def flush(self) -> None:
        """Do nothing: there is nothing to wait for."""

    def seekable(self) -> bool:
        """Say that it is not read."""
        return False


class _Writer(FileWriter):
    def __init__(self, out: Output, schema: Schema, codec: str) -> None:
        kept = schema_json(schema)
        self._convert = _OUTWARD.of(schema)
        self._writer = Writer(
            _Once(out),  # type: ignore[arg-type]  # all that is used of a file
            ToAvro().of(schema),
            codec,
            metadata={SCHEMA_KEY: kept},
            # the same file must come out each time, so nothing is drawn by lot
            sync_marker=hashlib.md5(kept.encode(), usedforsecurity=False).digest(),
        )

    def encode(self, value: Any) -> Any:
        """Return what fastavro takes."""
        return self._convert(value)

    def append(self, encoded: Any) -> None:
        """Append a value."""
        self._writer.write(encoded)

    def finish(self) -> None:
        """Append the last block."""
        self._writer.flush()
