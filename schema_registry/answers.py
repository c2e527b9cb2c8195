"""What the registry answers, as data: field names are Confluent's."""

from __future__ import annotations

import msgspec

from aliran.schema_registry.guid import guid_text
from aliran.schema_registry.models import (
    Association,
    Metadata,
    Model,
    Reference,
    Registered,
    RuleSet,
    SchemaTags,
)


class SchemaAnswer(Model, frozen=True, kw_only=True):
    """A version, or the content behind an id. Confluent: `Schema`, `SchemaString`."""

    subject: str | None = None
    version: int | None = None
    id: int | None = None
    guid: str
    schema_type: str
    references: tuple[Reference, ...] = ()
    metadata: Metadata | None = None
    rule_set: RuleSet | None = None
    schema: str
    schema_tags: list[SchemaTags] | None = None
    max_id: int | None = None
    timestamp_ms: int = msgspec.field(name="ts")
    deleted: bool
    aliases: list[str] | None = None
    associations: list[Association] | None = None


def answer(row: Registered, text: str | None = None) -> SchemaAnswer:
    """Return a version with all that is known of it, its text in another form if given."""
    content = row.content
    return SchemaAnswer(
        subject=row.subject,
        version=row.version,
        id=row.id,
        guid=guid_text(row.digest),
        schema_type=content.schema_type,
        references=content.references,
        metadata=content.metadata,
        rule_set=content.rule_set,
        schema=content.schema if text is None else text,
        timestamp_ms=row.timestamp_ms,
        deleted=row.deleted,
    )


class CompatibilityAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether a schema could be registered. Confluent: `CompatibilityCheckResponse`."""

    is_compatible: bool
    messages: list[str] | None = None


class ErrorAnswer(msgspec.Struct, frozen=True):
    """What is wrong. Confluent: `ErrorMessage`."""

    error_code: int
    message: str
