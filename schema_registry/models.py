"""What a registry holds, as frozen data: schemas, versions, settings of subjects.

Field names are ours; `rename` gives those of Confluent's REST interface and of the values in
`_schemas`. Nothing here parses a schema, decides anything or knows HTTP.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

SchemaType: TypeAlias = Literal["AVRO", "JSON", "PROTOBUF"]

CompatibilityLevel: TypeAlias = Literal[
    "NONE",
    "BACKWARD",
    "BACKWARD_TRANSITIVE",
    "FORWARD",
    "FORWARD_TRANSITIVE",
    "FULL",
    "FULL_TRANSITIVE",
]

CompatibilityPolicy: TypeAlias = Literal["STRICT", "LENIENT"]

Mode: TypeAlias = Literal["READWRITE", "READONLY", "READONLY_OVERRIDE", "IMPORT", "FORWARD"]


class Model(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Base of all: unknown fields are ignored, as Confluent's server does; absent ones left out."""


class Reference(Model, frozen=True):
    """One schema uses another. Confluent: `SchemaReference`.

    Attributes:
        name: What the schema calls it: full name of an Avro type, `$ref` of a JSON Schema, import
            path of a Protobuf file.
        subject: Where it is registered.
        version: Which version; -1 for the newest.
    """

    name: str
    subject: str
    version: int


class Metadata(Model, frozen=True):
    """What a user says about a schema. Confluent: `Metadata`."""

    tags: dict[str, list[str]] | None = None
    properties: dict[str, str] | None = None
    sensitive: list[str] | None = None


class Rule(Model, frozen=True):
    """One rule of a data contract; the registry keeps it, clients run it. Confluent: `Rule`."""

    name: str | None = None
    doc: str | None = None
    kind: str | None = None
    mode: str | None = None
    type: str | None = None
    tags: list[str] | None = None
    params: dict[str, str] | None = None
    expr: str | None = None
    on_success: str | None = None
    on_failure: str | None = None
    disabled: bool = msgspec.field(default_factory=bool)  # a factory's false is written out


class RuleSet(Model, frozen=True):
    """The rules of a schema. Confluent: `RuleSet`."""

    migration_rules: list[Rule] | None = None
    domain_rules: list[Rule] | None = None
    encoding_rules: list[Rule] | None = None
    enable_at: str | None = None


class Schema(Model, frozen=True):
    """The content of a schema, wherever it is registered.

    Attributes:
        schema: Its text; of a Protobuf schema possibly base64 of a FileDescriptorProto.
        schema_type: Its format.
        references: Other schemas it uses.
        metadata: What its author says about it.
        rule_set: Rules for clients.
    """

    schema: str
    schema_type: SchemaType = "AVRO"
    references: tuple[Reference, ...] = ()
    metadata: Metadata | None = None
    rule_set: RuleSet | None = None


class SchemaEntity(Model, frozen=True):
    """A part of a schema that can have tags. Confluent: `SchemaEntity`.

    Attributes:
        entity_path: Where it is: `.ns.Record.field`.
        entity_type: `sr_record` or `sr_field`.
    """

    entity_path: str
    entity_type: str


class SchemaTags(Model, frozen=True):
    """The tags of one part of a schema. Confluent: `SchemaTags`."""

    schema_entity: SchemaEntity
    tags: list[str]


class SubjectVersion(Model, frozen=True):
    """One place where a schema is registered. Confluent: `SubjectVersion`."""

    subject: str
    version: int


class ContextId(Model, frozen=True):
    """The id of a schema in one context. Confluent: `ContextId`."""

    context: str
    id: int


Lifecycle: TypeAlias = Literal["STRONG", "WEAK"]


class Association(Model, frozen=True, kw_only=True):
    """A subject that belongs to a resource. Confluent: `Association`.

    Attributes:
        subject: Full name of the subject.
        guid: Its own name, which no other has.
        resource_name: Of a topic: its name.
        resource_namespace: Of a topic: the id of its cluster.
        resource_id: What stays when the name is used again.
        resource_type: "topic".
        association_type: "key" or "value".
        lifecycle: STRONG when the resource owns the subject.
        frozen: Whether it cannot be changed.
        created_ms: When it was made, epoch milliseconds.
        updated_ms: When it was last changed.
    """

    subject: str
    guid: str
    resource_name: str
    resource_namespace: str
    resource_id: str
    resource_type: str = msgspec.field(default_factory=lambda: "topic")
    association_type: str
    lifecycle: Lifecycle
    frozen: bool
    created_ms: int | None = msgspec.field(default=None, name="createTs")
    updated_ms: int | None = msgspec.field(default=None, name="updateTs")


class Registered(msgspec.Struct, frozen=True):
    """A version of a subject, as the registry holds it in memory.

    Attributes:
        subject: Its full name, with the context where that is not the default one.
        version: Its number in the subject, from 1 on.
        id: The number of its content in the context.
        content: What is registered, the text in canonical form.
        digest: The 16 bytes of the content's GUID.
        deleted: Whether it is deleted softly: found by id, but in no list.
        timestamp_ms: When its row was written, epoch milliseconds.
    """

    subject: str
    version: int
    id: int
    content: Schema
    digest: bytes
    deleted: bool
    timestamp_ms: int


class Config(Model, frozen=True):
    """Settings of a subject, of a context, or of all; None where not set. Confluent: `Config`.

    Attributes:
        alias: Another subject that is meant by this one.
        normalize: Whether schemas are normalized before they are registered or looked up.
        validate_fields: Whether names reserved by Confluent, and reserved fields, are checked.
        validate_names: Whether new schemas are checked strictly (names, defaults).
        validate_rules: Kept for clients.
        compatibility_level: What new versions are compared with.
        compatibility_policy: How strictly.
        compatibility_group: A property of the metadata; only versions with the same value in it
            are compared.
        default_metadata: Metadata that schemas get where they say nothing.
        override_metadata: Metadata that schemas get, whatever they say.
        default_rule_set: Rules that schemas get where they have none of the name.
        override_rule_set: Rules that schemas get, whatever they have.
    """

    alias: str | None = None
    normalize: bool | None = None
    validate_fields: bool | None = None
    validate_names: bool | None = None
    validate_new_schemas: bool | None = None
    validate_rules: bool | None = None
    compatibility_level: CompatibilityLevel | None = None
    compatibility_policy: CompatibilityPolicy | None = None
    compatibility_group: str | None = None
    default_metadata: Metadata | None = None
    override_metadata: Metadata | None = None
    default_rule_set: RuleSet | None = None
    override_rule_set: RuleSet | None = None

    @property
    def checks_new_schemas(self) -> bool:
        """Whether new schemas are checked strictly; so unless it is switched off."""
        return self.validate_names is not False and self.validate_new_schemas is not False

    @property
    def has_contract(self) -> bool:
        """Whether it adds metadata or rules to schemas."""
        return any(
            part is not None
            for part in (
                self.default_metadata,
                self.override_metadata,
                self.default_rule_set,
                self.override_rule_set,
            )
        )
