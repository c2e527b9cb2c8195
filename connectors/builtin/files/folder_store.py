"""A folder of this machine as a store of files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from aliran.connectors.errors import ConnectError, RetriableError
from aliran.connectors.objects.store import ObjectInfo, ObjectWriter, SinkStore, SourceStore

_PIECE = 8 << 20


def _failed(what: str, path: Path, error: OSError) -> RetriableError:
    return RetriableError(f"{path} cannot be {what}: {error.strerror or error}")


class FolderSinkStore(SinkStore):
    """A folder that files are written to.

    Args:
        folder: The folder; it is made if need be.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def create(self, name: str) -> ObjectWriter:
        """Begin a file."""
        return _File(self._folder / name)

    def check(self) -> None:
        """Try to write."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            probe = self._folder / ".aliran-check"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise ConnectError(
                f"the folder {self._folder} cannot be written: {error.strerror}"
            ) from error


class _File(ObjectWriter):
    """A file under a hidden name until it is whole and on disk."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._partial = path.with_name(f".{path.name}.partial")
        self._sent = 0
        self._named = False

    def upload(self) -> None:
        """Write what is large."""
        if len(self.collected) >= _PIECE:
            self._write()

    def _write(self) -> None:
        try:
            self._partial.parent.mkdir(parents=True, exist_ok=True)
            mode = "r+b" if self._sent else "wb"
            with self._partial.open(mode) as file:
                file.seek(self._sent)  # over what a call that failed may have written
                file.write(self.collected)
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _failed("written", self._path, error) from error
        self._sent += len(self.collected)
        self.collected.clear()

    def commit(self) -> None:
        """Give the file its name."""
        if self.collected or not self._sent:
            self._write()
        try:
            if not self._named:
                self._partial.replace(self._path)
                self._named = True
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise _failed("written", self._path, error) from error

    def abort(self) -> None:
        """Delete what was written."""
        if self._sent:
            with suppress(OSError):
                self._partial.unlink()


class FolderSourceStore(SourceStore):
    """A folder that files are read from, those in folders within it, too.

    Hidden files are passed over.

    Args:
        folder: The folder.
        finished: The folder for what has been read, which is passed over.
    """

    def __init__(self, folder: str, finished: str) -> None:
        self._folder = Path(folder)
        self._finished = self._folder / finished

    def files(self) -> Iterator[ObjectInfo]:
        """Yield the files."""
        for parent, folders, names in os.walk(self._folder):
            at = Path(parent)
            folders[:] = [one for one in folders
                          if not one.startswith(".") and at / one != self._finished]  # fmt: skip
            for name in names:
                if not name.startswith("."):
                    with suppress(FileNotFoundError):  # it has gone meanwhile
                        found = (at / name).stat()
                        yield ObjectInfo(
                            (at / name).relative_to(self._folder).as_posix(),
                            found.st_size,
                            f"{found.st_mtime_ns}-{found.st_size}",
                            found.st_mtime_ns // 1_000_000,
                        )

    def open(self, name: str) -> BinaryIO:
        """Open a file."""
        try:
            return (self._folder / name).open("rb")
        except FileNotFoundError:
            raise
        except OSError as error:
            raise ConnectError(f"{self._folder / name} cannot be read: {error.strerror}") from error

    def delete(self, name: str) -> None:
        """Delete a file."""
        try:
            (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise _failed("deleted", self._folder / name, error) from error

    def move(self, name: str, folder: str) -> None:
        """Move a file, under another name if its own is taken."""
        source, target = self._folder / name, self._folder / folder / name
        number = 0
        while target.exists():
            number += 1
            target = self._folder / folder / f"{name}.{number}"
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)
        except FileNotFoundError:
            return  # somebody was faster
        except OSError as error:
            raise _failed("moved", source, error) from error

    def check(self) -> None:
        """Look into the folder."""
        try:
            with os.scandir(self._folder) as entries:
                next(entries, None)
        except OSError as error:
            raise ConnectError(
                f"the folder {self._folder} cannot be read: {error.strerror}"
            ) from error
