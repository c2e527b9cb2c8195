"""Checks on record batches that come from a client, before any lock is taken.

A batch is taken as it is wherever possible: its header is read, its CRC compared, and only topics
that need a look at each record (compacted ones, those with a limit on old timestamps, those with a
codec of their own) have it decoded. Kafka: `LogValidator`, `UnifiedLog.analyzeAndValidateRecords`.
Kafka also walks the records of every other batch; here a batch whose CRC is right is trusted to
hold the records its header counts.
"""

from __future__ import annotations

from aliran.core.files import Buffer
from aliran.core.types import NO_TIMESTAMP, TopicPartition
from aliran.protocol.compression import Compression
from aliran.protocol.errors import CorruptBatchError
from aliran.protocol.records import (
    LOG_APPEND_TIME,
    BatchHeader,
    DecodedBatch,
    decode_batch,
    encode_batch,
    patch_batch,
    set_log_append_time,
    validate_batch,
)
from aliran.storage.errors import (
    CorruptRecordError,
    InvalidRecordError,
    InvalidTimestampError,
    MessageTooLargeError,
    UnsupportedFormatError,
)
from aliran.storage.log.config import INT64_MAX, LogConfig

_MAGIC_POSITION = 16
_MIN_RECORD_BYTES = 7  # length, attributes, two deltas, two lengths and a count, a byte each
CODECS = {
    "uncompressed": Compression.NONE,
    "gzip": Compression.GZIP,
    "snappy": Compression.SNAPPY,
    "lz4": Compression.LZ4,
    "zstd": Compression.ZSTD,
}
"""The codecs of `compression.type`; `producer` is none of them."""


def check_batches(
    records: Buffer,
    topic_partition: TopicPartition,
    config: LogConfig,
    now_ms: int,
    *,
    allow_control: bool = False,
) -> list[tuple[int, BatchHeader]]:
    """Return (position, header) of each batch in `records` after all checks.

    Raises:
        LogError: The subclass says what is wrong.
    """
    total = memoryview(records).nbytes
    if not total:
        raise InvalidRecordError(
            f"{topic_partition}: there is no record batch to append; send at least one record",
            topic_partition,
        )
    batches = []
    position = 0
    while position < total:
        header = _validated(records, position, total, topic_partition)
        _check_header(header, topic_partition, config, allow_control)
        if not header.is_control:
            _check_timestamps(header, topic_partition, config, now_ms)
            _check_records(records, position, topic_partition, config, now_ms)
        batches.append((position, header))
        position += header.size
    return batches


def recompress(
    records: Buffer,
    batches: list[tuple[int, BatchHeader]],
    topic_partition: TopicPartition,
    config: LogConfig,
) -> tuple[Buffer, list[tuple[int, BatchHeader]]]:
    """Return the batches in the codec of the topic, unchanged where they already are.

    Kafka does the same when `compression.type` is not `producer`.

    Raises:
        CorruptRecordError: The records of a batch cannot be decoded.
        MessageTooLargeError: In the topic's codec a batch is larger than allowed.
    """
    codec = CODECS.get(config.compression_type)
    if codec is None or all(header.compression == codec for _, header in batches):
        return records, batches
    result = bytearray()
    placed = []
    for position, header in batches:
        batch: Buffer = memoryview(records)[position : position + header.size]
        if header.compression != codec and not header.is_control:
            batch = _encoded_as(_decoded(records, position, topic_partition), codec)
            header = validate_batch(batch)  # noqa: PLW2901
            _check_size(header, topic_partition, config)
        placed.append((len(result), header))
        result += batch
    return result, placed


def _encoded_as(batch: DecodedBatch, codec: int) -> bytearray:
    header = batch.header
    return encode_batch(
        batch.keys,
        batch.values,
        batch.timestamps,
        batch.headers,
        compression=codec,
        producer_id=header.producer_id,
        producer_epoch=header.producer_epoch,
        base_sequence=header.base_sequence,
        transactional=header.is_transactional,
    )


def _validated(
    records: Buffer, position: int, total: int, topic_partition: TopicPartition
) -> BatchHeader:
    if total - position > _MAGIC_POSITION:
        magic = records[position + _MAGIC_POSITION]
        if magic in (0, 1):
            raise UnsupportedFormatError(
                f"{topic_partition}: the producer sent message format {magic}, which Kafka 4 and "
                "Aliran do not take; use a client that writes format 2 (Kafka 0.11 or later)",
                topic_partition,
            )
    try:
        return validate_batch(records, position)
    except CorruptBatchError as error:
        raise CorruptRecordError(
            f"{topic_partition}: the batch was refused: {error}; it was damaged on the way or by "
            "the client: send it again",
            topic_partition,
        ) from error


