"""Compares two schemas and lists their differences. Confluent: `json.diff.SchemaDiff`.

"Old" is what wrote, "new" what is to read. Schemas refer to each other and to themselves, so a
pair may lie within itself, and on many paths. Every pair is therefore taken as compatible until a
reason against it is found; then those that asked about it are compared again, until nothing changes
(the greatest fixed point). Only then the reasons are listed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, TypeAlias

from aliran.schema_registry.errors import SchemaTooLargeError
from aliran.schema_registry.formats.json_schema import nodes
from aliran.schema_registry.formats.json_schema.exclusion import may_overlap_with
from aliran.schema_registry.formats.json_schema.rules import is_compatible
from aliran.schema_registry.models import CompatibilityPolicy

_MOST_DIFFERENCES = 50
"""Told of one pair."""

MOST_COMPARED = 200_000
"""Pairs that are compared, some of them again: ten to twenty seconds of work."""

_DEEPEST = 60
"""Pairs within pairs whose differences are told one by one."""

_REFUSED = "REFUSED"
"""Stands for the differences of a pair that are not told here."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: its rule, and the steps from the root of the compared pair."""

    rule: str
    path: tuple[str, ...] = ()

    def under(self, *steps: str) -> Difference:
        """Return it as seen from further up."""
        return Difference(self.rule, (*steps, *self.path))

    @property
    def pointer(self) -> str:
        """The path as Confluent writes it."""
        return "#/" + "/".join(self.path)


Differences: TypeAlias = tuple[Difference, ...]
Pair: TypeAlias = tuple[int, int]
Compare: TypeAlias = "Callable[[Comparison, Any, Any], Iterator[Difference]]"


def differences(old: nodes.Node, new: nodes.Node, policy: CompatibilityPolicy) -> Differences:
    """Return why `new` cannot read what `old` wrote; empty if it can."""
    verdicts = Verdicts(policy)
    if verdicts.suits(verdicts.judge(old, new)):
        return ()
    explanation = Explanation(policy, verdicts.refused)
    found = explanation.compare(old, new)
    return tuple(each for each in dict.fromkeys(found) if each.rule != _REFUSED)


class Comparison:
    """What compares a pair asks it about the pairs inside; the two below answer differently."""

    def __init__(self, policy: CompatibilityPolicy) -> None:
        self._policy = policy

    def compare(self, old: nodes.Node | None, new: nodes.Node | None) -> Differences:
        """Return the differences of a pair; None stands for a schema that is not given."""
        if old is None or new is None:
            if old is new:
                return ()
            return (Difference("SCHEMA_ADDED" if old is None else "SCHEMA_REMOVED"),)
        return self._compare_pair(nodes.behind_references(old), nodes.behind_references(new))

    def suits(self, found: Iterable[Difference]) -> bool:
        """Tell whether all differences are compatible."""
        return all(is_compatible(each.rule, self._policy) for each in found)

    def _compare_pair(self, old: nodes.Node, new: nodes.Node) -> Differences:
        raise NotImplementedError

    def _compare_kinds(self, old: nodes.Node, new: nodes.Node) -> Iterator[Difference]:
        through = self._through_a_member(old, new)
        if through is not None:
            yield from through
            return
        if type(old) is not type(new):
            if not (_is_anything_else_to(old, new) or _are_both_bytes(old, new)):
                yield Difference("TYPE_CHANGED")
            return
        yield from _compare_annotations(old, new)
        compare = COMPARISONS.get(type(old))
        if compare is not None:
            yield from compare(self, old, new)

    def _through_a_member(self, old: nodes.Node, new: nodes.Node) -> Differences | None:
        """Compare a plain schema with the members of a combined one, where one will do."""
        if isinstance(new, nodes.Combined) and not isinstance(old, nodes.Combined):
            found = self._first_suiting(
                ((old, member) for member in new.members),
                single=len(new.members) == 1,
                any_will_do=new.criterion != "allOf",
                rule="SUM_TYPE_EXTENDED",
            )
            if found and new.criterion == "oneOf" and may_overlap_with(old, new.members):
                found = (*found, Difference("ALTERNATIVES_MAY_OVERLAP", ("oneOf",)))
            return found
        if isinstance(old, nodes.Combined) and not isinstance(new, nodes.Combined):
            return self._first_suiting(
                ((member, new) for member in old.members),
                single=len(old.members) == 1,
                any_will_do=old.criterion == "allOf",
                rule="PRODUCT_TYPE_NARROWED",
            )
        return None

    def _first_suiting(
        self,
        pairs: Iterable[tuple[nodes.Node, nodes.Node]],
        *,
        single: bool,
        any_will_do: bool,
        rule: str,
    ) -> Differences | None:
        if not (single or any_will_do):
            return None
        for old, new in pairs:
            found = self.compare(old, new)
            if self.suits(found):
                return found if single else (*found, Difference(rule))
        return None


