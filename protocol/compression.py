"""The four compressions a record batch may carry, with a bound on what they may grow to.

Formats are those of Kafka's Java client: gzip members, snappy in xerial's block framing (raw
snappy, as librdkafka writes it, is read too), lz4 frames with independent blocks (KIP-57), zstd
frames (KIP-110). This module knows nothing of batches.
"""

from __future__ import annotations

import zlib
from enum import IntEnum
from struct import Struct
from typing import TYPE_CHECKING, Final

import cramjam

from aliran.protocol.errors import CorruptBatchError

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

MAX_DECOMPRESSED_BYTES: Final = 128 * 1024 * 1024
"""What one batch may grow to unless the caller says otherwise."""

_GZIP_WINDOW_BITS = 31  # zlib's way to say: 32 KiB window, gzip header and trailer
_GZIP_LEVEL = 6  # Java's Deflater.DEFAULT_COMPRESSION
_LZ4_LEVEL = 1
_ZSTD_LEVEL = 3
_XERIAL_HEADER = b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01"
_XERIAL_MAGIC_SIZE = 8  # readers accept any version after it, as Java's SnappyInputStream does
_XERIAL_BLOCK_BYTES = 32 * 1024
_BLOCK_LENGTH = Struct(">i")


class _TooLargeError(Exception):
    """What is compressed takes more room than it may; `decompress` turns this into its own."""


class Compression(IntEnum):
    """How the records of a batch are compressed. Kafka: `CompressionType`."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


def compress(codec: int, data: Buffer) -> bytes:
    """Return `data` compressed as Kafka's Java client would frame it.

    Raises:
        ValueError: There is no such codec.
    """
    match codec:
        case Compression.NONE:
            return bytes(data)
        case Compression.GZIP:
            packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW_BITS)
            return packer.compress(data) + packer.flush()
        case Compression.SNAPPY:
            return _compress_xerial(memoryview(data))
        case Compression.LZ4:
            frame = cramjam.lz4.Compressor(
                level=_LZ4_LEVEL, content_checksum=False, block_linked=False
            )
            frame.compress(bytes(data))
            return bytes(frame.finish())
        case Compression.ZSTD:
            return bytes(cramjam.zstd.compress(data, _ZSTD_LEVEL))
    raise ValueError(f"there is no compression codec {codec}; Kafka has 0 to 4")


def decompress(codec: int, data: Buffer, *, max_size: int = MAX_DECOMPRESSED_BYTES) -> bytes:
    """Return what `data` was before it was compressed.

    Args:
        codec: The number of the compression, 0 to 4.
        data: The compressed bytes.
        max_size: The most bytes the answer may have; more is refused before it is built.

    Raises:
        CorruptBatchError: The bytes are damaged, cut short, of an unknown codec, or would grow to
            more than `max_size`.
    """
    try:
        match codec:
            case Compression.NONE:
                return bytes(data)
            case Compression.GZIP:
                return _decompress_growing(cramjam.gzip.decompress_into, data, max_size)
            case Compression.SNAPPY:
                return _decompress_snappy(memoryview(data), max_size)
            case Compression.LZ4:
                return _decompress_growing(cramjam.lz4.decompress_into, data, max_size)
            case Compression.ZSTD:
                return _decompress_growing(cramjam.zstd.decompress_into, data, max_size)
    except _TooLargeError as error:
        raise CorruptBatchError(
            f"the {Compression(codec).name.lower()}-compressed records would take more than "
            f"{max_size:,} bytes; raise max_size if such batches are wanted"
        ) from error
    except cramjam.DecompressionError as error:
        raise CorruptBatchError(
            f"the {Compression(codec).name.lower()}-compressed records do not decompress: {error}"
        ) from error
    raise CorruptBatchError(f"the batch names compression codec {codec}; Kafka has 0 to 4")


def _compress_xerial(data: memoryview) -> bytes:
    parts: list[bytes] = [_XERIAL_HEADER]
    for start in range(0, len(data), _XERIAL_BLOCK_BYTES):
        block = bytes(cramjam.snappy.compress_raw(data[start : start + _XERIAL_BLOCK_BYTES]))
        parts += (_BLOCK_LENGTH.pack(len(block)), block)
    return b"".join(parts)


def _decompress_snappy(data: memoryview, max_size: int) -> bytes:
    if data[:_XERIAL_MAGIC_SIZE] != _XERIAL_HEADER[:_XERIAL_MAGIC_SIZE]:
        return _decompress_snappy_block(data, max_size)
    out = bytearray()
    position = len(_XERIAL_HEADER)
    end = len(data)
    if position > end:
        raise cramjam.DecompressionError("the framing's header is cut short")
    while position < end:
        if position + 4 > end:
            raise cramjam.DecompressionError("a block length is cut short")
        (length,) = _BLOCK_LENGTH.unpack_from(data, position)
        position += 4
        if length < 0 or position + length > end:
            raise cramjam.DecompressionError(f"a block of {length} bytes does not fit")
        out += _decompress_snappy_block(data[position : position + length], max_size - len(out))
        position += length
    return bytes(out)


def _decompress_snappy_block(block: memoryview, max_size: int) -> bytes:
    # The length is the block's own claim; it is checked before anything of that size is allocated.
    if cramjam.snappy.decompress_raw_len(block) > max_size:
        raise _TooLargeError
    return bytes(cramjam.snappy.decompress_raw(block))


def _decompress_growing(
    decompress_into: Callable[[Buffer, bytearray], int], data: Buffer, max_size: int
) -> bytes:
    """Decompress into a buffer that grows fourfold until the records fit or `max_size` is passed.

    Frames need not say how large their content is, and what they say is not to be trusted.
    """
    size = min(max_size, max(4 * memoryview(data).nbytes, 4096))
    while True:
        room = bytearray(size)
        try:
            used = decompress_into(data, room)
        except cramjam.DecompressionError as error:
            if "whole buffer" not in str(error):
                raise
            if size >= max_size:
                raise _TooLargeError from error
            size = min(max_size, size * 4)
            continue
        del room[used:]
        return bytes(room)
