"""Which types have values that nobody can change."""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Hashable, Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

import msgspec

_ATOMS = (
    *(str, int, float, bool, bytes, NoneType, Enum),
    *(datetime, date, time, timedelta, Decimal, UUID),
)
_TRANSPARENT = (Union, UnionType, tuple, frozenset)


def is_frozen(kind: type) -> bool:
    """Return whether instances of `kind` cannot be changed, nor anything within them.

    Classes are known to be so where they are frozen and all their fields are declared with such
    types: frozen dataclasses, `msgspec.Struct(frozen=True)`, named tuples.

    >>> is_frozen(int), is_frozen(list)
    (True, False)
    """
    return _is_frozen(kind)


@functools.lru_cache(maxsize=1024)
def _is_frozen(kind: Hashable) -> bool:
    return _frozen(kind, ())


def _frozen(kind: Any, above: tuple[Any, ...]) -> bool:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal or any(kind is each for each in above):  # types may contain themselves
        return True
    if origin is Annotated:
        return _frozen(arguments[0], above)
    if origin in _TRANSPARENT:
        return all(_frozen(each, above) for each in arguments if each is not Ellipsis)
    if not isinstance(kind, type):
        return False
    if issubclass(kind, _ATOMS):
        return True
    fields = _frozen_fields(kind)
    return fields is not None and all(_frozen(each, (*above, kind)) for each in fields)


def _frozen_fields(kind: type) -> Iterable[Any] | None:
    """Return the types of the fields of a class whose fields cannot be set, None of another."""
    named_tuple = issubclass(kind, tuple) and hasattr(kind, "_fields")
    struct = issubclass(kind, msgspec.Struct) and kind.__struct_config__.frozen
    data = dataclasses.is_dataclass(kind) and getattr(kind, "__dataclass_params__").frozen  # noqa: B009
    if not (named_tuple or struct or data):
        return None
    try:
        return typing.get_type_hints(kind, include_extras=True).values()
    except (NameError, TypeError):
        return None
