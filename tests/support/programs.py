"""Runs small programs as users run theirs, and stops them as users do."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from typing import NamedTuple

PREAMBLE = """
import sys
from aliran.streams import App, Processor, Record

data_dir = sys.argv[1]

def ready(app):
    app.streams.set_state_listener(
        lambda new, old: print(new.value, flush=True)
    )
"""


class Ended(NamedTuple):
    """How a program ended."""

    status: int
    output: str
    errors: str


def run_program(source: str, data_dir: object, *, until: str = "", stop_with: int = 0) -> Ended:
    """Run `source`, which finds its data directory in `data_dir`.

    Args:
        source: The program, behind an import of the usual names.
        data_dir: Where it keeps its data.
        until: A word in a line of its output, at which `stop_with` is sent.
        stop_with: A signal.
    """
    program = PREAMBLE + textwrap.dedent(source)
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(data_dir)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    seen = []
    with process:
        if stop_with:
            assert process.stdout is not None
            for line in process.stdout:
                seen.append(line)
                if until in line:
                    process.send_signal(signal.Signals(stop_with))
                    break
        output, errors = process.communicate(timeout=60)
    return Ended(process.returncode, "".join(seen) + output, errors)
