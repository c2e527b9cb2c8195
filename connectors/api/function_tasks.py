"""The tasks around functions: generators run on a thread of their own, and fill a short queue."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import queue
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aliran.connectors.api.tasks import SinkTask, SinkTaskContext, SourceTask, SourceTaskContext
from aliran.connectors.config.typed import instance_of
from aliran.connectors.data.headers import ConnectHeaders
from aliran.connectors.errors import ConfigError, RetriableError
from aliran.connectors.records import SinkRecord, SourceRecord

_QUEUE = 1_000
_BATCH = 1_000
_WAIT_S = 0.2

logger: logging.Logger = logging.getLogger("aliran.connectors")


class Retry(RetriableError):  # noqa: N818  (it is raised to say: retry)
    """Try again later.

    Args:
        message: Why.
        after: Seconds to wait.
    """

    def __init__(self, message: str = "try again later", *, after: float = 1.0) -> None:
        super().__init__(message)
        self.after = after


@dataclass(frozen=True, slots=True)
class Record:
    """One record that a source function yields.

    Attributes:
        value: What it says; None for a tombstone.
        key: Its key.
        topic: Where it goes; None for the topic of the configuration's option `topic`.
        partition: Which part of the source it is from; empty for the only one.
        offset: Where to go on behind it; None if the source does not resume.
        timestamp: Milliseconds since the epoch; None for now.
        headers: Names and values.
        key_schema: Schema of the key; None for none.
        value_schema: Schema of the value; None for none.
        kafka_partition: The partition of the topic; None for the key's.
    """

    value: Any
    key: Any = None
    topic: str | None = None
    partition: Mapping[str, Any] | None = None
    offset: Mapping[str, Any] | None = None
    timestamp: int | None = None
    headers: Mapping[str, Any] | None = None
    key_schema: Any = None
    value_schema: Any = None
    kafka_partition: int | None = None


class SourceContext:
    """What a source function is given beside its configuration.

    Attributes:
        task: The number of the task.
        split: What `splits` gave this task; None where there is none.
    """

    def __init__(self, context: SourceTaskContext, task: int, split: Any) -> None:
        self._context = context
        self._stopping = threading.Event()
        self._seen: dict[str, dict[str, Any]] = {}
        self.task = task
        self.split = split

    @property
    def stopping(self) -> bool:
        """Whether the task is to end: a loop without yields should look now and then."""
        return self._stopping.is_set()

    def offset(
        self, partition: Mapping[str, Any], default: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return where to go on in a part of the source; `default` the first time."""
        known = self._seen.get(_text(partition))
        if known is None:
            known = self._context.offset_storage_reader.offset(partition)
        return dict(known if known is not None else default or {})

    def sleep(self, seconds: float) -> None:
        """Wait, but not longer than until the task is to end."""
        self._stopping.wait(seconds)

    def stop(self) -> None:
        """Have the function end."""
        self._stopping.set()

    def saw(self, record: Record) -> None:
        """Remember where to go on behind a record."""
        if record.offset is not None:
            self._seen[_text(record.partition or {})] = dict(record.offset)


def _text(partition: Mapping[str, Any]) -> str:
    return json.dumps(partition, sort_keys=True)


