"""What a request says: path segments, parameters, body, and which kind of JSON it wants back."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from aliran.core.http import HttpRequest
from aliran.schema_registry.errors import BadRequestError, InvalidVersionError
from aliran.schema_registry.http.access import EVERYBODY, Principal

_T = TypeVar("_T")

V1 = "application/vnd.schemaregistry.v1+json"
_ANSWERS = {V1: 1.0, "application/vnd.schemaregistry+json": 0.9, "application/json": 0.5}
_BODIES = {*_ANSWERS, "application/octet-stream"}
_MAX_INT = (1 << 31) - 1


class Request(HttpRequest):
    """One request, and who sends it.

    Attributes:
        principal: Who; everybody until somebody says otherwise.
    """

    __slots__ = ("principal",)

    def __init__(
        self,
        method: str,
        raw_path: str,
        query: str = "",
        headers: dict[str, str] | None = None,
        body: bytes = b"",
    ) -> None:
        super().__init__(method, raw_path, query, headers, body)
        self.principal: Principal = EVERYBODY

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
