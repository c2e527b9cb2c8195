"""Jobs on two inputs: a stream joined with a table, and two streams joined within a window."""

from __future__ import annotations

import random
from collections import defaultdict
from itertools import accumulate

import msgspec
from benchmarks.hashtag_job import Tweet
from benchmarks.job import Inputs, Job, in_order
from benchmarks.tweets import Rows, base_ms, load

from aliran.streams.app import App

WITHIN_MS = 10_000
GRACE_MS = 60_000
_USERS = 20_000
_VIEWERS = 20_000


class User(msgspec.Struct):
    """A row of the table."""

    name: str
    country: str
    followers: int


class Seen(msgspec.Struct):
    """A tweet and what was known of its user by then."""

    text: str
    name: str
    followers: int


class View(msgspec.Struct):
    """Somebody was shown an advertisement."""

    ad: str
    price: int


class Click(msgspec.Struct):
    """Somebody clicked."""

    page: str


class Followed(msgspec.Struct):
    """A view, and a click soon before or after it."""

    ad: str
    page: str
    price: int


# ---------------------------------------------------------------------- stream and table


def tweets_and_users(count: int) -> Inputs:
    """Users first, then nine tweets for each update of a user; no two times are the same."""
    known = min(_USERS, count // 4)
    updates = (count - known) // 10
    tweets = load(count - known - updates)
    times = [time | 1 for time in tweets.timestamps]
    draw, encode = random.Random(7), msgspec.json.encode
    start = min(times) - 1
    users = Rows([], [], [])
    for number in range(known + updates):
        first_time = number < known
        user = number if first_time else int(known * draw.random() ** 2)
        at = start if first_time else times[9 * (number - known)] - 1
        row = User(f"User {user}", draw.choice(("de", "fr", "id")), draw.randrange(10_000))
        users.keys.append(b"u%06d" % user)
        users.values.append(encode(row))
        users.timestamps.append(at)
    return {"tweets": Rows(tweets.keys, tweets.values, times), "users": users}


def with_user(tweet: Tweet, user: User) -> Seen:
    return Seen(tweet.text, user.name, user.followers)


def build_table_join(app: App) -> None:
    users = app.table("users", value=User, store="users")
    app.stream("tweets", value=Tweet).join(users, with_user).to("results")


def bare_table_join(inputs: Inputs) -> list[tuple[str, Seen]]:
    read_tweet, read_user = msgspec.json.Decoder(Tweet).decode, msgspec.json.Decoder(User).decode
    users: dict[str, User] = {}
    results = []
    for is_tweet, key, value, _ in in_order(inputs["tweets"], inputs["users"]):
        name = key.decode()
        if is_tweet:
            tweet, user = read_tweet(value), users.get(name)
            if user is not None:
                results.append((name, with_user(tweet, user)))
        else:
            users[name] = read_user(value)
    return results


def found_seen(results: Rows) -> list[tuple[str, Seen]]:
    decode = msgspec.json.Decoder(Seen).decode
    return [(k.decode(), decode(v)) for k, v in zip(results.keys, results.values, strict=True)]


# ---------------------------------------------------------------------- two streams


def views_and_clicks(count: int) -> Inputs:
    """Seven views for three clicks, 2 ms apart; viewers by Zipf's law; 1 % is up to 30 s late."""
    draw, encode, base = random.Random(7), msgspec.json.encode, base_ms()
    names = [b"viewer-%05d" % number for number in range(_VIEWERS)]
    weights = list(accumulate(1 / (rank + 300) for rank in range(_VIEWERS)))
    views, clicks = Rows([], [], []), Rows([], [], [])
    now = base + 30_000
    for viewer in draw.choices(names, cum_weights=weights, k=count):
        now += draw.choice((0, 2, 4))
        at = now - (draw.randrange(0, 30_000, 2) if draw.random() < 0.01 else 0)
        if draw.random() < 0.7:
            side, value = views, encode(View(f"ad-{draw.randrange(1_000)}", draw.randrange(100)))
        else:
            side, value = clicks, encode(Click(f"/page/{draw.randrange(1_000)}"))
            at += 1
        side.keys.append(viewer)
        side.values.append(value)
        side.timestamps.append(at)
    return {"views": views, "clicks": clicks}


def followed(view: View, click: Click) -> Followed:
    return Followed(view.ad, click.page, view.price)


def build_stream_join(app: App) -> None:
    views, clicks = app.stream("views", value=View), app.stream("clicks", value=Click)
    views.join(clicks, followed, "10s", grace="60s").to("results")


def bare_stream_join(inputs: Inputs) -> list[tuple[str, Followed]]:
    read_view, read_click = msgspec.json.Decoder(View).decode, msgspec.json.Decoder(Click).decode
    views: dict[str, list[tuple[int, View]]] = defaultdict(list)
    clicks: dict[str, list[tuple[int, Click]]] = defaultdict(list)
    results = []
    stream_time = -1
    for is_view, key, value, time in in_order(inputs["views"], inputs["clicks"]):
        viewer = key.decode()
        if time > stream_time:
            stream_time = time
        oldest = stream_time - 2 * WITHIN_MS - GRACE_MS
        if is_view:
            view = read_view(value)
            for at, click in clicks[viewer]:
                if -WITHIN_MS <= at - time <= WITHIN_MS:
                    results.append((viewer, followed(view, click)))
            views[viewer].append((time, view))
            while views[viewer][0][0] < oldest:
                del views[viewer][0]
        else:
            click = read_click(value)
            for at, view in views[viewer]:
                if -WITHIN_MS <= at - time <= WITHIN_MS:
                    results.append((viewer, followed(view, click)))
            clicks[viewer].append((time, click))
            while clicks[viewer][0][0] < oldest:
                del clicks[viewer][0]
    return results


def found_followed(results: Rows) -> list[tuple[str, Followed]]:
    decode = msgspec.json.Decoder(Followed).decode
    return [(k.decode(), decode(v)) for k, v in zip(results.keys, results.values, strict=True)]


def in_some_order(results: list[tuple[str, Followed]]) -> list[tuple[str, Followed]]:
    """Sort; the bare loop has the matches of a late record in the order of their arrival."""
    return sorted(results, key=lambda row: (row[0], *msgspec.structs.astuple(row[1])))


JOBS = (
    Job(
        "stream_table_join",
        "stream-table join",
        300_000,
        tweets_and_users,
        build_table_join,
        bare_table_join,
        found_seen,
    ),
    Job(
        "stream_stream_join",
        "stream-stream join",
        200_000,
        views_and_clicks,
        build_stream_join,
        bare_stream_join,
        found_followed,
        in_some_order,
    ),
)
