"""Code of tables, and of joins that look into them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aliran.streams.engine.getters import is_versioned, open_getter, open_getter_as_of
from aliran.streams.engine.variables import Vars
from aliran.streams.engine.versioned import GraceJoin
from aliran.streams.plan import operators as op

if TYPE_CHECKING:
    from aliran.streams.engine.compiler import Compiler


def _write_table_source(
    c: Compiler, node: op.ProcessorNode, spec: op.TableSource | op.StreamToTable, v: Vars
) -> None:
    key = c.key(v)
    with c.code.block(f"if {key} is None:"):
        c.code.line("stats.dropped_records += 1")
    with c.code.block("else:"):
        write_table_update(c, node, spec.store, c.with_key(v, key)._replace(old=None))


def _write_table_to_stream(
    c: Compiler, node: op.ProcessorNode, spec: op.TableToStream, v: Vars
) -> None:
    if spec.mapper is not None:
        mapper, key, old = c.bind("f", spec.mapper), c.fresh("k"), c.key(v)
        c.code.line(f"{key} = {mapper}({old}, {v.value})", "call the key mapper")
        v = v._replace(key=key, window=None, key_bytes=None)
    c.write_children(node.name, v._replace(old=None, latest=None))


def _write_table_filter(c: Compiler, node: op.ProcessorNode, spec: op.TableFilter, v: Vars) -> None:
    key = c.key(v)
    value = _filtered(c, spec, key, v.value)
    after = c.with_key(v, key)._replace(value=value, old=None)
    if not node.sends_old_values:
        write_table_update(c, node, spec.store, after)
        return
    if spec.store is None:
        old = _filtered(c, spec, key, v.old or "None")
    else:
        old = _write_value_of(c, spec.store, key)
    if c.is_sent_latest(node.name):  # a tombstone may be news to a version in between
        write_table_update(c, node, spec.store, after._replace(old=old))
        return
    with c.code.block(f"if {value} is not None or {old} is not None:"):
        write_table_update(c, node, spec.store, after._replace(old=old))


def _write_table_map_values(
    c: Compiler, node: op.ProcessorNode, spec: op.TableMapValues, v: Vars
) -> None:
    key = c.key(v)
    value = _mapped(c, spec, key, v.value)
    old = None
    if node.sends_old_values and spec.store is None:
        old = _mapped(c, spec, key, v.old or "None")
    write_table_update(c, node, spec.store, c.with_key(v, key)._replace(value=value, old=old))


def _filtered(c: Compiler, spec: op.TableFilter, key: str, value: str) -> str:
    predicate, name = c.bind("f", spec.predicate), c.fresh("v")
    negated = "not " if spec.negate else ""
    c.code.line(
        f"{name} = {value} if {value} is not None "
        f"and {negated}{predicate}({key}, {value}) else None",
        "call the predicate",
    )
    return name


def _mapped(c: Compiler, spec: op.TableMapValues, key: str, value: str) -> str:
    mapper, name = c.bind("f", spec.mapper), c.fresh("v")
    arguments = f"{key}, {value}" if spec.with_key else value
    c.code.line(f"{name} = None if {value} is None else {mapper}({arguments})", "call the mapper")
    return name


def _write_table_transform_values(
    c: Compiler, node: op.ProcessorNode, spec: op.TableTransformValues, v: Vars
) -> None:
    key = c.key(v)
    transform, value, old = c.bind("f", c.bindings.transformer(spec)), c.fresh("v"), None
    c.code.line(f"{value} = {transform}({key}, {v.value}, {v.time})", "call transform()")
    if node.sends_old_values and spec.store is None:
        old = c.fresh("o")
        c.code.line(f"{old} = {transform}({key}, {v.old or None}, {v.time})", "call transform()")
    write_table_update(c, node, spec.store, c.with_key(v, key)._replace(value=value, old=old))


def write_table_update(c: Compiler, node: op.ProcessorNode, store: str | None, v: Vars) -> None:
    """Put the record into the table's store, if it has one, and forward it."""
    if store is None:
        c.write_children(node.name, v)
        return
    table = c.bindings.table(store)
    if node.sends_old_values and v.old is None and not table.caching:
        v = v._replace(old=_write_value_of(c, store, v.key))
    put = c.bind("put", table.put)
    write_put(c, node, table, f"{put}({v.key}, {v.value}, {v.time}, {v.headers})", v)


def write_put(c: Compiler, node: op.ProcessorNode, table: Any, put: str, v: Vars) -> None:
    """Write the expression `put`, which updates a table, and forward the record."""
    if not table.versioned:
        c.code.line(put, "update the store")
        if not table.caching:  # else the cache forwards it when it is flushed
            c.write_children(node.name, v)
        return
    latest = c.fresh("n")
    c.code.line(f"{latest} = {put}", "update the store")
    with c.code.block(f"if {latest} is not None:"):
        c.write_children(node.name, v._replace(latest=latest))


