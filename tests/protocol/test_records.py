"""Record batches: against two foreign codecs in both directions, and against damage."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka.record._crecords.default_records import DefaultRecordBatch as CythonBatch
from aiokafka.record._crecords.default_records import (
    DefaultRecordBatchBuilder as CythonBuilder,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.record.default_records import (
    DefaultRecordBatch as KafkaPythonBatch,
)
from kafka.record.default_records import (
    DefaultRecordBatchBuilder as KafkaPythonBuilder,
)
from typing_extensions import Buffer

from aliran.protocol.batch_header import write_crc
from aliran.protocol.compression import Compression
from aliran.protocol.errors import CorruptBatchError, ProtocolError
from aliran.protocol.record_encoder import assemble_batch, encode_records
from aliran.protocol.records import (
    CREATE_TIME,
    HEADER_SIZE,
    LOG_APPEND_TIME,
    DecodedBatch,
    decode_batch,
    decode_columns,
    encode_batch,
    filter_batch,
    iter_headers,
    patch_batch,
    read_header,
    set_log_append_time,
    validate_batch,
)

Row = tuple[bytes | None, bytes | None, int, list[tuple[str, bytes | None]]]

BYTES = st.none() | st.binary(max_size=40) | st.binary(min_size=60, max_size=300)
TIMESTAMPS = (
    st.integers(1_700_000_000_000, 1_700_000_100_000)
    | st.integers(-5, 5)
    | st.integers(-(1 << 62), 1 << 62)
)
HEADER_LISTS: st.SearchStrategy[list[tuple[str, bytes | None]]] = st.just([]) | st.lists(
    st.tuples(st.text(max_size=10), st.none() | st.binary(max_size=10)), max_size=4
)
ROWS = st.lists(st.tuples(BYTES, BYTES, TIMESTAMPS, HEADER_LISTS), min_size=1, max_size=80)
CODECS = st.sampled_from(list(Compression))
KAFKA_PYTHON_CODECS = [Compression.NONE, Compression.GZIP, Compression.LZ4]


def encode_rows(rows: Sequence[Row], **settings: Any) -> bytearray:
    keys, values, timestamps, headers = (list(column) for column in zip(*rows, strict=True))
    return encode_batch(keys, values, timestamps, headers if any(headers) else None, **settings)


def rows_of(batch: DecodedBatch) -> list[Row]:
    headers = batch.headers or [[]] * len(batch.values)
    return [
        (key, value, timestamp, list(pairs))
        for key, value, timestamp, pairs in zip(
            batch.keys, batch.values, batch.timestamps, headers, strict=True
        )
    ]


def foreign_rows(batch: Any) -> list[Row]:
    return [(r.key, r.value, r.timestamp, r.headers) for r in batch]


def foreign_encode(builder_class: Any, rows: Sequence[Row], codec: int) -> bytes:
    builder = builder_class(2, codec, False, 7, 1, 11, 1 << 30)
    for offset, (key, value, timestamp, headers) in enumerate(rows):
        builder.append(offset, timestamp, key, value, headers)
    return bytes(builder.build())


# -- against foreign codecs


@given(rows=ROWS, codec=CODECS)
def test_what_we_encode_aiokafka_decodes(rows: list[Row], codec: Compression) -> None:
    batch = CythonBatch(bytes(encode_rows(rows, compression=codec, base_offset=5)))
    assert batch.validate_crc()
    assert batch.base_offset == 5
    assert batch.max_timestamp == max(timestamp for _, _, timestamp, _ in rows)
    assert foreign_rows(batch) == rows


@given(rows=ROWS, codec=st.sampled_from(KAFKA_PYTHON_CODECS))
def test_what_we_encode_kafka_python_decodes(rows: list[Row], codec: Compression) -> None:
    batch = KafkaPythonBatch(encode_rows(rows, compression=codec))
    assert batch.validate_crc()
    assert foreign_rows(batch) == rows


@given(rows=ROWS, codec=CODECS)
def test_what_aiokafka_encodes_we_decode(rows: list[Row], codec: Compression) -> None:
    if rows[0][2] == -1:
        return  # its builder loses the first timestamp then
    batch = decode_batch(foreign_encode(CythonBuilder, rows, codec))
    assert rows_of(batch) == rows
    assert batch.header.producer_id == 7


@given(rows=ROWS, codec=st.sampled_from(KAFKA_PYTHON_CODECS))
def test_what_kafka_python_encodes_we_decode(rows: list[Row], codec: Compression) -> None:
    batch = decode_batch(foreign_encode(KafkaPythonBuilder, rows, codec))
    assert rows_of(batch) == rows
    assert (batch.headers is None) == (not any(row[3] for row in rows))
    assert batch.offsets == range(len(rows))


@given(rows=ROWS)
def test_bytes_are_those_of_kafka_python(rows: list[Row]) -> None:
    ours = encode_rows(rows, producer_id=7, producer_epoch=1, base_sequence=11)
    theirs = bytearray(foreign_encode(KafkaPythonBuilder, rows, 0))
    theirs[12:16] = ours[12:16]  # the leader epoch, which brokers set, is -1 here and 0 there
    assert ours == theirs


@given(rows=ROWS, codec=CODECS)
def test_the_python_encoder_and_the_cython_one_agree(rows: list[Row], codec: Compression) -> None:
    batch = encode_rows(rows, compression=codec, base_offset=40)
    assert filter_batch(decode_batch(batch), range(len(rows))) == batch


# -- headers of batches


def test_header_fields() -> None:
    batch = encode_batch(
        [b"k", None],
        [b"v", None],
        [10, 5],
        base_offset=100,
        compression=Compression.ZSTD,
        producer_id=9,
        producer_epoch=3,
        base_sequence=0x7FFF_FFFF,
        transactional=True,
    )
    header = validate_batch(batch)
    assert header == read_header(memoryview(batch))
    assert (header.base_offset, header.last_offset, header.record_count) == (100, 101, 2)
    assert (header.base_timestamp, header.max_timestamp) == (10, 10)
    assert (header.producer_id, header.producer_epoch) == (9, 3)
    assert header.last_sequence == 0  # wraps as Kafka's DefaultRecordBatch.incrementSequence
    assert header.size == len(batch)
    assert header.compression == Compression.ZSTD
    assert header.is_transactional
    assert not header.is_control
    assert header.timestamp_type == CREATE_TIME
    assert header.leader_epoch == -1


def test_batches_in_a_row_are_found_and_the_partial_one_is_left() -> None:
    first = encode_batch([None], [b"a"], [1])
    second = encode_batch([None] * 2, [b"b", b"c"], [1, 2], base_offset=1)
    for cut in (0, 1, 30, HEADER_SIZE, len(second) - 1):
        found = list(iter_headers(first + second + second[:cut]))
        assert [(position, header.base_offset) for position, header in found] == [
            (0, 0),
            (len(first), 1),
        ]
    assert list(iter_headers(b"")) == []


def test_offset_and_epoch_are_patched_without_touching_the_crc() -> None:
    batch = encode_batch([None], [b"a"], [1])
    both = bytearray(batch + batch)
    patch_batch(both, len(batch), 1 << 40, 6)
    header = validate_batch(both, len(batch))
    assert (header.base_offset, header.leader_epoch) == (1 << 40, 6)
    assert both[: len(batch)] == batch
    assert decode_batch(both, len(batch)).offsets == range(1 << 40, (1 << 40) + 1)


@pytest.mark.parametrize("codec", list(Compression))
def test_log_append_time_stamps_every_record(codec: Compression) -> None:
    batch = encode_batch([None] * 3, [b"a", b"b", b"c"], [1, 2, 3], compression=codec)
    set_log_append_time(batch, 0, 777)
    decoded = decode_batch(batch)
    assert decoded.header.timestamp_type == LOG_APPEND_TIME
    assert decoded.header.max_timestamp == 777
    assert decoded.timestamps == [777] * 3
    assert foreign_rows(KafkaPythonBatch(batch))[0][2] == 777 if codec == 0 else True


# -- timestamps that need care


@pytest.mark.parametrize("timestamps", [[-1], [-1, -1], [-1, 100], [-1, -5, 3], [5, -1, -7]])
def test_missing_and_negative_timestamps(timestamps: list[int]) -> None:
    batch = encode_batch([None] * len(timestamps), [b"v"] * len(timestamps), timestamps)
    assert decode_batch(batch).timestamps == timestamps
    assert read_header(batch).max_timestamp == max(timestamps)


# -- compaction


@given(rows=ROWS, codec=CODECS, data=st.data())
def test_compaction_leaves_gaps(rows: list[Row], codec: Compression, data: st.DataObject) -> None:
    batch = decode_batch(encode_rows(rows, compression=codec, base_offset=1000))
    kept = sorted(data.draw(st.sets(st.integers(0, len(rows) - 1))))
    again = decode_batch(filter_batch(batch, kept))
    assert rows_of(again) == [rows[row] for row in kept]
    assert list(again.offsets) == [1000 + row for row in kept]
    assert again.header.last_offset == 1000 + len(rows) - 1
    assert again.header.compression == codec


def test_an_empty_batch_keeps_its_offsets_and_sequence() -> None:
    batch = decode_batch(
        encode_batch([b"k"] * 3, [b"v"] * 3, [1, 2, 3], producer_id=4, base_sequence=8)
    )
    empty = filter_batch(batch, [])
    again = decode_batch(empty)
    assert (again.offsets, again.keys, again.headers) == (range(0), [], None)
    assert (again.header.last_offset, again.header.last_sequence) == (2, 10)
    assert again.header.max_timestamp == 3
    (columns,) = decode_columns(empty + encode_batch([None], [b"x"], [1]), "t", 0, 0)
    assert columns.values == [b"x"]


def test_a_delete_horizon_takes_the_place_of_the_base_timestamp() -> None:
    batch = decode_batch(encode_batch([b"a", b"b"], [None, b"v"], [50, 60]))
    marked = decode_batch(filter_batch(batch, [0], delete_horizon_ms=9000))
    assert marked.header.has_delete_horizon
    assert marked.header.base_timestamp == 9000
    assert (marked.timestamps, marked.values) == ([50], [None])
    kept = decode_batch(filter_batch(marked, [0]))
    assert kept.header.has_delete_horizon
    assert kept.timestamps == [50]


# -- columns


def test_columns_start_where_they_are_asked_to() -> None:
    first = encode_batch([b"a", b"b", b"c"], [b"1", b"2", b"3"], [1, 2, 3], base_offset=10)
    second = encode_batch([b"d", b"e"], [b"4", b"5"], [4, 5], [[("h", b"x")], []], base_offset=13)
    found = list(decode_columns(first + second + second[:70], "topic", 3, 11))
    assert [(c.topic, c.partition) for c in found] == [("topic", 3)] * 2
    assert [c.offsets for c in found] == [range(11, 13), range(13, 15)]
    assert [c.keys for c in found] == [[b"b", b"c"], [b"d", b"e"]]
    assert [c.values for c in found] == [[b"2", b"3"], [b"4", b"5"]]
    assert [c.timestamps for c in found] == [[2, 3], [4, 5]]
    assert [c.headers for c in found] == [None, [[("h", b"x")], []]]
    (last,) = decode_columns(first + second, "topic", 3, 14)
    assert (last.offsets, last.headers) == (range(14, 15), [[]])
    assert list(decode_columns(first + second, "topic", 3, 15)) == []


def test_columns_start_in_a_gap() -> None:
    batch = filter_batch(decode_batch(encode_batch([b"k"] * 9, [b"v"] * 9, list(range(9)))), [2, 7])
    (columns,) = decode_columns(batch, "t", 0, 4)
    assert (list(columns.offsets), columns.timestamps) == ([7], [7])
    assert list(decode_columns(batch, "t", 0, 8)) == []


def control_batch(base_offset: int) -> bytearray:
    batch = encode_batch(
        [b"\0\0\0\1"], [b"\0\0\0\0\0\0"], [1], base_offset=base_offset, transactional=True
    )
    struct.pack_into(">h", batch, 21, 0x30)
    write_crc(batch, 0, len(batch))
    return batch


def test_control_batches_are_skipped_unless_wanted() -> None:
    log = encode_batch([None], [b"a"], [1]) + control_batch(1)
    assert read_header(log, len(log) - len(control_batch(1))).is_control
    assert [list(c.offsets) for c in decode_columns(log, "t", 0, 0)] == [[0]]
    with_markers = decode_columns(log, "t", 0, 0, include_control=True)
    assert [list(c.offsets) for c in with_markers] == [[0], [1]]


# -- damage


def decode_or_refuse(batch: Buffer) -> DecodedBatch | None:
    try:
        return decode_batch(batch, max_size=1_000_000)
    except CorruptBatchError as error:
        if "batch at byte 0" not in str(error):
            raise
        return None


@given(rows=ROWS, codec=CODECS, data=st.data())
def test_every_cut_is_noticed(rows: list[Row], codec: Compression, data: st.DataObject) -> None:
    batch = encode_rows(rows, compression=codec)
    end = data.draw(st.integers(0, len(batch) - 1))
    for check in (validate_batch, decode_batch):
        with pytest.raises(CorruptBatchError, match="cut short"):
            check(batch[:end])


@given(rows=ROWS, codec=CODECS, data=st.data())
def test_every_flipped_bit_under_the_crc_is_noticed(
    rows: list[Row], codec: Compression, data: st.DataObject
) -> None:
    batch = encode_rows(rows, compression=codec)
    batch[data.draw(st.integers(16, len(batch) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(CorruptBatchError):
        decode_batch(batch)


@settings(max_examples=500)
@given(rows=ROWS, codec=CODECS, seed=st.integers(0, 1 << 32))
def test_damage_with_a_good_crc_gives_one_clear_error(
    rows: list[Row], codec: Compression, seed: int
) -> None:
    """What a hostile client can send: every byte wrong, and a CRC to match."""
    chance = random.Random(seed)
    batch = encode_rows(rows, compression=codec)
    for _ in range(chance.randrange(1, 5)):
        batch[chance.randrange(21, len(batch))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, 0x55))
    write_crc(batch, 0, len(batch))
    decoded = decode_or_refuse(batch)
    if decoded is not None:
        assert len(decoded.offsets) == len(decoded.values) == decoded.header.record_count


@settings(max_examples=500)
@given(body=st.binary(max_size=60), count=st.integers(-1, 4), offsets=st.integers(-2, 5))
def test_noise_with_a_good_crc_gives_one_clear_error(body: bytes, count: int, offsets: int) -> None:
    batch = encode_batch([None], [None], [1])[:HEADER_SIZE] + body
    struct.pack_into(">i", batch, 8, len(batch) - 12)
    struct.pack_into(">i", batch, 23, offsets)
    struct.pack_into(">i", batch, 57, count)
    write_crc(batch, 0, len(batch))
    decoded = decode_or_refuse(memoryview(batch))
    assert decoded is None or len(decoded.values) == count


@pytest.mark.parametrize("tail", [b"\x80", b"\xff" * 9, b"\x01\x80", b"\xfe\xff\xff\xff\xff\x7f"])
def test_a_number_that_runs_past_the_end_is_refused(tail: bytes) -> None:
    """Ends a record inside its header count, in memory that holds more bytes behind it."""
    good = encode_batch([None], [b"v"], [1])
    batch = good[:-1] + tail
    struct.pack_into(">i", batch, 8, len(batch) - 12)
    write_crc(batch, 0, len(batch))
    for source in (batch, batch + b"\x00" * 40, batch + b"\x80" * 40, memoryview(bytes(batch))):
        with pytest.raises(CorruptBatchError, match="are damaged"):
            decode_batch(source)


def test_offsets_that_do_not_rise_are_refused() -> None:
    body = encode_records([0, 3, 2], [None] * 3, [b"a"] * 3, [0] * 3, None)
    header = read_header(encode_batch([None] * 4, [b"a"] * 4, [0] * 4))
    batch = assemble_batch(header._replace(record_count=3), body)
    with pytest.raises(CorruptBatchError, match="offsets do not rise"):
        decode_batch(batch)


@pytest.mark.parametrize("magic", [0, 1, 3, -1])
def test_other_magics_are_named(magic: int) -> None:
    batch = encode_batch([None], [b"v"], [1])
    struct.pack_into(">b", batch, 16, magic)
    with pytest.raises(CorruptBatchError, match=f"magic {magic}; only magic 2"):
        list(iter_headers(batch))


@pytest.mark.parametrize("length", [-1, 0, 48])
def test_a_length_below_the_headers_is_refused(length: int) -> None:
    batch = encode_batch([None], [b"v"], [1])
    struct.pack_into(">i", batch, 8, length)
    with pytest.raises(CorruptBatchError, match=f"length as {length}, less"):
        list(iter_headers(batch))


def test_errors_say_where() -> None:
    good = encode_batch([None], [b"v"], [1])
    bad = bytearray(good)
    patch_batch(bad, 0, 1, 0)
    bad[-1] ^= 1
    with pytest.raises(
        CorruptBatchError, match=r"tweets-2, reading from offset 0: .*offset 1"
    ) as e:
        list(decode_columns(good + bad, "tweets", 2, 0))
    assert e.value.position == len(good)


def test_a_bomb_is_refused() -> None:
    batch = encode_batch([None], [bytes(1_000_000)], [1], compression=Compression.ZSTD)
    with pytest.raises(CorruptBatchError, match=r"base offset 0\): .* more than 1,000 bytes"):
        decode_batch(batch, max_size=1000)


# -- wrong arguments


@pytest.mark.parametrize(
    ("key", "value", "timestamp", "headers", "message"),
    [
        ("k", b"v", 1, [], "record 1 has a key of type str"),
        (b"k", 5, 1, [], "record 1 has a value of type int"),
        (b"k", b"v", 1.5, [], "record 1 has the timestamp 1.5"),
        (b"k", b"v", 1 << 63, [], "record 1 has the timestamp 9223372036854775808"),
        (b"k", b"v", 1, [("h", "text")], "record 1 has the headers"),
        (b"k", b"v", 1, [(b"h", b"x")], "record 1 has the headers"),
        (b"k", b"v", 1, [("h",)], "record 1 has the headers"),
    ],
)
@pytest.mark.parametrize("first_timestamp", [0, -1])
def test_what_cannot_be_encoded_is_named(
    key: Any, value: Any, timestamp: Any, headers: Any, message: str, first_timestamp: int
) -> None:
    with pytest.raises(ProtocolError, match=message):
        encode_batch([b"k", key], [b"v", value], [first_timestamp, timestamp], [[], headers])


def test_uneven_and_empty_columns_are_refused() -> None:
    with pytest.raises(ProtocolError, match="2 keys, 1 values, 1 timestamps"):
        encode_batch([b"a", b"b"], [b"v"], [1])
    with pytest.raises(ProtocolError, match="2 header lists"):
        encode_batch([b"a"], [b"v"], [1], [[], []])
    with pytest.raises(ProtocolError, match="at least 1"):
        encode_batch([], [], [])
