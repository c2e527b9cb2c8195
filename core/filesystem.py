"""The file system of the machine, and the door to the whole file interface.

`RealFileSystem` works on POSIX systems (Linux, macOS): positioned reads and writes, fsync on
directories, and the record locks Java uses, so that a real Kafka and Aliran cannot open the same
data directory at once. `MemoryFileSystem` is its twin for tests.
"""

from __future__ import annotations

import contextlib
import errno as errno_numbers
import os
import shutil
import threading
from typing import NoReturn

from aliran.core.files import (
    Buffer,
    DiskFullError,
    File,
    FileLock,
    FileLockedError,
    FileSystem,
    FileSystemError,
)
from aliran.core.memory_filesystem import MemoryFileSystem, PowerCut

__all__ = [
    "Buffer",
    "DiskFullError",
    "File",
    "FileLock",
    "FileLockedError",
    "FileSystem",
    "FileSystemError",
    "MemoryFileSystem",
    "PowerCut",
    "RealFileSystem",
]

_NO_ROOM = (errno_numbers.ENOSPC, errno_numbers.EDQUOT)
_MAX_BUFFERS = 1024  # IOV_MAX on Linux and macOS
_HINTS = {
    errno_numbers.EACCES: "check who owns it and its permissions",
    errno_numbers.EPERM: "check who owns it and its permissions",
    errno_numbers.EROFS: "the file system is mounted read-only; choose another directory",
    errno_numbers.ENOENT: "check the path",
    errno_numbers.EMFILE: "raise the limit of open files (ulimit -n)",
    errno_numbers.ENFILE: "raise the limit of open files of the machine",
    errno_numbers.EIO: "the disk reports a fault; look at the kernel's log and check the disk",
}


def _raise(action: str, path: str, error: OSError) -> NoReturn:
    number = error.errno or 0
    reason = error.strerror or str(error)
    if number in _NO_ROOM:
        free = _free_bytes(path)
        said = "unknown" if free is None else f"{free:,} bytes"
        raise DiskFullError(
            f"cannot {action} {path}: {reason} (free: {said}); make room on that disk, "
            "or lower retention.ms or retention.bytes, then try again",
            path,
            number,
            free,
        ) from error
    hint = _HINTS.get(number, "look at the system's log for the cause")
    raise FileSystemError(f"cannot {action} {path}: {reason}; {hint}", path, number) from error


def _free_bytes(path: str) -> int | None:
    while path and not os.path.isdir(path):
        path = os.path.dirname(path)
    try:
        found = os.statvfs(path or ".")
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


class RealFile:
    """A file of the machine. See `File`.

    A read holds the file's own lock for the length of one `pread`, so that `close` never hands the
    descriptor to somebody else under a reader's feet.
    """

    __slots__ = ("_fd", "_lock", "_size", "path")

    def __init__(self, path: str, fd: int) -> None:
        self.path: str = path
        self._fd = fd
        self._size = os.fstat(fd).st_size
        self._lock = threading.Lock()

    def append(self, *buffers: Buffer) -> int:
        """Write at the end; see `File.append`."""
        position = self._size
        try:
            if len(buffers) == 1:
                written = os.pwrite(self._fd, buffers[0], position)
            else:
                written = os.pwritev(self._fd, buffers[:_MAX_BUFFERS], position)
            expected = sum(map(len, buffers))
            if written < expected:
                self._write_rest(buffers, position, written, expected)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, position)
            _raise("write to", self.path, error)
        self._size = position + expected
        return position

    def _write_rest(
        self, buffers: tuple[Buffer, ...], start: int, written: int, expected: int
    ) -> None:
        """Go on after a short write (a signal, a nearly full disk, more buffers than IOV_MAX)."""
        rest = memoryview(b"".join(buffers))
        while written < expected:
            written += os.pwrite(self._fd, rest[written:], start + written)

    def read(self, position: int, size: int) -> bytes:
        """Read at a position; see `File.read`."""
        try:
            with self._lock:
                data = os.pread(self._fd, size, position)
                if len(data) == size or position + len(data) >= self._size:
                    return data
                return self._read_rest(data, position, size)
        except OSError as error:
            _raise("read", self.path, error)

    def _read_rest(self, data: bytes, position: int, size: int) -> bytes:
        """Go on after a short read (Linux gives at most 2 GiB at once)."""
        parts = [data]
        done = len(data)
        while done < size:
            part = os.pread(self._fd, size - done, position + done)
            if not part:
                break
            parts.append(part)
            done += len(part)
        return b"".join(parts)

    def size(self) -> int:
        """Return the length in bytes."""
        return self._size

    def truncate(self, size: int) -> None:
        """Cut the file; see `File.truncate`."""
        try:
            os.ftruncate(self._fd, size)
        except OSError as error:
            _raise("truncate", self.path, error)
        self._size = size

    def flush(self) -> None:
        """Call fsync."""
        try:
            os.fsync(self._fd)
        except OSError as error:
            _raise("flush", self.path, error)

    def close(self) -> None:
        """Close the descriptor; a second call does nothing."""
        with self._lock:
            fd, self._fd = self._fd, -1
            if fd >= 0:
                os.close(fd)

    def __del__(self) -> None:
        # A deleted segment is only let go of: the last reader that still holds it closes it.
        if getattr(self, "_fd", -1) >= 0:
            self.close()


