"""Which variables of the generated code hold a record, and in which form."""

from __future__ import annotations

from typing import Any, NamedTuple

from aliran.serdes import Serde
from aliran.streams.engine.tables import CANONICAL


class Vars(NamedTuple):
    """The variables that hold a record at some point of the code.

    Where `window` is set the key is that of a window, in two variables until someone wants it.
    Where `key_bytes` is set, that variable holds what `key_format` makes of the key. `old` holds
    the value that the row of a table had before, where the table sends it. `latest` tells whether
    an update of a versioned table is the latest of its key; elsewhere all are.
    """

    key: str
    value: str
    time: str
    headers: str
    window: str | None = None
    window_size_ms: int = 0
    key_bytes: str | None = None
    key_format: Serde[Any] | None = None
    old: str | None = None
    latest: str | None = None


PARAMETERS = Vars("k", "v", "t", "h")
"""The parameters of a node's function."""


def is_canonical(serde: Serde[Any] | None) -> bool:
    """Tell whether bytes that a serde read are those it would write."""
    return type(serde) in CANONICAL  # a subclass may write something else


def same_format(one: Serde[Any] | None, other: Serde[Any] | None) -> bool:
    """Tell whether what one serde has read or written can stand for the other's bytes."""
    return is_canonical(one) and type(one) is type(other)
