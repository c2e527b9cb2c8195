"""What a processor of the user's sees of its task. Kafka: `ProcessorContextImpl`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from aliran.core.durations import Duration, to_ms
from aliran.core.types import MAX_TIMESTAMP, Headers
from aliran.protocol.record_checks import are_headers
from aliran.streams.dsl.functions import check_function
from aliran.streams.errors import ProcessingError, StreamsError, TopologyError
from aliran.streams.plan import operators as op
from aliran.streams.processor import FixedKeyRecord, PunctuationType, Record, RecordMetadata
from aliran.streams.runtime.punctuation import Punctuation

if TYPE_CHECKING:
    from aliran.streams.runtime.record_run import CurrentRecord
    from aliran.streams.runtime.task import StreamTask


def check_record(who: str, record: Record[Any, Any] | FixedKeyRecord[Any, Any]) -> None:
    """Refuse a record that no topic could hold. Kafka: the constructor of `Record`.

    Args:
        who: The processor that forwards it.
        record: The record.

    Raises:
        StreamsError: Its time is negative, too large or no int, or its headers are none.
    """
    if not is_time(record.timestamp):
        raise StreamsError(
            f"{who} a record of the time {record.timestamp!r}: give whole milliseconds since 1970, "
            "0 or more"
        )
    if record.headers and not are_headers(record.headers):
        raise StreamsError(
            f"{who} a record with the headers {record.headers!r}: give a list of (str, bytes or "
            "None) tuples"
        )


def is_time(timestamp: object) -> bool:
    """Return whether this is the time of a record, in milliseconds."""
    return isinstance(timestamp, int) and 0 <= timestamp <= MAX_TIMESTAMP


class TaskProcessorContext:
    """The context of one processor node in one task; implements `ProcessorContext`."""

    def __init__(self, task: StreamTask, node: op.ProcessorNode | op.SinkNode) -> None:
        self._task = task
        self._node = node
        self._children: dict[str | None, list[Callable[..., None]]] = {}
        self._stores: dict[str, Any] = {}
        operator = getattr(node, "operator", None)
        keeps_keys = isinstance(operator, op.Custom) and operator.fixed_key
        self._record_type: type[Any] = FixedKeyRecord if keeps_keys else Record
        self._advice = "forward a Record, as in context.forward(record.with_value(...))"
        if keeps_keys:
            self._advice = (
                "process_values() must keep keys, so forward what record.with_value() and its like "
                "return, or use process()"
            )
        # Of the record in hand, where that is not the input record's: behind a cache, for one.
        self.record_time_ms: int | None = None

    @property
    def application_id(self) -> str:
        """The id of the application."""
        return self._task.environment.application_id

    @property
    def task_id(self) -> str:
        """The task: `<sub-topology>_<partition>`."""
        return str(self._task.id)

    @property
    def state_dir(self) -> str:
        """The directory of this task's state; empty where state is in memory."""
        return self._task.environment.state_dir

    def forward(self, record: Record[Any, Any], child: str | None = None) -> None:
        """Send a record to all children, or to the one named.

        Raises:
            TopologyError: There is no child of that name.
            StreamsError: It is no `Record`; of a `FixedKeyProcessor`, no `FixedKeyRecord`. Or it
                has a time or headers that no record can have.
        """
        if not isinstance(record, self._record_type):
            raise StreamsError(f"processor {self._node.name!r} forwards {record!r}: {self._advice}")
        if record.headers or not is_time(record.timestamp):
            check_record(f"processor {self._node.name!r} forwards", record)
        functions = self._children.get(child)
        if functions is None:
            functions = self._children[child] = self._find_children(child)
        for function in functions:
            function(record.key, record.value, record.timestamp, record.headers or None)

    def schedule(
        self,
        interval: Duration,
        punctuation_type: PunctuationType,
        punctuator: Callable[[int], None],
        *,
        start_ms: int | None = None,
    ) -> Punctuation:
        """Call `punctuator(timestamp_ms)` at an interval; see `ProcessorContext.schedule`."""
        if not isinstance(punctuation_type, PunctuationType):
            raise StreamsError(
                "schedule takes PunctuationType.STREAM_TIME or PunctuationType.WALL_CLOCK_TIME; "
                f"got {punctuation_type!r}"
            )
        check_function("schedule", "punctuator(time_ms)", punctuator)
        interval_ms = to_ms(interval)
        if interval_ms < 1:
            raise StreamsError(f"a punctuation interval is at least 1 ms; got {interval!r}")
        stream_time = punctuation_type is PunctuationType.STREAM_TIME
        if start_ms is None:
            # Stream time is due with the first record; wall-clock time after one interval.
            start_ms = 0 if stream_time else self.current_system_time_ms() + interval_ms

        def call(time_ms: int) -> None:
            self.record_time_ms = time_ms
            punctuator(time_ms)

        schedule = Punctuation(start_ms, interval_ms, call, self._node.name)
        self._task.schedule(schedule, stream_time=stream_time)
        return schedule

    def finish_with(self, finish: Callable[[], None]) -> None:
        """Call `finish()` whenever the task has run the records it was given.

        It ends what is under way, so that nothing is committed before; what it forwards goes to
        nodes that are finished after this one.
        """
        self._task.finishers.append(finish)

    def park(self) -> CurrentRecord | None:
        """Return the record at hand, to go on with it by `resumed`; None outside of one."""
        current = self._task.current
        return None if current is None else current.kept()

    def resumed(
        self, origin: CurrentRecord, record: Record[Any, Any]
    ) -> AbstractContextManager[None]:
        """Go on with `record`, which came of the input record `origin`.

        Inside, errors go to the processing handler as those of that record and this node do.
        """
        return self._task.resumed(origin, self._node.name, record)

    def commit(self) -> None:
        """Ask for a commit soon; it happens after the current records."""
        self._task.commit_requested = True

    def get_state_store(self, name: str) -> Any:
        """Return a store that this processor is connected to.

        Raises:
            TopologyError: It is not connected to it; the message says how to.
        """
        connected = self._node.stores if isinstance(self._node, op.ProcessorNode) else ()
        if name in self._stores:
            return self._stores[name]
        environment = self._task.environment
        if name not in connected and any(
            spec.name == name for spec in environment.topology.global_stores
        ):
            view = environment.global_stores.view(name, lambda: self.timestamp)
            return self._stores.setdefault(name, view)
        if name not in connected:
            raise TopologyError(
                f"processor {self._node.name!r} is not connected to a store {name!r} (connected: "
                f"{', '.join(connected) or 'none'}): name it where the processor is added, as in "
                f"process(MyProcessor, {name!r})"
            )
        if name not in self._stores:
            self._stores[name] = self._task.stores.open_view(name, lambda: self.timestamp)
        return self._stores[name]

    def record_metadata(self) -> RecordMetadata | None:
        """Return topic, partition and offset of the record being processed.

        In a punctuator, as on the JVM, there is one with no topic, and -1 for the others. Behind a
        cache it is the last record of all, behind `suppress` the one that was held back.
        """
        current, origin = self._task.current, self._task.origins.known
        if origin is None:
            return RecordMetadata(None, -1, -1)
        if current is None:
            return RecordMetadata(*origin)
        return RecordMetadata(*origin, current.timestamp, current.headers)

    def current_stream_time_ms(self) -> int:
        """Return the largest record time the task has seen, -1 before the first."""
        return self._task.stream_time_ms()

    def current_system_time_ms(self) -> int:
        """Return the wall-clock time in milliseconds."""
        return self._task.environment.clock.time_ms()

    @property
    def timestamp(self) -> int:
        """The time of the record being processed, for stores that log with it."""
        if self.record_time_ms is not None:
            return self.record_time_ms
        current = self._task.current
        return current.timestamp if current is not None else max(0, self._task.stream_time_ms())

    @property
    def headers(self) -> Headers:
        """The headers of the input record being processed."""
        current = self._task.current
        return () if current is None else current.headers

    def _find_children(self, child: str | None) -> list[Callable[..., None]]:
        nodes = [node.name for node in self._task.children(self._node.name)]
        if child is not None:
            if child not in nodes:
                raise TopologyError(
                    f"processor {self._node.name!r} has no child {child!r}; its children: "
                    f"{', '.join(nodes) or 'none'}"
                )
            nodes = [child]
        return [self._task.forward_to(name) for name in nodes]


