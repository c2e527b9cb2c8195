"""The JSON that clients send. Unknown fields are ignored, as Confluent does."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias, get_args

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from aliran.schema_registry.contracts import (
    check_rule_set,
    merge_rule_sets,
    tidy_metadata,
    tidy_rule_set,
    with_version,
    without_rules,
)
from aliran.schema_registry.errors import (
    InvalidCompatibilityError,
    InvalidRuleSetError,
    InvalidSchemaError,
)
from aliran.schema_registry.formats.table import SCHEMA_TYPES
from aliran.schema_registry.models import (
    CompatibilityLevel,
    CompatibilityPolicy,
    Config,
    Metadata,
    Model,
    Reference,
    Registered,
    RuleSet,
    Schema,
    SchemaTags,
)
from aliran.schema_registry.registry import Registration

_LEVELS = (
    "Invalid compatibility level. Valid values are none, backward, forward, full, "
    "backward_transitive, forward_transitive, and full_transitive"
)
_POLICIES = "Invalid compatibility policy. Valid values are strict and lenient"


Int: TypeAlias = Annotated[int, msgspec.Meta(ge=-(1 << 31), le=(1 << 31) - 1)]
"""A number that fits into Java's int."""


class ReferenceBody(Model, frozen=True):
    """A reference as sent; all of it must be there in the end."""

    name: str | None = None
    subject: str | None = None
    version: Int | None = None


class SchemaBody(Model, frozen=True):
    """A schema as sent. Confluent: `RegisterSchemaRequest`."""

    schema: str | None = None
    schema_type: str | None = None
    references: list[ReferenceBody] | None = None
    metadata: Metadata | None = None
    rule_set: RuleSet | None = None
    id: Int | None = None
    version: Int | None = None
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
            tags_to_add=tuple(self.schema_tags_to_add or ()),
            tags_to_remove=tuple(self.schema_tags_to_remove or ()),
        )


class TagsBody(Model, frozen=True):
    """Changes of a version's tags, metadata and rules. Confluent: `TagSchemaRequest`."""

    new_version: Int | None = None
    tags_to_add: list[SchemaTags] | None = None
    tags_to_remove: list[SchemaTags] | None = None
    metadata: Metadata | None = None
    rule_set: RuleSet | None = None
    rules_to_merge: RuleSet | None = None
    rules_to_remove: list[str] | None = None

    def registration(self, row: Registered, latest: Registered | None) -> Registration:
        """Return the version that follows from a version by these changes.

        Args:
            row: The version.
            latest: The version whose rules are changed, where rules are merged or removed.

        Raises:
            InvalidRuleSetError: A rule is not valid, or rules are given in two ways.
        """
        rules = self.rule_set
        if self.rules_to_merge is not None or self.rules_to_remove is not None:
            if rules is not None:
                raise InvalidRuleSetError(
                    "ruleSet should be omitted if specifying rulesToMerge or rulesToRemove"
                )
            rules = latest.content.rule_set if latest is not None else None
            rules = merge_rule_sets(rules, tidy_rule_set(self.rules_to_merge))
            rules = without_rules(rules, self.rules_to_remove or ())
        check_rule_set(self.rules_to_merge)
        check_rule_set(self.rule_set)
        version = self.new_version or 0
        metadata = row.content.metadata if self.metadata is None else tidy_metadata(self.metadata)
        return Registration(
            content=replace(
                row.content,
                metadata=with_version(metadata, version),
                rule_set=tidy_rule_set(rules),
            ),
            version=version,
            tags_to_add=tuple(self.tags_to_add or ()),
            tags_to_remove=tuple(self.tags_to_remove or ()),
        )


class ConfigBody(Model, frozen=True):
    """Settings as sent: what is absent stays, null takes away. Confluent: `ConfigUpdateRequest`."""

    alias: str | UnsetType | None = UNSET
    normalize: bool | UnsetType | None = UNSET
    validate_fields: bool | UnsetType | None = UNSET
    validate_names: bool | UnsetType | None = UNSET
    validate_new_schemas: bool | UnsetType | None = UNSET
    validate_rules: bool | UnsetType | None = UNSET
    compatibility_level: str | UnsetType | None = msgspec.field(default=UNSET, name="compatibility")
    compatibility_policy: str | UnsetType | None = UNSET
    compatibility_group: str | UnsetType | None = UNSET
    default_metadata: Metadata | UnsetType | None = UNSET
    override_metadata: Metadata | UnsetType | None = UNSET
    default_rule_set: RuleSet | UnsetType | None = UNSET
    override_rule_set: RuleSet | UnsetType | None = UNSET

    def changes(self) -> dict[str, object]:
        """Return the new values by name.

        Raises:
            InvalidCompatibilityError: There is no such level or policy.
            InvalidRuleSetError: A rule is not valid.
        """
        changes = {name: getattr(self, name) for name in self.__struct_fields__}
        changes = {name: value for name, value in changes.items() if value is not UNSET}
        for name, allowed, texts in (
            ("compatibility_level", get_args(CompatibilityLevel), _LEVELS),
            ("compatibility_policy", get_args(CompatibilityPolicy), _POLICIES),
        ):
            if changes.get(name) is not None:
                changes[name] = changes[name].upper()
                if changes[name] not in allowed:
                    raise InvalidCompatibilityError(texts)
        for name in ("default_rule_set", "override_rule_set"):
            if changes.get(name) is not None:
                check_rule_set(changes[name])
                changes[name] = tidy_rule_set(changes[name])
        for name in ("default_metadata", "override_metadata"):
            if changes.get(name) is not None:
                changes[name] = tidy_metadata(changes[name])
        return changes

    @staticmethod
    def of(config: Config) -> ConfigBody:
        """Return settings in the form of a request, which is how they are echoed."""
        values = {name: getattr(config, name) for name in Config.__struct_fields__}
        return ConfigBody(**{name: value for name, value in values.items() if value is not None})


class ModeBody(Model, frozen=True):
    """A mode as sent. Confluent: `ModeUpdateRequest`."""

    mode: Any = None