class Verdicts(Comparison):
    """Finds out which pairs are refused.

    Attributes:
        refused: Those, by the identities of their nodes.
    """

    def __init__(self, policy: CompatibilityPolicy) -> None:
        super().__init__(policy)
        self.refused: set[Pair] = set()
        self._nodes: dict[Pair, tuple[nodes.Node, nodes.Node]] = {}
        self._asked_by: dict[Pair, set[Pair]] = {}
        self._waiting: deque[Pair] = deque()
        self._waits: set[Pair] = set()  # each once
        self._current: Pair | None = None

    def judge(self, old: nodes.Node, new: nodes.Node) -> Differences:
        """Compare all pairs that are reached from one, each again when one inside it is refused.

        Raises:
            SchemaTooLargeError: They are too many.
        """
        self.compare(old, new)
        compared = 0
        while self._waiting:
            pair = self._current = self._waiting.popleft()
            self._waits.discard(pair)
            if pair in self.refused:
                continue
            compared += 1
            if compared > MOST_COMPARED:
                raise SchemaTooLargeError(
                    "the schema cannot be compared with the earlier one: their alternatives make "
                    f"more than {MOST_COMPARED:,} pairs; give it fewer (anyOf, oneOf, allOf inside "
                    "of each other), or register it with compatibility NONE"
                )
            if not self.suits(self._compare_kinds(*self._nodes[pair])):
                self.refused.add(pair)
                for asking in self._asked_by[pair]:
                    self._wait(asking)
        self._current = None
        return self.compare(old, new)

    def _wait(self, pair: Pair) -> None:
        if pair not in self._waits:
            self._waits.add(pair)
            self._waiting.append(pair)

    def _compare_pair(self, old: nodes.Node, new: nodes.Node) -> Differences:
        pair = (id(old), id(new))
        if pair not in self._nodes:
            self._nodes[pair] = (old, new)
            self._asked_by[pair] = set()
            self._wait(pair)
        if self._current is not None:
            self._asked_by[pair].add(self._current)
        return (Difference(_REFUSED),) if pair in self.refused else ()


class Explanation(Comparison):
    """Lists what makes a pair refused, down to where it is."""

    def __init__(self, policy: CompatibilityPolicy, refused: AbstractSet[Pair]) -> None:
        super().__init__(policy)
        self._refused = refused
        self._known: dict[Pair, Differences] = {}
        self._depth = 0

    def _compare_pair(self, old: nodes.Node, new: nodes.Node) -> Differences:
        pair = (id(old), id(new))
        if pair not in self._refused:
            return ()
        if pair not in self._known:
            # Stands for it within itself, and where it lies too deep to be told.
            self._known[pair] = (Difference(_REFUSED),)
            if self._depth < _DEEPEST:
                self._depth += 1
                found = tuple(self._compare_kinds(old, new))
                self._depth -= 1
                told = [each for each in found if not is_compatible(each.rule, self._policy)]
                self._known[pair] = tuple(told[:_MOST_DIFFERENCES])
        return self._known[pair]


def _is_anything_else_to(old: nodes.Node, new: nodes.Node) -> bool:
    """Nothing was ever written by `false`, and everything can be read by `true`."""
    return isinstance(old, nodes.Nothing) or isinstance(new, nodes.Anything)


def _are_both_bytes(old: nodes.Node, new: nodes.Node) -> bool:
    """Kafka Connect's converter changed how it writes decimals, which are bytes to it."""
    return bool(old.connect_type == new.connect_type == "bytes")


def _compare_annotations(old: nodes.Node, new: nodes.Node) -> Iterator[Difference]:
    for words, rule in (
        (("$id", "id"), "ID_CHANGED"),
        (("title",), "TITLE_CHANGED"),
        (("description",), "DESCRIPTION_CHANGED"),
        (("default",), "DEFAULT_CHANGED"),
    ):
        if any(old.annotations.get(word) != new.annotations.get(word) for word in words):
            yield Difference(rule)


COMPARISONS: dict[type, Compare] = {}
"""How to compare two nodes of a kind; the modules beside this one add theirs."""


def compares(kind: type) -> Callable[[Compare], Compare]:
    """Register the comparison of a kind of node."""

    def register(compare: Compare) -> Compare:
        COMPARISONS[kind] = compare
        return compare

    return register
