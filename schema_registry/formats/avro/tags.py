"""Tags inside of Avro schemas: the attribute `confluent:tags` of records and fields.

Confluent: `AvroSchema.inlineTaggedEntities`, `AvroSchema.copy(tagsToAdd, tagsToRemove)`.
"""

from __future__ import annotations

from collections.abc import Iterator

from aliran.schema_registry.errors import InvalidSchemaError
from aliran.schema_registry.formats.avro.types import Array, AvroType, Field, Map, Record, Union
from aliran.schema_registry.models import SchemaEntity, SchemaTags

ATTRIBUTE = "confluent:tags"
_RECORD, _FIELD = "sr_record", "sr_field"


def tagged(node: AvroType) -> list[SchemaTags]:
    """Return all parts of a schema that have tags."""
    found = []
    for record in _records(node, set()):
        parts: list[tuple[str, str, Record | Field]] = [(_RECORD, record.full_name, record)]
        parts += [(_FIELD, f"{record.full_name}.{one.name}", one) for one in record.fields]
        for kind, path, part in parts:
            tags = _tags(part)
            if tags:
                entity = SchemaEntity(entity_path=path, entity_type=kind)
                found.append(SchemaTags(schema_entity=entity, tags=tags))
    return found


def change_tags(node: AvroType, add: list[SchemaTags], remove: list[SchemaTags]) -> None:
    """Add tags to parts of a schema, and take others away.

    Raises:
        InvalidSchemaError: There is no such part.
    """
    records = {record.full_name: record for record in _records(node, set())}
    for change, taken in (*((one, False) for one in add), *((one, True) for one in remove)):
        part = _find(records, change.schema_entity)
        tags = [tag for tag in _tags(part) if not taken or tag not in change.tags]
        if not taken:
            tags += [tag for tag in dict.fromkeys(change.tags) if tag not in tags]
        if tags:
            part.props[ATTRIBUTE] = tags
        else:
            part.props.pop(ATTRIBUTE, None)


def _find(records: dict[str, Record], entity: SchemaEntity) -> Record | Field:
    path = entity.entity_path.removeprefix(".")
    if entity.entity_type == _RECORD and path in records:
        return records[path]
    if entity.entity_type == _FIELD:
        name, _, field_name = path.rpartition(".")
        for field in records[name].fields if name in records else ():
            if field.name == field_name:
                return field
    raise InvalidSchemaError(
        f"No matching path '{entity.entity_path}' of type {entity.entity_type} found in the schema"
    )


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
