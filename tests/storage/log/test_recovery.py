"""Damaged, foreign and missing files, after a clean stop and after a crash."""

import logging
import uuid

import pytest

from aliran.core.clock import ManualClock
from aliran.core.error_codes import ErrorCode
from aliran.core.filesystem import MemoryFileSystem
from aliran.core.types import TopicPartition
from aliran.protocol.records import encode_batch, iter_headers
from aliran.storage.errors import CorruptSegmentError, DataDirectoryError
from aliran.storage.log import LogConfig, LogManager, PartitionLog

TP = TopicPartition("tweets", 0)
DIRECTORY = "/data/tweets-0"
NOW = 1_700_000_000_000
BATCH = encode_batch([b"k"] * 2, [b"x" * 50] * 2, [NOW] * 2)
SIZE = len(BATCH)
CONFIG = LogConfig(segment_bytes=10 * SIZE, index_interval_bytes=SIZE)


class Disk:
    """A log of 25 batches in three segments, stopped one way or the other."""

    def __init__(self) -> None:
        self.fs = MemoryFileSystem()
        self.clock = ManualClock(NOW)
        log = self.open()
        for _ in range(25):
            log.append(BATCH)

    def open(self) -> PartitionLog:
        self.manager = LogManager("/data", self.fs, self.clock, CONFIG)
        self.manager.open()
        return self.manager.create(TP)

    def stop(self, how: str) -> None:
        if how == "clean":
            self.manager.close()
        else:
            self.fs.crash("written")

    def flip(self, name: str, position: int, mask: int = 0x10) -> None:
        path = f"{DIRECTORY}/{name}"
        data = bytearray(self.fs.read_bytes(path))
        data[position] ^= mask
        self.write(name, data)

    def write(self, name: str, data: bytes | bytearray) -> None:
        file = self.fs.open(f"{DIRECTORY}/{name}", create=True)
        file.truncate(0)
        file.append(data)

    def read(self, name: str) -> bytes:
        return self.fs.read_bytes(f"{DIRECTORY}/{name}")


SECOND = "00000000000000000020"
LAST = "00000000000000000040"


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.mark.parametrize("how", ["clean", "crash"])
def test_a_log_is_the_same_after_any_stop(disk: Disk, how: str) -> None:
    before = disk.manager.create(TP).statistics()
    disk.stop(how)
    log = disk.open()
    after = log.statistics()
    assert (after.size_bytes, after.segments, after.log_end_offset) == (
        before.size_bytes,
        3,
        50,
    )
    assert len(log.read(0, 1 << 20)) == 10 * SIZE
    assert log.append(BATCH).base_offset == 50


@pytest.mark.parametrize("where", [8, 16, 17, 23, 30, 61, 100, SIZE - 1])
def test_a_flipped_bit_after_a_clean_stop_is_told_by_the_read(disk: Disk, where: int) -> None:
    disk.stop("clean")
    disk.flip(f"{SECOND}.log", 4 * SIZE + where)
    log = disk.open()
    good = log.read(20, 1 << 20)
    assert 1 <= len(list(iter_headers(good))) <= 4
    with pytest.raises(CorruptSegmentError) as caught:
        log.read(28, 1 << 20)
    error = caught.value
    assert error.error_code is ErrorCode.CORRUPT_MESSAGE
    assert (error.topic_partition, error.offset) == (TP, 28)
    assert error.path == f"{DIRECTORY}/{SECOND}.log"
    assert error.position in (3 * SIZE, 4 * SIZE)
    for part in ("tweets-0", "offset 28", error.path, "restore", "later offset"):
        assert part in str(error)
    assert len(log.read(40, 1 << 20)) == 5 * SIZE
    assert log.append(BATCH).base_offset == 50


def test_an_offset_that_was_overwritten_is_told(disk: Disk) -> None:
    """The CRC does not cover the base offset."""
    disk.stop("clean")
    disk.flip(f"{SECOND}.log", 4 * SIZE + 7, mask=0x08)  # 28 becomes 20
    log = disk.open()
    assert next(iter_headers(log.read(26, 1)))[1].base_offset == 26
    with pytest.raises(CorruptSegmentError, match=r"offset 28 on .*at least 28 is expected"):
        log.read(28, 1)


