"""`RegistryServer`: a schema registry, in a thread of this process or as a program."""

from __future__ import annotations

import os
import socket
import threading
from types import TracebackType
from typing import Self

import uvicorn

from aliran.broker.embedded import EmbeddedBroker
from aliran.broker.server import format_address, parse_address
from aliran.clients.embedded import EmbeddedTransport
from aliran.core.errors import AliranError
from aliran.schema_registry.http.app import RegistryApp
from aliran.schema_registry.http.schemas import SchemaRoutes
from aliran.schema_registry.http.subjects import SubjectRoutes
from aliran.schema_registry.log import EmbeddedLog
from aliran.schema_registry.queries import Queries
from aliran.schema_registry.registry import Registry
from aliran.schema_registry.state import State


class RegistryServer:
    """A registry on a broker of this process, reachable over HTTP.

    Example:
        >>> with RegistryServer() as server:
        ...     server.url.startswith("http://127.0.0.1:")
        True

    Args:
        listen: "HOST:PORT"; port 0 takes a free one.
        data_dir: Directory of the broker's data; None for a temporary one.
        broker: A broker that runs already, in place of one of its own.

    Raises:
        AliranError: The address or the directory cannot be used.
    """

    def __init__(
        self,
        *,
        listen: str = "127.0.0.1:0",
        data_dir: str | os.PathLike[str] | None = None,
        broker: EmbeddedBroker | None = None,
    ) -> None:
        self._host, self._port = parse_address(listen)
        self._own_broker = EmbeddedBroker(data_dir) if broker is None else None
        self._broker = broker or self._own_broker
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._socket: socket.socket | None = None
        self._log: EmbeddedLog | None = None
        self._app: RegistryApp | None = None
        self.state: State = State()

    @property
    def url(self) -> str:
        """The address for clients, such as `http://127.0.0.1:8081`.

        Raises:
            AliranError: It is not running.
        """
        if self._socket is None:
            raise AliranError(
                "the registry is not running: call start(), or use it in a with block"
            )
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)
        return f"http://{format_address(host, self._socket.getsockname()[1])}"

    def start(self) -> Self:
        """Start; when this returns, clients can connect.

        Raises:
            AliranError: The address or the directory cannot be used.
        """
        try:
            assert self._broker is not None
            if self._own_broker is not None:
                self._own_broker.start()
            transport = EmbeddedTransport(self._broker.broker, self._broker.bootstrap_servers)
            self._log = EmbeddedLog(self.state, transport)
            registry = Registry(self.state, self._log)
            queries = Queries(registry)
            schemas = SchemaRoutes(registry, queries)
            subjects = SubjectRoutes(registry, queries, schemas)
            self._app = RegistryApp([*schemas.routes(), *subjects.routes()])
            self._serve(self._app)
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Answer what is being worked on, then stop. Idempotent."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
            self._server = self._thread = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._app is not None:
            self._app.close()
            self._app = None
        if self._log is not None:
            self._log.close()
            self._log = None
        if self._own_broker is not None:
            self._own_broker.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _serve(self, app: RegistryApp) -> None:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((self._host, self._port))
        except OSError as error:
            raise AliranError(
                f"cannot listen on {self._host}:{self._port}: {error.strerror}; is another "
                "registry running there? Port 0 takes a free one"
            ) from error
        self._socket.listen(1024)
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run,
            kwargs={"sockets": [self._socket]},
            name="aliran-registry",
            daemon=True,
        )
        self._thread.start()
