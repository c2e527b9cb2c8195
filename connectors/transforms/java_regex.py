"""Regular expressions of Java, written as Python's; and Java's replacements (`$1`, `${name}`)."""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache
from typing import Any

from aliran.connectors.errors import ConfigError, DataError

_ASCII = {
    "Lower": "a-z", "Upper": "A-Z", "ASCII": r"\x00-\x7f", "Alpha": "a-zA-Z", "Digit": "0-9",
    "Alnum": "a-zA-Z0-9", "Punct": r"!-/:-@\[-`{-~", "Graph": "!-~", "Print": " -~",
    "Blank": r" \t", "Cntrl": r"\x00-\x1f\x7f", "XDigit": "0-9a-fA-F", "Space": r" \t\n\x0b\f\r",
}  # fmt: skip
_BINARY = {
    "Alphabetic": "L", "Letter": "L", "Digit": "Nd", "Uppercase": "Lu", "Lowercase": "Ll",
    "Punctuation": "P", "Control": "Cc",
}  # fmt: skip
_BREAK = r"\n\r\x85\u2028\u2029"
_SETS = {
    "h": r" \t\xa0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000",
    "v": r"\n\x0b\f\r\x85\u2028\u2029",
}
_ANCHORS = {
    "A": r"\A", "z": r"\Z", "Z": rf"(?=(?:\r\n|[{_BREAK}])?\Z)", "b": r"\b", "B": r"\B",
    "R": rf"(?:\r\n|[{_BREAK}\x0b\f])",
}  # fmt: skip
_END = r"(?=(?:\r\n|(?<!\r)\n|[\r\x85\u2028\u2029])?\Z)"
_FLAGS = re.compile(r"\(\?([idmsux]*)(?:-([idmsux]+))?([:)])")


def compile_regex(pattern: str) -> re.Pattern[str]:
    """Return a pattern of Java as one of Python.

    Raises:
        re.error: It is none, or has something that cannot be written in Python.
    """
    return re.compile(_Translator(pattern).translate(), re.ASCII)


def check_regex(name: str, value: Any) -> None:
    """Check a setting (`RegexValidator`)."""
    try:
        compile_regex(value)
    except (re.error, TypeError, OverflowError, RecursionError) as error:
        raise ConfigError.of(name, value, f"Invalid regex: {error}") from error