def test_after_a_crash_the_log_is_cut_at_the_first_bad_byte(
    disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    disk.stop("crash")
    disk.flip(f"{SECOND}.log", 4 * SIZE + 70)
    log = disk.open()
    assert log.log_end_offset == 28
    assert f"cut {6 * SIZE} bytes off {DIRECTORY}/{SECOND}.log at byte {4 * SIZE}" in caplog.text
    assert f"dropped {5 * SIZE} bytes in 1 segments behind offset 28" in caplog.text
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert not disk.fs.exists(f"{DIRECTORY}/{LAST}.log")
    assert log.append(BATCH).base_offset == 28
    assert len(log.read(20, 1 << 20)) == 5 * SIZE


def test_flushed_segments_are_not_cut_after_a_crash(disk: Disk) -> None:
    log = disk.manager.create(TP)
    disk.manager.flush_due()
    assert log.recovery_point == 40
    disk.stop("crash")
    disk.flip(f"{SECOND}.log", 4 * SIZE + 70)
    log = disk.open()
    assert log.log_end_offset == 50
    with pytest.raises(CorruptSegmentError):
        log.read(28, 100)


def test_a_torn_end_after_a_crash_is_cut(disk: Disk, caplog: pytest.LogCaptureFixture) -> None:
    disk.stop("crash")
    disk.write(f"{LAST}.log", disk.read(f"{LAST}.log") + BATCH[:77])
    assert disk.open().log_end_offset == 50
    assert f"cut 77 bytes off {DIRECTORY}/{LAST}.log" in caplog.text


def test_a_damaged_end_after_a_clean_stop_is_cut_with_a_warning(
    disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    disk.stop("clean")
    disk.flip(f"{LAST}.log", 4 * SIZE + 16)
    log = disk.open()
    assert log.log_end_offset == 48
    assert f"cut {SIZE} bytes" in caplog.text


@pytest.mark.parametrize("suffix", [".index", ".timeindex"])
@pytest.mark.parametrize("damage", ["missing", "torn", "zeros", "backwards", "beyond"])
def test_bad_indexes_are_rebuilt_from_the_log(
    disk: Disk, suffix: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    disk.stop("clean")
    name = SECOND + suffix
    right = disk.read(name)
    wrong = {
        "torn": right[:-3],
        "zeros": right + bytes(len(right)),
        "backwards": right[::-1],
        "beyond": right[:-4] + b"\x7f\0\0\0" if suffix == ".index" else b"",
    }
    if damage == "missing":
        disk.fs.remove(f"{DIRECTORY}/{name}")
    else:
        disk.write(name, wrong[damage])
    log = disk.open()
    assert f"the indexes of {DIRECTORY}/{SECOND}.log are missing or do not fit" in caplog.text
    assert disk.read(name) == right
    assert log.log_end_offset == 50
    assert next(iter_headers(log.read(33, 1)))[1].base_offset == 32


def test_kafkas_preallocated_index_of_an_active_segment_is_rebuilt(disk: Disk) -> None:
    disk.stop("crash")
    for suffix in (".index", ".timeindex"):
        disk.write(LAST + suffix, bytes(10 * 1024 * 1024 // 12 * 12))
    assert disk.open().log_end_offset == 50


def test_leftovers_of_a_crash_go(disk: Disk) -> None:
    disk.stop("clean")
    for name in ("5.log.cleaned", f"{SECOND}.log.deleted", "x.tmp", "00000000000000000007.index"):
        disk.write(name, b"rest")
    disk.open()
    names = disk.fs.list_dir(DIRECTORY)
    assert not [name for name in names if name.endswith((".cleaned", ".deleted", ".tmp"))]
    assert "00000000000000000007.index" not in names


def test_strange_files_in_a_partition(disk: Disk, caplog: pytest.LogCaptureFixture) -> None:
    disk.stop("clean")
    disk.write("notes.txt", b"mine")
    disk.open()
    assert f"{DIRECTORY}/notes.txt is not a file of a log and is left alone" in caplog.text
    disk.stop("clean")
    disk.write("backup.log", b"mine")
    with pytest.raises(DataDirectoryError, match=r"backup.log is not a segment.*move it away"):
        disk.open()


def test_a_partition_directory_without_segments_starts_empty(disk: Disk) -> None:
    disk.stop("clean")
    disk.fs.make_dirs("/data/empty-2")
    disk.open()
    log = disk.manager.create(TopicPartition("empty", 2))
    assert (log.log_start_offset, log.log_end_offset) == (0, 0)


def test_a_log_that_ends_before_its_start_goes_on_at_its_start(
    disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    log = disk.manager.create(TP)
    log.delete_records(45)
    disk.manager.checkpoint()
    disk.stop("crash")
    disk.fs.remove(f"{DIRECTORY}/{LAST}.log")
    log = disk.open()
    assert (log.log_start_offset, log.log_end_offset) == (45, 45)
    assert "before its start at 45" in caplog.text
    assert log.append(BATCH).base_offset == 45


def test_damaged_metadata_is_an_error_that_names_the_file(disk: Disk) -> None:
    disk.manager.create(TP, topic_id=uuid.uuid4())
    disk.stop("clean")
    disk.write("partition.metadata", b"nonsense")
    with pytest.raises(DataDirectoryError, match=r"partition.metadata is damaged.*topic_id"):
        disk.open()


@pytest.mark.parametrize("content", [b"0\n", b"1\n0\n", b"0\n2\na 0 1\n", b"0\n1\na 0 x\n"])
def test_a_damaged_checkpoint_is_an_error_that_names_the_file(disk: Disk, content: bytes) -> None:
    disk.stop("clean")
    disk.fs.write_atomic("/data/recovery-point-offset-checkpoint", content)
    with pytest.raises(DataDirectoryError, match=r"recovery-point-offset-checkpoint is damaged"):
        disk.open()
