"""What mypy and pyright must make of the DSL; `test_inferred_types.py` runs both over this."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true, reportPrivateUsage=false

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any, assert_type

import msgspec

from aliran.serdes import IntegerSerde, StringSerde, Windowed
from aliran.storage.state import (
    KeyValueStore,
    SessionStore,
    TimestampedKeyValueStore,
    ValueAndTimestamp,
    VersionedKeyValueStore,
    VersionedRecord,
    WindowStore,
)
from aliran.streams import (
    App,
    Branched,
    BranchedKStream,
    CogroupedKStream,
    Consumed,
    CountWindowedKStream,
    CountWindows,
    EmitStrategy,
    FixedKeyProcessor,
    FixedKeyRecord,
    GlobalKTable,
    Grouped,
    Joined,
    JoinWindows,
    KeyValue,
    KGroupedStream,
    KGroupedTable,
    KStream,
    KTable,
    Materialized,
    NumberedWindow,
    Processor,
    Produced,
    Record,
    SessionWindowedCogroupedKStream,
    SessionWindowedKStream,
    SessionWindows,
    SlidingWindows,
    StoreView,
    StreamJoined,
    StreamsBuilder,
    Suppressed,
    TestInputTopic,
    TestOutputTopic,
    TimeWindowedCogroupedKStream,
    TimeWindowedKStream,
    TimeWindows,
    Topology,
    TopologyTestDriver,
    UnlimitedWindows,
    ValueTransformer,
    WindowView,
)


class Tweet(msgspec.Struct):
    user: str
    text: str
    likes: int


def hashtags(text: str) -> Iterator[str]:
    yield from text.split()


def add_likes(user: str, tweet: Tweet, total: int) -> int:
    return total + tweet.likes


def added(user: str, one: int, two: int) -> int:
    """Merge sessions; of `lambda user, one, two: one + two` mypy makes Any, pyright int."""
    return one + two


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

# Splitting.
split = tweets.split(name="by-").branch(lambda user, tweet: tweet.likes > 1, name="liked")
assert_type(split, BranchedKStream[str, Tweet])
assert_type(split.no_default_branch(), dict[str, KStream[str, Tweet]])
Branched[str, Tweet](name="x", chain=lambda stream: stream.map_values(lambda tweet: tweet.likes))

# Joins of streams: within windows, with and without the key; what may be missing may be None.
ages = builder.stream("ages", value=int)
assert_type(tweets.join(ages, lambda tweet, age: age + tweet.likes, "1m"), KStream[str, int])
assert_type(
    tweets.join(
        ages,
        lambda user, tweet, age: (user, age),
        JoinWindows.of_time_difference_with_no_grace("1m"),
    ),
    KStream[str, tuple[str, int]],
)
assert_type(tweets.left_join(ages, lambda tweet, age: age, "1m"), KStream[str, int | None])
assert_type(
    tweets.left_join(ages, lambda user, tweet, age: tweet, "1m", grace="5s"), KStream[str, Tweet]
)
assert_type(
    tweets.outer_join(ages, lambda tweet, age: (tweet, age), "1m"),
    KStream[str, tuple[Tweet | None, int | None]],
)
assert_type(
    tweets.outer_join(ages, lambda user, tweet, age: user, "1m", StreamJoined(key=str)),
    KStream[str, str],
)
assert_type(tweets.join(users, lambda tweet, age: age, Joined(value=Tweet)), KStream[str, int])

# Joins with global tables.
rates = builder.global_table("rates", key=int, value=float, store="rates")
assert_type(rates, GlobalKTable[int, float])
assert_type(builder.global_table("names"), GlobalKTable[str, str])
assert_type(
    tweets.join(rates, lambda tweet, rate: rate, key_selector=lambda user, tweet: tweet.likes),
    KStream[str, float],
)
assert_type(
    tweets.left_join(
        rates, lambda user, tweet, rate: rate, key_selector=lambda user, tweet: tweet.likes
    ),
    KStream[str, float | None],
)

# Joins of tables by key.
names = builder.table("names-table", store="names")
assert_type(users.join(names, lambda age, name: f"{name}{age}", store="j"), KTable[str, str])
assert_type(users.left_join(names, lambda age, name: name), KTable[str, str | None])
assert_type(
    users.outer_join(names, lambda age, name: (age, name)),
    KTable[str, tuple[int | None, str | None]],
)


# Tables: groups, suppression, transformers.
class Doubled(ValueTransformer[str, int, float]):
    def transform(self, key: str, value: int | None) -> float | None:
        return None if value is None else value * 2.0


assert_type(users.filter_not(lambda user, age: age > 17, store="young"), KTable[str, int])
assert_type(users.transform_values(Doubled), KTable[str, float])
assert_type(users.suppress(Suppressed.until_time_limit("1m")), KTable[str, int])
by_group = users.group_by(lambda user, age: (age, user))
assert_type(by_group, KGroupedTable[int, str])
assert_type(by_group.count(), KTable[int, int])
assert_type(by_group.reduce(lambda a, b: a + b, lambda a, b: a), KTable[int, str])
assert_type(
    by_group.aggregate(int, lambda key, user, n: n + 1, lambda key, user, n: n - 1),
    KTable[int, int],
)
assert_type(
    users.group_by(lambda user, age: (age, user), Grouped(key=int)).count(), KTable[int, int]
)

# Windows of all kinds, and their aggregations.
group = tweets.group_by_key()
assert_type(
    group.windowed_by(TimeWindows.of_size_with_no_grace("1m")).count(), KTable[Windowed[str], int]
)
assert_type(group.windowed_by(sliding="1m"), TimeWindowedKStream[str, Tweet])
assert_type(
    group.windowed_by(SlidingWindows.of_time_difference_with_no_grace("1m")),
    TimeWindowedKStream[str, Tweet],
)
assert_type(group.windowed_by(UnlimitedWindows.of()), TimeWindowedKStream[str, Tweet])
sessions = group.windowed_by(session="1m", grace="1s")
assert_type(sessions, SessionWindowedKStream[str, Tweet])
assert_type(
    group.windowed_by(SessionWindows.of_inactivity_gap_with_no_grace("1m")),
    SessionWindowedKStream[str, Tweet],
)
assert_type(sessions.count(), KTable[Windowed[str], int])
assert_type(sessions.reduce(lambda first, second: first), KTable[Windowed[str], Tweet])
assert_type(
    sessions.aggregate(int, lambda user, tweet, total: total + tweet.likes, added),
    KTable[Windowed[str], int],
)
final = group.windowed_by("1m").emit_strategy(EmitStrategy.on_window_close())
assert_type(group.count(store="expiring", ttl="1h"), KTable[str, int])
assert_type(tweets.to_table(store="latest", ttl="1h"), KTable[str, Tweet])
by_number = group.windowed_by(CountWindows.of(100).advance_by(10))
assert_type(by_number, CountWindowedKStream[str, Tweet])
assert_type(by_number.count(), KTable[NumberedWindow[str], int])
assert_type(
    by_number.emit_strategy(EmitStrategy.on_window_close()).reduce(lambda one, two: one),
    KTable[NumberedWindow[str], Tweet],
)
assert_type(
    by_number.aggregate(int, lambda user, tweet, total: total + tweet.likes),
    KTable[NumberedWindow[str], int],
)
idle = EmitStrategy.on_window_close(idle_after="30s")
assert_type(sessions.emit_strategy(idle).count(late="late"), KTable[Windowed[str], int])
assert_type(final, TimeWindowedKStream[str, Tweet])
assert_type(final.count(Materialized(store="final")), KTable[Windowed[str], int])
assert_type(
    group.windowed_by("1m").count().suppress(Suppressed.until_window_closes()),
    KTable[Windowed[str], int],
)

# Cogroups.
both = group.cogroup(add_likes).cogroup(ages.group_by_key(), lambda user, age, total: total + age)
assert_type(both, CogroupedKStream[str, int])
assert_type(both.aggregate(int), KTable[str, int])
assert_type(both.windowed_by("1m"), TimeWindowedCogroupedKStream[str, int])
assert_type(both.windowed_by("1m").aggregate(int), KTable[Windowed[str], int])
assert_type(both.windowed_by(session="1m"), SessionWindowedCogroupedKStream[str, int])
assert_type(
    both.windowed_by(session="1m").aggregate(int, lambda user, one, two: one + two),
    KTable[Windowed[str], int],
)

# Ends.
assert_type(tweets.to("out", Produced(value=Tweet)), None)
assert_type(tweets.foreach(lambda user, tweet: print(tweet.likes)), None)
assert_type(builder.build(), Topology)

# Functions as processors, and their stores.
app = App("typed")
counts = app.store("counts", key=int, value=float, default=float)
assert_type(counts, StoreView[int, float])
assert_type(app.store("texts", value=str), StoreView[str, str])
minutes = app.window_store("minutes", "1m", value=int)
assert_type(minutes, WindowView[str, int])


@app.processor("tweets", stores=[counts])
def likes(tweet: Tweet) -> KeyValue[int, float]:
    counts[tweet.likes] += 1
    assert_type(counts[1], float)
    assert_type(counts.get(1), float | None)
    assert_type(counts.get(1, "none"), float | str)
    assert_type(list(counts.items()), list[tuple[int, float]])
    assert_type(list(counts.range(1, 2)), list[tuple[int, float]])
    assert_type(list(minutes.fetch("a", 0, 1)), list[tuple[Windowed[str], int]])
    return KeyValue(tweet.likes, counts[tweet.likes])


@app.processor(likes)
def lines(key: int, value: float) -> Iterator[str]:
    yield f"{key}{value}"


@app.processor(likes, concurrency=2)
async def slow(value: float) -> int:
    return int(value)


@app.processor(likes)
async def several(value: float) -> AsyncIterator[KeyValue[str, float]]:
    yield KeyValue("a", value)


@app.processor(likes)
def some(value: float) -> KeyValue[str, int] | None:
    return KeyValue("a", 1) if value else None


@app.processor(likes)
def whole(record: Record[int, float]) -> Record[int, str]:
    return record.with_value("text")


@app.timer("10s", stores=[counts])
def report(time_ms: int) -> Iterator[KeyValue[int, int]]:
    yield KeyValue(time_ms, 1)


assert_type(likes.stream(), KStream[int, float])
assert_type(lines.stream(), KStream[Any, str])
assert_type(slow.stream(), KStream[Any, int])
assert_type(several.stream(), KStream[str, float])
assert_type(some.stream(), KStream[str, int])
assert_type(whole.stream(), KStream[int, str])
assert_type(report.stream(), KStream[int, int])

# The test driver's topics.
with TopologyTestDriver(app.build()) as driver:
    source = driver.create_input_topic("tweets", value=Tweet)
    assert_type(source, TestInputTopic[str, Tweet])
    assert_type(driver.create_input_topic("tweets", key=int), TestInputTopic[int, str])
    output = driver.create_output_topic("out", key=int, value=float)
    assert_type(output, TestOutputTopic[int, float])
    assert_type(driver.create_output_topic("out"), TestOutputTopic[str, str])
    assert_type(output.read_key_values_to_list(), list[KeyValue[int, float]])
    assert_type(output.read_key_values_to_map(), dict[int, float])
    assert_type(output.read_values_to_list(), list[float])
    assert_type(output.read_records_to_list(), list[Record[int, float]])


# Stores, as processors and queries have them.
def stores(
    plain: KeyValueStore[str, int],
    stamped: TimestampedKeyValueStore[str, int],
    windows: WindowStore[str, int],
    sessions: SessionStore[str, int],
    versioned: VersionedKeyValueStore[str, int],
) -> None:
    assert_type(plain.get("a"), int | None)
    assert_type(plain["a"], int)
    assert_type(plain.range("a", "b"), Iterator[tuple[str, int]])
    assert_type(plain.delete("a"), int | None)
    assert_type(stamped.get("a"), ValueAndTimestamp[int] | None)
    assert_type(windows.fetch("a", 0), int | None)
    assert_type(windows.fetch("a", 0, 1), Iterator[tuple[int, int]])
    assert_type(windows.fetch("a", "b", 0, 1), Iterator[tuple[Windowed[str], int]])
    assert_type(windows.all(), Iterator[tuple[Windowed[str], int]])
    assert_type(sessions.fetch_session("a", 0, 1), int | None)
    assert_type(versioned.get("a"), VersionedRecord[int] | None)


# Mistakes; both checkers report an unused ignore where they do not see one.
tweets.filter(lambda user, tweet: tweet.nonsense)  # type: ignore[attr-defined]
tweets.to("out", value=str)  # type: ignore[arg-type]
tweets.process(Texts)  # type: ignore[arg-type]
users.join(by_age, lambda age, rate: rate)  # type: ignore[arg-type]


def not_called() -> None:
    assert_type(likes(Tweet("", "", 1)), KeyValue[int, float])
    counts["a"] = 1.0  # type: ignore[index]
    counts[1] = "text"  # type: ignore[assignment]
    source.pipe_input("a", "b")  # type: ignore[call-overload]
