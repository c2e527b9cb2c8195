"""One segment of a log: a `.log` file of record batches and its two indexes.

A segment knows nothing of its neighbours, of producers or of settings beyond the index interval;
`PartitionLog` decides when to roll, flush and delete it. Batches are never decoded here, except to
find the record a timestamp belongs to. Kafka: `LogSegment`.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from aliran.core.files import Buffer, File, FileSystem, FileSystemError
from aliran.protocol.errors import CorruptBatchError
from aliran.protocol.records import HEADER_SIZE, BatchHeader, read_header, validate_batch
from aliran.storage.log.indexes import OffsetIndex, TimeIndex

LOG_SUFFIX = ".log"
INDEX_SUFFIX = ".index"
TIME_INDEX_SUFFIX = ".timeindex"
TXN_INDEX_SUFFIX = ".txnindex"
SNAPSHOT_SUFFIX = ".snapshot"
CLEANED_SUFFIX = ".cleaned"
SWAP_SUFFIX = ".swap"
DELETED_SUFFIX = ".deleted"

_SPAN = Struct(">qi4xb6xi")  # base offset, length, …, magic, …, last offset delta
_SCAN_CHUNK = 4096
_RECOVER_CHUNK = 1 << 20
INT32_MAX = 2**31 - 1


def file_name(offset: int) -> str:
    """Return the name a segment that starts at `offset` has, without suffix: 20 digits."""
    return f"{offset:020d}"


class Span(NamedTuple):
    """Where batches are: bytes `start` to `end` of a segment's file."""

    start: int
    end: int


