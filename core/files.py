"""What a file system must do for Aliran, and the errors it raises.

Nothing above `core` opens a file by itself: it takes a `FileSystem`, so that tests can run the same
code on a disk whose power is cut (`MemoryFileSystem`). Paths are text with `/` between the parts.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias

from aliran.core.errors import AliranError

Buffer: TypeAlias = bytes | bytearray | memoryview
"""Bytes that can be written without copying them first."""


class FileSystemError(AliranError):
    """An operation on a file or directory failed.

    Attributes:
        path: What it was done to.
        errno: The operating system's number for the failure, or None.
    """

    def __init__(self, message: str, path: str, errno: int | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.errno = errno


class DiskFullError(FileSystemError):
    """There is no room left; what was half written has been taken back.

    Attributes:
        free_bytes: What the file system says is free, or None when it does not say.
    """

    retriable = True

    def __init__(self, message: str, path: str, errno: int, free_bytes: int | None) -> None:
        super().__init__(message, path, errno)
        self.free_bytes = free_bytes


class FileLockedError(FileSystemError):
    """Another process (or another part of this one) holds the lock.

    Attributes:
        holder_pid: The process that holds it, or None when the lock file does not tell.
    """

    def __init__(self, message: str, path: str, holder_pid: int | None) -> None:
        super().__init__(message, path)
        self.holder_pid = holder_pid


class File(Protocol):
    """An open file. Positions are explicit, so reads may come from several threads at once.

    Appends, truncations and flushes must come from one thread at a time.
    """

    path: str

    def append(self, *buffers: Buffer) -> int:
        """Write `buffers` one after the other at the end, with one system call where it goes.

        Returns:
            The position at which the first byte was written.

        Raises:
            DiskFullError: There was no room; the file is as long as before.
            FileSystemError: Any other failure; the file is as long as before where possible.
        """
        ...

    def read(self, position: int, size: int) -> bytes:
        """Return up to `size` bytes from `position`; fewer only at the end of the file."""
        ...

    def size(self) -> int:
        """Return the length in bytes."""
        ...

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes (not yet flushed)."""
        ...

    def flush(self) -> None:
        """Return when all that was written so far is on the disk (fsync)."""
        ...

    def close(self) -> None:
        """Let go of the file; a second call does nothing. Does not flush."""
        ...


class FileLock(Protocol):
    """A lock held on a path until released or until the process ends."""

    path: str

    def release(self) -> None:
        """Give the lock up; a second call does nothing."""
        ...


class FileSystem(Protocol):
    """The file operations Aliran uses. All raise `FileSystemError` with the path in it."""

    def open(self, path: str, *, create: bool = False) -> File:
        """Open a file for reading and appending; with `create`, make it when it is missing."""
        ...

    def exists(self, path: str) -> bool:
        """Return whether a file or directory is there."""
        ...

    def is_dir(self, path: str) -> bool:
        """Return whether `path` is a directory."""
        ...

    def list_dir(self, path: str) -> list[str]:
        """Return the names in a directory, sorted."""
        ...

    def size(self, path: str) -> int:
        """Return the length of a file in bytes."""
        ...

    def modified_ms(self, path: str) -> int:
        """Return when a file was last written, in milliseconds since the epoch."""
        ...

    def make_dirs(self, path: str) -> None:
        """Make a directory and its parents; not an error when it exists."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file; not an error when it is missing."""
        ...

    def remove_tree(self, path: str) -> None:
        """Remove a directory and all in it; not an error when it is missing."""
        ...

    def rename(self, source: str, target: str) -> None:
        """Give a file or directory another name, atomically replacing a file at `target`."""
        ...

    def flush_dir(self, path: str) -> None:
        """Return when names made, renamed or removed in this directory are on the disk."""
        ...

    def read_bytes(self, path: str) -> bytes:
        """Return the whole content of a file."""
        ...

    def write_atomic(self, path: str, data: bytes) -> None:
        """Replace a file so that after a crash it is the old or the new one, and flushed."""
        ...

    def free_bytes(self, path: str) -> int | None:
        """Return the room left where `path` is, or None when unknown."""
        ...

    def lock(self, path: str) -> FileLock:
        """Lock `path` for this process alone.

        Raises:
            FileLockedError: Somebody else holds it.
        """
        ...