def _check_header(
    header: BatchHeader, topic_partition: TopicPartition, config: LogConfig, allow_control: bool
) -> None:
    problem = None
    _check_size(header, topic_partition, config)
    if header.record_count < 1:
        problem = "it holds no records"
    elif header.last_offset_delta != header.record_count - 1:
        problem = (
            f"its {header.record_count} records do not have the offsets 0 to "
            f"{header.last_offset_delta}"
        )
    elif header.compression > max(Compression):
        problem = f"there is no compression codec {header.compression}"
    elif not header.compression and header.record_count > header.size // _MIN_RECORD_BYTES:
        problem = f"{header.record_count} records do not fit into {header.size} bytes"
    elif header.is_control and not allow_control:
        problem = "it is a control batch, which only the broker writes"
    elif header.producer_id >= 0 and header.base_sequence < 0 and not header.is_control:
        problem = f"producer {header.producer_id} gave it no sequence number"
    if problem:
        raise InvalidRecordError(
            f"{topic_partition}: the batch was refused: {problem}; this is a fault of the client",
            topic_partition,
        )


def _check_size(header: BatchHeader, topic_partition: TopicPartition, config: LogConfig) -> None:
    if header.size > config.max_message_bytes:
        raise MessageTooLargeError(
            f"{topic_partition}: a batch of {header.size:,} bytes is larger than max.message.bytes "
            f"({config.max_message_bytes:,}); raise the topic's max.message.bytes, or lower "
            "batch.size and max.request.size of the producer",
            topic_partition,
        )


def _decoded(records: Buffer, position: int, topic_partition: TopicPartition) -> DecodedBatch:
    try:
        return decode_batch(records, position)
    except CorruptBatchError as error:
        raise CorruptRecordError(f"{topic_partition}: {error}", topic_partition) from error


def _check_timestamps(
    header: BatchHeader, topic_partition: TopicPartition, config: LogConfig, now_ms: int
) -> None:
    if config.message_timestamp_type == "LogAppendTime":
        return
    if header.timestamp_type == LOG_APPEND_TIME:
        raise InvalidTimestampError(
            f"{topic_partition}: the client marked its batch as stamped by the broker; "
            "only the broker sets LogAppendTime",
            topic_partition,
        )
    newest = header.max_timestamp
    if newest != NO_TIMESTAMP and newest - now_ms > config.message_timestamp_after_max_ms:
        raise InvalidTimestampError(
            f"{topic_partition}: the timestamp {newest} lies {newest - now_ms} ms in the future; "
            f"message.timestamp.after.max.ms allows {config.message_timestamp_after_max_ms}: check "
            "the producer's clock, or raise the setting",
            topic_partition,
        )


def _check_records(
    records: Buffer,
    position: int,
    topic_partition: TopicPartition,
    config: LogConfig,
    now_ms: int,
) -> None:
    """Look at each record where the topic asks for it."""
    oldest_allowed = now_ms - config.message_timestamp_before_max_ms
    check_age = (
        config.message_timestamp_before_max_ms != INT64_MAX
        and config.message_timestamp_type == "CreateTime"
    )
    if not (config.is_compacted or check_age):
        return
    batch = _decoded(records, position, topic_partition)
    if config.is_compacted:
        missing = [row for row, key in enumerate(batch.keys) if key is None]
        if missing:
            raise keyless(topic_partition, missing)
    if check_age:
        for row, timestamp in enumerate(batch.timestamps):
            if timestamp != NO_TIMESTAMP and timestamp < oldest_allowed:
                raise InvalidTimestampError(
                    f"{topic_partition}: record {row} has the timestamp {timestamp}, older than "
                    "message.timestamp.before.max.ms allows "
                    f"({config.message_timestamp_before_max_ms} ms)",
                    topic_partition,
                )


def keyless(topic_partition: TopicPartition, rows: list[int]) -> InvalidRecordError:
    """Return the error for records without a key on a compacted topic."""
    return InvalidRecordError(
        f"{topic_partition}: {len(rows)} record(s) without a key, the first at index {rows[0]}; "
        "a compacted topic keeps the newest record of a key, so each record needs one",
        topic_partition,
        [(row, "Compacted topic cannot accept message without key.") for row in rows],
    )


def offset_count(batches: list[tuple[int, BatchHeader]]) -> int:
    """Return how many offsets the batches take together."""
    return sum(header.last_offset_delta + 1 for _, header in batches)


def placed(
    records: Buffer,
    batches: list[tuple[int, BatchHeader]],
    base_offset: int,
    leader_epoch: int,
    stamp: int,
) -> tuple[list[Buffer], list[tuple[int, BatchHeader]]]:
    """Return a copy of the batches with offsets, epoch and, from 0 on, the broker's time."""
    copy = bytearray(records)
    result = []
    for position, header in batches:
        patch_batch(copy, position, base_offset, leader_epoch)
        base_offset += header.last_offset_delta + 1
        if stamp >= 0:
            set_log_append_time(copy, position, stamp)
            header = header._replace(max_timestamp=stamp)  # noqa: PLW2901
        result.append((position, header))
    return [copy], result
