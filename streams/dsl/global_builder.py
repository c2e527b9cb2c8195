"""Where global tables and stores begin; a part of `StreamsBuilder`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from aliran.serdes import SerdeLike, serde_for
from aliran.streams.dsl.config_objects import Consumed, Materialized, NameLike, with_keywords
from aliran.streams.dsl.expiry import refuse_ttl
from aliran.streams.dsl.functions import check_function, check_reading
from aliran.streams.dsl.global_table import GlobalKTable, GlobalStorePlan
from aliran.streams.dsl.places import Dsl, key_value_store, refuse_history
from aliran.streams.errors import TopologyError
from aliran.streams.plan.naming import check_name
from aliran.streams.plan.operators import AnyFunction, Custom, SourceNode, StoreSpec, TableSource

if TYPE_CHECKING:
    from aliran.streams.processor import Processor

K = TypeVar("K")
V = TypeVar("V")


class GlobalBuilder:
    """The part of `StreamsBuilder` that is about what every instance has as a whole."""

    def __init__(self, dsl: Dsl) -> None:
        self._dsl = dsl

    @overload
    def global_table(
        self,
        topic: str,
        consumed: None = None,
        materialized: Materialized[Any, Any] | None = None,
        *,
        key: SerdeLike[K],
        value: SerdeLike[V],
        store: str | None = None,
        name: NameLike = None,
        timestamp_extractor: AnyFunction | None = None,
        **options: Any,
    ) -> GlobalKTable[K, V]: ...
    @overload
    def global_table(
        self,
        topic: str,
        consumed: None = None,
        materialized: Materialized[Any, Any] | None = None,
        *,
        value: SerdeLike[V],
        store: str | None = None,
        name: NameLike = None,
        timestamp_extractor: AnyFunction | None = None,
        **options: Any,
    ) -> GlobalKTable[str, V]: ...
    @overload
    def global_table(
        self,
        topic: str,
        consumed: None = None,
        materialized: Materialized[Any, Any] | None = None,
        *,
        key: SerdeLike[K],
        store: str | None = None,
        name: NameLike = None,
        timestamp_extractor: AnyFunction | None = None,
        **options: Any,
    ) -> GlobalKTable[K, str]: ...
    @overload
    def global_table(
        self,
        topic: str,
        consumed: None = None,
        materialized: Materialized[Any, Any] | None = None,
        *,
        store: str | None = None,
        name: NameLike = None,
        timestamp_extractor: AnyFunction | None = None,
        **options: Any,
    ) -> GlobalKTable[str, str]: ...
    @overload
    def global_table(
        self,
        topic: str,
        consumed: Consumed[K, V],
        materialized: Materialized[K, V] | None = None,
        **keywords: Any,
    ) -> GlobalKTable[K, V]: ...
    def global_table(
        self,
        topic: str,
        consumed: Consumed[Any, Any] | None = None,
        materialized: Materialized[Any, Any] | None = None,
        *,
        store: str | None = None,
        key: SerdeLike[Any] | None = None,
        value: SerdeLike[Any] | None = None,
        name: NameLike = None,
        timestamp_extractor: AnyFunction | None = None,
        **options: Any,
    ) -> GlobalKTable[Any, Any]:
        """Read all partitions of a topic as a table that every instance has as a whole.

        Args:
            topic: Name of the topic, which nothing else in the topology reads.
            consumed: How to read, as an object.
            materialized: How to store, as an object.
            store: Name of the store.
            key: Type or serde of the keys, by default the builder's (str).
            value: Type or serde of the values, by default the builder's (str).
            name: Name of the table's node.
            timestamp_extractor: See `aliran.streams.processor.TimestampExtractor`.
            options: See `Materialized`; there is no changelog, the topic is one.

        Raises:
            TopologyError: A name is illegal or taken.
        """
        reading = with_keywords(
            "global_table",
            consumed,
            Consumed(),
            key=key,
            value=value,
            name=name,
            timestamp_extractor=timestamp_extractor,
        )
        storing = with_keywords(
            "global_table", materialized, Materialized(), store=store, **options
        )
        (read,) = topic_names([topic])
        store_name = storing.store or self._dsl.names.store(f"{read}-")
        refuse_history(storing, store_name, "it is a global table's")
        source, table = self._global_names(reading.name)
        node = replace(self._source(source, (read,), reading, storing), is_global=True)
        key_serde = node.key_serde or self._dsl.default_key
        value_serde = node.value_serde or self._dsl.default_value
        refuse_ttl(storing, store_name)
        spec = key_value_store(storing, store_name, key_serde, value_serde)
        self._dsl.plan.add_store(replace(spec, logging=False, caching=False))
        operator = TableSource(store_name)
        self._dsl.plan.add(GlobalStorePlan(table, node, operator, store_name))
        return GlobalKTable(store_name, key_serde, value_serde)

    def add_global_store(
        self,
        store: StoreSpec,
        topic: str,
        supplier: Callable[[], Processor[K, V, Any, Any]],
        consumed: Consumed[K, V] | None = None,
        **keywords: Any,
    ) -> Self:
        """Add a store that a processor of yours fills from all partitions of a topic.

        Every instance of the application has all of it, and every processor may read it.

        Args:
            store: What `Stores` makes; its changelog is the topic.
            topic: Name of the topic, which nothing else in the topology reads.
            supplier: Makes the processor that writes the store; what it forwards goes nowhere.
            consumed: How to read, as an object.
            keywords: Those of `Consumed`.

        Raises:
            TopologyError: A name is illegal or taken.
        """
        if not isinstance(store, StoreSpec):
            raise TopologyError(f"add_global_store takes what Stores makes, got {store!r}")
        check_function("add_global_store", "supplier()", supplier)
        reading = with_keywords("add_global_store", consumed, Consumed(), **keywords)
        source, processor = self._global_names(reading.name)
        node = replace(self._source(source, topic_names([topic]), reading), is_global=True)
        spec = replace(store, name=check_name(store.name, "store name"), logging=False)
        self._dsl.plan.add_store(replace(spec, caching=False, changelog_config={}))
        self._dsl.plan.add(GlobalStorePlan(processor, node, Custom(supplier), store.name))
        return self

    def _global_names(self, name: str | None) -> tuple[str, str]:
        names = self._dsl.names
        source = names.processor("KSTREAM-SOURCE-", suffixed(name, "-source"))
        return source, names.processor("KTABLE-SOURCE-", name)

    def _source(
        self,
        name: str,
        topics: tuple[str, ...],
        consumed: Consumed[Any, Any],
        materialized: Materialized[Any, Any] | None = None,
    ) -> SourceNode:
        check_reading(consumed.timestamp_extractor, consumed.offset_reset)
        key, value = consumed.key, consumed.value
        if materialized is not None:
            key = materialized.key if key is None else key
            value = materialized.value if value is None else value
        return SourceNode(
            name,
            topics,
            self._dsl.default_key if key is None else serde_for(key),
            self._dsl.default_value if value is None else serde_for(value),
            consumed.timestamp_extractor,
            consumed.offset_reset,
        )


def topic_names(topics: Any) -> tuple[str, ...]:
    """Return the names that `stream` was given, checked and without repetitions."""
    if isinstance(topics, str):
        return (check_name(topics, "topic name"),)
    if not isinstance(topics, Iterable):
        raise TopologyError(f"stream takes the name of a topic or several, got {topics!r}")
    topics = tuple(topics)
    for pattern in (topic for topic in topics if isinstance(topic, re.Pattern)):
        raise TopologyError(
            f"a pattern stands alone, and only stream() reads by one; got {pattern.pattern!r}"
        )
    names = tuple(check_name(topic, "topic name") for topic in topics)
    if not names:
        raise TopologyError("stream takes the name of a topic or several, got none")
    return tuple(dict.fromkeys(names))


def suffixed(name: str | None, suffix: str) -> str | None:
    """Return a name with a suffix, None for none."""
    return None if name is None else name + suffix
