"""`ConnectServer`: a standalone worker with its REST interface, in this process."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from aliran.broker.embedded import EmbeddedBroker
from aliran.broker.server import format_address
from aliran.connectors.config.definition import ConfigDef
from aliran.connectors.config.providers import providers_of, resolve
from aliran.connectors.errors import ConfigError
from aliran.connectors.rest.app import ConnectApp, Route
from aliran.connectors.rest.connectors import ConnectorRoutes
from aliran.connectors.rest.plugins import PluginRoutes
from aliran.connectors.runtime.cluster import Cluster
from aliran.connectors.runtime.definitions import WORKER
from aliran.connectors.runtime.herder import Herder
from aliran.connectors.runtime.isolation.processes import Processes
from aliran.connectors.runtime.offsets import FileOffsetStore, OffsetStore, TopicOffsetStore
from aliran.connectors.runtime.plugins import Plugins
from aliran.connectors.runtime.standalone import StandaloneHerder
from aliran.connectors.runtime.status import StatusBoard
from aliran.connectors.runtime.task import TaskId
from aliran.connectors.runtime.worker import Worker
from aliran.core.errors import AliranError
from aliran.core.http_server import HttpServer

_KINDS = ("producer.", "consumer.", "admin.", "security.", "sasl.", "ssl.")


class ConnectServer:
    """Kafka Connect, standalone: connectors as threads of this process, and REST.

    Example:
        >>> with ConnectServer({"listeners": "http://127.0.0.1:0"}) as server:
        ...     server.url.startswith("http://127.0.0.1:")
        True

    Args:
        props: The worker's configuration, by Kafka's names. Without `bootstrap.servers` a broker
            runs in this process, its data under `aliran.data.dir`.
        broker: A broker of this process that runs already.

    Raises:
        ConfigError: An option is wrong.
    """

    options: ClassVar[ConfigDef] = WORKER

    def __init__(
        self, props: Mapping[str, str] | None = None, *, broker: EmbeddedBroker | None = None
    ) -> None:
        given: dict[str, str] = dict(props or {})
        found = resolve(given, providers_of(given))
        self._props = {name: value for name, value in found.items() if value is not None}
        self._settings = self.options.parse(self._props)
        self._broker = broker
        self._cleanup = contextlib.ExitStack()
        self._herder: Herder | None = None
        self._http: HttpServer | None = None

    @property
    def url(self) -> str:
        """The address for clients, such as `http://127.0.0.1:8083`.

        Raises:
            AliranError: It is not running.
        """
        return f"http://{format_address(*self._running[1].address)}"

    @property
    def herder(self) -> Herder:
        """What may be asked of the connectors without HTTP."""
        return self._running[0]

    @property
    def bootstrap_servers(self) -> str:
        """The Kafka cluster."""
        return self._running[0].worker.cluster.bootstrap_servers

    @property
    def _running(self) -> tuple[Herder, HttpServer]:
        if self._herder is None or self._http is None:
            raise AliranError("the worker is not running: call start(), or use it in a with block")
        return self._herder, self._http

    def start(self) -> Self:
        """Start; when this returns, clients can connect.

        Raises:
            AliranError: The address, a directory or the cluster cannot be used.
        """
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def _start(self) -> None:
        self._http = http = HttpServer(*_listener(self._settings["listeners"]), "connect")
        self._cleanup.callback(http.close)
        cluster = self._open_cluster()
        cluster_id = cluster.cluster_id()
        offsets = self._open_offsets(cluster)
        self._cleanup.callback(offsets.close)
        worker = Worker(
            format_address(*http.address),
            cluster,
            Plugins(self._settings["plugin.path"], _version()),
            offsets,
            self._open_board(cluster, format_address(*http.address)),
            self._settings,
            self._props,
            providers_of(self._props),
            self._failed,
            self._used,
            processes=self._open_processes(),
        )
        self._herder = herder = self._open_herder(worker)
        self._cleanup.callback(herder.close)
        routes = [
            *ConnectorRoutes(herder).routes(),
            *PluginRoutes(herder, lambda: cluster_id).routes(),
            *self._more_routes(herder),
        ]
        app = ConnectApp(routes)
        self._cleanup.callback(app.close)
        self._cleanup.callback(http.close)  # first, before what it answers from
        http.serve(app)
        self._join(herder)

    def _open_board(self, cluster: Cluster, worker_id: str) -> StatusBoard:
        del cluster, worker_id
        return StatusBoard()

    def _open_herder(self, worker: Worker) -> Herder:
        return StandaloneHerder(worker)

    def _more_routes(self, herder: Herder) -> Iterable[Route]:
        del herder
        return ()

    def _join(self, herder: Herder) -> None:
        """Begin to work, now that REST answers."""

    def _open_processes(self) -> Processes | None:
        if not hasattr(os, "fork"):
            return None
        processes = Processes()
        self._cleanup.callback(processes.close)
        return processes

    def _failed(self, task_id: TaskId, error: BaseException) -> None:
        if self._herder is not None:
            self._herder.note_failure(task_id, error)

    def _used(self, name: str, task_id: TaskId, topic: str) -> None:
        if self._herder is not None and self._settings["topic.tracking.enable"]:
            self._herder.note_topic(name, task_id, topic)

    def _open_cluster(self) -> Cluster:
        servers = ",".join(self._settings["bootstrap.servers"])
        if self._broker is not None:
            servers = self._broker.bootstrap_servers
        elif not servers:
            directory = os.path.join(self._settings["aliran.data.dir"], "broker")
            broker = self._cleanup.enter_context(EmbeddedBroker(directory))
            servers = broker.bootstrap_servers
        return Cluster(
            servers,
            {
                name: value
                for name, value in self._props.items()
                if name.startswith(_KINDS) and not name.endswith((".class", "serializer"))
            },
        )

    def _open_offsets(self, cluster: Cluster) -> OffsetStore:
        settings: dict[str, Any] = self._settings
        if topic := settings["offset.storage.topic"]:
            return TopicOffsetStore(
                cluster,
                topic,
                settings["offset.storage.partitions"],
                settings["offset.storage.replication.factor"],
            )
        path = settings["offset.storage.file.filename"]
        if path is None:
            path = os.path.join(settings["aliran.data.dir"], "connect.offsets")
            os.makedirs(settings["aliran.data.dir"], exist_ok=True)
        return FileOffsetStore(path)

    def close(self) -> None:
        """Stop everything: tasks commit what is acknowledged. Idempotent."""
        self._cleanup.close()
        self._herder = None
        self._http = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _listener(listeners: list[str]) -> tuple[str, int]:
    text = listeners[0] if listeners else "http://127.0.0.1:8083"
    parts = urlsplit(text if "//" in text else f"http://{text}")
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme.lower() != "http" or port is None or len(listeners) > 1:
        raise ConfigError(
            f"listeners={','.join(listeners)}: one listener of the form http://HOST:PORT is "
            "understood; put a proxy before it for HTTPS"
        )
    return parts.hostname or "0.0.0.0", port


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("aliran")
    except PackageNotFoundError:
        return "0"
