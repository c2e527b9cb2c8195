"""Which partition a key belongs to: Kafka's default partitioner, equal to the JVM's bit by bit."""

from __future__ import annotations

from struct import Struct

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF
_WORDS: dict[int, Struct] = {}


def murmur2(data: bytes) -> int:
    """Return the 32-bit murmur2 hash of `data` as Java gives it, that is, signed.

    Kafka: `Utils.murmur2`.

    >>> murmur2(b"21"), murmur2(b"foobar")
    (-973932308, -790332482)
    """
    length = len(data)
    words = length >> 2
    hashed = _SEED ^ length
    for word in _word_struct(words).unpack_from(data):
        mixed = word * _M & _MASK
        hashed = hashed * _M & _MASK ^ (mixed ^ mixed >> 24) * _M & _MASK
    tail = data[words << 2 :]
    if tail:
        hashed = (hashed ^ int.from_bytes(tail, "little")) * _M & _MASK
    hashed = (hashed ^ hashed >> 13) * _M & _MASK
    hashed ^= hashed >> 15
    return hashed - 0x1_0000_0000 if hashed & 0x8000_0000 else hashed


def _word_struct(words: int) -> Struct:
    """Return the struct of `words` little-endian 32-bit words; short ones are kept."""
    kept = _WORDS.get(words)
    if kept is None:
        kept = Struct(f"<{words}I")
        if words <= 64:
            _WORDS[words] = kept
    return kept


def partition_for_key(key: bytes, partition_count: int) -> int:
    """Return the partition of `key` among `partition_count` partitions.

    Kafka: `BuiltInPartitioner.partitionForKey`, `toPositive(murmur2(key)) % partitions`.
    """
    return (murmur2(key) & 0x7FFF_FFFF) % partition_count
