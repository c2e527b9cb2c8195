"""Compaction: what stays, what goes, and when a run is due."""

from typing import Any

import pytest

from aliran.core.clock import ManualClock
from aliran.core.filesystem import MemoryFileSystem
from aliran.core.types import TopicPartition
from aliran.protocol.records import HEADER_SIZE, decode_columns, encode_batch, iter_headers
from aliran.storage.errors import CorruptSegmentError, OutOfOrderSequenceError
from aliran.storage.log import LogConfig, LogManager, PartitionLog
from aliran.storage.log.cleaner import clean

TP = TopicPartition("changes", 0)
NOW = 1_700_000_000_000
HOUR = 3_600_000


class Disk:
    def __init__(self) -> None:
        self.fs = MemoryFileSystem()
        self.clock = ManualClock(NOW)
        self.open()

    def open(self) -> None:
        self.manager = LogManager("/data", self.fs, self.clock)
        self.manager.open()

    def log(self, **settings: Any) -> PartitionLog:
        settings = {"segment_bytes": 600, "min_cleanable_dirty_ratio": 0.0} | settings
        config = LogConfig(cleanup_policy=frozenset({"compact"}), **settings)
        return self.manager.create(TP, config)


@pytest.fixture
def disk() -> Disk:
    return Disk()


def put(log: PartitionLog, *pairs: tuple[bytes, bytes | None], **kwargs: Any) -> None:
    keys, values = zip(*pairs, strict=True)
    log.append(encode_batch(keys, values, [log.clock.time_ms()] * len(pairs), **kwargs))


def records(log: PartitionLog) -> list[tuple[int, bytes | None, bytes | None]]:
    """Offset, key and value of all records, read as a consumer does."""
    found: list[tuple[int, bytes | None, bytes | None]] = []
    offset = log.log_start_offset
    while offset < log.log_end_offset:
        data = log.read(offset, 10_000)
        if not data:
            break
        for columns in decode_columns(data, TP.topic, TP.partition, offset):
            found += zip(columns.offsets, columns.keys, columns.values, strict=True)
        *_, (_, last) = iter_headers(data)
        offset = last.last_offset + 1
    return found


def test_the_newest_record_of_a_key_stays_with_its_offset(disk: Disk) -> None:
    log = disk.log()
    for number in range(60):
        put(log, (b"k%d" % (number % 7), b"v%d" % number), (b"k", b"%d" % number))
    last = log.segments[-1].base_offset
    before = records(log)
    assert disk.manager.clean_up() > 0
    after = records(log)
    newest = {key: offset for offset, key, _ in before if offset < last}
    assert after == [r for r in before if r[0] >= last or newest[r[1]] == r[0]]
    assert log.log_end_offset == 120
    assert log.segments[0].base_offset == 0
    disk.manager.close()
    disk.open()
    assert records(disk.manager.create(TP)) == after
    assert disk.fs.read_bytes("/data/cleaner-offset-checkpoint").decode() == (
        f"0\n1\nchanges 0 {last}\n"
    )


def test_segments_are_merged_and_further_runs_find_nothing(disk: Disk) -> None:
    log = disk.log()
    for number in range(60):
        put(log, (b"same", b"v%d" % number))
    assert len(log.segments) > 5
    disk.manager.clean_up()
    assert disk.manager.clean_up() == 0
    put(log, (b"same", b"last"))
    log.roll()
    disk.manager.clean_up()
    assert [segment.base_offset for segment in log.segments] == [0, 61]
    assert records(log) == [(60, b"same", b"last")]
    names = [name for name in disk.fs.list_dir("/data/changes-0") if name.endswith(".snapshot")]
    assert len(names) <= 2


def test_tombstones_stay_for_delete_retention_and_then_go(disk: Disk) -> None:
    log = disk.log(delete_retention_ms=HOUR)
    put(log, (b"a", b"1"), (b"b", b"1"))
    put(log, (b"a", None))
    log.roll()
    disk.manager.clean_up()
    assert records(log) == [(1, b"b", b"1"), (2, b"a", None)]
    horizons = [h.base_timestamp for _, h in iter_headers(log.read(2, 1)) if h.has_delete_horizon]
    assert horizons == [NOW + HOUR]
    for step in (HOUR - 1, 1):
        disk.clock.advance(step)
        put(log, (b"c", b"%d" % step))
        log.roll()
        disk.manager.clean_up()
        assert ((2, b"a", None) in records(log)) == (step != 1)
    assert [key for _, key, _ in records(log)] == [b"b", b"c"]


def test_keyless_records_go(disk: Disk) -> None:
    log = disk.log()
    log.config = LogConfig()
    log.append(encode_batch([None, b"k"], [b"1", b"2"], [NOW, NOW]))
    log.roll()
    disk.log()
    disk.manager.clean_up()
    assert records(log) == [(1, b"k", b"2")]


@pytest.mark.parametrize("codec", [1, 2, 3, 4])
def test_compressed_batches_stay_compressed(disk: Disk, codec: int) -> None:
    log = disk.log()
    put(log, (b"a", b"1" * 99), (b"b", b"2" * 99), compression=codec)
    put(log, (b"a", b"3" * 99), compression=codec)
    log.roll()
    disk.manager.clean_up()
    assert records(log) == [(1, b"b", b"2" * 99), (2, b"a", b"3" * 99)]
    assert {header.compression for _, header in iter_headers(log.read(0, 10_000))} == {codec}


