"""The file system of a broker whose directory is thrown away at the end."""

from __future__ import annotations

import contextlib
import os

from aliran.core.filesystem import RealFile, RealFileSystem


class _ScratchFile(RealFile):
    """A file that is never flushed: nobody will read it after a power cut."""

    __slots__ = ()

    def flush(self) -> None:
        """Do nothing."""


class ScratchFileSystem(RealFileSystem):
    """Real files without fsync, for data that does not outlive the process.

    An fsync costs milliseconds, a topic several of them; a test that makes topics feels each.
    """

    def open(self, path: str, *, create: bool = False) -> RealFile:
        """Open a file for reading and appending."""
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
        with contextlib.suppress(OSError):
            return _ScratchFile(path, os.open(path, flags, 0o644))
        return super().open(path, create=create)  # fails again, and says what to do about it

    def flush_dir(self, path: str) -> None:
        """Do nothing."""

    def write_atomic(self, path: str, data: bytes) -> None:
        """Write beside and rename."""
        beside = path + ".tmp"
        self.remove(beside)
        file = self.open(beside, create=True)
        try:
            file.append(data)
        finally:
            file.close()
        self.rename(beside, path)
