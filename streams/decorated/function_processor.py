"""Decorated functions as processors of the Processor API: plain, `async def`, and by timer."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from aliran.core.durations import Duration
from aliran.serdes import Serde
from aliran.streams.decorated.event_loops import ThreadLoop
from aliran.streams.decorated.function_signatures import Signature
from aliran.streams.decorated.store_view import RUNNING, Call, View
from aliran.streams.errors import StreamsError
from aliran.streams.processor import KeyValue, Processor, PunctuationType, Record

if TYPE_CHECKING:
    from aliran.streams.processor import ProcessorContext
    from aliran.streams.runtime.context import TaskProcessorContext
    from aliran.streams.runtime.record_run import CurrentRecord


@dataclass(frozen=True)
class FunctionSpec:
    """A decorated function.

    Attributes:
        name: Name of its node.
        signature: How to call it.
        stores: The stores it names.
        concurrency: How many calls of an `async def` function may be under way.
    """

    name: str
    signature: Signature
    stores: tuple[View[Any, Any], ...]
    concurrency: int = 1


class FunctionProcessor(Processor[Any, Any, Any, Any]):
    """Calls a function with each record and forwards what it gives."""

    def __init__(self, spec: FunctionSpec) -> None:
        self._spec = spec
        self._call = spec.signature.call
        self._serdes: dict[str, Any] = {view.name: view.spec.value_serde for view in spec.stores}

    def init(self, context: ProcessorContext[Any, Any]) -> None:
        """Open the stores."""
        super().init(context)
        self._task_context = cast("TaskProcessorContext", context)
        self._stores = {name: context.get_state_store(name) for name in self._serdes}
        self._only_call = self._new_call(0)

    def process(self, record: Record[Any, Any]) -> None:
        """Call the function and forward what it gives."""
        call = self._only_call.again(record.timestamp)
        token = RUNNING.set(call)
        try:
            result = self._call(record, self.context)
            if hasattr(result, "__next__"):  # an iterator; asking the class takes longer
                for each in result:
                    self._emit(record, each)
            else:
                self._emit(record, result)
            call.check(self._serde_of)
        finally:
            RUNNING.reset(token)

    def _new_call(self, time_ms: int) -> Call:
        return Call(self._spec.name, self._task_context, self._stores, time_ms)

    def _serde_of(self, store: str) -> Serde[Any]:
        serde: Serde[Any] = self._serdes[store]
        return serde

    def _emit(self, record: Record[Any, Any], result: Any) -> None:
        if result is None:
            return
        if not isinstance(result, (KeyValue, Record)):
            self.context.forward(record.with_value(result))
            return
        if self._spec.signature.keeps_key and result.key != record.key:
            raise StreamsError(
                f"{self._spec.name!r} is annotated as giving values under the record's own key, "
                f"but gave {result!r}: annotate it as giving {type(result).__name__}[K, V]"
            )
        if isinstance(result, KeyValue):
            result = Record(result.key, result.value, record.timestamp, record.headers)
        self.context.forward(result)


@dataclass(eq=False)
class _Flight:
    """A call of an `async def` function that is under way.

    Attributes:
        record: What it was called with.
        lane: Calls of one lane run one after the other: those of a key.
        origin: The input record behind it; None where that is the record at hand.
        task: The running coroutine; its result is a list of what the function gave.
    """

    record: Record[Any, Any]
    lane: Any
    origin: CurrentRecord | None
    task: asyncio.Task[list[Any]]


class AsyncFunctionProcessor(FunctionProcessor):
    """Calls an `async def` function; up to `concurrency` calls are under way, one for a key.

    What they give is forwarded in the order of the records. All calls have ended when the task has
    run the records it was given, hence before anything is committed.
    """

    def init(self, context: ProcessorContext[Any, Any]) -> None:
        """Open the stores and take part in the thread's event loop."""
        super().init(context)
        self._loop: ThreadLoop | None = ThreadLoop.acquire()
        self._flights: deque[_Flight] = deque()
        self._lanes: dict[Any, _Flight] = {}
        self._task_context.finish_with(self._finish)

    def process(self, record: Record[Any, Any]) -> None:
        """Begin a call, once there is room for it."""
        lane = _lane_of(record.key)
        origin = self._task_context.park() if self._spec.concurrency > 1 else None
        if origin is None:  # of a timer, a flushed cache, or one call at a time
            self._finish()
        elif lane in self._lanes:
            self._wait_for(self._lanes[lane])
        while len(self._flights) >= self._spec.concurrency:
            self._land()
        assert self._loop is not None
        flight = _Flight(record, lane, origin, self._loop.begin(self._results, record))
        self._flights.append(flight)
        self._lanes[lane] = flight
        if origin is None:
            self._finish()

    def close(self) -> None:
        """Cancel what is under way after an error, and leave the event loop."""
        if self._loop is not None:
            loop, self._loop = self._loop, None
            loop.cancel([flight.task for flight in self._flights if not flight.task.done()])
            loop.release()

    async def _results(self, record: Record[Any, Any]) -> list[Any]:
        call = self._new_call(record.timestamp)
        RUNNING.set(call)  # for this coroutine alone: its task has a context of its own
        result = self._call(record, self.context)
        if hasattr(result, "__aiter__"):
            results = [each async for each in result]
        else:
            result = await result
            results = list(result) if isinstance(result, Iterator) else [result]
        call.check(self._serde_of)
        return results

    def _wait_for(self, flight: _Flight) -> None:
        assert self._loop is not None
        self._loop.wait(flight.task)
        if self._lanes.get(flight.lane) is flight:
            del self._lanes[flight.lane]

    def _land(self) -> None:
        """Wait for the oldest call and forward what it gave."""
        flight = self._flights[0]
        self._wait_for(flight)
        self._flights.popleft()
        if flight.origin is None:
            self._forward_all(flight)
            return
        with self._task_context.resumed(flight.origin, flight.record):
            self._forward_all(flight)

    def _forward_all(self, flight: _Flight) -> None:
        if flight.task.cancelled():
            raise StreamsError(f"{self._spec.name!r} was cancelled before it ended")
        for each in flight.task.result():
            self._emit(flight.record, each)

    def _finish(self) -> None:
        while self._flights:
            self._land()


class TimerProcessor(Processor[Any, Any, Any, Any]):
    """Calls a function at an interval; the records that pass are none of its business."""

    def __init__(
        self, inner: Callable[[], FunctionProcessor], interval: Duration, clock: PunctuationType
    ) -> None:
        self._inner = inner()
        self._interval, self._clock = interval, clock

    def init(self, context: ProcessorContext[Any, Any]) -> None:
        """Schedule the calls."""
        super().init(context)
        self._inner.init(context)
        context.schedule(self._interval, self._clock, self._tick)

    def process(self, record: Record[Any, Any]) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Close what runs the function."""
        self._inner.close()

    def _tick(self, time_ms: int) -> None:
        self._inner.process(Record(None, None, time_ms))


def processor_of(spec: FunctionSpec) -> FunctionProcessor:
    """Return a new processor for a function."""
    kind = AsyncFunctionProcessor if spec.signature.is_async else FunctionProcessor
    return kind(spec)


def _lane_of(key: Any) -> Any:
    if key is None:
        return object()  # records without a key are in no order
    try:
        hash(key)
    except TypeError:
        return repr(key)
    return key
