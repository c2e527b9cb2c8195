"""StreamsBuilder: where every topology of the DSL begins."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, overload

from aliran.serdes import SerdeLike, serde_for
from aliran.streams.dsl.config_objects import (
    Consumed,
    Materialized,
    NameLike,
    OffsetReset,
    with_keywords,
)
from aliran.streams.dsl.expiry import expiring_store
from aliran.streams.dsl.global_builder import GlobalBuilder, suffixed, topic_names
from aliran.streams.dsl.kstream import KStream
from aliran.streams.dsl.ktable import KTable
from aliran.streams.dsl.places import Dsl, Place, key_value_store
from aliran.streams.errors import TopologyError
from aliran.streams.plan.graph import SourcePlan, TablePlan
from aliran.streams.plan.naming import check_name
from aliran.streams.plan.operators import AnyFunction, StoreSpec
from aliran.streams.plan.optimization import plan_changes
from aliran.streams.plan.patterns import check_pattern
from aliran.streams.runtime.config import StreamsConfig

if TYPE_CHECKING:
    from aliran.streams.plan.describe import TopologyDescription
    from aliran.streams.plan.topology import Topology

K = TypeVar("K")
V = TypeVar("V")

Topics = str | Iterable[str] | re.Pattern[str]


class StreamsBuilder(GlobalBuilder):
    """Builds a topology from streams and tables. Kafka: `StreamsBuilder`.

    >>> builder = StreamsBuilder()
    >>> builder.stream("words", value=str).map_values(str.upper).to("shouted")
    >>> print(builder.build().describe())
    Topologies:
       Sub-topology: 0
        Source: KSTREAM-SOURCE-0000000000 (topics: [words])
          --> KSTREAM-MAPVALUES-0000000001
        Processor: KSTREAM-MAPVALUES-0000000001 (stores: [])
          --> KSTREAM-SINK-0000000002
          <-- KSTREAM-SOURCE-0000000000
        Sink: KSTREAM-SINK-0000000002 (topic: shouted)
          <-- KSTREAM-MAPVALUES-0000000001
    <BLANKLINE>
    <BLANKLINE>

    Args:
        default_key: Type or serde of keys that nobody says anything of.
        default_value: The same for values.
    """

    def __init__(
        self, *, default_key: SerdeLike[Any] = str, default_value: SerdeLike[Any] = str
    ) -> None:
        super().__init__(Dsl(serde_for(default_key), serde_for(default_value)))

    @overload
    def stream(
        self,
        topics: Topics,
        consumed: None = None,
        *,
        key: SerdeLike[K],
        value: SerdeLike[V],
        name: NameLike = None,
        timestamp_extractor: AnyFunction | None = None,
        offset_reset: OffsetReset | None = None,
    ) -> KStream[K, V]: ...
    @overload
    def stream(
        self,
        topics: Topics,
        consumed: None = None,
        *,
        value: SerdeLike[V],
        name: NameLike = None,
        timestamp_extractor: AnyFunction | None = None,
        offset_reset: OffsetReset | None = None,
    ) -> KStream[str, V]: ...
    @overload
    def stream(
        self,
        topics: Topics,
        consumed: None = None,
        *,
        key: SerdeLike[K],
        name: NameLike = None,
        timestamp_extractor: AnyFunction | None = None,
        offset_reset: OffsetReset | None = None,
    ) -> KStream[K, str]: ...
    @overload
    def stream(
        self,
        topics: Topics,
        consumed: None = None,
        *,
        name: NameLike = None,
        timestamp_extractor: AnyFunction | None = None,
        offset_reset: OffsetReset | None = None,
    ) -> KStream[str, str]: ...
    @overload
    def stream(
        self, topics: Topics, consumed: Consumed[K, V], **keywords: Any
    ) -> KStream[K, V]: ...
    def stream(
        self, topics: Topics, consumed: Consumed[Any, Any] | None = None, **keywords: Any
    ) -> KStream[Any, Any]:
        """Read a topic, or several, as a stream.

        Args:
            topics: Name of a topic, or names of several; or a pattern, `re.compile("orders-.*")`,
                that the whole name of a topic has to match. Topics that come later are read too.
            consumed: The keywords as an object.
            keywords: `key` and `value`: type or serde, by default the builder's (str). `name` of
                the source. `timestamp_extractor`: see
                `aliran.streams.processor.TimestampExtractor`. `offset_reset`: "earliest" or
                "latest", where to begin without a committed offset.

        Raises:
            TopologyError: A name is illegal or taken.
        """
        config = with_keywords("stream", consumed, Consumed(), **keywords)
        pattern = topics if isinstance(topics, re.Pattern) else None
        names = topic_names(topics) if pattern is None else ()
        source = self._dsl.names.processor("KSTREAM-SOURCE-", config.name)
        node = self._source(source, names, config)
        if pattern is not None:
            node = replace(node, pattern=check_pattern("stream", pattern))
        step = SourcePlan(source, node)
        self._dsl.plan.add(step)
        serdes = (node.key_serde, node.value_serde)
        return KStream(Place(self._dsl, step, *serdes, frozenset({source})))

    @overload
    def table(
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
        offset_reset: OffsetReset | None = None,
        **options: Any,
    ) -> KTable[K, V]: ...
    @overload
    def table(
        self,
        topic: str,
        consumed: None = None,
        materialized: Materialized[Any, Any] | None = None,
        *,
        value: SerdeLike[V],
        store: str | None = None,
        name: NameLike = None,
        timestamp_extractor: AnyFunction | None = None,
        offset_reset: OffsetReset | None = None,
        **options: Any,
    ) -> KTable[str, V]: ...
    @overload
    def table(
        self,
        topic: str,
        consumed: None = None,
        materialized: Materialized[Any, Any] | None = None,
        *,
        key: SerdeLike[K],
        store: str | None = None,
        name: NameLike = None,
        timestamp_extractor: AnyFunction | None = None,
        offset_reset: OffsetReset | None = None,
        **options: Any,
    ) -> KTable[K, str]: ...
    @overload
    def table(
        self,
        topic: str,
        consumed: None = None,
        materialized: Materialized[Any, Any] | None = None,
        *,
        store: str | None = None,
        name: NameLike = None,
        timestamp_extractor: AnyFunction | None = None,
        offset_reset: OffsetReset | None = None,
        **options: Any,
    ) -> KTable[str, str]: ...
    @overload
    def table(
        self,
        topic: str,
        consumed: Consumed[K, V],
        materialized: Materialized[K, V] | None = None,
        **keywords: Any,
    ) -> KTable[K, V]: ...
    def table(
        self,
        topic: str,
        consumed: Consumed[Any, Any] | None = None,
        materialized: Materialized[Any, Any] | None = None,
        *,
        store: str | None = None,
        name: NameLike = None,
        timestamp_extractor: AnyFunction | None = None,
        offset_reset: OffsetReset | None = None,
        **options: Any,
    ) -> KTable[Any, Any]:
        """Read a topic as a table of the latest value of each key.

        It is stored where it has a `store` name, or where a join looks into it.

        Args:
            topic: Name of the topic.
            consumed: How to read, as an object.
            materialized: How to store, as an object.
            store: Name of the store, to query it.
            name: Name of the table's node.
            timestamp_extractor: See `aliran.streams.processor.TimestampExtractor`.
            offset_reset: "earliest" or "latest".
            options: `key` and `value`: type or serde, by default the builder's (str); and the
                options of `Materialized`.

        Raises:
            TopologyError: A name is illegal or taken.
        """
        reading = with_keywords(
            "table",
            consumed,
            Consumed(),
            key=options.pop("key", None),
            value=options.pop("value", None),
            name=name,
            timestamp_extractor=timestamp_extractor,
            offset_reset=offset_reset,
        )
        storing = with_keywords("table", materialized, Materialized(), store=store, **options)
        names = self._dsl.names
        (read,) = topic_names([topic])
        store_name = storing.store or names.store(f"{read}-")
        source = names.processor("KSTREAM-SOURCE-", suffixed(reading.name, "-source"))
        table = names.processor("KTABLE-SOURCE-", reading.name)
        node = self._source(source, (read,), reading, storing)
        key = node.key_serde or self._dsl.default_key
        value = node.value_serde or self._dsl.default_value
        step = TablePlan(
            table, node, expiring_store(storing, key_value_store(storing, store_name, key, value))
        )
        self._dsl.plan.add(step)
        place = Place(self._dsl, step, key, value, frozenset({source}))
        return KTable.of_step(place, step, queryable=storing.store)

    def add_state_store(self, store: StoreSpec) -> StreamsBuilder:
        """Add a store for processors that name it; see `Stores`.

        Raises:
            TopologyError: Another store has that name.
        """
        if not isinstance(store, StoreSpec):
            raise TopologyError(f"add_state_store takes what Stores makes, got {store!r}")
        check_name(store.name, "store name")
        self._dsl.plan.add_store(store)
        return self

    def build(self, config: Mapping[str, Any] | StreamsConfig | None = None) -> Topology:
        """Return the topology as frozen data; the builder may go on.

        Args:
            config: Settings of the application, by Python's or Kafka's names. Only
                `topology_optimization` counts here; nothing is optimised by default.

        Raises:
            TopologyError: The parts do not fit together.
            ConfigError: A setting is unknown or impossible.
        """
        settings = StreamsConfig.from_mapping(config, application_id="any")
        return self._dsl.plan.write(plan_changes(settings.optimizations)).build()

    def describe(self) -> TopologyDescription:
        """Return the description of the topology as it stands."""
        return self.build().describe()
