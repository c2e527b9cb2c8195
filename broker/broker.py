"""The broker without sockets: topics, logs, groups and offsets of one data directory.

`Broker` is what the handlers and the embedded transport talk to. What may be called from any
thread: `topics`, `logs` and its partition logs, `offsets`, `producer_ids`. What belongs to the
event loop of the server: `groups`, `purgatory`.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import threading
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from aliran.broker.config import BrokerConfig
from aliran.broker.groups.coordinator import GroupCoordinator
from aliran.broker.offsets import OffsetStore
from aliran.broker.producer_ids import PRODUCER_IDS_FILE, ProducerIds
from aliran.broker.purgatory import Purgatory
from aliran.broker.topics import TOPICS_FILE, Topic, TopicRegistry
from aliran.core.clock import Clock, SystemClock
from aliran.core.files import FileSystem
from aliran.core.filesystem import RealFileSystem
from aliran.storage.errors import DataDirectoryError
from aliran.storage.log import LogConfig, LogManager

if TYPE_CHECKING:
    from collections.abc import Mapping

logger: logging.Logger = logging.getLogger("aliran.broker")

_T = TypeVar("_T")
META_FILE = "meta.properties"


class Broker:
    """One broker on one data directory; the server and the embedded transport stand on it.

    Life: construct, `start()` (locks the directory, recovers logs, loads topics and offsets),
    `attach_loop()` when an event loop serves it, `close()`.

    Attributes:
        config: Its settings.
        data_dir: Its directory.
        node_id: Its number in metadata.
        cluster_id: Name of the cluster, kept in the data directory.
        logs: The partition logs. Thread-safe.
        topics: The topics. Thread-safe.
        offsets: Offsets committed by groups. Thread-safe.
        producer_ids: Gives out producer ids. Thread-safe.
        groups: Consumer groups; event loop only.
        purgatory: Fetches that wait for data; event loop only.
    """

    def __init__(
        self,
        data_dir: str | os.PathLike[str],
        config: BrokerConfig | Mapping[str, Any] | None = None,
        *,
        fs: FileSystem | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.config: BrokerConfig = BrokerConfig.from_mapping(config)
        self.data_dir: str = os.fspath(data_dir)
        self.fs: FileSystem = fs or RealFileSystem()
        self.clock: Clock = clock or SystemClock()
        self.node_id: int = self.config.node_id
        self.cluster_id: str = ""
        self.closing: threading.Event = threading.Event()
        self.logs: LogManager = LogManager(
            self.data_dir,
            self.fs,
            self.clock,
            topic_config=self._log_config,
            own_names={META_FILE, TOPICS_FILE, PRODUCER_IDS_FILE},
            producer_expiration_ms=self.config.producer_id_expiration_ms,
        )
        self.topics: TopicRegistry = TopicRegistry(self.logs, self.fs, self.data_dir, self.config)
        self.producer_ids: ProducerIds = ProducerIds(self.fs, self.data_dir)
        self.offsets: OffsetStore = OffsetStore(self.topics, self.logs, self.config, self.clock)
        self.groups: GroupCoordinator = GroupCoordinator(self.offsets, self.config, self.clock)
        self.purgatory: Purgatory = Purgatory()
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="aliran-broker-disk")
        self._started = False

    def start(self) -> None:
        """Lock the data directory, recover the logs, and load topics and offsets.

        Raises:
            DataDirectoryError: The directory cannot be used.
            LogError: It is locked by another broker, holds foreign files, or a log is damaged.
        """
        self.topics.read()
        self.logs.open()
        try:
            self.cluster_id = self._load_cluster_id()
            self.topics.reconcile()
            self.producer_ids.load()
            self.offsets.load()
        except BaseException:
            self.logs.close()
            raise
        self.topics.log_created = self.purgatory.watch
        self.topics.deleted.append(self._topic_deleted)
        for log in self.logs.partitions():
            self.purgatory.watch(log)
        self._started = True

    def attach_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tell groups and waiting fetches which event loop serves them; called on that loop."""
        self.purgatory.attach_loop(loop)
        self.groups.start(loop)

    def detach_loop(self) -> None:
        """Answer everything that waits and stop all timers; called on the event loop."""
        self.closing.set()
        self.groups.close()
        self.purgatory.close()

    def on_disk_thread(self, function: Callable[..., _T], *arguments: Any) -> Awaitable[_T]:
        """Run what flushes files (making and deleting topics) beside the event loop.

        Such calls run one after the other, on one thread. To be awaited on the event loop.
        """
        return asyncio.get_running_loop().run_in_executor(self._disk, function, *arguments)

    def close(self) -> None:
        """Flush and close the logs and give the directory free. Idempotent."""
        self.closing.set()
        self._disk.shutdown()
        if self._started:
            self._started = False
            self.logs.close()

    def _log_config(self, topic: str) -> LogConfig:
        return self.topics.log_config(topic)

    def _topic_deleted(self, topic: Topic) -> None:
        for topic_partition in topic.topic_partitions():
            self.purgatory.wake(topic_partition)

    def _load_cluster_id(self) -> str:
        path = os.path.join(self.data_dir, META_FILE)
        if self.fs.exists(path):
            for line in self.fs.read_bytes(path).decode("utf-8", "replace").splitlines():
                name, _, value = line.partition("=")
                if name.strip() == "cluster.id" and value.strip():
                    return value.strip()
            raise DataDirectoryError(
                f"{path} has no line cluster.id=...; restore the file, or delete it to get a new id"
            )
        cluster_id = _random_id()
        lines = f"version=1\ncluster.id={cluster_id}\nnode.id={self.node_id}\n"
        self.fs.write_atomic(path, lines.encode())
        return cluster_id


def _random_id() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
