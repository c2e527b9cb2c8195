"""`DistributedServer`: a worker that is one of several, with its REST interface."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from aliran.broker.server import format_address
from aliran.clients import kafka_settings
from aliran.connectors.config.definition import ConfigDef
from aliran.connectors.distributed.herder import DistributedHerder, Shared
from aliran.connectors.distributed.membership import GroupSettings
from aliran.connectors.distributed.offset_log import SharedOffsetStore
from aliran.connectors.distributed.status_log import SharedStatusBoard
from aliran.connectors.rest.app import Route
from aliran.connectors.rest.internal import InternalRoutes
from aliran.connectors.runtime.cluster import Cluster
from aliran.connectors.runtime.definitions import distributed
from aliran.connectors.runtime.herder import Herder
from aliran.connectors.runtime.worker import Worker
from aliran.connectors.server import ConnectServer


class DistributedServer(ConnectServer):
    """Kafka Connect, distributed: workers of one `group.id` share connectors and tasks.

    Example:
        >>> from aliran.broker.embedded import EmbeddedBroker
        >>> props = {"group.id": "g", "config.storage.topic": "c", "offset.storage.topic": "o",
        ...          "status.storage.topic": "s", "listeners": "http://127.0.0.1:0"}
        >>> with EmbeddedBroker() as broker, DistributedServer(props, broker=broker) as server:
        ...     server.herder.names()
        []

    Args:
        props: The worker's configuration, by Kafka's names.
        broker: A broker of this process that runs already.

    Raises:
        ConfigError: An option is wrong.
    """

    options: ClassVar[ConfigDef] = distributed()

    def _open_offsets(self, cluster: Cluster) -> SharedOffsetStore:
        settings = self._settings
        self._offsets = SharedOffsetStore(
            cluster,
            settings["offset.storage.topic"],
            settings["offset.storage.partitions"],
            settings["offset.storage.replication.factor"],
        )
        self._offsets.start()
        return self._offsets

    def _open_board(self, cluster: Cluster, worker_id: str) -> SharedStatusBoard:
        settings = self._settings
        self._board = SharedStatusBoard(
            cluster,
            settings["status.storage.topic"],
            settings["status.storage.partitions"],
            settings["status.storage.replication.factor"],
            self._advertised(worker_id),
            self._generation,
        )
        self._cleanup.callback(self._board.close)
        self._board.start()
        return self._board

    def _generation(self) -> int:
        herder = self._herder
        return herder.generation if isinstance(herder, DistributedHerder) else -1

    def _advertised(self, address: str) -> str:
        """Return HOST:PORT by which other workers reach this one."""
        host, _, port = address.rpartition(":")
        host = self._settings["rest.advertised.host.name"] or host.strip("[]")
        return format_address(host, self._settings["rest.advertised.port"] or int(port))

    def _open_herder(self, worker: Worker) -> DistributedHerder:
        settings = self._settings
        wanted = settings["connect.protocol"]
        group = GroupSettings(
            tuple(worker.cluster.bootstrap_servers.split(",")),
            kafka_settings.admin_settings(worker.cluster.client_settings("admin")),
            settings["group.id"],
            ("sessioned", "compatible") if wanted == "sessioned" else ("compatible",),
            settings["session.timeout.ms"],
            settings["heartbeat.interval.ms"],
            settings["rebalance.timeout.ms"],
        )
        shared = Shared(
            self._offsets,
            self._board,
            group,
            f"http://{self._advertised(worker.id)}/",
            settings["scheduled.rebalance.max.delay.ms"],
            settings["worker.sync.timeout.ms"],
            settings["worker.unsync.backoff.ms"],
        )
        return DistributedHerder(
            worker,
            shared,
            settings["config.storage.topic"],
            settings["config.storage.replication.factor"],
        )

    def _more_routes(self, herder: Herder) -> Iterable[Route]:
        assert isinstance(herder, DistributedHerder)
        return InternalRoutes(herder).routes()

    def _join(self, herder: Herder) -> None:
        assert isinstance(herder, DistributedHerder)
        herder.start()
