"""How one operator looks into the table of another. Kafka: `KTableValueGetter`.

A getter is a function of the key that returns value and time, or None where there is no row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from aliran.streams.plan import operators as op

if TYPE_CHECKING:
    from aliran.streams.engine.compiler import Bindings

Found: TypeAlias = tuple[Any, int] | None
Getter: TypeAlias = Callable[[Any], Found]


def open_getter(bindings: Bindings, spec: op.TableGetter, stored: Getter | None = None) -> Getter:
    """Return the getter that `spec` describes, on the stores of one task.

    `stored` looks into the store itself; None for its latest rows.
    """
    getter: Getter
    if spec.suppressed is not None:
        below = open_getter(bindings, spec.suppressed.table)
        getter = _suppressed(bindings.table(spec.suppressed.buffer), below)
    elif spec.joined is None:
        getter = stored or bindings.table(spec.store).get_timed
    else:
        sides = (open_getter(bindings, spec.joined.left), open_getter(bindings, spec.joined.right))
        getter = _JOINED[spec.joined.kind](*sides, spec.joined.joiner)
    for transform in spec.transforms:
        if isinstance(transform, op.TableFilter):
            getter = _filtered(getter, transform)
        elif isinstance(transform, op.TableMapValues):
            getter = _mapped(getter, transform)
        else:
            getter = _transformed(getter, bindings.transformer(transform))
    return getter


def is_versioned(bindings: Bindings, spec: op.TableGetter) -> bool:
    """Tell whether a table can be asked for its rows at a time. A join of two never can."""
    versioned: bool = bool(spec.store) and bindings.table(spec.store).versioned
    return versioned


def open_getter_as_of(bindings: Bindings, spec: op.TableGetter) -> Callable[[Any, int], Found]:
    """Return a getter of a versioned table, and a time."""
    stored, as_of = bindings.table(spec.store).get_timed_as_of, 0

    def get_stored(key: Any) -> Found:
        found: Found = stored(key, as_of)
        return found

    through = open_getter(bindings, spec, get_stored)

    def get(key: Any, time: int) -> Found:
        nonlocal as_of
        as_of = time
        return through(key)

    return get


def _suppressed(buffer: Any, below: Getter) -> Getter:
    def get(key: Any) -> Found:
        held_back, value = buffer.prior_value(key)
        return _row(value, -1) if held_back else below(key)

    return get


def _filtered(getter: Getter, spec: op.TableFilter) -> Getter:
    predicate, negate = spec.predicate, spec.negate

    def get(key: Any) -> Found:
        found = getter(key)
        return found if found is not None and bool(predicate(key, found[0])) != negate else None

    return get


def _mapped(getter: Getter, spec: op.TableMapValues) -> Getter:
    mapper, with_key = spec.mapper, spec.with_key

    def get(key: Any) -> Found:
        found = getter(key)
        if found is None:
            return None
        return _row(mapper(key, found[0]) if with_key else mapper(found[0]), found[1])

    return get


def _transformed(getter: Getter, transform: Callable[[Any, Any, int], Any]) -> Getter:
    def get(key: Any) -> Found:
        value, time = getter(key) or (None, -1)
        return _row(transform(key, value, time), time)

    return get


def _inner(left: Getter, right: Getter, joiner: op.AnyFunction) -> Getter:
    def get(key: Any) -> Found:
        one = left(key)
        other = None if one is None else right(key)
        if one is None or other is None:
            return None
        return _row(joiner(one[0], other[0]), max(one[1], other[1]))

    return get


def _left(left: Getter, right: Getter, joiner: op.AnyFunction) -> Getter:
    def get(key: Any) -> Found:
        one = left(key)
        if one is None:
            return None
        other = right(key) or (None, -1)
        return _row(joiner(one[0], other[0]), max(one[1], other[1]))

    return get


def _outer(left: Getter, right: Getter, joiner: op.AnyFunction) -> Getter:
    def get(key: Any) -> Found:
        one, other = left(key), right(key)
        if one is None and other is None:
            return None
        first, second = one or (None, -1), other or (None, -1)
        return _row(joiner(first[0], second[0]), max(first[1], second[1]))

    return get


def _row(value: Any, time: int) -> Found:
    return None if value is None else (value, time)


_JOINED: dict[str, Callable[[Getter, Getter, op.AnyFunction], Getter]] = {
    "inner": _inner,
    "left": _left,
    "outer": _outer,
}