@pytest.mark.parametrize("codec", [0, 1, 4])
def test_the_last_batch_of_a_producer_stays_as_an_empty_one(disk: Disk, codec: int) -> None:
    log = disk.log()
    for number in range(3):
        sequence = {"producer_id": 5, "producer_epoch": 0, "base_sequence": number}
        put(log, (b"a", b"1"), compression=codec, **sequence)
    put(log, (b"a", b"2"))
    log.roll()
    disk.manager.clean_up()
    assert records(log) == [(3, b"a", b"2")]
    headers = [header for _, header in iter_headers(log.read(0, 10_000))]
    assert next((h.producer_id, h.record_count, h.base_sequence) for h in headers) == (5, 0, 2)
    assert (headers[0].size, headers[0].compression) == (HEADER_SIZE, 0)
    disk.fs.crash("written")
    for name in disk.fs.list_dir("/data/changes-0"):
        if name.endswith(".snapshot"):
            disk.fs.remove(f"/data/changes-0/{name}")
    disk.open()
    log = disk.log()
    again = encode_batch([b"a"], [b"1"], [NOW], producer_id=5, producer_epoch=0, base_sequence=2)
    assert log.append(again).duplicate


@pytest.mark.parametrize("lost", ["nothing", "snapshots"])
def test_a_batch_dropped_for_a_newer_one_is_known_when_that_one_is_cut(
    disk: Disk, lost: str
) -> None:
    def send(number: int) -> None:
        put(log, (b"a", b"%d" % number), producer_id=5, producer_epoch=0, base_sequence=number)

    log = disk.log()
    put(log, (b"b", b"1"), producer_id=5, producer_epoch=0, base_sequence=0)
    send(1)
    put(log, (b"a", b"x"))
    log.roll()
    put(log, (b"b", b"x"))
    disk.fs.crash("written")
    if lost == "snapshots":
        disk.fs.remove(log.snapshot_path(3))
    disk.open()
    log = disk.log()
    send(2)
    assert disk.manager.clean_up() > 0
    kept = [header.base_sequence for _, header in iter_headers(log.read(0, 10_000))]
    assert 1 not in kept
    log.truncate_to(4)
    with pytest.raises(OutOfOrderSequenceError, match="sent sequence 3 where 2 must come"):
        send(3)
    send(2)


def test_dirty_ratio_and_lags_decide_when_a_run_is_due(disk: Disk) -> None:
    log = disk.log(min_cleanable_dirty_ratio=0.5, segment_bytes=100_000)

    def fill(count: int, name: bytes) -> None:
        for number in range(count):
            put(log, (name + b"%d" % number, b"v"))
        log.roll()

    fill(10, b"a")
    first = clean(log, 0, NOW)
    assert first is not None
    assert first.end_offset == 10
    fill(3, b"b")
    assert clean(log, first.end_offset, NOW) is None
    log.config = LogConfig(cleanup_policy=frozenset({"compact"}), max_compaction_lag_ms=HOUR)
    assert clean(log, first.end_offset, NOW + HOUR) is None
    assert clean(log, first.end_offset, NOW + HOUR + 1) is not None
    log.config = LogConfig(
        cleanup_policy=frozenset({"compact"}),
        min_cleanable_dirty_ratio=0,
        min_compaction_lag_ms=HOUR,
    )
    assert clean(log, 0, NOW + HOUR - 1) is None
    second = clean(log, 0, NOW + HOUR)
    assert second is not None
    assert second.end_offset == 13


def test_a_run_that_knows_enough_keys_stops_and_the_next_goes_on(disk: Disk) -> None:
    log = disk.log()
    for number in range(40):
        put(log, (b"k%d" % number, b"1"))
    for number in range(40):
        put(log, (b"k%d" % number, b"2"))
    log.roll()
    checkpoint, runs = 0, 0
    while (done := clean(log, checkpoint, NOW, max_keys=10)) is not None:
        checkpoint = done.end_offset
        runs += 1
    assert runs > 3
    assert [value for _, _, value in records(log)] == [b"2"] * 40


def test_damage_stops_the_run_and_is_told(disk: Disk, caplog: pytest.LogCaptureFixture) -> None:
    log = disk.log()
    for number in range(30):
        put(log, (b"k", b"v%d" % number))
    node = disk.fs.open("/data/changes-0/00000000000000000000.log")
    data = bytearray(node.read(0, 10_000))
    data[100] ^= 1
    node.truncate(0)
    node.append(data)
    with pytest.raises(CorruptSegmentError, match=r"00000000000000000000.log is damaged"):
        clean(log, 0, NOW)
    disk.manager.clean_up()
    assert "00000000000000000000.log is damaged at byte" in caplog.text


def test_a_full_disk_leaves_the_log_as_it_is(disk: Disk, caplog: pytest.LogCaptureFixture) -> None:
    log = disk.log()
    for number in range(30):
        put(log, (b"k%d" % (number % 20), b"v%d" % number))
    before = records(log)
    disk.fs.capacity_bytes = disk.fs.used_bytes() + 200
    disk.manager.clean_up()
    assert "No space left" in caplog.text
    assert records(log) == before
    disk.fs.capacity_bytes = None
    disk.manager.clean_up()
    assert len(records(log)) < len(before)


def test_compact_and_delete(disk: Disk) -> None:
    log = disk.log(retention_ms=HOUR)
    log.config = LogConfig(
        cleanup_policy=frozenset({"compact", "delete"}), segment_bytes=600, retention_ms=HOUR
    )
    put(log, (b"old", b"1"))
    log.roll()
    disk.clock.advance(2 * HOUR)
    put(log, (b"new", b"1"))
    disk.manager.clean_up()
    assert records(log) == [(1, b"new", b"1")]


def test_readers_go_on_while_segments_are_swapped(disk: Disk) -> None:
    log = disk.log()
    for number in range(50):
        put(log, (b"k%d" % (number % 5), b"v%d" % number))
    file = log.segments[0].log
    size = log.segments[0].size
    content = file.read(0, size)
    disk.manager.clean_up()
    assert file.read(0, size) == content
