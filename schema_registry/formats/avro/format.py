"""`AvroFormat`: Avro for the registry. Confluent: `AvroSchemaProvider`, `AvroSchema`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from aliran.schema_registry.formats.avro import compatibility
from aliran.schema_registry.formats.avro.canonical import to_normal_text, to_text
from aliran.schema_registry.formats.avro.parse import parse
from aliran.schema_registry.formats.avro.types import (
    Array,
    AvroType,
    Map,
    Named,
    Record,
    Union,
)
from aliran.schema_registry.formats.base import Incompatibility, ParsedSchema
from aliran.schema_registry.models import CompatibilityPolicy, SchemaType


class AvroSchema:
    """A valid Avro schema, with the named types it refers to."""

    schema_type: SchemaType = "AVRO"

    def __init__(self, text: str, references: Mapping[str, str], *, strict: bool) -> None:
        self.type: AvroType
        *referred, self.type = parse([*references.values(), text], strict=strict)
        self._references = dict(references)
        self._strict = strict
        self._known: set[str] = set()
        for node in referred:
            _collect_names(node, self._known)

    @cached_property
    def canonical(self) -> str:
        """Java's `Schema.toString()`; types of references stay names."""
        return to_text(self.type, self._known)

    @property
    def name(self) -> str | None:
        """Full name of a record, None for other types."""
        return self.type.full_name if isinstance(self.type, Record) else None

    def normalized(self) -> ParsedSchema:
        """Return it in the form in which attributes have one order and names are in full."""
        text = to_normal_text(self.type, self._known)
        return AvroSchema(text, self._references, strict=self._strict)

    def formatted(self, form: str) -> str:
        """Return its text; "resolved" has the types of references in it."""
        return to_text(self.type, set()) if form.lower() == "resolved" else self.canonical

    def read_incompatibilities(
        self, writer: ParsedSchema, policy: CompatibilityPolicy = "STRICT"
    ) -> list[Incompatibility]:
        """Return why it cannot read everything that `writer` wrote; Avro knows one policy."""
        del policy
        assert isinstance(writer, AvroSchema)
        return compatibility.read_incompatibilities(self.type, writer.type)


class AvroFormat:
    """Makes parsed Avro schemas."""

    schema_type: SchemaType = "AVRO"

    def parse(
        self, text: str, references: Mapping[str, str], *, is_new: bool = False
    ) -> ParsedSchema:
        """Parse and validate; new schemas must have valid names, and defaults that fit."""
        return AvroSchema(text, references, strict=is_new)


def _collect_names(node: AvroType, names: set[str]) -> None:
    """Add the full names of all types that are defined in a schema."""
    if isinstance(node, Array):
        _collect_names(node.items, names)
    elif isinstance(node, Map):
        _collect_names(node.values, names)
    elif isinstance(node, Union):
        for branch in node.branches:
            _collect_names(branch, names)
    elif isinstance(node, Named) and node.full_name not in names:
        names.add(node.full_name)
        if isinstance(node, Record):
            for field in node.fields:
                _collect_names(field.type, names)
