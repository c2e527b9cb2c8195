"""Jobs on one stream: without state, counts by user, by user and minute, and by session."""

from __future__ import annotations

import msgspec
from benchmarks.hashtag_job import GRACE_MS, MINUTE_MS, MORE_THAN_LIKES, Tweet
from benchmarks.job import Inputs, Job
from benchmarks.tweets import Rows, load

from aliran.serdes import Serde, SessionWindowedSerde, Windowed, WindowedSerde
from aliran.streams.app import App

GAP_MS = 60_000

Counts = dict[str, int]
WindowCounts = dict[tuple[str, int, int], int]


def tweets(count: int) -> Inputs:
    return {"tweets": load(count)}


def shouted(tweet: Tweet) -> str:
    return tweet.text.upper()


# ---------------------------------------------------------------------- filter, map values


def build_stateless(app: App) -> None:
    popular = app.stream("tweets", value=Tweet).filter(lambda _, t: t.likes > MORE_THAN_LIKES)
    popular.map_values(shouted).to("results")


def bare_stateless(inputs: Inputs) -> list[tuple[str, str]]:
    decode = msgspec.json.Decoder(Tweet).decode
    keys, values, _ = inputs["tweets"]
    results = []
    for key, value in zip(keys, values, strict=True):
        user, tweet = key.decode(), decode(value)
        if tweet.likes > MORE_THAN_LIKES:
            results.append((user, shouted(tweet)))
    return results


def found_texts(results: Rows) -> list[tuple[str, str]]:
    return [(k.decode(), v.decode()) for k, v in zip(results.keys, results.values, strict=True)]


# ---------------------------------------------------------------------- count by key


def build_count(app: App) -> None:
    app.stream("tweets", value=Tweet).group_by_key().count(store="counts").to_stream().to("results")


def bare_count(inputs: Inputs) -> Counts:
    decode = msgspec.json.Decoder(Tweet).decode
    keys, values, _ = inputs["tweets"]
    counts: Counts = {}
    for key, value in zip(keys, values, strict=True):
        decode(value)
        user = key.decode()
        counts[user] = counts.get(user, 0) + 1
    return counts


def found_counts(results: Rows) -> Counts:
    rows = zip(results.keys, results.values, strict=True)
    return {key.decode(): int.from_bytes(value, "big") for key, value in rows}


# ---------------------------------------------------------------------- count by window


def build_windowed(app: App) -> None:
    groups = app.stream("tweets", value=Tweet).group_by_key()
    groups.windowed_by("1m", grace="10s").count(store="counts").to_stream().to("results")


def bare_windowed(inputs: Inputs) -> WindowCounts:
    decode = msgspec.json.Decoder(Tweet).decode
    counts: dict[tuple[str, int], int] = {}
    stream_time = -1
    for key, value, time in zip(*inputs["tweets"], strict=True):
        decode(value)
        if time > stream_time:
            stream_time = time
        minute = time - time % MINUTE_MS
        if minute + MINUTE_MS + GRACE_MS > stream_time:
            window = key.decode(), minute
            counts[window] = counts.get(window, 0) + 1
    return {(user, start, start + MINUTE_MS): count for (user, start), count in counts.items()}


# ---------------------------------------------------------------------- count by session


def build_sessions(app: App) -> None:
    groups = app.stream("tweets", value=Tweet).group_by_key()
    sessions = groups.windowed_by(session="1m", grace="10s")
    # By default the store shows a session to late records as long as it is cached by chance.
    sessions.count(store="counts", retention="1h").to_stream().to("results")


def bare_sessions(inputs: Inputs) -> WindowCounts:
    decode = msgspec.json.Decoder(Tweet).decode
    sessions: dict[str, list[tuple[int, int, int]]] = {}
    stream_time = -1
    for key, value, time in zip(*inputs["tweets"], strict=True):
        decode(value)
        if time > stream_time:
            stream_time = time
        user, count, start, end = key.decode(), 1, time, time
        others = []
        for session in sessions.get(user, ()):
            if session[1] >= time - GAP_MS and session[0] <= time + GAP_MS:
                count += session[2]
                start, end = min(start, session[0]), max(end, session[1])
            else:
                others.append(session)
        if end >= stream_time - GRACE_MS - GAP_MS:
            others.append((start, end, count))
            sessions[user] = others
    return {
        (user, start, end): count for user, each in sessions.items() for start, end, count in each
    }


def found_windows(results: Rows, serde: Serde[Windowed[str]]) -> WindowCounts:
    """Read the latest counts of windows or sessions; those that were merged are gone."""
    counts: WindowCounts = {}
    for key, value in zip(results.keys, results.values, strict=True):
        window: Windowed[str] = serde.deserializer(key)
        where = window.key, window.start_ms, window.end_ms
        if value is None:
            counts.pop(where, None)
        else:
            counts[where] = int.from_bytes(value, "big")
    return counts


def found_minutes(results: Rows) -> WindowCounts:
    return found_windows(results, WindowedSerde(str, MINUTE_MS))


def found_sessions(results: Rows) -> WindowCounts:
    return found_windows(results, SessionWindowedSerde(str))


JOBS = (
    Job(
        "stateless",
        "filter, map values",
        500_000,
        tweets,
        build_stateless,
        bare_stateless,
        found_texts,
    ),
    Job("count", "count by key", 500_000, tweets, build_count, bare_count, found_counts),
    Job(
        "windowed_count",
        "count by key and minute",
        300_000,
        tweets,
        build_windowed,
        bare_windowed,
        found_minutes,
    ),
    Job(
        "session_count",
        "count by key and session",
        300_000,
        tweets,
        build_sessions,
        bare_sessions,
        found_sessions,
    ),
)
