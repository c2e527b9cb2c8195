"""The demo's input: 4,200 real tweets, replayed in a seeded order with seeded company.

The data set has texts only. Which tweet comes when, who sent it, how many likes it has and when it
happened are drawn from a seed, so that record number N is the same in every run: a run that was
stopped finds its place again by counting. Nothing here knows a broker.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import accumulate, count
from random import Random

from aliran.protocol.partitioner import partition_for_key

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS

_SEED = 7
_USERS = 100_000
_STEP_MS = (6, 9, 12)  # between two tweets: some 6,700 a minute
_LATE_SHARE = 0.01  # of the tweets arrive up to 30 s late, the rest up to 20 ms
_HOT_SHARE = 0.12  # of the tweets repeat one of the minute's hot ones
_HOT_TWEETS = 12
_MOST_LIKES = 50_000_000

_HASHTAG = re.compile(r"#\w+")


def hashtags(text: str) -> list[str]:
    """Return the hashtags of a text in lower case, in order: `"#A b #c"` → `["#a", "#c"]`."""
    return [tag.lower() for tag in _HASHTAG.findall(text)]


def load_texts() -> list[str]:
    """Return the texts of the real tweets that come with the package, HTML entities resolved."""
    source = files("aliran.cli") / "data" / "tweets.tsv"
    lines = source.read_text(encoding="utf-8").splitlines()[1:]
    # Escaped twice as collected: "&amp;#39;" is an apostrophe, and no hashtag "#39".
    return [html.unescape(html.unescape(line.split("\t", 1)[1])) for line in lines]


@dataclass(slots=True)
class Chunk:
    """Some of the records in order, in columns; `tags` and `likes` are for the recount.

    Attributes:
        first: Number of the first record.
        keys: The user of each, UTF-8.
        values: The tweet of each, JSON.
        timestamps: Event time of each in ms since the epoch.
        partitions: Where each belongs.
    """

    first: int
    keys: list[bytes] = field(default_factory=list)
    values: list[bytes] = field(default_factory=list)
    timestamps: list[int] = field(default_factory=list)
    partitions: list[int] = field(default_factory=list)
    likes: list[int] = field(default_factory=list)
    tags: list[list[str]] = field(default_factory=list)


class Replay:
    """The endless sequence of records for a number of partitions.

    Args:
        base_ms: Event time of the beginning; a whole hour.
        partitions: How many partitions the input topic has.
    """

    def __init__(self, base_ms: int, partitions: int) -> None:
        self.base_ms = base_ms
        self.partitions = partitions
        texts = load_texts()
        self._texts = [json.dumps(text, ensure_ascii=False) for text in texts]
        self._tags = [hashtags(text) for text in texts]
        self._tagged = [index for index, tags in enumerate(self._tags) if tags]

    def chunks(self, size: int = 2_000) -> Iterator[Chunk]:
        """Yield the records from number 0 on, `size` at a time, without end."""
        random = Random(_SEED)
        partition_of: dict[bytes, int] = {}
        now, minute = self.base_ms, -1
        hot: list[int] = []
        for first in count(step=size):
            chunk = Chunk(first)
            for number in range(first, first + size):
                now += random.choice(_STEP_MS)
                if (now - self.base_ms) // MINUTE_MS != minute:
                    minute = (now - self.base_ms) // MINUTE_MS
                    hot, weights = self._hot_tweets(minute)
                if random.random() < _HOT_SHARE:
                    [tweet] = random.choices(hot, cum_weights=weights)
                else:
                    tweet = int(len(self._texts) * random.random())
                user = b"u%06d" % int(_USERS * random.random() ** 2)
                # Lomax: 40 % have more than 10 likes, a few have millions.
                likes = min(int(8.46 * (random.paretovariate(1.1) - 1)), _MOST_LIKES)
                late_ms = 30_000 if random.random() < _LATE_SHARE else 20
                at = max(now - int(late_ms * random.random()), self.base_ms)
                chunk.keys.append(user)
                chunk.values.append(self._encode(number, user, tweet, likes, at))
                chunk.timestamps.append(at)
                if user not in partition_of:
                    partition_of[user] = partition_for_key(user, self.partitions)
                chunk.partitions.append(partition_of[user])
                chunk.likes.append(likes)
                chunk.tags.append(self._tags[tweet])
            yield chunk

    def _hot_tweets(self, minute: int) -> tuple[list[int], list[float]]:
        """Return the minute's hot tweets and their cumulative weights (Zipf)."""
        hot = Random(_SEED * 1_000_003 + minute).sample(self._tagged, _HOT_TWEETS)
        return hot, list(accumulate(1 / rank for rank in range(1, _HOT_TWEETS + 1)))

    def _encode(self, number: int, user: bytes, tweet: int, likes: int, at: int) -> bytes:
        return (
            f'{{"id":{number},"user":"{user.decode()}","text":{self._texts[tweet]},'
            f'"likes":{likes},"created_at":{at}}}'
        ).encode()

    def first_timestamps(self) -> dict[int, int]:
        """Return the event time of the first record of each partition."""
        first: dict[int, int] = {}
        for chunk in self.chunks():
            for partition, timestamp in zip(chunk.partitions, chunk.timestamps, strict=True):
                first.setdefault(partition, timestamp)
            if len(first) == self.partitions:
                return first
        raise AssertionError("chunks() is endless")
