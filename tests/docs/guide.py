"""The guide's pages as tests see them: their programs, what these print, and their links.

    python -m tests.docs.guide DIRECTORY

writes the programs of each page as a module, each line where it is on the page, for type checkers.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = [*sorted(DOCS.glob("**/*.md")), DOCS.parent / "examples" / "README.md"]

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:)([^)]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


class Program(NamedTuple):
    """A block of code on a page.

    Attributes:
        line: Where on the page it begins.
        code: The code.
        shown: What it prints, says the page; nothing where no block of text follows it.
        place: Where on the page that stands; None where it does not.
    """

    line: int
    code: str
    shown: str
    place: tuple[int, int] | None


def programs(page: str, language: str = "python") -> Iterator[Program]:
    """Yield the programs of a page in one language.

    What one prints stands in the block behind it, which has no language, or mermaid for a picture.
    """
    blocks = list(_BLOCK.finditer(page))
    for index, block in enumerate(blocks):
        if block[1] != language:
            continue
        line = page.count("\n", 0, block.start(2)) + 1
        behind = blocks[index + 1] if index + 1 < len(blocks) else None
        if (
            behind is None
            or behind[1] not in ("", "mermaid")
            or page[block.end() : behind.start()].strip()
        ):
            yield Program(line, block[2], "", None)
        else:
            yield Program(line, block[2], behind[2], behind.span(2))


@contextlib.contextmanager
def namespace(path: Path) -> Iterator[dict[str, object]]:
    """Give the names of a module in which the programs of a page run one after the other."""
    module = ModuleType(f"guide_{path.stem.replace('-', '_')}")
    sys.modules[module.__name__] = module  # annotations are looked up there
    log = logging.getLogger("aliran")
    level = log.level
    try:
        yield module.__dict__
    finally:
        del sys.modules[module.__name__]
        log.setLevel(level)


def printed_by(program: Program, path: Path, names: dict[str, object]) -> str:
    """Run a program and return what it printed; tracebacks show lines of the page."""
    code = compile("\n" * (program.line - 1) + program.code, str(path), "exec")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(code, names)
    return out.getvalue()


def links(page: str) -> list[str]:
    """Return the links of a page that stay in the repository."""
    return _LINK.findall(_BLOCK.sub("", page))


def anchors(page: str) -> set[str]:
    """Return the names by which GitHub links to the headings of a page."""
    titles = _HEADING.findall(_BLOCK.sub("", page))
    kept = (re.sub(r"[^\w\- ]", "", title.lower()) for title in titles)
    return {title.replace(" ", "-") for title in kept}


def write_modules(directory: Path) -> None:
    """Write the programs of each page as a module of that directory."""
    directory.mkdir(parents=True, exist_ok=True)
    for path in PAGES:
        page = path.read_text(encoding="utf-8")
        lines = [""] * (page.count("\n") + 1)
        for program in programs(page):
            code = program.code.splitlines()
            lines[program.line - 1 : program.line - 1 + len(code)] = code
        name = "_".join([*path.relative_to(DOCS.parent).parts[:-1], path.stem])
        name = name.replace("-", "_").lower()
        (directory / f"{name}.py").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_modules(Path(sys.argv[1]))
