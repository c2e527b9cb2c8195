"""What one log does with good and bad batches."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aliran.core.clock import ManualClock
from aliran.core.error_codes import ErrorCode
from aliran.core.filesystem import MemoryFileSystem, RealFileSystem
from aliran.core.types import Headers, TopicPartition
from aliran.protocol.records import (
    LOG_APPEND_TIME,
    decode_batch,
    decode_columns,
    encode_batch,
    iter_headers,
    read_header,
)
from aliran.storage.errors import (
    CorruptRecordError,
    InvalidRecordError,
    InvalidTimestampError,
    LogClosedError,
    LogError,
    LogStorageError,
    MessageTooLargeError,
    OffsetOutOfRangeError,
    RecordListTooLargeError,
    UnsupportedFormatError,
)
from aliran.storage.log import LogConfig, LogManager, PartitionLog

TP = TopicPartition("tweets", 3)
NOW = 1_700_000_000_000


class Setup:
    def __init__(self) -> None:
        self.fs = MemoryFileSystem()
        self.clock = ManualClock(NOW)
        self.manager = LogManager("/data", self.fs, self.clock)
        self.manager.open()

    def log(self, **settings: Any) -> PartitionLog:
        return self.manager.create(TP, LogConfig(**settings))


@pytest.fixture
def disk() -> Setup:
    return Setup()


def batch(count: int = 3, timestamp: int = NOW, value: bytes = b"v", **kwargs: Any) -> bytearray:
    keys = [b"k%d" % number for number in range(count)]
    return encode_batch(keys, [value] * count, [timestamp] * count, **kwargs)


def offsets(log: PartitionLog, start: int = 0) -> list[int]:
    found: list[int] = []
    while start < log.log_end_offset:
        for columns in decode_columns(log.read(start, 500), TP.topic, TP.partition, start):
            found += columns.offsets
        start = found[-1] + 1
    return found


def test_append_assigns_offsets_and_stores_the_batch_as_sent(disk: Setup) -> None:
    log = disk.log()
    sent = batch(3)
    assert log.append(sent, leader_epoch=4) == (0, 2, -1, 0, False)
    assert log.append(sent, leader_epoch=4) == (3, 5, -1, 0, False)
    stored = log.read(3, 10_000)
    header = read_header(stored)
    assert (header.base_offset, header.leader_epoch, header.crc) == (3, 4, read_header(sent).crc)
    assert stored[16:] == sent[16:]
    assert read_header(sent).base_offset == 0, "what the client handed in is not changed"
    assert log.log_end_offset == 6


def test_several_batches_in_one_append(disk: Setup) -> None:
    log = disk.log()
    log.append(batch(2))
    result = log.append(batch(3) + batch(1) + batch(2))
    assert (result.base_offset, result.last_offset) == (2, 7)
    assert offsets(log) == list(range(8))


def test_append_columns_equals_append(disk: Setup) -> None:
    log = disk.log()
    headers: list[Headers] = [[("h", b"1")], []]
    result = log.append_columns([b"a", None], [b"1", None], [NOW, NOW + 1], headers)
    assert (result.base_offset, result.last_offset) == (0, 1)
    found = decode_batch(log.read(0, 1))
    assert (found.keys, found.values) == ([b"a", None], [b"1", None])
    assert found.headers is not None
    assert [list(one) for one in found.headers] == headers


def test_append_columns_splits_what_is_larger_than_a_batch_may_be(disk: Setup) -> None:
    log = disk.log(max_message_bytes=300)
    result = log.append_columns([None] * 50, [b"x" * 40] * 50, [NOW] * 50)
    assert (result.base_offset, result.last_offset) == (0, 49)
    sizes = [header.size for _, header in iter_headers(log.read(0, 1 << 20))]
    assert len(sizes) > 5
    assert max(sizes) <= 300
    with pytest.raises(MessageTooLargeError, match=r"larger than max\.message\.bytes"):
        log.append_columns([None], [b"x" * 400], [NOW])
    assert offsets(log) == list(range(50))


def test_log_append_time_stamps_the_brokers_time(disk: Setup) -> None:
    log = disk.log(message_timestamp_type="LogAppendTime")
    assert log.append(batch(2, timestamp=5)).log_append_time_ms == NOW
    disk.clock.advance(10)
    log.append_columns([b"k"], [b"v"], [5])
    first, second = (decode_batch(log.read(offset, 1)) for offset in (0, 2))
    assert first.timestamps == [NOW, NOW]
    assert second.timestamps == [NOW + 10]
    assert first.header.timestamp_type == LOG_APPEND_TIME
    assert log.offset_for_timestamp(NOW + 1) == (2, NOW + 10)


def test_compression_type_of_the_topic_wins(disk: Setup) -> None:
    log = disk.log(compression_type="zstd")
    log.append(batch(3, value=b"x" * 300, producer_id=4, producer_epoch=1, base_sequence=0))
    log.append_columns([b"k"], [b"v"], [NOW])
    headers = [header for _, header in iter_headers(log.read(0, 1 << 20))]
    assert [header.compression for header in headers] == [4, 4]
    assert (headers[0].producer_id, headers[0].producer_epoch, headers[0].last_sequence) == (
        4,
        1,
        2,
    )
    assert decode_batch(log.read(0, 1)).values == [b"x" * 300] * 3


def damaged(position: int) -> bytearray:
    data = batch(3)
    data[position] ^= 0x40
    return data


CONTROL = batch(1)
CONTROL[22] |= 0x20


def with_crc(data: bytearray) -> bytearray:
    import crc32c

    data[17:21] = crc32c.crc32c(bytes(data[21:])).to_bytes(4, "big")
    return data


BAD: dict[str, tuple[bytes | bytearray, type[LogError], str]] = {
    "empty": (b"", InvalidRecordError, "no record batch"),
    "bit flip in a value": (damaged(70), CorruptRecordError, "CRC"),
    "cut short": (batch(3)[:-1], CorruptRecordError, "cut short"),
    "rest behind a batch": (batch(3) + b"123", CorruptRecordError, "cut short"),
    "magic 1": (damaged(16)[:16] + b"\1" + batch(3)[17:], UnsupportedFormatError, "format 1"),
    "control": (with_crc(CONTROL), InvalidRecordError, "control batch"),
    "no sequence": (
        batch(1, producer_id=3, producer_epoch=0, base_sequence=-1),
        InvalidRecordError,
        "no sequence number",
    ),
    "too large": (batch(1, value=b"x" * 2000), MessageTooLargeError, "max.message.bytes"),
    "from the future": (
        batch(1, timestamp=NOW + 3_600_001),
        InvalidTimestampError,
        "in the future",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_batches_are_refused_with_a_code_and_change_nothing(disk: Setup, name: str) -> None:
    data, error, text = BAD[name]
    log = disk.log(max_message_bytes=1500)
    log.append(batch(2))
    with pytest.raises(error, match=text) as caught:
        log.append(data)
    assert "tweets-3" in str(caught.value)
    assert caught.value.topic_partition == TP
    assert caught.value.error_code is not ErrorCode.NONE
    assert caught.value.retriable == caught.value.error_code.retriable
    assert offsets(log) == [0, 1]


def test_wrong_offset_deltas_are_refused(disk: Setup) -> None:
    data = batch(3)
    data[26] = 5  # last offset delta
    with pytest.raises(InvalidRecordError, match="do not have the offsets"):
        disk.log().append(with_crc(data))


def test_records_without_a_key_are_refused_by_a_compacted_topic(disk: Setup) -> None:
    log = disk.log(cleanup_policy=frozenset({"compact"}))
    with pytest.raises(InvalidRecordError, match=r"1 record\(s\) without a key") as caught:
        log.append(encode_batch([b"a", None], [b"1", b"2"], [NOW, NOW]))
    assert [row for row, _ in caught.value.record_errors] == [1]
    with pytest.raises(InvalidRecordError, match="without a key"):
        log.append_columns([b"", None], [b"1", b"2"], [NOW, NOW])
    assert log.append_columns([b""], [b"an empty key is a key"], [NOW]).base_offset == 0


def test_old_timestamps_are_refused_where_a_limit_is_set(disk: Setup) -> None:
    log = disk.log(message_timestamp_before_max_ms=1000)
    with pytest.raises(InvalidTimestampError, match="older than"):
        log.append(encode_batch([None, None], [b"", b""], [NOW, NOW - 1001]))
    log.append(encode_batch([None], [b""], [NOW - 1000]))
    log.append(encode_batch([None], [b""], [-1]))


def test_batches_larger_than_a_segment_are_refused(disk: Setup) -> None:
    log = disk.log(segment_bytes=200)
    with pytest.raises(RecordListTooLargeError, match=r"segment\.bytes=200"):
        log.append(batch(3, value=b"x" * 100))


def test_read_returns_whole_batches_within_the_limit(disk: Setup) -> None:
    log = disk.log(index_interval_bytes=150)
    for _ in range(50):
        log.append(batch(2, value=b"x" * 20))
    size = len(batch(2, value=b"x" * 20))
    for offset in range(100):
        for limit in (1, size, size + 1, 2 * size - 1, 3 * size, 7 * size + 5):
            data = log.read(offset, limit)
            headers = [header for _, header in iter_headers(data)]
            assert headers[0].base_offset == offset // 2 * 2
            assert len(data) == sum(header.size for header in headers)
            left = 50 - offset // 2
            assert len(headers) == min(left, max(1, limit // size))
    assert log.read(10, size - 1, min_one_batch=False) == b""
    assert len(log.read(10, size, min_one_batch=False)) == size
    assert log.read(100, 1000) == b""


@pytest.mark.parametrize("offset", [-1, 5, 21])
def test_offsets_out_of_range(disk: Setup, offset: int) -> None:
    log = disk.log()
    log.append(batch(20))
    log.delete_records(6)
    with pytest.raises(OffsetOutOfRangeError, match="6 to 20") as caught:
        log.read(offset, 100)
    assert (caught.value.log_start_offset, caught.value.log_end_offset) == (6, 20)
    with pytest.raises(OffsetOutOfRangeError):
        log.delete_records(21)
    assert log.delete_records(-1) == 20


def test_lookup_by_timestamp_is_exact_with_times_out_of_order(disk: Setup) -> None:
    log = disk.log(segment_bytes=700, index_interval_bytes=100)
    times = [NOW + (number * 7919) % 500 for number in range(300)]
    for start in range(0, 300, 3):
        log.append_columns([None] * 3, [b"v"] * 3, times[start : start + 3])
    assert log.statistics().segments > 5
    for wanted in range(NOW - 2, NOW + 503):
        expected = next(((o, t) for o, t in enumerate(times) if t >= wanted), None)
        assert log.offset_for_timestamp(wanted) == expected
    newest = max(times)
    assert log.offset_of_max_timestamp() == (times.index(newest), newest)
    log.delete_records(150)
    expected = next((o, t) for o, t in enumerate(times) if o >= 150)
    assert log.offset_for_timestamp(0) == expected


def test_lookups_in_an_empty_log(disk: Setup) -> None:
    log = disk.log()
    assert log.offset_for_timestamp(0) is None
    assert log.offset_of_max_timestamp() is None
    log.append_columns([None], [b"v"], [-1])
    assert log.offset_of_max_timestamp() is None


def bases(log: PartitionLog) -> list[int]:
    return [segment.base_offset for segment in log.segments]


def test_rolls_by_size(disk: Setup) -> None:
    size = len(batch(1))
    log = disk.log(segment_bytes=3 * size)
    for _ in range(7):
        log.append(batch(1))
    assert bases(log) == [0, 3, 6]


def test_rolls_by_age_of_records_or_of_the_segment(disk: Setup) -> None:
    log = disk.log(segment_ms=1000)
    log.append(batch(1, timestamp=NOW - 5000))
    log.append(batch(1, timestamp=NOW - 4000))
    log.append(batch(1, timestamp=NOW - 3999))
    assert bases(log) == [0, 2]
    log.roll()
    log.append(batch(1, timestamp=-1))
    disk.clock.advance(1001)
    log.append(batch(1, timestamp=-1))
    assert bases(log) == [0, 2, 3, 4]


def test_rolls_when_the_index_is_full(disk: Setup) -> None:
    log = disk.log(segment_index_bytes=60, index_interval_bytes=0)
    for number in range(9):
        log.append(batch(1, timestamp=NOW + number))
    assert bases(log) == [0, 5]


def test_rolls_before_relative_offsets_overflow(disk: Setup) -> None:
    log = disk.log()
    log.append(batch(1))
    log.log_end_offset = 2**31 - 1
    log.append(batch(1))
    log.append(batch(1))
    assert bases(log) == [0, 2**31]


def test_truncate_to_drops_batches_and_what_was_known_of_them(disk: Setup) -> None:
    log = disk.log(segment_bytes=600, index_interval_bytes=100)
    for number in range(40):
        log.append(batch(1, NOW + number, producer_id=1, producer_epoch=0, base_sequence=number))
    log.flush()
    log.truncate_to(17)
    assert (log.log_end_offset, log.recovery_point) == (17, 17)
    assert offsets(log) == list(range(17))
    assert log.offset_of_max_timestamp() == (16, NOW + 16)
    assert log.offset_for_timestamp(NOW + 17) is None
    assert log.producers.entries()[0].last_sequence == 16
    log.append(batch(1, producer_id=1, producer_epoch=0, base_sequence=17))
    log.truncate_to(100)
    assert offsets(log) == list(range(18))
    log.truncate_to(0)
    assert (log.log_end_offset, offsets(log)) == (0, [])


def test_truncate_to_the_middle_of_a_batch_drops_the_batch(disk: Setup) -> None:
    log = disk.log()
    log.append(batch(5))
    log.append(batch(5))
    log.truncate_to(7)
    assert log.log_end_offset == 5


def test_flush_messages_flushes_before_append_returns(disk: Setup) -> None:
    log = disk.log(flush_messages=3)
    log.append(batch(2))
    assert log.recovery_point == 0
    log.append(batch(2))
    assert log.recovery_point == 4
    disk.fs.crash("flushed")
    assert len(disk.fs.read_bytes("/data/tweets-3/00000000000000000000.log")) == 2 * len(batch(2))


def test_flush_ms_is_honoured_by_flush_due(disk: Setup) -> None:
    log = disk.log(flush_ms=1000)
    log.append(batch(2))
    disk.clock.advance(999)
    disk.manager.flush_due()
    assert log.recovery_point == 0
    disk.clock.advance(1)
    disk.manager.flush_due()
    assert log.recovery_point == 2


def test_flush_due_flushes_sealed_segments(disk: Setup) -> None:
    log = disk.log()
    log.append(batch(2))
    log.roll()
    log.append(batch(2))
    disk.manager.flush_due()
    assert log.recovery_point == 2


def test_listeners_hear_of_appends_outside_of_the_lock(disk: Setup) -> None:
    log = disk.log()
    heard: list[int] = []

    def from_another_thread(source: PartitionLog) -> None:
        thread = threading.Thread(target=lambda: heard.append(source.log_end_offset))
        thread.start()
        thread.join(5)

    log.on_append.append(from_another_thread)
    log.append(batch(2))
    log.append_columns([None], [b"v"], [NOW])
    assert heard == [2, 3]


def test_a_closed_log_says_so(disk: Setup) -> None:
    log = disk.log()
    log.append(batch(2))
    log.close()
    log.close()
    for action in (lambda: log.append(batch(1)), lambda: log.read(0, 10), log.roll):
        with pytest.raises(LogClosedError, match="the log is closed"):
            action()
    log.flush()


def test_a_full_disk_refuses_the_append_and_the_log_goes_on_when_there_is_room(disk: Setup) -> None:
    log = disk.log()
    log.append(batch(2))
    disk.fs.capacity_bytes = disk.fs.used_bytes() + 10
    for action in (
        lambda: log.append(batch(2, producer_id=1, producer_epoch=0, base_sequence=0)),
        lambda: log.append_columns([None], [b"v" * 20], [NOW]),
        log.roll,
    ):
        with pytest.raises(
            LogStorageError, match=r"tweets-3.*0\.log.*free: 10 bytes|roll"
        ) as caught:
            action()
        assert caught.value.error_code is ErrorCode.KAFKA_STORAGE_ERROR
        assert caught.value.retriable
    assert offsets(log) == [0, 1]
    disk.fs.capacity_bytes = None
    log.append(batch(2, producer_id=1, producer_epoch=0, base_sequence=0))
    log.roll()
    log.append(batch(2))
    assert offsets(log) == list(range(6))
    disk.manager.close()
    disk.manager.open()
    assert offsets(disk.manager.create(TP)) == list(range(6))


def test_leader_epochs_are_remembered(disk: Setup) -> None:
    log = disk.log()
    log.append(batch(2), leader_epoch=0)
    log.append(batch(2), leader_epoch=3)
    log.append_columns([None], [b"v"], [NOW], leader_epoch=5)
    assert [log.end_offset_for_epoch(epoch) for epoch in range(-1, 7)] == [
        (-1, -1), (0, 2), (0, 2), (0, 2), (3, 4), (3, 4), (5, 5), (-1, -1),
    ]  # fmt: skip
    disk.manager.close()
    disk.manager.open()
    assert disk.manager.create(TP).end_offset_for_epoch(3) == (3, 4)


def test_appends_and_reads_from_many_threads(tmp_path: Path) -> None:
    manager = LogManager(str(tmp_path / "data"), RealFileSystem(), ManualClock(NOW))
    manager.open()
    log = manager.create(TP, LogConfig(segment_bytes=20_000, index_interval_bytes=500))
    problems = []

    def write(name: int) -> None:
        for number in range(100):
            log.append_columns([b"%d" % name] * 2, [b"%d" % number] * 2, [NOW] * 2)
            if number % 20 == 0:
                log.flush()

    def read() -> None:
        offset = 0
        while offset < 800:
            for columns in decode_columns(log.read(offset, 3000), TP.topic, 0, offset):
                if columns.offsets[0] != offset:
                    problems.append((offset, columns.offsets))
                offset = columns.offsets[-1] + 1

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    threads += [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert problems == []
    assert log.log_end_offset == 800
    manager.close()


def test_every_log_error_has_a_code() -> None:
    def walk(kind: type[LogError]) -> Iterator[type[LogError]]:
        yield kind
        for child in kind.__subclasses__():
            yield from walk(child)

    codes = {kind.__name__: kind.error_code for kind in walk(LogError)}
    assert len(codes) > 12
    assert all(isinstance(code, ErrorCode) and code != ErrorCode.NONE for code in codes.values())
