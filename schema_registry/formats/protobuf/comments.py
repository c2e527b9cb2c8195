"""Makes a .proto file plain: without comments, and each string in one piece."""

from __future__ import annotations

import re

_PIECES = re.compile(
    r"""(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|//[^\n]*|/\*.*?\*/""", re.DOTALL
)
_STRING = r"""(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
_STRINGS = re.compile(rf"{_STRING}(?:\s+{_STRING})+")
_ONE_STRING = re.compile(_STRING)
_SYNTAX = re.compile(r"\s*(?:syntax|edition)\s*=")


def plain(text: str) -> str:
    """Return a file without comments, and with strings joined; lines stay where they are."""
    return _STRINGS.sub(_joined, without_comments(text))


def _joined(pieces: re.Match[str]) -> str:
    """Write strings that stand side by side as the one that they mean."""
    parts = []
    for piece in _ONE_STRING.findall(pieces[0]):
        inner = piece[1:-1]
        parts.append(inner if piece[0] == '"' else inner.replace('"', '\\"'))
    return f'"{"".join(parts)}"' + "\n" * pieces[0].count("\n")


def without_comments(text: str) -> str:
    """Return a file without its comments; lines stay where they are."""

    def kept(piece: re.Match[str]) -> str:
        return piece["text"] or " " + "\n" * piece[0].count("\n")

    return _PIECES.sub(kept, text)


def with_syntax(text: str) -> str:
    """Return a file that says its syntax; without one it is proto2, about which protoc warns."""
    if _SYNTAX.match(without_comments(text)):
        return text
    return f'syntax = "proto2"; {text}'
