"""`HdfsSink`: topics → files of HDFS, exactly once. Confluent: `HdfsSinkConnector`, its options.

A file is written under `<topics.dir>/+tmp`, and gets its name when it is whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from aliran.connectors.builtin.hdfs.web import WebHdfs
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import Password, at_least, invalid
from aliran.connectors.errors import ConnectError, RetriableError
from aliran.connectors.objects.sink import ObjectSink, ObjectSinkTask
from aliran.connectors.objects.sink_config import ObjectSinkConfig
from aliran.connectors.objects.store import ObjectWriter, SinkStore


def _http_urls(name: str, value: Any) -> None:
    wrong = [one for one in value or () if not one.startswith(("http://", "https://"))]
    if wrong or not value:
        raise invalid(
            name, value, "name nodes' WebHDFS addresses are needed, such as http://namenode:9870"
        )


@dataclass(frozen=True, kw_only=True)
class HdfsSinkConfig(ObjectSinkConfig):
    """The options."""

    hdfs_url: Annotated[
        list[str],
        Option(
            "The name node's WebHDFS address, such as http://namenode:9870; several where one "
            "stands by.",
            importance=Importance.HIGH, validator=_http_urls, group="HDFS",
        ),
    ]  # fmt: skip
    hdfs_user: Annotated[str | None, Option("Who writes.", group="HDFS")] = None
    hdfs_delegation_token: Annotated[
        Password | None, Option("A token of a cluster with Kerberos.", group="HDFS")
    ] = None
    hdfs_replication: Annotated[
        int, Option("Copies of new files; 0 for the cluster's.", validator=at_least(0),
                    group="HDFS")
    ] = 0  # fmt: skip
    hdfs_append_bytes: Annotated[
        int, Option("How much is sent at once.", validator=at_least(1 << 16), group="HDFS")
    ] = 8 << 20
    hdfs_compression_type: Annotated[
        Literal["none", "gzip"],
        Option("How json, bytearray, lines and csv are compressed.", group="Format"),
    ] = "none"

    @property
    def compression(self) -> str:
        """How text formats are compressed."""
        return self.hdfs_compression_type


class HdfsStore(SinkStore):
    """A folder of HDFS.

    Args:
        config: Which cluster.
    """

    def __init__(self, config: HdfsSinkConfig) -> None:
        token = config.hdfs_delegation_token
        copies = config.hdfs_replication
        self.web: WebHdfs = WebHdfs(
            config.hdfs_url,
            config.hdfs_user,
            None if token is None else token.value,
            {"replication": str(copies)} if copies else {},
        )
        self.piece: int = config.hdfs_append_bytes
        self._folder = config.topics_dir.strip("/")

    def create(self, name: str) -> ObjectWriter:
        """Begin a file."""
        inner = name.lstrip("/").removeprefix(self._folder).lstrip("/")
        base = f"/{self._folder}" if self._folder else ""
        return _File(self, f"{base}/+tmp/{inner}", f"{base}/{inner}")

    def check(self) -> None:
        """Try to write."""
        probe = f"/{self._folder}/+tmp/check".replace("//", "/")
        self.web.create(probe, b"")
        self.web.delete(probe)

    def close(self) -> None:
        """Close connections."""
        self.web.close()


class _File(ObjectWriter):
    """One file."""

    def __init__(self, store: HdfsStore, partial: str, path: str) -> None:
        super().__init__()
        self._store = store
        self._partial = partial
        self._path = path
        self._sent = 0
        self._unsure = False

    def upload(self) -> None:
        """Send what is large."""
        if len(self.collected) >= self._store.piece:
            self._send()

    def _send(self) -> None:
        data = bytes(self.collected)
        if not self._sent:
            self._store.web.create(self._partial, data)
        elif not (self._unsure and self._has_arrived(len(data))):
            self._unsure = True
            self._store.web.append(self._partial, data)
        self._unsure = False
        self._sent += len(data)
        self.collected.clear()

    def _has_arrived(self, size: int) -> bool:
        """Find out whether an append came through whose answer did not."""
        length = self._store.web.length(self._partial)
        if length == self._sent:
            return False
        if length == self._sent + size:
            return True
        raise ConnectError(
            f"{self._partial} has {length} bytes, not {self._sent}: a write was cut off; the task "
            "must begin the file anew"
        )

    def commit(self) -> None:
        """Give the file its name."""
        if self.collected or not self._sent:
            self._send()
        web = self._store.web
        size = self._sent
        if web.length(self._partial) is None and web.length(self._path) == size:
            return  # the answer to an earlier call was lost
        web.make_folders(self._path.rpartition("/")[0])
        web.delete(self._path)  # written before a crash, the same as this one
        if not web.rename(self._partial, self._path):
            raise RetriableError(f"HDFS did not rename {self._partial} to {self._path}")

    def abort(self) -> None:
        """Delete what was sent."""
        if self._sent:
            try:
                self._store.web.delete(self._partial)
            except ConnectError:
                return  # it is overwritten when the file is begun again


class HdfsSinkTask(ObjectSinkTask):
    """Writes files."""

    settings: ClassVar[type[Any]] = HdfsSinkConfig

    @classmethod
    def store_of(cls, config: HdfsSinkConfig) -> SinkStore:
        """Return the cluster's folder."""
        return HdfsStore(config)


class HdfsSink(ObjectSink):
    """Topics → files of HDFS."""

    settings = HdfsSinkConfig
    task: ClassVar[type[Any]] = HdfsSinkTask
