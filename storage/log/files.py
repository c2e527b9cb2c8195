"""The files of one partition: its segments, when they roll, what is flushed, how they close.

`LogFiles` is the lower half of `PartitionLog`: it knows offsets, bytes and the disk, but no rules
about records. Kafka: `LocalLog`, and the durable part of `UnifiedLog`.
"""

from __future__ import annotations

import logging
import threading
from bisect import bisect_right
from collections.abc import Callable
from typing import NamedTuple

from aliran.core.clock import Clock
from aliran.core.files import FileSystem, FileSystemError
from aliran.core.types import TopicPartition
from aliran.storage.errors import (
    CorruptSegmentError,
    LogClosedError,
    LogStorageError,
    RecordListTooLargeError,
)
from aliran.storage.log.checkpoints import LEADER_EPOCH_FILE, write_leader_epochs
from aliran.storage.log.config import LogConfig
from aliran.storage.log.producer_state import DEFAULT_EXPIRATION_MS, ProducerStateManager
from aliran.storage.log.segment import INT32_MAX, SNAPSHOT_SUFFIX, Segment, file_name

logger: logging.Logger = logging.getLogger("aliran.storage.log")


class LogStatistics(NamedTuple):
    """Figures of one log at one moment."""

    size_bytes: int
    segments: int
    log_start_offset: int
    log_end_offset: int
    recovery_point: int
    producers: int
    max_timestamp_ms: int


