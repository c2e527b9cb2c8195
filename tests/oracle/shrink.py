"""Makes a failing scenario small: statements, steps and settings that do not matter go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeAlias

from tests.oracle.language import Pipe, Scenario, Statement, Step

Fails: TypeAlias = Callable[[Scenario], bool]


def shrink(scenario: Scenario, fails: Fails, *, tries: int = 1_500) -> Scenario:
    """Return a scenario that still fails and of which nothing more can be taken away.

    Args:
        scenario: One that fails.
        fails: Whether a scenario fails, in the same way.
        tries: How often to ask at most.
    """
    left = tries
    changed = True
    while changed and left > 0:
        changed = False
        for smaller in _smaller(scenario):
            left -= 1
            if left <= 0:
                break
            candidate = smaller.without_unread_steps()
            if candidate != scenario and fails(candidate):
                scenario, changed = candidate, True
                break
    return scenario


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    """Yield what is smaller by one thing, great things first."""
    for steps in _fewer(scenario.steps):
        yield replace(scenario, steps=steps)
    for number in reversed(range(len(scenario.program))):
        yield replace(scenario, program=_without(scenario.program, number))
        if scenario.program[number].of:
            yield replace(scenario, program=_spliced(scenario.program, number))
    for name in scenario.config:
        if scenario.config[name] not in (0, "memory"):
            rest = {key: value for key, value in scenario.config.items() if key != name}
            yield replace(scenario, config=rest)
    for number, statement in enumerate(scenario.program):
        for simpler in _simpler(statement):
            program = (*scenario.program[:number], simpler, *scenario.program[number + 1 :])
            yield replace(scenario, program=program)
    for number, step in enumerate(scenario.steps):
        if isinstance(step, Pipe) and step.headers:
            bare: Step = replace(step, headers=())
            yield replace(
                scenario, steps=(*scenario.steps[:number], bare, *scenario.steps[number + 1 :])
            )


def _fewer(steps: tuple[Step, ...]) -> Iterator[tuple[Step, ...]]:
    size = len(steps) // 2
    while size:
        for start in range(0, len(steps), size):
            yield steps[:start] + steps[start + size :]
        size //= 2


def _without(program: tuple[Statement, ...], number: int) -> tuple[Statement, ...]:
    """Leave out a statement and all that stand on it."""
    gone = {number}
    for index, statement in enumerate(program):
        if gone & set(statement.of):
            gone.add(index)
    return _renumbered(program, gone, {})


def _spliced(program: tuple[Statement, ...], number: int) -> tuple[Statement, ...]:
    """Leave out a statement; what stood on it stands on its first parent."""
    return _renumbered(program, {number}, {number: program[number].of[0]})


def _renumbered(
    program: tuple[Statement, ...], gone: set[int], instead: dict[int, int]
) -> tuple[Statement, ...]:
    kept = [index for index in range(len(program)) if index not in gone]
    new = {old: index for index, old in enumerate(kept)}
    made = []
    for index in kept:
        of = tuple(new[instead.get(parent, parent)] for parent in program[index].of)
        made.append(replace(program[index], of=of))
    return tuple(made)


def _simpler(statement: Statement) -> Iterator[Statement]:
    for name in ("name", "mat", "names", "keyed", "extractor", "emitOnClose", "advance", "store"):
        if statement.args.get(name) and not (name == "store" and statement.op == "store"):
            rest = {key: value for key, value in statement.args.items() if key != name}
            yield replace(statement, args=rest)
    mat = statement.args.get("mat") or {}
    for name in mat:
        rest = {key: value for key, value in mat.items() if key != name}
        yield replace(statement, args={**statement.args, "mat": rest})
