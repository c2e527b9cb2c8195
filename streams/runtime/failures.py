"""From whatever a record raised to an error that a newcomer can act on."""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import aliran
from aliran.serdes import SerializationError
from aliran.streams.engine.source_code import Step
from aliran.streams.errors import DeserializationError, ProcessingError
from aliran.streams.plan import operators as op
from aliran.streams.runtime.record_run import CurrentRecord

_SHOWN_BYTES = 120

_WRONG_TYPE = re.compile(r"descriptor '\w+' (?:for|requires) '(\w+)' .*'(\w+)' object")
"""What Python says of `str.encode(5)`, which is how the serde of str works."""

OR_SKIP = ', or on_error="skip" counts such records and goes on'
"""Ends the advice of errors; those that are skipped already can do without."""

_OWN_CODE = tuple(
    {os.path.dirname(os.path.realpath(path)) for path in (aliran.__file__, __file__)}
    | {os.path.dirname(aliran.__file__)}
    | {os.path.dirname(os.path.dirname(os.path.realpath(__file__)))}
)


def explain(
    error: Exception,
    step: Step,
    nodes: Sequence[op.Node],
    current: CurrentRecord | None,
    task: str,
) -> ProcessingError:
    """Return the error to raise for `error`, with processor, record and way out in its message.

    Args:
        error: What was raised.
        step: The processor at fault, and what it did.
        nodes: The task's nodes.
        current: The record being processed; None in commits and punctuators.
        task: What to call the task.
    """
    if isinstance(error, ProcessingError):
        return error
    reading = step.action in ("read key", "read value")
    kind = DeserializationError if reading else ProcessingError
    node = next((each for each in nodes if each.name == step.node), None)
    lines = [f"{_what(step, error, node)} ({task})"]
    if current is not None:
        lines.append(_where(current))
    place = user_frame(error.__traceback__)
    if place:
        lines.append(f"  raised at: {place}")
    lines.append(f"  try: {_advice(step, error, current)}")
    columns = current.place[0] if current is not None else None
    return kind(
        "\n".join(lines),
        processor=step.node,
        topic=None if columns is None else columns.topic,
        partition=-1 if columns is None else columns.partition,
        offset=-1 if current is None else current.offset,
    )


def _what(step: Step, error: Exception, node: op.Node | None) -> str:
    cause = f"{type(error).__name__}: {error}"
    if (other := _WRONG_TYPE.search(str(error))) and not isinstance(error, SerializationError):
        cause = f"a key or value is of type {other[2]}, not {other[1]}"
    if step.action == "read key":
        return f"source {step.node!r} could not decode the key of a record: {cause}"
    if step.action == "read value":
        return f"source {step.node!r} could not decode the value of a record: {cause}"
    if isinstance(node, op.SinkNode) and step.action.startswith("serialize"):
        part = "key" if "key" in step.action else "value"
        serde = node.key_serde if part == "key" else node.value_serde
        if isinstance(error, AttributeError) and error.name == "encode":  # of generated code
            cause = f"it is of type {type(error.obj).__name__}, not str"
        return f"{serde} cannot write the {part} of a record for sink {node.name!r}: {cause}"
    if not step.node:
        return f"a record could not be processed: {cause}"
    verb = {"run": "process a record"}.get(step.action, step.action)
    if verb.endswith((" for", " of")):
        return f"could not {verb} {step.node!r}: {cause}"
    return f"processor {step.node!r} failed to {verb}: {cause}"


def _where(current: CurrentRecord) -> str:
    columns, index = current.place
    return (
        f"  record: topic {columns.topic}, partition {columns.partition}, "
        f"offset {columns.offsets[index]}, timestamp {current.written_timestamp}\n"
        f"  key: {_shown(columns.keys[index])}\n"
        f"  value: {_shown(columns.values[index])}"
    )


def _shown(data: bytes | None) -> str:
    if data is None:
        return "null"
    if len(data) <= _SHOWN_BYTES:
        return repr(bytes(data))
    return f"{bytes(data[:_SHOWN_BYTES])!r}… ({len(data):,} bytes)"


def _advice(step: Step, error: Exception, current: CurrentRecord | None) -> str:
    if step.action in ("read key", "read value"):
        part = step.action.removeprefix("read ")
        return f"pass the {part}'s type to the source ({part}=bytes takes anything){OR_SKIP}"
    wrong_type = isinstance(error, SerializationError) or _WRONG_TYPE.search(str(error))
    if step.action.startswith("serialize") or wrong_type:
        advice = "pass key= or value= with the data's type to the to(), group_by() or aggregation"
        return advice if current is None else f"{advice}{OR_SKIP}"
    if current is None:
        return "mend the function; nothing since the last commit is lost, it is processed again"
    return f"mend the function{OR_SKIP}"


def user_frame(trace: TracebackType | None) -> str:
    """Where the innermost frame of the user's code is, `file:line in function`."""
    for frame in reversed(traceback.extract_tb(trace)):
        if frame.filename.startswith("<aliran"):
            return ""
        # As imported and as it lies on the disk: our folders may be links.
        names = (frame.filename, os.path.realpath(frame.filename))
        if not any(name.startswith(_OWN_CODE) for name in names):
            return f"{frame.filename}:{frame.lineno} in {frame.name}"
    return ""


def describe_value(value: Any) -> str:
    """Return a short repr of a value, for messages."""
    text = repr(value)
    return text if len(text) <= _SHOWN_BYTES else text[:_SHOWN_BYTES] + "…"
