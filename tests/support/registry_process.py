"""`aliran registry` as a process of its own."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = "import sys; from aliran.cli.main import main; sys.exit(main())"


def start_registry(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    """Start it on a free port; return it and its URL once clients can connect."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "registry", "--listen", "127.0.0.1:0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("aliran registry ready: "), process.communicate()
    return process, line.split()[3]
