"""KStream: a stream of records, each a fact of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from aliran.serdes import SerdeLike
from aliran.streams.dsl import inference
from aliran.streams.dsl.config_objects import (
    Grouped,
    Materialized,
    NameLike,
    Produced,
    Repartitioned,
    StoreOptions,
    text_of,
    with_keywords,
)
from aliran.streams.dsl.expiry import expiring_store
from aliran.streams.dsl.functions import check_function, check_partitioner
from aliran.streams.dsl.grouped import KGroupedStream
from aliran.streams.dsl.kstream_joins import KStreamJoins
from aliran.streams.dsl.ktable import KTable, StreamToTablePlan
from aliran.streams.dsl.places import Place, behind_repartition, key_value_store, new_repartition
from aliran.streams.errors import TopologyError
from aliran.streams.plan.graph import ProcessorPlan, SinkPlan
from aliran.streams.plan.naming import check_name
from aliran.streams.plan.operators import (
    AnyFunction,
    Custom,
    SelectKey,
    SinkNode,
    StoreSpec,
)
from aliran.streams.plan.topology_builder import supplied_stores

if TYPE_CHECKING:
    from typing import Unpack

    from aliran.streams.processor import FixedKeyProcessor, Processor

K = TypeVar("K")
V = TypeVar("V")
K2 = TypeVar("K2")
V2 = TypeVar("V2")


class KStream(KStreamJoins[K, V]):
    """A stream of records with keys of type K and values of type V. Kafka: `KStream`.

    Streams are not made by hand: `StreamsBuilder.stream` gives the first, operators give others.
    A stream may be used several times; each use sees all records.
    """

    def to(
        self,
        topic: str | Callable[[K, V, Any], str],
        produced: Produced[K, V] | None = None,
        *,
        key: SerdeLike[K] | None = None,
        value: SerdeLike[V] | None = None,
        partitioner: AnyFunction | None = None,
        name: NameLike = None,
    ) -> None:
        """Write the records to a topic; this stream ends here.

        Args:
            topic: The topic, or `topic(key, value, context)` to choose it for each record, where
                `context` is the record's `RecordMetadata`.
            produced: The keywords as an object.
            key: Type or serde of the keys, where it is not known.
            value: Type or serde of the values, where it is not known.
            partitioner: `partitioner(topic, key, value, partition_count)` chooses the partition,
                or several; an empty list drops the record, None goes by the key (KIP-837).
            name: Name of the sink.
        """
        if isinstance(topic, str):
            check_name(topic, "topic name")
        else:
            check_function("to", "topic(key, value, context)", topic)
        config = with_keywords(
            "to", produced, Produced(), key=key, value=value, partitioner=partitioner, name=name
        )
        place = self._place
        check_partitioner("to", config.partitioner)
        sink = place.dsl.names.processor("KSTREAM-SINK-", config.name)
        serdes = place.key_or_default(config.key), place.value_or_default(config.value)
        node = SinkNode(sink, topic, (place.name,), *serdes, config.partitioner)
        place.dsl.plan.add(SinkPlan(sink, node), place.step)

    def repartition(
        self,
        repartitioned: Repartitioned[K, V] | None = None,
        *,
        name: NameLike = None,
        partitions: int | None = None,
        key: SerdeLike[K] | None = None,
        value: SerdeLike[V] | None = None,
        partitioner: AnyFunction | None = None,
    ) -> KStream[K, V]:
        """Send the records through an internal topic, so that equal keys meet in one task.

        Args:
            repartitioned: The keywords as an object.
            name: The topic becomes `<application id>-<name>-repartition`.
            partitions: Its number of partitions; None for as many as the topics in front.
            key: Type or serde of the keys, where it is not known.
            value: Type or serde of the values, where it is not known.
            partitioner: `partitioner(topic, key, value, partition_count)` chooses the partition.
        """
        config = with_keywords(
            "repartition",
            repartitioned,
            Repartitioned(),
            name=name,
            partitions=partitions,
            key=key,
            value=value,
            partitioner=partitioner,
        )
        count = config.partitions
        if count is not None and not (isinstance(count, int) and count >= 1):
            raise TopologyError(f"repartition needs at least 1 partition, got {count!r}")
        check_partitioner("repartition", config.partitioner)
        dsl = self._place.dsl
        prefix = config.name or dsl.names.processor("KSTREAM-REPARTITION-")
        step = new_repartition(
            self._place,
            check_name(prefix),
            key=config.key,
            value=config.value,
            partitions=config.partitions,
            partitioner=config.partitioner,
        )
        step.explicit = True
        dsl.plan.add(step, self._place.step)
        return KStream(behind_repartition(self._place, step))

    def group_by(
        self,
        mapper: Callable[[K, V], K2],
        grouped: Grouped[K2, V] | None = None,
        *,
        key: SerdeLike[K2] | None = None,
        value: SerdeLike[V] | None = None,
        name: NameLike = None,
    ) -> KGroupedStream[K2, V]:
        """Group the records by a new key, through a repartition topic.

        Args:
            mapper: `mapper(key, value)` returns the new key; None drops the record.
            grouped: The keywords as an object.
            key: Type or serde of the new keys, where it is not known.
            value: Type or serde of the values, where it is not known.
            name: Names the processor and, with `-repartition` behind it, the topic.
        """
        check_function("group_by", "mapper(key, value)", mapper)
        config = with_keywords("group_by", grouped, Grouped(), key=key, value=value, name=name)
        step = self._place.append("KSTREAM-KEY-SELECT-", SelectKey(mapper), config.name)
        serde = inference.value_serde(mapper)
        place = self._place.at(step, key_serde=serde, needs_repartition=True)
        return KGroupedStream(_grouped_place(place, config), config.name)

    def group_by_key(
        self,
        grouped: Grouped[K, V] | None = None,
        *,
        key: SerdeLike[K] | None = None,
        value: SerdeLike[V] | None = None,
        name: NameLike = None,
    ) -> KGroupedStream[K, V]:
        """Group the records by the key they have; repartitions only where keys may have changed.

        Args:
            grouped: The keywords as an object.
            key: Type or serde of the keys, where it is not known.
            value: Type or serde of the values, where it is not known.
            name: Names the repartition topic, if there is one.
        """
        config = with_keywords("group_by_key", grouped, Grouped(), key=key, value=value, name=name)
        return KGroupedStream(_grouped_place(self._place, config), config.name)

    def to_table(
        self,
        materialized: Materialized[K, V] | None = None,
        *,
        key: SerdeLike[K] | None = None,
        value: SerdeLike[V] | None = None,
        store: str | None = None,
        name: NameLike = None,
        **options: Unpack[StoreOptions],
    ) -> KTable[K, V]:
        """Take the records as updates: the table holds the last value of each key.

        Args:
            materialized: Store, key, value and options as an object.
            key: Type or serde of the keys, where it is not known.
            value: Type or serde of the values, where it is not known.
            store: Name of the table's store, to query it.
            name: Name of the processor.
            options: See `Materialized`.
        """
        config = with_keywords(
            "to_table", materialized, Materialized(), store=store, key=key, value=value, **options
        )
        dsl, place = self._place.dsl, self._place
        processor = dsl.names.processor("KSTREAM-TOTABLE-", text_of(name))
        store_name = config.store or dsl.names.store("KSTREAM-TOTABLE-")
        key_serde = place.key_or_default(config.key)
        value_serde = place.value_or_default(config.value)
        if place.needs_repartition:
            repartition = new_repartition(place, processor, key=key_serde, value=value_serde)
            dsl.plan.add(repartition, place.step)
            place = behind_repartition(place, repartition)
        step = StreamToTablePlan(
            processor,
            spec=expiring_store(
                config, key_value_store(config, store_name, key_serde, value_serde)
            ),
        )
        dsl.plan.add(step, place.step)
        table_place = place.at(step, key_serde=key_serde, value_serde=value_serde)
        return KTable.of_step(table_place, step, queryable=config.store)

    def process(
        self,
        supplier: Callable[[], Processor[K, V, K2, V2]],
        *stores: str | StoreSpec,
        name: NameLike = None,
    ) -> KStream[K2, V2]:
        """Run a processor of your own, which may use stores, schedule calls and change keys.

        Args:
            supplier: Makes a processor for each task; a `Processor` class will do.
            stores: Names of stores that were added, or the stores themselves.
            name: Name of the processor.
        """
        place = self._place_of_custom("process", "KSTREAM-PROCESSOR-", supplier, stores, name)
        return KStream(place.at(place.step, key_serde=None, needs_repartition=True))

    def process_values(
        self,
        supplier: Callable[[], FixedKeyProcessor[K, V, V2]],
        *stores: str | StoreSpec,
        name: NameLike = None,
    ) -> KStream[K, V2]:
        """Run a processor of your own that keeps the keys, hence needs no repartition topic.

        Args:
            supplier: Makes a processor for each task; a `FixedKeyProcessor` class will do.
            stores: Names of stores that were added, or the stores themselves.
            name: Name of the processor.
        """
        prefix = "KSTREAM-PROCESSVALUES-"
        return KStream(self._place_of_custom("process_values", prefix, supplier, stores, name))

    def _place_of_custom(
        self,
        method: str,
        prefix: str,
        supplier: Callable[[], Any],
        stores: Sequence[str | StoreSpec],
        name: NameLike,
    ) -> Place:
        check_function(method, "supplier()", supplier)
        dsl, place = self._place.dsl, self._place
        # Unlike everywhere else a given name draws no number here.
        given = text_of(name)
        processor = dsl.names.processor(prefix) if given is None else check_name(given)
        names = []
        for store in (*stores, *supplied_stores(supplier)):
            if isinstance(store, StoreSpec):
                dsl.plan.add_store(store)
            names.append(store.name if isinstance(store, StoreSpec) else store)
        dsl.plan.require_stores(processor, names)
        operator = Custom(supplier, fixed_key=method == "process_values")
        step = ProcessorPlan(processor, operator, tuple(dict.fromkeys(names)))
        dsl.plan.add(step, place.step)
        return place.at(step, value_serde=None)


def _grouped_place(place: Place, config: Grouped[Any, Any]) -> Place:
    return place.at(
        place.step,
        key_serde=place.key_or_default(config.key),
        value_serde=place.value_or_default(config.value),
    )
