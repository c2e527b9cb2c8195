"""Keys and values of the topic `_schemas`, as Confluent writes them.

Compaction compares the bytes of keys, so keys have one order of fields and no white space. When
reading, any order is taken: old versions of Karapace wrote another.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from aliran.schema_registry.guid import content_hash
from aliran.schema_registry.models import (
    Association,
    Config,
    Lifecycle,
    Metadata,
    Mode,
    Model,
    Reference,
    Registered,
    RuleSet,
    Schema,
    SchemaType,
)

Row: TypeAlias = tuple[bytes, bytes | None]
"""Key and value of one record; the value None deletes what the key names."""


class Key(msgspec.Struct, frozen=True, omit_defaults=True):
    """Any key; which fields it has depends on its type."""

    keytype: str
    tenant: str | None = None
    resource_name: str | None = msgspec.field(default=None, name="resourceName")
    resource_namespace: str | None = msgspec.field(default=None, name="resourceNamespace")
    resource_type: str | None = msgspec.field(default=None, name="resourceType")
    association_type: str | None = msgspec.field(default=None, name="associationType")
    context: str | None = None
    subject: str | None = None
    version: int | None = None
    magic: int | None = None


class SchemaValue(Model, frozen=True, kw_only=True):
    """The value of a SCHEMA row."""

    subject: str
    version: int
    id: int
    md5: str | None = None
    schema_type: SchemaType = "AVRO"
    references: tuple[Reference, ...] | None = ()
    metadata: Metadata | None = None
    rule_set: RuleSet | None = None
    schema: str
    deleted: bool = msgspec.field(default_factory=bool)  # a factory's false is written out


class ConfigValue(Config, frozen=True):
    """The value of a CONFIG row."""

    subject: str | None = None


class ModeValue(Model, frozen=True, kw_only=True):
    """The value of a MODE row."""

    subject: str | None = None
    mode: Mode


class AssociationValue(Model, frozen=True, kw_only=True):
    """The value of an ASSOC row."""

    subject: str
    guid: str
    tenant: str = msgspec.field(default_factory=lambda: "default")
    resource_name: str
    resource_namespace: str
    resource_id: str
    resource_type: str
    association_type: str
    lifecycle: Lifecycle
    frozen: bool = msgspec.field(default_factory=bool)
    create_ts: int | None = None


class DeleteSubjectValue(Model, frozen=True):
    """The value of a DELETE_SUBJECT row: all versions up to this one are deleted softly."""

    subject: str
    version: int


class NoopValue(Model, frozen=True):
    """What we keep in the NOOP row, which other registries do not look at.

    Attributes:
        max_ids: The highest id ever given out, by context: compaction forgets deleted schemas, but
            no id may be given out twice.
    """

    max_ids: dict[str, int] = msgspec.field(default_factory=dict)


_encode = msgspec.json.encode
decode_key: Callable[[bytes], Key] = msgspec.json.Decoder(Key).decode
decode_schema: Callable[[bytes], SchemaValue] = msgspec.json.Decoder(SchemaValue).decode
decode_config: Callable[[bytes], ConfigValue] = msgspec.json.Decoder(ConfigValue).decode
decode_mode: Callable[[bytes], ModeValue] = msgspec.json.Decoder(ModeValue).decode
decode_delete_subject: Callable[[bytes], DeleteSubjectValue] = msgspec.json.Decoder(
    DeleteSubjectValue
).decode
decode_association: Callable[[bytes], AssociationValue] = msgspec.json.Decoder(
    AssociationValue
).decode
decode_noop: Callable[[bytes], NoopValue] = msgspec.json.Decoder(NoopValue).decode


def schema_key(subject: str, version: int) -> bytes:
    """Return the key of a version."""
    return _encode(Key("SCHEMA", subject=subject, version=version, magic=1))


def schema_row(schema: Registered) -> Row:
    """Return the row of a version."""
    content = schema.content
    value = SchemaValue(
        subject=schema.subject,
        version=schema.version,
        id=schema.id,
        md5=base64.b64encode(schema.digest).decode(),
        schema_type=content.schema_type,
        references=content.references,
        metadata=content.metadata,
        rule_set=content.rule_set,
        schema=content.schema,
        deleted=schema.deleted,
    )
    return schema_key(schema.subject, schema.version), _encode(value)


def registered(value: SchemaValue, subject: str, version: int, timestamp_ms: int) -> Registered:
    """Return what the value of a SCHEMA row says; subject and version are those of its key."""
    content = Schema(
        schema=value.schema,
        schema_type=value.schema_type,
        references=value.references or (),
        metadata=value.metadata,
        rule_set=value.rule_set,
    )
    return Registered(
        subject=subject,
        version=version,
        id=value.id,
        content=content,
        digest=content_hash(content),
        deleted=value.deleted,
        timestamp_ms=timestamp_ms,
    )


def _subject_key(keytype: str, subject: str | None) -> bytes:
    return _encode(Key(keytype, subject=subject or None, magic=0))


def schema_tombstone(subject: str, version: int) -> Row:
    """Return the row that deletes a version for good."""
    return schema_key(subject, version), None


def config_row(subject: str | None, config: Config | None) -> Row:
    """Return the row of a subject's settings; None for `subject` means all, for `config` none."""
    if config is None:
        return _subject_key("CONFIG", subject), None
    value = ConfigValue(subject=subject, **msgspec.structs.asdict(config))
    return _subject_key("CONFIG", subject), _encode(value)


