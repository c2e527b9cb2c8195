"""The small files beside the segments, in Kafka's formats.

In the data directory: `recovery-point-offset-checkpoint`, `log-start-offset-checkpoint` and
`cleaner-offset-checkpoint` (offsets by partition), `.kafka_cleanshutdown`. In a partition's
directory: `partition.metadata`, `leader-epoch-checkpoint`. Kafka: `OffsetCheckpointFile`,
`LeaderEpochCheckpointFile`, `PartitionMetadataFile`, `CleanShutdownFileHandler`.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Iterable, Mapping

from aliran.core.files import FileSystem
from aliran.core.types import TopicPartition
from aliran.storage.errors import DataDirectoryError

RECOVERY_POINT_FILE = "recovery-point-offset-checkpoint"
LOG_START_FILE = "log-start-offset-checkpoint"
CLEANER_FILE = "cleaner-offset-checkpoint"
REPLICATION_FILE = "replication-offset-checkpoint"
CLEAN_SHUTDOWN_FILE = ".kafka_cleanshutdown"
PARTITION_METADATA_FILE = "partition.metadata"
LEADER_EPOCH_FILE = "leader-epoch-checkpoint"


def write_offsets(fs: FileSystem, path: str, offsets: Mapping[TopicPartition, int]) -> None:
    """Write one offset a partition, atomically and flushed."""
    rows = (f"{tp.topic} {tp.partition} {offset}" for tp, offset in sorted(offsets.items()))
    fs.write_atomic(path, _render(rows))


def read_offsets(fs: FileSystem, path: str) -> dict[TopicPartition, int]:
    """Read what `write_offsets` wrote; nothing when the file is missing.

    Raises:
        DataDirectoryError: The file is damaged.
    """
    result = {}
    for row in _rows(fs, path):
        topic, partition, offset = row
        result[TopicPartition(topic, int(partition))] = int(offset)
    return result


def write_leader_epochs(fs: FileSystem, path: str, epochs: Iterable[tuple[int, int]]) -> None:
    """Write (epoch, first offset) pairs, atomically and flushed."""
    fs.write_atomic(path, _render(f"{epoch} {start}" for epoch, start in epochs))


def read_leader_epochs(fs: FileSystem, path: str) -> list[tuple[int, int]]:
    """Read (epoch, first offset) pairs; nothing when the file is missing.

    Raises:
        DataDirectoryError: The file is damaged.
    """
    return [(int(epoch), int(start)) for epoch, start in _rows(fs, path, width=2)]


def write_partition_metadata(fs: FileSystem, path: str, topic_id: uuid.UUID) -> None:
    """Write the id of the topic a partition directory belongs to."""
    fs.write_atomic(path, f"version: 0\ntopic_id: {encode_id(topic_id)}".encode())


def read_partition_metadata(fs: FileSystem, path: str) -> uuid.UUID | None:
    """Return the topic id, or None when there is no such file.

    Raises:
        DataDirectoryError: The file is damaged.
    """
    if not fs.exists(path):
        return None
    for line in fs.read_bytes(path).decode("utf-8", "replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "topic_id":
            try:
                return decode_id(value.strip())
            except (ValueError, binascii.Error):
                break
    raise DataDirectoryError(
        f"{path} is damaged: it has no line 'topic_id: <22 characters of base64>'; restore it "
        "from a copy, or remove it to have the topic's id written anew"
    )


def encode_id(value: uuid.UUID) -> str:
    """Return a UUID as Kafka writes it: 22 characters of URL-safe base64."""
    return base64.urlsafe_b64encode(value.bytes).decode().rstrip("=")


def decode_id(text: str) -> uuid.UUID:
    """Return the UUID of Kafka's text form.

    Raises:
        ValueError: It is not one.
    """
    return uuid.UUID(bytes=base64.urlsafe_b64decode(text + "=="))


def _render(rows: Iterable[str]) -> bytes:
    lines = list(rows)
    return "".join(f"{line}\n" for line in ("0", len(lines), *lines)).encode()


def _rows(fs: FileSystem, path: str, width: int = 3) -> list[list[str]]:
    """Return the fields of each row after checking version, count and numbers."""
    if not fs.exists(path):
        return []
    lines = fs.read_bytes(path).decode("utf-8", "replace").splitlines()
    if not lines:
        return []  # Kafka makes the file before it has anything to put in
    rows = [line.split(" ") for line in lines[2:] if line]
    numbers = [text for row in rows for text in row[width - 2 :]]
    if (
        len(lines) < 2
        or lines[0] != "0"
        or lines[1] != str(len(rows))
        or any(len(row) != width for row in rows)
        or not all(text.lstrip("-").isdigit() for text in numbers)
    ):
        raise DataDirectoryError(
            f"{path} is damaged: it should hold '0', the number of lines, and that many lines of "
            f"{width} fields; restore it from a copy, or remove it (the logs are then checked from "
            "their start, and deleted records may show again)"
        )
    return rows
