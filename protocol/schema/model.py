"""Reads the message table: `load("produce")` gives the API's messages as plain objects.

Nothing here knows how a field is written to the wire; that is the compiler's part.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

MAX_VERSION = 32767

FIXED_FORMATS = {
    "int8": "b",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "int64": "q",
    "float64": "d",
    "bool": "?",
    "uuid": "16s",
}
"""`struct` format of every type whose size does not depend on its value."""

VARIABLE_TYPES = frozenset({"string", "bytes", "records"})


class SchemaError(ValueError):
    """A line of the table cannot be read; raised while developing only."""


class Versions:
    """A closed range of versions."""

    __slots__ = ("first", "last")

    def __init__(self, first: int, last: int) -> None:
        self.first: int = first
        self.last: int = last

    @classmethod
    def parse(cls, text: str) -> Versions:
        """Read `4+`, `0-12` or `3`."""
        if text.endswith("+"):
            return cls(int(text[:-1]), MAX_VERSION)
        first, _, last = text.partition("-")
        return cls(int(first), int(last or first))

    def __contains__(self, version: int) -> bool:
        return self.first <= version <= self.last

    def __str__(self) -> str:
        if self.last == MAX_VERSION:
            return f"{self.first}+"
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


EVERY_VERSION = Versions(0, MAX_VERSION)


class Field:
    """One field of a struct.

    Attributes:
        name: Its name in Python.
        type: The element's type: a primitive's name or a struct's.
        is_array: Whether it is an array of `type`.
        struct: The fields, when `type` is a struct.
        versions: Where it exists.
        nullable: Where it may be null, or None.
        default: Its default as the table writes it; None means null.
        tag: Its number in the tagged section, or None.
    """

    __slots__ = ("default", "is_array", "name", "nullable", "struct", "tag", "type", "versions")

    def __init__(self, line: str) -> None:
        name, _, rest = line.partition(": ")
        words = rest.split()
        self.name: str = name
        self.struct: Struct | None = None
        self.tag: int | None = None
        self.versions: Versions = EVERY_VERSION
        self.nullable: Versions | None = None
        kind, question, nullable = words.pop(0).partition("?")
        if question:
            self.nullable = Versions.parse(nullable) if nullable else EVERY_VERSION
        self.is_array: bool = kind.startswith("[]")
        self.type: str = kind.removeprefix("[]")
        if words and words[0][0].isdigit():
            self.versions = Versions.parse(words.pop(0))
        self.default: str | None = self._usual_default()
        while words:
            word, value = words.pop(0), words.pop(0)
            if word == "=":
                self.default = None if value == "null" else value
            elif word == "tag":
                self.tag = int(value)
                if self.is_struct:
                    self.default = None
            else:
                raise SchemaError(f"{word!r} in {line!r}: expected '= default' or 'tag N'")

    @property
    def is_struct(self) -> bool:
        """Whether this is one struct (not an array)."""
        return not self.is_array and self.type[0].isupper()

    def _usual_default(self) -> str | None:
        if self.is_array or self.is_struct:
            return ""
        if self.type in VARIABLE_TYPES:
            null_always = self.nullable is EVERY_VERSION or self.type == "records"
            return None if null_always else ""
        return "false" if self.type == "bool" else "0"


class Struct:
    """A named list of fields: a message or a part of one."""

    __slots__ = ("fields", "name")

    def __init__(self, name: str) -> None:
        self.name: str = name
        self.fields: list[Field] = []

    def same_fields(self, other: Struct) -> bool:
        """Tell whether both have fields of the same names, types and defaults."""
        return len(self.fields) == len(other.fields) and all(
            (a.name, a.type, a.is_array, a.default) == (b.name, b.type, b.is_array, b.default)
            for a, b in zip(self.fields, other.fields, strict=True)
        )


class Api:
    """One kind of request with its response.

    Attributes:
        key: Kafka's API key.
        name: Kafka's name, such as `CreateTopics`.
        versions: What the codec can read and write.
        flexible: The versions with compact lengths and tagged fields, or None.
        request: The request's fields.
        response: The response's fields.
    """

    __slots__ = ("flexible", "key", "name", "request", "response", "versions")

    def __init__(self, text: str) -> None:
        self.key: int = -1
        self.name: str = ""
        self.versions: Versions = EVERY_VERSION
        self.flexible: Versions | None = None
        self.request: Struct = Struct("")
        self.response: Struct = Struct("")
        self._read([line for line in text.splitlines() if line and not line.startswith("#")])

    def _read(self, lines: list[str]) -> None:
        position = 0
        while position < len(lines):
            word, *values = lines[position].split()
            position += 1
            match word:
                case "api":
                    self.key, self.name = int(values[0]), values[1]
                case "versions":
                    self.versions = Versions.parse(values[0])
                case "flexible":
                    self.flexible = Versions.parse(values[0])
                case "request" | "response":
                    struct = Struct(values[0])
                    position = _read_fields(lines, position, 2, struct, {})
                    setattr(self, word, struct)
                case _:
                    raise SchemaError(f"{lines[position - 1]!r} in the table of {self.name}")


def _read_fields(
    lines: list[str], position: int, indent: int, struct: Struct, known: dict[str, Struct]
) -> int:
    """Read the fields at `indent` into `struct`; return the position of the first other line."""
    while position < len(lines):
        line = lines[position]
        if len(line) - len(line.lstrip()) < indent:
            break
        field = Field(line.strip())
        struct.fields.append(field)
        position += 1
        if field.type[0].isupper():
            if field.type not in known:
                known[field.type] = Struct(field.type)
                position = _read_fields(lines, position, indent + 2, known[field.type], known)
            field.struct = known[field.type]
        elif field.type not in FIXED_FORMATS and field.type not in VARIABLE_TYPES:
            raise SchemaError(f"{line!r}: there is no type {field.type!r}")
    return position


SCHEMA_DIRECTORY = Path(__file__).parent


def names() -> list[str]:
    """Return the table's file names without their ending, in alphabetical order."""
    return sorted(path.stem for path in SCHEMA_DIRECTORY.glob("*.txt"))


@cache
def load(name: str) -> Api:
    """Return the API described by `<name>.txt`."""
    return Api((SCHEMA_DIRECTORY / f"{name}.txt").read_text(encoding="utf-8"))
