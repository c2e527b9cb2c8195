"""The text that travels with a committed offset: Kafka Streams' `TopicPartitionMetadata`, magic 2.

Base64 of: one byte magic 2, eight bytes partition time, then a count and, for each entry of the
processor metadata, the length of its name, the name, and eight bytes of value.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Mapping

_HEAD = struct.Struct(">bq")
_INT = struct.Struct(">i")
_LONG = struct.Struct(">q")


def encode(partition_time_ms: int, processor_metadata: Mapping[str, int]) -> str:
    """Return the metadata text for an offset."""
    parts = [_HEAD.pack(2, partition_time_ms), _INT.pack(len(processor_metadata))]
    for name, value in processor_metadata.items():
        raw = name.encode()
        parts += (_INT.pack(len(raw)), raw, _LONG.pack(value))
    return base64.b64encode(b"".join(parts)).decode()


def decode(text: str) -> tuple[int, dict[str, int]]:
    """Return (partition time, processor metadata); (-1, {}) for text of another origin."""
    try:
        raw = base64.b64decode(text, validate=True)
        magic, partition_time_ms = _HEAD.unpack_from(raw)
        return partition_time_ms, _decode_map(raw, _HEAD.size) if magic == 2 else {}
    except (binascii.Error, struct.error, UnicodeDecodeError, ValueError):
        return -1, {}


def _decode_map(raw: bytes, position: int) -> dict[str, int]:
    (count,) = _INT.unpack_from(raw, position)
    position += _INT.size
    entries = {}
    for _ in range(count):
        (length,) = _INT.unpack_from(raw, position)
        position += _INT.size
        name = raw[position : position + length].decode()
        position += length
        (entries[name],) = _LONG.unpack_from(raw, position)
        position += _LONG.size
    return entries
