"""Writes that reach a registry that does not lead are sent on to the one that does."""

from __future__ import annotations

import asyncio
import http.client
import ssl
import time
from concurrent.futures import ThreadPoolExecutor

from aliran.schema_registry.election import Election, Identity
from aliran.schema_registry.errors import ForwardingError, UnknownLeaderError
from aliran.schema_registry.http.requests import Request
from aliran.schema_registry.log import SchemaLog

_FORWARDED = "x-forward"
_HEADERS = ("accept", "authorization", "content-type")
_PAUSE_S = 0.2
_TIMEOUT_S = 60.0
_THREADS = 8


class Forwarder:
    """Sends requests to the leader.

    Args:
        election: Knows who leads.
        log: Waits until what the leader wrote has arrived here too.
        tls: How the leader's certificate is checked, where it uses TLS; None for the usual way.
        wait_s: How long a request waits while nobody leads.
    """

    def __init__(
        self,
        election: Election,
        log: SchemaLog,
        tls: ssl.SSLContext | None = None,
        wait_s: float = 5.0,
    ) -> None:
        self._election = election
        self._log = log
        self._tls = tls
        self._wait_s = wait_s
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="aliran-forward")

    async def __call__(self, request: Request) -> tuple[int, bytes] | None:
        """Return status and body of the leader's answer; None where this registry leads.

        Raises:
            UnknownLeaderError: Nobody leads, also after a while.
            ForwardingError: The leader cannot be reached.
        """
        if self._election.is_leader:
            return None
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._send_on, request)

    def close(self) -> None:
        """Wait for requests that are under way."""
        self._threads.shutdown()

    def _send_on(self, request: Request) -> tuple[int, bytes] | None:
        deadline = time.monotonic() + self._wait_s
        problem = ""
        attempts = 0
        while attempts == 0 or time.monotonic() < deadline:
            if attempts:
                time.sleep(_PAUSE_S)
            attempts += 1
            leader = self._election.wait_for_leader(max(0.0, deadline - time.monotonic()))
            if self._election.is_leader:
                return None
            if leader is None:
                break
            if _FORWARDED in request.headers or self._election.is_named:
                continue  # others believe that we lead; perhaps we are about to, or again
            try:
                return self._send(request, leader)
            except ConnectionError as error:
                problem = f"Error while forwarding the request to the leader {leader.url}: {error}"
        if problem:
            raise ForwardingError(f"{problem}. It may be about to be replaced: try again")
        raise UnknownLeaderError(
            "Leader not known. No registry of the group leads at the moment: try again, and look "
            "whether one of them may lead and reaches the brokers"
        )

    def _send(self, request: Request, leader: Identity) -> tuple[int, bytes]:
        """Send a request once.

        Raises:
            ConnectionError: It was not sent, so that it can be sent again.
            ForwardingError: It was sent, but no answer came.
        """
        if leader.scheme == "https":
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                leader.host, leader.port, timeout=_TIMEOUT_S, context=self._tls
            )
        else:
            connection = http.client.HTTPConnection(leader.host, leader.port, timeout=_TIMEOUT_S)
        headers = {name: request.headers[name] for name in _HEADERS if name in request.headers}
        query = f"?{request.raw_query}" if request.raw_query else ""
        try:
            try:
                connection.connect()
            except OSError as error:
                raise ConnectionError(error.strerror or str(error)) from error
            connection.request(
                request.method,
                request.raw_path + query,
                request.body,
                {**headers, _FORWARDED: "true"},
            )
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, ConnectionError) and error.__cause__ is not None:
                raise
            raise ForwardingError(
                f"Error while forwarding the request to the leader {leader.url}, which may have "
                f"carried it out: {error}"
            ) from error
        finally:
            connection.close()
        if answer.status < http.client.BAD_REQUEST:
            self._log.catch_up()
        return answer.status, body
