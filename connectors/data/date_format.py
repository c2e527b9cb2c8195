"""Java's patterns for dates (`SimpleDateFormat`): in UTC, with English names, lenient as Java is.

Months and days beyond their end roll over, days before 15 October 1582 are those of the Julian
calendar. Week fields (`w`, `W`, `F`, `Y`) are written but not read.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator

from aliran.connectors.data.logical import MILLIS_A_DAY, millis_of

_MONTHS: tuple[str, ...] = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
)
_MONTHS += ("September", "October", "November", "December")
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_LETTERS = "GyMdkHmsSEDFwWahKzZYuXL"
_NUMBERS = "yMdkHmsSDFwWhKYuL"
_GREGORIAN_FROM = -141_427
"""The day, from 1970, on which the calendar changed."""
_ZONE = re.compile(
    r"(?:GMT|UTC)?([+-])(\d{1,2}):?(\d{2})|Z|UTC|GMT|Coordinated Universal Time", re.IGNORECASE
)


def day_number(year: int, month: int, day: int) -> int:
    """Return the days from 1970 to a date; month and day may be beyond their ends."""
    months = month - 1
    year, month = year + months // 12, months % 12 + 1
    number = _days_before(year, month, gregorian=True) + day - 1
    if number < _GREGORIAN_FROM:
        number = _days_before(year, month, gregorian=False) + day - 1
    return number


def _days_before(year: int, month: int, *, gregorian: bool) -> int:
    """Return the days from 1970 to the first of a month, the year counted from March."""
    year -= month <= 2
    days = year * 365 + year // 4 + (153 * ((month - 3) % 12) + 2) // 5
    if gregorian:
        return days - year // 100 + year // 400 - 719_468
    return days - 719_470


def date_of(days: int) -> tuple[int, int, int]:
    """Return year, month and day of a number of days from 1970."""
    gregorian = days >= _GREGORIAN_FROM
    shifted = days + (719_468 if gregorian else 719_470)
    if gregorian:
        era, rest = divmod(shifted, 146_097)
        in_era = (rest - rest // 1460 + rest // 36_524 - rest // 146_096) // 365
        of_year = rest - (365 * in_era + in_era // 4 - in_era // 100)
        year = in_era + era * 400
    else:
        cycle, rest = divmod(shifted, 1461)
        in_cycle = min(rest // 365, 3)
        of_year = rest - in_cycle * 365
        year = cycle * 4 + in_cycle
    month = (5 * of_year + 2) // 153
    day = of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    return year + (month <= 2), month, day


class _Moment:
    """A time taken apart."""

    def __init__(self, millis: int) -> None:
        self.days, self.of_day = divmod(millis, MILLIS_A_DAY)
        self.year, self.month, self.day = date_of(self.days)
        self.weekday = (self.days + 4) % 7  # 0 is Sunday
        self.hour, rest = divmod(self.of_day, 3_600_000)
        self.minute, rest = divmod(rest, 60_000)
        self.second, self.milli = divmod(rest, 1000)
        self.day_of_year = self.days - day_number(self.year, 1, 1) + 1

    @property
    def shown_year(self) -> int:
        return self.year if self.year > 0 else 1 - self.year

    def week_of(self, first_weekday: int, day: int) -> int:
        """Return the week of a day, weeks begin on Sunday and the first one may be short."""
        return (day - 1 + first_weekday) // 7 + 1

    def week_of_year(self) -> tuple[int, int]:
        """Return the year that the week belongs to, and the week."""
        next_year = day_number(self.year + 1, 1, 1)
        if self.days - self.weekday + 6 >= next_year:
            return self.year + 1, 1
        first = (self.weekday - self.day_of_year + 1) % 7
        return self.year, self.week_of(first, self.day_of_year)


def _name(name: str, count: int) -> str:
    return name if count >= 4 else name[:3]


_WRITERS: dict[str, Callable[[_Moment], int]] = {
    "d": lambda m: m.day,
    "D": lambda m: m.day_of_year,
    "F": lambda m: (m.day - 1) // 7 + 1,
    "w": lambda m: m.week_of_year()[1],
    "W": lambda m: m.week_of((m.weekday - m.day + 1) % 7, m.day),
    "u": lambda m: m.weekday or 7,
    "H": lambda m: m.hour,
    "k": lambda m: m.hour or 24,
    "K": lambda m: m.hour % 12,
    "h": lambda m: m.hour % 12 or 12,
    "m": lambda m: m.minute,
    "s": lambda m: m.second,
    "S": lambda m: m.milli,
}


def _write(letter: str, count: int, moment: _Moment) -> str:
    if letter in _WRITERS:
        return str(_WRITERS[letter](moment)).zfill(count)
    if letter in "yY":
        year = moment.shown_year if letter == "y" else moment.week_of_year()[0]
        return str(year % 100).zfill(2) if count == 2 else str(year).zfill(count)
    if letter in "ML":
        return (
            _name(_MONTHS[moment.month - 1], count)
            if count >= 3
            else str(moment.month).zfill(count)
        )
    if letter == "E":
        return _name(_DAYS[moment.weekday], count)
    if letter == "G":
        return "AD" if moment.year > 0 else "BC"
    if letter == "a":
        return "AM" if moment.hour < 12 else "PM"
    if letter == "z":
        return "Coordinated Universal Time" if count >= 4 else "UTC"
    return "+0000" if letter == "Z" else "Z"


def _split(pattern: str) -> Iterator[tuple[str, int]]:
    """Yield a letter and how often it stands; literal text with count 0."""
    literal, quoted, i = "", False, 0
    while i < len(pattern):
        char = pattern[i]
        if char == "'":
            if pattern[i + 1 : i + 2] == "'":
                literal, i = literal + "'", i + 1
            else:
                quoted = not quoted
        elif quoted or not (char.isascii() and char.isalpha()):
            literal += char
        else:
            if char not in _LETTERS:
                raise ValueError(f"Illegal pattern character '{char}'")
            if literal:
                yield literal, 0
                literal = ""
            end = i
            while end < len(pattern) and pattern[end] == char:
                end += 1
            yield char, end - i
            i = end - 1
        i += 1
    if quoted:
        raise ValueError("Unterminated quote")
    if literal:
        yield literal, 0


class DateFormat:
    """One pattern.

    Raises:
        ValueError: It is not one.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self._parts = list(_split(pattern))
        for letter, count in self._parts:
            if letter == "X" and count > 3:
                raise ValueError(f"invalid ISO 8601 format: length={count}")

    def format(self, millis: int) -> str:
        """Return the text of a time, in milliseconds since 1970."""
        moment = _Moment(millis)
        return "".join(
            _write(part, count, moment) if count else part for part, count in self._parts
        )

    def parse(self, text: str) -> int:
        """Return the time of a text, which may go on behind it.

        Raises:
            ValueError: The text does not follow the pattern.
        """
        found: dict[str, int] = {}
        at = 0
        for index, (part, count) in enumerate(self._parts):
            if not count:
                if not text.startswith(part, at):
                    raise ValueError(f'Unparseable date: "{text}"')
                at += len(part)
                continue
            following = self._parts[index + 1] if index + 1 < len(self._parts) else ("", 0)
            width = count if following[1] and following[0] in _NUMBERS else None
            at = _read(part, count, width, text, at, found)
        return _resolve(found)


