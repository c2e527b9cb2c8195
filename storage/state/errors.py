"""Errors of the state stores."""

from __future__ import annotations

from aliran.core.errors import AliranError


class StateError(AliranError):
    """Root of the errors of state stores and their databases.

    Attributes:
        path: Directory of the database, or "" where there is none.
    """

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class StateLockedError(StateError):
    """Another process, or another task of this one, has the database open."""

    retriable = True


class StatePathError(StateError):
    """The directory of the database cannot be made or written."""


class StateForeignFilesError(StateError):
    """The directory holds files that are not a state database of Aliran."""


class StateCorruptedError(StateError):
    """The files of the database are damaged or missing in part."""


class StateDiskFullError(StateError):
    """No space is left where the database lies."""


class StateClosedError(StateError):
    """The database was used after it was closed."""


class UnknownStoreError(StateError):
    """No store of that name is in the database."""


def state_error(path: str, error: BaseException) -> StateError:
    """Return the error to raise for what RocksDB reported.

    RocksDB's binding raises bare exceptions whose text alone tells them apart.

    Args:
        path: Directory of the database.
        error: What the binding raised.
    """
    text = str(error)
    for words, build in _BY_WORDS:
        if any(word in text for word in words):
            return build(path, text)
    return StateError(
        f"the state database {path} failed: {text}. If this stays, stop the program, delete the "
        "directory and start again: the state will be restored from the changelog topics",
        path=path,
    )


def locked_error(path: str, text: str) -> StateLockedError:
    """Return the error for a database that is open elsewhere."""
    if "current process" in text:
        who = "this process has it open already; close it first"
    else:
        who = (
            "another process has it open. Is another program with the same application id and "
            "state directory running? Stop it, or give this one its own state directory"
        )
    return StateLockedError(f"the state database {path} is locked: {who}", path=path)


def path_error(path: str, text: str) -> StatePathError:
    """Return the error for a directory that cannot be made or written."""
    return StatePathError(
        f"cannot make or write the state directory {path}: {text}. "
        "Pass a state directory that this user may write to",
        path=path,
    )


def corrupted_error(path: str, text: str) -> StateCorruptedError:
    """Return the error for a damaged database."""
    return StateCorruptedError(
        f"the state database {path} is damaged: {text}. "
        "Delete the directory; it will be restored from the changelog topics",
        path=path,
    )


def disk_full_error(path: str, text: str) -> StateDiskFullError:
    """Return the error for a full disk."""
    return StateDiskFullError(
        f"no space is left on the disk of the state database {path}: {text}. "
        "Free space and start again; what was not written will be restored from the changelog",
        path=path,
    )


def foreign_files_error(path: str, names: list[str]) -> StateForeignFilesError:
    """Return the error for a directory that belongs to somebody else."""
    shown = ", ".join(sorted(names)[:5]) + (", ..." if len(names) > 5 else "")
    return StateForeignFilesError(
        f"the state directory {path} holds something that is not a state database of Aliran "
        f"({shown}). Pass an empty or new directory as state directory",
        path=path,
    )


def closed_error(path: str) -> StateClosedError:
    """Return the error for use after close."""
    return StateClosedError(
        f"the state database {path or 'in memory'} is closed: "
        "its stores can be read only while the application runs",
        path=path,
    )


def _open_files_error(path: str, text: str) -> StateError:
    return StateError(
        f"the state database {path} cannot open more files: {text}. Allow the process more "
        "(ulimit -n), or set max_open_files in RocksDBOptions",
        path=path,
    )


def _comparator_error(path: str, _text: str) -> StateForeignFilesError:
    return foreign_files_error(path, ["a RocksDB database that another program made"])


# First match wins: a missing table file is an "IO error" like a full disk.
_BY_WORDS = (
    (("lock hold by current process", "While lock file"), locked_error),
    (("No space left on device", "Disk quota exceeded", "Out of space"), disk_full_error),
    (("Too many open files",), _open_files_error),
    (("Permission denied", "Read-only file system", "Not a directory", "File exists"), path_error),
    (("does not match existing comparator",), _comparator_error),
    (("Corruption", "No such file or directory"), corrupted_error),
)
