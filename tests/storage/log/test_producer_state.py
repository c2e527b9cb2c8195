"""Kafka's rules for idempotent producers, and its snapshots."""

import pytest

from aliran.core.clock import ManualClock
from aliran.core.error_codes import ErrorCode
from aliran.core.filesystem import MemoryFileSystem
from aliran.core.types import TopicPartition
from aliran.protocol.records import encode_batch
from aliran.storage.errors import InvalidProducerEpochError, OutOfOrderSequenceError
from aliran.storage.log import LogConfig, LogManager, PartitionLog
from aliran.storage.log.producer_state import INT_MAX, ProducerStateManager

TP = TopicPartition("topic", 0)
NOW = 1_700_000_000_000


def batch(
    sequence: int, count: int = 1, *, epoch: int = 0, producer: int = 9, timestamp: int = NOW
) -> bytearray:
    return encode_batch(
        [None] * count,
        [b"v"] * count,
        [timestamp] * count,
        producer_id=producer,
        producer_epoch=epoch,
        base_sequence=sequence,
    )


class Disk:
    def __init__(self) -> None:
        self.fs = MemoryFileSystem()
        self.clock = ManualClock(NOW)
        self.open()

    def open(self) -> PartitionLog:
        self.manager = LogManager("/data", self.fs, self.clock)
        self.manager.open()
        self.log = self.manager.create(TP, LogConfig(segment_bytes=2000))
        return self.log


@pytest.fixture
def disk() -> Disk:
    return Disk()


def test_the_last_five_batches_are_known_again_with_their_first_offset(disk: Disk) -> None:
    log = disk.log
    first = [log.append(batch(sequence, 2)) for sequence in range(0, 14, 2)]
    for number in range(2, 7):
        again = log.append(batch(2 * number, 2))
        assert again == first[number]._replace(duplicate=True)
    assert log.log_end_offset == 14
    with pytest.raises(OutOfOrderSequenceError, match="sent sequence 2 where 14 must come"):
        log.append(batch(2, 2))
    with pytest.raises(OutOfOrderSequenceError):
        log.append(batch(10, 1))


def test_replaying_old_records_does_not_make_a_producer_unknown(disk: Disk) -> None:
    """Kafka counts from the records' time and forgets such producers at once (KAFKA-6817)."""
    long_ago = 1_300_000_000_000
    disk.log.config = LogConfig(retention_ms=-1)
    first = disk.log.append(batch(0, 2, timestamp=long_ago))
    disk.manager.clean_up()
    assert disk.log.append(batch(0, 2, timestamp=long_ago)) == first._replace(duplicate=True)
    disk.fs.crash("written")
    assert disk.open().append(batch(0, 2, timestamp=long_ago)).duplicate
    disk.manager.close()
    assert disk.open().append(batch(0, 2, timestamp=long_ago)).duplicate
    with pytest.raises(OutOfOrderSequenceError):
        disk.log.append(batch(5, timestamp=long_ago))
    disk.clock.advance(86_400_001)
    disk.manager.clean_up()
    assert disk.log.append(batch(5, timestamp=long_ago)).base_offset == 2


def test_gaps_are_refused(disk: Disk) -> None:
    disk.log.append(batch(0, 2))
    with pytest.raises(OutOfOrderSequenceError) as caught:
        disk.log.append(batch(3))
    assert caught.value.error_code is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert disk.log.append(batch(2)).base_offset == 2


def test_an_unknown_producer_may_start_anywhere(disk: Disk) -> None:
    assert disk.log.append(batch(1234)).base_offset == 0
    assert disk.log.append(batch(1235)).base_offset == 1


def test_epochs(disk: Disk) -> None:
    log = disk.log
    log.append(batch(0, 3, epoch=1))
    with pytest.raises(OutOfOrderSequenceError, match="where 0 must come"):
        log.append(batch(3, epoch=2))
    log.append(batch(0, epoch=2))
    with pytest.raises(InvalidProducerEpochError, match="epoch 2 has taken over") as caught:
        log.append(batch(3, epoch=1))
    assert caught.value.error_code is ErrorCode.INVALID_PRODUCER_EPOCH
    assert log.append(batch(0, epoch=2)).duplicate
    assert log.log_end_offset == 4


