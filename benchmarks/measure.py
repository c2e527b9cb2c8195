"""Pieces that the benchmarks share: medians, the results file, what else ran on the machine."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "build" / "bench.json"


def spread(numbers: Sequence[float], digits: int = 0) -> str:
    """Return "median (min..max)" with thousands separated."""
    low, middle, high = min(numbers), statistics.median(numbers), max(numbers)
    return f"{middle:,.{digits}f} ({low:,.{digits}f}..{high:,.{digits}f})"


def machine() -> str:
    """Say in a line what this is measured on."""
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}, "
        f"Python {platform.python_version()}"
    )


class OtherWork:
    """How many cores other processes of the machine used meanwhile (Linux; else unknown).

    A figure taken while others worked says little: print this beside it.
    """

    def __init__(self) -> None:
        self._start = _busy_seconds()
        self._own = _own_seconds()
        self._clock = time.monotonic()

    def sentence(self) -> str:
        """Say how many cores others used, on average since construction."""
        busy = _busy_seconds()
        if busy is None or self._start is None:
            return "what else ran on the machine is unknown"
        others = (busy - self._start) - (_own_seconds() - self._own)
        cores = max(0.0, others / (time.monotonic() - self._clock))
        return f"meanwhile other processes used {cores:.1f} of {os.cpu_count()} cores"


def _busy_seconds() -> float | None:
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
    except OSError:
        return None
    user, nice, system, _idle, _iowait, irq, softirq, *_ = (int(field) for field in fields)
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def in_child(script: Path, *arguments: str) -> dict[str, Any]:
    """Run a benchmark script in a process of its own; return what its last line says in JSON.

    A fresh process has no live objects of ours that its garbage collector would have to walk.
    """
    done = subprocess.run(
        [sys.executable, str(script), *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{script.name} {' '.join(arguments)} failed:\n{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout.strip().rsplit("\n", 1)[-1])
    return result


def save(rows: Sequence[dict[str, Any]]) -> None:
    """Put `rows` into build/bench.json, in place of rows with the same names."""
    old = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []
    names = {row["name"] for row in rows}
    kept = [row for row in old if row["name"] not in names]
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps([*kept, *rows], indent=2) + "\n", encoding="utf-8")
