"""What the demo shows while it runs: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

Ranking = list[tuple[str, int]]

_REFRESHES_A_SECOND = 8
_ROWS = 8
_BAR = 24


@dataclass(slots=True)
class View:
    """The state of a run as far as a screen shows it.

    Attributes:
        total: How many input records the run will have written.
        written: How many are written.
        processed: How many the topology has processed and committed.
        minute_ms: The newest minute that has a ranking, None before the first.
        ranking: Its hashtags and counts, best first.
    """

    total: int
    written: int = 0
    processed: int = 0
    minute_ms: int | None = None
    ranking: Ranking = field(default_factory=list)


class Screen(Protocol):
    """Shows views; `say` prints a line that stays."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def say(self, text: str = "") -> None:
        """Print a line."""
        ...

    def show(self, view: View, *, last: bool = False) -> None:
        """Show where the run stands; may skip some of many views, never the last."""
        ...


def clock_of(minute_ms: int) -> str:
    """Return a minute as "17:05" (UTC)."""
    return datetime.fromtimestamp(minute_ms / 1000, UTC).strftime("%H:%M")


class PlainScreen:
    """A line for every tenth of the input and at the end."""

    def __init__(self) -> None:
        self._shown_tenths = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def say(self, text: str = "") -> None:
        """Print a line."""
        print(text, flush=True)

    def show(self, view: View, *, last: bool = False) -> None:
        """Print a line if the input has grown by a tenth."""
        tenths = 10 * view.written // max(view.total, 1)
        if tenths == self._shown_tenths and not last:
            return
        self._shown_tenths = tenths
        line = f"{view.written:>11,} written {view.processed:>11,} processed"
        if view.minute_ms is not None:
            top = "  ".join(f"{tag} {count}" for tag, count in view.ranking[:3])
            line += f"   {clock_of(view.minute_ms)}  {top}"
        self.say(line)


class LiveScreen:
    """A table that changes in place, with a progress bar above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._next = 0.0

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def say(self, text: str = "") -> None:
        """Print a line above the table."""
        self._console.print(text, highlight=False, markup=False)

    def show(self, view: View, *, last: bool = False) -> None:
        """Draw the view, at most a few times a second."""
        now = time.monotonic()
        if now >= self._next or last:
            self._next = now + 1 / _REFRESHES_A_SECOND
            self._live.update(picture(view), refresh=True)


def picture(view: View) -> RenderableType:
    """Return the progress bars and the ranking of the newest minute."""
    bars = Table.grid(padding=(0, 2))
    for label, done in (("written", view.written), ("processed", view.processed)):
        bars.add_row(
            label, ProgressBar(view.total, done, width=40), f"{done:,} of {view.total:,} tweets"
        )
    if view.minute_ms is None:
        return Group(bars, "waiting for the first minute")
    return Group(bars, ranking_table(f"trending at {clock_of(view.minute_ms)}", view.ranking))


def ranking_table(title: str, ranking: Ranking) -> Table:
    """Return a table of hashtags with their counts as bars."""
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column("rank", justify="right", style="dim")
    table.add_column("hashtag", style="bold cyan", no_wrap=True, width=32)  # does not jump
    table.add_column("tweets", justify="right", width=6)
    table.add_column("bar", width=_BAR)
    most = max((count for _, count in ranking), default=1)
    for place, (tag, count) in enumerate(ranking[:_ROWS], 1):
        table.add_row(str(place), tag, f"{count:,}", "█" * max(1, _BAR * count // most))
    return table


def screen_for(console: Console, *, plain: bool) -> Screen:
    """Return the live screen for a terminal, the plain one elsewhere or where it is asked for."""
    return PlainScreen() if plain or not console.is_terminal else LiveScreen(console)
