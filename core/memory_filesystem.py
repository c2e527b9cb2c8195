"""A file system in memory whose power can be cut and whose disk can be full.

It keeps two pictures: what was written (what a running machine sees, and what survives kill -9) and
what was flushed (what is sure to survive a power cut). `crash` picks a picture a real disk could
show afterwards: files keep any part of their unflushed writes, torn writes and holes included;
directories keep a prefix of their unflushed changes, as journalling file systems do.
"""

from __future__ import annotations

import errno
import random
import threading
from collections.abc import Callable
from typing import Literal, TypeAlias

from aliran.core.files import Buffer, DiskFullError, FileLock, FileLockedError, FileSystemError

Keep: TypeAlias = Literal["flushed", "written"] | random.Random
"""What a crash leaves of unflushed writes: nothing, all of it, or a random part."""


class PowerCut(BaseException):
    """The power went. Not an `Exception`: no handler may clean up after it."""


class _Node:
    """The content of one file, and the writes since its last flush."""

    __slots__ = ("data", "durable", "modified_ms", "pending")

    def __init__(self) -> None:
        self.data: bytearray = bytearray()
        self.durable: bytes = b""
        self.pending: list[tuple[int, bytes | None]] = []  # (position, bytes) or (size, None)
        self.modified_ms: int = 0

    def after_crash(self, keep: Keep) -> _Node:
        if keep == "written":
            content = bytearray(self.data)
        else:
            content = bytearray(self.durable)
            if isinstance(keep, random.Random):
                for position, written in self.pending:
                    _apply_some(content, position, written, keep)
        node = _Node()
        node.data = content
        node.durable = bytes(content)
        node.modified_ms = self.modified_ms
        return node


def _apply_some(
    content: bytearray, position: int, written: bytes | None, chance: random.Random
) -> None:
    """Apply one unflushed write wholly, not at all, or torn."""
    luck = chance.random()
    if written is None:
        if luck < 0.5:
            del content[position:]
        return
    if luck < 0.35:
        return
    if luck < 0.65:
        written = written[: chance.randrange(len(written) + 1)]
    elif luck < 0.72:  # the length reached the disk, the data did not
        written = bytes(len(written))
    elif luck < 0.8:  # the front was lost, the back is there
        hole = chance.randrange(len(written) + 1)
        written = bytes(hole) + written[hole:]
    if len(content) < position:
        content.extend(bytes(position - len(content)))
    content[position : position + len(written)] = written


class _Directory:
    """Names in a directory, and the changes since it was last flushed."""

    __slots__ = ("children", "durable", "pending")

    def __init__(self) -> None:
        self.children: dict[str, _Node | _Directory] = {}
        self.durable: dict[str, _Node | _Directory] = {}
        self.pending: list[dict[str, _Node | _Directory | None]] = []

    def change(self, names: dict[str, _Node | _Directory | None]) -> None:
        _apply_names(self.children, names)
        self.pending.append(names)

    def after_crash(self, keep: Keep) -> _Directory:
        names = dict(self.children if keep == "written" else self.durable)
        if isinstance(keep, random.Random):
            for change in self.pending[: keep.randrange(len(self.pending) + 1)]:
                _apply_names(names, change)
        directory = _Directory()
        directory.children = {name: child.after_crash(keep) for name, child in names.items()}
        directory.durable = dict(directory.children)
        return directory


def _apply_names(
    names: dict[str, _Node | _Directory], change: dict[str, _Node | _Directory | None]
) -> None:
    for name, child in change.items():
        if child is None:
            names.pop(name, None)
        else:
            names[name] = child


