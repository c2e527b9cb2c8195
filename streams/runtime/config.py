"""Settings of a streams application, by Python's names and by Kafka's.

| keyword | Kafka | default |
|---|---|---|
| `application_id` | `application.id` | – |
| `brokers` | `bootstrap.servers` | `embedded` |
| `commit_interval` | `commit.interval.ms` | 100 ms (Kafka: 30 s, or 100 ms with exactly-once) |
| `cache_max_bytes` | `statestore.cache.max.bytes` | 10 MiB |
| `state_dir` | `state.dir` | `<data_dir>/state`, else a folder for temporary files |
| `poll_ms` | `poll.ms` | 100 |
| `metadata_max_age_ms` | `metadata.max.age.ms` | 300,000 |
| `max_task_idle_ms` | `max.task.idle.ms` | 0 |
| `buffered_records_per_partition` | `buffered.records.per.partition` | 50,000 (Kafka: 1,000) |
| `on_error` | the three handlers | `fail`; `skip` with a `dead_letter_topic` |
| `on_deserialization_error` | `deserialization.exception.handler` | `on_error` |
| `on_processing_error` | `processing.exception.handler` | `on_error` |
| `on_production_error` | `production.exception.handler` | `on_error` |
| `dead_letter_topic` | `errors.dead.letter.queue.topic.name` | – |
| `processor_wrapper` | `processor.wrapper.class` | – |
| `topology_optimization` | `topology.optimization` | `none` |
| `schema_registry` | `schema.registry.url` | – |
| `dsl_store_suppliers` | `dsl.store.suppliers.class` | `rocksdb` |
| `rocksdb_options` | `rocksdb.config.setter` | – |
| `strict_naming` | `ensure.explicit.internal.resource.naming` | False |
"""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from aliran.core.durations import Duration, to_ms
from aliran.core.errors import ConfigError
from aliran.serdes.providers import SerdeProvider
from aliran.storage.state import RocksDBOptions
from aliran.streams.handlers import ErrorHandler, ErrorHandlers
from aliran.streams.plan.naming import check_name
from aliran.streams.plan.optimization import chosen_optimizations
from aliran.streams.processor import ProcessorWrapper
from aliran.streams.store_suppliers import DslStoreSuppliers, suppliers_of

EMBEDDED = "embedded"

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
    "metadata.max.age.ms": "metadata_max_age_ms",
    "buffered.records.per.partition": "buffered_records_per_partition",
    "deserialization.exception.handler": "on_deserialization_error",
    "processing.exception.handler": "on_processing_error",
    "production.exception.handler": "on_production_error",
    "errors.dead.letter.queue.topic.name": "dead_letter_topic",
    "processor.wrapper.class": "processor_wrapper",
    "dsl.store.suppliers.class": "dsl_store_suppliers",
    "default.dsl.store": "dsl_store_suppliers",
    "rocksdb.config.setter": "rocksdb_options",
    "ensure.explicit.internal.resource.naming": "strict_naming",
    "topology.optimization": "topology_optimization",
    "schema.registry.url": "schema_registry",
    "processing.guarantee": "processing_guarantee",
    "default.timestamp.extractor": "default_timestamp_extractor",
    "replication.factor": "replication_factor",
    "auto.offset.reset": "auto_offset_reset",
    "__emit.interval.ms.kstreams.outer.join.spurious.results.fix__": "outer_join_emit_interval_ms",
    "__emit.interval.ms.kstreams.windowed.aggregation__": "window_emit_interval_ms",
}

_NOT_NEGATIVE = (
    "cache_max_bytes",
    "buffered_records_per_partition",
    "poll_ms",
    "outer_join_emit_interval_ms",
    "window_emit_interval_ms",
)

