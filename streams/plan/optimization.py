"""Kafka's topology optimisations: changes of a plan before it is written, one function each.

One is always made: a single source reads a topic for all its streams. The others are off unless the
setting `topology_optimization` asks for them (Kafka: `topology.optimization`). They change internal
topics or stores, so an application that has state cannot switch them without being reset, as in
Kafka.

Kafka: `InternalStreamsBuilder.optimizeTopology`. Where Kafka's own rewriting fails or would let
records bypass a repartition topic, topics stay as they were; see `merge_repartition_topics`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from aliran.core.errors import ConfigError
from aliran.streams.dsl.ktable import StreamToTablePlan
from aliran.streams.dsl.stream_joins import StreamJoinPlan
from aliran.streams.dsl.table_joins import TableJoinPlan
from aliran.streams.errors import TopologyError
from aliran.streams.plan.graph import (
    Plan,
    PlanNode,
    ProcessorPlan,
    RepartitionPlan,
    SourcePlan,
    TablePlan,
)
from aliran.streams.plan.operators import (
    Aggregate,
    Branch,
    Custom,
    FlatMap,
    FlatMapValues,
    Map,
    MapValues,
    PassThrough,
    RepartitionTopic,
    SelectKey,
    SelfJoin,
    SourceNode,
    StreamJoin,
    StreamTableJoin,
    TableSelect,
)
from aliran.streams.plan.window_operators import WindowedAggregate

NONE, ALL = "none", "all"

_JOINS = (StreamJoinPlan, TableJoinPlan)
"""Steps whose parents have equal keys in equal partitions."""


def chosen_optimizations(setting: Any) -> frozenset[str]:
    """Return the names of the optimisations that a setting asks for.

    Args:
        setting: `none`, `all`, names with commas between them, or several names.

    Raises:
        ConfigError: It is neither; the message lists the names.
    """
    names = setting.split(",") if isinstance(setting, str) else setting
    if isinstance(names, Iterable):
        found = [each.strip() if isinstance(each, str) else each for each in names]
        if found in ([NONE], [ALL]):
            return frozenset(OPTIMIZATIONS if found == [ALL] else ())
        if (found or not isinstance(setting, str)) and all(each in OPTIMIZATIONS for each in found):
            return frozenset(found)
    raise ConfigError(
        f"topology_optimization={setting!r} must be {NONE!r}, {ALL!r}, or some of "
        f"{', '.join(OPTIMIZATIONS)}"
    )


def plan_changes(chosen: Iterable[str] = ()) -> list[Callable[[Plan], object]]:
    """Return what `Plan.write` is to do to a plan, in Kafka's order."""
    names = set(chosen)
    return [share_sources, *(each for name, each in OPTIMIZATIONS.items() if name in names)]


# ---------------------------------------------------------------------------- sources


def share_sources(plan: Plan) -> None:
    """Let one source read topics for all streams of them. Kafka: `mergeDuplicateSourceNodes`.

    Raises:
        TopologyError: Two streams read the same topic, but not in the same way.
    """
    for source, main in list(_shared_sources(plan.steps)):
        for child in list(source.children):
            source.unlink(child)
            main.link(child)
        plan.replace_source(source, main)


def _shared_sources(steps: Iterable[PlanNode]) -> Iterator[tuple[PlanNode, PlanNode]]:
    """Yield each source that another one stands in for, since both read the same topics."""
    mains: dict[str | re.Pattern[str], SourcePlan] = {}
    for step in steps:
        if not isinstance(step, SourcePlan):
            continue
        topics = step.source.topics if step.source.pattern is None else (step.source.pattern,)
        earlier = [mains[topic] for topic in topics if topic in mains]
        if not earlier:
            mains.update(dict.fromkeys(topics, step))
            continue
        main = earlier[0]
        _check_sharable(main.source, step.source)
        yield step, main


def _check_sharable(first: SourceNode, second: SourceNode) -> None:
    if set(first.topics) != set(second.topics):
        raise TopologyError(
            f"two streams read overlapping but not equal topics: {first.name!r} reads "
            f"{', '.join(first.topics)}; {second.name!r} reads {', '.join(second.topics)}. "
            "Make one stream a topic and merge() them"
        )
    read = ", ".join(first.topics) if first.pattern is None else first.pattern.pattern
    if first.offset_reset != second.offset_reset:
        raise TopologyError(
            f"two streams read {read} with different offset_reset: "
            f"{first.offset_reset!r} ({first.name}) and {second.offset_reset!r} ({second.name})"
        )
    for what, one, other in (
        ("keys", first.key_serde, second.key_serde),
        ("values", first.value_serde, second.value_serde),
    ):
        if str(one) != str(other):
            raise TopologyError(
                f"two streams read {read} but its {what} differently: {one} "
                f"({first.name}) and {other} ({second.name}). Read it once, use that stream twice"
            )


