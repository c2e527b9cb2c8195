"""The embedded transport: from the stream runtime straight to a broker in the same process.

There is no socket and no group protocol: the one application that runs gets all partitions.

**Exactly once within the application.** A commit is one record batch in `__consumer_offsets`, so it
is there as a whole or not at all. It holds the input positions and, in the metadata of one of
them, the end offsets of the topics that the application alone writes (changelogs and repartition
topics; see `claim`). After a crash those topics are cut back to the ends of the last commit before
anything is restored: what an unfinished stretch of work had written is gone, and the work is done
again from the committed positions. Topics that others may write too (sinks) are not cut back; they
may see the records of that stretch twice, as with any at-least-once producer.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from weakref import WeakKeyDictionary

from aliran.broker.broker import Broker
from aliran.broker.errors import TopicExistsError
from aliran.broker.offsets import OffsetAndMetadata
from aliran.clients import position_metadata
from aliran.clients.transport import (
    Position,
    RebalanceListener,
    TopicSpec,
    TransportError,
    UnknownTopicError,
)
from aliran.core.types import Columns, TopicPartition
from aliran.protocol.records import decode_columns, iter_headers
from aliran.storage.log import PartitionLog

READ_BYTES = 1 << 20
"""How much is read of one partition at a time; about 5,000 tweets."""

BATCH_RECORDS = 4_000
"""Records per batch that is written; the log splits it further where a topic wants less."""

MAX_TAIL = 16
"""Batches of its own that a partition's reader is handed without reading the log."""

_END = "end:"
"""Prefix of the metadata entries that hold the end offsets of claimed topics."""

_running: WeakKeyDictionary[Broker, set[str]] = WeakKeyDictionary()
"""The groups that run on each broker of this process."""


