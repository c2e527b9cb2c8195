"""How the stream runtime reaches a broker: one interface, an embedded and a network one behind it.

The runtime calls a transport from one thread. Records travel in `Columns`; nothing here knows
topologies or tasks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from aliran.core.errors import AliranError
from aliran.core.types import Columns, TopicPartition


class TransportError(AliranError):
    """A broker could not be reached or refused a request."""


class UnknownTopicError(TransportError):
    """A topic does not exist and was not created."""


class GroupFencedError(TransportError):
    """Another member took over the partitions; what was done since the last commit is void."""

    retriable = True


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic to create: partitions (-1: the broker's default) and settings by Kafka's names."""

    name: str
    partitions: int
    configs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Position:
    """What is committed for a partition.

    Attributes:
        offset: The next record to process.
        partition_time_ms: The largest timestamp processed, -1 for none; survives restarts.
        processor_metadata: Small numbers by name, kept with the offset. Transports encode the two
            in the offset's metadata in the form of Kafka's `TopicPartitionMetadata`.
    """

    offset: int
    partition_time_ms: int = -1
    processor_metadata: Mapping[str, int] = field(default_factory=dict)


class RebalanceListener(Protocol):
    """Told of partitions that come and go, from inside `poll` (Kafka: `ConsumerRebalanceListener`).

    Both are called with topic-partitions of subscribed topics only.
    """

    def on_assigned(self, partitions: Collection[TopicPartition]) -> None:
        """Take these partitions over; called with all of them (eager rebalancing)."""
        ...

    def on_revoked(self, partitions: Collection[TopicPartition], *, lost: bool) -> None:
        """Give these up: commit now, unless they are `lost` already (then a commit would fail)."""
        ...


class Transport(Protocol):
    """A connection of one application to one broker or cluster."""

    def describe(self) -> str:
        """Name the broker in a few words, for messages."""
        ...

    # -- topics

    def partition_counts(self, topics: Iterable[str]) -> dict[str, int]:
        """Return the number of partitions of those of `topics` that exist."""
        ...

    def topics(self) -> dict[str, int]:
        """Return the number of partitions of all topics there are, the broker's own left out."""
        ...

    def create_topics(self, specs: Iterable[TopicSpec]) -> None:
        """Create topics; those that exist already are left as they are.

        Raises:
            TransportError: The broker refuses one; the message names it and the reason.
        """
        ...

    def auto_creates_topics(self) -> bool:
        """Return whether the broker makes topics on first use (`auto.create.topics.enable`)."""
        ...

    # -- consuming

    def join(self, group_id: str, topics: Collection[str], listener: RebalanceListener) -> None:
        """Subscribe as a member of `group_id`; assignments arrive during `poll`."""
        ...

    def subscribe(self, topics: Collection[str]) -> None:
        """Read other topics than until now; what is assigned is revoked, a new assignment follows.

        Called by a member of a group from outside of `poll`.
        """
        ...

    def claim(self, topics: Collection[str]) -> None:
        """Say which topics this application alone writes (its changelogs and repartition topics).

        Called after `join`, and again where there are more, before restoring. A transport that can
        undo writes takes these topics back to the last commit; others do nothing.
        """
        ...

    def assign(self, positions: Mapping[TopicPartition, int]) -> None:
        """Read these partitions from these offsets on, and no others.

        The runtime calls it from `on_assigned`, possibly with partitions beyond the assigned ones
        (those of smaller topics that belong to the same task).
        """
        ...

    def poll(self, max_wait_ms: int) -> list[Columns]:
        """Return what has arrived, waiting up to `max_wait_ms` when there is nothing.

        Offsets, keys, values and timestamps as in the log; headers None where no record has any.
        """
        ...

    def pause(self, partitions: Collection[TopicPartition]) -> None:
        """Return nothing of these partitions until `resume`; their positions stay."""
        ...

    def resume(self, partitions: Collection[TopicPartition]) -> None:
        """Undo `pause`."""
        ...

    def lag(self, partition: TopicPartition) -> int | None:
        """Return how many records the broker holds beyond those that `poll` has returned.

        None while that is not known yet. Cheap: no request of its own.
        """
        ...

    def is_at_end(self, partitions: Collection[TopicPartition]) -> bool:
        """Return whether `poll` has returned all that these partitions hold by now.

        Unlike `lag` this asks the broker.
        """
        ...

    def committed(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, Position]:
        """Return the group's committed positions; partitions without one are absent."""
        ...

    def commit(self, positions: Mapping[TopicPartition, Position]) -> None:
        """Commit all of `positions`, returning when the broker has them.

        Raises:
            GroupFencedError: The group has moved on without this member.
        """
        ...

    def leave(self) -> None:
        """Leave the group (after a last commit)."""
        ...

    # -- reading without a group: restore

    def bounds(
        self, partitions: Collection[TopicPartition]
    ) -> dict[TopicPartition, tuple[int, int]]:
        """Return (first offset, end offset) of each partition."""
        ...

    def read(self, partition: TopicPartition, start: int, end: int) -> Iterator[Columns]:
        """Yield the records of `partition` in `[start, end)`, in order.

        Ends when the position reaches `end`, which may lie behind the last record (transaction
        markers, compacted records).
        """
        ...

    # -- producing

    def send(self, columns: Columns) -> None:
        """Queue records for `columns.topic`, `columns.partition`, in order; offsets are ignored.

        The lists are the caller's again when this returns.
        """
        ...

    def flush(self) -> dict[TopicPartition, int]:
        """Wait until all that was sent is acknowledged.

        Returns:
            For each partition written since the last flush, the offset after its last record.

        Raises:
            TransportError: A record could not be delivered; the message names topic, partition and
                reason. Nothing sent since the last flush may be counted as delivered.
        """
        ...

    def delete_records(self, before: Mapping[TopicPartition, int]) -> None:
        """Let the broker drop records before these offsets (repartition topics after a commit)."""
        ...

    def close(self) -> None:
        """Let go of everything; a second call does nothing."""
        ...