class Segment:
    """One segment. All methods but `File.read` need the lock of the log it belongs to.

    Attributes:
        base_offset: The first offset it may hold; also its name.
        log: The open `.log` file.
        size: Bytes of whole batches in it; what lies beyond was not appended with success.
        max_timestamp: The newest record's time, or -1.
        offset_of_max_timestamp: The last offset of the batch that holds it.
        trusted_from: Bytes before this were read from disk and not checked since the start.
    """

    __slots__ = (
        "_ended",
        "_fs",
        "_log",
        "_since_index",
        "base_offset",
        "created_ms",
        "first_timestamp",
        "log_path",
        "max_timestamp",
        "offset_index",
        "offset_of_max_timestamp",
        "size",
        "stem",
        "time_index",
        "trusted_from",
    )

    def __init__(
        self, fs: FileSystem, directory: str, base_offset: int, created_ms: int, suffix: str = ""
    ) -> None:
        self._fs = fs
        self.base_offset: int = base_offset
        self.stem: str = f"{directory}/{file_name(base_offset)}"
        self.log_path: str = self.stem + LOG_SUFFIX + suffix
        self.offset_index: OffsetIndex = OffsetIndex(
            fs, self.stem + INDEX_SUFFIX + suffix, base_offset
        )
        self.time_index: TimeIndex = TimeIndex(
            fs, self.stem + TIME_INDEX_SUFFIX + suffix, base_offset
        )
        self._log: File | None = None
        self._ended = False
        self.size: int = 0
        self.created_ms: int = created_ms
        self.first_timestamp: int | None = None
        self.max_timestamp: int = -1
        self.offset_of_max_timestamp: int = base_offset
        self._since_index = 0
        self.trusted_from: int = 0

    @property
    def log(self) -> File:
        """The open log file; opened at the first use.

        Not opened again once closed: the path may belong to another log by then, of a topic that
        was deleted and made again.
        """
        if self._log is None:
            if self._ended:
                raise FileSystemError(f"cannot use {self.log_path}: it is closed", self.log_path)
            self._log = self._fs.open(self.log_path)
        return self._log

    def create(self) -> None:
        """Make the empty log file, or empty it when a crash left one."""
        self._log = self._fs.open(self.log_path, create=True)
        if self._log.size():
            self._log.truncate(0)

    def load_size(self) -> None:
        """Take the size from the file; nothing in it is trusted yet."""
        self.size = self._fs.size(self.log_path)
        self.trusted_from = self.size

    # writing

    def append(self, *buffers: Buffer) -> int:
        """Write whole batches at the end; return their position. `note` each batch then."""
        log = self.log
        if log.size() != self.size:
            log.truncate(self.size)  # the rest of an append that failed
        return log.append(*buffers)

    def note(
        self, position: int, size: int, last_offset: int, max_timestamp: int, interval: int
    ) -> None:
        """Take one batch that was written at `position` into size, times and indexes.

        An index entry is made when more than `interval` bytes went by since the last one.
        """
        if max_timestamp > self.max_timestamp:
            self.max_timestamp = max_timestamp
            self.offset_of_max_timestamp = last_offset
        if self.first_timestamp is None:
            self.first_timestamp = max_timestamp
        if self._since_index > interval:
            self.offset_index.append(last_offset, position)
            self.time_index.append(self.max_timestamp, self.offset_of_max_timestamp)
            self._since_index = 0
        self._since_index += size
        self.size = position + size

    def flush(self) -> None:
        """Bring the log file onto the disk. Indexes follow when the segment is sealed."""
        self.log.flush()

    def seal(self) -> None:
        """Give the time index its closing entry and write the index files."""
        self.time_index.append(self.max_timestamp, self.offset_of_max_timestamp)
        self.persist_indexes(flush=False)

    def persist_indexes(self, *, flush: bool) -> None:
        """Write what the index files lack."""
        self.offset_index.persist(flush=flush)
        self.time_index.persist(flush=flush)

    def truncate(self, position: int, offset: int) -> None:
        """Drop everything from `position` on, where the batch with `offset` starts."""
        self.log.truncate(position)
        self.size = position
        self.trusted_from = min(self.trusted_from, position)
        self.offset_index.truncate_to(offset)
        self.time_index.truncate_to(offset)
        self.max_timestamp, self.offset_of_max_timestamp = self.time_index.last()
        start = self.offset_index.last()[1]
        for at, header in self.headers(start):
            self._see_timestamp(header)
            self._since_index = position - at
        if position == 0:
            self.first_timestamp = None
            self._since_index = 0

    def _see_timestamp(self, header: BatchHeader) -> None:
        if header.max_timestamp > self.max_timestamp:
            self.max_timestamp = header.max_timestamp
            self.offset_of_max_timestamp = header.last_offset

    # reading

    def find(self, offset: int) -> Span | None:
        """Return where the first batch that ends at or after `offset` lies; None: there is none.

        Raises:
            CorruptBatchError: A header on the way cannot be right; `position` tells where.
        """
        for start, end, last_offset, _, _ in self._walk(self.offset_index.lookup(offset)):
            if last_offset >= offset:
                return Span(start, end)
        return None

    def batches_end(self, start: int, limit: int) -> int:
        """Return the end of the last batch from `start` on that ends by position `limit`.

        `start` is the start of a batch, and the answer when not even that one fits.
        """
        if limit >= self.size:
            return self.size
        end = max(start, self.offset_index.position_before(limit))
        for _, batch_end, _, _, _ in self._walk(end):
            if batch_end > limit:
                break
            end = batch_end
        return end

    def _walk(self, position: int) -> Iterator[tuple[int, int, int, bytes, int]]:
        """Yield (start, end, last offset) of batches, and (bytes, index) that hold the header.

        Reads little more than the headers.
        """
        log, size = self.log, self.size
        chunk, chunk_start = b"", position
        lowest = self.base_offset
        while position < size:
            at = position - chunk_start
            if at + HEADER_SIZE > len(chunk):
                chunk_start, at = position, 0
                chunk = log.read(position, _SCAN_CHUNK)
                if len(chunk) < HEADER_SIZE:
                    raise CorruptBatchError("the file ends inside of a header", position=position)
            base, length, magic, delta = _SPAN.unpack_from(chunk, at)
            end = position + 12 + length
            if length < HEADER_SIZE - 12 or end > size or base < lowest or delta < 0 or magic != 2:
                raise CorruptBatchError(
                    f"the batch header is impossible: base offset {base} (at least {lowest} is "
                    f"expected), length {length}, magic {magic}",
                    position=position,
                )
            lowest = base + delta + 1
            yield position, end, lowest - 1, chunk, at
            position = end

    def headers(self, position: int = 0) -> Iterator[tuple[int, BatchHeader]]:
        """Yield (position, header) of every batch from `position` on.

        Raises:
            CorruptBatchError: A header cannot be right; `position` tells where.
        """
        for start, _, _, chunk, at in self._walk(position):
            yield start, read_header(chunk, at)

    def next_offset(self) -> int:
        """Return the offset after the last one in this segment, by its last batches' headers."""
        last = self.base_offset - 1
        for _, _, last_offset, _, _ in self._walk(self.offset_index.last()[1]):
            last = last_offset
        return last + 1

    # loading

    def load_indexes(self) -> bool:
        """Read both index files; return whether they fit the log."""
        fits = self.offset_index.load(self.size) and self.time_index.load(self.size)
        if fits:
            self.max_timestamp, self.offset_of_max_timestamp = self.time_index.last()
            position = self.offset_index.last()[1]
            self._since_index = self.size - position
        return fits

    def scan(self, interval: int) -> Iterator[BatchHeader]:
        """Check every batch from the start, rebuild both indexes, and yield the headers.

        Afterwards `size` is the end of the last good batch; cutting the file there is left to the
        caller, which knows whether the rest may go.
        """
        end = self.log.size()
        self.offset_index.clear()
        self.time_index.clear()
        self.size = self._since_index = 0
        self.first_timestamp = None
        self.max_timestamp, self.offset_of_max_timestamp = -1, self.base_offset
        expected = self.base_offset
        for position, header in self._checked(end):
            if header.base_offset < expected or header.last_offset_delta < 0:
                return
            if header.last_offset - self.base_offset > INT32_MAX:
                return
            expected = header.last_offset + 1
            self.note(position, header.size, header.last_offset, header.max_timestamp, interval)
            self.trusted_from = 0
            yield header

    def _checked(self, end: int) -> Iterator[tuple[int, BatchHeader]]:
        """Yield batches whose CRC is right, up to the first that is not."""
        position = chunk_start = 0
        chunk = self.log.read(0, _RECOVER_CHUNK)
        while position + HEADER_SIZE <= end:
            if position - chunk_start + HEADER_SIZE > len(chunk):
                chunk, chunk_start = self.log.read(position, _RECOVER_CHUNK), position
            try:
                size = read_header(chunk, position - chunk_start).size
                if position + size > end:
                    return
                if position - chunk_start + size > len(chunk):
                    chunk = self.log.read(position, max(size, _RECOVER_CHUNK))
                    chunk_start = position
                header = validate_batch(chunk, position - chunk_start)
            except CorruptBatchError:
                return
            yield position, header
            position += size

    # ending

    def paths(self) -> list[str]:
        """Return the paths of all files a segment may have, the log first."""
        others = (INDEX_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX)
        return [self.stem + suffix for suffix in (LOG_SUFFIX, *others)]

    def delete(self) -> None:
        """Remove the files; readers that hold the log file go on reading it."""
        self._ended = True
        self._log = None
        for path in self.paths():
            self._fs.remove(path)

    def close(self) -> None:
        """Close the log file for good."""
        self._ended = True
        if self._log is not None:
            self._log.close()
            self._log = None
