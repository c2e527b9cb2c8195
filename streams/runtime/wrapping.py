"""Wraps processors by a function of the user's (KIP-1112), operators of the DSL among them.

An operator's generated function becomes a processor's `process`; its children are called by the
function itself, as if it had forwarded to them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aliran.streams.errors import TopologyError
from aliran.streams.plan import operators as op
from aliran.streams.processor import Processor, ProcessorWrapper, Record


class OperatorProcessor(Processor[Any, Any, Any, Any]):
    """An operator of the DSL as a processor."""

    def __init__(self, function: Callable[..., None]) -> None:
        self._function = function
        self.old: tuple[Any, ...] = ()

    def process(self, record: Record[Any, Any]) -> None:
        """Run the operator, and what lies behind it."""
        self._function(
            record.key, record.value, record.timestamp, record.headers or None, *self.old
        )


def supplier(wrapper: ProcessorWrapper | None, node: op.ProcessorNode) -> Callable[[], Any]:
    """Return what makes the processors of a node of the user's."""
    if not isinstance(node.operator, op.Custom):
        raise TopologyError(f"{node.name!r} is no processor of the user's")
    return _checked(wrapper, node.name, node.operator.supplier)


def wrap_operator(
    wrapper: ProcessorWrapper, node: op.ProcessorNode, function: Callable[..., None]
) -> tuple[Any, Callable[..., None]]:
    """Return the processor that wraps an operator, and what to call instead of `function`."""
    inner = OperatorProcessor(function)
    processor = _checked(wrapper, node.name, lambda: inner)()
    process = processor.process

    def wrapped(key: Any, value: Any, time: int, headers: Any, *old: Any) -> None:
        inner.old = old  # of an update: what it replaces goes past the wrapper
        process(Record(key, value, time, headers or ()))

    return processor, wrapped


def _checked(
    wrapper: ProcessorWrapper | None, name: str, given: Callable[[], Any]
) -> Callable[[], Any]:
    if wrapper is None:
        return given
    wrapped = wrapper(name, given)
    if not callable(wrapped):
        raise TopologyError(
            f"processor_wrapper returned {wrapped!r} for {name!r}: return a function that makes a "
            "processor, such as the one that it was given"
        )
    return wrapped
