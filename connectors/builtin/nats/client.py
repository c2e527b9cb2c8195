"""Connections to NATS on a thread of their own: options for them, and their errors as Connect's."""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

import nats
import nats.errors
import nats.js.errors
from nats.aio.client import Client

from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import Password, at_least, invalid
from aliran.connectors.errors import ConnectError, RetriableError

T = TypeVar("T")

_AWAY = (
    nats.errors.ConnectionClosedError, nats.errors.ConnectionReconnectingError,
    nats.errors.DrainTimeoutError, nats.errors.FlushTimeoutError, nats.errors.NoServersError,
    nats.errors.OutboundBufferLimitError, nats.errors.StaleConnectionError,
    nats.errors.TimeoutError, nats.js.errors.ServiceUnavailableError,
    nats.js.errors.ServerError, TimeoutError, OSError,
)  # fmt: skip

logger: logging.Logger = logging.getLogger("aliran.connectors")


def _check_urls(name: str, value: Any) -> None:
    if not value or not all(one.startswith(("nats://", "tls://")) for one in value):
        raise invalid(name, value, "each must be nats://HOST:PORT or tls://HOST:PORT")


@dataclass(frozen=True, kw_only=True)
class NatsOptions:
    """Which servers."""

    nats_url: Annotated[
        list[str],
        Option("The servers: nats://HOST:PORT or tls://HOST:PORT.", importance=Importance.HIGH,
               validator=_check_urls),
    ] = field(default_factory=lambda: ["nats://localhost:4222"])  # fmt: skip
    nats_user: Annotated[str | None, Option("The user.")] = None
    nats_password: Annotated[Password | None, Option("The password.")] = None
    nats_token: Annotated[Password | None, Option("A token, in place of a user.")] = None
    nats_credentials_file: Annotated[
        str | None, Option("A .creds file with JWT and key, in place of a user.")
    ] = None
    nats_ca_file: Annotated[str | None, Option("Certificates (PEM) to trust, with tls://.")] = None
    nats_connect_timeout_ms: Annotated[
        int, Option("How long connecting may take.", validator=at_least(1))
    ] = 5000
    nats_request_timeout_ms: Annotated[
        int, Option("How long an answer of JetStream may take.", validator=at_least(1))
    ] = 5000

    @property
    def where(self) -> str:
        """The servers, for messages."""
        return ", ".join(one.rpartition("@")[2] for one in self.nats_url)

    async def connect(self, *, for_ever: bool) -> Client:
        """Return a connection; one that lasts connects again by itself."""
        secrets: dict[str, Any] = {
            "user": self.nats_user,
            "password": None if self.nats_password is None else self.nats_password.value,
            "token": None if self.nats_token is None else self.nats_token.value,
            "user_credentials": self.nats_credentials_file,
        }
        if self.nats_ca_file is not None:
            secrets["tls"] = ssl.create_default_context(cafile=self.nats_ca_file)

        async def told(error: Exception) -> None:
            logger.warning("NATS at %s: %r", self.where, error)

        async def silent(error: Exception) -> None:
            del error  # what connecting raises says it

        timeout_s = self.nats_connect_timeout_ms / 1000
        connecting = nats.connect(
            self.nats_url,
            error_cb=told if for_ever else silent,
            allow_reconnect=for_ever,
            max_reconnect_attempts=-1 if for_ever else 1,
            reconnect_time_wait=0.5,
            connect_timeout=max(1, int(timeout_s)),
            **{name: value for name, value in secrets.items() if value is not None},
        )
        return await asyncio.wait_for(connecting, timeout_s)  # else it tries for ever

    @contextmanager
    def errors(self, what: str) -> Iterator[None]:
        """Turn errors of NATS into Connect's.

        Args:
            what: What is being done, for the message.

        Raises:
            RetriableError: The servers are away.
            ConnectError: They refuse.
        """
        try:
            yield
        except (nats.js.errors.NotFoundError, nats.js.errors.NoStreamResponseError) as error:
            raise ConnectError(f"NATS at {self.where}: {what}: no such stream: {error}") from error
        except _AWAY as error:
            raise RetriableError(f"NATS at {self.where} is away: {what}: {error!r}") from error
        except (nats.errors.Error, nats.js.errors.Error, ssl.SSLError, ValueError) as error:
            raise ConnectError(f"NATS at {self.where}: {what}: {error}") from error


class LoopThread:
    """An event loop on a thread.

    Args:
        name: The thread's name.
    """

    def __init__(self, name: str) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], timeout_s: float | None = None) -> T:
        """Return what a coroutine returns that runs there."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout_s)

    def close(self) -> None:
        """Cancel what runs, and end."""

        async def cancel() -> None:
            mine = asyncio.current_task()
            tasks = [one for one in asyncio.all_tasks() if one is not mine]
            for one in tasks:
                one.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self.run(cancel(), 10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()
