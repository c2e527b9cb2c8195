"""The JSON that clients send. Unknown fields are ignored, as Confluent does."""

from __future__ import annotations

from typing import Any

from aliran.schema_registry.contracts import check_rule_set, tidy_metadata, tidy_rule_set
from aliran.schema_registry.errors import InvalidSchemaError
from aliran.schema_registry.formats.table import SCHEMA_TYPES
from aliran.schema_registry.models import (
    Metadata,
    Model,
    Reference,
    RuleSet,
    Schema,
    SchemaTags,
)
from aliran.schema_registry.registry import Registration


class ReferenceBody(Model, frozen=True):
    """A reference as sent; all of it must be there in the end."""

    name: str | None = None
    subject: str | None = None
    version: int | None = None


class SchemaBody(Model, frozen=True):
    """A schema as sent. Confluent: `RegisterSchemaRequest`."""

    schema: str | None = None
    schema_type: str | None = None
    references: list[ReferenceBody] | None = None
    metadata: Metadata | None = None
    rule_set: RuleSet | None = None
    id: int | None = None
    version: int | None = None
    schema_tags_to_add: list[SchemaTags] | None = None
    schema_tags_to_remove: list[SchemaTags] | None = None
    propagate_schema_tags: bool | None = None

    def content(self) -> Schema:
        """Return the schema that was sent.

        Raises:
            InvalidSchemaError: Its type is unknown, or a reference lacks something.
        """
        kind = self.schema_type or "AVRO"
        if kind not in SCHEMA_TYPES:
            raise InvalidSchemaError(f"Invalid schema type {kind}")
        references = []
        for one in self.references or ():
            if one.name is None or one.subject is None or one.version is None:
                raise InvalidSchemaError(
                    f"Invalid reference: {{name='{one.name}', subject='{one.subject}', "
                    f"version={one.version}}}"
                )
            references.append(Reference(name=one.name, subject=one.subject, version=one.version))
        return Schema(
            schema=self.schema or "",
            schema_type=kind,
            references=tuple(references),
            metadata=tidy_metadata(self.metadata),
            rule_set=tidy_rule_set(self.rule_set),
        )

    def registration(self, *, normalize: bool, force: bool) -> Registration:
        """Return what is asked for.

        Raises:
            InvalidSchemaError: See `content`.
            InvalidRuleSetError: A rule is not valid.
        """
        check_rule_set(self.rule_set)
        return Registration(
            content=self.content(),
            id=self.id if self.id is not None and self.id >= 0 else None,
            version=self.version or 0,
            normalize=normalize,
            force=force,
            propagate_tags=self.propagate_schema_tags is True,
        )


class ModeBody(Model, frozen=True):
    """A mode as sent. Confluent: `ModeUpdateRequest`."""

    mode: Any = None
