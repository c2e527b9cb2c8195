"""The topics of a broker: which exist, with how many partitions and which settings.

The registry is the file `topics.json` in the data directory, rewritten atomically on each change.
It is written before the partitions of a new topic are made and after those of a deleted one are
gone, so that after a crash at any moment a start finds every topic it needs to (re)create.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

import msgspec

from aliran.broker.errors import (
    InvalidPartitionsError,
    InvalidRequestError,
    InvalidTopicError,
    TopicDeletionDisabledError,
    TopicExistsError,
    UnknownTopicError,
    UnknownTopicIdError,
)
from aliran.broker.topic_configs import effective_topic_configs, validate_topic_config
from aliran.broker.topic_names import INTERNAL_TOPICS, check_topic_name, colliding_name
from aliran.core.errors import AliranError
from aliran.core.types import TopicPartition
from aliran.storage.errors import DataDirectoryError
from aliran.storage.log import LogConfig

if TYPE_CHECKING:
    from aliran.broker.config import BrokerConfig
    from aliran.core.files import FileSystem
    from aliran.storage.log import LogManager, PartitionLog

logger: logging.Logger = logging.getLogger("aliran.broker")

_T = TypeVar("_T")
TOPICS_FILE = "topics.json"
MAX_PARTITIONS = 100_000


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it is at one moment.

    Attributes:
        name: Its name.
        topic_id: Its id; a topic deleted and created again has another one.
        partitions: How many there are, numbered from 0.
        configs: The settings made for this topic, without defaults.
        internal: Whether the broker keeps it for itself.
    """

    name: str
    topic_id: uuid.UUID
    partitions: int
    configs: Mapping[str, str]
    internal: bool

    def topic_partitions(self) -> list[TopicPartition]:
        """Return its partitions in order."""
        return [TopicPartition(self.name, number) for number in range(self.partitions)]


class _StoredTopic(msgspec.Struct):
    name: str
    topic_id: uuid.UUID
    partitions: int
    configs: dict[str, str]


class _Stored(msgspec.Struct):
    topics: list[_StoredTopic]
    version: int = 1


