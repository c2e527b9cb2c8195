"""Functions as processors: `@app.processor`, `@app.timer`, and stores that look like dicts.

A layer over the same topology: each function becomes one processor node of its name, a source and
a sink of `<name>-source` and `<name>-sink`. How functions are called, and what they may return,
stands in `function_signatures.py`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ParamSpec, TypedDict, TypeVar, overload

from aliran.core.durations import Duration, to_ms
from aliran.serdes import Serde, SerdeLike, serde_for
from aliran.streams.decorated.function_processor import FunctionSpec, TimerProcessor, processor_of
from aliran.streams.decorated.function_signatures import (
    Signature,
    record_signature,
    timer_signature,
)
from aliran.streams.decorated.store_view import StoreView, View, WindowView
from aliran.streams.decorated.stream_function import StreamFunction
from aliran.streams.dsl.builder import StreamsBuilder, Topics
from aliran.streams.dsl.functions import locate
from aliran.streams.dsl.global_builder import topic_names
from aliran.streams.dsl.kstream import KStream
from aliran.streams.dsl.places import Place
from aliran.streams.errors import TopologyError
from aliran.streams.plan.graph import SourcePlan
from aliran.streams.plan.operators import AnyFunction
from aliran.streams.processor import PunctuationType
from aliran.streams.stores import Stores

if TYPE_CHECKING:
    from typing import Unpack

    from aliran.storage.state import RocksDBOptions

K = TypeVar("K")
V = TypeVar("V")
P = ParamSpec("P")
R = TypeVar("R")


class ViewOptions(TypedDict, total=False):
    """What stores of functions can be told beside their types.

    Attributes:
        logging: Whether updates go to a changelog topic (default).
        changelog_config: Topic settings of the changelog, by Kafka's dotted names.
        rocksdb_options: Settings of RocksDB for this store.
    """

    logging: bool
    changelog_config: Mapping[str, str]
    rocksdb_options: RocksDBOptions


Input = Topics | KStream[Any, Any] | StreamFunction[..., Any]
"""What a function reads: a topic or several, a stream, or what another function gives."""


class FunctionBuilder(StreamsBuilder):
    """A `StreamsBuilder` with decorators; `App` is one.

    >>> from collections.abc import Iterator
    >>> from aliran.streams import KeyValue
    >>> builder = FunctionBuilder()
    >>> counts = builder.store("counts", value=int, default=int)
    >>> @builder.processor("lines", to="counts", stores=[counts])
    ... def count(line: str) -> Iterator[KeyValue[str, int]]:
    ...     for word in line.split():
    ...         counts[word] += 1
    ...         yield KeyValue(word, counts[word])
    >>> print(builder.build().describe())
    Topologies:
       Sub-topology: 0
        Source: count-source (topics: [lines])
          --> count
        Processor: count (stores: [counts])
          --> count-sink
          <-- count-source
        Sink: count-sink (topic: counts)
          <-- count
    <BLANKLINE>
    <BLANKLINE>
    """

    def __init__(
        self, *, default_key: SerdeLike[Any] = str, default_value: SerdeLike[Any] = str
    ) -> None:
        super().__init__(default_key=default_key, default_value=default_value)
        self._readings: dict[frozenset[str], _Reading] = {}

    # ------------------------------------------------------------------ stores

    @overload
    def store(
        self,
        name: str,
        *,
        key: SerdeLike[K],
        value: SerdeLike[V],
        default: Callable[[], V] | None = None,
        persistent: bool = True,
        **options: Unpack[ViewOptions],
    ) -> StoreView[K, V]: ...
    @overload
    def store(
        self,
        name: str,
        *,
        value: SerdeLike[V],
        default: Callable[[], V] | None = None,
        persistent: bool = True,
        **options: Unpack[ViewOptions],
    ) -> StoreView[str, V]: ...
    def store(
        self,
        name: str,
        *,
        key: SerdeLike[Any] = str,
        value: SerdeLike[Any],
        default: Callable[[], Any] | None = None,
        persistent: bool = True,
        **options: Unpack[ViewOptions],
    ) -> StoreView[Any, Any]:
        """Add a store of one value a key, and return it as functions see it.

        Functions that name it in `stores=` use it like a dict. Each task has the part of it that
        belongs to its partition; a changelog topic restores it.

        Args:
            name: Name of the store.
            key: Type or serde of the keys.
            value: Type or serde of the values.
            default: `default()` is what a key without a value has when it is read.
            persistent: Whether the store lives on RocksDB or in memory.
            options: See `ViewOptions`.

        Raises:
            TopologyError: The name is illegal or taken.
        """
        make = Stores.persistent_key_value_store if persistent else Stores.in_memory_key_value_store
        view = StoreView[Any, Any](make(name, key=key, value=value, **options), default)
        self.add_state_store(view.spec)
        return view

    @overload
    def window_store(
        self,
        name: str,
        size: Duration,
        *,
        key: SerdeLike[K],
        value: SerdeLike[V],
        default: Callable[[], V] | None = None,
        retention: Duration | None = None,
        **options: Unpack[ViewOptions],
    ) -> WindowView[K, V]: ...
    @overload
    def window_store(
        self,
        name: str,
        size: Duration,
        *,
        value: SerdeLike[V],
        default: Callable[[], V] | None = None,
        retention: Duration | None = None,
        **options: Unpack[ViewOptions],
    ) -> WindowView[str, V]: ...
    def window_store(
        self,
        name: str,
        size: Duration,
        *,
        key: SerdeLike[Any] = str,
        value: SerdeLike[Any],
        default: Callable[[], Any] | None = None,
        retention: Duration | None = None,
        **options: Unpack[ViewOptions],
    ) -> WindowView[Any, Any]:
        """Add a store of one value a key and tumbling window, and return it as functions see it.

        Args:
            name: Name of the store.
            size: Length of the windows.
            key: Type or serde of the keys.
            value: Type or serde of the values.
            default: `default()` is what a window without a value has when it is read.
            retention: How long windows are kept behind the latest one; by default their size.
            options: See `ViewOptions`.

        Raises:
            TopologyError: The name is illegal or taken, or the times do not fit together.
        """
        spec = Stores.persistent_window_store(
            name, window_size=size, retention=retention, key=key, value=value, **options
        )
        view = WindowView[Any, Any](spec, default)
        self.add_state_store(spec)
        return view

    # ------------------------------------------------------------------ functions

    def processor(
        self,
        topic: Input,
        *,
        to: str | AnyFunction | None = None,
        stores: Sequence[View[Any, Any]] = (),
        key: SerdeLike[Any] | None = None,
        value: SerdeLike[Any] | None = None,
        name: str | None = None,
        concurrency: int = 1,
    ) -> Callable[[Callable[P, R]], StreamFunction[P, R]]:
        """Call a function with each record of a topic.

        One parameter is the value, two are key and value; one annotated `Record[K, V]` is the whole
        record, one annotated `ProcessorContext` the context. What the function returns or yields is
        a value under the same key, or a `KeyValue` or `Record`; None is nothing.

        An `async def` function runs on an event loop of the application's thread. Calls are
        awaited before their records' positions are committed.

        Args:
            topic: The topic, several, a stream, or another decorated function.
            to: Where what it gives goes: a topic, or `topic(key, value, context)`.
            stores: The stores that it uses, made by `store` and `window_store`.
            key: Type or serde of the keys; by default the annotation, else the application's.
            value: The same of values.
            name: Name of the node; the function's unless given.
            concurrency: How many records an `async def` function works on at a time; those of one
                key come one after the other, and what is given keeps the order of the records.

        Raises:
            TopologyError: The function cannot be called so, or does not fit the topic.
        """
        if callable(topic) and not isinstance(topic, StreamFunction):
            raise TopologyError(
                f"processor takes a topic, got {topic!r}: write @app.processor(topic), with the "
                "topic in brackets"
            )

        def decorate(function: Callable[P, R]) -> StreamFunction[P, R]:
            found = record_signature("processor", function)
            signature = replace(
                found,
                key=found.key if key is None else serde_for(key),
                value=found.value if value is None else serde_for(value),
            )
            _check_concurrency(function, signature, concurrency)
            spec = FunctionSpec(
                _name_of(function, name), signature, _checked_views(stores), concurrency
            )
            stream = self._input(topic, function, spec)
            return self._added(function, spec, stream, functools.partial(processor_of, spec), to)

        return decorate

    def timer(
        self,
        interval: Duration,
        *,
        clock: PunctuationType = PunctuationType.WALL_CLOCK_TIME,
        stores: Sequence[View[Any, Any]] = (),
        of: StreamFunction[..., Any] | None = None,
        to: str | AnyFunction | None = None,
        name: str | None = None,
    ) -> Callable[[Callable[P, R]], StreamFunction[P, R]]:
        """Call a function at an interval, in each task that has the stores it names.

        It is called without arguments or with the time in milliseconds, and gives the same kinds of
        results as a processor; plain values have no key, and the time of the call.

        Args:
            interval: Time between calls; calls that were missed are not made up for.
            clock: Wall-clock time, or the stream time of the task, which moves with its records.
            stores: The stores that it uses; a processor above uses one of them too.
            of: A function whose tasks call it, for one that uses no store.
            to: Where what it gives goes, as of a processor.
            name: Name of the node; the function's unless given.

        Raises:
            TopologyError: No task has its stores, or it cannot be called so.
        """
        if to_ms(interval) < 1:
            raise TopologyError(f"timer needs an interval of at least 1 ms, got {interval!r}")
        if not isinstance(clock, PunctuationType):
            raise TopologyError(
                f"timer takes clock=PunctuationType.STREAM_TIME or .WALL_CLOCK_TIME, got {clock!r}"
            )

        def decorate(function: Callable[P, R]) -> StreamFunction[P, R]:
            signature = timer_signature("timer", function)
            spec = FunctionSpec(_name_of(function, name), signature, _checked_views(stores))
            inner = functools.partial(processor_of, spec)
            supplier = functools.partial(TimerProcessor, inner, interval, clock)
            return self._added(function, spec, self._beside(spec, of), supplier, to)

        return decorate

    # ------------------------------------------------------------------ inside

    def _added(
        self,
        function: Callable[P, R],
        spec: FunctionSpec,
        stream: KStream[Any, Any],
        supplier: Callable[[], Any],
        to: str | AnyFunction | None,
    ) -> StreamFunction[P, R]:
        known, before = spec.signature, stream.place
        names = [view.spec for view in spec.stores]
        place = stream.process(supplier, *names, name=spec.name).place
        key = known.key_out or before.key_serde
        moved = before.needs_repartition or not known.keeps_key
        result: KStream[Any, Any] = KStream(
            place.at(
                place.step, key_serde=key, value_serde=known.value_out, needs_repartition=moved
            )
        )
        if to is not None:
            result.to(to, name=f"{spec.name}-sink")
        return StreamFunction(function, result)

    def _input(self, topic: Input, function: Any, spec: FunctionSpec) -> KStream[Any, Any]:
        if isinstance(topic, StreamFunction):
            topic = topic.stream()
        if isinstance(topic, KStream):
            if topic.place.dsl is not self._dsl:
                raise TopologyError(f"{spec.name!r} reads a stream of another builder")
            return topic
        names = frozenset(topic_names(topic))
        if names not in self._readings:
            stream = self.stream(topic, name=f"{spec.name}-source")
            self._readings[names] = _Reading(stream)
        return self._readings[names].used_by(function, spec.signature)

    def _beside(self, spec: FunctionSpec, of: StreamFunction[..., Any] | None) -> KStream[Any, Any]:
        """Return the stream that is read where a timer is to run."""
        if of is not None:
            user = of.stream().place.step
        elif not spec.stores:
            raise TopologyError(
                f"the timer {spec.name!r} has no task to run in: name the stores it uses, as in "
                "stores=[counts], or of= with the function beside which it runs"
            )
        else:
            found = self._dsl.plan.user_of(view.name for view in spec.stores)
            if found is None:
                stores = ", ".join(view.name for view in spec.stores)
                raise TopologyError(
                    f"the timer {spec.name!r} uses {stores}, which no processor above it uses: "
                    "put the timer below the processor"
                )
            user = found
        return KStream(Place(self._dsl, user.parents[0], None, None, frozenset()))


class _Reading:
    """A topic that functions read: one source, of the types that some function names."""

    def __init__(self, stream: KStream[Any, Any]) -> None:
        self._stream = stream
        self._said: dict[str, tuple[Serde[Any], Any]] = {}

    def used_by(self, function: Any, signature: Signature) -> KStream[Any, Any]:
        """Return the stream, with the types that `function` says it has."""
        step = self._stream.place.step
        assert isinstance(step, SourcePlan)
        for what, serde in (("key", signature.key), ("value", signature.value)):
            if serde is None:
                continue
            said, by = self._said.setdefault(what, (serde, function))
            if str(said) != str(serde):
                raise TopologyError(
                    f"two functions read {', '.join(step.source.topics)} but its {what} "
                    f"differently: {said} in {locate(by)}, {serde} in {locate(function)}"
                )
        key, value = (self._said.get(what, (None,))[0] for what in ("key", "value"))
        source = step.source
        step.source = replace(
            source, key_serde=key or source.key_serde, value_serde=value or source.value_serde
        )
        place = self._stream.place
        serdes = {"key_serde": step.source.key_serde, "value_serde": step.source.value_serde}
        self._stream = KStream(place.at(step, **serdes))
        return self._stream


def _name_of(function: Any, name: str | None) -> str:
    if name is not None:
        return name
    found: str = function.__name__
    if found == "<lambda>":
        raise TopologyError(f"{locate(function)} has no name: pass name= for its node")
    return found


def _checked_views(stores: Sequence[View[Any, Any]]) -> tuple[View[Any, Any], ...]:
    if isinstance(stores, Sequence) and all(isinstance(view, View) for view in stores):
        return tuple(stores)
    raise TopologyError(
        f"stores= takes a list of what store() and window_store() made, got {stores!r}"
    )


def _check_concurrency(function: Any, signature: Signature, concurrency: int) -> None:
    if not isinstance(concurrency, int) or concurrency < 1:
        raise TopologyError(f"concurrency is at least 1, got {concurrency!r}")
    if concurrency > 1 and not signature.is_async:
        raise TopologyError(
            f"concurrency={concurrency} is for async def functions; "
            f"{inspect.unwrap(function).__name__} is a plain one, which never waits: start more "
            "processes, or write it as async def"
        )
