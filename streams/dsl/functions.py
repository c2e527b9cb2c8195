"""What can be known of a user's function before it is called: its parameters and where it stands.

A wrong lambda should fail on the line that passes it, with the question the user needs to answer,
and not with the first record.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aliran.streams.errors import TopologyError

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def locate(function: object) -> str:
    """Return the name of a function and, where known, the file and line it is defined on."""
    target: Any = inspect.unwrap(function) if callable(function) else function
    while isinstance(target, functools.partial):
        target = target.func
    name = getattr(target, "__qualname__", None) or repr(target)
    name = name.rsplit("<locals>.", 1)[-1]
    code = getattr(getattr(target, "__func__", target), "__code__", None)
    if code is None:
        return name
    return f"{name} ({Path(code.co_filename).name}:{code.co_firstlineno})"


def positional_range(function: Callable[..., Any]) -> tuple[int, int | None] | None:
    """Return how few and how many positional arguments `function` takes; None for no upper end.

    Returns None as a whole where Python cannot tell (some builtins).
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    positional = [each for each in parameters if each.kind in _POSITIONAL]
    fewest = sum(each.default is inspect.Parameter.empty for each in positional)
    if any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in parameters):
        return fewest, None
    return fewest, len(positional)


def check_function(operator: str, expected: str, function: Any) -> None:
    """Refuse what cannot be called the way `operator` will call it.

    Args:
        operator: The method of the DSL, for the message.
        expected: The call as a signature, such as `predicate(key, value)`.
        function: What the user passed.

    Raises:
        TopologyError: It is not callable, is `async`, or takes another number of arguments.
    """
    _check_callable(operator, expected, function)
    count = len(_arguments(expected))
    limits = positional_range(function)
    if limits is None or _fits(limits, count):
        return
    raise TopologyError(
        f"{operator} takes {expected}; got a function of {_shown(limits)}: {locate(function)}"
    )


def check_partitioner(operator: str, partitioner: Any) -> None:
    """Refuse a partitioner that cannot be called; None is none.

    Raises:
        TopologyError: See `check_function`.
    """
    if partitioner is not None:
        expected = "partitioner(topic, key, value, partition_count)"
        check_function(operator, expected, partitioner)


def check_reading(timestamp_extractor: Any, offset_reset: Any) -> None:
    """Refuse settings of a source that cannot be; None is none.

    Raises:
        TopologyError: The extractor cannot be called, or the offset has another name.
    """
    if timestamp_extractor is not None:
        expected = "extract(record, partition_time)"
        check_function("timestamp_extractor", expected, timestamp_extractor)
    if offset_reset not in (None, "earliest", "latest"):
        raise TopologyError(f"offset_reset is 'earliest' or 'latest', got {offset_reset!r}")


def takes_key(operator: str, function: Any, expected: str, with_key: bool | None) -> bool:
    """Return whether `function` is to be called with the key in front of its other arguments.

    A function that needs exactly one argument more than `expected` names gets the key; classes
    and functions that Python cannot look into do not.

    Args:
        operator: The method of the DSL, for the message.
        function: What the user passed.
        expected: The call without the key, such as `mapper(value)`.
        with_key: The user's own answer, None to find out.

    Raises:
        TopologyError: The function fits neither way, or not the way `with_key` says.
    """
    keyed = re.sub(r"\(", "(key, ", expected, count=1)
    if with_key is not None:
        check_function(operator, keyed if with_key else expected, function)
        return with_key
    both = f"{expected} or {keyed}"
    _check_callable(operator, both, function)
    if isinstance(function, type):
        return False
    limits = positional_range(function)
    count = len(_arguments(expected))
    if limits is None or _fits(limits, count):
        return False
    if _fits(limits, count + 1):
        return True
    raise TopologyError(
        f"{operator} takes {both}; got a function of {_shown(limits)}: {locate(function)}"
    )


def _check_callable(operator: str, expected: str, function: Any) -> None:
    if not callable(function):
        raise TopologyError(
            f"{operator} takes a function {expected}; got {function!r} ({type(function).__name__})"
        )
    if inspect.iscoroutinefunction(function):
        raise TopologyError(
            f"{operator} takes a plain function {expected}; {locate(function)} is async: "
            "its coroutine would never be awaited. Write it as def"
        )


def _arguments(expected: str) -> list[str]:
    inside = expected[expected.index("(") + 1 : expected.index(")")]
    return [each for each in inside.split(",") if each.strip()]


def _fits(limits: tuple[int, int | None], count: int) -> bool:
    fewest, most = limits
    return fewest <= count and (most is None or count <= most)


def _shown(limits: tuple[int, int | None]) -> str:
    fewest, most = limits
    if most is None:
        return f"at least {fewest} parameters"
    shown = str(most) if fewest == most else f"{fewest} to {most}"
    return f"{shown} parameter" + ("" if shown == "1" else "s")
