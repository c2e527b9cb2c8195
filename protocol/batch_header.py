"""The headers of record batches: read, checked and patched without touching the records.

This is all a broker needs to append, store and serve. Bytes in, values out: no I/O, no clock.
Kafka: `DefaultRecordBatch` (magic 2).

A batch: base offset i64, length i32 (of what follows it), leader epoch i32, magic i8, CRC-32C u32
(of all that follows it), attributes i16, last offset delta i32, base and max timestamp i64,
producer id i64, producer epoch i16, base sequence i32, record count i32, records. Base offset and
leader epoch lie outside the CRC, so that a broker may set them without touching the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple

import crc32c
from typing_extensions import Buffer

from aliran.protocol.errors import CorruptBatchError

HEADER_SIZE: Final = 61
"""Bytes from the start of a batch to its first record."""

CREATE_TIME: Final = 0
"""The timestamps of the records are those their producer gave."""

LOG_APPEND_TIME: Final = 1
"""The records carry the time the broker appended them."""

HEADER_STRUCT: Final = Struct(">qiibIhiqqqhii")
"""A whole header, field by field as in `BatchHeader`."""

CODEC_MASK: Final = 0x07
LOG_APPEND_TIME_BIT: Final = 0x08
TRANSACTIONAL_BIT: Final = 0x10
CONTROL_BIT: Final = 0x20
DELETE_HORIZON_BIT: Final = 0x40

_OFFSET_LENGTH_EPOCH = Struct(">qii")
_CRC = Struct(">I")
_ATTRIBUTES = Struct(">h")
_LONG = Struct(">q")
_CRC_POSITION = 17
_CRC_START = 21
_MAX_TIMESTAMP_POSITION = 35
_AFTER_LENGTH = 12
_MIN_LENGTH = HEADER_SIZE - _AFTER_LENGTH


class BatchHeader(NamedTuple):
    """The fixed part of a record batch, in the order of its bytes. Kafka: `RecordBatch`."""

    base_offset: int
    batch_length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def size(self) -> int:
        """Bytes of the whole batch, header included."""
        return _AFTER_LENGTH + self.batch_length

    @property
    def last_offset(self) -> int:
        """The last offset the batch covers; compaction may have removed that record."""
        return self.base_offset + self.last_offset_delta

    @property
    def compression(self) -> int:
        """The number of the codec its records are compressed with (see `Compression`)."""
        return self.attributes & CODEC_MASK

    @property
    def is_transactional(self) -> bool:
        """Whether a transaction decides if the records count."""
        return bool(self.attributes & TRANSACTIONAL_BIT)

    @property
    def is_control(self) -> bool:
        """Whether its record is a transaction marker and not for applications."""
        return bool(self.attributes & CONTROL_BIT)

    @property
    def has_delete_horizon(self) -> bool:
        """Whether `base_timestamp` is the time after which tombstones may go (KIP-534)."""
        return bool(self.attributes & DELETE_HORIZON_BIT)

    @property
    def timestamp_type(self) -> int:
        """`CREATE_TIME` (0) or `LOG_APPEND_TIME` (1)."""
        return LOG_APPEND_TIME if self.attributes & LOG_APPEND_TIME_BIT else CREATE_TIME

    @property
    def last_sequence(self) -> int:
        """The producer's sequence number of the last record; wraps at 2³¹; -1 without one."""
        if self.base_sequence < 0:
            return -1
        return (self.base_sequence + self.last_offset_delta) & 0x7FFF_FFFF


