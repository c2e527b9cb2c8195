"""Housekeeping when something is in the way: full disks, a stop, records that may still be cut."""

import threading

import pytest

from aliran.core.clock import ManualClock
from aliran.core.files import File, FileSystemError
from aliran.core.filesystem import MemoryFileSystem
from aliran.core.types import TopicPartition
from aliran.protocol.records import encode_batch, iter_headers
from aliran.storage.errors import LogStorageError
from aliran.storage.log import LogConfig, LogManager, PartitionLog
from aliran.storage.log.cleaner import clean

NOW = 1_700_000_000_000
COMPACTED = TopicPartition("a-table", 0)
OLD = TopicPartition("events", 0)
COMPACT = LogConfig(
    cleanup_policy=frozenset({"compact"}), segment_bytes=300, min_cleanable_dirty_ratio=0.0
)


def open_manager(fs: MemoryFileSystem, clock: ManualClock | None = None) -> LogManager:
    manager = LogManager("/data", fs, clock or ManualClock(NOW))
    manager.open()
    return manager


def fill(log: PartitionLog, count: int, *, timestamp: int = NOW) -> None:
    for _ in range(count):
        log.append(encode_batch([b"k"], [b"v" * 50], [timestamp]))


def offsets(log: PartitionLog) -> list[int]:
    found: list[int] = []
    position = log.log_start_offset
    while data := log.read(position, 1_000_000):
        for _, header in iter_headers(data):
            found += [header.base_offset] * header.record_count
            position = header.last_offset + 1
    return found


def test_retention_makes_room_where_compaction_finds_none() -> None:
    fs = MemoryFileSystem()
    manager = open_manager(fs)
    fill(manager.create(COMPACTED, COMPACT), 20)
    log = manager.create(OLD, LogConfig(segment_bytes=300, retention_ms=1000))
    fill(log, 20, timestamp=NOW - 5000)
    fs.capacity_bytes = fs.used_bytes()
    assert manager.clean_up() > 1000
    assert log.log_start_offset > 10
    # the last segment has to stay until there is room for another
    assert log.log_end_offset == 20
    assert manager.clean_up() > 0
    assert len(offsets(manager.create(COMPACTED))) < 20


def test_a_log_whose_directory_is_gone_does_not_keep_the_others_from_being_cleaned() -> None:
    fs = MemoryFileSystem()
    manager = open_manager(fs)
    log = manager.create(COMPACTED, LogConfig(segment_bytes=300, retention_ms=1000))
    fill(log, 20, timestamp=-1)  # without times of their own the file's counts
    other = manager.create(OLD, LogConfig(segment_bytes=300, retention_ms=1000))
    fill(other, 20, timestamp=NOW - 5000)
    fs.remove_tree("/data/a-table-0")
    assert manager.clean_up() > 1000
    assert other.log_start_offset == 20


def test_logs_that_are_compacted_and_the_others_are_cleaned_each_in_their_time() -> None:
    manager = open_manager(MemoryFileSystem())
    both = LogConfig(cleanup_policy=frozenset({"compact", "delete"}), retention_ms=1000)
    compacted, plain = (
        manager.create(COMPACTED, both),
        manager.create(OLD, LogConfig(retention_ms=1)),
    )
    fill(compacted, 1, timestamp=NOW - 5000)
    fill(plain, 1, timestamp=NOW - 5000)
    manager.clean_up(compacted=True)
    assert (offsets(compacted), offsets(plain)) == ([], [0])
    manager.clean_up(compacted=False)
    assert (offsets(compacted), offsets(plain)) == ([], [])


def test_a_stop_ends_compaction_and_leaves_nothing_behind() -> None:
    fs = MemoryFileSystem()
    manager = open_manager(fs)
    log = manager.create(COMPACTED, COMPACT)
    fill(log, 20)
    stopping = threading.Event()
    stopping.set()
    assert clean(log, 0, NOW, stopping=stopping) is None
    assert not [name for name in fs.list_dir(log.directory) if name.endswith(".cleaned")]
    manager.stop_upkeep()
    assert manager.clean_up() == 0
    assert offsets(log) == list(range(20))
    manager.close()
    manager.open()
    manager.create(COMPACTED, COMPACT)
    assert manager.clean_up() > 0


def test_compaction_spares_what_a_cut_may_bring_back() -> None:
    manager = open_manager(MemoryFileSystem())
    log = manager.create(COMPACTED, COMPACT)
    fill(log, 6)
    log.compaction_limit = 6
    fill(log, 14)
    manager.clean_up()
    log.truncate_to(6)
    assert offsets(log)[-1] == 5  # the newest of what is left, though offset 19 had replaced it
    log.compaction_limit = None
    fill(log, 14)
    manager.clean_up()
    assert 5 not in offsets(log)


class _TiredDisk(MemoryFileSystem):
    """A disk that loses what it is told to flush."""

    tired = False

    def open(self, path: str, *, create: bool = False) -> "_TiredFile":  # type: ignore[override]
        return _TiredFile(self, super().open(path, create=create))


class _TiredFile:
    def __init__(self, disk: _TiredDisk, file: File) -> None:
        self.path = file.path
        self._disk = disk
        self._file = file
        self.append, self.read, self.size = file.append, file.read, file.size
        self.truncate, self.close = file.truncate, file.close

    def flush(self) -> None:
        if self._disk.tired and self.path.endswith(".log"):
            raise FileSystemError(f"cannot flush {self.path}: Input/output error", self.path, 5)
        self._file.flush()


def test_after_a_failed_flush_nothing_is_said_to_be_on_the_disk() -> None:
    fs = _TiredDisk()
    manager = open_manager(fs)
    log = manager.create(OLD)
    batch = encode_batch([b"k"], [b"v"], [NOW], producer_id=1, producer_epoch=0, base_sequence=0)
    log.config = LogConfig(flush_messages=1)
    fs.tired = True
    with pytest.raises(LogStorageError, match="flush failed"):
        log.append(batch)
    fs.tired = False  # the system forgets: the next fsync says all is well
    with pytest.raises(LogStorageError, match="restart the broker"):
        log.append(batch)  # a duplicate, which must not be acknowledged either
    with pytest.raises(LogStorageError, match="earlier flush failed"):
        log.flush()
    assert log.recovery_point == 0
    with pytest.raises(LogStorageError):
        manager.close()
    assert not fs.exists("/data/.kafka_cleanshutdown")
    again = open_manager(fs).create(OLD)
    assert again.append(batch).duplicate
    assert again.recovery_point == 1


class _WallClock(ManualClock):
    def set_back(self, duration_ms: int) -> None:
        self._now_ms -= duration_ms


def test_flush_ms_holds_when_the_clock_is_set_back() -> None:
    clock = _WallClock(NOW)
    manager = open_manager(MemoryFileSystem(), clock)
    log = manager.create(OLD, LogConfig(flush_ms=1000))
    fill(log, 1)
    clock.set_back(3_600_000)
    manager.flush_due()
    clock.advance(1000)
    manager.flush_due()
    assert log.recovery_point == 1
