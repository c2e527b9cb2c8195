"""Between objects of classes and the plain values that codecs know."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Any

import msgspec

_KEPT = (
    bytes,
    dt.datetime,
    dt.date,
    dt.time,
    decimal.Decimal,
    uuid.UUID,
)
"""Types that Avro's codec takes as they are."""


def is_pydantic(target: Any) -> bool:
    """Tell whether a class is a model of pydantic, which is never imported for that."""
    return isinstance(target, type) and hasattr(target, "model_validate")


def to_builtins(target: Any) -> Callable[[Any], Any] | None:
    """Return what turns objects of a class into dicts, lists and numbers; None if they are."""
    if target is dict:
        return None
    if is_pydantic(target):
        return lambda value: _plain(value.model_dump())
    return partial(msgspec.to_builtins, builtin_types=_KEPT)


def from_builtins(target: Any) -> Callable[[Any], Any] | None:
    """Return what makes objects of a class of dicts, lists and numbers; None if those will do."""
    if target is dict:
        return None
    if is_pydantic(target):
        validate: Callable[[Any], Any] = target.model_validate
        return validate
    # It takes _KEPT as well; to name them would cost 0.3 µs a record.
    return partial(msgspec.convert, type=target)


def _plain(value: Any) -> Any:
    """Return what pydantic gives without enums, which codecs do not know."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    return value.value if isinstance(value, Enum) else value
