"""The settings a topic may have: name, type, default, meaning, and what values are legal.

Names, defaults and bounds are those of Kafka 4.2 (`TopicConfig`, `LogConfig`), with one exception:
`segment.bytes` may be small here, since tests want segments that roll after a few records.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from aliran.broker.errors import InvalidTopicConfigError

LONG_MAX = 2**63 - 1
INT_MAX = 2**31 - 1


class ConfigType(IntEnum):
    """Types of settings, with the numbers DescribeConfigs v3 sends. Kafka: `ConfigType`."""

    UNKNOWN = 0
    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7
    CLASS = 8
    PASSWORD = 9


Check = Callable[[str], str | None]
"""Given a value, says what is wrong with it, or None."""


@dataclass(frozen=True, slots=True)
class ConfigDefinition:
    """One setting.

    Attributes:
        name: Kafka's dotted name.
        type: Type of the value.
        default: Value where nobody set one, as text.
        doc: What it does, in a sentence.
        check: Says what is wrong with a value, or None.
        broker_name: The broker's setting that is the default for all topics, or "".
    """

    name: str
    type: ConfigType
    default: str
    doc: str
    check: Check
    broker_name: str = ""


def _whole(low: int, high: int) -> Check:
    def check(value: str) -> str | None:
        try:
            number = int(value)
        except ValueError:
            return "is not a whole number"
        return None if low <= number <= high else f"must be between {low} and {high}"

    return check


def _ratio(value: str) -> str | None:
    try:
        number = float(value)
    except ValueError:
        return "is not a number"
    return None if 0.0 <= number <= 1.0 else "must be between 0 and 1"


def _boolean(value: str) -> str | None:
    return None if value.lower() in ("true", "false") else "must be true or false"


def _one_of(*choices: str) -> Check:
    def check(value: str) -> str | None:
        return None if value in choices else f"must be one of {', '.join(choices)}"

    return check


def _list_of(*choices: str) -> Check:
    def check(value: str) -> str | None:
        for part in split_list(value):
            if part not in choices:
                return f"may hold only {', '.join(choices)} (found {part!r})"
        return None

    return check


def _anything(value: str) -> str | None:
    del value
    return None


def _gzip_level(value: str) -> str | None:
    return None if value == "-1" else _whole(1, 9)(value)


def split_list(value: str) -> list[str]:
    """Return the parts of a list-valued setting ("compact,delete")."""
    return [part.strip() for part in value.split(",") if part.strip()]


_B, _S, _I, _L = ConfigType.BOOLEAN, ConfigType.STRING, ConfigType.INT, ConfigType.LONG
_LIST = ConfigType.LIST
_D = ConfigDefinition
_LAG = _whole(0, LONG_MAX)
_POSITIVE_LAG = _whole(1, LONG_MAX)

_DEFINITIONS = (
    _D("cleanup.policy", _LIST, "delete",
       "What happens to old records: delete them by age or size, compact to the newest a key, "
       "or both.", _list_of("delete", "compact"), "log.cleanup.policy"),
    _D("compression.gzip.level", _I, "-1",
       "Level used where the broker itself compresses with gzip.", _gzip_level,
       "compression.gzip.level"),
    _D("compression.lz4.level", _I, "9",
       "Level used where the broker itself compresses with lz4.", _whole(1, 17),
       "compression.lz4.level"),
    _D("compression.type", _S, "producer",
       "Codec batches are stored with; 'producer' keeps what the producer chose.",
       _one_of("producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"), "compression.type"),
    _D("compression.zstd.level", _I, "3",
       "Level used where the broker itself compresses with zstd.", _whole(-131072, 22),
       "compression.zstd.level"),
    _D("delete.retention.ms", _L, "86400000",
       "How long a tombstone stays readable after compaction, in ms.", _LAG,
       "log.cleaner.delete.retention.ms"),
    _D("file.delete.delay.ms", _L, "60000",
       "How long a dropped segment file stays on disk, in ms.", _LAG,
       "log.segment.delete.delay.ms"),
    _D("flush.messages", _L, str(LONG_MAX),
       "Force the log to disk after this many records.", _whole(1, LONG_MAX),
       "log.flush.interval.messages"),
    _D("flush.ms", _L, str(LONG_MAX),
       "Force the log to disk after this many ms.", _LAG, "log.flush.interval.ms"),
    _D("follower.replication.throttled.replicas", _LIST, "",
       "Accepted for compatibility; there are no followers.", _anything),
    _D("index.interval.bytes", _I, "4096",
       "Bytes of log between two entries of the offset index.", _whole(0, INT_MAX),
       "log.index.interval.bytes"),
    _D("leader.replication.throttled.replicas", _LIST, "",
       "Accepted for compatibility; there are no followers.", _anything),
    _D("local.retention.bytes", _L, "-2",
       "Accepted for compatibility; there is no tiered storage.", _whole(-2, LONG_MAX),
       "log.local.retention.bytes"),
    _D("local.retention.ms", _L, "-2",
       "Accepted for compatibility; there is no tiered storage.", _whole(-2, LONG_MAX),
       "log.local.retention.ms"),
    _D("max.compaction.lag.ms", _L, str(LONG_MAX),
       "A record older than this is compacted even if the log is mostly clean, in ms.",
       _POSITIVE_LAG, "log.cleaner.max.compaction.lag.ms"),
    _D("max.message.bytes", _I, "1048588",
       "Largest record batch that is accepted, in bytes.", _whole(0, INT_MAX),
       "message.max.bytes"),
    _D("message.timestamp.after.max.ms", _L, "3600000",
       "How far a record's time may lie in the future, in ms.", _LAG,
       "log.message.timestamp.after.max.ms"),
    _D("message.timestamp.before.max.ms", _L, str(LONG_MAX),
       "How far a record's time may lie in the past, in ms.", _LAG,
       "log.message.timestamp.before.max.ms"),
    _D("message.timestamp.type", _S, "CreateTime",
       "Whether a record carries the producer's time or the time of its append.",
       _one_of("CreateTime", "LogAppendTime"), "log.message.timestamp.type"),
    _D("min.cleanable.dirty.ratio", ConfigType.DOUBLE, "0.5",
       "Share of the log that must be uncompacted before compaction runs.", _ratio,
       "log.cleaner.min.cleanable.ratio"),
    _D("min.compaction.lag.ms", _L, "0",
       "A record younger than this is never compacted, in ms.", _LAG,
       "log.cleaner.min.compaction.lag.ms"),
    _D("min.insync.replicas", _I, "1",
       "Replicas that must have a record before acks=all is answered; there is one.",
       _whole(1, INT_MAX), "min.insync.replicas"),
    _D("preallocate", _B, "false",
       "Accepted for compatibility; segment files grow as they are written.", _boolean,
       "log.preallocate"),
    _D("remote.log.copy.disable", _B, "false",
       "Accepted for compatibility; there is no tiered storage.", _boolean),
    _D("remote.log.delete.on.disable", _B, "false",
       "Accepted for compatibility; there is no tiered storage.", _boolean),
    _D("remote.storage.enable", _B, "false",
       "Tiered storage; only false is possible.", _one_of("false")),
    _D("retention.bytes", _L, "-1",
       "Size of a partition above which its oldest segments are dropped; -1 is no limit.",
       _whole(-1, LONG_MAX), "log.retention.bytes"),
    _D("retention.ms", _L, "604800000",
       "Age of a record above which its segment is dropped, in ms; -1 is no limit.",
       _whole(-1, LONG_MAX), "log.retention.ms"),
    _D("segment.bytes", _I, "1073741824",
       "Size at which a segment file is closed and the next one begun.", _whole(14, INT_MAX),
       "log.segment.bytes"),
    _D("segment.index.bytes", _I, "10485760",
       "Largest size of an index file; a full index closes its segment.", _whole(4, INT_MAX),
       "log.index.size.max.bytes"),
    _D("segment.jitter.ms", _L, "0",
       "Random time taken off segment.ms so that segments do not all roll at once, in ms.", _LAG,
       "log.roll.jitter.ms"),
    _D("segment.ms", _L, "604800000",
       "Age at which a segment is closed even if it is small, in ms.", _POSITIVE_LAG,
       "log.roll.ms"),
    _D("unclean.leader.election.enable", _B, "false",
       "Accepted for compatibility; there is one replica.", _boolean,
       "unclean.leader.election.enable"),
)  # fmt: skip

TOPIC_CONFIGS: dict[str, ConfigDefinition] = {each.name: each for each in _DEFINITIONS}
"""Every setting a topic may have, by name."""

TOPIC_DEFAULT_NAMES: dict[str, str] = {
    each.broker_name: each.name for each in _DEFINITIONS if each.broker_name
}
"""The broker's settings that are defaults for topics, and the topic setting each stands for."""


