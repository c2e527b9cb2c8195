"""`FolderSink`: topics → files of a folder, exactly once, as `S3Sink` writes objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from aliran.connectors.builtin.files.folder_store import FolderSinkStore
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import not_empty
from aliran.connectors.objects.sink import ObjectSink, ObjectSinkTask
from aliran.connectors.objects.sink_config import ObjectSinkConfig
from aliran.connectors.objects.store import SinkStore


@dataclass(frozen=True, kw_only=True)
class FolderSinkConfig(ObjectSinkConfig):
    """The options."""

    folder: Annotated[
        str, Option("The folder.", importance=Importance.HIGH, validator=not_empty, group="Storage")
    ]
    topics_dir: Annotated[
        str, Option("A folder within it for the topics' folders.", group="Storage")
    ] = ""
    file_compression_type: Annotated[
        Literal["none", "gzip"],
        Option("How json, bytearray, lines and csv are compressed.", group="Format"),
    ] = "none"

    @property
    def compression(self) -> str:
        """How text formats are compressed."""
        return self.file_compression_type


class FolderSinkTask(ObjectSinkTask):
    """Writes files."""

    settings: ClassVar[type[Any]] = FolderSinkConfig

    @classmethod
    def store_of(cls, config: FolderSinkConfig) -> SinkStore:
        """Return the folder."""
        return FolderSinkStore(config.folder)


class FolderSink(ObjectSink):
    """Topics → files."""

    settings = FolderSinkConfig
    task: ClassVar[type[Any]] = FolderSinkTask
