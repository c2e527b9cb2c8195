"""What to say to those who call an operator that is not there."""

from __future__ import annotations

import difflib
import re

from aliran.streams.errors import UnknownOperatorError

_NOT_OPERATORS = (
    "getter",
    "name",
    "of_step",
    "place",
    "place_for_join",
    "send_old_values",
    "sources",
)
_GROUP_FIRST = ("windowed_by", "count", "reduce", "aggregate")
_STREAM_FIRST = ("to", "peek", "foreach", "flat_map", "map", "select_key", "process", "print")


def unknown_operator(owner: object, name: str) -> AttributeError:
    """Return the error for `owner.name`, which does not exist."""
    kind = type(owner).__name__
    if name.startswith("_"):  # what copy, pickle and inspect look for
        return AttributeError(f"{kind!r} object has no attribute {name!r}")
    members = [each for each in dir(type(owner)) if not each.startswith("_")]
    operators = [each for each in members if each not in _NOT_OPERATORS]
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    if snake != name and snake in operators:
        return UnknownOperatorError(f"{name} is called {snake} here")
    if kind == "KStream" and snake in _GROUP_FIRST:
        return UnknownOperatorError(
            f"a stream is grouped first: stream.group_by(...).{snake}(...), "
            f"or group_by_key() to keep its keys"
        )
    close = difflib.get_close_matches(snake, operators, n=2)
    if kind == "KTable" and snake in _STREAM_FIRST:
        close = ["to_stream"]
    advice = f"; try {' or '.join(close)}" if close else ""
    return UnknownOperatorError(f"a {kind} has no {name}; it has {', '.join(operators)}{advice}")
