"""Code of joins between two streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aliran.streams.engine.stream_joins import (
    JoinWindowTable,
    SelfJoinState,
    Throttle,
    UnmatchedTable,
)
from aliran.streams.engine.variables import Vars, same_format
from aliran.streams.plan import operators as op

if TYPE_CHECKING:
    from aliran.streams.engine.compiler import Compiler


def _write_join_window(c: Compiler, node: op.ProcessorNode, spec: op.JoinWindow, v: Vars) -> None:
    """Forward first, so that a record of a stream joined with itself does not find itself."""
    table, key = _window_table(c, spec.store), c.key(v)
    v = c.with_key(v, key)
    if not _holds_cell(v, table):
        cell = c.fresh("c")
        c.code.line(
            f"{cell} = {c.serialize(table.key_serde, key)}", "serialize the key for the store of"
        )
        v = v._replace(key_bytes=cell, key_format=table.key_serde)
    c.write_children(node.name, v)
    with c.code.block(f"if {v.key} is not None:"):
        put = c.bind("put", table.put)
        record = f"{v.key_bytes}, {v.value}, {v.time}, {v.headers}"
        c.code.line(f"{put}({record})", "update the store")


def _write_stream_join(c: Compiler, node: op.ProcessorNode, spec: op.StreamJoin, v: Vars) -> None:
    code, key = c.code, c.key(v)
    v = c.with_key(v, key)
    unmatched = ""
    if spec.unmatched_store is not None:
        unmatched = c.bind("u", _unmatched_table(c, spec, spec.unmatched_store))
        code.line(f"if {v.time} > {unmatched}.stream_time: {unmatched}.stream_time = {v.time}")
    dropped = f"{v.value} is None" if spec.outer else f"{key} is None or {v.value} is None"
    with code.block(f"if {dropped}:"):
        code.line("stats.dropped_records += 1")
    if spec.outer:
        with code.block(f"elif {key} is None:"):
            _write_result(c, node, spec, v, "None")
    with code.block("else:"):
        v = _with_cell(c, v, _window_table(c, spec.other_store))
        if unmatched:
            _write_closed(c, node, spec, v, unmatched)
        _write_matches(c, node, spec, v, unmatched)


def _write_self_join(c: Compiler, node: op.ProcessorNode, spec: op.SelfJoin, v: Vars) -> None:
    code, key = c.code, c.key(v)
    v = c.with_key(v, key)
    with code.block(f"if {key} is None or {v.value} is None:"):
        code.line("stats.dropped_records += 1")
    with code.block("else:"):
        table = _window_table(c, spec.store)
        v = _with_cell(c, v, table)
        # Shared, for a loop may be written once for records with headers and once for others.
        state = c.operator_state.setdefault(
            f"self-join {node.name}", SelfJoinState(table, spec.windows)
        )
        left, right, time = c.fresh("v"), c.fresh("v"), c.fresh("t")
        pairs = f"{c.bind('j', state.pairs)}({v.key_bytes}, {v.value}, {v.time})"
        loop = f"for {left}, {right}, {time} in {pairs}:"
        with code.block(loop, "read the store of the stream for"):
            _write_joined(c, node, spec, v._replace(time=time), left, right)


def _write_matches(
    c: Compiler, node: op.ProcessorNode, spec: op.StreamJoin, v: Vars, unmatched: str
) -> None:
    """Join with what the other side has; without a match, wait for one or give up."""
    code, other = c.code, _window_table(c, spec.other_store)
    before, after = spec.windows.before_ms, spec.windows.after_ms
    if not spec.is_left:
        before, after = after, before
    found, time, value = c.fresh("r"), c.fresh("t"), c.fresh("v")
    fetch, end = c.bind("fetch", other.fetch), _shifted(v.time, after)
    code.line(
        f"{found} = {fetch}({v.key_bytes}, {_shifted(v.time, -before)}, {end})",
        "read the store of the other stream for",
    )
    with code.block(f"for {time}, {value} in {found}:"):
        if unmatched:
            matched = f"{not spec.is_left}, {v.key_bytes}, {time}, {v.time}"
            code.line(f"{unmatched}.matched({matched})")
        newer = c.fresh("t")
        code.line(f"{newer} = {v.time} if {v.time} > {time} else {time}")
        _write_result(c, node, spec, v, value, newer)
    if not spec.outer:
        return
    with code.block(f"if not {found}:"):
        with code.block(f"if {end} < {unmatched}.stream_time:"):
            _write_result(c, node, spec, v, "None")
        with code.block("else:"):
            waiting = f"{spec.is_left}, {v.key_bytes}, {v.value}, {v.time}"
            code.line(f"{unmatched}.add({waiting})", "let a record wait for a match in")


def _write_closed(
    c: Compiler, node: op.ProcessorNode, spec: op.StreamJoin, v: Vars, unmatched: str
) -> None:
    """Forward the records that waited in vain, if this record moved stream time on."""
    windows, environment = spec.windows, c.bindings.environment
    ahead = (windows.after_ms if spec.is_left else windows.before_ms) + windows.grace_ms
    key, left, right, time = c.fresh("k"), c.fresh("v"), c.fresh("v"), c.fresh("t")
    throttle = Throttle(environment.outer_join_emit_interval_ms, environment.clock.time_ms)
    closed = f"{unmatched}.closed({c.bind('w', windows)}, {c.bind('i', throttle)}, {v.time})"
    with (
        c.code.block(f"if {v.time} == {unmatched}.stream_time and {unmatched}.may_close({ahead}):"),
        c.code.block(f"for {key}, {left}, {right}, {time} in {closed}:"),
    ):
        record = v._replace(key=key, time=time, key_bytes=None, key_format=None)
        _write_joined(c, node, spec, record, left, right)


def _write_result(
    c: Compiler,
    node: op.ProcessorNode,
    spec: op.StreamJoin,
    v: Vars,
    other: str,
    time: str | None = None,
) -> None:
    """Join the record with a value of the other side and forward the result."""
    left, right = (v.value, other) if spec.is_left else (other, v.value)
    _write_joined(c, node, spec, v._replace(time=time or v.time), left, right)


def _write_joined(
    c: Compiler,
    node: op.ProcessorNode,
    spec: op.StreamJoin | op.SelfJoin,
    v: Vars,
    left: str,
    right: str,
) -> None:
    joiner, value = c.bind("f", spec.joiner), c.fresh("v")
    arguments = f"{v.key}, {left}, {right}" if spec.with_key else f"{left}, {right}"
    c.code.line(f"{value} = {joiner}({arguments})", "call the joiner")
    c.write_children(node.name, v._replace(value=value, old=None))


def _window_table(c: Compiler, store: str) -> JoinWindowTable:
    table: JoinWindowTable | None = c.operator_state.get(store)
    if table is None:
        stores = c.bindings.stores
        found, serdes = stores.bytes_of(store), stores.serdes_of(store)
        table = JoinWindowTable(found, serdes, stores.changelog_of(store))
        c.operator_state[store] = table
    return table


def _unmatched_table(c: Compiler, spec: op.StreamJoin, store: str) -> UnmatchedTable:
    table: UnmatchedTable | None = c.operator_state.get(store)
    if table is None:
        stores = c.bindings.stores
        sides = (spec.own_store, spec.other_store)
        (key, left), (_, right) = map(stores.serdes_of, sides if spec.is_left else sides[::-1])
        table = UnmatchedTable(
            stores.bytes_of(store), key, (left, right), stores.changelog_of(store)
        )
        c.operator_state[store] = table
    return table


def _holds_cell(v: Vars, table: Any) -> bool:
    """Tell whether the record's key is at hand as the bytes of a table's keys."""
    return v.key_bytes is not None and (
        v.key_format is table.key_serde or same_format(v.key_format, table.key_serde)
    )


def _with_cell(c: Compiler, v: Vars, table: Any) -> Vars:
    if _holds_cell(v, table):
        return v
    cell = c.fresh("c")
    c.code.line(
        f"{cell} = {c.serializer(table.key_serde, v.key)}", "serialize the key for the store of"
    )
    return v._replace(key_bytes=cell, key_format=table.key_serde)


def _shifted(time: str, by_ms: int) -> str:
    """Return an expression for a time moved by a constant, not below 0."""
    if by_ms == 0:
        return time
    return f"max(0, {time} - {-by_ms})" if by_ms < 0 else f"{time} + {by_ms}"


WRITERS: dict[type, Callable[..., None]] = {
    op.JoinWindow: _write_join_window,
    op.StreamJoin: _write_stream_join,
    op.SelfJoin: _write_self_join,
}
