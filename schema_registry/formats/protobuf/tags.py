"""Tags inside of Protobuf files: `tags` of the options `confluent.message_meta` and `field_meta`.

Confluent: `ProtobufSchema.inlineTaggedEntities`, `ProtobufSchema.copy(tagsToAdd, tagsToRemove)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from proto_schema_parser import ast

from aliran.schema_registry.formats.protobuf.printer import escaped, unescaped
from aliran.schema_registry.formats.tagging import FIELD, RECORD, changed_tags, found_tags
from aliran.schema_registry.models import SchemaTags

_FILE = "confluent/meta.proto"
_META = {RECORD: "(confluent.message_meta)", FIELD: "(confluent.field_meta)"}
_TAGS = "tags"


@dataclass(frozen=True, slots=True)
class _Part:
    """A message or a field.

    Attributes:
        options: Where its options stand, with other things in a message.
        meta: The option that its tags are in.
    """

    options: list[Any]
    meta: str

    def values(self) -> list[ast.MessageLiteralField]:
        """Return what the option holds: `(o) = {a: 1}` and `(o).a = 1` are the same."""
        found: list[ast.MessageLiteralField] = []
        for option in filter(self.is_meta, self.options):
            name = option.name.rpartition(")")[2].removeprefix(".")
            if name:
                found.append(ast.MessageLiteralField(name, option.value))
            elif isinstance(option.value, ast.MessageLiteral):
                elements = option.value.elements
                found += [one for one in elements if isinstance(one, ast.MessageLiteralField)]
        return found

    def is_meta(self, element: Any) -> bool:
        """Return whether something is the option, or a field of it."""
        return isinstance(element, ast.Option) and element.name.replace("(.", "(").startswith(
            self.meta
        )


def tagged(file: ast.File) -> list[SchemaTags]:
    """Return all parts of a file that have tags."""
    return found_tags(dict(_parts(file.file_elements, "")), _tags)


def change_tags(file: ast.File, add: list[SchemaTags], remove: list[SchemaTags]) -> None:
    """Add tags to parts of a file, and take others away.

    Raises:
        InvalidSchemaError: There is no such part.
    """
    parts = dict(_parts(file.file_elements, ""))
    for part, tags in changed_tags(parts, _tags, add, remove):
        fields = [one for one in part.values() if one.name != _TAGS]
        if tags:
            fields.append(ast.MessageLiteralField(_TAGS, [escaped(tag) for tag in tags]))
        kept = [one for one in part.options if not part.is_meta(one)]
        if fields:
            kept.append(ast.Option(part.meta, ast.MessageLiteral(list(fields))))
        part.options[:] = kept
    imports = {one.name for one in file.file_elements if isinstance(one, ast.Import)}
    if add and _FILE not in imports:
        file.file_elements.append(ast.Import(_FILE))


def _parts(elements: list[Any], scope: str) -> Iterator[tuple[tuple[str, str], _Part]]:
    for one in elements:
        if isinstance(one, ast.Message):
            path = f"{scope}{one.name}"
            yield (RECORD, path), _Part(one.elements, _META[RECORD])
            yield from _parts(one.elements, f"{path}.")
        elif isinstance(one, ast.OneOf):
            yield from _parts(one.elements, scope)
        elif isinstance(one, ast.Field | ast.MapField) and scope:
            yield (FIELD, f"{scope}{one.name}"), _Part(one.options, _META[FIELD])


def _tags(part: _Part) -> list[str]:
    found: list[str] = []
    for one in part.values():
        if one.name == _TAGS:
            values = one.value if isinstance(one.value, list) else [one.value]
            found += [unescaped(str(value)) for value in values]
    return list(dict.fromkeys(found))
