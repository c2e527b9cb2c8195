"""All logs of one data directory: finding, locking, opening, creating, deleting, upkeep, closing.

The directory belongs to one manager at a time, by a lock file that a real Kafka respects too. A
clean stop leaves `.kafka_cleanshutdown`; it is taken away, for good, before anything is written.
Kafka: `LogManager`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
import uuid
from collections.abc import Callable, Collection

from aliran.core.clock import Clock
from aliran.core.files import FileLock, FileLockedError, FileSystem, FileSystemError
from aliran.core.types import TopicPartition
from aliran.storage.errors import (
    DataDirectoryError,
    DataDirectoryLockedError,
    InconsistentTopicIdError,
    LogError,
    LogStorageError,
)
from aliran.storage.log.checkpoints import (
    CLEAN_SHUTDOWN_FILE,
    CLEANER_FILE,
    LOG_START_FILE,
    PARTITION_METADATA_FILE,
    RECOVERY_POINT_FILE,
    REPLICATION_FILE,
    read_offsets,
    write_offsets,
    write_partition_metadata,
)
from aliran.storage.log.cleaner import clean
from aliran.storage.log.config import LogConfig
from aliran.storage.log.partition_log import PartitionLog
from aliran.storage.log.recovery import StoppedAt, load_log
from aliran.storage.log.retention import delete_old_segments

logger = logging.getLogger("aliran.storage.log")

LOCK_FILE = ".lock"
_PARTITION_DIR = re.compile(r"([A-Za-z0-9._-]{1,249})-(\d{1,10})")
_DELETE_DIR = re.compile(r".+\.[0-9a-f]{32}-delete")
_CHECKPOINT_FILES = {RECOVERY_POINT_FILE, LOG_START_FILE, CLEANER_FILE, REPLICATION_FILE}
_OWN_FILES = _CHECKPOINT_FILES | {"meta.properties", "bootstrap.checkpoint", "topics.json"}
_PASSED_OVER = {"lost+found", "__cluster_metadata-0"}


class LogManager:
    """The logs of one data directory. Thread-safe.

    Args:
        data_dir: The directory; made when missing.
        fs: The file system it is on.
        clock: Where the time comes from.
        default_config: For topics `topic_config` says nothing about.
        topic_config: Returns the settings of a topic while its logs are opened.
        own_names: Further names in the directory that belong to the caller.
        producer_expiration_ms: How long a producer that writes nothing is remembered.
    """

    def __init__(
        self,
        data_dir: str | os.PathLike[str],
        fs: FileSystem,
        clock: Clock,
        default_config: LogConfig | None = None,
        *,
        topic_config: Callable[[str], LogConfig] | None = None,
        own_names: Collection[str] = (),
    ) -> None:
        self.data_dir = os.fspath(data_dir)
        self.fs = fs
        self.clock = clock
        self.default_config = default_config or LogConfig()
        self._topic_config = topic_config
        self._own_names = _OWN_FILES | set(own_names)
        self._logs: dict[TopicPartition, PartitionLog] = {}
        self._mutex = threading.RLock()  # guards the table of logs; never taken inside a log's lock
        self._checkpoint_mutex = threading.Lock()  # may be taken inside a log's lock
        self._written: dict[str, dict[TopicPartition, int]] = {}
        self._lock: FileLock | None = None
        self._recovery_points: dict[TopicPartition, int] = {}
        self._start_offsets: dict[TopicPartition, int] = {}
        self._cleaned: dict[TopicPartition, int] = {}
        self._opened = False

    # life

    def open(self) -> None:
        """Lock the directory and open every log in it; recover them after an unclean stop.

        Raises:
            DataDirectoryLockedError: Another process has it open.
            DataDirectoryError: It holds what does not belong there, or cannot be read or written.
        """
        with self._mutex:
            if self._opened:
                return
            self._take_lock()
            try:
                self._load()
            except FileSystemError as error:
                self._let_go()
                raise DataDirectoryError(
                    f"the data directory {self.data_dir} cannot be opened: {error}"
                ) from error
            except BaseException:
                self._let_go()
                raise
            self._opened = True

    def _take_lock(self) -> None:
        try:
            if not self.fs.exists(self.data_dir):
                self.fs.make_dirs(self.data_dir)
                self.fs.flush_dir(os.path.dirname(os.path.abspath(self.data_dir)))
            self._lock = self.fs.lock(self._path(LOCK_FILE))
        except FileLockedError as error:
            raise DataDirectoryLockedError(str(error), error.holder_pid) from error
        except FileSystemError as error:
            raise DataDirectoryError(
                f"the data directory {self.data_dir} cannot be used: {error}; it must be a "
                "directory this user may write to"
            ) from error

    def _load(self) -> None:
        directories = self._partition_directories()
        clean = self.fs.exists(self._path(CLEAN_SHUTDOWN_FILE))
        if not clean and directories:
            logger.warning(
                "%s was not closed cleanly; checking what was written last", self.data_dir
            )
        self._recovery_points = read_offsets(self.fs, self._path(RECOVERY_POINT_FILE))
        self._start_offsets = read_offsets(self.fs, self._path(LOG_START_FILE))
        self._cleaned = read_offsets(self.fs, self._path(CLEANER_FILE))
        # Gone for good before anything is written, or a crash would look like a clean stop.
        self.fs.remove(self._path(CLEAN_SHUTDOWN_FILE))
        self.fs.flush_dir(self.data_dir)
        for topic_partition, name in directories.items():
            self._load_one(topic_partition, name, clean)
        self.checkpoint()

    def _load_one(self, topic_partition: TopicPartition, name: str, clean: bool) -> None:
        config = self.default_config
        if self._topic_config is not None:
            config = self._topic_config(topic_partition.topic)
        stopped = StoppedAt(
            clean,
            self._recovery_points.get(topic_partition, 0),
            self._start_offsets.get(topic_partition, 0),
        )
        log = load_log(topic_partition, self._path(name), config, self.fs, self.clock, stopped)
        self._adopt(log)

    def _adopt(self, log: PartitionLog) -> None:
        log.write_checkpoint = self.checkpoint
        self._logs[log.topic_partition] = log

    def _partition_directories(self) -> dict[TopicPartition, str]:
        """Return the partitions' directories; remove deleted ones; refuse foreign ones."""
        found = {}
        for name in self.fs.list_dir(self.data_dir):
            path = self._path(name)
            if name.startswith(".") or name in self._own_names or name in _PASSED_OVER:
                continue
            if not self.fs.is_dir(path):
                if name.endswith(".tmp") and name.removesuffix(".tmp") in self._own_names:
                    self.fs.remove(path)
                else:
                    logger.warning("%s is not a file of the broker and is left alone", path)
                continue
            if _DELETE_DIR.fullmatch(name):
                self.fs.remove_tree(path)
                continue
            if name.endswith(("-future", "-stray")):
                logger.warning("%s was set aside by Kafka and is left alone", path)
                continue
            match = _PARTITION_DIR.fullmatch(name)
            if match is None:
                raise DataDirectoryError(
                    f"{path} does not belong in a data directory: a directory there is named "
                    "<topic>-<partition>, for instance tweets-0; move it away, or choose another "
                    "data directory"
                )
            found[TopicPartition(match[1], int(match[2]))] = name
        return found

    def close(self) -> None:
        """Flush and close every log, note the clean stop, unlock the directory. Idempotent.

        Raises:
            LogError: A log could not be closed; the others were, and the next start recovers.
        """
        with self._mutex:
            if not self._opened:
                return
            self._opened = False
            failure: LogError | None = None
            try:
                for log in self._logs.values():
                    try:
                        log.close()
                    except LogError as error:
                        logger.error("%s", error)
                        failure = failure or error
                if failure is None:
                    self.checkpoint()
                    self.fs.write_atomic(
                        self._path(CLEAN_SHUTDOWN_FILE), b'{"version":0,"brokerEpoch":-1}'
                    )
            except FileSystemError as error:
                raise LogStorageError(f"closing {self.data_dir} failed: {error}") from error
            finally:
                self._let_go()
            if failure is not None:
                raise failure

    def _let_go(self) -> None:
        for log in self._logs.values():
            with contextlib.suppress(FileSystemError):
                log.abandon()
        self._logs.clear()
        self._written.clear()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    # logs

    def create(
        self,
        topic_partition: TopicPartition,
        config: LogConfig | None = None,
        topic_id: uuid.UUID | None = None,
    ) -> PartitionLog:
        """Return the partition's log, made when it does not exist; an existing one gets `config`.

        Raises:
            InconsistentTopicIdError: The directory belongs to another topic of that name.
            LogStorageError: The disk refused.
        """
        with self._mutex:
            log = self._logs.get(topic_partition)
            try:
                if log is None:
                    log = self._make(topic_partition, config or self.default_config, topic_id)
                elif topic_id is not None and log.topic_id is None:
                    self._write_id(log.directory, topic_id)
                    log.topic_id = topic_id
            except FileSystemError as error:
                raise LogStorageError(
                    f"{topic_partition}: the log cannot be created: {error}", topic_partition
                ) from error
            if topic_id is not None and log.topic_id != topic_id:
                raise InconsistentTopicIdError(
                    f"{topic_partition}: {log.directory} belongs to the topic with id "
                    f"{log.topic_id}, not {topic_id}; delete the old topic's directory, or restore "
                    "the topic's metadata",
                    topic_partition,
                )
            if config is not None:
                log.config = config
            return log

    def _make(
        self, topic_partition: TopicPartition, config: LogConfig, topic_id: uuid.UUID | None
    ) -> PartitionLog:
        directory = self._path(str(topic_partition))
        self.fs.make_dirs(directory)
        if topic_id is not None:
            self._write_id(directory, topic_id)
        log = load_log(topic_partition, directory, config, self.fs, self.clock)
        self.fs.flush_dir(directory)
        self.fs.flush_dir(self.data_dir)
        self._adopt(log)
        return log

    def _write_id(self, directory: str, topic_id: uuid.UUID) -> None:
        write_partition_metadata(self.fs, f"{directory}/{PARTITION_METADATA_FILE}", topic_id)

    def get(self, topic_partition: TopicPartition) -> PartitionLog | None:
        """Return the partition's log, or None."""
        return self._logs.get(topic_partition)

    def partitions(self) -> list[PartitionLog]:
        """Return all logs."""
        with self._mutex:
            return list(self._logs.values())

    def delete(self, topic_partition: TopicPartition) -> None:
        """Close a log and remove its directory; not an error when there is none.

        Raises:
            LogStorageError: The disk refused.
        """
        with self._mutex:
            log = self._logs.pop(topic_partition, None)
            if log is None:
                return
            with self._checkpoint_mutex:
                self._cleaned.pop(topic_partition, None)
            log.abandon()
            doomed = self._path(f"{topic_partition}.{uuid.uuid4().hex}-delete")
            try:
                # After the rename is on the disk the topic is gone, however far the removal gets.
                self.fs.rename(log.directory, doomed)
                self.fs.flush_dir(self.data_dir)
                self.checkpoint()
                self.fs.remove_tree(doomed)
            except FileSystemError as error:
                raise LogStorageError(
                    f"{topic_partition}: the log cannot be removed: {error}", topic_partition
                ) from error

    # upkeep, called from time to time

    def flush_due(self) -> None:
        """Flush what `flush.ms` asks for and sealed segments, and write the checkpoints.

        Raises:
            LogStorageError: The disk refused for one log or more; the others were flushed.
        """
        now_ms = self.clock.time_ms()
        failure: LogError | None = None
        for log in self.partitions():
            try:
                log.flush_due(now_ms)
            except LogError as error:
                failure = failure or error
        try:
            self.checkpoint()
        except FileSystemError as error:
            raise LogStorageError(f"writing the checkpoints failed: {error}") from error
        if failure is not None:
            raise failure

    def clean_up(self) -> int:
        """Apply retention and compaction to every log; forget silent producers.

        A log that is damaged or that the disk refuses to clean is left as it is, with a logged
        error; the others are cleaned all the same.

        Returns:
            The bytes that were freed.
        """
        now_ms = self.clock.time_ms()
        removed = 0
        for log in self.partitions():
            try:
                if log.config.is_compacted:
                    removed += self._compact(log, now_ms)
                removed += delete_old_segments(log, now_ms)
            except LogError as error:
                logger.error("%s", error)
            with log.lock:
                log.producers.expire(now_ms)
        if removed:
            self.checkpoint()
        return removed

    def _compact(self, log: PartitionLog, now_ms: int) -> int:
        done = clean(log, self._cleaned.get(log.topic_partition, 0), now_ms)
        if done is None:
            return 0
        with self._checkpoint_mutex:
            self._cleaned[log.topic_partition] = done.end_offset
        self.checkpoint()
        return done.bytes_before - done.bytes_after

    def checkpoint(self) -> None:
        """Write recovery points and log start offsets where they changed."""
        logs = list(self._logs.values())
        points = {log.topic_partition: log.recovery_point for log in logs}
        starts = {log.topic_partition: log.log_start_offset for log in logs}
        starts = {key: offset for key, offset in starts.items() if offset > 0}
        with self._checkpoint_mutex:
            # A log that was cut has records above the cut that no compaction has seen.
            ends = {log.topic_partition: log.log_end_offset for log in logs}
            for topic_partition, offset in list(self._cleaned.items()):
                self._cleaned[topic_partition] = min(offset, ends.get(topic_partition, offset))
            cleaned = {key: offset for key, offset in self._cleaned.items() if key in ends}
            self._write_offsets(RECOVERY_POINT_FILE, points)
            self._write_offsets(LOG_START_FILE, starts)
            self._write_offsets(CLEANER_FILE, cleaned)

    def _write_offsets(self, name: str, offsets: dict[TopicPartition, int]) -> None:
        """Write a checkpoint file where it would change."""
        path = self._path(name)
        if name not in self._written:
            self._written[name] = read_offsets(self.fs, path)
        if self._written[name] != offsets:
            write_offsets(self.fs, path, offsets)
            self._written[name] = offsets

    def _path(self, name: str) -> str:
        return f"{self.data_dir}/{name}"
