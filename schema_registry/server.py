"""`RegistryServer`: a schema registry, in a thread of this process or as a program."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from collections.abc import Callable
from types import TracebackType
from typing import Self

from aliran.broker.embedded import EmbeddedBroker
from aliran.broker.server import format_address, parse_address
from aliran.core.errors import AliranError
from aliran.core.http_server import ANY_HOST, HttpServer
from aliran.schema_registry.associations import Associations
from aliran.schema_registry.changes import Changes
from aliran.schema_registry.cluster_log import ClusterLog
from aliran.schema_registry.config import RegistryConfig
from aliran.schema_registry.election import Election, Identity
from aliran.schema_registry.forwarding import Forwarder
from aliran.schema_registry.http.app import RegistryApp
from aliran.schema_registry.http.association_batches import AssociationBatchRoutes
from aliran.schema_registry.http.associations import AssociationRoutes
from aliran.schema_registry.http.schemas import SchemaRoutes
from aliran.schema_registry.http.settings import SettingRoutes
from aliran.schema_registry.http.subjects import SubjectRoutes
from aliran.schema_registry.log import EmbeddedLog, SchemaLog
from aliran.schema_registry.queries import Queries
from aliran.schema_registry.registry import Registry
from aliran.schema_registry.state import State


class RegistryServer:
    """A registry reachable over HTTP, with its schemas on a broker of this process or a cluster.

    Example:
        >>> with RegistryServer() as server:
        ...     server.url.startswith("http://127.0.0.1:")
        True

    Args:
        listen: "HOST:PORT"; port 0 takes a free one.
        data_dir: Directory for a broker of its own; None for a temporary one.
        broker: A broker of this process that runs already, in place of one of its own.
        bootstrap_servers: A Kafka cluster, "HOST:PORT,HOST:PORT", in place of both; registries on
            one cluster elect a leader and forward writes to it.
        config: Further settings.

    Attributes:
        state: What is registered.

    Raises:
        AliranError: The address or the directory cannot be used.
    """

    def __init__(
        self,
        *,
        listen: str = "127.0.0.1:0",
        data_dir: str | os.PathLike[str] | None = None,
        broker: EmbeddedBroker | None = None,
        bootstrap_servers: str | None = None,
        config: RegistryConfig | None = None,
    ) -> None:
        self._config = config or RegistryConfig()
        self._host, self._port = parse_address(listen)
        self._data_dir = data_dir
        self._broker = broker
        self._bootstrap_servers = bootstrap_servers
        self._http: HttpServer | None = None
        self._cleanup = contextlib.ExitStack()
        self.state: State = State()

    @property
    def url(self) -> str:
        """The address for clients, such as `http://127.0.0.1:8081`.

        Raises:
            AliranError: It is not running.
        """
        if self._http is None:
            raise AliranError(
                "the registry is not running: call start(), or use it in a with block"
            )
        return f"{self._scheme}://{format_address(*self._http.address)}"

    @property
    def broker(self) -> EmbeddedBroker:
        """The broker of this process that holds the schemas.

        Raises:
            AliranError: It is not running, or the schemas are on a cluster.
        """
        if self._broker is None or self._http is None:
            raise AliranError("this registry has no broker in its process, or does not run")
        return self._broker

    def start(self) -> Self:
        """Start; when this returns, clients can connect.

        Raises:
            AliranError: The address, the directory or the cluster cannot be used.
        """
        try:
            self._http = HttpServer(self._host, self._port, "registry")
            self._cleanup.callback(self._http.close)
            if self._bootstrap_servers is None:
                log, cluster_id = self._open_embedded()
                forward = None
            else:
                log, cluster_id, forward = self._open_cluster(self._bootstrap_servers)
            config = self._config
            registry = Registry(
                self.state,
                log,
                default_level=config.compatibility,
                incompatible_code=config.incompatible_code,
            )
            queries = Queries(registry)
            changes = Changes(registry, mode_changes=config.mode_changes)
            associations = Associations(registry, changes)
            schemas = SchemaRoutes(registry, queries, associations)
            subjects = SubjectRoutes(registry, queries, changes, schemas)
            settings = SettingRoutes(queries, changes, cluster_id, config.group_id)
            app = RegistryApp(
                [
                    *schemas.routes(),
                    *subjects.routes(),
                    *settings.routes(),
                    *AssociationRoutes(associations).routes(),
                    *AssociationBatchRoutes(associations, queries).routes(),
                ],
                queries,
                access=config.access,
                forward=forward,
                max_body_bytes=config.max_body_bytes,
            )
            self._cleanup.callback(app.close)
            self._cleanup.callback(self._http.close)  # first, before what it answers from
            self._http.serve(
                app,
                certificate=config.certificate,
                certificate_key=config.certificate_key,
            )
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Answer what is being worked on, then stop. Idempotent."""
        self._cleanup.close()
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

    # ------------------------------------------------------------------ where schemas are kept

    def _open_embedded(self) -> tuple[SchemaLog, Callable[[], str]]:
        broker = self._broker
        if broker is None:
            broker = self._cleanup.enter_context(EmbeddedBroker(self._data_dir))
            self._broker = broker
            self._cleanup.callback(self._forget_broker)
        log = EmbeddedLog(self.state, broker, self._config.topic)
        self._cleanup.callback(log.close)
        cluster_id = broker.broker.cluster_id
        return log, lambda: cluster_id

    def _forget_broker(self) -> None:
        self._broker = None

    def _open_cluster(self, servers: str) -> tuple[SchemaLog, Callable[[], str], Forwarder]:
        config = self._config
        log = ClusterLog(self.state, servers, config.kafka, config.topic)
        self._cleanup.callback(log.close)
        assert self._http is not None
        host, port = self._http.address
        if config.advertise is not None:
            host, port = parse_address(config.advertise)
        elif self._host in ANY_HOST:
            host = socket.getfqdn()
        election = Election(
            servers,
            config.kafka,
            Identity(host=host, port=port, scheme=self._scheme, master_eligibility=config.eligible),
            config.group_id,
            log.write_noop,
            session_timeout_ms=config.session_timeout_ms,
        )
        election.start()
        self._cleanup.callback(election.close)
        forwarder = Forwarder(election, log, self._trust(), config.leader_wait_s)
        self._cleanup.callback(forwarder.close)
        return log, log.cluster_id, forwarder

    def _trust(self) -> ssl.SSLContext | None:
        """Return how other registries' certificates are checked: ours counts as trusted."""
        if self._config.certificate is None:
            return None
        context = ssl.create_default_context()
        context.load_verify_locations(self._config.certificate)
        return context

    # ------------------------------------------------------------------ HTTP

    @property
    def _scheme(self) -> str:
        return "http" if self._config.certificate is None else "https"
