"""Requests that are made again while the server is away or busy, as often as is allowed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import httpx

from aliran.connectors.api.function_tasks import Retry
from aliran.connectors.builtin.http.client import retry_after, told_by
from aliran.connectors.errors import ConnectError

LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that mean: not now."""


class Calls:
    """Makes requests of one task, and counts attempts that fail in a row.

    Args:
        client: Makes connections; closed by `close`.
        max_retries: How many attempts may fail; -1 for any number.
        backoff_ms: The wait after a failed one, unless the server says how long.
    """

    def __init__(self, client: httpx.Client, max_retries: int, backoff_ms: int) -> None:
        self._client = client
        self._max_retries = max_retries
        self._backoff_s = backoff_ms / 1000
        self._failures = 0

    def send(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> httpx.Response:
        """Return an answer that is not of LATER; the caller judges it.

        Raises:
            Retry: There is none now.
            ConnectError: That has been so too often, or the address cannot be used.
        """
        try:
            response = self._client.request(
                method, url, content=content, headers=headers, params=params
            )
        except httpx.TransportError as error:
            raise self.again(f"{url} does not answer: {error}") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ConnectError(f"{url} cannot be used: {error}") from error
        if response.status_code in LATER:
            raise self.again(told_by(response), _wait_s(response, self._backoff_s))
        return response

    def again(self, why: str, wait_s: float | None = None) -> Exception:
        """Return what has the worker try again, or says that it has been tried too often."""
        self._failures += 1
        if 0 <= self._max_retries < self._failures:
            most = f"tried {self._failures} times, max.retries={self._max_retries}"
            return ConnectError(f"{why} ({most})")
        return Retry(why, after=self._backoff_s if wait_s is None else wait_s)

    def succeeded(self) -> None:
        """Forget the attempts that failed."""
        self._failures = 0

    def close(self) -> None:
        """Close connections."""
        self._client.close()


def _wait_s(response: httpx.Response, default_s: float) -> float:
    """Return how long the server wants us to wait: Retry-After, or until its limit is reset."""
    reset = response.headers.get("x-rate-limit-reset", "")
    if reset.isdecimal():
        return max(float(reset) - time.time(), 0.1)
    return retry_after(response, default_s)
