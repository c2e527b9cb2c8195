"""How far a stream has been passed on: what stands in the offsets.

`lsn`, `lsn_commit`, `txId` and `ts_usec` are Debezium's; a connector goes on from its offsets.
Beyond: `tx_lsn` and `tx_events`, which transaction is being passed on, and how many of its events
were; and `snapshot_progress`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Position:
    """A place in the stream.

    Attributes:
        commit_lsn: Everything committed before this was passed on.
        lsn: Where the last change stands.
        tx_lsn: Where the commit of the transaction stands that is being passed on; 0 for none.
        tx_events: How many of its events were passed on.
        xid: Its number.
        ts_usec: When it was committed, in microseconds since 1970.
        progress: What is left of a snapshot, as a text.
    """

    __slots__ = ("commit_lsn", "lsn", "progress", "ts_usec", "tx_events", "tx_lsn", "xid")

    def __init__(self, commit_lsn: int = 0, progress: str | None = None) -> None:
        self.commit_lsn: int = commit_lsn
        self.lsn: int = commit_lsn
        self.tx_lsn: int = 0
        self.tx_events: int = 0
        self.xid: int = 0
        self.ts_usec: int = 0
        self.progress: str | None = progress

    @classmethod
    def of(cls, offset: Mapping[str, Any]) -> Position:
        """Return the position of a stored offset, Debezium's included.

        Raises:
            ValueError: It has no position.
        """
        found = offset.get("lsn_commit") or offset.get("lsn_proc") or offset.get("lsn")
        if not isinstance(found, int) or isinstance(found, bool) or found <= 0:
            raise ValueError("neither 'lsn_commit' nor 'lsn' is a position, a number from 1 on")
        position = cls(found, offset.get("snapshot_progress"))
        position.lsn = int(offset.get("lsn") or found)
        position.tx_lsn = int(offset.get("tx_lsn") or 0)
        position.tx_events = int(offset.get("tx_events") or 0)
        position.xid = int(offset.get("txId") or 0)
        position.ts_usec = int(offset.get("ts_usec") or 0)
        return position

    def copy(self) -> Position:
        """Return the same position."""
        return Position.of(self.offset()) if self.commit_lsn else Position()

    def commit(self, lsn: int) -> None:
        """Note that everything before `lsn` was passed on."""
        self.commit_lsn = lsn
        self.tx_lsn = self.tx_events = 0

    def offset(self) -> dict[str, Any]:
        """Return the offset of a record that has been passed on with this position."""
        return self._offset(self.tx_events)

    def offset_before(self) -> dict[str, Any]:
        """Return the offset from which the last event comes again."""
        return self._offset(max(self.tx_events - 1, 0))

    def _offset(self, events: int) -> dict[str, Any]:
        found: dict[str, Any] = {
            "lsn_commit": self.commit_lsn,
            "lsn": self.lsn,
            "txId": self.xid,
            "ts_usec": self.ts_usec,
        }
        if self.tx_lsn:
            found["tx_lsn"] = self.tx_lsn
            found["tx_events"] = events
        if self.progress is not None:
            found["snapshot_progress"] = self.progress
        return found
