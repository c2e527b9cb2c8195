"""Batches built record by record in Python: for what the Cython builder cannot express.

That is offsets with gaps and a base timestamp of one's own (both left by compaction), batches
without records, and batches whose first record has no timestamp. It costs about 0.6 µs a record,
twice the Cython builder. Kafka: `DefaultRecord.writeTo`, `DefaultRecordBatch.writeHeader`.
"""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import Buffer

from aliran.core.types import Headers
from aliran.protocol.batch_header import HEADER_SIZE, HEADER_STRUCT, BatchHeader, write_crc
from aliran.protocol.compression import compress
from aliran.protocol.errors import ProtocolError

_MAX_BATCH_LENGTH = 0x7FFF_FFFF
_NULL = b"\x01"  # the varint -1, Kafka's length of what is null
_MAX_KEPT = 1 << 14
_MASK_64 = (1 << 64) - 1


class _Varints(dict[int, bytes]):
    """Zigzag varints by value; small ones are kept once made."""

    def __missing__(self, value: int) -> bytes:
        # The difference of two 64-bit timestamps wraps at 64 bits, as it does in Java.
        rest = ((value << 1) ^ -(value >> 63 & 1)) & _MASK_64
        out = bytearray()
        while rest > 0x7F:
            out.append(rest & 0x7F | 0x80)
            rest >>= 7
        out.append(rest)
        encoded = bytes(out)
        if -64 <= value < _MAX_KEPT:
            self[value] = encoded
        return encoded


_VARINTS = _Varints()


def encode_records(
    offset_deltas: Sequence[int],
    keys: Sequence[bytes | None],
    values: Sequence[bytes | None],
    timestamp_deltas: Sequence[int],
    headers: Sequence[Headers] | None,
) -> bytes:
    """Return the uncompressed body of a batch, one record a row."""
    varints = _VARINTS
    parts: list[bytes] = []
    for row, (offset, key, value, timestamp) in enumerate(
        zip(offset_deltas, keys, values, timestamp_deltas, strict=True)
    ):
        record = b"".join(
            (
                b"\0",  # attributes, none defined
                varints[timestamp],
                varints[offset],
                *((_NULL,) if key is None else (varints[len(key)], key)),
                *((_NULL,) if value is None else (varints[len(value)], value)),
                _encode_headers(headers[row]) if headers is not None else b"\0",
            )
        )
        parts += (varints[len(record)], record)
    return b"".join(parts)


def _encode_headers(headers: Headers) -> bytes:
    parts = [_VARINTS[len(headers)]]
    for name, value in headers:
        encoded = name.encode()
        parts += (_VARINTS[len(encoded)], encoded)
        parts += (_NULL,) if value is None else (_VARINTS[len(value)], value)
    return b"".join(parts)


def assemble_batch(header: BatchHeader, body: Buffer) -> bytearray:
    """Return the batch of `header` and the uncompressed `body`; its length and CRC are computed.

    The body is compressed with the codec that the header's attributes name.

    Raises:
        ProtocolError: The batch would be larger than 2 GiB, the most its length field can hold.
    """
    packed = compress(header.compression, body) if header.compression else body
    length = HEADER_SIZE - 12 + memoryview(packed).nbytes
    check_batch_length(length)
    batch = bytearray(HEADER_STRUCT.pack(*header._replace(batch_length=length, crc=0)))
    batch += packed
    write_crc(batch, 0, len(batch))
    return batch


def check_batch_length(length: int) -> None:
    """Refuse what a batch's length field cannot hold.

    Raises:
        ProtocolError: `length` is 2 GiB or more.
    """
    if length > _MAX_BATCH_LENGTH:
        raise ProtocolError(
            f"a record batch of {length:,} bytes is larger than its format allows (2 GiB); "
            "write fewer records at once"
        )