class TopicRegistry:
    """Creates, changes, deletes and remembers topics; thread-safe.

    Attributes:
        log_created: Called with every partition log this registry creates.
        deleted: Called with a topic after it is gone.
    """

    def __init__(
        self, logs: LogManager, fs: FileSystem, data_dir: str, config: BrokerConfig
    ) -> None:
        self._logs = logs
        self._fs = fs
        self._path = os.path.join(data_dir, TOPICS_FILE)
        self._config = config
        self._defaults = config.topic_defaults
        self._lock = threading.RLock()
        self._topics: dict[str, Topic] = {}
        self._by_id: dict[uuid.UUID, Topic] = {}
        self.log_created: Callable[[PartitionLog], None] = _ignore
        self.deleted: list[Callable[[Topic], None]] = []

    def read(self) -> None:
        """Read the registry, if there is one; the logs are opened with the settings found.

        Raises:
            DataDirectoryError: The file is damaged.
        """
        if not self._fs.exists(self._path):
            return
        try:
            stored = msgspec.json.decode(self._fs.read_bytes(self._path), type=_Stored)
        except msgspec.DecodeError as error:
            raise DataDirectoryError(
                f"{self._path} is damaged ({error}); move it away and the topics are found again "
                "from their directories, with default settings"
            ) from error
        with self._lock:
            for each in stored.topics:
                self._remember(_topic(each.name, each.topic_id, each.partitions, each.configs))

    def reconcile(self) -> None:
        """Create partitions a crash left unmade, and take over those the registry lacks."""
        with self._lock:
            self._adopt_orphans()
            for topic in self._topics.values():
                self._make_logs(topic)

    def get(self, name: str) -> Topic | None:
        """Return the topic of that name, or None."""
        return self._topics.get(name)

    def get_by_id(self, topic_id: uuid.UUID) -> Topic | None:
        """Return the topic of that id, or None."""
        return self._by_id.get(topic_id)

    def require(self, name: str) -> Topic:
        """Return the topic of that name.

        Raises:
            UnknownTopicError: There is none.
        """
        topic = self._topics.get(name)
        if topic is None:
            raise UnknownTopicError(f"there is no topic {name!r}")
        return topic

    def names(self) -> list[str]:
        """Return the names of all topics, sorted."""
        return sorted(list(self._topics))  # noqa: C414 - a copy at once: other threads add topics

    def all(self) -> list[Topic]:
        """Return all topics, sorted by name."""
        return sorted(list(self._topics.values()), key=lambda topic: topic.name)  # noqa: C414

    def create(
        self,
        name: str,
        partitions: int | None = None,
        configs: Mapping[str, str] | None = None,
        *,
        validate_only: bool = False,
    ) -> Topic:
        """Create a topic and its partitions; when this returns, both are on disk.

        Args:
            name: Letters, digits, '.', '_' and '-', at most 249.
            partitions: How many; None or -1 for the broker's `num.partitions`.
            configs: Settings by Kafka's names.
            validate_only: Only say whether it could be created.

        Raises:
            TopicExistsError: The name is taken.
            InvalidTopicError: The name is not legal.
            InvalidPartitionsError: The number is not possible.
            InvalidTopicConfigError: A setting is unknown or has an impossible value.
        """
        check_topic_name(name)
        count = self._config.num_partitions if partitions in (None, -1) else partitions
        if count is None or not 0 < count <= MAX_PARTITIONS:
            raise InvalidPartitionsError(
                f"Number of partitions was set to {count}; it must be between 1 and "
                f"{MAX_PARTITIONS}"
            )
        checked = {key: validate_topic_config(key, value) for key, value in (configs or {}).items()}
        with self._lock:
            self._check_free(name)
            topic = _topic(name, uuid.uuid4(), count, checked)
            self._log_config(topic)
            if not validate_only:
                self._put(topic)
        return topic

    def create_partitions(self, name: str, total: int, *, validate_only: bool = False) -> Topic:
        """Raise the number of partitions of a topic to `total`.

        Raises:
            UnknownTopicError: There is no such topic.
            InvalidPartitionsError: `total` is not above the present number.
        """
        with self._lock:
            topic = self.require(name)
            if total <= topic.partitions:
                verb = "would not be an increase" if total == topic.partitions else "is lower"
                raise InvalidPartitionsError(
                    f"Topic {name} currently has {topic.partitions} partitions; {total} {verb}. "
                    "The number can only be raised"
                )
            if total > MAX_PARTITIONS:
                raise InvalidPartitionsError(f"a topic may have at most {MAX_PARTITIONS}")
            grown = replace(topic, partitions=total)
            if not validate_only:
                self._put(grown)
        return grown

    def delete(self, name: str) -> Topic:
        """Delete a topic with its records, at once.

        Raises:
            UnknownTopicError: There is no such topic.
            TopicDeletionDisabledError: The broker's configuration forbids it.
            InvalidRequestError: The topic is one of the broker's own.
        """
        if not self._config.delete_topic_enable:
            raise TopicDeletionDisabledError(
                f"cannot delete {name}: delete.topic.enable is false on this broker"
            )
        with self._lock:
            topic = self.require(name)
            if topic.internal:
                raise InvalidRequestError(f"{name} belongs to the broker and cannot be deleted")
            self._forget(topic)
            failures: list[AliranError] = []
            _attempt(failures, self._logs.delete_all, topic.topic_partitions())
            _attempt(failures, self._save, self._topics)
        # Whatever failed, the topic is gone: nobody may go on waiting for it, and what groups
        # committed must not hold for a later topic of that name.
        for callback in self.deleted:
            _attempt(failures, callback, topic)
        if failures:
            raise failures[0]
        return topic

    def name_of(self, topic_id: uuid.UUID) -> str:
        """Return the name of the topic with that id.

        Raises:
            UnknownTopicIdError: No topic has it.
        """
        topic = self._by_id.get(topic_id)
        if topic is None:
            raise UnknownTopicIdError(f"no topic has the id {topic_id}")
        return topic.name

    def alter_configs(
        self, name: str, configs: Mapping[str, str], *, validate_only: bool = False
    ) -> Topic:
        """Replace the settings of a topic by `configs`; what is not named falls to its default.

        Raises:
            UnknownTopicError: There is no such topic.
            InvalidTopicConfigError: A setting is unknown or has an impossible value.
        """
        checked = {key: validate_topic_config(key, value) for key, value in configs.items()}
        with self._lock:
            topic = self.require(name)
            changed = replace(topic, configs=MappingProxyType(checked))
            log_config = self._log_config(changed)
            if not validate_only:
                self._save({**self._topics, name: changed})
                self._remember(changed)
                for topic_partition in changed.topic_partitions():
                    log = self._logs.get(topic_partition)
                    if log is not None:
                        log.config = log_config
        return changed

    def effective_configs(self, topic: Topic) -> dict[str, str]:
        """Return every setting of `topic` with the value that holds."""
        return effective_topic_configs(topic.configs, self._defaults)

    def log_config(self, name: str) -> LogConfig:
        """Return the settings for the logs of a topic, the defaults if it is not known."""
        topic = self._topics.get(name)
        return LogConfig.from_dotted(
            effective_topic_configs({} if topic is None else topic.configs, self._defaults)
        )

    def _log_config(self, topic: Topic) -> LogConfig:
        return LogConfig.from_dotted(self.effective_configs(topic))

    def _check_free(self, name: str) -> None:
        if name in self._topics:
            raise TopicExistsError(f"Topic '{name}' already exists.")
        other = colliding_name(name, self._topics)
        if other is not None:
            raise InvalidTopicError(
                f"Topic '{name}' collides with existing topic: {other} ('.' and '_' count as the "
                "same, since metric names cannot tell them apart)"
            )

    def _remember(self, topic: Topic) -> None:
        self._topics[topic.name] = topic
        self._by_id[topic.topic_id] = topic

    def _forget(self, topic: Topic) -> None:
        self._topics.pop(topic.name, None)
        self._by_id.pop(topic.topic_id, None)

    def _make_logs(self, topic: Topic) -> None:
        partitions = topic.topic_partitions()
        known = {each for each in partitions if self._logs.get(each) is not None}
        # also for known ones: a crash may have left a directory without the topic's id
        for log in self._logs.create_all(partitions, self._log_config(topic), topic.topic_id):
            if log.topic_partition not in known:
                self.log_created(log)

    def _adopt_orphans(self) -> None:
        counts: dict[str, int] = {}
        ids: dict[str, uuid.UUID] = {}
        for log in self._logs.partitions():
            topic_partition = log.topic_partition
            if topic_partition.topic not in self._topics:
                if log.topic_id is None and not log.log_end_offset:
                    self._logs.delete(topic_partition)  # of a topic that was never made whole
                    continue
                count = max(counts.get(topic_partition.topic, 0), topic_partition.partition + 1)
                counts[topic_partition.topic] = count
                if log.topic_id is not None:
                    ids[topic_partition.topic] = log.topic_id
        for name, count in sorted(counts.items()):
            logger.warning(
                "topic %s is not in %s; taken over from its directories with %d partitions and "
                "default settings",
                name,
                self._path,
                count,
            )
            self._remember(_topic(name, ids.get(name) or uuid.uuid4(), count, {}))
        if counts:
            self._save(self._topics)

    def _put(self, topic: Topic) -> None:
        """Write a new or grown topic down, make its partitions, then let everybody see it."""
        before = self._topics.get(topic.name)
        self._save({**self._topics, topic.name: topic})
        try:
            self._make_logs(topic)
        except BaseException:
            first_new = 0 if before is None else before.partitions
            with contextlib.suppress(AliranError):  # the first error is the one to report
                self._logs.delete_all(topic.topic_partitions()[first_new:])
            with contextlib.suppress(AliranError):
                self._save(self._topics)
            raise
        self._remember(topic)

    def _save(self, topics: Mapping[str, Topic]) -> None:
        stored = _Stored(
            [
                _StoredTopic(each.name, each.topic_id, each.partitions, dict(each.configs))
                for each in topics.values()
            ]
        )
        self._fs.write_atomic(self._path, msgspec.json.encode(stored))


def _topic(name: str, topic_id: uuid.UUID, partitions: int, configs: Mapping[str, str]) -> Topic:
    return Topic(
        name, topic_id, partitions, MappingProxyType(dict(configs)), name in INTERNAL_TOPICS
    )


def _ignore(log: PartitionLog) -> None:
    del log


def _attempt(failures: list[AliranError], function: Callable[[_T], object], argument: _T) -> None:
    try:
        function(argument)
    except AliranError as error:
        failures.append(error)
