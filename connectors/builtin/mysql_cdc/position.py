"""How far the binary log has been passed on: what stands in the offsets.

`file`, `pos`, `gtids`, `row`, `server_id` and `ts_sec` are Debezium's: where the transaction begins
that is being passed on, and how many rows of an event were. `rows_events`, how many of its events
with rows came before that one, and `snapshot_progress` are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Position:
    """A place in the binary log.

    Attributes:
        file: The file.
        pos: Everything before this was passed on, unless a transaction is under way.
        gtids: MariaDB's positions by domain, as `0-1-100,1-1-7`; "" where nobody knows.
        event: How many events with rows of the transaction at `pos` were passed on.
        row: How many rows of the event behind them.
        server_id: Who wrote the last change.
        ts_sec: When, in seconds since 1970.
        progress: What is left of a snapshot, as a text.
    """

    __slots__ = ("event", "file", "gtids", "pos", "progress", "row", "server_id", "ts_sec")

    def __init__(self, file: str = "", pos: int = 4, gtids: str = "") -> None:
        self.file: str = file
        self.pos: int = pos
        self.gtids: str = gtids
        self.event: int = 0
        self.row: int = 0
        self.server_id: int = 0
        self.ts_sec: int = 0
        self.progress: str | None = None

    @classmethod
    def of(cls, offset: Mapping[str, Any]) -> Position:
        """Return the position of a stored offset, Debezium's included.

        Raises:
            ValueError: It has no position.
        """
        file, pos = offset.get("file"), offset.get("pos")
        if not isinstance(file, str) or not file:
            raise ValueError("'file' must name a file of the binary log")
        if not isinstance(pos, int) or isinstance(pos, bool) or pos < 4:
            raise ValueError("'pos' must be a place in the file, a number from 4 on")
        position = cls(file, pos, str(offset.get("gtids") or ""))
        position.server_id = int(offset.get("server_id") or 0)
        position.ts_sec = int(offset.get("ts_sec") or 0)
        position.progress = offset.get("snapshot_progress")
        if "rows_events" in offset:  # Debezium counts other events as well: its begin again
            position.event = int(offset["rows_events"])
            position.row = int(offset.get("row") or 0)
        return position

    def copy(self) -> Position:
        """Return the same position."""
        return Position.of(self.offset(self.event, self.row))

    @property
    def place(self) -> tuple[int, str, int]:
        """What positions are compared by; names of files end in growing numbers."""
        return len(self.file), self.file, self.pos

    def offset(self, event: int = 0, row: int = 0) -> dict[str, Any]:
        """Return the offset behind so many events, and rows of the next one."""
        found: dict[str, Any] = {"file": self.file, "pos": self.pos}
        if self.gtids:
            found["gtids"] = self.gtids
        found["server_id"] = self.server_id
        found["ts_sec"] = self.ts_sec
        if event or row:
            found["rows_events"] = event
            found["row"] = row
        if self.progress is not None:
            found["snapshot_progress"] = self.progress
        return found

    def advance_gtid(self, gtid: str) -> None:
        """Note a finished transaction of MariaDB, `domain-server-number`."""
        if not self.gtids or self.gtids.count("-") == 2:
            old_domain = self.gtids.partition("-")[0]
            if not self.gtids or old_domain == gtid.partition("-")[0]:
                self.gtids = gtid
                return
        domains = domains_of(self.gtids)
        domains[int(gtid.partition("-")[0])] = gtid
        self.gtids = ",".join(domains[each] for each in sorted(domains))


def domains_of(gtids: str) -> dict[int, str]:
    """Return MariaDB's positions by domain."""
    parts = (one.strip() for one in gtids.split(",") if one.strip())
    return {int(one.partition("-")[0]): one for one in parts}


def is_mariadb_gtids(gtids: str) -> bool:
    """Whether a text is MariaDB's kind of positions, and not MySQL's sets."""
    return all(part.count("-") == 2 and ":" not in part for part in gtids.split(",") if part)
