"""Code of aggregations, with and without windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aliran.streams.engine.table_code import write_put
from aliran.streams.engine.variables import Vars, same_format
from aliran.streams.plan import operators as op

if TYPE_CHECKING:
    from aliran.streams.engine.compiler import Compiler


def _write_aggregate(c: Compiler, node: op.ProcessorNode, spec: op.Aggregate, v: Vars) -> None:
    code, table = c.code, c.bindings.table(spec.store)
    key = c.key(v)
    raw = None
    if v.window is None and same_format(v.key_format, table.key_serde):
        raw = v.key_bytes
    # Kafka drops null values too, except where there are windows.
    missing = f"{raw or key} is None"
    if spec.windows is None:
        missing += f" or {v.value} is None"
    with code.block(f"if {missing}:"):
        code.line("stats.dropped_records += 1")
    with code.block("else:"):
        cell = key
        if not table.keys_are_typed:
            cell = raw or _write_serialized_cell(c, table, key)
        v = v._replace(key=key, window=None, key_bytes=raw, old=None)
        if spec.windows is None:
            _write_cell(c, node, spec, v, cell)
        else:
            _write_windows(c, node, spec, v, cell)


def _write_serialized_cell(c: Compiler, table: Any, key: str) -> str:
    cell = c.fresh("c")
    serialize = c.bind("sk", table.key_serde.serializer)
    c.code.line(f"{cell} = {serialize}({key})", "serialize the key for the store of")
    return cell


def _write_windows(
    c: Compiler, node: op.ProcessorNode, spec: op.Aggregate, v: Vars, cell: str
) -> None:
    """The windows that a record belongs to and that are still open."""
    code, windows = c.code, spec.windows
    if windows is None:
        return
    size, advance, start = windows.size_ms, windows.advance_ms, c.fresh("w")
    clock = _write_stream_time(c, node, v)
    open_until = f"{start} + {size + windows.grace_ms} > {clock}"
    windowed = v._replace(window=start, window_size_ms=size)
    if size == advance:
        code.line(f"{start} = {v.time} - {v.time} % {size}")
        loop = None
    else:
        first = f"max(0, {v.time} - {size - advance}) // {advance} * {advance}"
        loop = f"for {start} in range({first}, {v.time} + 1, {advance}):"
    with code.block(loop or "if True:"):
        with code.block(f"if {open_until}:"):
            _write_cell(c, node, spec, windowed, cell)
        with code.block("else:"):
            code.line("stats.dropped_records += 1")
            if spec.late is not None:
                # The last of its windows is the newest: if that is closed, all are.
                with code.block(f"if {start} + {advance} > {v.time}:"):
                    c.write_call(c.nodes[spec.late], v)


class OperatorClock:
    """The clock of one node; those of a cogroup that share a store have one each.

    Attributes:
        stream_time: The largest record time the node has seen, -1 before the first.
    """

    def __init__(self) -> None:
        self.stream_time = -1


def _write_stream_time(c: Compiler, node: op.ProcessorNode, v: Vars) -> str:
    """Move the operator's clock on; returns an expression for it."""
    owner = c.bind("w", c.operator_state.setdefault(node.name, OperatorClock()))
    if c.prologue is None:
        clock = f"{owner}.stream_time"
        c.code.line(f"if {v.time} > {clock}: {clock} = {v.time}")
        return clock
    # Within a loop nothing else moves it, so a local variable can stand for it.
    clock = c.fresh("st")
    c.prologue.append(f"{clock} = {owner}.stream_time")
    c.code.line(f"if {v.time} > {clock}: {owner}.stream_time = {clock} = {v.time}")
    return clock


