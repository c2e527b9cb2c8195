"""The README's programs print what stands below them, and its links lead somewhere."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)\)")


def programs() -> list[tuple[str, str]]:
    """Return the README's programs that are followed by their output, and the output."""
    blocks = BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    followed = itertools.pairwise(blocks)
    return [
        (program, shown)
        for (language, program), (none, shown) in followed
        if language == "python" and none == ""
    ]


def test_all_programs_are_there() -> None:
    assert len(programs()) == 3


@pytest.mark.parametrize(("program", "shown"), programs(), ids=["dsl", "function", "schemas"])
def test_a_program_prints_what_the_readme_shows(program: str, shown: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == (shown, "", 0)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "DESIGN.md", "CHANGELOG.md"])
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert [link for link in LINK.findall(text) if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_make_targets_that_are_named_exist(page: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE)
    assert named
    assert set(named) <= targets


def test_functions_that_the_design_names_exist() -> None:
    text = (ROOT / "DESIGN.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w/]+\.py)(?::(\w+))?`", text)
    assert sum(bool(function) for _, function in named) > 20
    missing = []
    for file, function in named:
        path = ROOT / file
        if "/" not in file:
            continue  # of the file map, which names the folder beside it
        if not path.exists() or (function and f"def {function}(" not in path.read_text("utf-8")):
            missing.append(f"{file}:{function}")
    assert missing == []
