"""Names of transformations and predicates, Java's and short ones, → ours."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from aliran.connectors.transforms import fields, headers, routing, structure, times
from aliran.connectors.transforms.base import PartTransformation, Transformation
from aliran.connectors.transforms.cast import Cast
from aliran.connectors.transforms.predicates import (
    HasHeaderKey,
    Predicate,
    RecordIsTombstone,
    TopicNameMatches,
)

_PARTS: tuple[type[PartTransformation], ...] = (
    Cast,
    fields.ExtractField,
    fields.HoistField,
    fields.InsertField,
    fields.ReplaceField,
    headers.HeaderFrom,
    structure.Flatten,
    structure.MaskField,
    structure.SetSchemaMetadata,
    times.TimestampConverter,
)
_WHOLE: tuple[type[Transformation], ...] = (
    fields.ValueToKey,
    headers.DropHeaders,
    headers.InsertHeader,
    routing.Filter,
    routing.RegexRouter,
    routing.TimestampRouter,
)

TRANSFORMATIONS: dict[str, Callable[[], Transformation]] = {
    **{each.java_class: each for each in _WHOLE},
    **{each.java_class + "$Key": partial(each, of_key=True) for each in _PARTS},
    **{each.java_class + "$Value": each for each in _PARTS},
}
"""What makes a transformation, by Java's name of its class."""

PREDICATES: dict[str, Callable[[], Predicate]] = {
    each.java_class: each for each in (HasHeaderKey, RecordIsTombstone, TopicNameMatches)
}
"""What makes a predicate, by Java's name of its class."""


def _named(java_class: str) -> str:
    return java_class.rpartition(".")[2]


TRANSFORMATION_ALIASES = {_named(name): name for name in TRANSFORMATIONS}
"""Java's names by short ones: `Cast$Value`."""

PREDICATE_ALIASES = {_named(name): name for name in PREDICATES}
"""Java's names by short ones: `TopicNameMatches`."""


def find_transformation(name: str) -> Callable[[], Transformation] | None:
    """Return what makes the transformation of a name, such as `Cast$Value`; None if unknown."""
    return TRANSFORMATIONS.get(TRANSFORMATION_ALIASES.get(name, name))


def find_predicate(name: str) -> Callable[[], Predicate] | None:
    """Return what makes the predicate of a name, such as `RecordIsTombstone`; None if unknown."""
    return PREDICATES.get(PREDICATE_ALIASES.get(name, name))