def mode_row(subject: str | None, mode: Mode | None) -> Row:
    """Return the row of a subject's mode; None for `subject` means all, for `mode` none."""
    value = None if mode is None else _encode(ModeValue(subject=subject, mode=mode))
    return _subject_key("MODE", subject), value


def delete_subject_row(subject: str, version: int) -> Row:
    """Return the row that deletes the versions of a subject up to one, softly."""
    value = DeleteSubjectValue(subject=subject, version=version)
    return _subject_key("DELETE_SUBJECT", subject), _encode(value)


def clear_subject_row(subject: str | None) -> Row:
    """Return the row that forgets soft-deleted versions of a subject, of a context, or of all."""
    value: dict[str, str] = {"subject": subject} if subject else {}
    return _subject_key("CLEAR_SUBJECT", subject), _encode(value)


def context_row(context: str, *, exists: bool = True) -> Row:
    """Return the row that says that a context exists, or no longer."""
    key = _encode(Key("CONTEXT", tenant="default", context=context, magic=0))
    return key, _encode({"tenant": "default", "context": context}) if exists else None


def noop_row(max_ids: Mapping[str, int]) -> Row:
    """Return the row that is written to find the end of the topic."""
    return _encode(Key("NOOP", magic=0)), _encode(NoopValue(max_ids=dict(max_ids)))


def association_row(one: Association, *, exists: bool = True) -> Row:
    """Return the row of an association, or that which takes it away."""
    key = Key(
        "ASSOC",
        tenant="default",
        resource_name=one.resource_name,
        resource_namespace=one.resource_namespace,
        resource_type=one.resource_type,
        association_type=one.association_type,
        subject=one.subject,
        magic=0,
    )
    value = AssociationValue(
        subject=one.subject,
        guid=one.guid,
        resource_name=one.resource_name,
        resource_namespace=one.resource_namespace,
        resource_id=one.resource_id,
        resource_type=one.resource_type,
        association_type=one.association_type,
        lifecycle=one.lifecycle,
        frozen=one.frozen,
        create_ts=one.created_ms,
    )
    return _encode(key), _encode(value) if exists else None


def association(value: AssociationValue, timestamp_ms: int) -> Association:
    """Return what the value of an ASSOC row says."""
    return Association(
        subject=value.subject,
        guid=value.guid,
        resource_name=value.resource_name,
        resource_namespace=value.resource_namespace,
        resource_id=value.resource_id,
        resource_type=value.resource_type,
        association_type=value.association_type,
        lifecycle=value.lifecycle,
        frozen=value.frozen,
        created_ms=value.create_ts or timestamp_ms,
        updated_ms=timestamp_ms,
    )
