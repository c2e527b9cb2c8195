"""`TwitterSource` and `TwitterSink`: posts that a search finds, posts that are made (X API v2)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import httpx

from aliran.connectors.api.function_tasks import Record, SinkContext, SourceContext
from aliran.connectors.api.functions import sink, source
from aliran.connectors.builtin.http.client import HttpOptions, check_url, told_by
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import Password, at_least, between
from aliran.connectors.errors import ConnectError, DataError
from aliran.connectors.messaging.values import milliseconds
from aliran.connectors.records import SinkRecord
from aliran.connectors.web.calls import Calls

_FIELDS = "id,text,author_id,created_at,lang,entities,public_metrics,referenced_tweets"


@dataclass(frozen=True, kw_only=True)
class _XOptions(HttpOptions):
    """What source and sink share."""

    twitter_bearer_token: Annotated[
        Password, Option("The token of the application.", importance=Importance.HIGH)
    ]
    twitter_api_url: Annotated[str, Option("The interface.", validator=check_url)] = (
        "https://api.x.com"
    )
    retry_backoff_ms: Annotated[
        int, Option("The wait after a failed request.", validator=at_least(1))
    ] = 5_000

    def auth(self) -> httpx.Auth:
        """Return what shows the token."""
        return _Bearer(self.twitter_bearer_token.value)

    def calls(self, max_retries: int = -1) -> Calls:
        """Return what makes requests; a limit is waited for until it is reset."""
        return Calls(self.client(), max_retries, self.retry_backoff_ms)

    def url(self, path: str) -> str:
        """Return an address."""
        return f"{self.twitter_api_url.rstrip('/')}/2/{path}"


class _Bearer(httpx.Auth):
    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Any:
        """Add the token."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


@dataclass(frozen=True, kw_only=True)
class TwitterSourceConfig(_XOptions):
    """The options of the source."""

    topic: Annotated[str, Option("Where posts go.", importance=Importance.HIGH)]
    twitter_query: Annotated[
        str,
        Option("What is searched for, in X's query language.", importance=Importance.HIGH),
    ]
    twitter_start_id: Annotated[
        str | None, Option("Begin behind this post; else with what comes from now on.")
    ] = None
    page_size: Annotated[int, Option("Posts of a request.", validator=between(10, 100))] = 100
    poll_interval_ms: Annotated[
        int, Option("The wait where there is nothing new.", validator=at_least(1))
    ] = 30_000


@source("TwitterSource", config=TwitterSourceConfig, version="1")
def twitter_source(cfg: TwitterSourceConfig, ctx: SourceContext) -> Iterator[Record]:
    """Yield posts in their order: a gap is caught up with as far as the search goes back."""
    partition = {"query": cfg.twitter_query}
    last = ctx.offset(partition).get("id") or cfg.twitter_start_id
    calls = cfg.calls()
    try:
        if last is None:
            newest = _search(cfg, calls, {"max_results": 10})
            last = max((one["id"] for one in newest["data"]), key=int, default="1")
        while not ctx.stopping:
            # The newest come first: all pages are read before the oldest of them goes out.
            posts: list[dict[str, Any]] = []
            params = {"since_id": last, "max_results": cfg.page_size}
            while True:
                page = _search(cfg, calls, params)
                posts += page["data"]
                following = page["meta"].get("next_token")
                if following is None or ctx.stopping:
                    break
                params = {**params, "next_token": following}
            for post in sorted(posts, key=lambda one: int(one["id"])):
                last = post["id"]
                yield Record(
                    post, key=last, partition=partition, offset={"id": last},
                    timestamp=milliseconds(post.get("created_at")),
                )  # fmt: skip
            ctx.sleep(cfg.poll_interval_ms / 1000)
    finally:
        calls.close()


@twitter_source.check
def _check_source(cfg: TwitterSourceConfig) -> None:
    calls = cfg.calls(0)
    try:
        _search(cfg, calls, {"max_results": 10})
    finally:
        calls.close()


def _search(cfg: TwitterSourceConfig, calls: Calls, params: dict[str, Any]) -> dict[str, Any]:
    url = cfg.url("tweets/search/recent")
    wanted = {"query": cfg.twitter_query, "tweet.fields": _FIELDS, **params}
    response = calls.send("GET", url, params=wanted)
    if not response.is_success:
        raise ConnectError(told_by(response))
    try:
        found = response.json()
        posts = found.get("data", [])
        if not all(str(one["id"]).isdecimal() for one in posts):
            raise ValueError("a post without an id")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{url} answers no posts: {error}") from error
    calls.succeeded()
    return {"data": posts, "meta": found.get("meta", {})}


@dataclass(frozen=True, kw_only=True)
class TwitterSinkConfig(_XOptions):
    """The options of the sink."""


@sink("TwitterSink", config=TwitterSinkConfig, version="1")
def twitter_sink(cfg: TwitterSinkConfig, ctx: SinkContext, batch: Sequence[SinkRecord]) -> None:
    """Make a post of each value: a text, or an object as the interface takes it."""
    made: set[tuple[Any, ...]] = _MADE.setdefault(id(ctx), set())
    calls = cfg.calls()
    try:
        for record in batch:
            place = (record.topic, record.kafka_partition, record.kafka_offset)
            if record.value is None or place in made:
                continue
            value = {"text": record.value} if isinstance(record.value, str) else record.value
            if not isinstance(value, dict) or "text" not in value:
                ctx.reject(record, DataError("a post is a text, or an object with a field text"))
                continue
            response = calls.send(
                "POST", cfg.url("tweets"), content=json.dumps(value).encode(),
                headers={"Content-Type": "application/json"},
            )  # fmt: skip
            if response.status_code == 401:
                raise ConnectError(told_by(response))
            if not response.is_success:  # 403: it says the same as an earlier one, for instance
                ctx.reject(record, ConnectError(told_by(response)))
            made.add(place)
    finally:
        calls.close()
    made.clear()


_MADE: dict[int, set[tuple[Any, ...]]] = {}
"""What was made of a batch that is put again, by context: nothing is posted twice for that."""


@twitter_sink.check
def _check_sink(cfg: TwitterSinkConfig) -> None:
    calls = cfg.calls(0)
    try:
        response = calls.send("GET", cfg.url("users/me"))
    finally:
        calls.close()
    if response.status_code == 401:
        raise ConnectError(told_by(response))
