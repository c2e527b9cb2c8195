"""Where the record comes from that an operator works on: for those that remember it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from aliran.core.types import Columns
    from aliran.storage.state.buffered import RecordContext
    from aliran.streams.runtime.record_run import Run
    from aliran.streams.runtime.task import StreamTask

Origin: TypeAlias = tuple[str, int, int]
"""Topic, partition and offset."""


class RecordOrigins:
    """Knows the origin of the current record. Kafka: parts of `ProcessorRecordContext`.

    Attributes:
        override: What to say instead, while something that was held back is forwarded.
        flushing: Whether the caches are being flushed. What they hold back has the origin of the
            last record of all; on the JVM, that of the last one that changed the entry.
    """

    def __init__(self, task: StreamTask) -> None:
        self.override: RecordContext | None = None
        self.flushing = False
        self._task = task
        self._last: Origin = ("", -1, -1)

    @property
    def origin(self) -> Origin:
        """The origin of the record being processed; between records, of the last one."""
        if (held := self.override) is not None:
            return held.topic, held.partition, held.offset
        current = self._task.current
        if current is None:
            return self._last
        return _origin(*current.place)

    @property
    def known(self) -> Origin | None:
        """The same; None in punctuators, which have no record."""
        between = self._task.current is None and not self.flushing
        return None if between and self.override is None else self.origin

    @property
    def raw(self) -> tuple[bytes | None, bytes | None]:
        """Key and value of the record as read; None in punctuators and flushes."""
        if self.override is not None:
            return self.override.raw
        if self._task.current is None:
            return None, None
        columns, index = self._task.current.place
        return columns.keys[index], columns.values[index]

    def ran(self, run: Run) -> None:
        """Remember the last record of a run that could be read."""
        if (place := run.last_read) is not None:
            self._last = _origin(*place)


def _origin(columns: Columns, index: int) -> Origin:
    return columns.topic, columns.partition, columns.offsets[index]