class LogFiles:
    """The segments of one partition and their life on the disk. See `PartitionLog`."""

    def __init__(
        self,
        topic_partition: TopicPartition,
        directory: str,
        config: LogConfig,
        fs: FileSystem,
        clock: Clock,
        producer_expiration_ms: int = DEFAULT_EXPIRATION_MS,
    ) -> None:
        self.topic_partition = topic_partition
        self.directory = directory
        self.config = config
        self.fs = fs
        self.clock = clock
        self.log_start_offset: int = 0
        self.log_end_offset: int = 0
        self.recovery_point: int = 0
        self.compaction_limit: int | None = None
        self.write_checkpoint: Callable[[], None] = _nothing
        self.lock: threading.RLock = threading.RLock()
        self.segments: list[Segment] = []
        self.producers: ProducerStateManager = ProducerStateManager(
            topic_partition, producer_expiration_ms
        )
        self.leader_epochs: list[tuple[int, int]] = []
        # Taken before `lock`, never inside of it.
        self.flush_lock: threading.RLock = threading.RLock()
        self._bases: list[int] = []
        self._generation = 0  # grows when bytes that were readable are replaced
        self._directory_changed = True
        self._unflushed_indexes: list[Segment] = []
        self._unflushed_snapshots: list[str] = []
        self._last_flush_ms = clock.time_ms()
        self._unflushable: FileSystemError | None = None
        self.closed: bool = False

    # rolling

    def _segment_for(self, size: int, records: int, newest: int) -> Segment:
        """Return the active segment, a new one where the old one cannot take the batches."""
        self.check_open()
        if self._unflushable is not None:
            raise self._lost_error(self._unflushable)
        config, segment = self.config, self.segments[-1]
        if size > config.segment_bytes:
            raise RecordListTooLargeError(
                f"{self.topic_partition}: {size:,} bytes of batches do not fit into a segment "
                f"(segment.bytes={config.segment_bytes:,}); send smaller batches",
                self.topic_partition,
            )
        last_relative = self.log_end_offset + records - 1 - segment.base_offset
        if (
            segment.size > config.segment_bytes - size
            or (segment.size and self._is_old(segment, newest))
            or segment.offset_index.is_full(config.segment_index_bytes)
            or segment.time_index.is_full(config.segment_index_bytes)
            or last_relative > INT32_MAX
        ):
            return self.roll()
        return segment

    def _is_old(self, segment: Segment, newest: int) -> bool:
        """Whether the segment's age, by records' times or else by the clock, asks for a roll."""
        first = segment.first_timestamp
        if first is not None and first >= 0 and newest >= 0:
            age = newest - first
        else:
            age = self.clock.time_ms() - segment.created_ms
        config = self.config
        jitter = 0
        if config.segment_jitter_ms:
            spread = min(config.segment_jitter_ms, config.max_segment_ms)
            jitter = hash((self.topic_partition, segment.base_offset)) % (spread + 1)
        return age > config.max_segment_ms - jitter

    def roll(self) -> Segment:
        """Close the active segment and start another at the log's end; return it.

        Raises:
            LogStorageError: The disk refused; the log goes on with the old segment.
        """
        with self.lock:
            self.check_open()
            active = self.segments[-1]
            if not active.size and active.base_offset == self.log_end_offset:
                return active
            segment = Segment(self.fs, self.directory, self.log_end_offset, self.clock.time_ms())
            try:
                active.seal()
                if self.recovery_point >= self.log_end_offset:
                    # Nothing of this segment is left to flush, so no flush and no recovery would
                    # look at it again: its indexes must be on the disk before the next one exists.
                    active.persist_indexes(flush=True)
                    self.fs.flush_dir(self.directory)
                self.write_snapshot(self.log_end_offset)
                segment.create()
            except FileSystemError as error:
                raise self._storage_error("roll", error) from error
            self._unflushed_indexes.append(active)
            self._directory_changed = True
            self.add_segment(segment)
            return segment

    def add_segment(self, segment: Segment) -> None:
        """Put a segment behind the others (used while loading, too)."""
        self.segments.append(segment)
        self._bases.append(segment.base_offset)

    def replace_segments(self, segments: list[Segment]) -> None:
        """Take another list of segments; readers find the new bytes from now on."""
        self._generation += 1
        self.segments = segments
        self._bases = [segment.base_offset for segment in segments]

    def write_snapshot(self, offset: int) -> None:
        """Write the producers' state as of `offset`; flushed with the next flush.

        Raises:
            FileSystemError: The disk refused.
        """
        path = self.snapshot_path(offset)
        file = self.fs.open(path, create=True)
        try:
            file.truncate(0)
            file.append(self.producers.to_snapshot())
        finally:
            file.close()
        self._unflushed_snapshots.append(path)
        self._directory_changed = True

    def snapshot_path(self, offset: int) -> str:
        """Return the path of the producer snapshot at `offset`."""
        return f"{self.directory}/{file_name(offset)}{SNAPSHOT_SUFFIX}"

    def _assign_epoch(self, epoch: int, start_offset: int) -> None:
        """Note that a new leader epoch starts here. Kafka: `LeaderEpochFileCache.assign`."""
        if epoch > self.leader_epochs[-1][0]:
            epochs = [*self.leader_epochs, (epoch, start_offset)]
            try:
                write_leader_epochs(self.fs, f"{self.directory}/{LEADER_EPOCH_FILE}", epochs)
            except FileSystemError as error:
                raise self._storage_error("append", error) from error
            self.leader_epochs = epochs

    # flushing and closing

    def flush(self, *, sealed_only: bool = False) -> None:
        """Bring all that was appended onto the disk (fsync) and move the recovery point.

        Args:
            sealed_only: Leave the active segment out.

        Raises:
            LogStorageError: The disk refused; the recovery point stays where it was. When it was
                the data of a segment that could not be flushed, every later append and flush is
                refused as well: the system takes the bytes it lost for written from then on.
        """
        with self.flush_lock:
            with self.lock:
                if self.closed:
                    return
                if self._unflushable is not None:
                    raise self._lost_error(self._unflushable)
                end = self.segments[-1].base_offset if sealed_only else self.log_end_offset
                if end <= self.recovery_point and not self._directory_changed:
                    return
                slot = max(0, bisect_right(self._bases, self.recovery_point) - 1)
                waiting = self.segments[slot : -1 if sealed_only else None]
                present = set(map(id, self.segments))
                sealed = [seg for seg in self._unflushed_indexes if id(seg) in present]
                self._unflushed_indexes = []
                snapshots, self._unflushed_snapshots = self._unflushed_snapshots, []
                self._directory_changed = False
            try:
                for segment in waiting:
                    self._flush_data(segment)
                for segment in sealed:
                    segment.persist_indexes(flush=True)
                for path in snapshots:
                    self._flush_path(path)
                self.fs.flush_dir(self.directory)
            except FileSystemError as error:
                with self.lock:
                    self._directory_changed = True
                    self._unflushed_indexes += sealed
                    self._unflushed_snapshots += snapshots
                raise self._storage_error("flush", error) from error
            self.recovery_point = max(self.recovery_point, end)
            self._last_flush_ms = self.clock.time_ms()

    def _flush_data(self, segment: Segment) -> None:
        try:
            segment.flush()
        except FileSystemError as error:
            self._unflushable = error
            raise

    def flush_due(self, now_ms: int) -> bool:
        """Flush what `flush.ms` asks for, and sealed segments; return whether anything was due."""
        if self.closed or self.log_end_offset <= self.recovery_point:
            self._last_flush_ms = now_ms
            return False
        self._last_flush_ms = min(self._last_flush_ms, now_ms)  # the clock was set back
        if now_ms - self._last_flush_ms >= self.config.flush_ms:
            self.flush()
            return True
        if self.segments[-1].base_offset > self.recovery_point:
            last = self._last_flush_ms
            self.flush(sealed_only=True)
            self._last_flush_ms = last
            return True
        return False

    def _flush_path(self, path: str) -> None:
        if self.fs.exists(path):
            file = self.fs.open(path)
            try:
                file.flush()
            finally:
                file.close()

    def close(self) -> None:
        """Flush, write indexes and the producers' state, and close the files. Idempotent.

        Raises:
            LogStorageError: The disk refused; the next start recovers the log.
        """
        with self.flush_lock, self.lock:
            if self.closed:
                return
            try:
                self.segments[-1].seal()
                self.segments[-1].persist_indexes(flush=True)
                self.write_snapshot(self.log_end_offset)
                self.flush()
            except FileSystemError as error:
                raise self._storage_error("close", error) from error
            finally:
                self.closed = True
                for segment in self.segments:
                    segment.close()

    def abandon(self) -> None:
        """Close the files without writing anything: the log is about to be deleted."""
        with self.flush_lock, self.lock:
            self.closed = True
            self._generation += 1
            for segment in self.segments:
                segment.close()

    # figures and errors

    def size(self) -> int:
        """Return the bytes of all segments' log files."""
        with self.lock:
            return sum(segment.size for segment in self.segments)

    def statistics(self) -> LogStatistics:
        """Return figures of this moment."""
        with self.lock:
            return LogStatistics(
                sum(segment.size for segment in self.segments),
                len(self.segments),
                self.log_start_offset,
                self.log_end_offset,
                self.recovery_point,
                len(self.producers),
                max(segment.max_timestamp for segment in self.segments),
            )

    def damaged(
        self, segment: Segment, offset: int, position: int, reason: str
    ) -> CorruptSegmentError:
        """Return the error for bytes on disk that are not what was written."""
        return CorruptSegmentError(self.topic_partition, offset, segment.log_path, position, reason)

    def check_open(self) -> None:
        """Raise `LogClosedError` where the log was closed or deleted. Under the lock."""
        if self.closed:
            raise self._closed_error()

    def _closed_error(self) -> LogClosedError:
        return LogClosedError(
            f"{self.topic_partition}: the log is closed (the broker stops, or the topic was "
            "deleted); open it again or create the topic",
            self.topic_partition,
        )

    def _lost_error(self, error: FileSystemError) -> LogStorageError:
        return LogStorageError(
            f"{self.topic_partition}: nothing more is written, since an earlier flush failed and "
            f"what it was to write may be lost: {error}. Check the disk, then restart the broker: "
            "it checks the log and cuts it at the first record that is damaged",
            self.topic_partition,
        )

    def _storage_error(self, action: str, error: FileSystemError) -> LogStorageError:
        return LogStorageError(
            f"{self.topic_partition}: {action} failed: {error}", self.topic_partition
        )


def _nothing() -> None:
    """Stand in for a callback nobody set."""
