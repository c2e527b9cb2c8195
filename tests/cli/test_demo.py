"""`aliran demo trending` as a user runs it: it counts right, goes on, and survives kill -9."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "aliran.cli.main", "demo", "trending", "--plain"]
RIGHT = re.compile(r"^([\d,]+) windows, all equal to a plain recount$", re.MULTILINE)


def demo(*words: str) -> str:
    """Run the demo to its end and return what it printed."""
    done = subprocess.run(
        [*COMMAND, *words], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def windows(printed: str) -> int:
    """How many windows the recount agreed with."""
    found = RIGHT.search(printed)
    assert found is not None, printed
    return int(found[1].replace(",", ""))


def demo_killed_after(line_with: str, *words: str) -> None:
    """Run the demo and kill it as soon as it prints a line that holds `line_with`."""
    with subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line_with in line:
                process.send_signal(signal.SIGKILL)
                break
        assert process.wait(20) == -signal.SIGKILL


def test_demo_counts_as_the_recount_does_and_says_where_to_look() -> None:
    printed = demo("--tweets", "20000")
    assert windows(printed) > 500
    assert "users, likes and event times are seeded" in printed
    assert "20,000 input records in" in printed
    assert "input records/s" in printed
    assert "kcat -b 127.0.0.1:9092 -C -t ranking" in printed


def test_a_second_run_goes_on_where_the_first_stopped(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    first = windows(demo("--tweets", "20000", "--data", data))
    again = demo("--tweets", "20000", "--data", data)
    assert "Going on where the last run stopped: 20,000 tweets" in again
    assert "20,000 input records in" in again
    assert windows(again) > first


@pytest.mark.parametrize("line", ["20,000 written", "70,000 written", "100,000 written"])
def test_kill_9_in_the_middle_loses_and_doubles_nothing(tmp_path: Path, line: str) -> None:
    data = str(tmp_path / "data")
    demo_killed_after(line, "--tweets", "100000", "--data", data)
    printed = demo("--tweets", "100000", "--data", data)
    assert "Going on where the last run stopped" in printed
    assert windows(printed) > 2_000


def test_other_partitions_than_before_are_refused(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    demo("--tweets", "1000", "--data", data)
    words = ["--tweets", "1000", "--data", data, "--partitions", "2"]
    done = subprocess.run(
        [*COMMAND, *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"aliran: topic 'tweets' in {data} has 4 partitions: say --partitions 4, "
        "or use another --data directory\n"
    )


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--tweets", "0"], "--tweets 0: at least 1 is needed"),
        (["--partitions", "99"], "--partitions 99: 1 to 64 can be had"),
    ],
)
def test_impossible_numbers_are_refused(words: list[str], complaint: str) -> None:
    done = subprocess.run(
        [*COMMAND, *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (1, f"aliran: {complaint}\n")
