"""A program as the calls of Aliran's DSL that build it, to paste into a test."""

from __future__ import annotations

import dataclasses
from typing import Any

from tests.oracle import functions
from tests.oracle.build import OPERATORS, Handle, Program, load_operators
from tests.oracle.functions import Fn
from tests.oracle.language import Scenario

from aliran.serdes import Serde

_TABLES = (
    "VALUES",
    "KEYS",
    "PREDICATES",
    "FLATS",
    "JOINERS",
    "STARTS",
    "AGGREGATORS",
    "REDUCERS",
    "MERGERS",
)


class _Recorder:
    """Stands for an object of the DSL and writes down what is called on it."""

    def __init__(self, name: str, lines: list[str]) -> None:
        self._name = name
        self._lines = lines

    def __getattr__(self, method: str) -> Any:
        def call(*arguments: Any, **keywords: Any) -> _Recorder:
            for each in (*arguments, *keywords.values()):
                owner = getattr(each, "__self__", None)
                if isinstance(owner, list):  # collects the arms of a split
                    owner.append(_Recorder(f"arm{len(owner)}_of_{self._name}", self._lines))
            shown = [_shown(each) for each in arguments]
            shown += [f"{name}={_shown(value)}" for name, value in keywords.items()]
            made = f"x{len(self._lines)}"
            self._lines.append(f"{made} = {self._name}.{method}({', '.join(shown)})")
            return _Recorder(made, self._lines)

        return call


def code(scenario: Scenario) -> str:
    """Return the calls, a line each."""
    load_operators()
    lines: list[str] = []
    builder: Any = _Recorder("builder", lines)
    program = Program(builder, dict(scenario.topics))
    for statement in scenario.program:
        try:
            program.handles.append(OPERATORS[statement.op](program, statement))
        except (AttributeError, TypeError) as error:
            lines.append(f"# {statement.to_json()}: {error}")
            program.handles.append(Handle())
    return "\n".join(lines)


def _shown(data: Any) -> str:
    if isinstance(data, _Recorder):
        return data._name
    if isinstance(data, Serde):
        return data.name
    if isinstance(data, Fn):
        return _named(data)
    if dataclasses.is_dataclass(data) and not isinstance(data, type):
        given = [
            f"{each.name}={_shown(getattr(data, each.name))}"
            for each in dataclasses.fields(data)
            if getattr(data, each.name) != each.default
        ]
        return f"{type(data).__name__}({', '.join(given)})"
    return _function(data) if callable(data) else repr(data)


def _function(call: Any) -> str:
    for table in _TABLES:
        for name, fn in getattr(functions, table).items():
            if fn.call is call:
                return f"{table}[{name!r}].call"
    cells = [cell.cell_contents for cell in getattr(call, "__closure__", None) or ()]
    inner = [_shown(each) for each in cells if isinstance(each, Fn) or callable(each)]
    return f"<calls {', '.join(inner)}>" if inner else getattr(call, "__qualname__", repr(call))


def _named(fn: Fn) -> str:
    for table in _TABLES:
        for name, other in getattr(functions, table).items():
            if other is fn:
                return f"{table}[{name!r}]"
    return repr(fn)