# ---------------------------------------------------------------------------- source topics


def reuse_source_topics(plan: Plan) -> None:
    """Let tables restore from the topic that they read, instead of a changelog of their own."""
    for step in plan.steps:
        if isinstance(step, TablePlan) and step.store is not None and step.spec.ttl_ms is None:
            (topic,) = step.source.topics
            plan.stores[step.store] = replace(
                plan.stores[step.store], logging=True, changelog_topic=topic, changelog_config={}
            )


# ---------------------------------------------------------------------------- repartition topics


def merge_repartition_topics(plan: Plan) -> list[str]:
    """Let all that needs the new keys of a stream read them from one repartition topic.

    The topic stands right behind what changed the keys, or behind the merge of several streams;
    filters and the like that stood in front of the old topics stand behind the new one. It has the
    name of the first of them. A topic behind a step that changes values too stays as it is: the
    new one would hold values of another type. `process` may change both, as with Kafka's setting
    `__enable.process.processValue.fix__` (KAFKA-19668).

    Unlike Kafka's, a topic stays also where a record could reach its readers past the new topic,
    and where a join with a global table is known to change the type of the values.

    Returns:
        Names of the topics that stay for these two reasons.
    """
    left: list[RepartitionPlan] = []
    for point, topics in _repartition_points(plan).items():
        merged: RepartitionPlan | None = None
        for topic in topics:
            if topic not in plan.steps:
                continue  # two points claim it, as merges in a row do
            region = _region(plan, point, topic, merged)
            if region is None:
                left.append(topic)
                continue
            if merged is None:
                merged = _merged_topic(plan, point, topic)
            _read_instead(plan, topic, merged, point, region)
        if merged is not None:
            point.link(merged)
    return [topic.topic.name for topic in left if topic in plan.steps]


def _repartition_points(plan: Plan) -> dict[PlanNode, list[RepartitionPlan]]:
    """Return the topics that may become one, by the step behind which that one would stand."""
    found: dict[PlanNode, list[RepartitionPlan]] = {
        step: [] for step in plan.steps if _changes_keys(step)
    }
    for step in plan.steps:
        if isinstance(step, RepartitionPlan) and not step.explicit:
            changing = (n for n in _above(step) if _changes_keys(n) or _changes_values(n))
            nearest = next(changing, None)
            if nearest in found:
                found[nearest].append(step)
    merges = {step: _behind_merge(step, found) for step in plan.steps if _is_merge(step)}
    for step, changers in merges.items():
        found[step] = [topic for changer in changers for topic in found[changer]]
    for changer in {changer for changers in merges.values() for changer in changers}:
        del found[changer]
    return found


def _behind_merge(merge: PlanNode, found: dict[PlanNode, list[RepartitionPlan]]) -> list[PlanNode]:
    """Return the key-changing steps in front of a merge whose topics are all behind it."""
    above = set(_above(merge))
    return [
        changer
        for changer, topics in found.items()
        if changer in above and all(merge in _above(topic) for topic in topics)
    ]


def _above(step: PlanNode) -> Iterator[PlanNode]:
    """Yield all steps in front of one, depth first, as Kafka looks for them."""
    seen: set[PlanNode] = set()
    pending = list(reversed(step.parents))
    while pending:
        parent = pending.pop()
        if parent not in seen:
            seen.add(parent)
            yield parent
            pending += reversed(parent.parents)


def _region(
    plan: Plan, point: PlanNode, topic: RepartitionPlan, merged: RepartitionPlan | None
) -> set[PlanNode] | None:
    """Return the steps between `point` and a topic; None where the topic cannot be moved there.

    All that reaches the topic must have come through `point`, or through the merged topic already,
    and have the keys that it had there. Of the sides of a join one is enough: the others have equal
    keys in equal partitions.
    """
    ends = {step for step in (point, merged) if step is not None}
    above, sound = set(_above(topic)), set(ends)
    for step in plan.steps:  # whose parents stand before it
        if step in above and step not in ends and _keeps_keys(step):
            known = [parent in sound for parent in step.parents]
            if any(known) if isinstance(step, _JOINS) else known and all(known):
                sound.add(step)
    way: list[PlanNode] = [topic]
    for step in way:  # which grows
        if not any(parent in sound for parent in step.parents):
            return None
        way += [each for each in step.parents if each in sound - ends and each not in way]
    region = set(way[1:])
    moved = [step for step in region if point in _within(step, region)]
    return region if all(_keeps_values(step, topic) for step in moved) else None


