"""Record batches of magic 2, from columns to bytes and back: Kafka's unit of writing and reading.

Bytes in, bytes out: no I/O, no clock, no offsets of its own. Record bodies go through aiokafka's
Cython codec, which is loaded at the first body that is encoded or decoded (`load_codec`), since
importing it takes a tenth of a second. The headers' half lives in `batch_header` and is exported
from here too. Kafka: `DefaultRecordBatch`, `DefaultRecord`, `MemoryRecordsBuilder`.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice, repeat
from operator import lt
from struct import Struct
from typing import Any, Final, NamedTuple

from typing_extensions import Buffer

from aliran.core.types import NO_TIMESTAMP, Columns, Headers
from aliran.protocol.batch_header import (
    CODEC_MASK,
    CREATE_TIME,
    DELETE_HORIZON_BIT,
    HEADER_SIZE,
    LOG_APPEND_TIME,
    TRANSACTIONAL_BIT,
    BatchHeader,
    iter_headers,
    patch_batch,
    read_header,
    set_log_append_time,
    validate_batch,
)
from aliran.protocol.compression import (
    MAX_DECOMPRESSED_BYTES,
    Compression,
    decompress,
)
from aliran.protocol.errors import CorruptBatchError, ProtocolError
from aliran.protocol.record_checks import unencodable
from aliran.protocol.record_encoder import assemble_batch, check_batch_length, encode_records

__all__ = [
    "CREATE_TIME",
    "HEADER_SIZE",
    "LOG_APPEND_TIME",
    "BatchHeader",
    "Compression",
    "CorruptBatchError",
    "DecodedBatch",
    "decode_batch",
    "decode_columns",
    "encode_batch",
    "filter_batch",
    "iter_headers",
    "load_codec",
    "patch_batch",
    "read_header",
    "set_log_append_time",
    "validate_batch",
]

_ATTRIBUTES_POSITION = 21
_ATTRIBUTES = Struct(">h")
_OVERRUN = 32  # more than the codec can read past the end before it notices
_NO_SIZE_LIMIT = 1 << 40  # the codec refuses records past its batch size; callers split, not it
_NO_HEADERS: Final[list[Any]] = []
_codec: Any = None


class DecodedBatch(NamedTuple):
    """The records of one batch as parallel columns.

    Attributes:
        header: The batch's header as stored.
        offsets: One absolute offset a record; a `range` unless compaction left gaps.
        keys: One key a record, or None.
        values: One value a record, or None.
        timestamps: Milliseconds since the epoch, one a record.
        headers: One header list a record, or None when no record has any.
    """

    header: BatchHeader
    offsets: Sequence[int]
    keys: list[bytes | None]
    values: list[bytes | None]
    timestamps: list[int]
    headers: list[Headers] | None


def load_codec() -> Any:
    """Load the Cython codec now, and not at the first batch; return its module.

    A server may call this in a thread while it starts: the import takes about 0.1 s.
    """
    global _codec
    if _codec is None:
        # aiokafka's package imports its whole client; what only reads headers must not pay for it.
        from aiokafka.record._crecords import default_records

        _codec = default_records
    return _codec


def encode_batch(
    keys: Sequence[bytes | None],
    values: Sequence[bytes | None],
    timestamps: Sequence[int],
    headers: Sequence[Headers] | None = None,
    *,
    base_offset: int = 0,
    compression: int = Compression.NONE,
    producer_id: int = -1,
    producer_epoch: int = -1,
    base_sequence: int = -1,
    transactional: bool = False,
) -> bytearray:
    """Return one record batch of the columns, with contiguous offsets from `base_offset`.

    Args:
        keys: One key a record, or None.
        values: One value a record, or None (a tombstone).
        timestamps: Milliseconds since the epoch, one a record.
        headers: One list of (name, value) a record; None when no record has any.
        base_offset: The offset of the first record.
        compression: The number of the codec (`Compression`).
        producer_id: The idempotent producer's id, -1 without one.
        producer_epoch: Its epoch.
        base_sequence: Its sequence number of the first record.
        transactional: Whether the batch belongs to the producer's open transaction.

    Raises:
        ProtocolError: There are no records, the columns differ in length, or a record holds what
            cannot be encoded (a key or value that is not bytes, a timestamp that is not a 64-bit
            int, a header that is not (str, bytes | None)).
    """
    count = len(values)
    if not count or {len(keys), len(timestamps), len(headers or values)} != {count}:
        raise _uneven(keys, values, timestamps, headers)
    try:
        array("q", timestamps)  # the builder would take None for the present and cut off fractions
        if timestamps[0] == NO_TIMESTAMP:
            # The Cython builder takes -1 for "no first timestamp yet", so it would lose this one.
            deltas = [timestamp - NO_TIMESTAMP for timestamp in timestamps]
            body = encode_records(range(count), keys, values, deltas, headers)
            attributes = compression | (TRANSACTIONAL_BIT if transactional else 0)
            header = BatchHeader(
                base_offset, 0, -1, 2, 0, attributes, count - 1, NO_TIMESTAMP, max(timestamps),
                producer_id, producer_epoch, base_sequence, count,
            )  # fmt: skip
            return assemble_batch(header, body)
        builder = (_codec or load_codec()).DefaultRecordBatchBuilder(
            2, 0, transactional, producer_id, producer_epoch, base_sequence, _NO_SIZE_LIMIT
        )
        rows = repeat(_NO_HEADERS) if headers is None else map(list, headers)
        # A deque of length 0 drives the map at C speed and keeps none of its results.
        deque(map(builder.append, range(count), timestamps, keys, values, rows), 0)
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        raise unencodable(keys, values, timestamps, headers, error) from error
    batch: bytearray = builder.build()
    check_batch_length(len(batch))
    if compression:
        header = read_header(batch)
        return assemble_batch(
            header._replace(base_offset=base_offset, attributes=header.attributes | compression),
            memoryview(batch)[HEADER_SIZE:],
        )
    if base_offset:
        patch_batch(batch, 0, base_offset, -1)
    return batch


def _uneven(
    keys: Sequence[object],
    values: Sequence[object],
    timestamps: Sequence[object],
    headers: Sequence[object] | None,
) -> ProtocolError:
    return ProtocolError(
        f"a record batch needs columns of one length, at least 1: {len(keys)} keys, {len(values)} "
        f"values, {len(timestamps)} timestamps"
        + ("" if headers is None else f", {len(headers)} header lists")
    )


def filter_batch(
    batch: DecodedBatch, rows: Sequence[int], *, delete_horizon_ms: int | None = None
) -> bytearray:
    """Return `batch` with only the records at `rows`, as compaction writes it.

    Offsets, producer and codec stay what they were, and the batch goes on covering the same
    offsets; without any row it becomes an empty batch that still tells its producer's sequence.
    Kafka: `MemoryRecords.filterTo`.

    Args:
        batch: What `decode_batch` returned.
        rows: Ascending indexes into its columns.
        delete_horizon_ms: The time after which the tombstones among them may go (KIP-534); None
            keeps what the batch says.
    """
    header = batch.header
    attributes = header.attributes
    base_timestamp = header.base_timestamp
    if delete_horizon_ms is not None:
        attributes |= DELETE_HORIZON_BIT
        base_timestamp = delete_horizon_ms
    timestamps = [batch.timestamps[row] for row in rows]
    max_timestamp = header.max_timestamp
    if header.timestamp_type == CREATE_TIME and rows:
        max_timestamp = max(timestamps)
    body = encode_records(
        [batch.offsets[row] - header.base_offset for row in rows],
        [batch.keys[row] for row in rows],
        [batch.values[row] for row in rows],
        [timestamp - base_timestamp for timestamp in timestamps],
        None if batch.headers is None else [batch.headers[row] for row in rows],
    )
    return assemble_batch(
        header._replace(
            attributes=attributes,
            base_timestamp=base_timestamp,
            max_timestamp=max_timestamp,
            record_count=len(rows),
        ),
        body,
    )


def decode_batch(
    buffer: Buffer,
    position: int = 0,
    *,
    check_crc: bool = True,
    max_size: int = MAX_DECOMPRESSED_BYTES,
) -> DecodedBatch:
    """Return the records of the batch at `position` in columns, decompressed.

    Args:
        buffer: Bytes that hold the whole batch.
        position: Where it starts.
        check_crc: Whether to compare its CRC first (0.01 µs a record).
        max_size: The most bytes its records may take once decompressed.

    Raises:
        CorruptBatchError: The batch is cut short or damaged, its records contradict its header, or
            they decompress to more than `max_size`.
    """
    header = validate_batch(buffer, position, check_crc=check_crc)
    plain = _plain_batch(header, buffer, position, max_size)
    try:
        records = list((_codec or load_codec()).DefaultRecordBatch(plain))
    except Exception as error:  # the codec raises errors of its client, UnicodeDecodeError, ...
        raise CorruptBatchError(
            f"the records of the batch at byte {position} (base offset {header.base_offset}) are "
            f"damaged: {error}",
            position=position,
        ) from error
    offsets = _offsets(header, records, position)
    headers = [record.headers for record in records]
    return DecodedBatch(
        header,
        offsets,
        [record.key for record in records],
        [record.value for record in records],
        [record.timestamp for record in records],
        headers if any(headers) else None,
    )


def _plain_batch(header: BatchHeader, buffer: Buffer, position: int, max_size: int) -> Buffer:
    """Return the batch alone and uncompressed, in memory that the codec can safely walk."""
    batch = memoryview(buffer)[position : position + header.size]
    if header.compression:
        try:
            body = decompress(header.compression, batch[HEADER_SIZE:], max_size=max_size)
        except CorruptBatchError as error:
            raise CorruptBatchError(
                f"the batch at byte {position} (base offset {header.base_offset}): {error}",
                position=position,
            ) from error
        plain = bytearray(batch[:HEADER_SIZE])
        _ATTRIBUTES.pack_into(plain, _ATTRIBUTES_POSITION, header.attributes & ~CODEC_MASK)
        plain += body
        batch = memoryview(plain)
    # The codec stops a number that runs past the end only at the next byte below 0x80. bytes and
    # bytearrays end in a zero, so only an end above 0x7f or foreign memory needs zeros behind it.
    if batch[-1] & 0x80 or not isinstance(batch.obj, bytes | bytearray):
        return memoryview(bytes(batch) + bytes(_OVERRUN))[: batch.nbytes]
    return batch


def _offsets(header: BatchHeader, records: list[Any], position: int) -> Sequence[int]:
    """Return the records' offsets, as a range where nothing is missing."""
    base, last = header.base_offset, header.last_offset
    if not records:
        return range(base, base)
    if len(records) == last - base + 1:
        # As many records as offsets: their own deltas could only repeat that.
        if records[0].offset == base and records[-1].offset == last:
            return range(base, last + 1)
    else:
        offsets = [record.offset for record in records]
        rising = all(map(lt, offsets, islice(offsets, 1, None)))
        if rising and base <= offsets[0] and offsets[-1] <= last:
            return offsets
    raise CorruptBatchError(
        f"the batch at byte {position} (base offset {base}, last offset {last}) has records whose "
        f"offsets do not rise within it",
        position=position,
    )