class _Translator:
    """Writes one pattern anew, from left to right."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0
        self._flags: set[str] = set()

    def _fail(self, message: str) -> re.error:
        return re.error(message, self._text, self._at)

    def translate(self) -> str:
        translated = self._alternatives()
        if self._at < len(self._text):
            raise self._fail("Unmatched closing ')'")
        return translated

    def _alternatives(self) -> str:
        """Translate up to the end or to the bracket that closes this group."""
        written: list[str] = []
        scopes: list[str] = []
        flags = set(self._flags)
        while self._at < len(self._text) and self._text[self._at] != ")":
            switched = _FLAGS.match(self._text, self._at)
            if switched is not None and switched[3] == ")":
                # Java takes flags anywhere; they hold up to the end of the group.
                self._at = switched.end()
                scopes.append(self._scope(switched))
                written.append(scopes[-1])
            elif self._text[self._at] == "|":
                self._at += 1
                written.append(")" * len(scopes) + "|" + "".join(scopes))
            else:
                written.append(self._piece())
        self._flags = flags
        return "".join(written) + ")" * len(scopes)

    def _scope(self, switched: re.Match[str]) -> str:
        if "d" in switched[1] + (switched[2] or "") or "x" in switched[1]:
            raise self._fail("the flags d and x are not supported")
        self._flags |= set(switched[1])
        self._flags -= set(switched[2] or "")
        on = "".join(sorted(set(switched[1]) & set("i")))
        off = "".join(sorted(set(switched[2] or "") & set("i")))
        return f"(?{on}-{off}:" if off else f"(?{on}:"

    def _piece(self) -> str:
        char = self._text[self._at]
        self._at += 1
        if char == "\\":
            return self._escape()
        if char == "[":
            return self._class()
        if char == "(":
            return self._group()
        if char == ".":
            return r"[\s\S]" if "s" in self._flags else f"[^{_BREAK}]"
        if char == "$":
            return rf"(?=[{_BREAK}]|\Z)" if "m" in self._flags else _END
        if char == "^":
            return r"(?:(?<=[\n\x85\u2028\u2029])|\A)" if "m" in self._flags else r"\A"
        return char

    def _group(self) -> str:
        start = self._at
        opening = "("
        switched = _FLAGS.match(self._text, start - 1)
        flags = set(self._flags)
        if switched is not None and switched[1] + (switched[2] or ""):
            self._at = switched.end()
            opening = self._scope(switched)
        elif self._text.startswith("?<", start) and self._text[start + 2 : start + 3] not in {
            "=",
            "!",
        }:
            end = self._text.find(">", start)
            opening = f"(?P{self._text[start + 1 : end + 1]}"
            self._at = end + 1
        elif self._text.startswith("?", start):
            head = re.compile(r"\?(?:<[=!]|[:=!>])").match(self._text, start)
            if head is None:
                raise self._fail("Unknown inline modifier")
            opening = "(" + head[0]
            self._at = head.end()
        inner = self._alternatives()
        self._flags = flags
        if self._text[self._at : self._at + 1] != ")":
            raise self._fail("Unclosed group")
        self._at += 1
        return f"{opening}{inner})"

    def _escape(self) -> str:
        letter = self._text[self._at : self._at + 1]
        if letter == "Q":
            end = self._text.find(r"\E", self._at)
            quoted = self._text[self._at + 1 : end if end >= 0 else len(self._text)]
            self._at = len(self._text) if end < 0 else end + 2
            return "".join(map(re.escape, quoted))
        if letter == "k":
            end = self._text.find(">", self._at)
            name = self._text[self._at + 2 : end]
            self._at = end + 1
            return f"(?P={name})"
        if letter in _ANCHORS:
            self._at += 1
            return _ANCHORS[letter]
        if letter.isdigit() and letter != "0":
            self._at += 1
            return f"(?:\\{letter})"
        one = self._escaped_set()
        return one if len(one) == 2 and one.startswith("\\") else f"[{one}]"

    def _escaped_set(self) -> str:
        """Return what an escape means within brackets."""
        letter = self._text[self._at : self._at + 1]
        if not letter:
            raise self._fail("Unexpected internal error")
        self._at += 1
        if letter in "pP":
            return self._property(negated=letter == "P")
        if letter.lower() in _SETS:
            if letter.isupper():
                return f"^{_SETS[letter.lower()]}"
            return _SETS[letter]
        if letter in "dDwWsStnrfa":
            return "\\" + letter
        if letter == "e":
            return r"\x1b"
        if letter == "c":
            self._at += 1
            return re.escape(chr(ord(self._text[self._at - 1]) ^ 64))
        number = re.compile(
            r"0([0-3]?[0-7]{1,2})|x([0-9a-fA-F]{2})|x\{([0-9a-fA-F]+)\}|u([0-9a-fA-F]{4})"
        ).match(self._text, self._at - 1)
        if number is not None:
            self._at = number.end()
            code = int(number[1], 8) if number[1] else int(number[2] or number[3] or number[4], 16)
            return re.escape(chr(code))
        if letter.isascii() and letter.isalpha():
            raise self._fail("Illegal/unsupported escape sequence")
        return re.escape(letter)

    def _property(self, *, negated: bool) -> str:
        match = re.compile(r"\{(?:general_category=|gc=)?(\w+)\}|(\w)").match(self._text, self._at)
        if match is None:
            raise self._fail("Unknown property")
        self._at = match.end()
        name = match[1] or match[2]
        if name in _ASCII:
            inside = _ASCII[name]
        else:
            category = _BINARY.get(name[2:]) if name.startswith("Is") else name
            category = name[2:] if category is None else category
            inside = _category(category)
            if not inside:
                raise self._fail(f"Unknown character property name {{{name}}}")
        return f"^{inside}" if negated else inside

    def _class(self) -> str:
        """Translate a class in brackets, which may hold others, and intersections."""
        negated = self._text.startswith("^", self._at)
        self._at += negated
        parts: list[list[str]] = [[]]
        simple, first = "", True
        while True:
            char = self._text[self._at : self._at + 1]
            if not char:
                raise self._fail("Unclosed character class")
            if char == "]" and not first:
                break
            first = False
            self._at += 1
            if char == "[":
                parts[-1].append(self._class())
            elif char == "&" and self._text.startswith("&", self._at):
                self._at += 1
                parts[-1] += [f"[{simple}]"] if simple else []
                simple = ""
                parts.append([])
            elif char == "\\":
                one = (
                    self._escaped_set()
                    if self._text[self._at : self._at + 1] != "Q"
                    else self._escape()
                )
                if one.startswith("^"):
                    parts[-1].append(f"[{one}]")
                else:
                    simple += one
            else:
                simple += "\\" + char if char in "^[" or (char == "&") else char
        self._at += 1
        if simple:
            parts[-1].append(f"[{simple}]")
        return _combined([part for part in parts if part], negated=negated)


def _combined(parts: list[list[str]], *, negated: bool) -> str:
    if len(parts) == 1 and len(parts[0]) == 1 and parts[0][0].startswith("["):
        only = parts[0][0]
        if not negated:
            return only
        if not only.startswith("[^"):
            return "[^" + only[1:]
    unions = ["(?:" + "|".join(part) + ")" for part in parts]
    both = "".join(f"(?={union})" for union in unions)
    return rf"(?:(?!{both})[\s\S])" if negated else rf"(?:{both}[\s\S])"


@cache
def _category(name: str) -> str:
    """Return all characters of a category of Unicode, as ranges."""
    ranges: list[str] = []
    start: int | None = None
    for code in range(sys.maxunicode + 2):
        inside = code <= sys.maxunicode and unicodedata.category(chr(code)).startswith(name)
        if inside and start is None:
            start = code
        elif not inside and start is not None:
            last = code - 1
            ranges.append(f"\\U{start:08x}" + (f"-\\U{last:08x}" if last > start else ""))
            start = None
    return "".join(ranges)


def replace_first(pattern: re.Pattern[str], replacement: str, text: str) -> str:
    """Return a text with the first match replaced, as `Matcher.replaceFirst` does.

    Raises:
        DataError: The replacement names a group that is not there.
    """
    match = pattern.search(text)
    if match is None:
        return text
    return text[: match.start()] + _expand(match, replacement) + text[match.end() :]


def _expand(match: re.Match[str], replacement: str) -> str:
    written, at = "", 0
    while at < len(replacement):
        char = replacement[at]
        at += 1
        if char == "\\":
            if at == len(replacement):
                raise DataError("character to be escaped is missing")
            written += replacement[at]
            at += 1
        elif char == "$":
            name, at = _reference(match, replacement, at)
            try:
                written += match[name] or ""
            except IndexError:
                told = (
                    f"No group {name}"
                    if isinstance(name, int)
                    else f"No group with name {{{name}}}"
                )
                raise DataError(told) from None
        else:
            written += char
    return written


def _reference(match: re.Match[str], replacement: str, at: int) -> tuple[str | int, int]:
    """Return the group that `$` means, and where the replacement goes on."""
    named = re.compile(r"\{([a-zA-Z][a-zA-Z0-9]*)\}").match(replacement, at)
    if named is not None:
        return named[1], named.end()
    if not replacement[at : at + 1].isdigit():
        if at == len(replacement):
            raise DataError("Illegal group reference: group index is missing")
        raise DataError("Illegal group reference")
    number, at = int(replacement[at]), at + 1
    while replacement[at : at + 1].isdigit():
        longer = number * 10 + int(replacement[at])
        if longer > match.re.groups:
            break
        number, at = longer, at + 1
    return number, at
