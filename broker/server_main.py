"""The broker as a program: what `aliran broker` runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

from aliran.broker.broker import Broker
from aliran.broker.config import BrokerConfig
from aliran.broker.dispatch import handlers
from aliran.broker.embedded import new_event_loop
from aliran.broker.server import BrokerServer, format_address, parse_address
from aliran.core.errors import AliranError


def run_server(
    listen: str,
    data_dir: str | os.PathLike[str],
    config: BrokerConfig | Mapping[str, Any] | None = None,
) -> int:
    """Serve `data_dir` on `listen` until SIGINT or SIGTERM; return the exit status.

    Prints one line on standard output once clients can connect. What keeps it from starting is
    said in one line on standard error, with status 1.

    Args:
        listen: "HOST:PORT"; port 0 takes a free one.
        data_dir: Where topics are kept; created if missing.
        config: Settings by Kafka's names.
    """
    _allow_many_files()
    try:
        host, port = parse_address(listen)
        handlers()
        broker = Broker(data_dir, config)
        broker.start()
    except AliranError as error:
        print(f"aliran broker: {error}", file=sys.stderr)
        return 1
    loop = new_event_loop()
    try:
        loop.run_until_complete(_serve(BrokerServer(broker, host, port)))
    except AliranError as error:
        print(f"aliran broker: {error}", file=sys.stderr)
        return 1
    finally:
        broker.close()
        loop.close()
    return 0


def _allow_many_files() -> None:
    """Raise the limit of open files to what the system allows, as Java does at its start.

    Each partition and each connection needs one, and the usual limit of 1,024 is soon reached.
    """
    import resource  # POSIX only, like the rest of the server's file system

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS names a limit it does not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(server: BrokerServer) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    await server.start()
    print(
        f"aliran broker ready: {format_address(server.host, server.port)} "
        f"(data in {os.path.abspath(server.broker.data_dir)})",
        flush=True,
    )
    await stopping.wait()
    await server.stop()
