"""Java's properties files: `name=value` lines, comments, escapes, lines that go on."""

from __future__ import annotations

import re

_SEPARATOR = re.compile(r"(?:[^\\\s=:]|\\.)*")
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)


def parse_properties(text: str) -> dict[str, str]:
    """Return names and values, later lines over earlier ones. Java: `Properties.load`."""
    found: dict[str, str] = {}
    for line in _logical_lines(text):
        match = _SEPARATOR.match(line)
        assert match is not None  # it matches the empty text
        rest = line[match.end() :].lstrip(" \t\f")
        if rest[:1] in {"=", ":"}:
            rest = rest[1:].lstrip(" \t\f")
        found[_unescape(match[0])] = _unescape(rest)
    return found


def _logical_lines(text: str) -> list[str]:
    lines: list[str] = []
    pending: str | None = None
    for raw in re.split(r"\r\n|\r|\n", text):
        line = raw.lstrip(" \t\f")
        if pending is None:
            if not line or line[0] in "#!":
                continue
        else:
            line = pending + line
            pending = None
        if (len(line) - len(line.rstrip("\\"))) % 2:
            pending = line[:-1]
        else:
            lines.append(line)
    if pending:
        lines.append(pending)
    return lines


def _unescape(text: str) -> str:
    def plain(match: re.Match[str]) -> str:
        code = match[1]
        return chr(int(code[1:], 16)) if len(code) == 5 else _ESCAPES.get(code, code)

    return _ESCAPE.sub(plain, text)
