"""Which records of a source are under way, and how far its offsets may be stored.

Kafka: `SubmittedRecords`. Records are noted by the batch that `poll` returned, since they come by
the thousand; what is committed is exact to the record all the same.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from aliran.connectors.records import SourceRecord

Offsets: TypeAlias = dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]]
"""Source partitions with their offsets, by the partition as text."""

_WAITING, _SETTLED, _TAKEN = range(3)


class Batch:
    """Records that were polled together.

    Args:
        records: The records, in their order.
    """

    __slots__ = ("_states", "records")

    def __init__(self, records: Sequence[SourceRecord]) -> None:
        self.records: Sequence[SourceRecord] = records
        self._states = bytearray(len(records))  # written from two threads, a byte at a time

    def settle(self, number: int) -> None:
        """Note that a record is acknowledged, or needs to be no more."""
        self._states[number] = _SETTLED

    @property
    def settled(self) -> bool:
        """Whether all of them are."""
        return not self._states.count(_WAITING)

    def take(self, found: Offsets, blocked: set[str]) -> bool:
        """Take away what is settled in a row of each source partition; return whether all is.

        Args:
            found: Gets the last offset of each partition.
            blocked: Partitions that have a gap already; gets those that have one here.
        """
        if not blocked and self._states.count(_SETTLED) == len(self._states):
            latest: dict[int, tuple[Any, Any]] = {}
            for record in self.records:
                if record.source_offset is not None:
                    partition = record.source_partition
                    latest[id(partition)] = (partition, record.source_offset)
            for partition, offset in latest.values():
                found[_key(partition)] = (partition or {}, offset)
            return True
        keys: dict[int, str] = {}  # most records share one object
        for number, record in enumerate(self.records):
            state = self._states[number]
            if state == _TAKEN:
                continue
            partition = record.source_partition
            key = keys.get(id(partition)) or keys.setdefault(id(partition), _key(partition))
            if state == _WAITING:
                blocked.add(key)
            elif key not in blocked:
                self._states[number] = _TAKEN
                if record.source_offset is not None:
                    found[key] = (partition or {}, record.source_offset)
        return self._states.count(_TAKEN) == len(self._states)


class SubmittedRecords:
    """Records under way, in order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._batches: deque[Batch] = deque()
        self._found: Offsets = {}

    def submit(self, records: Sequence[SourceRecord]) -> Batch:
        """Note records before they are sent."""
        batch = Batch(records)
        with self._lock:
            self._batches.append(batch)
        return batch

    def let_go(self) -> None:
        """Forget records that are settled, up to the first that is not: they may be large."""
        with self._lock:
            while self._batches and self._batches[0].settled:
                self._batches.popleft().take(self._found, set())

    def committable(self) -> Offsets:
        """Take away what is settled in a row; return the last offset of each source partition."""
        blocked: set[str] = set()
        with self._lock:
            left = [one for one in self._batches if not one.take(self._found, blocked)]
            self._batches = deque(left)
            found, self._found = self._found, {}
        return found


def _key(partition: Mapping[str, Any] | None) -> str:
    return json.dumps(partition or {}, sort_keys=True)
