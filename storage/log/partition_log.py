"""The log of one partition: append, read, look up, cut, flush.

One lock a partition; it is taken once a batch, never a record, and not held while record data is
read. Batches are stored as their producer sent them, with offset and leader epoch patched into the
header outside of the CRC. Kafka: `UnifiedLog`, `LocalLog`.

What survives
-------------
- *kill -9*: every append that returned, since its bytes are in the operating system's cache.
- *Power loss*: what was flushed (fsync). As with Kafka's defaults nothing is flushed by an append:
  set `flush.messages=1` to have each append flushed before it returns, or `flush.ms` to bound the
  loss. Sealed segments are flushed by `LogManager.flush_due`, all is flushed at a clean close.
  After power loss the log is cut at the first byte that is not right; nothing appears that was
  never written, and nothing that was flushed is gone.
"""

from __future__ import annotations

import uuid
from bisect import bisect_right
from collections.abc import Callable, Sequence
from struct import Struct
from typing import NamedTuple

from aliran.core.clock import Clock
from aliran.core.files import Buffer, File, FileSystem, FileSystemError
from aliran.core.types import Headers, TopicPartition
from aliran.protocol.errors import CorruptBatchError
from aliran.protocol.records import (
    BatchHeader,
    encode_batch,
    patch_batch,
    set_log_append_time,
    validate_batch,
)
from aliran.storage.errors import MessageTooLargeError, OffsetOutOfRangeError
from aliran.storage.log import lookup
from aliran.storage.log.config import LogConfig
from aliran.storage.log.files import LogFiles
from aliran.storage.log.producer_state import DEFAULT_EXPIRATION_MS
from aliran.storage.log.segment import Segment, Span
from aliran.storage.log.validation import (
    CODECS,
    check_batches,
    keyless,
    offset_count,
    placed,
    recompress,
)

_OFFSET = Struct(">q")
_EPOCH = Struct(">i")
_MAX_TIMESTAMP = Struct(">35xq")
_AFTER_EPOCH = 16


class AppendResult(NamedTuple):
    """Where an append went.

    Attributes:
        base_offset: The offset of its first record.
        last_offset: The offset of its last record.
        log_append_time_ms: The time the broker stamped, or -1 where the producer's times count.
        log_start_offset: The first offset the log holds.
        duplicate: Whether the batch had been taken before; then the offsets are those of that time.
    """

    base_offset: int
    last_offset: int
    log_append_time_ms: int
    log_start_offset: int
    duplicate: bool = False


