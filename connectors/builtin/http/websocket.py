"""`WebSocketSource`: messages of a WebSocket become records.

A WebSocket sends nothing twice by itself. Where messages carry a position (`offset.pointer`) and
the server can begin there (`${offset}` in the address or in a message of `websocket.subscribe`),
nothing is lost over a crash; else what was under way is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI, WebSocketException

from aliran.connectors.api.function_tasks import Record, Retry, SourceContext
from aliran.connectors.api.functions import source
from aliran.connectors.builtin.http.client import check_headers, headers_in
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import Password, at_least, invalid, not_empty
from aliran.connectors.errors import ConnectError, DataError
from aliran.connectors.messaging.values import at_pointer, plain_key, value_of


def _check_url(name: str, value: Any) -> None:
    if not isinstance(value, str) or not value.startswith(("ws://", "wss://")):
        raise invalid(name, value, "it must begin with ws:// or wss://")


def _check_messages(name: str, value: Any) -> None:
    if value is not None and not _messages(value):
        raise invalid(name, value, "a message, or a JSON array of messages, is needed")


@dataclass(frozen=True, kw_only=True)
class WebSocketConfig:
    """The options."""

    kafka_topic: Annotated[
        str,
        Option("The topic for the records.", importance=Importance.HIGH, validator=not_empty),
    ]
    websocket_url: Annotated[
        str,
        Option(
            "The address; ${offset} stands for the last position.",
            importance=Importance.HIGH, validator=_check_url,
        ),
    ]  # fmt: skip
    websocket_headers: Annotated[
        list[str], Option("Headers of the handshake, `Name: value` each.", validator=check_headers)
    ] = field(default_factory=list)
    websocket_token: Annotated[
        Password | None, Option("A token that is sent as Authorization: Bearer.")
    ] = None
    websocket_subscribe: Annotated[
        str | None,
        Option(
            "What is sent after connecting: a message, or a JSON array of texts and objects. "
            "${offset} stands for the last position.",
            importance=Importance.HIGH, validator=_check_messages,
        ),
    ] = None  # fmt: skip
    websocket_ping_interval_ms: Annotated[
        int, Option("How often the server is pinged; 0 for never.", validator=at_least(0))
    ] = 20_000
    websocket_ping_timeout_ms: Annotated[
        int,
        Option("Connect again if it has not answered for so long.", validator=at_least(1)),
    ] = 20_000
    websocket_max_message_bytes: Annotated[
        int, Option("Longer messages end the connection.", validator=at_least(1))
    ] = 16 << 20
    reconnect_ms: Annotated[
        int, Option("How long to wait before connecting again.", validator=at_least(0))
    ] = 3000
    value_format: Annotated[Literal["string", "json", "bytes"], Option("What a message is.")] = (
        "string"
    )
    key_pointer: Annotated[
        str | None, Option("JSON pointer to the key within a message, such as /id.")
    ] = None
    offset_pointer: Annotated[
        str | None, Option("JSON pointer to the position within a message, such as /seq.")
    ] = None
    offset_initial: Annotated[str, Option("What ${offset} stands for at first.")] = ""


def _messages(text: str) -> list[str]:
    try:
        found = json.loads(text)
    except ValueError:
        found = text
    if not isinstance(found, list):
        return [text]
    return [one if isinstance(one, str) else json.dumps(one) for one in found]


@source("WebSocketSource", config=WebSocketConfig, version="1")
async def websocket_source(cfg: WebSocketConfig, ctx: SourceContext) -> AsyncIterator[Record]:
    """Read messages until the connection ends, then connect again."""
    partition = {"url": cfg.websocket_url}
    position = ctx.offset(partition).get("offset", cfg.offset_initial)
    async with _connection(cfg, position) as socket:
        try:
            for asked in _messages(cfg.websocket_subscribe or "[]"):
                await socket.send(asked.replace("${offset}", str(position)))
            async for message in socket:
                yield _record(cfg, message, partition)
        except ConnectionClosed as error:
            raise Retry(
                f"{cfg.websocket_url} has closed: {error}", after=cfg.reconnect_ms / 1000
            ) from error
    raise Retry(f"{cfg.websocket_url} has closed", after=cfg.reconnect_ms / 1000)


def _record(cfg: WebSocketConfig, message: str | bytes, partition: dict[str, str]) -> Record:
    value = value_of(message.encode() if isinstance(message, str) else message, cfg.value_format)
    key, offset = plain_key(None), None
    if cfg.key_pointer is not None or cfg.offset_pointer is not None:
        parsed = value.value
        if cfg.value_format != "json":
            parsed = value_of(
                message.encode() if isinstance(message, str) else message, "json"
            ).value
        if cfg.key_pointer is not None:
            key = plain_key(at_pointer(parsed, cfg.key_pointer))
        if cfg.offset_pointer is not None:
            offset = at_pointer(parsed, cfg.offset_pointer)
            if isinstance(offset, (dict, list)):
                raise DataError(f"the position at {cfg.offset_pointer} must be a text or a number")
    return Record(
        value.value,
        topic=cfg.kafka_topic,
        key=key.value,
        key_schema=key.schema,
        value_schema=value.schema,
        partition=partition,
        offset=None if offset is None else {"offset": offset},
    )


@asynccontextmanager
async def _connection(cfg: WebSocketConfig, position: Any) -> AsyncIterator[ClientConnection]:
    headers = headers_in(cfg.websocket_headers)
    if cfg.websocket_token is not None:
        headers["Authorization"] = f"Bearer {cfg.websocket_token.value}"
    interval = cfg.websocket_ping_interval_ms / 1000
    try:
        socket = await connect(
            cfg.websocket_url.replace("${offset}", str(position)),
            additional_headers=headers,
            ping_interval=interval or None,
            ping_timeout=cfg.websocket_ping_timeout_ms / 1000,
            max_size=cfg.websocket_max_message_bytes,
            close_timeout=1,
        )
    except InvalidURI as error:
        raise ConnectError(f"{cfg.websocket_url}: {error}") from error
    except InvalidStatus as error:
        status = error.response.status_code
        if 400 <= status < 500 and status not in {408, 425, 429}:
            raise ConnectError(f"{cfg.websocket_url}: {error}") from error
        raise Retry(f"{cfg.websocket_url}: {error}", after=cfg.reconnect_ms / 1000) from error
    except (OSError, TimeoutError, WebSocketException) as error:
        raise Retry(
            f"{cfg.websocket_url} cannot be reached: {error}", after=cfg.reconnect_ms / 1000
        ) from error
    try:
        yield socket
    finally:
        await socket.close()


@websocket_source.check
def check(cfg: WebSocketConfig) -> None:
    """Connect."""

    async def attempt() -> None:
        async with _connection(cfg, cfg.offset_initial):
            pass

    asyncio.run(attempt())
