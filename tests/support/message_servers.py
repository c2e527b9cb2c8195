"""Redis, Mosquitto, RabbitMQ and NATS as processes of their own, for tests."""

from __future__ import annotations

from pathlib import Path

from server_process import ServerProcess, binary


def redis_server(folder: Path, *options: str) -> ServerProcess:
    """Return a Redis that keeps what it was told over a kill, not started."""
    command = [
        binary("redis-server"), "--port", "{port}", "--bind", "127.0.0.1", "--dir", str(folder),
        "--appendonly", "yes", "--appendfsync", "always", "--save", "", *options,
    ]  # fmt: skip
    return ServerProcess(command, folder / "redis.log")
