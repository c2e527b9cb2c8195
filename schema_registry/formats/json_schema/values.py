"""Comparisons of texts, numbers, constants and enums, and of combinations of schemas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from aliran.schema_registry.formats.json_schema import nodes
from aliran.schema_registry.formats.json_schema.comparison import (
    Comparison,
    Difference,
    compares,
)
from aliran.schema_registry.formats.json_schema.exclusion import may_overlap
from aliran.schema_registry.formats.json_schema.matching import largest_matching

_RULES = {
    "minLength": "MIN_LENGTH",
    "maxLength": "MAX_LENGTH",
    "minimum": "MINIMUM",
    "maximum": "MAXIMUM",
    "exclusiveMinimum": "EXCLUSIVE_MINIMUM",
    "exclusiveMaximum": "EXCLUSIVE_MAXIMUM",
    "minItems": "MIN_ITEMS",
    "maxItems": "MAX_ITEMS",
    "minContains": "MIN_CONTAINS",
    "maxContains": "MAX_CONTAINS",
    "minProperties": "MIN_PROPERTIES",
    "maxProperties": "MAX_PROPERTIES",
}


def compare_bounds(old: nodes.Typed, new: nodes.Typed) -> Iterator[Difference]:
    """Yield how limits changed, and whether a type is demanded that was not."""
    for word, rule in _RULES.items():
        before, now = old.bounds.get(word), new.bounds.get(word)
        if before == now:
            continue
        if before is None:
            change = "ADDED"
        elif now is None:
            change = "REMOVED"
        else:
            change = "INCREASED" if before < now else "DECREASED"
        yield Difference(f"{rule}_{change}", (word,))
    if old.is_typed != new.is_typed:
        yield Difference("TYPE_NARROWED" if new.is_typed else "TYPE_EXTENDED")


@compares(nodes.Text)
def _compare_texts(_: Comparison, old: nodes.Text, new: nodes.Text) -> Iterator[Difference]:
    yield from compare_bounds(old, new)
    if old.pattern != new.pattern:
        kept = "REMOVED" if new.pattern is None else "CHANGED"
        change = "ADDED" if old.pattern is None else kept
        yield Difference(f"PATTERN_{change}", ("pattern",))


@compares(nodes.Number)
def _compare_numbers(_: Comparison, old: nodes.Number, new: nodes.Number) -> Iterator[Difference]:
    yield from compare_bounds(old, new)
    for word in sorted(old.exclusive ^ new.exclusive):
        change = "ADDED" if word in new.exclusive else "REMOVED"
        yield Difference(f"{_RULES[word]}_{change}", (word,))
    multiple = _multiple_change(old.bounds.get("multipleOf"), new.bounds.get("multipleOf"))
    if multiple is not None:
        yield Difference(f"MULTIPLE_OF_{multiple}", ("multipleOf",))
    if old.is_integer != new.is_integer:
        yield Difference("TYPE_EXTENDED" if old.is_integer else "TYPE_NARROWED")


def _multiple_change(old: Any, new: Any) -> str | None:
    if old == new:
        return None
    if old is None or new is None:
        return "ADDED" if old is None else "REMOVED"
    before, now = Decimal(str(old)), Decimal(str(new))
    if before and not now % before:
        return "EXPANDED"
    return "REDUCED" if now and not before % now else "CHANGED"


@compares(nodes.Const)
def _compare_constants(_: Comparison, old: nodes.Const, new: nodes.Const) -> Iterator[Difference]:
    if old.value != new.value:
        yield Difference("ENUM_ARRAY_CHANGED", ("const",))


@compares(nodes.Enum)
def _compare_enums(_: Comparison, old: nodes.Enum, new: nodes.Enum) -> Iterator[Difference]:
    if old.values == new.values:
        return
    if new.values >= old.values:
        change = "EXTENDED"
    else:
        change = "NARROWED" if old.values >= new.values else "CHANGED"
    yield Difference(f"ENUM_ARRAY_{change}", ("enum",))


@compares(nodes.Not)
def _compare_negations(c: Comparison, old: nodes.Not, new: nodes.Not) -> Iterator[Difference]:
    # What is refused may only shrink: the other way round.
    suits = c.suits(c.compare(new.refused, old.refused))
    yield Difference("NOT_TYPE_NARROWED" if suits else "NOT_TYPE_EXTENDED", ("not",))


@compares(nodes.Conditional)
def _compare_conditions(
    c: Comparison, old: nodes.Conditional, new: nodes.Conditional
) -> Iterator[Difference]:
    if old.condition != new.condition:
        yield Difference("CONDITION_CHANGED", ("if",))
        return
    for word, before, now in (
        ("then", old.then, new.then),
        ("else", old.otherwise, new.otherwise),
    ):
        yield from (each.under(word) for each in c.compare(before, now))


@compares(nodes.Combined)
def _compare_combined(
    c: Comparison, old: nodes.Combined, new: nodes.Combined
) -> Iterator[Difference]:
    if old.criterion != new.criterion:
        extended = _extends(old, new)
        yield Difference("COMBINED_TYPE_EXTENDED" if extended else "COMBINED_TYPE_CHANGED")
        if not extended:
            return
    before, now = _distinct(old.members), _distinct(new.members)
    if len(before) < len(now):
        product = new.criterion == "allOf"
        yield Difference("PRODUCT_TYPE_EXTENDED" if product else "SUM_TYPE_EXTENDED")
    elif len(before) > len(now):
        product = old.criterion == "allOf"
        yield Difference("PRODUCT_TYPE_NARROWED" if product else "SUM_TYPE_NARROWED")
    found = [[c.compare(one, other) for other in now] for one in before]
    partners = [[at for at, each in enumerate(row) if c.suits(each)] for row in found]
    matching = largest_matching(partners)
    for left, right in sorted(matching.items()):
        for each in found[left][right]:
            yield each.under(f"{old.criterion}/{left}")
    if len(matching) < min(len(before), len(now)):
        yield Difference("COMBINED_TYPE_SUBSCHEMAS_CHANGED")
    elif new.criterion == "oneOf":
        kept = {
            right for left, right in matching.items() if before[left].source == now[right].source
        }
        repeated = _repeated(new)
        if old.criterion == "oneOf":
            repeated -= _repeated(old)
        else:  # they may have overlapped before
            kept = set()
        if repeated or may_overlap(now, kept):
            yield Difference("ALTERNATIVES_MAY_OVERLAP", ("oneOf",))


def _extends(old: nodes.Combined, new: nodes.Combined) -> bool:
    """Tell whether a change of the criterion lets through all that passed before."""
    one, other = len(old.members) == 1, len(new.members) == 1
    return (
        new.criterion == "anyOf"
        or (one and other)
        or (one and new.criterion == "oneOf")
        or (other and old.criterion == "allOf")
    )


def _repeated(combined: nodes.Combined) -> set[str]:
    """Return the alternatives that stand there twice: what one takes is taken twice."""
    counts = Counter(member.source for member in combined.members)
    return {source for source, count in counts.items() if count > 1}


def _distinct(members: Sequence[nodes.Node]) -> list[nodes.Node]:
    return list({member.source: member for member in reversed(members)}.values())[::-1]
