"""A JSON Schema as a graph of typed nodes, one for each thing a schema can be.

`reader.py` makes them, the comparisons read them. A node knows no JSON text but `source`, which
says whether two schemas are the same. Nodes are compared by identity: that is what ends cycles
of `$ref`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Bounds: TypeAlias = Mapping[str, Any]
"""Limits by keyword (`maxLength`, `minimum`); absent ones do not limit."""


@dataclass(eq=False, slots=True, kw_only=True)
class Node:
    """What all have.

    Attributes:
        source: The schema in JSON, with sorted keys.
        has_default: Whether it gives a value to a property that is absent.
        annotations: Its `$id`, title, description and default, which restrict nothing.
        connect_type: Kafka Connect's own type, from `connect.type`.
    """

    source: str = ""
    has_default: bool = False
    annotations: Mapping[str, Any] = field(default_factory=dict)
    connect_type: Any = None


@dataclass(eq=False, slots=True, kw_only=True)
class Anything(Node):
    """`true` or `{}`."""


ANYTHING = Anything(source="true")
"""What is meant where nothing is said: one object, since nodes are compared by identity."""


@dataclass(eq=False, slots=True, kw_only=True)
class Nothing(Node):
    """`false`."""


@dataclass(eq=False, slots=True, kw_only=True)
class Boolean(Node):
    """Type `boolean`."""


@dataclass(eq=False, slots=True, kw_only=True)
class Null(Node):
    """Type `null`."""


@dataclass(eq=False, slots=True, kw_only=True)
class Typed(Node):
    """Keywords that belong to one type.

    Attributes:
        is_typed: Whether `type` demands it; else values of other types pass unchecked.
        bounds: The keywords that limit values by a number.
    """

    is_typed: bool = True
    bounds: Bounds = field(default_factory=dict)


@dataclass(eq=False, slots=True, kw_only=True)
class Text(Typed):
    """Type `string`."""

    pattern: str | None = None


@dataclass(eq=False, slots=True, kw_only=True)
class Number(Typed):
    """Types `number` and `integer`.

    Attributes:
        is_integer: Whether it is `integer`.
        exclusive: Of draft 4, where `exclusiveMinimum` and `exclusiveMaximum` are booleans.
    """

    is_integer: bool = False
    exclusive: frozenset[str] = frozenset()


@dataclass(eq=False, slots=True, kw_only=True)
class Array(Typed):
    """Type `array`.

    Attributes:
        every: What each item must be, where there are no `prefix` items.
        prefix: What the first items must be.
        additional: What items behind `prefix` must be; None where nothing says so.
        unevaluated: `unevaluatedItems`.
        contains: What some items must be.
        is_unique: Whether items must differ.
    """

    every: Node | None = None
    prefix: tuple[Node, ...] = ()
    additional: Node | None = None
    unevaluated: Node | None = None
    contains: Node | None = None
    is_unique: bool = False


@dataclass(eq=False, slots=True, kw_only=True)
class Object(Typed):
    """Type `object`.

    Attributes:
        properties: What the values of named properties must be.
        required: Names of properties that must be there.
        patterns: What properties whose name matches must be, by pattern.
        additional: What all other properties must be; None where nothing says so.
        unevaluated: `unevaluatedProperties`.
        names: What names of properties must be.
        needed_names: Names that must be there where the property by which they stand is.
        needed_schemas: Schemas that must hold where the property by which they stand is there.
    """

    properties: Mapping[str, Node] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    patterns: Mapping[str, Node] = field(default_factory=dict)
    additional: Node | None = None
    unevaluated: Node | None = None
    names: Node | None = None
    needed_names: Mapping[str, frozenset[str]] = field(default_factory=dict)
    needed_schemas: Mapping[str, Node] = field(default_factory=dict)


@dataclass(eq=False, slots=True, kw_only=True)
class Const(Node):
    """One value only. `value` is its JSON with sorted keys."""

    value: str


@dataclass(eq=False, slots=True, kw_only=True)
class Enum(Node):
    """One of some values, each as JSON with sorted keys."""

    values: frozenset[str]


@dataclass(eq=False, slots=True, kw_only=True)
class Not(Node):
    """Everything but what `refused` takes."""

    refused: Node


@dataclass(eq=False, slots=True, kw_only=True)
class Conditional(Node):
    """`if`, `then`, `else`; `condition` is the JSON of the first."""

    condition: str
    then: Node | None = None
    otherwise: Node | None = None


@dataclass(eq=False, slots=True, kw_only=True)
class Combined(Node):
    """`allOf`, `anyOf`, `oneOf`, or keywords of several kinds side by side (an `allOf`)."""

    criterion: Literal["allOf", "anyOf", "oneOf"]
    members: tuple[Node, ...]


@dataclass(eq=False, slots=True, kw_only=True)
class Reference(Node):
    """A `$ref`, with what it stands for."""

    target: Node | None = None


def behind_references(node: Node) -> Node:
    """Return what a node stands for: the end of a chain of `$ref`s.

    A chain that bites its own tail says nothing, so it takes anything.
    """
    seen: set[int] = set()
    while isinstance(node, Reference):
        if id(node) in seen or node.target is None:
            return ANYTHING
        seen.add(id(node))
        node = node.target
    return node
