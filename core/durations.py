"""Durations as people write them: `timedelta(minutes=1)`, `"1m"`, `"500ms"`, or milliseconds."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TypeAlias

from aliran.core.errors import ConfigError

Duration: TypeAlias = timedelta | str | int
"""A `timedelta`, a text such as `"1m30s"`, or a whole number of milliseconds."""

_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_PART = re.compile(r"(\d+)\s*(ms|s|m|h|d)\s*")


def to_ms(duration: Duration) -> int:
    """Return `duration` in milliseconds.

    >>> to_ms("1m30s"), to_ms(timedelta(seconds=2)), to_ms(250)
    (90000, 2000, 250)

    Raises:
        ConfigError: The text is not a duration.
    """
    if isinstance(duration, timedelta):
        return round(duration / timedelta(milliseconds=1))
    if isinstance(duration, int) and not isinstance(duration, bool):
        return duration
    if isinstance(duration, str):
        text = duration.strip()
        parts = _PART.findall(text)
        if parts and _PART.sub("", text) == "":
            return sum(int(amount) * _UNIT_MS[unit] for amount, unit in parts)
    raise ConfigError(
        f"{duration!r} is not a duration: write '500ms', '30s', '1m', '2h', '7d', "
        "a timedelta, or whole milliseconds"
    )
