"""Names of processors, stores and internal topics, counted as Kafka Streams counts them.

One counter serves processors and stores alike. Kafka draws a number even where the user gave a
name, so that naming one operator does not rename those behind it; the callers here do the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aliran.streams.errors import TopologyError

if TYPE_CHECKING:
    from aliran.streams.plan.topology import Topology

MAX_NAME_LENGTH = 249
_LEGAL = re.compile(r"[a-zA-Z0-9._-]+")
_GENERATED = re.compile(r"KSTREAM.*-[0-9]{10}")
_AUTOMATIC = re.compile(r"[A-Z-]*K(STREAM|TABLE)[A-Z-]*-[0-9]{10}(-.*)?")
_REPARTITION_SUFFIX = "-repartition"


class NameGenerator:
    """Hands out Kafka's automatic names. Kafka: `InternalNameProvider`."""

    def __init__(self) -> None:
        self._next_index = 0

    def processor(self, prefix: str, name: str | None = None) -> str:
        """Return `name`, or else `prefix` and a number of ten digits; draws a number either way."""
        generated = f"{prefix}{self._next_index:010d}"
        self._next_index += 1
        return generated if name is None else check_name(name)

    def store(self, prefix: str) -> str:
        """Return an automatic store name, such as `KSTREAM-AGGREGATE-STATE-STORE-0000000003`."""
        return self.processor(f"{prefix}STATE-STORE-")


def check_name(name: str, what: str = "processor name") -> str:
    """Return `name` if Kafka would take it as part of a topic name.

    Raises:
        TopologyError: It is empty, too long, or holds other characters than Kafka allows.
    """
    if not isinstance(name, str):
        raise TopologyError(f"{what} must be a text, got {name!r} ({type(name).__name__})")
    if not name:
        raise TopologyError(f"{what} must not be empty")
    if name in {".", ".."}:
        raise TopologyError(f"{what} cannot be {name!r}")
    if len(name) > MAX_NAME_LENGTH:
        raise TopologyError(
            f"{what} has {len(name)} characters, at most {MAX_NAME_LENGTH} are allowed: {name!r}"
        )
    if not _LEGAL.fullmatch(name):
        raise TopologyError(
            f"{what} {name!r} is illegal: use ASCII letters, digits, '.', '_' and '-' only"
        )
    return name


def is_generated(name: str) -> bool:
    """Return whether `name` looks like one of the automatic names of the stream operators."""
    return _GENERATED.fullmatch(name) is not None


def check_all_named(topology: Topology) -> None:
    """Insist that all that lives outside of the process has a name of the user's (KIP-1111).

    Stores, changelogs and repartition topics with automatic names are lost when an operator is
    added in front of theirs, which counts them anew.

    Raises:
        TopologyError: Something has an automatic name; the message lists all of it.
    """
    stores = [each.name for each in topology.task_stores if _AUTOMATIC.fullmatch(each.name)]
    topics = [each.name for each in topology.repartition_topics if _AUTOMATIC.fullmatch(each.name)]
    found = [
        f"{what} {', '.join(names)}"
        for what, names in (("the stores", stores), ("the repartition topics", topics))
        if names
    ]
    if found:
        raise TopologyError(
            f"strict_naming: {' and '.join(found)} have automatic names, which change with the "
            "topology: pass store= to aggregations, tables and joins, and name= to group_by(), "
            "repartition() and joins"
        )


def repartition_topic(prefix: str) -> str:
    """Return the name of a repartition topic, without the application's prefix."""
    return prefix if prefix.endswith(_REPARTITION_SUFFIX) else prefix + _REPARTITION_SUFFIX
