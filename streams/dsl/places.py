"""What streams, tables and groups share: the plan they write into, and where in it they stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from aliran.core.durations import to_ms
from aliran.serdes import Serde, SerdeLike, serde_for
from aliran.streams.dsl.config_objects import Materialized
from aliran.streams.errors import TopologyError
from aliran.streams.plan.graph import Plan, PlanNode, ProcessorPlan, RepartitionPlan
from aliran.streams.plan.naming import NameGenerator, check_name, is_generated, repartition_topic
from aliran.streams.plan.operators import (
    AnyFunction,
    Operator,
    RepartitionTopic,
    StoreKind,
    StoreSpec,
    TimeWindows,
)
from aliran.streams.store_suppliers import suppliers_of

T = TypeVar("T")


class Dsl:
    """The plan of one `StreamsBuilder`, its names and its default serdes."""

    def __init__(self, default_key: Serde[Any], default_value: Serde[Any]) -> None:
        self.names: NameGenerator = NameGenerator()
        self.plan: Plan = Plan()
        self.default_key = default_key
        self.default_value = default_value


@dataclass(frozen=True)
class Place:
    """Where a stream or table stands in the plan.

    Attributes:
        dsl: The plan and what goes with it.
        step: The step that gives its records.
        key_serde: Serde of its keys, None where nothing is known.
        value_serde: The same of its values.
        sources: Names of the sources its records come from, for co-partitioning.
        needs_repartition: Whether keys may have changed since the last topic.
    """

    dsl: Dsl
    step: PlanNode
    key_serde: Serde[Any] | None
    value_serde: Serde[Any] | None
    sources: frozenset[str]
    needs_repartition: bool = False

    @property
    def name(self) -> str:
        """Name of the node that gives the records."""
        return self.step.name

    def key_or_default(self, explicit: SerdeLike[Any] | None = None) -> Serde[Any]:
        """Return the serde of keys: what the user says, else what is known, else the default."""
        if explicit is not None:
            return serde_for(explicit)
        return self.key_serde or self.dsl.default_key

    def value_or_default(self, explicit: SerdeLike[Any] | None = None) -> Serde[Any]:
        """Return the serde of values: what the user says, else what is known, else the default."""
        if explicit is not None:
            return serde_for(explicit)
        return self.value_serde or self.dsl.default_value

    def append(
        self, prefix: str, operator: Operator, name: str | None, stores: tuple[str, ...] = ()
    ) -> ProcessorPlan:
        """Add one processor behind it and return its step."""
        step = ProcessorPlan(self.dsl.names.processor(prefix, name), operator, stores)
        self.dsl.plan.add(step, self.step)
        return step

    def check_same_builder(self, method: str, other: Place) -> None:
        """Refuse what belongs to another builder, hence to another topology.

        Raises:
            TopologyError: It does.
        """
        if other.dsl is not self.dsl:
            raise TopologyError(
                f"{method} takes streams and tables of the same builder; {other.name} is another's"
            )

    def at(self, step: PlanNode, **changes: Any) -> Place:
        """Return the place of `step`, which stands behind this one."""
        return replace(self, step=step, **changes)


def new_repartition(
    place: Place,
    prefix: str,
    *,
    key: SerdeLike[Any] | None = None,
    value: SerdeLike[Any] | None = None,
    partitions: int | None = None,
    partitioner: AnyFunction | None = None,
) -> RepartitionPlan:
    """Return a repartition step behind `place`, not yet in the plan.

    Three numbers are drawn each time, used or not: Kafka does, to keep names stable.
    """
    names = place.dsl.names
    sink, dropper, source = map(
        names.processor, ("KSTREAM-SINK-", "KSTREAM-FILTER-", "KSTREAM-SOURCE-")
    )
    topic = check_name(repartition_topic(prefix), "repartition topic")
    if not is_generated(prefix):
        sink, dropper, source = f"{topic}-sink", f"{topic}-filter", f"{topic}-source"
    return RepartitionPlan(
        source,
        topic=RepartitionTopic(topic, partitions),
        filter_name=dropper,
        sink_name=sink,
        key_serde=place.key_or_default(key),
        value_serde=place.value_or_default(value),
        partitioner=partitioner,
    )


def behind_repartition(place: Place, step: RepartitionPlan) -> Place:
    """Return the place behind a repartition topic."""
    return place.at(
        step,
        key_serde=step.key_serde,
        value_serde=step.value_serde,
        sources=frozenset({step.name}),
        needs_repartition=False,
    )


def key_value_store(
    materialized: Materialized[Any, Any], name: str, key: Serde[Any], value: Serde[Any]
) -> StoreSpec:
    """Return the store of a table without windows.

    Raises:
        TopologyError: A retention was given, which such stores do not have, one is negative, or
            the store that is given is of windows.
    """
    if materialized.retention is not None:
        raise TopologyError(
            f"store {name!r} keeps the latest value of each key for ever: "
            "retention= belongs to windowed aggregations"
        )
    history = materialized.history_retention
    if materialized.store_supplier is not None:
        return _supplied(materialized, materialized.store_supplier, key, value)
    if history is None:
        return _store(materialized, StoreSpec(name, "timestamped", key, value))
    history_ms = to_ms(history)
    if history_ms < 0:
        raise TopologyError(
            f"store {name!r}: history_retention must not be negative, it is {history_ms} ms"
        )
    spec = StoreSpec(name, "versioned", key, value, retention_ms=history_ms)
    return replace(_store(materialized, spec), caching=False)


def window_store(
    materialized: Materialized[Any, Any],
    name: str,
    key: Serde[Any],
    value: Serde[Any],
    windows: TimeWindows,
) -> StoreSpec:
    """Return the store of a windowed aggregation.

    Raises:
        TopologyError: The retention is shorter than the windows and their grace.
    """
    needed = windows.size_ms + windows.grace_ms
    kept = needed if materialized.retention is None else to_ms(materialized.retention)
    if kept < needed:
        raise TopologyError(
            f"store {name!r} would keep windows for {kept} ms, but they are {windows.size_ms} ms "
            f"long and wait {windows.grace_ms} ms for late records: "
            f"retention must be at least {needed} ms"
        )
    spec = StoreSpec(name, "window", key, value, retention_ms=kept, window_size_ms=windows.size_ms)
    return _store(materialized, spec)


def _store(materialized: Materialized[Any, Any], spec: StoreSpec) -> StoreSpec:
    changelog_config = topic_settings(spec.name, materialized.changelog_config)
    if changelog_config and materialized.logging is False:
        raise TopologyError(
            f"store {spec.name!r} has logging=False, so changelog_config has nothing to configure"
        )
    return replace(
        spec,
        name=check_name(spec.name, "store name"),
        persistent=materialized.persistent is not False,
        logging=materialized.logging is not False,
        caching=materialized.caching,
        changelog_config=changelog_config,
        **_choice(materialized, spec),
    )


def _choice(materialized: Materialized[Any, Any], spec: StoreSpec) -> dict[str, Any]:
    """Return who chooses where a store lives, and how RocksDB keeps it.

    Raises:
        TopologyError: The options contradict each other.
    """
    chooser, options = materialized.dsl_store_suppliers, materialized.rocksdb_options
    persistent = materialized.persistent
    if chooser is not None and (persistent is not None or materialized.store_supplier is not None):
        raise TopologyError(
            f"store {spec.name!r}: dsl_store_suppliers= chooses the store, so persistent= and "
            "store_supplier= have no use beside it"
        )
    if options is not None and (persistent is False or materialized.store_supplier is not None):
        raise TopologyError(
            f"store {spec.name!r}: rocksdb_options= has no use for a store in memory; with "
            "store_supplier= say it there"
        )
    return {
        "rocksdb_options": spec.rocksdb_options if options is None else options,
        "replaceable": persistent is None and spec.opener is None and spec.kind != "versioned",
        "suppliers": None if chooser is None else suppliers_of(chooser),
    }


_KEYED: Mapping[StoreKind, StoreKind] = {
    "key-value": "timestamped",
    "timestamped": "timestamped",
    "lru": "timestamped-lru",
    "timestamped-lru": "timestamped-lru",
    "versioned": "versioned",
}
"""Kinds of stores that can hold a table's rows, and what they are then."""


