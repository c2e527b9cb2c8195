"""`FolderSource`: the files of a folder, each once, new ones as they appear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from aliran.connectors.builtin.files.folder_store import FolderSourceStore
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import at_least, not_empty
from aliran.connectors.objects.source import EachFileSource, ObjectSourceTask
from aliran.connectors.objects.source_config import ObjectSourceConfig
from aliran.connectors.objects.source_plan import EachOnce, Plan
from aliran.connectors.objects.store import SourceStore


@dataclass(frozen=True, kw_only=True)
class FolderSourceConfig(ObjectSourceConfig):
    """The options."""

    folder: Annotated[str, Option("The folder.", importance=Importance.HIGH, validator=not_empty)]
    file_settled_ms: Annotated[
        int, Option("A file counts when it has not changed for so long.", validator=at_least(0))
    ] = 1000
    poll_interval_ms: Annotated[
        int, Option("How often new files are looked for.", validator=at_least(10))
    ] = 1000


class FolderSourceTask(ObjectSourceTask):
    """Reads files."""

    settings: ClassVar[type[Any]] = FolderSourceConfig

    @classmethod
    def store_of(cls, config: FolderSourceConfig) -> SourceStore:
        """Return the folder."""
        return FolderSourceStore(config.folder, config.after_read_folder)

    @classmethod
    def plan_of(cls, config: FolderSourceConfig) -> Plan:
        """Return that each file is read once."""
        return EachOnce(config.topic or "", {"folder": config.folder}, config.puts_away)


class FolderSource(EachFileSource):
    """Files → a topic."""

    settings = FolderSourceConfig
    task: ClassVar[type[Any]] = FolderSourceTask
