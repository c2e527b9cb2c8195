"""Python source under construction, and what the encoder's and the decoder's writers share."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from aliran.protocol import primitives
from aliran.protocol.errors import ProtocolError
from aliran.protocol.schema.model import FIXED_FORMATS, Api, Field, Struct

INT_CODES = {name: FIXED_FORMATS[name] for name in ("int8", "int16", "int32", "int64")}
"""The types whose arrays are packed at once, with their `struct` codes."""

_READERS = {name: primitives.IntReaders(code) for name, code in INT_CODES.items()}
_PACKERS = {name: primitives.IntPackers(code) for name, code in INT_CODES.items()}
_COMPACT_PACKERS = {name: primitives.CompactIntPackers(code) for name, code in INT_CODES.items()}


class Source:
    """Lines of one function that handles one message in one version.

    Attributes:
        version: The version of the message.
        flexible: Whether lengths are compact and structs end in a tagged section.
        namespace: The global names the function will see.
    """

    def __init__(self, api: Api, version: int, classes: ModuleType) -> None:
        self.version = version
        self.flexible: bool = api.flexible is not None and version in api.flexible
        self.namespace: dict[str, Any] = {
            "new": object.__new__,
            "ZERO_UUID": primitives.ZERO_UUID,
            "ProtocolError": ProtocolError,
            "read_uvarint": primitives.read_uvarint,
            "skip_tags": primitives.skip_tags,
            "uuid_of": primitives.uuid_of,
            "uvarint": primitives.uvarint,
            "V": primitives.UVARINTS,
        }
        for name, code in INT_CODES.items():
            self.namespace[f"READ_{code}"] = _READERS[name]
            packers = _COMPACT_PACKERS if self.flexible else _PACKERS
            self.namespace[f"PACK_{code}"] = packers[name]
        self._classes = classes
        self._lines: list[str] = []
        self._depth = 1
        self._names = 0

    def line(self, text: str) -> None:
        """Add one line at the current depth."""
        self._lines.append("    " * self._depth + text)

    @contextmanager
    def block(self, header: str) -> Iterator[None]:
        """Add `header` and indent what is added inside of the `with`."""
        self.line(header)
        self._depth += 1
        yield
        self._depth -= 1

    def name(self, prefix: str) -> str:
        """Return a variable name not used yet."""
        self._names += 1
        return f"{prefix}{self._names}"

    def class_name(self, struct_: Struct) -> str:
        """Make the struct's class known to the function; return its name there."""
        self.namespace[struct_.name] = getattr(self._classes, struct_.name)
        return struct_.name

    def packing(self, codes: str, method: str) -> str:
        """Make a method of `struct.Struct(codes)` known to the function; return its name there."""
        name = f"{method}_{codes.replace('?', 't')}"
        self.namespace[name] = getattr(struct.Struct(f">{codes}"), method)
        return name

    def fields(self, struct_: Struct) -> list[Field]:
        """Return the fields that travel in this version in the struct's body, in order."""
        return [f for f in struct_.fields if self.version in f.versions and f.tag is None]

    def tagged_fields(self, struct_: Struct) -> list[Field]:
        """Return the fields that may travel in the struct's tagged section, by tag."""
        tagged = [f for f in struct_.fields if self.version in f.versions and f.tag is not None]
        return sorted(tagged, key=lambda field: field.tag or 0)

    def is_nullable(self, field: Field) -> bool:
        """Tell whether the field may be null in this version."""
        return field.nullable is not None and self.version in field.nullable

    def minimum_size(self, field: Field) -> int:
        """Return the fewest bytes that one `field.type` (the element, for an array) can take."""
        if field.struct is None:
            if field.type in FIXED_FORMATS:
                return struct.calcsize(f">{FIXED_FORMATS[field.type]}")
            return 1 if self.flexible else 2 if field.type == "string" else 4
        size = int(self.flexible)
        for inner in self.fields(field.struct):
            if inner.is_array:
                size += 1 if self.flexible else 4
            elif inner.is_struct and self.is_nullable(inner):
                size += 1
            else:
                size += self.minimum_size(inner)
        return size

    def text(self, header: str) -> str:
        """Return the whole function."""
        return "\n".join([header, *self._lines, ""])


def default_source(source: Source, field: Field) -> str:
    """Return an expression that makes a fresh default value of the field."""
    if field.default is None:
        return "None"
    if field.is_array:
        return "[]"
    if field.struct is not None:
        return f"{source.class_name(field.struct)}()"
    match field.type:
        case "string":
            return repr(field.default)
        case "bytes" | "records":
            return "b''"
        case "uuid":
            return "ZERO_UUID"
        case "bool":
            return field.default.capitalize()
    return field.default