def decode_columns(
    buffer: Buffer,
    topic: str,
    partition: int,
    from_offset: int,
    *,
    include_control: bool = False,
    check_crc: bool = True,
) -> Iterator[Columns]:
    """Yield the records of every whole batch in `buffer`, one `Columns` a batch.

    Args:
        buffer: Batches of one partition in a row, as a log stores and a fetch answers them; a
            partial batch at the end is left out.
        topic: The topic they belong to.
        partition: Its partition.
        from_offset: Records below this offset are cut off: the first batch may begin before it.
        include_control: Whether to yield transaction markers too.
        check_crc: Whether to compare each batch's CRC first.

    Raises:
        CorruptBatchError: See `decode_batch`; the message names topic, partition and offset.
    """
    try:
        for position, header in iter_headers(buffer):
            if header.last_offset < from_offset or (header.is_control and not include_control):
                continue
            batch = decode_batch(buffer, position, check_crc=check_crc)
            columns = Columns(topic, partition, *batch[1:])
            if header.base_offset < from_offset:
                columns = _from_offset(columns, from_offset)
            if columns.values:
                yield columns
    except CorruptBatchError as error:
        raise CorruptBatchError(
            f"{topic}-{partition}, reading from offset {from_offset}: {error}",
            position=error.position,
        ) from error


def _from_offset(columns: Columns, from_offset: int) -> Columns:
    start = bisect_left(columns.offsets, from_offset)
    return Columns(
        columns.topic,
        columns.partition,
        columns.offsets[start:],
        columns.keys[start:],
        columns.values[start:],
        columns.timestamps[start:],
        None if columns.headers is None else columns.headers[start:],
    )
