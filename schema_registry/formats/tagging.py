"""What tags inside of schemas have in common in all formats. Confluent: `SchemaEntity`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from aliran.schema_registry.errors import InvalidSchemaError
from aliran.schema_registry.models import SchemaEntity, SchemaTags

RECORD, FIELD = "sr_record", "sr_field"

T = TypeVar("T")


def found_tags(
    parts: Mapping[tuple[str, str], T], tags: Callable[[T], list[str]]
) -> list[SchemaTags]:
    """Return the parts that have tags.

    Args:
        parts: The parts of a schema, by kind and path.
        tags: Gives those of a part.
    """
    return [
        SchemaTags(schema_entity=SchemaEntity(entity_path=path, entity_type=kind), tags=found)
        for (kind, path), part in parts.items()
        if (found := tags(part))
    ]


def changed_tags(
    parts: Mapping[tuple[str, str], T],
    tags: Callable[[T], list[str]],
    add: Iterable[SchemaTags],
    remove: Iterable[SchemaTags],
) -> Iterator[tuple[T, list[str]]]:
    """Yield the parts whose tags change, with their new tags, one change after the other.

    Raises:
        InvalidSchemaError: There is no such part.
    """
    for change, taken in (*((one, False) for one in add), *((one, True) for one in remove)):
        entity = change.schema_entity
        part = parts.get((entity.entity_type, entity.entity_path.removeprefix(".")))
        if part is None:
            raise InvalidSchemaError(
                f"No matching path '{entity.entity_path}' of type {entity.entity_type} found in "
                "the schema"
            )
        left = [tag for tag in tags(part) if not taken or tag not in change.tags]
        if not taken:
            left += [tag for tag in dict.fromkeys(change.tags) if tag not in left]
        yield part, left
