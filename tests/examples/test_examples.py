"""Every example runs with one command and prints what its docstring promises."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def promised(example: Path) -> str:
    """The indented block of the docstring that follows the word "prints"."""
    docstring = ast.get_docstring(ast.parse(example.read_text(encoding="utf-8"))) or ""
    block = docstring.split("prints", 1)[1].split("\n\n")[1]
    return textwrap.dedent(block)


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_example_prints_what_it_promises(example: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(example)],
        cwd=tmp_path,
        env={key: text for key, text in os.environ.items() if key != "BROKERS"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    shown = [line.rstrip() for line in done.stdout.strip().splitlines()]
    assert shown == promised(example).strip().splitlines()
    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []
