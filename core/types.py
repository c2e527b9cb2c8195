"""Values every floor shares: topic-partitions, headers, and batches of records held in columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

Headers: TypeAlias = Sequence[tuple[str, bytes | None]]
"""The headers of one record, in order; names may repeat. Kafka: `Headers`."""

NO_TIMESTAMP = -1
"""What Kafka calls `RecordBatch.NO_TIMESTAMP`: the record carries no time."""

MAX_TIMESTAMP = (1 << 63) - 1
"""The last time that fits a record. Kafka: `Long.MAX_VALUE`."""


class TopicPartition(NamedTuple):
    """One partition of a topic. Kafka: `TopicPartition`."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}"


@dataclass(slots=True)
class Columns:
    """Records of one topic-partition as parallel columns (the form records travel in).

    Attributes:
        topic: The topic they were read from or go to.
        partition: Its partition.
        offsets: One offset a record; a `range` where they are contiguous. Empty before an append.
        keys: One serialised key a record, or None.
        values: One serialised value a record, or None.
        timestamps: Milliseconds since the epoch, one a record.
        headers: One header list a record, or None when no record of the batch has any.
    """

    topic: str
    partition: int
    offsets: Sequence[int]
    keys: list[bytes | None]
    values: list[bytes | None]
    timestamps: list[int]
    headers: list[Headers] | None = None

    def __len__(self) -> int:
        return len(self.values)
