"""The serdes that a topology runs with: defaults filled in, each bound to its topic."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

from aliran.serdes import Serde, serde_for
from aliran.serdes.providers import SerdeProvider, bound_serde, provider_of
from aliran.streams.plan import operators as op
from aliran.streams.plan.topology import Topology
from aliran.streams.runtime.config import StreamsConfig
from aliran.streams.store_suppliers import supplied_store, suppliers_of


def with_default_serdes(topology: Topology, key: Serde[Any], value: Serde[Any]) -> Topology:
    """Return the topology with every source, sink and store that lacks a serde given one."""

    def filled(node: Any) -> Any:
        return replace(node, key_serde=node.key_serde or key, value_serde=node.value_serde or value)

    return replace(
        topology,
        nodes=tuple(n if isinstance(n, op.ProcessorNode) else filled(n) for n in topology.nodes),
        stores=tuple(filled(store) for store in topology.stores),
    )


def with_stores(topology: Topology, config: StreamsConfig) -> Topology:
    """Return the topology with the stores that the application's settings choose.

    Raises:
        TopologyError: What they choose is no store.
    """
    suppliers = suppliers_of(config.dsl_store_suppliers)

    def settled(store: op.StoreSpec) -> op.StoreSpec:
        store = supplied_store(store, suppliers)
        if store.persistent and store.rocksdb_options is None:
            return replace(store, rocksdb_options=config.rocksdb_options)
        return store

    return replace(topology, stores=tuple(map(settled, topology.stores)))


def with_serdes(topology: Topology, config: StreamsConfig) -> Topology:
    """Return the topology with all serdes that it needs, bound to topics.

    Serdes that keep schemas in a registry name them by topics: those of stores by the changelog,
    as Kafka's do.

    Raises:
        ConfigError: The setting `schema_registry` is wrong.
    """
    topology = with_default_serdes(
        with_stores(topology, config),
        serde_for(config.default_key),
        serde_for(config.default_value),
    )
    binder = _Binder(topology, config.application_id, provider_of(config.schema_registry))
    return replace(
        topology,
        nodes=tuple(map(binder.node, topology.nodes)),
        stores=tuple(map(binder.store, topology.stores)),
    )


class _Binder:
    """Binds the serdes of one topology."""

    def __init__(
        self, topology: Topology, application_id: str, provider: SerdeProvider | None
    ) -> None:
        self._topology = topology
        self._application_id = application_id
        self._provider = provider

    def node(self, node: op.Node) -> op.Node:
        """Return a node with its serdes bound."""
        if isinstance(node, op.ProcessorNode):
            return replace(node, operator=self._operator(node.name, node.operator))
        topic = node.topics[0] if isinstance(node, op.SourceNode) and node.topics else ""
        if isinstance(node, op.SinkNode) and isinstance(node.topic, str):
            topic = node.topic
        # Topics that are chosen for each record share the subject of the node.
        topic = topic or node.name
        found: op.Node = self._pair(node, self._topology.decorate(topic, self._application_id))
        return found

    def store(self, store: op.StoreSpec) -> op.StoreSpec:
        """Return a store with its serdes bound."""
        topic = self._topology.changelog_topic(store.name, self._application_id)
        found: op.StoreSpec = self._pair(store, topic)
        return found

    def _pair(self, owner: Any, topic: str) -> Any:
        return replace(
            owner,
            key_serde=bound_serde(owner.key_serde, self._provider, topic, is_key=True),
            value_serde=bound_serde(owner.value_serde, self._provider, topic, is_key=False),
        )

    def _operator(self, node: str, operator: Any) -> Any:
        """Bind the serdes that some operators have of their own."""
        if not is_dataclass(operator):
            return operator
        own = {
            each.name: getattr(operator, each.name)
            for each in fields(operator)
            if isinstance(getattr(operator, each.name), Serde)
        }
        if not own:
            return operator
        topic = f"{self._application_id}-{node}"
        return replace(
            operator,  # type: ignore[type-var]
            **{
                name: bound_serde(serde, self._provider, topic, is_key="key" in name)
                for name, serde in own.items()
            },
        )
