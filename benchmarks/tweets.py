"""The benchmark's input: seeded tweets as JSON, about 197 bytes each.

Everything but the base of the event time depends on the seed only: Zipf-distributed hashtags (1.1
over 50,000), 40 % of the tweets with more than 10 likes (Lomax), 1 % late by up to 30 s, 2 ms of
event time a tweet. Texts are kept in build/, and the base is put in when they are loaded: the start
of the hour two hours ago, because changelogs of windows are deleted by age.
"""

from __future__ import annotations

import os
import random
import time
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

CACHE = Path(__file__).resolve().parent.parent / "build"

_USERS = 100_000
_TAGS = 50_000
_WORDS = 5_000
_ZIPF = 1.1
_SEED = 7
_LETTERS = "etaoinshrdlucmfwygpbvk"
_WORD_LENGTHS = (3, 4, 5, 5, 6, 7, 8, 9)
_MOST_LIKES = 50_000_000


class Rows(NamedTuple):
    """Columns of an input; of the tweets: user, JSON of the tweet, event time in ms."""

    keys: list[bytes]
    values: list[bytes]
    timestamps: list[int]


def base_ms() -> int:
    """Return the event time of the first records: the start of the hour two hours ago."""
    return int(time.time()) // 3600 * 3_600_000 - 7_200_000


def load(count: int) -> Rows:
    """Return `count` tweets, generated once and then read from build/."""
    base = base_ms()
    path = CACHE / f"tweets-{count}.tsv"
    if not path.exists():
        print(f"generating {count:,} tweets (once)", flush=True)
        _generate(path, count)
    keys, values, timestamps = [], [], []
    with path.open("rb") as lines:
        for line in lines:
            user, start, since_base = line.rstrip(b"\n").split(b"\t")
            at = base + int(since_base)
            keys.append(user)
            values.append(b'%s,"created_at":%d}' % (start, at))
            timestamps.append(at)
    return Rows(keys, values, timestamps)


def _generate(path: Path, count: int) -> None:
    draw = random.Random(_SEED)
    weights = range(len(_LETTERS), 0, -1)
    words = [
        "".join(draw.choices(_LETTERS, weights, k=draw.choice(_WORD_LENGTHS)))
        for _ in range(_WORDS)
    ]
    tags = [f"#tag{number}" for number in range(_TAGS)]
    popularity = list(accumulate((rank + 1) ** -_ZIPF for rank in range(_TAGS)))
    now = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(f".{os.getpid()}.part")  # others may do the same just now
    with scratch.open("w", encoding="ascii", buffering=1 << 20) as out:
        for number in range(count):
            text = draw.choices(words, k=draw.randint(10, 25))
            for tag in draw.choices(tags, cum_weights=popularity, k=draw.randint(0, 3)):
                text[draw.randrange(len(text))] = tag
            likes = min(int(8.46 * (draw.paretovariate(1.1) - 1)), _MOST_LIKES)
            now += draw.choice((1, 2, 3))
            late = draw.randint(1, 30_000) if draw.random() < 0.01 else draw.randint(0, 20)
            user = f"u{int(_USERS * draw.random() ** 2):06d}"
            out.write(
                f'{user}\t{{"id":{number},"user":"{user}","text":"{" ".join(text)}",'
                f'"likes":{likes}\t{now - late}\n'
            )
    scratch.replace(path)