def _write_cell(
    c: Compiler, node: op.ProcessorNode, spec: op.Aggregate, v: Vars, cell: str
) -> None:
    """Update one aggregate: entry = [value, timestamp, headers]."""
    code, table = c.code, c.bindings.table(spec.store)
    entry, load = c.fresh("e"), c.bind("load", table.load)
    where = cell if v.window is None else f"{cell}, {v.window}"
    if not table.caching:
        code.line(f"{entry} = {load}({where})", "read the store of")
        old = c.fresh("o") if node.name in c.senders_of_old_values else None
        _write_new_value(c, spec, v, entry, old)
        value, time = c.fresh("v"), c.fresh("t")
        code.line(f"{value}, {time} = {entry}[0], {entry}[1]")
        if not table.versioned:
            _write_tombstone_time(c, spec, v, entry)
        put = f"{c.bind('store', table.store_entry)}({where}, {entry})"
        write_put(c, node, table, put, v._replace(value=value, time=time, old=old))
        return
    _write_cached_entry(c, table, v, cell, entry)
    with code.block(f"if {entry} is None:"):
        code.line(f"{entry} = {load}({where})", "read the store of")
        _write_new_value(c, spec, v, entry)
        # Last, so that an entry whose function raised does not count as changed.
        if v.window is None:
            code.line(f"{c.bind('dirty', table.dirty)}[{cell}] = {entry}")
        else:
            # Asked for anew: loading may have emptied the cache.
            cells, dirty = c.fresh("d"), c.bind("dirty", table.dirty)
            code.line(f"{cells} = {dirty}.get({v.window})")
            code.line(f"if {cells} is None: {cells} = {dirty}[{v.window}] = {{}}")
            code.line(f"{cells}[{cell}] = {entry}")
    with code.block("else:"):
        _write_new_value(c, spec, v, entry)
        if v.window is not None and c.bindings.environment.keeps_put_order:
            dirty = c.bind("dirty", table.dirty)
            code.line(f"{dirty}[{v.window}] = {dirty}.pop({v.window})")
    _write_tombstone_time(c, spec, v, entry)
    code.line(f"{entry}[2] = {v.headers}")  # a flush forwards those of the last update


def _write_cached_entry(c: Compiler, table: Any, v: Vars, cell: str, entry: str) -> None:
    """Find the dirty entry of a cell, None where there is none."""
    get = c.bind("get", table.dirty.get)
    if v.window is None:
        c.code.line(f"{entry} = {get}({cell})")
        return
    cells = c.fresh("d")
    c.code.line(f"{cells} = {get}({v.window})")
    c.code.line(f"{entry} = None if {cells} is None else {cells}.get({cell})")


def _write_tombstone_time(c: Compiler, spec: op.Aggregate, v: Vars, entry: str) -> None:
    """An aggregate that became null has the record's time: only values are stored with theirs."""
    if spec.kind != "count":
        c.code.line(f"if {entry}[0] is None: {entry}[1] = {v.time}")


def _write_new_value(
    c: Compiler, spec: op.Aggregate, v: Vars, entry: str, kept: str | None = None
) -> None:
    """Update an entry; `kept` names a variable for the aggregate as it was before.

    As on the JVM that is the initial value, not null, for a key that had none.
    """
    code = c.code
    copy = c.bind("copy", c.bindings.table(spec.store).copy_of) if kept else ""
    newer = f"if {v.time} > {entry}[1]: {entry}[1] = {v.time}"
    if spec.kind == "count":
        if kept:
            code.line(f"{kept} = {entry}[0]")
        code.line(f"{entry}[0] += 1")
        code.line(newer)
        return
    old, new = c.fresh("a"), c.fresh("a")
    code.line(f"{old} = {entry}[0]")
    aggregator = c.bind("f", spec.aggregator)
    if kept and spec.kind == "reduce":
        code.line(f"{kept} = {copy}({old})", "copy the aggregate of")
    with code.block(f"if {old} is None:"):
        # An aggregate that is not there, or became null, starts with the record's own time.
        code.line(f"{entry}[1] = {v.time}")
        if spec.kind == "reduce":
            code.line(f"{new} = {v.value}")
        else:
            code.line(f"{old} = {c.bind('f', spec.initializer)}()", "call the initializer")
    if kept and spec.kind == "aggregate":
        code.line(f"{kept} = {copy}({old})", "copy the aggregate of")
    if spec.kind == "reduce":
        with code.block("else:"):
            code.line(f"{new} = {aggregator}({old}, {v.value})", "call the reducer")
            code.line(newer)
    else:
        code.line(f"{new} = {aggregator}({v.key}, {v.value}, {old})", "call the aggregator")
        code.line(newer)
    code.line(f"{entry}[0] = {new}")


WRITERS: dict[type, Callable[..., None]] = {
    op.Aggregate: _write_aggregate,
}
