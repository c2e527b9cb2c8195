"""Global tables and stores: a copy of all partitions in each instance of an application."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from aliran.streams.dsl.hints import unknown_operator
from aliran.streams.plan.graph import PlanNode
from aliran.streams.plan.operators import Operator, ProcessorNode, SourceNode, TableGetter

if TYPE_CHECKING:
    from aliran.serdes import Serde
    from aliran.streams.plan.topology_builder import TopologyBuilder

K = TypeVar("K")
V = TypeVar("V")


@dataclass(eq=False)
class GlobalStorePlan(PlanNode):
    """A source that every instance reads, and the processor that writes the store."""

    source: SourceNode
    operator: Operator
    store: str

    def names(self) -> tuple[str, ...]:
        """Return the names of source and processor."""
        return (self.source.name, self.name)

    def write(self, builder: TopologyBuilder) -> None:
        """Write both nodes."""
        builder.add_node(self.source)
        builder.add_node(
            ProcessorNode(self.name, self.operator, (self.source.name,), (self.store,))
        )


class GlobalKTable(Generic[K, V]):
    """A table whose rows are all in each instance of the application. Kafka: `GlobalKTable`.

    Streams join it by any key, without being partitioned like it. It is filled before the first
    record is processed, and updated as records come, without regard to their time.

    Attributes:
        store: Name of its store.
        queryable_store_name: The same.
        key_serde: Serde of its keys.
        value_serde: Serde of its values.
    """

    def __init__(self, store: str, key_serde: Serde[Any], value_serde: Serde[Any]) -> None:
        self.store = store
        self.queryable_store_name = store
        self.key_serde = key_serde
        self.value_serde = value_serde

    if not TYPE_CHECKING:  # type checkers are to see what is not there

        def __getattr__(self, name: str) -> None:
            raise unknown_operator(self, name)

    def getter(self) -> TableGetter:
        """Return how joins look into it."""
        return TableGetter(self.store)


KeySelector = Callable[[Any, Any], Any]
"""`key_selector(key, value)` gives the key of a global table for a record of a stream."""
