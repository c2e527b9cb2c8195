"""The little the broker reads of consumers' metadata: which topics they subscribe to."""

from __future__ import annotations

import struct
from collections.abc import Iterable


def subscribed_topics(subscriptions: Iterable[bytes]) -> frozenset[str] | None:
    """Return the topics of all `subscriptions`, or None when one of them cannot be read.

    Every version of `ConsumerProtocolSubscription` begins like version 0: int16 version, then an
    array of topic names. What follows is between the consumers.

    >>> sorted(subscribed_topics([bytes.fromhex("0001" "00000001" "0003") + b"abc"]))
    ['abc']
    """
    topics: set[str] = set()
    try:
        for data in subscriptions:
            version, count = struct.unpack_from(">hi", data)
            if version < 0:
                return None
            position = 6
            for _ in range(count):
                (length,) = struct.unpack_from(">h", data, position)
                name = data[position + 2 : position + 2 + length]
                if length < 0 or len(name) != length:
                    return None
                topics.add(name.decode())
                position += 2 + length
    except (struct.error, UnicodeDecodeError):
        return None
    return frozenset(topics)
