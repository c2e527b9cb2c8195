"""`SseSource`: server-sent events become records; goes on behind the last event that has an id."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated, Literal

import httpx

from aliran.connectors.api.function_tasks import Record, Retry, SourceContext
from aliran.connectors.api.functions import source
from aliran.connectors.builtin.http.client import (
    HttpOptions,
    check_headers,
    check_url,
    headers_in,
    retry_after,
    told_by,
)
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import at_least, not_empty
from aliran.connectors.errors import ConnectError
from aliran.connectors.messaging.values import value_of


@dataclass(frozen=True, kw_only=True)
class SseConfig(HttpOptions):
    """The options."""

    kafka_topic: Annotated[
        str,
        Option("The topic for the records.", importance=Importance.HIGH, validator=not_empty),
    ]
    http_request_url: Annotated[
        str,
        Option("Where the events are.", importance=Importance.HIGH, validator=check_url),
    ]
    http_request_headers: Annotated[
        list[str], Option("Headers, `Name: value` each.", validator=check_headers)
    ] = field(default_factory=list)
    sse_events: Annotated[
        list[str], Option("Kinds of events that are taken, such as message; all if empty.")
    ] = field(default_factory=list)
    value_format: Annotated[Literal["string", "json"], Option("What the data of an event is.")] = (
        "string"
    )
    reconnect_ms: Annotated[
        int,
        Option(
            "How long to wait before connecting again, unless the server says (retry:).",
            validator=at_least(0),
        ),
    ] = 3000
    idle_timeout_ms: Annotated[
        int,
        Option(
            "Connect again if nothing, not even a comment, has come for so long; 0 for never.",
            validator=at_least(0),
        ),
    ] = 0


@dataclass
class _Event:
    """Lines of an event, as they come (WHATWG HTML, 9.2.6)."""

    id: str | None
    reconnect_s: float
    kind: str = ""
    data: list[str] = field(default_factory=list)

    def take(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self.data.append(value)
        elif name == "event":
            self.kind = value
        elif name == "id" and "\0" not in value:
            self.id = value
        elif name == "retry" and value.isdecimal():
            self.reconnect_s = int(value) / 1000


@source("SseSource", config=SseConfig, version="1")
async def sse_source(cfg: SseConfig, ctx: SourceContext) -> AsyncIterator[Record]:
    """Read events until the server ends the stream; then again, from the last event's id on."""
    partition = {"url": cfg.http_request_url}
    last_id = ctx.offset(partition).get("id")
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-store",
               **headers_in(cfg.http_request_headers)}  # fmt: skip
    if last_id:
        headers["Last-Event-ID"] = str(last_id)
    event = _Event(last_id, cfg.reconnect_ms / 1000)
    async with _client(cfg) as client:
        try:
            async with client.stream("GET", cfg.http_request_url, headers=headers) as response:
                await _look(response, event)
                async for line in response.aiter_lines():
                    if line:
                        event.take(line)
                        continue
                    if event.data and (not cfg.sse_events or _kind(event) in cfg.sse_events):
                        yield _record(cfg, event, partition)
                    event.kind, event.data = "", []
        except httpx.TransportError as error:
            raise Retry(f"{cfg.http_request_url}: {error!r}", after=event.reconnect_s) from error
    raise Retry(f"{cfg.http_request_url} has ended the stream", after=event.reconnect_s)


def _client(cfg: SseConfig) -> httpx.AsyncClient:
    idle = cfg.idle_timeout_ms / 1000 if cfg.idle_timeout_ms else None
    connect = cfg.http_connect_timeout_ms / 1000
    return httpx.AsyncClient(
        auth=cfg.auth(), verify=cfg.tls(), follow_redirects=True,
        timeout=httpx.Timeout(connect, read=idle),
    )  # fmt: skip


async def _look(response: httpx.Response, event: _Event) -> None:
    if response.status_code == 200:
        kind = response.headers.get("Content-Type", "")
        if not kind.startswith("text/event-stream"):
            raise ConnectError(
                f"{response.request.url} gives {kind or 'nothing'}, not text/event-stream"
            )
        return
    await response.aread()
    if response.status_code in {204, 400, 401, 403, 404, 405, 406, 410}:
        raise ConnectError(told_by(response))
    raise Retry(told_by(response), after=retry_after(response, event.reconnect_s))


def _kind(event: _Event) -> str:
    return event.kind or "message"


def _record(cfg: SseConfig, event: _Event, partition: dict[str, str]) -> Record:
    value = value_of("\n".join(event.data).encode(), cfg.value_format)
    return Record(
        value.value,
        topic=cfg.kafka_topic,
        key=event.id,
        partition=partition,
        offset={"id": event.id} if event.id else None,
        headers={"sse.event": _kind(event)},
        value_schema=value.schema,
    )


@sse_source.check
def check(cfg: SseConfig) -> None:
    """Connect, and look at the head of the answer."""
    with cfg.client() as client:
        try:
            with client.stream(
                "GET", cfg.http_request_url,
                headers={"Accept": "text/event-stream", **headers_in(cfg.http_request_headers)},
            ) as response:  # fmt: skip
                response.status_code == 200 or response.read()
                if response.status_code >= 300:
                    raise ConnectError(told_by(response))
        except httpx.HTTPError as error:
            raise ConnectError(f"{cfg.http_request_url} does not answer: {error}") from error
