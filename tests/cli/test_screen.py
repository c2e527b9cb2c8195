"""What the demo shows: plain lines where there is no terminal, a table where there is one."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from aliran.cli.demo.screen import LiveScreen, PlainScreen, View, clock_of, screen_for

VIEW = View(1_000, 500, 400, 17 * 3_600_000 + 5 * 60_000, [("#rain", 12), ("#sun", 3)])


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=100)


def test_a_minute_is_shown_as_hours_and_minutes() -> None:
    assert VIEW.minute_ms is not None
    assert clock_of(VIEW.minute_ms) == "17:05"


def test_plain_lines_without_a_terminal_or_on_demand() -> None:
    assert isinstance(screen_for(Console(file=io.StringIO()), plain=False), PlainScreen)
    assert isinstance(screen_for(terminal(), plain=True), PlainScreen)
    assert isinstance(screen_for(terminal(), plain=False), LiveScreen)


def test_plain_screen_prints_a_line_a_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    with PlainScreen() as screen:
        for written in range(0, 1_001, 10):
            screen.show(View(1_000, written, 0))
        screen.show(VIEW, last=True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 11
    assert " ".join(lines[-1].split()) == "500 written 400 processed 17:05 #rain 12 #sun 3"


def test_live_screen_draws_bars_and_the_ranking() -> None:
    console = terminal()
    with LiveScreen(console) as screen:
        screen.show(View(1_000), last=True)
        screen.show(VIEW, last=True)
        screen.say("a line that stays")
    assert isinstance(console.file, io.StringIO)
    drawn = console.file.getvalue()
    for piece in ("waiting for the first minute", "500 of 1,000 tweets", "17:05", "#rain", "stays"):
        assert piece in drawn
