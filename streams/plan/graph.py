"""The logical plan behind the DSL: what the user asked for, before it becomes nodes.

Some decisions wait until all is known: a table is materialised when somebody joins with it, two
streams over one topic become one source, and whether null keys are dropped before a repartition
topic depends on the joins behind it. Kafka: `org.apache.kafka.streams.kstream.internals.graph`.

A plan stays as it is when a topology is made of it: what changes it on the way (`optimization.py`)
works on a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any

from aliran.serdes import Serde
from aliran.streams.dsl.expiry import stored_table
from aliran.streams.errors import TopologyError
from aliran.streams.plan.naming import check_name
from aliran.streams.plan.operators import (
    AnyFunction,
    DropNullKeys,
    Operator,
    PassThrough,
    ProcessorNode,
    RepartitionTopic,
    SinkNode,
    SourceNode,
    StoreSpec,
    TableSource,
)
from aliran.streams.plan.topology_builder import TopologyBuilder
from aliran.streams.processor import fail_on_invalid_timestamp


@dataclass(eq=False)
class PlanNode:
    """One step of the plan; its name is that of the node which its children have as parent.

    Attributes:
        priority: Of all steps whose parents are written, the one with the least comes next.
        relaxed_join: Whether it is a join that takes records without a key (KIP-962).
        sends_old_values: Whether it is a table's and something behind it asks for the value that
            a row had before each update.
        versioned: Whether it gives a versioned table; None if it does where its parents do, as a
            view without a store. Kafka: `GraphNode.isOutputVersioned`.
    """

    name: str
    parents: list[PlanNode] = field(default_factory=list, kw_only=True)
    children: list[PlanNode] = field(default_factory=list, kw_only=True, repr=False)
    priority: int = field(default=0, kw_only=True)
    relaxed_join: bool = field(default=False, kw_only=True)
    sends_old_values: bool = field(default=False, kw_only=True)
    versioned: bool | None = field(default=None, kw_only=True)

    def names(self) -> Iterable[str]:
        """Return the names of all nodes that it will write."""
        return (self.name,)

    def write(self, builder: TopologyBuilder) -> None:
        """Write its nodes; those of its parents are there."""
        raise NotImplementedError

    def parent_names(self) -> tuple[str, ...]:
        """Return the names of the nodes that forward to it."""
        return tuple(dict.fromkeys(parent.name for parent in self.parents))

    def gives_versions(self) -> bool:
        """Return whether it gives a versioned table, whose updates may be out of order."""
        if self.versioned is not None:
            return self.versioned
        return bool(self.parents) and all(parent.gives_versions() for parent in self.parents)

    def link(self, child: PlanNode) -> None:
        """Let it forward to `child`."""
        if child not in self.children:
            self.children.append(child)
            child.parents.append(self)

    def unlink(self, child: PlanNode) -> None:
        """Let it no longer forward to `child`."""
        self.children.remove(child)
        child.parents.remove(self)


@dataclass(eq=False)
class SourcePlan(PlanNode):
    """A source of a stream."""

    source: SourceNode

    def write(self, builder: TopologyBuilder) -> None:
        """Write the source."""
        builder.add_node(self.source)


@dataclass(eq=False)
class TablePlan(PlanNode):
    """A source of a table and the processor that makes it one.

    Attributes:
        spec: The store it would have.
        store: Name of the table's store, None until somebody needs it.
    """

    source: SourceNode
    spec: StoreSpec
    store: str | None = None

    def names(self) -> Iterable[str]:
        """Return the names of source and processor."""
        return (self.source.name, self.name)

    def write(self, builder: TopologyBuilder) -> None:
        """Write the source and the processor."""
        builder.add_node(self.source)
        operator, stores = stored_table(TableSource(self.store), self.spec)
        parents = (self.source.name,)
        builder.add_node(
            ProcessorNode(
                self.name, operator, parents, stores, self.sends_old_values, self.gives_versions()
            )
        )

    def gives_versions(self) -> bool:
        """Return whether its store is a versioned one."""
        return self.spec.kind == "versioned"


@dataclass(eq=False)
class ProcessorPlan(PlanNode):
    """One processor.

    Attributes:
        operator: What it does; set anew as long as the plan grows (branches, tables).
        stores: Names of the stores it uses.
        taken: Serde of the values that a join with a global table takes, where it is known.
    """

    operator: Operator
    stores: tuple[str, ...] = ()
    taken: Serde[Any] | None = None

    def write(self, builder: TopologyBuilder) -> None:
        """Write the processor."""
        parents, old_values = self.parent_names(), self.sends_old_values
        versioned = self.gives_versions()
        builder.add_node(
            ProcessorNode(self.name, self.operator, parents, self.stores, old_values, versioned)
        )


@dataclass(eq=False)
class RepartitionPlan(PlanNode):
    """A topic between two sub-topologies: filter, sink and source. It is named by its source.

    Attributes:
        explicit: Whether the user asked for it, by `repartition()`.
    """

    topic: RepartitionTopic
    filter_name: str
    sink_name: str
    key_serde: Serde[Any]
    value_serde: Serde[Any]
    partitioner: AnyFunction | None = None
    drops_null_keys: bool = True
    explicit: bool = False

    def names(self) -> Iterable[str]:
        """Return the names of filter, sink and source."""
        return (self.filter_name, self.sink_name, self.name)

    def write(self, builder: TopologyBuilder) -> None:
        """Write all three nodes and declare the topic."""
        builder.add_repartition_topic(self.topic)
        operator = DropNullKeys() if self.drops_null_keys else PassThrough()
        builder.add_node(ProcessorNode(self.filter_name, operator, self.parent_names()))
        serdes = (self.key_serde, self.value_serde)
        topic = self.topic.name
        builder.add_node(
            SinkNode(self.sink_name, topic, (self.filter_name,), *serdes, self.partitioner)
        )
        # Whatever the application's default: what it wrote itself has a time.
        builder.add_node(SourceNode(self.name, (topic,), *serdes, fail_on_invalid_timestamp))


@dataclass(eq=False)
class SinkPlan(PlanNode):
    """A sink."""

    sink: SinkNode

    def write(self, builder: TopologyBuilder) -> None:
        """Write the sink."""
        builder.add_node(replace(self.sink, parents=self.parent_names()))


class Plan:
    """All steps.

    Attributes:
        steps: In order of their definition.
        stores: Those that processors may use, by name.
    """

    def __init__(self) -> None:
        self.steps: list[PlanNode] = []
        self.stores: dict[str, StoreSpec] = {}
        self._names: set[str] = set()
        self._priorities = count()
        self._copartitioned: list[frozenset[str]] = []

    def add(self, step: PlanNode, *parents: PlanNode) -> None:
        """Append a step behind `parents`.

        Raises:
            TopologyError: A name it would give is taken.
        """
        # Two topics of one name may become one yet, which shows when the plan is written.
        if not isinstance(step, RepartitionPlan) or step.explicit:
            _take_names(self._names, step)
        step.parents = list(dict.fromkeys(parents))
        for parent in step.parents:
            parent.children.append(step)
        step.priority = next(self._priorities)
        self.steps.append(step)

    def postpone(self, step: PlanNode) -> None:
        """Write a step as late as if it had been added now.

        That is what Kafka does to a repartition topic when another aggregation shares it; it
        shows in the numbers of the sub-topologies.
        """
        step.priority = next(self._priorities)

    def add_store(self, store: StoreSpec) -> None:
        """Remember a store that processors may use by name.

        Raises:
            TopologyError: Another store has that name.
        """
        known = self.stores.setdefault(store.name, store)
        if known != store:
            raise TopologyError(
                f"there is already a different store named {store.name!r}: give another store= name"
            )

    def add_stores(self, stores: Iterable[str | StoreSpec]) -> tuple[str, ...]:
        """Remember those that are no names, and return the names of all."""
        names = []
        for store in stores:
            if isinstance(store, StoreSpec):
                self.add_store(store)
            names.append(
                store.name if isinstance(store, StoreSpec) else check_name(store, "store name")
            )
        return tuple(dict.fromkeys(names))

    def add_own_store(self, store: StoreSpec) -> None:
        """Remember a store that an operator has to itself.

        Raises:
            TopologyError: There is a store of that name, even if it looks the same.
        """
        if store.name in self.stores:
            raise TopologyError(
                f"there is already a store named {store.name!r}: give another store= name"
            )
        self.stores[store.name] = store

    def add_table_store(self, store: StoreSpec) -> None:
        """Remember the store of one table or aggregation, which others may look into.

        Two tables of one store would overwrite each other's rows, however alike they are defined.

        Raises:
            TopologyError: Another store has that name.
        """
        known = self.stores.setdefault(store.name, store)
        if known is not store:
            raise TopologyError(
                f"there is already a different store named {store.name!r}: two tables cannot share "
                "one, give another store= name"
            )

    def store(self, name: str) -> StoreSpec:
        """Return a store that was added."""
        return self.stores[name]

    def require_stores(self, operator: str, stores: Iterable[str]) -> None:
        """Refuse names of stores that were not added.

        Raises:
            TopologyError: One is unknown; the message lists those that exist.
        """
        for store in stores:
            if check_name(store, "store name") not in self.stores:
                known = ", ".join(self.stores) or "none"
                raise TopologyError(
                    f"{operator} uses the store {store!r}, which does not exist; call "
                    f"add_state_store() first, or pass the store itself. Stores: {known}"
                )

    def user_of(self, stores: Iterable[str]) -> PlanNode | None:
        """Return the first processor that uses one of these stores, None where there is none."""
        wanted = set(stores)
        for step in self.steps:
            if isinstance(step, ProcessorPlan) and wanted & set(step.stores):
                return step
        return None

    def copartition(self, sources: frozenset[str]) -> None:
        """Demand equal numbers of partitions of the topics that these sources read."""
        self._copartitioned.append(sources)

    def write(self, changes: Iterable[Callable[[Plan], object]] = ()) -> TopologyBuilder:
        """Return a new builder that holds the whole plan.

        Args:
            changes: Each is given a copy of the plan, and may change it before it is written.

        Raises:
            TopologyError: Steps do not fit together.
        """
        plan = self._copy()
        for change in changes:
            change(plan)
        return plan.written()

    # ------------------------------------------------------------------ for changes of a copy

    def replace_source(self, old: PlanNode, new: PlanNode) -> None:
        """Take a step out that reads topics, since another one reads what it read."""
        self.steps.remove(old)
        self._copartitioned = [
            frozenset(new.name if name == old.name else name for name in group)
            for group in self._copartitioned
        ]

    def written(self) -> TopologyBuilder:
        """Return a new builder that holds the plan just as it is."""
        relaxed = set(_before_relaxed_joins(self.steps))
        builder, names = TopologyBuilder(), set[str]()
        for store in self.stores.values():
            builder.add_state_store(store)
        for step in _parents_first(self.steps):
            _take_names(names, step)
            if isinstance(step, RepartitionPlan):
                step.drops_null_keys = step not in relaxed
            step.write(builder)
        for sources in self._copartitioned:
            builder.copartition(sources)
        return builder

    # ------------------------------------------------------------------ inside

    def _copy(self) -> Plan:
        twins = {step: replace(step) for step in self.steps}
        for step, twin in twins.items():
            twin.parents = [twins[parent] for parent in step.parents]
            twin.children = [twins[child] for child in step.children]
        plan = Plan()
        plan.steps = list(twins.values())
        plan.stores = dict(self.stores)
        plan._copartitioned = list(self._copartitioned)
        return plan


def _take_names(taken: set[str], step: PlanNode) -> None:
    for name in step.names():
        if name in taken:
            raise TopologyError(
                f"there is already a processor named {name!r}: give another name=, "
                "names are unique within a topology"
            )
    taken.update(step.names())


def _parents_first(steps: list[PlanNode]) -> Iterator[PlanNode]:
    """Yield the steps by priority, but none before its parents, as from Kafka's queue."""
    waiting = {step: set(step.parents) for step in steps}
    # The second number only keeps steps from being compared.
    ready = [(step.priority, n, step) for n, step in enumerate(steps) if not step.parents]
    heapify(ready)
    number = len(steps)
    while ready:
        _, _, step = heappop(ready)
        yield step
        for child in step.children:
            waiting[child].discard(step)
            if not waiting[child]:
                number += 1
                heappush(ready, (child.priority, number, child))


def _before_relaxed_joins(steps: Iterable[PlanNode]) -> Iterator[PlanNode]:
    """Yield the steps that stand, at any distance, in front of a join that takes null keys."""
    pending = [step for step in steps if step.relaxed_join]
    seen: set[PlanNode] = set()
    while pending:
        for parent in pending.pop().parents:
            if parent not in seen:
                seen.add(parent)
                pending.append(parent)
                yield parent
