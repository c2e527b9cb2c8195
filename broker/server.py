"""The broker on a socket: accepts connections and ends them in order."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
from typing import TYPE_CHECKING

from aliran.broker.connection import Connection
from aliran.broker.errors import ListenError
from aliran.broker.maintenance import Maintenance
from aliran.core.errors import ConfigError

if TYPE_CHECKING:
    from aliran.broker.broker import Broker

logger: logging.Logger = logging.getLogger("aliran.broker")

STOP_GRACE_S = 0.5
"""How long answers under way may take once the broker stops."""


class BrokerServer:
    """Serves a started `Broker` on one address. Lives on one event loop.

    Attributes:
        broker: The broker served.
        loop: The event loop, once started.
        host: Address listened on.
        port: Port listened on; the real one after `start`.
        advertised: Host and port that all clients are told, or None for the one each came by.
    """

    loop: asyncio.AbstractEventLoop

    def __init__(self, broker: Broker, host: str, port: int) -> None:
        self.broker = broker
        self.host = host
        self.port: int = port
        listeners = broker.config.advertised_listeners.rpartition("://")[2]
        self.advertised: tuple[str, int] | None = parse_address(listeners) if listeners else None
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._maintenance = Maintenance(broker.logs, broker.config)
        self._idle_timer: asyncio.TimerHandle | None = None
        self._refused = 0

    def connections(self) -> list[Connection]:
        """Return the connections open now."""
        return list(self._connections)

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            ListenError: The address is taken, or not one of this machine.
        """
        self.loop = asyncio.get_running_loop()
        self.broker.attach_loop(self.loop)
        try:
            self._server = await self.loop.create_server(
                lambda: Connection(self), self.host, self.port, backlog=512
            )
        except OSError as error:
            self.broker.detach_loop()
            raise ListenError(_listen_complaint(self.host, self.port, error)) from error
        self.port = self._server.sockets[0].getsockname()[1]
        self._maintenance.start()
        self._schedule_idle_check()

    async def stop(self) -> None:
        """Stop listening, answer what waits, and close every connection; takes under a second."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.stop_working()
        self.broker.detach_loop()
        deadline = self.loop.time() + STOP_GRACE_S
        while any(each.busy or each.unwritten_bytes for each in self._connections):
            if self.loop.time() >= deadline:
                break
            await asyncio.sleep(0.005)
        for connection in list(self._connections):
            if connection.busy or connection.unwritten_bytes:
                connection.abort("it did not take its answer in time while the broker stopped")
            else:
                connection.close()
        for _ in range(100):
            if not self._connections:
                break
            await asyncio.sleep(0.001)
        self._maintenance.stop()

    def admit(self, connection: Connection) -> bool:
        """Count a new connection; say whether it may stay."""
        if len(self._connections) >= self.broker.config.max_connections:
            self._refused += 1
            if self._refused & (self._refused - 1) == 0:  # 1, 2, 4, 8...: a flood logs little
                logger.warning(
                    "turned away %s: max.connections=%d are open (%d turned away so far)",
                    connection.peer,
                    self.broker.config.max_connections,
                    self._refused,
                )
            return False
        self._connections.add(connection)
        return True

    def forget(self, connection: Connection) -> None:
        """Take note that a connection is gone."""
        self._connections.discard(connection)

    def _schedule_idle_check(self) -> None:
        idle_ms = self.broker.config.connections_max_idle_ms
        if idle_ms >= 0:
            interval = min(max(idle_ms / 2000, 0.01), 30.0)
            self._idle_timer = self.loop.call_later(interval, self._close_idle, idle_ms / 1000)

    def _close_idle(self, idle_s: float) -> None:
        limit = self.loop.time() - idle_s
        for connection in list(self._connections):
            if connection.last_active < limit and not connection.busy:
                connection.close()
        self._schedule_idle_check()


def parse_address(text: str) -> tuple[str, int]:
    """Return host and port of `"HOST:PORT"`; IPv6 hosts stand in brackets.

    >>> parse_address("127.0.0.1:9092"), parse_address("[::1]:0"), parse_address(":9092")
    (('127.0.0.1', 9092), ('::1', 0), ('127.0.0.1', 9092))

    Raises:
        ConfigError: The text is not of that form.
    """
    host, colon, port = text.strip().rpartition(":")
    if colon and port.isdigit() and int(port) <= 65535:
        return host.strip("[]") or "127.0.0.1", int(port)
    raise ConfigError(f"{text!r} is not an address to listen on: write HOST:PORT (port 0: any)")


def format_address(host: str, port: int) -> str:
    """Return host and port as clients write them in bootstrap.servers."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _listen_complaint(host: str, port: int, error: OSError) -> str:
    where = format_address(host, port)
    if error.errno == errno.EADDRINUSE:
        return f"cannot listen on {where}: another program has the port; choose another, or 0"
    if error.errno == errno.EACCES:
        return f"cannot listen on {where}: not permitted; choose a port above 1023"
    with contextlib.suppress(Exception):
        return (
            f"cannot listen on {where}: {error.strerror or error}; is it an address of this host?"
        )
    return f"cannot listen on {where}: {error}"
