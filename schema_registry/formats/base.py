"""What a format of schemas (Avro, JSON Schema, Protobuf) gives the registry. No I/O, no state.

The registry compares in one direction only: "can this schema read what that one wrote". FORWARD is
the same question with the two exchanged, FULL is both; `compatibility.py` knows that, formats do
not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from aliran.schema_registry.models import CompatibilityPolicy, SchemaTags, SchemaType


@dataclass(frozen=True, slots=True)
class Incompatibility:
    """One reason why a schema cannot read what another one wrote.

    Attributes:
        rule: Confluent's name of the rule that is broken, such as
            `READER_FIELD_MISSING_DEFAULT_VALUE` or `PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL`.
        path: Where in the schema, as Confluent writes it: `/fields/2`, `#/properties/name`.
        message: Confluent's whole text of this difference, as in `messages` of a verbose answer.
        hint: What change would make it pass, a sentence of ours.
    """

    rule: str
    path: str
    message: str
    hint: str


class ParsedSchema(Protocol):
    """A schema that is valid. Parsed once, kept, compared many times; immutable."""

    @property
    def schema_type(self) -> SchemaType:
        """Its format."""
        ...

    @property
    def canonical(self) -> str:
        """The text that is stored and returned: equal texts are one schema."""
        ...

    @property
    def name(self) -> str | None:
        """Full name of its type (record, message, title), None where it has none."""
        ...

    def normalized(self) -> ParsedSchema:
        """Return it in the form of `normalize=true`, which ignores differences without meaning."""
        ...

    def formatted(self, form: str) -> str:
        """Return its text in one of Confluent's forms; an unknown form gives `canonical`.

        Args:
            form: "" for `canonical`; "resolved" with references inlined (Avro, JSON Schema);
                "serialized" for base64 of the descriptor, "ignore_extensions" (Protobuf).
        """
        ...

    def has_top_level_field(self, name: str) -> bool:
        """Return whether its outermost type has a field of this name."""
        ...

    def tags(self) -> list[SchemaTags]:
        """Return the parts of it that have tags."""
        ...

    def retagged(self, add: list[SchemaTags], remove: list[SchemaTags]) -> str:
        """Return its text with tags added to parts of it, and others taken away.

        Raises:
            InvalidSchemaError: There is no such part.
        """
        ...

    def read_incompatibilities(
        self, writer: ParsedSchema, policy: CompatibilityPolicy = "STRICT"
    ) -> list[Incompatibility]:
        """Return why it cannot read everything that `writer`, of the same format, wrote."""
        ...


class SchemaFormat(Protocol):
    """Makes parsed schemas of one type."""

    @property
    def schema_type(self) -> SchemaType:
        """Which one."""
        ...

    def parse(
        self, text: str, references: Mapping[str, str], *, is_new: bool = False
    ) -> ParsedSchema:
        """Parse and validate.

        Args:
            text: The schema as the user sent it.
            references: Texts of all schemas it uses, directly or not, by the name under which it
                uses them, those without references of their own first.
            is_new: Whether it is being registered: stricter (defaults must fit their types; names
                that clients cannot use are refused).

        Raises:
            InvalidSchemaError: It is not valid; the message says where and why.
        """
        ...
