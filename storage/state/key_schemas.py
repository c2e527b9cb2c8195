"""Bytes of the keys of window and session stores.

Changelog key (Kafka: `WindowKeySchema`): key ++ window start, 8 bytes ++ sequence, 4 bytes; of
sessions (Kafka: `SessionKeySchema`): key ++ session end, 8 bytes ++ session start, 8 bytes.
Database key: segment, 8 bytes ++ changelog key. Numbers are big-endian, so that bytes sort by
segment, then key, then time; a whole segment is one range and expires by one range delete.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import NamedTuple

from aliran.core.errors import AliranError

SEGMENT_BYTES = 8
SUFFIX_BYTES = 12
SESSION_SUFFIX_BYTES = 16
MAX_SEQUENCE = 0x7FFF_FFFF
MAX_TIME = 0x7FFF_FFFF_FFFF_FFFF

_SEGMENT = Struct(">Q")
_SUFFIX = Struct(">qI")
_START = Struct(">q")
_SESSION = Struct(">qq")

pack_segment: Callable[[int], bytes] = _SEGMENT.pack
"""Segment number to the 8 bytes that begin a database key."""

pack_suffix: Callable[[int, int], bytes] = _SUFFIX.pack
"""Window start in ms and sequence to the 12 bytes that end a key."""

unpack_suffix: Callable[[bytes], tuple[int, int]] = _SUFFIX.unpack


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


class SessionKey(NamedTuple):
    """What a changelog key of a session store says."""

    key: bytes
    start_ms: int
    end_ms: int


pack_session: Callable[[int, int], bytes] = _SESSION.pack
"""Session end and start in ms to the 16 bytes that end a key."""

unpack_session: Callable[[bytes, int], tuple[int, int]] = _SESSION.unpack_from


def session_changelog_key(key: bytes, start_ms: int, end_ms: int) -> bytes:
    """Return the key under which a session store logs a session."""
    return key + pack_session(end_ms, start_ms)


def split_session_key(data: bytes) -> SessionKey:
    """Return key, start and end of a session store's changelog key.

    Raises:
        AliranError: It is too short to be one.
    """
    if len(data) < SESSION_SUFFIX_BYTES:
        raise AliranError(
            f"{data!r} is not a key of a session store's changelog: it has {len(data)} bytes, not "
            f"at least {SESSION_SUFFIX_BYTES}. Was the changelog topic written by a store of "
            "another kind? Give the store another name, or delete the topic"
        )
    end, start = unpack_session(data, len(data) - SESSION_SUFFIX_BYTES)
    return SessionKey(data[:-SESSION_SUFFIX_BYTES], start, end)


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
    return _above_prefixes(key, pack_suffix(to_ms, 0xFFFF_FFFF) + b"\x00")


def greatest_session(key: bytes) -> bytes:
    """Return bytes above every session's changelog key of keys up to `key`."""
    return _above_prefixes(key, pack_session(MAX_TIME, MAX_TIME) + b"\x00")


def _above_prefixes(key: bytes, suffix: bytes) -> bytes:
    return max(key[:length] + suffix for length in range(len(key) + 1))
