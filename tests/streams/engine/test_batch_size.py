"""The size of batches changes nothing: random topologies, batches of 1 and of 1,000."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from task_harness import RawRecord, TaskHarness

from aliran.serdes import serde_for
from aliran.streams import (
    CountWindows,
    EmitStrategy,
    KGroupedStream,
    KStream,
    KTable,
    Processor,
    PunctuationType,
    Record,
    Stores,
    StreamsBuilder,
    Suppressed,
)

LONG = serde_for(int)
KEYS = ("a", "b", "c", "d")


class Remember(Processor[str, int, str, int]):
    """Adds up values per key, and forwards every sum when stream time has moved 20 ms."""

    def __init__(self, store: str) -> None:
        self._name = store

    def init(self, context: Any) -> None:
        super().init(context)
        self.sums = context.get_state_store(self._name)
        context.schedule("20ms", PunctuationType.STREAM_TIME, self.report)

    def process(self, record: Record[str, int]) -> None:
        if record.key is None or record.value is None:
            return
        total = (self.sums.get(record.key) or 0) + record.value
        self.sums.put(record.key, total)
        metadata = self.context.record_metadata()
        assert metadata is not None
        self.context.forward(record.with_value(total + metadata.offset))

    def report(self, time_ms: int) -> None:
        for key, total in self.sums.all():
            self.context.forward(Record(key, total, time_ms))


def add(key: str, value: int | None, total: int) -> int:
    return total + (value or 0)


def tables_joined(builder: StreamsBuilder, stream: KStream[Any, Any], index: int) -> Any:
    other = builder.table(f"table-{index}", value=int)
    own = stream.to_table(name=f"rows-{index}", key=str, value=int).filter(lambda k, v: v % 3 > 0)
    if index % 2:
        return own.join(
            other, lambda x, y: x + 2 * y, store=f"joined-{index}", value=int
        ).to_stream()
    return own.outer_join(other, lambda x, y: (x or 0) + 2 * (y or 0)).to_stream()


def table_grouped(stream: KStream[Any, Any], index: int) -> Any:
    table = stream.to_table(name=f"rows-{index}", key=str, value=int)
    groups = table.group_by(lambda k, v: (KEYS[v % 4], v), key=str, value=int)
    if index % 2:
        return groups.count(store=f"groups-{index}").to_stream()
    return groups.reduce(lambda x, y: x + y, lambda x, y: x - y, store=f"g-{index}").to_stream()


def windowed(
    stream: KStream[Any, Any],
    index: int,
    strategy: EmitStrategy | None = None,
    **windows: Any,
) -> KStream[Any, Any]:
    keyed = stream.filter(lambda key, value: value is not None)
    grouped = keyed.group_by(lambda key, value: KEYS[value % 2], key=str, value=int)
    made: Any = grouped.windowed_by(**windows, grace="10ms")
    if strategy is not None:
        made = made.emit_strategy(strategy)
    counts: KTable[Any, int] = made.reduce(
        lambda one, two: one + two, store=f"store-{index}", retention="1s"
    )
    return counts.to_stream().map(lambda w, n: (f"{w.key}@{w.start_ms}-{w.end_ms}", n))


def late(stream: KStream[Any, Any], index: int) -> KStream[Any, Any]:
    grouped = stream.group_by(lambda key, value: KEYS[(value or 0) % 4], key=str, value=int)
    kinds: dict[str, Any] = {
        "tumbling": {"windows": "10ms"},
        "hopping": {"windows": "10ms", "advance": "4ms"},
        "sliding": {"sliding": "8ms"},
        "session": {"session": "4ms"},
    }
    for kind, windows in kinds.items():
        made: Any = grouped.windowed_by(**windows)
        made.count(store=f"{kind}-{index}", late=f"late-{kind}-{index}")
    closing = grouped.windowed_by("10ms").emit_strategy(
        EmitStrategy.on_window_close(idle_after="1s")
    )
    counts = closing.count(store=f"store-{index}", late=f"late-{index}")
    return counts.to_stream().map(lambda w, n: (f"{w.key}@{w.start_ms}", n))


def counted_off(stream: KStream[Any, Any], index: int) -> KStream[Any, Any]:
    grouped = stream.group_by(lambda key, value: KEYS[(value or 0) % 4], key=str, value=int)
    windows = grouped.windowed_by(CountWindows.of(3).advance_by(2))
    full = windows.emit_strategy(EmitStrategy.on_window_close())
    sums = windows.reduce(lambda x, y: x + y, store=f"store-{index}").to_stream()
    both = sums.merge(full.count(store=f"full-{index}").to_stream())
    return both.map(lambda w, n: (f"{w.key}@{w.number}", n))


def expiring(builder: StreamsBuilder, stream: KStream[Any, Any], index: int) -> KStream[Any, Any]:
    ttl: Any = {"ttl": "25ms"}
    table = builder.table(f"table-{index}", value=int, store=f"table-store-{index}", **ttl)
    rows = stream.to_table(store=f"rows-{index}", name=f"to-{index}", key=str, value=int, **ttl)
    rows.group_by(lambda k, v: (KEYS[v % 4], v), key=str, value=int).count(store=f"group-{index}")
    grouped = stream.group_by(lambda key, value: KEYS[(value or 0) % 4], key=str, value=int)
    counts = grouped.count(store=f"store-{index}", **ttl).to_stream()
    rows.to_stream().to(f"vanishing-{index}", key=str, value=int)
    return counts.left_join(
        table, lambda left, right: (left or 0) * 100 + (right or 0), key=str, value=int
    )


def suppressed(stream: KStream[Any, Any], index: int) -> KStream[Any, Any]:
    grouped = stream.group_by(lambda key, value: KEYS[(value or 0) % 4], key=str, value=int)
    counts = grouped.windowed_by("10ms", grace="5ms").count(store=f"store-{index}")
    final = counts.suppress(Suppressed.until_window_closes(), name=f"final-{index}")
    limit = Suppressed.until_time_limit("3ms", max_records=2)
    early = counts.suppress(limit, name=f"early-{index}")
    both = final.to_stream().merge(early.to_stream())
    return both.map(lambda w, n: (f"{w.key}@{w.start_ms}", n))


def cogrouped(stream: KStream[Any, Any], index: int) -> KStream[Any, Any]:
    def grouped(by: int) -> KGroupedStream[str, int]:
        return stream.group_by(
            lambda key, value: KEYS[(value or 0) % by], name=f"by-{by}-{index}", key=str, value=int
        )

    both = grouped(2).cogroup(add).cogroup(grouped(3), add)
    table = both.windowed_by("10ms", grace="5ms").aggregate(int, store=f"store-{index}", value=int)
    return table.to_stream().map(lambda w, n: (f"{w.key}@{w.start_ms}", n))


# Each step takes a stream of str keys and int values and gives another.
Step = Callable[[StreamsBuilder, KStream[Any, Any], int], KStream[Any, Any]]


def aggregated(stream: KStream[Any, Any], index: int, kind: str) -> KStream[Any, Any]:
    grouped = stream.group_by(lambda key, value: KEYS[(value or 0) % 4], key=str, value=int)
    name = f"store-{index}"
    if kind == "count":
        return grouped.count(store=name).to_stream()
    if kind == "reduce":
        return grouped.reduce(lambda one, two: one - two, store=name).to_stream()
    if kind == "aggregate":
        return grouped.aggregate(int, add, store=name, value=int).to_stream()
    windows = {"tumbling": {}, "hopping": {"advance": "5ms"}}[kind]
    windowed = grouped.windowed_by("15ms", grace="10ms", **windows).count(store=name)
    return windowed.to_stream().map(lambda w, count: (f"{w.key}@{w.start_ms}", count))


def joined(builder: StreamsBuilder, stream: KStream[Any, Any], index: int) -> KStream[Any, Any]:
    table = builder.table(f"table-{index}", value=int)
    keyed = stream.select_key(lambda key, value: KEYS[(value or 0) % 4])
    return keyed.left_join(table, lambda left, right: left * 100 + (right or 0), key=str, value=int)


def joined_versions(
    builder: StreamsBuilder, stream: KStream[Any, Any], index: int
) -> KStream[Any, Any]:
    history: Any = {"store": f"versions-{index}", "history_retention": "40ms"}
    table = builder.table(f"table-{index}", value=int, **history)
    view = table.filter(lambda key, value: value % 3 > 0)
    view.group_by(lambda key, value: (KEYS[value % 4], value), key=str, value=int).count()
    keyed = stream.select_key(lambda key, value: KEYS[(value or 0) % 4])

    def joiner(left: int, right: int | None) -> int:
        return left * 100 + (right or 0)

    late = keyed.left_join(view, joiner, grace="10ms", name=f"late-{index}", key=str, value=int)
    return keyed.join(table, joiner, name=f"now-{index}", key=str, value=int).merge(late)


def joined_streams(
    builder: StreamsBuilder, stream: KStream[Any, Any], index: int, kind: str
) -> KStream[Any, Any]:
    other = builder.stream(f"table-{index}", value=int)
    keyed = stream.select_key(lambda key, value: KEYS[(value or 0) % 4])
    joins: dict[str, Any] = {
        "inner": keyed.join,
        "left": keyed.left_join,
        "outer": keyed.outer_join,
    }

    def joiner(left: int | None, right: int | None) -> int:
        return (left or 0) * 100 + (right or 0)

    joined: KStream[Any, Any] = joins[kind](other, joiner, "10ms", grace="5ms", key=str, value=int)
    return joined


def branched(stream: KStream[Any, Any], index: int) -> KStream[Any, Any]:
    arms = (
        stream.split(name=f"split-{index}-")
        .branch(lambda key, value: (value or 0) % 3 == 0, name="threes")
        .branch(lambda key, value: key == "a", name="as")
        .default_branch(name="rest")
    )
    first, second, rest = arms.values()
    return first.map_values(lambda value: (value or 0) + 1).merge(second).merge(rest)


def processed(builder: StreamsBuilder, stream: KStream[Any, Any], index: int) -> KStream[Any, Any]:
    name = f"sums-{index}"
    builder.add_state_store(Stores.persistent_key_value_store(name, key=str, value=int))
    keyed = stream.map(lambda key, value: (key or "a", value))
    return keyed.process(lambda: Remember(name), name)


STEPS: dict[str, Step] = {
    "filter": lambda b, s, i: s.filter(lambda key, value: (value or 0) % 5 != 0),
    "filter_not": lambda b, s, i: s.filter_not(lambda key, value: key == "b"),
    "map": lambda b, s, i: s.map(lambda key, value: (KEYS[(value or 1) % 3], (value or 0) + 1)),
    "map_values": lambda b, s, i: s.map_values(lambda value: (value or 0) * 2 + 1),
    "flat_map": lambda b, s, i: s.flat_map(lambda key, value: [(key, value), ("d", value)]),
    "flat_map_values": lambda b, s, i: s.flat_map_values(
        lambda value: [value] * ((value or 0) % 3)
    ),
    "select_key": lambda b, s, i: s.select_key(lambda key, value: KEYS[(value or 0) % 4]),
    "merge_self": lambda b, s, i: s.merge(s.map_values(lambda value: -(value or 0))),
    "branch": lambda b, s, i: branched(s, i),
    "count": lambda b, s, i: aggregated(s, i, "count"),
    "reduce": lambda b, s, i: aggregated(s, i, "reduce"),
    "aggregate": lambda b, s, i: aggregated(s, i, "aggregate"),
    "tumbling": lambda b, s, i: aggregated(s, i, "tumbling"),
    "hopping": lambda b, s, i: aggregated(s, i, "hopping"),
    "join": joined,
    "stream_join": lambda b, s, i: joined_streams(b, s, i, "inner"),
    "stream_left_join": lambda b, s, i: joined_streams(b, s, i, "left"),
    "stream_outer_join": lambda b, s, i: joined_streams(b, s, i, "outer"),
    "versions_join": joined_versions,
    "process": processed,
    "to_table": lambda b, s, i: (
        s.map_values(
            lambda v: v or 1,
        )
        .to_table(store=f"table-store-{i}", key=str, value=int)
        .filter(lambda key, value: value % 2 == 0)
        .to_stream()
    ),
    "table_join": tables_joined,
    "table_group": lambda b, s, i: table_grouped(s, i),
    "sliding": lambda b, s, i: windowed(s, i, sliding="8ms"),
    "session": lambda b, s, i: windowed(s, i, session="4ms"),
    "close": lambda b, s, i: windowed(s, i, EmitStrategy.on_window_close(), windows="6ms"),
    "close_session": lambda b, s, i: windowed(s, i, EmitStrategy.on_window_close(), session="4ms"),
    "count_windows": lambda b, s, i: counted_off(s, i),
    "expiring": expiring,
    "late": lambda b, s, i: late(s, i),
    "suppress": lambda b, s, i: suppressed(s, i),
    "cogroup": lambda b, s, i: cogrouped(s, i),
    "repartition": lambda b, s, i: s.repartition(name=f"again-{i}", key=str, value=int),
}


def build(steps: list[str], tapped: list[bool]) -> Any:
    builder = StreamsBuilder()
    stream: KStream[Any, Any] = builder.stream(["in-1", "in-2"], value=int)
    for index, (step, tap) in enumerate(zip(steps, tapped, strict=True)):
        stream = STEPS[step](builder, stream, index)
        if tap:  # a second child, so that records fan out
            stream.map_values(lambda value: value).to(f"tap-{index}", key=str, value=int)
    stream.to("out", key=str, value=int)
    return builder.build()


records = st.lists(
    st.tuples(
        st.sampled_from((*KEYS, None)),
        st.one_of(st.none(), st.integers(-20, 20)),
        st.integers(0, 120),
        st.booleans(),
    ),
    max_size=40,
)


def raw(rows: list[tuple[str | None, int | None, int, bool]]) -> list[RawRecord]:
    return [
        (
            None if key is None else key.encode(),
            LONG.serialize(value),
            time,
            (("trace", key.encode() if key else None),) if traced else (),
        )
        for key, value, time, traced in rows
    ]


def outcome(topology: Any, inputs: Any, batch_size: int, cache_max_bytes: int) -> Any:
    harness = TaskHarness(topology, batch_size=batch_size, cache_max_bytes=cache_max_bytes)
    harness.run(inputs)
    closed = ("change-buffer", "record-buffer", "versioned")  # their changelogs are compared
    looked_into = [spec.name for spec in topology.stores if spec.kind not in closed]
    stores = {name: harness.store(name) for name in looked_into}
    counters = [task.statistics for task in harness.tasks]
    harness.close()
    return harness.outputs, stores, counters


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=5),
    taps=st.lists(st.booleans(), min_size=5, max_size=5),
    first=records,
    second=records,
    tables=records,
    cache_max_bytes=st.sampled_from((0, 2_000, 1_000_000)),
)
def test_batches_of_one_and_of_a_thousand_give_the_same(
    steps: list[str], taps: list[bool], first: Any, second: Any, tables: Any, cache_max_bytes: int
) -> None:
    topology = build(steps, taps[: len(steps)])
    inputs = {"in-1": raw(first), "in-2": raw(second)}
    inputs |= {f"table-{index}": raw(tables) for index in range(len(steps))}
    one = outcome(topology, inputs, 1, cache_max_bytes)
    thousand = outcome(topology, inputs, 1_000, cache_max_bytes)
    assert one == thousand


@settings(max_examples=40, deadline=None)
@given(first=records, second=records, size=st.integers(2, 7))
def test_odd_batch_sizes_give_the_same_too(first: Any, second: Any, size: int) -> None:
    topology = build(["branch", "tumbling", "process"], [True, False, True])
    inputs = {"in-1": raw(first), "in-2": raw(second)}
    assert outcome(topology, inputs, 1, 0) == outcome(topology, inputs, size, 0)


@settings(max_examples=40, deadline=None)
@given(first=records, second=records, tables=records, size=st.integers(2, 50))
def test_extensions_do_not_mind_the_size_of_batches(
    first: Any, second: Any, tables: Any, size: int
) -> None:
    topology = build(["late", "expiring", "count_windows"], [True, True, False])
    inputs = {"in-1": raw(first), "in-2": raw(second), "table-1": raw(tables)}
    assert outcome(topology, inputs, 1, 2_000) == outcome(topology, inputs, size, 2_000)
