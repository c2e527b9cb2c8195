"""The two sparse indexes of a segment: offset → file position, and timestamp → offset.

Entries live in sorted arrays in memory and are written to Kafka's files when the segment is
flushed, rolled or closed. Kafka maps a preallocated file (10 MiB of zeros, trimmed at roll) and so
has every entry in the page cache at once; nothing is lost by writing later, because after an
unclean stop the indexes of all segments above the recovery point are rebuilt from the log anyway.
The files therefore never need trimming, and are empty or behind, never wrong, while a segment is
being written. Kafka: `OffsetIndex`, `TimeIndex`.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from struct import Struct

from aliran.core.files import FileSystem

_TIME_ENTRY = Struct(">qi")
_SWAP = sys.byteorder == "little"


class _SparseIndex:
    """What both indexes share: two sorted columns in memory and a file that follows them."""

    __slots__ = ("_first", "_flushed", "_fs", "_second", "_written", "base_offset", "path")

    ENTRY_SIZE = 0

    def __init__(self, fs: FileSystem, path: str, base_offset: int) -> None:
        self._fs = fs
        self.path: str = path
        self.base_offset: int = base_offset
        self._first = array("i")
        self._second = array("i")
        self._written = -1  # entries that are in the file; -1: the file is to be written anew
        self._flushed = -1

    def __len__(self) -> int:
        return len(self._first)

    def clear(self) -> None:
        """Drop all entries, to build them anew."""
        self._cut(0)

    def persist(self, *, flush: bool) -> None:
        """Bring the file up to date with memory; with `flush`, also onto the disk."""
        count = len(self._first)
        if self._written == count and (self._flushed == count or not flush):
            return
        file = self._fs.open(self.path, create=True)
        try:
            if file.size() != self._written * self.ENTRY_SIZE:
                if file.size():
                    file.truncate(0)
                self._written = 0
            if count > self._written:
                file.append(self._encode(self._written))
            self._written = count
            if flush:
                file.flush()
                self._flushed = count
        finally:
            file.close()

    def _cut(self, keep: int) -> None:
        if keep < len(self._first):
            del self._first[keep:]
            del self._second[keep:]
            self._written = self._flushed = -1

    def _read_file(self) -> bytes | None:
        """Return the file's content, or None when it is missing or of an impossible length."""
        if not self._fs.exists(self.path):
            return None
        data = self._fs.read_bytes(self.path)
        return None if len(data) % self.ENTRY_SIZE else data

    def _encode(self, start: int) -> bytes:
        raise NotImplementedError


class OffsetIndex(_SparseIndex):
    """Where in the log file an offset is to be looked for.

    An entry says: the batch that ends with this offset starts at this position. Offsets are stored
    relative to the segment's base offset.
    """

    __slots__ = ()

    ENTRY_SIZE = 8

    def load(self, log_size: int) -> bool:
        """Read the file; return whether it can be right for a log file of `log_size` bytes."""
        data = self._read_file()
        if data is None:
            return False
        both = array("i")
        both.frombytes(data)
        if _SWAP:
            both.byteswap()
        self._first, self._second = both[0::2], both[1::2]
        self._written = self._flushed = len(self._first)
        if not self._first:
            return True
        within = self._first[0] >= 0 and self._second[-1] < log_size
        return within and _increasing(self._first) and _increasing(self._second)

    def append(self, offset: int, position: int) -> None:
        """Add an entry; offsets and positions only grow."""
        self._first.append(offset - self.base_offset)
        self._second.append(position)

    def lookup(self, offset: int) -> int:
        """Return a position at or before the start of the batch that holds `offset`."""
        slot = bisect_right(self._first, offset - self.base_offset) - 1
        return self._second[slot] if slot >= 0 else 0

    def position_before(self, limit: int) -> int:
        """Return the greatest known batch start that is not beyond position `limit`."""
        slot = bisect_right(self._second, limit) - 1
        return self._second[slot] if slot >= 0 else 0

    def last(self) -> tuple[int, int]:
        """Return (offset, position) of the last entry; (base offset, 0) when there is none."""
        if not self._first:
            return self.base_offset, 0
        return self.base_offset + self._first[-1], self._second[-1]

    def entries(self) -> list[tuple[int, int]]:
        """Return all (offset, position)."""
        base = self.base_offset
        return [(base + first, at) for first, at in zip(self._first, self._second, strict=True)]

    def is_full(self, max_bytes: int) -> bool:
        """Return whether another entry would take the file beyond `max_bytes`."""
        return len(self._first) >= max_bytes // self.ENTRY_SIZE

    def truncate_to(self, offset: int) -> None:
        """Drop entries for batches that end at or after `offset`."""
        self._cut(bisect_left(self._first, offset - self.base_offset))

    def _encode(self, start: int) -> bytes:
        both = array("i", bytes((len(self._first) - start) * self.ENTRY_SIZE))
        both[0::2] = self._first[start:]
        both[1::2] = self._second[start:]
        if _SWAP:
            both.byteswap()
        return both.tobytes()


class TimeIndex(_SparseIndex):
    """The greatest timestamp seen up to an offset.

    An entry (timestamp, offset) says: no record up to that offset is newer than the timestamp.
    Entries grow in both columns.
    """

    __slots__ = ()

    ENTRY_SIZE = 12

    def __init__(self, fs: FileSystem, path: str, base_offset: int) -> None:
        super().__init__(fs, path, base_offset)
        self._second = array("q")

    def load(self, log_size: int) -> bool:
        """Read the file; return whether it can be right for a log file of `log_size` bytes."""
        data = self._read_file()
        if data is None:
            return False
        pairs = list(_TIME_ENTRY.iter_unpack(data))
        self._first = array("i", [offset for _, offset in pairs])
        self._second = array("q", [timestamp for timestamp, _ in pairs])
        self._written = self._flushed = len(pairs)
        if not pairs:
            return log_size == 0
        ordered = _increasing(self._first, strictly=False) and _increasing(self._second)
        return self._first[0] >= 0 and ordered

    def append(self, timestamp: int, offset: int) -> None:
        """Add an entry unless its timestamp is not beyond the last one's."""
        if timestamp > self.last()[0]:
            self._first.append(offset - self.base_offset)
            self._second.append(timestamp)

    def lookup(self, timestamp: int) -> int:
        """Return an offset such that no record before its batch is as new as `timestamp`."""
        slot = bisect_right(self._second, timestamp) - 1
        return self.base_offset + (self._first[slot] if slot >= 0 else 0)

    def last(self) -> tuple[int, int]:
        """Return (timestamp, offset) of the last entry; (-1, base offset) when there is none."""
        if not self._first:
            return -1, self.base_offset
        return self._second[-1], self.base_offset + self._first[-1]

    def entries(self) -> list[tuple[int, int]]:
        """Return all (timestamp, offset)."""
        base = self.base_offset
        pairs = zip(self._second, self._first, strict=True)
        return [(timestamp, base + offset) for timestamp, offset in pairs]

    def is_full(self, max_bytes: int) -> bool:
        """Return whether only the place kept for the closing entry is left."""
        return len(self._first) >= max_bytes // self.ENTRY_SIZE - 1

    def truncate_to(self, offset: int) -> None:
        """Drop entries at or after `offset`."""
        self._cut(bisect_left(self._first, offset - self.base_offset))

    def _encode(self, start: int) -> bytes:
        return b"".join(map(_TIME_ENTRY.pack, self._second[start:], self._first[start:]))


def _increasing(column: Sequence[int], *, strictly: bool = True) -> bool:
    following = column[1:]
    return all(map(int.__lt__ if strictly else int.__le__, column, following))
