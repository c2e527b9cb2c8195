"""Code of joins of two tables by key, and of what merges their two sides."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from aliran.streams.engine.getters import open_getter
from aliran.streams.engine.old_values import TAKES_LATEST, TAKES_OLD_VALUES, latest_only
from aliran.streams.engine.table_code import write_table_update
from aliran.streams.engine.variables import Vars
from aliran.streams.plan import operators as op

if TYPE_CHECKING:
    from aliran.streams.engine.compiler import Compiler


def _write_table_join(c: Compiler, node: op.ProcessorNode, spec: op.TableJoin, v: Vars) -> None:
    """Join an update with the row of the other table.

    Without such a row, an inner join and the right side of a left join have nothing to say; the
    others forward the update alone, unless it had and has no value.
    """
    with latest_only(c, node, v):
        _write_latest(c, node, spec, v._replace(latest=None))


def _write_latest(c: Compiler, node: op.ProcessorNode, spec: op.TableJoin, v: Vars) -> None:
    code, key = c.code, c.key(v)
    get, found = c.bind("get", open_getter(c.bindings, spec.other)), c.fresh("r")
    code.line(f"{found} = {get}({key})", "look into the other table for")
    needs_other = spec.kind == "inner" or (spec.kind == "left" and not spec.is_left)
    if needs_other:
        condition = f"{found} is not None"
    else:
        known = f"{v.value} is not None"
        if v.old is not None:
            known += f" or {v.old} is not None"
        condition = f"{found} is not None or {known}"
    with code.block(f"if {condition}:"):
        other, time = c.fresh("r"), c.fresh("t")
        code.line(f"{other}, {time} = {found}" if needs_other else _unpacked(found, other, time))
        code.line(f"if {time} < {v.time}: {time} = {v.time}")
        value = _write_joined(c, spec, v.value, other)
        old = _write_joined(c, spec, v.old or "None", other) if node.sends_old_values else None
        joined = c.with_key(v, key)._replace(value=value, time=time, old=old)
        c.write_children(node.name, joined)


def _unpacked(found: str, other: str, time: str) -> str:
    return f"{other}, {time} = {found} or (None, -1)"


def _write_joined(c: Compiler, spec: op.TableJoin, own: str, other: str) -> str:
    """Call the joiner where this kind of join does; returns the variable of its result."""
    joiner, value = c.bind("f", spec.joiner), c.fresh("v")
    called = f"{joiner}({own}, {other})" if spec.is_left else f"{joiner}({other}, {own})"
    if spec.kind == "outer":
        called = f"None if {own} is None and {other} is None else {called}"
    elif spec.kind == "inner" or spec.is_left:
        called = f"None if {own} is None else {called}"
    c.code.line(f"{value} = {called}", "call the joiner")
    return value


def _write_table_merge(c: Compiler, node: op.ProcessorNode, spec: op.TableMerge, v: Vars) -> None:
    old = v.old if node.sends_old_values else None
    key = c.key(v)
    write_table_update(c, node, spec.store, c.with_key(v, key)._replace(old=old))


TAKES_OLD_VALUES.update((op.TableJoin, op.TableMerge))
TAKES_LATEST.add(op.TableJoin)

WRITERS: dict[type, Callable[..., None]] = {
    op.TableJoin: _write_table_join,
    op.TableMerge: _write_table_merge,
}