def _read(
    letter: str, count: int, width: int | None, text: str, at: int, found: dict[str, int]
) -> int:
    """Read one field into `found`, and return where the text goes on."""
    while text[at : at + 1] in {" ", "\t"}:
        at += 1
    if letter in _NUMBERS and not (letter in "ML" and count >= 3):
        match = re.compile(r"-?\d+").match(text, at, len(text) if width is None else at + width)
        if match is None or (width is not None and at + width > len(text)):
            raise ValueError(f'Unparseable date: "{text}"')
        number = int(match[0])
        if letter in "yY" and count <= 2 and len(match[0]) == 2 and number >= 0:
            start = dt.datetime.now(dt.UTC).year - 80
            number += start // 100 * 100 + (100 if number < start % 100 else 0)
        found["M" if letter == "L" else letter] = number
        return match.end()
    if letter in "zZX":
        zone = _ZONE.match(text, at)
        if zone is None:
            raise ValueError(f'Unparseable date: "{text}"')
        minutes = int(zone[2]) * 60 + int(zone[3]) if zone[1] else 0
        found["zone"] = -minutes if zone[1] == "-" else minutes
        return zone.end()
    names = {"M": _MONTHS, "L": _MONTHS, "E": _DAYS, "G": ("BC", "AD"), "a": ("AM", "PM")}[letter]
    for place, name in enumerate(names):
        for shown in (name, name[:3]):
            if text[at : at + len(shown)].lower() == shown.lower():
                found["M" if letter == "L" else letter] = place + (letter in "ML")
                return at + len(shown)
    raise ValueError(f'Unparseable date: "{text}"')


def _resolve(found: dict[str, int]) -> int:
    """Return the time of the fields that were read, as Java's lenient calendar sees them."""
    if not found.keys().isdisjoint("wWFY"):
        raise ValueError("dates by week (w, W, F, Y) can be written but not read")
    year = found.get("y", 1970)
    if found.get("G") == 0:
        year = 1 - year
    order = list(found)
    by_year = "D" in found and not any(
        order.index(x) > order.index("D") for x in "Md" if x in found
    )
    if by_year:
        days = day_number(year, 1, 1) + found["D"] - 1
    else:
        days = day_number(year, found.get("M", 1), found.get("d", 1))
    hour = found.get("H", found.get("k", 0) % 24 if found.get("k") == 24 else found.get("k", 0))
    if "H" not in found and "k" not in found:
        half = found.get("K", found.get("h", 0) % 12 if found.get("h") == 12 else found.get("h", 0))
        hour = half + 12 * found.get("a", 0)
    seconds = (hour * 60 + found.get("m", 0) - found.get("zone", 0)) * 60 + found.get("s", 0)
    return days * MILLIS_A_DAY + seconds * 1000 + found.get("S", 0)


_JAVA_DATE = DateFormat("EEE MMM dd HH:mm:ss zzz yyyy")


def java_date_text(value: dt.date | dt.time) -> str:
    """Return a time as `java.util.Date.toString` writes it, in UTC."""
    return _JAVA_DATE.format(millis_of(value))
