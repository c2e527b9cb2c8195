"""What the user writes in the hashtag job: for the engine, the bare loop and the check alike."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

MINUTE_MS = 60_000
GRACE_MS = 10_000
MORE_THAN_LIKES = 10

hashtags = re.compile(r"#\w+").findall

Counts = dict[tuple[str, int], int]


class Tweet(msgspec.Struct):
    """What the job needs of a tweet; msgspec skips other fields of the JSON."""

    user: str
    text: str
    likes: int
    created_at: int


def bare_loop(values: Sequence[bytes]) -> Counts:
    """The floor: the same work on bytes in a list, nothing kept but a dict, nobody late."""
    decode = msgspec.json.Decoder(Tweet).decode
    counts: Counts = {}
    for value in values:
        tweet = decode(value)
        if tweet.likes > MORE_THAN_LIKES:
            minute = tweet.created_at - tweet.created_at % MINUTE_MS
            for tag in hashtags(tweet.text):
                key = (tag, minute)
                counts[key] = counts.get(key, 0) + 1
    return counts


def expected(values: Sequence[bytes], timestamps: Sequence[int]) -> tuple[Counts, int]:
    """Count by Kafka's rule for late records; returns the counts and how many tags came too late.

    A window closes for a record when `window end + grace <= stream time`; stream time is the
    largest timestamp among the hashtags so far, the record's own included.
    """
    counts: Counts = {}
    late, stream_time = 0, -1
    for value, timestamp in zip(values, timestamps, strict=True):
        tweet = msgspec.json.decode(value, type=Tweet)
        if tweet.likes <= MORE_THAN_LIKES:
            continue
        for tag in hashtags(tweet.text):
            stream_time = max(stream_time, timestamp)
            minute = timestamp - timestamp % MINUTE_MS
            if minute + MINUTE_MS + GRACE_MS <= stream_time:
                late += 1
            else:
                counts[tag, minute] = counts.get((tag, minute), 0) + 1
    return counts, late
