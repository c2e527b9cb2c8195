"""`RssSource`: entries of an RSS or Atom feed, oldest first, each once."""

from __future__ import annotations

import calendar
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import feedparser

from aliran.connectors.api.function_tasks import Record, SourceContext
from aliran.connectors.api.functions import source
from aliran.connectors.builtin.http.client import HttpOptions, check_url, told_by
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import at_least
from aliran.connectors.errors import ConnectError, DataError
from aliran.connectors.web.calls import Calls

_MOST_SEEN = 500


@dataclass(frozen=True, kw_only=True)
class RssConfig(HttpOptions):
    """The options."""

    topic: Annotated[str, Option("Where entries go.", importance=Importance.HIGH)]
    feed_url: Annotated[str, Option("The feed.", importance=Importance.HIGH, validator=check_url)]
    poll_interval_ms: Annotated[
        int, Option("The wait between two requests.", validator=at_least(1))
    ] = 300_000
    retry_backoff_ms: Annotated[
        int, Option("The wait after a failed one.", validator=at_least(1))
    ] = 10_000


@source("RssSource", config=RssConfig, version="1")
def rss_source(cfg: RssConfig, ctx: SourceContext) -> Iterator[Record]:
    """Yield entries that were not there before."""
    partition = {"feed": cfg.feed_url}
    stored = ctx.offset(partition)
    seen: list[str] = json.loads(stored.get("seen", "[]"))
    tags = {"If-None-Match": stored.get("etag"), "If-Modified-Since": stored.get("modified")}
    calls = Calls(cfg.client(), -1, cfg.retry_backoff_ms)
    try:
        while not ctx.stopping:
            headers = {name: value for name, value in tags.items() if value}
            response = calls.send("GET", cfg.feed_url, headers=headers)
            if response.status_code != 304:
                if not response.is_success:
                    raise ConnectError(told_by(response))
                fresh = [
                    (digest, entry)
                    for entry in reversed(_entries(cfg.feed_url, response.content))
                    if (digest := _digest(entry)) not in seen
                ]
                tags = {
                    "If-None-Match": response.headers.get("ETag"),
                    "If-Modified-Since": response.headers.get("Last-Modified"),
                }
                for number, (digest, entry) in enumerate(fresh, 1):
                    seen = [*seen[-_MOST_SEEN:], digest]
                    offset: dict[str, Any] = {"seen": json.dumps(seen)}
                    if number == len(fresh):  # only behind the last one is the answer done with
                        offset |= {
                            "etag": tags["If-None-Match"], "modified": tags["If-Modified-Since"]
                        }  # fmt: skip
                    yield _record(entry, partition, offset)
            ctx.sleep(cfg.poll_interval_ms / 1000)
    finally:
        calls.close()


@rss_source.check
def _check(cfg: RssConfig) -> None:
    calls = Calls(cfg.client(), 0, cfg.retry_backoff_ms)
    try:
        response = calls.send("GET", cfg.feed_url)
        if not response.is_success:
            raise ConnectError(told_by(response))
        _entries(cfg.feed_url, response.content)
    finally:
        calls.close()


def _entries(url: str, content: bytes) -> list[Any]:
    found = feedparser.parse(content)
    if not found.entries and not found.version:
        raise DataError(
            f"{url} is no feed: {found.get('bozo_exception', 'nothing was understood')}"
        )
    return list(found.entries)


def _digest(entry: Any) -> str:
    text = entry.get("id") or entry.get("link") or f"{entry.get('title')}{entry.get('summary')}"
    return hashlib.blake2b(str(text).encode(), digest_size=8).hexdigest()


def _record(entry: Any, partition: dict[str, Any], offset: dict[str, Any]) -> Record:
    moment = entry.get("published_parsed") or entry.get("updated_parsed")
    value = {
        "id": entry.get("id") or entry.get("link"),
        "title": entry.get("title"),
        "link": entry.get("link"),
        "summary": entry.get("summary"),
        "content": [one.get("value") for one in entry.get("content", ())],
        "author": entry.get("author"),
        "tags": [one.get("term") for one in entry.get("tags", ())],
        "published": entry.get("published") or entry.get("updated"),
    }
    return Record(
        value,
        key=value["id"],
        partition=partition,
        offset=offset,
        timestamp=None if moment is None else calendar.timegm(moment) * 1000,
    )
