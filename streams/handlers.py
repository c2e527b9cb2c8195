"""What happens when a record cannot be read, processed or written. Kafka: KIP-1033, KIP-1034.

Three handlers, each a function `handler(context, record, error)`, an object with a method
`handle` of the same arguments, or one of the words `fail` and `skip`:

| setting | called when | `record` |
|---|---|---|
| `on_deserialization_error` | a serde cannot read a record | `ConsumerRecord`, bytes as read |
| `on_processing_error` | a function or punctuator raises | `Record`; None of a punctuator |
| `on_production_error` | a serde cannot write a record for a sink | `ProducerRecord`, typed |
| | the broker refuses a record | `ProducerRecord`, bytes |

It answers `"fail"`, `"continue"` or (only to timeouts of the broker's) `"retry"`, or a `Response`.

A record that could not be handled goes to `dead_letter_topic`, where one is set, unless the handler
answers with a `Response` that says otherwise.
"""

from __future__ import annotations

import enum
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from aliran.core.errors import ConfigError
from aliran.core.types import Headers
from aliran.streams.errors import ProcessingError, StreamsError

_PREFIX = "__streams.errors."


@dataclass(frozen=True, slots=True)
class ErrorHandlerContext:
    """Where an error happened. Kafka: `ErrorHandlerContext`.

    Attributes:
        topic: Topic of the input record, behind a cache of the last one; None in punctuators.
        partition: Its partition, or -1.
        offset: Its offset, or -1.
        headers: The headers of the record in hand.
        processor_node_id: The node at fault; None where a record could not be read.
        task_id: The task, as `<subtopology>_<partition>`.
        timestamp: The time of the record in hand, which is the input record's as a rule; in a
            punctuator the time it was called with.
        source_raw_key: The key as read; None in punctuators and flushes.
        source_raw_value: The value as read.
    """

    topic: str | None
    partition: int
    offset: int
    headers: Headers
    processor_node_id: str | None
    task_id: str
    timestamp: int
    source_raw_key: bytes | None = None
    source_raw_value: bytes | None = None


@dataclass(frozen=True, slots=True)
class ProducerRecord:
    """A record on its way to a topic. Kafka: `ProducerRecord`.

    Attributes:
        topic: The full name of the topic.
        key: The key.
        value: The value.
        timestamp: Milliseconds since the epoch.
        headers: Pairs of name and bytes.
        partition: The partition; None leaves it to the key.
    """

    topic: str
    key: Any
    value: Any
    timestamp: int
    headers: Headers = ()
    partition: int | None = None


class Result(enum.Enum):
    """What to do about an error. Kafka: the enums `Result` of the three handlers."""

    FAIL = "fail"
    """Stop the application with the error; nothing since the last commit counts as done."""
    CONTINUE = "continue"
    """Drop what failed and go on. Kafka: `RESUME`."""
    RETRY = "retry"
    """Write the record again; only to timeouts of the broker's, else it is `FAIL`."""


@dataclass(frozen=True, slots=True)
class Response:
    """A handler's answer. Kafka: the classes `Response` of the three handlers.

    Attributes:
        result: What to do.
        dead_letters: Records to write; None for the usual one, where a dead-letter topic is set.
    """

    result: Result
    dead_letters: Sequence[ProducerRecord] | None = None

    @classmethod
    def fail(cls, dead_letters: Sequence[ProducerRecord] | None = None) -> Response:
        """Stop the application."""
        return cls(Result.FAIL, dead_letters)

    @classmethod
    def resume(cls, dead_letters: Sequence[ProducerRecord] | None = None) -> Response:
        """Drop what failed and go on."""
        return cls(Result.CONTINUE, dead_letters)

    @classmethod
    def retry(cls) -> Response:
        """Write the record again."""
        return cls(Result.RETRY, ())


ErrorHandler: TypeAlias = Callable[[ErrorHandlerContext, Any, Exception], "Response | Result | str"]
"""`handler(context, record, error)`; see the module."""


class HandlerKind(NamedTuple):
    """One of the three: the setting that gives the handler, and whether it may answer `retry`."""

    setting: str
    may_retry: bool = False


DESERIALIZATION = HandlerKind("on_deserialization_error")
PROCESSING = HandlerKind("on_processing_error")
PRODUCTION = HandlerKind("on_production_error", may_retry=True)

_WORDS = {
    "fail": Result.FAIL,
    "skip": Result.CONTINUE,
    "continue": Result.CONTINUE,
    "resume": Result.CONTINUE,
    "retry": Result.RETRY,
}


def log_and_fail(context: ErrorHandlerContext, record: Any, error: Exception) -> Response:  # noqa: ARG001
    """Stop. Kafka: `LogAndFailExceptionHandler` and its like."""
    return Response.fail()


def log_and_continue(context: ErrorHandlerContext, record: Any, error: Exception) -> Response:  # noqa: ARG001
    """Drop the record and go on. Kafka: `LogAndContinueExceptionHandler` and its like."""
    return Response.resume()


