"""JSON lines, rows of CSV, texts and bytes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, ClassVar

import msgspec

from aliran.connectors.converters.json_writer import JsonWriter
from aliran.connectors.data.builder import BYTES_SCHEMA, STRING_SCHEMA
from aliran.connectors.data.schema import Schema, SchemaAndValue, Type
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import DataError
from aliran.connectors.formats.base import Compressible, FileWriter, Output, lines_of

_JSON = JsonWriter(numeric=True, replace=True)
_decode = msgspec.json.Decoder().decode


class _Lines(FileWriter):
    """Writes values that a function makes bytes of."""

    def __init__(self, out: Any, line_of: Callable[[Any], bytes], end: bytes) -> None:
        self._out = out
        self._line_of = line_of
        self._end = end

    def encode(self, value: Any) -> bytes:
        """Return the line."""
        return self._line_of(value) + self._end

    def append(self, encoded: bytes) -> None:
        """Append a line."""
        self._out.write(encoded)

    def finish(self) -> None:
        """Hand on the rest."""
        self._out.finish()


class JsonFormat(Compressible):
    """A JSON value a line: schemas are left out, decimals are numbers (base64 without a schema)."""

    plain_extension = ".json"

    def writer(self, out: Output, schema: Schema | None) -> FileWriter:
        """Begin a file."""
        return _Lines(self.output(out), _json_of(schema), b"\n")

    def read(self, file: BinaryIO) -> Iterator[SchemaAndValue]:
        """Yield the values, without schemas."""
        for number, line in enumerate(lines_of(file), 1):
            if not line.strip():
                continue
            yield SchemaAndValue(None, _parsed(line, number))


def _parsed(line: bytes, number: int) -> Any:
    try:
        return _decode(line)
    except msgspec.DecodeError:
        pass  # what it refuses, such as NaN, Python's may take
    try:
        return json.loads(line)
    except ValueError as error:
        raise DataError(f"line {number} is no JSON: {error}") from error


def _json_of(schema: Schema | None) -> Callable[[Any], bytes]:
    if schema is not None:
        write = _JSON.of(schema)
        return lambda value: write(value).encode()
    encode = msgspec.json.Encoder().encode

    def plain(value: Any) -> bytes:
        try:
            return encode(value)
        except (TypeError, ValueError, OverflowError, msgspec.EncodeError) as error:
            raise DataError(f"the value cannot become JSON: {error}") from error

    return plain


class BytesFormat(Compressible):
    """Values that are bytes, with a separator behind each (`ByteArrayFormat`).

    Args:
        compression: "none" or "gzip".
        level: Level of gzip.
        separator: What stands behind each value; it must not be within one.
        extension: How names end.
    """

    plain_extension: ClassVar[str] = ".bin"

    def __init__(
        self,
        compression: str = "none",
        level: int = -1,
        separator: str = "\n",
        extension: str | None = None,
    ) -> None:
        if extension is not None:
            self.plain_extension = extension  # type: ignore[misc]  # this one's
        super().__init__(compression, level)
        self._separator = separator.encode()

    def writer(self, out: Output, schema: Schema | None) -> FileWriter:
        """Begin a file."""
        if schema is not None and schema.type is not Type.BYTES:
            raise DataError(f"values must be bytes, but are {schema.type}; use ByteArrayConverter")
        return _Lines(self.output(out), self._checked, self._separator)

    def _checked(self, value: Any) -> bytes:
        if not isinstance(value, bytes | bytearray | memoryview):
            raise DataError(f"the value must be bytes, but is {type(value).__name__}")
        data = bytes(value)
        if self._separator in data:
            raise DataError(
                f"the value holds {self._separator!r}, which parts values in the file; choose "
                "another separator"
            )
        return data

    def read(self, file: BinaryIO) -> Iterator[SchemaAndValue]:
        """Yield the parts."""
        for part in lines_of(file, self._separator):
            yield SchemaAndValue(BYTES_SCHEMA, part)


class LinesFormat(Compressible):
    """Texts, a line each; other values become JSON."""

    plain_extension = ".txt"

    def writer(self, out: Output, schema: Schema | None) -> FileWriter:
        """Begin a file."""
        other = _json_of(schema)

        def line_of(value: Any) -> bytes:
            line = value.encode() if isinstance(value, str) else other(value)
            if b"\n" in line:
                raise DataError("the text has several lines; use the format json")
            return line

        return _Lines(self.output(out), line_of, b"\n")

    def read(self, file: BinaryIO) -> Iterator[SchemaAndValue]:
        """Yield the lines."""
        for line in lines_of(file):
            text = line.removesuffix(b"\r").decode("utf-8", "replace")
            yield SchemaAndValue(STRING_SCHEMA, text)


class CsvFormat(Compressible):
    """Rows with a header, of the first value's fields."""

    plain_extension = ".csv"

    def __init__(self, compression: str = "none", level: int = -1, delimiter: str = ",") -> None:
        super().__init__(compression, level)
        self._delimiter = delimiter

    def writer(self, out: Output, schema: Schema | None) -> FileWriter:
        """Begin a file."""
        return _Rows(self.output(out), self._delimiter)

    def read(self, file: BinaryIO) -> Iterator[SchemaAndValue]:
        """Yield dicts of texts."""
        # a cell may hold line ends, which csv finds in lines that have theirs
        texts = (f"{line.decode('utf-8', 'replace')}\n" for line in lines_of(file))
        rows = csv.reader(texts, delimiter=self._delimiter)
        header = next(rows, [])
        for row in rows:
            if not row:
                continue
            if len(row) != len(header):
                raise DataError(
                    f"the row at line {rows.line_num} has {len(row)} fields, the header "
                    f"{len(header)}"
                )
            yield SchemaAndValue(None, dict(zip(header, row, strict=True)))


class _Rows(FileWriter):
    def __init__(self, out: Any, delimiter: str) -> None:
        self._out = out
        self._delimiter = delimiter
        self._columns: list[str] | None = None

    def encode(self, value: Any) -> Mapping[Any, Any]:
        """Return the fields, which have columns."""
        fields = value.to_dict() if isinstance(value, Struct) else value
        if not isinstance(fields, Mapping):
            raise DataError("a row of CSV needs a value with fields")
        columns = self._columns
        if columns and (unknown := [name for name in fields if str(name) not in columns]):
            raise DataError(f"the fields {unknown} have no column in the file, which has {columns}")
        return {str(name): _cell(each) for name, each in fields.items()}

    def append(self, encoded: Mapping[Any, Any]) -> None:
        """Append a row, the first one with the header."""
        rows = []
        if self._columns is None:
            self._columns = list(encoded)
            rows.append(self._columns)
        rows.append([encoded.get(one, "") for one in self._columns])
        text = io.StringIO()
        csv.writer(text, delimiter=self._delimiter, lineterminator="\n").writerows(rows)
        self._out.write(text.getvalue().encode())

    def finish(self) -> None:
        """Hand on the rest."""
        self._out.finish()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return _json_of(None)(value).decode()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
