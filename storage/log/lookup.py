"""Questions to a log that need a scan: by timestamp, and who its producers are.

These work on a `PartitionLog` from outside, under its lock. Kafka:
`LogSegment.findOffsetByTimestamp`, `UnifiedLog.fetchOffsetByTimestamp`,
`UnifiedLog.rebuildProducerState`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aliran.core.files import FileSystem, FileSystemError
from aliran.protocol.errors import CorruptBatchError
from aliran.protocol.records import BatchHeader, decode_batch
from aliran.storage.log.segment import SNAPSHOT_SUFFIX, Segment

if TYPE_CHECKING:
    from aliran.storage.log.partition_log import PartitionLog

logger: logging.Logger = logging.getLogger("aliran.storage.log")


def offset_for_timestamp(log: PartitionLog, timestamp_ms: int) -> tuple[int, int] | None:
    """Return (offset, timestamp) of the earliest record at or after `timestamp_ms`."""
    with log.lock:
        log.check_open()
        for segment in list(log.segments):
            if segment.max_timestamp >= timestamp_ms:
                found = _first_at_or_after(log, segment, timestamp_ms)
                if found is not None:
                    return found
        return None


def offset_of_max_timestamp(log: PartitionLog) -> tuple[int, int] | None:
    """Return (offset, timestamp) of the first record with the newest time of the log."""
    with log.lock:
        log.check_open()
        newest = max(log.segments, key=lambda segment: segment.max_timestamp)
        if newest.max_timestamp < 0:
            return None
        return _first_at_or_after(log, newest, newest.max_timestamp)


def _first_at_or_after(
    log: PartitionLog, segment: Segment, timestamp_ms: int
) -> tuple[int, int] | None:
    start_offset = max(segment.time_index.lookup(timestamp_ms), log.log_start_offset)
    position = segment.offset_index.lookup(start_offset)
    try:
        for at, header in segment.headers(position):
            position = at
            if header.max_timestamp >= timestamp_ms and header.last_offset >= start_offset:
                found = _in_batch(log, segment, position, header, timestamp_ms)
                if found is not None:
                    return found
    except CorruptBatchError as error:
        at = max(error.position, position)
        raise log.damaged(segment, start_offset, at, str(error)) from error
    return None


def _in_batch(
    log: PartitionLog, segment: Segment, position: int, header: BatchHeader, timestamp_ms: int
) -> tuple[int, int] | None:
    batch = decode_batch(segment.log.read(position, header.size))
    for offset, timestamp in zip(batch.offsets, batch.timestamps, strict=True):
        if timestamp >= timestamp_ms and offset >= log.log_start_offset:
            return offset, timestamp
    return None


def rebuild_producers(log: PartitionLog) -> None:
    """Load the newest usable snapshot up to the log's end and replay the batches after it.

    Snapshots beyond the end are removed: they tell of records that are no more. So are those before
    the first segment: what was written between is gone, and a producer that wrote there would be
    refused for what it sends next. Not to know it is right, as in Kafka.
    """
    log.producers.clear()
    now_ms = log.clock.time_ms()
    start = 0
    first = log.segments[0].base_offset
    for offset in sorted(snapshot_offsets(log.fs, log.directory), reverse=True):
        path = log.snapshot_path(offset)
        if not first <= offset <= log.log_end_offset:
            log.fs.remove(path)
        elif log.producers.load_snapshot(log.fs.read_bytes(path)):
            start = offset
            break
        else:
            logger.warning("%s: removed the damaged snapshot %s", log.topic_partition, path)
            log.fs.remove(path)
    for segment in log.segments:
        if segment is not log.segments[-1] and segment.base_offset < start:
            following = log.segments[log.segments.index(segment) + 1].base_offset
            if following <= start:
                continue
        if segment.base_offset > max(start, first):
            _restore_snapshot(log, segment.base_offset)
        _replay(log, segment, start, now_ms)
    log.producers.expire(now_ms)
    _remove_stray_snapshots(log, start)


def _replay(log: PartitionLog, segment: Segment, start: int, now_ms: int) -> None:
    if start >= log.log_end_offset:
        return
    try:
        for _, header in segment.headers(segment.offset_index.lookup(start)):
            if header.base_offset >= start:
                log.producers.update(header, header.last_offset, now_ms)
    except CorruptBatchError as error:
        logger.warning(
            "%s: producers that wrote behind byte %d of %s are not known, since it is damaged: %s",
            log.topic_partition,
            error.position,
            segment.log_path,
            error,
        )


def _restore_snapshot(log: PartitionLog, offset: int) -> None:
    """Write the snapshot at the start of a segment that a crash took.

    Compaction drops a producer's batch when a newer one follows, even one in a segment that may be
    cut later. Then only the snapshot at the start of that segment tells of the dropped one.
    """
    if log.fs.exists(log.snapshot_path(offset)):
        return
    try:
        log.write_snapshot(offset)
    except FileSystemError as error:
        logger.warning("%s: no snapshot at offset %d: %s", log.topic_partition, offset, error)


def _remove_stray_snapshots(log: PartitionLog, newest: int) -> None:
    """Keep the newest snapshot and those at the start of a segment, as Kafka does."""
    bases = {segment.base_offset for segment in log.segments}
    for offset in snapshot_offsets(log.fs, log.directory):
        if offset != newest and offset not in bases:
            log.fs.remove(log.snapshot_path(offset))


def snapshot_offsets(fs: FileSystem, directory: str) -> list[int]:
    """Return the offsets of the producer snapshots in a partition's directory."""
    stems = (name.removesuffix(SNAPSHOT_SUFFIX) for name in fs.list_dir(directory))
    names = {f"{stem}{SNAPSHOT_SUFFIX}": stem for stem in stems if stem.isdigit()}
    return [int(stem) for name, stem in names.items() if fs.exists(f"{directory}/{name}")]
