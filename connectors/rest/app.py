"""The ASGI application: from bytes to a handler and back, and one place that renders errors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import quote

import msgspec

from aliran.connectors.distributed.errors import NotLeaderError
from aliran.connectors.distributed.forwarding import forward
from aliran.connectors.errors import AlreadyExistsError, ConfigError, ConnectError, NotFoundError
from aliran.connectors.runtime.herder import ConflictError
from aliran.core.errors import AliranError
from aliran.core.http import (
    HttpError,
    HttpRequest,
    Receive,
    Routes,
    Scope,
    Send,
    headers_of,
    lifespan,
    read_body,
)

logger: logging.Logger = logging.getLogger("aliran.connectors")

Handler: TypeAlias = Callable[..., "Answer"]
_MAX_BODY = 8 << 20
_THREADS = 32  # forwarded requests and those that wait for a state hold one each


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler answers.

    Attributes:
        body: What becomes JSON; None for no body.
        status: The HTTP status.
        location: The path of what was made.
    """

    body: Any = None
    status: int = 200
    location: str | None = None

    def headers(self, length: int) -> list[tuple[bytes, bytes]]:
        """Return the headers of the answer."""
        found = [(b"content-length", b"%d" % length)]
        if length:
            found.append((b"content-type", b"application/json"))
        if self.location is not None:
            found.append((b"location", quote(self.location, safe="/:").encode()))
        return found


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the table."""

    method: str
    pattern: str
    handler: Handler = field(repr=False)


def body_of(request: HttpRequest, kind: Any) -> Any:
    """Return the body as a value of a type.

    Raises:
        HttpError: It is not JSON, or something else (400), or not said to be JSON (415).
    """
    content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if content_type and content_type != "application/json":
        raise HttpError("HTTP 415 Unsupported Media Type: send application/json", 415)
    try:
        return msgspec.json.decode(request.body, type=kind)
    except msgspec.ValidationError as error:
        raise HttpError(f"the body is not what is expected here: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HttpError(f"the body is not JSON: {error}") from error


class ConnectApp:
    """A worker for an ASGI server. Each request is worked on beside the event loop.

    Args:
        routes: The table of paths.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = Routes(routes)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="aliran-connect")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        answer = await self._answer(scope, receive)
        body = b"" if answer.body is None else msgspec.json.encode(answer.body)
        headers = answer.headers(len(body))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def close(self) -> None:
        """Wait for requests that are being worked on."""
        self._threads.shutdown()

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        try:
            headers = headers_of(scope)
            request = HttpRequest(
                scope["method"],
                scope["raw_path"].decode("latin-1"),
                scope["query_string"].decode("latin-1"),
                headers,
                await read_body(headers, receive, _MAX_BODY),
            )
            route, segments = self._routes.find(request)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, _handled, route, request, segments)
        except AliranError as error:
            return _rendered(error)
        except Exception:
            logger.exception("request %s %r failed", scope["method"], scope["raw_path"])
            return _error(500, "Internal Server Error: the worker's log says more")


def _handled(route: Route, request: HttpRequest, segments: list[str]) -> Answer:
    """Return the answer of a handler, or of the worker that a request is meant for."""
    try:
        return route.handler(request, *segments)
    except NotLeaderError as error:
        status, body, location = forward(request, error)
        return Answer(msgspec.Raw(body) if body else None, status, location)


def _rendered(error: AliranError) -> Answer:
    if isinstance(error, HttpError):
        return _error(error.status, error.message)
    if isinstance(error, NotFoundError):
        return _error(404, str(error))
    if isinstance(error, AlreadyExistsError):
        return _error(409, str(error), reason="exists")
    if isinstance(error, ConflictError):
        return _error(409, str(error), reason=error.reason)
    if isinstance(error, ConfigError):
        return _error(400, str(error))
    if not isinstance(error, ConnectError):
        logger.error("a request failed: %s", error)
    return _error(500, str(error))


def _error(status: int, message: str, *, reason: str | None = None) -> Answer:
    body: dict[str, Any] = {"error_code": status, "message": message}
    if reason is not None:
        body["reason"] = reason  # what Kafka leaves the caller to guess
    return Answer(body, status)