class HandlerFailedError(ProcessingError):
    """An error handler raised, or answered with something that is no answer."""


@dataclass(frozen=True, slots=True)
class ErrorHandlers:
    """The three handlers of an application, and where its dead letters go.

    Attributes:
        deserialization: See the module; None to fail.
        processing: The same.
        production: The same.
        dead_letter_topic: Where records go that could not be handled; None for nowhere.
    """

    deserialization: ErrorHandler | None = None
    processing: ErrorHandler | None = None
    production: ErrorHandler | None = None
    dead_letter_topic: str | None = None

    @classmethod
    def of(
        cls,
        default: str,
        *,
        deserialization: Any = None,
        processing: Any = None,
        production: Any = None,
        dead_letter_topic: str | None = None,
    ) -> ErrorHandlers:
        """Make them of settings; `default` is the word for those that are None.

        Raises:
            ConfigError: One is neither a word nor a function nor an object with `handle`.
        """
        always = dead_letter_topic is not None
        return cls(
            _handler(DESERIALIZATION, deserialization or default, always),
            _handler(PROCESSING, processing or default, always),
            _handler(PRODUCTION, production or default, always),
            dead_letter_topic,
        )

    def ask(
        self, kind: HandlerKind, context: ErrorHandlerContext, record: Any, error: Exception
    ) -> tuple[Result, Sequence[ProducerRecord]]:
        """Return what to do, and the dead letters to write.

        Raises:
            HandlerFailedError: The handler raised, or its answer is none.
        """
        handler = {
            DESERIALIZATION: self.deserialization,
            PROCESSING: self.processing,
            PRODUCTION: self.production,
        }[kind]
        if handler is None:
            return Result.FAIL, ()
        try:
            response = _response(kind, handler(context, record, error))
            _check_letters(response.dead_letters)
        except Exception as raised:
            place = f"task {context.task_id}, node {context.processor_node_id!r}"
            raise HandlerFailedError(
                f"{kind.setting} itself failed with {type(raised).__name__}: {raised}\n"
                f"  it was told of {type(error).__name__}: {error} ({place})\n"
                "  try: mend the handler; nothing since the last commit is lost",
                processor=context.processor_node_id or "",
                topic=context.topic,
                partition=context.partition,
                offset=context.offset,
            ) from raised
        letters = response.dead_letters
        if letters is None:
            topic = self.dead_letter_topic
            letters = () if topic is None else (dead_letter(topic, context, error),)
        return response.result, letters


def _check_letters(letters: object) -> None:
    if letters is not None and not (
        isinstance(letters, Sequence) and all(isinstance(each, ProducerRecord) for each in letters)
    ):
        raise StreamsError(f"dead_letters= is a list of ProducerRecord, got {letters!r}")


def dead_letter(topic: str, context: ErrorHandlerContext, error: Exception) -> ProducerRecord:
    """Return the record that tells a dead-letter topic of an error (KIP-1034).

    It has the key, value, time and headers of the input record, and headers that say what happened:
    `__streams.errors.exception`, `.message`, `.stacktrace`, `.topic`, `.partition` and `.offset`,
    all texts. Kafka: `ExceptionHandlerUtils.buildDeadLetterQueueRecord`.
    """
    kind = type(error)
    name = kind.__qualname__
    if kind.__module__ != "builtins":
        name = f"{kind.__module__}.{name}"
    told = {
        "exception": name,
        "message": str(error),
        "stacktrace": "".join(traceback.format_exception(error)),
        "topic": context.topic,
        "partition": str(context.partition),
        "offset": str(context.offset),
    }
    headers = [
        (_PREFIX + part, None if text is None else text.encode("utf-8", "replace"))
        for part, text in told.items()
    ]
    return ProducerRecord(
        topic,
        context.source_raw_key,
        context.source_raw_value,
        max(0, context.timestamp),
        [*context.headers, *headers],
    )


def _handler(kind: HandlerKind, given: Any, always: bool) -> ErrorHandler | None:
    """Return the handler that was given; None to fail, where nobody need be told."""
    if given == "fail":
        return log_and_fail if always else None
    if given == "skip":
        return log_and_continue
    found = getattr(given, "handle", given)
    if not callable(found) or isinstance(given, type):
        raise ConfigError(
            f"{kind.setting}={given!r} is no handler: pass 'fail', 'skip', a function "
            "handler(context, record, error), or an object with a method handle of the same"
        )
    handler: ErrorHandler = found
    return handler


def _response(kind: HandlerKind, answer: Any) -> Response:
    if isinstance(answer, str) and answer in _WORDS:
        answer = _WORDS[answer]
    if isinstance(answer, Result):
        answer = Response(answer)
    if not isinstance(answer, Response):
        words = "'fail', 'continue'" + (" or 'retry'" if kind.may_retry else "")
        raise StreamsError(f"it answered {answer!r}; answer {words}, or with a Response")
    if answer.result is Result.RETRY and not kind.may_retry:
        raise StreamsError("it answered 'retry', which only on_production_error may")
    return answer
