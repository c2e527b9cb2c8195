"""The plan of a join on a foreign key. Kafka: `KTableImpl.doJoinOnForeignKey`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from aliran.serdes import BytesSerde, Serde
from aliran.streams.dsl import inference
from aliran.streams.dsl.config_objects import Materialized
from aliran.streams.dsl.expiry import refuse_ttl
from aliran.streams.dsl.foreign_keys import ResponseSerde, SubscriptionSerde
from aliran.streams.dsl.places import key_value_store
from aliran.streams.plan.foreign_key_operators import (
    ForeignTableJoin,
    ResponseJoin,
    SubscriptionJoin,
    SubscriptionReceive,
    SubscriptionSend,
)
from aliran.streams.plan.graph import PlanNode, ProcessorPlan, SinkPlan
from aliran.streams.plan.naming import check_name
from aliran.streams.plan.operators import (
    AnyFunction,
    Operator,
    RepartitionTopic,
    SinkNode,
    SourceNode,
    StoreSpec,
)

if TYPE_CHECKING:
    from aliran.streams.dsl.ktable import KTable
    from aliran.streams.dsl.places import Dsl
    from aliran.streams.plan.topology_builder import TopologyBuilder

K = TypeVar("K")
KO = TypeVar("KO")

_FK = "KTABLE-FK-JOIN-"
_PROCESSOR = f"{_FK}SUBSCRIPTION-PROCESSOR-"


@dataclass(frozen=True, kw_only=True)
class TableJoined(Generic[K, KO]):
    """How two tables are joined on a foreign key. Kafka: `TableJoined`.

    Attributes:
        partitioner: `partitioner(topic, key, None, partition_count) -> int | None`, that of the
            left table; None where it is partitioned by Kafka's.
        other_partitioner: That of the right table.
        name: Names processors, topics and the store.
    """

    partitioner: AnyFunction | None = None
    other_partitioner: AnyFunction | None = None
    name: str | None = None


@dataclass(eq=False)
class InternalSourcePlan(PlanNode):
    """A source of an internal topic behind the sink that writes it."""

    topic: str
    key_serde: Serde[Any]
    value_serde: Serde[Any]

    def write(self, builder: TopologyBuilder) -> None:
        """Write the source and declare the topic."""
        builder.add_repartition_topic(RepartitionTopic(self.topic))
        builder.add_node(SourceNode(self.name, (self.topic,), self.key_serde, self.value_serde))


class ForeignKeyJoin:
    """Writes the join of two tables into their plan; use `plan_foreign_key_join`."""

    def __init__(
        self,
        left: KTable[Any, Any],
        right: KTable[Any, Any],
        extractor: Callable[[Any, Any], Any],
        joined: TableJoined[Any, Any],
        *,
        is_left: bool,
    ) -> None:
        self._left, self._right = left, right
        self._extractor = extractor
        self._joined = joined
        self._is_left = is_left
        self._dsl: Dsl = left.place.dsl
        self._key_serde = left.place.key_or_default()
        self._value_serde = left.place.value_or_default()
        self._foreign_key_serde = right.place.key_or_default()

    def plan(self, joiner: AnyFunction, config: Materialized[Any, Any]) -> KTable[Any, Any]:
        """Add all steps and return the table of results."""
        self._right.send_old_values(force=True)
        self._left.send_old_values(force=True)
        topic = self._topic("-subscription-registration", f"{_FK}SUBSCRIPTION-REGISTRATION-")
        source = self._plan_subscriptions(topic)
        answers = self._plan_answers(source)
        return self._plan_result(self._plan_responses(answers), joiner, config)

    # ------------------------------------------------------------------ the four parts

    def _plan_subscriptions(self, topic: str) -> PlanNode:
        """The left table's side: who refers to what goes to the task of the right row."""
        serdes = (self._foreign_key_serde, SubscriptionSerde(self._key_serde))
        send = self._step(
            "-subscription-registration-processor",
            f"{_FK}SUBSCRIPTION-REGISTRATION-",
            SubscriptionSend(
                self._extractor, self._foreign_key_serde, self._value_serde, self._is_left
            ),
            self._left.place.step,
        )
        partitioner = _of_keys(self._joined.other_partitioner)
        prefix = "-subscription-registration"
        source = self._plan_topic(topic, prefix, serdes, partitioner, send)
        self._dsl.plan.copartition(self._right.sources | {source.name})
        return source

    def _plan_answers(self, source: PlanNode) -> tuple[PlanNode, PlanNode]:
        """The right table's side: subscriptions are stored, and answered."""
        dsl, right = self._dsl, self._right
        store = self._name("-subscription-store", f"{_FK}SUBSCRIPTION-STATE-STORE-")
        value = SubscriptionSerde(self._key_serde)
        dsl.plan.add_store(StoreSpec(store, "timestamped", BytesSerde(), value, caching=False))
        serdes = (self._foreign_key_serde, self._key_serde)
        receive = self._step(
            "-subscription-receive",
            _PROCESSOR,
            SubscriptionReceive(store, *serdes),
            source,
            stores=(store,),
        )
        getter = right.getter()
        join = self._step(
            "-subscription-join-foreign",
            _PROCESSOR,
            SubscriptionJoin(getter),
            receive,
            stores=getter.stores,
        )
        tell = self._step(
            "-foreign-join-subscription",
            _PROCESSOR,
            ForeignTableJoin(store, *serdes),
            right.place.step,
            stores=(store,),
        )
        return join, tell

    def _plan_responses(self, answers: tuple[PlanNode, PlanNode]) -> PlanNode:
        """Back to the task of the left row."""
        topic = self._topic("-subscription-response", f"{_FK}SUBSCRIPTION-RESPONSE-")
        serdes = (self._key_serde, ResponseSerde(self._right.place.value_or_default()))
        partitioner = _of_keys(self._joined.partitioner) or _to_primary_partition
        source = self._plan_topic(topic, "-subscription-response", serdes, partitioner, *answers)
        self._dsl.plan.copartition(self._left.sources | {source.name})
        return source

    def _plan_result(
        self, source: PlanNode, joiner: AnyFunction, config: Materialized[Any, Any]
    ) -> KTable[Any, Any]:
        from aliran.streams.dsl.ktable import KTable, StreamToTablePlan  # builds on this module

        dsl, getter, place = self._dsl, self._left.getter(), self._left.place
        resolver = self._step(
            "-subscription-response-resolver",
            f"{_FK}SUBSCRIPTION-RESPONSE-RESOLVER-PROCESSOR-",
            ResponseJoin(getter, self._value_serde, joiner, self._is_left),
            source,
            stores=getter.stores,
        )
        result = self._name("-result", f"{_FK}OUTPUT-")
        store = config.store or dsl.names.store(f"{_FK}OUTPUT-")
        here = place.at(
            resolver,
            value_serde=inference.value_serde(joiner),
            sources=self._left.sources | {source.name},
        )
        key, value = here.key_or_default(config.key), here.value_or_default(config.value)
        refuse_ttl(config, store)
        step = StreamToTablePlan(result, spec=key_value_store(config, store, key, value))
        dsl.plan.add(step, resolver)
        known = value if config.value is not None else here.value_serde
        return KTable.of_step(
            here.at(step, key_serde=key, value_serde=known), step, queryable=config.store
        )

    # ------------------------------------------------------------------ pieces

    def _plan_topic(
        self,
        topic: str,
        suffix: str,
        serdes: tuple[Serde[Any], Serde[Any]],
        partitioner: AnyFunction | None,
        *parents: PlanNode,
    ) -> PlanNode:
        sink = self._name(f"{suffix}-sink", "KTABLE-SINK-")
        node = SinkNode(sink, topic, (), *serdes, partitioner)
        step = SinkPlan(sink, node)
        self._dsl.plan.add(step, *parents)
        source = self._name(f"{suffix}-source", "KTABLE-SOURCE-")
        key_serde, value_serde = serdes
        behind = InternalSourcePlan(
            source, topic=topic, key_serde=key_serde, value_serde=value_serde
        )
        self._dsl.plan.add(behind, step)
        return behind

    def _step(
        self,
        suffix: str,
        prefix: str,
        operator: Operator,
        parent: PlanNode,
        *,
        stores: tuple[str, ...] = (),
    ) -> ProcessorPlan:
        step = ProcessorPlan(self._name(suffix, prefix), operator, stores)
        self._dsl.plan.add(step, parent)
        return step

    def _topic(self, suffix: str, prefix: str) -> str:
        return check_name(f"{self._name(suffix, prefix)}-topic", "topic name")

    def _name(self, suffix: str, prefix: str) -> str:
        given = self._joined.name
        return self._dsl.names.processor(prefix, None if given is None else given + suffix)


def _of_keys(partitioner: AnyFunction | None) -> AnyFunction | None:
    """Return a partitioner that does not see the values, which are not the table's."""
    if partitioner is None:
        return None

    def choose(topic: str, key: Any, _value: Any, count: int) -> Any:
        return partitioner(topic, key, None, count)

    return choose


def _to_primary_partition(_topic: str, _key: Any, value: Any, _count: int) -> int | None:
    partition: int | None = value.primary_partition
    return partition
