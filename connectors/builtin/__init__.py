"""Connectors that come with Aliran, a folder for each kind of place they read from or write to.

The folder's `__init__.py` names them in `CONNECTORS`, so that a worker knows them without importing
what they need.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A connector that a configuration can name.

    Attributes:
        alias: Its name in `connector.class`, such as "RedisSink".
        kind: What it is.
        place: Where its class is, "module:Class"; the module is one of its folder.
        extra: What `pip install aliran[…]` calls the packages it needs.
        needs: The modules that must be there for it.
        also: Further names, such as a class that people know from the JVM.
    """

    alias: str
    kind: Literal["source", "sink"]
    place: str
    extra: str = ""
    needs: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
