"""What a reader's Avro schema cannot read of a writer's, with Confluent's messages.

The rules are those of Java's `SchemaCompatibility`; the texts those of Confluent's
`avro.Difference`, in which `%s` stands for which of the two schemas is the new one.
"""

from __future__ import annotations

from aliran.schema_registry.formats.avro.canonical import to_text
from aliran.schema_registry.formats.avro.types import (
    MISSING,
    Array,
    AvroType,
    Enum,
    Field,
    Fixed,
    Map,
    Named,
    Record,
    Union,
    kind,
)
from aliran.schema_registry.formats.base import Incompatibility

_PROMOTIONS = {
    "long": {"int"},
    "float": {"int", "long"},
    "double": {"int", "long", "float"},
    "bytes": {"string"},
    "string": {"bytes"},
}

_TEXTS = {
    "FIXED_SIZE_MISMATCH": (
        "The size of FIXED type field at path '{path}' in the %s schema does not match with the "
        "%s schema"
    ),
    "TYPE_MISMATCH": (
        "The type (path '{path}') of a field in the %s schema does not match with the %s schema"
    ),
    "NAME_MISMATCH": "The name of the schema has changed (path '{path}')",
    "MISSING_ENUM_SYMBOLS": (
        "The %s schema is missing enum symbols '{info}' at path '{path}' in the %s schema"
    ),
    "MISSING_UNION_BRANCH": (
        "The %s schema is missing a type inside a union field at path '{path}' in the %s schema"
    ),
    "READER_FIELD_MISSING_DEFAULT_VALUE": (
        "The field '{info}' at path '{path}' in the %s schema has no default value and is missing "
        "in the %s schema"
    ),
}


def read_incompatibilities(reader: AvroType, writer: AvroType) -> list[Incompatibility]:
    """Return why `reader` cannot read what `writer` wrote; empty when it can read all of it."""
    checker = _Checker()
    try:
        checker.check(reader, writer)
    except _AmbiguousFieldError as error:
        message = f"Unexpected exception during compatibility check: {error}"
        hint = "take away the aliases that name fields of the other schema twice"
        return [Incompatibility("AMBIGUOUS_FIELD", "/", message, hint)]
    return checker.found


class _AmbiguousFieldError(Exception):
    """A field has the name of one field of the writer's, and an alias that names another."""


class _Checker:
    """One comparison: where it is, what it found, and which pairs it has been at."""

    def __init__(self) -> None:
        self.found: list[Incompatibility] = []
        self._location: list[str] = []
        self._results: dict[tuple[int, int], list[Incompatibility]] = {}

    def check(self, reader: AvroType, writer: AvroType, at: str = "") -> None:
        """Compare two types; what was compared before gives the same again, where it was."""
        pair = (id(reader), id(writer))
        known = self._results.get(pair)
        if known is not None:
            self.found += known
            return
        self._results[pair] = []  # a type that contains itself: nothing is wrong so far
        if at:
            self._location.append(at)
        before, self.found = self.found, []
        self._compare(reader, writer)
        self._results[pair] = self.found
        self.found = before + self.found
        if at:
            self._location.pop()

    def _can_read(self, reader: AvroType, writer: AvroType) -> bool:
        before, self.found = self.found, []
        self.check(reader, writer)
        result, self.found = not self.found, before
        return result

    def _compare(self, reader: AvroType, writer: AvroType) -> None:
        if isinstance(reader, Named) and isinstance(writer, Named) and kind(reader) == kind(writer):
            self._check_named(reader, writer)
        elif isinstance(reader, Array) and isinstance(writer, Array):
            self.check(reader.items, writer.items, "items")
        elif isinstance(reader, Map) and isinstance(writer, Map):
            self.check(reader.values, writer.values, "values")
        elif isinstance(writer, Union):
            self._check_branches(reader, writer)
        elif isinstance(reader, Union):
            if not any(self._can_read(branch, writer) for branch in reader.branches):
                self._lacks_branch(writer)
        elif reader.type != writer.type and writer.type not in _PROMOTIONS.get(reader.type, ()):
            self._add(
                "TYPE_MISMATCH",
                f"reader type: {kind(reader)} not compatible with writer type: {kind(writer)}",
                f"keep the type {writer.type}, or use a union of both",
            )

    def _check_branches(self, reader: AvroType, writer: Union) -> None:
        for position, branch in enumerate(writer.branches):
            if not isinstance(reader, Union):
                self.check(reader, branch, str(position))
                continue
            self._location.append(str(position))
            if not self._can_read(reader, branch):
                self._lacks_branch(branch)
            self._location.pop()

    def _lacks_branch(self, writer: AvroType) -> None:
        self._add(
            "MISSING_UNION_BRANCH",
            f"reader union lacking writer type: {kind(writer)}",
            f"add {writer.type} to the union",
        )

    def _check_named(self, reader: Named, writer: Named) -> None:
        if reader.name != writer.name and writer.full_name not in reader.aliases:
            self._add(
                "NAME_MISMATCH",
                f"expected: {writer.full_name}",
                f"give {reader.full_name} the alias {writer.full_name}",
                "name",
            )
        if isinstance(reader, Fixed) and isinstance(writer, Fixed) and reader.size != writer.size:
            self._add(
                "FIXED_SIZE_MISMATCH",
                f"expected: {writer.size}, found: {reader.size}",
                f"keep the size {writer.size}",
                "size",
            )
        if isinstance(reader, Enum) and isinstance(writer, Enum):
            missing = sorted(set(writer.symbols) - set(reader.symbols))
            if missing and reader.default not in reader.symbols:
                self._add(
                    "MISSING_ENUM_SYMBOLS",
                    f"[{', '.join(missing)}]",
                    f"keep the symbols {', '.join(missing)}, or give {reader.name} a default",
                    "symbols",
                )
        if isinstance(reader, Record) and isinstance(writer, Record):
            self._check_fields(reader, writer)

    def _check_fields(self, reader: Record, writer: Record) -> None:
        fields = {field.name: field for field in writer.fields}
        self._location.append("fields")
        for position, field in enumerate(reader.fields):
            self._location.append(str(position))
            written = [fields[name] for name in (field.name, *field.aliases) if name in fields]
            if len(written) > 1:
                raise _AmbiguousFieldError(
                    f"Reader record field {field.name} type:{kind(field.type)} pos:{position} "
                    f"matches multiple fields in writer record schema {to_text(writer, set())}"
                )
            if written:
                self.check(field.type, written[0].type, "type")
            elif field.default is MISSING:
                self._check_missing(field, writer)
            self._location.pop()
        self._location.pop()

    def _check_missing(self, field: Field, writer: Record) -> None:
        if isinstance(field.type, Enum) and field.type.default is not None:
            self.check(field.type, writer, "type")
            return
        self._add(
            "READER_FIELD_MISSING_DEFAULT_VALUE",
            field.name,
            f"give the field {field.name} a default",
        )

    def _add(self, rule: str, info: str, hint: str, at: str = "") -> None:
        path = "/" + "/".join([*self._location, at] if at else self._location)
        description = _TEXTS[rule].format(path=path, info=info)
        self.found.append(
            Incompatibility(
                rule=rule,
                path=path,
                message=f"{{errorType:'{rule}', description:'{description}', "
                f"additionalInfo:'{info}'}}",
                hint=hint,
            )
        )
