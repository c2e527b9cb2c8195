"""Against fakes that speak the published interfaces."""

from __future__ import annotations

import json
import time
from typing import Any

from http_servers import Answer, Asked, Scripted
from tests.connectors.conftest import JSON, STRING, Connect, eventually

PLAIN = {"value__converter": JSON, "value__converter__schemas__enable": "false"}


def values(connect: Connect, topic: str, count: int) -> list[dict[str, Any]]:
    return [json.loads(one.value()) for one in connect.read(topic, count)]


class Feed:
    """An RSS feed that grows."""

    def __init__(self) -> None:
        self.items = ["one", "two"]
        self.unchanged = 0

    def __call__(self, asked: Asked) -> Answer:
        tag = f'"{len(self.items)}"'
        if asked.headers.get("if-none-match") == tag:
            self.unchanged += 1
            return Answer(status=304)
        items = "".join(
            f"<item><guid>{one}</guid><title>About {one}</title><link>http://x/{one}</link>"
            "<pubDate>Wed, 01 Jan 2025 10:00:00 GMT</pubDate></item>"
            for one in reversed(self.items)
        )
        text = f'<rss version="2.0"><channel><title>News</title>{items}</channel></rss>'
        return Answer(text.encode(), headers={"ETag": tag})


def test_entries_of_a_feed_come_once(connect: Connect) -> None:
    feed = Feed()
    with Scripted(feed) as server:
        connect.put("rss", "RssSource", topic="rss", feed__url=server.url, poll__interval__ms=50,
                    **PLAIN)  # fmt: skip
        found = values(connect, "rss", 2)
        assert [one["title"] for one in found] == ["About one", "About two"]
        eventually(lambda: feed.unchanged > 1)

        connect.rest.put("/connectors/rss/stop")
        feed.items.append("three")
        connect.rest.put("/connectors/rss/resume")
        assert [one["id"] for one in values(connect, "rss", 3)] == ["one", "two", "three"]
        assert connect.read("rss", 3)[2].timestamp()[1] == 1_735_725_600_000


def test_what_is_no_feed_is_said(connect: Connect) -> None:
    with Scripted(lambda _: Answer(b"<html><body>hello</body></html>")) as server:
        config = {"name": "x", "connector.class": "RssSource", "topic": "x", "feed.url": server.url}
        path = "/connector-plugins/RssSource/config/validate?check=true"
        assert "is no feed" in connect.rest.put(path, json=config).text


class Mastodon:
    """A timeline; the newest post comes first."""

    def __init__(self) -> None:
        self.posts = [str(n) for n in range(95, 106)]
        self.calls = 0

    def __call__(self, asked: Asked) -> Answer:
        if asked.path != "/api/v1/timelines/tag/python":
            return Answer(b'{"error": "Record not found"}', 404)
        self.calls += 1
        if self.calls == 3:
            return Answer(b'{"error": "Too many requests"}', 429, {"Retry-After": "0"})
        limit = int(asked.query["limit"])
        posts = sorted(self.posts, key=int)
        if "min_id" in asked.query:
            posts = [one for one in posts if int(one) > int(asked.query["min_id"])][:limit]
        else:
            posts = posts[-limit:]
        rows = [
            {"id": one, "content": f"<p>{one}</p>", "created_at": "2025-01-01T10:00:00.000Z"}
            for one in reversed(posts)
        ]
        return Answer(json.dumps(rows).encode())


def test_posts_of_a_timeline_come_in_their_order(connect: Connect) -> None:
    mastodon = Mastodon()
    with Scripted(mastodon) as server:
        connect.put(
            "toots", "MastodonSource", topic="toots", mastodon__url=server.url,
            mastodon__timeline="tag/python", mastodon__start__id="96", page__size=4,
            poll__interval__ms=50, retry__backoff__ms=20, **PLAIN,
        )  # fmt: skip
        wanted = [str(n) for n in range(97, 106)]
        assert [one["id"] for one in values(connect, "toots", 9)] == wanted

        connect.rest.put("/connectors/toots/stop")
        mastodon.posts += ["106", "1000"]
        connect.rest.put("/connectors/toots/resume")
        assert [one["id"] for one in values(connect, "toots", 11)] == [*wanted, "106", "1000"]


class X:
    """Search and posts, with a limit."""

    def __init__(self) -> None:
        self.posts = [str(n) for n in range(101, 126)]
        self.made: list[str] = []
        self.calls = 0

    def __call__(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization") != "Bearer token":
            return Answer(b'{"title": "Unauthorized"}', 401)
        if asked.path == "/2/users/me":
            return Answer(b'{"data": {"id": "1"}}')
        self.calls += 1
        if self.calls == 2:
            return Answer(b"{}", 429, {"x-rate-limit-reset": str(int(time.time()))})
        if asked.path == "/2/tweets":
            text = json.loads(asked.body)["text"]
            if text in self.made:
                return Answer(b'{"detail": "duplicate content"}', 403)
            self.made.append(text)
            return Answer(b'{"data": {"id": "9"}}', 201)
        newer = [one for one in self.posts if int(one) > int(asked.query.get("since_id", 0))][::-1]
        start, size = int(asked.query.get("next_token", 0)), int(asked.query["max_results"])
        meta = {"next_token": str(start + size)} if len(newer) > start + size else {}
        data = [{"id": one, "text": f"post {one}"} for one in newer[start : start + size]]
        return Answer(json.dumps({"data": data, "meta": meta} if data else {"meta": {}}).encode())


def test_posts_of_a_search_come_in_their_order(connect: Connect) -> None:
    with Scripted(X()) as server:
        connect.put(
            "found", "TwitterSource", topic="found", twitter__api__url=server.url,
            twitter__bearer__token="token", twitter__query="#python", twitter__start__id="100",
            page__size=10, poll__interval__ms=50, retry__backoff__ms=20, **PLAIN,
        )  # fmt: skip
        found = [one["id"] for one in values(connect, "found", 25)]
    assert found == [str(n) for n in range(101, 126)]


def test_values_become_posts(connect: Connect) -> None:
    x = X()
    connect.write("posts", b"hello", b"world", b"hello")
    with Scripted(x) as server:
        connect.put(
            "posting", "TwitterSink", topics="posts", twitter__api__url=server.url,
            twitter__bearer__token="token", value__converter=STRING, errors__tolerance="all",
            errors__deadletterqueue__topic__name="posts-dead",
            errors__deadletterqueue__topic__replication__factor=1, retry__backoff__ms=20,
        )  # fmt: skip
        assert connect.read("posts-dead", 1)[0].value() == b"hello"
        assert x.made == ["hello", "world"]
