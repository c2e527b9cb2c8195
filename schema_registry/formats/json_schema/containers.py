"""Comparisons of objects and arrays, by their content models.

A model is open where values that no keyword names may be anything, closed where there may be
none, and partially open where a schema (`additionalProperties`, `patternProperties`) covers them.
Old data of an open model may hold anything under a name, so a property can be added to it only
with the empty schema. Confluent: `ObjectSchemaDiff`, `ArraySchemaDiff`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from aliran.schema_registry.formats.json_schema import nodes
from aliran.schema_registry.formats.json_schema.comparison import (
    Comparison,
    Difference,
    compares,
)
from aliran.schema_registry.formats.json_schema.values import compare_bounds

_COVERED = "{}_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL"
_NOT_COVERED = "{}_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL"


# ---------------------------------------------------------------------------- objects


@compares(nodes.Object)
def _compare_objects(c: Comparison, old: nodes.Object, new: nodes.Object) -> Iterator[Difference]:
    yield from _compare_required(old, new)
    for name in dict.fromkeys((*old.properties, *new.properties)):
        yield from (each.under("properties", name) for each in _compare_property(c, old, new, name))
    yield from _compare_patterns(c, old, new)
    yield from _compare_dependencies(c, old, new)
    yield from _compare_rest(c, "ADDITIONAL_PROPERTIES", old.additional, new.additional)
    yield from _compare_rest(c, "UNEVALUATED_PROPERTIES", old.unevaluated, new.unevaluated)
    if new.names is not None:
        if old.names is None:
            yield Difference("PROPERTY_NAMES_ADDED", ("propertyNames",))
        else:
            yield from (each.under("propertyNames") for each in c.compare(old.names, new.names))
    yield from compare_bounds(old, new)


def _compare_required(old: nodes.Object, new: nodes.Object) -> Iterator[Difference]:
    for name in dict.fromkeys((*old.properties, *sorted(old.required | new.required))):
        was, now = name in old.required, name in new.required
        if was and not now and name in new.properties and name in old.properties:
            yield Difference("REQUIRED_ATTRIBUTE_REMOVED", ("required", name))
        elif now and not was:
            declared = new.properties.get(name)
            if declared is not None and name not in old.properties:
                continue  # told where the property is compared
            with_default = declared is not None and declared.has_default
            rule = "REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED" if with_default else None
            yield Difference(rule or "REQUIRED_ATTRIBUTE_ADDED", ("required", name))


def _compare_property(
    c: Comparison, old: nodes.Object, new: nodes.Object, name: str
) -> Iterator[Difference]:
    before, now = old.properties.get(name), new.properties.get(name)
    if before is not None and now is not None:
        yield from c.compare(before, now)
    elif before is not None:
        yield from _compare_removed(c, before, new, name)
    elif now is not None:
        yield from _compare_added(c, old, now, name, required=name in new.required)


def _compare_removed(
    c: Comparison, before: nodes.Node, new: nodes.Object, name: str
) -> Iterator[Difference]:
    if _is_open_to(new, name):
        yield Difference("PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL")
        return
    covering = _covering(new, name)
    if covering is not None:
        yield from _compare_covered(c, before, covering, "PROPERTY_REMOVED")
    elif isinstance(before, nodes.Nothing):
        yield Difference("PROPERTY_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL")
    else:
        yield Difference("PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL")


def _compare_added(
    c: Comparison, old: nodes.Object, now: nodes.Node, name: str, *, required: bool
) -> Iterator[Difference]:
    kind = "OPTIONAL_PROPERTY"
    if required:
        kind = "REQUIRED_PROPERTY_WITH_DEFAULT" if now.has_default else "REQUIRED_PROPERTY"
    if _is_open_to(old, name):
        if isinstance(now, nodes.Anything) and not (required and not now.has_default):
            kind = "PROPERTY_WITH_EMPTY_SCHEMA"
        yield Difference(f"{kind}_ADDED_TO_OPEN_CONTENT_MODEL")
        return
    covering = _covering(old, name)
    if covering is not None:
        yield from _compare_covered(c, covering, now, "PROPERTY_ADDED")
    yield Difference(f"{kind}_ADDED_TO_UNOPEN_CONTENT_MODEL")


def _compare_covered(
    c: Comparison, old: nodes.Node, new: nodes.Node, what: str
) -> Iterator[Difference]:
    found = c.compare(old, new)
    yield from found
    yield Difference((_COVERED if c.suits(found) else _NOT_COVERED).format(what))


def _compare_patterns(c: Comparison, old: nodes.Object, new: nodes.Object) -> Iterator[Difference]:
    """Compare `patternProperties`, which Confluent does not: they too restrict what may be."""
    for pattern, now in new.patterns.items():
        before = old.patterns.get(pattern)
        if before is not None:
            found = c.compare(before, now)
            yield from (each.under("patternProperties", pattern) for each in found)
            continue
        writers = [each for name, each in old.properties.items() if _matches(pattern, name)]
        writers += old.patterns.values()
        writers.append(old.additional or nodes.ANYTHING)
        if not all(c.suits(c.compare(each, now)) for each in writers):
            yield Difference("PATTERN_PROPERTY_ADDED", ("patternProperties", pattern))
    for pattern, before in old.patterns.items():
        rest = new.additional
        if pattern in new.patterns or rest is None:
            continue
        if not c.suits(c.compare(before, rest)):
            yield Difference("PATTERN_PROPERTY_REMOVED", ("patternProperties", pattern))


def _compare_dependencies(
    c: Comparison, old: nodes.Object, new: nodes.Object
) -> Iterator[Difference]:
    for name in dict.fromkeys((*old.needed_names, *new.needed_names)):
        change = _dependency_change(old.needed_names.get(name), new.needed_names.get(name))
        if change is not None:
            yield Difference(f"DEPENDENCY_ARRAY_{change}", ("dependencies", name))
    for name in dict.fromkeys((*old.needed_schemas, *new.needed_schemas)):
        before, now = old.needed_schemas.get(name), new.needed_schemas.get(name)
        if before is not None and now is not None:
            yield from (each.under("dependencies", name) for each in c.compare(before, now))
        else:
            change = "ADDED" if before is None else "REMOVED"
            yield Difference(f"DEPENDENCY_SCHEMA_{change}", ("dependencies", name))


def _dependency_change(old: frozenset[str] | None, new: frozenset[str] | None) -> str | None:
    if old == new:
        return None
    if old is None or new is None:
        return "ADDED" if old is None else "REMOVED"
    if new >= old:
        return "EXTENDED"
    return "NARROWED" if old >= new else "CHANGED"


def _is_open_to(model: nodes.Object, name: str) -> bool:
    """Tell whether a property of that name may be anything.

    Confluent takes no model with `patternProperties` as open, whatever names they match.
    """
    return is_open(model) and not any(_matches(pattern, name) for pattern in model.patterns)


def _covering(model: nodes.Object, name: str) -> nodes.Node | None:
    """Return the schema by which a partially open model takes a property it does not name."""
    for pattern, found in model.patterns.items():
        if _matches(pattern, name):
            return found
    return _rest_of(model)


@lru_cache(maxsize=1024)
def _matches(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error:  # written for another language's dialect: it may match anything
        return True


# ---------------------------------------------------------------------------- arrays


@compares(nodes.Array)
def _compare_arrays(c: Comparison, old: nodes.Array, new: nodes.Array) -> Iterator[Difference]:
    yield from (each.under("items") for each in c.compare(old.every, new.every))
    for at in range(max(len(old.prefix), len(new.prefix))):
        yield from (each.under(f"items/{at}") for each in _compare_item(c, old, new, at))
    yield from _compare_rest(c, "ADDITIONAL_ITEMS", old.additional, new.additional)
    yield from _compare_rest(c, "UNEVALUATED_ITEMS", old.unevaluated, new.unevaluated)
    if old.is_unique != new.is_unique:
        change = "ADDED" if new.is_unique else "REMOVED"
        yield Difference(f"UNIQUE_ITEMS_{change}", ("uniqueItems",))
    yield from _compare_contained(c, old, new)
    yield from compare_bounds(old, new)


def _compare_item(
    c: Comparison, old: nodes.Array, new: nodes.Array, at: int
) -> Iterator[Difference]:
    before = old.prefix[at] if at < len(old.prefix) else None
    now = new.prefix[at] if at < len(new.prefix) else None
    if before is not None and now is not None:
        yield from c.compare(before, now)
    elif before is not None:
        if is_open(new):
            yield Difference("ITEM_REMOVED_FROM_OPEN_CONTENT_MODEL")
        elif (rest := _rest_of(new)) is not None:
            yield from _compare_covered(c, before, rest, "ITEM_REMOVED")
        elif isinstance(before, nodes.Nothing):
            yield Difference("ITEM_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL")
        else:
            yield Difference("ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL")
    elif now is not None:
        if is_open(old):
            empty = isinstance(now, nodes.Anything)
            kind = "ITEM_WITH_EMPTY_SCHEMA" if empty else "ITEM"
            yield Difference(f"{kind}_ADDED_TO_OPEN_CONTENT_MODEL")
        elif (rest := _rest_of(old)) is not None:
            yield from _compare_covered(c, rest, now, "ITEM_ADDED")
        else:
            yield Difference("ITEM_ADDED_TO_CLOSED_CONTENT_MODEL")


def _compare_contained(c: Comparison, old: nodes.Array, new: nodes.Array) -> Iterator[Difference]:
    """Compare `contains`, which Confluent does not."""
    if new.contains is None:
        return
    if old.contains is None:
        if new.bounds["minContains"] or "maxContains" in new.bounds:
            yield Difference("CONTAINS_ADDED", ("contains",))
        return
    found = c.compare(old.contains, new.contains)
    if "maxContains" in new.bounds and old.contains.source != new.contains.source:
        yield Difference("CONTAINS_CHANGED", ("contains",))
    yield from (each.under("contains") for each in found)


# ---------------------------------------------------------------------------- both


def is_open(model: nodes.Object | nodes.Array) -> bool:
    """Tell whether what no keyword names may be anything."""
    if model.additional is not None and not isinstance(model.additional, nodes.Anything):
        return False
    return model.unevaluated is None or isinstance(model.unevaluated, nodes.Anything)


def _rest_of(model: nodes.Object | nodes.Array) -> nodes.Node | None:
    """Return the schema of all that no keyword names; None if that may be anything or nothing."""
    for rest in (model.additional, model.unevaluated):
        if isinstance(rest, nodes.Nothing):
            return None
        if rest is not None and not isinstance(rest, nodes.Anything):
            return rest
    return None


_WORDS: Mapping[str, str] = {
    "ADDITIONAL_PROPERTIES": "additionalProperties",
    "ADDITIONAL_ITEMS": "additionalItems",
    "UNEVALUATED_PROPERTIES": "unevaluatedProperties",
    "UNEVALUATED_ITEMS": "unevaluatedItems",
}


def _compare_rest(
    c: Comparison, rule: str, old: nodes.Node | None, new: nodes.Node | None
) -> Iterator[Difference]:
    """Compare what `additionalProperties` and the like say of all the rest; absent is anything."""
    was_closed, is_closed = isinstance(old, nodes.Nothing), isinstance(new, nodes.Nothing)
    before, now = _schema_of(old), _schema_of(new)
    if was_closed != is_closed:
        yield Difference(f"{rule}_{'REMOVED' if is_closed else 'ADDED'}", (_WORDS[rule],))
    elif (before is None) != (now is None):
        change = "NARROWED" if before is None else "EXTENDED"
        yield Difference(f"{rule}_{change}", (_WORDS[rule],))
    else:
        yield from (each.under(_WORDS[rule]) for each in c.compare(before, now))


def _schema_of(rest: nodes.Node | None) -> nodes.Node | None:
    """Return a rest that is neither everything nor nothing."""
    return None if isinstance(rest, nodes.Anything | nodes.Nothing) else rest
