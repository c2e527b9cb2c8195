"""Code of aggregations that are objects (`window_aggregation.py`), and of what merges cogroups."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from aliran.streams.engine.count_windows import CountWindowAggregation
from aliran.streams.engine.expiry import Expiry
from aliran.streams.engine.idle import IdleAggregation, IdleSuppressor
from aliran.streams.engine.old_values import TAKES_LATEST, TAKES_OLD_VALUES
from aliran.streams.engine.sessions import SessionAggregation
from aliran.streams.engine.sliding import SlidingAggregation
from aliran.streams.engine.suppress import Suppressor
from aliran.streams.engine.variables import Vars, same_format
from aliran.streams.engine.window_aggregation import (
    AlignedAggregation,
    FinalEmitter,
    WindowAggregation,
)
from aliran.streams.plan import operators as op
from aliran.streams.plan.window_operators import (
    CogroupMerge,
    CountWindowAggregate,
    ExpiringTable,
    SessionWindows,
    SlidingWindows,
    Suppress,
    WindowedAggregate,
)

if TYPE_CHECKING:
    from aliran.streams.engine.compiler import Compiler


def _write_windowed_aggregate(
    c: Compiler, node: op.ProcessorNode, spec: WindowedAggregate, v: Vars
) -> None:
    code, table, key = c.code, c.bindings.table(spec.store), c.key(v)
    raw = None
    if v.window is None and same_format(v.key_format, table.key_serde):
        raw = v.key_bytes
    missing = f"{raw or key} is None"
    if isinstance(spec.windows, SlidingWindows):  # elsewhere null values count
        missing += f" or {v.value} is None"
    with code.block(f"if {missing}:"):
        code.line("stats.dropped_records += 1")
    with code.block("else:"):
        cell = raw
        if cell is None:
            cell, serialize = c.fresh("c"), c.bind("sk", table.key_serde.serializer)
            code.line(f"{cell} = {serialize}({key})", "serialize the key for the store of")
        process = c.bind("process", _aggregation_of(c, node, spec).process)
        record = f"{key}, {cell}, {v.value}, {v.time}, {v.headers}"
        code.line(f"{process}({record})", "call the functions")


def _write_count_windows(
    c: Compiler, node: op.ProcessorNode, spec: CountWindowAggregate, v: Vars
) -> None:
    made = c.operator_state.get(node.name)
    if made is None:
        table, positions = c.bindings.table(spec.store), c.bindings.table(spec.positions)
        sends = node.name in c.senders_of_old_values
        made = CountWindowAggregation(spec, table, positions, sends_old_values=sends)
        c.operator_state[node.name] = made
        c.forward_from(node, made)
    key = c.key(v)
    with c.code.block(f"if {key} is None or {v.value} is None:"):
        c.code.line("stats.dropped_records += 1")
    with c.code.block("else:"):
        process = c.bind("process", made.process)
        c.code.line(f"{process}({key}, {v.value}, {v.time}, {v.headers})", "call the functions")


def _write_expiring(c: Compiler, node: op.ProcessorNode, spec: ExpiringTable, v: Vars) -> None:
    made = c.operator_state.get(node.name)
    if made is None:
        sends = node.name in c.senders_of_old_values
        made = c.operator_state[node.name] = Expiry(
            node.name, spec, c.bindings, sends_old_values=sends
        )
        c.forward_from(node, made)
    key, is_table = c.key(v), spec.kind == "table"
    with c.code.block(f"if {key} is None{'' if is_table else f' or {v.value} is None'}:"):
        c.code.line("stats.dropped_records += 1")
    with c.code.block("else:"):
        update = c.bind("update", made.put if is_table else made.aggregate)
        c.code.line(f"{update}({key}, {v.value}, {v.time}, {v.headers})", "call the functions")


def _aggregation_of(
    c: Compiler, node: op.ProcessorNode, spec: WindowedAggregate
) -> WindowAggregation | IdleAggregation:
    """Return the node's object; the codes for batches with and without headers share it."""
    known = c.operator_state.get(node.name)
    if known is not None:
        return known  # type: ignore[no-any-return]
    table, kind = c.bindings.table(spec.store), _kind_of(spec)
    sends_old_values = node.name in c.senders_of_old_values
    made: WindowAggregation = kind(
        spec, table, c.bindings.statistics, _emitter(c, spec), sends_old_values=sends_old_values
    )
    if sends_old_values:
        table.send_old_values()
    c.forward_from(node, made, table)
    if spec.late is not None:
        c.send_late_from(spec.late, made)
    called: WindowAggregation | IdleAggregation = made
    if spec.idle_ms is not None:
        called = IdleAggregation(node.name, made, spec.idle_ms, c.bindings)
    c.operator_state[node.name] = called
    return called


def _kind_of(spec: WindowedAggregate) -> Callable[..., WindowAggregation]:
    if isinstance(spec.windows, SlidingWindows):
        return SlidingAggregation
    if isinstance(spec.windows, SessionWindows):
        return SessionAggregation
    return AlignedAggregation


def _emitter(c: Compiler, spec: WindowedAggregate) -> FinalEmitter | None:
    if not spec.emit_final:
        return None
    environment = c.bindings.environment
    return FinalEmitter(
        spec.store,
        c.bindings.processor_metadata,
        environment.clock.time_ms,
        environment.window_emit_interval_ms,
    )


def _write_suppress(c: Compiler, node: op.ProcessorNode, spec: Suppress, v: Vars) -> None:
    suppressor = c.operator_state.get(node.name)
    if suppressor is None:
        table = c.bindings.table(spec.store)
        table.now_ms = c.bindings.environment.clock.time_ms
        if spec.idle_ms is None:
            suppressor = Suppressor(node.name, spec, table, c.bindings.origins)
        else:
            suppressor = IdleSuppressor(node.name, spec, table, c.bindings, spec.idle_ms)
        c.operator_state[node.name] = suppressor
        c.forward_from(node, suppressor)
    update = f"{c.key(v)}, {v.value}, {v.time}, {v.headers}, {v.old or 'None'}"
    c.code.line(f"{c.bind('hold', suppressor.process)}({update})", "hold back")


def _write_cogroup_merge(c: Compiler, node: op.ProcessorNode, _spec: CogroupMerge, v: Vars) -> None:
    c.write_children(node.name, v)


WRITERS: dict[type, Callable[..., None]] = {
    WindowedAggregate: _write_windowed_aggregate,
    CogroupMerge: _write_cogroup_merge,
    CountWindowAggregate: _write_count_windows,
    ExpiringTable: _write_expiring,
    Suppress: _write_suppress,
}

TAKES_OLD_VALUES.update((CogroupMerge, Suppress))
TAKES_LATEST.add(CogroupMerge)
