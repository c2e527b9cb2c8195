"""Requests inside a context, and for aliases: both are put in terms of full subject names.

Confluent: `ContextFilter`, `AliasFilter`.
"""

from __future__ import annotations

from collections.abc import Callable

from aliran.schema_registry.errors import BadRequestError
from aliran.schema_registry.http.requests import Request
from aliran.schema_registry.subjects import WILDCARD, normalize_context

_SETTINGS = ("config", "mode")


def enter_context(request: Request) -> None:
    """Turn `/contexts/ctx/...` into a request that names the context in its subjects.

    Raises:
        BadRequestError: The name of the context cannot be one.
    """
    segments = request.segments
    if len(segments) < 2 or segments[0] != "contexts":
        return
    try:
        prefix = normalize_context(segments[1])
    except ValueError as error:
        raise BadRequestError(str(error)) from error
    rest = segments[2:]
    if not rest:
        request.segments = ["contexts", prefix] if prefix else []
        return
    for position, name in enumerate(rest[:-1]):
        if name == "subjects" or (position == 0 and name in _SETTINGS):
            rest[position + 1] = _inside(prefix, rest[position + 1])
            break
    if rest[0] in _SETTINGS and len(rest) == 1 and prefix:
        rest.append(prefix)
    request.segments = rest
    if rest[:2] == ["schemas", "ids"]:
        _replace(request, "subject", lambda subject: _inside(prefix, subject))
    elif rest in (["schemas"], ["subjects"]):
        _replace(request, "subjectPrefix", lambda subject: _inside(prefix, subject))


def follow_alias(request: Request, replace_alias: Callable[[str], str]) -> None:
    """Put the subject that is meant in place of one that is only another name for it."""
    segments = request.segments
    for position, name in enumerate(segments[:-1]):
        if name == "subjects":
            segments[position + 1] = replace_alias(segments[position + 1])
            return
    if segments[:2] == ["schemas", "ids"] and request.text("subject"):
        _replace(request, "subject", replace_alias)


def _inside(prefix: str, subject: str) -> str:
    return subject if subject.startswith((":.", WILDCARD)) else prefix + subject


def _replace(request: Request, name: str, change: Callable[[str], str]) -> None:
    value = change(request.text(name))
    request.query = [pair for pair in request.query if pair[0] != name]
    request.query.append((name, value))