def _supplied(
    materialized: Materialized[Any, Any], spec: StoreSpec, key: Serde[Any], value: Serde[Any]
) -> StoreSpec:
    """Return a store that the user gave, with what else was said; its serdes are the table's."""
    if spec.kind not in _KEYED:
        raise TopologyError(
            f"store {spec.name!r} is of kind {spec.kind}, which cannot hold the rows of a table: "
            f"store_supplier= takes one of {', '.join(_KEYED)}"
        )
    kind = _KEYED[spec.kind]
    settled = replace(
        materialized,
        persistent=spec.persistent,
        logging=spec.logging if materialized.logging is None else materialized.logging,
        caching=False if kind == "versioned" else materialized.caching,
        changelog_config=materialized.changelog_config or spec.changelog_config,
    )
    return _store(settled, replace(spec, kind=kind, key_serde=key, value_serde=value))


def refuse_history(materialized: Materialized[Any, Any], store: str, why: str) -> None:
    """Refuse a versioned store where there can be none.

    Raises:
        TopologyError: One was asked for.
    """
    given = materialized.store_supplier
    if materialized.history_retention is not None or (given and given.kind == "versioned"):
        raise TopologyError(
            f"store {store!r} cannot be versioned: {why}. Leave history_retention= out"
        )


def topic_settings(store: str, settings: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the settings of a store's changelog as Kafka writes them: all are texts.

    Raises:
        TopologyError: It is no mapping.
    """
    if settings is None:
        return {}
    if not isinstance(settings, Mapping):
        raise TopologyError(
            f"store {store!r}: changelog_config maps Kafka's names to values, as in "
            f"{{'segment.bytes': '1000000'}}; got {settings!r}"
        )
    return {
        str(name): str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in settings.items()
    }


def serde_or(explicit: SerdeLike[Any] | None, otherwise: Callable[[], Serde[Any]]) -> Serde[Any]:
    """Return the serde the user named, else the one `otherwise` gives."""
    return otherwise() if explicit is None else serde_for(explicit)
