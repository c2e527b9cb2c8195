"""Settings of a streams application, by Python's names and by Kafka's.

| keyword | Kafka | default |
|---|---|---|
| `application_id` | `application.id` | – |
| `brokers` | `bootstrap.servers` | `embedded` |
| `commit_interval` | `commit.interval.ms` | 100 ms (Kafka: 30 s, or 100 ms with exactly-once) |
| `cache_max_bytes` | `statestore.cache.max.bytes` | 10 MiB |
| `state_dir` | `state.dir` | `<data_dir>/state`, else a folder for temporary files |
| `poll_ms` | `poll.ms` | 100 |
| `max_task_idle_ms` | `max.task.idle.ms` | 0 |
| `buffered_records_per_partition` | `buffered.records.per.partition` | 50,000 (Kafka: 1,000) |
| `on_error` | the exception handlers | `fail`, or `skip` |
"""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from aliran.core.durations import Duration, to_ms
from aliran.core.errors import ConfigError
from aliran.streams.naming import check_name

EMBEDDED = "embedded"

_NUMBERS = (
    "buffered_records_per_partition",
    "cache_max_bytes",
    "max_task_idle_ms",
    "poll_ms",
    "replication_factor",
)

_MAY_BE_MINUS_ONE = ("max_task_idle_ms", "replication_factor")

_KAFKA_NAMES = {
    "application.id": "application_id",
    "bootstrap.servers": "brokers",
    "commit.interval.ms": "commit_interval",
    "statestore.cache.max.bytes": "cache_max_bytes",
    "cache.max.bytes.buffering": "cache_max_bytes",
    "state.dir": "state_dir",
    "poll.ms": "poll_ms",
    "max.task.idle.ms": "max_task_idle_ms",
    "buffered.records.per.partition": "buffered_records_per_partition",
    "processing.guarantee": "processing_guarantee",
    "default.timestamp.extractor": "default_timestamp_extractor",
    "replication.factor": "replication_factor",
    "auto.offset.reset": "auto_offset_reset",
}

_CLIENT_PREFIXES = ("consumer.", "main.consumer.", "restore.consumer.", "producer.", "admin.")


