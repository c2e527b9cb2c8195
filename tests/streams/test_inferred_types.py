"""Type checkers infer keys and values through every operator."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tools.verify_types import missing, run_pyright

CASES = Path(__file__).with_name("inferred_types.py")


@pytest.mark.timeout(300)
def test_mypy_infers_the_types() -> None:
    pytest.importorskip("mypy")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", str(CASES)],
        cwd=CASES.parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(300)
def test_pyright_infers_the_types() -> None:
    reason = missing()
    if reason:
        pytest.skip(reason)
    done = run_pyright(str(CASES))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_cases_run() -> None:
    done = subprocess.run([sys.executable, str(CASES)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
