"""Murmur3 of 128 bits, by which a join on a foreign key tells versions of a value apart.

After the public algorithm (x64 variant), with the seed that Kafka takes from Hive. Kafka:
`org.apache.kafka.streams.state.internals.Murmur3.hash128`.
"""

from __future__ import annotations

from struct import Struct

SEED = 104729

_MASK = 0xFFFFFFFFFFFFFFFF
_FIRST, _SECOND = 0x87C37B91114253D5, 0x4CF5AD432745937F
_BLOCK = Struct("<QQ")
_RESULT = Struct(">QQ")


def hash128(data: bytes, seed: int = SEED) -> bytes:
    """Return the hash of `data`: two numbers of 8 bytes, big-endian as Java writes them.

    >>> hash128(b"0").hex()
    'b86367c1b3e642003e34a590db00844d'
    """
    one = two = seed
    whole = len(data) & ~15
    # Written out, since a call costs more than what it would do here.
    for first, second in _BLOCK.iter_unpack(data[:whole]):
        first = first * _FIRST & _MASK  # noqa: PLW2901
        one ^= ((first << 31 | first >> 33) & _MASK) * _SECOND & _MASK
        one = (((one << 27 | one >> 37) & _MASK) + two) * 5 + 0x52DCE729 & _MASK
        second = second * _SECOND & _MASK  # noqa: PLW2901
        two ^= ((second << 33 | second >> 31) & _MASK) * _FIRST & _MASK
        two = (((two << 31 | two >> 33) & _MASK) + one) * 5 + 0x38495AB5 & _MASK
    if whole < len(data):
        first, second = _BLOCK.unpack(data[whole:].ljust(16, b"\x00"))
        one ^= _mixed_first(first)
        two ^= _mixed_second(second)
    one ^= len(data)
    two ^= len(data)
    one = (one + two) & _MASK
    two = (two + one) & _MASK
    one, two = _avalanche(one), _avalanche(two)
    one = (one + two) & _MASK
    return _RESULT.pack(one, (two + one) & _MASK)


def _rotated(number: int, bits: int) -> int:
    return (number << bits | number >> 64 - bits) & _MASK


def _mixed_first(block: int) -> int:
    return _rotated(block * _FIRST & _MASK, 31) * _SECOND & _MASK


def _mixed_second(block: int) -> int:
    return _rotated(block * _SECOND & _MASK, 33) * _FIRST & _MASK


def _avalanche(number: int) -> int:
    number ^= number >> 33
    number = number * 0xFF51AFD7ED558CCD & _MASK
    number ^= number >> 33
    number = number * 0xC4CEB9FE1A85EC53 & _MASK
    return number ^ number >> 33
