"""`AvroFormat`: Avro for the registry. Confluent: `AvroSchemaProvider`, `AvroSchema`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from aliran.schema_registry.formats.avro import compatibility
from aliran.schema_registry.formats.avro.canonical import to_normal_text, to_text
from aliran.schema_registry.formats.avro.parse import parse
from aliran.schema_registry.formats.avro.tags import change_tags, tagged
from aliran.schema_registry.formats.avro.types import AvroType, Named, Record
from aliran.schema_registry.formats.base import Incompatibility, ParsedSchema
from aliran.schema_registry.models import CompatibilityPolicy, SchemaTags, SchemaType


class AvroSchema:
    """A valid Avro schema, with the named types it refers to."""

    schema_type: SchemaType = "AVRO"

    def __init__(self, text: str, references: Mapping[str, str], *, strict: bool) -> None:
        self.type: AvroType
        *referred, self.type = parse([*references.values(), text], strict=strict)
        self._references = dict(references)
        self._strict = strict
        # Types inside of referenced ones are written out, as Java does.
        self._known = {node.full_name for node in referred if isinstance(node, Named)}

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

    def has_top_level_field(self, name: str) -> bool:
        """Return whether it is a record with a field of this name."""
        return isinstance(self.type, Record) and any(one.name == name for one in self.type.fields)

    def tags(self) -> list[SchemaTags]:
        """Return the parts of it that have tags."""
        return tagged(self.type)

    def retagged(self, add: list[SchemaTags], remove: list[SchemaTags]) -> str:
        """Return its text with tags added to parts of it, and others taken away.

        Raises:
            InvalidSchemaError: There is no such part.
        """
        [*_, copy] = parse([*self._references.values(), self.canonical], strict=False)
        change_tags(copy, add, remove)
        return to_text(copy, self._known)

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
