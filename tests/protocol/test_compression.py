"""Compressions: round trips, foreign framings, bounds, and damage that is told and not believed."""

from __future__ import annotations

import gzip
import struct

import aiokafka.codec
import cramjam
import kafka.codec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import Buffer

from aliran.protocol.compression import Compression, compress, decompress
from aliran.protocol.errors import CorruptBatchError

CODECS = list(Compression)
PACKED = [Compression.GZIP, Compression.SNAPPY, Compression.LZ4, Compression.ZSTD]
TEXT = b"the quick brown fox jumps over the lazy dog " * 3000  # four snappy blocks and more


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("data", [b"", b"x", TEXT, bytes(range(256)) * 1000])
def test_round_trip(codec: Compression, data: bytes) -> None:
    assert decompress(codec, compress(codec, data)) == data
    assert decompress(codec, memoryview(compress(codec, memoryview(data)))) == data


@given(data=st.binary(max_size=5000), codec=st.sampled_from(CODECS))
def test_round_trip_of_anything(data: bytes, codec: Compression) -> None:
    assert decompress(codec, compress(codec, data)) == data


@pytest.mark.parametrize("codec", PACKED)
def test_foreign_clients_read_what_we_compress_and_we_read_theirs(codec: Compression) -> None:
    name = codec.name.lower()
    packed = compress(codec, TEXT)
    assert getattr(aiokafka.codec, f"{name}_decode")(packed) == TEXT
    assert decompress(codec, getattr(aiokafka.codec, f"{name}_encode")(TEXT)) == TEXT
    if getattr(kafka.codec, f"has_{name}")():
        assert getattr(kafka.codec, f"{name}_decode")(packed) == TEXT
        assert decompress(codec, getattr(kafka.codec, f"{name}_encode")(TEXT)) == TEXT


def test_snappy_is_framed_as_xerial_does() -> None:
    packed = compress(Compression.SNAPPY, TEXT)
    assert packed.startswith(b"\x82SNAPPY\x00" + struct.pack(">ii", 1, 1))
    (length,) = struct.unpack_from(">i", packed, 16)
    first = bytes(cramjam.snappy.decompress_raw(packed[20 : 20 + length]))
    assert first == TEXT[: 32 * 1024]


def test_raw_snappy_is_read() -> None:
    assert decompress(Compression.SNAPPY, bytes(cramjam.snappy.compress_raw(TEXT))) == TEXT


def test_gzip_members_in_a_row_are_read() -> None:
    assert decompress(Compression.GZIP, gzip.compress(b"ab") + gzip.compress(b"cd")) == b"abcd"


def test_lz4_blocks_are_independent() -> None:
    # KIP-57: Java's reader refuses frames whose blocks refer to earlier ones.
    flags = compress(Compression.LZ4, TEXT)[4]
    assert flags & 0b0010_0000


@pytest.mark.parametrize("codec", PACKED)
def test_a_bomb_is_refused_and_its_limit_named(codec: Compression) -> None:
    bomb = compress(codec, bytes(1_000_000))
    assert len(decompress(codec, bomb, max_size=1_000_000)) == 1_000_000
    with pytest.raises(CorruptBatchError, match="more than 999,999 bytes; raise max_size"):
        decompress(codec, bomb, max_size=999_999)


def test_a_snappy_length_that_lies_is_refused() -> None:
    with pytest.raises(CorruptBatchError, match="more than"):
        decompress(Compression.SNAPPY, b"\xff\xff\xff\xff\x0f" + b"x" * 20)


@pytest.mark.parametrize("codec", PACKED)
def test_every_cut_is_noticed(codec: Compression) -> None:
    packed = compress(codec, TEXT[:300])
    for end in range(1, len(packed)):
        if codec is Compression.SNAPPY and end == 16:
            continue  # the header alone is a framing of nothing
        with pytest.raises(CorruptBatchError, match="do not decompress"):
            decompress(codec, packed[:end])


def decompressed_size(codec: Compression, data: Buffer) -> int:
    try:
        return len(decompress(codec, data, max_size=100_000))
    except CorruptBatchError as error:
        if f"the {codec.name.lower()}-compressed records" not in str(error):
            raise
        return -1


@settings(max_examples=300)
@given(data=st.binary(min_size=1, max_size=300), codec=st.sampled_from(PACKED))
def test_noise_is_decompressed_or_refused(data: bytes, codec: Compression) -> None:
    assert decompressed_size(codec, data) <= 100_000


@given(
    data=st.binary(max_size=200),
    codec=st.sampled_from(PACKED),
    flip=st.integers(0, 10_000),
    bit=st.integers(0, 7),
)
def test_a_flipped_bit_never_ends_in_a_foreign_error(
    data: bytes, codec: Compression, flip: int, bit: int
) -> None:
    packed = bytearray(compress(codec, data))
    packed[flip % len(packed)] ^= 1 << bit
    assert decompressed_size(codec, packed) <= 100_000


@pytest.mark.parametrize("codec", [5, 6, 7, -1])
def test_unknown_codecs(codec: int) -> None:
    with pytest.raises(CorruptBatchError, match=f"codec {codec}; Kafka has 0 to 4"):
        decompress(codec, b"x")
    with pytest.raises(ValueError, match="no compression codec"):
        compress(codec, b"x")
