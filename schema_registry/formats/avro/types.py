"""An Avro schema as a graph of frozen nodes. Avro: `org.apache.avro.Schema`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

PRIMITIVES: Final = frozenset(
    {"null", "boolean", "int", "long", "float", "double", "bytes", "string"}
)
TYPE_NAMES: Final = PRIMITIVES | {"record", "enum", "array", "map", "union", "fixed"}

MISSING: Final = object()
"""Stands for a default that is not there, since None is JSON's null."""

Props: TypeAlias = dict[str, Any]


@dataclass(slots=True, eq=False)
class Primitive:
    """A primitive type, possibly with attributes such as a logical type."""

    type: str
    props: Props = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Named:
    """What the three kinds of named types share.

    Attributes:
        type: "record", "error", "enum" or "fixed".
        namespace: Empty for none.
        aliases: Full names, in their order.
    """

    type: str
    name: str
    namespace: str
    doc: str | None
    aliases: tuple[str, ...]
    props: Props

    @property
    def full_name(self) -> str:
        """Name with namespace."""
        return f"{self.namespace}.{self.name}" if self.namespace else self.name


@dataclass(slots=True, eq=False)
class Field:
    """A field of a record."""

    name: str
    type: AvroType
    doc: str | None
    default: Any
    order: str
    aliases: tuple[str, ...]
    props: Props


@dataclass(slots=True, eq=False)
class Record(Named):
    """A record; its fields come after it was made, since they may contain it."""

    fields: list[Field] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Enum(Named):
    """An enumeration."""

    symbols: tuple[str, ...] = ()
    default: str | None = None


@dataclass(slots=True, eq=False)
class Fixed(Named):
    """A fixed number of bytes."""

    size: int = 0


@dataclass(slots=True, eq=False)
class Array:
    """A list of items."""

    items: AvroType
    props: Props = field(default_factory=dict)
    type: str = "array"


@dataclass(slots=True, eq=False)
class Map:
    """Values by text."""

    values: AvroType
    props: Props = field(default_factory=dict)
    type: str = "map"


@dataclass(slots=True, eq=False)
class Union:
    """One of several types."""

    branches: list[AvroType]
    type: str = "union"


@dataclass(slots=True, eq=False)
class Unresolved:
    """A name whose type comes later in the text."""

    names: tuple[str, ...]
    type: str = "unresolved"


AvroType: TypeAlias = Primitive | Record | Enum | Fixed | Array | Map | Union | Unresolved


def kind(node: AvroType) -> str:
    """Return the name of its kind as Java writes it: an error is a RECORD too."""
    return "RECORD" if isinstance(node, Record) else node.type.upper()
