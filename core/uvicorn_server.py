"""uvicorn's server, ended when told to: its own looks ten times a second, several times over."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import uvicorn

_DATE_EVERY_S = 1.0
_LOOK_S = 0.005


class UvicornServer(uvicorn.Server):
    """Answers until `stop`. What is different: `uvicorn.Server` needs 0.2 s to end in peace.

    Args:
        config: uvicorn's settings.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._wake: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    def stop(self) -> None:
        """Ask for the end, from any thread: what is under way is answered first."""
        self.should_exit = True
        if self._wake is not None:  # else the loop is not there yet, and looks when it is
            loop, told = self._wake
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(told.set)

    async def main_loop(self) -> None:
        """Keep the Date header up to date until `stop`."""
        told = asyncio.Event()
        self._wake = asyncio.get_running_loop(), told
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(told.wait(), _DATE_EVERY_S)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen no more, answer what is under way for as long as the settings allow, and end."""
        for server in self.servers:
            server.close()
        for each in sockets or ():
            each.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_answered(), self.config.timeout_graceful_shutdown)
        for task in self.server_state.tasks:
            task.cancel(msg="the server was closed, and what this answers took too long")

    async def _all_answered(self) -> None:
        while self.server_state.connections or self.server_state.tasks:
            await asyncio.sleep(_LOOK_S)
        for server in self.servers:
            await server.wait_closed()
