"""Tables whose rows vanish when they are not updated: `ttl=`, which is not Kafka's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from aliran.core.durations import to_ms
from aliran.serdes import BytesSerde
from aliran.streams.errors import TopologyError
from aliran.streams.plan.operators import StoreSpec, StreamToTable, TableSource
from aliran.streams.plan.window_operators import ExpiringTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from aliran.streams.dsl.config_objects import Materialized


def expiring_store(config: Materialized[Any, Any], spec: StoreSpec) -> StoreSpec:
    """Return the store of a table with the time to live that was asked for, if one was.

    Raises:
        TopologyError: The time is not above 0, or the store is none whose rows may vanish.
    """
    if config.ttl is None:
        return spec
    ttl_ms = to_ms(config.ttl)
    if ttl_ms <= 0:
        raise TopologyError(f"store {spec.name!r}: ttl= must be above 0 ms, it is {ttl_ms} ms")
    if spec.kind != "timestamped" or config.store_supplier is not None or config.caching:
        raise TopologyError(
            f"store {spec.name!r} cannot have a ttl: it must be a plain table, not versioned, not "
            "cached, and not a store of yours"
        )
    return replace(spec, caching=False, ttl_ms=ttl_ms)


def refuse_ttl(config: Materialized[Any, Any], store: str) -> None:
    """Refuse a time to live where rows follow from other rows, or windows have theirs.

    Raises:
        TopologyError: One was asked for.
    """
    if config.ttl is not None:
        raise TopologyError(
            f"store {store!r} cannot have a ttl: that is for table(), to_table() and aggregations "
            "of one stream without windows. Rows of views, joins and grouped tables go with those "
            "that they come from; windows have retention="
        )


def index_store(spec: StoreSpec) -> StoreSpec:
    """Return the store that has the keys of an expiring table by time."""
    serde = BytesSerde()
    index = StoreSpec(index_of(spec.name), "key-value", serde, serde, caching=False)
    return replace(index, persistent=spec.persistent, logging=spec.logging)


def index_of(store: str) -> str:
    """Return the name of the index beside a store."""
    return f"{store}-ttl"


def expiring_table(
    spec: StoreSpec,
    kind: Literal["table", "count", "reduce", "aggregate"],
    aggregator: Callable[..., Any] | None = None,
    initializer: Callable[..., Any] | None = None,
) -> ExpiringTable:
    """Return the operator that fills a store whose rows vanish."""
    return ExpiringTable(
        spec.name, index_of(spec.name), spec.ttl_ms or 0, kind, aggregator, initializer
    )


def stored_table(
    operator: TableSource | StreamToTable, spec: StoreSpec
) -> tuple[TableSource | StreamToTable | ExpiringTable, tuple[str, ...]]:
    """Return what fills the store of a table, and the stores it uses."""
    if operator.store is None:
        return operator, ()
    if spec.ttl_ms is None:
        return operator, (operator.store,)
    return expiring_table(spec, "table"), (spec.name, index_of(spec.name))
