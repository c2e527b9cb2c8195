"""A context to test one processor with, without a topology. Kafka: `MockProcessorContext`.

It keeps what the processor forwards, schedules and asks for; a test looks at that afterwards, and
calls punctuators itself.

    context = ProcessorTestContext()
    processor = Dedupe()
    processor.init(context)
    processor.process(Record("key", "value", 5))
    assert [each.record.value for each in context.forwarded()] == ["value"]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aliran.core.durations import Duration, to_ms
from aliran.core.types import Headers
from aliran.serdes import Serde, serde_for
from aliran.storage.state import MemoryStateDatabase
from aliran.storage.state.typed import log_nothing
from aliran.streams.dsl.functions import check_function
from aliran.streams.errors import StreamsError
from aliran.streams.plan import operators as op
from aliran.streams.processor import FixedKeyRecord, PunctuationType, Record, RecordMetadata
from aliran.streams.runtime.context import check_record
from aliran.streams.runtime.store_kinds import open_store, open_view


@dataclass(frozen=True, slots=True)
class CapturedForward:
    """What a processor forwarded. Kafka: `MockProcessorContext.CapturedForward`.

    Attributes:
        record: The record.
        child: The child it was sent to; None for all.
    """

    record: Record[Any, Any] | FixedKeyRecord[Any, Any]
    child: str | None = None


@dataclass(slots=True)
class CapturedPunctuator:
    """What a processor scheduled. Kafka: `MockProcessorContext.CapturedPunctuator`.

    Attributes:
        interval_ms: Time between calls.
        punctuation_type: The clock.
        punctuator: What is to be called with the time; a test calls it.
        start_ms: When to call first, where the processor said so.
        cancelled: Whether it was ended.
    """

    interval_ms: int
    punctuation_type: PunctuationType
    punctuator: Callable[[int], None]
    start_ms: int | None = None
    cancelled: bool = False

    def cancel(self) -> None:
        """End it."""
        self.cancelled = True


class ProcessorTestContext:
    """See the module; implements `ProcessorContext` and `FixedKeyProcessorContext`.

    Args:
        application_id: What the processor is told.
        task_id: The same, `<sub-topology>_<partition>`.
        state_dir: The same; empty for none.

    Attributes:
        stream_time_ms: What `current_stream_time_ms` returns; set it as the test needs.
        system_time_ms: The same for the wall clock.
        committed: Whether the processor asked for a commit; set it back as needed.
    """

    def __init__(
        self,
        *,
        application_id: str = "test-application",
        task_id: str = "0_0",
        state_dir: str = "",
    ) -> None:
        self.application_id = application_id
        self.task_id = task_id
        self.state_dir = state_dir
        self.stream_time_ms = 0
        self.system_time_ms = 0
        self.committed: bool = False
        self._metadata: RecordMetadata | None = None
        self._stores: dict[str, Any] = {}
        self._forwarded: list[CapturedForward] = []
        self._scheduled: list[CapturedPunctuator] = []

    # ------------------------------------------------------------------ for the test

    def set_record_metadata(
        self,
        topic: str,
        partition: int = 0,
        offset: int = 0,
        timestamp: int = -1,
        headers: Headers = (),
    ) -> None:
        """Say where the record to be processed next was read."""
        self._metadata = RecordMetadata(topic, partition, offset, timestamp, headers)

    def add_state_store(self, store: Any) -> Any:
        """Connect a store; returns it as the processor sees it.

        Args:
            store: What `Stores` makes, which is opened in memory and logs nothing; or an object of
                yours with a `name`.
        """
        view = _opened(store, self.current_system_time_ms) if _is_spec(store) else store
        self._stores[store.name] = view
        return view

    def forwarded(self, child: str | None = None) -> list[CapturedForward]:
        """Return what was forwarded so far; with `child`, what that child would get."""
        return [each for each in self._forwarded if child is None or each.child in (None, child)]

    def reset_forwards(self) -> None:
        """Forget what was forwarded."""
        self._forwarded.clear()

    def scheduled_punctuators(self) -> list[CapturedPunctuator]:
        """Return what was scheduled so far."""
        return list(self._scheduled)

    # ------------------------------------------------------------------ for the processor

    def forward(self, record: Any, child: str | None = None) -> None:
        """Keep a record.

        Raises:
            StreamsError: It is no record, or one of an impossible time or headers.
        """
        if not isinstance(record, Record | FixedKeyRecord):
            raise StreamsError(f"forward takes a Record, got {record!r}")
        check_record("the processor forwards", record)
        self._forwarded.append(CapturedForward(record, child))

    def schedule(
        self,
        interval: Duration,
        punctuation_type: PunctuationType,
        punctuator: Callable[[int], None],
        *,
        start_ms: int | None = None,
    ) -> CapturedPunctuator:
        """Keep a punctuator.

        Raises:
            StreamsError: The interval is shorter than 1 ms, or something is of another kind.
        """
        if not isinstance(punctuation_type, PunctuationType):
            raise StreamsError(f"schedule takes a PunctuationType, got {punctuation_type!r}")
        check_function("schedule", "punctuator(time_ms)", punctuator)
        interval_ms = to_ms(interval)
        if interval_ms < 1:
            raise StreamsError(f"a punctuation interval is at least 1 ms; got {interval!r}")
        schedule = CapturedPunctuator(interval_ms, punctuation_type, punctuator, start_ms)
        self._scheduled.append(schedule)
        return schedule

    def commit(self) -> None:
        """Note that a commit was asked for."""
        self.committed = True

    def get_state_store(self, name: str) -> Any:
        """Return a store that was added.

        Raises:
            StreamsError: None of that name was.
        """
        if name not in self._stores:
            raise StreamsError(
                f"there is no store {name!r} here: call context.add_state_store(...) first; "
                f"stores: {', '.join(self._stores) or 'none'}"
            )
        return self._stores[name]

    def record_metadata(self) -> RecordMetadata | None:
        """Return what `set_record_metadata` said, None before."""
        return self._metadata

    def current_stream_time_ms(self) -> int:
        """Return `stream_time_ms`."""
        return self.stream_time_ms

    def current_system_time_ms(self) -> int:
        """Return `system_time_ms`."""
        return self.system_time_ms


def _is_spec(store: Any) -> bool:
    return isinstance(store, op.StoreSpec)


def _opened(spec: op.StoreSpec, current_time: Callable[[], int]) -> Any:
    serdes: tuple[Serde[Any], Serde[Any]] = (
        spec.key_serde or serde_for(str),
        spec.value_serde or serde_for(str),
    )
    store = open_store(spec, MemoryStateDatabase([spec.name]), timestamped=False)
    return open_view(spec.kind, store, serdes, log_nothing, current_time)
