"""Asks the handlers of an application about the errors of one task; see `streams/handlers.py`.

Where there are handlers, the generated code catches what a node raises and hands it to `guard`, so
that a record goes on through the other nodes, as in Kafka's `ProcessorNode.process`. What a handler
lets pass leaves as `ProcessingError`, which no guard catches twice. A serialiser's error that the
production handler lets pass is offered to the processing handler too, as on the JVM.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from aliran.core.types import Columns, Headers
from aliran.streams.engine.buffers import PartitionBuffer, SinkBuffer
from aliran.streams.errors import DeserializationError, ProcessingError
from aliran.streams.handlers import (
    DESERIALIZATION,
    PROCESSING,
    PRODUCTION,
    ErrorHandlerContext,
    ErrorHandlers,
    HandlerKind,
    ProducerRecord,
    Result,
)
from aliran.streams.plan import operators as op
from aliran.streams.processor import ConsumerRecord, Record
from aliran.streams.runtime.failures import OR_SKIP
from aliran.streams.runtime.record_run import CurrentRecord

logger: logging.Logger = logging.getLogger("aliran.streams")

Guard = Callable[[Exception, Any, Any, int, Headers | None], None]
"""`guard(error, key, value, timestamp, headers)` returns to go on, or raises."""


class _Task(Protocol):
    """What the handlers need of a task."""

    id: Any
    statistics: Any
    origins: Any

    @property
    def current(self) -> CurrentRecord | None: ...

    def explained(
        self,
        error: Exception,
        current: CurrentRecord | None = None,
        store: str = "",
        node: str = "",
    ) -> ProcessingError: ...


class TaskErrors:
    """See the module.

    Args:
        handlers: The application's handlers.
        task: The task whose errors they are.
        partition_count: Of the dead-letter topics.
    """

    def __init__(
        self, handlers: ErrorHandlers, task: _Task, partition_count: Callable[[str], int]
    ) -> None:
        self._handlers = handlers
        self._task = task
        self._partition_count = partition_count
        self._letters: dict[tuple[str, int | None], SinkBuffer] = {}

    # ------------------------------------------------------------------ from generated code

    @property
    def guards_nodes(self) -> bool:
        """Whether nodes are to be guarded."""
        return self._handlers.processing is not None

    @property
    def guards_sinks(self) -> bool:
        """Whether the serialisers of sinks are to be guarded."""
        return self._handlers.production is not None

    def node_guard(self, node: str) -> Guard:
        """Return what generated code calls with an error of a node."""

        def guard(
            error: Exception, key: Any, value: Any, timestamp: int, headers: Headers | None
        ) -> None:
            if isinstance(error, ProcessingError):
                raise error
            record = Record(key, value, timestamp, headers or ())
            context = self._context(node, timestamp, headers)
            explained = self._task.explained(error, self._task.current, node=node)
            if not self._goes_on(PROCESSING, context, record, error):
                raise explained from error
            self._skipped(error, explained)

        return guard

    def sink_guard(self, sink: op.SinkNode, topic: str) -> Callable[..., None]:
        """Return what is called with an error of a sink's serialisers, as a `Guard`.

        A sink with a topic for each record passes it behind the other arguments.
        """

        def guard(
            error: Exception,
            key: Any,
            value: Any,
            timestamp: int,
            headers: Headers | None,
            topic: str = topic,
        ) -> None:
            record = ProducerRecord(topic, key, value, timestamp, headers or ())
            context = self._context(sink.name, timestamp, headers)
            if not self._goes_on(PRODUCTION, context, record, error):
                raise error
            self._skipped(error)

        return guard

    # ------------------------------------------------------------------ from the runtime

    def failed(self, error: Exception, current: CurrentRecord) -> None:
        """Handle what left the generated code; returns to go on with the next record.

        Raises:
            ProcessingError: A handler says so, or has said so.
        """
        explained = self._task.explained(error, current)
        if explained is error:
            raise error
        if not isinstance(explained, DeserializationError):
            raise explained from error  # of a sink right behind a source, which nothing guards
        columns, index = current.place
        timestamp = current.written_timestamp  # no extractor has seen the record
        record = ConsumerRecord(
            columns.topic,
            columns.partition,
            current.offset,
            timestamp,
            columns.keys[index],
            columns.values[index],
            current.headers,
        )
        context = self._context(None, timestamp, current.headers)
        if not self._goes_on(DESERIALIZATION, context, record, error):
            raise explained from error
        current.skip()
        self._skipped(error, explained)

    def punctuator_failed(self, node: str, timestamp: int, error: Exception) -> bool:
        """Return whether to go on after a punctuator raised."""
        if isinstance(error, ProcessingError):
            return False
        context = ErrorHandlerContext(None, -1, -1, (), node, str(self._task.id), timestamp)
        if not self._goes_on(PROCESSING, context, None, error):
            return False
        self._skipped(error)
        return True

    def refused(self, columns: Columns, index: int, error: Exception) -> Result:
        """Return what to do about a record that the broker refuses.

        `RETRY` comes only for errors that may pass.
        """
        headers: Headers = () if columns.headers is None else columns.headers[index]
        timestamp = columns.timestamps[index]
        record = ProducerRecord(
            columns.topic,
            columns.keys[index],
            columns.values[index],
            timestamp,
            headers,
            columns.partition,
        )
        context = ErrorHandlerContext(None, -1, -1, headers, None, str(self._task.id), timestamp)
        result, letters = self._handlers.ask(PRODUCTION, context, record, error)
        # Not of a dead letter: it would be refused again, and for ever.
        if columns.topic != self._handlers.dead_letter_topic:
            self._write(letters)
        if result is Result.CONTINUE:
            self._skipped(error)
        if result is Result.RETRY and not getattr(error, "retriable", False):
            return Result.FAIL
        return result

    def drain(self) -> Iterator[Columns]:
        """Hand over the dead letters."""
        for buffer in self._letters.values():
            yield from buffer.drain()

    # ------------------------------------------------------------------ inside

    def _goes_on(
        self, kind: HandlerKind, context: ErrorHandlerContext, record: Any, error: Exception
    ) -> bool:
        result, letters = self._handlers.ask(kind, context, record, error)
        self._write(letters)
        return result is Result.CONTINUE

    def _skipped(self, error: Exception, explained: ProcessingError | None = None) -> None:
        self._task.statistics.failed_records += 1
        told = explained or self._task.explained(error, self._task.current)
        logger.warning("skipped a record: %s", str(told).removesuffix(OR_SKIP))

    def _context(
        self, node: str | None, timestamp: int, headers: Headers | None
    ) -> ErrorHandlerContext:
        task = self._task
        topic, partition, offset = task.origins.known or (None, -1, -1)
        raw_key, raw_value = task.origins.raw
        return ErrorHandlerContext(
            topic,
            partition,
            offset,
            headers or (),
            node,
            str(task.id),
            timestamp,
            raw_key,
            raw_value,
        )

    def _write(self, letters: Sequence[ProducerRecord]) -> None:
        for letter in letters:
            place = (letter.topic, letter.partition)
            buffer = self._letters.get(place)
            if buffer is None:
                buffer = self._letters[place] = (
                    SinkBuffer(letter.topic, self._partition_count(letter.topic))
                    if letter.partition is None
                    else PartitionBuffer(letter.topic, letter.partition)
                )
            if letter.headers:
                buffer.headers[len(buffer.keys)] = letter.headers
            buffer.keys.append(letter.key)
            buffer.values.append(letter.value)
            buffer.timestamps.append(letter.timestamp)
