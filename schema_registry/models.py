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


class Reference(Model):
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


class Metadata(Model):
    """What a user says about a schema. Confluent: `Metadata`."""

    tags: dict[str, list[str]] | None = None
    properties: dict[str, str] | None = None
    sensitive: list[str] | None = None


class Rule(Model):
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
    disabled: bool = False


class RuleSet(Model):
    """The rules of a schema. Confluent: `RuleSet`."""

    migration_rules: list[Rule] | None = None
    domain_rules: list[Rule] | None = None
    encoding_rules: list[Rule] | None = None
    enable_at: str | None = None


class Schema(Model):
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
