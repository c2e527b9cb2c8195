"""Versioned stores of bytes: what a key's value was at a time. Kafka: `RocksDBVersionedStore`.

The newest value of a key never expires. Older versions lie in segments by the time at which they
ended to be valid, all of a key and segment in one entry; whole segments expire. The clock of a
store is the greatest time put into it, whatever the key.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from aliran.core.errors import ConfigError
from aliran.storage.state.errors import StateError
from aliran.storage.state.key_schemas import pack_segment
from aliran.storage.state.segmented import SegmentedBytesStore
from aliran.storage.state.versions import Versions, versions_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aliran.storage.state.database import StateDatabase

NOT_PUT = -(1 << 63)
"""What `put` returns for a version that is older than the history. Java: `Long.MIN_VALUE`."""

VALID_TO_UNDEFINED = -1
"""What `put` returns for the newest version of a key."""

_LATEST = b"\xff" * 8
"""Stands where the segment is in the database keys of the newest values."""

_TIME = Struct(">q")


class VersionedEntry(NamedTuple):
    """One version of a value.

    Attributes:
        value: The value.
        timestamp: When it began to be valid, in ms.
        valid_to: When it ended to be valid, exclusive; None for the newest.
    """

    value: bytes
    timestamp: int
    valid_to: int | None


class VersionedBytesStore(SegmentedBytesStore):
    """Values by key and time; writes are staged until `commit_changes`.

    Args:
        name: Name of the store in `database`.
        database: Where it lives.
        retention_ms: How long ago one may ask for, and put; 0 for the newest values alone.
        segment_interval_ms: Time span of a segment; None for Kafka's choice by the retention.

    Raises:
        StateError: A put has a time before 0.
        ConfigError: The retention is negative, or the interval not above 0.
        UnknownStoreError: The database has no store of that name.
    """

    dropped: int

    def __init__(
        self,
        name: str,
        database: StateDatabase,
        retention_ms: int,
        *,
        segment_interval_ms: int | None = None,
    ) -> None:
        if retention_ms < 0:
            raise ConfigError(
                f"versioned store {name}: the history is kept for {retention_ms} ms; it cannot be "
                "kept for less than 0 ms"
            )
        if segment_interval_ms is None:
            segment_interval_ms = versioned_segment_interval(retention_ms)
        super().__init__(name, database, retention_ms, segment_interval_ms)

    def put(self, key: bytes, value: bytes | None, timestamp: int) -> int:
        """Set the value of a key from a time on, None to delete it.

        Returns:
            Until when it is valid: the time of the next version, VALID_TO_UNDEFINED if there is
            none, or NOT_PUT if the time is before the history (which counts as dropped).
        """
        if timestamp < self.observed_stream_time - self.retention_ms:
            self.dropped += 1
            return NOT_PUT
        if timestamp < 0:
            raise StateError(
                f"versioned store {self.name}: the time of key {key!r} is {timestamp} ms; times "
                "are 0 or later"
            )
        self._stage_state(timestamp)
        valid_to: int | None = None
        latest = self._get(_LATEST + key)
        if latest is not None:
            (latest_time,) = _TIME.unpack_from(latest)
            if timestamp >= latest_time:
                self._replace_latest(key, latest, value, timestamp)
                return VALID_TO_UNDEFINED
            valid_to = latest_time
        for segment in self._segments_from(timestamp):
            versions = self._versions(segment, key)
            if versions is None:
                continue
            if versions.next_time <= timestamp:
                break
            if versions.first_time <= timestamp:
                return self._put_within(segment, key, versions, value, timestamp)
            valid_to = versions.first_time
        if valid_to is None:
            self._put_alone(key, value, timestamp)
            return VALID_TO_UNDEFINED
        self._put_before(key, value, timestamp, valid_to)
        return valid_to

    def delete(self, key: bytes, timestamp: int) -> VersionedEntry | None:
        """Delete the value of a key from a time on; return what was valid then."""
        if timestamp < self.observed_stream_time - self.retention_ms:
            self.dropped += 1
            return None
        before = self.get_as_of(key, timestamp)
        self.put(key, None, timestamp)
        return before

    def get(self, key: bytes) -> VersionedEntry | None:
        """Return the newest value of a key, or None."""
        data = self._get(_LATEST + key)
        return None if data is None else _latest(data)

    def get_as_of(self, key: bytes, timestamp: int) -> VersionedEntry | None:
        """Return what was valid at a time, or None.

        Of times before the history only the newest value is known, if it was valid then already.
        """
        data = self._get(_LATEST + key)
        if data is not None and _TIME.unpack_from(data)[0] <= timestamp:
            return _latest(data)
        if timestamp < self.observed_stream_time - self.retention_ms:
            return None
        for segment in self._segments_from(timestamp):
            versions = self._versions(segment, key)
            if versions is None:
                continue
            if versions.next_time <= timestamp:
                return None
            if versions.first_time > timestamp:
                continue
            place = versions.find(timestamp)
            start, value = versions.records[place]
            return None if value is None else VersionedEntry(value, start, versions.valid_to(place))
        return None

    def get_between(
        self, key: bytes, from_ms: int, to_ms: int, *, reverse: bool = False
    ) -> Iterator[VersionedEntry]:
        """Return the versions of a key that were valid between two times, both inclusive, by time.

        As from Kafka's store, a version whose end lies in a segment after that of `to_ms` does not
        show, unless it is the newest. Kafka: `MultiVersionedKeyQuery`.
        """
        found: list[VersionedEntry] = []
        data = self._get(_LATEST + key)
        if data is not None and _TIME.unpack_from(data)[0] <= to_ms:
            found.append(_latest(data))
        if to_ms >= self.observed_stream_time - self.retention_ms:
            last = min(to_ms, self.observed_stream_time) // self.segment_interval_ms
            for segment in range(last, self._live_segment(self.observed_stream_time) - 1, -1):
                versions = self._versions(segment, key)
                if versions is not None:
                    found += _between(versions, from_ms, to_ms)
        return iter(found) if reverse else reversed(found)

    def restore(
        self, keys: Sequence[bytes], values: Sequence[bytes | None], timestamps: Sequence[int]
    ) -> None:
        """Put the records of the changelog, in order; those before the history are not counted."""
        dropped = self.dropped
        for key, value, timestamp in zip(keys, values, timestamps, strict=True):
            self.put(key, value, timestamp)
        self.dropped = dropped

    # ------------------------------------------------------------------ inside

    def _get(self, database_key: bytes) -> bytes | None:
        if database_key in self.staged:
            return self.staged[database_key]
        return self._read(database_key)

    def _segments_from(self, timestamp: int) -> range:
        """Return the segments with versions that end after a time, the last first."""
        interval = self.segment_interval_ms
        first = max(timestamp, 0) // interval
        return range(self.observed_stream_time // interval, first - 1, -1)

    def _versions(self, segment: int, key: bytes) -> Versions | None:
        data = self._get(pack_segment(segment) + key)
        return None if data is None else Versions.from_bytes(data)

    def _store(self, segment: int, key: bytes, versions: Versions) -> None:
        self.staged[pack_segment(segment) + key] = versions.to_bytes()

    def _replace_latest(
        self, key: bytes, latest: bytes, value: bytes | None, timestamp: int
    ) -> None:
        """Set the newest value; the one before becomes history, unless it has the same time."""
        (before,) = _TIME.unpack_from(latest)
        if timestamp > before:
            self._archive(key, before, timestamp, latest[8:])
        self.staged[_LATEST + key] = None if value is None else _TIME.pack(timestamp) + value

    def _archive(self, key: bytes, start: int, end: int, value: bytes | None) -> None:
        """Add a version to the segment it ends in, where it is the newest of its key."""
        segment = end // self.segment_interval_ms
        versions = self._versions(segment, key)
        if versions is None:
            versions = versions_of(start, end, value)
        else:
            versions.add_newest(start, end, value)
        self._store(segment, key, versions)

    def _put_within(
        self, segment: int, key: bytes, versions: Versions, value: bytes | None, timestamp: int
    ) -> int:
        """Put a version between those of a segment; return until when it is valid."""
        place = versions.find(timestamp)
        valid_to = versions.valid_to(place)
        start, before = versions.records[place]
        if start == timestamp:
            versions.records[place] = (timestamp, value)
        elif timestamp // self.segment_interval_ms != segment:
            # The version before ends now in an earlier segment.
            self._archive(key, start, timestamp, before)
            versions.records[place] = (timestamp, value)
        else:
            versions.records.insert(place, (timestamp, value))
        self._store(segment, key, versions)
        return valid_to

    def _put_alone(self, key: bytes, value: bytes | None, timestamp: int) -> None:
        """Put a version that nothing follows, of a key that has no newest value."""
        if value is not None:
            self.staged[_LATEST + key] = _TIME.pack(timestamp) + value
            return
        segment = timestamp // self.segment_interval_ms
        versions = self._versions(segment, key)
        if versions is None:
            versions = versions_of(timestamp, timestamp, None)
        elif versions.next_time == timestamp:
            return  # what ends then is followed by nothing already
        else:
            versions.add_newest(versions.next_time, timestamp, None)
        self._store(segment, key, versions)

    def _put_before(self, key: bytes, value: bytes | None, start: int, end: int) -> None:
        """Put a version in front of the one that starts at `end`."""
        segment = end // self.segment_interval_ms
        versions = self._versions(segment, key)
        if versions is None:
            versions = versions_of(start, end, value)
        elif versions.next_time <= start:
            versions.add_newest(start, end, value)
        else:
            versions.records.append((start, value))
        self._store(segment, key, versions)


def _latest(data: bytes) -> VersionedEntry:
    return VersionedEntry(data[8:], _TIME.unpack_from(data)[0], None)


def _between(versions: Versions, from_ms: int, to_ms: int) -> Iterator[VersionedEntry]:
    for place, (start, value) in enumerate(versions.records):
        end = versions.valid_to(place)
        if value is not None and start <= to_ms and end > from_ms:
            yield VersionedEntry(value, start, end)


def versioned_segment_interval(retention_ms: int) -> int:
    """Return the time span of a segment that Kafka takes unless told otherwise."""
    for longest, parts, least in (
        (60_000, 3, 2_000),
        (300_000, 5, 20_000),
        (3_600_000, 12, 60_000),
    ):
        if retention_ms <= longest:
            return max(retention_ms // parts, least)
    return max(retention_ms // 24, 300_000)
