"""Serdes from annotations: what a user's function says of the type it returns."""

from __future__ import annotations

import collections.abc
import functools
import inspect
import typing
from typing import Any, TypeVar, get_args, get_origin

from aliran.serdes import Serde, serde_for
from aliran.serdes.errors import UnknownSerdeError

_UNKNOWN = (None, Any, object, type(None))
_ITERABLES = (
    list,
    set,
    frozenset,
    collections.abc.Iterable,
    collections.abc.Iterator,
    collections.abc.Generator,
    collections.abc.Sequence,
    collections.abc.Collection,
    collections.abc.Set,
)


def returned_type(function: Any) -> Any:
    """Return the type that `function` says it returns, None where it says nothing.

    A class returns itself; `functools.partial` and decorators are looked through.
    """
    while isinstance(function, functools.partial):
        function = function.func
    if isinstance(function, type):
        return function
    target = function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004
    try:
        return typing.get_type_hints(target).get("return")
    except (NameError, TypeError, AttributeError):  # an annotation that cannot be evaluated here
        return None


def value_serde(function: Any) -> Serde[Any] | None:
    """Return the serde of what `function` returns, or None where that is unknown."""
    return _serde(returned_type(function))


def element_serde(function: Any) -> Serde[Any] | None:
    """Return the serde of the elements that `function` returns an iterable of."""
    return _serde(_element(returned_type(function)))


def pair_serdes(function: Any) -> tuple[Serde[Any] | None, Serde[Any] | None]:
    """Return the serdes of key and value of the pair that `function` returns."""
    return _pair(returned_type(function))


def element_pair_serdes(function: Any) -> tuple[Serde[Any] | None, Serde[Any] | None]:
    """Return the serdes of the pairs that `function` returns an iterable of."""
    return _pair(_element(returned_type(function)))


def _serde(found: Any) -> Serde[Any] | None:
    # `is`-comparison: annotations may be unhashable or overload ==.
    if any(found is each for each in _UNKNOWN) or isinstance(found, (TypeVar, str)):
        return None
    try:
        serde: Serde[Any] = serde_for(found)
        return serde
    except UnknownSerdeError:
        return None


def _element(found: Any) -> Any:
    origin, arguments = get_origin(found), get_args(found)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return arguments[0]
    if origin in _ITERABLES and arguments:
        return arguments[0]
    return None


def _pair(found: Any) -> tuple[Serde[Any] | None, Serde[Any] | None]:
    arguments = get_args(found)
    if get_origin(found) is tuple and len(arguments) == 2 and arguments[1] is not Ellipsis:
        return _serde(arguments[0]), _serde(arguments[1])
    return None, None
