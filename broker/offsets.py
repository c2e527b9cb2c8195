"""The offsets that groups commit, kept in memory and in the topic `__consumer_offsets`.

One commit is one record batch, so after a crash it is there as a whole or not at all: this is also
the commit point of the embedded stream engine. What is in memory is what the log says, read once
at start; the log is written first, memory afterwards, under one lock a partition.

Groups are spread over the partitions as Kafka does it, and each group's own state lies beside its
offsets. The topic is made on first need, compacted, with `offsets.topic.num.partitions` partitions
(4 unless configured; Kafka's default is 50, made for clusters).
Kafka: `OffsetMetadataManager`, `GroupCoordinatorRecordHelpers`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from aliran.broker.config import BrokerConfig
from aliran.broker.errors import TopicExistsError, UnknownTopicError
from aliran.broker.offset_records import (
    OFFSETS_TOPIC,
    GroupKey,
    GroupMetadata,
    OffsetAndMetadata,
    OffsetKey,
    decode_group_value,
    decode_key,
    decode_offset_value,
    encode_group_key,
    encode_group_value,
    encode_offset_key,
    encode_offset_value,
)
from aliran.core.clock import Clock
from aliran.core.types import TopicPartition
from aliran.protocol.records import decode_columns, iter_headers

if TYPE_CHECKING:
    from aliran.broker.topics import Topic, TopicRegistry
    from aliran.storage.log import LogManager, PartitionLog

__all__ = ["OFFSETS_TOPIC", "OffsetAndMetadata", "OffsetStore", "partition_of_group"]

_log = logging.getLogger(__name__)

_READ_BYTES = 1 << 20
_MINUTE_MS = 60_000


@lru_cache(maxsize=1024)  # bounded: clients may ask for groups that do not exist, without end
def partition_of_group(group: str, partition_count: int) -> int:
    """Return the partition of `__consumer_offsets` that keeps `group`, as Kafka computes it.

    That is Java's `String.hashCode` (over UTF-16 units), made positive the way `Utils.abs` does.

    >>> partition_of_group("my-group", 50)
    12
    """
    units = group.encode("utf-16-be", "surrogatepass")
    value = 0
    for index in range(0, len(units), 2):
        value = (31 * value + (units[index] << 8) + units[index + 1]) & 0xFFFFFFFF
    signed = value - (1 << 32) if value >= 1 << 31 else value
    return (0 if signed == -(1 << 31) else abs(signed)) % partition_count


class _Shard:
    """The groups of one partition of `__consumer_offsets`."""

    __slots__ = ("keys", "lock", "log", "offsets", "saved")

    def __init__(self, log: PartitionLog) -> None:
        self.log = log
        self.lock = threading.Lock()
        self.offsets: dict[str, dict[TopicPartition, OffsetAndMetadata]] = {}
        self.saved: dict[str, GroupMetadata] = {}
        # Encoded keys, since a group commits the same partitions again and again.
        self.keys: dict[str, dict[TopicPartition, bytes]] = {}

    def keys_of(self, group: str, topic_partitions: Iterable[TopicPartition]) -> list[bytes | None]:
        known = self.keys.setdefault(group, {})
        keys: list[bytes | None] = []
        for each in topic_partitions:
            key = known.get(each)
            if key is None:
                key = known[each] = encode_offset_key(group, each)
            keys.append(key)
        return keys

    def forget(self, group: str, topic_partitions: Iterable[TopicPartition]) -> None:
        offsets, keys = self.offsets.get(group, {}), self.keys.get(group, {})
        for each in topic_partitions:
            offsets.pop(each, None)
            keys.pop(each, None)
        if not offsets:
            self.offsets.pop(group, None)
            self.keys.pop(group, None)


class OffsetStore:
    """Committed offsets and stored groups of a broker; every method may be called from any thread.

    Args:
        topics: Where `__consumer_offsets` is created; its `deleted` hook drops the offsets of
            topics that are deleted.
        logs: Where the partitions of that topic are found.
        config: `offsets.topic.*` and `offsets.retention.minutes`.
        clock: Stamps commits.
    """

    def __init__(
        self, topics: TopicRegistry, logs: LogManager, config: BrokerConfig, clock: Clock
    ) -> None:
        self._topics = topics
        self._logs = logs
        self._config = config
        self._clock = clock
        self._lock = threading.Lock()
        self._shards: tuple[_Shard, ...] = ()
        self._pins: dict[str, int] = {}
        self._commits = 0
        topics.deleted.append(self._topic_deleted)

    # -- start -----------------------------------------------------------------------------------

    def load(self) -> None:
        """Read everything back from `__consumer_offsets`, if the topic exists.

        Raises:
            CorruptBatchError: A batch is damaged.
            ProtocolError: A record is of a version this broker does not know.
        """
        topic = self._topics.get(OFFSETS_TOPIC)
        if topic is None:
            return
        with self._lock:
            self._open(topic)
            for shard in self._shards:
                with shard.lock:
                    _replay(shard)

    def ensure_topic(self) -> int:
        """Create `__consumer_offsets` unless it exists; return its number of partitions."""
        if not self._shards:
            with self._lock:
                if not self._shards:
                    self._open(self._topics.get(OFFSETS_TOPIC) or self._create_topic())
        return len(self._shards)

    def _create_topic(self) -> Topic:
        settings = {
            "cleanup.policy": "compact",
            "compression.type": "producer",
            "segment.bytes": str(self._config.offsets_topic_segment_bytes),
        }
        try:
            return self._topics.create(
                OFFSETS_TOPIC, self._config.offsets_topic_num_partitions, settings
            )
        except TopicExistsError:
            return self._topics.require(OFFSETS_TOPIC)

    def _open(self, topic: Topic) -> None:
        logs = [self._logs.get(each) for each in topic.topic_partitions()]
        found = [log for log in logs if log is not None]
        if len(found) != len(logs):
            missing = [number for number, log in enumerate(logs) if log is None]
            raise UnknownTopicError(
                f"{OFFSETS_TOPIC} has {len(logs)} partitions but no log for {missing}; "
                "was its directory deleted? Restart the broker to have it made again"
            )
        self._shards = tuple(_Shard(log) for log in found)

    def _shard(self, group: str) -> _Shard | None:
        """Return the group's shard, or None while the topic does not exist."""
        shards = self._shards
        return shards[partition_of_group(group, len(shards))] if shards else None

    def _need_shard(self, group: str) -> _Shard:
        shard = self._shard(group)
        if shard is None:
            self.ensure_topic()
            shard = self._shard(group)
        if shard is None:
            raise AssertionError(f"{OFFSETS_TOPIC} has no partitions")
        return shard

    # -- offsets ---------------------------------------------------------------------------------

    def commit(self, group: str, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        """Commit `offsets` in one record batch: all of them or none.

        A `commit_timestamp` of -1 is replaced by the present.

        Raises:
            LogError: The batch was refused (too large, for instance).
            FileSystemError: It could not be written; nothing is changed.
        """
        if not offsets:
            return
        now_ms = self._clock.time_ms()
        values = {
            each: value if value[3] != -1 else value._replace(commit_timestamp=now_ms)
            for each, value in offsets.items()
        }
        shard = self._need_shard(group)
        with shard.lock:
            shard.log.append_columns(
                shard.keys_of(group, values),
                [encode_offset_value(value) for value in values.values()],
                [now_ms] * len(values),
                divisible=False,
            )
            shard.offsets.setdefault(group, {}).update(values)
            self._commits += 1

    def fetch(
        self, group: str, topic_partitions: Iterable[TopicPartition] | None = None
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        """Return what `group` has committed, for all partitions or for those named.

        Partitions without a commit are missing from the result.
        """
        shard = self._shard(group)
        if shard is None:
            return {}
        with shard.lock:
            offsets = shard.offsets.get(group, {})
            if topic_partitions is None:
                return dict(offsets)
            return {each: offsets[each] for each in topic_partitions if each in offsets}

    def delete_offsets(self, group: str, topic_partitions: Iterable[TopicPartition]) -> None:
        """Forget what `group` committed for these partitions; those without a commit are ignored.

        Raises:
            FileSystemError: The tombstones could not be written; nothing is changed.
        """
        shard = self._shard(group)
        if shard is not None:
            wanted = set(topic_partitions)
            with shard.lock:
                self._forget(shard, group, wanted.__contains__)

    def forget_topic(self, topic: str) -> None:
        """Forget what any group committed for `topic`, which is gone."""
        for shard in self._shards:
            with shard.lock:
                for group in list(shard.offsets):
                    self._forget(shard, group, lambda each: each.topic == topic)

    def _topic_deleted(self, topic: Topic) -> None:
        self.forget_topic(topic.name)

    def _forget(
        self, shard: _Shard, group: str, is_wanted: Callable[[TopicPartition], bool]
    ) -> None:
        gone = [each for each in shard.offsets.get(group, {}) if is_wanted(each)]
        if gone:
            _bury(shard, shard.keys_of(group, gone), self._clock.time_ms())
            shard.forget(group, gone)

    # -- groups ----------------------------------------------------------------------------------

    def save_group(self, group: str, metadata: GroupMetadata) -> None:
        """Remember a group's generation, members and assignments over restarts.

        Raises:
            LogError: The record was refused (too large, for instance).
            FileSystemError: It could not be written; nothing is changed.
        """
        shard = self._need_shard(group)
        key, value = encode_group_key(group), encode_group_value(metadata)
        with shard.lock:
            shard.log.append_columns([key], [value], [self._clock.time_ms()])
            shard.saved[group] = metadata

    def saved_groups(self) -> dict[str, GroupMetadata]:
        """Return all groups that were saved and not deleted."""
        found: dict[str, GroupMetadata] = {}
        for shard in self._shards:
            with shard.lock:
                found.update(shard.saved)
        return found

    def delete_group(self, group: str) -> None:
        """Forget a group with all its offsets, in one record batch.

        Raises:
            FileSystemError: The tombstones could not be written; nothing is changed.
        """
        shard = self._shard(group)
        if shard is None:
            return
        with shard.lock:
            gone = list(shard.offsets.get(group, ()))
            keys = shard.keys_of(group, gone) if gone else []
            if group in shard.saved:
                keys.append(encode_group_key(group))
            if keys:
                _bury(shard, keys, self._clock.time_ms())
            shard.forget(group, gone)
            shard.saved.pop(group, None)

    def groups(self) -> list[str]:
        """Return the ids of all groups that committed something or were saved, sorted."""
        found: set[str] = set()
        for shard in self._shards:
            with shard.lock:
                found.update(shard.offsets, shard.saved)
        return sorted(found)

    def has_offsets(self, group: str) -> bool:
        """Say whether anything is committed in `group`."""
        shard = self._shard(group)
        return shard is not None and group in shard.offsets

    # -- retention -------------------------------------------------------------------------------

    def pin(self, group: str) -> None:
        """Keep the offsets of `group` from expiring: an embedded application uses it.

        Such an application has no members that the coordinator could see.
        """
        with self._lock:
            self._pins[group] = self._pins.get(group, 0) + 1

    def unpin(self, group: str) -> None:
        """Take back one `pin`."""
        with self._lock:
            count = self._pins.pop(group, 0) - 1
            if count > 0:
                self._pins[group] = count

    def expire(
        self, group: str, *, empty_since_ms: int | None, subscribed: Collection[str]
    ) -> None:
        """Forget offsets of `group` that nobody used for `offsets.retention.minutes` (KIP-211).

        Args:
            group: The group; nothing happens while it is pinned.
            empty_since_ms: When its last member left; None: time counts from each commit. A commit
                made after that counts too, unlike in Kafka, where offsets set by hand in a group
                empty for long vanish at the next look.
            subscribed: Topics whose offsets stay in any case.

        Raises:
            FileSystemError: The tombstones could not be written; nothing is changed.
        """
        shard = self._shard(group)
        if shard is None or group in self._pins:
            return
        now_ms = self._clock.time_ms()
        retention_ms = self._config.offsets_retention_minutes * _MINUTE_MS
        with shard.lock:
            offsets = shard.offsets.get(group, {})

            def is_over(each: TopicPartition) -> bool:
                value = offsets[each]
                if each.topic in subscribed:
                    return False
                if value.expire_timestamp != -1:
                    return now_ms >= value.expire_timestamp
                since_ms = max(value.commit_timestamp, empty_since_ms or 0)
                return now_ms - since_ms >= retention_ms

            self._forget(shard, group, is_over)

    def statistics(self) -> dict[str, int]:
        """Return how many groups and offsets are kept, and commits made since the start."""
        groups = offsets = 0
        for shard in self._shards:
            with shard.lock:
                groups += len(shard.offsets.keys() | shard.saved.keys())
                offsets += sum(map(len, shard.offsets.values()))
        return {"groups": groups, "offsets": offsets, "commits": self._commits}


def _bury(shard: _Shard, keys: list[bytes | None], now_ms: int) -> None:
    """Write a tombstone for each of `keys`."""
    tombstones: list[bytes | None] = [None] * len(keys)
    shard.log.append_columns(keys, tombstones, [now_ms] * len(keys))


def _replay(shard: _Shard) -> None:
    """Fill a shard from its log."""
    log = shard.log
    topic, partition = log.topic_partition
    position = log.log_start_offset
    # Until the log is compacted most records are superseded by later ones: only the last value of
    # each key is worth decoding.
    latest: dict[bytes, bytes | None] = {}
    while position < log.log_end_offset:
        data = log.read(position, _READ_BYTES)
        end = max((header.last_offset + 1 for _, header in iter_headers(data)), default=position)
        if end <= position:
            break
        for columns in decode_columns(data, topic, partition, position):
            latest.update(
                (key, value)
                for key, value in zip(columns.keys, columns.values, strict=True)
                if key is not None
            )
        position = end
    for key, value in latest.items():
        if value is not None:
            _apply(shard, key, value)


def _apply(shard: _Shard, raw_key: bytes, value: bytes) -> None:
    match decode_key(raw_key):
        case OffsetKey(group, topic_partition):
            offsets = shard.offsets.setdefault(group, {})
            offsets[topic_partition] = decode_offset_value(value)
        case GroupKey(group):
            shard.saved[group] = decode_group_value(value)
        case None:
            _log.debug("a record of another coordinator in %s is passed over", OFFSETS_TOPIC)