class _MemoryFile:
    """An open file of a `MemoryFileSystem`. See `File`."""

    __slots__ = ("_fs", "_generation", "_node", "path")

    def __init__(self, fs: MemoryFileSystem, path: str, node: _Node) -> None:
        self.path: str = path
        self._fs = fs
        self._node = node
        self._generation = fs.generation

    def append(self, *buffers: Buffer) -> int:
        """Write at the end; a power cut in the middle leaves a torn write behind."""
        data = b"".join(buffers)
        node, position = self._node, len(self._node.data)
        self._fs.mutate(self._generation, lambda part: self._fs.put(node, data[:part]), len(data))
        self._fs.check_room(self.path, len(data))
        self._fs.put(node, data)
        return position

    def read(self, position: int, size: int) -> bytes:
        """Return up to `size` bytes from `position`."""
        self._fs.check_power(self._generation)
        return bytes(memoryview(self._node.data)[position : position + size])

    def size(self) -> int:
        """Return the length in bytes."""
        self._fs.check_power(self._generation)
        return len(self._node.data)

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes."""
        self._fs.mutate(self._generation)
        with self._fs.guard:
            self._node.data = self._node.data[:size]
            self._node.pending.append((size, None))

    def flush(self) -> None:
        """Make the content durable."""
        self._fs.mutate(self._generation)
        with self._fs.guard:
            self._node.durable = bytes(self._node.data)
            self._node.pending.clear()

    def close(self) -> None:
        """Do nothing: memory needs no closing."""


class _MemoryLock:
    def __init__(self, fs: MemoryFileSystem, path: str) -> None:
        self.path = path
        self._fs = fs

    def release(self) -> None:
        """Give the lock up."""
        self._fs.locks.discard(self.path)


class MemoryFileSystem:
    """A `FileSystem` in memory with faults to inject.

    Attributes:
        capacity_bytes: The size of the disk; an append that does not fit raises `DiskFullError`.
            None means without limit.
        mutations: How many changes were made so far (appends, flushes, renames, ...); the numbers
            `fail_after` counts in.
        now_ms: Stamps files with their time of change.
    """

    def __init__(self, capacity_bytes: int | None = None) -> None:
        self.capacity_bytes = capacity_bytes
        self.mutations: int = 0
        self.generation: int = 0
        self.now_ms: Callable[[], int] = int
        self.locks: set[str] = set()
        self.guard: threading.RLock = threading.RLock()
        self._root = _Directory()
        self._fail_at: int | None = None
        self._off = False
        self._chance = random.Random(0)

    # faults

    def fail_after(self, count: int, seed: int = 0) -> None:
        """Cut the power at the `count`-th change from now: it raises `PowerCut`.

        An append is torn at a place drawn from `seed`; any other change does not happen. From then
        on everything raises `PowerCut` until `crash` is called.
        """
        self._fail_at = self.mutations + count
        self._chance = random.Random(seed)

    def crash(self, keep: Keep = "flushed") -> None:
        """Lose what `keep` does not keep and start the machine again. Open files are dead."""
        with self.guard:
            self._root = self._root.after_crash(keep)
            self.generation += 1
            self._off = False
            self._fail_at = None
            self.locks.clear()

    def used_bytes(self) -> int:
        """Return how much all files hold together."""

        def used(directory: _Directory) -> int:
            return sum(
                used(child) if isinstance(child, _Directory) else len(child.data)
                for child in directory.children.values()
            )

        return used(self._root)

    # used by open files

    def check_power(self, generation: int | None = None) -> None:
        """Raise `PowerCut` when the machine is off, or a file of before a crash is used."""
        if self._off or (generation is not None and generation != self.generation):
            raise PowerCut("the machine is off")

    def mutate(
        self, generation: int | None, tear: Callable[[int], None] | None = None, size: int = 0
    ) -> None:
        """Count one change and cut the power when its turn has come."""
        with self.guard:
            self.check_power(generation)
            self.mutations += 1
            if self._fail_at is not None and self.mutations >= self._fail_at:
                if tear is not None:
                    tear(self._chance.randrange(size + 1))
                self._off = True
                raise PowerCut(f"the power was cut at change {self.mutations}")

    def put(self, node: _Node, data: bytes) -> None:
        """Append to a file's content."""
        with self.guard:
            node.pending.append((len(node.data), data))
            # A new object: readers in other threads may hold a view of the old one.
            node.data = node.data + data
            node.modified_ms = self.now_ms()

    def check_room(self, path: str, size: int) -> None:
        """Raise `DiskFullError` when `size` more bytes do not fit."""
        if self.capacity_bytes is None:
            return
        free = max(0, self.capacity_bytes - self.used_bytes())
        if size > free:
            raise DiskFullError(
                f"cannot write to {path}: No space left on device (free: {free:,} bytes); make "
                "room on that disk, or lower retention.ms or retention.bytes, then try again",
                path,
                errno.ENOSPC,
                free,
            )

    # FileSystem

    def open(self, path: str, *, create: bool = False) -> _MemoryFile:
        """Open a file for reading and appending."""
        self.check_power()
        directory, name = self._parent(path)
        node = directory.children.get(name)
        if isinstance(node, _Directory):
            raise _failure("open", path, errno.EISDIR)
        if node is None:
            if not create:
                raise _failure("open", path, errno.ENOENT)
            self.mutate(None)
            node = _Node()
            directory.change({name: node})
        return _MemoryFile(self, path, node)

    def exists(self, path: str) -> bool:
        """Return whether something is there."""
        self.check_power()
        return self._find(path) is not None

    def is_dir(self, path: str) -> bool:
        """Return whether it is a directory."""
        self.check_power()
        return isinstance(self._find(path), _Directory)

    def list_dir(self, path: str) -> list[str]:
        """Return the names in a directory, sorted."""
        return sorted(self._directory(path).children)

    def size(self, path: str) -> int:
        """Return a file's length in bytes."""
        return len(self._file(path).data)

    def modified_ms(self, path: str) -> int:
        """Return when the file was last appended to."""
        return self._file(path).modified_ms

    def make_dirs(self, path: str) -> None:
        """Make a directory and its parents."""
        self.check_power()
        directory = self._root
        for name in _parts(path):
            child = directory.children.get(name)
            if child is None:
                self.mutate(None)
                child = _Directory()
                directory.change({name: child})
            if not isinstance(child, _Directory):
                raise _failure("make directory", path, errno.ENOTDIR)
            directory = child

    def remove(self, path: str) -> None:
        """Remove a file if it is there."""
        directory, name = self._parent(path)
        if name in directory.children:
            self.mutate(None)
            directory.change({name: None})

    def remove_tree(self, path: str) -> None:
        """Remove a directory and all in it, entry by entry as a machine does."""
        self.check_power()
        found = self._find(path)
        if isinstance(found, _Directory):
            for name in sorted(found.children):
                self.remove_tree(f"{path}/{name}")
        if found is not None:
            self.remove(path)

    def rename(self, source: str, target: str) -> None:
        """Rename, replacing a file at the target."""
        directory, name = self._parent(source)
        other, new_name = self._parent(target)
        node = directory.children.get(name)
        if node is None:
            raise _failure("rename", source, errno.ENOENT)
        self.mutate(None)
        if other is directory:
            directory.change({name: None, new_name: node})
        else:
            other.change({new_name: node})
            directory.change({name: None})

    def flush_dir(self, path: str) -> None:
        """Make the names in a directory durable."""
        directory = self._directory(path)
        self.mutate(None)
        directory.durable = dict(directory.children)
        directory.pending.clear()

    def read_bytes(self, path: str) -> bytes:
        """Return the whole file."""
        return bytes(self._file(path).data)

    def write_atomic(self, path: str, data: bytes) -> None:
        """Write beside, flush, rename, flush the directory."""
        beside = path + ".tmp"
        self.remove(beside)
        file = self.open(beside, create=True)
        file.append(data)
        file.flush()
        self.rename(beside, path)
        self.flush_dir(path.rpartition("/")[0] or "/")

    def free_bytes(self, path: str) -> int | None:
        """Return the room left, or None without a limit."""
        del path
        if self.capacity_bytes is None:
            return None
        return max(0, self.capacity_bytes - self.used_bytes())

    def lock(self, path: str) -> FileLock:
        """Lock a path until released or until the crash."""
        self.check_power()
        if path in self.locks:
            directory = path.rpartition("/")[0] or "/"
            raise FileLockedError(
                f"{directory} is in use by this very process; close the other user first",
                path,
                None,
            )
        self.locks.add(path)
        return _MemoryLock(self, path)

    # paths

    def _find(self, path: str) -> _Node | _Directory | None:
        found: _Node | _Directory | None = self._root
        for name in _parts(path):
            if not isinstance(found, _Directory):
                return None
            found = found.children.get(name)
        return found

    def _parent(self, path: str) -> tuple[_Directory, str]:
        self.check_power()
        parts = _parts(path)
        parent = self._find("/".join(parts[:-1]))
        if not isinstance(parent, _Directory):
            raise _failure("find", path, errno.ENOENT)
        return parent, parts[-1]

    def _directory(self, path: str) -> _Directory:
        self.check_power()
        found = self._find(path)
        if not isinstance(found, _Directory):
            raise _failure("list", path, errno.ENOENT)
        return found

    def _file(self, path: str) -> _Node:
        self.check_power()
        found = self._find(path)
        if not isinstance(found, _Node):
            raise _failure("read", path, errno.ENOENT)
        return found


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _failure(action: str, path: str, number: int) -> FileSystemError:
    reasons = {errno.ENOENT: "No such file or directory", errno.EISDIR: "Is a directory"}
    reason = reasons.get(number, "Not a directory")
    return FileSystemError(f"cannot {action} {path}: {reason}; check the path", path, number)