class PartitionLog(LogFiles):
    """The log of one partition. Thread-safe. Made by `LogManager`, or by `recovery.load_log`.

    Attributes:
        topic_partition: Whose log it is.
        topic_id: The id of its topic, or None when the directory does not tell.
        directory: Where its files are.
        config: Its settings; may be replaced at any time.
        log_start_offset: The first offset that can be read.
        log_end_offset: The offset the next record gets.
        recovery_point: All below this offset is on the disk for sure.
        compaction_limit: Compaction takes no record from this offset on, None for no limit. Set by
            who may still cut the log back to there: a value that the cut brings back must be there.
        on_append: Called with the log after every append, outside of the lock.
        write_checkpoint: Writes the recovery point and the start offset to the disk; called where
            a crash must not find older ones.
    """

    log_end_offset: int
    log_start_offset: int
    recovery_point: int

    def __init__(
        self,
        topic_partition: TopicPartition,
        directory: str,
        config: LogConfig,
        fs: FileSystem,
        clock: Clock,
        producer_expiration_ms: int = DEFAULT_EXPIRATION_MS,
    ) -> None:
        super().__init__(topic_partition, directory, config, fs, clock, producer_expiration_ms)
        self.topic_id: uuid.UUID | None = None
        self.on_append: list[Callable[[PartitionLog], None]] = []

    def __repr__(self) -> str:
        return (
            f"PartitionLog({self.topic_partition}, {self.log_start_offset}–{self.log_end_offset})"
        )

    # appending

    def append(
        self, records: Buffer, *, leader_epoch: int = 0, allow_control: bool = False
    ) -> AppendResult:
        """Append one or more whole batches as a client sent them, after checking them.

        Args:
            records: The batches; not changed.
            leader_epoch: Stamped into each batch.
            allow_control: Whether transaction markers are taken (from the coordinator alone).

        Raises:
            LogError: The batch was refused or the disk was; `error_code` tells the client why.
                Nothing was appended.
        """
        config = self.config
        now_ms = self.clock.time_ms()
        batches = check_batches(
            records, self.topic_partition, config, now_ms, allow_control=allow_control
        )
        if config.compression_type != "producer":
            records, batches = recompress(records, batches, self.topic_partition, config)
        with self.lock:
            result = self._check_producers(batches)
            if result is None:
                result = self._append_new(records, batches, leader_epoch, now_ms)
        # Also for a duplicate: its producer has had no answer, maybe since a flush failed.
        self._appended()
        return result

    def _append_new(
        self,
        records: Buffer,
        batches: list[tuple[int, BatchHeader]],
        leader_epoch: int,
        now_ms: int,
    ) -> AppendResult:
        """Give checked batches their offsets and write them. Under the lock."""
        stamp = now_ms if self.config.message_timestamp_type == "LogAppendTime" else -1
        base_offset = self.log_end_offset
        if stamp >= 0 or len(batches) > 1:
            buffers, batches = placed(records, batches, base_offset, leader_epoch, stamp)
        else:
            start = _OFFSET.pack(base_offset), records[8:12], _EPOCH.pack(leader_epoch)
            buffers = [b"".join(start), memoryview(records)[_AFTER_EPOCH:]]
        self._write(buffers, batches, leader_epoch)
        for _, header in batches:
            if header.producer_id >= 0:
                self.producers.update(header, base_offset + header.last_offset_delta, now_ms)
            base_offset += header.last_offset_delta + 1
        return AppendResult(
            base_offset - offset_count(batches), base_offset - 1, stamp, self.log_start_offset
        )

    def append_columns(
        self,
        keys: Sequence[bytes | None],
        values: Sequence[bytes | None],
        timestamps: Sequence[int],
        headers: Sequence[Headers] | None = None,
        *,
        leader_epoch: int = 0,
        divisible: bool = True,
    ) -> AppendResult:
        """Append records of this process: encoded here, so their CRC is not checked again.

        Columns that do not fit `max.message.bytes` as one batch become several, of which a crash
        may leave the first ones only; unless `divisible` is False: then they are refused.

        Raises:
            LogError: See `append`. Of several batches the first ones may have been appended.
            ProtocolError: A record holds what cannot be encoded.
        """
        if self.config.is_compacted and not all(keys):
            missing = [row for row, key in enumerate(keys) if key is None]
            if missing:
                raise keyless(self.topic_partition, missing)
        batches = self._encode(keys, values, timestamps, headers, divisible)
        stamp = -1
        if self.config.message_timestamp_type == "LogAppendTime":
            stamp = self.clock.time_ms()
            for batch, _ in batches:
                set_log_append_time(batch, 0, stamp)
        with self.lock:
            base_offset = self.log_end_offset
            for batch, count in batches:
                self._write_own(batch, count, leader_epoch)
            result = AppendResult(
                base_offset, self.log_end_offset - 1, stamp, self.log_start_offset
            )
        self._appended()
        return result

    def _encode(
        self,
        keys: Sequence[bytes | None],
        values: Sequence[bytes | None],
        timestamps: Sequence[int],
        headers: Sequence[Headers] | None,
        divisible: bool,
    ) -> list[tuple[bytearray, int]]:
        """Return (batch, record count) pairs, none larger than the topic allows."""
        config = self.config
        codec = CODECS.get(config.compression_type, 0)
        batch = encode_batch(keys, values, timestamps, headers, compression=codec)
        if len(batch) <= config.max_message_bytes and len(batch) <= config.segment_bytes:
            return [(batch, len(values))]
        half = len(values) // 2
        if not (half and divisible):
            raise MessageTooLargeError(
                f"{self.topic_partition}: {len(values)} record(s) in one batch are larger than "
                f"max.message.bytes ({config.max_message_bytes:,}) or segment.bytes "
                f"({config.segment_bytes:,}); raise the topic's setting, or send less",
                self.topic_partition,
            )
        result = []
        for part in (slice(half), slice(half, None)):
            some = None if headers is None else headers[part]
            result += self._encode(keys[part], values[part], timestamps[part], some, divisible)
        return result

    def _check_producers(self, batches: list[tuple[int, BatchHeader]]) -> AppendResult | None:
        """Return the result of the first time when all batches were appended before."""
        if all(header.producer_id < 0 for _, header in batches):
            return None
        known = [self.producers.find_duplicate(header) for _, header in batches]
        if known[0] is not None and known[-1] is not None and all(known):
            stamped = self.config.message_timestamp_type == "LogAppendTime"
            stamp = known[0].timestamp if stamped else -1
            first, last = known[0].first_offset, known[-1].last_offset
            return AppendResult(first, last, stamp, self.log_start_offset, duplicate=True)
        self.producers.check(header for _, header in batches)
        return None

    def _write(
        self, buffers: list[Buffer], batches: list[tuple[int, BatchHeader]], leader_epoch: int
    ) -> None:
        """Write checked batches to the active segment and move the end. Under the lock."""
        size = sum(header.size for _, header in batches)
        newest = max(header.max_timestamp for _, header in batches)
        segment = self._segment_for(size, offset_count(batches), newest)
        if leader_epoch != self.leader_epochs[-1][0]:
            self._assign_epoch(leader_epoch, self.log_end_offset)
        try:
            position = segment.append(*buffers)
        except FileSystemError as error:
            raise self._storage_error("append", error) from error
        interval = self.config.index_interval_bytes
        offset = self.log_end_offset
        for _, header in batches:
            offset += header.last_offset_delta + 1
            segment.note(position, header.size, offset - 1, header.max_timestamp, interval)
            position += header.size
        self.log_end_offset = offset

    def _write_own(self, batch: bytearray, count: int, leader_epoch: int) -> None:
        """The same for one batch of this process, without reading its header. Under the lock."""
        base_offset = self.log_end_offset
        patch_batch(batch, 0, base_offset, leader_epoch)
        max_timestamp = _MAX_TIMESTAMP.unpack_from(batch)[0]
        size = len(batch)
        segment = self._segment_for(size, count, max_timestamp)
        if leader_epoch != self.leader_epochs[-1][0]:
            self._assign_epoch(leader_epoch, base_offset)
        try:
            position = segment.append(batch)
        except FileSystemError as error:
            raise self._storage_error("append", error) from error
        end = base_offset + count
        segment.note(position, size, end - 1, max_timestamp, self.config.index_interval_bytes)
        self.log_end_offset = end

    def _appended(self) -> None:
        """Flush when enough records wait, and tell those who wait for data."""
        try:
            if self.log_end_offset - self.recovery_point >= self.config.flush_messages:
                self.flush()
        finally:
            for tell in tuple(self.on_append):  # a copy: other threads come and go
                tell(self)

    # reading

    def read(self, offset: int, max_bytes: int, *, min_one_batch: bool = True) -> bytes:
        """Return whole batches, the first of which contains `offset`, from one segment.

        Args:
            offset: Where to start. The log's end gives no bytes.
            max_bytes: The most to return.
            min_one_batch: Whether the first batch comes even if it is larger (KIP-74).

        Raises:
            OffsetOutOfRangeError: The log does not hold the offset.
            CorruptSegmentError: What is on the disk there is damaged.
        """
        while True:
            with self.lock:
                found = self._locate(offset, max_bytes, min_one_batch)
                generation = self._generation
            if found is None:
                return b""
            segment, file, span = found
            try:
                data = file.read(span.start, span.end - span.start)
            except FileSystemError as error:
                if self.closed:
                    raise self._closed_error() from error
                raise self._storage_error("read", error) from error
            if generation == self._generation:
                break
        if span.start < segment.trusted_from:
            return self._checked(data, offset, segment, span.start)
        return data

    def readable_bytes(self, offset: int, max_bytes: int) -> tuple[int, bool]:
        """Return how much `read` would give, without reading it.

        Returns:
            The bytes of whole batches within `max_bytes`, at least one batch where there is one,
            and whether a later segment goes on behind them: a read never crosses into the next.

        Raises:
            OffsetOutOfRangeError: The log does not hold the offset.
            CorruptSegmentError: What is on the disk there is damaged.
        """
        with self.lock:
            found = self._locate(offset, max_bytes, min_one_batch=True)
            if found is None:
                return 0, False
            segment, _, span = found
            ends = span.end == segment.size
            return span.end - span.start, ends and segment is not self.segments[-1]

    def _locate(
        self, offset: int, max_bytes: int, min_one_batch: bool
    ) -> tuple[Segment, File, Span] | None:
        """Find the bytes of a read. Under the lock."""
        self.check_open()
        if not self.log_start_offset <= offset <= self.log_end_offset:
            raise OffsetOutOfRangeError(
                self.topic_partition, offset, self.log_start_offset, self.log_end_offset
            )
        if offset == self.log_end_offset:
            return None
        slot = max(0, bisect_right(self._bases, offset) - 1)
        for segment in self.segments[slot:]:
            try:
                first = segment.find(offset)
                if first is None:
                    continue  # compaction removed the end of this segment
                limit = first.start + max_bytes
                if first.end >= limit:
                    fits = min_one_batch or first.end == limit
                    return (segment, segment.log, first) if fits else None
                end = segment.batches_end(first.start, limit)
                return segment, segment.log, Span(first.start, end)
            except CorruptBatchError as error:
                raise self.damaged(segment, offset, error.position, str(error)) from error
            except FileSystemError as error:
                raise self._storage_error("read", error) from error
        return None

    def _checked(self, data: bytes, offset: int, segment: Segment, start: int) -> bytes:
        """Compare the CRC of batches that an earlier process wrote; give out the good ones."""
        position = 0
        last_offset = -1
        while position < len(data):
            try:
                header = validate_batch(data, position)
                if header.base_offset <= last_offset:
                    raise CorruptBatchError(f"its offset {header.base_offset} goes back")
            except CorruptBatchError as error:
                if position:
                    return data[:position]
                raise self.damaged(segment, offset, start, str(error)) from error
            last_offset = header.last_offset
            position += header.size
        return data

    def offset_for_timestamp(self, timestamp_ms: int) -> tuple[int, int] | None:
        """Return (offset, timestamp) of the earliest record at or after a time, None if none is.

        Raises:
            CorruptSegmentError: What is on the disk there is damaged.
        """
        return lookup.offset_for_timestamp(self, timestamp_ms)

    def offset_of_max_timestamp(self) -> tuple[int, int] | None:
        """Return (offset, timestamp) of the first record with the newest time, None if empty."""
        return lookup.offset_of_max_timestamp(self)

    def end_offset_for_epoch(self, epoch: int) -> tuple[int, int]:
        """Return (epoch, end offset) as OffsetForLeaderEpoch answers; (-1, -1) when unknown."""
        with self.lock:
            epochs = self.leader_epochs
            slot = bisect_right(epochs, (epoch, 2**63)) - 1
            if slot < 0 or epoch > epochs[-1][0]:
                return -1, -1
            end = epochs[slot + 1][1] if slot + 1 < len(epochs) else self.log_end_offset
            return epochs[slot][0], end

    # cutting

    def delete_records(self, before_offset: int) -> int:
        """Make records below `before_offset` unreadable; return the new log start offset.

        Whole segments below it are removed by the next retention run. -1 means all records.

        Raises:
            OffsetOutOfRangeError: It lies behind the log's end.
        """
        with self.lock:
            self.check_open()
            end = self.log_end_offset
            offset = end if before_offset == -1 else before_offset
            if not 0 <= offset <= end:
                raise OffsetOutOfRangeError(
                    self.topic_partition, offset, self.log_start_offset, end
                )
            self.log_start_offset = max(self.log_start_offset, offset)
            return self.log_start_offset

    def truncate_to(self, offset: int) -> None:
        """Drop every batch that ends at or after `offset`; the cut is flushed.

        Raises:
            CorruptSegmentError: The batch there cannot be found; nothing was cut.
            LogStorageError: The disk refused.
        """
        with self.flush_lock, self.lock:
            self.check_open()
            if offset >= self.log_end_offset:
                return
            slot = max(0, bisect_right(self._bases, offset) - 1)
            segment = self.segments[slot]
            try:
                span = segment.find(max(offset, segment.base_offset))
                if span is None:
                    end = segment.next_offset()
                else:
                    end = next(segment.headers(span.start))[1].base_offset
                self._cut(slot, span, end)
            except CorruptBatchError as error:
                raise self.damaged(segment, offset, error.position, str(error)) from error
            except FileSystemError as error:
                raise self._storage_error("truncate", error) from error

    def _cut(self, slot: int, span: Span | None, end: int) -> None:
        """End the log in segment number `slot`, where `span` starts, with offset `end` next."""
        self._generation += 1
        self.log_end_offset = end
        self.recovery_point = min(self.recovery_point, end)
        self.log_start_offset = min(self.log_start_offset, end)
        # On the disk before the cut: a crash must not believe in what is about to go.
        self.write_checkpoint()
        while len(self.segments) > slot + 1:
            self.segments.pop().delete()
            self._bases.pop()
        if span is not None:
            self.segments[slot].truncate(span.start, end)
            self.segments[slot].flush()
        self.reload_producers()
        self.fs.flush_dir(self.directory)

    def reload_producers(self) -> None:
        """Rebuild the producers' state from the newest usable snapshot and the batches after it."""
        lookup.rebuild_producers(self)
