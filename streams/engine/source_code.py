"""Python source under construction, where every line knows the node it belongs to.

The engine writes one loop for each source of a sub-topology. When a line of it raises, its number
leads back to the processor at fault, at no cost to the records that go well.
"""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, NamedTuple


class Step(NamedTuple):
    """What one line of generated code does.

    Attributes:
        node: Name of the topology's node.
        action: What the line does for it, as a verb phrase: `call the predicate of`.
    """

    node: str
    action: str


class SourceCode:
    """Lines, their steps, and the names they refer to."""

    def __init__(self, file_name: str) -> None:
        self.file_name = file_name
        self.namespace: dict[str, Any] = {}
        self._lines: list[str] = []
        self._steps: dict[int, Step] = {}
        self._depth = 0
        self._step = Step("", "")

    def line(self, text: str, action: str | None = None) -> None:
        """Add a line at the current depth; `action` names what it does for the current node."""
        self._lines.append("    " * self._depth + text)
        step = self._step if action is None else Step(self._step.node, action)
        self._steps[len(self._lines)] = step

    def reserve(self) -> int:
        """Add an empty line and return its number, for `replace`."""
        self.line("")
        return len(self._lines)

    def replace(self, number: int, text: str) -> None:
        """Replace a line; it keeps its depth and its step."""
        old = self._lines[number - 1]
        indent = old[: len(old) - len(old.lstrip())] if old.strip() else old
        self._lines[number - 1] = indent + text if text else ""

    def drop_unused(self, lines: Mapping[str, int], since: int) -> None:
        """Empty the lines that assign variables no line after `since` uses."""
        for name, number in lines.items():
            if not self.mentions(name, since):
                self.replace(number, "")

    def mentions(self, name: str, since: int) -> bool:
        """Tell whether a line after number `since` uses a variable."""
        word = re.compile(rf"\b{name}\b")
        return any(word.search(line) for line in self._lines[since:])

    @property
    def length(self) -> int:
        """How many lines there are."""
        return len(self._lines)

    @contextmanager
    def block(self, opening: str, action: str | None = None) -> Iterator[None]:
        """Add `opening` and indent what follows; an empty block gets a `pass`."""
        self.line(opening, action)
        self._depth += 1
        before = len(self._lines)
        yield
        if len(self._lines) == before:
            self.line("pass")
        self._depth -= 1

    @contextmanager
    def node(self, name: str) -> Iterator[None]:
        """Charge the lines that follow to the node `name`."""
        outer = self._step
        self._step = Step(name, "run")
        yield
        self._step = outer

    @property
    def depth(self) -> int:
        """Levels of indentation so far."""
        return self._depth

    @property
    def text(self) -> str:
        """The whole source."""
        return "\n".join(self._lines) + "\n"

    def compile(self) -> dict[str, Any]:
        """Run the definitions and return the namespace with the functions in it."""
        # Known to linecache, so that tracebacks and debuggers show the generated lines.
        linecache.cache[self.file_name] = (
            len(self.text),
            None,
            self.text.splitlines(keepends=True),
            self.file_name,
        )
        exec(compile(self.text, self.file_name, "exec"), self.namespace)
        return self.namespace

    def step_of(self, traceback: TracebackType | None) -> Step | None:
        """Return the innermost generated step that `traceback` passes through."""
        found = None
        while traceback is not None:
            if traceback.tb_frame.f_code.co_filename == self.file_name:
                found = self._steps.get(traceback.tb_lineno)
            traceback = traceback.tb_next
        return found
