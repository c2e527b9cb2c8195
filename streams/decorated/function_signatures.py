"""What a decorated function says of itself: how to call it, and what it gives.

**Parameters.** One parameter is the record's value; two are its key and value. A parameter that is
annotated `Record[K, V]` is the whole record and takes the place of both; one that is annotated
`ProcessorContext` is the context, beside any of these. Parameters with a default are left alone.

**Results.** None gives nothing. A `KeyValue` gives a record under another key, a `Record` also with
a time and headers of its own; anything else is a value that keeps the key. A generator, or whatever
is an iterator, gives any number of these.
"""

from __future__ import annotations

import collections.abc
import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, TypeAlias, Union, get_args, get_origin

from aliran.serdes import Serde, SerdeLike, serde_for
from aliran.serdes.errors import UnknownSerdeError
from aliran.streams.dsl.functions import locate
from aliran.streams.errors import TopologyError
from aliran.streams.processor import KeyValue, ProcessingContext, ProcessorContext, Record

Caller: TypeAlias = Callable[[Record[Any, Any], Any], Any]
"""`call(record, context)` calls the user's function with what it asks for."""

_FORMS = (
    "f(value), f(key, value) or f(record: Record[K, V]), each also with a parameter "
    "context: ProcessorContext"
)
_SEVERAL = (
    collections.abc.Iterator,
    collections.abc.Generator,
    collections.abc.AsyncIterator,
    collections.abc.AsyncGenerator,
)
_ALSO_SEVERAL = (collections.abc.Iterable, collections.abc.AsyncIterable)
_UNKNOWN = (Any, object, inspect.Parameter.empty)


@dataclass(frozen=True)
class Signature:
    """What is known of a function.

    Attributes:
        call: Calls it.
        is_async: Whether it is `async def`.
        key: Serde of the keys it takes, None where it does not say.
        value: The same of values.
        key_out: Serde of the keys that it gives, None where it does not say.
        value_out: The same of values.
        keeps_key: Whether what it gives has the key of the record that it was called with.
    """

    call: Caller
    is_async: bool
    key: Serde[Any] | None = None
    value: Serde[Any] | None = None
    key_out: Serde[Any] | None = None
    value_out: Serde[Any] | None = None
    keeps_key: bool = False


def record_signature(operator: str, function: Any) -> Signature:
    """Read the signature of a function that is called with records.

    Raises:
        TopologyError: It cannot be called so; the message says how it can be.
    """
    hints = _hints(operator, function)
    roles = [(role, hint) for role, hint in _roles(operator, function, hints, _FORMS)]
    plain = [hint for role, hint in roles if role == "value"]
    whole = [hint for role, hint in roles if role == "record"]
    if len(plain) > 2 or len(whole) > 1 or bool(plain) is bool(whole):
        raise _refused(operator, function, _FORMS)
    if whole:
        key, value = (*get_args(whole[0]), Any, Any)[:2]
    else:
        key, value = (Any, *plain)[-2:]
    parts, first = [], len(plain) == 2
    for role, _ in roles:
        parts.append("key" if role == "value" and first else role)
        first = first and role != "value"
    return Signature(
        _caller(function, tuple(parts)),
        _is_async(function),
        _serde(operator, function, "key", key),
        _serde(operator, function, "value", value),
        *_results(operator, function, hints, forwards="context" in parts),
    )


def timer_signature(operator: str, function: Any) -> Signature:
    """Read the signature of a function that is called with the time, if it wants to know.

    Raises:
        TopologyError: It cannot be called so; the message says how it can be.
    """
    forms = "f() or f(time_ms), each also with a parameter context: ProcessorContext"
    hints = _hints(operator, function)
    roles = [role for role, _ in _roles(operator, function, hints, forms)]
    if roles.count("value") > 1 or "record" in roles:
        raise _refused(operator, function, forms)
    parts = tuple("timestamp" if role == "value" else role for role in roles)
    key, value, _ = _results(operator, function, hints, forwards=True)
    return Signature(_caller(function, parts), _is_async(function), key_out=key, value_out=value)


