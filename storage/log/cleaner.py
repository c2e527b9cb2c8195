"""Compaction: of all records with a key only the newest stays, offsets never change.

One run over a log: the sealed segments above the cleaner's checkpoint are read to learn the newest
offset of each key; then all segments up to there are copied without what is outdated, small
neighbours merged, and swapped in. Tombstones get a delete horizon at their first run and go at the
first run after it (KIP-534). Records without a key go. A batch of which nothing is left stays as an
empty one while it is the last of its producer. Kafka: `LogCleaner`, `Cleaner`.

The swap on the disk, so that a crash at any point leaves the old or the new segments:
1. write and flush `.cleaned` files; 2. rename them to `.swap`, the log last, and flush the
directory: from here on the new ones count; 3. remove the old segments; 4. rename `.swap` to the
final names, the log last. `recovery` finishes 3 and 4.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from typing import NamedTuple

from aliran.core.files import FileSystemError
from aliran.protocol.batch_header import CODEC_MASK, DELETE_HORIZON_BIT
from aliran.protocol.errors import CorruptBatchError
from aliran.protocol.record_encoder import assemble_batch
from aliran.protocol.records import (
    BatchHeader,
    DecodedBatch,
    decode_batch,
    filter_batch,
    read_header,
)
from aliran.storage.errors import LogStorageError
from aliran.storage.log.partition_log import PartitionLog
from aliran.storage.log.segment import (
    CLEANED_SUFFIX,
    INDEX_SUFFIX,
    INT32_MAX,
    LOG_SUFFIX,
    SWAP_SUFFIX,
    TIME_INDEX_SUFFIX,
    Segment,
)

logger: logging.Logger = logging.getLogger("aliran.storage.log")

MAX_KEYS = 2_000_000
"""A run stops reading dirty segments once it knows this many keys; the next one goes on there."""


class _StoppedError(Exception):
    """The broker stops: the run is to be given up."""


class Cleaned(NamedTuple):
    """What a run did.

    Attributes:
        end_offset: All sealed records below are compacted; the next run's checkpoint.
        bytes_before: Of the segments that were copied.
        bytes_after: Of their replacements.
    """

    end_offset: int
    bytes_before: int
    bytes_after: int


class Cleanable(NamedTuple):
    """What of a log may be cleaned: the sealed segments, dirty ones from number `first_dirty`."""

    segments: list[Segment]
    first_dirty: int
    first_dirty_offset: int
    end_offset: int


def find_cleanable(log: PartitionLog, checkpoint: int, now_ms: int) -> Cleanable | None:
    """Return what is due for compaction, None when nothing is."""
    config = log.config
    with log.lock:
        if log.closed:
            return None
        sealed = log.segments[:-1]
        end = log.segments[-1].base_offset
        start, limit = log.log_start_offset, log.compaction_limit
    newest_allowed = now_ms - config.min_compaction_lag_ms
    lags = config.min_compaction_lag_ms > 0
    for slot, segment in enumerate(sealed):
        may_be_cut = limit is not None and _end_of(sealed, slot, end) > limit
        if may_be_cut or (lags and segment.max_timestamp > newest_allowed):
            end = segment.base_offset
            sealed = sealed[:slot]
            break
    dirty_offset = max(checkpoint if checkpoint <= log.log_end_offset else start, start)
    first_dirty = sum(segment.base_offset < dirty_offset for segment in sealed)
    if first_dirty and _end_of(sealed, first_dirty - 1, end) > dirty_offset:
        first_dirty -= 1  # the checkpoint lies inside of this segment
    dirty = sealed[first_dirty:]
    dirty_bytes = sum(segment.size for segment in dirty)
    total = sum(segment.size for segment in sealed)
    if not dirty_bytes:
        return None
    oldest = dirty[0].first_timestamp
    if oldest is None or oldest < 0:
        oldest = dirty[0].max_timestamp
    too_old = now_ms - oldest > config.max_compaction_lag_ms
    if dirty_bytes / total < config.min_cleanable_dirty_ratio and not too_old:
        return None
    return Cleanable(sealed, first_dirty, dirty_offset, end)


def clean(
    log: PartitionLog,
    checkpoint: int,
    now_ms: int,
    max_keys: int = MAX_KEYS,
    *,
    stopping: threading.Event | None = None,
) -> Cleaned | None:
    """Compact a log if it is due; return what was done.

    Args:
        log: A log whose policy is to compact.
        checkpoint: Where the last run ended, 0 for none.
        now_ms: The time, for lags and delete horizons.
        max_keys: Bounds the memory of the run.
        stopping: Once set, the run gives up before its next batch; what it has not replaced stays.

    Raises:
        CorruptSegmentError: A segment on the disk is damaged; nothing was replaced.
        LogStorageError: The disk refused.
    """
    due = find_cleanable(log, checkpoint, now_ms)
    if due is None:
        return None
    try:
        return _clean(log, due, now_ms, max_keys, stopping or threading.Event())
    except _StoppedError:
        _remove_leftovers(log)
        return None
    except FileSystemError as error:
        with contextlib.suppress(FileSystemError):
            _remove_leftovers(log)
        if log.closed:  # its topic was deleted meanwhile
            return None
        raise LogStorageError(
            f"{log.topic_partition}: compaction failed: {error}", log.topic_partition
        ) from error


def _clean(
    log: PartitionLog, due: Cleanable, now_ms: int, max_keys: int, stopping: threading.Event
) -> Cleaned | None:
    # Recovery takes a gap between segments for lost data, but only above the recovery point: it has
    # to be on the disk before there are gaps.
    log.flush()
    log.write_checkpoint()
    newest, used = _newest_offsets(log, due, max_keys, stopping)
    segments = due.segments[:used]
    end = _end_of(due.segments, used - 1, due.end_offset)
    before = sum(segment.size for segment in segments)
    after = 0
    for group in _groups(log, segments, end):
        replaced = _clean_group(log, group, newest, now_ms, stopping)
        if replaced is None:
            return None
        after += replaced
    logger.info(
        "%s: compacted up to offset %d: %d bytes became %d", log.topic_partition, end, before, after
    )
    return Cleaned(end, before, after)


def _end_of(segments: list[Segment], slot: int, end: int) -> int:
    return segments[slot + 1].base_offset if slot + 1 < len(segments) else end


def _newest_offsets(
    log: PartitionLog, due: Cleanable, max_keys: int, stopping: threading.Event
) -> tuple[dict[bytes, int], int]:
    """Return the newest offset of each key in the dirty segments, and how many were read."""
    newest: dict[bytes, int] = {}
    used = due.first_dirty
    for segment in due.segments[due.first_dirty :]:
        if newest and len(newest) >= max_keys:
            break
        for _, batch in _batches(log, segment, stopping):
            if batch.header.is_control or batch.header.last_offset < due.first_dirty_offset:
                continue
            rows = zip(batch.keys, batch.offsets, strict=True)
            newest.update((key, offset) for key, offset in rows if key is not None)
        used += 1
    return newest, used


def _batches(
    log: PartitionLog, segment: Segment, stopping: threading.Event
) -> Iterator[tuple[bytes, DecodedBatch]]:
    """Yield each batch of a segment as stored and decoded."""
    position = 0
    try:
        for position, header in segment.headers():
            if stopping.is_set():
                raise _StoppedError
            data = segment.log.read(position, header.size)
            yield data, decode_batch(data)
    except CorruptBatchError as error:
        raise log.damaged(segment, segment.base_offset, position, str(error)) from error


def _groups(log: PartitionLog, segments: list[Segment], end: int) -> Iterator[list[Segment]]:
    """Yield neighbours that fit into one segment together. Kafka: `groupSegmentsBySize`."""
    group: list[Segment] = []
    size = index = 0
    for slot, segment in enumerate(segments):
        entries = max(len(segment.offset_index), len(segment.time_index)) * 12
        last_offset = _end_of(segments, slot, end) - 1
        if group and (
            size + segment.size > log.config.segment_bytes
            or index + entries > log.config.segment_index_bytes
            or last_offset - group[0].base_offset > INT32_MAX
        ):
            yield group
            group, size, index = [], 0, 0
        group.append(segment)
        size += segment.size
        index += entries
    if group:
        yield group


def _clean_group(
    log: PartitionLog,
    group: list[Segment],
    newest: dict[bytes, int],
    now_ms: int,
    stopping: threading.Event,
) -> int | None:
    """Replace a group by one cleaned segment; return its size, None when the log changed."""
    base = group[0].base_offset
    cleaned = Segment(log.fs, log.directory, base, log.clock.time_ms(), CLEANED_SUFFIX)
    cleaned.create()
    with log.lock:
        last_batches = {
            entry.batches[-1].last_offset for entry in log.producers.entries() if entry.batches
        }
    interval = log.config.index_interval_bytes
    for segment in group:
        for data, batch in _batches(log, segment, stopping):
            kept = _filtered(data, batch, newest, last_batches, now_ms, log)
            if kept is not None:
                header = batch.header if kept is data else read_header(kept)
                position = cleaned.append(kept)
                cleaned.note(
                    position, len(kept), header.last_offset, header.max_timestamp, interval
                )
    cleaned.time_index.append(cleaned.max_timestamp, cleaned.offset_of_max_timestamp)
    cleaned.persist_indexes(flush=True)
    cleaned.flush()
    cleaned.close()
    return cleaned.size if _swap(log, group) else None


def _filtered(
    data: bytes,
    batch: DecodedBatch,
    newest: dict[bytes, int],
    last_batches: set[int],
    now_ms: int,
    log: PartitionLog,
) -> bytes | bytearray | None:
    """Return the batch without outdated records, itself when all stay, None when none does."""
    header = batch.header
    if header.is_control:
        return data
    horizon = header.base_timestamp if header.has_delete_horizon else None
    keeps_tombstones = horizon is None or now_ms < horizon
    rows = [
        row
        for row, (key, value, offset) in enumerate(
            zip(batch.keys, batch.values, batch.offsets, strict=True)
        )
        if key is not None
        and offset >= newest.get(key, offset)
        and (value is not None or keeps_tombstones)
    ]
    if not rows:
        return _empty(header) if header.last_offset in last_batches else None
    new_horizon = None
    if horizon is None and any(batch.values[row] is None for row in rows):
        new_horizon = now_ms + log.config.delete_retention_ms
    if len(rows) == len(batch.values) and new_horizon is None:
        return data
    return filter_batch(batch, rows, delete_horizon_ms=new_horizon)


def _empty(header: BatchHeader) -> bytearray:
    """Return the batch without records: a bare header, never compressed, as clients expect it.

    Kafka: `DefaultRecordBatch.writeEmptyHeader`.
    """
    attributes = header.attributes & ~(CODEC_MASK | DELETE_HORIZON_BIT)
    return assemble_batch(
        header._replace(attributes=attributes, base_timestamp=header.max_timestamp, record_count=0),
        b"",
    )


def _swap(log: PartitionLog, group: list[Segment]) -> bool:
    """Put the cleaned segment in the place of the group; False when the log changed meanwhile."""
    fs, base = log.fs, group[0].base_offset
    stem = group[0].stem
    suffixes = (INDEX_SUFFIX, TIME_INDEX_SUFFIX, LOG_SUFFIX)  # the log last: it decides
    with log.flush_lock, log.lock:
        slot = next((n for n, one in enumerate(log.segments) if one is group[0]), -1)
        present = log.segments[slot : slot + len(group)] if slot >= 0 else []
        unchanged = len(present) == len(group) and all(map(_same, present, group))
        if log.closed or not unchanged or slot + len(group) >= len(log.segments):
            _remove_leftovers(log)
            return False
        for suffix in suffixes:
            fs.rename(stem + suffix + CLEANED_SUFFIX, stem + suffix + SWAP_SUFFIX)
        fs.flush_dir(log.directory)
        for segment in group[1:]:
            segment.delete()
            fs.remove(log.snapshot_path(segment.base_offset))
        for suffix in suffixes:
            fs.rename(stem + suffix + SWAP_SUFFIX, stem + suffix)
        fs.flush_dir(log.directory)
        fresh = Segment(fs, log.directory, base, log.clock.time_ms())
        fresh.load_size()
        fresh.trusted_from = 0
        fresh.load_indexes()
        log.replace_segments([*log.segments[:slot], fresh, *log.segments[slot + len(group) :]])
    return True


def _same(one: Segment, other: Segment) -> bool:
    return one is other


def _remove_leftovers(log: PartitionLog) -> None:
    for name in log.fs.list_dir(log.directory):
        if name.endswith(CLEANED_SUFFIX):
            log.fs.remove(f"{log.directory}/{name}")
