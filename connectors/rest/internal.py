"""Requests of workers among themselves, signed with the session key.

Kafka: `InternalConnectResource`.
"""

from __future__ import annotations

from collections.abc import Iterator

from aliran.connectors.distributed.forwarding import check_signature
from aliran.connectors.distributed.herder import DistributedHerder
from aliran.connectors.rest.app import Answer, Route, body_of
from aliran.core.http import HttpRequest


class InternalRoutes:
    """Answers what other workers ask.

    Args:
        herder: Knows the connectors.
    """

    def __init__(self, herder: DistributedHerder) -> None:
        self._herder = herder

    def routes(self) -> Iterator[Route]:
        """Yield the rows of the table."""
        yield Route("POST", "/connectors/{connector}/tasks", self._take_tasks)
        yield Route("PUT", "/connectors/{connector}/fence", self._fence)

    def _take_tasks(self, request: HttpRequest, name: str) -> Answer:
        check_signature(request, self._herder.configs.state().session_key)
        self._herder.take_tasks(name, body_of(request, list[dict[str, str]]))
        return Answer()

    def _fence(self, request: HttpRequest, name: str) -> Answer:
        check_signature(request, self._herder.configs.state().session_key)
        self._herder.take_fence(name)
        return Answer()
