"""Joins of a stream with a versioned table that let records wait. Kafka: KIP-923."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aliran.core.durations import to_ms
from aliran.streams.errors import TopologyError
from aliran.streams.plan.naming import check_name
from aliran.streams.plan.operators import StoreSpec

if TYPE_CHECKING:
    from aliran.streams.dsl.config_objects import Joined
    from aliran.streams.dsl.places import Place
    from aliran.streams.plan.graph import PlanNode
    from aliran.streams.plan.operators import TableGetter


def record_buffer(
    join: str, place: Place, table: PlanNode, getter: TableGetter, config: Joined[Any, Any, Any]
) -> str:
    """Add the store where the records of a join wait, and return its name.

    Args:
        join: Name of the join's processor.
        place: Where the stream stands.
        table: The step that gives the table.
        getter: How to look into the table.
        config: Serdes and grace.

    Raises:
        TopologyError: The grace is negative, the table is not versioned, or its history is shorter
            than the grace.
    """
    grace_ms, plan = to_ms(config.grace or 0), place.dsl.plan
    if grace_ms < 0:
        raise TopologyError(f"{join}: grace must not be negative, it is {grace_ms} ms")
    stores = [plan.store(name) for name in getter.stores]
    if table.versioned is False or any(store.kind != "versioned" for store in stores):
        raise TopologyError(
            f"{join} has a grace of {grace_ms} ms, so it must be able to ask the table for the "
            f"value at a record's time, but {table.name} is not versioned: pass "
            "history_retention= where the table is made, or leave grace= out"
        )
    for store in stores:
        if store.retention_ms < grace_ms:
            raise TopologyError(
                f"{join} lets records wait for a grace of {grace_ms} ms, but the table's store "
                f"{store.name!r} has a history of {store.retention_ms} ms: history_retention= must "
                "be at least the grace"
            )
    name = check_name(f"{join}-Buffer", "store name")
    key, value = place.key_or_default(config.key), place.value_or_default(config.value)
    plan.add_own_store(
        StoreSpec(name, "record-buffer", key, value, caching=False, retention_ms=grace_ms)
    )
    return name
