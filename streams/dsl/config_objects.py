"""Kafka's configuration classes, for those who want them: all they hold is a keyword as well.

Where a method gets both, the keywords win.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Generic, Literal, TypedDict, TypeVar

from aliran.core.durations import Duration
from aliran.serdes import SerdeLike
from aliran.streams.errors import TopologyError
from aliran.streams.plan.naming import check_name
from aliran.streams.plan.operators import AnyFunction, StoreSpec

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from aliran.storage.state import RocksDBOptions

K = TypeVar("K")
V = TypeVar("V")
VO = TypeVar("VO")

OffsetReset = Literal["earliest", "latest"]


@dataclass(frozen=True, kw_only=True)
class Consumed(Generic[K, V]):
    """How a source reads. Kafka: `Consumed`.

    Attributes:
        key: Type or serde of the keys.
        value: Type or serde of the values.
        timestamp_extractor: See `aliran.streams.processor.TimestampExtractor`.
        offset_reset: Where to begin without a committed offset.
        name: Name of the source.
    """

    key: SerdeLike[K] | None = None
    value: SerdeLike[V] | None = None
    timestamp_extractor: AnyFunction | None = None
    offset_reset: OffsetReset | None = None
    name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Produced(Generic[K, V]):
    """How a sink writes. Kafka: `Produced`.

    Attributes:
        key: Type or serde of the keys.
        value: Type or serde of the values.
        partitioner: `partitioner(topic, key, value, partition_count) -> int | None`.
        name: Name of the sink.
    """

    key: SerdeLike[K] | None = None
    value: SerdeLike[V] | None = None
    partitioner: AnyFunction | None = None
    name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Grouped(Generic[K, V]):
    """How a stream is grouped. Kafka: `Grouped`.

    Attributes:
        key: Type or serde of the new keys.
        value: Type or serde of the values.
        name: Names the processor and, with `-repartition` behind it, the repartition topic.
    """

    key: SerdeLike[K] | None = None
    value: SerdeLike[V] | None = None
    name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Joined(Generic[K, V, VO]):
    """How a stream and a table are joined. Kafka: `Joined`.

    Attributes:
        key: Type or serde of the keys.
        value: Type or serde of the stream's values.
        other_value: Type or serde of the table's values; the table knows them already.
        name: Names the join and, with `-repartition` behind it, the repartition topic.
        grace: How long, in stream time, each record waits for the table to catch up (KIP-923);
            for versioned tables, and no longer than their history. Not at all by default.
    """

    key: SerdeLike[K] | None = None
    value: SerdeLike[V] | None = None
    other_value: SerdeLike[VO] | None = None
    name: str | None = None
    grace: Duration | None = None


@dataclass(frozen=True, kw_only=True)
class Repartitioned(Generic[K, V]):
    """How a stream is repartitioned. Kafka: `Repartitioned`.

    Attributes:
        name: Names the topic: `<application id>-<name>-repartition`.
        partitions: Number of partitions; None for as many as the topics it comes from.
        key: Type or serde of the keys.
        value: Type or serde of the values.
        partitioner: `partitioner(topic, key, value, partition_count) -> int | None`.
    """

    name: str | None = None
    partitions: int | None = None
    key: SerdeLike[K] | None = None
    value: SerdeLike[V] | None = None
    partitioner: AnyFunction | None = None


@dataclass(frozen=True, kw_only=True)
class Materialized(Generic[K, V]):
    """How a table is stored. Kafka: `Materialized`.

    Attributes:
        store: Name of the store; it can then be queried.
        key: Type or serde of the keys.
        value: Type or serde of the values.
        persistent: On RocksDB (default), else in memory.
        logging: Whether updates go to a changelog topic (default).
        caching: Whether updates are held back until commit; None for the application's default.
        retention: How long windows are kept; by default their size and grace.
        history_retention: Makes the table versioned (KIP-889): its store knows what the value of a
            key was at a time, so long ago. Not for windows; such stores need a name and are never
            cached. Kafka: `Stores.persistentVersionedKeyValueStore`.
        store_supplier: What `Stores` makes, to keep a table in: a versioned store with segments of
            your own, one of the last used keys, one of windows or sessions that are kept longer,
            or one of your own making. It names the store. Kafka: `Materialized.as(supplier)`.
        changelog_config: Topic settings of the changelog, by Kafka's dotted names.
        dsl_store_suppliers: Chooses the store, see `DslStoreSuppliers`; by default the
            application's setting of that name. Kafka: `Materialized.as(dslStoreSuppliers)`.
        rocksdb_options: Settings of RocksDB for this store. Kafka: `RocksDBConfigSetter`.
        ttl: How long a row of a table, or of an aggregation without windows, lives in stream time
            after its last update; for ever by default. Not Kafka's, see docs/extensions.md.
    """

    store: str | None = None
    key: SerdeLike[K] | None = None
    value: SerdeLike[V] | None = None
    persistent: bool | None = None
    logging: bool | None = None
    caching: bool | None = None
    retention: Duration | None = None
    history_retention: Duration | None = None
    store_supplier: StoreSpec | None = None
    changelog_config: Mapping[str, str] | None = None
    dsl_store_suppliers: Any = None
    rocksdb_options: RocksDBOptions | None = None
    ttl: Duration | None = None


@dataclass(frozen=True)
class Named:
    """The name of a processor. Kafka: `Named`. Wherever one fits, a plain text does too."""

    name: str


class StoreOptions(TypedDict, total=False):
    """The keywords of `Materialized` that hardly anybody needs, each explained there."""

    persistent: bool
    logging: bool
    caching: bool
    retention: Duration
    history_retention: Duration
    store_supplier: StoreSpec
    changelog_config: Mapping[str, str]
    dsl_store_suppliers: Any
    rocksdb_options: RocksDBOptions
    ttl: Duration


class KeyedStoreOptions(StoreOptions, total=False):
    """The same, and the type or serde of keys where nothing in front knows it."""

    key: Any


NameLike = str | Named | None
"""A name, or None for an automatic one."""

C = TypeVar("C", bound="DataclassInstance")


def text_of(name: NameLike) -> str | None:
    """Return the text of a name."""
    return name.name if isinstance(name, Named) else name


def with_keywords(method: str, config: C | None, default: C, **keywords: Any) -> C:
    """Return `config`, or `default` where it is None, with all keywords that are not None.

    Raises:
        TopologyError: The object is of another class, which hints at a forgotten keyword.
    """
    kind = type(default)
    if config is not None and not isinstance(config, kind):
        raise TopologyError(
            f"{method} takes a {kind.__name__} here, got {config!r}: "
            f"pass it by its keyword ({', '.join(keywords)})"
        )
    given = {name: value for name, value in keywords.items() if value is not None}
    if "name" in given:
        given["name"] = text_of(given["name"])
    known = [each.name for each in fields(default)]
    for name in given:
        if name not in known:
            raise TopologyError(
                f"{method} has no keyword {name!r}; it takes {', '.join(known)} here"
            )
    made = replace(default if config is None else config, **given)
    _check_values(method, made)
    return _named(method, made) if isinstance(made, Materialized) else made


def _check_values(method: str, config: Any) -> None:
    for attribute, what in (("name", "processor name"), ("store", "store name")):
        name = getattr(config, attribute, None)
        if name is not None:
            check_name(name, what)
    for attribute in ("persistent", "logging", "caching"):
        check_switch(method, attribute, getattr(config, attribute, None))


def check_switch(method: str, name: str, value: object) -> None:
    """Refuse what is neither True nor False, such as a text: "false" is true in Python.

    Raises:
        TopologyError: The value is neither, nor None.
    """
    if value not in (None, True, False):
        raise TopologyError(f"{method}: {name}= is True or False, got {value!r}")


def _named(method: str, config: Any) -> Any:
    """Return a `Materialized` with the name of its store, where it says what that is to be."""
    spec, store = config.store_supplier, config.store
    if spec is None:
        if config.history_retention is None or store is not None:
            return config
        raise TopologyError(
            f"{method} with history_retention= makes a versioned table, whose store needs a name: "
            "pass store= as well"
        )
    if not isinstance(spec, StoreSpec):
        raise TopologyError(f"{method} takes what Stores makes as store_supplier=, got {spec!r}")
    if store not in (None, spec.name) or config.history_retention is not None:
        raise TopologyError(
            f"{method} is given the store {spec.name!r} by store_supplier=, which says its "
            "name and its history: leave store= and history_retention= out"
        )
    return replace(config, store=spec.name)
