"""HTTP for our servers, over ASGI: requests, a table of routes, bodies of a bounded size.

It speaks ASGI itself: a framework's router would undo `%2F` in a name before it cuts the path.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Generic, Protocol, TypeAlias, TypeVar
from urllib.parse import parse_qsl, unquote

from aliran.core.errors import AliranError

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class HttpError(AliranError):
    """A request that is answered with an error.

    Attributes:
        status: The HTTP status.
        message: What the answer says.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status: int = status


class HttpRequest:
    """One request, its path cut into segments before percent signs are undone.

    Args:
        method: GET, POST, PUT, PATCH or DELETE.
        raw_path: The path as it was sent.
        query: What comes behind the question mark.
        headers: Names in lower case.
        body: The whole body.
    """

    __slots__ = ("body", "headers", "method", "query", "raw_path", "raw_query", "segments")

    def __init__(
        self,
        method: str,
        raw_path: str,
        query: str = "",
        headers: dict[str, str] | None = None,
        body: bytes = b"",
    ) -> None:
        self.method: str = method
        self.raw_path: str = raw_path
        self.raw_query: str = query
        self.segments: list[str] = [unquote(part) for part in raw_path.split("/") if part]
        self.query: list[tuple[str, str]] = (
            parse_qsl(query, keep_blank_values=True) if query else []
        )
        self.headers: dict[str, str] = headers or {}
        self.body: bytes = body

    def text(self, name: str, default: str = "") -> str:
        """Return a parameter, the first where it comes several times."""
        return next((value for key, value in self.query if key == name), default)

    def texts(self, name: str) -> list[str]:
        """Return all values of a parameter."""
        return [value for key, value in self.query if key == name]

    def flag(self, name: str) -> bool:
        """Return whether a parameter says true, in any case."""
        return self.text(name).lower() == "true"


class Row(Protocol):
    """What a table of routes holds."""

    @property
    def method(self) -> str:
        """GET, POST, PUT, PATCH or DELETE."""
        ...

    @property
    def pattern(self) -> str:
        """Path whose segments in braces are variable."""
        ...


R = TypeVar("R", bound=Row)


class Routes(Generic[R]):
    """All rows, found by the number of segments and the fixed ones among them.

    Args:
        routes: The rows.
    """

    def __init__(self, routes: Iterable[R]) -> None:
        self._by_length: dict[int, list[tuple[tuple[str | None, ...], dict[str, R]]]] = {}
        for route in routes:
            pattern = tuple(
                None if part.startswith("{") else part for part in route.pattern.split("/") if part
            )
            rows = self._by_length.setdefault(len(pattern), [])
            for known, methods in rows:
                if known == pattern:
                    methods[route.method] = route
                    break
            else:
                rows.append((pattern, {route.method: route}))
        for rows in self._by_length.values():  # fixed segments are tried before variable ones
            rows.sort(key=lambda row: [part is None for part in row[0]])

    def find(self, request: HttpRequest) -> tuple[R, list[str]]:
        """Return the route of a request, and its variable segments.

        Raises:
            HttpError: There is none (404), or not for this method (405).
        """
        segments = request.segments
        for pattern, methods in self._by_length.get(len(segments), ()):
            if all(
                part is None or part == own for part, own in zip(pattern, segments, strict=True)
            ):
                route = methods.get(request.method)
                if route is None:
                    raise HttpError("HTTP 405 Method Not Allowed", 405)
                variable = [
                    own for part, own in zip(pattern, segments, strict=True) if part is None
                ]
                return route, variable
        raise HttpError("HTTP 404 Not Found", 404)


def headers_of(scope: Scope) -> dict[str, str]:
    """Return the headers of a request, names in lower case."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


async def read_body(headers: dict[str, str], receive: Receive, max_bytes: int) -> bytes:
    """Return the whole body of a request.

    Raises:
        HttpError: It is larger than `max_bytes` (413).
    """
    announced = headers.get("content-length", "0")
    size = int(announced) if announced.isdigit() else 0
    chunks: list[bytes] = []
    read = 0
    while max(size, read) <= max_bytes:
        message = await receive()
        chunks.append(message.get("body", b""))
        read += len(chunks[-1])
        if read <= max_bytes and not message.get("more_body"):
            return b"".join(chunks)
    raise HttpError(f"HTTP 413 Request Entity Too Large: at most {max_bytes} bytes", 413)


async def lifespan(receive: Receive, send: Send) -> None:
    """Answer an ASGI server that says it starts and stops."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
