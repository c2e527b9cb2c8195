"""The text that travels with a committed offset: Kafka Streams' `TopicPartitionMetadata`, magic 2.

Base64 of: one byte magic 2, eight bytes partition time, then, where there is processor metadata, a
count and for each entry the length of its name, the name, and eight bytes of value.
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Mapping

_HEAD = struct.Struct(">bq")
_INT = struct.Struct(">i")
_LONG = struct.Struct(">q")
_BASE64 = re.compile("[A-Za-z0-9+/]*={0,2}")


def encode(partition_time_ms: int, processor_metadata: Mapping[str, int]) -> str:
    """Return the metadata text for an offset."""
    parts = [_HEAD.pack(2, partition_time_ms)]
    if processor_metadata:
        parts.append(_INT.pack(len(processor_metadata)))
    for name, value in processor_metadata.items():
        raw = name.encode()
        parts += (_INT.pack(len(raw)), raw, _LONG.pack(value))
    return base64.b64encode(b"".join(parts)).decode()


def decode(text: str) -> tuple[int, dict[str, int]]:
    """Return (partition time, processor metadata); (-1, {}) for text of another origin.

    What follows is ignored: confluent-kafka reads the text beyond its end.
    """
    found = _BASE64.match(text)
    digits = found[0] if found else ""
    raw = base64.b64decode(digits[: len(digits) // 4 * 4])
    if len(raw) < _HEAD.size or raw[0] not in (1, 2):
        return -1, {}
    magic, partition_time_ms = _HEAD.unpack_from(raw)
    try:
        return partition_time_ms, _decode_map(raw, _HEAD.size) if magic == 2 else {}
    except (struct.error, UnicodeDecodeError):
        return partition_time_ms, {}


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