class ForwardingDisabledContext(TaskProcessorContext):
    """The context of what only returns values. Kafka: `ForwardingDisabledProcessorContext`."""

    def forward(self, record: Record[Any, Any], child: str | None = None) -> None:  # noqa: ARG002
        """Refuse.

        Raises:
            StreamsError: Always; the message says what to do instead.
        """
        raise StreamsError(
            f"{self._node.name!r} transforms values and cannot forward records: return the new "
            "value from transform(), or use to_stream().process()"
        )


def supplied_processor(node: str, supplier: Callable[[], Any], method: str = "process") -> Any:
    """Return a new processor of the user's, which has `method`.

    Raises:
        ProcessingError: The supplier raised, or what it gave is no processor.
    """
    try:
        processor = supplier()
    except Exception as error:
        raise ProcessingError(
            f"processor {node!r}: its supplier raised {type(error).__name__}: {error}",
            processor=node,
        ) from error
    if isinstance(processor, type) or not all(
        callable(getattr(processor, name, None)) for name in ("init", method, "close")
    ):
        kind = _KINDS[method]
        raise ProcessingError(
            f"processor {node!r}: its supplier gave {processor!r}, which is no {kind[0]}; give an "
            f"object of a class derived from {' '.join(kind)}",
            processor=node,
        )
    return processor


_KINDS = {
    "process": ("Processor", "(FixedKeyProcessor for process_values)"),
    "transform": ("ValueTransformer",),
}
"""What suppliers make, by the method that the engine calls."""
