"""Trending hashtags: tweets with more than 10 likes, counted by hashtag and minute.

    python examples/trending.py

starts a broker inside this process, writes a few tweets, and prints

    12:00  #breakfast  2
    12:00  #coffee     1
    12:01  #coffee     2

No other service is needed. Against a Kafka cluster the program is the same but for one argument:

    BROKERS=kafka-1:9092,kafka-2:9092 python examples/trending.py

runs until Ctrl-C on the tweets that others write to the topic `tweets`.
"""

import os
import re
from datetime import UTC, datetime

from msgspec import Struct

import aliran
from aliran.serdes import Windowed, WindowedSerde, serde_for


class Tweet(Struct):
    user: str
    text: str
    likes: int


def hashtags(text: str) -> list[str]:
    return [tag.lower() for tag in re.findall(r"#\w+", text)]


BROKERS = os.environ.get("BROKERS", "embedded")

app = aliran.App("trending", brokers=BROKERS)

(
    app.stream("tweets", value=Tweet)
    .filter(lambda user, tweet: tweet.likes > 10)
    .flat_map_values(lambda tweet: hashtags(tweet.text))
    .group_by(lambda user, tag: tag)
    .windowed_by("1m", grace="10s")
    .count(store="tag-counts")
    .to_stream()
    .to("trending")
)

SAMPLE = [
    ("12:00:05", Tweet("ana", "Nothing beats #Breakfast with #coffee", 12)),
    ("12:00:20", Tweet("budi", "Second #breakfast!", 40)),
    ("12:00:41", Tweet("cleo", "#coffee is overrated", 3)),
    ("12:01:02", Tweet("budi", "Fine, #coffee it is", 11)),
    ("12:01:30", Tweet("ana", "Told you. #coffee", 250)),
]


def show_sample() -> None:
    """Write the sample, wait until it is counted, and print the counts."""
    with app:
        for time, tweet in SAMPLE:
            at = datetime.fromisoformat(f"2026-11-22T{time}+00:00")
            app.send("tweets", tweet.user, tweet, round(at.timestamp() * 1000))
        app.wait_until_idle()
        windows = WindowedSerde(serde_for(str), window_size_ms=60_000)
        counts: dict[Windowed[str], int] = dict(app.read("trending", key=windows, value=int))
        for window, count in sorted(counts.items(), key=lambda row: (row[0].start_ms, row[0].key)):
            minute = datetime.fromtimestamp(window.start_ms / 1000, UTC)
            print(f"{minute:%H:%M}  {window.key:<10}  {count}")


if __name__ == "__main__":
    if BROKERS == "embedded":
        show_sample()
    else:
        app.run()
