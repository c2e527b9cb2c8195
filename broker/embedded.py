"""`EmbeddedBroker`: a Kafka broker inside your process, in one line."""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import tempfile
import threading
from collections.abc import Coroutine, Mapping
from types import TracebackType
from typing import Any, Self

from aliran.broker.broker import Broker
from aliran.broker.config import BrokerConfig
from aliran.broker.connection import Connection
from aliran.broker.dispatch import handlers
from aliran.broker.errors import BrokerError
from aliran.broker.scratch import ScratchFileSystem
from aliran.broker.server import BrokerServer, format_address, parse_address
from aliran.core.files import FileSystem


class EmbeddedBroker:
    """A broker that runs in this process, on a thread of its own, and speaks Kafka's protocol.

    Example:
        >>> with EmbeddedBroker() as broker:
        ...     broker.broker.topics.create("tweets", partitions=4).partitions
        4

    Args:
        data_dir: Where topics are kept; None for a temporary directory that is removed at the end
            and never flushed to disk.
        listen: "HOST:PORT"; port 0 takes a free one.
        config: Settings by Kafka's names ("num.partitions") or Python's ("num_partitions").
        fs: The file system `data_dir` is on; None for this machine's.

    Raises:
        ConfigError: A setting or the address is wrong.
    """

    def __init__(
        self,
        data_dir: str | os.PathLike[str] | None = None,
        *,
        listen: str = "127.0.0.1:0",
        config: BrokerConfig | Mapping[str, Any] | None = None,
        fs: FileSystem | None = None,
    ) -> None:
        self._config = BrokerConfig.from_mapping(config)
        self._host, self._port = parse_address(listen)
        self._data_dir = None if data_dir is None else os.fspath(data_dir)
        self._fs = fs
        self._temporary: str | None = None
        self._broker: Broker | None = None
        self._server: BrokerServer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._owner_pid = os.getpid()

    @property
    def broker(self) -> Broker:
        """The broker without its sockets.

        Raises:
            BrokerError: It is not running.
        """
        if self._broker is None:
            raise BrokerError("the broker is not running: call start(), or use it in a with block")
        return self._broker

    @property
    def bootstrap_servers(self) -> str:
        """The address to give to clients as `bootstrap.servers`.

        Raises:
            BrokerError: It is not running.
        """
        if self._server is None:
            raise BrokerError("the broker is not running: call start(), or use it in a with block")
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)
        return format_address(host, self._server.port)

    def connections(self) -> list[Connection]:
        """Return the connections open now, to look at."""
        return [] if self._server is None else self._server.connections()

    def start(self) -> Self:
        """Start; when this returns, clients can connect. Harmless when it runs already.

        Raises:
            AliranError: The data directory or the address cannot be used; says why.
        """
        if self._broker is not None:
            return self
        handlers()
        self._owner_pid = os.getpid()
        try:
            broker = self._make_broker()
            broker.start()
            self._broker = broker
            self._loop = new_event_loop()
            self._thread = threading.Thread(
                target=self._loop.run_forever, name="aliran-broker", daemon=True
            )
            self._thread.start()
            server = BrokerServer(broker, self._host, self._port)
            self._run(server.start())
            self._server = server
            atexit.register(self.close)  # a program that forgets must not leave files behind
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Answer what waits, close connections and files; under a second. Idempotent."""
        atexit.unregister(self.close)
        if self._owner_pid != os.getpid():
            return  # a forked child: thread and files are its parent's
        if self._server is not None:
            server, self._server = self._server, None
            self._run(server.stop())
        if self._loop is not None:
            loop, self._loop = self._loop, None
            loop.call_soon_threadsafe(loop.stop)
            if self._thread is not None:
                self._thread.join()
            loop.close()
        if self._broker is not None:
            broker, self._broker = self._broker, None
            broker.close()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _make_broker(self) -> Broker:
        if self._data_dir is not None:
            return Broker(self._data_dir, self._config, fs=self._fs)
        self._temporary = tempfile.mkdtemp(prefix="aliran-broker-")
        return Broker(self._temporary, self._config, fs=ScratchFileSystem())

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        if self._loop is None:
            raise BrokerError("the broker is not running")
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return uvloop's event loop where it is installed, else asyncio's."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
