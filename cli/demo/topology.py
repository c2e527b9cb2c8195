"""The demo's topology: what `examples/trending.py` does, and a ranking on top of it."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import Struct

from aliran.cli.demo.replay import hashtags
from aliran.serdes import Windowed
from aliran.streams.dsl.builder import StreamsBuilder

TWEETS, TRENDING, RANKING = "tweets", "trending", "ranking"

MORE_THAN_LIKES = 10
RANKING_SIZE = 8

# A replay is not in the order of event time: a partition may be minutes ahead of another. With
# a day of grace no record is too late, so the result does not depend on who is ahead.
_GRACE = "1d"


class Tweet(Struct):
    """What the job needs of a tweet; other fields of the JSON are skipped."""

    user: str
    text: str
    likes: int


class Entry(Struct):
    """A hashtag and how often it occurred in a minute."""

    tag: str
    count: int


def popular(_user: str, tweet: Tweet) -> bool:
    """Whether a tweet counts."""
    return tweet.likes > MORE_THAN_LIKES


def tags_of(tweet: Tweet) -> list[str]:
    """Return the hashtags of a tweet."""
    return hashtags(tweet.text)


def by_tag(_user: str, tag: str) -> str:
    """Return the key under which hashtags are counted."""
    return tag


def by_minute(window: Windowed[str], count: int) -> tuple[str, Entry]:
    """Turn a count of a hashtag in a window into an entry for the window's minute."""
    return minute_name(window.start_ms), Entry(window.key, count)


def best(_minute: str, entry: Entry, ranking: list[Entry]) -> list[Entry]:
    """Put an entry into the ranking of its minute, in place of an older count of the same tag.

    Counts only grow and each tag's counts come in order, so cutting the list loses nothing: a tag
    that belongs into it comes back with its next count.
    """
    others = [other for other in ranking if other.tag != entry.tag]
    return sorted([*others, entry], key=lambda row: (-row.count, row.tag))[:RANKING_SIZE]


def minute_name(start_ms: int) -> str:
    """Return a minute as "2026-11-22T17:05Z"."""
    return datetime.fromtimestamp(start_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%MZ")


def define(builder: StreamsBuilder) -> None:
    """Add the topology: tweets → counts a hashtag and minute → trending → ranking a minute."""
    counts = (
        builder.stream(TWEETS, key=str, value=Tweet)
        .filter(popular)
        .flat_map_values(tags_of)
        .group_by(by_tag)
        .windowed_by("1m", grace=_GRACE)
        .count(store="tag-counts")
        .to_stream()
    )
    counts.to(TRENDING)
    (
        counts.map(by_minute)
        .group_by_key(name="minutes")
        .aggregate(list, best, store="rankings", value=list[Entry])
        .to_stream()
        .to(RANKING)
    )
