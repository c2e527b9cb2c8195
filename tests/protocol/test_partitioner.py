"""The default partitioner: Java's hashes, foreign clients' partitions."""

from __future__ import annotations

import pytest
from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2 as kafka_python_murmur2

from aliran.protocol.partitioner import murmur2, partition_for_key


# Kafka: UtilsTest.testMurmur2.
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_hashes_as_java_does(data: bytes, expected: int) -> None:
    assert murmur2(data) == expected


@given(st.binary(max_size=400))
def test_hashes_as_other_clients_do(data: bytes) -> None:
    assert murmur2(data) & 0xFFFF_FFFF == aiokafka_murmur2(data) & 0xFFFF_FFFF
    assert murmur2(data) & 0xFFFF_FFFF == kafka_python_murmur2(data) & 0xFFFF_FFFF


@given(st.binary(max_size=40), st.integers(1, 1000))
def test_partitions_are_in_range_and_follow_the_positive_hash(key: bytes, count: int) -> None:
    partition = partition_for_key(key, count)
    assert 0 <= partition < count
    assert partition == (aiokafka_murmur2(key) & 0x7FFF_FFFF) % count