def _write_value_of(c: Compiler, store: str, key: str) -> str:
    """Read a table; returns the variable of the value."""
    get, name = c.bind("get", c.bindings.table(store).get), c.fresh("r")
    c.code.line(f"{name} = {get}({key})", "read the store of")
    return name


def _write_stream_table_join(
    c: Compiler, node: op.ProcessorNode, spec: op.StreamTableJoin, v: Vars
) -> None:
    code, own_key = c.code, c.key(v)
    key = own_key
    if spec.key_selector is not None:
        key = c.fresh("k")
        selector = c.bind("f", spec.key_selector)
        code.line(f"{key} = {selector}({own_key}, {v.value})", "call the key selector")
    missing = f"{v.value} is None" if spec.left else f"{key} is None or {v.value} is None"
    with code.block(f"if {missing}:"):
        code.line("stats.dropped_records += 1")
    with code.block("else:"):
        if spec.buffer is not None:
            hold = c.bind("hold", _grace_join(c, node, spec, spec.buffer).process)
            record = f"{own_key}, {v.value}, {v.time}, {v.headers}"
            code.line(f"{hold}({record})", "let records wait, or call the joiner,")
            return
        right = _write_look_up(c, spec.table, key, v.time)
        for transform in _plain_views(spec.table):
            right = (
                _filtered(c, transform, key, right)
                if isinstance(transform, op.TableFilter)
                else _mapped(c, transform, key, right)
            )
        if spec.left:
            _write_joined(c, node, spec, v, own_key, right)
        else:
            with code.block(f"if {right} is not None:"):
                _write_joined(c, node, spec, v, own_key, right)


def _grace_join(
    c: Compiler, node: op.ProcessorNode, spec: op.StreamTableJoin, buffer: str
) -> GraceJoin:
    """Return the node's object; the codes for batches with and without headers share it."""
    known = c.operator_state.get(node.name)
    if known is not None:
        return known  # type: ignore[no-any-return]
    get, joiner = open_getter_as_of(c.bindings, spec.table), spec.joiner

    def join(key: Any, value: Any, time: int) -> tuple[Any] | None:
        found = get(key, time)
        if found is None and not spec.left:
            return None
        other = None if found is None else found[0]
        return (joiner(key, value, other) if spec.with_key else joiner(value, other),)

    stores, clock = c.bindings.stores, c.bindings.environment.clock
    made = GraceJoin(
        node.name,
        stores.bytes_of(buffer),
        stores.serdes_of(buffer),
        stores.changelog_of(buffer),
        c.bindings.origins,
        clock.time_ms,
        join,
    )
    c.operator_state[node.name] = made
    c.forward_from(node, made)
    return made


def _is_plain(getter: op.TableGetter) -> bool:
    """Tell whether a look-up is a store and functions, which is written into the loop."""
    return bool(getter.store) and len(_plain_views(getter)) == len(getter.transforms)


def _plain_views(getter: op.TableGetter) -> list[op.TableFilter | op.TableMapValues]:
    if not getter.store:
        return []
    views = [
        each for each in getter.transforms if isinstance(each, op.TableFilter | op.TableMapValues)
    ]
    return views if len(views) == len(getter.transforms) else []


def _write_look_up(c: Compiler, getter: op.TableGetter, key: str, time: str) -> str:
    """Look into the store of a table, whose views are still to be applied, or into a getter."""
    right, versioned = c.fresh("r"), is_versioned(c.bindings, getter)
    arguments = f"{key}, {time}" if versioned else key
    if _is_plain(getter):
        table = c.bindings.table(getter.store)
        get = c.bind("get", table.get_as_of if versioned else table.get)
        c.code.line(f"{right} = None if {key} is None else {get}({arguments})", "read the table")
        return right
    opened = (open_getter_as_of if versioned else open_getter)(c.bindings, getter)
    get = c.bind("get", opened)
    c.code.line(f"{right} = None if {key} is None else {get}({arguments})", "read the tables")
    c.code.line(f"if {right} is not None: {right} = {right}[0]")
    return right


def _write_joined(
    c: Compiler, node: op.ProcessorNode, spec: op.StreamTableJoin, v: Vars, key: str, right: str
) -> None:
    joiner, value = c.bind("f", spec.joiner), c.fresh("v")
    arguments = f"{key}, {v.value}" if spec.with_key else v.value
    c.code.line(f"{value} = {joiner}({arguments}, {right})", "call the joiner")
    c.write_children(node.name, v._replace(value=value))


WRITERS: dict[type, Callable[..., None]] = {
    op.TableSource: _write_table_source,
    op.StreamToTable: _write_table_source,
    op.TableToStream: _write_table_to_stream,
    op.TableFilter: _write_table_filter,
    op.TableMapValues: _write_table_map_values,
    op.TableTransformValues: _write_table_transform_values,
    op.StreamTableJoin: _write_stream_table_join,
}
