"""Code of the operators without state."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from aliran.streams.engine.variables import Vars
from aliran.streams.plan import operators as op

if TYPE_CHECKING:
    from aliran.streams.engine.compiler import Compiler


def _write_filter(c: Compiler, node: op.ProcessorNode, spec: op.Filter, v: Vars) -> None:
    predicate, negated = c.bind("f", spec.predicate), "not " if spec.negate else ""
    key = c.key(v)
    with c.code.block(f"if {negated}{predicate}({key}, {v.value}):", "call the predicate"):
        c.write_children(node.name, v)


def _write_drop_null_keys(
    c: Compiler, node: op.ProcessorNode, _spec: op.DropNullKeys, v: Vars
) -> None:
    if v.window is not None:  # windows have keys
        c.write_children(node.name, v)
        return
    with c.code.block(f"if {v.key} is not None:"):
        c.write_children(node.name, v)


def _write_map(c: Compiler, node: op.ProcessorNode, spec: op.Map, v: Vars) -> None:
    mapper, key, value = c.bind("f", spec.mapper), c.fresh("k"), c.fresh("v")
    old_key = c.key(v)
    c.code.line(f"{key}, {value} = {mapper}({old_key}, {v.value})", "call the mapper")
    c.write_children(node.name, Vars(key, value, v.time, v.headers))


def _write_map_values(c: Compiler, node: op.ProcessorNode, spec: op.MapValues, v: Vars) -> None:
    mapper, value = c.bind("f", spec.mapper), c.fresh("v")
    arguments = _arguments(c, spec.with_key, v)
    c.code.line(f"{value} = {mapper}({arguments})", "call the mapper")
    c.write_children(node.name, v._replace(value=value))


def _write_flat_map(c: Compiler, node: op.ProcessorNode, spec: op.FlatMap, v: Vars) -> None:
    mapper, key, value = c.bind("f", spec.mapper), c.fresh("k"), c.fresh("v")
    old_key = c.key(v)
    loop = f"for {key}, {value} in {mapper}({old_key}, {v.value}):"
    with c.code.block(loop, "call the mapper"):
        c.write_children(node.name, Vars(key, value, v.time, v.headers))


def _write_flat_map_values(
    c: Compiler, node: op.ProcessorNode, spec: op.FlatMapValues, v: Vars
) -> None:
    mapper, value = c.bind("f", spec.mapper), c.fresh("v")
    arguments = _arguments(c, spec.with_key, v)
    with c.code.block(f"for {value} in {mapper}({arguments}):", "call the mapper"):
        c.write_children(node.name, v._replace(value=value))


def _write_select_key(c: Compiler, node: op.ProcessorNode, spec: op.SelectKey, v: Vars) -> None:
    mapper, key = c.bind("f", spec.mapper), c.fresh("k")
    old_key = c.key(v)
    c.code.line(f"{key} = {mapper}({old_key}, {v.value})", "call the key selector")
    c.write_children(node.name, Vars(key, v.value, v.time, v.headers))


def _write_peek(c: Compiler, node: op.ProcessorNode, spec: op.Peek, v: Vars) -> None:
    action, key = c.bind("f", spec.action), c.key(v)
    c.code.line(f"{action}({key}, {v.value})", "call the action")
    c.write_children(node.name, v)


def _write_for_each(c: Compiler, _node: op.ProcessorNode, spec: op.ForEach, v: Vars) -> None:
    action, key = c.bind("f", spec.action), c.key(v)
    c.code.line(f"{action}({key}, {v.value})", "call the action")


def _write_pass_through(
    c: Compiler, node: op.ProcessorNode, _spec: op.PassThrough, v: Vars
) -> None:
    c.write_children(node.name, v)


def _write_branch(c: Compiler, _node: op.ProcessorNode, spec: op.Branch, v: Vars) -> None:
    key = c.key(v)
    word = "if"
    for predicate, child in zip(spec.predicates, spec.children, strict=False):
        name = c.bind("f", predicate)
        with c.code.block(f"{word} {name}({key}, {v.value}):", "call a predicate"):
            c.write_call(c.nodes[child], v)
        word = "elif"
    for child in spec.children[len(spec.predicates) :]:
        if word == "if":  # a default branch alone
            c.write_call(c.nodes[child], v)
            continue
        with c.code.block("else:"):
            c.write_call(c.nodes[child], v)


def _arguments(c: Compiler, with_key: bool, v: Vars) -> str:
    return f"{c.key(v)}, {v.value}" if with_key else v.value


WRITERS: dict[type, Callable[..., None]] = {
    op.Filter: _write_filter,
    op.DropNullKeys: _write_drop_null_keys,
    op.Map: _write_map,
    op.MapValues: _write_map_values,
    op.FlatMap: _write_flat_map,
    op.FlatMapValues: _write_flat_map_values,
    op.SelectKey: _write_select_key,
    op.Peek: _write_peek,
    op.ForEach: _write_for_each,
    op.PassThrough: _write_pass_through,
    op.Branch: _write_branch,
}
