"""What window and session stores in memory share: a clock, and expiry to the millisecond."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aliran.storage.state.segmented import NO_TIME
from aliran.storage.state.time_index import TimeIndex

if TYPE_CHECKING:
    from aliran.storage.state.database import KeyRange


class ExactExpiry:
    """The base of `MemoryWindowStore` and `MemorySessionStore`.

    Nothing of it is ever staged: it lives as long as its task, and comes back from its changelog.

    Attributes:
        staged: Always empty.
        observed_stream_time: The clock: greatest time put, or -1.
        dropped: How many puts had expired already.
    """

    def __init__(self, name: str, retention_ms: int) -> None:
        self.name = name
        self.retention_ms = retention_ms
        self.staged: dict[bytes, bytes | None] = {}
        self.observed_stream_time: int = NO_TIME
        self.dropped: int = 0
        self._index = TimeIndex(retention_ms // 8)

    def approximate_num_entries(self) -> int:
        """Return how many entries there are."""
        return self._index.count

    def expired_ranges(self) -> list[KeyRange]:
        """Return nothing: no database holds anything of it."""
        return []

    def committed(self) -> None:
        """Let go of what has expired."""
        self._index.drop_before(self._oldest_readable())

    def _is_late(self, time_ms: int) -> bool:
        """Move the clock, and tell whether this time has expired."""
        if time_ms > self.observed_stream_time:
            self.observed_stream_time = time_ms
        return time_ms <= self.observed_stream_time - self.retention_ms

    def _oldest_readable(self) -> int:
        return max(0, self.observed_stream_time - self.retention_ms + 1)
