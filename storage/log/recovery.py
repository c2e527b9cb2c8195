"""Opening a partition's directory: after a clean stop, or after a crash.

After a clean stop the indexes are read and believed if they fit the log. After a crash every
segment from the recovery point on is checked batch by batch, cut at the first byte that is not
right, and its indexes are rebuilt; segments behind a cut go, since a log without its middle is
worth less than a shorter one. Kafka: `LogLoader`, `LogSegment.recover`.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from typing import NamedTuple

from aliran.core.clock import Clock
from aliran.core.files import FileSystem
from aliran.core.types import TopicPartition
from aliran.protocol.errors import CorruptBatchError
from aliran.storage.errors import DataDirectoryError
from aliran.storage.log.checkpoints import (
    LEADER_EPOCH_FILE,
    PARTITION_METADATA_FILE,
    read_leader_epochs,
    read_partition_metadata,
    write_leader_epochs,
)
from aliran.storage.log.config import LogConfig
from aliran.storage.log.partition_log import PartitionLog
from aliran.storage.log.producer_state import DEFAULT_EXPIRATION_MS
from aliran.storage.log.segment import (
    CLEANED_SUFFIX,
    DELETED_SUFFIX,
    INDEX_SUFFIX,
    LOG_SUFFIX,
    SNAPSHOT_SUFFIX,
    SWAP_SUFFIX,
    TIME_INDEX_SUFFIX,
    TXN_INDEX_SUFFIX,
    Segment,
)

logger: logging.Logger = logging.getLogger("aliran.storage.log")

_SIDE_FILES = (INDEX_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX)
_KNOWN = {LEADER_EPOCH_FILE, PARTITION_METADATA_FILE}


class StoppedAt(NamedTuple):
    """What the data directory says about how a log was left.

    Attributes:
        clean: Whether it was closed.
        recovery_point: All below is on the disk.
        log_start_offset: The first readable offset.
    """

    clean: bool = True
    recovery_point: int = 0
    log_start_offset: int = 0


_FRESH = StoppedAt()


def load_log(
    topic_partition: TopicPartition,
    directory: str,
    config: LogConfig,
    fs: FileSystem,
    clock: Clock,
    stopped: StoppedAt = _FRESH,
    producer_expiration_ms: int = DEFAULT_EXPIRATION_MS,
) -> PartitionLog:
    """Open the log in `directory`, creating its first segment when there is none.

    Raises:
        DataDirectoryError: A file in it is not one of a log, or its metadata is damaged.
        FileSystemError: The disk refused.
    """
    log = PartitionLog(topic_partition, directory, config, fs, clock, producer_expiration_ms)
    log.topic_id = read_partition_metadata(fs, f"{directory}/{PARTITION_METADATA_FILE}")
    log.log_start_offset = stopped.log_start_offset
    bases = _tidy(log)
    for base in bases:
        segment = Segment(fs, directory, base, clock.time_ms())
        segment.load_size()
        log.add_segment(segment)
    first_unsafe = len(bases)
    if not stopped.clean:
        first_unsafe = max(0, bisect_right(bases, stopped.recovery_point) - 1)
    for segment in log.segments[:first_unsafe]:
        _load_indexes(log, segment)
    if first_unsafe < len(bases):
        _recover(log, first_unsafe)
    _load_end(log)
    log.recovery_point = min(stopped.recovery_point, log.log_end_offset)
    _load_epochs(log)
    log.reload_producers()
    if not stopped.clean:
        _make_durable(log)
    return log


def _tidy(log: PartitionLog) -> list[int]:
    """Remove what a crash left half done; return the base offsets of the segments."""
    fs, directory = log.fs, log.directory
    names = fs.list_dir(directory)
    for name in names:
        if name.endswith((CLEANED_SUFFIX, DELETED_SUFFIX, ".tmp")):
            fs.remove(f"{directory}/{name}")
    _finish_swaps(log, [name for name in names if name.endswith(SWAP_SUFFIX)])
    bases = []
    names = fs.list_dir(directory)
    for name in names:
        stem, dot, suffix = name.partition(".")
        if name.endswith(LOG_SUFFIX):
            if not (stem.isdigit() and len(stem) == 20 and dot + suffix == LOG_SUFFIX):
                raise DataDirectoryError(
                    f"{directory}/{name} is not a segment of a log: its name should be 20 digits "
                    "and .log; move it away",
                    log.topic_partition,
                )
            bases.append(int(stem))
    for name in names:
        stem, dot, suffix = name.partition(".")
        if dot + suffix in _SIDE_FILES and stem.isdigit():
            if int(stem) not in bases:
                fs.remove(f"{directory}/{name}")
        elif name not in _KNOWN and not name.endswith((LOG_SUFFIX, SNAPSHOT_SUFFIX)):
            logger.warning("%s/%s is not a file of a log and is left alone", directory, name)
    return bases


def _finish_swaps(log: PartitionLog, names: list[str]) -> None:
    """Bring a compaction to its end that had decided to replace segments."""
    fs, directory = log.fs, log.directory
    for name in names:
        if not name.endswith(LOG_SUFFIX + SWAP_SUFFIX):
            continue
        base = int(name.partition(".")[0])
        swapped = Segment(fs, directory, base, 0, SWAP_SUFFIX)
        swapped.load_size()
        end = swapped.next_offset()
        swapped.close()
        for other in fs.list_dir(directory):
            stem = other.partition(".")[0]
            if other.endswith(LOG_SUFFIX) and stem.isdigit() and base < int(stem) < end:
                Segment(fs, directory, int(stem), 0).delete()
        for suffix in (INDEX_SUFFIX, TIME_INDEX_SUFFIX, LOG_SUFFIX):
            path = f"{directory}/{base:020d}{suffix}"
            if fs.exists(path + SWAP_SUFFIX):  # else it was renamed before the crash
                fs.rename(path + SWAP_SUFFIX, path)
        fs.flush_dir(directory)
    for name in names:
        fs.remove(f"{directory}/{name}")  # indexes whose log never got so far


def _load_indexes(log: PartitionLog, segment: Segment) -> None:
    """Read the indexes of a segment that was closed; rebuild them where they cannot be right."""
    if segment.load_indexes():
        return
    logger.warning(
        "%s: the indexes of %s are missing or do not fit; rebuilding them from the log",
        log.topic_partition,
        segment.log_path,
    )
    whole = segment.size
    for _ in segment.scan(log.config.index_interval_bytes):
        pass
    if segment.size < whole:
        logger.error(
            "%s: %s is damaged at byte %d; reads beyond it will fail",
            log.topic_partition,
            segment.log_path,
            segment.size,
        )
        segment.size = segment.trusted_from = whole
    segment.seal()
    segment.persist_indexes(flush=True)


def _recover(log: PartitionLog, first: int) -> None:
    """Check segments from number `first` on, cut at the first bad byte, drop what lies behind."""
    for slot in range(first, len(log.segments)):
        segment = log.segments[slot]
        whole = segment.log.size()
        end = segment.base_offset
        for header in segment.scan(log.config.index_interval_bytes):
            end = header.last_offset + 1
        if segment.size < whole:
            logger.warning(
                "%s: cut %d bytes off %s at byte %d (offset %d): they were not written whole "
                "before the stop",
                log.topic_partition,
                whole - segment.size,
                segment.log_path,
                segment.size,
                end,
            )
            segment.log.truncate(segment.size)
        following = log.segments[slot + 1 :]
        if following and (segment.size < whole or following[0].base_offset != end):
            _drop(log, slot + 1, end)
            return
        if following:
            segment.seal()
            segment.persist_indexes(flush=True)


def _drop(log: PartitionLog, slot: int, end: int) -> None:
    dropped = log.segments[slot:]
    logger.warning(
        "%s: dropped %d bytes in %d segments behind offset %d, since the records between did not "
        "reach the disk before the stop",
        log.topic_partition,
        sum(segment.size for segment in dropped),
        len(dropped),
        end,
    )
    log.replace_segments(log.segments[:slot])
    for segment in reversed(dropped):
        segment.delete()


def _load_end(log: PartitionLog) -> None:
    """Find the end of the log, and start it anew where it ends before it begins."""
    if log.segments:
        active = log.segments[-1]
        try:
            log.log_end_offset = active.next_offset()
            headers = active.headers()
            log_first = next(headers, None)
        except CorruptBatchError as error:
            logger.warning("%s: the end of %s: %s", log.topic_partition, active.log_path, error)
            _recover(log, len(log.segments) - 1)
            log.log_end_offset = active.next_offset()
            log_first = next(active.headers(), None)
        if log_first is not None:
            active.first_timestamp = log_first[1].max_timestamp
    if log.segments and log.log_end_offset < log.log_start_offset:
        logger.warning(
            "%s: the log ends at %d, before its start at %d: all of it was deleted; going on there",
            log.topic_partition,
            log.log_end_offset,
            log.log_start_offset,
        )
        for segment in log.segments:
            segment.delete()
        log.replace_segments([])
    if not log.segments:
        segment = Segment(log.fs, log.directory, log.log_start_offset, log.clock.time_ms())
        segment.create()
        log.add_segment(segment)
        log.log_end_offset = log.log_start_offset
    log.log_start_offset = max(log.log_start_offset, log.segments[0].base_offset)


def _load_epochs(log: PartitionLog) -> None:
    path = f"{log.directory}/{LEADER_EPOCH_FILE}"
    epochs = [pair for pair in read_leader_epochs(log.fs, path) if pair[1] <= log.log_end_offset]
    if not epochs:
        epochs = [(0, log.log_start_offset)]
        write_leader_epochs(log.fs, path, epochs)
    log.leader_epochs = epochs


def _make_durable(log: PartitionLog) -> None:
    """Flush what recovery kept: from here on it counts as written before this start."""
    log.flush()
