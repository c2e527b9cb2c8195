"""What happens when a record fails: retries, tolerance, reports, dead letters.

Kafka: `RetryWithToleranceOperator`, `DeadLetterQueueReporter`, `LogReporter`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from confluent_kafka import KafkaError, Message, Producer

from aliran.connectors.errors import ConnectError
from aliran.connectors.runtime.cluster import Cluster
from aliran.connectors.runtime.status import trace_of

_T = TypeVar("_T")

logger: logging.Logger = logging.getLogger("aliran.connectors")

_PREFIX = "__connect.errors."
_FIRST_DELAY_S = 0.3


class Stage(StrEnum):
    """Where a record fails. Kafka: `Stage`."""

    TASK_POLL = "TASK_POLL"
    TASK_PUT = "TASK_PUT"
    TRANSFORMATION = "TRANSFORMATION"
    KEY_CONVERTER = "KEY_CONVERTER"
    VALUE_CONVERTER = "VALUE_CONVERTER"
    HEADER_CONVERTER = "HEADER_CONVERTER"
    KAFKA_PRODUCE = "KAFKA_PRODUCE"
    KAFKA_CONSUME = "KAFKA_CONSUME"


class ToleranceExceededError(ConnectError):
    """A record failed, and `errors.tolerance` is none."""


@dataclass(frozen=True, slots=True)
class Raw:
    """A record as bytes, for the dead-letter topic.

    Attributes:
        topic: Where it was read from, or was to go.
        partition: Its partition; -1 for none.
        offset: Its offset; -1 for none.
        key: Its key.
        value: Its value.
        headers: Its headers.
        timestamp: Milliseconds since the epoch; -1 for none.
    """

    topic: str
    partition: int = -1
    offset: int = -1
    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()
    timestamp: int = -1


@dataclass(frozen=True, slots=True)
class Failure:
    """What failed, and where.

    Attributes:
        stage: Where.
        executor: The class that was at work, for messages.
        error: What was raised.
        attempt: How many times it was tried.
        raw: The record.
    """

    stage: Stage
    executor: str
    error: Exception
    attempt: int
    raw: Raw | None


class Reporter(Protocol):
    """Is told of failures that are tolerated, and of the one that is not."""

    def report(self, failure: Failure) -> Future[None] | None:
        """Report a failure; the result is done when the report is safe."""
        ...


class LogReporter:
    """Writes failures to the log.

    Args:
        connector: The connector.
        task: The task.
        hide: Takes secrets out of texts.
        with_records: Whether the place of the record is told (`errors.log.include.messages`).
    """

    def __init__(
        self, connector: str, task: int, hide: Callable[[str], str], *, with_records: bool
    ) -> None:
        self._where = f"task {connector}-{task}"
        self._hide = hide
        self._with_records = with_records

    def report(self, failure: Failure) -> None:
        """Write one line and the traceback."""
        record = ""
        if self._with_records and failure.raw is not None:
            raw = failure.raw
            record = f", record of {raw.topic}-{raw.partition} at offset {raw.offset}"
        logger.error(
            "Error encountered in %s. Executing stage '%s' with class '%s'%s.\n%s",
            self._where, failure.stage, failure.executor, record,
            self._hide(trace_of(failure.error)).rstrip(),
        )  # fmt: skip


class DeadLetters:
    """Sends records that failed to a topic, with Kafka's headers if wanted.

    Args:
        cluster: Where the topic is; it is made with one partition if it is not there.
        topic: The topic.
        connector: The connector.
        task: The task.
        hide: Takes secrets out of texts.
        replication: Replicas of a new topic.
        with_context: Whether headers say what happened.
    """

    def __init__(
        self,
        cluster: Cluster,
        topic: str,
        connector: str,
        task: int,
        hide: Callable[[str], str],
        *,
        replication: int,
        with_context: bool,
    ) -> None:
        cluster.ensure_topic(topic, 1, replication, {})
        self._topic = topic
        self._connector = connector
        self._task = task
        self._hide = hide
        self._with_context = with_context
        self._producer: Producer = cluster.producer()

    def report(self, failure: Failure) -> Future[None]:
        """Send the record."""
        raw = failure.raw or Raw("")
        headers: Any = list(raw.headers)
        if self._with_context:
            headers += self._context(failure, raw)
        done: Future[None] = Future()

        def delivered(error: KafkaError | None, _message: Message[bytes, bytes]) -> None:
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(
                    ConnectError(f"the dead-letter topic {self._topic!r} refuses: {error.str()}")
                )

        self._producer.produce(
            self._topic, raw.value, raw.key, headers=headers, on_delivery=delivered,
            timestamp=max(raw.timestamp, 0),
        )  # fmt: skip
        self._producer.poll(0)
        return done

    def _context(self, failure: Failure, raw: Raw) -> list[tuple[str, bytes | None]]:
        error = failure.error
        name = getattr(error, "java_class", None)
        kind = type(error)
        values = {
            "topic": raw.topic,
            "partition": str(raw.partition),
            "offset": str(raw.offset),
            "connector.name": self._connector,
            "task.id": str(self._task),
            "stage": failure.stage.value,
            "class.name": failure.executor,
            "exception.class.name": name or f"{kind.__module__}.{kind.__qualname__}",
            "exception.message": self._hide(str(error)),
            "exception.stacktrace": self._hide(trace_of(error)),
        }
        return [(_PREFIX + key, value.encode()) for key, value in values.items()]

    def flush(self) -> None:
        """Wait until all that was reported is acknowledged."""
        self._producer.flush(30)


class Operator:
    """Runs one step of a record's way, again if that may help, and judges what it raises.

    Args:
        retry_timeout_ms: How long a step is tried again (`errors.retry.timeout`); -1 for ever.
        max_delay_ms: The longest wait between two attempts.
        tolerate_all: Whether failures are passed over (`errors.tolerance=all`).
        reporters: Are told of failures.
        stopping: Ends waits.
    """

    def __init__(
        self,
        *,
        retry_timeout_ms: int,
        max_delay_ms: int,
        tolerate_all: bool,
        reporters: Sequence[Reporter],
        stopping: threading.Event,
    ) -> None:
        self._retry_timeout_ms = retry_timeout_ms
        self._max_delay_s = max_delay_ms / 1000
        self._reporters = reporters
        self._stopping = stopping
        self._reports: list[Future[None]] = []
        self.on_wait: Callable[[], None] = lambda: None
        self.tolerates: bool = tolerate_all
        self.failures: int = 0

    def run(
        self,
        stage: Stage,
        executor: object,
        step: Callable[[], _T],
        raw: Callable[[], Raw | None],
        failed: Exception | None = None,
    ) -> tuple[bool, _T | None]:
        """Return whether a step succeeded, and its result.

        Args:
            stage: Where it is.
            executor: What is at work.
            step: What it does.
            raw: Gives the record as bytes, should it fail.
            failed: What the first attempt raised, if it has been made.

        Raises:
            ToleranceExceededError: It failed, and nothing is tolerated.
        """
        deadline = time.monotonic() + self._retry_timeout_ms / 1000
        delay, attempt = _FIRST_DELAY_S, 1
        while True:
            try:
                if failed is None:
                    return True, step()
                raise failed
            except Exception as error:
                failed = None
                retriable = getattr(error, "retriable", False) is True
                forever = self._retry_timeout_ms < 0
                if not retriable or not (forever or time.monotonic() + delay <= deadline):
                    self.failed(Failure(stage, name_of(executor), error, attempt, raw()))
                    return False, None
            self.on_wait()
            if self._stopping.wait(min(delay, self._max_delay_s)):
                raise ConnectError(f"the task was stopped while {stage} was being tried again")
            delay, attempt = delay * 2, attempt + 1

    def failed(self, failure: Failure) -> None:
        """Report a failure.

        Raises:
            ToleranceExceededError: Nothing is tolerated.
        """
        self.failures += 1
        for reporter in self._reporters:
            done = reporter.report(failure)
            if done is not None:
                self._reports.append(done)
        if not self.tolerates:
            raise ToleranceExceededError(
                f"Tolerance exceeded in error handler: {failure.stage} in {failure.executor}: "
                f"{failure.error}"
            ) from failure.error

    def when_reported(self, done: Future[None]) -> None:
        """Finish `done` when the last failure's reports are safe."""
        waiting = self._reports[-1] if self._reports else None
        if waiting is None:
            done.set_result(None)
            return

        def finish(report: Future[None]) -> None:
            error = report.exception()
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)

        waiting.add_done_callback(finish)

    @property
    def reporting(self) -> bool:
        """Whether failures are tolerated or reported anywhere."""
        return self.tolerates or bool(self._reporters)

    def flush(self) -> None:
        """Wait until all reports are safe.

        Raises:
            ConnectError: One is not.
        """
        for reporter in self._reporters:
            if isinstance(reporter, DeadLetters):
                reporter.flush()
        reports, self._reports = self._reports, []
        for done in reports:
            done.result(30)


def name_of(executor: Any) -> str:
    """Return how messages and headers call a converter, transformation or task."""
    kind = executor if isinstance(executor, type) else type(executor)
    return str(getattr(kind, "java_class", None) or f"{kind.__module__}.{kind.__qualname__}")
