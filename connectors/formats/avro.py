"""Avro's container files, with the schemas of Confluent's `AvroData`; data through fastavro.

The container is written here, so that a value is known to fit before it is in a block, and the same
records always make the same file.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any, BinaryIO

import cramjam
import fastavro
from fastavro.schema import SchemaParseException

from aliran.connectors.converters.registry import avro_names as names
from aliran.connectors.converters.registry.avro import branch_of, full_names
from aliran.connectors.converters.registry.avro_from_connect import AvroSchemaWriter, Choices
from aliran.connectors.converters.registry.avro_to_connect import AvroSchemaReader
from aliran.connectors.converters.registry.avro_values import (
    ValueReader,
    bare,
    read_anything,
    writer_of,
)
from aliran.connectors.data.schema import Schema, SchemaAndValue
from aliran.connectors.errors import DataError
from aliran.connectors.formats.base import FileWriter, Format, Output

_MAGIC = b"Obj\x01"
_BLOCK = 64_000
_CHOICES = Choices()
_DAMAGED = (ValueError, EOFError, KeyError, IndexError, TypeError, zlib.error)


def _long(value: int) -> bytes:
    """Return a whole number, not negative, as Avro writes it."""
    value <<= 1
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(-1, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def _snappy(data: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(data)) + zlib.crc32(data).to_bytes(4, "big")


_CODECS: dict[str, Callable[[bytes], bytes]] = {
    "null": lambda data: data,
    "deflate": _deflate,
    "snappy": _snappy,
}


class AvroFormat(Format):
    """Avro files.

    Args:
        codec: "null", "deflate" or "snappy".
    """

    extension = ".avro"

    def __init__(self, codec: str = "null") -> None:
        self._codec = codec

    def writer(self, out: Output, schema: Schema | None) -> FileWriter:
        """Begin a file; without a schema values are of Confluent's record that can be anything."""
        return _Writer(out, schema, self._codec)

    def read(self, file: BinaryIO) -> Iterator[SchemaAndValue]:
        """Yield the values."""
        try:
            blocks = fastavro.block_reader(file)
            named: dict[str, Any] = {}
            avro = full_names(json.loads(blocks.metadata["avro.schema"]), None, named)
            plain = fastavro.parse_schema(bare(avro))
        except (*_DAMAGED, SchemaParseException) as error:
            raise DataError(f"it is no Avro file: {error}") from error
        schema, convert = _reader(avro, named)
        try:
            for block in blocks:
                for _ in range(block.num_records):
                    row: Any = fastavro.schemaless_reader(
                        block.bytes_,  # type: ignore[attr-defined]  # its stub does not say
                        plain,
                        None,
                        return_named_type=schema is not None,
                    )
                    yield SchemaAndValue(schema, row if convert is None else convert(row))
        except _DAMAGED as error:
            raise DataError(f"the Avro file is damaged: {error}") from error


def _reader(avro: Any, named: dict[str, Any]) -> tuple[Schema | None, Callable[[Any], Any] | None]:
    """Return the schema of Connect, None for anything, and what makes its values."""
    if isinstance(avro, dict) and avro.get("name") == f"{names.NAMESPACE}.Anything":
        return None, read_anything
    schemas = AvroSchemaReader(named, _CHOICES)
    schema = schemas.schema(avro)
    return schema, ValueReader(schemas).of(schema, avro)


class _Writer(FileWriter):
    def __init__(self, out: Output, schema: Schema | None, codec: str) -> None:
        avro = AvroSchemaWriter(_CHOICES).schema(schema)
        text = json.dumps(avro, separators=(",", ":")).encode()
        try:
            self._avro = fastavro.parse_schema(bare(full_names(avro, None, {})))
        except SchemaParseException as error:
            raise DataError(
                f"Avro cannot hold the schema: {error}; rename fields (ReplaceField) or schemas "
                "(SetSchemaMetadata)"
            ) from error
        self._convert = writer_of(schema, _CHOICES, lambda one: branch_of(one, _CHOICES))
        self._pack = _CODECS[codec]
        self._out = out
        self._rows: list[bytes] = []
        self._size = 0
        # nothing is drawn by lot, so that the same file comes out each time
        self._mark = hashlib.md5(text, usedforsecurity=False).digest()
        entries = {b"avro.codec": codec.encode(), b"avro.schema": text}
        out.write(_MAGIC + _long(len(entries)))
        for name, value in entries.items():
            out.write(_long(len(name)) + name + _long(len(value)) + value)
        out.write(_long(0) + self._mark)

    def encode(self, value: Any) -> bytes:
        """Return the value in Avro."""
        buffer = BytesIO()
        try:
            fastavro.schemaless_writer(buffer, self._avro, self._convert(value))
        except (ValueError, TypeError, OverflowError, KeyError, AttributeError) as error:
            raise DataError(f"Avro cannot hold the value: {error}") from error
        return buffer.getvalue()

    def append(self, encoded: bytes) -> None:
        """Append a value."""
        self._rows.append(encoded)
        self._size += len(encoded)
        if self._size >= _BLOCK:
            self._end_block()

    def _end_block(self) -> None:
        data = self._pack(b"".join(self._rows))
        self._out.write(_long(len(self._rows)) + _long(len(data)) + data + self._mark)
        self._rows, self._size = [], 0

    def finish(self) -> None:
        """Append the last block."""
        if self._rows:
            self._end_block()
