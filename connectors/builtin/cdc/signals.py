"""Signals: rows of a table that tell a connector what to do.

Debezium: `SignalProcessor`, `ExecuteSnapshot`, `StopSnapshot`, `Log`.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from typing import Any

logger: logging.Logger = logging.getLogger("aliran.connectors")

KNOWN = ("execute-snapshot", "stop-snapshot", "pause-snapshot", "resume-snapshot", "log")


@dataclass(frozen=True, slots=True)
class Signal:
    """What a row says.

    Attributes:
        id: Its name.
        type: One of `KNOWN`.
        tables: Patterns of the tables it is about.
        filters: Conditions, as SQL, by pattern.
        message: What is to be logged.
    """

    id: str
    type: str
    tables: tuple[str, ...] = ()
    filters: dict[str, str] = field(default_factory=dict)
    message: str = ""


def signal_of(row: dict[str, Any]) -> Signal | None:
    """Return what a row with `id`, `type` and `data` says; None, and a warning, for nonsense.

    A wrong signal must not end the stream: nobody could take it back.
    """
    name, kind, data = str(row.get("id")), row.get("type"), row.get("data")
    if kind not in KNOWN:
        logger.warning("signal %s: the type %r is not one of %s", name, kind, ", ".join(KNOWN))
        return None
    try:
        found = json.loads(data) if data else {}
        tables = tuple(str(one) for one in found.get("data-collections", ()))
        if kind == "execute-snapshot":
            if not tables:
                raise ValueError("data-collections is missing")
            if str(found.get("type", "incremental")).lower() != "incremental":
                raise ValueError("type must be incremental")
        filters = {
            str(one["data-collection"]): str(one["filter"])
            for one in found.get("additional-conditions", ())
        }
        return Signal(name, str(kind), tables, filters, str(found.get("message", "")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        logger.warning("signal %s (%s) cannot be understood: %s: %r", name, kind, error, data)
        return None
