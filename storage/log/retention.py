"""Removing old segments: by the log's start offset, by time, by size.

Kafka: `UnifiedLog.deleteOldSegments`. Files go at once: a reader that has one open still reads it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from aliran.core.files import FileSystemError
from aliran.storage.errors import LogStorageError
from aliran.storage.log.lookup import snapshot_offsets
from aliran.storage.log.partition_log import PartitionLog
from aliran.storage.log.segment import Segment

logger: logging.Logger = logging.getLogger("aliran.storage.log")


def delete_old_segments(log: PartitionLog, now_ms: int) -> int:
    """Remove the segments nothing keeps any more; return the bytes they held.

    Raises:
        LogStorageError: The disk refused.
    """
    with log.flush_lock, log.lock:
        if log.closed:
            return 0
        try:
            doomed = list(_doomed(log, now_ms))
            if len(doomed) == len(log.segments):
                _roll(log, doomed)
            if not doomed:
                return 0
            log.replace_segments(log.segments[len(doomed) :])
            start = log.segments[0].base_offset
            log.log_start_offset = max(log.log_start_offset, start)
            for segment in doomed:
                segment.delete()
            for offset in snapshot_offsets(log.fs, log.directory):
                if offset < start:
                    log.fs.remove(log.snapshot_path(offset))
        except FileSystemError as error:
            raise LogStorageError(
                f"{log.topic_partition}: removing old segments failed: {error}",
                log.topic_partition,
            ) from error
        freed = sum(segment.size for segment in doomed)
        logger.info(
            "%s: removed %d segments, %d bytes; the log starts at %d",
            log.topic_partition,
            len(doomed),
            freed,
            log.log_start_offset,
        )
        return freed


def _roll(log: PartitionLog, doomed: list[Segment]) -> None:
    """Begin a segment that can stay; where a full disk has no room for it, the last one stays."""
    try:
        log.roll()
    except LogStorageError:
        doomed.pop()
        if not doomed:
            raise


def _doomed(log: PartitionLog, now_ms: int) -> Iterator[Segment]:
    """Yield the oldest segments up to the first that something keeps."""
    config = log.config
    deletes = "delete" in config.cleanup_policy
    excess = -1
    if deletes and config.retention_bytes >= 0:
        excess = log.size() - config.retention_bytes
    for slot, segment in enumerate(log.segments):
        is_active = slot == len(log.segments) - 1
        following = log.log_end_offset if is_active else log.segments[slot + 1].base_offset
        if is_active and not segment.size:
            return
        below_start = following <= log.log_start_offset and not is_active
        too_old = deletes and 0 <= config.retention_ms < now_ms - _newest(log, segment)
        too_large = excess >= segment.size
        if not (below_start or too_old or (too_large and not is_active)):
            return
        excess -= segment.size
        yield segment


def _newest(log: PartitionLog, segment: Segment) -> int:
    """The time of the newest record; the file's own where the records carry none."""
    if segment.max_timestamp >= 0:
        return segment.max_timestamp
    return log.fs.modified_ms(segment.log_path)
