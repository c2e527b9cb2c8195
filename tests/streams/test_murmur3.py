"""Hashes equal those of Kafka's `Murmur3.hash128`, which printed the expected ones."""

from __future__ import annotations

import pytest

from aliran.streams.engine.murmur3 import hash128


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, "9d2764a018e329428c3cf3b035938518"),
        (1, "bff2166f25d4e3caad76f90042c32eb7"),
        (7, "e2c12aaa37615c8d78e8fff449acd2e3"),
        (8, "5376fe5d8752a4802bcfb922970c534c"),
        (9, "b79cc91e67eb164f7285936d18b5c4c8"),
        (15, "8541440932df88a8133781906f758397"),
        (16, "3b1ca826ba2a8ab100ff368af7e15570"),
        (17, "14606ec89b0c68c720e38f08a941bbdf"),
        (31, "0fc8bff6b4d635a2db8b6c0ce90a3cd8"),
        (32, "271fc7adca25c66d69f499a2c53fd088"),
        (100, "ac5e6f34f01858a4773258770366c397"),
    ],
)
def test_hashes_equal_kafkas(size: int, expected: str) -> None:
    data = bytes((index * 37 + 200) % 256 for index in range(size))
    assert hash128(data).hex() == expected
