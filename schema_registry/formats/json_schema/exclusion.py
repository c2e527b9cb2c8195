"""Whether two schemas can take the same value: what a longer `oneOf` depends on.

An alternative that is added to `oneOf`, or that takes more than before, may match data that another
one matches already; then the data is no longer valid. Confluent does not look at that.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from itertools import combinations

from aliran.schema_registry.formats.json_schema import nodes

_DEEPEST = 8
_TYPES: dict[type, str] = {
    nodes.Text: "string",
    nodes.Number: "number",
    nodes.Boolean: "boolean",
    nodes.Null: "null",
    nodes.Array: "array",
    nodes.Object: "object",
}
_TYPE_OF_VALUE = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    type(None): "null",
    list: "array",
    dict: "object",
}


def may_overlap(members: Sequence[nodes.Node], kept: Collection[int]) -> bool:
    """Tell whether two alternatives can take the same value.

    Args:
        members: All alternatives.
        kept: Numbers of those that stand as they stood: they excluded each other before.
    """
    return any(
        not (one in kept and other in kept) and not _exclude(members[one], members[other])
        for one, other in combinations(range(len(members)), 2)
    )


def may_overlap_with(written: nodes.Node, members: Sequence[nodes.Node]) -> bool:
    """Tell whether more than one alternative can take what `written` took."""
    return sum(not _exclude(written, member) for member in members) > 1


def _exclude(one: nodes.Node, other: nodes.Node, depth: int = 0) -> bool:
    one, other = nodes.behind_references(one), nodes.behind_references(other)
    if isinstance(one, nodes.Nothing) or isinstance(other, nodes.Nothing):
        return True
    if depth > _DEEPEST:
        return False
    for first, second in ((one, other), (other, one)):
        if isinstance(first, nodes.Combined):
            told = [_exclude(member, second, depth + 1) for member in first.members]
            if any(told) if first.criterion == "allOf" else all(told):
                return True
    types, others = _types(one), _types(other)
    if types is not None and others is not None and not types & others:
        return True
    values, rest = _values(one), _values(other)
    if values is not None and rest is not None:
        return not values & rest
    return (
        isinstance(one, nodes.Object)
        and isinstance(other, nodes.Object)
        and one.is_typed
        and other.is_typed
        and _exclude_by_a_property(one, other, depth)
    )


def _exclude_by_a_property(one: nodes.Object, other: nodes.Object, depth: int) -> bool:
    return any(
        name in one.properties
        and name in other.properties
        and _exclude(one.properties[name], other.properties[name], depth + 1)
        for name in one.required & other.required
    )


def _types(node: nodes.Node) -> set[str] | None:
    """Return the types of the values it takes, None if they may be any."""
    if isinstance(node, nodes.Typed) and not node.is_typed:
        return None
    if type(node) in _TYPES:
        return {_TYPES[type(node)]}
    values = _values(node)
    if values is None:
        return None
    return {_TYPE_OF_VALUE[type(json.loads(value))] for value in values}


def _values(node: nodes.Node) -> frozenset[str] | None:
    """Return all values it takes, None if they cannot be listed."""
    if isinstance(node, nodes.Const):
        return frozenset({node.value})
    return node.values if isinstance(node, nodes.Enum) else None