@dataclass(frozen=True, slots=True)
class StreamsConfig:
    """See the module; `client` holds settings for confluent-kafka.

    Attributes:
        application_id: Names the consumer group, the internal topics and the state directory.
        brokers: `embedded` for a broker in this process, or `host:port,host:port`.
        data_dir: Where an embedded broker keeps its topics, and tasks their state; None for a
            temporary directory that is removed at the end.
        listen: Address of the embedded broker; port 0 takes a free one.
        state_dir: Where tasks keep their state, if not under `data_dir`.
        commit_interval: Time between commits.
        cache_max_bytes: What the record caches of all tasks may use; 0 makes each update visible.
        on_error: `fail` stops with an error at a record that cannot be processed, `skip` logs and
            counts it and goes on.
        default_key: Type or serde of keys that nothing else says.
        default_value: The same for values.
        default_timestamp_extractor: For sources that name none.
        auto_offset_reset: Where to begin without a committed offset: `earliest` or `latest`.
        max_task_idle_ms: How long to wait for a partition without records before others are
            processed out of order; -1 not at all. While records are known to be there, always.
        buffered_records_per_partition: A partition is paused while more records than this wait.
        poll_ms: How long to wait for records at a time.
        processing_guarantee: Only `at_least_once`. (With the embedded broker the state and the
            internal topics are exactly-once all the same.)
        replication_factor: Of internal topics on a cluster; -1 for the brokers' default.
        broker_config: Settings of the embedded broker, by Kafka's names.
        client: Settings handed to confluent-kafka, by its names, prefixes as in Kafka Streams.
    """

    application_id: str
    brokers: str = EMBEDDED
    data_dir: str | None = None
    listen: str = "127.0.0.1:0"
    state_dir: str | None = None
    commit_interval: Duration = 100
    cache_max_bytes: int = 10 * 1024 * 1024
    on_error: Literal["fail", "skip"] = "fail"
    default_key: Any = str
    default_value: Any = str
    default_timestamp_extractor: Callable[..., int] | None = None
    auto_offset_reset: Literal["earliest", "latest"] = "earliest"
    max_task_idle_ms: int = 0
    buffered_records_per_partition: int = 50_000
    poll_ms: int = 100
    processing_guarantee: str = "at_least_once"
    replication_factor: int = -1
    broker_config: Mapping[str, Any] = field(default_factory=dict)
    client: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name(self.application_id, "application id")
        _one_of("on_error", self.on_error, ("fail", "skip"))
        _one_of("auto_offset_reset", self.auto_offset_reset, ("earliest", "latest"))
        if self.processing_guarantee != "at_least_once":
            raise ConfigError(
                f"processing_guarantee={self.processing_guarantee!r} is not supported yet: "
                "transactions come with a later version; leave it at 'at_least_once'"
            )
        if to_ms(self.commit_interval) < 0:
            raise ConfigError(f"commit_interval={self.commit_interval!r} must not be negative")
        for name in _NUMBERS:
            value, least = getattr(self, name), -1 if name in _MAY_BE_MINUS_ONE else 0
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ConfigError(f"{name}={value!r} must be a whole number, {least} or more")
        self._check_places()

    def _check_places(self) -> None:
        if not isinstance(self.brokers, str) or not self.brokers.strip():
            raise ConfigError(
                f"brokers={self.brokers!r} must be 'embedded', or a text 'host:port,host:port'"
            )
        for name in ("data_dir", "state_dir"):
            if not isinstance(getattr(self, name), str | os.PathLike | None):
                raise ConfigError(f"{name}={getattr(self, name)!r} must be a path, or None")
        if not isinstance(self.listen, str):
            raise ConfigError(f"listen={self.listen!r} must be 'host:port' (port 0: any)")
        extract = self.default_timestamp_extractor
        if extract is not None and not callable(extract):
            raise ConfigError(
                f"default_timestamp_extractor={extract!r} must be a function "
                "extract(record, partition_time)"
            )
        for name in ("broker_config", "client"):
            if not isinstance(getattr(self, name), Mapping):
                raise ConfigError(
                    f"{name}={getattr(self, name)!r} must be a mapping of names to values"
                )

    @property
    def is_embedded(self) -> bool:
        """Whether the broker runs in this process."""
        return self.brokers == EMBEDDED

    @property
    def commit_interval_ms(self) -> int:
        """Time between commits in milliseconds."""
        return to_ms(self.commit_interval)

    @classmethod
    def from_mapping(cls, settings: Mapping[str, Any] | Self | None, **defaults: Any) -> Self:
        """Make a configuration from keywords, Kafka's dotted names, or both.

        Raises:
            ConfigError: A name is unknown (the nearest one is suggested) or a value impossible.
        """
        if isinstance(settings, cls):
            return settings
        values: dict[str, Any] = dict(defaults)
        client: dict[str, Any] = {}
        for name, value in settings_of(settings).items():
            if name.startswith(_CLIENT_PREFIXES):
                client[name] = value
                continue
            values[_field_name(name)] = value
        if client:
            values["client"] = {**values.get("client", {}), **client}
        for name in _NUMBERS:
            if isinstance(values.get(name), str):
                values[name] = _number(name, values[name])
        if isinstance(values.get("commit_interval"), str) and values["commit_interval"].isdigit():
            values["commit_interval"] = int(values["commit_interval"])
        return cls(**values)


def settings_of(settings: object) -> Mapping[str, Any]:
    """Return `settings`, or an empty mapping for None.

    Raises:
        ConfigError: It is no mapping, or a name in it is no text.
    """
    if settings is None:
        return {}
    if not isinstance(settings, Mapping) or not all(isinstance(name, str) for name in settings):
        raise ConfigError(f"settings must be a mapping of names to values; got {settings!r}")
    return settings


def _field_name(name: str) -> str:
    fields = {each.name for each in dataclasses.fields(StreamsConfig)}
    found = _KAFKA_NAMES.get(name, name.replace(".", "_") if "." in name else name)
    if found == "commit_interval_ms":
        found = "commit_interval"
    if found in fields:
        return found
    near = difflib.get_close_matches(name, [*fields, *_KAFKA_NAMES], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ConfigError(f"there is no setting {name!r}{hint}")


def _number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ConfigError(f"{name}={text!r} must be a whole number") from None


def _one_of(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"{name}={value!r} must be one of {', '.join(allowed)}")
