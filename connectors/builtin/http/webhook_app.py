"""The ASGI application of `WebhookSource`: requests → records, acknowledgements → answers."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import threading
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, TypeAlias

from aliran.connectors.builtin.http.webhook_config import Routes, WebhookConfig
from aliran.connectors.data.headers import ConnectHeaders
from aliran.connectors.data.schema import SchemaAndValue
from aliran.connectors.errors import DataError
from aliran.connectors.messaging.acked import Inbox, MessageRecord
from aliran.connectors.messaging.values import at_pointer, plain_key, value_of

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

_PARTITION = {"http": "webhook"}


class Posted:
    """A request whose records are under way.

    Attributes:
        records: Its records.
        left: How many are not acknowledged.
        done: Finished when all are.
    """

    __slots__ = ("done", "left", "records")

    def __init__(self, done: asyncio.Future[bool]) -> None:
        self.records: list[MessageRecord] = []
        self.left: int = 0
        self.done: asyncio.Future[bool] = done


class _RefusalError(Exception):
    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class WebhookApp:
    """Answers requests.

    Args:
        config: The options.
        inbox: Gets requests that are to be written.
    """

    def __init__(self, config: WebhookConfig, inbox: Inbox[Posted]) -> None:
        self._config = config
        self._inbox = inbox
        self._routes = Routes(config)
        self._waiting: set[Posted] = set()
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._done: list[tuple[Posted, bool]] = []
        self._lock = threading.Lock()
        self._include = {name.lower() for name in config.headers_include}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        self._loop = self._loop or asyncio.get_running_loop()
        headers = {name.decode("latin-1"): value.decode("latin-1")
                   for name, value in scope["headers"]}  # fmt: skip
        try:
            if scope["method"] not in {"POST", "PUT"}:
                raise _RefusalError(405, "POST what is to be written")
            topic = self._routes.topic(scope["path"])
            if topic is None:
                raise _RefusalError(404, "no topic is set for this path")
            self._need_room()
            body = await self._body(headers, receive)
            self._check_sender(headers, body)
            posted = Posted(self._loop.create_future())
            self._add_records(posted, topic, scope, headers, body)
            await self._write(posted)
        except _RefusalError as refusal:
            await _answer(send, refusal.status, {"error": str(refusal)})
        else:
            await _answer(send, 200, {"records": len(posted.records)})

    def _need_room(self) -> None:
        if self._closed:
            raise _RefusalError(503, "the connector is being stopped")
        if len(self._waiting) >= self._config.max_waiting_requests:
            raise _RefusalError(self._config.busy_status, "too many requests wait for Kafka")

    async def _body(self, headers: dict[str, str], receive: Receive) -> bytes:
        most = self._config.max_body_bytes
        length = headers.get("content-length", "")
        size, parts, more = 0, [], True
        too_long = length.isdecimal() and int(length) > most
        while more and not too_long:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _RefusalError(400, "the request ended early")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            more, too_long = message.get("more_body", False), size > most
        if too_long:
            raise _RefusalError(413, f"a body may have {most} bytes")
        return b"".join(parts)

    def _check_sender(self, headers: dict[str, str], body: bytes) -> None:
        config = self._config
        if config.secret is not None:
            name = config.secret_header.lower()
            brought = headers.get(name, "")
            if name == "authorization":
                brought = brought.removeprefix("Bearer ").removeprefix("bearer ")
            if not hmac.compare_digest(brought.encode(), config.secret.value.encode()):
                raise _RefusalError(401, f"the header {config.secret_header} has not the secret")
        if config.signature_secret is not None:
            brought = headers.get(config.signature_header.lower(), "")
            brought = brought.removeprefix(f"{config.signature_algorithm}=")
            digest = hmac.digest(
                config.signature_secret.value.encode(), body,
                getattr(hashlib, config.signature_algorithm),
            )  # fmt: skip
            wanted = digest.hex()
            if config.signature_encoding == "base64":
                wanted = base64.b64encode(digest).decode()
            else:
                brought = brought.lower()
            if not hmac.compare_digest(brought.encode(), wanted.encode()):
                raise _RefusalError(
                    401, f"the header {config.signature_header} has not the signature"
                )

    # ------------------------------------------------------------------ records

    def _add_records(
        self, posted: Posted, topic: str, scope: Message, headers: dict[str, str], body: bytes
    ) -> None:
        config = self._config
        kept = [(name, headers[name]) for name in headers if name in self._include]
        if config.headers_request:
            query = scope["query_string"].decode("latin-1")
            kept += [("http.method", scope["method"]), ("http.path", scope["path"]),
                     ("http.query", query)]  # fmt: skip
        key = plain_key(headers.get((config.key_header or "").lower()))
        try:
            for value in self._values(body):
                if config.key_pointer is not None:
                    key = plain_key(at_pointer(value.value, config.key_pointer))
                added = ConnectHeaders()
                for name, text in kept:
                    added.add_string(name, text)
                posted.records.append(
                    MessageRecord(
                        topic=topic, key_schema=key.schema, key=key.value,
                        value_schema=value.schema, value=value.value, headers=added,
                        source_partition=_PARTITION, token=posted,
                    )
                )  # fmt: skip
        except DataError as error:
            raise _RefusalError(400, str(error)) from error

    def _values(self, body: bytes) -> Sequence[SchemaAndValue]:
        kind = self._config.value_format
        if self._config.body_split == "lines":
            return [value_of(line, kind) for line in body.splitlines() if line.strip()]
        whole = value_of(body, kind)
        if self._config.body_split == "array" and isinstance(whole.value, list):
            return [SchemaAndValue(None, one) for one in whole.value]
        return [whole]

    # ------------------------------------------------------------------ answers

    async def _write(self, posted: Posted) -> None:
        if not posted.records:
            return
        self._need_room()
        posted.left = len(posted.records)
        self._waiting.add(posted)
        self._inbox.put(posted)
        try:
            async with asyncio.timeout(self._config.acknowledge_timeout_ms / 1000):
                if not await posted.done:
                    raise _RefusalError(503, "the connector is being stopped")
        except TimeoutError:
            raise _RefusalError(503, "Kafka has not acknowledged the records yet") from None
        finally:
            self._waiting.discard(posted)

    def acknowledged(self, posted: Posted) -> None:
        """Take note that a record has been acknowledged; on any thread."""
        with self._lock:
            posted.left -= 1
            if posted.left:
                return
        self._finish(posted, True)

    def _finish(self, posted: Posted, well: bool) -> None:
        with self._lock:
            self._done.append((posted, well))
            if len(self._done) > 1 or self._loop is None:
                return  # the loop has been told already
        with contextlib.suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        with self._lock:
            done, self._done = self._done, []
        for posted, well in done:
            if not posted.done.done():
                posted.done.set_result(well)

    def close(self) -> None:
        """Take no more requests."""
        self._closed = True

    def refuse(self, left: Sequence[Posted]) -> None:
        """Answer requests whose records are not written, so that they are sent again."""
        for posted in left:
            self._finish(posted, False)


async def _answer(send: Send, status: int, body: dict[str, Any]) -> None:
    headers = [(b"content-type", b"application/json"), (b"server", b"aliran-webhook")]
    if status in {429, 503}:
        headers.append((b"retry-after", b"1"))
    if status == 405:
        headers.append((b"allow", b"POST, PUT"))
    data = json.dumps(body).encode()
    headers.append((b"content-length", str(len(data)).encode()))
    if status == 413:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})
