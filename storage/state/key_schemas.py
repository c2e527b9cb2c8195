"""Bytes of the keys of window stores.

Changelog key (Kafka: `WindowKeySchema`): key ++ window start, 8 bytes ++ sequence, 4 bytes.
Database key: segment, 8 bytes ++ changelog key. Numbers are big-endian, so that bytes sort by
segment, then key, then time; a whole segment is one range and expires by one range delete.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from aliran.core.errors import AliranError

SEGMENT_BYTES = 8
SUFFIX_BYTES = 12
MAX_SEQUENCE = 0x7FFF_FFFF

_SEGMENT = Struct(">Q")
_SUFFIX = Struct(">qI")
_START = Struct(">q")

pack_segment = _SEGMENT.pack
"""Segment number to the 8 bytes that begin a database key."""

pack_suffix = _SUFFIX.pack
"""Window start in ms and sequence to the 12 bytes that end a key."""

unpack_suffix = _SUFFIX.unpack


class WindowKey(NamedTuple):
    """What a changelog key of a window store says."""

    key: bytes
    start_ms: int
    sequence: int


def window_changelog_key(key: bytes, start_ms: int, sequence: int = 0) -> bytes:
    """Return the key under which a window store logs an entry."""
    return key + pack_suffix(start_ms, sequence)


def split_changelog_key(data: bytes) -> WindowKey:
    """Return key, start and sequence of a window store's changelog key.

    Raises:
        AliranError: It is too short to be one.
    """
    if len(data) < SUFFIX_BYTES:
        raise AliranError(
            f"{data!r} is not a key of a window store's changelog: it has {len(data)} bytes, not "
            f"at least {SUFFIX_BYTES}. Was the changelog topic written by a key-value store? "
            "Give the store another name, or delete the topic"
        )
    start, sequence = unpack_suffix(data[-SUFFIX_BYTES:])
    return WindowKey(data[:-SUFFIX_BYTES], start, sequence)


def window_start(key: bytes) -> int:
    """Return the window start in ms of a changelog or database key."""
    start: int = _START.unpack(key[-SUFFIX_BYTES:-4])[0]
    return start


def prefix_end(prefix: bytes) -> bytes | None:
    """Return the smallest bytes greater than all that begin with `prefix`; None if none are."""
    shortened = prefix.rstrip(b"\xff")
    if not shortened:
        return None
    return shortened[:-1] + bytes([shortened[-1] + 1])


def greatest_entry(key: bytes, to_ms: int) -> bytes:
    """Return bytes above every changelog key of keys up to `key` and starts up to `to_ms`.

    A shorter key followed by its start may sort after a longer one, hence the prefixes.
    """
    suffix = pack_suffix(to_ms, 0xFFFF_FFFF) + b"\x00"
    return max(key[:length] + suffix for length in range(len(key) + 1))
