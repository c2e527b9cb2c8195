"""What a log remembers of its idempotent producers, to drop duplicates and refuse gaps.

For each producer id: its epoch and its last five batches. Rules as Kafka's `ProducerStateManager`
and `ProducerAppendInfo`:

| a batch with ... | is |
|---|---|
| the sequences of one of the last five, in its epoch | a duplicate: answered as the first time |
| a lower epoch than the producer's | refused: INVALID_PRODUCER_EPOCH |
| a higher epoch, and sequence 0 | taken |
| a higher epoch, and another sequence | refused: OUT_OF_ORDER_SEQUENCE_NUMBER |
| the sequence after the last one (0 after 2³¹-1) | taken |
| any other sequence | refused: OUT_OF_ORDER_SEQUENCE_NUMBER |
| an id that is not known (never seen, or expired) | taken, whatever its sequence |

Snapshots hold only the last batch of each producer: Kafka's format has room for no more.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import NamedTuple

import crc32c

from aliran.core.types import TopicPartition
from aliran.protocol.records import BatchHeader
from aliran.storage.errors import InvalidProducerEpochError, OutOfOrderSequenceError

BATCHES_KEPT = 5
DEFAULT_EXPIRATION_MS = 86_400_000
"""How long a silent producer is remembered. Kafka: `producer.id.expiration.ms`."""
INT_MAX = 2**31 - 1
_SNAPSHOT_HEADER = Struct(">hIi")  # version, CRC-32C of what follows it, number of entries
_SNAPSHOT_ENTRY = Struct(">qhiqiqiq")
_SNAPSHOT_VERSION = 1
_CRC_END = 6


class SentBatch(NamedTuple):
    """What is kept of a batch. Kafka: `BatchMetadata`."""

    last_sequence: int
    last_offset: int
    offset_delta: int
    timestamp: int

    @property
    def first_sequence(self) -> int:
        """The sequence of its first record; wraps as Kafka's."""
        return (self.last_sequence - self.offset_delta) & INT_MAX

    @property
    def first_offset(self) -> int:
        """The offset of its first record."""
        return self.last_offset - self.offset_delta


class ProducerEntry(NamedTuple):
    """What is known of one producer. Kafka: `ProducerStateEntry`.

    Attributes:
        producer_id: Its id.
        epoch: Its epoch.
        batches: Its last batches, the newest last.
        coordinator_epoch: Of the last transaction marker, or -1.
        txn_first_offset: Where its open transaction starts, or -1.
        timestamp: When it last wrote, in milliseconds, by the broker's clock. (Kafka takes the
            records' own time, and so forgets at once who replays old records: KAFKA-6817.)
    """

    producer_id: int
    epoch: int
    batches: tuple[SentBatch, ...]
    coordinator_epoch: int = -1
    txn_first_offset: int = -1
    timestamp: int = -1

    @property
    def last_sequence(self) -> int:
        """The sequence of its last record, or -1."""
        return self.batches[-1].last_sequence if self.batches else -1


