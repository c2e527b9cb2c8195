"""Which method and path belong to which handler, and where it may run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeAlias

Handler: TypeAlias = Callable[..., Any]
"""Takes the request and the variable segments of its path; returns what is answered."""


class Work(Enum):
    """What a handler does.

    Attributes:
        READ: Looks into memory: done at once, on the event loop, unless a schema must be parsed.
        THINK: Parses schemas, or goes through all: done beside the event loop, by any registry.
        WRITE: Changes something: done beside the event loop, by the leader.
    """

    READ = auto()
    THINK = auto()
    WRITE = auto()


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the table.

    Attributes:
        method: GET, POST, PUT or DELETE.
        pattern: Path whose segments in braces are variable.
        handler: What answers.
        work: Where it may run.
        known: What may know the answer to a WRITE without changing anything, tried by registries
            that do not lead; returns None where it does not.
        status: Of an answer that is no error.
    """

    method: str
    pattern: str
    handler: Handler
    work: Work
    known: Handler | None = None
    status: int = 200

    @property
    def about_subject(self) -> bool:
        """Whether the first variable segment is a subject."""
        return "{subject}" in self.pattern
