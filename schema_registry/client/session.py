"""What both clients share: addresses, headers, what an answer means, and what is kept of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import httpx
import msgspec

from aliran.core.errors import ConfigError
from aliran.schema_registry.client.calls import Call, RegisteredSchema
from aliran.schema_registry.client.errors import (
    RegistryAnswerError,
    RegistryClientError,
    RegistryUnavailableError,
)
from aliran.schema_registry.models import Schema

if TYPE_CHECKING:
    from typing import Unpack

T = TypeVar("T")

_MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"


class SessionOptions(TypedDict, total=False):
    """How a client identifies itself, and how patient it is.

    Attributes:
        basic_auth: User and password.
        bearer_token: Token, or a function that gives the current one.
        timeout_s: How long one registry may take; 10 by default.
        verify: Whether certificates are checked, or the file of the authority that signed them.
    """

    basic_auth: tuple[str, str] | None
    bearer_token: str | Callable[[], str] | None
    timeout_s: float
    verify: bool | str


class Session:
    """Where requests go, and how; no request is sent here.

    A registry that cannot be reached, or fails (5xx), is followed by the next one; the one that
    answered is asked first the next time.

    Args:
        url: Address of a registry, or several (also as one text, with commas).
        options: See `SessionOptions`.

    Raises:
        ConfigError: An address is none, or two ways to identify oneself are given.
    """

    def __init__(self, url: str | Sequence[str], **options: Unpack[SessionOptions]) -> None:
        addresses = url.split(",") if isinstance(url, str) else url
        self.urls: list[str] = [each.strip().rstrip("/") for each in addresses if each.strip()]
        for each in self.urls or [str(url)]:
            if not each.startswith(("http://", "https://")):
                raise ConfigError(
                    f"{each!r} is no address of a schema registry: write http://host:8081"
                )
        basic_auth = options.get("basic_auth")
        self._bearer_token = options.get("bearer_token")
        if basic_auth is not None and self._bearer_token is not None:
            raise ConfigError("give basic_auth= or bearer_token=, not both")
        self.options: dict[str, Any] = {
            "auth": basic_auth,
            "timeout": options.get("timeout_s", 10.0),
            "verify": options.get("verify", True),
            "headers": {"accept": _MEDIA_TYPE},
        }
        self._first = 0

    def tries(self) -> Iterator[int]:
        """Yield the numbers of the addresses in the order in which to try them."""
        count = len(self.urls)
        return iter([(self._first + each) % count for each in range(count)])

    def request(self, call: Call[Any], address: int) -> dict[str, Any]:
        """Return the arguments of `httpx.Client.request`."""
        headers = {}
        if self._bearer_token is not None:
            token = self._bearer_token
            headers["authorization"] = f"Bearer {token() if callable(token) else token}"
        content = None
        if call.body is not None:
            content = msgspec.json.encode(call.body)
            headers["content-type"] = _MEDIA_TYPE
        return {
            "method": call.method,
            "url": self.urls[address] + call.path,
            "params": dict(call.parameters),
            "content": content,
            "headers": headers,
        }

    def read(self, call: Call[T], answer: httpx.Response, address: int) -> T:
        """Return what an answer says.

        Raises:
            RegistryAnswerError: It says no.
            RegistryClientError: It is not a registry's.
        """
        if answer.is_success:
            self._first = address
            try:
                return call.read(answer.content)
            except msgspec.MsgspecError as error:
                raise RegistryClientError(
                    f"{call.method} {call.path} at {self.urls[address]} gave an answer that no "
                    f"schema registry gives ({error}): {answer.text[:100]!r}"
                ) from error
        raise _refusal(call, answer, self.urls[address])

    def unavailable(self, call: Call[Any], failures: Sequence[str]) -> RegistryUnavailableError:
        """Return the error when no address was of use."""
        return RegistryUnavailableError(
            f"no schema registry answered {call.method} {call.path}: {'; '.join(failures)}. "
            "Is it running? `aliran registry` starts one"
        )

    def failure(self, address: int, reason: Exception | httpx.Response) -> str:
        """Say in a few words why an address was of no use."""
        if isinstance(reason, httpx.Response):
            return f"{self.urls[address]} answered {reason.status_code} {reason.text[:200]}"
        return f"{self.urls[address]}: {reason or type(reason).__name__}"


def _refusal(call: Call[Any], answer: httpx.Response, url: str) -> RegistryAnswerError:
    message, code = answer.text[:500], answer.status_code
    try:
        body = msgspec.json.decode(answer.content)
        message, code = str(body["message"]), int(body["error_code"])
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
        pass  # a proxy's page, say; its beginning is the message
    if answer.status_code in (401, 403):
        message += ": pass basic_auth= or bearer_token= of somebody who may do this"
    return RegistryAnswerError(
        f"{call.method} {call.path} at {url}: {message} ({code})", answer.status_code, code
    )


class Known:
    """What never changes once it was answered: schemas by id, and ids by subject and content.

    Args:
        capacity: The most entries of each kind; the oldest go first.
    """

    def __init__(self, capacity: int = 1_000) -> None:
        self._capacity = capacity
        self._by_id: dict[tuple[int, str | None, str], RegisteredSchema] = {}
        self._registered: dict[tuple[str, bytes, bool], RegisteredSchema] = {}

    def schema(self, schema_id: int, subject: str | None, form: str) -> RegisteredSchema | None:
        """Return the schema of an id."""
        return self._by_id.get((schema_id, subject, form))

    def remember_schema(
        self, schema_id: int, subject: str | None, form: str, found: RegisteredSchema
    ) -> None:
        """Keep the schema of an id."""
        self._put(self._by_id, (schema_id, subject, form), found)

    def registered(
        self, subject: str, schema: Schema, *, normalize: bool
    ) -> RegisteredSchema | None:
        """Return what was registered."""
        return self._registered.get((subject, msgspec.json.encode(schema), normalize))

    def remember_registered(
        self, subject: str, schema: Schema, found: RegisteredSchema, *, normalize: bool
    ) -> None:
        """Keep what was registered."""
        self._put(self._registered, (subject, msgspec.json.encode(schema), normalize), found)

    def forget_subject(self, subject: str) -> None:
        """Forget what was registered under a subject, since it was deleted."""
        for key in [key for key in self._registered if key[0] == subject]:
            del self._registered[key]

    def _put(self, kept: dict[Any, RegisteredSchema], key: Any, found: RegisteredSchema) -> None:
        kept[key] = found
        while len(kept) > self._capacity:
            kept.pop(next(iter(kept)), None)
