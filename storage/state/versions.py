"""The old versions of one key that lie in one segment of a versioned store, as bytes."""

from __future__ import annotations

from struct import Struct

_HEAD = Struct(">qI")
_VERSION = Struct(">qi")


class Versions:
    """Versions that follow each other in time, the newest first; a tombstone has no value.

    Each is valid until the one before it in the list begins, the first until `next_time`. Kafka:
    `RocksDBVersionedStoreSegmentValueFormatter`; its "degenerate" segment is one without records.

    Attributes:
        next_time: When the newest ends to be valid.
        records: Time and value of each.
    """

    __slots__ = ("next_time", "records")

    def __init__(self, next_time: int, records: list[tuple[int, bytes | None]]) -> None:
        self.next_time: int = next_time
        self.records: list[tuple[int, bytes | None]] = records

    @classmethod
    def from_bytes(cls, data: bytes) -> Versions:
        """Read what `to_bytes` wrote."""
        next_time, count = _HEAD.unpack_from(data)
        position, end = _HEAD.size, _HEAD.size + count * _VERSION.size
        records: list[tuple[int, bytes | None]] = []
        while position < _HEAD.size + count * _VERSION.size:
            time, size = _VERSION.unpack_from(data, position)
            position += _VERSION.size
            if size < 0:
                records.append((time, None))
            else:
                records.append((time, data[end : end + size]))
                end += size
        return cls(next_time, records)

    def to_bytes(self) -> bytes:
        """Return the times and sizes of all versions, then their values."""
        parts = [_HEAD.pack(self.next_time, len(self.records))]
        parts += [
            _VERSION.pack(time, -1 if value is None else len(value)) for time, value in self.records
        ]
        parts += [value for _, value in self.records if value is not None]
        return b"".join(parts)

    @property
    def first_time(self) -> int:
        """When the oldest began to be valid."""
        return self.records[-1][0] if self.records else self.next_time

    def find(self, time: int) -> int:
        """Return the place of the version that is valid at a time within these versions."""
        return next(place for place, (start, _) in enumerate(self.records) if start <= time)

    def valid_to(self, place: int) -> int:
        """Return when the version at a place ends to be valid."""
        return self.next_time if place == 0 else self.records[place - 1][0]

    def add_newest(self, start: int, end: int, value: bytes | None) -> None:
        """Add a version that is newer than all others; a gap before it is a tombstone's."""
        if self.next_time != start:
            self.records.insert(0, (self.next_time, None))
        self.records.insert(0, (start, value))
        self.next_time = end


def versions_of(start: int, end: int, value: bytes | None) -> Versions:
    """Return one version; none but its end where it is a tombstone that nothing follows."""
    return Versions(end, [] if start == end else [(start, value)])
