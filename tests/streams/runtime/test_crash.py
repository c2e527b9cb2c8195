"""kill -9 at any moment: nothing is lost, and the state counts everything exactly once."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import crash_program
import pytest
from crash_program import INPUT, ROWS, make_app

from aliran.serdes import serde_for
from aliran.streams import App

KILLS = 6


def run_and_kill(data_dir: Path, seed: int, done: int, delay_s: float, optimized: str) -> int:
    """Let the program run for a while and kill it; returns how many records were acknowledged."""
    process = subprocess.Popen(
        [sys.executable, crash_program.__file__, str(data_dir), str(seed), str(done), optimized],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        if not first:
            raise AssertionError(process.stderr.read())
        timer = threading.Timer(delay_s, process.kill)
        timer.start()
        lines = [first, *list(process.stdout)]
        timer.join()
    assert process.returncode == -signal.SIGKILL, lines[-1]
    words = [line.split() for line in lines if line.endswith("\n")]  # the last may be torn
    return max((int(word[1]) for word in words if word[0] == "acknowledged"), default=done)


def last_values(app: App, topic: str) -> dict[bytes, int | None]:
    rows = app.read(topic, key=bytes, value=int)
    return {key: value for key, value in rows if value is not None}


def last_rows(app: App) -> dict[bytes, bytes | None]:
    return dict(app.read(ROWS, key=bytes, value=bytes))


def check_everything(data_dir: Path, acknowledged: int, optimized: str) -> None:
    """Let the application catch up and compare its state with a plain recount of the input."""
    with make_app(str(data_dir), topology_optimization=optimized) as app:
        app.wait_until_idle()
        seen: Counter[bytes] = Counter()
        counts: Counter[bytes] = Counter()
        windows: Counter[bytes] = Counter()
        lengths: Counter[bytes] = Counter()
        pack = serde_for(int).serialize
        for columns in app.streams.read_all(app.streams.connection.open_transport(), INPUT):
            rows = zip(columns.keys, columns.values, columns.timestamps, strict=True)
            for key, word, time_ms in rows:
                assert key is not None
                assert word is not None
                seen[key] += 1
                counts[word] += 1
                windows[word + (pack(time_ms // 1_000 * 1_000) or b"") + bytes(4)] += 1
                lengths[word[-1:]] += len(word)
        missing = [number for number in range(acknowledged) if b"%d" % number not in seen]
        assert not missing
        assert last_values(app, "crash-counts-changelog") == counts
        assert last_values(app, "crash-windows-changelog") == windows
        assert last_values(app, "crash-lengths-changelog") == lengths
        assert last_values(app, "counts") == counts
        groups = Counter(group for group in last_rows(app).values() if group is not None)
        assert groups == Counter(last_values(app, "crash-groups-changelog"))
        topics = {topic.name for topic in app.broker.broker.topics.all()}
        assert ("crash-rows-changelog" in topics) is (optimized == "none")
        assert app.statistics().failed_records == 0


@pytest.mark.timeout(100)
@pytest.mark.parametrize(
    ("wiped", "optimized"),
    [
        pytest.param(False, "all", id="state kept, optimised"),
        pytest.param(True, "none", id="state deleted at times"),
        pytest.param(True, "all", id="state deleted at times, optimised"),
    ],
)
def test_killed_again_and_again(tmp_path: Path, wiped: bool, optimized: str) -> None:
    rng = random.Random(wiped)
    acknowledged = 0
    for seed in range(KILLS):
        acknowledged = run_and_kill(tmp_path, seed, acknowledged, rng.uniform(0.0, 0.6), optimized)
        if wiped and rng.random() < 0.5:
            shutil.rmtree(tmp_path / "state", ignore_errors=True)
    assert acknowledged > 0
    check_everything(tmp_path, acknowledged, optimized)
    check_everything(tmp_path, acknowledged, optimized)  # and starting once more changes nothing
