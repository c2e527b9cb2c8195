"""The ASGI application: from bytes to a handler and back. No rule of the registry is here.

It speaks ASGI itself: a framework's router would undo `%2F` in a subject before it cuts the path.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import msgspec

from aliran.schema_registry.answers import ErrorAnswer
from aliran.schema_registry.errors import BadRequestError, RegistryError
from aliran.schema_registry.http.requests import Request, answer_type
from aliran.schema_registry.http.routing import Route, Routes, Work

logger: logging.Logger = logging.getLogger("aliran.schema_registry")

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_encode = msgspec.json.encode
_THREADS = 4


class RegistryApp:
    """The registry for an ASGI server.

    Args:
        routes: The table of paths.
        max_body_bytes: The largest body that is read.
    """

    def __init__(self, routes: Iterable[Route], *, max_body_bytes: int = 8 << 20) -> None:
        self._routes = Routes(routes)
        self._max_body_bytes = max_body_bytes
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="aliran-registry")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        status, kind, body = await self._answer(scope, receive)
        headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def close(self) -> None:
        """Wait for requests that are being worked on."""
        self._threads.shutdown()

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, bytes, bytes]:
        kind = b"application/vnd.schemaregistry.v1+json"
        try:
            headers = {
                name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
            }
            kind = answer_type(headers.get("accept")).encode()
            request = Request(
                scope["method"],
                scope["raw_path"].decode("latin-1"),
                scope["query_string"].decode("latin-1"),
                headers,
                await self._body(headers, receive),
            )
            result = await self._handle(request)
        except RegistryError as error:
            return error.status, kind, _encode(ErrorAnswer(error.error_code, error.message))
        except Exception:
            logger.exception("request %s %r failed", scope["method"], scope["raw_path"])
            message = "Internal Server Error: the registry's log says more"
            return 500, kind, _encode(ErrorAnswer(500, message))
        if result is None:
            return 204, kind, b""
        return 200, kind, result if isinstance(result, bytes) else _encode(result)

    async def _handle(self, request: Request) -> Any:
        route, segments = self._routes.find(request)
        if route.work is Work.READ:
            return route.handler(request, *segments)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, route.handler, request, *segments)

    async def _body(self, headers: dict[str, str], receive: Receive) -> bytes:
        announced = headers.get("content-length", "0")
        if announced.isdigit() and int(announced) > self._max_body_bytes:
            raise self._too_large()
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > self._max_body_bytes:
                raise self._too_large()
            chunks.append(chunk)
            if not message.get("more_body"):
                return b"".join(chunks)

    def _too_large(self) -> BadRequestError:
        return BadRequestError(
            f"HTTP 413 Request Entity Too Large: at most {self._max_body_bytes} bytes", 413
        )


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
