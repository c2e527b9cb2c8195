"""The table of handlers: each request kind registers itself with the versions it answers.

What ApiVersions advertises is read from this table, so a request kind is supported exactly when a
module of `aliran.broker.handlers` says so.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from aliran.protocol.api_keys import ApiKey

if TYPE_CHECKING:
    from aliran.broker.broker import Broker

HandlerFunction = Callable[["RequestContext", Any], Any | Awaitable[Any] | None]
"""A handler: answers at once, with something to await (a long poll), or with None (no answer)."""

_Handler = TypeVar("_Handler", bound=HandlerFunction)


class HandlerEntry(NamedTuple):
    """One row of the table.

    Attributes:
        api_key: The request kind.
        min_version: Lowest version that is advertised.
        max_version: Highest version that is advertised and accepted.
        accept_min_version: Lowest version that is really answered; above `min_version` only
            where clients draw conclusions from the advertised floor (Produce, KAFKA-18659).
        function: The handler.
    """

    api_key: ApiKey
    min_version: int
    max_version: int
    accept_min_version: int
    function: HandlerFunction


@dataclass(slots=True)
class RequestContext:
    """What a handler may know about the request beside its body.

    Attributes:
        broker: The broker asked.
        api_key: The request kind.
        api_version: Version of the request; the answer has the same.
        correlation_id: The client's number for the request.
        client_id: The client's name for itself, or None.
        client_host: Address the connection comes from.
        listener_host: Host under which this client reached us, for answers that name the broker.
        listener_port: Port under which this client reached us.
    """

    broker: Broker
    api_key: ApiKey
    api_version: int
    correlation_id: int
    client_id: str | None
    client_host: str
    listener_host: str
    listener_port: int


_HANDLERS: dict[int, HandlerEntry] = {}
_loaded = False


def handler(
    api_key: ApiKey, min_version: int, max_version: int, *, accept_min_version: int | None = None
) -> Callable[[_Handler], _Handler]:
    """Register the decorated function as the handler of `api_key`.

    Args:
        api_key: The request kind.
        min_version: Lowest version to advertise.
        max_version: Highest version to advertise.
        accept_min_version: Lowest version to answer, where that is not `min_version`.

    Raises:
        ValueError: Two functions claim the same request kind.
    """

    def register(function: _Handler) -> _Handler:
        known = _HANDLERS.get(api_key)
        if known is not None and known.function.__module__ != function.__module__:
            raise ValueError(
                f"{api_key.name} is handled by {known.function.__module__} already; "
                f"{function.__module__} cannot handle it too"
            )
        lowest = min_version if accept_min_version is None else accept_min_version
        _HANDLERS[api_key] = HandlerEntry(api_key, min_version, max_version, lowest, function)
        return function

    return register


def handlers() -> dict[int, HandlerEntry]:
    """Return the table, by number of the request kind; imports every handler the first time."""
    global _loaded
    if not _loaded:
        package = importlib.import_module("aliran.broker.handlers")
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")
        _loaded = True
    return _HANDLERS
