"""Splitting a stream in branches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from aliran.streams.dsl.config_objects import NameLike, text_of
from aliran.streams.dsl.functions import check_function
from aliran.streams.errors import TopologyError
from aliran.streams.plan.graph import ProcessorPlan
from aliran.streams.plan.naming import check_name
from aliran.streams.plan.operators import Branch, PassThrough

if TYPE_CHECKING:
    from aliran.streams.dsl.kstream import KStream
    from aliran.streams.dsl.places import Place

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True)
class Branched(Generic[K, V]):
    """A branch's name and what to do with it. Kafka: `Branched`.

    Attributes:
        name: What stands behind the splitter's name; its number by default, 0 for the default
            branch.
        chain: `chain(stream)` goes on with the branch where it is defined; the stream it returns
            is what `default_branch()` and `no_default_branch()` hand out.
    """

    name: str | None = None
    chain: Callable[[KStream[K, V]], Any] | None = None


class BranchedKStream(Generic[K, V]):
    """Collects the branches of a split. Kafka: `BranchedKStream`."""

    def __init__(
        self, place: Place, step: ProcessorPlan, to_stream: Callable[[Place], KStream[Any, Any]]
    ) -> None:
        self._place = place
        self._step = step
        self._to_stream = to_stream
        self._predicates: list[Callable[[K, V], object]] = []
        self._children: list[str] = []
        self._streams: dict[str, KStream[K, V]] = {}
        self._closed = False

    def branch(
        self,
        predicate: Callable[[K, V], object],
        branched: Branched[K, V] | None = None,
        *,
        name: NameLike = None,
        chain: Callable[[KStream[K, V]], Any] | None = None,
    ) -> BranchedKStream[K, V]:
        """Add a branch of the records that no earlier one took and `predicate(key, value)` takes.

        Args:
            predicate: Decides.
            branched: Name and chain as an object.
            name: What stands behind the splitter's name in the branch's.
            chain: `chain(stream)` goes on with the branch right here.
        """
        check_function("branch", "predicate(key, value)", predicate)
        self._predicates.append(predicate)
        self._add(branched, text_of(name), chain, len(self._predicates))
        return self

    def default_branch(
        self,
        branched: Branched[K, V] | None = None,
        *,
        name: NameLike = None,
        chain: Callable[[KStream[K, V]], Any] | None = None,
    ) -> dict[str, KStream[K, V]]:
        """Add a branch of all other records and return the branches by their names."""
        self._add(branched, text_of(name), chain, 0)
        self._closed = True
        return dict(self._streams)

    def no_default_branch(self) -> dict[str, KStream[K, V]]:
        """Drop all other records and return the branches by their names."""
        self._closed = True
        return dict(self._streams)

    def _add(
        self,
        branched: Branched[K, V] | None,
        name: str | None,
        chain: Callable[[KStream[K, V]], Any] | None,
        number: int,
    ) -> None:
        if self._closed:
            raise TopologyError("the default branch is the last: add no branch behind it")
        given = Branched() if branched is None else branched
        if not isinstance(given, Branched):
            raise TopologyError(
                f"a branch takes a Branched here, got {given!r}: pass by keyword (name, chain)"
            )
        suffix = given.name if name is None else name
        if suffix is not None and not isinstance(suffix, str):
            raise TopologyError(f"the name of a branch must be a text, got {suffix!r}")
        child = check_name(self._step.name + (str(number) if suffix is None else suffix))
        dsl = self._place.dsl
        dsl.names.processor(child)  # Kafka draws a number that no name shows
        step = ProcessorPlan(child, PassThrough())
        dsl.plan.add(step, self._step)
        self._children.append(child)
        self._step.operator = Branch(tuple(self._predicates), tuple(self._children))
        self._follow(
            child, self._to_stream(self._place.at(step)), given.chain if chain is None else chain
        )

    def _follow(
        self, child: str, stream: KStream[K, V], chain: Callable[[KStream[K, V]], Any] | None
    ) -> None:
        if chain is None:
            self._streams[child] = stream
            return
        check_function("branch", "chain(stream)", chain)
        result = chain(stream)
        if result is not None:
            self._streams[child] = result