class EmbeddedTransport:
    """Implements `Transport` on a `Broker` of this process.

    Args:
        broker: The broker, started.
        address: What `describe` says.
    """

    def __init__(self, broker: Broker, address: str) -> None:
        self._broker = broker
        self._address = address
        self._group_id = ""
        self._topics: list[str] = []
        self._listener: RebalanceListener | None = None
        self._assigned = False
        self._revokes = False
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        # What this application has written to partitions that it reads next, by partition.
        self._tails: dict[TopicPartition, deque[Columns]] = {}
        self._claimed: list[PartitionLog] = []
        self._needs_baseline = False
        self._written: dict[TopicPartition, int] = {}
        self._wake = threading.Event()
        self._watched: dict[TopicPartition, PartitionLog] = {}

    def describe(self) -> str:
        """Name the broker in a few words."""
        return f"embedded broker at {self._address}"

    # ------------------------------------------------------------------ topics

    def partition_counts(self, topics: Iterable[str]) -> dict[str, int]:
        """Return the number of partitions of those of `topics` that exist."""
        found = {name: self._broker.topics.get(name) for name in topics}
        return {name: topic.partitions for name, topic in found.items() if topic is not None}

    def topics(self) -> dict[str, int]:
        """Return the number of partitions of all topics there are."""
        return {t.name: t.partitions for t in self._broker.topics.all() if not t.internal}

    def create_topics(self, specs: Iterable[TopicSpec]) -> None:
        """Create topics; those that exist already are left as they are."""
        for spec in specs:
            try:
                self._broker.topics.create(spec.name, spec.partitions, spec.configs)
            except TopicExistsError:
                continue

    def auto_creates_topics(self) -> bool:
        """Return whether topics are made on first use."""
        return self._broker.config.auto_create_topics_enable

    # ------------------------------------------------------------------ consuming

    def join(self, group_id: str, topics: Collection[str], listener: RebalanceListener) -> None:
        """Become the one member of `group_id`; all partitions are assigned at the first poll."""
        running = _running.setdefault(self._broker, set())
        if group_id in running:
            raise TransportError(
                f"an application with the id {group_id!r} runs on this embedded broker already; "
                "stop it first, give this one another id, or run both against "
                f"{self._address} with brokers= to share the work"
            )
        running.add(group_id)
        self._broker.offsets.pin(group_id)  # no visible members, but not to be forgotten either
        self._group_id, self._topics, self._listener = group_id, list(topics), listener

    def subscribe(self, topics: Collection[str]) -> None:
        """Read other topics than until now; the next poll revokes and assigns."""
        self._topics = list(topics)
        self._revokes, self._assigned = self._assigned, False

    def claim(self, topics: Collection[str]) -> None:
        """Cut `topics` back to where the last commit left them."""
        self._claimed = [
            self._log(partition)
            for name in sorted(topics)
            for partition in self._broker.topics.require(name).topic_partitions()
        ]
        ends = self._committed_ends()
        for log in self._claimed:
            end = ends.get(str(log.topic_partition))
            if end is not None and end < log.log_end_offset:
                log.truncate_to(end)
            log.compaction_limit = log.log_end_offset
        self._needs_baseline = bool(self._claimed) and not ends

    def assign(self, positions: Mapping[TopicPartition, int]) -> None:
        """Read these partitions from these offsets on, and no others."""
        self._positions = dict(positions)
        self._tails.clear()
        self._paused.clear()
        self._unwatch()
        for partition in positions:
            log = self._watched[partition] = self._log(partition)
            log.on_append.append(self._appended)
        if self._needs_baseline and positions:
            self._commit_baseline(positions)

    def poll(self, max_wait_ms: int) -> list[Columns]:
        """Return what has arrived, waiting up to `max_wait_ms` when there is nothing."""
        if not self._assigned and self._listener is not None:
            if self._revokes:
                self._revokes = False
                self._listener.on_revoked(list(self._positions), lost=False)
            self._assigned = True
            self._listener.on_assigned(self._all_partitions())
        self._wake.clear()
        found = self._read_available()
        if not found and max_wait_ms > 0:
            self._wake.wait(max_wait_ms / 1000)
            found = self._read_available()
        return found

    def pause(self, partitions: Collection[TopicPartition]) -> None:
        """Return nothing of these partitions until `resume`."""
        self._paused.update(partitions)

    def resume(self, partitions: Collection[TopicPartition]) -> None:
        """Undo `pause`."""
        self._paused.difference_update(partitions)

    def lag(self, partition: TopicPartition) -> int | None:
        """Return how many records lie beyond those that `poll` has returned."""
        log = self._broker.logs.get(partition)  # None: deleted, and the next poll says so
        return (
            None if log is None else max(0, log.log_end_offset - self._positions.get(partition, 0))
        )

    def is_at_end(self, partitions: Collection[TopicPartition]) -> bool:
        """Return whether `poll` has returned all that these partitions hold by now."""
        return all(self.lag(partition) == 0 for partition in partitions)

    def committed(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, Position]:
        """Return the group's committed positions; partitions without one are absent."""
        found = {}
        for partition, entry in self._broker.offsets.fetch(self._group_id, partitions).items():
            if entry.offset < 0:
                continue
            time_ms, metadata = position_metadata.decode(entry.metadata or "")
            plain = {key: value for key, value in metadata.items() if not key.startswith(_END)}
            found[partition] = Position(entry.offset, time_ms, plain)
        return found

    def commit(self, positions: Mapping[TopicPartition, Position]) -> None:
        """Commit all of `positions`, and the ends of the claimed topics, at once."""
        if not positions:
            return
        ends = [log.log_end_offset for log in self._claimed]
        # Dealt out over the partitions, since the metadata of one holds 32,767 bytes only.
        extras: list[dict[str, int]] = [{} for _ in positions]
        for number, (log, end) in enumerate(zip(self._claimed, ends, strict=True)):
            extras[number % len(extras)][_END + str(log.topic_partition)] = end
        self._broker.offsets.commit(
            self._group_id,
            {
                partition: OffsetAndMetadata(
                    positions[partition].offset,
                    metadata=position_metadata.encode(
                        positions[partition].partition_time_ms,
                        {**positions[partition].processor_metadata, **extra},
                    ),
                )
                for partition, extra in zip(sorted(positions), extras, strict=True)
            },
        )
        self._needs_baseline = False
        for log, end in zip(self._claimed, ends, strict=True):
            log.compaction_limit = end

    def leave(self) -> None:
        """Stop being the member of the group."""
        running = _running.get(self._broker, set())
        if self._group_id in running:
            running.discard(self._group_id)
            self._broker.offsets.unpin(self._group_id)
        self._unwatch()
        self._assigned = False

    # ------------------------------------------------------------------ restore

    def bounds(
        self, partitions: Collection[TopicPartition]
    ) -> dict[TopicPartition, tuple[int, int]]:
        """Return (first offset, end offset) of each partition."""
        logs = {partition: self._log(partition) for partition in partitions}
        return {p: (log.log_start_offset, log.log_end_offset) for p, log in logs.items()}

    def read(self, partition: TopicPartition, start: int, end: int) -> Iterator[Columns]:
        """Yield the records of `partition` in `[start, end)`, in order."""
        log = self._log(partition)
        while start < end:
            batches, next_offset = self._read(log, start)
            if next_offset == start:
                return
            for columns in batches:
                wanted = columns if columns.offsets[-1] < end else _before(columns, end)
                if len(wanted):
                    yield wanted
            start = next_offset

    # ------------------------------------------------------------------ producing

    def send(self, columns: Columns) -> None:
        """Append records to the log of their partition."""
        partition = TopicPartition(columns.topic, columns.partition)
        log = self._log(partition)
        begin = log.log_end_offset
        for start in range(0, len(columns), BATCH_RECORDS):
            part = _cut(columns, start, start + BATCH_RECORDS)
            log.append_columns(part.keys, part.values, part.timestamps, part.headers)
        self._written[partition] = log.log_end_offset
        if partition in self._positions:
            self._remember(partition, log, columns, begin)

    def flush(self) -> dict[TopicPartition, int]:
        """Return the end offsets of the partitions written since the last flush."""
        written, self._written = self._written, {}
        return written

    def delete_records(self, before: Mapping[TopicPartition, int]) -> None:
        """Let the broker drop records before these offsets."""
        for partition, offset in before.items():
            log = self._log(partition)
            if log.log_start_offset < offset <= log.log_end_offset:
                log.delete_records(offset)

    def close(self) -> None:
        """Leave the group and let go of the logs."""
        self.leave()
        self._positions.clear()

    # ------------------------------------------------------------------ inside

    def _commit_baseline(self, positions: Mapping[TopicPartition, int]) -> None:
        """Commit where the very first run begins: else a crash in it had no end to go back to."""
        known = self.committed(positions)
        start = {p: known.get(p, Position(0)) for p in positions}
        self.commit({p: replace(start[p], offset=offset) for p, offset in positions.items()})

    def _log(self, partition: TopicPartition) -> PartitionLog:
        log = self._broker.logs.get(partition)
        if log is None:
            raise UnknownTopicError(
                f"topic {partition.topic!r} has no partition {partition.partition} on the "
                f"{self.describe()}; create it with "
                f"`aliran topics create {partition.topic}` or any Kafka tool"
            )
        return log

    def _all_partitions(self) -> list[TopicPartition]:
        return [
            partition
            for name in self._topics
            for partition in self._broker.topics.require(name).topic_partitions()
        ]

    def _committed_ends(self) -> dict[str, int]:
        """The ends of claimed topics at the last commit, by topic-partition."""
        ends: dict[str, int] = {}
        for entry in self._broker.offsets.fetch(self._group_id, None).values():
            for name, end in position_metadata.decode(entry.metadata or "")[1].items():
                if name.startswith(_END):
                    partition = name.removeprefix(_END)
                    ends[partition] = max(end, ends.get(partition, 0))
        return ends

    def _appended(self, _log: PartitionLog) -> None:
        self._wake.set()

    def _unwatch(self) -> None:
        for log in self._watched.values():
            if self._appended in log.on_append:
                log.on_append.remove(self._appended)
        self._watched.clear()

    def _read_available(self) -> list[Columns]:
        found: list[Columns] = []
        for partition, position in self._positions.items():
            if partition in self._paused:
                continue
            if tail := self._tails.pop(partition, None):
                found += tail
                self._positions[partition] = tail[-1].offsets[-1] + 1
                continue
            log = self._log(partition)
            if log is not self._watched.get(partition, log):
                raise UnknownTopicError(
                    f"topic {partition.topic!r} was deleted and created again on the "
                    f"{self.describe()} while it was read; positions in the old one mean nothing "
                    "in the new one: reset the application's offsets and start it again"
                )
            if position >= log.log_end_offset:
                continue
            batches, self._positions[partition] = self._read(log, position)
            found += batches
        return found

    def _read(self, log: PartitionLog, start: int) -> tuple[list[Columns], int]:
        """Return the next records, and the offset behind the batches they came in.

        The latter lies further where batches hold no records any more (compaction, markers).
        """
        topic, partition = log.topic_partition
        data = log.read(max(start, log.log_start_offset), READ_BYTES)
        end = start
        for _, header in iter_headers(data):
            end = header.last_offset + 1
        return list(decode_columns(data, topic, partition, start)), end

    def _remember(
        self, partition: TopicPartition, log: PartitionLog, columns: Columns, begin: int
    ) -> None:
        """Keep what was just written for the next poll, if that is what it would read.

        The log has it; reading and decoding it again would only cost time.
        """
        tail = self._tails.setdefault(partition, deque())
        expected = tail[-1].offsets[-1] + 1 if tail else self._positions[partition]
        end = begin + len(columns)
        plain = log.config.message_timestamp_type == "CreateTime"
        if begin != expected or log.log_end_offset != end or not plain or len(tail) >= MAX_TAIL:
            return
        headers = None if columns.headers is None else list(columns.headers)
        tail.append(
            Columns(
                *partition,
                range(begin, end),
                list(columns.keys),
                list(columns.values),
                list(columns.timestamps),
                headers,
            )
        )


def _cut(columns: Columns, start: int, end: int) -> Columns:
    """Return the records from index `start` up to `end`."""
    if start == 0 and end >= len(columns):
        return columns
    return Columns(
        columns.topic,
        columns.partition,
        columns.offsets[start:end],
        columns.keys[start:end],
        columns.values[start:end],
        columns.timestamps[start:end],
        None if columns.headers is None else columns.headers[start:end],
    )


def _before(columns: Columns, end: int) -> Columns:
    """Return the records whose offset lies before `end`."""
    count = sum(offset < end for offset in columns.offsets)
    return _cut(columns, 0, count)
