"""Which segments go, by time, size and log start offset."""

from typing import Any

import pytest

from aliran.core.clock import ManualClock
from aliran.core.filesystem import MemoryFileSystem
from aliran.core.types import TopicPartition
from aliran.protocol.records import encode_batch
from aliran.storage.log import LogConfig, LogManager, PartitionLog

TP = TopicPartition("topic", 0)
NOW = 1_700_000_000_000
HOUR = 3_600_000
SIZE = len(encode_batch([b"k"], [b"v"], [NOW]))


class Disk:
    def __init__(self) -> None:
        self.fs = MemoryFileSystem()
        self.clock = ManualClock(NOW)
        self.fs.now_ms = self.clock.time_ms
        self.manager = LogManager("/data", self.fs, self.clock)
        self.manager.open()

    def fill(self, times: list[int], **settings: Any) -> PartitionLog:
        """One record a segment, the last one active."""
        log = self.manager.create(TP, LogConfig(segment_bytes=SIZE, **settings))
        for time in times:
            log.append(encode_batch([b"k"], [b"v"], [time]))
        return log

    def names(self) -> list[str]:
        return [name for name in self.fs.list_dir("/data/topic-0") if name.endswith(".log")]


@pytest.fixture
def disk() -> Disk:
    return Disk()


def test_by_time_of_the_records(disk: Disk) -> None:
    log = disk.fill([NOW - 5 * HOUR, NOW - 4 * HOUR, NOW - HOUR, NOW], retention_ms=3 * HOUR)
    assert disk.manager.clean_up() == 2 * SIZE
    assert (log.log_start_offset, log.log_end_offset) == (2, 4)
    assert disk.names() == ["00000000000000000002.log", "00000000000000000003.log"]
    left = disk.fs.list_dir("/data/topic-0")
    assert not [name for name in left if name.startswith("00000000000000000001")]
    assert disk.manager.clean_up() == 0


def test_a_young_segment_keeps_the_older_ones_behind_it(disk: Disk) -> None:
    log = disk.fill([NOW + HOUR, NOW - 9 * HOUR, NOW], retention_ms=3 * HOUR)
    disk.manager.clean_up()
    assert log.log_start_offset == 0


def test_the_active_segment_expires_too(disk: Disk) -> None:
    log = disk.fill([NOW, NOW], retention_ms=HOUR)
    disk.clock.advance(HOUR + 1)
    disk.manager.clean_up()
    assert (log.log_start_offset, log.log_end_offset, log.size()) == (2, 2, 0)
    assert disk.names() == ["00000000000000000002.log"]
    assert log.append(encode_batch([b"k"], [b"v"], [NOW])).base_offset == 2


def test_records_without_time_go_by_the_files_time(disk: Disk) -> None:
    log = disk.fill([-1, -1], retention_ms=HOUR)
    disk.clock.advance(HOUR)
    disk.manager.clean_up()
    assert log.log_start_offset == 0
    disk.clock.advance(1)
    disk.manager.clean_up()
    assert log.log_start_offset == 2


def test_by_size(disk: Disk) -> None:
    log = disk.fill([NOW] * 10, retention_ms=-1, retention_bytes=4 * SIZE - 1)
    disk.manager.clean_up()
    assert log.log_start_offset == 6
    log.config = LogConfig(retention_ms=-1, retention_bytes=0)
    disk.manager.clean_up()
    assert log.log_start_offset == 9, "the active segment stays, however large"


def test_below_the_log_start_offset(disk: Disk) -> None:
    log = disk.fill([NOW] * 10, cleanup_policy=frozenset({"compact"}), retention_ms=1)
    disk.clock.advance(10 * HOUR)
    log.delete_records(5)
    disk.manager.clean_up()
    assert disk.names()[0] == "00000000000000000005.log"
    assert log.log_start_offset == 5


def test_no_limits(disk: Disk) -> None:
    log = disk.fill([0] * 5, retention_ms=-1)
    disk.manager.clean_up()
    assert log.log_start_offset == 0


def test_a_reader_of_a_removed_segment_finishes(disk: Disk) -> None:
    log = disk.fill([NOW] * 3, retention_ms=HOUR)
    file = log.segments[0].log
    disk.clock.advance(2 * HOUR)
    disk.manager.clean_up()
    assert len(file.read(0, 1000)) == SIZE