def _within(step: PlanNode, region: set[PlanNode]) -> set[PlanNode]:
    """Return the steps that reach `step` through no others than those of `region`."""
    found: set[PlanNode] = set()
    pending = [step]
    while pending:
        new = [parent for parent in pending.pop().parents if parent not in found]
        found.update(new)
        pending += [parent for parent in new if parent in region]
    return found


def _merged_topic(plan: Plan, point: PlanNode, first: RepartitionPlan) -> RepartitionPlan:
    name = first.topic.name
    merged = RepartitionPlan(
        f"{name}-source",
        topic=RepartitionTopic(name),
        filter_name=f"{name}-filter",
        sink_name=f"{name}-sink",
        key_serde=first.key_serde,
        value_serde=first.value_serde,
        priority=point.priority,
    )
    plan.steps.append(merged)
    return merged


def _read_instead(
    plan: Plan,
    topic: RepartitionPlan,
    merged: RepartitionPlan,
    point: PlanNode,
    region: set[PlanNode],
) -> None:
    """Take a topic out; what stood in front of it, and behind it, stands behind the merged one."""
    for child in list(point.children):
        if child is topic or child in region:
            point.unlink(child)
            merged.link(child)
    (parent,) = topic.parents
    for child in list(topic.children):
        topic.unlink(child)
        parent.link(child)
    parent.unlink(topic)
    plan.replace_source(topic, merged)


# ---------------------------------------------------------------------------- what steps do


def _operator(step: PlanNode) -> Any:
    return step.operator if isinstance(step, ProcessorPlan) else None


def _is_process(step: PlanNode) -> bool:
    operator = _operator(step)
    return isinstance(operator, Custom) and not operator.fixed_key


def _changes_keys(step: PlanNode) -> bool:
    return isinstance(_operator(step), SelectKey | Map | FlatMap) or _is_process(step)


def _changes_values(step: PlanNode) -> bool:
    return isinstance(_operator(step), MapValues | FlatMapValues | Custom)


def _is_merge(step: PlanNode) -> bool:
    """Tell whether it is `KStream.merge`; the arms of a branch pass records through as well."""
    return isinstance(_operator(step), PassThrough) and not any(
        isinstance(_operator(parent), Branch) for parent in step.parents
    )


def _keeps_keys(step: PlanNode) -> bool:
    """Tell whether records leave it in the partition in which they came."""
    if isinstance(step, (*_JOINS, StreamToTablePlan)):
        return True
    operator = _operator(step)
    if operator is None or _changes_keys(step) or isinstance(operator, TableSelect):
        return False  # a source, a topic, or new keys
    if isinstance(operator, Aggregate):
        return operator.windows is None
    return not isinstance(operator, WindowedAggregate)


def _keeps_values(step: PlanNode, topic: RepartitionPlan) -> bool:
    """Tell whether values leave it as they came, or can at least be written as they came."""
    if not isinstance(step, ProcessorPlan) or _changes_values(step):
        return False
    if isinstance(step.operator, StreamTableJoin):  # Kafka does not take the type into account
        return step.taken is None or str(step.taken) == str(topic.value_serde)
    return True


# ---------------------------------------------------------------------------- self-joins


def join_in_one_store(plan: Plan) -> None:
    """Let a stream that is joined with itself keep its records in one store instead of two.

    The results are those of an inner join, for left and outer joins too, but for records that come
    late: these do not meet themselves. Kafka: `KStreamKStreamSelfJoin`.
    """
    for step in [each for each in plan.steps if isinstance(each, StreamJoinPlan)]:
        if len(step.parents) == 1:
            _join_with_itself(plan, step, step.parents[0])


def _join_with_itself(plan: Plan, step: StreamJoinPlan, stream: PlanNode) -> None:
    operator = step.left.operator
    if not isinstance(operator, StreamJoin):
        raise TypeError(f"{step.left.name} is no side of a join")
    names = (step.left.parents[0], step.right.parents[0])
    left, right = (next(n for n in stream.children if n.name == name) for name in names)
    store = operator.own_store
    join = ProcessorPlan(
        step.name,
        SelfJoin(store, operator.joiner, operator.with_key, operator.windows),
        (store,),
        priority=step.priority,
        relaxed_join=step.relaxed_join,
    )
    for gone in (right, step):
        stream.unlink(gone)
        plan.steps.remove(gone)
    for child in step.children:  # whose other parents may stand before and behind it
        child.parents = [join if parent is step else parent for parent in child.parents]
    join.children = step.children
    left.link(join)
    plan.steps.append(join)


OPTIMIZATIONS: dict[str, Callable[[Plan], object]] = {
    "reuse.ktable.source.topics": reuse_source_topics,
    "merge.repartition.topics": merge_repartition_topics,
    "single.store.self.join": join_in_one_store,
}
"""By Kafka's names, in the order in which they are applied."""
