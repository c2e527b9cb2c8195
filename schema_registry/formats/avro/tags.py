"""Tags inside of Avro schemas: the attribute `confluent:tags` of records and fields.

Confluent: `AvroSchema.inlineTaggedEntities`, `AvroSchema.copy(tagsToAdd, tagsToRemove)`.
"""

from __future__ import annotations

from collections.abc import Iterator

from aliran.schema_registry.formats.avro.types import Array, AvroType, Field, Map, Record, Union
from aliran.schema_registry.formats.tagging import FIELD, RECORD, changed_tags, found_tags
from aliran.schema_registry.models import SchemaTags

ATTRIBUTE = "confluent:tags"


def tagged(node: AvroType) -> list[SchemaTags]:
    """Return all parts of a schema that have tags."""
    return found_tags(_parts(node), _tags)


def change_tags(node: AvroType, add: list[SchemaTags], remove: list[SchemaTags]) -> None:
    """Add tags to parts of a schema, and take others away.

    Raises:
        InvalidSchemaError: There is no such part.
    """
    for part, tags in changed_tags(_parts(node), _tags, add, remove):
        if tags:
            part.props[ATTRIBUTE] = tags
        else:
            part.props.pop(ATTRIBUTE, None)


def _parts(node: AvroType) -> dict[tuple[str, str], Record | Field]:
    parts: dict[tuple[str, str], Record | Field] = {}
    for record in _records(node, set()):
        parts[RECORD, record.full_name] = record
        for field in record.fields:
            parts[FIELD, f"{record.full_name}.{field.name}"] = field
    return parts


def _tags(part: Record | Field) -> list[str]:
    tags = part.props.get(ATTRIBUTE)
    return [str(tag) for tag in tags] if isinstance(tags, list) else []


def _records(node: AvroType, seen: set[str]) -> Iterator[Record]:
    if isinstance(node, Array):
        yield from _records(node.items, seen)
    elif isinstance(node, Map):
        yield from _records(node.values, seen)
    elif isinstance(node, Union):
        for branch in node.branches:
            yield from _records(branch, seen)
    elif isinstance(node, Record) and node.full_name not in seen:
        seen.add(node.full_name)
        yield node
        for field in node.fields:
            yield from _records(field.type, seen)
