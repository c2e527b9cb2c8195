"""Pictures of records in time, as SVG: chips on lanes, and windows as bars.

Two kinds: `steps` has a column for each record that arrives, in order of arrival, with all that it
causes below it; `timeline` puts records where their timestamps are, with windows over them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

LEFT, RIGHT, CHIP, GAP = 150, 20, 22, 5
COLOURS = ("#3b6fb6", "#d97706", "#3f8f4f", "#9b4dca", "#666666")


@dataclass(frozen=True)
class Chip:
    """A record.

    Attributes:
        text: What stands on it.
        key: Decides its colour; the same key has the same one throughout a picture.
        at: Its time in seconds, for timelines.
        faint: Drawn as an outline: a deletion, or a record that was dropped.
        plain: Drawn as a text: no record at all.
    """

    text: str
    key: str = ""
    at: float = 0
    faint: bool = False
    plain: bool = False

    @property
    def width(self) -> float:
        """Its width in pixels."""
        return len(self.text) * 7.2 + 14


@dataclass(frozen=True)
class Bar:
    """A window.

    Attributes:
        text: What stands on it.
        start: Its start in seconds.
        end: Its end in seconds.
        key: Decides its colour.
        grace: How long it waits for late records, in seconds.
        open_end: Whether it goes on beyond the picture.
    """

    text: str
    start: float
    end: float
    key: str = ""
    grace: float = 0
    open_end: bool = False


@dataclass
class Canvas:
    """Collects SVG elements; knows the colours of keys."""

    width: float
    elements: list[str] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)

    def colour(self, key: str) -> str:
        """Return the colour of a key, grey for none."""
        if not key:
            return COLOURS[-1]
        return self.keys.setdefault(key, COLOURS[len(self.keys) % (len(COLOURS) - 1)])

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        anchor: str = "middle",
        fill: str = "#333",
        size: int = 12,
    ) -> None:
        """Add a line of text whose baseline is at `y`."""
        self.elements.append(
            f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="{fill}" '
            f'font-size="{size}">{escape(text)}</text>'
        )

    def box(self, x: float, y: float, width: float, height: float, style: str) -> None:
        """Add a rectangle with round corners."""
        self.elements.append(
            f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{height:.0f}" '
            f'rx="4" {style}/>'
        )

    def line(
        self, x1: float, y1: float, x2: float, y2: float, style: str = 'stroke="#bbb"'
    ) -> None:
        """Add a line."""
        self.elements.append(
            f'<line x1="{x1:.0f}" y1="{y1:.0f}" x2="{x2:.0f}" y2="{y2:.0f}" {style}/>'
        )

    def chip(self, x: float, y: float, chip: Chip) -> None:
        """Add a record, its middle at `x`."""
        colour, left = self.colour(chip.key), x - chip.width / 2
        if chip.plain:
            self.text(x, y + 15, chip.text, fill=colour)
        elif chip.faint:
            style = f'fill="#fff" stroke="{colour}" stroke-dasharray="4 3"'
            self.box(left, y, chip.width, CHIP, style)
            self.text(x, y + 15, chip.text, fill=colour)
        else:
            self.box(left, y, chip.width, CHIP, f'fill="{colour}"')
            self.text(x, y + 15, chip.text, fill="#fff")

    def svg(self, height: float) -> str:
        """Return the whole picture."""
        body = "\n".join(self.elements)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:.0f} {height:.0f}" '
            f'width="{self.width:.0f}" height="{height:.0f}" '
            'font-family="DejaVu Sans, Verdana, Helvetica, sans-serif">\n'
            f'<rect width="{self.width:.0f}" height="{height:.0f}" rx="8" fill="#fff" '
            f'stroke="#ddd"/>\n{body}\n</svg>\n'
        )


def steps(
    columns: Sequence[str], lanes: Iterable[tuple[str, Sequence[Sequence[Chip]]]], *, header: str
) -> str:
    """Draw what each record causes.

    Args:
        columns: What stands above each column: the time of the record that arrives.
        lanes: A name and, for each column, the chips in it.
        header: What stands above the names of the lanes.
    """
    lanes = list(lanes)
    widest = max((chip.width for _, cells in lanes for cell in cells for chip in cell), default=40)
    column = max(widest + 12, 46)
    canvas = Canvas(LEFT + len(columns) * column + RIGHT)
    canvas.text(12, 22, header, anchor="start", fill="#777", size=11)
    for index, title in enumerate(columns):
        canvas.text(LEFT + (index + 0.5) * column, 22, title, fill="#777", size=11)
    y = 32.0
    for number, (name, cells) in enumerate(lanes):
        most = max(1, *(len(cell) for cell in cells))
        height = most * (CHIP + GAP) + GAP
        if number % 2 == 0:
            canvas.box(6, y, canvas.width - 12, height, 'fill="#f4f6f8"')
        canvas.text(12, y + 20, name, anchor="start")
        for index, cell in enumerate(cells):
            for row, chip in enumerate(cell):
                canvas.chip(LEFT + (index + 0.5) * column, y + GAP + row * (CHIP + GAP), chip)
        y += height
    for index in range(len(columns) + 1):
        canvas.line(LEFT + index * column, 28, LEFT + index * column, y, 'stroke="#e3e6ea"')
    return canvas.svg(y + 8)


def timeline(
    seconds: float,
    tick: float,
    lanes: Iterable[tuple[str, Sequence[Chip | Bar]]],
    *,
    width: float = 760,
) -> str:
    """Draw records and windows where their times are.

    Args:
        seconds: Where the axis ends; it begins at 0.
        tick: How far apart its marks are.
        lanes: A name and what lies on it.
        width: Of the picture.
    """
    canvas = Canvas(width)
    scale = (width - LEFT - RIGHT - 20) / seconds

    def x_of(time: float) -> float:
        return LEFT + time * scale

    y = 34.0
    for number, (name, things) in enumerate(lanes):
        rows = _rows(things, x_of)
        height = max(1, len(rows)) * (CHIP + GAP) + GAP
        if number % 2 == 0:
            canvas.box(6, y, width - 12, height, 'fill="#f4f6f8"')
        canvas.text(12, y + 20, name, anchor="start")
        for row, members in enumerate(rows):
            top = y + GAP + row * (CHIP + GAP)
            for thing in members:
                if isinstance(thing, Chip):
                    canvas.chip(x_of(thing.at), top, thing)
                else:
                    _draw_bar(canvas, thing, x_of, top)
        y += height
    marks = round(seconds / tick)
    for index in range(marks + 1):
        x = x_of(index * tick)
        canvas.line(x, 26, x, y, 'stroke="#ccd2d8" stroke-dasharray="2 3"')
        canvas.text(x, 20, f"{index * tick:g} s", fill="#777", size=11)
    return canvas.svg(y + 8)


def _draw_bar(canvas: Canvas, bar: Bar, x_of: Callable[[float], float], top: float) -> None:
    start, end = x_of(bar.start), x_of(bar.end)
    colour = canvas.colour(bar.key)
    if bar.grace:
        style = f'fill="none" stroke="{colour}" stroke-dasharray="4 3"'
        canvas.box(end, top, x_of(bar.end + bar.grace) - end, CHIP, style)
        canvas.text((end + x_of(bar.end + bar.grace)) / 2, top + 15, "grace", fill=colour, size=11)
    width = max(end - start, 3)
    canvas.box(start, top, width, CHIP, f'fill="{colour}" fill-opacity="0.22" stroke="{colour}"')
    if len(bar.text) * 7.2 > width - 4:
        canvas.text(end + 6, top + 15, bar.text, anchor="start", fill=colour)
    else:
        canvas.text(
            (start + end) / 2, top + 15, bar.text + (" …" if bar.open_end else ""), fill=colour
        )


def _rows(things: Sequence[Chip | Bar], x_of: Callable[[float], float]) -> list[list[Chip | Bar]]:
    """Spread things over rows, so that none covers another."""
    rows: list[list[Chip | Bar]] = []
    ends: list[float] = []
    for thing in things:
        if isinstance(thing, Chip):
            first, last = x_of(thing.at) - thing.width / 2, x_of(thing.at) + thing.width / 2
        else:
            first, last = x_of(thing.start), x_of(thing.end + thing.grace)
            if len(thing.text) * 7.2 > last - first - 4:
                last += len(thing.text) * 7.2 + 8
        row = next((index for index, end in enumerate(ends) if end <= first), len(rows))
        if row == len(rows):
            rows.append([])
            ends.append(0)
        rows[row].append(thing)
        ends[row] = last
    return rows
