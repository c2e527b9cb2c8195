"""The functions that a scenario can name; the same ones are in the JVM's `Functions.java`.

Each takes keys and values of any type, None included, and says which type it gives: "s" a text,
"l" a long, "=" what it was given.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from aliran.serdes import Windowed

_WHOLE = re.compile(r"-?[0-9]{1,15}")


class Fn(NamedTuple):
    """A function and the type of what it returns."""

    type: str
    call: Callable[..., Any]

    def result(self, given: str) -> str:
        return given if self.type == "=" else self.type


def num(data: Any) -> int:
    """Return the number in anything."""
    if data is None:
        return 0
    if isinstance(data, int):
        return data
    if isinstance(data, Windowed):
        return num(data.key) + data.start_ms
    return int(data) if _WHOLE.fullmatch(data) else len(data)


def text(data: Any) -> str:
    """Return the text of anything."""
    if isinstance(data, Windowed):
        return f"{text(data.key)}@{data.start_ms}-{data.end_ms}"
    return "null" if data is None else str(data)


def cut(data: str) -> str:
    """Keep texts short, and different ones different as a rule."""
    return data if len(data) <= 32 else f"{data[:12]}~{len(data)}~{data[-12:]}"


def _plus(one: Any, two: Any) -> Any:
    if one is None or two is None:
        return two if one is None else one
    if isinstance(one, int) and isinstance(two, int):
        return one + two
    return cut(text(one) + text(two))


def _minus(one: Any, two: Any) -> Any:
    if one is None or two is None:
        return one
    if isinstance(one, int) and isinstance(two, int):
        return one - two
    return cut(f"{text(one)}-{text(two)}")


def _unless_null(call: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda k, v: None if v is None else call(v)


VALUES: dict[str, Fn] = {
    "inc": Fn("l", _unless_null(lambda v: num(v) + 1)),
    "neg": Fn("l", _unless_null(lambda v: -num(v))),
    "mod3": Fn("l", _unless_null(lambda v: num(v) % 3)),
    "nullIfEven": Fn("l", _unless_null(lambda v: None if num(v) % 2 == 0 else num(v))),
    "number": Fn("l", lambda k, v: num(v)),
    "text": Fn("s", _unless_null(text)),
    "nullText": Fn("s", lambda k, v: text(v)),
    "twice": Fn("s", _unless_null(lambda v: cut(text(v) + text(v)))),
    "nullIfLong": Fn("s", _unless_null(lambda v: None if len(text(v)) > 2 else text(v))),
    "k:v": Fn("s", lambda k, v: cut(f"{text(k)}:{text(v)}")),
    "k+v": Fn("l", lambda k, v: num(k) + num(v)),
}

KEYS: dict[str, Fn] = {
    "text": Fn("s", lambda k, v: None if k is None else text(k)),
    "value": Fn("s", lambda k, v: None if v is None else text(v)),
    "mod2": Fn("l", lambda k, v: num(v) % 2),
    "number": Fn("l", lambda k, v: None if k is None else num(k)),
    "all": Fn("s", lambda k, v: "all"),
    "nullIfOdd": Fn("s", lambda k, v: None if k is None or num(v) % 2 == 1 else text(k)),
    "first": Fn("s", lambda k, v: None if k is None else f"{text(k)}?"[0]),
}

PREDICATES: dict[str, Fn] = {
    "even": Fn("", lambda k, v: num(v) % 2 == 0),
    "odd": Fn("", lambda k, v: num(v) % 2 == 1),
    "value": Fn("", lambda k, v: v is not None),
    "key": Fn("", lambda k, v: k is not None),
    "a": Fn("", lambda k, v: text(k).startswith("a")),
    "small": Fn("", lambda k, v: num(v) < 3),
    "all": Fn("", lambda k, v: True),
    "none": Fn("", lambda k, v: False),
}

FLATS: dict[str, Fn] = {
    "none": Fn("=", lambda v: []),
    "once": Fn("=", lambda v: [v]),
    "two": Fn("=", lambda v: [v, v]),
    "letters": Fn("s", lambda v: [] if v is None else list(text(v)[:3])),
    "countdown": Fn("l", lambda v: range(num(v) % 4, 0, -1)),
}

JOINERS: dict[str, Fn] = {
    "plus": Fn("s", lambda k, a, b: cut(f"{text(a)}+{text(b)}")),
    "sum": Fn("l", lambda k, a, b: num(a) + num(b)),
    "nullIfEven": Fn("l", lambda k, a, b: None if (num(a) + num(b)) % 2 == 0 else num(a) + num(b)),
    "k:plus": Fn("s", lambda k, a, b: cut(f"{text(k)}:{text(a)}+{text(b)}")),
}

STARTS: dict[str, Fn] = {
    "zero": Fn("l", lambda: 0),
    "one": Fn("l", lambda: 1),
    "empty": Fn("s", lambda: ""),
    "nullLong": Fn("l", lambda: None),
    "nullText": Fn("s", lambda: None),
}


def _or_empty(aggregate: Any) -> str:
    return "" if aggregate is None else text(aggregate)


AGGREGATORS: dict[str, Fn] = {
    "add": Fn("l", lambda k, v, a: num(a) + num(v)),
    "subtract": Fn("l", lambda k, v, a: num(a) - num(v)),
    "countNot3": Fn("l", lambda k, v, a: None if num(v) % 3 == 0 else num(a) + 1),
    "append": Fn("s", lambda k, v, a: cut(_or_empty(a) + text(v))),
    "remove": Fn("s", lambda k, v, a: cut(f"{_or_empty(a)}-{text(v)}")),
    "keyed": Fn("s", lambda k, v, a: None if num(v) % 5 == 4 else cut(text(k) + text(a) + text(v))),
}

REDUCERS: dict[str, Fn] = {
    "add": Fn("=", _plus),
    "subtract": Fn("=", _minus),
    "last": Fn("=", lambda a, b: b),
    "first": Fn("=", lambda a, b: a),
    "most": Fn("=", lambda a, b: b if num(b) > num(a) else a),
    "nullOn3": Fn("=", lambda a, b: None if num(b) % 3 == 0 else _plus(a, b)),
}


def _sum_unless_3(_key: Any, one: Any, two: Any) -> int | None:
    found = num(one) + num(two)
    return None if found % 3 == 0 else found


MERGERS: dict[str, Fn] = {
    "sum": Fn("l", lambda k, a, b: num(a) + num(b)),
    "concat": Fn("s", lambda k, a, b: cut(text(a) + text(b))),
    "nullOn3": Fn("l", _sum_unless_3),
}
