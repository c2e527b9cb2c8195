"""Trending hashtags: the three that occur most in each minute, among tweets with over 10 likes.

    python examples/trending.py

starts a broker inside this process, writes 400 tweets of four minutes, and prints

    ┏━━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━━━━━━┓
    ┃ minute ┃ 1.         ┃ 2.         ┃ 3.         ┃
    ┡━━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━━━━━━┩
    │ 12:00  │ 34 #monday │ 26 #coffee │  9 #lunch  │
    │ 12:01  │ 23 #lunch  │ 19 #monday │  8 #coffee │
    │ 12:02  │ 26 #pizza  │ 21 #lunch  │ 12 #monday │
    │ 12:03  │ 30 #siesta │ 28 #pizza  │ 10 #lunch  │
    └────────┴────────────┴────────────┴────────────┘

The counts of a minute are a table, grouped by minute into rankings: when a count changes, its old
entry leaves the ranking and the new one enters it.

No other service is needed. Against a Kafka cluster the program is the same but for one argument:

    BROKERS=kafka-1:9092,kafka-2:9092 python examples/trending.py

runs until Ctrl-C on the tweets that others write to the topic `tweets`.
"""

import os
import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime

from msgspec import Struct
from rich.console import Console
from rich.table import Table

from aliran import App, StreamsBuilder, Windowed

TOP = 3


class Tweet(Struct):
    user: str
    text: str
    likes: int


class Entry(Struct):
    """A hashtag and how often it occurred in its minute."""

    tag: str
    count: int


def hashtags(text: str) -> list[str]:
    return [tag.lower() for tag in re.findall(r"#\w+", text)]


def by_minute(window: Windowed[str], count: int) -> tuple[int, Entry]:
    return window.start_ms, Entry(window.key, count)


def enter(minute: int, entry: Entry, ranking: list[Entry]) -> list[Entry]:
    return sorted([*ranking, entry], key=lambda each: (-each.count, each.tag))


def leave(minute: int, entry: Entry, ranking: list[Entry]) -> list[Entry]:
    # The first count of a tag replaces a 0 that never entered: Kafka's count begins with it.
    return [each for each in ranking if each != entry]


def build(builder: StreamsBuilder) -> None:
    """Tweets → filter → hashtags → count by minute → ranking by minute."""
    counts = (
        builder.stream("tweets", value=Tweet)
        .filter(lambda user, tweet: tweet.likes > 10)
        .flat_map_values(lambda tweet: hashtags(tweet.text))
        .group_by(lambda user, tag: tag)
        .windowed_by("1m", grace="10s")
        .count(store="tag-counts")
    )
    counts.to_stream().to("trending")
    (
        counts.group_by(by_minute, name="minutes")
        .aggregate(list, enter, leave, store="rankings", value=list[Entry])
        .map_values(lambda ranking: ranking[:TOP])
        .to_stream()
        .to("top", value=list[Entry])
    )


# ---------------------------------------------------------------------- trying it out

START_MS = 1_795_348_800_000  # 2026-11-22 12:00 UTC
TAGS = ["#breakfast", "#coffee", "#monday", "#lunch", "#pizza", "#siesta"]


def sample_tweets(count: int = 400, seed: int = 7) -> Iterator[tuple[int, Tweet]]:
    """Yield times and tweets of four minutes; what people talk about moves on."""
    rng = random.Random(seed)
    for number in range(count):
        time_ms = START_MS + number * 4 * 60_000 // count
        favourite = 1 + 4 * number / count
        weights = [1 / (1 + 2 * abs(place - favourite) ** 2) for place in range(len(TAGS))]
        tags = rng.choices(TAGS, weights, k=rng.choice((1, 1, 2)))
        text = f"Nothing beats {' and '.join(dict.fromkeys(tags))}"
        yield time_ms, Tweet(f"user-{rng.randrange(40)}", text, rng.randrange(30))


def show(rankings: dict[int, list[Entry]]) -> None:
    """Print a row for each minute."""
    table = Table("minute", *(f"{place + 1}." for place in range(TOP)))
    for start_ms, ranking in sorted(rankings.items()):
        minute = datetime.fromtimestamp(start_ms / 1000, UTC)
        table.add_row(f"{minute:%H:%M}", *(f"{each.count:>2} {each.tag}" for each in ranking))
    Console(width=100).print(table)


def main() -> None:
    """Show the sample, or run against a cluster."""
    brokers = os.environ.get("BROKERS", "embedded")
    app = App("trending", brokers=brokers)
    build(app)
    if brokers != "embedded":
        app.run()
        return
    with app:
        for time_ms, tweet in sample_tweets():
            app.send("tweets", tweet.user, tweet, time_ms)
        app.wait_until_idle()
        show(dict(app.read("top", key=int, value=list[Entry])))


if __name__ == "__main__":
    main()
