"""The operators of a stream that look at one record at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from aliran.serdes import Serde
from aliran.streams.dsl import inference
from aliran.streams.dsl.branched import BranchedKStream
from aliran.streams.dsl.config_objects import NameLike, text_of
from aliran.streams.dsl.functions import check_function, takes_key
from aliran.streams.dsl.hints import unknown_operator
from aliran.streams.dsl.places import Place
from aliran.streams.dsl.printing import printer
from aliran.streams.errors import TopologyError
from aliran.streams.plan.operators import (
    Branch,
    Filter,
    FlatMap,
    FlatMapValues,
    ForEach,
    Map,
    MapValues,
    Operator,
    PassThrough,
    Peek,
    SelectKey,
)

if TYPE_CHECKING:
    from pathlib import Path

    from aliran.streams.dsl.kstream import KStream

K = TypeVar("K")
V = TypeVar("V")
K2 = TypeVar("K2")
V2 = TypeVar("V2")


class StreamTransforms(Generic[K, V]):
    """The stateless half of `KStream`.

    All methods take `name=`, the name of the processor in the topology; None lets the name be
    drawn as Kafka does.
    """

    def __init__(self, place: Place) -> None:
        self._place = place

    if not TYPE_CHECKING:  # type checkers are to see what is not there

        def __getattr__(self, name: str) -> None:
            raise unknown_operator(self, name)

    @property
    def place(self) -> Place:
        """Where in the plan the stream stands; for operators, not for users."""
        return self._place

    @property
    def name(self) -> str:
        """Name of the topology's node that gives this stream."""
        return self._place.name

    def filter(
        self, predicate: Callable[[K, V], object], *, name: NameLike = None
    ) -> KStream[K, V]:
        """Keep the records for which `predicate(key, value)` is true."""
        check_function("filter", "predicate(key, value)", predicate)
        return self._then("KSTREAM-FILTER-", Filter(predicate), name)

    def filter_not(
        self, predicate: Callable[[K, V], object], *, name: NameLike = None
    ) -> KStream[K, V]:
        """Drop the records for which `predicate(key, value)` is true."""
        check_function("filter_not", "predicate(key, value)", predicate)
        return self._then("KSTREAM-FILTER-", Filter(predicate, negate=True), name)

    def map(
        self, mapper: Callable[[K, V], tuple[K2, V2]], *, name: NameLike = None
    ) -> KStream[K2, V2]:
        """Replace each record by the pair that `mapper(key, value)` returns.

        The key may change, so a group, join or table behind it goes through a repartition topic;
        `map_values` does not have that cost.
        """
        check_function("map", "mapper(key, value)", mapper)
        return self._rekeyed("KSTREAM-MAP-", Map(mapper), name, *inference.pair_serdes(mapper))

    @overload
    def map_values(
        self, mapper: Callable[[V], V2], *, with_key: bool | None = None, name: NameLike = None
    ) -> KStream[K, V2]: ...
    @overload
    def map_values(
        self, mapper: Callable[[K, V], V2], *, with_key: bool | None = None, name: NameLike = None
    ) -> KStream[K, V2]: ...
    def map_values(
        self,
        mapper: Callable[..., Any],
        *,
        with_key: bool | None = None,
        name: NameLike = None,
    ) -> KStream[K, Any]:
        """Replace each value by `mapper(value)` or `mapper(key, value)`; the key stays.

        Args:
            mapper: What it is called with follows from its parameters.
            with_key: Says so where that cannot be seen.
            name: Name of the processor.
        """
        keyed = takes_key("map_values", mapper, "mapper(value)", with_key)
        serde = inference.value_serde(mapper)
        return self._revalued("KSTREAM-MAPVALUES-", MapValues(mapper, keyed), name, serde)

    def flat_map(
        self, mapper: Callable[[K, V], Iterable[tuple[K2, V2]]], *, name: NameLike = None
    ) -> KStream[K2, V2]:
        """Replace each record by all the pairs that `mapper(key, value)` returns."""
        check_function("flat_map", "mapper(key, value)", mapper)
        serdes = inference.element_pair_serdes(mapper)
        return self._rekeyed("KSTREAM-FLATMAP-", FlatMap(mapper), name, *serdes)

    @overload
    def flat_map_values(
        self,
        mapper: Callable[[V], Iterable[V2]],
        *,
        with_key: bool | None = None,
        name: NameLike = None,
    ) -> KStream[K, V2]: ...
    @overload
    def flat_map_values(
        self,
        mapper: Callable[[K, V], Iterable[V2]],
        *,
        with_key: bool | None = None,
        name: NameLike = None,
    ) -> KStream[K, V2]: ...
    def flat_map_values(
        self,
        mapper: Callable[..., Iterable[Any]],
        *,
        with_key: bool | None = None,
        name: NameLike = None,
    ) -> KStream[K, Any]:
        """Replace each record by one for each value that the mapper returns; the key stays.

        Args:
            mapper: `mapper(value)` or `mapper(key, value)`, as its parameters say.
            with_key: Says so where that cannot be seen.
            name: Name of the processor.
        """
        keyed = takes_key("flat_map_values", mapper, "mapper(value)", with_key)
        serde = inference.element_serde(mapper)
        return self._revalued("KSTREAM-FLATMAPVALUES-", FlatMapValues(mapper, keyed), name, serde)

    def select_key(self, mapper: Callable[[K, V], K2], *, name: NameLike = None) -> KStream[K2, V]:
        """Replace the key by `mapper(key, value)`; the value stays."""
        check_function("select_key", "mapper(key, value)", mapper)
        key, value = inference.value_serde(mapper), self._place.value_serde
        return self._rekeyed("KSTREAM-KEY-SELECT-", SelectKey(mapper), name, key, value)

    def peek(self, action: Callable[[K, V], object], *, name: NameLike = None) -> KStream[K, V]:
        """Call `action(key, value)` with each record on its way."""
        check_function("peek", "action(key, value)", action)
        return self._then("KSTREAM-PEEK-", Peek(action), name)

    def foreach(self, action: Callable[[K, V], object], *, name: NameLike = None) -> None:
        """Call `action(key, value)` with each record; this stream ends here."""
        check_function("foreach", "action(key, value)", action)
        self._place.append("KSTREAM-FOREACH-", ForEach(action), text_of(name))

    def print(
        self,
        *,
        label: str | None = None,
        file: str | Path | None = None,
        mapper: Callable[[K, V], str] | None = None,
        name: NameLike = None,
    ) -> None:
        """Print each record as `[label]: key, value`; this stream ends here.

        Args:
            label: What stands in brackets; the name of the node in front by default.
            file: Append to this file instead of standard output.
            mapper: `mapper(key, value)` makes the text behind the label.
            name: Name of the processor.
        """
        if mapper is not None:
            check_function("print", "mapper(key, value)", mapper)
        action = printer(self.name if label is None else label, file, mapper)
        self._place.append("KSTREAM-PRINTER-", ForEach(action), text_of(name))

    def merge(self, other: KStream[K, V], *, name: NameLike = None) -> KStream[K, V]:
        """Return one stream of the records of both, in no order between them."""
        if not isinstance(other, StreamTransforms):
            raise TopologyError(f"merge takes another stream, got {other!r}")
        mine, theirs = self._place, other.place
        mine.check_same_builder("merge", theirs)
        step = mine.append("KSTREAM-MERGE-", PassThrough(), text_of(name))
        if theirs.step is not mine.step:
            step.parents.append(theirs.step)
            theirs.step.children.append(step)
        place = mine.at(
            step,
            key_serde=mine.key_serde or theirs.key_serde,
            value_serde=mine.value_serde or theirs.value_serde,
            sources=mine.sources | theirs.sources,
            needs_repartition=mine.needs_repartition or theirs.needs_repartition,
        )
        return self._stream(place)

    def split(self, *, name: NameLike = None) -> BranchedKStream[K, V]:
        """Return an object that collects branches: each record goes to the first that takes it.

        >>> from aliran.streams import StreamsBuilder
        >>> numbers = StreamsBuilder().stream("numbers", value=int)
        >>> branches = (numbers.split(name="n-")
        ...     .branch(lambda key, value: value < 0, name="negative")
        ...     .default_branch(name="other"))
        >>> list(branches)
        ['n-negative', 'n-other']
        """
        step = self._place.append("KSTREAM-BRANCH-", Branch((), ()), text_of(name))
        return BranchedKStream(self._place, step, self._stream)

    def _stream(self, place: Place) -> KStream[Any, Any]:
        from aliran.streams.dsl.kstream import KStream  # kstream.py builds on this module

        return KStream(place)

    def _then(self, prefix: str, operator: Operator, name: NameLike) -> KStream[K, V]:
        step = self._place.append(prefix, operator, text_of(name))
        return self._stream(self._place.at(step))

    def _revalued(
        self, prefix: str, operator: Operator, name: NameLike, value: Serde[Any] | None
    ) -> KStream[K, Any]:
        step = self._place.append(prefix, operator, text_of(name))
        return self._stream(self._place.at(step, value_serde=value))

    def _rekeyed(
        self,
        prefix: str,
        operator: Operator,
        name: NameLike,
        key: Serde[Any] | None,
        value: Serde[Any] | None,
    ) -> KStream[Any, Any]:
        step = self._place.append(prefix, operator, text_of(name))
        place = self._place.at(step, key_serde=key, value_serde=value, needs_repartition=True)
        return self._stream(place)