def read_header(buffer: Buffer, position: int = 0) -> BatchHeader:
    """Return the header of the batch at `position`, without looking at its records.

    Raises:
        CorruptBatchError: Fewer than 61 bytes are there, the magic is not 2, or the length is less
            than a header's.
    """
    available = memoryview(buffer).nbytes - position
    if available < HEADER_SIZE:
        raise CorruptBatchError(
            f"a record batch at byte {position} is cut short: {max(available, 0)} bytes of at "
            f"least {HEADER_SIZE}",
            position=position,
        )
    header = BatchHeader._make(HEADER_STRUCT.unpack_from(buffer, position))
    if header.magic != 2:
        raise CorruptBatchError(
            f"the record batch at byte {position} has magic {header.magic}; only magic 2 "
            "(Kafka 0.11 and later) is read",
            position=position,
        )
    if header.batch_length < _MIN_LENGTH:
        raise CorruptBatchError(
            f"the record batch at byte {position} gives its length as {header.batch_length}, less "
            f"than the {_MIN_LENGTH} its header needs",
            position=position,
        )
    return header


def validate_batch(buffer: Buffer, position: int = 0, *, check_crc: bool = True) -> BatchHeader:
    """Return the header of the batch at `position` after checking its length, CRC and counts.

    Args:
        buffer: Bytes that hold the whole batch.
        position: Where it starts.
        check_crc: False where the bytes have been checked before.

    Raises:
        CorruptBatchError: See `read_header`; or the batch is cut short, its CRC-32C does not match,
            or its record count and offsets contradict each other.
    """
    header = read_header(buffer, position)
    view = memoryview(buffer)
    end = position + header.size
    if end > view.nbytes:
        raise CorruptBatchError(
            f"the record batch at byte {position} (base offset {header.base_offset}) is cut short: "
            f"{view.nbytes - position} of {header.size} bytes",
            position=position,
        )
    crc = crc32c.crc32c(view[position + _CRC_START : end]) if check_crc else header.crc
    if crc != header.crc:
        raise CorruptBatchError(
            f"the record batch at byte {position} (base offset {header.base_offset}) is damaged: "
            f"its CRC is {header.crc:#010x}, its bytes give {crc:#010x}",
            position=position,
        )
    if header.record_count < 0 or header.record_count > header.last_offset_delta + 1:
        raise CorruptBatchError(
            f"the record batch at byte {position} (base offset {header.base_offset}) claims "
            f"{header.record_count} records in {header.last_offset_delta + 1} offsets",
            position=position,
        )
    return header


def iter_headers(buffer: Buffer) -> Iterator[tuple[int, BatchHeader]]:
    """Yield the position and header of every whole batch; stop before a partial one at the end.

    Raises:
        CorruptBatchError: A batch that is not cut short has a bad magic or length.
    """
    view = memoryview(buffer)
    total = view.nbytes
    position = 0
    while total - position >= HEADER_SIZE:
        header = read_header(view, position)
        end = position + header.size
        if end > total:
            return
        yield position, header
        position = end


def patch_batch(buffer: bytearray, position: int, base_offset: int, leader_epoch: int) -> None:
    """Write the offset and leader epoch a broker assigns; the CRC does not cover them."""
    length = _OFFSET_LENGTH_EPOCH.unpack_from(buffer, position)[1]
    _OFFSET_LENGTH_EPOCH.pack_into(buffer, position, base_offset, length, leader_epoch)


def set_log_append_time(buffer: bytearray, position: int, timestamp_ms: int) -> None:
    """Stamp every record of the batch with `timestamp_ms` and mend the CRC.

    Kafka: `DefaultRecordBatch.setMaxTimestamp` with `LOG_APPEND_TIME`.
    """
    header = read_header(buffer, position)
    attributes = header.attributes | LOG_APPEND_TIME_BIT
    _ATTRIBUTES.pack_into(buffer, position + _CRC_START, attributes)
    _LONG.pack_into(buffer, position + _MAX_TIMESTAMP_POSITION, timestamp_ms)
    write_crc(buffer, position, header.size)


def write_crc(buffer: bytearray, position: int, size: int) -> None:
    """Compute the CRC of the batch of `size` bytes at `position` and write it into its header."""
    # The views must be gone before the caller may resize the array.
    with memoryview(buffer) as view, view[position + _CRC_START : position + size] as covered:
        crc = crc32c.crc32c(covered)
    _CRC.pack_into(buffer, position + _CRC_POSITION, crc)