def test_sequences_wrap(disk: Disk) -> None:
    log = disk.log
    log.append(batch(INT_MAX - 1, 1))
    log.append(batch(INT_MAX, 3))
    assert log.append(batch(INT_MAX, 3)).duplicate
    assert log.append(batch(2)).base_offset == 4
    log.append(batch(INT_MAX, producer=10))
    assert log.append(batch(0, producer=10)).base_offset == 6


def test_batches_of_one_append_are_checked_against_each_other(disk: Disk) -> None:
    log = disk.log
    result = log.append(batch(0, 2) + batch(2) + batch(0, producer=8))
    assert (result.base_offset, result.last_offset) == (0, 3)
    with pytest.raises(OutOfOrderSequenceError):
        log.append(batch(3) + batch(5))
    assert log.log_end_offset == 4
    assert log.append(batch(0, 2) + batch(2)).duplicate


def test_state_survives_a_clean_stop_for_the_last_batch(disk: Disk) -> None:
    for sequence in range(0, 60, 2):
        disk.log.append(batch(sequence, 2))
    disk.manager.close()
    log = disk.open()
    assert log.append(batch(58, 2)).duplicate
    with pytest.raises(OutOfOrderSequenceError):
        log.append(batch(61))
    assert log.append(batch(60)).base_offset == 60


@pytest.mark.parametrize("snapshots", ["kept", "damaged", "missing"])
def test_state_survives_a_crash(disk: Disk, snapshots: str) -> None:
    for sequence in range(60):
        disk.log.append(batch(sequence))
    assert disk.log.statistics().segments > 2
    disk.fs.crash("written")
    for name in disk.fs.list_dir("/data/topic-0"):
        path = f"/data/topic-0/{name}"
        if name.endswith(".snapshot") and snapshots == "damaged":
            file = disk.fs.open(path)
            data = bytearray(file.read(0, 100))
            data[-1] ^= 1
            file.truncate(0)
            file.append(data)
        elif name.endswith(".snapshot") and snapshots == "missing":
            disk.fs.remove(path)
    log = disk.open()
    assert log.append(batch(59)).duplicate
    assert log.append(batch(60)).base_offset == 60


def test_silent_producers_are_forgotten(disk: Disk) -> None:
    log = disk.log
    log.append(batch(0))
    disk.clock.advance(80_000_000)
    log.append(batch(0, producer=10, timestamp=NOW + 80_000_000))
    disk.clock.advance(6_400_001)
    disk.manager.clean_up()
    assert [entry.producer_id for entry in log.producers.entries()] == [10]
    assert log.append(batch(77)).base_offset == 2


def test_snapshot_bytes_are_kafkas() -> None:
    """As kafka-dump-log reads them: version, CRC-32C, count, then 46 bytes a producer."""
    state = ProducerStateManager(TP)
    assert len(state.to_snapshot()) == 10
    disk = Disk()
    disk.log.append(batch(5, 2, epoch=3))
    data = disk.log.producers.to_snapshot()
    assert data[:2] == b"\0\1"
    assert data[6:10] == b"\0\0\0\1"
    fields = (9, 8), (3, 2), (6, 4), (1, 8), (1, 4), (NOW, 8), (-1, 4), (-1, 8)
    assert data[10:] == b"".join(n.to_bytes(size, "big", signed=True) for n, size in fields)
    assert state.load_snapshot(data)
    assert state.entries() == disk.log.producers.entries()
    for wrong in (b"", data[:-1], data + b"\0", b"\0\2" + data[2:], data[:-1] + b"\0"):
        assert not state.load_snapshot(wrong)
    assert len(state) == 1
