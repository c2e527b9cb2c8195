"""All logs of one data directory: finding, locking, opening, creating, deleting, upkeep, closing.

The directory belongs to one manager at a time, by a lock file that a real Kafka respects too. A
clean stop leaves `.kafka_cleanshutdown`; it is taken away, for good, before anything is written.
Kafka: `LogManager`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import uuid
from collections.abc import Callable, Collection

from aliran.core.clock import Clock
from aliran.core.files import DiskFullError, FileLock, FileLockedError, FileSystem, FileSystemError
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
    write_partition_metadata,
)
from aliran.storage.log.cleaner import clean
from aliran.storage.log.config import LogConfig
from aliran.storage.log.directories import doomed_name, partition_directories
from aliran.storage.log.offset_checkpoints import OffsetCheckpoints
from aliran.storage.log.partition_log import PartitionLog
from aliran.storage.log.producer_state import DEFAULT_EXPIRATION_MS
from aliran.storage.log.recovery import StoppedAt, load_log
from aliran.storage.log.retention import delete_old_segments

logger: logging.Logger = logging.getLogger("aliran.storage.log")

LOCK_FILE = ".lock"
_CHECKPOINT_FILES = {RECOVERY_POINT_FILE, LOG_START_FILE, CLEANER_FILE, REPLICATION_FILE}
_OWN_FILES = _CHECKPOINT_FILES | {"meta.properties", "bootstrap.checkpoint", "topics.json"}


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
        producer_expiration_ms: int = DEFAULT_EXPIRATION_MS,
    ) -> None:
        self.data_dir: str = os.fspath(data_dir)
        self.fs = fs
        self.clock = clock
        self.default_config: LogConfig = default_config or LogConfig()
        self._topic_config = topic_config
        self._own_names = _OWN_FILES | set(own_names)
        self._producer_expiration_ms = producer_expiration_ms
        self._stopping = threading.Event()
        self._logs: dict[TopicPartition, PartitionLog] = {}
        self._mutex = threading.RLock()  # guards the table of logs; never taken inside a log's lock
        self._checkpoints = OffsetCheckpoints(fs, self.data_dir, lambda: list(self._logs.values()))
        self._lock: FileLock | None = None
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
            self._stopping.clear()
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
        directories = partition_directories(self.fs, self.data_dir, self._own_names)
        clean = self.fs.exists(self._path(CLEAN_SHUTDOWN_FILE))
        if not clean and directories:
            logger.warning(
                "%s was not closed cleanly; checking what was written last", self.data_dir
            )
        self._checkpoints.load()
        # Gone for good before anything is written, or a crash would look like a clean stop.
        self.fs.remove(self._path(CLEAN_SHUTDOWN_FILE))
        self.fs.flush_dir(self.data_dir)
        for topic_partition, name in directories.items():
            self._load_one(topic_partition, name, clean)
        try:
            self.checkpoint()
        except DiskFullError as error:
            # Older checkpoints only mean more work at the next start; refusing to start would keep
            # retention and its owner from making room.
            logger.error("%s is full; going on with old checkpoints: %s", self.data_dir, error)

    def _load_one(self, topic_partition: TopicPartition, name: str, clean: bool) -> None:
        config = self.default_config
        if self._topic_config is not None:
            config = self._topic_config(topic_partition.topic)
        stopped = StoppedAt(
            clean,
            self._checkpoints.recovery_point(topic_partition),
            self._checkpoints.start_offset(topic_partition),
        )
        log = load_log(
            topic_partition,
            self._path(name),
            config,
            self.fs,
            self.clock,
            stopped,
            self._producer_expiration_ms,
        )
        self._adopt(log)

    def _adopt(self, log: PartitionLog) -> None:
        log.write_checkpoint = self.checkpoint
        self._logs[log.topic_partition] = log

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
        """Return the partition's log, made when it does not exist; see `create_all`."""
        return self.create_all([topic_partition], config, topic_id)[0]

    def create_all(
        self,
        topic_partitions: Collection[TopicPartition],
        config: LogConfig | None = None,
        topic_id: uuid.UUID | None = None,
    ) -> list[PartitionLog]:
        """Return the partitions' logs, made where they do not exist; existing ones get `config`.

        When this returns their directories are on the disk.

        Raises:
            InconsistentTopicIdError: A directory belongs to another topic of that name.
            LogStorageError: The disk refused; logs that were made before that stay.
        """
        with self._mutex:
            fresh = [each for each in topic_partitions if each not in self._logs]
            try:
                self._forget_checkpoints(fresh)
                logs = [self._create(each, config, topic_id) for each in topic_partitions]
                if fresh:
                    self.fs.flush_dir(self.data_dir)
            except FileSystemError as error:
                first = next(iter(fresh or topic_partitions))
                raise LogStorageError(
                    f"{first}: the log cannot be created: {error}", first
                ) from error
            return logs

    def _create(
        self, topic_partition: TopicPartition, config: LogConfig | None, topic_id: uuid.UUID | None
    ) -> PartitionLog:
        log = self._logs.get(topic_partition)
        if log is None:
            log = self._make(topic_partition, config or self.default_config, topic_id)
        elif topic_id is not None and log.topic_id is None:
            self._write_id(log.directory, topic_id)
            log.topic_id = topic_id
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
        is_new = not self.fs.exists(directory)
        try:
            self.fs.make_dirs(directory)
            if topic_id is not None:
                self._write_id(directory, topic_id)
            log = load_log(
                topic_partition,
                directory,
                config,
                self.fs,
                self.clock,
                producer_expiration_ms=self._producer_expiration_ms,
            )
        except FileSystemError:
            if is_new:  # or the next start would find a partition that was refused
                with contextlib.suppress(FileSystemError):
                    self.fs.remove_tree(directory)
            raise
        self._adopt(log)
        return log

    def _forget_checkpoints(self, fresh: Collection[TopicPartition]) -> None:
        """See that no checkpoint speaks of an older log of the same name.

        Such a line is left where a full disk refused to have it taken out; after a crash it would
        put the start of the new log beyond its end.
        """
        if self._checkpoints.speak_of(fresh):
            self.checkpoint()

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
        """Close a log and remove its directory; see `delete_all`."""
        self.delete_all([topic_partition])

    def delete_all(self, topic_partitions: Collection[TopicPartition]) -> None:
        """Close logs and remove their directories; not an error where there is none.

        Raises:
            LogStorageError: The disk refused; as much as could be was removed all the same.
        """
        with self._mutex:
            logs = [self._logs.pop(each) for each in topic_partitions if each in self._logs]
            if not logs:
                return
            self._checkpoints.forget_cleaned(topic_partitions)
            failures: list[FileSystemError] = []
            doomed = [path for log in logs if (path := self._set_aside(log, failures))]
            # Once the new names are on the disk the logs are gone, however far the removal gets.
            _attempt(failures, self.fs.flush_dir, self.data_dir)
            for path in doomed:
                _attempt(failures, self.fs.remove_tree, path)
            # Last, since it takes room, which on a full disk the removal has to make.
            _attempt(failures, lambda _: self.checkpoint(), "")
            if failures:
                raise LogStorageError(
                    f"{logs[0].topic_partition}: the log cannot be removed: {failures[0]}",
                    logs[0].topic_partition,
                ) from failures[0]

    def _set_aside(self, log: PartitionLog, failures: list[FileSystemError]) -> str | None:
        """Close a log and give its directory a name under which it is not found any more."""
        log.abandon()
        doomed = self._path(doomed_name(log.topic_partition))
        try:
            self.fs.rename(log.directory, doomed)
        except FileSystemError as error:
            if self.fs.exists(log.directory):  # else somebody has removed it already
                failures.append(error)
            return None
        return doomed

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

    def clean_up(self, *, compacted: bool | None = None) -> int:
        """Apply retention and compaction to every log; forget silent producers.

        A log that is damaged or that the disk refuses to clean is left as it is, with a logged
        error; the others are cleaned all the same. On a full disk compaction, which needs room,
        fails, and retention makes room.

        Args:
            compacted: Only logs that are compacted (True), or only those that are not (False).

        Returns:
            The bytes that were freed.
        """
        now_ms = self.clock.time_ms()
        removed = 0
        for log in self.partitions():
            if compacted is not None and compacted is not log.config.is_compacted:
                continue
            for work in (self._compact, delete_old_segments):
                if self._stopping.is_set():
                    return removed
                try:
                    removed += work(log, now_ms)
                except (LogError, FileSystemError) as error:
                    logger.error("%s", error)
            with log.lock:
                log.producers.expire(now_ms)
        if removed:
            self.checkpoint()
        return removed

    def stop_upkeep(self) -> None:
        """Have a `clean_up` under way on another thread, and later ones, end soon."""
        self._stopping.set()

    def _compact(self, log: PartitionLog, now_ms: int) -> int:
        if not log.config.is_compacted:
            return 0
        checkpoint = self._checkpoints.cleaned(log.topic_partition)
        done = clean(log, checkpoint, now_ms, stopping=self._stopping)
        if done is None:
            return 0
        self._checkpoints.set_cleaned(log, done.end_offset)
        self.checkpoint()
        return done.bytes_before - done.bytes_after

    def checkpoint(self) -> None:
        """Write recovery points and log start offsets where they changed."""
        self._checkpoints.write()

    def _path(self, name: str) -> str:
        return f"{self.data_dir}/{name}"


def _attempt(failures: list[FileSystemError], function: Callable[[str], None], path: str) -> None:
    try:
        function(path)
    except FileSystemError as error:
        failures.append(error)