def validate_topic_config(name: str, value: str | None) -> str:
    """Return `value` if the topic setting `name` may have it.

    Raises:
        InvalidTopicConfigError: The name is unknown (the nearest one is suggested) or the value
            cannot be used.
    """
    definition = TOPIC_CONFIGS.get(name)
    if definition is None:
        raise InvalidTopicConfigError(
            f"Unknown topic config name: {name}{suggestion(name, TOPIC_CONFIGS)}"
        )
    if value is None:
        raise InvalidTopicConfigError(f"{name} needs a value; null was given")
    value = value.strip()
    complaint = definition.check(value)
    if complaint is not None:
        raise InvalidTopicConfigError(
            f"Invalid value {value!r} for topic config {name}: it {complaint}"
        )
    return value.lower() if definition.type is ConfigType.BOOLEAN else value


def effective_topic_configs(
    overrides: Mapping[str, str], broker_defaults: Mapping[str, str]
) -> dict[str, str]:
    """Return every setting of a topic with the value that holds: its own, the broker's, Kafka's."""
    configs = {name: definition.default for name, definition in TOPIC_CONFIGS.items()}
    configs.update(broker_defaults)
    configs.update(overrides)
    return configs


def suggestion(name: str, known: Mapping[str, object]) -> str:
    """Return '; did you mean X?' for the known name nearest to a mistyped one, or ''."""
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {nearest[0]}?" if nearest else ""
