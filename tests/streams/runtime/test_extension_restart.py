"""What extensions of windows remember goes on after a restart."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from aliran.core.clock import SystemClock
from aliran.core.types import Columns
from aliran.streams import App, CountWindows, EmitStrategy, Suppressed, Windowed

Row = tuple[str, int]
"""Key and time."""


def shown(window: Windowed[str], value: int | None) -> tuple[str, str]:
    return window.key, f"{window.start_ms}-{window.end_ms}:{value}"


def write(app: App, *rows: Row) -> None:
    transport = app.streams.connection.open_transport()
    keys: list[Any] = [key.encode() for key, _ in rows]
    transport.send(Columns("in", 0, (), keys, [b"x"] * len(rows), [time for _, time in rows]))
    transport.flush()
    transport.close()
    app.wait_until_idle()


def wait_for(app: App, topic: str, count: int) -> list[tuple[str, str]]:
    """Return the records of a topic as soon as there are so many."""
    clock = SystemClock()
    deadline = clock.monotonic() + 30
    while len(found := list(app.read(topic))) < count:
        assert clock.monotonic() < deadline, found
        app.wait_until_idle()
    return found


def idle_app(data_dir: Path, idle_after: str) -> App:
    app = App("idle", data_dir=str(data_dir), window_emit_interval_ms=0)
    grouped = app.stream("in").group_by_key()
    strategy = EmitStrategy.on_window_close(idle_after=idle_after)
    closing = grouped.windowed_by(10).emit_strategy(strategy)
    closing.count(store="closing", late="late").to_stream().map(shown).to(
        "closed", key=str, value=str
    )
    final = Suppressed.until_window_closes(idle_after=idle_after)
    counts = grouped.windowed_by(10).count(store="counts").suppress(final, name="final")
    counts.to_stream().map(shown).to("final", key=str, value=str)
    return app


@pytest.mark.parametrize("wiped", [False, True], ids=["disk", "changelogs"])
def test_windows_close_after_a_restart_and_stay_closed_over_the_next(
    tmp_path: Path, wiped: bool
) -> None:
    def restarted() -> None:
        if wiped:
            shutil.rmtree(tmp_path / "state")

    with idle_app(tmp_path, "1h") as app:
        write(app, ("a", 1_000), ("b", 1_005))
        assert list(app.read("closed")) == list(app.read("final")) == []
    restarted()
    expected = [("a", "1000-1010:1"), ("b", "1000-1010:1")]
    with idle_app(tmp_path, "50ms") as app:
        assert sorted(wait_for(app, "closed", 2)) == expected
        assert sorted(wait_for(app, "final", 2)) == expected
    restarted()
    with idle_app(tmp_path, "1h") as app:
        write(app, ("a", 1_001), ("c", 1_025), ("c", 1_031))
        assert list(app.read("late")) == [("a", "x")]
        for topic in ("closed", "final"):
            assert list(app.read(topic))[2:] == [("c", "1020-1030:1")]


def counting_app(data_dir: Path) -> App:
    app = App("counting", data_dir=str(data_dir))
    windows = app.stream("in").group_by_key().windowed_by(CountWindows.of(4).advance_by(2))
    full = windows.emit_strategy(EmitStrategy.on_window_close())
    table = full.aggregate(str, lambda key, value, seen: seen + value, store="s", value=str)
    table.to_stream().map(lambda w, seen: (w.key, f"{w.number}:{len(seen)}")).to(
        "out", key=str, value=str
    )
    return app


@pytest.mark.parametrize("wiped", [False, True], ids=["disk", "changelogs"])
def test_count_windows_go_on_after_a_restart(tmp_path: Path, wiped: bool) -> None:
    for run in range(4):
        with counting_app(tmp_path) as app:
            write(app, ("a", run), ("a", run), ("b", run))
            found = list(app.read("out"))
        if wiped:
            shutil.rmtree(tmp_path / "state")
    assert found == [("a", "0:4"), ("a", "1:4"), ("a", "2:4"), ("b", "0:4")]


def expiring_app(data_dir: Path) -> App:
    app = App("expiring", data_dir=str(data_dir))
    counts = app.stream("in").group_by_key().count(store="s", ttl=100)
    counts.to_stream().map_values(str).to("out", value=str)
    return app


@pytest.mark.parametrize("wiped", [False, True], ids=["disk", "changelogs"])
def test_rows_vanish_after_restarts_as_without(tmp_path: Path, wiped: bool) -> None:
    rows = [
        ("a", 0),
        ("b", 10),
        ("a", 90),
        ("b", 95),
        ("c", 190),
        ("a", 60),
        ("b", 194),
        ("d", 295),
    ]

    def outcome(data_dir: Path, size: int) -> tuple[list[Any], int]:
        dropped = 0
        for start in range(0, len(rows), size):
            with expiring_app(data_dir) as app:
                write(app, *rows[start : start + size])
                found = list(app.read("out"))
                dropped += app.streams.statistics().dropped_records
            if wiped:
                shutil.rmtree(data_dir / "state")
        return found, dropped

    at_once, restarting = outcome(tmp_path / "one", len(rows)), outcome(tmp_path / "two", 1)
    assert at_once == restarting
    assert at_once[1] == 1  # a at 60, when 190 was seen
    assert at_once[0] == [
        ("a", "1"),
        ("b", "1"),
        ("a", "2"),
        ("b", "2"),
        ("a", "None"),
        ("c", "1"),
        ("b", "3"),
        ("c", "None"),
        ("b", "None"),
        ("d", "1"),
    ]
