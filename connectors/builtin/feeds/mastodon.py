"""`MastodonSource`: the posts of a timeline, in their order, each once.

It asks for what is newer than the last post (`min_id`), a page after the other, so a gap of days is
caught up with like any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

from aliran.connectors.api.function_tasks import Record, SourceContext
from aliran.connectors.api.functions import source
from aliran.connectors.builtin.http.client import HttpOptions, check_url, told_by
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import at_least, between
from aliran.connectors.errors import ConfigError, ConnectError, DataError
from aliran.connectors.messaging.values import milliseconds
from aliran.connectors.web.calls import Calls


@dataclass(frozen=True, kw_only=True)
class MastodonConfig(HttpOptions):
    """The options."""

    topic: Annotated[str, Option("Where posts go.", importance=Importance.HIGH)]
    mastodon_url: Annotated[
        str,
        Option(
            "The server, such as https://mastodon.social.",
            importance=Importance.HIGH,
            validator=check_url,
        ),
    ]
    mastodon_timeline: Annotated[
        str,
        Option("Which posts: public, public:local, home, tag/NAME or list/ID.",
               importance=Importance.HIGH),
    ] = "public"  # fmt: skip
    mastodon_start_id: Annotated[
        str | None, Option("Begin behind this post; else with what comes from now on.")
    ] = None
    page_size: Annotated[int, Option("Posts of a request.", validator=between(1, 40))] = 40
    poll_interval_ms: Annotated[
        int, Option("The wait where there is nothing new.", validator=at_least(1))
    ] = 10_000
    retry_backoff_ms: Annotated[
        int, Option("The wait after a failed request.", validator=at_least(1))
    ] = 5_000

    def path(self) -> tuple[str, dict[str, Any]]:
        """Return the path of the timeline and its parameters.

        Raises:
            ConfigError: There is no such timeline.
        """
        kind, _, name = self.mastodon_timeline.partition("/")
        params = {"local": "true"} if self.mastodon_timeline == "public:local" else {}
        if kind in {"public", "public:local", "home"} and not name:
            return f"/api/v1/timelines/{kind.partition(':')[0]}", params
        if kind in {"tag", "list"} and name:
            return f"/api/v1/timelines/{kind}/{quote(name, safe='')}", params
        raise ConfigError(
            f"mastodon.timeline={self.mastodon_timeline}: it must be public, public:local, home, "
            "tag/NAME or list/ID"
        )


@source("MastodonSource", config=MastodonConfig, version="1")
def mastodon_source(cfg: MastodonConfig, ctx: SourceContext) -> Iterator[Record]:
    """Yield posts in their order."""
    partition = {"server": cfg.mastodon_url, "timeline": cfg.mastodon_timeline}
    last = ctx.offset(partition).get("id") or cfg.mastodon_start_id
    calls = Calls(cfg.client(), -1, cfg.retry_backoff_ms)
    try:
        if last is None:
            newest = _page(cfg, calls, {"limit": 1})
            last = newest[0]["id"] if newest else "0"
        while not ctx.stopping:
            page = _page(cfg, calls, {"min_id": last, "limit": cfg.page_size})
            for post in sorted(page, key=lambda one: (len(one["id"]), one["id"])):
                last = post["id"]
                yield Record(
                    post, key=last, partition=partition, offset={"id": last},
                    timestamp=milliseconds(post.get("created_at")),
                )  # fmt: skip
            if len(page) < cfg.page_size:
                ctx.sleep(cfg.poll_interval_ms / 1000)
    finally:
        calls.close()


@mastodon_source.check
def _check(cfg: MastodonConfig) -> None:
    calls = Calls(cfg.client(), 0, cfg.retry_backoff_ms)
    try:
        _page(cfg, calls, {"limit": 1})
    finally:
        calls.close()


def _page(cfg: MastodonConfig, calls: Calls, params: dict[str, Any]) -> list[dict[str, Any]]:
    path, more = cfg.path()
    response = calls.send("GET", cfg.mastodon_url.rstrip("/") + path, params={**more, **params})
    if not response.is_success:
        raise ConnectError(told_by(response))
    try:
        found: list[dict[str, Any]] = response.json()
        if not all("id" in one for one in found):
            raise ValueError("a post without an id")
    except (ValueError, TypeError) as error:
        raise DataError(f"{cfg.mastodon_url}{path} answers no posts: {error}") from error
    calls.succeeded()
    return found
