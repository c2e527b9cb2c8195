"""The three offset checkpoints of a data directory: what they say, and keeping them up to date.

For each partition: up to where its log is on the disk, where it starts, up to where it is
compacted. They may lag behind the logs, which costs work after a crash; they must never speak of
another log of the same name. Kafka: `OffsetCheckpointFile` and its users in `LogManager`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

from aliran.core.files import FileSystem
from aliran.core.types import TopicPartition
from aliran.storage.log.checkpoints import (
    CLEANER_FILE,
    LOG_START_FILE,
    RECOVERY_POINT_FILE,
    read_offsets,
    write_offsets,
)
from aliran.storage.log.partition_log import PartitionLog


class OffsetCheckpoints:
    """The checkpoints of one data directory. Thread-safe; may be used inside a log's lock.

    Args:
        fs: The file system.
        data_dir: The data directory.
        logs: Returns the logs there are now.
    """

    def __init__(
        self, fs: FileSystem, data_dir: str, logs: Callable[[], list[PartitionLog]]
    ) -> None:
        self._fs = fs
        self._data_dir = data_dir
        self._logs = logs
        self._mutex = threading.Lock()
        self._written: dict[str, dict[TopicPartition, int]] = {}
        self._cleaned: dict[TopicPartition, int] = {}

    def load(self) -> None:
        """Read the files.

        Raises:
            DataDirectoryError: One is damaged.
            FileSystemError: The disk refused.
        """
        for name in (RECOVERY_POINT_FILE, LOG_START_FILE, CLEANER_FILE):
            self._written[name] = read_offsets(self._fs, f"{self._data_dir}/{name}")
        self._cleaned = dict(self._written[CLEANER_FILE])

    def recovery_point(self, topic_partition: TopicPartition) -> int:
        """Return up to which offset the log is on the disk, as far as the files tell."""
        return self._written[RECOVERY_POINT_FILE].get(topic_partition, 0)

    def start_offset(self, topic_partition: TopicPartition) -> int:
        """Return where the log starts, as far as the files tell."""
        return self._written[LOG_START_FILE].get(topic_partition, 0)

    def cleaned(self, topic_partition: TopicPartition) -> int:
        """Return up to which offset the log is compacted."""
        return self._cleaned.get(topic_partition, 0)

    def set_cleaned(self, log: PartitionLog, offset: int) -> None:
        """Note that a log is compacted up to `offset`, unless it was deleted meanwhile."""
        with self._mutex:
            if log in self._logs():
                self._cleaned[log.topic_partition] = offset

    def forget_cleaned(self, topic_partitions: Collection[TopicPartition]) -> None:
        """Forget how far logs were compacted that are deleted."""
        with self._mutex:
            for topic_partition in topic_partitions:
                self._cleaned.pop(topic_partition, None)

    def speak_of(self, topic_partitions: Collection[TopicPartition]) -> bool:
        """Whether a file has a line for one of these partitions."""
        with self._mutex:
            return any(
                each in lines for lines in self._written.values() for each in topic_partitions
            )

    def write(self) -> None:
        """Bring the files up to date with the logs.

        Raises:
            FileSystemError: The disk refused.
        """
        with self._mutex:
            logs = self._logs()
            points = {log.topic_partition: log.recovery_point for log in logs}
            starts = {log.topic_partition: log.log_start_offset for log in logs}
            starts = {key: offset for key, offset in starts.items() if offset > 0}
            # A log that was cut has records above the cut that no compaction has seen.
            ends = {log.topic_partition: log.log_end_offset for log in logs}
            for topic_partition, offset in self._cleaned.items():
                self._cleaned[topic_partition] = min(offset, ends.get(topic_partition, offset))
            cleaned = {key: offset for key, offset in self._cleaned.items() if key in ends}
            self._write(RECOVERY_POINT_FILE, points)
            self._write(LOG_START_FILE, starts)
            self._write(CLEANER_FILE, cleaned)

    def _write(self, name: str, offsets: dict[TopicPartition, int]) -> None:
        """Write a file where it would change."""
        if self._written[name] != offsets:
            write_offsets(self._fs, f"{self._data_dir}/{name}", offsets)
            self._written[name] = offsets
