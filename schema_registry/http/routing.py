"""Which method and path belong to which handler, and where it may run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeAlias

from aliran.schema_registry.errors import BadRequestError
from aliran.schema_registry.http.requests import Request

Handler: TypeAlias = Callable[..., Any]
"""Takes the request and the variable segments of its path; returns what is answered."""


class Work(Enum):
    """What a handler does.

    Attributes:
        READ: Looks into memory: done at once, on the event loop.
        THINK: Parses schemas: done beside the event loop, by any registry.
        WRITE: Changes something: done beside the event loop, by the leader.
    """

    READ = auto()
    THINK = auto()
    WRITE = auto()


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the table.

    Attributes:
        method: GET, POST, PUT or DELETE.
        pattern: Path whose segments in braces are variable.
        handler: What answers.
        work: Where it may run.
        known: What may know the answer to a WRITE without changing anything, tried by registries
            that do not lead; returns None where it does not.
    """

    method: str
    pattern: str
    handler: Handler
    work: Work
    known: Handler | None = None

    @property
    def about_subject(self) -> bool:
        """Whether the first variable segment is a subject."""
        return "{subject}" in self.pattern


class Routes:
    """All rows, found by the number of segments and the fixed ones among them.

    Args:
        routes: The rows.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._by_length: dict[int, list[tuple[tuple[str | None, ...], dict[str, Route]]]] = {}
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

    def find(self, request: Request) -> tuple[Route, list[str]]:
        """Return the route of a request, and its variable segments.

        Raises:
            BadRequestError: There is none (404), or not for this method (405).
        """
        segments = request.segments
        for pattern, methods in self._by_length.get(len(segments), ()):
            if all(
                part is None or part == own for part, own in zip(pattern, segments, strict=True)
            ):
                route = methods.get(request.method)
                if route is None:
                    raise BadRequestError("HTTP 405 Method Not Allowed", 405)
                variable = [
                    own for part, own in zip(pattern, segments, strict=True) if part is None
                ]
                return route, variable
        raise BadRequestError("HTTP 404 Not Found", 404)