class _RealLock:
    """A POSIX record lock. It belongs to the process, hence the registry beside it."""

    held: dict[str, _RealLock] = {}  # noqa: RUF012
    guard = threading.Lock()

    def __init__(self, path: str, key: str, fd: int) -> None:
        self.path = path
        self._key = key
        self._fd = fd

    def release(self) -> None:
        """Give the lock up."""
        with self.guard:
            if self.held.get(self._key) is self:
                del self.held[self._key]
                os.close(self._fd)


class RealFileSystem:
    """The file system of this machine. See `FileSystem`."""

    def open(self, path: str, *, create: bool = False) -> RealFile:
        """Open a file for reading and appending."""
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
        try:
            return RealFile(path, os.open(path, flags, 0o644))
        except OSError as error:
            _raise("open", path, error)

    def exists(self, path: str) -> bool:
        """Return whether something is there."""
        return os.path.exists(path)

    def is_dir(self, path: str) -> bool:
        """Return whether it is a directory."""
        return os.path.isdir(path)

    def list_dir(self, path: str) -> list[str]:
        """Return the names in a directory, sorted."""
        try:
            return sorted(os.listdir(path))
        except OSError as error:
            _raise("list", path, error)

    def size(self, path: str) -> int:
        """Return a file's length in bytes."""
        try:
            return os.stat(path).st_size
        except OSError as error:
            _raise("look at", path, error)

    def modified_ms(self, path: str) -> int:
        """Return the time of the last write in milliseconds."""
        try:
            return os.stat(path).st_mtime_ns // 1_000_000
        except OSError as error:
            _raise("look at", path, error)

    def make_dirs(self, path: str) -> None:
        """Make a directory and its parents."""
        try:
            os.makedirs(path, exist_ok=True)
        except OSError as error:
            _raise("make directory", path, error)

    def remove(self, path: str) -> None:
        """Remove a file if it is there."""
        try:
            os.unlink(path)
        except FileNotFoundError:
            return
        except OSError as error:
            _raise("remove", path, error)

    def remove_tree(self, path: str) -> None:
        """Remove a directory and all in it, if it is there; also one that is only linked here."""
        try:
            if os.path.islink(path):
                shutil.rmtree(os.path.realpath(path), ignore_errors=True)
                os.unlink(path)
            else:
                shutil.rmtree(path)
        except FileNotFoundError:
            return
        except OSError as error:
            _raise("remove", path, error)

    def rename(self, source: str, target: str) -> None:
        """Rename, replacing a file at the target."""
        try:
            os.replace(source, target)
        except OSError as error:
            _raise(f"rename to {target}", source, error)

    def flush_dir(self, path: str) -> None:
        """Call fsync on a directory."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            _raise("flush directory", path, error)

    def read_bytes(self, path: str) -> bytes:
        """Return the whole file."""
        try:
            with open(path, "rb") as file:
                return file.read()
        except OSError as error:
            _raise("read", path, error)

    def write_atomic(self, path: str, data: bytes) -> None:
        """Write beside, flush, rename, flush the directory."""
        beside = path + ".tmp"
        try:
            with open(beside, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(beside)
            _raise("write", beside, error)
        self.rename(beside, path)
        self.flush_dir(os.path.dirname(path) or ".")

    def free_bytes(self, path: str) -> int | None:
        """Return what statvfs calls available to this user."""
        return _free_bytes(path)

    def lock(self, path: str) -> FileLock:
        """Take the POSIX record lock on `path` and write this process's id into the file."""
        import fcntl  # POSIX only; here, so that the module can be imported anywhere

        key = os.path.realpath(path)
        with _RealLock.guard:
            if key in _RealLock.held:
                raise _locked(path, os.getpid())
            try:
                fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            except OSError as error:
                _raise("open the lock", path, error)
            try:
                fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                holder = os.pread(fd, 32, 0).strip()
                os.close(fd)
                raise _locked(path, int(holder) if holder.isdigit() else None) from None
            with contextlib.suppress(OSError):  # a full disk: locked all the same, without a name
                os.ftruncate(fd, 0)
                os.pwrite(fd, b"%d\n" % os.getpid(), 0)
            lock = _RealLock(path, key, fd)
            _RealLock.held[key] = lock
            return lock


def _locked(path: str, holder_pid: int | None) -> FileLockedError:
    directory = os.path.dirname(path) or "."
    if holder_pid == os.getpid():
        who = f"this very process ({holder_pid})"
        advice = "close the other user of the directory first"
    else:
        who = "another process" if holder_pid is None else f"process {holder_pid}"
        advice = "stop it, or use another directory"
    return FileLockedError(f"{directory} is in use by {who}; {advice}", path, holder_pid)
