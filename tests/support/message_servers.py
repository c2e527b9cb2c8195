"""Redis, Mosquitto, RabbitMQ and NATS as processes of their own, for tests."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from broker_process import safe_port
from server_process import ServerProcess, account, binary, run


class Relay:
    """Passes connections on to a server of this machine, until it is cut.

    Args:
        port: The server's.
    """

    def __init__(self, port: int) -> None:
        self._server = port
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()
        self._is_cut = False
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port: int = self._run(self._listen())

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> int:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.close()
            return
        there, on = await asyncio.open_connection("127.0.0.1", self._server)
        self._open |= {writer, on}
        await asyncio.gather(self._pass(reader, on), self._pass(there, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()
        self._open.discard(writer)

    def cut(self) -> None:
        """End all connections, and take none."""
        self._run(self._cut())

    async def _cut(self) -> None:
        self._is_cut = True
        for one in self._open:
            one.close()

    def mend(self) -> None:
        """Undo `cut`."""
        self._is_cut = False

    def close(self) -> None:
        """End."""

        async def end() -> None:
            self._listener.close()
            await self._cut()
            await asyncio.sleep(0.05)

        self._run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def redis_server(folder: Path, *options: str) -> ServerProcess:
    """Return a Redis that keeps what it was told over a kill, not started."""
    command = [
        binary("redis-server"), "--port", "{port}", "--bind", "127.0.0.1", "--dir", str(folder),
        "--appendonly", "yes", "--appendfsync", "always", "--save", "", *options,
    ]  # fmt: skip
    return ServerProcess(command, folder / "redis.log")


def mosquitto(folder: Path) -> ServerProcess:
    """Return a Mosquitto that keeps sessions over a stop, and forgets no message, not started."""
    server = ServerProcess([binary("mosquitto"), "-c", str(folder / "mosquitto.conf")],
                           folder / "mosquitto.log")  # fmt: skip
    passwords = folder / "passwords"
    run([binary("mosquitto_passwd"), "-b", "-c", str(passwords), "me", "psst"])
    (folder / "mosquitto.conf").write_text(
        f"listener {server.port} 127.0.0.1\nallow_anonymous true\npassword_file {passwords}\n"
        f"persistence true\npersistence_location {folder}/\nautosave_interval 1\n"
        "max_queued_messages 0\nmax_inflight_messages 0\nuser root\n"
    )
    return server


class RabbitServer(ServerProcess):
    """RabbitMQ, which leaves Erlang's name server behind."""

    epmd_port: int = 0

    def stop(self) -> None:
        """End both."""
        super().stop()
        run([binary("epmd"), "-port", str(self.epmd_port), "-kill"])


def rabbitmq(folder: Path) -> ServerProcess:
    """Return a RabbitMQ, not started; that takes some seconds. Its user is guest."""
    user = account("rabbitmq")
    folder.chmod(0o755)
    home = folder / "rabbitmq"
    home.mkdir()
    if user is not None:
        os.chown(home, *user)
        for parent in home.parents:
            if len(parent.parts) > 2 and parent.is_relative_to("/tmp"):
                parent.chmod(0o755)
    (home / "enabled_plugins").write_text("[].")
    (home / "rabbitmq.conf").write_text("log.file.level = error\n")
    environment = {
        "HOME": str(home),
        "RABBITMQ_NODENAME": f"aliran{os.getpid()}x{safe_port()}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_DIST_PORT": str(safe_port()),
        "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
        "RABBITMQ_LOG_BASE": str(home),
        "RABBITMQ_PID_FILE": str(home / "pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": str(home / "none"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(safe_port()),
    }
    command = ["/usr/lib/rabbitmq/bin/rabbitmq-server"]
    binary("rabbitmq-server")
    server = RabbitServer(command, folder / "rabbitmq.log", user=user, environment=environment)
    server.epmd_port = int(environment["ERL_EPMD_PORT"])
    server.set("RABBITMQ_NODE_PORT", str(server.port))
    return server


def nats_server(folder: Path) -> ServerProcess:
    """Return a NATS with JetStream, not started."""
    command = [binary("nats-server"), "-a", "127.0.0.1", "-p", "{port}", "-js", "-sd", str(folder)]
    return ServerProcess(command, folder / "nats.log")
