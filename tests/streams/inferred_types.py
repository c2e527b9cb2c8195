"""What type checkers must make of the DSL; `test_inferred_types.py` runs mypy over this file."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import assert_type

import msgspec

from aliran.serdes import IntegerSerde, StringSerde, Windowed
from aliran.streams import (
    Consumed,
    FixedKeyProcessor,
    FixedKeyRecord,
    KGroupedStream,
    KStream,
    KTable,
    Processor,
    Record,
    StreamsBuilder,
    TimeWindowedKStream,
    TimeWindows,
)


class Tweet(msgspec.Struct):
    user: str
    text: str
    likes: int


def hashtags(text: str) -> Iterator[str]:
    yield from text.split()


builder = StreamsBuilder()

# Sources: keys and values are str unless told.
assert_type(builder.stream("plain"), KStream[str, str])
assert_type(builder.stream(["a", "b"], key=int), KStream[int, str])
tweets = builder.stream("tweets", value=Tweet)
assert_type(tweets, KStream[str, Tweet])
assert_type(builder.stream("ids", key=uuid.UUID, value=IntegerSerde()), KStream[uuid.UUID, int])
assert_type(builder.stream("c", Consumed(key=StringSerde(), value=Tweet)), KStream[str, Tweet])
users = builder.table("users", value=int, store="users")
assert_type(users, KTable[str, int])
assert_type(builder.table("plain-table"), KTable[str, str])
assert_type(builder.table("k", key=int, value=float), KTable[int, float])

# Record by record.
assert_type(tweets.filter(lambda user, tweet: tweet.likes > 10), KStream[str, Tweet])
assert_type(tweets.filter_not(lambda user, tweet: tweet.likes > 10), KStream[str, Tweet])
assert_type(tweets.map(lambda user, tweet: (tweet.likes, user)), KStream[int, str])
assert_type(tweets.map_values(lambda tweet: tweet.text), KStream[str, str])
assert_type(
    tweets.map_values(lambda user, tweet: (user, tweet.likes)), KStream[str, tuple[str, int]]
)
assert_type(builder.stream("up").map_values(str.upper), KStream[str, str])
assert_type(builder.stream("len").map_values(len), KStream[str, int])
assert_type(tweets.flat_map(lambda user, tweet: [(tweet.likes, user)]), KStream[int, str])
tags = tweets.flat_map_values(lambda tweet: hashtags(tweet.text))
assert_type(tags, KStream[str, str])
assert_type(tweets.flat_map_values(lambda user, tweet: [tweet.likes]), KStream[str, int])
assert_type(tweets.select_key(lambda user, tweet: tweet.likes), KStream[int, Tweet])
assert_type(tweets.peek(lambda user, tweet: None).repartition(), KStream[str, Tweet])
assert_type(tags.merge(builder.stream("more")), KStream[str, str])
assert_type(
    tweets.split().branch(lambda user, tweet: tweet.likes > 1).default_branch(),
    dict[str, KStream[str, Tweet]],
)

# Groups and their aggregations.
grouped = tags.group_by(lambda user, tag: len(tag))
assert_type(grouped, KGroupedStream[int, str])
assert_type(grouped.count(), KTable[int, int])
assert_type(grouped.reduce(lambda aggregate, tag: aggregate + tag), KTable[int, str])
assert_type(grouped.aggregate(int, lambda key, tag, total: total + len(tag)), KTable[int, int])
assert_type(tweets.group_by_key(), KGroupedStream[str, Tweet])
windowed = tweets.group_by_key().windowed_by("1m", grace="10s", advance="30s")
assert_type(windowed, TimeWindowedKStream[str, Tweet])
assert_type(windowed.count(store="s"), KTable[Windowed[str], int])
assert_type(windowed.count().to_stream(), KStream[Windowed[str], int])
assert_type(windowed.reduce(lambda first, second: second), KTable[Windowed[str], Tweet])
assert_type(
    windowed.aggregate(float, lambda user, tweet, total: total + tweet.likes),
    KTable[Windowed[str], float],
)
assert_type(TimeWindows.of_size_with_no_grace("1m").advance_by("10s"), TimeWindows)

# Tables and joins.
assert_type(users.filter(lambda user, age: age > 17), KTable[str, int])
assert_type(users.map_values(lambda age: age / 2), KTable[str, float])
assert_type(users.map_values(lambda user, age: f"{user} {age}"), KTable[str, str])
assert_type(users.to_stream(), KStream[str, int])
assert_type(users.to_stream(lambda user, age: age), KStream[int, int])
assert_type(tweets.to_table(), KTable[str, Tweet])
assert_type(tweets.join(users, lambda tweet, age: (tweet.text, age)), KStream[str, tuple[str, int]])
assert_type(tweets.join(users, lambda user, tweet, age: age + 1), KStream[str, int])
assert_type(tweets.left_join(users, lambda tweet, age: age or 0), KStream[str, int])
versions = builder.table("versions", value=int, store="versions", history_retention="1h")
assert_type(versions, KTable[str, int])
assert_type(tweets.join(versions, lambda tweet, age: age, grace="1m"), KStream[str, int])
assert_type(tweets.left_join(versions, lambda k, t, age: age, grace=5), KStream[str, int | None])
assert_type(tweets.left_join(users, lambda tweet, age: age), KStream[str, int | None])

by_age = builder.table("by-age", key=int, value=float)
assert_type(
    users.join(by_age, lambda age, rate: f"{rate}", foreign_key=lambda age: age), KTable[str, str]
)
assert_type(
    users.left_join(by_age, lambda age, rate: rate, foreign_key=lambda user, age: age),
    KTable[str, float | None],
)


class Likes(Processor[str, Tweet, str, int]):
    def process(self, record: Record[str, Tweet]) -> None:
        self.context.forward(record.with_value(record.value.likes))


class Texts(FixedKeyProcessor[str, Tweet, str]):
    def process(self, record: FixedKeyRecord[str, Tweet]) -> None:
        self.context.forward(record.with_value(record.value.text))


assert_type(tweets.process(Likes), KStream[str, int])
assert_type(tweets.process_values(Texts), KStream[str, str])

# Mistakes; mypy reports an unused ignore where it does not see one.
tweets.filter(lambda user, tweet: tweet.nonsense)  # type: ignore[attr-defined]
tweets.to("out", value=str)  # type: ignore[arg-type]
tweets.process(Texts)  # type: ignore[arg-type]
users.join(by_age, lambda age, rate: rate)  # type: ignore[arg-type]