class ProducerStateManager:
    """The producers of one log. Used under the log's lock."""

    def __init__(
        self, topic_partition: TopicPartition, expiration_ms: int = DEFAULT_EXPIRATION_MS
    ) -> None:
        self._topic_partition = topic_partition
        self._expiration_ms = expiration_ms
        self._producers: dict[int, ProducerEntry] = {}

    def __len__(self) -> int:
        return len(self._producers)

    def entries(self) -> list[ProducerEntry]:
        """Return what is known, by producer id."""
        return [self._producers[producer_id] for producer_id in sorted(self._producers)]

    def find_duplicate(self, header: BatchHeader) -> SentBatch | None:
        """Return the batch that was taken before with these sequences, if it is still known."""
        entry = self._producers.get(header.producer_id)
        if entry is None or entry.epoch != header.producer_epoch:
            return None
        sequences = header.base_sequence, header.last_sequence
        for batch in entry.batches:
            if (batch.first_sequence, batch.last_sequence) == sequences:
                return batch
        return None

    def check(self, headers: Iterable[BatchHeader]) -> None:
        """Check that these batches, in this order, follow what their producers wrote.

        Raises:
            InvalidProducerEpochError: A newer producer has taken the id over.
            OutOfOrderSequenceError: Batches are missing or out of order.
        """
        ahead: dict[int, tuple[int, int]] = {}  # id → (epoch, last sequence) as of these batches
        for header in headers:
            if header.producer_id < 0 or header.is_control:
                continue
            producer_id = header.producer_id
            known = ahead.get(producer_id)
            if known is None:
                entry = self._producers.get(producer_id)
                known = (entry.epoch, entry.last_sequence) if entry else None
            if known is not None:
                self._check_follows(header, *known)
            ahead[producer_id] = header.producer_epoch, header.last_sequence

    def _check_follows(self, header: BatchHeader, epoch: int, last_sequence: int) -> None:
        if header.producer_epoch < epoch:
            raise InvalidProducerEpochError(
                f"{self._topic_partition}: producer {header.producer_id} writes with epoch "
                f"{header.producer_epoch}, but epoch {epoch} has taken over; this is an old "
                "instance that should end, or ask for a new producer id",
                self._topic_partition,
            )
        if header.producer_epoch > epoch:
            expected = 0
        elif last_sequence == -1:
            return
        else:
            expected = (last_sequence + 1) & INT_MAX
        if header.base_sequence != expected:
            raise OutOfOrderSequenceError(
                f"{self._topic_partition}: producer {header.producer_id} (epoch "
                f"{header.producer_epoch}) sent sequence {header.base_sequence} where {expected} "
                "must come; batches before it were lost or overtaken, so send them again in order",
                self._topic_partition,
            )

    def update(self, header: BatchHeader, last_offset: int, now_ms: int) -> None:
        """Remember a batch that was written at `now_ms` and ends at `last_offset`."""
        producer_id = header.producer_id
        if producer_id < 0:
            return
        entry = self._producers.get(producer_id)
        same = entry is not None and entry.epoch == header.producer_epoch
        batches = entry.batches if entry is not None and same else ()
        if not header.is_control:
            batch = SentBatch(
                header.last_sequence, last_offset, header.last_offset_delta, header.max_timestamp
            )
            batches = (*batches, batch)[-BATCHES_KEPT:]
        self._producers[producer_id] = ProducerEntry(
            producer_id, header.producer_epoch, batches, timestamp=now_ms
        )

    def clear(self) -> None:
        """Forget all producers."""
        self._producers.clear()

    def expire(self, now_ms: int) -> int:
        """Forget producers that wrote nothing for the time of expiration; return how many."""
        oldest = now_ms - self._expiration_ms
        gone = [
            producer_id
            for producer_id, entry in self._producers.items()
            if entry.timestamp < oldest and entry.txn_first_offset < 0
        ]
        for producer_id in gone:
            del self._producers[producer_id]
        return len(gone)

    def to_snapshot(self) -> bytes:
        """Return the state in the format of Kafka's `.snapshot` files."""
        body = bytearray(_SNAPSHOT_HEADER.pack(_SNAPSHOT_VERSION, 0, len(self._producers)))
        for entry in self.entries():
            last = entry.batches[-1] if entry.batches else SentBatch(-1, -1, 0, entry.timestamp)
            body += _SNAPSHOT_ENTRY.pack(
                entry.producer_id,
                entry.epoch,
                last.last_sequence,
                last.last_offset,
                last.offset_delta,
                entry.timestamp,
                entry.coordinator_epoch,
                entry.txn_first_offset,
            )
        crc = crc32c.crc32c(bytes(body[_CRC_END:]))
        _SNAPSHOT_HEADER.pack_into(body, 0, _SNAPSHOT_VERSION, crc, len(self._producers))
        return bytes(body)

    def load_snapshot(self, data: bytes) -> bool:
        """Take the state from a snapshot; return False, and change nothing, if it is damaged."""
        if len(data) < _SNAPSHOT_HEADER.size:
            return False
        version, crc, count = _SNAPSHOT_HEADER.unpack_from(data)
        entries = data[_SNAPSHOT_HEADER.size :]
        if (
            version != _SNAPSHOT_VERSION
            or crc != crc32c.crc32c(data[_CRC_END:])
            or len(entries) != count * _SNAPSHOT_ENTRY.size
        ):
            return False
        self._producers.clear()
        for row in _SNAPSHOT_ENTRY.iter_unpack(entries):
            producer_id, epoch, sequence, offset, delta, timestamp, coordinator, txn = row
            batches = (SentBatch(sequence, offset, delta, timestamp),) if sequence >= 0 else ()
            self._producers[producer_id] = ProducerEntry(
                producer_id, epoch, batches, coordinator, txn, timestamp
            )
        return True
