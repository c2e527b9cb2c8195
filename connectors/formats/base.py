"""What a format is: it writes records into a file and reads them back, in order.

What is written depends on the records alone, not on when or in which pieces they come: a file that
is written again after a crash is the same to the byte.
"""

from __future__ import annotations

import gzip
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, BinaryIO, ClassVar, Protocol

from aliran.connectors.data.schema import Schema, SchemaAndValue
from aliran.connectors.errors import DataError

_CHUNK = 1 << 16
_DEFAULT_LEVEL = -1


class Output(Protocol):
    """Where the bytes of a file go; never waits for anything."""

    def write(self, data: bytes, /) -> int:
        """Append bytes."""
        ...


class FileWriter(ABC):
    """Writes one file: what cannot be written is found out before anything is."""

    @abstractmethod
    def encode(self, value: Any) -> Any:
        """Return a value as `append` takes it.

        Raises:
            DataError: The format cannot hold it.
        """

    @abstractmethod
    def append(self, encoded: Any) -> None:
        """Append a value that was encoded."""

    def write(self, value: Any) -> None:
        """Append a value.

        Raises:
            DataError: The format cannot hold it; the file is as it was before.
        """
        self.append(self.encode(value))

    @abstractmethod
    def finish(self) -> None:
        """Append what is missing at the end; nothing can be written afterwards."""


class Format(ABC):
    """A format, with its settings.

    Attributes:
        extension: How names of files end, such as ".json.gz".
    """

    extension: str

    @abstractmethod
    def writer(self, out: Output, schema: Schema | None) -> FileWriter:
        """Begin a file of values of one schema.

        Raises:
            DataError: The format cannot hold the schema.
        """

    @abstractmethod
    def read(self, file: BinaryIO) -> Iterator[SchemaAndValue]:
        """Yield the values of a file, which must be seekable.

        Raises:
            DataError: It is no file of this format.
        """


class Compressed:
    """Collects pieces of a file, and hands them on compressed where wanted.

    Args:
        out: Where they go.
        level: Level of gzip; None for none.
    """

    def __init__(self, out: Output, level: int | None) -> None:
        self._out = out
        self._pieces: list[bytes] = []
        self._size = 0
        # 31: a header and a trailer of gzip, without the time
        self._packer = None if level is None else zlib.compressobj(level, zlib.DEFLATED, 31)

    def write(self, data: bytes) -> int:
        """Append bytes."""
        self._pieces.append(data)
        self._size += len(data)
        if self._size >= _CHUNK:
            self._hand_on()
        return len(data)

    def _hand_on(self) -> None:
        data = b"".join(self._pieces)
        self._pieces, self._size = [], 0
        if self._packer is not None:
            data = self._packer.compress(data)
        if data:
            self._out.write(data)

    def finish(self) -> None:
        """Hand on the rest."""
        self._hand_on()
        if self._packer is not None:
            self._out.write(self._packer.flush())


class Compressible(Format):
    """A format whose files may be gzip'd as a whole; reading finds that out by itself.

    Args:
        compression: "none" or "gzip".
        level: Level of gzip, -1 for its default.
    """

    plain_extension: ClassVar[str]

    def __init__(self, compression: str = "none", level: int = _DEFAULT_LEVEL) -> None:
        self._level = level if compression == "gzip" else None
        self.extension: str = self.plain_extension + (".gz" if compression == "gzip" else "")

    def output(self, out: Output) -> Compressed:
        """Return what compresses on the way to `out`, where that is wanted."""
        return Compressed(out, self._level)


def unpacked(file: BinaryIO) -> BinaryIO:
    """Return what reads a file that may be gzip'd."""
    start = file.read(2)
    file.seek(0)
    return gzip.GzipFile(fileobj=file, mode="rb") if start == b"\x1f\x8b" else file  # type: ignore[return-value]


def lines_of(file: BinaryIO, separator: bytes = b"\n") -> Iterator[bytes]:
    """Yield the parts of a file between separators, the last one with or without its end.

    Raises:
        DataError: A gzip'd file is damaged.
    """
    source = unpacked(file)
    rest = b""
    while chunk := _read(source):
        *lines, rest = (rest + chunk).split(separator)
        yield from lines
    if rest:
        yield rest


def _read(source: BinaryIO) -> bytes:
    try:
        return source.read(1 << 20)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"the gzip'd file is damaged: {error}") from error
