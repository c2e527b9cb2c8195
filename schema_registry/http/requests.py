"""What a request says: path segments, parameters, body, and which kind of JSON it wants back."""

from __future__ import annotations

from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote

import msgspec

from aliran.schema_registry.errors import BadRequestError, InvalidVersionError
from aliran.schema_registry.http.access import EVERYBODY, Principal

_T = TypeVar("_T")

V1 = "application/vnd.schemaregistry.v1+json"
_ANSWERS = {V1: 1.0, "application/vnd.schemaregistry+json": 0.9, "application/json": 0.5}
_BODIES = {*_ANSWERS, "application/octet-stream"}
_MAX_INT = (1 << 31) - 1


class Request:
    """One request, its path cut into segments before percent signs are undone.

    Args:
        method: GET, POST, PUT or DELETE.
        raw_path: The path as it was sent.
        query: What comes behind the question mark.
        headers: Names in lower case.
        body: The whole body.
    """

    __slots__ = (
        "body", "headers", "method", "principal", "query", "raw_path", "raw_query", "segments",
    )  # fmt: skip

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
        self.principal: Principal = EVERYBODY

    def text(self, name: str, default: str = "") -> str:
        """Return a parameter, the first where it comes several times."""
        return next((value for key, value in self.query if key == name), default)

    def texts(self, name: str) -> list[str]:
        """Return all values of a parameter."""
        return [value for key, value in self.query if key == name]

    def flag(self, name: str) -> bool:
        """Return whether a parameter says true, in any case."""
        return self.text(name).lower() == "true"

    def number(self, name: str, default: int) -> int:
        """Return a whole number.

        Raises:
            BadRequestError: It is none; Confluent says 404 then.
        """
        text = self.text(name)
        return parse_int(text) if text else default

    def json(self, kind: type[_T]) -> _T:
        """Return the body as a value of this type.

        Raises:
            BadRequestError: It is not JSON, or something else.
        """
        content_type = self.headers.get("content-type", "").split(";")[0].strip().lower()
        if content_type and content_type not in _BODIES:
            raise BadRequestError("HTTP 415 Unsupported Media Type", 415)
        try:
            return msgspec.json.decode(self.body, type=kind)
        except msgspec.ValidationError as error:
            raise BadRequestError(f"Unrecognized field or value: {error}", 422) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadRequestError(f"the body is not JSON: {error}") from error


def answer_type(accept: str | None) -> str:
    """Return the content type of an answer.

    Raises:
        BadRequestError: The client takes none of ours.
    """
    if not accept or accept == "*/*":
        return V1
    best, best_weight = "", 0.0
    for part in accept.split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        for ours, weight in _ANSWERS.items():
            if name.lower() in {ours, "*/*", "application/*"} and quality * weight > best_weight:
                best, best_weight = ours, quality * weight
    if not best:
        raise BadRequestError("HTTP 406 Not Acceptable", 406)
    return best


def parse_int(text: str) -> int:
    """Return a 32-bit number of a path or parameter.

    Raises:
        BadRequestError: It is none: there is nothing at such a path.
    """
    try:
        number = int(text) if text.isascii() and "_" not in text else None
    except ValueError:
        number = None
    if number is None or not -_MAX_INT - 1 <= number <= _MAX_INT:
        raise BadRequestError("HTTP 404 Not Found", 404)
    return number


def parse_version(text: str) -> int:
    """Return a version; -1 for `latest`.

    Raises:
        InvalidVersionError: It is neither a number from 1 on nor `latest`.
    """
    text = text.strip()
    if text.lower() == "latest":
        return -1
    try:
        number = parse_int(text)
    except BadRequestError:
        raise InvalidVersionError(text) from None
    if number <= 0 and number != -1:
        raise InvalidVersionError(str(number))
    return number


def page(items: list[Any], offset: int, limit: int, maximum: int = _MAX_INT) -> list[Any]:
    """Return a page of a list; a limit that is not positive or too high means `maximum`."""
    if offset < 0:
        raise BadRequestError(f"the offset must not be negative: {offset}")
    return items[offset : offset + (limit if 0 < limit <= maximum else maximum)]