class SourceFunctionTask(SourceTask):
    """Runs a generator, synchronous or asynchronous, and hands its records to the worker."""

    settings: type[Any]
    function: Callable[..., Any]

    def start(self, props: Mapping[str, str]) -> None:
        """Start the thread that runs the generator."""
        self._config = instance_of(self.settings, props)
        self._topic = props.get("topic")
        self._found: queue.Queue[Record] = queue.Queue(_QUEUE)
        self._error: BaseException | None = None
        self._ended = threading.Event()
        self._cancel: Callable[[], None] | None = None
        split = json.loads(props.get("aliran.split", "null"))
        self.ctx: SourceContext = SourceContext(
            self.context, int(props.get("aliran.task", "0")), split
        )
        self._thread = threading.Thread(
            target=self._run, name=f"aliran-source-{type(self).__name__}", daemon=True
        )
        self._thread.start()

    def poll(self) -> list[SourceRecord] | None:
        """Return what the generator has yielded, waiting a moment for the first."""
        found: list[Record] = []
        try:
            found.append(self._found.get(timeout=_WAIT_S))
            while len(found) < _BATCH:
                found.append(self._found.get_nowait())
        except queue.Empty:
            if not found and self._ended.is_set() and self._found.empty():
                if self._error is not None:
                    raise self._error from None
                self.ctx.sleep(1.0)  # the generator has come to its end: nothing more will come
        return [self._record(one) for one in found]

    def stop(self) -> None:
        """Have the generator end: at its next yield, or at once where it is asynchronous."""
        self.ctx.stop()
        if self._cancel is not None:
            self._cancel()

    def close(self) -> None:
        """Wait a moment for the generator to end."""
        self._thread.join(1.0)

    def _record(self, one: Record) -> SourceRecord:
        topic = one.topic or self._topic
        if topic is None:
            raise ConfigError(
                "a record has no topic: give Record(topic=…), or the configuration an option topic"
            )
        return SourceRecord(
            source_partition=one.partition or {},
            source_offset=one.offset,
            topic=topic,
            kafka_partition=one.kafka_partition,
            key_schema=one.key_schema,
            key=one.key,
            value_schema=one.value_schema,
            value=one.value,
            timestamp=one.timestamp,
            headers=_headers(one.headers),
        )

    # ------------------------------------------------------------------ on the generator's thread

    def _run(self) -> None:
        try:
            while not self.ctx.stopping:
                try:
                    self._run_once()
                    return
                except Retry as retry:
                    logger.warning("%s: again in %s s: %s", self._thread.name, retry.after, retry)
                    self.ctx.sleep(retry.after)
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            self._error = error
        finally:
            self._ended.set()

    def _run_once(self) -> None:
        records = self.function(self._config, self.ctx)
        if isinstance(records, AsyncIterator):
            asyncio.run(self._iterate(records))
            return
        for record in records:
            self._put(record)
            if self.ctx.stopping:
                close = getattr(records, "close", None)
                if close is not None:
                    close()
                return

    async def _iterate(self, records: AsyncIterator[Record]) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def cancel() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(task.cancel)

        self._cancel = cancel
        try:
            async for record in records:
                if self._found.full():
                    await loop.run_in_executor(None, self._put, record)
                else:
                    self._put(record)
        finally:
            self._cancel = None

    def _put(self, record: Record) -> None:
        while not self.ctx.stopping:
            try:
                self._found.put(record, timeout=_WAIT_S)
                self.ctx.saw(record)
                return
            except queue.Full:
                continue


def _headers(given: Mapping[str, Any] | None) -> ConnectHeaders:
    headers = ConnectHeaders()
    for name, value in (given or {}).items():
        headers.add(name, value)
    return headers


class SinkContext:
    """What a sink function is given beside its configuration.

    Attributes:
        task: The number of the task.
        worker: The context with Kafka's methods: `pause`, `offset`, `request_commit`, …
    """

    def __init__(self, worker: SinkTaskContext, task: int) -> None:
        self.worker = worker
        self.task = task

    def reject(self, record: SinkRecord, error: Exception) -> None:
        """Send one record to the dead-letter topic, and go on.

        Raises:
            Exception: `error` itself, where `errors.tolerance` is not `all`.
        """
        reporter = self.worker.errant_record_reporter
        if reporter is None:
            raise error
        reporter.report(record, error)


class SinkFunctionTask(SinkTask):
    """Calls a function, synchronous or asynchronous, with each batch that is not empty."""

    settings: type[Any]
    function: Callable[..., Any]

    def start(self, props: Mapping[str, str]) -> None:
        """Read the configuration."""
        self._config = instance_of(self.settings, props)
        self._ctx = SinkContext(self.context, int(props.get("aliran.task", "0")))
        self._loop: asyncio.AbstractEventLoop | None = None

    def put(self, records: Sequence[SinkRecord]) -> None:
        """Call the function; `Retry` says when the batch comes again."""
        if not records:
            return
        try:
            result = self.function(self._config, self._ctx, records)
            if inspect.isawaitable(result):
                self._wait(result)
        except Retry as retry:
            self.context.timeout(int(retry.after * 1000))
            raise

    def stop(self) -> None:
        """Close the event loop, where there is one."""
        if self._loop is not None:
            self._loop.close()

    def _wait(self, result: Any) -> None:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()

        async def call() -> None:
            await result

        self._loop.run_until_complete(call())
