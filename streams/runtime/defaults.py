"""Default serdes for nodes that name none, in topologies made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aliran.serdes import Serde
from aliran.streams import operators as op
from aliran.streams.topology import Topology


def with_default_serdes(topology: Topology, key: Serde[Any], value: Serde[Any]) -> Topology:
    """Return the topology with every source, sink and store that lacks a serde given one."""

    def filled(node: Any) -> Any:
        return replace(node, key_serde=node.key_serde or key, value_serde=node.value_serde or value)

    return replace(
        topology,
        nodes=tuple(n if isinstance(n, op.ProcessorNode) else filled(n) for n in topology.nodes),
        stores=tuple(filled(store) for store in topology.stores),
    )
