"""What may differ between two Protobuf files, and whether the newer one still reads old data.

Names, verdicts and messages are Confluent's (`protobuf.diff.Difference`, `SchemaDiff`).
"""

from __future__ import annotations

from dataclasses import dataclass

from aliran.schema_registry.formats.base import Incompatibility


@dataclass(frozen=True, slots=True)
class Refusal:
    """A difference that stops reading.

    Attributes:
        text: Confluent's message; `{}` is the path, the two `%s` are reader and writer.
        hint: What to do about it.
    """

    text: str
    hint: str


REFUSALS: dict[str, Refusal] = {
    "PACKAGE_CHANGED": Refusal(
        "The package at '{}' in the %s schema does not match the package in the %s schema",
        "keep the package, or register under another subject",
    ),
    "MESSAGE_REMOVED": Refusal(
        "The %s schema is missing a MESSAGE type at path '{}' in the %s schema",
        "keep the message: data may be of its type",
    ),
    "FIELD_KIND_CHANGED": Refusal(
        "The type of a field at path '{}' in the %s schema does not match the %s schema",
        "give the new type to a new field with another number",
    ),
    "FIELD_SCALAR_KIND_CHANGED": Refusal(
        "The kind of a SCALAR field at path '{}' in the %s schema does not match its kind in the "
        "%s schema",
        "stay among types that are encoded alike (int32, int64, uint32, uint64, bool, enums; "
        "sint32, sint64; string, bytes), or use a new field number",
    ),
    "FIELD_NAMED_TYPE_CHANGED": Refusal(
        "The type of a MESSAGE field at path '{}' in the %s schema does not match its type in the "
        "%s schema",
        "keep the type's name and what it holds, or use a new field number",
    ),
    "FIELD_NUMERIC_LABEL_CHANGED": Refusal(
        "The label for a NUMERIC field at path '{}' in the %s schema does not match its label in "
        "the %s schema",
        "keep the label: repeated numbers are packed, a single one is not",
    ),
    "REQUIRED_FIELD_ADDED": Refusal(
        "A required field  at path '{}' in the %s schema is missing in the %s schema",
        "make it optional: data written before lacks it",
    ),
    "REQUIRED_FIELD_REMOVED": Refusal(
        "The %s schema is missing a required field at path: '{}' in the %s schema",
        "keep the field, or make it optional first",
    ),
    "ONEOF_FIELD_REMOVED": Refusal(
        "The %s schema is missing a oneof field at path '{}' in the %s schema",
        "keep the field: data may hold it, and would seem to hold none of the oneof",
    ),
    "MULTIPLE_FIELDS_MOVED_TO_ONEOF": Refusal(
        "Multiple fields in the oneof at path '{}' in the %s schema are outside a oneof in the %s "
        "schema",
        "leave fields outside that may be set together",
    ),
    "FIELD_MOVED_TO_EXISTING_ONEOF": Refusal(
        "A field in the oneof at path '{}' in the %s schema is outside an existing oneof in the %s "
        "schema",
        "leave the field outside: data may hold it beside one of the oneof",
    ),
    # Ours: Confluent does not look at labels of messages and maps.
    "FIELD_MESSAGE_LABEL_CHANGED": Refusal(
        "The label for a MESSAGE field at path '{}' in the %s schema does not match its label in "
        "the %s schema",
        "keep the field repeated: of many messages a single field holds all in one",
    ),
    # Ours: a reader of proto2 takes an unknown number of an enum as absent.
    "REQUIRED_LABEL_ADDED": Refusal(
        "The field at path '{}' in the %s schema is required, but may be absent in the %s schema",
        "leave it optional: data written before may lack it",
    ),
}
"""Every difference that is not in here is compatible."""


def incompatibility(rule: str, path: str) -> Incompatibility:
    """Return a difference as the registry reports it."""
    refusal = REFUSALS[rule]
    description = refusal.text.replace("{}", path)
    return Incompatibility(
        rule, path, f'{{errorType:"{rule}", description:"{description}"}}', refusal.hint
    )
