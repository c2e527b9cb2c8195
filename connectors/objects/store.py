"""What a store of files can do for sinks and sources."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO


class ObjectWriter(ABC):
    """Writes one file, which appears as a whole or not at all.

    `write` only collects; what can fail, `upload` and `commit`, may be called again after it did.
    """

    def __init__(self) -> None:
        self.collected: bytearray = bytearray()

    def write(self, data: bytes, /) -> int:
        """Collect bytes."""
        self.collected += data
        return len(data)

    def upload(self) -> None:  # noqa: B027  # small files need not
        """Send what is worth sending before the end.

        Raises:
            RetriableError: The store is away.
        """

    @abstractmethod
    def commit(self) -> None:
        """Send the rest and let the file appear, in place of an older one of its name.

        Raises:
            RetriableError: The store is away.
            ConnectError: It does not take the file.
        """

    def abort(self) -> None:  # noqa: B027  # nothing was sent
        """Forget the file, and take away what was sent if the store can be reached."""


class SinkStore(ABC):
    """Where a sink writes."""

    @abstractmethod
    def create(self, name: str) -> ObjectWriter:
        """Begin a file."""

    @abstractmethod
    def check(self) -> None:
        """Try whether files can be written.

        Raises:
            ConnectError: They cannot.
        """

    def close(self) -> None:  # noqa: B027  # most hold nothing
        """Let go of connections."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """A file that was found.

    Attributes:
        name: Its name in the store.
        size: Its size in bytes.
        version: Something that changes when its contents do.
        modified_ms: When it was written last, in milliseconds since 1970.
    """

    name: str
    size: int
    version: str
    modified_ms: int


class SourceStore(ABC):
    """Where a source reads."""

    @abstractmethod
    def files(self) -> Iterator[ObjectInfo]:
        """Yield the files that are there now.

        Raises:
            RetriableError: The store is away.
        """

    @abstractmethod
    def open(self, name: str) -> BinaryIO:
        """Return a file's contents, seekable.

        Raises:
            RetriableError: The store is away.
            FileNotFoundError: The file is gone.
        """

    @abstractmethod
    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""

    @abstractmethod
    def move(self, name: str, folder: str) -> None:
        """Move a file into a folder."""

    @abstractmethod
    def check(self) -> None:
        """Try whether files can be found.

        Raises:
            ConnectError: They cannot.
        """

    def close(self) -> None:  # noqa: B027  # most hold nothing
        """Let go of connections."""