_NUMBERS = (
    "buffered_records_per_partition",
    "cache_max_bytes",
    "max_task_idle_ms",
    "metadata_max_age_ms",
    "poll_ms",
    "replication_factor",
    "outer_join_emit_interval_ms",
    "window_emit_interval_ms",
)
"""Settings that may come as texts, as Kafka's properties do."""

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
            counts it and goes on. Where it is not set it is `skip` with a `dead_letter_topic`
            (Kafka: fail all the same), else `fail`.
        on_deserialization_error: Called with (context, record, error) when a record cannot be
            read; returns what to do. Or `fail`, or `skip`. See `streams/handlers.py`.
        on_processing_error: The same when a function or processor raises.
        on_production_error: The same when a record cannot be serialised or written.
        dead_letter_topic: Where records go that could not be handled, with headers saying why.
        processor_wrapper: `wrapper(node name, supplier)` returns the supplier to use instead, for
            every processor there is, operators of the DSL among them (KIP-1112).
        topology_optimization: `none`, `all`, or some of `reuse.ktable.source.topics`,
            `merge.repartition.topics` and `single.store.self.join`. `App` heeds it by itself, else
            it must be given to `StreamsBuilder.build` as well, as in Kafka. An application that
            has state cannot change it without being reset.
        schema_registry: Address of a schema registry, `http://host:8081`: values and keys whose
            type is a class with fields are written as Avro, with schemas registered there. Or what
            gives serdes for such classes, as `RegistrySerdes(url, JsonSchemaSerde)` does.
        strict_naming: Refuse stores and internal topics without a name of yours (KIP-1111).
        dsl_store_suppliers: Which stores operators get that are told nothing else: `rocksdb`,
            `in_memory`, or a `DslStoreSuppliers`.
        rocksdb_options: Settings of RocksDB for all stores that have none of their own. Kafka:
            `RocksDBConfigSetter`.
        default_key: Type or serde of keys that nothing else says.
        default_value: The same for values.
        default_timestamp_extractor: For sources that name none.
        auto_offset_reset: Where to begin without a committed offset: `earliest` or `latest`.
        max_task_idle_ms: How long to wait for a partition without records before others are
            processed out of order; -1 not at all. While records are known to be there, always.
        buffered_records_per_partition: A partition is paused while more records than this wait.
        metadata_max_age_ms: On a cluster, how often to look for topics that have come or gone or
            grown; the embedded broker is asked all the time.
        poll_ms: How long to wait for records at a time.
        processing_guarantee: Only `at_least_once`. (With the embedded broker the state and the
            internal topics are exactly-once all the same.)
        replication_factor: Of internal topics on a cluster; -1 for the brokers' default.
        outer_join_emit_interval_ms: Wall-clock time between two looks of a left or outer join of
            streams for records whose window has closed without a match; 0 for no throttling.
        window_emit_interval_ms: Wall-clock time between two looks of an aggregation that emits on
            window close for windows that have closed; 0 for no throttling.
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
    on_error: Literal["fail", "skip"] | None = None
    on_deserialization_error: ErrorHandler | Any = None
    on_processing_error: ErrorHandler | Any = None
    on_production_error: ErrorHandler | Any = None
    dead_letter_topic: str | None = None
    processor_wrapper: ProcessorWrapper | None = None
    topology_optimization: str | Iterable[str] = "none"
    schema_registry: str | SerdeProvider | None = None
    strict_naming: bool = False
    dsl_store_suppliers: DslStoreSuppliers | type[DslStoreSuppliers] | str = "rocksdb"
    rocksdb_options: RocksDBOptions | None = None
    default_key: Any = str
    default_value: Any = str
    default_timestamp_extractor: Callable[..., int] | None = None
    auto_offset_reset: Literal["earliest", "latest"] = "earliest"
    max_task_idle_ms: int = 0
    metadata_max_age_ms: int = 300_000
    buffered_records_per_partition: int = 50_000
    poll_ms: int = 100
    processing_guarantee: str = "at_least_once"
    replication_factor: int = -1
    outer_join_emit_interval_ms: int = 1000
    window_emit_interval_ms: int = 1000
    broker_config: Mapping[str, Any] = field(default_factory=dict)
    client: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name(self.application_id, "application id")
        if self.on_error is not None:
            _one_of("on_error", self.on_error, ("fail", "skip"))
        if self.dead_letter_topic is not None:
            check_name(self.dead_letter_topic, "dead-letter topic")
        _ = self.handlers  # which complains of what is no handler
        suppliers_of(self.dsl_store_suppliers)
        if not isinstance(self.rocksdb_options, RocksDBOptions | None):
            raise ConfigError(
                f"rocksdb_options={self.rocksdb_options!r} must be a RocksDBOptions, or None"
            )
        _ = self.optimizations  # likewise
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
    def handlers(self) -> ErrorHandlers:
        """The error handlers.

        Raises:
            ConfigError: One of the settings is no handler.
        """
        return ErrorHandlers.of(
            self.on_error or ("fail" if self.dead_letter_topic is None else "skip"),
            deserialization=self.on_deserialization_error,
            processing=self.on_processing_error,
            production=self.on_production_error,
            dead_letter_topic=self.dead_letter_topic,
        )

    @property
    def optimizations(self) -> frozenset[str]:
        """Names of the topology optimisations that are on.

        Raises:
            ConfigError: There is no such optimisation.
        """
        return chosen_optimizations(self.topology_optimization)

    @property
    def is_embedded(self) -> bool:
        """Whether the broker runs in this process."""
        return self.brokers == EMBEDDED

    @property
    def topic_interval_ms(self) -> int:
        """Time between looks for other topics in milliseconds."""
        return min(self.metadata_max_age_ms, 100) if self.is_embedded else self.metadata_max_age_ms

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
        if isinstance(values.get("strict_naming"), str):  # as Kafka's properties
            _one_of("strict_naming", values["strict_naming"], ("true", "false"))
            values["strict_naming"] = values["strict_naming"] == "true"
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
