"""What lies in a data directory: partitions, what deletions left, files of the broker, strangers.

A partition's directory is named `<topic>-<partition>`; one that is being deleted
`<topic>-<partition>.<32 hex digits>-delete`. Kafka: `LogManager.loadLogs`,
`UnifiedLog.logDeleteDirName`.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Collection

from aliran.core.files import FileSystem
from aliran.core.types import TopicPartition
from aliran.storage.errors import DataDirectoryError
from aliran.storage.log.checkpoints import PARTITION_METADATA_FILE
from aliran.storage.log.segment import LOG_SUFFIX

logger: logging.Logger = logging.getLogger("aliran.storage.log")

_PARTITION_DIR = re.compile(r"([A-Za-z0-9._-]{1,249})-(\d{1,10})")
_DELETE_DIR = re.compile(r".+\.[0-9a-f]{32}-delete")
_SEGMENT = re.compile(r"\d{20}" + re.escape(LOG_SUFFIX))
_PASSED_OVER = {"lost+found", "__cluster_metadata-0"}
_LONGEST_NAME = 255


def doomed_name(topic_partition: TopicPartition) -> str:
    """Return a name nobody has for the directory of a partition that is to be deleted."""
    ending = f".{uuid.uuid4().hex}-delete"
    return str(topic_partition)[: _LONGEST_NAME - len(ending)] + ending


def partition_directories(
    fs: FileSystem, data_dir: str, own_names: Collection[str]
) -> dict[TopicPartition, str]:
    """Return the partitions' directories by name; finish deletions; refuse what is foreign.

    Args:
        fs: The file system.
        data_dir: The data directory.
        own_names: Files in it that belong to the broker.

    Raises:
        DataDirectoryError: A directory there does not belong there.
    """
    found = {}
    for name in fs.list_dir(data_dir):
        path = f"{data_dir}/{name}"
        if name in own_names or name in _PASSED_OVER:
            continue
        if not fs.is_dir(path):
            _look_at_file(fs, path, name, own_names)
        elif _DELETE_DIR.fullmatch(name):
            fs.remove_tree(path)
        elif name.endswith(("-future", "-stray")):
            logger.warning("%s was set aside by Kafka and is left alone", path)
        else:
            match = _PARTITION_DIR.fullmatch(name)
            if match is not None and _holds_partition(fs, path):
                found[TopicPartition(match[1], int(match[2]))] = name
            elif not name.startswith("."):
                raise DataDirectoryError(
                    f"{path} does not belong in a data directory: a directory there is named "
                    "<topic>-<partition>, for instance tweets-0, and holds a log; move it away, or "
                    "choose another data directory"
                )
    return found


def _look_at_file(fs: FileSystem, path: str, name: str, own_names: Collection[str]) -> None:
    if name.endswith(".tmp") and name.removesuffix(".tmp") in own_names:
        fs.remove(path)
    elif not name.startswith("."):
        logger.warning("%s is not a file of the broker and is left alone", path)


def _holds_partition(fs: FileSystem, path: str) -> bool:
    """Whether a directory with the right name is a log, or one that a crash left unmade.

    Any directory may end in a number ("backup-2024"); it must not become 2,024 partitions.
    """
    if fs.exists(f"{path}/{PARTITION_METADATA_FILE}"):
        return True
    names = fs.list_dir(path)
    return all(name.endswith(".tmp") for name in names) or any(map(_SEGMENT.fullmatch, names))
