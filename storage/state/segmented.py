"""What window and session stores share: segments of time, a clock, and expiry.

The clock of a store is the greatest time put into it, whatever the key. Reads show times from clock
- retention + 1 on. Entries are deleted a segment at a time, later than that; a put into a deleted
segment is dropped and counted. So it is in Kafka's `AbstractRocksDBSegmentedBytesStore`.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from aliran.core.errors import ConfigError
from aliran.storage.state.key_schemas import SEGMENT_BYTES, pack_segment
from aliran.storage.state.recent import BUCKET_MS, RecentEntries
from aliran.storage.state.staging import StagedReader

if TYPE_CHECKING:
    from aliran.storage.state.database import KeyRange, StateDatabase

NO_TIME = -1
MIN_SEGMENT_INTERVAL_MS = 60_000

# The clock and the sequence lie in the store itself, under a key no entry can have (entries have
# 20 bytes and more), so that they are of the same moment as the entries after any crash.
STATE_KEY = b""
STATE = Struct(">qI")
FIRST_ENTRY = b"\x00" * SEGMENT_BYTES


class SegmentedBytesStore:
    """The base of `WindowBytesStore` and `SessionBytesStore`.

    Args:
        name: Name of the store in `database`.
        database: Where it lives.
        retention_ms: How long after the clock passed its time an entry can be read.
        segment_interval_ms: Time span of a segment; None for half the retention, at least a
            minute, as in Kafka.

    Attributes:
        staged: Database entries since the last commit, handed to the database as they are.
        observed_stream_time: The clock: greatest time put, or -1.
        dropped: How many puts came after their segment had expired.

    Raises:
        ConfigError: A duration is not above 0.
        UnknownStoreError: The database has no store of that name.
    """

    def __init__(
        self,
        name: str,
        database: StateDatabase,
        retention_ms: int,
        segment_interval_ms: int | None = None,
    ) -> None:
        interval = default_segment_interval(retention_ms)
        if segment_interval_ms is not None:
            interval = segment_interval_ms
        if interval <= 0:
            raise ConfigError(f"store {name}: segment interval ({interval} ms) must be above 0")
        self.name = name
        self.database = database
        self.retention_ms = retention_ms
        self.segment_interval_ms = interval
        self.staged: dict[bytes, bytes | None] = {}
        self.dropped: int = 0
        self._read = database.getter(name)
        self._reader = StagedReader(name, database, self.staged)
        state = self._read(STATE_KEY)
        observed, sequence = (NO_TIME, 0) if state is None else STATE.unpack(state)
        self.observed_stream_time: int = observed
        self._sequence: int = sequence
        self._expired_to = 0
        self._state_changed = False
        self._recent = RecentEntries(_bucket_ms(interval), observed + 1)

    def approximate_num_entries(self) -> int:
        """Return about how many entries there are, expired ones not yet deleted included."""
        return self.database.approximate_num_entries(self.name) + len(self.staged)

    def expired_ranges(self) -> list[KeyRange]:
        """Return the segments that have expired since the last commit, as one range."""
        if self._state_changed:  # a commit begins here; every put would be too often
            self._state_changed = False
            self.staged[STATE_KEY] = STATE.pack(self.observed_stream_time, self._sequence)
        live = self._live_segment(self.observed_stream_time)
        if live <= self._expired_to:
            return []
        bounds = (pack_segment(self._expired_to), pack_segment(live))
        # They would otherwise be written after the range delete, and never be deleted again.
        expired = [key for key in self.staged if FIRST_ENTRY <= key < bounds[1]]
        for key in expired:
            del self.staged[key]
        self._reader.forget_order()
        return [bounds]

    def committed(self) -> None:
        """Forget what was staged; it is in the database now."""
        self.staged.clear()
        self._reader.forget_order()
        self._expired_to = self._live_segment(self.observed_stream_time)
        self._recent.forget_before(self._expired_to * self.segment_interval_ms)

    def _live_segment(self, observed: int) -> int:
        """Return the oldest segment that is kept when the clock stands at `observed`."""
        return max(0, (observed - self.retention_ms) // self.segment_interval_ms)

    def _oldest_readable(self) -> int:
        return self.observed_stream_time - self.retention_ms + 1

    def _restart_recent(self) -> None:
        """Keep in memory only what comes from now on: restoring is done in bulk."""
        bucket_ms = _bucket_ms(self.segment_interval_ms)
        self._recent = RecentEntries(bucket_ms, self.observed_stream_time + 1)

    def _stage_state(self, observed: int) -> None:
        if observed > self.observed_stream_time:
            self.observed_stream_time = observed
            self._state_changed = True


def _bucket_ms(segment_interval_ms: int) -> int:
    return max(1, min(segment_interval_ms // 8, BUCKET_MS))


def check_retention(name: str, retention_ms: int) -> None:
    """Refuse to keep anything for no time."""
    if retention_ms <= 0:
        raise ConfigError(f"store {name}: retention ({retention_ms} ms) must be above 0")


def default_segment_interval(retention_ms: int) -> int:
    """Return the time span of a segment that Kafka takes unless told otherwise."""
    return max(retention_ms // 2, MIN_SEGMENT_INTERVAL_MS)
