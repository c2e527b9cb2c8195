"""The settings of one topic's logs, under Kafka's names and with Kafka's defaults."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from aliran.core.errors import ConfigError

INT64_MAX = 2**63 - 1
_TIMESTAMP_TYPES = ("CreateTime", "LogAppendTime")
_POLICIES = frozenset({"delete", "compact"})
_COMPRESSION = ("producer", "uncompressed", "gzip", "snappy", "lz4", "zstd")


@dataclass(frozen=True, slots=True)
class LogConfig:
    """How a partition's log is cut, kept and checked. Kafka: `LogConfig`.

    Field names are Kafka's with `_` for `.`; sizes in bytes, times in milliseconds.

    Attributes:
        segment_bytes: A segment is closed before it grows beyond this. Kafka 4 refuses less than
            1 MiB; any positive size is taken here.
        segment_ms: A segment is closed when its first record is this old.
        segment_jitter_ms: Up to this much is taken off `segment_ms`, so that not all roll at once.
        segment_index_bytes: The size at which an index is full and its segment is closed.
        index_interval_bytes: One index entry a this many bytes of log.
        flush_messages: fsync after this many records.
        flush_ms: fsync data that has waited this long (looked at by `LogManager.flush_due`).
        retention_ms: Segments whose newest record is older go; -1 keeps them for ever.
        retention_bytes: The oldest segments go while the log is larger; -1 without limit.
        cleanup_policy: `delete`, `compact`, or both.
        max_message_bytes: The largest batch taken.
        message_timestamp_type: `CreateTime` (the producer's) or `LogAppendTime` (the broker's).
        message_timestamp_before_max_ms: How far a producer's time may lie in the past.
        message_timestamp_after_max_ms: How far a producer's time may lie in the future.
        delete_retention_ms: How long a compacted log shows a tombstone.
        min_cleanable_dirty_ratio: Compact when this part of the log is not yet compacted.
        min_compaction_lag_ms: Records younger than this are not compacted.
        max_compaction_lag_ms: Records older than this are compacted whatever the ratio is.
        file_delete_delay_ms: Kept for Kafka's tools. Files go at once: on POSIX a reader that has
            a segment open still reads it.
        compression_type: `producer` keeps batches as they come; a codec re-compresses them.
    """

    segment_bytes: int = 1_073_741_824
    segment_ms: int = 604_800_000
    segment_jitter_ms: int = 0
    segment_index_bytes: int = 10_485_760
    index_interval_bytes: int = 4096
    flush_messages: int = INT64_MAX
    flush_ms: int = INT64_MAX
    retention_ms: int = 604_800_000
    retention_bytes: int = -1
    cleanup_policy: frozenset[str] = frozenset({"delete"})
    max_message_bytes: int = 1_048_588
    message_timestamp_type: str = "CreateTime"
    message_timestamp_before_max_ms: int = INT64_MAX
    message_timestamp_after_max_ms: int = 3_600_000
    delete_retention_ms: int = 86_400_000
    min_cleanable_dirty_ratio: float = 0.5
    min_compaction_lag_ms: int = 0
    max_compaction_lag_ms: int = INT64_MAX
    file_delete_delay_ms: int = 60_000
    compression_type: str = "producer"

    def __post_init__(self) -> None:
        _one_of("message.timestamp.type", self.message_timestamp_type, _TIMESTAMP_TYPES)
        _one_of("compression.type", self.compression_type, _COMPRESSION)
        if not self.cleanup_policy <= _POLICIES:
            raise ConfigError(
                f"cleanup.policy={','.join(sorted(self.cleanup_policy))} is not valid; "
                "write delete, compact, or compact,delete"
            )
        for name in ("segment_bytes", "segment_ms", "max_message_bytes", "segment_index_bytes"):
            if getattr(self, name) < (0 if name == "max_message_bytes" else 1):
                raise ConfigError(f"{name.replace('_', '.')} must be positive")
        if self.index_interval_bytes < 0 or self.segment_index_bytes < 24:
            raise ConfigError("index.interval.bytes must be ≥ 0 and segment.index.bytes ≥ 24")
        if not 0 <= self.min_cleanable_dirty_ratio <= 1:
            raise ConfigError("min.cleanable.dirty.ratio must lie between 0 and 1")

    @property
    def is_compacted(self) -> bool:
        """Whether only the newest record of a key is kept."""
        return "compact" in self.cleanup_policy

    @property
    def max_segment_ms(self) -> int:
        """The age at which a segment is closed: early enough for `max_compaction_lag_ms`."""
        if self.is_compacted:
            return min(self.segment_ms, max(self.max_compaction_lag_ms, 1))
        return self.segment_ms

    @classmethod
    def from_dotted(cls, settings: Mapping[str, str], base: LogConfig | None = None) -> LogConfig:
        """Build from Kafka's dotted names and text values; names not of a log are passed over.

        Args:
            settings: For instance `{"segment.bytes": "1048576", "cleanup.policy": "compact"}`.
            base: What holds where `settings` is silent; Kafka's defaults when None.

        Raises:
            ConfigError: A value cannot be used.
        """
        changes: dict[str, object] = {}
        for field in dataclasses.fields(cls):
            name = field.name.replace("_", ".")
            if name == "segment.bytes" and "internal.segment.bytes" in settings:
                name = "internal.segment.bytes"
            text = settings.get(name)
            if text is not None:
                changes[field.name] = _parse(name, text, str(field.type))
        return dataclasses.replace(base or cls(), **changes)  # type: ignore[arg-type]

    def to_dotted(self) -> dict[str, str]:
        """Return all settings under Kafka's names, as `DescribeConfigs` shows them."""
        result = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, frozenset):
                value = ",".join(sorted(value))
            result[field.name.replace("_", ".")] = str(value)
        return result


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"{name}={value} is not valid; write one of {', '.join(allowed)}")


def _parse(name: str, text: str, kind: str) -> object:
    try:
        if kind == "int":
            return int(text)
        if kind == "float":
            return float(text)
    except ValueError:
        raise ConfigError(f"{name}={text!r} is not a number") from None
    if kind.startswith("frozenset"):
        return frozenset(part.strip() for part in str(text).split(",") if part.strip())
    return str(text)
