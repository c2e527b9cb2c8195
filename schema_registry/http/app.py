"""The ASGI application: from bytes to a handler and back. No rule of the registry is here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, TypeAlias

import msgspec

from aliran.core.http import (
    HttpError,
    Receive,
    Routes,
    Scope,
    Send,
    headers_of,
    lifespan,
    read_body,
)
from aliran.schema_registry.answers import ErrorAnswer
from aliran.schema_registry.errors import RegistryError
from aliran.schema_registry.http.access import EVERYBODY, Access
from aliran.schema_registry.http.requests import Request, answer_type
from aliran.schema_registry.http.rewriting import enter_context, follow_alias
from aliran.schema_registry.http.routing import Route, Work
from aliran.schema_registry.queries import Queries
from aliran.schema_registry.subjects import normalize

logger: logging.Logger = logging.getLogger("aliran.schema_registry")

Forward: TypeAlias = Callable[[Request], Awaitable[tuple[int, bytes] | None]]
_AnswerKey: TypeAlias = tuple[int, bytes, bytes]

_encode = msgspec.json.encode
_THREADS = 16
_MAX_ANSWERS = 10_000


class RegistryApp:
    """The registry for an ASGI server.

    Args:
        routes: The table of paths.
        queries: Questions to the registry: what aliases mean, whether anything has changed.
        access: Who may use it; None for everybody.
        forward: Sends a request to the leader where this registry does not lead, and returns
            status and body of its answer; None where this registry is to answer.
        max_body_bytes: The largest body that is read.
    """

    def __init__(
        self,
        routes: Iterable[Route],
        queries: Queries,
        *,
        access: Access | None = None,
        forward: Forward | None = None,
        max_body_bytes: int = 8 << 20,
    ) -> None:
        self._routes = Routes(routes)
        self._queries = queries
        self._access = access
        self._forward = forward
        self._max_body_bytes = max_body_bytes
        self._answers: dict[_AnswerKey, bytes] = {}
        self._answers_of = -1  # the generation of the state that they belong to
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="aliran-registry")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        status, kind, body = await self._answer(scope, receive)
        headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
        if status == HTTPStatus.UNAUTHORIZED:
            headers.append((b"www-authenticate", b'Basic realm="schema-registry"'))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def close(self) -> None:
        """Wait for requests that are being worked on."""
        self._threads.shutdown()

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, bytes, bytes]:
        kind = b"application/vnd.schemaregistry.v1+json"
        try:
            headers = headers_of(scope)
            kind = answer_type(headers.get("accept")).encode()
            principal = EVERYBODY
            if self._access is not None:
                principal = self._access.who(headers.get("authorization"))
            method, raw_path = scope["method"], scope["raw_path"]
            if method == "HEAD":  # the server leaves the body out
                method = "GET"
            # Not by name: a user and a token of one name may see different things.
            key = (id(principal), raw_path, scope["query_string"])
            remembers = method == "GET" and raw_path.startswith(b"/schemas/")
            if remembers and (known := self._known_answer(key)) is not None:
                return 200, kind, known
            request = Request(
                method,
                raw_path.decode("latin-1"),
                scope["query_string"].decode("latin-1"),
                headers,
                await read_body(headers, receive, self._max_body_bytes),
            )
            request.principal = principal
            status, result = await self._handle(request)
        except RegistryError as error:
            return error.status, kind, _encode(ErrorAnswer(error.error_code, error.message))
        except HttpError as error:
            return error.status, kind, _encode(ErrorAnswer(error.status, error.message))
        except Exception:
            logger.exception("request %s %r failed", scope["method"], scope["raw_path"])
            message = "Internal Server Error: the registry's log says more"
            return 500, kind, _encode(ErrorAnswer(500, message))
        if result is None:
            return 204, kind, b""
        body = result if isinstance(result, bytes) else _encode(result)
        if remembers and status == HTTPStatus.OK:
            self._remember(key, body)
        return status, kind, body

    def _known_answer(self, key: _AnswerKey) -> bytes | None:
        """Return an answer given before, if nothing has changed since."""
        if self._answers_of != self._queries.generation or len(self._answers) > _MAX_ANSWERS:
            self._answers.clear()
            self._answers_of = self._queries.generation
        return self._answers.get(key)

    def _remember(self, key: _AnswerKey, body: bytes) -> None:
        if self._answers_of == self._queries.generation:
            self._answers[key] = body

    async def _handle(self, request: Request) -> tuple[int, Any]:
        enter_context(request)
        follow_alias(request, self._queries.replace_alias)
        route, segments = self._routes.find(request)
        writes = route.work is Work.WRITE
        if route.about_subject or writes:
            subject = normalize(segments[0]) if route.about_subject and segments else None
            request.principal.check(subject, writes=writes)
        if route.work is Work.READ and not request.text("format") and not request.text("findTags"):
            return route.status, route.handler(request, *segments)
        loop = asyncio.get_running_loop()
        if writes and self._forward is not None:
            if route.known is not None:
                known = await loop.run_in_executor(self._threads, route.known, request, *segments)
                if known is not None:
                    return 200, known
            answer = await self._forward(request)
            if answer is not None:
                return answer
        done = await loop.run_in_executor(self._threads, route.handler, request, *segments)
        return route.status, done
