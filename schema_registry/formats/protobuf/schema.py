"""The format PROTOBUF: compiles a schema, prints it, compares it with others."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from antlr4.error.ErrorListener import ErrorListener
from proto_schema_parser import ast
from proto_schema_parser.parser import Parser

from aliran.schema_registry.errors import InvalidSchemaError
from aliran.schema_registry.formats.base import Incompatibility, ParsedSchema
from aliran.schema_registry.formats.protobuf import rules, tags
from aliran.schema_registry.formats.protobuf.comments import plain
from aliran.schema_registry.formats.protobuf.comparison import differences
from aliran.schema_registry.formats.protobuf.compiling import (
    ROOT,
    compile_schema,
    descriptor_of,
)
from aliran.schema_registry.formats.protobuf.from_descriptor import file_of
from aliran.schema_registry.formats.protobuf.printer import Printer
from aliran.schema_registry.models import CompatibilityPolicy, SchemaTags, SchemaType


class ProtobufSchema:
    """A valid Protobuf file. Confluent: `ProtobufSchema`."""

    schema_type: SchemaType = "PROTOBUF"

    def __init__(self, text: str, references: Mapping[str, str]) -> None:
        self.files: list[Any] = compile_schema(text, references)
        self._references = references
        given = descriptor_of(text)
        # Names of types stay as they were written; a descriptor has them in full.
        self._file = _parsed(text) if given is None else file_of(given, self.files)

    @cached_property
    def canonical(self) -> str:
        """The text as Confluent prints it: no comments, messages before enums."""
        return Printer().file(self._file)

    @property
    def name(self) -> str | None:
        """Full name of the first message."""
        file = self.files[-1]
        if not file.message_type:
            return None
        name = str(file.message_type[0].name)
        return f"{file.package}.{name}" if file.package else name

    def normalized(self) -> ProtobufSchema:
        """Return it with types named in full, maps as maps, and everything else in order."""
        return ProtobufSchema(self._normal_text, self._references)

    @cached_property
    def _normal_text(self) -> str:
        return Printer(normalize=True).file(file_of(self.files[-1], self.files, with_maps=True))

    def formatted(self, form: str) -> str:
        """Return its text, its descriptor in base64, or its text without extensions."""
        if form == "serialized":
            proto = type(self.files[-1])()
            proto.CopyFrom(self.files[-1])
            if proto.name == ROOT:
                proto.name = "default"
            return base64.standard_b64encode(proto.SerializeToString()).decode("ascii")
        if form == "ignore_extensions":
            return Printer(ignore_extensions=True).file(self._file)
        return self.canonical

    def has_top_level_field(self, name: str) -> bool:
        """Return whether a message, not one inside of another, has a field of this name.

        Fields of a oneof do not count, as with Confluent.
        """
        return any(
            field.name == name and (field.proto3_optional or not field.HasField("oneof_index"))
            for message in self.files[-1].message_type
            for field in message.field
        )

    def tags(self) -> list[SchemaTags]:
        """Return the parts of it that have tags."""
        return tags.tagged(self._file)

    def retagged(self, add: list[SchemaTags], remove: list[SchemaTags]) -> str:
        """Return its text with tags added to parts of it, and others taken away.

        Raises:
            InvalidSchemaError: There is no such part.
        """
        copy = _parsed(self.canonical)
        tags.change_tags(copy, add, remove)
        return Printer().file(copy)

    def read_incompatibilities(
        self, writer: ParsedSchema, policy: CompatibilityPolicy = "STRICT"
    ) -> list[Incompatibility]:
        """Return why it cannot read everything that `writer` wrote; there is one policy."""
        del policy
        if not isinstance(writer, ProtobufSchema):
            raise TypeError(f"a Protobuf schema is compared with another, got {writer!r}")
        found = dict.fromkeys(differences(writer.files, self.files))
        return [
            rules.incompatibility(each.rule, each.pointer)
            for each in found
            if each.rule in rules.REFUSALS
        ]


def _parsed(text: str) -> ast.File:
    """Return the parsed form of a text that protoc has taken."""
    parser = Parser(setup_lexer=_let_complain, setup_parser=_let_complain)
    try:
        return parser.parse(plain(text))
    except (ValueError, TypeError, AttributeError, IndexError) as error:
        raise InvalidSchemaError(
            f"the schema is valid, but in a form that cannot be printed: {error}"
        ) from error


def _let_complain(recognizer: Any) -> None:
    recognizer.removeErrorListeners()
    recognizer.addErrorListener(_Complaints())


class _Complaints(ErrorListener):  # type: ignore[misc]
    """Raises what the parser would print."""

    def syntaxError(  # noqa: N802 - the library's name and arguments
        self, recognizer: Any, symbol: Any, line: int, column: int, message: str, error: Any
    ) -> None:
        """Refuse the text."""
        del recognizer, symbol, error
        raise InvalidSchemaError(f"{ROOT}:{line}:{column + 1}: {message[:200]}")


class ProtobufFormat:
    """Makes `ProtobufSchema`s. Confluent: `ProtobufSchemaProvider`."""

    schema_type: SchemaType = "PROTOBUF"

    def parse(
        self, text: str, references: Mapping[str, str], *, is_new: bool = False
    ) -> ProtobufSchema:
        """Compile a schema, which is text or base64 of a FileDescriptorProto.

        Args:
            text: The schema.
            references: The files it imports, by path; Google's and Confluent's need none.
            is_new: Makes no difference.

        Raises:
            InvalidSchemaError: It is not valid; says in which file and line.
        """
        del is_new
        try:
            return ProtobufSchema(text, references)
        except RecursionError as error:
            raise InvalidSchemaError("the schema is nested too deeply") from error