def serde_of(operator: str, function: Any, what: str, kind: SerdeLike[Any]) -> Serde[Any]:
    """Return the serde of a type that stands in a function's signature.

    Raises:
        TopologyError: There is none.
    """
    try:
        return serde_for(kind)
    except UnknownSerdeError as error:
        raise TopologyError(f"{operator}: the {what} of {locate(function)}: {error}") from error


def _roles(
    operator: str, function: Any, hints: dict[str, Any], forms: str
) -> list[tuple[str, Any]]:
    found = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.default is not parameter.empty:
            continue
        if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            raise _refused(operator, function, forms)
        hint = hints.get(parameter.name, Any)
        kind = get_origin(hint) or hint
        if kind is Record:
            found.append(("record", hint))
        elif kind in (ProcessorContext, ProcessingContext):
            found.append(("context", hint))
        else:
            found.append(("value", hint))
    return found


def _caller(function: Any, parts: tuple[str, ...]) -> Caller:
    if parts == ("value",):
        return lambda record, _context: function(record.value)
    if parts == ("key", "value"):
        return lambda record, _context: function(record.key, record.value)
    if parts == ("record",):
        return lambda record, _context: function(record)

    def argument(part: str, record: Record[Any, Any], context: Any) -> Any:
        if part in ("record", "context"):
            return record if part == "record" else context
        return getattr(record, part)

    def call(record: Record[Any, Any], context: Any) -> Any:
        return function(*[argument(part, record, context) for part in parts])

    return call


def _results(
    operator: str, function: Any, hints: dict[str, Any], *, forwards: bool
) -> tuple[Serde[Any] | None, Serde[Any] | None, bool]:
    """Return the serdes of key and value that a function gives, and whether it keeps keys."""
    given = _one_result(function, hints.get("return", inspect.Parameter.empty))
    members = [each for each in _members(given) if each is not NoneType]
    if not members:  # returns None
        return None, None, not forwards
    kinds = [get_origin(each) or each for each in members]
    if any(kind is each for kind in kinds for each in _UNKNOWN):
        return None, None, False
    if any(kind in (KeyValue, Record) for kind in kinds):
        arguments = get_args(members[0]) if len(members) == 1 else ()
        key, value = (*arguments, Any, Any)[:2]
        return (
            _serde(operator, function, "key that is returned", key),
            _serde(operator, function, "value that is returned", value),
            False,
        )
    return None, _serde(operator, function, "value that is returned", given), not forwards


def _one_result(function: Any, hint: Any) -> Any:
    """Return the type of one of the results, where a function gives several."""
    several = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    if get_origin(hint) in _SEVERAL or (several and get_origin(hint) in _ALSO_SEVERAL):
        return get_args(hint)[0]
    return Any if several else hint


def _members(hint: Any) -> tuple[Any, ...]:
    if get_origin(hint) in (Union, UnionType):
        return get_args(hint)
    return (NoneType if hint is None else hint,)


def _serde(operator: str, function: Any, what: str, hint: Any) -> Serde[Any] | None:
    if any(hint is each for each in _UNKNOWN) or isinstance(hint, typing.TypeVar):
        return None
    return serde_of(operator, function, what, hint)


def _is_async(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def _hints(operator: str, function: Any) -> dict[str, Any]:
    if not inspect.isroutine(function):
        raise TopologyError(f"{operator} decorates a function, got {function!r}")
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise TopologyError(
            f"{operator}: the annotations of {locate(function)} cannot be read: {error}. Define "
            "the class at the top level of a module, where the annotation is looked up"
        ) from error


def _refused(operator: str, function: Any, forms: str) -> TopologyError:
    shown = inspect.signature(function)
    return TopologyError(f"{operator} takes {forms}; got f{shown}: {locate(function)}")
