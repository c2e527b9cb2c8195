"""Code of groups of tables: the way to the repartition topic, and the aggregation behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aliran.streams.dsl.changes import Change
from aliran.streams.engine.old_values import TAKES_LATEST, TAKES_OLD_VALUES, latest_only
from aliran.streams.engine.table_code import write_put
from aliran.streams.engine.variables import Vars
from aliran.streams.plan import operators as op

if TYPE_CHECKING:
    from aliran.streams.engine.compiler import Compiler


def _write_table_select(c: Compiler, node: op.ProcessorNode, spec: op.TableSelect, v: Vars) -> None:
    """Forward the changes that an update makes to groups: one, or two where it moves."""
    select, key = c.bind("select", selector(spec.mapper)), c.key(v)
    group, change = c.fresh("k"), c.fresh("v")
    loop = f"for {group}, {change} in {select}({key}, {v.value}, {v.old or None}):"
    with (
        latest_only(c, node, v, drops=False),
        c.code.block(loop, "call the mapper"),
    ):
        c.write_children(node.name, Vars(group, change, v.time, v.headers))


def selector(mapper: op.AnyFunction) -> Callable[[Any, Any, Any], list[tuple[Any, Change]]]:
    """Return a function of key, new and old value that gives the changes of groups.

    The subtraction comes first. Rows whose group or whose value there is None are left out.
    """

    def pair(key: Any, value: Any) -> tuple[Any, Any] | None:
        found = None if value is None else mapper(key, value)
        if found is None:
            return None
        group, selected = found
        return None if group is None or selected is None else (group, selected)

    def select(key: Any, new: Any, old: Any) -> list[tuple[Any, Change]]:
        added, removed = pair(key, new), pair(key, old)
        if added is None:
            return [] if removed is None else [(removed[0], Change(None, removed[1]))]
        if removed is None:
            return [(added[0], Change(added[1], None))]
        if added[0] == removed[0]:
            return [(added[0], Change(added[1], removed[1]))]
        return [(removed[0], Change(None, removed[1])), (added[0], Change(added[1], None))]

    return select


def _write_table_aggregate(
    c: Compiler, node: op.ProcessorNode, spec: op.TableAggregate, v: Vars
) -> None:
    code, table = c.code, c.bindings.table(spec.store)
    aggregation = TableAggregation(spec, table, sends_old_values=node.sends_old_values)
    update = c.bind("update", aggregation.update)
    value, time, old = c.fresh("v"), c.fresh("t"), c.fresh("o")
    key = c.key(v)
    code.line(
        f"{value}, {time}, {old} = {update}({key}, {v.value}, {v.time})", "call adder or subtractor"
    )
    put = c.bind("put", table.put)
    # Only values are stored with their time; a deletion has that of the record, but in versions.
    stored = time if table.versioned else f"{v.time} if {value} is None else {time}"
    sent = old if node.sends_old_values else None
    update = f"{put}({key}, {value}, {stored}, {v.headers})"
    write_put(c, node, table, update, v._replace(value=value, time=time, old=sent))


class TableAggregation:
    """Computes aggregates of a grouped table, as `KTableAggregate` and `KTableReduce` do."""

    def __init__(self, spec: op.TableAggregate, table: Any, *, sends_old_values: bool) -> None:
        self._table = table
        self._copies = sends_old_values
        self._start = spec.initializer
        self._is_reduce = spec.kind == "reduce"
        self._add, self._subtract = _functions(spec)

    def update(self, key: Any, change: Change, time: int) -> tuple[Any, int, Any]:
        """Return the new aggregate of a group, its time, and the aggregate before.

        A subtraction for a group that has no aggregate is forgotten, and so is the group's time.
        """
        found = self._table.get_timed(key)
        if found is None:
            return (None if change.new is None else self._first(key, change.new)), time, None
        before, newest = found[0], max(time, found[1])
        old = self._table.copy_of(before) if self._copies else None
        value = before
        if change.old is not None:
            value = self._subtract(key, change.old, value)
        if change.new is None:
            # Nothing to subtract and nothing to add leaves the update's own time.
            return value, newest if change.old is not None else time, old
        if value is not None:
            return self._add(key, change.new, value), newest, old
        if self._is_reduce:
            return change.new, newest, old
        return self._first(key, change.new), newest, old

    def _first(self, key: Any, value: Any) -> Any:
        if self._is_reduce:
            return value
        return self._add(key, value, 0 if self._start is None else self._start())


def _functions(spec: op.TableAggregate) -> tuple[Callable[..., Any], Callable[..., Any]]:
    adder, subtractor = spec.adder, spec.subtractor
    if adder is None or subtractor is None:
        return (lambda _key, _value, total: total + 1), (lambda _key, _value, total: total - 1)
    if spec.kind == "aggregate":
        return adder, subtractor
    return (
        lambda _key, value, aggregate: adder(aggregate, value),
        lambda _key, value, aggregate: subtractor(aggregate, value),
    )


TAKES_OLD_VALUES.add(op.TableSelect)
TAKES_LATEST.add(op.TableSelect)

WRITERS: dict[type, Callable[..., None]] = {
    op.TableSelect: _write_table_select,
    op.TableAggregate: _write_table_aggregate,
}
